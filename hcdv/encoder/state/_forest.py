"""A forest's space, of plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder.forest import ForestSpace
from hcdv.encoder.state._checks import (
    checked_array,
)


def forest_from(arrays: Mapping[str, NDArray[Any]], n_columns: int) -> ForestSpace:
    n = arrays["feature"].size
    space = ForestSpace(
        checked_array(arrays, "roots", np.int64, (None,)),
        checked_array(arrays, "feature", np.int64, (n,)),
        checked_array(arrays, "threshold", np.float64, (n,)),
        checked_array(arrays, "left", np.int64, (n,)),
        checked_array(arrays, "right", np.int64, (n,)),
        checked_array(arrays, "directions", np.float32, (n, None)),
    )
    own = np.arange(n)
    inner = space.feature >= 0
    # Children come behind their parents: no row can walk in circles.
    is_tree = all(bool(((child > own) & (child < n))[inner].all()) for child in (space.left, space.right))
    if not is_tree or not bool(((space.roots >= 0) & (space.roots < n)).all()):
        raise ValueError("its trees are damaged")
    if not bool(((space.feature >= -1) & (space.feature < n_columns)).all()):
        raise ValueError(f"its trees look at columns that are not among the {n_columns} of the first encoder")
    # A row is the sum of as many directions as there are trees.
    if np.abs(space.directions).max() >= np.finfo(np.float32).max / len(space.roots):
        raise ValueError("its directions are too large for float32")
    return space
