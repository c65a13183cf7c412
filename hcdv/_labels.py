"""Labels of any kind to class codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._validation import check_labels


def encode_labels(y: ArrayLike, n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Classes (sorted) and the code of each of ``n`` labels; at least two classes are wanted."""
    labels = check_labels(y, n, "y")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        only = f" ({shown(classes[0])})" if len(classes) else ""
        raise ValueError(f"y has {len(classes)} class{only}; valuing labels needs at least 2 classes.")
    return classes, codes.astype(np.int64)


def encode_known(y: ArrayLike, n: int, classes: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Codes of labels that must all be among ``classes``."""
    labels = check_labels(y, n, name)
    if labels.dtype.kind != classes.dtype.kind and "U" in (labels.dtype.kind, classes.dtype.kind):
        labels, classes = labels.astype(str), classes.astype(str)
    known = np.isin(labels, classes)
    if not known.all():
        stranger = shown(labels[np.argmin(known)])
        raise ValueError(
            f"{name} has {int((~known).sum())} labels that do not occur in y "
            f"(first: {stranger} at row {int(np.argmin(known))})."
        )
    by_value = np.argsort(classes, kind="stable")
    return by_value[np.searchsorted(classes[by_value], labels)].astype(np.int64)


def check_together(X_val: Any, y_val: Any) -> None:
    """That trusted rows come with their labels, or neither comes."""
    if (X_val is None) != (y_val is None):
        missing = "y_val" if y_val is None else "X_val"
        raise ValueError(f"X_val and y_val come together, but {missing} is missing.")


def names_of_rows(X: Any, n: int) -> NDArray[Any]:
    """A frame's index where it tells the rows apart, else 0..n-1."""
    index = getattr(X, "index", None)
    is_named = index is not None and getattr(index, "is_unique", False) and len(index) == n
    return np.asarray(index) if is_named else np.arange(n)


def shown(label: Any) -> str:
    """A label as a message shows it: 0, not np.int64(0)."""
    if isinstance(label, (np.datetime64, np.timedelta64)):
        return str(label)
    return repr(label.item() if isinstance(label, np.generic) else label)
