"""Data Shapley by permutations (Ghorbani & Zou 2019)."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from hcdv._random import RandomState
from hcdv._validation import check_int, check_number
from hcdv.baselines._play import set_up
from hcdv.baselines._truncation import truncated
from hcdv.baselines._walk import flat_tree, walk
from hcdv.result import ValuationResult
from hcdv.stopping import stopping_rule


def data_shapley(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    utility: Any = "logistic",
    n_permutations: int = 64,
    truncation: float | None = None,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Shapley values of the rows: their mean marginal contribution over permutations.

    value_i = mean over permutations of v(rows up to i) - v(rows before i).  Permutations come with their mirror
    images; a pair is one observation of the standard error.  Unbiased, and the values of every run add up
    exactly.  The reference for all other estimates; some n * n_permutations evaluations, so for a thousand rows
    rather than a million (HCDV's chains cost the same and rank better).

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it.
    n_permutations : int
        At most, in pairs; at least 2.
    truncation : float, optional
        Truncated Monte Carlo (TMC): in units of the utility's noise, which is the standard deviation of v over
        20 random coalitions of the size of a bootstrap sample's distinct rows (63%).  A permutation ends once
        |v(N) - v(prefix)| has stayed within ``truncation`` times the noise over 5% of the rows (5 at least);
        the rows behind share v(N) - v(prefix) evenly.  Sums stay exact, but a row that would have come late
        gets the tail's mean instead of its own marginal, which shrinks differences between rows.  Each game
        of a sum has its own noise; games that train no models are never truncated.  None is exact.
    tol : float or stopping rule, optional
        Stop once the median standard error is below ``tol`` times the mean absolute value; or a rule of
        :mod:`hcdv.stopping`.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values and standard errors float64 [n]; the tree is a single leaf.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    UtilityError
        If the utility fails on a coalition; its attribute ``result`` holds the chains before, or None.

    Notes
    -----
    Ghorbani & Zou, "Data Shapley: equitable valuation of data for machine learning" (ICML 2019), Algorithm 1.
    """
    n_permutations = check_int(n_permutations, "n_permutations", 2)
    if truncation is not None:
        truncation = check_number(truncation, "truncation", 0.0)
    stopping = stopping_rule(tol)
    play = set_up(
        X, y, X_val, y_val, utility=utility, random_state=random_state, n_jobs=n_jobs, verbose=verbose
    )
    games = play.games if truncation is None else truncated(play, truncation)
    return walk(
        play,
        games,
        flat_tree(play.n),
        n_permutations=n_permutations,
        stopping=stopping,
        n_stops=play.n,
    )
