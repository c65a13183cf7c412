"""Data Shapley stratified by the size of coalitions (VRDS, Wu et al. 2023)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, generator
from hcdv._validation import check_int, check_number
from hcdv.baselines._gather import Sweeps, gather
from hcdv.baselines._play import BLOCK, set_up
from hcdv.result import ValuationResult
from hcdv.stopping import stopping_rule

# Evaluations by default, for each row.
SAMPLES_PER_ROW = 20
# Multiples of this, modulo 1, leave no gap for long: any number of sweeps is spread over all sizes.
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def stratified_shapley(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    exponent: float = -1.0,
    utility: Any = "logistic",
    n_samples: int | None = None,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Shapley values by marginal contributions whose sizes are spread by design (variance-reduced).

    value_i = (1/n) sum_{k < n} mean over S without i of size k of [v(S and i) - v(S)].  The stratum of size k
    gets a share q_k of the samples, in proportion to (k + 1)^exponent, since marginals to large coalitions vary
    less; a sample counts 1 / (n q_k).  Budgets are below one sample a stratum on any real data, so each row
    goes through the sizes by a low-discrepancy sequence with a random start: the estimate is unbiased for any
    budget, and with many samples the strata have the shares that Wu et al. give them.  What the values lack of
    v(N) - v(empty) is then shared out equally, so that they add up.  Two evaluations a sample.

    For utilities that train a model on every coalition: small coalitions are cheap, and it asks for those.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    exponent : float in [-2, 0]
        -1 is the source's choice; 0 gives all sizes the same share.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it.
    n_samples : int, optional
        Evaluations at most; every row gets n_samples / (2 n) samples, and at least one.  20 n by default.
    tol : float or stopping rule, optional
        Stop once the median standard error is below ``tol`` times the mean absolute value; or a rule of
        :mod:`hcdv.stopping`.  A sample of every row counts as a pair of chains.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values and standard errors float64 [n].  The errors are those of independent samples: spreading the
        sizes makes the true ones smaller.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    UtilityError
        If the utility fails on a coalition; its attribute ``result`` holds the samples before, or None.

    Notes
    -----
    Wu et al., "Variance reduced Shapley value estimation for trustworthy data valuation", Computers &
    Operations Research 159 (2023), Section 4; Maleki et al. (2013) for equal shares.
    """
    exponent = check_number(exponent, "exponent", -2.0, 0.0)
    if n_samples is not None:
        n_samples = check_int(n_samples, "n_samples", 2)
    stopping = stopping_rule(tol)
    play = set_up(
        X, y, X_val, y_val, utility=utility, random_state=random_state, n_jobs=n_jobs, verbose=verbose
    )
    n, bounds = play.n, play.bounds()
    n_sweeps = max(1, (SAMPLES_PER_ROW * n if n_samples is None else n_samples) // (2 * n))
    shares = stratum_shares(n, exponent)
    upto = np.cumsum(shares)
    start = generator(play.seed, "stratified").random(n)
    n_blocks = -(-n // BLOCK)
    tally = Sweeps(len(play.games), n)

    def sample(task: int) -> NDArray[np.float64]:
        """One weighted marginal of each row of a block, float64 [p, rows]."""
        sweep, block = divmod(task, n_blocks)
        rows = np.arange(block * BLOCK, min((block + 1) * BLOCK, n))
        place = np.modf(start[rows] + sweep * GOLDEN)[0]
        sizes = np.minimum(np.searchsorted(upto, place, side="right"), n - 1)
        rng = generator(play.seed, "stratified", sweep, block)
        inside = np.zeros((2, len(rows), n), np.bool_)
        for k, (i, size) in enumerate(zip(rows, sizes, strict=True)):
            others = rng.choice(n - 1, size, replace=False)
            inside[:, k, others + (others >= i)] = True
            inside[1, k, i] = True
        without, joined = np.split(play.values_of(inside.reshape(-1, n)), 2, axis=1)
        return (joined - without) / (n * shares[sizes])

    def result_of(stopped_by: str) -> ValuationResult:
        moments = tally.moments
        lacking = bounds[1] - bounds[0] - moments.mean.sum(axis=1)
        return play.result(
            moments.mean + lacking[:, None] / n,
            bounds,
            n_asked=2 * n * moments.count,
            stopped_by=stopped_by,
            std_error=moments.std_error(play.factors),
        )

    return gather(
        tally, sample, n_sweeps * n_blocks, result_of, stage="sampling marginals", budget="n_samples",
        factors=play.factors, stopping=stopping, threads=play.threads, progress=play.progress,
    )  # fmt: skip


def stratum_shares(n: int, exponent: float) -> NDArray[np.float64]:
    """Share of the samples of each size 0..n - 1."""
    shares = np.arange(1.0, n + 1) ** exponent
    return shares / shares.sum()
