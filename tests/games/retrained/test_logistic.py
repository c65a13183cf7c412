"""Batched logistic regression against scikit-learn's, fit by fit."""

import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from hcdv.games import Logistic
from hcdv.games.metrics import make_metric
from tests.games.retrained.rows import given, random_coalitions
from tests.games.retrained.test_estimator import play

torch = pytest.importorskip("torch", reason="utility 'logistic' needs torch")


def trainer(data, **options):
    return play(Logistic(**options), data).trainer


def reference(data, rows, C=1.0):
    """Probabilities [n_val, n_classes] of scikit-learn's fit, tightly converged."""
    p = np.zeros((len(data.labels_val), data.n_classes))
    present = np.unique(data.labels[rows])
    if len(present) == 1:
        p[:, present] = 1.0
        return p
    X = data.features.reshape(data.n_rows, -1)
    X_val = data.features_val.reshape(len(p), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=C, tol=1e-10, max_iter=50_000, solver="newton-cholesky").fit(
            X[rows], data.labels[rows]
        )
    p[:, present] = model.predict_proba(X_val)
    return p


@pytest.mark.parametrize("C", [1.0, 0.01, 100.0])
@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_probabilities_of_any_coalition(n_classes, C):
    data = given(n=50, n_classes=n_classes)
    coalitions = random_coalitions(np.random.default_rng(0), 50, 12)
    coalitions.append(np.flatnonzero(data.labels == 1))
    coalitions.append(np.flatnonzero(data.labels != 0))
    ours = trainer(data, C=C, tol=1e-12).probabilities(coalitions)
    theirs = [reference(data, rows, C) for rows in coalitions]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_prefix_of_a_chain(n_classes):
    data = given(n=120, n_val=200, d=3, n_classes=n_classes)
    game = play(Logistic(), data)
    order = np.random.default_rng(1).permutation(120)
    values = game.chains(order[None], np.arange(121))[0]
    assert values[0] == 1 / n_classes
    expected = [
        (reference(data, np.sort(order[:s])).argmax(1) == data.labels_val).mean() for s in range(1, 121)
    ]
    # One validation row in 1,000 on average: 200 rows, 120 fits.
    assert np.abs(values[1:] - expected).mean() <= 1e-3
    assert np.abs(values[1:] - expected).max() <= 1 / 200


def test_chains_coalitions_and_sparse_stops_agree():
    data = given(n=400, n_val=300, d=5)
    t = trainer(data, metric="log_loss")
    order = np.random.default_rng(0).permutation(400)
    every = t.chain_scores(order, np.arange(1, 401))
    np.testing.assert_array_equal(np.concatenate(list(t.walk(order, np.arange(1, 401)))), every)
    stops = np.array([1, 2, 40, 41, 200, 399, 400])
    np.testing.assert_allclose(t.chain_scores(order, stops), every[stops - 1], atol=1e-6)
    np.testing.assert_allclose(
        t.scores([np.sort(order[:s]) for s in stops]), every[stops - 1], atol=1e-6
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_batches_do_not_matter(n_classes, monkeypatch):
    from hcdv.games.retrained import _torch_logistic

    data = given(n=80, n_classes=n_classes)
    coalitions = random_coalitions(np.random.default_rng(0), 80, 10)
    t = trainer(data, metric="log_loss")
    whole = t.scores(coalitions)
    monkeypatch.setattr(_torch_logistic, "BATCH_CELLS", 1)
    np.testing.assert_allclose(t.scores(coalitions), whole, atol=1e-6)
    np.testing.assert_allclose([t.scores([rows])[0] for rows in coalitions], whole, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 1e4, np.array([1e4, 1.0, 1e-4, 0.0])])
