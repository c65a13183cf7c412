"""Data-OOB and out-of-fold confidence, against plain recounts with scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from hcdv._random import derive_seed, generator
from hcdv.baselines import data_oob, out_of_fold_confidence
from hcdv.datasets import flip_labels, make_synthetic
from hcdv.games import UtilityError
from hcdv.stopping import StandardError, TimeBudget

METHODS = [data_oob, out_of_fold_confidence]


@pytest.fixture(scope="module")
def noisy():
    data = make_synthetic(n=300, n_val=10, n_test=10)
    y, is_flipped = flip_labels(data.y, 0.15, random_state=1)
    return data.X, y, is_flipped


@pytest.fixture(scope="module")
def names(noisy):
    """The same labels as text, whose order is not that of the numbers."""
    return np.array(["z", "a", "m"])[noisy[1]]


def bagged_recount(bagging, X, y):
    """Data-OOB as its definition has it, out of a fitted BaggingClassifier."""
    right, out = np.zeros(len(X)), np.zeros(len(X))
    for model, sample in zip(bagging.estimators_, bagging.estimators_samples_, strict=True):
        for i in set(range(len(X))) - set(sample.tolist()):
            out[i] += 1
            right[i] += bagging.classes_[model.predict(X[i : i + 1])[0]] == y[i]
    return right / out, out


def test_data_oob_equals_a_plain_recount(noisy):
    X, y, _ = noisy
    X, y = X[:60], y[:60]
    result = data_oob(X, y, model=GaussianNB(), n_estimators=30, random_state=4)
    right, out = np.zeros(60), np.zeros(60)
    for b in range(30):
        drawn = generator(4, "oob", b).integers(0, 60, 60)
        model = GaussianNB().fit(X[drawn], y[drawn])
        for i in range(60):
            if i not in drawn:
                out[i] += 1
                right[i] += model.predict(X[i : i + 1])[0] == y[i]
    np.testing.assert_allclose(result.values, right / out, rtol=0, atol=1e-15)
    share = right / out
    np.testing.assert_allclose(result.std_error, np.sqrt(share * (1 - share) / (out - 1)), atol=1e-15)
    assert result.n_evaluations == 30 and result.stopped_by == "n_estimators"


@pytest.mark.parametrize("base", [DecisionTreeClassifier(max_depth=4), GaussianNB()])
def test_data_oob_estimates_what_sklearns_bagging_does(noisy, base):
    X, y, _ = noisy
    X, y = X[:80], y[:80]
    ours = data_oob(X, y, model=base, n_estimators=300, random_state=0)
    bagging = BaggingClassifier(base, n_estimators=300, random_state=0).fit(X, y)
    theirs, out = bagged_recount(bagging, X, y)
    error = np.sqrt(ours.std_error**2 + theirs * (1 - theirs) / (out - 1) + 1 / 300**2)
    z = (ours.values - theirs) / error
    assert np.abs(z).max() < 4.5 and 0.4 < np.sqrt(np.mean(z**2)) < 1.4
    assert np.corrcoef(ours.values, theirs)[0, 1] > 0.97


def test_out_of_fold_confidence_equals_a_plain_loop(noisy):
    X, y, _ = noisy
    result = out_of_fold_confidence(X, y, model=GaussianNB(), n_folds=4, random_state=3)
    folds = StratifiedKFold(4, shuffle=True, random_state=derive_seed(3, "folds"))
    expected = np.empty(len(y))
    for train, test in folds.split(X, y):
        model = GaussianNB().fit(X[train], y[train])
        for i in test:
            expected[i] = model.predict_proba(X[i : i + 1])[0, list(model.classes_).index(y[i])]
    np.testing.assert_allclose(result.values, expected, rtol=0, atol=1e-12)
    assert result.n_evaluations == 4


@pytest.mark.parametrize("method", METHODS)
def test_flipped_labels_get_low_values(method, noisy):
    X, y, is_flipped = noisy
    result = method(X, y, random_state=0)
    assert roc_auc_score(is_flipped, -result.values) > 0.85
    assert result.values.min() >= 0 and result.values.max() <= 1
    assert result.v_full == pytest.approx(result.values.sum())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", [None, DecisionTreeClassifier(max_features=1), GaussianNB()])
def test_seeds_and_threads(method, model, noisy):
    X, y, _ = noisy
    small = {"n_estimators": 40} if method is data_oob else {}
    if model is None and method is out_of_fold_confidence:
        model = RandomForestClassifier(10)
    one, two, other = (
        method(X, y, model=model, random_state=seed, n_jobs=n_jobs, **small)
        for seed, n_jobs in ((0, 1), (0, 2), (1, 1))
    )
    assert one.values.tobytes() == two.values.tobytes() != other.values.tobytes()
    if model is not None and "random_state" in model.get_params():
        assert model.random_state is None and not hasattr(model, "classes_")


def test_the_default_forest_has_the_same_bits_for_any_number_of_threads(noisy):
    X, y, _ = noisy
    one, two = (out_of_fold_confidence(X, y, random_state=0, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert one.values.tobytes() == two.values.tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_labels_may_be_text(method, noisy, names):
    X, y, _ = noisy
    model = make_pipeline(StandardScaler(), LogisticRegression())
    if method is data_oob:
        by_code, by_name = (method(X, labels, model=model, random_state=0) for labels in (y, names))
        np.testing.assert_array_equal(by_code.values, by_name.values)
    else:  # folds follow the order of the classes
        result = method(X, names, model=model, random_state=0)
        assert np.corrcoef(result.values, method(X, y, model=model, random_state=0).values)[0, 1] > 0.95
        assert set(result.labels) == set(names)


@pytest.mark.parametrize("method", METHODS)
def test_tables_with_text_work_by_default(method, noisy):
    X, y, _ = noisy
    frame = pd.DataFrame(X[:, :3], columns=list("abc"), index=np.arange(300) + 7)
    frame["d"] = np.where(X[:, 3] > 0, "high", "low")
    result = method(frame, y, random_state=0)
    assert np.isfinite(result.values).all() and list(result.ids) == list(frame.index)


def test_data_oob_stops_by_its_rule(noisy):
    X, y, _ = noisy
    result = data_oob(X, y, n_estimators=2000, tol=0.05, random_state=0)
    assert result.stopped_by == "std_error" and 8 <= result.n_evaluations < 2000
    assert np.median(result.std_error) <= 0.05 * result.values.mean()
    again = data_oob(X, y, n_estimators=2000, tol=StandardError(0.05), random_state=0, n_jobs=1)
    assert again.values.tobytes() == result.values.tobytes()


def test_bootstrap_samples_of_one_class_predict_it():
    X, y = np.arange(4.0)[:, None], [0, 0, 0, 1]
    result = data_oob(X, y, model=LogisticRegression(), n_estimators=60, random_state=0)
    assert result.values[3] == 0.0  # without it there is one class
    assert (result.values[:3] > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_bad_input_gets_one_sentence(method, noisy):
    X, y, _ = noisy
    for arguments, said in [
        ({"X": None}, "X must be an array or a DataFrame, got NoneType"),
        ({"y": None}, "y must be the labels of the rows, got None"),
        ({"y": y[:5]}, "y has 5 labels for 300 rows"),
        ({"y": np.zeros(300)}, "y has 1 class"),
        ({"X_val": X}, "y_val is missing"),
        (
            {"model": DecisionTreeClassifier},
            "model must be a classifier .*, got the class DecisionTreeClassifier",
        ),
        ({"model": "tree"}, "model must be a classifier .*, got str"),
        ({"n_jobs": 0}, "n_jobs must not be 0"),
        ({"verbose": -1}, "verbose must be at least 0"),
        ({"random_state": -1}, "random_state must lie in"),
    ]:
        with pytest.raises((ValueError, TypeError), match=said) as failure:
            method(**{"X": X, "y": y, **arguments})
        assert "\n" not in str(failure.value)


def test_budgets_are_named(noisy):
    X, y, _ = noisy
    with pytest.raises(ValueError, match="n_estimators must be at least 1, got 0"):
        data_oob(X, y, n_estimators=0)
    with pytest.raises(ValueError, match=r"n_estimators=2 is too few: \d+ rows were in every bootstrap sample"):
        data_oob(X, y, n_estimators=2)
    with pytest.raises(ValueError, match="n_folds must be at least 2, got 1"):
        out_of_fold_confidence(X, y, n_folds=1)
    with pytest.raises(ValueError, match="y must have at least 2 rows of every class, got 1 of 9"):
        out_of_fold_confidence(X, np.append(y[:-1], 9))
    with pytest.raises(TypeError, match="model must have predict_proba, which LinearSVC lacks"):
        out_of_fold_confidence(X, y, model=LinearSVC())


class Broken(GaussianNB):
    """Cannot be fitted."""

    def fit(self, X, y):
        raise OSError("gone")


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_fails_is_named(method, noisy):
    X, y, _ = noisy
    with pytest.raises(UtilityError, match=r"model Broken failed on .* OSError: gone"):
        method(X, y, model=Broken())


class Lonely(GaussianNB):
    """Gives one probability a row."""

    def predict_proba(self, X):
        return np.ones((len(X), 1))


def test_probabilities_of_too_few_classes_are_refused(noisy):
    X, y, _ = noisy
    with pytest.raises(UtilityError, match=r"model Lonely failed predicting \d+ rows of 2 classes"):
        out_of_fold_confidence(X, y, model=Lonely())


def test_no_rule_is_asked_before_every_row_has_a_value():
    X, y = np.random.default_rng(0).normal(size=(24, 2)), np.arange(24) % 2
    result = data_oob(X, y, tol=TimeBudget(0.0), model=GaussianNB(), random_state=0)
    assert result.stopped_by == "time_budget" and np.isfinite(result.values).all()
    assert 1 < result.n_evaluations < 30


def test_a_failure_before_every_row_has_a_value_leaves_no_result():
    X, y = np.random.default_rng(0).normal(size=(24, 2)), np.arange(24) % 2
    fits = []

    class FailsLater(GaussianNB):
        def fit(self, X, y):
            fits.append(len(X))
            if len(fits) % 4 == 0:
                raise RuntimeError
            return super().fit(X, y)

    with pytest.raises(UtilityError, match=r"of 24 rows: RuntimeError\.$") as failure:
        data_oob(X, y, model=FailsLater(), random_state=0, n_jobs=1)
    assert failure.value.result is None


@pytest.mark.parametrize("wrong", [np.nan, -0.5, 1.5])
def test_what_is_no_probability(wrong):
    class Liar(GaussianNB):
        def predict_proba(self, X):
            return np.full((len(X), 2), wrong)

    X, y = np.random.default_rng(0).normal(size=(24, 2)), np.arange(24) % 2
    with pytest.raises(UtilityError, match=r"model Liar gave .* for a probability, which must lie in"):
        out_of_fold_confidence(X, y, model=Liar(), random_state=0)


def test_sparse_rows_of_any_format():
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    model = LogisticRegression()
    one, two = (data_oob(kind(X), y, model=model, random_state=0).values for kind in (csr_matrix, coo_matrix))
    np.testing.assert_array_equal(one, two)
