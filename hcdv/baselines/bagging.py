"""Data-OOB: how well the models of a bagging ensemble that did not see a row predict its label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from hcdv._progress import Progress
from hcdv._random import RandomState, check_seed, derive_seed, generator
from hcdv._validation import check_int
from hcdv.baselines._gather import gather
from hcdv.baselines._models import check_model, fitted, predicted_codes
from hcdv.baselines._rows import check_rows
from hcdv.engine import Threads, single_threaded_blas
from hcdv.game import Values
from hcdv.games.retrained.estimator import seeded
from hcdv.games.retrained.folds import take_rows
from hcdv.result import ValuationResult
from hcdv.stopping import stopping_rule


def data_oob(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    model: Any = None,
    n_estimators: int = 100,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Share of right answers about a row by models trained on bootstrap samples without it.

    value_i = (models out of whose sample i is and that predict y_i) / (models out of whose sample i is), in
    [0, 1].  Needs no validation rows and no utility: ``n_estimators`` fits, whatever n.  A strong and cheap
    detector of wrong labels; rows far from the classes' borders all get 1, so it says little about what good
    rows are worth, and values add up to nothing.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        Not used; there so that all baselines are called alike.
    model : scikit-learn classifier, optional
        Cloned for every sample and fitted on rows as given; where a ``random_state`` in it is None, it is set
        from the seed.  A decision tree on the columns as numbers by default.
    n_estimators : int
        Bootstrap samples at most.
    tol : float or stopping rule, optional
        Stop once the median standard error is below ``tol`` times the mean absolute value; or a rule of
        :mod:`hcdv.stopping`, asked from when on every row was out of a sample.  A model counts as a pair of
        chains.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values float64 [n] and their standard errors, those of a share of independent answers; ``v_full`` is the
        sum of the values.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or a row was in all samples.
    UtilityError
        If the model fails; its attribute ``result`` holds the models before, or None while a row has no value.

    Notes
    -----
    Kwon & Zou, "Data-OOB: out-of-bag estimate as a simple and efficient data value" (ICML 2023), Eq. 1.  A
    sample of one class predicts it without a fit.
    """
    check_int(verbose, "verbose", 0)
    n_estimators = check_int(n_estimators, "n_estimators", 1)
    stopping = stopping_rule(tol)
    is_default = check_model(model) is None
    if is_default:
        model = DecisionTreeClassifier()
    seed, threads = check_seed(random_state), Threads(n_jobs)
    progress = Progress(verbose > 0)
    rows = check_rows(X, y, X_val, y_val)
    features = rows.X
    if is_default:
        with single_threaded_blas():
            features = rows.columns(seed)
    n, tally = rows.n, _Answers(rows.n)

    def answers(b: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows are out of the sample, and which of them are told right; bool [n] each."""
        drawn = generator(seed, "oob", b).integers(0, n, n)
        is_out = np.ones(n, np.bool_)
        is_out[drawn] = False
        out = np.flatnonzero(is_out)
        is_right = np.zeros(n, np.bool_)
        if len(out):
            one = seeded(clone(model), derive_seed(seed, "oob", b))
            codes = rows.labels[drawn]
            trained = fitted(one, take_rows(features, drawn), codes, rows.classes, "a bootstrap sample")
            predictions = predicted_codes(trained, take_rows(features, out), len(out), rows.classes)
            is_right[out] = predictions == rows.labels[out]
        return is_out, is_right

    def result_of(stopped_by: str) -> ValuationResult:
        n_out = tally.n_out.sum(axis=0)
        unseen = int((n_out == 0).sum())
        if unseen:
            raise ValueError(
                f"n_estimators={tally.n_models} is too few: {unseen} rows were in every bootstrap sample; "
                "ask for more."
            )
        values = tally.value(np.ones(1))
        return ValuationResult(
            values=values,
            ids=rows.ids,
            parts={"data_oob": values},
            weights={"data_oob": 1.0},
            v_empty=0.0,
            v_full=float(values.sum()),
            n_evaluations=tally.n_models,
            n_permutations=0,
            stopped_by=stopped_by,
            std_error=tally.std_error(np.ones(1)),
            labels=rows.classes[rows.labels],
            has_game=False,
        )

    return gather(
        tally, answers, n_estimators, result_of, stage="fitting on samples", budget="n_estimators",
        factors=np.ones(1), stopping=stopping, threads=threads, progress=progress,
    )  # fmt: skip


class _Answers:
    """Answers counted, by even and odd models.

    Attributes
    ----------
    n_out, n_right : int64 [2, n]
    """

    def __init__(self, n: int) -> None:
        self.n_out, self.n_right = np.zeros((2, n), np.int64), np.zeros((2, n), np.int64)
        self.n_models = 0

    @property
    def n_looked(self) -> int:
        return 2 * self.n_models

    def add(self, block: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> bool:
        is_out, is_right = block
        self.n_out[self.n_models % 2] += is_out
        self.n_right[self.n_models % 2] += is_right
        self.n_models += 1
        # A row that was in every sample has no value yet.
        return bool((self.n_out.sum(axis=0) > 0).all())

    def value(self, factors: NDArray[np.float64]) -> Values:
        """NaN for a row that was in every sample so far."""
        return _share(self.n_right.sum(axis=0), self.n_out.sum(axis=0))

    def std_error(self, factors: NDArray[np.float64]) -> Values:
        n_out = self.n_out.sum(axis=0)
        share = self.value(factors)
        return np.where(n_out > 1, np.sqrt(share * (1.0 - share) / np.maximum(n_out - 1, 1)), np.inf)

    def halves(self, factors: NDArray[np.float64]) -> tuple[Values, Values]:
        even, odd = (_share(right, out) for right, out in zip(self.n_right, self.n_out, strict=True))
        return even, odd


def _share(n_right: NDArray[np.int64], n_out: NDArray[np.int64]) -> Values:
    return np.divide(n_right, n_out, out=np.full(len(n_out), np.nan), where=n_out > 0)
