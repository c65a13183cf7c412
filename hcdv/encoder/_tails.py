"""Long tails and gross outliers: how a column is put on a scale on which distances mean something."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Excess kurtosis above which a column counts as long-tailed (a normal column has 0, an exponential
# one 6). Measured: long columns gain by the logarithm (vote AUC at 15% flips on Criteo's numbers
# .813 -> .826, Adult .911 -> .920), short ones lose by it (Synthetic .975 -> .971).
_LONG_TAIL = 1.0
# A column owes its tail to gross outliers, and is cut there, if its excess kurtosis is above the first
# of these, and below the second without what lies more than so many units out. Two rows in a hundred
# at 20 standard deviations make that of a normal column 110; no column of Adult, Criteo or breast
# cancer is meant.
_GROSS, _SHORT, _REACH = 30.0, 0.5, 6.0


class Tail(NamedTuple):
    """How one column is straightened.

    Attributes
    ----------
    median : float
    unit : float
        Of the signed logarithm; 0 where there is none.
    reach : float
        Distance from the median at which values are cut; 0 where they are not.
    """

    median: float
    unit: float = 0.0
    reach: float = 0.0


def tail_of(x: NDArray[np.float64]) -> Tail:
    """How a column is to be straightened.

    Parameters
    ----------
    x : float64 [n]
        A column, or a sample of it, without missing values.

    Returns
    -------
    Tail
        The unit is the median distance from the median among the values that differ from it, so
        that a column that is 0 in nine rows of ten (a capital gain) is measured by its other
        values.
    """
    median = float(np.median(x))
    distance = np.abs(x - median)
    away = distance[distance > 0]
    if not len(away):
        return Tail(median)
    unit = float(np.median(away))
    # Two values have no tail to speak of, however rare one of them is.
    two_valued = bool(np.all(away == away[0])) and (x.min() == median or x.max() == median)
    kurtosis = _excess_kurtosis(x)
    if two_valued or kurtosis <= _LONG_TAIL:
        return Tail(median)
    reach = _REACH * unit
    if kurtosis > _GROSS and _excess_kurtosis(x[distance <= reach]) < _SHORT:
        return Tail(median, reach=reach)
    return Tail(median, unit)


def straightened(x: NDArray[np.float64], tail: Tail) -> NDArray[np.float64]:
    """``sign(x - median) log(1 + |x - median| / unit)``, or ``x`` cut at the reach, or ``x`` itself."""
    if tail.reach:
        return np.clip(x, tail.median - tail.reach, tail.median + tail.reach)
    if not tail.unit:
        return x
    away = x - tail.median
    return np.copysign(np.log1p(np.abs(away) / tail.unit), away)


def _excess_kurtosis(x: NDArray[np.float64]) -> float:
    centred = x - x.mean()
    largest = np.abs(centred).max()
    if not largest > 0:
        return -3.0
    centred = centred / largest  # so that fourth powers stay finite
    return float(np.mean(centred**4)) / max(float(np.mean(centred**2)) ** 2, 1e-300) - 3.0
