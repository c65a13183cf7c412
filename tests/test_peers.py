"""bench.peers: our own worker, environments that cannot be made, the ladder, tables and claims."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.exact import blobs, knn_in_numpy
from bench.rivals import _environments
from bench.rivals._arrays import flipped, noisy_rows
from bench.rivals._ask import NAMES, OURS, PEERS, Rivals, install
from bench.rivals._detection import chosen, climb, scores, summary
from bench.rivals._environments import default_folder, environment, interpreter, is_made, last_error
from bench.rivals._ratios import claims, claims_table, table, tables
from bench.rivals._tasks import agreement

ROOT = Path(__file__).parents[1]


def small_knn(n=60):
    X, y, X_val, y_val = blobs(n)
    return {"X": X, "y": y, "X_val": X_val[:40], "y_val": y_val[:40]}


@pytest.fixture(scope="module")
def ours():
    return Rivals({OURS: sys.executable}, 60.0)


class TestOwnWorker:
    def test_values_and_figures(self, ours):
        arrays = small_knn()
        row, values = ours.ask(OURS, "KNN-Shapley", arrays, {"k": 3})
        np.testing.assert_allclose(values, knn_in_numpy(*arrays.values(), 3), rtol=0, atol=1e-12)
        assert row["library"] == OURS and row["k"] == 3 and "failed" not in row
        assert 0 < row["cpu_seconds"] < 5 and row["seconds"] > 0 and row["import_seconds"] > 0
        assert 20 < row["peak_mb"] < 2_000

    def test_an_error_is_a_row(self, ours):
        row, values = ours.ask(OURS, "KNN-Shapley", small_knn(), {"k": 0})
        assert values is None
        assert row["failed"].startswith("ValueError: k must")

    def test_too_slow_is_a_row(self):
        row, values = Rivals({OURS: sys.executable}, 0.01).ask(OURS, "KNN-Shapley", small_knn(), {"k": 3})
        assert values is None
        assert row["failed"].startswith("stopped after")


class TestEnvironments:
    def test_what_cannot_be_installed_is_a_row(self, tmp_path):
        (tmp_path / "pydvl.txt").write_text("no-such-package-of-hcdv==0.0.0\n")
        pythons, rows = install(["pydvl"], tmp_path / "envs", tmp_path, ("--no-index",))
        assert list(pythons) == [OURS]
        assert [row["library"] for row in rows] == ["pydvl"]
        assert "not installed: ERROR" in rows[0]["failed"]
        assert "no-such-package-of-hcdv" in rows[0]["failed"]
        assert "no-such-package-of-hcdv" in tables(rows)
        assert not is_made(tmp_path / "pydvl.txt", tmp_path / "envs")

    def test_made_once_and_anew_when_requirements_change(self, tmp_path, monkeypatch):
        calls = []
        monkeypatch.setattr(_environments, "_call", lambda *command: calls.append(command))
        requirements = tmp_path / "peer.txt"
        requirements.write_text("first\n")

        def make():
            (tmp_path / "envs" / "peer").mkdir(parents=True, exist_ok=True)
            monkeypatch.setattr(_environments.shutil, "rmtree", lambda *args, **options: None)
            return environment(requirements, tmp_path / "envs")

        assert make().seconds > 0
        assert [call[1:3] for call in calls] == [("-m", "venv"), ("-m", "pip")]
        assert "--no-deps" in calls[1]
        assert make().seconds == 0
        assert len(calls) == 2
        requirements.write_text("second\n")
        make()
        assert len(calls) == 4

    def test_every_requirement_is_pinned(self):
        assert set(PEERS) | {OURS} == set(NAMES)
        for peer in PEERS:
            lines = (ROOT / "bench/rivals/requirements" / f"{peer}.txt").read_text().splitlines()
            pins = [line for line in lines if not line.startswith("#")]
            assert pins and all(line.count("==") == 1 and "@" not in line for line in pins)
            assert (ROOT / "bench/rivals" / f"run_{peer}.py").exists()

    def test_last_error(self):
        assert last_error("a\nERROR: why\nb\n") == "ERROR: why"
        assert last_error("a\n\nb\n") == "b"
        assert last_error("") == "no message"


class TestArrays:
    def test_flips_fifteen_percent_to_other_classes(self):
        y = np.arange(200) % 5
        noisy, is_flipped = flipped(y, 5, 0)
        assert is_flipped.sum() == 30
        np.testing.assert_array_equal(noisy != y, is_flipped)

    def test_validation_rows_are_apart(self):
        arrays, is_flipped = noisy_rows("mc", 100, 0, 50)
        assert arrays["X"].shape == (100, 20) and arrays["X_val"].shape == (50, 20)
        assert is_flipped.shape == (100,)


class TestLadder:
    @staticmethod
    def ask(number, auc=lambda n: min(0.99, 0.5 + n / 40), second=0.1):
        return {"number": number, "seed": 0, "auc": auc(number), "f1": 0.5, "cpu_seconds": number * second,
                "peak_mb": 1.0}  # fmt: skip

    def test_doubles_to_the_goal_then_fills_the_budget(self):
        rows = climb(self.ask, 2, 4096, 10.0)
        assert [row["number"] for row in rows] == [2, 4, 8, 16, 64]
        found = chosen(rows, 10.0)
        assert found["goal"]["number"] == 16 and found["budget"]["number"] == 64

    def test_stops_where_twice_as_many_would_not_do(self):
        rows = climb(lambda n: self.ask(n, auc=lambda n: 0.6), 1, 4096, 1.0)
        assert [row["number"] for row in rows] == [1, 2, 4, 8]
        assert set(chosen(rows, 1.0)) == {"budget"}

    def test_goes_on_after_a_failure_but_not_after_a_stop(self):
        def ask(number):
            if number < 4:
                return {"number": number, "failed": "too few"}
            return {"number": number, "failed": "stopped after 1 s"}

        assert [row["number"] for row in climb(ask, 1, 4096, 1.0)] == [1, 2, 4]

    def test_summary_takes_means_over_seeds(self):
        runs = [*climb(self.ask, 2, 4096, 10.0), {**self.ask(16, auc=lambda n: 0.8), "seed": 1}]
        row = summary(runs, 10.0)
        assert row["number_goal"] == 16
        assert row["auc_goal"] == pytest.approx(0.85) and row["least_auc_goal"] == 0.8

    def test_rows_without_a_value_are_counted(self):
        found = scores(np.array([0.0, np.nan, 1.0, 1.0]), np.array([True, False, False, False]))
        assert found["n_missing"] == 1 and found["auc"] == 1.0


def test_agreement_of_two_draws_is_one():
    rng = np.random.default_rng(0)
    p, n_out = rng.uniform(0.3, 1.0, 4_000), 74
    first, second = (rng.binomial(n_out, p) / n_out for _ in range(2))
    found = agreement(first, first * (1 - first) / (n_out - 1), second, round(n_out * np.e))
    assert found["variance_ratio"] == pytest.approx(1.0, abs=0.1)
    assert agreement(first, first * (1 - first) / (n_out - 1), second - 0.1, 201)["variance_ratio"] > 2


def knn_rows(difference):
    case = {"task": "knn", "case": "n = 9", "k": 3, "seconds": 1.0, "peak_mb": 100.0, "method": "KNN-Shapley"}
    return [
        {"task": "install", "library": "pydvl", "seconds": 3.0},
        {**case, "library": OURS, "cpu_seconds": 0.5, "max_difference": 0.0},
        {**case, "library": "pydvl", "cpu_seconds": 4.0, "max_difference": difference},
        {**case, "library": "opendataval", "failed": "stopped after 9 s"},
    ]


class TestTables:
    def test_columns_are_aligned(self):
        lines = table(["", "a"], [["x", "1"], ["long", "23"]], 1).splitlines()
        assert lines == ["       a", "x      1", "long  23"]

    def test_ratios_and_reasons(self):
        text = tables(knn_rows(1e-12))
        assert "pyDVL    made in 3 s" in text
        assert next(line for line in text.splitlines() if "pyDVL KNN" in line).split()[-2:] == ["8x", "1e-12"]
        assert "n = 9: OpenDataVal KNN-Shapley: stopped after 9 s" in text

    @pytest.mark.parametrize(("difference", "word"), [(1e-12, "holds"), (1e-3, "DOES NOT HOLD")])
    def test_claims(self, difference, word):
        found = {row["claim"]: row for row in claims(knn_rows(difference))}
        assert found["KNN-Shapley: largest difference from pyDVL's"]["holds"] is (word == "holds")
        assert found["KNN-Shapley: largest difference from OpenDataVal's"]["holds"] is None
        text = claims_table(list(found.values()))
        assert word in text and "not measured" in text


def test_ours_alone_from_the_command_line(tmp_path):
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers", "--peers", "--tasks", "game", "--json", str(figures)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Exact Shapley values of a black-box game" in done.stdout
    record = json.loads(figures.read_text())
    games = [row for row in record["rows"] if row["task"] == "game"]
    assert [row["case"] for row in games] == ["10 players", "12 players"]
    assert all(row["max_difference"] < 1e-12 for row in games)
    # A short call is repeated, and each counts its own coalitions.
    assert [row["n_evaluations"] for row in games] == [2**10, 2**12]


@pytest.mark.slow
def test_knn_values_are_those_of_pydvl():
    requirements = _environments.REQUIREMENTS / "pydvl.txt"
    if not is_made(requirements, default_folder()):
        pytest.skip("pyDVL's environment is not there; python -m bench.peers --peers pydvl --tasks makes it")
    python = str(interpreter(requirements, default_folder()))
    rivals = Rivals({OURS: sys.executable, "pydvl": python}, 120.0)
    (_, ours), (row, theirs) = (
        rivals.ask(library, "KNN-Shapley", small_knn(300), {"k": 5}) for library in (OURS, "pydvl")
    )
    assert "failed" not in row
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
