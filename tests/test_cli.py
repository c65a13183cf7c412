import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_iris

from hcdv import HCDV
from hcdv.cli import main


@pytest.fixture
def iris(tmp_path):
    frame = load_iris(as_frame=True).frame
    frame["species"] = np.array(["setosa", "versicolor", "virginica"])[frame.pop("target")]
    frame.insert(0, "flower", [f"f{i:03d}" for i in range(len(frame))])
    path = tmp_path / "iris.csv"
    frame.to_csv(path, index=False)
    return path


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_value_writes_a_row_for_every_row(iris, tmp_path):
    out = tmp_path / "values.parquet"
    answer = call("value", iris, "--label", "species", "--id", "flower", "--out", out)
    assert answer.exit_code == 0, answer.output
    assert "lowest-valued rows" in answer.output
    values = pd.read_parquet(out)
    assert list(values["id"]) == [f"f{i:03d}" for i in range(150)]
    assert values["value"].notna().all()


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "arrow", "npz"])
def test_every_format_goes_in_and_out(iris, tmp_path, suffix):
    from hcdv.io import read_table, write_values

    data = tmp_path / f"data.{suffix}"
    write_values(read_table(iris).drop(columns="flower"), data)
    out = tmp_path / f"values.{suffix}"
    answer = call("value", data, "--label", "species", "--out", out, "--quiet",
                  "--permutations", 4)  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert answer.output == ""
    assert len(read_table(out)) == 150


