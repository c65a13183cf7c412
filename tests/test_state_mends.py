"""A state after kills and full disks between two writes, changed parameters, folders gone, and collisions."""

import copy
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import hcdv.estimator.state.store as store
from hcdv import HCDV
from hcdv.cli import main
from hcdv.stopping import RankStability, StandardError, TimeBudget

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + 0.3 * RNG.normal(size=200) > 0).astype(int)
posix = pytest.mark.skipif(os.name == "nt", reason="signals and forks of POSIX")


def fitted(**parameters):
    given = {"n_permutations": 8, "random_state": 1, "keep_chains": True, "n_jobs": 1, "utility": "kernel"}
    return HCDV(**{**given, **parameters}).fit(X[:60], Y[:60], X[150:], Y[150:])


def come(model, start, n=2, **options):
    return model.partial_fit(X[start : start + n], Y[start : start + n], **options)


@pytest.fixture
def saved(tmp_path):
    model = fitted()
    model.save(tmp_path / "state")
    return model, tmp_path / "state"


def assert_on_disk(model, folder):
    """The folder holds this model, and can be written."""
    found = HCDV.load(folder)
    np.testing.assert_array_equal(found.values_, model.values_)
    np.testing.assert_array_equal(found.result_.ids, model.result_.ids)
    shutil.copytree(folder, other := folder.with_name("written"))
    found = HCDV.load(other)
    come(found, 100).save(other)
    np.testing.assert_array_equal(HCDV.load(other).values_, found.values_)
    shutil.rmtree(other)


def failing(error, after=0):
    """A call that fails once some have succeeded."""

    def make(call):
        left = [after]

        def wrapped(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise error
            return call(*arguments, **options)

        return wrapped

    return make


FULL = OSError(errno.ENOSPC, "No space left on device")


# Between the journal and the note


@posix
def test_killed_between_the_journal_and_the_note(saved):
    model, folder = saved
    child = os.fork()
    if not child:
        store._write_note = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        come(model, 60).save(folder)
    os.waitpid(child, 0)
    assert (folder / "journal-1.log").stat().st_size > HCDV.load(folder)._store.committed
    assert_on_disk(model, folder)
    # Sent again, the batch counts once.
    again = HCDV.load(folder)
    come(again, 60).save(folder)
    assert_on_disk(come(model, 60), folder)
    assert len(again.values_) == 62


@pytest.mark.parametrize("name", ["append_record", "_write_note"])
@pytest.mark.parametrize("n_steps", [1, 3])
def test_a_full_disk_leaves_the_old_state_and_a_model_to_save_again(saved, monkeypatch, name, n_steps):
    model, folder = saved
    for k in range(n_steps):
        come(model, 60 + 2 * k)
    with monkeypatch.context() as full:
        # The last of the records: those before are in the journal already.
        after = n_steps - 1 if name == "append_record" else 0
        full.setattr(store, name, failing(OSError(*FULL.args), after)(getattr(store, name)))
        with pytest.raises(OSError, match="No space") as caught:
            model.save(folder)
        assert str(folder) in str(caught.value)
    assert_on_disk(fitted(), folder)
    model.save(folder)
    assert_on_disk(model, folder)
    come(model, 80).save(folder)
    assert_on_disk(model, folder)


@posix
@pytest.mark.parametrize("k", range(1, 8))
def test_many_updates_are_saved_as_one(saved, k):
    """A kill before any call that writes through or renames leaves none of them or all."""
    model, folder = saved
    child = os.fork()
    if not child:
        left = [k]

        def counted(call):
            def wrapped(*arguments):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments)

            return wrapped

        os.fsync, os.replace = counted(os.fsync), counted(os.replace)
        come(come(model, 60), 62).save(folder)
        os._exit(0)
    os.waitpid(child, 0)
    n = len(HCDV.load(folder).values_)
    assert n == (60 if k <= 4 else 64)  # two records, the note, its name
    assert_on_disk(model if n == 60 else come(come(model, 60), 62), folder)


def test_an_interrupt_right_behind_the_note(saved, monkeypatch):
    model, folder = saved

    def interrupted(given):
        write(given)
        raise KeyboardInterrupt

    write = store._write_note
    for move in (60, 62):  # into the journal, then with a new snapshot
        monkeypatch.setattr(store, "_write_note", interrupted)
        with pytest.raises(KeyboardInterrupt):
            come(model, move).save(folder)
        np.testing.assert_array_equal(HCDV.load(folder).values_, model.values_)
        monkeypatch.setattr(store, "_write_note", write)
        model.save(folder)
        assert_on_disk(model, folder)
        model.set_params(n_permutations=16)


