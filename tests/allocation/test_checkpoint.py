"""A killed walk goes on and ends with the same bits; a foreign file is refused."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from hcdv._errors import UtilityError
from hcdv.allocation import Checkpoint, WalkError, walk_chains
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
