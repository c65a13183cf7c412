"""When rows are near-duplicates: how far apart rows usually are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

# Rows are near-duplicates within this share of the usual gap.
TOLERANCE = 0.1
# Rows whose nearest neighbour tells how far apart rows usually are.
ROWS_ASKED = 2_000


def usual_gap(near: NearestNeighbors, distinct: NDArray[Any]) -> float:
    """Distance of a row to its nearest other one: the median over evenly spread rows.

    Parameters
    ----------
    near : NearestNeighbors
        Fitted on ``distinct``.
    distinct : float [m, d]
        Rows of which no two are equal, at least two.
    """
    m = len(distinct)
    asked = np.arange(min(m, ROWS_ASKED)) * m // min(m, ROWS_ASKED)
    return float(np.median(near.kneighbors(distinct[asked], 2)[0][:, 1]))
