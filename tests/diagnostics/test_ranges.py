"""Ranges known beforehand against all coalitions of small games."""

import numpy as np
import pytest

from hcdv.diagnostics.ranges import range_of
from hcdv.games.vote import VoteGame
from tests.diagnostics.games import DATA, small_game, table
from tests.table_game import TableGame


@pytest.mark.parametrize("with_validation", [True, False])
@pytest.mark.parametrize("utility", ["kernel", "forest", "fit", "evidence", "knn", "ridge"])
@pytest.mark.filterwarnings("ignore:utility=.* without validation rows")
def test_no_coalition_leaves_the_range(utility, with_validation):
    game = small_game(utility, with_validation=with_validation)
    spread = np.ptp(table(game))
    assert spread <= range_of(game) + 1e-12
    # Folds of two rows always agree here.
    assert spread > 0 or (utility, with_validation) == ("knn", False)
    if utility in ("fit", "evidence"):
        assert range_of(game) == pytest.approx(spread)


def test_votes_scored_by_shares():
    game = small_game("kernel")
    shares = VoteGame(
        game.rows, 2, validation=game.validation, validation_weight=game.validation_weight, score="share"
    )
    assert 0 < np.ptp(table(shares)) <= range_of(shares) < range_of(game)


@pytest.mark.parametrize("dispersion", ["sum", "normalised", "centred"])
def test_dispersion(dispersion):
    game = small_game("fit", dispersion=dispersion, contrast=0.1)
    spread = np.ptp(table(game))
    assert 0 < spread <= range_of(game) + 1e-12
    if dispersion == "sum":
        assert range_of(game) == pytest.approx(spread)


def test_retrained_models_and_unknown_games():
    from sklearn.tree import DecisionTreeClassifier

    from hcdv.games import Estimator, Function, TrainingRows
    from hcdv.games.rows import GivenRows

    y = np.array([0, 1, 0, 1, 1, 0, 1, 0])
    given = GivenRows(DATA.X, DATA.X, y, np.array([0, 1]), np.arange(8), DATA.X_val, DATA.X_val, DATA.y_val)
    rows = TrainingRows(DATA.X, y, 2, DATA.X, (), given=given)
    bounded = Estimator(DecisionTreeClassifier(max_depth=1)).game(rows, seed=0, threads=None, device="cpu")
    assert range_of(bounded) == 1.0
    assert range_of(Function(len).game(rows, seed=0, threads=None, device="cpu")) is None
    assert range_of(TableGame(np.zeros(4))) is None
