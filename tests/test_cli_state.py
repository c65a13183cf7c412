"""The commands on a state: update, forget, watch, history; and what a kill at any moment leaves behind."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hcdv import HCDV
from hcdv.cli import main
from hcdv.cli._columns import _checksum

N, BATCH = 240, 20


def call(*arguments, **options):
    return CliRunner().invoke(main, [str(a) for a in arguments], **options)


def done(*arguments):
    answer = call(*arguments)
    assert answer.exit_code == 0, answer.output
    return answer.output


def refused(*arguments):
    """The one sentence that a command ends with."""
    answer = call(*arguments)
    assert answer.exit_code == 2, answer.output
    assert "Traceback" not in answer.output
    (line,) = [line for line in answer.stderr.splitlines() if not line.startswith("hcdv: note:")]
    assert line.startswith("hcdv: ") and line.endswith(".")
    return line


def rows(n=N + 4 * BATCH, seed=0):
    """Rows of every kind of column, whose names are digits with zeros in front where a seller is."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n) + 200 * y, "D")
    return pd.DataFrame(
        {
            "order": [f"r{i:04d}" for i in range(n)],
            "seller": rng.choice(["01", "02", "x3"], n),
            "amount": rng.normal(size=n) + y,
            "count": rng.integers(0, 9, n) + 3 * y,
            "code": np.where(rng.random(n) < 0.5, "007", np.where(y, "b", "c")),
            "day": day.strftime("%Y-%m-%d"),
            "paid": np.where(y, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A state, and files of rows for it."""
    folder = tmp_path_factory.mktemp("made")
    frame = rows()
    frame[:N].to_csv(folder / "base.csv", index=False)
    for k in range(4):
        start = N + k * BATCH
        frame[start : start + BATCH].to_csv(folder / f"new{k}.csv", index=False)
    done(
        "value", folder / "base.csv", "--label", "paid", "--id", "order", "--groups", "seller", "--out",
        folder / "values.csv", "--save", folder / "state", "--permutations", 16, "--jobs", 1, "--quiet",
        "--utility", "kernel,fit",
    )  # fmt: skip
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of the state and the files, which a test may change."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(model):
    """All that must be the same for two states to be one."""
    result, tree = model.result_, model.hierarchy_
    arrays = [result.ids, result.values, result.labels, result.node_values, tree.order, tree.node_key]
    notes = [(update.number, update.kind, update.note, update.n_rows) for update in model.history_]
    return [np.asarray(array).tolist() for array in arrays], notes


def state(path="state"):
    return content(HCDV.load(path))


# update


def test_update_takes_a_batch_in_once(here):
    before = state()
    output = done("update", "state", "new0.csv", "--out", "v.csv", "--quiet")
    assert output == ""
    values, old = pd.read_csv("v.csv", dtype={"seller": str}), pd.read_csv("values.csv")
    assert list(values.columns) == list(old.columns)
    data = pd.concat([pd.read_csv(f, dtype=str) for f in ("base.csv", "new0.csv")], ignore_index=True)
    assert values["id"].tolist() == data["order"].tolist()
    assert values["seller"].tolist() == data["seller"].tolist()
    assert values["label"].tolist() == data["paid"].tolist()
    model = HCDV.load("state")
    assert values["value"].tolist() == model.values_.tolist()
    after = content(model)
    assert after != before
    again = done("update", "state", "new0.csv", "--out", "again.csv")
    assert "taken in before (by update 1); nothing was changed" in again
    assert state() == after
    assert (here / "again.csv").read_bytes() == (here / "v.csv").read_bytes()
    assert "taken in before (with the fit)" in done("update", "state", "base.csv", "--out", "again.csv")
    assert state() == after


def test_update_says_what_came(here):
    output = done("update", "state", "new0.csv", "--out", "v.csv")
    assert f"update 1: {N + BATCH} rows, {BATCH} new" in output
    assert "lowest-valued new rows" in output
    shown = re.findall(r"│ (r\d+) ", output)
    assert len(shown) == 10 and set(shown) <= {f"r{i:04d}" for i in range(N, N + BATCH)}
    assert "Wrote 260 values to v.csv" in output


def test_columns_are_read_as_those_of_the_fit(here):
    # Every seller and every code of this batch reads as a number, and so does an empty column of dates.
    frame = pd.read_csv("new0.csv", dtype=str)
    frame["seller"], frame["code"], frame["day"] = "02", "007", None
    frame["order"] = [f"{i:04d}" for i in range(len(frame))]
    frame["beside"] = 1
    frame[frame.columns[::-1]].to_csv("digits.csv", index=False)
    done("update", "state", "digits.csv", "--out", "v.csv", "--quiet")
    model = HCDV.load("state")
    assert model.result_.ids[N] == "0000"
    assert set(model.update_.by_group) == {"01", "02", "x3"}
    # The same rows in a format that keeps kinds are the same batch.
    for name in ("count", "amount"):
        frame[name] = pd.read_csv("digits.csv")[name]
    frame["day"] = pd.to_datetime(frame["day"]).astype("datetime64[ns]")
    frame.to_parquet("same.parquet")
    assert "taken in before" in done("update", "state", "same.parquet", "--out", "v.csv")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"order": ["r0000"]}, "1 of 20 rows are known already (first: 'r0000')"),
        ({"paid": ["maybe"]}, "1 labels that the model was not fitted on (first: 'maybe' at row 0)"),
        ({"count": ["many"]}, "has text in column 'count' (first: 'many'), where the rows of the fit have"),
        ({"day": ["soon"]}, "has text in column 'day' (first: 'soon'), where the rows of the fit have dates"),
        ({"seller": [None]}, "has 1 rows without a group in column 'seller'"),
        ({"amount": None}, "has no column 'amount'"),
        ({"order": ["r0300", "r0300"]}, "ids must be unique"),
    ],
)
def test_a_bad_batch_changes_nothing(here, change, sentence):
    before = state()
    frame = pd.read_csv("new0.csv", dtype=str)
    for name, values in change.items():
        if values is None:
            del frame[name]
        else:
            frame.loc[: len(values) - 1, name] = values
    frame.to_csv("bad.csv", index=False)
    assert sentence in refused("update", "state", "bad.csv", "--out", "v.csv", "--quiet")
    assert state() == before
    assert not (here / "v.csv").exists()


def test_rows_without_names_are_told_apart_by_their_content(here):
    for name in ("base", "new0", "new1"):
        pd.read_csv(f"{name}.csv").drop(columns=["order", "seller"]).to_csv(f"{name}.csv", index=False)
    done("value", "base.csv", "--label", "paid", "--out", "v.csv", "--save", "plain", "--quiet",
         "--utility", "kernel", "--permutations", 8)  # fmt: skip
    done("update", "plain", "new0.csv", "--out", "v.csv", "--quiet")
    after = state("plain")
    pd.read_csv("new0.csv").set_index(np.arange(20) * 7).to_parquet("new0.parquet")
    for same in ("new0.csv", "new0.parquet", "base.csv"):
        assert "nothing was changed" in done("update", "plain", same, "--out", "v.csv")
    assert state("plain") == after
    done("update", "plain", "new1.csv", "--out", "v.csv", "--quiet")
    assert HCDV.load("plain").result_.ids.tolist() == list(range(N + 2 * BATCH))
    # What was withdrawn as a whole may come again, what is left of a batch keeps it out.
    listed = here / "list.txt"
    listed.write_text("\n".join(map(str, range(N, N + 19))))
    done("forget", "plain", listed, "--quiet")
    assert "nothing was changed" in done("update", "plain", "new0.csv", "--out", "v.csv")
    done("forget", "plain", "--id", N + 19, "--quiet")
    assert f"{BATCH} new" in done("update", "plain", "new0.csv", "--out", "v.csv")


def test_trusted_rows_change_once(here):
    pd.read_csv("new3.csv").drop(columns=["order", "seller"]).to_csv("trusted.csv", index=False)
    output = done("update", "state", "new0.csv", "--validation", "trusted.csv", "--out", "v.csv")
    assert "update 1" in output and "update 2" in output
    after = state()
    output = done("update", "state", "new0.csv", "--validation", "trusted.csv", "--out", "again.csv")
    assert "are trusted already" in output and "taken in before" in output
    assert state() == after
    assert (here / "again.csv").read_bytes() == (here / "v.csv").read_bytes()
    assert "cannot vouch for itself" in refused(
        "update", "state", "new0.csv", "--validation", "new0.csv", "--out", "v.csv"
    )


def test_without_new_rows_values_are_written_or_made_anew(here):
    before = state()
    done("update", "state", "--out", "v.csv", "--quiet")
    assert state() == before
    pd.testing.assert_frame_equal(pd.read_csv("v.csv"), pd.read_csv("values.csv"))
    done("update", "state", "new0.csv", "--out", "v.csv", "--quiet", "--refresh", "affected")
    done("update", "state", "--out", "v.csv", "--quiet", "--refresh", "full")
    model = HCDV.load("state")
    assert [update.kind for update in model.history_] == ["add", "refresh"]
    assert model.update_.error == 0


@pytest.mark.parametrize("name", ["nowhere", "base.csv", "empty", "bare"])
def test_what_is_no_state(here, name):
    (here / "empty").mkdir()
    shutil.copytree("state", "bare")
    (here / "bare" / "columns.json").unlink()
    said = refused("update", name, "new0.csv", "--out", "v.csv")
    assert name in said
    assert not (here / "v.csv").exists()


def test_places_are_looked_at_before_the_work(here):
    assert "lies in the state" in refused("update", "state", "new0.csv", "--out", "state/v.csv")
    assert "something in it" in refused(
        "value", "base.csv", "--label", "paid", "--out", "v.csv", "--save", "state"
    )
    (here / "empty").mkdir()
    options = ["--label", "paid", "--quiet", "--permutations", 4, "--out", "v.csv", "--save"]
    assert "does not exist" in refused("value", "base.csv", *options, "no/state")
    assert "is not a folder" in refused("value", "base.csv", *options, "values.csv")
    done("value", "base.csv", *options, "empty")
    done("history", "empty")
    assert not [path for path in here.iterdir() if path.name.endswith(".part")]


def test_two_states_in_one_place_are_noticed(here):
    """A model loaded before somebody else's update is not saved over it."""
    model = HCDV.load("state")
    done("update", "state", "new0.csv", "--out", "v.csv", "--quiet")
    after = state()
    model.forget(["r0000"])
    with pytest.raises(ValueError, match="changed by somebody else"):
        model.save("state")
    assert state() == after


def test_columns_that_are_damaged_or_of_another_state(here):
    path = here / "state" / "columns.json"
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    update = ["update", "state", "new0.csv", "--out", "v.csv", "--quiet"]
    before = state()
    for place in rng.integers(0, len(data), 20).tolist():
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        # White space is nothing that anything depends on.
        if json.loads(data) != _parsed(changed):
            assert "columns.json" in refused(*update)
    facts = json.loads(data)
    for changed, said in [
        ({"lineage": "0" * 32}, "is of another state"),
        ({"label": "code"}, "is damaged: it tells of no columns"),
        ({"label": 5}, "is damaged: it tells of no columns"),
        ({"features": facts["features"][:-1]}, "its model has other columns"),
        ({"features": "amount"}, "it tells of no columns"),
        ({"kinds": {}}, "it tells of no columns"),
        ({"more": 1}, "it tells of no columns"),
        ({"groups": []}, "its model has other groups"),
    ]:
        # Under a right checksum, as a hand would write it.
        hostile = {**facts, **changed}
        del hostile["sha256"]
        path.write_text(json.dumps({**hostile, "sha256": _checksum(hostile)}))
        if changed == {"label": "code"}:  # a column of the model that is no label, whose labels are not known
            said = "has 20 labels"
        assert said in refused(*update), changed
    path.write_text(json.dumps({**facts, "version": 2}))
    assert "has version 2" in refused(*update)
    for text in (b"", b"[" * 100_000, b"null", b"\x80"):
        path.write_bytes(text)
        assert "is damaged" in refused(*update)
    path.write_bytes(data)
    assert state() == before


def _parsed(data):
    try:
        return json.loads(bytes(data))
    except ValueError:
        return None


# forget


@pytest.mark.parametrize("how", ["options", "list.txt", "bare.csv", "table.csv", "table.parquet"])
def test_forget_rows(here, how):
    names = ["r0003", "r0005", "r0239"]
    (here / "list.txt").write_text("\n".join([*names, ""]))
    (here / "bare.csv").write_text("\n".join(names))
    pd.DataFrame({"why": "gdpr", "order": names}).to_csv("table.csv", index=False)
    pd.DataFrame({"id": names, "why": "gdpr"}).to_parquet("table.parquet")
    given = [part for name in names for part in ("--id", name)] if how == "options" else [how]
    assert f"{N - 3} rows, 3 forgotten" in done("forget", "state", *given, "--out", "v.csv")
    values = pd.read_csv("v.csv")
    assert len(values) == N - 3 and not set(names) & set(values["id"])
    after = state()
    said = refused("forget", "state", *given, "--out", "v.csv")
    assert "name no row of state (first: 'r0003'): forgotten already" in said
    assert state() == after


def test_forget_a_seller(here):
    done("forget", "state", "--group", "01", "--out", "v.csv", "--quiet")
    values = pd.read_csv("v.csv", dtype=str)
    assert set(values["seller"]) == {"02", "x3"}
    assert "no row of state is of the group '01'" in refused("forget", "state", "--group", "01")
    assert "one of the two" in refused("forget", "state", "--group", "02", "--id", "r0000")
    assert "one of the two" in refused("forget", "state")
    assert "no row would be left" in refused("forget", "state", "--group", "02", "--group", "x3")


def test_rows_known_by_numbers(here):
    frame = pd.read_csv("base.csv")
    frame["order"] = np.arange(N) + 10
    frame.drop(columns="seller").to_csv("base.csv", index=False)
    done("value", "base.csv", "--label", "paid", "--id", "order", "--out", "v.csv", "--save", "numbers",
         "--quiet", "--permutations", 4)  # fmt: skip
    pd.DataFrame({"order": [11.0, None, 12.0], "x": 1}).to_csv("some.csv", index=False)
    pd.DataFrame({"order": [13, 14]}).to_parquet("some.parquet")
    refused("forget", "numbers", "some.csv")
    done("forget", "numbers", "some.parquet", "--id", 11, "--quiet", "--out", "v.csv")
    assert not {11, 13, 14} & set(pd.read_csv("v.csv")["id"])
    assert "knows no groups" in refused("forget", "numbers", "--group", "01")


# watch


def lines_of(output):
    """Lines of a watch without their times."""
    return [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", "", line) for line in output.splitlines()]


def test_watch_once(here):
    (here / "in").mkdir()
    for name in ("new1.csv", "new0.csv"):
        shutil.copy(name, f"in/{name}")
    (here / "in" / "a.csv").write_text("amount,paid\n1,yes\n")
    (here / "in" / "b.doc").write_text("hello")
    for name in (".new2.csv", "new2.csv.part", "new2.tmp"):
        shutil.copy("new2.csv", f"in/{name}")
    (here / "in" / "folder.csv").mkdir()
    answer = call("watch", "state", "in", "--once", "--every", 0.05, "--out-folder", "out")
    assert answer.exit_code == 0, answer.output
    first, *batches, last = lines_of(answer.stdout)
    assert first == "watching in: 240 rows in state"
    assert [line.split()[:4] for line in batches] == [
        ["new0.csv", "update", "1:", "260"], ["new1.csv", "update", "2:", "280"],
    ]  # fmt: skip
    assert last == "stopped: 2 batches taken in, 280 rows"
    bad = lines_of(answer.stderr)
    assert [line.split("  ")[0] for line in bad] == ["hcdv: a.csv", "hcdv: b.doc"]
    assert sorted(os.listdir("out")) == ["new0.csv.values.csv", "new1.csv.values.csv"]
    values = pd.read_csv("out/new1.csv.values.csv")
    assert values["value"].tolist() == HCDV.load("state").values_.tolist()
    # A crash may have kept a batch from its file of values.
    (here / "out" / "new1.csv.values.csv").unlink()
    after = state()
    answer = call("watch", "state", "in", "--once", "--every", 0.05, "--out-folder", "out")
    assert lines_of(answer.stdout)[1:] == [
        "new0.csv  taken in before (by update 1); nothing was changed",
        "new1.csv  taken in before (by update 2); nothing was changed",
        "stopped: 0 batches taken in, 280 rows",
    ]
    assert state() == after
    assert pd.read_csv("out/new1.csv.values.csv").equals(values)
    assert "is FOLDER" in refused("watch", "state", "in", "--out-folder", "in")
    assert "is not a folder" in refused("watch", "state", "new0.csv")


def test_a_file_that_grew_is_not_counted_twice(here):
    (here / "in").mkdir()
    for name in ("base", "new0", "new1"):
        pd.read_csv(f"{name}.csv").drop(columns=["order", "seller"]).to_csv(f"{name}.csv", index=False)
    done("value", "base.csv", "--label", "paid", "--out", "v.csv", "--save", "plain", "--quiet",
         "--utility", "kernel", "--permutations", 4)  # fmt: skip
    shutil.copy("new0.csv", "in/log.csv")
    done("watch", "plain", "in", "--once", "--every", 0.02)
    after = state("plain")
    pd.concat([pd.read_csv("new0.csv"), pd.read_csv("new1.csv")]).to_csv("in/log.csv", index=False)
    answer = call("watch", "plain", "in", "--once", "--every", 0.02)
    assert "has changed since" in answer.stderr
    assert state("plain") == after


class Watching:
    """`hcdv watch` as a process."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "hcdv", "watch", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self):
        return lines_of(self.process.stdout.readline())[0]

    def end(self, number):
        self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=60)
        return self.process.returncode, lines_of(rest), errors


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_watch_takes_what_appears_and_ends_cleanly(here):
    (here / "in").mkdir()
    watching = Watching("state", "in", "--every", 0.1)
    try:
        assert watching.line() == "watching in: 240 rows in state"
        shutil.copy("new0.csv", "in/new0.csv")
        assert watching.line().startswith("new0.csv  update 1: 260 rows")
        # Somebody else's update in between: the next batch goes on top of it.
        done("update", "state", "new1.csv", "--out", "v.csv", "--quiet")
        # A file that grows is left until it stands still.
        text = (here / "new2.csv").read_text()
        with open("in/new2.csv", "w") as file:
            for k in range(10):
                file.write(text[k * len(text) // 10 : (k + 1) * len(text) // 10])
                file.flush()
                time.sleep(0.05)
        assert watching.line().startswith("new2.csv  update 3: 300 rows")
    finally:
        code, rest, errors = watching.end(signal.SIGTERM)
    assert (code, errors) == (0, "")
    assert rest == ["stopped: 2 batches taken in, 300 rows"]
    assert len(HCDV.load("state").values_) == 300


# history


def test_history_in_words_a_table_and_a_picture(here):
    assert "no update yet" in done("history", "state")
    for k in range(3):
        done("update", "state", f"new{k}.csv", "--out", "v.csv", "--quiet", "--tau", 0.05)
    done("forget", "state", "--group", "x3", "--quiet")
    output = done("history", "state", "--out", "h.csv", "--plot", "h.png")
    lines = output.splitlines()
    assert re.findall(r"^update \d", output, re.M) == ["update 1", "update 2", "update 3", "update 4"]
    assert re.fullmatch(r"fit: \d+ rows", lines[0]) and "(new0.csv)" in lines[1]
    assert "(--group x3)" in lines[-3]
    table = pd.read_csv("h.csv", keep_default_na=False)
    assert table["note"].tolist() == ["new0.csv", "new1.csv", "new2.csv", "--group x3"]
    assert (table["digest"].str.len() > 0).tolist() == [True, True, True, False]
    assert table["kind"].tolist() == ["add", "add", "add", "forget"]
    assert ("born" in output) == bool(table["born"].any())
    assert (here / "h.png").read_bytes().startswith(b"\x89PNG")
    totals = {}
    for by in ("batch", "group", "leaf"):
        done("history", "state", "--out", "by.csv", "--by", by)
        long = pd.read_csv("by.csv", dtype={"group": str})
        assert list(long.columns) == ["update", by, "value"]
        assert len(long) and long["value"].notna().all()
        totals[by] = long.groupby("update")["value"].sum().to_numpy()
    # Every way to cut the rows has the same total after every update.
    np.testing.assert_allclose(totals["batch"], totals["group"], atol=1e-9)
    np.testing.assert_allclose(totals["batch"], totals["leaf"], atol=1e-9)


def test_plot_history():
    from matplotlib.figure import Figure

    from hcdv.plot import plot_history, value_over_time

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(160, 4)), np.arange(160) % 2
    model = HCDV(n_permutations=4, random_state=0, n_jobs=1).fit(X[:100], y[:100])
    with pytest.raises(ValueError, match="no update to draw"):
        plot_history(model)
    with pytest.raises(TypeError, match="got HCDV that is not fitted yet: call fit first"):
        plot_history(HCDV())
    for wrong in (model.result_, model.values_, "history", 3):
        with pytest.raises(TypeError, match="pass a fitted model or its history_, got"):
            value_over_time(wrong)
    for k in range(100, 160, 5):
        model.partial_fit(X[k : k + 5], y[k : k + 5])
    model.forget(np.arange(100, 105))
    table = value_over_time(model)
    assert list(table.columns) == list(range(13))
    assert np.isnan(table.loc[13, 1]) and np.isnan(table.loc[1, 2])
    np.testing.assert_allclose(table.loc[13].sum(), model.values_.sum())
    leaves = value_over_time(model.history_, "leaf")
    np.testing.assert_allclose(leaves.loc[13].sum(), model.values_.sum())
    assert value_over_time(model, "group").shape == (13, 0)
    with pytest.raises(ValueError, match="by must be one of"):
        value_over_time(model, "day")
    assert len(plot_history(model.history_).axes) == 4
    figure = Figure()
    assert plot_history(model, figure.subplots()) is figure
    assert len(figure.axes[0].get_lines()) == 12


# kill -9


# Forks a process for every line it reads, which runs `hcdv update` (imports are done by then, so a delay falls
# anywhere in the work) and tells when it begins and ends to save.  The first argument is MOST_REPLAY: 0 makes
# every save a compaction.
FORKS = """
import os, sys
import pandas, hcdv.io, hcdv.estimator.model as model, hcdv.estimator.state.store as store
import safetensors.numpy, rich.console, rich.table
try:
    import torch
except ImportError:
    pass
from hcdv.cli import main

store.MOST_REPLAY = float(sys.argv[1])
save = model.save_model

def told(*arguments):
    os.write(1, b"saving\\n")
    try:
        return save(*arguments)
    finally:
        os.write(1, b"saved\\n")

model.save_model = told
os.write(1, b"ready\\n")
for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            main(line.strip().split("\\t"), standalone_mode=True)
        except SystemExit as end:
            os._exit(end.code or 0)
    os.write(1, b"pid %d\\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(1, b"end %d\\n" % status)
"""


class Forks:
    def __init__(self, replay):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKS, str(replay)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, bufsize=0,
        )  # fmt: skip
        assert self.process.stdout.readline() == b"ready\n"

    def run(self, *arguments, after=None, delay=None):
        """Run to the end, or kill ``delay`` seconds after the line ``after``; times of lines, the status."""
        self.process.stdin.write("\t".join(map(str, arguments)).encode() + b"\n")
        begin, times, child = time.perf_counter(), {}, None
        while True:
            word, _, number = self.process.stdout.readline().decode().strip().partition(" ")
            times[word] = time.perf_counter() - begin
            if word == "pid":
                # Not its number, which may be another's by the time of the kill.
                child = os.pidfd_open(int(number))
            if word == "end":
                os.close(child)
                return times, int(number)
            if word == after:
                end = time.perf_counter() + delay
                while time.perf_counter() < end:
                    time.sleep(0.0001)
                with contextlib.suppress(ProcessLookupError):  # it was faster
                    signal.pidfd_send_signal(child, signal.SIGKILL)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system forks in other ways")
@pytest.mark.parametrize("replay", [5, 0], ids=["journal", "compaction"])
@pytest.mark.parametrize("moments", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_moment(made, tmp_path, replay, moments):
    """The state is the old one or the new one, and the same batch sent again makes it the new one."""
    base = tmp_path / "base"
    shutil.copytree(made / "state", base)
    done("update", base, made / "new0.csv", "--out", tmp_path / "v.csv", "--quiet")
    forks, reference = Forks(replay), tmp_path / "reference"
    shutil.copytree(base, reference)
    update = [made / "new1.csv", "--out", tmp_path / "v.csv", "--quiet"]
    forks.run("update", reference, *update)
    shutil.rmtree(reference)
    shutil.copytree(base, reference)
    times, status = forks.run("update", reference, *update)
    assert status == 0
    old, new = state(base), state(reference)
    values = (tmp_path / "v.csv").read_bytes()
    window, whole = times["saved"] - times["saving"], times["end"]
    rng, left, found, inside = np.random.default_rng(moments + replay), [], [], 0
    try:
        for k in range(moments):
            folder = tmp_path / f"killed{k}"
            shutil.copytree(base, folder)
            # Half of them anywhere in the run, half of them around the save, which is short.
            after, longest = ("pid", whole) if k % 2 else ("saving", 1.2 * window)
            times, status = forks.run("update", folder, *update, after=after, delay=longest * rng.random())
            inside += "saving" in times and "saved" not in times
            now = state(folder)
            assert now in (old, new)
            found.append(now == new)
            left.append(status == signal.SIGKILL)
            done("update", folder, *update)
            assert state(folder) == new
            assert (tmp_path / "v.csv").read_bytes() == values
            shutil.rmtree(folder)
    finally:
        forks.close()
    print(f"{moments} moments: {sum(left)} killed, {inside} in the save; {sum(found)} left the new state")
    assert any(left)
    if moments >= 50:
        # Kills fell before and after the moment that counts.
        assert 0.1 < np.mean(found) < 0.9
        assert np.mean(left) > 0.6 and inside > 10


# Kills itself before the k-th call that makes something last.
STEPS = """
import os, sys
import hcdv.estimator.state.store as store
from hcdv.cli import main

store.MOST_REPLAY = float(sys.argv[1])
count = [int(sys.argv[2])]

def counted(call):
    def wrapped(*arguments, **options):
        count[0] -= 1
        if count[0] == 0:
            os.kill(os.getpid(), 9)
        return call(*arguments, **options)
    return wrapped

for name in ("fsync", "replace", "unlink", "truncate", "ftruncate"):
    setattr(os, name, counted(getattr(os, name)))
main(sys.argv[3:])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("replay", [5, 0], ids=["journal", "compaction"])
def test_killed_at_every_step_of_a_save(made, tmp_path, replay):
    """The same before every call that writes through, renames or removes."""
    base = tmp_path / "base"
    shutil.copytree(made / "state", base)
    old, new, found = state(base), None, []
    for k in [10**6, *range(1, 40)]:
        folder = tmp_path / f"killed{k}"
        shutil.copytree(base, folder)
        update = ["update", folder, made / "new0.csv", "--out", tmp_path / "v.csv", "--quiet"]
        code = [sys.executable, "-c", STEPS, str(replay), str(k), *map(str, update)]
        status = subprocess.run(code, capture_output=True).returncode
        if new is None:
            new = state(folder)
        assert state(folder) in (old, new)
        found.append(state(folder) == new)
        done(*update)
        assert state(folder) == new
        if k < 10**6 and status == 0:
            break
    assert status == 0 and k > 3
    assert found[1:] == sorted(found[1:])  # first old, then new
