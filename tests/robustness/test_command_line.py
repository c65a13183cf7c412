"""Malformed command lines: exit code 2 and a sentence, never a traceback; or they were fine after all."""

import shutil
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

from hcdv.cli import main
from tests.robustness.commands import command_line, write_files

SEED = 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_files(folder)
    return folder


def call(arguments):
    """What a command line ends in, with what it printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        return CliRunner().invoke(main, arguments)


def check(arguments):
    """The exit code of a command line, which failed in one sentence if it failed."""
    answer = call(arguments)
    shown = f"hcdv {' '.join(map(repr, arguments))}\n{answer.output}"
    assert answer.exception is None or isinstance(answer.exception, SystemExit), (shown, answer.exception)
    assert answer.exit_code in (0, 2), shown
    assert "Traceback" not in answer.output, shown
    if answer.exit_code == 2:
        last = answer.output.strip().split("\n")[-1]
        # Options that are not of a command's are refused by click, in its words.
        assert last.startswith(("hcdv: ", "Error: ")), shown
        assert last.rstrip("'\"").endswith((".", "?", ")")), shown
    return answer.exit_code


def run(whole, folder, monkeypatch, seeds):
    codes = []
    for seed in seeds:
        # What one command writes is no business of the next.
        place = folder / str(seed)
        shutil.copytree(whole, place)
        monkeypatch.chdir(place)
        codes.append(check(command_line(np.random.default_rng([SEED, seed]), place)))
        monkeypatch.chdir(folder)
        shutil.rmtree(place)
    return codes


def test_malformed_command_lines(whole, tmp_path, monkeypatch):
    codes = run(whole, tmp_path, monkeypatch, range(60))
    assert np.mean(codes) > 1.4  # most of them fail


@pytest.mark.slow
def test_a_thousand_malformed_command_lines(whole, tmp_path, monkeypatch):
    codes = run(whole, tmp_path, monkeypatch, range(60, 1060))
    assert np.mean(codes) > 1.4
