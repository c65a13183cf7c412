"""CS-Shapley against its definition by enumeration, with models fitted one by one."""

from itertools import chain, combinations
from math import factorial

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from hcdv import baselines
from hcdv.baselines.class_wise import ClassScore
from hcdv.datasets import make_synthetic
from hcdv.games import Estimator, UtilityError

N = 7


def small(seed=0):
    rng = np.random.default_rng(seed)
    y, y_val = np.array([0, 1, 1, 0, 1, 0, 1]), rng.integers(0, 2, 30)
    X = rng.normal(size=(N, 2)) + 0.8 * y[:, None]
    return X, y, rng.normal(size=(30, 2)) + 0.8 * y_val[:, None], y_val


def subsets(rows):
    return chain.from_iterable(combinations(rows, size) for size in range(len(rows) + 1))


class Tree(DecisionTreeClassifier):
    """One split, always the same."""

    def __init__(self):
        super().__init__(max_depth=1, random_state=0)

    def get_params(self, deep=True):
        return {}


def shares_right(members, X, y, X_val, y_val, c):
    """a_c and a_other of the model of some rows; guessing where there are none."""
    if not members:
        share = np.mean(y_val == c)
        return share / 2, (1 - share) / 2
    rows = sorted(members)
    present = np.unique(y[rows])
    if len(present) == 1:
        predictions = np.full(len(y_val), present[0])
    else:
        predictions = Tree().fit(X[rows], y[rows]).predict(X_val)
    right = predictions == y_val
    return np.mean(right & (y_val == c)), np.mean(right & (y_val != c))


def truth(data):
    """Mean over all R of the Shapley values within the class, and the model's own a_c."""
    X, y, X_val, y_val = data
    values, shares = np.zeros(N), np.zeros(2)
    for c in (0, 1):
        mine, others = np.flatnonzero(y == c).tolist(), np.flatnonzero(y != c).tolist()
        shares[c] = shares_right(range(N), X, y, X_val, y_val, c)[0]
        worth = {}
        for before in subsets(others):
            for inside in subsets(mine):
                a, b = shares_right([*before, *inside], X, y, X_val, y_val, c)
                worth[before, inside] = a * np.exp(b)
            for i in mine:
                for inside in subsets([j for j in mine if j != i]):
                    weight = factorial(len(inside)) * factorial(len(mine) - len(inside) - 1)
                    joined = tuple(sorted((*inside, i)))
                    gain = worth[before, joined] - worth[before, inside]
                    values[i] += weight / factorial(len(mine)) * gain / 2 ** len(others)
    return values, shares


@pytest.mark.parametrize("seed", [0, 1])
def test_values_lie_within_four_standard_errors_of_enumeration(seed):
    data = small(seed)
    expected, _ = truth(data)
    result = baselines.class_wise_shapley(
        *data, utility=Tree(), normalise=False, n_permutations=600, random_state=seed
    )
    assert (result.std_error > 0).all() and result.std_error.max() < 0.1
    assert (np.abs(result.values - expected) < 4 * result.std_error).all()
    assert np.abs(expected).max() > 20 * np.median(result.std_error) / 4


def test_normalised_values_of_a_class_add_up_to_its_accuracy():
    data = small()
    _, shares = truth(data)
    plain = baselines.class_wise_shapley(*data, utility=Tree(), normalise=False, random_state=0)
    result = baselines.class_wise_shapley(*data, utility=Tree(), random_state=0)
    for c in (0, 1):
        mine = data[1] == c
        assert result.values[mine].sum() == pytest.approx(shares[c])
        factor = shares[c] / plain.values[mine].sum()
        np.testing.assert_allclose(result.values[mine], factor * plain.values[mine], rtol=1e-12)
        np.testing.assert_allclose(result.std_error[mine], abs(factor) * plain.std_error[mine], rtol=1e-12)
    assert result.v_full == pytest.approx(shares.sum()) and result.efficiency_gap < 1e-12


def test_scores_of_a_class():
    predictions = np.array([[0, 0, 1, 2], [2, 2, 2, 2]])
    y_val = np.array([0, 1, 1, 2])
    score = ClassScore("score", "labels", code=1)
    expected = [0.25 * np.exp(0.5 - 1), 0.0]
    np.testing.assert_allclose(score.scores(predictions, y_val, 3), expected)
    np.testing.assert_allclose(
        ClassScore("share", "labels", code=1, is_share=True).scores(predictions, y_val, 3), [0.25, 0.0]
    )
    assert score.chance(y_val, 3) == pytest.approx(0.5 / 3 * np.exp(0.5 / 3 - 1))


@pytest.fixture(scope="module")
def data():
    return make_synthetic(n=80, n_val=60, n_test=10)


@pytest.mark.parametrize("kind", ["logistic", "bayes"])
def test_bits_depend_on_the_seed_and_not_on_threads(kind, data):
    if kind == "logistic":
        pytest.importorskip("torch", reason="utility 'logistic' needs torch")
    utility = Estimator(GaussianNB()) if kind == "bayes" else kind
    one, two, other = (
        baselines.class_wise_shapley(
            data.X, data.y, data.X_val, data.y_val, utility=utility, n_permutations=4, random_state=seed,
            n_jobs=n_jobs,
        )
        for seed, n_jobs in ((0, 1), (0, 2), (1, 1))
    )  # fmt: skip
    assert one.values.tobytes() == two.values.tobytes() != other.values.tobytes()
    assert one.std_error.tobytes() == two.std_error.tobytes()
    assert one.efficiency_gap < 1e-12 and one.n_evaluations > 80


def test_stops_by_its_rule():
    rule = baselines.class_wise_shapley(
        *small(), utility=Tree(), tol=0.3, n_permutations=2000, normalise=False, random_state=0
    )
    assert rule.stopped_by == "std_error" and rule.n_permutations < 2000
    assert np.median(rule.std_error) <= 0.3 * np.abs(rule.values).mean()


class Broken(GaussianNB):
    """Cannot be fitted."""

    def fit(self, X, y):
        raise OSError("gone")


def test_bad_input_gets_one_sentence():
    X, y, X_val, y_val = small()
    for arguments, said in [
        ({"utility": "kernel"}, "utility must train one model for class_wise_shapley .*, got 'kernel'"),
        ({"utility": ["logistic", "kernel"]}, "utility must train one model"),
        ({"utility": len}, "utility must train one model"),
        ({"utility": "magic"}, "utility must be 'auto' or made of"),
        ({"normalise": 1}, "normalise must be True or False, got 1"),
        ({"n_permutations": 1}, "n_permutations must be at least 2"),
        ({"tol": -1.0}, "tol must lie in"),
        ({"y": None}, "y must be the labels of the rows, got None"),
        ({"y": y[:3]}, "y has 3 labels for 7 rows"),
        ({"X_val": None}, "X_val is missing"),
        ({"n_jobs": 0}, "n_jobs must not be 0"),
    ]:
        given = {"X": X, "y": y, "X_val": X_val, "y_val": y_val, "utility": Tree(), **arguments}
        with pytest.raises((ValueError, TypeError), match=said) as failure:
            baselines.class_wise_shapley(**given)
        assert "\n" not in str(failure.value)
    with pytest.raises(UtilityError, match=r"OSError: gone"):
        baselines.class_wise_shapley(X, y, X_val, y_val, utility=Broken())
