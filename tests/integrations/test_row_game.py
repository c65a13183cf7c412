"""The game on rows is the one that the baselines play, and that any library may ask."""

import pickle

import numpy as np
import pytest

from hcdv import baselines, shapley
from hcdv.integrations.row_game import RowGame
from tests.integrations.rows import DATA, NOISY

ROWS = (DATA.X[:40], NOISY[:40], DATA.X_val, DATA.y_val)
SELLER = np.array(["north", "south", "east", "west"])[np.arange(40) * 7 % 4]


@pytest.mark.parametrize("utility", ["kernel", "knn", [("fit", 1.0), ("ridge", 0.5)]])
def test_exact_values_of_groups_are_group_shapley(utility):
    game = RowGame(*ROWS, utility=utility, groups=SELLER, random_state=0)
    result = baselines.group_shapley(*ROWS, utility=utility, groups=SELLER, random_state=0)
    assert game.players.tolist() == ["north", "west", "east", "south"]
    values = shapley.exact(game, game.n_players)
    np.testing.assert_allclose(values, result.node_values[1:], rtol=0, atol=1e-12)
    assert game.v_empty == result.v_empty
    assert values.sum() == pytest.approx(result.v_full - result.v_empty, abs=1e-12)


def test_rows_are_players_too():
    game = RowGame(*ROWS, utility="kernel", random_state=0)
    result = baselines.leave_one_out(*ROWS, utility="kernel", random_state=0)
    without = ~np.eye(40, dtype=bool)
    whole = game(np.ones((1, 40), bool))[0]
    np.testing.assert_allclose(whole - game(without), result.values, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(game.players, np.arange(40))
    assert game(np.zeros((1, 40), bool)) == game.v_empty
    assert game(np.zeros((0, 40), bool)).shape == (0,)


def test_same_bits_by_one_and_by_many_and_after_pickling():
    masks = np.random.default_rng(0).random((150, 40)) < 0.5
    game = RowGame(*ROWS, utility="auto", random_state=3, n_jobs=1)
    whole = game(masks)
    np.testing.assert_array_equal([game(mask[None])[0] for mask in masks], whole)
    np.testing.assert_array_equal(RowGame(*ROWS, utility="auto", random_state=3, n_jobs=3)(masks), whole)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(game))(masks), whole)


def test_a_model_that_is_trained():
    pytest.importorskip("torch")
    game = RowGame(*ROWS, utility="logistic", groups=SELLER, random_state=0)
    masks = np.eye(4, dtype=bool)
    values = game(masks)
    assert game.v_empty == 0.5 and ((values >= 0) & (values <= 1)).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(game))(masks), values)


def test_one_sentence():
    with pytest.raises(ValueError, match="groups must be 1-dimensional"):
        RowGame(*ROWS, groups="label")
    with pytest.raises(ValueError, match=r"shape \[B, 40\].*\(3, 39\)"):
        RowGame(*ROWS)(np.zeros((3, 39), bool))
