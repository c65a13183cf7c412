"""Rows on disk: all that later stages ask of a row, in one record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def record_type(n_dims: int, n_leaves: NDArray[np.int32]) -> np.dtype[np.void]:
    """Row number, class, place in the vote space, and the leaf in each tree of the forest, if there is one."""
    fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = [
        ("row", "<i8"), ("label", "<i4"), ("vote", "<f4", (n_dims,)),
    ]  # fmt: skip
    if len(n_leaves):
        fields.append(("leaves", "<u2" if n_leaves.max() <= 1 << 16 else "<i4", (len(n_leaves),)))
    return np.dtype(fields)


def walked_type(n_games: int) -> np.dtype[np.void]:
    """Row number, class, mean marginals by game, and their co-moments (see :class:`hcdv._moments.Moments`)."""
    pairs = n_games * (n_games + 1) // 2
    return np.dtype(
        [("row", "<i8"), ("label", "<i4"), ("mean", "<f8", (n_games,)), ("comoment", "<f8", (pairs,))]
    )