def test_columns_of_any_size_are_used_as_given(scale):
    data = given(n=60, scale=scale)
    coalitions = random_coalitions(np.random.default_rng(0), 60, 6, smallest=20)
    ours = trainer(data, tol=1e-12).probabilities(coalitions)
    theirs = [reference(data, rows) for rows in coalitions]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_separable_handfuls_and_wide_rows():
    data = given(n=30, d=50, scale=3.0)
    t = trainer(data, metric="log_loss", tol=1e-12)
    order = np.random.default_rng(0).permutation(30)
    values = t.chain_scores(order, np.arange(1, 31))
    expected = make_metric("log_loss").scores(
        np.array([reference(data, np.sort(order[:s])) for s in range(1, 31)]), data.labels_val, 2
    )
    np.testing.assert_allclose(values, expected, atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("sentinel", [1e6, 1e9])
def test_one_enormous_number_does_not_end_the_other_fits(n_classes, sentinel):
    """An income of 999,999,999: the rest of the column is all but constant beside it, and still tells."""
    data = given(n=50, n_val=60, d=3, n_classes=n_classes)
    data.X[7, 1] = sentinel
    others = np.delete(np.arange(50), 7)
    coalitions = [others, others[::2], others[::3]]
    ours = trainer(data).probabilities(coalitions)
    theirs = [reference(data, rows) for rows in coalitions]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_steep_fits_of_many_classes_are_finished():
    """Where probabilities are 0 or 1, a bound on the curvature says that nothing is left to gain."""
    rng = np.random.default_rng(0)
    data = given(n=30, n_classes=10)
    data.labels[:] = np.repeat(np.arange(10), 3)
    coalitions = [np.sort(rng.choice(30, size, replace=False)) for size in (8, 15, 22, 30)]
    for C in (1.0, 1e4):
        t = trainer(data, C=C, metric="log_loss")
        theirs = [reference(data, rows, C) for rows in coalitions]
        np.testing.assert_allclose(t.probabilities(coalitions), theirs, atol=1e-3)
        order = rng.permutation(30)
        prefixes = [np.sort(order[:s]) for s in range(1, 31)]
        np.testing.assert_allclose(
            t.chain_scores(order, np.arange(1, 31)), t.scores(prefixes), atol=1e-4
        )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_fit_that_does_not_settle_is_named_once(n_classes):
    data = given(n=40, n_classes=n_classes, scale=1e3)
    t = trainer(data, C=1e6, max_iter=1)
    with pytest.warns(UserWarning, match="did not settle in max_iter=1 steps") as said:
        t.scores([np.arange(40), np.arange(39)])
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        t.scores([np.arange(38)])


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "auc", "log_loss", "brier"])
def test_metrics(metric):
    data = given(n=50, n_classes=3)
    rows = np.arange(0, 50, 2)
    p = reference(data, rows)[None]
    made = make_metric(metric)
    predictions = p.argmax(2) if made.needs == "labels" else p
    expected = made.scores(predictions, data.labels_val, 3)
    t = trainer(data, metric=metric)
    assert t.scores([rows])[0] == pytest.approx(expected[0], abs=1e-4)
    assert t.v_empty == pytest.approx(made.chance(data.labels_val, 3))


def test_threads_get_the_same_bits():
    data = given(n=200, n_val=100)
    t = trainer(data, metric="log_loss")
    orders = [np.random.default_rng(k).permutation(200) for k in range(2)]
    expected = [t.chain_scores(order, np.arange(1, 201)) for order in orders]
    answers = {}

    def ask(k):
        answers[k] = t.chain_scores(orders[k % 2], np.arange(1, 201))

    tasks = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    for k, answer in answers.items():
        np.testing.assert_array_equal(answer, expected[k % 2])


def test_fingerprints():
    data = given()
    names = {
        trainer(data).fingerprint,
        trainer(data, C=2.0).fingerprint,
        trainer(data, metric="auc").fingerprint,
        trainer(replace(data, features=data.features + 1e-9)).fingerprint,
        trainer(replace(data, labels=1 - data.labels)).fingerprint,
    }
    assert len(names) == 5
    assert trainer(given()).fingerprint in names


def test_bad_parameters():
    with pytest.raises(ValueError, match="C must lie in"):
        Logistic(C=0)
    with pytest.raises(ValueError, match="'f1' needs a fitted scikit-learn model, which utility 'logistic'"):
        Logistic(metric="f1")
    with pytest.raises(ValueError, match="max_iter must be at least 1"):
        Logistic(max_iter=0)
