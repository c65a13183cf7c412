"""A killed walk goes on and ends with the same bits; a foreign file is refused."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from hcdv._archive import read_archive, write_archive
from hcdv._errors import UtilityError
from hcdv.allocation import Checkpoint, Resolution, WalkError, walk_chains
from hcdv.engine import Threads
from hcdv.stopping import RankStability
from tests.table_game import TableGame
from tests.trees import random_tree

TREE = random_tree(np.random.default_rng(1), 9)
GAME = TableGame(np.random.default_rng(0).normal(size=2**9))


class Fails(TableGame):
    """Answers ``n_answers`` times."""

    def __init__(self, table, n_answers):
        super().__init__(table)
        self.left = n_answers

    def chains(self, orders, stops):
        self.left -= 1
        if self.left < 0:
            raise UtilityError("utility 'table' has had enough.")
        return super().chains(orders, stops)


def walk(game=GAME, n_permutations=40, checkpoint=None, n_jobs=1, **options):
    return walk_chains(
        {"game": game}, TREE, n_permutations=n_permutations, seed=2, threads=Threads(n_jobs),
        weights=np.ones(1), checkpoint=checkpoint, **options,
    )  # fmt: skip


def same(a, b):
    for name in ("points", "nodes"):
        one, two = getattr(a, name), getattr(b, name)
        assert one.count == two.count
        np.testing.assert_array_equal(one.mean, two.mean)
        np.testing.assert_array_equal(one.comoment, two.comoment)
    np.testing.assert_array_equal(a.v_full, b.v_full)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_failing_game_keeps_the_chains_before_it(tmp_path, n_jobs):
    # Two chains a pair: the 17th is the first of pair 8.
    said = r"had enough \(in chain 17 or its reverse, 18; the 16 chains before are kept\)"
    with pytest.raises(WalkError, match=said) as caught:
        walk(Fails(GAME.table, 16), n_jobs=1)
    before, _ = walk(n_permutations=16)
    same(caught.value.moments, before)

    mark = Checkpoint(tmp_path / "run", "me")
    with pytest.raises(WalkError):
        walk(Fails(GAME.table, 16), checkpoint=mark, n_jobs=n_jobs)
    again, _ = walk(checkpoint=Checkpoint(tmp_path / "run", "me"), n_jobs=n_jobs)
    same(again, walk()[0])


def test_more_chains_go_on_from_a_finished_run(tmp_path):
    walk(n_permutations=10, checkpoint=Checkpoint(tmp_path / "run", "me"))
    more, _ = walk(n_permutations=40, checkpoint=Checkpoint(tmp_path / "run", "me"))
    same(more, walk()[0])
    nothing_left = Fails(GAME.table, 0)
    same(walk(nothing_left, checkpoint=Checkpoint(tmp_path / "run", "me"))[0], more)
    with pytest.raises(ValueError, match="holds 40 chains, more than n_permutations=10"):
        walk(n_permutations=10, checkpoint=Checkpoint(tmp_path / "run", "me"))


def test_a_rule_that_compares_halves_goes_on_too(tmp_path):
    rule = RankStability(0.999)
    whole, why = walk(n_permutations=4000, stopping=rule)
    walk(n_permutations=24, stopping=rule, checkpoint=Checkpoint(tmp_path / "run", "me"))
    again, reason = walk(
        n_permutations=4000, stopping=rule, checkpoint=Checkpoint(tmp_path / "run", "me")
    )
    assert reason == why == "rank_stability"
    same(again, whole)
    # The rule had its answer: nothing is walked again.
    done, reason = walk(
        Fails(GAME.table, 0), 4000, stopping=rule, checkpoint=Checkpoint(tmp_path / "run", "me")
    )
    assert reason == "rank_stability"
    same(done, whole)


def test_another_valuation_and_a_damaged_file_are_refused(tmp_path):
    path = tmp_path / "run"
    walk(n_permutations=10, checkpoint=Checkpoint(path, "me"))
    content = path.read_bytes()
    with pytest.raises(ValueError, match="is the checkpoint of another valuation"):
        walk(checkpoint=Checkpoint(path, "you"))
    assert path.read_bytes() == content
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="not a saved HCDV file, or it is cut short"):
        walk(checkpoint=Checkpoint(path, "me"))
    path.write_bytes(b"my thesis")
    with pytest.raises(ValueError, match="not a saved HCDV file"):
        walk(checkpoint=Checkpoint(path, "me"))
    assert path.read_bytes() == b"my thesis"


def test_a_file_of_other_roles_is_refused(tmp_path):
    """The chains are the same, but below a resolution the marginals are not."""
    mark = Checkpoint(tmp_path / "run", "me")

    def two(above, below, level=1, names="ab"):
        return walk_chains(
            dict.fromkeys(names, GAME), TREE, n_permutations=8, seed=2, threads=Threads(1),
            weights=np.ones(2), checkpoint=mark,
            resolution=Resolution(level, frozenset(above), frozenset(below)),
        )  # fmt: skip

    first, _ = two("a", "b")
    same(two("a", "b")[0], first)
    for others in (("a", ""), ("b", "a"), ("a", "b", 2), ("a", "b", 1, "ba")):
        with pytest.raises(ValueError, match="is the checkpoint of another valuation"):
            two(*others)


def test_a_checkpoint_that_cannot_be_written_does_not_cost_the_chains(tmp_path, monkeypatch):
    """The folder goes, or the disk is full, in the midst of a long walk."""
    monkeypatch.setattr("hcdv.allocation.checkpoint.WRITE_EVERY", 0.0)
    place = tmp_path / "here"
    place.mkdir()
    mark = Checkpoint(place / "run", "me")

    def progress(walked):
        if walked == 12:
            shutil.rmtree(place)

    with pytest.raises(WalkError, match=r"run cannot be written: .*does not exist \(after 12 chains\)") as e:
        walk(checkpoint=mark, progress=progress)
    same(e.value.moments, walk(n_permutations=12)[0])


def _divides(look):
    return None if look.n_permutations < 12 else 1 / 0


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (_divides, r"the stopping rule tol raised ZeroDivisionError: division by zero \(after 12 chains"),
        (lambda look: look.n_permutations == 12 or None, "must return a text or None, got bool"),
    ],
)
def test_a_rule_that_fails_does_not_cost_the_chains(tmp_path, rule, sentence):
    with pytest.raises(WalkError, match=sentence) as caught:
        walk(checkpoint=Checkpoint(tmp_path / "run", "me"), stopping=rule)
    same(caught.value.moments, walk(n_permutations=12)[0])
    same(walk(Fails(GAME.table, 0), 12, checkpoint=Checkpoint(tmp_path / "run", "me"))[0], caught.value.moments)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"v_full": np.zeros(2)}, "'v_full' does not fit"),
        ({"v_full": None}, "'v_full' does not fit"),
        ({"point_mean": np.full((1, 9), np.nan)}, "'point_mean' holds no finite numbers"),
        ({"point_mean": np.full((1, 9), "1")}, "'point_mean' does not fit"),
        ({"node_mean": np.zeros((1, TREE.n_nodes), np.float32)}, "'node_mean' does not fit"),
        ({"point_comoment": np.zeros((1, 8))}, "'point_comoment' does not fit"),
        ({"count": 10**40}, "no count of chains"),
        ({"count": -1}, "no count of chains"),
        ({"count": True}, "no count of chains"),
    ],
)
def test_a_file_that_fits_on_the_outside_only_is_refused(tmp_path, changed, sentence):
    path = tmp_path / "run"
    walk(n_permutations=10, checkpoint=Checkpoint(path, "me"))
    arrays, meta = read_archive(path, "checkpoint", 1)
    for name, what in changed.items():
        (meta if name == "count" else arrays)[name] = what
    write_archive(path, {name: array for name, array in arrays.items() if array is not None}, meta)
    with pytest.raises(ValueError, match=sentence):
        walk(checkpoint=Checkpoint(path, "me"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_minus_nine_at_any_moment(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            import numpy as np
            from hcdv.allocation import checkpoint
            from tests.allocation.test_checkpoint import GAME, walk
            checkpoint.WRITE_EVERY = 0.0
            class Deadly(type(GAME)):
                left = int(sys.argv[2])
                def chains(self, orders, stops):
                    self.left -= 1
                    if self.left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return super().chains(orders, stops)
            moments, _ = walk(Deadly(GAME.table), checkpoint=checkpoint.Checkpoint(sys.argv[1], "me"))
            np.save(sys.argv[1] + ".npy", moments.points.mean)
            """
        )
    )
    path = tmp_path / "state"
    for left in (5, 12, 20, 0):
        done = subprocess.run(
            [sys.executable, str(script), str(path), str(left)],
            env={**os.environ, "PYTHONPATH": "."},
            check=False,
        )
        assert done.returncode == (-signal.SIGKILL if left else 0)
    np.testing.assert_array_equal(np.load(f"{path}.npy"), walk()[0].points.mean)
