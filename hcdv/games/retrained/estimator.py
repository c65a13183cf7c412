"""Any scikit-learn classifier as a utility: cloned, fitted on the coalition, scored on the validation rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier

from hcdv._digest import fingerprint
from hcdv._errors import UtilityError, said
from hcdv._random import derive_seed
from hcdv.engine import Threads, check_n_jobs, single_threaded_blas
from hcdv.game import Indices, Values
from hcdv.games.metrics import Metric, make_metric
from hcdv.games.retrained.cache import CoalitionCache
from hcdv.games.retrained.folds import in_blocks, prefixes, take_rows, validated
from hcdv.games.retrained.game import RetrainedGame, check_name
from hcdv.games.retrained.words import UntoldError, model_in_words
from hcdv.games.rows import GivenRows, TrainingRows

# What one fit is taken to cost when the depth of the tree is chosen; a model cannot be asked.
NOMINAL_SECONDS = 0.01
# Fits worth sending to other processes; fewer are over before these have started.
WORTH_PROCESSES = 16


@dataclass(frozen=True)
class Estimator:
    """A scikit-learn classifier or pipeline, retrained on every coalition.

    Parameters
    ----------
    model : classifier
        Never fitted itself, only its clones, on rows and labels as given, in the order given.  Where a
        ``random_state`` in it is None, it is set from the seed, so that a coalition has one value.
    metric : str, scorer or callable
        See :mod:`hcdv.games.metrics`.
    name : str
        Of the part in results.
    n_jobs : int, optional
        Processes for the fits; by default they run in the threads that walk the chains, which is as fast for
        models that release the GIL, and for fits of a millisecond.
    """

    model: Any
    metric: Any = "accuracy"
    name: str = ""
    n_jobs: int | None = None
    _metric: Metric = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.model, type) or not hasattr(self.model, "fit") or not is_classifier(self.model):
            kind = self.model.__name__ if isinstance(self.model, type) else type(self.model).__name__
            raise TypeError(f"utility must be a classifier (an object with fit and predict), got {kind}.")
        object.__setattr__(self, "_metric", make_metric(self.metric))
        if isinstance(self.name, str) and not self.name:
            object.__setattr__(self, "name", type(self.model).__name__)
        check_name(self.name)
        check_n_jobs(self.n_jobs)

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> RetrainedGame:  # fmt: skip
        if rows.given is None:
            raise ValueError(f"utility {self.name!r} needs the rows as given.")
        trainer = validated(
            rows.given,
            lambda given: EstimatorTrainer(
                self.model, self._metric, given, name=self.name, seed=seed, n_jobs=self.n_jobs
            ),
            name=self.name,
            seed=seed,
        )
        return RetrainedGame(trainer, rows.given.order, name=self.name, cache=cache)

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        return NOMINAL_SECONDS * n_stops


class EstimatorTrainer:
    """Fits clones of a model; a coalition of one class predicts it without a fit.

    Parameters
    ----------
    model : classifier
    metric : Metric
    given : GivenRows
        With validation rows.
    name : str
    seed : int
    n_jobs : int or None
    """

    is_bounded = True

    def __init__(
        self,
        model: Any,
        metric: Metric,
        given: GivenRows,
        *,
        name: str,
        seed: int,
        n_jobs: int | None,
    ) -> None:
        if given.labels_val is None:
            raise ValueError(f"utility {name!r} needs validation rows.")
        self.model = seeded(clone(model), seed)
        self.metric = metric
        self.given = given
        self.labels_val = given.labels_val
        self.name = name
        self.n_jobs = n_jobs
        self.fingerprint = _fingerprint(self.model, metric, given)
        self.outline = None if self.fingerprint else _outline(self.model, metric, given)
        self.v_empty = self._chance()
        self._one_pool = threading.Lock()

    def scores(self, coalitions: Sequence[Indices]) -> Values:
        if self.n_jobs in (None, 1) or len(coalitions) < WORTH_PROCESSES:
            with single_threaded_blas():
                return np.array([self._score(rows) for rows in coalitions])
        # One pool for all threads: each starting processes of its own would only crowd the cores.
        with self._one_pool, joblib.parallel_config("loky", inner_max_num_threads=1):
            tasks = (joblib.delayed(_score_elsewhere)(self, rows) for rows in coalitions)
            return np.array(joblib.Parallel(n_jobs=self.n_jobs)(tasks))

    def chain_scores(self, order: Indices, stops: Indices) -> Values:
        return self.scores(prefixes(order, stops))

    def walk(self, order: Indices, stops: Indices) -> Iterator[Values]:
        return in_blocks(self.scores, order, stops)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_one_pool"}

    def _score(self, rows: Indices) -> float:
        labels = self.given.labels[rows]
        present = np.unique(labels)
        model = self._constant(present[0]) if len(present) == 1 else clone(self.model)
        try:
            if len(present) > 1:
                model.fit(take_rows(self.given.X, rows), self.given.classes[labels])
            return self._metric_of(model)
        except UtilityError:
            raise
        except Exception as error:
            raise UtilityError(
                f"utility {self.name!r} failed on a coalition of {len(rows):,} rows of {len(present)} "
                f"classes: {type(error).__name__}{said(error)}."
            ) from error

    def _metric_of(self, model: Any) -> float:
        given, metric = self.given, self.metric
        if metric.needs == "model":
            return metric.of_model(model, given.X_val, given.classes[self.labels_val])
        if metric.needs == "labels":
            codes = self._codes(model.predict(given.X_val))
            return float(metric.scores(codes[None], self.labels_val, given.n_classes)[0])
        return float(
            metric.scores(self._probabilities(model)[None], self.labels_val, given.n_classes)[0]
        )

    def _codes(self, predictions: Any) -> NDArray[np.int64]:
        """Class codes [n_val] of predicted labels, -1 where one is no class of the data."""
        predictions, classes = np.asarray(predictions), self.given.classes
        n_val = len(self.labels_val)
        if predictions.shape not in ((n_val,), (n_val, 1)):
            raise ValueError(f"predict gave an array of shape {predictions.shape} for {n_val:,} rows")
        codes = np.full(n_val, -1)
        for code, label in enumerate(classes):
            codes[predictions.reshape(-1) == label] = code
        return codes

    def _probabilities(self, model: Any) -> NDArray[np.float64]:
        """Probabilities [n_val, C], 0 for classes that the model has not met."""
        place = np.searchsorted(self.given.classes, model.classes_)
        p = np.zeros((len(self.labels_val), self.given.n_classes))
        if hasattr(model, "predict_proba"):
            p[:, place] = model.predict_proba(self.given.X_val)
        elif self.metric.name == "auc" and self.given.n_classes == 2:
            # Only the order counts here.
            p[:, 1] = model.decision_function(self.given.X_val)
        else:
            raise UtilityError(
                f"metric {self.metric.name!r} needs predict_proba, which {type(model).__name__} lacks."
            )
        return p

    def _constant(self, code: int) -> Any:
        """A model that has met one class only."""
        model = DummyClassifier(strategy="prior")
        return model.fit(np.zeros((1, 1)), self.given.classes[[code]])

    def _chance(self) -> float:
        if self.metric.needs != "model":
            return self.metric.chance(self.labels_val, self.given.n_classes)
        # One row of each class: the prior is uniform, the prediction the first class.
        nobody = DummyClassifier(strategy="prior")
        nobody.fit(np.zeros((self.given.n_classes, 1)), self.given.classes)
        return self._metric_of(nobody)


def seeded(model: Any, seed: int) -> Any:
    """``model`` with every ``random_state`` that is None set from the seed, each its own."""
    for name, value in sorted(model.get_params(deep=True).items()):
        if value is None and (name == "random_state" or name.endswith("__random_state")):
            model.set_params(**{name: derive_seed(seed, "model", name)})
    return model


def _score_elsewhere(trainer: EstimatorTrainer, rows: Indices) -> float:
    return trainer._score(rows)


def _fingerprint(model: Any, metric: Metric, given: GivenRows) -> str | None:
    """What is computed, in 64 hex digits; None where a parameter or the scorer cannot be put in words."""
    if not metric.is_named:
        return None
    try:
        words = model_in_words(model)
    except UntoldError:
        return None
    arrays = _arrays(given)
    if any(array is not None and array.dtype.kind == "O" for array in arrays):
        return None
    return fingerprint([words, _kinds(given), metric.name, sklearn.__version__], arrays)


def _outline(model: Any, metric: Metric, given: GivenRows) -> str:
    """The same with functions by their names and objects by their texts."""
    arrays = [
        array.astype(np.str_) if array is not None and array.dtype.kind == "O" else array
        for array in _arrays(given)
    ]
    words = model_in_words(model, strict=False)
    return fingerprint(["outline", words, _kinds(given), metric.name], arrays)


def _arrays(given: GivenRows) -> list[NDArray[Any] | None]:
    classes = np.asarray(given.classes).astype(np.str_)
    return [given.labels, _content(given.X), given.labels_val, _content(given.X_val), classes]


def _kinds(given: GivenRows) -> list[list[Any]]:
    return [_kind(given.X), _kind(given.X_val)]


def _kind(X: Any) -> list[Any]:
    """How rows are held, which models look at too."""
    if isinstance(X, pd.DataFrame):
        held = [type(X).__name__, *map(str, X.columns)]
        for column in X.dtypes:
            held.append(str(column))
            if isinstance(column, pd.CategoricalDtype):
                held += [column.ordered, *map(str, column.categories)]
        return held
    return [type(X).__name__, str(X.dtype), *X.shape] if issparse(X) else [type(X).__name__]


def _content(X: Any) -> NDArray[Any] | None:
    """An array that stands for the content of rows."""
    if X is None:
        return None
    if isinstance(X, pd.DataFrame):
        return pd.util.hash_pandas_object(X, index=False).to_numpy()
    if issparse(X):
        rows = X.tocsr()
        return np.concatenate([rows.indptr, rows.indices, rows.data.view(np.uint8)]).astype(np.int64)
    return np.asarray(X)
