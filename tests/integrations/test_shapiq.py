"""The same game has the same exact values in shapiq and here, whoever made it."""

import numpy as np
import pytest

shapiq = pytest.importorskip("shapiq", reason="shapiq is not installed (pip install hcdv[integrations])")

from numba import cfunc, types  # noqa: E402

from hcdv import shapley  # noqa: E402
from hcdv.integrations.row_game import RowGame  # noqa: E402
from hcdv.integrations.shapiq import CoalitionGame  # noqa: E402
from tests.integrations.rows import DATA, NOISY  # noqa: E402

M = 7
WEIGHTS = np.random.default_rng(0).normal(size=M)
PAIRS = np.triu(np.random.default_rng(1).normal(size=(M, M)), 1)


def game(coalitions):
    """Weights, pairs, a root of the size, and a value of nobody."""
    z = np.asarray(coalitions, float)
    return 2.5 + z @ WEIGHTS + np.einsum("bi,ij,bj->b", z, PAIRS, z) + np.sqrt(z.sum(axis=1))


TRUE = WEIGHTS + 0.5 * (PAIRS.sum(axis=0) + PAIRS.sum(axis=1)) + M**-0.5


@cfunc(types.float64(types.CPointer(types.int64), types.int64))
def squared_size(members, count):
    return float(count) ** 2 + (3.0 if count and members[0] == 0 else 0.0)


def exact_by_shapiq(game, n_players):
    values = shapiq.ExactComputer(game, n_players)("SV", order=1)
    return np.array([values[(i,)] for i in range(n_players)])


class Theirs(shapiq.Game):
    def __init__(self):
        super().__init__(M, normalize=True, normalization_value=2.5)

    def value_function(self, coalitions):
        return game(coalitions)


def test_ours_in_shapiq():
    ours = CoalitionGame(game, M)
    assert ours.normalization_value == 2.5 and ours(np.zeros((1, M), bool)) == 0.0
    np.testing.assert_allclose(exact_by_shapiq(ours, M), TRUE, rtol=0, atol=1e-10)
    np.testing.assert_allclose(shapley.exact(game, M), TRUE, rtol=0, atol=1e-10)
    ours.precompute()
    assert ours.n_values_stored == 2**M
    np.testing.assert_allclose(ours(np.ones((1, M), bool)), game(np.ones((1, M))) - 2.5, rtol=0, atol=1e-12)


def test_theirs_here():
    theirs = Theirs()
    np.testing.assert_allclose(shapley.exact(theirs, theirs.n_players), TRUE, rtol=0, atol=1e-10)
    found = shapley.estimate(theirs, M, n_evaluations=2**M)
    np.testing.assert_allclose(found.values, TRUE, rtol=0, atol=1e-10)
    # There and back it is the same game, less its value of nobody.
    np.testing.assert_allclose(shapley.exact(CoalitionGame(theirs), M), TRUE, rtol=0, atol=1e-10)


def test_an_approximator_of_shapiq_takes_it():
    found = shapiq.KernelSHAP(n=M, random_state=0).approximate(2**M, CoalitionGame(game, M))
    np.testing.assert_allclose(found.get_n_order_values(1), TRUE, rtol=0, atol=1e-6)


def test_rows_of_sellers():
    seller = np.array(["north", "south", "east", "west"])[np.arange(40) * 7 % 4]
    rows = RowGame(DATA.X[:40], NOISY[:40], DATA.X_val, DATA.y_val, groups=seller, random_state=0)
    ours = CoalitionGame(rows)
    assert ours.n_players == 4 and ours.player_name_lookup == {"north": 0, "west": 1, "east": 2, "south": 3}
    np.testing.assert_allclose(exact_by_shapiq(ours, 4), shapley.exact(rows, 4), rtol=0, atol=1e-10)
    assert ours([("north",)])[0] == pytest.approx(rows(np.eye(4, dtype=bool))[0] - rows.v_empty, abs=1e-12)
    # Interactions are what we do not have: of two players they are half of what is left over for both.
    pairs = shapiq.ExactComputer(ours, 4)("STII", order=2)
    total = sum(value for who, value in pairs.dict_values.items() if who)
    assert total == pytest.approx(ours(np.ones((1, 4), bool))[0], abs=1e-10)


def test_compiled_games():
    ours = CoalitionGame(squared_size, 5)
    np.testing.assert_allclose(exact_by_shapiq(ours, 5), shapley.exact(squared_size, 5), rtol=0, atol=1e-10)
    assert exact_by_shapiq(ours, 5)[0] == pytest.approx(5 + 3)


def test_one_sentence():
    with pytest.raises(ValueError, match="n_players is missing"):
        CoalitionGame(game)
    with pytest.raises(ValueError, match="n_players must be at least 1, got 0"):
        CoalitionGame(game, 0)
    with pytest.raises(ValueError, match=f"player_names has 1 names for {M} players"):
        CoalitionGame(game, M, player_names=["a"])
    with pytest.raises(ValueError, match=r"one value per coalition, shape \(1,\)"):
        CoalitionGame(lambda coalitions: np.zeros(3), M)
