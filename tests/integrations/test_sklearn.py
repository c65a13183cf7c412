"""ValueFilter is a classifier like any other, and keeps the rows that HCDV by hand keeps."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from hcdv import HCDV
from hcdv.integrations.sklearn import ValueFilter
from tests.integrations.rows import DATA, IS_FLIPPED, NOISY, quick

QUICK = quick()


@parametrize_with_checks([ValueFilter(valuation=HCDV(n_permutations=4, random_state=0))])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_keeps_all_but_the_issues_and_fits_on_them():
    model = ValueFilter(LogisticRegression(), valuation=QUICK).fit(DATA.X, NOISY, DATA.X_val, DATA.y_val)
    result = clone(QUICK).fit(DATA.X, NOISY, DATA.X_val, DATA.y_val).result_
    np.testing.assert_array_equal(model.result_.values, result.values)
    issues = result.label_issues()
    left_out = issues.position[issues.is_issue]
    np.testing.assert_array_equal(model.kept_, np.setdiff1d(np.arange(120), left_out))
    assert IS_FLIPPED[left_out].mean() > 0.5
    by_hand = LogisticRegression().fit(DATA.X[model.kept_], NOISY[model.kept_])
    for method in ("predict", "predict_proba", "decision_function"):
        expected = getattr(by_hand, method)(DATA.X_test)
        np.testing.assert_array_equal(getattr(model, method)(DATA.X_test), expected)


def test_keeps_a_share_as_select_does():
    model = ValueFilter(fraction=0.4, valuation=QUICK).fit(DATA.X, NOISY)
    assert len(model.kept_) == 48
    np.testing.assert_array_equal(model.kept_, clone(QUICK).fit(DATA.X, NOISY).result_.select(0.4))
    assert len(ValueFilter(fraction=1.0, valuation=QUICK).fit(DATA.X, NOISY).kept_) == 120


def test_the_default_valuation_takes_the_seed():
    model = ValueFilter(random_state=3).fit(DATA.X, NOISY)
    np.testing.assert_array_equal(model.result_.values, HCDV(random_state=3).fit(DATA.X, NOISY).values_)


def test_a_class_is_never_lost():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(60, 3)), rng.normal(size=(60, 3)) + 6, rng.normal(size=(2, 3))]
    y = np.array(["a"] * 60 + ["b"] * 60 + ["rare"] * 2)
    model = ValueFilter(DecisionTreeClassifier(random_state=0), fraction=0.1, valuation=QUICK).fit(X, y)
    assert set(model.estimator_.classes_) == {"a", "b", "rare"}
    rare = np.intersect1d(model.kept_, [120, 121])
    assert len(rare) == 1 and model.result_.values[rare] == model.result_.values[120:].max()


def test_each_split_of_a_cross_validation_is_valued_by_itself():
    chain = make_pipeline(StandardScaler(), ValueFilter(valuation=QUICK))
    splits = list(KFold(2).split(DATA.X))
    search = GridSearchCV(chain, {"valuefilter__fraction": [None, 0.5]}, cv=splits).fit(DATA.X, NOISY)
    for k, (train, test) in enumerate(splits):
        scaler = StandardScaler().fit(DATA.X[train])
        by_hand = ValueFilter(valuation=QUICK).fit(scaler.transform(DATA.X[train]), NOISY[train])
        expected = by_hand.score(scaler.transform(DATA.X[test]), NOISY[test])
        assert search.cv_results_[f"split{k}_test_score"][0] == expected


def test_hcdv_at_the_end_of_a_pipeline():
    chain = make_pipeline(StandardScaler(), clone(QUICK)).fit(DATA.X, NOISY)
    by_hand = clone(QUICK).fit(StandardScaler().fit_transform(DATA.X), NOISY)
    np.testing.assert_array_equal(chain[-1].values_, by_hand.values_)


def test_a_table_goes_through_whole():
    frame = pd.DataFrame(DATA.X, columns=[f"c{j}" for j in range(DATA.X.shape[1])])
    model = ValueFilter(valuation=QUICK).fit(frame, NOISY)
    assert list(model.feature_names_in_) == list(frame) == list(model.estimator_.feature_names_in_)


def test_methods_are_those_of_the_estimator():
    assert not hasattr(ValueFilter(Perceptron()), "predict_proba")
    assert hasattr(ValueFilter(Perceptron()), "decision_function")
    assert not hasattr(ValueFilter(DecisionTreeClassifier()), "decision_function")


@pytest.mark.parametrize(
    ("fraction", "said"), [(0, "above 0"), (1.5, r"\[0, 1\]"), ("half", "must be a number")]
)
def test_one_sentence(fraction, said):
    with pytest.raises((ValueError, TypeError), match=f"fraction .*{said}"):
        ValueFilter(fraction=fraction).fit(DATA.X, NOISY)
