"""What lies near a row, in the vote space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from hcdv._duplicates import TOLERANCE, usual_gap
from hcdv.game import Indices, Values

# Rows measured at a time, in float64.
ROWS_AT_ONCE = 1 << 16


def distances(rows: NDArray[Any], row: NDArray[Any]) -> Values:
    """Euclidean distances of all rows [n, d] to one [d]; float64 [n], by differences: equal rows are at 0."""
    found, place = np.empty(len(rows)), row.astype(np.float64)
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        found[part] = np.linalg.norm(rows[part] - place, axis=1)
    return found


def nearest(distance: Values, number: Indices, k: int) -> Indices:
    """Which k entries are nearest, nearest first; ties go to the lower ``number``."""
    k = min(k, len(distance))
    if not k:
        return np.empty(0, np.int64)
    near = np.flatnonzero(distance <= np.partition(distance, k - 1)[k - 1])
    return near[np.lexsort((number[near], distance[near]))][:k]


def duplicate_radius(rows: NDArray[Any]) -> float:
    """Within what distance rows are near-duplicates."""
    distinct = np.unique(rows.astype(np.float64), axis=0)
    if len(distinct) < 3:
        return 0.0
    return TOLERANCE * usual_gap(NearestNeighbors().fit(distinct), distinct)
