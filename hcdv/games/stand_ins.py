"""Without validation rows: stratified folds, each valued against the rows of the others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from hcdv._random import derive_seed, generator

# Rows at most that stand in for the validation rows of a fold.
STAND_INS = 500
FOLDS = 5


def stand_in_folds(
    labels: NDArray[np.int64], n_classes: int, *, name: str, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Folds that take turns, with one warning.

    Parameters
    ----------
    labels : int64 [n]
    n_classes : int
    name : str
        Of the utility, for messages.
    seed : int

    Yields
    ------
    mine, others : int64
        Rows of a fold, ascending, and the (at most 500) rows that it is valued against.

    Raises
    ------
    ValueError
        If a class has fewer than two rows.
    """
    n = len(labels)
    smallest = int(np.bincount(labels, minlength=n_classes).min())
    n_folds = max(2, min(FOLDS, smallest))
    if n < 2 * n_folds or smallest < 2:
        raise ValueError(
            f"utility={name!r} without validation rows needs at least 2 rows of every class, "
            f"got {smallest} of the rarest; pass X_val and y_val."
        )
    warnings.warn(
        f"utility={name!r} without validation rows: each of {n_folds} stratified folds is valued "
        "against the rows of the others.",
        stacklevel=2,
    )
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=derive_seed(seed, "folds"))
    for f, (others, mine) in enumerate(folds.split(np.zeros((n, 1)), labels)):
        if len(others) > STAND_INS:
            others = generator(seed, "folds", f).choice(others, STAND_INS, replace=False)
        yield mine, others
