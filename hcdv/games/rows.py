"""What a game is played on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse


def as_features(rows: Any) -> Any:
    """A table of numbers as an array; arrays and sparse matrices as they are.

    Parameters
    ----------
    rows : DataFrame [n, d], array or sparse matrix

    Returns
    -------
    array or sparse matrix
    """
    return rows if isinstance(rows, np.ndarray) or issparse(rows) else np.asarray(rows)


@dataclass(frozen=True, eq=False)
class GivenRows:
    """Rows as the user passed them, in the user's order, for models that are trained on them.

    Attributes
    ----------
    X : array, sparse matrix or DataFrame, n rows
        As given.
    features : array [n, ...] or None
        Numbers for models in torch: ``X`` itself where it is a numeric array, else the encoder's columns; None
        where no such model is asked for.
    labels : int64 [n]
        Class codes 0..n_classes-1.
    classes : [n_classes]
        The label behind each code.
    order : int64 [n]
        Point j of the games is row ``order[j]``.
    X_val, features_val, labels_val : the same for n_val validation rows, or None
    """

    X: Any
    features: Any
    labels: NDArray[np.int64]
    classes: NDArray[Any]
    order: NDArray[np.int64]
    X_val: Any = None
    features_val: Any = None
    labels_val: NDArray[np.int64] | None = None

    @property
    def n_rows(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows, labels and validation rows as the games need them, all in one order of rows.

    Attributes
    ----------
    X : float32 [n, d]
        Vote space: Euclidean distances mean something here.
    labels : int64 [n]
        Class codes 0..n_classes-1.
    n_classes : int
    columns : float32 [n, c]
        The standardised columns before any projection, for trees.
    levels : tuple of int64 bounds, finest first
        Nested contiguous ranges of neighbouring rows, for the neighbour search.
    X_val, labels_val, columns_val : the same for n_val validation rows, or None
    given : GivenRows or None
        The rows before any encoding, for utilities that retrain a model.
    others : mapping of str to (float32 [n, d'], float32 [n_val, d'] or None)
        Further spaces to vote in, by name: rows and validation rows; all learned from labels.
    is_learned : bool
        Whether X is a space that was learned from these labels: in it rows predict each other too well.
    order : int64 [n] or None
        The rows in the order of a fit, where they stand in another: draws by a row's place follow it.
    """

    X: NDArray[Any]
    labels: NDArray[np.int64]
    n_classes: int
    columns: NDArray[Any]
    levels: tuple[NDArray[np.int64], ...]
    X_val: NDArray[Any] | None = None
    labels_val: NDArray[np.int64] | None = None
    columns_val: NDArray[Any] | None = None
    given: GivenRows | None = None
    others: Mapping[str, tuple[NDArray[Any], NDArray[Any] | None]] = field(default_factory=dict)
    is_learned: bool = False
    order: NDArray[np.int64] | None = None

    @property
    def n_points(self) -> int:
        return len(self.labels)

    def in_space(self, name: str) -> TrainingRows:
        """The same rows with another vote space."""
        X, X_val = self.others[name]
        return replace(self, X=X, X_val=X_val, is_learned=True)
