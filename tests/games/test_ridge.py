"""The ridge game predicts what scikit-learn's RidgeClassifier predicts."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from hcdv import HCDV
from hcdv.datasets import make_synthetic
from hcdv.games import Ridge, RidgeGame


def game_of(n, d, n_classes, seed=0, alpha=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float32)
    X[:, -1] = 1.0  # a constant column
    X[1] = X[0]  # a row twice
    labels, labels_val = rng.integers(0, n_classes, n), rng.integers(0, n_classes, 200)
    X_val = rng.normal(size=(200, d)).astype(np.float32)
    return RidgeGame(X, labels, X_val, labels_val, n_classes, alpha=alpha), X_val


def theirs(game, X_val, members):
    labels = game.labels[members]
    if len(np.unique(labels)) == 1:
        return np.mean(game.labels_val == labels[0])
    model = RidgeClassifier(alpha=game.alpha).fit(game.X[members].astype(float), labels)
    return model.score(X_val.astype(float), game.labels_val)


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize(("n", "d", "n_classes"), [(40, 5, 2), (60, 12, 5), (25, 40, 3)])
def test_chains_and_coalitions_equal_scikit_learn(n, d, n_classes, alpha):
    game, X_val = game_of(n, d, n_classes, alpha=alpha)
    rng = np.random.default_rng(1)
    order = rng.permutation(n)
    expected = [theirs(game, X_val, order[:s]) for s in range(1, n + 1)]
    chain = game.chains(order[None], np.arange(n + 1))[0]
    assert chain[0] == game.v_empty == 1 / n_classes
    np.testing.assert_allclose(chain[1:], expected, atol=1e-12)
    bounds, masks = np.array([0, 1, 4, 4, 10, n]), rng.random((20, 5)) < 0.5
    groups = [order[bounds[g] : bounds[g + 1]] for g in range(5)]
    for mask, value in zip(masks, game.coalitions(order, bounds, masks), strict=True):
        members = np.concatenate([np.empty(0, int), *(groups[g] for g in np.flatnonzero(mask))])
        wanted = theirs(game, X_val, members) if len(members) else game.v_empty
        assert value == pytest.approx(wanted, abs=1e-12)


def test_many_coalitions_at_once_change_nothing(monkeypatch):
    game, _ = game_of(60, 12, 5)
    order, bounds = np.arange(60), np.arange(0, 61, 6)
    masks = np.random.default_rng(0).random((100, 10)) < 0.5
    whole = game.coalitions(order, bounds, masks)
    monkeypatch.setattr("hcdv.games.ridge.BATCH_NUMBERS", 1)
    np.testing.assert_array_equal(game.coalitions(order, bounds, masks), whole)


def test_through_the_facade():
    data = make_synthetic(n=300, n_val=100, n_test=10, random_state=0)
    rows = data.X, data.y, data.X_val, data.y_val
    runs = [
        HCDV(utility=Ridge(), contrast=0, random_state=0, n_jobs=jobs).fit(*rows)
        for jobs in (1, 3)
    ]
    np.testing.assert_array_equal(runs[0].values_, runs[1].values_)
    result = runs[0].result_
    model = RidgeClassifier().fit(runs[0].encoder_.transform(data.X), data.y)
    accuracy = model.score(runs[0].encoder_.transform(data.X_val), data.y_val)
    assert result.v_full == pytest.approx(accuracy, abs=0.011)  # float32 rows
    assert result.efficiency_gap < 1e-12
    mixed = [("ridge", 2.0), ("kernel", 1.0)]
    both = HCDV(utility=mixed, allocation="sibling", random_state=0, n_permutations=4)
    assert both.fit(*rows).result_.efficiency_gap < 1e-12
    with pytest.warns(UserWarning, match="utility='ridge' without validation rows"):
        alone = HCDV(utility="ridge", random_state=0, n_permutations=4).fit(data.X, data.y)
    assert alone.result_.efficiency_gap < 1e-12


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), "one"])
def test_a_penalty_is_a_positive_number(alpha):
    with pytest.raises((ValueError, TypeError), match="alpha must"):
        Ridge(alpha)
