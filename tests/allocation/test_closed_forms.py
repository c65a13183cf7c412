"""Games with known values, under every allocation that owes them.

What is owed, and why:

- *Additive games.*  A marginal contribution is the point's own amount whatever came before: one pair of chains
  gives it.  Below a node, the children's values add up to the pot, so that ``"sibling"`` and ``"level"`` have
  nothing to correct: exact with ``"additive"`` and ``"proportional"``; with ``"safe"`` where no amount is
  negative (then sum |psi| = |pot|); ``"weights"`` too, where clipping clips nothing.
- *Flat trees.*  One leaf, or leaves of one point: nothing but the Shapley value, if there is no pot to
  correct to.  With ``"safe"`` again where no value is negative, as in airport, glove and voting.
- *Symmetric games on balanced trees.*  All points are alike under the game and the tree: 1/n each, whatever
  the allocation; near-zero denominators go by points, so they owe it too.
- *Airport and glove on trees of two levels.*  The game between leaves is again an airport, or a glove game,
  and so is the game in a leaf: pots are known, and so are their shares.
"""

from itertools import product

import numpy as np
import pytest

from hcdv.allocation import walk_chains
from hcdv.allocation.literal import Literal, allocate
from hcdv.engine import Threads
from hcdv.hierarchy import Hierarchy
from hcdv.shapley import winter_exact
from tests.shapley import games
from tests.table_game import TableGame
from tests.trees import random_tree

MODES = ["sibling", "weights", "level"]
NORMALISE = ["proportional", "additive", "safe"]
BALANCED = [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 3, 3]]
LEAF = np.array([0, 0, 0, 1, 1, 2, 2, 2])
MONOTONE = [games.airport, games.glove, games.voting, games.unanimity]


def table_game(game, n):
    coalitions = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)
    return TableGame(game(coalitions))


def literal_values(game, tree, literal):
    result = allocate({"game": game}, np.ones(1), tree, literal, n_permutations=200, seed=0, threads=Threads(1))
    np.testing.assert_array_equal(result.std_error, np.zeros(tree.n_points))
    return result.values


def sampled_winter(game, tree, n_permutations):
    moments, _ = walk_chains(
        {"game": game}, tree, n_permutations=n_permutations, seed=0, threads=Threads(1),
        weights=np.ones(1),
    )  # fmt: skip
    return moments.points.value(np.ones(1)), moments.points.std_error(np.ones(1))


def exactly(values):
    return pytest.approx(values, rel=0, abs=1e-12)


class TestAdditive:
    @pytest.mark.parametrize("seed", range(6))
    def test_winter_by_one_pair_of_chains(self, seed):
        rng = np.random.default_rng(seed)
        game, amounts = games.additive(8, rng)
        tree = random_tree(rng, 8)
        assert sampled_winter(table_game(game, 8), tree, 2)[0] == exactly(amounts)
        assert winter_exact(game, tree) == exactly(amounts)

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("mode", ["sibling", "level"])
    @pytest.mark.parametrize("normalise", ["proportional", "additive"])
    def test_pots_need_no_correction(self, mode, normalise, seed):
        rng = np.random.default_rng(seed)
        game, amounts = games.additive(8, rng)
        tree = random_tree(rng, 8)
        values = literal_values(table_game(game, 8), tree, Literal(mode, normalise))
        np.testing.assert_allclose(values, amounts, rtol=0, atol=1e-10)

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("normalise", NORMALISE)
    def test_amounts_that_are_not_negative_in_every_mode(self, mode, normalise, seed):
        rng = np.random.default_rng(seed)
        amounts, tree = rng.uniform(0, 3, 8), random_tree(rng, 8)
        game = table_game(lambda S: S @ amounts, 8)
        assert literal_values(game, tree, Literal(mode, normalise)) == exactly(amounts)
        spread = literal_values(game, tree, Literal(mode, normalise, "uniform"))
        leaf = tree.leaf_of_point()
        mean = np.bincount(leaf, amounts)[leaf] / np.bincount(leaf)[leaf]
        assert spread == exactly(mean)


