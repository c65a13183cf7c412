"""Labels of any kind to class codes, and names of rows."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hcdv._validation import check_labels


def encode_labels(y: ArrayLike, n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Classes (sorted) and the code of each of ``n`` labels; at least two classes are wanted."""
    labels = check_labels(y, n, "y")
    classes, codes = np.unique(labels, return_inverse=True)
    check_two_classes(classes)
    return classes, codes.astype(np.int64)


def check_two_classes(classes: NDArray[Any]) -> None:
    """That labels differ at all."""
    if len(classes) < 2:
        only = f" ({shown(classes[0])})" if len(classes) else ""
        raise ValueError(f"y has {len(classes)} class{only}; valuing labels needs at least 2 classes.")


def encode_known(
    y: ArrayLike, n: int, classes: NDArray[Any], name: str, *, is_fitted: bool = False
) -> NDArray[np.int64]:
    """Codes of labels that must all be among ``classes``: those of y, or of the fit that is past."""
    labels = check_labels(y, n, name)
    if labels.dtype.kind != classes.dtype.kind and "U" in (labels.dtype.kind, classes.dtype.kind):
        labels, classes = labels.astype(str), classes.astype(str)
    known = np.isin(labels, classes)
    if not known.all():
        stranger = shown(labels[np.argmin(known)])
        what = "that the model was not fitted on" if is_fitted else "that do not occur in y"
        raise ValueError(
            f"{name} has {int((~known).sum())} labels {what} "
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
    index = naming_index(X, n)
    return np.arange(n) if index is None else np.asarray(index)


def naming_index(X: Any, n: int) -> Any:
    """A frame's index where each entry is a name of one row alone: none missing, none of several levels."""
    index: Any = getattr(X, "index", None)
    if not getattr(index, "is_unique", False) or len(index) != n:
        return None
    return None if getattr(index, "nlevels", 1) > 1 or getattr(index, "hasnans", False) else index


def of_one_kind(array: NDArray[Any]) -> NDArray[Any] | None:
    """Objects as the numbers, truth values, texts or dates that they are; None where kinds differ.

    Raises
    ------
    ValueError
        Which whole numbers do not fit into 64 bits, in half a sentence.
    """
    items = [as_python(item) for item in array]
    kinds = set(map(type, items))
    if kinds <= {int}:
        return _whole_numbers(items)
    if kinds <= {str} or kinds <= {float} or kinds <= {bool}:
        return np.array(items)
    if kinds <= {date}:
        return np.array(items, "M8[D]")
    for family, make in ((datetime, pd.DatetimeIndex), (timedelta, pd.TimedeltaIndex)):
        if all(issubclass(kind, family) for kind in kinds):
            try:
                stamps = np.asarray(make(items))
            except (TypeError, ValueError):  # with a time zone and without
                return None
            return stamps if stamps.dtype.kind in "Mm" else None
    return None


def are_whole(items: list[Any]) -> bool:
    """Whether all are whole numbers; true and false are none."""
    return all(isinstance(item, Integral) and not isinstance(item, (bool, np.bool_)) for item in items)


def as_python(item: Any) -> Any:
    if isinstance(item, np.datetime64):
        return pd.Timestamp(item)
    if isinstance(item, np.timedelta64):
        return pd.Timedelta(item)
    return item.item() if isinstance(item, np.generic) else item


def _whole_numbers(items: list[int]) -> NDArray[Any]:
    """As an array of integers: of -1 and 2**63 numpy alone would make floats."""
    low, high = min(items, default=0), max(items, default=0)
    for dtype in (np.int64, np.uint64):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.array(items, dtype)
    raise ValueError(f"whole numbers from {low} to {high} do not fit into 64 bits")


def shown(label: Any) -> str:
    """A label as a message shows it: 0, not np.int64(0)."""
    if isinstance(label, (np.datetime64, np.timedelta64)):
        return str(label)
    return repr(label.item() if isinstance(label, np.generic) else label)
