"""The cache: bounded, persistent, shared by threads and processes, and honest about foreign files."""

import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from hcdv._errors import UtilityError
from hcdv.games.retrained import CoalitionCache


def keys(n, seed=0):
    return [np.random.default_rng([seed, k]).bytes(32) for k in range(n)]


def test_least_recently_asked_go_first():
    cache = CoalitionCache(max_entries=3)
    view = cache.view("game", "f")
    a, b, c, d = keys(4)
    view.put({a: 1.0, b: 2.0, c: 3.0})
    assert view.get([a]) == [1.0]
    view.put({d: 4.0})
    assert len(cache) == 3
    assert view.get([a, b, c, d]) == [1.0, None, 3.0, 4.0]


def test_games_do_not_see_each_other():
    cache = CoalitionCache()
    (key,) = keys(1)
    cache.view("one", "f").put({key: 1.0})
    assert cache.view("two", "f").get([key]) == [None]
    assert cache.view("one", "f").get([key]) == [1.0]
    cache.view(None, "f").put({key: 2.0})
    assert cache.view(None, "f").get([key]) == [None]


def test_on_disk_scores_outlive_the_process_and_the_memory(tmp_path):
    path = tmp_path / "scores"
    names = keys(1200)
    values = {key: float(k) / 7 for k, key in enumerate(names)}
    CoalitionCache(path, max_entries=10).view("game", "f").put(values)
    again = CoalitionCache(path, max_entries=10).view("game", "f")
    assert again.get(names) == list(values.values())
    assert again.get(keys(3, seed=1)) == [None] * 3
    assert CoalitionCache(path).view("other", "f").get(names[:2]) == [None, None]


def test_a_function_without_a_version_is_not_cached_on_disk(tmp_path):
    with pytest.raises(ValueError, match=r"utility 'f' cannot be cached on disk.*version='1'"):
        CoalitionCache(tmp_path / "scores").view(None, "f")


def test_foreign_and_damaged_files_are_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("my thesis " * 1000)
    with pytest.raises(ValueError, match="is not a cache of HCDV, or it is damaged"):
        CoalitionCache(text)
    assert text.read_text() == "my thesis " * 1000

    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    content = other.read_bytes()
    with pytest.raises(ValueError, match="is an SQLite file, but no cache of HCDV"):
        CoalitionCache(other)
    assert other.read_bytes() == content
    with pytest.raises(OSError, match="folder"):
        CoalitionCache(tmp_path / "nowhere" / "scores")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_minus_nine_leaves_whole_scores(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from hcdv.games.retrained import CoalitionCache\n"
        "view = CoalitionCache(sys.argv[1]).view('game', 'f')\n"
        "for k in range(10**6):\n"
        "    view.put({k.to_bytes(32, 'big'): float(k)})\n"
        "    if k == 300: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "scores"
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    found = CoalitionCache(path).view("game", "f").get([k.to_bytes(32, "big") for k in range(302)])
    known = [value for value in found if value is not None]
    assert known == [float(k) for k in range(len(known))]
    assert len(known) >= 300


def test_two_processes_write_side_by_side(tmp_path):
    code = (
        "import sys\n"
        "from hcdv.games.retrained import CoalitionCache\n"
        "view = CoalitionCache(sys.argv[1]).view('game', 'f')\n"
        "first = int(sys.argv[2])\n"
        "for k in range(first, first + 200):\n"
        "    view.put({k.to_bytes(32, 'big'): float(k)})\n"
    )
    path = str(tmp_path / "scores")
    command = [sys.executable, "-c", code, path]
    runs = [subprocess.Popen([*command, first], env=os.environ) for first in ("0", "100")]
    assert [run.wait() for run in runs] == [0, 0]
    found = CoalitionCache(path).view("game", "f").get([k.to_bytes(32, "big") for k in range(300)])
    assert found == [float(k) for k in range(300)]


def test_many_processes_make_one_new_file(tmp_path):
    """One that met the table of another without its mark took the file for a foreign one."""
    code = (
        "import sys\n"
        "from hcdv.games.retrained import CoalitionCache\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    CoalitionCache(line.strip())\n"
        "    print('made', flush=True)\n"
    )
    run = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen([sys.executable, "-c", code], **run) for _ in range(4)]
    assert [one.stdout.readline() for one in runs] == ["ready\n"] * 4
    for k in range(40):
        for one in runs:
            one.stdin.write(f"{tmp_path / str(k)}\n")
            one.stdin.flush()
        assert [one.stdout.readline() for one in runs] == ["made\n"] * 4
    for one in runs:
        one.communicate()


def damaged(path):
    """A cache file of 2,000 scores, all in the file itself."""
    cache = CoalitionCache(path)
    cache.view("game", "f").put({k.to_bytes(32, "big"): float(k) for k in range(2000)})
    cache._disk().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cache._disk().close()
    return path


@pytest.mark.parametrize("cut", ["zeros", "noise"])
def test_damage_found_on_the_way_is_one_sentence(tmp_path, cut):
    path = damaged(tmp_path / "scores")
    content = bytearray(path.read_bytes())
    begin, end = 8192, len(content) - 4096
    content[begin:end] = bytes(end - begin) if cut == "zeros" else np.random.default_rng(0).bytes(end - begin)
    path.write_bytes(content)
    view = CoalitionCache(path).view("game", "f")
    with pytest.raises(UtilityError, match=r"the cache .*scores cannot be used: .*malformed"):
        view.get([k.to_bytes(32, "big") for k in range(2000)])


@pytest.mark.parametrize("score", ["'abc'", "9e999", "x'00'"])
def test_what_is_no_score_is_not_taken_for_one(tmp_path, score):
    path = damaged(tmp_path / "scores")
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE scores SET score = {score}")
    view = CoalitionCache(path).view("game", "f")
    with pytest.raises(UtilityError, match=r"is damaged: it holds .* as a score; delete it"):
        view.get([(7).to_bytes(32, "big")])


def test_a_file_that_cannot_be_written_any_more(tmp_path):
    cache = CoalitionCache(tmp_path / "scores")
    view = cache.view("game", "f")
    cache._disk().execute("PRAGMA query_only=1")
    with pytest.raises(UtilityError, match=r"the cache .*scores cannot be used: attempt to write a readonly"):
        view.put({b"k" * 32: 1.0})


def test_a_newer_file_is_refused_and_left_alone(tmp_path):
    path = damaged(tmp_path / "scores")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=7")
    with pytest.raises(ValueError, match="is a cache of a newer HCDV"):
        CoalitionCache(path)


@pytest.mark.parametrize(
    "more",
    [
        "CREATE TRIGGER t AFTER INSERT ON scores BEGIN DELETE FROM scores; END",
        "CREATE VIEW more AS SELECT * FROM scores",
        "ALTER TABLE scores ADD COLUMN more",
        "DROP TABLE scores; CREATE VIEW scores(game, coalition, score) AS WITH RECURSIVE endless(x) AS "
        "(SELECT 1 UNION ALL SELECT x + 1 FROM endless) SELECT 'game', x'00', x FROM endless",
    ],
)
def test_what_another_maker_put_into_the_file_is_refused(tmp_path, more):
    """Found by hand: reading a view that never ends never ended."""
    path = damaged(tmp_path / "scores")
    assert CoalitionCache(path).view("game", "f").get([(7).to_bytes(32, "big")]) == [7.0]
    with sqlite3.connect(path) as connection:
        connection.executescript(more)
    with pytest.raises(ValueError, match="is not a cache of HCDV, or it is damaged; delete it"):
        CoalitionCache(path)
