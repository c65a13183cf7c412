"""The door of the baselines: rows and labels as users pass them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from hcdv._labels import check_together, encode_known, encode_labels, names_of_rows
from hcdv.encoder import make_encoder


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows with their labels, and the validation rows, if there are any.

    Attributes
    ----------
    X, X_val : array, sparse matrix or DataFrame
        As given; ``X_val`` may be None.
    classes : [C]
    labels : int64 [n]
        Class codes.
    labels_val : int64 [n_val] or None
    ids : [n]
        A DataFrame's index where it tells rows apart, else 0..n-1.
    """

    X: Any
    classes: NDArray[Any]
    labels: NDArray[np.int64]
    X_val: Any
    labels_val: NDArray[np.int64] | None
    ids: NDArray[Any]

    @property
    def n(self) -> int:
        return len(self.labels)

    def columns(self, seed: int) -> NDArray[Any]:
        """The columns as numbers, float32 [n, c], for models that take nothing else."""
        encoder = make_encoder(self.X, "identity")
        return encoder.fit_spaces(self.X, self.labels, seed=seed, columns=True).columns


def check_rows(X: Any, y: ArrayLike | None, X_val: Any, y_val: ArrayLike | None) -> Rows:
    """Rows and labels, or one sentence that names the argument.

    Raises
    ------
    ValueError, TypeError
        If ``X`` has no rows or is no table, labels are missing, of one class or of another number, or only one
        of ``X_val`` and ``y_val`` came.
    """
    X, n = _plain(X, "X")
    if y is None:
        raise ValueError("y must be the labels of the rows, got None: rows are valued under labels.")
    classes, labels = encode_labels(y, n)
    check_together(X_val, y_val)
    labels_val = None
    if X_val is not None and y_val is not None:
        X_val, n_val = _plain(X_val, "X_val")
        labels_val = encode_known(y_val, n_val, classes, "y_val")
    return Rows(X, classes, labels, X_val, labels_val, names_of_rows(X, n))


def _plain(X: Any, name: str) -> tuple[Any, int]:
    """``X`` as something with a shape, and its number of rows."""
    wrong = TypeError(f"{name} must be an array or a DataFrame, got {type(X).__name__}.")
    if X is None or isinstance(X, (str, bytes, dict)):
        raise wrong
    if not hasattr(X, "shape"):
        try:
            X = np.asarray(X)
        except ValueError:
            raise ValueError(f"{name} must have rows of one length, got a ragged list.") from None
    if len(X.shape) == 0:
        raise wrong
    if X.shape[0] == 0:
        raise ValueError(f"{name} has no rows.")
    if issparse(X) and X.format in ("coo", "dia", "bsr"):
        X = X.tocsr()  # rows can be taken out of it
    return X, int(X.shape[0])
