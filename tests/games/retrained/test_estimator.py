"""scikit-learn classifiers as utilities: the user's own loop, coalition by coalition."""

import importlib.util
import linecache
import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler
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
    assert play(Estimator(GaussianNB(), metric=lambda m, X, y: 0.5), data).trainer.fingerprint is None


def in_columns(columns):
    return make_pipeline(ColumnTransformer([("scale", StandardScaler(), columns)]), GaussianNB())


def f1(model, X, y):
    return 0.25


def test_what_changes_a_model_without_changing_its_parameters_changes_its_fingerprint():
    """A cache on disk would have answered with the scores of the other one."""
    data = given()
    squared, scaled = ("square", PolynomialFeatures(2)), ("scale", StandardScaler())

    def of(model, metric="accuracy", rows=data):
        return play(Estimator(model, metric=metric), rows).trainer.fingerprint

    naive = ("naive", GaussianNB())
    assert of(Pipeline([squared, scaled, naive])) != of(Pipeline([scaled, squared, naive]))
    assert of(in_columns([0])) != of(in_columns([1]))
    assert of(in_columns(slice(0, 1))) != of(in_columns(slice(1, 2)))
    assert of(in_columns([0])) == of(in_columns([0])) is not None
    # A scorer of the user's own may be called like one of scikit-learn's.
    assert of(GaussianNB(), "f1") is not None
    assert of(GaussianNB(), f1) is None
    assert of(make_pipeline(FunctionTransformer(np.abs), GaussianNB())) is None

    def frame(dtype):
        return replace(data, X=pd.DataFrame(data.X > 0).astype(dtype), X_val=pd.DataFrame(data.X_val > 0))

    kinds = ["bool", "int64", "uint8", "float64", "category", pd.CategoricalDtype([True, False])]
    names = {of(GaussianNB(), rows=frame(kind)) for kind in kinds}
    assert len(names) == len(kinds)

    def sparse(width, dtype=np.float64):
        X = csr_matrix((np.ones(3, dtype), ([0, 1, 2], [0, 1, 2])), shape=(60, width))
        return replace(data, X=X)

    names = {of(GaussianNB(), rows=sparse(*kind)) for kind in ((4,), (5,), (4, np.float32))}
    assert len(names) == 3


def test_own_code_is_part_of_a_fingerprint(tmp_path):
    data = given()
    names = []
    for answer in (0, 1, 0):
        (tmp_path / "own.py").write_text(
            "from sklearn.naive_bayes import GaussianNB\n"
            "class Own(GaussianNB):\n"
            f"    def predict(self, X):\n        return super().predict(X) * {answer}\n"
        )
        spec = importlib.util.spec_from_file_location("own", tmp_path / "own.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["own"] = module
        try:
            linecache.checkcache()
            spec.loader.exec_module(module)
            names.append(play(Estimator(module.Own()), data).fingerprint)
        finally:
            del sys.modules["own"]
    assert None not in names
    assert names[0] == names[2] != names[1]


OUTLINE = """
import sys
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from hcdv.games import Estimator
from tests.games.retrained.rows import given
from tests.games.retrained.test_estimator import f1, play
def twice(X): return 2 * X
def thrice(X): return 3 * X
for f in (twice, thrice):
    model = make_pipeline(FunctionTransformer(f), GaussianNB())
    for scale in (1.0, 2.0):
        for rows in (given(scale=scale), given(scale=scale, validation=False)):
            print(play(Estimator(model, metric=f1), rows).fingerprint)
"""


def test_a_checkpoint_knows_a_model_of_functions_in_another_process():
    """By its repr, which tells where functions lie in memory, none could go on from its own file."""
    found = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", OUTLINE],
            env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append(run.stdout.split())
    assert found[0] == found[1]
    assert len(set(found[0])) == 8 and "None" not in found[0]


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
    for wrong in (0, 1.5, "two"):
        with pytest.raises((TypeError, ValueError), match="n_jobs must"):
            Estimator(GaussianNB(), n_jobs=wrong)


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
    for some in (stops, np.arange(1, 51), np.array([2])):
        walked = list(folded.walk(order, some))
        np.testing.assert_allclose(np.concatenate(walked), folded.chain_scores(order, some))
    with pytest.warns(UserWarning, match="without validation rows"):
        assert play(Estimator(GaussianNB()), data).fingerprint == game.fingerprint is not None


class Says(ClassifierMixin, BaseEstimator):
    """Predicts what it is told to."""

    def __init__(self, answer=None):
        self.answer = answer

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.answer


def test_predictions_are_taken_for_what_they_are():
    data = replace(given(), classes=np.array(["no", "yes"]))
    right = data.classes[data.labels_val]
    coalition = [np.arange(30)]

    def score(answer):
        return play(Estimator(Says(answer)), data).trainer.scores(coalition)[0]

    assert score(right) == score(right.astype(object)) == score(list(right)) == 1.0
    # A column, as CatBoost returns it.
    assert score(right[:, None]) == 1.0
    # "maybe" stands before "no" and between nothing: it is a class of nobody, not the next one.
    half = right.astype("<U5").copy()
    half[::2] = "maybe"
    assert score(half) == 0.5
    # Of another type than the labels.
    assert score(np.zeros(40)) == 0.0
    for wrong in (right[:1], right[:-1], None):
        with pytest.raises(UtilityError, match="'Says' failed on a coalition of 30 rows of 2 classes"):
            score(wrong)
