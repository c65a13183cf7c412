"""scikit-learn classifiers as utilities: the user's own loop, coalition by coalition."""

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from hcdv._errors import UtilityError
from hcdv.engine import Threads
from hcdv.games import Estimator, TrainingRows
from tests.games.retrained.rows import given, random_coalitions


def play(utility, data, seed=0, cache=None):
    rows = TrainingRows(
        X=np.zeros((data.n_rows, 1), np.float32),
        labels=data.labels[data.order],
        n_classes=data.n_classes,
        columns=np.zeros((data.n_rows, 1), np.float32),
        levels=(),
        given=data,
    )
    return utility.game(rows, seed=seed, threads=Threads(1), device="cpu", cache=cache)


def by_hand(model, data, rows, score=None):
    labels = data.classes[data.labels[rows]]
    y_val = data.classes[data.labels_val]
    if len(np.unique(labels)) == 1:
        return (y_val == labels[0]).mean()
    fitted = model.fit(data.X[rows], labels)
    return fitted.score(data.X_val, y_val) if score is None else score(fitted, data.X_val, y_val)


@pytest.mark.parametrize("model", [GaussianNB(), make_pipeline(StandardScaler(), LogisticRegression())])
def test_the_users_own_loop(model):
    order = np.random.default_rng(3).permutation(60)
    data = given(n_classes=3, order=order)
    data = replace(data, classes=np.array(["ant", "bee", "cat"]))
    game = play(Estimator(model), data)
    chain = np.random.default_rng(1).permutation(60)
    values = game.chains(chain[None], np.arange(61))[0]
    assert values[0] == game.v_empty == pytest.approx(1 / 3)
    for stop in (1, 2, 5, 31, 60):
        assert values[stop] == by_hand(model, data, np.sort(order[chain[:stop]]))


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "auc", "log_loss", "brier", "f1_macro"])
def test_metrics_and_coalitions_that_lack_classes(metric):
    data = given(n=30, n_classes=3)
    game = play(Estimator(GaussianNB(), metric=metric), data)
    trainer = game.trainer
    lacking = np.sort(np.flatnonzero(data.labels != 2)[:12])
    one = np.flatnonzero(data.labels == 1)[:4]
    values = trainer.scores([lacking, one, np.arange(30)])
    assert ((values >= 0) & (values <= 1)).all()
    assert 0 <= game.v_empty <= 1
    if metric == "auc":
        assert values[1] == 0.5
    if metric == "accuracy":
        assert values[1] == (data.labels_val == 1).mean()


def test_frames_sparse_matrices_and_lists():
    data = given()
    frame = pd.DataFrame(data.X, columns=list("abcd")).assign(kind=np.where(data.X[:, 0] > 0, "x", "y"))
    frame_val = pd.DataFrame(data.X_val, columns=list("abcd")).assign(
        kind=np.where(data.X_val[:, 0] > 0, "x", "y")
    )
    mixed = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough"), LogisticRegression()
    )
    coalitions = random_coalitions(np.random.default_rng(0), 60, 4, smallest=20)
    play(Estimator(mixed), replace(data, X=frame, X_val=frame_val)).trainer.scores(coalitions)

    plain = play(Estimator(LogisticRegression()), data).trainer.scores(coalitions)
    for kind in (csr_matrix, lambda X: X.tolist(), pd.DataFrame):
        same = replace(data, X=kind(data.X), X_val=kind(data.X_val))
        np.testing.assert_allclose(
            play(Estimator(LogisticRegression()), same).trainer.scores(coalitions), plain
        )


def test_a_coalition_has_one_value_per_seed_wherever_it_is_trained():
    data = given(n=40)
    coalitions = random_coalitions(np.random.default_rng(0), 40, 20)
    forest = RandomForestClassifier(5)
    one = play(Estimator(forest), data).trainer.scores(coalitions)
    np.testing.assert_array_equal(play(Estimator(forest), data).trainer.scores(coalitions), one)
    np.testing.assert_array_equal(
        play(Estimator(forest, n_jobs=2), data).trainer.scores(coalitions), one
    )
    other = play(Estimator(forest), data, seed=1).trainer.scores(coalitions)
    assert (other != one).any()

    answers = {}
    trainer = play(Estimator(forest), data).trainer

    def ask(k):
        answers[k] = trainer.scores(coalitions)

    tasks = [threading.Thread(target=ask, args=(k,)) for k in range(3)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    for answer in answers.values():
        np.testing.assert_array_equal(answer, one)


def test_fingerprints_tell_models_data_and_metrics_apart():
    data = given()
    moved = replace(data, X=data.X + 1e-9)
    relabelled = replace(data, labels=1 - data.labels)
    games = [
        play(Estimator(GaussianNB()), data),
        play(Estimator(GaussianNB(var_smoothing=1e-8)), data),
        play(Estimator(LogisticRegression()), data),
        play(Estimator(make_pipeline(StandardScaler(), GaussianNB())), data),
        play(Estimator(GaussianNB(), metric="auc"), data),
        play(Estimator(GaussianNB()), moved),
        play(Estimator(GaussianNB()), relabelled),
        play(Estimator(DecisionTreeClassifier()), data),
        play(Estimator(DecisionTreeClassifier()), data, seed=1),
    ]
    names = [game.fingerprint for game in games]
    assert None not in names and len(set(names)) == len(names)
    assert play(Estimator(GaussianNB()), given()).fingerprint == names[0]
    assert play(Estimator(GaussianNB(), metric=lambda m, X, y: 0.5), data).fingerprint is None


class Moody(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        if len(X) > 20:
            raise RuntimeError("too much of everything")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


def test_failures_are_one_sentence():
    data = given()
    trainer = play(Estimator(Moody()), data).trainer
    trainer.scores([np.arange(20)])
    with pytest.raises(
        UtilityError,
        match=r"'Moody' failed on a coalition of 21 rows of 2 classes: RuntimeError: too much of everything",
    ):
        trainer.scores([np.arange(21)])
    with pytest.raises(UtilityError, match="metric 'brier' needs predict_proba, which LinearSVC lacks"):
        play(Estimator(LinearSVC(), metric="brier"), data).trainer.scores([np.arange(30)])
    play(Estimator(LinearSVC(), metric="auc"), data).trainer.scores([np.arange(30)])
    for wrong in (LinearRegression(), GaussianNB, StandardScaler(), 3):
        with pytest.raises(TypeError, match="utility must be a classifier"):
            Estimator(wrong)


def test_without_validation_rows_folds_score_each_other():
    data = given(n=50, validation=False)
    with pytest.warns(UserWarning, match="utility='GaussianNB' without validation rows: each of 5"):
        game = play(Estimator(GaussianNB()), data)
    folded = game.trainer
    rows = np.arange(0, 50, 2)
    expected = []
    for f, trainer in enumerate(folded.trainers):
        mine = rows[folded.fold[rows] == f]
        others = np.flatnonzero(folded.fold != f)
        np.testing.assert_array_equal(trainer.given.X_val, data.X[others])
        expected.append(by_hand(GaussianNB(), trainer.given, mine))
    assert folded.scores([rows])[0] == pytest.approx(np.mean(expected))
    order = np.random.default_rng(0).permutation(50)
    stops = np.array([1, 3, 10, 50])
    np.testing.assert_allclose(
        folded.chain_scores(order, stops), folded.scores([np.sort(order[:s]) for s in stops])
    )
    with pytest.warns(UserWarning, match="without validation rows"):
        assert play(Estimator(GaussianNB()), data).fingerprint == game.fingerprint is not None
