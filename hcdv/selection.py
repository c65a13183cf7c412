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
    rng = generator(seed, "select")
    sizes = np.bincount(strata)
    quota = _whole(fraction * sizes.astype(np.float64), sizes, round(fraction * n), rng)
    return _first(np.lexsort((rng.random(n), -values, strata)), strata, sizes, quota)


def select_by_lot(
    values: NDArray[np.float64],
    fraction: float,
    strata: NDArray[np.int64],
    classes: NDArray[np.int64],
    floors: NDArray[np.float64],
    seed: int,
) -> NDArray[np.int64]:
    """Good rows by lot, the same share of every class, and in it of every stratum as far as it has them.

    A stratum with too few good rows gives all it has, and the others more.  Where a class has too few, its
    highest of the rest follow.

    Parameters
    ----------
    values : float64 [n]
    fraction : float
        Share of rows to keep, in [0, 1].
    strata : int64 [n]
        Number of each row's stratum; neighbours in this numbering make up for what rounding takes.
    classes : int64 [n]
        Class 0..C-1 of each row; one class where they do not matter.
    floors : float64 [n]
        A row is good whose value is its floor or more.
    seed : int
        Draws the lots.

    Returns
    -------
    int64 [round(fraction * n)]
        Positions, ascending.
    """
    rng = generator(seed, "select")
    sizes = np.bincount(classes)
    wanted = _whole(fraction * sizes.astype(np.float64), sizes, round(fraction * len(values)), rng)
    lots = rng.random(len(values))
    chosen = [np.empty(0, np.int64)]
    for code, count in enumerate(wanted.tolist()):
        rows = np.flatnonzero(classes == code)
        good = rows[values[rows] >= floors[rows]]
        if len(good) > count:
            chosen.append(_lots_by_stratum(rows, good, strata, lots, count, rng))
        else:
            rest = np.setdiff1d(rows, good)
            highest = np.lexsort((lots[rest], -values[rest]))[: count - len(good)]
            chosen += [good, rest[highest]]
    return np.sort(np.concatenate(chosen))


def _lots_by_stratum(
    rows: NDArray[np.int64],
    good: NDArray[np.int64],
    strata: NDArray[np.int64],
    lots: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """``count`` of the good rows, in proportion to all rows of each stratum as far as it has them."""
    names, stratum = np.unique(strata[rows], return_inverse=True)
    of_good = np.searchsorted(names, strata[good])
    sizes, at_most = np.bincount(stratum), np.bincount(of_good, minlength=len(names))
    # Ends of the strata's shares on a line; every stretch of length 1 holds one chosen row, wherever it starts.
    ends = np.cumsum(_level(at_most, sizes, count))
    ends[-1] = count
    quota = np.diff(np.floor(ends + rng.random() + 1e-9), prepend=0.0).astype(np.int64)
    quota = np.minimum(quota, at_most)
    missing = count - int(quota.sum())
    if missing:  # of rounding
        quota[np.flatnonzero(quota < at_most)[:missing]] += 1
    return good[_first(np.lexsort((lots[good], of_good)), of_good, at_most, quota)]


def _level(
    at_most: NDArray[np.int64], sizes: NDArray[np.int64], total: int
) -> NDArray[np.float64]:
    """min(at_most, share * sizes) with the one share at which they sum to ``total``; float64 [k]."""
    full = at_most / np.maximum(sizes, 1)
    order = np.argsort(full, kind="stable")
    # Once the first strata in this order are full, the others share what is left of the total.
    left = total - np.concatenate([[0], np.cumsum(at_most[order])[:-1]])
    share = left / np.maximum(np.cumsum(sizes[order][::-1])[::-1], 1)
    last = int(np.argmax(share <= full[order]))
    return np.minimum(at_most, share[last] * sizes)


def _whole(
    wanted: NDArray[np.float64], at_most: NDArray[np.int64], total: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Whole numbers near ``wanted`` that sum to ``total``, by largest remainders; int64 [k]."""
    # Tiny excess: 0.3 * 10 is 3.0000000000000004 or 2.9999999999999996 depending on the sum's path.
    quota = np.floor(wanted + 1e-9).astype(np.int64)
    remainder = np.maximum(wanted - quota, 0.0)
    missing = total - int(quota.sum())
    if missing > 0:
        room = np.flatnonzero(quota < at_most)
        by_remainder = np.lexsort((rng.random(len(room)), -np.round(remainder[room], 9)))
        quota[room[by_remainder[:missing]]] += 1
    return quota


def _first(
    ranked: NDArray[np.intp], strata: NDArray[np.int64], sizes: NDArray[np.int64], quota: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The first rows of each stratum, of rows ranked stratum by stratum; ascending."""
    if not len(ranked):
        return np.empty(0, np.int64)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.arange(len(ranked)) - first[strata[ranked]]
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