def test_what_lies_behind_the_note_goes_with_the_next_save(saved):
    model, folder = saved
    journal, note = folder / "journal-1.log", (folder / "CURRENT").read_bytes()
    come(model, 60, 5).save(folder)
    (folder / "CURRENT").write_bytes(note)
    other = come(HCDV.load(folder), 70, 1)
    longer = journal.stat().st_size
    other.save(folder)
    assert journal.stat().st_size == other._store.committed < longer
    assert_on_disk(other, folder)
    with pytest.raises(store.StateChanged, match="somebody else"):
        come(model, 90).save(folder)


# What a journal cannot tell


def test_parameters_that_changed(saved):
    model, folder = saved
    come(model, 60).save(folder)
    model.set_params(n_permutations=32).refresh()
    model.save(folder)
    assert model._store.generation == 2
    found = HCDV.load(folder)
    assert found.n_permutations == 32
    assert_on_disk(model, folder)
    # As cheap as before from then on, for the model in memory and the one read.
    come(model, 62).save(folder)
    model = come(HCDV.load(folder), 64)
    model.save(folder)
    assert model._store.generation == 2
    assert_on_disk(model, folder)
    # These decide no value.
    model.set_params(n_jobs=2, verbose=0)
    come(model, 90).save(folder)
    assert model._store.generation == 2


def test_parameters_that_were_set_back_again(saved):
    """An update by other parameters would be another one when the journal is played again."""
    model, folder = saved
    before = model.get_params(deep=False)
    come(model.set_params(n_permutations=2 * before["n_permutations"]), 90, refresh="full")
    model.set_params(**before)
    come(model, 92)
    model.save(folder)
    assert_on_disk(model, folder)
    # From here on the journal does again.
    snapshots = sorted(folder.glob("snapshot*"))
    come(model, 94).save(folder)
    assert sorted(folder.glob("snapshot*")) == snapshots
    assert_on_disk(model, folder)


def test_a_utility_of_ones_own_that_changed(tmp_path):
    def utility(of):
        def size(rows):
            return of * len(rows)

        return size

    folder, first, second = tmp_path / "state", utility(1.0), utility(2.0)
    model = fitted(utility=first)
    model.save(folder)
    model.refresh().save(folder)
    assert model._store.generation == 1
    model.set_params(utility=second).refresh()
    model.save(folder)
    assert model._store.generation == 2
    np.testing.assert_array_equal(HCDV.load(folder, utility=second).values_, model.values_)


@pytest.mark.parametrize(
    ("tol", "replays"),
    [
        (None, True), (0.5, True), (StandardError(0.5) | RankStability(0.9), True), (TimeBudget(9), False),
        (StandardError(0.0) & RankStability(0.9) | TimeBudget(9), False), (lambda look: None, False),
    ],
)  # fmt: skip
def test_rules_that_look_at_the_clock(tmp_path, tol, replays):
    folder = tmp_path / "state"
    model = fitted(tol=tol)
    model.save(folder)
    come(model, 60, refresh="full").save(folder)
    assert model._store.generation == (1 if replays else 2)
    # Of chains kept, the same are walked again whatever the clock says.
    come(model, 62, refresh="affected").save(folder)
    assert model._store.generation == (1 if replays else 2)


def test_a_time_budget_ends_elsewhere_in_another_run(tmp_path):
    folder = tmp_path / "state"
    model = fitted(tol=TimeBudget(1e9))
    model.save(folder)
    model.tol = TimeBudget(0.0)  # the machine is busy meanwhile
    model.refresh()
    model.tol = TimeBudget(1e9)
    model.save(folder)
    np.testing.assert_array_equal(HCDV.load(folder).values_, model.values_)


# A new snapshot that cannot be written


@pytest.mark.parametrize("name", ["save_encoder", "write_archive", "begin_journal", "_write_note"])
def test_a_snapshot_that_finds_no_room(saved, monkeypatch, name):
    model, folder = saved
    monkeypatch.setattr(store, "MOST_REPLAY", 0.0)
    with monkeypatch.context() as full:
        after = 1 if name == "_write_note" else 0
        full.setattr(store, name, failing(OSError(*FULL.args), after)(getattr(store, name)))
        with pytest.warns(UserWarning, match="is saved, but .* No space left"):
            come(model, 60).save(folder)
    assert sorted(os.listdir(folder)) == [
        "CURRENT", "encoder-1.safetensors", "journal-1.log", "lock", "snapshot-1.hcdv",
    ]  # fmt: skip
    assert_on_disk(model, folder)
    model.save(folder)
    assert model._store.generation == 2
    assert_on_disk(model, folder)


