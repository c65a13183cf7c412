"""Choosing a share of the rows by value, with quotas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv._random import generator


def select_top(
    values: NDArray[np.float64], fraction: float, strata: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """The highest-valued share of every stratum.

    Parameters
    ----------
    values : float64 [n]
    fraction : float
        Share of rows to keep, in [0, 1].
    strata : int64 [n]
        Stratum 0..k-1 of each row (leaves, classes; one stratum for a global choice).
    seed : int
        Breaks ties, of values within a stratum and of remainders between strata.

    Returns
    -------
    int64 [round(fraction * n)]
        Positions, ascending.  Strata share the total in proportion to their sizes, whole rows by
        largest remainders.
    """
    n = len(values)
    if n == 0:
        return np.empty(0, np.int64)
    rng = generator(seed, "select")
    sizes = np.bincount(strata)
    wanted = fraction * sizes
    # Tiny excess: 0.3 * 10 is 3.0000000000000004 or 2.9999999999999996 depending on the sum's path.
    quota = np.floor(wanted + 1e-9).astype(np.int64)
    remainder = np.maximum(wanted - quota, 0.0)
    missing = round(fraction * n) - int(quota.sum())
    if missing > 0:
        room = np.flatnonzero(quota < sizes)
        by_remainder = np.lexsort((rng.random(len(room)), -np.round(remainder[room], 9)))
        quota[room[by_remainder[:missing]]] += 1
    ranked = np.lexsort((rng.random(n), -values, strata))
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.arange(n) - first[strata[ranked]]
    return np.sort(ranked[place < quota[strata[ranked]]])


def two_means_threshold(values: NDArray[np.float64]) -> float:
    """Upper end of the lower cluster of the optimal 1-D 2-means clustering of ``values``.

    This is OpenDataVal's decision for noisy labels: rows with value <= the threshold are noisy.  Exact:
    the best of all n - 1 cuts of the sorted values.  float64 [n] -> float; minus infinity when all
    values are equal (no row is noisy).
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n < 2 or ordered[0] == ordered[-1]:
        return -np.inf
    # Centred first: sums of squares of values far from zero would cancel. And of
    # size 1, so that none overflows; a power of 2 keeps the bits.
    centred = np.ldexp(ordered, -np.frexp(np.abs(ordered).max())[1])
    centred -= centred.mean()
    total = centred.sum()
    left = np.cumsum(centred)[:-1]
    count = np.arange(1, n)
    between = left**2 / count + (total - left) ** 2 / (n - count)
    # Cuts inside a run of equal values are no clusterings.
    between[ordered[1:] == ordered[:-1]] = -np.inf
    return float(ordered[int(np.argmax(between))])
