"""The generated click stream: shares, drift, and what it takes to predict a purchase."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from hcdv.datasets import make_clickstream


@pytest.fixture(scope="module")
def stream():
    return make_clickstream()


def day(stream, number, n_per_day=1500):
    rows = slice(number * n_per_day, (number + 1) * n_per_day)
    return stream.X[rows], stream.y[rows]


def column(stream, name):
    return stream.feature_names.index(name)


def test_shapes(stream):
    assert stream.X.shape == (15_000, 64)
    assert stream.X_val.shape == (500, 64)
    assert stream.X_test.shape == (3000, 64)
    assert repr(stream) == "Dataset('clickstream', 15000 + 500 + 3000 rows, 2 classes)"
    assert len(set(stream.feature_names)) == 64
    for X, y in ((stream.X, stream.y), (stream.X_val, stream.y_val), (stream.X_test, stream.y_test)):
        assert X.dtype == np.float64
        assert y.dtype == np.int64
        assert set(y) == {0, 1}
        assert np.isfinite(X).all()


def test_fields_are_one_hot(stream):
    named = [name.split("=")[0] for name in stream.feature_names]
    fields = sorted({name for name, whole in zip(named, stream.feature_names, strict=True) if "=" in whole})
    assert len(fields) == 6
    for field in fields:
        levels = stream.X[:, [name == field for name in named]]
        assert set(np.unique(levels)) == {0.0, 1.0}
        np.testing.assert_array_equal(levels.sum(axis=1), 1)


def test_rows_stand_day_by_day(stream):
    weekdays = [column(stream, f"weekday={name}") for name in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")]
    found = stream.X[:, weekdays].argmax(axis=1)
    np.testing.assert_array_equal(found, np.arange(15_000) // 1500 % 7)
    for X in (stream.X_val, stream.X_test):
        np.testing.assert_array_equal(X[:, weekdays].argmax(axis=1), 9 % 7)


def test_one_in_seven_buys_every_day(stream):
    for y in [day(stream, number)[1] for number in range(10)] + [stream.y_val, stream.y_test]:
        assert 0.13 <= y.mean() <= 0.17


def test_equal_seeds_give_equal_rows(stream):
    again, other = make_clickstream(), make_clickstream(random_state=1)
    for part in ("X", "y", "X_val", "y_val", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(stream, part), getattr(again, part))
        assert not np.array_equal(getattr(stream, part), getattr(other, part))


def test_other_sizes_leave_the_days_as_they_are(stream):
    few = make_clickstream(n_val=1, n_test=0)
    np.testing.assert_array_equal(few.X, stream.X)
    np.testing.assert_array_equal(few.y, stream.y)
    assert few.X_test.shape == (0, 64)
    assert make_clickstream(n_days=1, n_per_day=7).X.shape == (7, 64)


@pytest.mark.parametrize("sizes", [{"n_days": 0}, {"n_per_day": 0}, {"n_val": -1}, {"n_test": -1}])
def test_sizes_are_checked(sizes):
    with pytest.raises(ValueError, match=next(iter(sizes))):
        make_clickstream(**sizes)


def told_apart(stream, early, late):
    """AUC of telling two days apart, not by their weekday: learned on one half, tested on the other."""
    others = ["weekday" not in name for name in stream.feature_names]
    X = np.concatenate([day(stream, number)[0][:, others] for number in (early, late)])
    is_late = np.repeat([0, 1], 1500)
    learned = np.arange(3000) % 2 == 0
    forest = RandomForestClassifier(50, min_samples_leaf=5, random_state=0).fit(X[learned], is_late[learned])
    return roc_auc_score(is_late[~learned], forest.predict_proba(X[~learned])[:, 1])


def test_the_stream_drifts_slowly(stream):
    assert told_apart(stream, 0, 9) > 0.6
    assert told_apart(stream, 0, 1) < 0.56


@pytest.mark.parametrize("random_state", [0, 1])
def test_a_linear_model_does_not_do(random_state):
    stream = make_clickstream(random_state=random_state)
    line = LogisticRegression(max_iter=1000).fit(stream.X, stream.y).decision_function(stream.X_test)
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0).fit(stream.X, stream.y)
    nonlinear = roc_auc_score(stream.y_test, forest.predict_proba(stream.X_test)[:, 1])
    assert nonlinear > roc_auc_score(stream.y_test, line) + 0.03
    assert nonlinear < 0.95  # nobody knows for sure


def test_tracked_labels_err_and_checked_ones_do_not():
    # Where sessions are the same ones, tracked labels and checked ones of as many rows differ in their noise:
    # a model of checked labels agrees with checked labels better.
    stream = make_clickstream(n_days=1, n_per_day=6000, n_val=6000, n_test=3000)
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0).fit(stream.X_val, stream.y_val)
    on_tracked = roc_auc_score(stream.y, forest.predict_proba(stream.X)[:, 1])
    on_checked = roc_auc_score(stream.y_test, forest.predict_proba(stream.X_test)[:, 1])
    assert on_checked > on_tracked + 0.05
