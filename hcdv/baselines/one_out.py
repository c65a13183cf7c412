"""Leave one out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState
from hcdv.baselines._play import BLOCK, set_up
from hcdv.result import ValuationResult


def leave_one_out(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    utility: Any = "logistic",
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """What each row adds to all the others: value_i = v(N) - v(N without i).

    The oldest measure of influence (Cook 1977), and the baseline of Ghorbani & Zou, "Data Shapley" (ICML
    2019).  For small data and utilities that are cheap or smooth; of an accuracy most values are 0, and of two
    equal rows neither counts.  n + 1 evaluations; nothing is sampled.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it.
    random_state : int, generator or None
        Seed of what is random in the utility.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values float64 [n]; they do not add up to ``v_full - v_empty``.  No standard error.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    UtilityError
        If the utility fails on a coalition.
    """
    play = set_up(
        X, y, X_val, y_val, utility=utility, random_state=random_state, n_jobs=n_jobs, verbose=verbose
    )
    n, bounds = play.n, play.bounds()
    parts = np.empty((len(play.games), n))

    def without(begin: int) -> NDArray[np.float64]:
        left_out = np.arange(begin, min(begin + BLOCK, n))
        inside = np.ones((len(left_out), n), np.bool_)
        inside[np.arange(len(left_out)), left_out] = False
        return play.values_of(inside)

    with play.progress.stage("leaving one out", n) as step:
        starts = range(0, n, BLOCK)
        for begin, values in zip(starts, play.threads.map(without, starts), strict=True):
            end = begin + values.shape[1]
            parts[:, begin:end] = bounds[1][:, None] - values
            step.done(end)
    return play.result(parts, bounds, n_asked=n + 1, stopped_by="exact")
