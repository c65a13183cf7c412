"""Metrics of many models at once equal scikit-learn's, one by one; what leaves [0, 1] is refused."""

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from hcdv._errors import UtilityError
from hcdv.games.metrics import check_needs, make_metric

B, N_VAL = 5, 37


def predictions(n_classes, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(n_classes), (B, N_VAL))
    if ties:
        p = np.round(p, 1)
        p /= p.sum(2, keepdims=True)
    return p, rng.integers(0, n_classes, N_VAL)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_labels(n_classes):
    p, y = predictions(n_classes)
    codes = p.argmax(2)
    for name, theirs in (("accuracy", sk.accuracy_score), ("balanced_accuracy", sk.balanced_accuracy_score)):
        ours = make_metric(name).scores(codes, y, n_classes)
        np.testing.assert_allclose(ours, [theirs(y, c) for c in codes], atol=1e-12)
        assert make_metric(name).chance(y, n_classes) == 1 / n_classes


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_probabilities(n_classes, ties):
    p, y = predictions(n_classes, ties=ties)
    area = make_metric("auc").scores(p, y, n_classes)
    if n_classes == 2:
        theirs = [sk.roc_auc_score(y, q[:, 1]) for q in p]
    else:
        theirs = [sk.roc_auc_score(y, q, multi_class="ovr", average="macro") for q in p]
    np.testing.assert_allclose(area, theirs, atol=1e-12)
    assert make_metric("auc").chance(y, n_classes) == 0.5

    loss = make_metric("log_loss").scores(p, y, n_classes)
    theirs = [sk.log_loss(y, np.clip(q, 1e-15, 1), labels=range(n_classes)) for q in p]
    np.testing.assert_allclose(loss, np.exp(-np.array(theirs)), rtol=1e-9)
    assert make_metric("log_loss").chance(y, n_classes) == pytest.approx(1 / n_classes)

    brier = make_metric("brier").scores(p, y, n_classes)
    onehot = np.eye(n_classes)[y]
    np.testing.assert_allclose(brier, [1 - ((q - onehot) ** 2).sum(1).mean() / 2 for q in p], atol=1e-12)
    assert make_metric("brier").chance(y, n_classes) == pytest.approx(0.5 + 0.5 / n_classes)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "auc", "log_loss", "brier"])
@pytest.mark.parametrize("n_classes", [2, 11])
def test_scores_do_not_depend_on_what_else_is_scored(name, n_classes):
    rng = np.random.default_rng(1)
    p, y = rng.dirichlet(np.ones(n_classes), (33, 301)), rng.integers(0, n_classes, 301)
    metric = make_metric(name)
    shown = p.argmax(2) if metric.needs == "labels" else p
    together = metric.scores(shown, y, n_classes)
    np.testing.assert_array_equal(
        together, np.concatenate([metric.scores(shown[b : b + 1], y, n_classes) for b in range(33)])
    )
    np.testing.assert_array_equal(together, metric.scores(np.asfortranarray(shown), y, n_classes))


def test_perfect_and_hopeless_predictions_span_the_range():
    y = np.array([0, 1, 1, 0])
    right = np.eye(2)[y][None]
    for name in ("auc", "log_loss", "brier"):
        assert make_metric(name).scores(right, y, 2)[0] == pytest.approx(1.0)
        assert make_metric(name).scores(1 - right, y, 2)[0] == pytest.approx(0.0, abs=1e-12)


def test_classes_without_validation_rows_are_left_out():
    p, y = predictions(4)
    y = y % 3
    codes = p.argmax(2)
    balanced = make_metric("balanced_accuracy").scores(codes, y, 4)
    np.testing.assert_allclose(
        balanced, [np.mean([(c[y == k] == k).mean() for k in range(3)]) for c in codes]
    )
    area = make_metric("auc").scores(p, y, 4)
    theirs = [np.mean([sk.roc_auc_score(y == k, q[:, k]) for k in range(3)]) for q in p]
    np.testing.assert_allclose(area, theirs)
    with pytest.raises(ValueError, match="at least two classes"):
        make_metric("auc").scores(p, np.zeros(N_VAL, int), 4)


def test_scorers_and_callables_need_the_model():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    model = LogisticRegression().fit(X, y)
    metric = make_metric("f1")
    assert metric.needs == "model"
    assert metric.of_model(model, X, y) == pytest.approx(sk.f1_score(y, model.predict(X)))
    half = make_metric(lambda model, X, y: 0.5)
    assert half.of_model(model, X, y) == 0.5


def test_scores_outside_the_unit_interval_are_refused():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    model = LogisticRegression().fit(X, y)
    with pytest.raises(UtilityError, match=r"'neg_log_loss' gave -0\.\d+, .*metric='log_loss' is scaled"):
        make_metric("neg_log_loss").of_model(model, X, y)
    with pytest.raises(UtilityError, match="gave nan, which is not in"):
        make_metric(lambda model, X, y: float("nan")).of_model(model, X, y)


def test_unknown_metrics_are_named():
    with pytest.raises(ValueError, match=r"metric must be one of accuracy, .* got 'acuracy'"):
        make_metric("acuracy")
    with pytest.raises(TypeError, match="metric must be a name or a scorer, got int"):
        make_metric(3)
    with pytest.raises(ValueError, match="'f1' needs a fitted scikit-learn model, which utility 'ridge'"):
        check_needs("f1", "ridge", ("labels",))