def test_options_reach_the_valuation(iris, tmp_path):
    out, saved, trusted = tmp_path / "v.csv", tmp_path / "state", tmp_path / "trusted.csv"
    trusted.write_bytes(iris.read_bytes())
    answer = call(
        "value", iris, "--label", "species", "--drop", "flower", "--validation", trusted, "--out", out,
        "--save", saved, "--utility", "kernel,evidence", "--permutations", 6, "--contrast", 0,
        "--quiet",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    result = HCDV.load(saved).result_
    assert list(result.weights) == ["kernel", "evidence"]
    assert result.n_permutations == 6


BAD = {
    "no such file": (["value", "nowhere.csv", "--label", "y", "--out", "o.csv"], "nowhere.csv"),
    "no such column": (["value", "IRIS", "--label", "colour", "--out", "o.csv"], "no column 'colour'"),
    "unknown suffix": (["value", "IRIS", "--label", "species", "--out", "o.doc"], "o.doc"),
    "no such folder": (
        ["value", "IRIS", "--label", "species", "--out", "no/where/o.csv"], "no/where",
    ),
    "a label that is a measurement": (
        ["value", "IRIS", "--label", "sepal length (cm)", "--out", "o.csv"], "continuous",
    ),
    "bad utility": (
        ["value", "IRIS", "--label", "species", "--utility", "magic", "--out", "o.csv"], "utility",
    ),
    "an id that repeats": (
        ["value", "IRIS", "--label", "species", "--id", "petal width (cm)", "--out", "o.csv"],
        "ids must be unique",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(iris, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, sentence = BAD[case]
    answer = call(*[iris if a == "IRIS" else a for a in arguments])
    assert answer.exit_code == 2
    line = answer.output.strip().splitlines()[-1]
    assert line.startswith("hcdv: ")
    assert sentence in line
    assert "Traceback" not in answer.output
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--out", "IRIS"],
        ["--validation", "VAL", "--out", "VAL"],
        ["--out", "both.csv", "--save", "both.csv"],
        ["--out", "link.csv"],
    ],
)
def test_no_input_is_overwritten(iris, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    trusted = tmp_path / "trusted.csv"
    trusted.write_bytes(iris.read_bytes())
    (tmp_path / "link.csv").symlink_to(iris)
    before = iris.read_bytes()
    paths = {"IRIS": iris, "VAL": trusted}
    answer = call("value", iris, "--label", "species", *[paths.get(o, o) for o in options])
    assert answer.exit_code == 2
    assert "would overwrite it" in answer.output
    assert iris.read_bytes() == trusted.read_bytes() == before


def test_rows_do_not_vouch_for_themselves(iris, tmp_path):
    answer = call("value", iris, "--label", "species", "--validation", iris, "--out", tmp_path / "v.csv")
    assert answer.exit_code == 2
    assert "cannot vouch for itself" in answer.output


def test_groups_are_totalled_and_no_feature(iris, tmp_path):
    frame = pd.read_csv(iris).drop(columns="flower")
    frame["seller"] = ["a", "b", "c"] * 50
    path, trusted, out = tmp_path / "sold.csv", tmp_path / "trusted.csv", tmp_path / "v.csv"
    frame.to_csv(path, index=False)
    frame.drop(columns="seller").iloc[::5].to_csv(trusted, index=False)
    answer = call("value", path, "--label", "species", "--groups", "seller", "--validation", trusted,
                  "--out", out, "--permutations", 8)  # fmt: skip
    assert answer.exit_code == 0, answer.output
    totals = pd.read_csv(out)["value"].groupby(frame["seller"]).sum()
    for name in "abc":
        assert f"  {name}: {totals[name]:.4g} (50 rows)" in answer.output


def test_dates_and_columns_left_out(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, 80) + 600 * y, "D")
    frame = pd.DataFrame({"joined": days.strftime("%Y-%m-%d"), "review": [f"text {i}" for i in range(80)],
                          "plan": ["a", "b"] * 40, "y": y})  # fmt: skip
    frame.loc[::9, "joined"] = None
    path, out = tmp_path / "dates.csv", tmp_path / "v.csv"
    frame.to_csv(path, index=False)
    from hcdv.io import read_table

    assert read_table(path)["joined"].dtype.kind == "M"
    answer = call("value", path, "--label", "y", "--out", out, "--permutations", 8)
    assert answer.exit_code == 0, answer.output
    assert "hcdv: note:" in answer.output
    assert "'review' was left out" in answer.output


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("option", ["--out", "--save"])
def test_a_device_or_a_pipe_is_not_replaced(iris, tmp_path, option):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    rest = [] if option == "--out" else ["--out", tmp_path / "values.csv"]
    answer = call("value", iris, "--label", "species", option, pipe, *rest)
    assert answer.exit_code == 2
    assert ("not a file" if option == "--out" else "is not a folder") in answer.output
    assert pipe.is_fifo()
    assert not (tmp_path / "values.csv").exists()


def test_a_place_for_the_result_is_looked_at_before_the_work(iris, tmp_path):
    out = tmp_path / "values.parquet"
    answer = call("value", iris, "--label", "species", "--out", out, "--save", tmp_path / "no" / "r")
    assert answer.exit_code == 2
    assert "does not exist" in answer.output
    assert ".part" not in answer.output
    assert not out.exists()


def test_data_that_looks_like_markup_is_data(tmp_path):
    path = tmp_path / "markup.csv"
    frame = pd.DataFrame(
        {"[/b]": ["[/foo]", "[red]x"] * 20, "y": ["[/]yes", "no", "no", "\x1b[31mno"] * 10}
    )
    frame.to_csv(path, index=False)
    answer = call("value", path, "--label", "y", "--out", tmp_path / "v.csv", "--permutations", 4)
    assert answer.exit_code == 0, answer.output
    assert "[/b]" in answer.output
    assert "\x1b[31m" not in answer.output


def test_columns_without_text_names_are_found(tmp_path):
    path = tmp_path / "numbered.parquet"
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)))
    frame[2] = np.arange(40) % 2
    frame.to_parquet(path)
    answer = call("value", path, "--label", "2", "--out", tmp_path / "v.csv", "--quiet")
    assert answer.exit_code == 0, answer.output


def test_a_terminal_without_the_characters_still_gets_the_values(tmp_path):
    path = tmp_path / "greek.csv"
    pd.DataFrame({"x": range(40), "y": ["α", "β"] * 20}).to_csv(path, index=False)
    command = [sys.executable, "-m", "hcdv", "value", path, "--label", "y", "--out", tmp_path / "v.csv"]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Wrote 40 values" in done.stdout


def test_demo_finds_most_of_the_flips(tmp_path):
    answer = call("demo", "--out", tmp_path / "demo")
    assert answer.exit_code == 0, answer.output
    share = float(answer.output.split("Of the flipped labels, ")[1].split("%")[0])
    assert share > 85
    values = pd.read_csv(tmp_path / "demo" / "values.csv")
    assert values["is_flipped"].mean() == pytest.approx(0.15, abs=0.001)
    assert (tmp_path / "demo" / "values.png").read_bytes().startswith(b"\x89PNG")


def test_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "hcdv", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "hcdv" in done.stdout


def test_help_is_not_cut():
    _, commands = CliRunner().invoke(main, ["-h"], terminal_width=80).output.split("Commands:")
    for command in ("demo", "value", "payout", "update", "forget", "watch", "history", "report"):
        assert f"  {command} " in commands
    assert "..." not in commands


