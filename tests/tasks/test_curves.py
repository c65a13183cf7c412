import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, make_scorer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hcdv._errors import UtilityError
from hcdv.tasks import addition_curve, removal_curve


class Recorder(ClassifierMixin, BaseEstimator):
    """Predicts label 1 and lets the metric see which rows (first column) it was trained on."""

    def fit(self, X, y):
        self.rows_ = np.asarray(X)[:, 0].astype(int).tolist()
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.ones(len(X), int)


class Watch:
    def __init__(self):
        self.seen = []

    def __call__(self, model, X, y):
        self.seen.append(getattr(model, "rows_", None))
        return float(len(self.seen[-1]))


N = 10
ROWS = np.arange(N, dtype=float)[:, None]
LABELS = np.arange(N) % 2
# Row 3 is worth least, row 0 most.
WORTH = np.array([9.0, 4.0, 6.0, 0.0, 2.0, 8.0, 1.0, 5.0, 3.0, 7.0])
LOWEST = [3, 6, 4, 8, 1, 7, 2, 9, 5, 0]


def watched(curve, **options):
    watch = Watch()
    found = curve(WORTH, ROWS, LABELS, ROWS, LABELS, model=Recorder(), metric=watch, n_jobs=1, **options)
    return watch.seen, found


def test_which_rows_are_left():
    seen, curves = watched(removal_curve, order="lowest", fractions=[0.0, 0.3, 0.5])
    assert seen == [list(range(N)), sorted(LOWEST[3:]), sorted(LOWEST[5:])]
    assert curves.n_trained.tolist() == [10, 7, 5]
    seen, _ = watched(removal_curve, order="highest", fractions=[0.2])
    assert seen == [sorted(LOWEST[:8])]


def test_which_rows_are_added():
    seen, curves = watched(addition_curve, fractions=[0.2, 1.0])
    assert seen == [sorted(LOWEST[8:]), list(range(N))]
    assert curves.n_trained.tolist() == [2, 10]
    seen, _ = watched(addition_curve, order="lowest", fractions=[0.2])
    assert seen == [sorted(LOWEST[:2])]


def test_area_by_hand():
    # The watch's score is the number of rows: 10, 8, 5 at 0, .2, .5: .2 * 9 + .3 * 6.5 = 3.75 over .5.
    _, curves = watched(removal_curve, fractions=[0.5, 0.0, 0.2])
    assert curves.fractions.tolist() == [0.0, 0.2, 0.5]
    assert curves.scores["lowest"].tolist() == [10, 8, 5]
    assert curves.area["lowest"] == pytest.approx(7.5)
    _, curves = watched(removal_curve, fractions=0.2)
    assert curves.area["lowest"] == 8.0


def test_random_orders_are_draws():
    seen, curves = watched(removal_curve, order="random", fractions=[0.5], n_draws=4)
    assert len(seen) == 4
    assert len({tuple(rows) for rows in seen}) > 1
    again, _ = watched(removal_curve, order="random", fractions=[0.5], n_draws=4)
    other, _ = watched(removal_curve, order="random", fractions=[0.5], n_draws=4, random_state=1)
    assert seen == again != other
    assert curves.scores["random"].tolist() == [5.0]