class TestFlat:
    @pytest.mark.parametrize("make", MONOTONE, ids=lambda make: make.__name__)
    @pytest.mark.parametrize("seed", range(3))
    def test_one_leaf(self, make, seed):
        n = 7
        game, values = make(n, np.random.default_rng(seed))
        tree, table = Hierarchy.from_labels([[0] * n]), table_game(game, n)
        assert winter_exact(game, tree) == exactly(values)
        estimate, error = sampled_winter(table, tree, 2000)
        assert (np.abs(estimate - values) <= 5 * error + 1e-12).all()
        for mode, normalise in product(MODES, NORMALISE):
            assert literal_values(table, tree, Literal(mode, normalise)) == exactly(values)

    @pytest.mark.parametrize("make", MONOTONE, ids=lambda make: make.__name__)
    def test_leaves_of_one_point(self, make):
        n = 6
        game, values = make(n, np.random.default_rng(1))
        tree, table = Hierarchy.from_labels([np.arange(n)]), table_game(game, n)
        assert winter_exact(game, tree) == exactly(values)
        for mode, normalise, leaf in product(["sibling", "level"], NORMALISE, ["exact", "uniform"]):
            assert literal_values(table, tree, Literal(mode, normalise, leaf)) == exactly(values)

    @pytest.mark.parametrize("make", games.ALL, ids=lambda make: make.__name__)
    @pytest.mark.parametrize("normalise", ["proportional", "additive"])
    def test_negative_values_too_where_the_pot_is_their_sum(self, make, normalise):
        n = 7
        game, values = make(n, np.random.default_rng(2))
        tree, table = Hierarchy.from_labels([[0] * n]), table_game(game, n)
        for mode in MODES:
            got = literal_values(table, tree, Literal(mode, normalise))
            np.testing.assert_allclose(got, values, rtol=0, atol=1e-11)


class TestSymmetric:
    @pytest.mark.parametrize("quota", range(1, 9))
    def test_everybody_gets_the_same_under_every_allocation(self, quota):
        tree = Hierarchy.from_labels(BALANCED)

        def game(S):
            return (S.sum(axis=1) >= quota).astype(float)

        equal = np.full(8, 1 / 8)
        assert winter_exact(game, tree) == exactly(equal)
        table = table_game(game, 8)
        for mode, normalise, leaf in product(MODES, NORMALISE, ["exact", "uniform"]):
            assert literal_values(table, tree, Literal(mode, normalise, leaf)) == exactly(equal)

    def test_winter_by_chains_comes_close(self):
        tree = Hierarchy.from_labels(BALANCED)
        table = table_game(lambda S: (S.sum(axis=1) >= 3).astype(float), 8)
        estimate, error = sampled_winter(table, tree, 4000)
        assert (error > 0).all()
        assert (np.abs(estimate - 1 / 8) <= 5 * error).all()


class TestTwoLevels:
    def airport(self, seed):
        """Costs, the values of points inside their leaves, and of the leaves among themselves."""
        cost = np.random.default_rng(seed).uniform(0.5, 5, 8)
        inside, largest = np.empty(8), np.empty(3)
        for leaf in range(3):
            members = np.flatnonzero(leaf == LEAF)
            inside[members] = self.runway(cost[members])
            largest[leaf] = cost[members].max()
        return table_game(lambda S: np.where(S, cost, 0.0).max(axis=1), 8), inside, largest

    @staticmethod
    def runway(cost):
        """Littlechild and Owen: every step of the runway is shared by those who need it."""
        order = np.argsort(cost)
        values = np.empty(len(cost))
        values[order] = np.cumsum(np.diff(cost[order], prepend=0.0) / np.arange(len(cost), 0, -1))
        return values

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("mode", MODES)
    def test_airport(self, mode, seed):
        tree = Hierarchy.from_labels([LEAF])
        game, inside, largest = self.airport(seed)
        # Between leaves the largest aeroplane of each stands for it.
        pots = largest / largest.sum() * largest.max() if mode == "weights" else self.runway(largest)
        pot, own = pots[LEAF], largest[LEAF]
        size = np.bincount(LEAF)[LEAF]
        expected = {
            "proportional": inside * pot / own,
            "additive": inside + (pot - own) / size,
            "safe": inside * pot / own,
        }
        for normalise, values in expected.items():
            assert literal_values(game, tree, Literal(mode, normalise)) == exactly(values)
            uniform = literal_values(game, tree, Literal(mode, normalise, "uniform"))
            assert uniform == exactly(pot / size)

    @pytest.mark.parametrize("normalise", NORMALISE)
    def test_glove(self, normalise):
        """The one left glove stands alone; whoever brings the right gloves is needed as much."""
        n = 6
        tree = Hierarchy.from_labels([[0, 1, 1, 1, 1, 1]])

        def game(S):
            return (S[:, 0] & (S.sum(axis=1) > 1)).astype(float)

        expected = np.array([0.5, *[0.1] * 5])
        assert winter_exact(game, tree) == exactly(expected)
        table = table_game(game, n)
        for mode in ("sibling", "level"):
            assert literal_values(table, tree, Literal(mode, normalise)) == exactly(expected)
        # Alone no leaf is worth anything: Eq. 14 has nothing to go by but the points.
        weights = literal_values(table, tree, Literal("weights", normalise))
        assert weights == exactly(np.full(n, 1 / n))
