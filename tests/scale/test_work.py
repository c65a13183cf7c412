"""Killed in the middle, started again: the same bits, and nothing done twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hcdv import HCDV
from tests.scale.test_values import spread

ROOT = Path(__file__).parents[2]

# What a process does that is going to be killed: parts of 200 rows, slowly.
RUN = """
import sys, time
import hcdv.scale.run as run
from hcdv import HCDV
from hcdv.scale import Sizes

Sizes.within = classmethod(lambda cls, limit: cls(part_rows=200, sample_rows=800, block_rows=300))
slow = run.walk_part
def walk(*arguments):
    time.sleep(0.15)
    return slow(*arguments)
run.walk_part = walk
model = HCDV(n_permutations=4, random_state=0, n_jobs=1, checkpoint=sys.argv[2])
model.fit(sys.argv[1], "label")
print(model.values_.tobytes().hex())
"""


@pytest.fixture
def folder(tmp_path):
    X, y = spread(1500)
    data = tmp_path / "data"
    data.mkdir()
    pd.DataFrame(X, columns=list("abcde")).assign(label=y).to_parquet(data / "rows.parquet")
    return data


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on(folder, tmp_path):
    whole, _ = started(folder, tmp_path / "whole").communicate()
    process = started(folder, tmp_path / "work")
    walks = tmp_path / "work" / "walks"
    while len(list(walks.glob("*.npz"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in walks.glob("*.npz")}
    assert not (tmp_path / "work" / "values" / "nodes.npz").exists()
    again = started(folder, tmp_path / "work")
    seen = set()
    while again.poll() is None:
        for path, at in done.items():
            try:
                assert path.stat().st_mtime_ns == at, f"{path.name} was done again"
                seen.add(path)
            except FileNotFoundError:  # cleared at the end
                pass
        time.sleep(0.01)
    text, _ = again.communicate()
    assert again.returncode == 0
    assert seen == set(done)
    assert text == whole
    # Once finished, the folder holds the values alone, and the same call reads them.
    assert not any(walks.iterdir())
    begin = time.monotonic()
    text, _ = started(folder, tmp_path / "work").communicate()
    assert text == whole
    assert time.monotonic() - begin < 60


def small(monkeypatch):
    from hcdv.scale import Sizes

    sizes = Sizes(part_rows=200, sample_rows=800, block_rows=300)
    monkeypatch.setattr(Sizes, "within", classmethod(lambda cls, limit: sizes))


@pytest.mark.parametrize("stage", ["encode_block", "split_part", "build_part", "walk_part", "gather"])
def test_stopped_in_any_stage_it_goes_on(folder, tmp_path, monkeypatch, stage):
    import hcdv.scale.run as run

    small(monkeypatch)
    whole = HCDV(n_permutations=4, random_state=0).fit(folder, "label").values_
    real, calls = getattr(run, stage), []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 2 or stage in ("gather", "split_part"):
            raise KeyboardInterrupt
        return real(*arguments)

    if stage == "split_part":
        # Rows in one heap, so that there is something to be divided.
        frame = pd.read_parquet(folder / "rows.parquet")
        frame.iloc[:900, :5] = 1.5
        frame.to_parquet(folder / "rows.parquet")
        whole = HCDV(n_permutations=4, random_state=0).fit(folder, "label").values_
    model = HCDV(n_permutations=4, random_state=0, n_jobs=1, checkpoint=tmp_path / "work")
    monkeypatch.setattr(run, stage, failing)
    with pytest.raises(KeyboardInterrupt):
        model.fit(folder, "label")
    monkeypatch.setattr(run, stage, real)
    np.testing.assert_array_equal(model.fit(folder, "label").values_, whole)


def test_another_valuation_is_not_written_over(folder, tmp_path, monkeypatch):
    small(monkeypatch)
    place = tmp_path / "work"
    HCDV(n_permutations=4, random_state=0, checkpoint=place).fit(folder, "label")
    for changed in (dict(random_state=1), dict(n_permutations=6), dict(contrast=0.0), dict(utility="fit")):
        parameters = {"n_permutations": 4, "random_state": 0, **changed}
        with pytest.raises(ValueError, match="another valuation"):
            HCDV(checkpoint=place, **parameters).fit(folder, "label")
    frame = pd.read_parquet(folder / "rows.parquet")
    frame.assign(a=frame["a"] + 1).to_parquet(folder / "rows.parquet")
    with pytest.raises(ValueError, match="another valuation"):
        HCDV(n_permutations=4, random_state=0, checkpoint=place).fit(folder, "label")
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="holds something else"):
        HCDV(n_permutations=4, random_state=0, checkpoint=other).fit(folder, "label")
    (place / "work.json").write_text("{}")
    with pytest.raises(ValueError, match="damaged"):
        HCDV(n_permutations=4, random_state=0, checkpoint=place).fit(folder, "label")


def test_one_at_a_time_in_a_folder(folder, tmp_path, monkeypatch):
    from hcdv._locks import locked

    small(monkeypatch)
    place = tmp_path / "work"
    model = HCDV(utility="fit", n_permutations=2, random_state=0, n_jobs=1, checkpoint=place)
    values = model.fit(folder, "label").values_
    with locked(place / "lock", ""), pytest.raises(BlockingIOError, match="another process is at work"):
        model.fit(folder, "label")
    np.testing.assert_array_equal(model.fit(folder, "label").values_, values)


def test_rows_of_somebody_at_work_are_left_alone(tmp_path, monkeypatch):
    from hcdv._locks import locked

    small(monkeypatch)
    place = tmp_path / "work"
    X, y = spread(300)
    model = HCDV(utility="fit", n_permutations=2, random_state=0, n_jobs=1, checkpoint=place)
    with pytest.warns(UserWarning, match="gives its rows once only"):
        model.fit(iter([(X, y)]))
    held = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.glob("rows/*/*")}
    assert held
    with locked(place / "lock", ""), pytest.raises(BlockingIOError, match="another process is at work"):
        model.fit(iter([(X + 1, y)]))
    assert held == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.glob("rows/*/*")}


def test_a_folder_called_rows_is_not_taken_for_ours(tmp_path, monkeypatch):
    small(monkeypatch)
    mine = tmp_path / "mine" / "rows"
    mine.mkdir(parents=True)
    (mine / "letter.txt").write_text("dear")
    X, y = spread(300)
    with pytest.raises(ValueError, match="holds something else"):
        HCDV(utility="fit", n_permutations=2, checkpoint=mine.parent).fit(iter([(X, y)]))
    assert (mine / "letter.txt").read_text() == "dear"


def test_killed_before_the_folder_says_whose_it_is_it_goes_on(folder, tmp_path, monkeypatch):
    small(monkeypatch)
    place = tmp_path / "work"
    place.mkdir()
    (place / "lock").touch()
    (place / ".work.json.77.ab12cd34.part").touch()
    model = HCDV(utility="fit", n_permutations=2, random_state=0, n_jobs=1, checkpoint=place)
    assert len(model.fit(folder, "label").values_) == 1500


@pytest.mark.parametrize(
    ("where", "name", "passed", "file"),
    [
        (np.lib.format, "write_array", 0, "learned/vote.npy"),
        (os, "posix_fallocate", 0, "values/ids.npy"),
        (os, "posix_fallocate", 1, "values/values.npy"),
    ],
)
def test_a_full_disk_is_named(folder, tmp_path, monkeypatch, where, name, passed, file):
    small(monkeypatch)
    real, room = getattr(where, name, None), iter(range(passed))

    def full(*arguments, **more):
        if next(room, None) is None:
            raise OSError("25000 requested and 8192 written")  # all that numpy tells
        return real(*arguments, **more)

    model = HCDV(utility="fit", n_permutations=2, random_state=0, n_jobs=1, checkpoint=tmp_path / "work")
    with monkeypatch.context() as patch:
        patch.setattr(where, name, full, raising=False)
        with pytest.raises(OSError, match="No space left on device") as caught:
            model.fit(folder, "label")
    assert caught.value.filename == str(tmp_path / "work" / file)
    assert len(model.fit(folder, "label").values_) == 1500


def test_the_disk_is_asked_first(folder, tmp_path, monkeypatch, capsys):
    small(monkeypatch)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"takes up to .* of disk, but .* has 1 KB free"):
        HCDV(n_permutations=4, random_state=0, checkpoint=tmp_path / "work", verbose=1).fit(folder, "label")
    assert "The work takes up to" in capsys.readouterr().err
    assert not any((tmp_path / "work" / "shards").iterdir())


def test_the_disk_said_is_what_it_takes(folder, tmp_path, monkeypatch, capsys):
    import hcdv.scale.run as run
    from hcdv.scale.work import Work

    small(monkeypatch)
    told, held = [], [0]
    monkeypatch.setattr(run, "check_disk", lambda folder, needed: told.append(needed))
    clear = Work.clear

    def measured(self, stage):
        files = [path for path in Path(self.folder).rglob("*.npy") if path.parent.name != "learned"]
        held.append(sum(path.stat().st_size for path in files))
        clear(self, stage)

    monkeypatch.setattr(Work, "clear", measured)
    HCDV(n_permutations=4, random_state=0, checkpoint=tmp_path / "work").fit(folder, "label")
    # Headers of many small files, and counts by part, are all that comes on top.
    assert 0.7 * told[0] < max(held) < 1.3 * told[0]


def test_too_little_memory_is_one_sentence(folder):
    with pytest.raises(ValueError, match="memory_limit must be at least 500 MB, got 1 MB"):
        HCDV(memory_limit="1MB").fit(folder, "label")
    with pytest.raises(ValueError, match="memory_limit must be a size such as '4GB'"):
        HCDV(memory_limit="much").fit(folder, "label")


def test_memory_decides_on_parts_alone():
    from hcdv.scale import Sizes, parse_bytes

    assert Sizes.within(None) == Sizes.within(parse_bytes("4GB")) == Sizes()
    few = Sizes.within(parse_bytes("600 MB"))
    assert few.part_rows < Sizes().part_rows
    assert few.sample_rows < Sizes().sample_rows
    assert [parse_bytes(text) for text in ("1k", "1.5 GiB", 7, "2TB")] == [1000, 3 << 29, 7, 2 * 10**12]


def test_the_command_values_a_folder(folder, tmp_path):
    from click.testing import CliRunner

    from hcdv.cli import main

    def call(*arguments):
        return CliRunner().invoke(main, ["value", *map(str, arguments)])

    out = tmp_path / "values.parquet"
    usual = ["--label", "label", "--drop", "e", "--permutations", 4, "--out", out]
    answer = call(folder, *usual, "--checkpoint", tmp_path / "work")
    assert answer.exit_code == 0, answer.output
    assert "The work takes up to" in answer.output
    assert "Wrote 1,500 values" in answer.output
    values = pd.read_parquet(out)
    model = HCDV(n_permutations=4, random_state=0, memory_limit="4GB")
    frame = pd.read_parquet(folder / "rows.parquet").drop(columns="e")
    expected = model.fit(frame, "label").result_.to_frame()
    pd.testing.assert_frame_equal(values, expected)
    for refused, sentence in (
        (["--groups", "a"], "--groups needs all rows in memory"),
        (["--tol", 0.1], "--tol needs all rows in memory"),
        (["--save", tmp_path / "state"], "--save needs all rows in memory"),
        (["--out", folder / "values.parquet"], "lies in DATA"),
        (["--memory-limit", "1MB"], "memory_limit must be at least"),
        (["--scheduler", "tcp://nowhere:1"], "scheduler"),
    ):
        answer = call(folder, *usual, *refused)
        assert answer.exit_code != 0
        assert sentence in answer.output
        assert "Traceback" not in answer.output


def test_a_model_out_of_core_takes_no_updates(folder):
    import copy
    import pickle

    model = HCDV(n_permutations=4, random_state=0).fit(str(folder), "label")
    for update in (
        lambda: model.partial_fit(pd.DataFrame(np.zeros((2, 5)), columns=list("abcde")), [0, 1]),
        lambda: model.forget([0]),
        lambda: model.refresh(),
        lambda: model.save(folder.parent / "state"),
    ):
        with pytest.raises(ValueError, match="out of core"):
            update()
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.values_, model.values_)
    # A fit in memory makes it whole again.
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(60, 3)), rng.integers(0, 2, 60))
    assert model.crossing_votes_ == {}
    model.partial_fit(rng.normal(size=(2, 3)), [0, 1])


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (dict(tol=0.1), "tol needs all rows in memory"),
        (dict(keep_chains=True), "keep_chains needs all rows in memory"),
        (dict(cache="cache.db"), "cache needs all rows in memory"),
        (dict(allocation="sibling"), "allocation .* needs all rows in memory"),
        (dict(utility="logistic"), "out of core the utility is made of .*, got logistic"),
        (dict(utility=["kernel", "knn"]), "out of core the utility is made of .*, got knn"),
        (dict(encoder="contrastive"), "out of core the encoder is 'identity'"),
        (dict(encoder=["identity", "forest"]), "out of core the encoder is 'identity'"),
    ],
)
def test_what_needs_all_rows_is_refused(folder, parameters, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        HCDV(**parameters).fit(folder, "label")
    assert "\n" not in str(caught.value)


def test_groups_and_trees_need_all_rows(folder):
    with pytest.raises(ValueError, match="groups needs all rows in memory"):
        HCDV().fit(folder, "label", groups=np.zeros(1500))
    with pytest.raises(ValueError, match="name the column that holds them"):
        HCDV().fit(folder)


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path):
    from hcdv.scale.learn import load
    from hcdv.scale.work import Work

    with pytest.raises(FileNotFoundError, match=r"does not see the work folder .*away; give checkpoint="):
        load(Work(str(tmp_path / "away"), "f"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak of memory")
def test_the_memory_limit_is_kept(tmp_path):
    """Of a whole process, from its first import on, with the games of tables and two tasks at once."""
    from hcdv.datasets import write_ctr

    write_ctr(tmp_path / "clicks", 60_000, label_noise=0.15, random_state=0)
    code = (
        "import re, sys\nfrom pathlib import Path\nfrom hcdv import HCDV\n"
        "HCDV(memory_limit='700MB', n_permutations=8, n_jobs=2, random_state=0).fit(sys.argv[1], 'label')\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "clicks")]
    peak = subprocess.check_output(command, cwd=ROOT, text=True)
    assert 1024 * int(peak) < 700e6