@pytest.fixture(scope="module")
def noisy():
    """Two blobs with a known quarter of wrong labels; the values know which."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    X = rng.normal(size=(600, 3)) + 1.5 * y[:, None]
    given = y[:300].copy()
    wrong = rng.random(300) < 0.25
    given[wrong] = 1 - given[wrong]
    return np.where(wrong, -1.0, 1.0) + 0.01 * rng.random(300), X[:300], given, X[300:], y[300:]


def test_scores_are_those_of_the_model(noisy):
    values, X, y, X_test, y_test = noisy
    curves = removal_curve(*noisy, fractions=[0.0, 0.25], order=("lowest", "highest", "random"), n_draws=2)
    left = np.sort(np.argsort(values)[75:])
    default = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected = default.fit(X[left], y[left]).score(X_test, y_test)
    assert curves.scores["lowest"][1] == expected
    full = default.fit(X, y).score(X_test, y_test)
    assert {scores[0] for scores in curves.scores.values()} == {full}
    metric = make_scorer(balanced_accuracy_score)
    tree = DecisionTreeClassifier(random_state=0)
    curves = addition_curve(*noisy, fractions=[0.5], model=tree, metric=metric)
    top = np.sort(np.argsort(values)[150:])
    predicted = tree.fit(X[top], y[top]).predict(X_test)
    assert curves.scores["highest"][0] == balanced_accuracy_score(y_test, predicted)


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_the_default_model_converges_in_any_units(noisy, recwarn, kind):
    values, X, y, X_test, y_test = noisy
    units = np.array([1e-4, 1.0, 1e6])
    curves = removal_curve(values, kind(X * units), y, kind(X_test * units), y_test, fractions=[0.0, 0.2])
    assert not [w.message for w in recwarn]
    plain = removal_curve(values, kind(X), y, kind(X_test), y_test, fractions=[0.0, 0.2])
    np.testing.assert_allclose(curves.scores["lowest"], plain.scores["lowest"], atol=0.01)


def test_good_values_beat_chance(noisy):
    model = KNeighborsClassifier(1)
    removed = removal_curve(*noisy, order=["lowest", "highest", "random"], model=model)
    assert removed.area["lowest"] > removed.area["random"] > removed.area["highest"]
    added = addition_curve(*noisy, order=["highest", "random", "lowest"], model=model)
    assert added.area["highest"] > added.area["random"] > added.area["lowest"]
    assert removed.spread["random"].max() > 0 == removed.spread["lowest"].max()


def test_the_number_of_threads_changes_nothing(noisy):
    options = dict(order=["lowest", "random"], fractions=[0.1, 0.4], model=DecisionTreeClassifier())
    one, many = (removal_curve(*noisy, n_jobs=jobs, **options).to_frame() for jobs in (1, 3))
    pd.testing.assert_frame_equal(one, many)


def test_several_methods_side_by_side(noisy):
    values, *rest = noisy
    curves = removal_curve(
        {"known": values, "upside down": -values}, *rest, order=["lowest", "random"], fractions=[0.0, 0.2]
    )
    assert list(curves.scores) == ["known, lowest", "random", "upside down, lowest"]
    assert curves.area["known, lowest"] > curves.area["upside down, lowest"]
    frame = curves.to_frame()
    assert list(frame) == ["curve", "fraction", "n_trained", "score", "spread"]
    assert len(frame) == 6
    text = str(curves)
    assert "accuracy, rows removed" in text and "known, lowest" in text and "area" in text


def test_one_class_left_is_predicted():
    # The five highest are all of class 1.
    y = (WORTH >= 5).astype(int)
    curves = addition_curve(WORTH, ROWS, y, ROWS, y, fractions=[0.3, 0.5])
    assert curves.scores["highest"].tolist() == [0.5, 0.5]


def test_ties_are_broken_by_the_seed():
    def order(seed):
        watch = Watch()
        removal_curve(np.zeros(N), ROWS, LABELS, ROWS, LABELS, model=Recorder(), metric=watch,
                      fractions=[0.5], random_state=seed)  # fmt: skip
        return watch.seen

    assert order(0) == order(0)
    assert any(order(0) != order(seed) for seed in range(1, 4))


@pytest.mark.parametrize("kind", [pd.DataFrame, csr_matrix, np.ndarray.tolist])
def test_rows_of_any_kind(noisy, kind):
    values, X, y, X_test, y_test = noisy
    plain = removal_curve(*noisy, fractions=[0.2])
    other = removal_curve(values, kind(X), y.tolist(), kind(X_test), y_test.tolist(), fractions=[0.2])
    assert other.scores["lowest"][0] == pytest.approx(plain.scores["lowest"][0], abs=0.01)


BAD = {
    "values": (dict(values=WORTH[:5]), ValueError, "values has 5 values for 10 rows"),
    "NaN": (dict(values=np.full(N, np.nan)), ValueError, "NaN"),
    "nothing named": (dict(values={}), ValueError, "empty mapping"),
    "named": (dict(values={"a": WORTH[:5]}), ValueError, "values['a'] has 5 values"),
    "labels": (dict(y=[0, 1]), ValueError, "2 labels for 10 rows"),
    "test labels": (dict(y_test=[0, 1]), ValueError, "y_test has 2 labels"),
    "no test rows": (dict(X_test=ROWS[:0], y_test=[]), ValueError, "X_test has no rows"),
    "order": (dict(order="best"), ValueError, "order must be one of"),
    "a number for an order": (dict(order=3), ValueError, "order must be one of"),
    "no order": (dict(order=[]), ValueError, "order must name at least one"),
    "all removed": (dict(fractions=[1.0]), ValueError, "fractions must lie in [0, 1), got 1"),
    "none left": (dict(fractions=[0.96]), ValueError, "leave no row of 10"),
    "no fractions": (dict(fractions=[]), ValueError, "fractions must hold at least one"),
    "metric": (dict(metric="acuracy"), ValueError, "scikit-learn scorer, got 'acuracy'"),
    "no metric": (dict(metric=3), TypeError, "metric must be a name or a scorer"),
    "model": (dict(model="logistic"), TypeError, "model must be a scikit-learn classifier"),
    "draws": (dict(n_draws=0), ValueError, "n_draws"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    changed, kind, sentence = BAD[case]
    given = dict(values=WORTH, X=ROWS, y=LABELS, X_test=ROWS, y_test=LABELS) | changed
    with pytest.raises(kind) as caught:
        removal_curve(**given)
    assert sentence in str(caught.value)


def test_adding_nothing_is_no_curve():
    with pytest.raises(ValueError, match=r"fractions must lie in \(0, 1\], got 0"):
        addition_curve(WORTH, ROWS, LABELS, ROWS, LABELS, fractions=[0.0, 0.5])


def test_a_model_or_a_metric_that_fails():
    with pytest.raises(UtilityError, match=r"failed on 8 rows of curve 'lowest': .*NaN"):
        removal_curve(WORTH, np.where(ROWS == 4, np.nan, ROWS), LABELS, ROWS, LABELS, fractions=[0.2])
    with pytest.raises(UtilityError, match="the metric gave nan on 8 rows"):
        removal_curve(WORTH, ROWS, LABELS, ROWS, LABELS, fractions=[0.2], metric=lambda *_: np.nan)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"X": None}, "X must be an array or a DataFrame, got NoneType"),
        ({"X_test": None}, "X_test must be an array or a DataFrame, got NoneType"),
        ({"X_test": np.zeros((0, 2)), "y_test": []}, "X_test has no rows"),
        ({"model": LogisticRegression}, "model must be a scikit-learn classifier, got the class"),
        ({"values": {1: np.arange(8.0), "1": np.arange(8.0)}}, "values has two sets of one name"),
    ],
)
def test_what_is_no_table_model_or_name(change, said):
    X, y = np.arange(16.0).reshape(8, 2), np.arange(8) % 2
    usual = {"values": np.arange(8.0), "X": X, "y": y, "X_test": X, "y_test": y}
    with pytest.raises((TypeError, ValueError), match=said):
        removal_curve(**{**usual, **change})


def test_many_curves_are_all_legible():
    X, y = np.arange(16.0).reshape(8, 2), np.arange(8) % 2
    names = [f"method number {k}" for k in range(14)]
    text = str(removal_curve({name: np.arange(8.0) for name in names}, X, y, X, y, fractions=[0.25], n_jobs=1))
    assert all(f"{name}, lowest" in text for name in names) and "…" not in text


def test_sparse_rows_of_any_format():
    X, y = np.arange(16.0).reshape(8, 2), np.arange(8) % 2
    kinds = (csr_matrix, coo_matrix)
    curves = [removal_curve(np.arange(8.0), kind(X), y, kind(X), y, fractions=[0.25]) for kind in kinds]
    np.testing.assert_array_equal(curves[0].scores["lowest"], curves[1].scores["lowest"])
