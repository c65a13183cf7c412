"""``hcdv value`` out of core, as a stranger comes upon it: one sentence for what fails, and nothing lost."""

import pandas as pd
import pytest
from click.testing import CliRunner

import hcdv.cli._large as large
import hcdv.scale.run as run
from hcdv._errors import WorkersLost
from hcdv.cli import main
from tests.scale.test_values import spread
from tests.scale.test_work import small


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to stand in, with rows in data/."""
    small(monkeypatch)
    monkeypatch.chdir(tmp_path)
    X, y = spread(900)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(label=y)
    (tmp_path / "data").mkdir()
    for part in range(3):
        frame[300 * part : 300 * (part + 1)].to_parquet(f"data/{part}.parquet")
    frame.to_csv("rows.csv", index=False)
    return tmp_path


def call(*arguments, out="values.parquet"):
    usual = ["--label", "label", "--utility", "fit", "--permutations", 2, "--jobs", 1, "--quiet", "--out", out]
    return CliRunner().invoke(main, ["value", *map(str, [*arguments, *usual])])


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("module", "stage"),
    [(run, "encode_block"), (run, "walk_part"), (large, "write")],
)
@pytest.mark.usefixtures("here")
def test_ctrl_c_is_one_sentence_and_the_same_command_goes_on(monkeypatch, module, stage):
    assert call("data", out="whole.parquet").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(module, stage, interrupted)
        answer = call("data", "--checkpoint", "work")
    assert answer.exit_code == 130
    assert answer.output == "hcdv: interrupted: the same command goes on from what work holds.\n"
    answer = call("data", "--checkpoint", "work")
    assert (answer.exit_code, answer.output) == (0, "")
    pd.testing.assert_frame_equal(pd.read_parquet("values.parquet"), pd.read_parquet("whole.parquet"))


@pytest.mark.usefixtures("here")
def test_ctrl_c_without_a_checkpoint_promises_nothing(monkeypatch):
    monkeypatch.setattr(run, "walk_part", interrupted)
    answer = call("data")
    assert (answer.exit_code, answer.output) == (130, "hcdv: interrupted.\n")


@pytest.mark.usefixtures("here")
def test_workers_that_are_lost_again_and_again_are_one_sentence(monkeypatch):
    def lost(*_):
        raise WorkersLost("task 'walk-0' was given up: worker after worker was lost while it was under way.")

    monkeypatch.setattr(run, "walk_part", lost)
    answer = call("data", "--checkpoint", "work")
    assert answer.exit_code == 2
    assert answer.output.startswith("hcdv: task 'walk-0' was given up") and answer.output.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "out"),
    [
        ("data/*.parquet", "data/1.parquet"),
        ("data/*.parquet", "data/new.parquet"),
        ("d*/**/*.parquet", "data/new.parquet"),
        ("file://{}/data", "data/new.parquet"),
        ("link", "data/new.parquet"),
    ],
)
def test_values_are_not_written_among_the_rows(here, data, out):
    if data == "link":
        (here / "link").symlink_to("data")
    held = {path: path.read_bytes() for path in (here / "data").iterdir()}
    answer = call(data.format(here), out=out)
    assert answer.exit_code == 2
    assert "lies in DATA" in answer.output
    assert held == {path: path.read_bytes() for path in (here / "data").iterdir()}


def test_trusted_rows_may_have_what_the_others_leave_out(here):
    frame = pd.read_parquet("data/0.parquet")
    for part in range(3):
        path = f"data/{part}.parquet"
        pd.read_parquet(path).assign(name=[f"{part}-{k}" for k in range(300)], day=part).to_parquet(path)
    frame.to_parquet("plain.parquet")
    frame[frame.columns[::-1]].assign(name="trusted", day=3, by="me").to_parquet("more.parquet")
    frame.drop(columns="c").to_parquet("less.parquet")
    leave = ["--id", "name", "--drop", "day"]
    assert call("data", *leave, "--validation", "plain.parquet", out="plain-values.parquet").exit_code == 0
    assert call("data", *leave, "--validation", "more.parquet").exit_code == 0
    pd.testing.assert_frame_equal(pd.read_parquet("values.parquet"), pd.read_parquet("plain-values.parquet"))
    answer = call("data", *leave, "--validation", "less.parquet")
    assert (answer.exit_code, answer.output) == (
        2, "hcdv: less.parquet has no column 'c'; it has a, b, d, e.\n"
    )  # fmt: skip


@pytest.mark.usefixtures("here")
def test_a_pattern_that_does_not_find_the_values_leaves_them_be():
    assert call("data/[01]*.parquet", out="data/values.parquet").exit_code == 0
    assert len(pd.read_parquet("data/values.parquet")) == 600


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rows.csv", "--memory-limit", "4GB"], "rows.csv cannot be read piece by piece"),
        (["data", "--validation", "rows.csv"], "rows.csv cannot be read piece by piece"),
        (["rows.csv", "--scheduler", "tcp://a:1"], "scheduler must be None where engine is 'threads'"),
        (["data", "--scheduler", "tcp://a:1"], "scheduler must be None where engine is 'threads'"),
        (["data", "--engine", "joblib", "--scheduler", "tcp://a:1"], "must be None where engine is 'joblib'"),
        (["data", "--checkpoint", "rows.csv"], "rows.csv holds something else"),
        (["data", "--checkpoint", "rows.csv/work"], "rows.csv/work: not a directory"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_does_not_fit_together_is_one_sentence(arguments, sentence):
    answer = call(*arguments)
    assert answer.exit_code == 2
    assert sentence in answer.output
    assert answer.output.count("\n") == 1