def test_a_model_its_cache_its_checkpoint_and_its_time(iris, tmp_path):
    common = ["value", iris, "--label", "species", "--id", "flower", "--quiet", "--permutations", 4]
    kept = ["--checkpoint", tmp_path / "run", "--cache", tmp_path / "scores"]
    model = ["--utility", "ridge", "--seconds", 0.0001, "--permutations", 640]
    answer = call(*common, *model, "--out", tmp_path / "short.csv", "--save", tmp_path / "short")
    assert answer.exit_code == 0, answer.output
    assert HCDV.load(tmp_path / "short").result_.n_permutations < 640
    pytest.importorskip("torch")
    logistic = ["--utility", "logistic", "--resolution", 1, *kept]
    outs = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for out in outs:
        saved = tmp_path / f"{out.stem}.hcdv"
        answer = call(*common, *logistic, "--out", out, "--save", saved)
        assert answer.exit_code == 0, answer.output
    assert outs[0].read_bytes() == outs[1].read_bytes()
    result = HCDV.load(saved).result_
    # All of it was known: no model was trained the second time.
    assert result.n_evaluations == 0
    assert result.fidelity["logistic"].startswith("nodes down to level 1")
    # SQLite's log of a cache in use is no place for a checkpoint.
    kept[1] = tmp_path / "scores-wal"
    answer = call(*common, "--utility", "logistic", *kept, "--out", outs[0])
    assert answer.exit_code == 2 and "would overwrite it" in answer.output


@pytest.mark.parametrize(
    ("utility", "resolution", "sentence"),
    [
        ("logistic", "deep", "resolution must be a level or 'points', got 'deep'"),
        ("logistic", "1.5", "resolution must be a level or 'points', got '1.5'"),
        ("logistic", "²", "resolution must be a level or 'points', got '²'"),
        ("logistic", "0", "resolution must be at least 1, got 0"),
        ("logistic", "-1", "resolution must be at least 1, got -1"),
        ("auto", "1", "--resolution goes with a utility that trains a model (logistic)"),
        ("kernel,fit", "1", "--resolution goes with a utility that trains a model (logistic)"),
    ],
)
def test_a_resolution_that_makes_no_sense(iris, tmp_path, utility, resolution, sentence):
    answer = call(
        "value", iris, "--label", "species", "--quiet", "--out", tmp_path / "values.csv",
        "--utility", utility, "--resolution", resolution,
    )  # fmt: skip
    assert answer.exit_code == 2
    assert sentence in answer.output


def test_weights_are_learned_where_asked(iris, tmp_path):
    common = ["value", iris, "--label", "species", "--id", "flower", "--quiet", "--permutations", 4]
    weights = {}
    for kind in ("fixed", "auto"):
        saved = tmp_path / f"{kind}.hcdv"
        answer = call(*common, "--weights", kind, "--out", tmp_path / "v.csv", "--save", saved)
        assert answer.exit_code == 0, answer.output
        weights[kind] = HCDV.load(saved).result_.weights
    assert weights["fixed"]["kernel"] == weights["fixed"]["fit"] == 1.0
    assert weights["auto"]["kernel"] != 1.0
    assert weights["auto"]["kernel"] + weights["auto"]["fit"] == pytest.approx(2.0)
    assert call(*common, "--weights", "equal", "--out", tmp_path / "v.csv").exit_code == 2


def test_encoder_and_device(iris, tmp_path):
    torch = pytest.importorskip("torch")
    common = ["value", iris, "--label", "species", "--id", "flower", "--quiet", "--permutations", 4]
    saved = tmp_path / "v.hcdv"
    answer = call(*common, "--encoder", "identity, contrastive", "--out", tmp_path / "v.csv", "--save", saved)
    assert answer.exit_code == 0, answer.output
    assert "kernel_contrastive" in HCDV.load(saved).result_.parts
    answer = call(*common, "--encoder", "pca", "--out", tmp_path / "v.csv")
    assert answer.exit_code == 2 and "encoder must be one of" in answer.output
    if not torch.cuda.is_available():
        answer = call(*common, "--device", "cuda", "--out", tmp_path / "v.csv")
        assert answer.exit_code == 2 and "torch finds no CUDA device" in answer.output


def test_an_extra_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "hcdv.engine._dask", raising=False)
    load_iris(as_frame=True).frame.to_parquet(tmp_path / "iris.parquet")
    out = tmp_path / "values.parquet"
    answer = call("value", tmp_path / "iris.parquet", "--label", "target", "--out", out, "--engine", "dask")
    assert answer.exit_code == 2
    assert answer.output.count("pip install 'hcdv[dask]'") == 1
