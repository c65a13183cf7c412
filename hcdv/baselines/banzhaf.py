"""Data Banzhaf by maximum sample reuse (Wang & Jia 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, generator
from hcdv._validation import check_int
from hcdv.baselines._gather import gather
from hcdv.baselines._play import BLOCK, set_up
from hcdv.game import Values
from hcdv.result import ValuationResult
from hcdv.stopping import stopping_rule

# Coalitions by default, for each row.
SAMPLES_PER_ROW = 20


def data_banzhaf(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    utility: Any = "logistic",
    n_samples: int | None = None,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Banzhaf values: mean of v over coalitions with a row, less that over coalitions without it.

    value_i = 2^-(n-1) sum over S without i of [v(S and i) - v(S)].  Every row is in a random coalition with
    probability 1/2, and every coalition serves all rows (maximum sample reuse).  Of all semivalues the one
    whose ranking a noisy utility disturbs least; it sees coalitions of about n/2 rows only, and values do not
    add up.  n_samples evaluations; the error of a value is some 2 std(v) / sqrt(n_samples).

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it.
    n_samples : int, optional
        Coalitions at most, at least 8; 20 n by default.
    tol : float or stopping rule, optional
        Stop once the median standard error is below ``tol`` times the mean absolute value; or a rule of
        :mod:`hcdv.stopping`, asked after every 64 coalitions, each of which it counts as a chain.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values and standard errors float64 [n].

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or so few coalitions were drawn that a row was in all or none.
    UtilityError
        If the utility fails on a coalition; its attribute ``result`` holds the coalitions before, or None.

    Notes
    -----
    Wang & Jia, "Data Banzhaf: a robust data valuation framework for machine learning" (AISTATS 2023),
    Section 5.
    """
    if n_samples is not None:
        n_samples = check_int(n_samples, "n_samples", 8)
    stopping = stopping_rule(tol)
    play = set_up(
        X, y, X_val, y_val, utility=utility, random_state=random_state, n_jobs=n_jobs, verbose=verbose
    )
    n, bounds = play.n, play.bounds()
    total = SAMPLES_PER_ROW * n if n_samples is None else n_samples
    # Squares of v around its full value lose fewer digits than around 0.
    tally = _Reuse.empty(bounds[1], n)

    def sample(block: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        size = min(BLOCK, total - block * BLOCK)
        inside = generator(play.seed, "banzhaf", block).random((size, n)) < 0.5
        return inside, play.values_of(inside)

    def result_of(stopped_by: str) -> ValuationResult:
        split = tally.split
        unseen = int(((split.count == 0) | (split.count == split.n_samples)).sum())
        if unseen:
            raise ValueError(
                f"n_samples={split.n_samples} is too few: {unseen} rows were in all coalitions or in none; "
                "ask for more."
            )
        return play.result(
            split.parts(),
            bounds,
            n_asked=split.n_samples,
            stopped_by=stopped_by,
            std_error=split.std_error(play.factors),
        )

    return gather(
        tally, sample, -(-total // BLOCK), result_of, stage="sampling coalitions", budget="n_samples",
        factors=play.factors, stopping=stopping, threads=play.threads, progress=play.progress,
    )  # fmt: skip


@dataclass
class _Split:
    """Sums over the coalitions with each row, and over all.

    Attributes
    ----------
    n_samples : int
    count : int64 [n]
        Coalitions with the row.
    with_row, everywhere : float64 [p, n], [p]
        Sums of v.
    products_with_row, products : float64 [p, p, n], [p, p]
        Sums of products of v in two games.
    """

    n_samples: int
    count: NDArray[np.int64]
    with_row: NDArray[np.float64]
    everywhere: NDArray[np.float64]
    products_with_row: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def empty(cls, p: int, n: int) -> _Split:
        return cls(
            0, np.zeros(n, np.int64), np.zeros((p, n)), np.zeros(p), np.zeros((p, p, n)), np.zeros((p, p))
        )

    def add(self, inside: NDArray[np.bool_], values: NDArray[np.float64]) -> None:
        """Take in coalitions bool [B, n] and their values float64 [p, B]."""
        p, members = len(values), inside.astype(np.float64)
        cross = values[:, None, :] * values[None, :, :]
        self.n_samples += len(inside)
        self.count += inside.sum(axis=0)
        self.with_row += values @ members
        self.everywhere += values.sum(axis=1)
        self.products_with_row += (cross.reshape(p * p, -1) @ members).reshape(p, p, -1)
        self.products += cross.sum(axis=2)

    def __add__(self, other: _Split) -> _Split:
        return _Split(
            self.n_samples + other.n_samples,
            self.count + other.count,
            self.with_row + other.with_row,
            self.everywhere + other.everywhere,
            self.products_with_row + other.products_with_row,
            self.products + other.products,
        )

    def parts(self) -> NDArray[np.float64]:
        """Values in each game, float64 [p, n]; NaN for a row that was in all coalitions or in none."""
        without = self.n_samples - self.count
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.with_row / self.count - (self.everywhere[:, None] - self.with_row) / without

    def std_error(self, factors: NDArray[np.float64]) -> Values:
        """float64 [n]; infinite where a mean has a single coalition behind it."""
        squares = np.einsum("a,b,abn->n", factors, factors, self.products_with_row)
        all_squares = float(factors @ self.products @ factors)
        sums, all_sums = factors @ self.with_row, float(factors @ self.everywhere)
        without = self.n_samples - self.count
        variance = _variance_of_mean(self.count, sums, squares)
        variance += _variance_of_mean(without, all_sums - sums, all_squares - squares)
        return np.sqrt(variance)


def _variance_of_mean(count: NDArray[np.int64], sums: Values, squares: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.maximum(squares - sums**2 / count, 0.0)
        variance = deviations / (count * (count - 1.0))
    return np.where(count > 1, variance, np.inf)


class _Reuse:
    """All coalitions so far, by the even and by the odd blocks."""

    def __init__(self, centre: Values, even: _Split, odd: _Split) -> None:
        self.centre, self.even, self.odd = centre, even, odd
        self._n_blocks = 0

    @classmethod
    def empty(cls, centre: Values, n: int) -> _Reuse:
        return cls(centre, _Split.empty(len(centre), n), _Split.empty(len(centre), n))

    @property
    def split(self) -> _Split:
        return self.even + self.odd

    @property
    def n_looked(self) -> int:
        return self.even.n_samples + self.odd.n_samples

    def add(self, block: tuple[NDArray[np.bool_], NDArray[np.float64]]) -> bool:
        inside, values = block
        half = self.odd if self._n_blocks % 2 else self.even
        half.add(inside, values - self.centre[:, None])
        self._n_blocks += 1
        return True

    def value(self, factors: NDArray[np.float64]) -> Values:
        return factors @ self.split.parts()

    def std_error(self, factors: NDArray[np.float64]) -> Values:
        return self.split.std_error(factors)

    def halves(self, factors: NDArray[np.float64]) -> tuple[Values, Values]:
        return factors @ self.even.parts(), factors @ self.odd.parts()