def test_a_snapshot_that_must_be_and_finds_no_room(saved, monkeypatch):
    model, folder = saved
    model.set_params(n_permutations=16).refresh()
    with monkeypatch.context() as full:
        full.setattr(store, "write_archive", failing(FULL)(store.write_archive))
        with pytest.raises(OSError, match="No space"):
            model.save(folder)
    assert "encoder-2.safetensors" not in os.listdir(folder)
    assert_on_disk(fitted(), folder)
    model.save(folder)
    assert_on_disk(model, folder)


# Folders and copies


@pytest.mark.parametrize("how", ["removed", "moved", "emptied"])
def test_a_folder_that_is_gone_is_made_again(saved, how):
    model, folder = saved
    come(model, 60)
    if how == "moved":
        folder.rename(folder.with_name("elsewhere"))
    else:
        shutil.rmtree(folder)
    if how == "emptied":
        folder.mkdir()
    model.save(folder)
    assert_on_disk(model, folder)
    come(model, 62).save(folder)
    assert_on_disk(model, folder)


def test_a_folder_that_another_has_taken(saved):
    model, folder = saved
    shutil.rmtree(folder)
    fitted(random_state=2).save(folder)
    with pytest.raises(ValueError, match="changed by somebody else"):
        come(model, 60).save(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        model.save(folder)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_updates_of_its_own(saved, copied):
    model, folder = saved
    come(model, 60)
    twin = copied(model)
    come(twin, 70, 5)
    model.save(folder)
    assert len(model.values_) == 62
    assert_on_disk(model, folder)
    with pytest.raises(ValueError, match="changed by somebody else"):
        twin.save(folder)
    twin.save(folder.with_name("twin"))
    assert_on_disk(twin, folder.with_name("twin"))


# The command line


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A state and batches for it."""
    folder = tmp_path_factory.mktemp("made")
    frame = pd.DataFrame(X, columns=list("abcd")).assign(paid=np.where(Y, "yes", "no"))
    frame[:80].to_csv(folder / "base.csv", index=False)
    (folder / "in").mkdir()
    for k in range(8):
        frame[80 + 10 * k : 90 + 10 * k].to_csv(folder / f"new{k}.csv", index=False)
    call(
        "value", folder / "base.csv", "--label", "paid", "--out", folder / "v.csv", "--save", folder / "state",
        "--permutations", 8, "--jobs", 1, "--quiet", "--utility", "kernel",
    )  # fmt: skip
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments, code=0):
    answer = CliRunner().invoke(main, [str(a) for a in arguments])
    assert answer.exit_code == code, answer.output
    return answer


class Watch:
    """`hcdv watch` as a process."""

    def __init__(self, *arguments):
        command = [sys.executable, "-u", "-m", "hcdv", "watch", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # A line that never comes must not hang the tests.
        self.patience = threading.Timer(60, self.process.kill)
        self.patience.start()

    def line(self):
        return self.process.stdout.readline()[21:].rstrip()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.patience.cancel()
        said, errors = self.process.communicate(timeout=30)
        return self.process.returncode, [line[21:] for line in said.splitlines()], errors


@posix
def test_two_watches_on_one_state(here):
    """Each has a folder of its own; every batch is in the state once, and neither gives up."""
    (here / "in2").mkdir()
    watches = [Watch("state", folder, "--every", 0.02) for folder in ("in", "in2")]
    try:
        for watch in watches:
            assert watch.line().startswith("watching")
        for k in range(8):
            # The last is seen by both.
            for folder in ("in", "in2") if k == 7 else (("in", "in2")[k % 2],):
                shutil.copy(f"new{k}.csv", f"{folder}/new{k}.csv")
        lines = [watch.line() for watch in watches for _ in range(4)] + [watches[0].line()]
    finally:
        ends = [watch.end() for watch in watches]
    # One of the two has found the last one taken in.
    assert [code for code, *_ in ends] == [0, 0], (lines, ends)
    assert sum("taken in before" in line for line in lines) == 1
    assert not any(errors for *_, errors in ends)
    model = HCDV.load("state")
    assert len(model.values_) == 160
    assert sorted(update.note.split()[1] for update in model.history_) == [f"new{k}.csv" for k in range(8)]


@posix
def test_a_watch_that_waits_for_the_lock_ends_at_once(here):
    from hcdv._locks import locked

    watch = Watch("state", "in", "--every", 0.02)
    assert watch.line().startswith("watching")
    with locked(here / "state" / "lock", ""):
        shutil.copy("new0.csv", "in/new0.csv")
        time.sleep(2.0)
        begin = time.monotonic()
        code, lines, errors = watch.end()
        assert time.monotonic() - begin < 5
    assert (code, lines, errors) == (0, ["stopped: 0 batches taken in, 80 rows"], "")
    assert len(HCDV.load("state").values_) == 80
    said = call("watch", "state", "in", "--once", "--every", 0.02).stdout
    assert said.splitlines()[-1].endswith("stopped: 1 batch taken in, 90 rows")


def test_collisions_again_and_again(here, monkeypatch):
    """However often another command is faster, the batch goes in on top of that."""
    import hcdv.cli._state as cli

    shutil.copy("new0.csv", "in/new0.csv")
    save, others = cli.State.save, iter(range(1, 4))

    def slower(self):
        if (k := next(others, None)) is not None:
            other = cli.State.load(self.folder)
            other.take_in(other.batch(Path(f"new{k}.csv")), f"new{k}.csv")
            save(other)
        save(self)

    monkeypatch.setattr(cli.State, "save", slower)
    lines = call("watch", "state", "in", "--once", "--every", 0.02).stdout.splitlines()
    assert lines[-1].endswith("stopped: 1 batch taken in, 120 rows")
    assert [u.note.split()[1] for u in HCDV.load("state").history_] == [f"new{k}.csv" for k in (1, 2, 3, 0)]


def test_a_state_that_vanishes_is_not_half_made_again(here, monkeypatch):
    import hcdv.cli._state as cli

    save = cli.State.save

    def late(self):
        shutil.rmtree(self.folder)
        save(self)

    monkeypatch.setattr(cli.State, "save", late)
    said = call("update", "state", "new0.csv", "--out", "v.csv", code=2).stderr
    assert "state was moved or removed meanwhile" in said and "rows of new0.csv are not in state." in said
    assert not os.path.exists("state")


@posix
def test_a_refused_file_is_tried_again_once_corrected(here):
    (here / "in" / "bad.csv").write_text("a,paid\n1,yes\n")
    said = call("watch", "state", "in", "--once", "--every", 0.02).stderr
    assert said.endswith(".  It is tried again by the next watch.\n")
    watch = Watch("state", "in", "--every", 0.05)
    try:
        assert watch.line().startswith("watching")
        time.sleep(0.5)
        shutil.copy("new0.csv", "in/bad.csv")
        assert watch.line().startswith("bad.csv  update 1: 90 rows")
    finally:
        code, _, errors = watch.end()
    assert code == 0
    (line,) = errors.splitlines()
    assert line.endswith(".  It is tried again once it has changed.")


def test_quiet_says_that_rows_were_taken_in_before(here):
    assert call("update", "state", "new0.csv", "--out", "v.csv", "--quiet").output == ""
    answer = call("update", "state", "new0.csv", "--out", "v.csv", "--quiet")
    assert answer.stdout == ""
    assert answer.stderr == "The rows of new0.csv were taken in before (by update 1); nothing was changed.\n"


def test_an_update_on_a_full_disk_says_where_the_rows_are(here, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(store, "append_record", failing(OSError(*FULL.args))(store.append_record))
        said = call("update", "state", "new0.csv", "--out", "v.csv", "--quiet", code=2).stderr
    assert said == f"hcdv: {here / 'state'}: no space left on device; the rows of new0.csv are not in state.\n"
    assert len(HCDV.load("state").values_) == 80
    with monkeypatch.context() as full:
        import hcdv.io

        full.setattr(hcdv.io, "write_values", failing(OSError(*FULL.args, "v.csv"))(hcdv.io.write_values))
        said = call("update", "state", "new0.csv", "--out", "v.csv", "--quiet", code=2).stderr
    assert said == "hcdv: v.csv: no space left on device; but the rows of new0.csv are in state.\n"
    assert len(HCDV.load("state").values_) == 90
    # Where only a new snapshot finds no room, all is well but slow.
    monkeypatch.setattr(store, "MOST_REPLAY", 0.0)
    monkeypatch.setattr(store, "write_archive", failing(OSError(*FULL.args))(store.write_archive))
    answer = call("update", "state", "new1.csv", "--out", "v.csv", "--quiet")
    assert answer.stderr.startswith(f"hcdv: note: {here / 'state'} is saved, but")
    assert len(HCDV.load("state").values_) == 100
