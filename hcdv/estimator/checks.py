"""What the facade lets in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from hcdv._labels import (
    are_whole,
    check_together,
    encode_known,
    names_of_rows,
    naming_index,
    of_one_kind,
    shown,
)
from hcdv._validation import as_array
from hcdv.hierarchy import Hierarchy


def check_validation(
    X_val: Any, y_val: ArrayLike | None, classes: NDArray[Any], *, is_fitted: bool = False
) -> NDArray[np.int64] | None:
    check_together(X_val, y_val)
    if X_val is None or y_val is None:
        return None
    return encode_known(y_val, count_rows(X_val, "X_val"), classes, "y_val", is_fitted=is_fitted)


def check_hierarchy(hierarchy: Any, groups: ArrayLike | None, n: int) -> None:
    if hierarchy is None:
        return
    if groups is not None:
        raise ValueError("pass groups or hierarchy, not both: a hierarchy has its own levels.")
    if not isinstance(hierarchy, Hierarchy):
        raise TypeError(f"hierarchy must be an hcdv.Hierarchy, got {type(hierarchy).__name__}.")
    hierarchy.validate()
    if hierarchy.n_points != n:
        raise ValueError(f"hierarchy is over {hierarchy.n_points} rows, but X has {n}.")


def count_rows(X: Any, name: str) -> int:
    # A sparse matrix may be a dict, too; the splits of a data set are one with a shape for each.
    if isinstance(X, (str, bytes)) or (isinstance(X, dict) and not issparse(X)):
        raise TypeError(f"{name} must be an array or a DataFrame, got {type(X).__name__}.")
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) == 0:
        try:
            n = len(X)
        except TypeError:
            raise TypeError(
                f"{name} must be an array or a DataFrame, got {type(X).__name__}."
            ) from None
    else:
        n = int(shape[0])
    if n == 0:
        raise ValueError(f"{name} has no rows.")
    return n


def check_column_names(X: Any) -> None:
    kinds = sorted({type(name).__name__ for name in getattr(X, "columns", [])})
    if len(kinds) > 1 and "str" in kinds:
        raise TypeError(
            f"X has column names of several types ({', '.join(kinds)}); make them all text with "
            "X.columns.astype(str)."
        )


def check_ids(ids: ArrayLike | None, X: Any, n: int) -> NDArray[Any]:
    """Names of rows, none missing and none twice."""
    names = _as_names(names_of_rows(X, n) if ids is None else ids)
    if names.ndim != 1 or len(names) != n:
        raise ValueError(f"ids must be 1-dimensional of length {n}, got shape {names.shape}.")
    _, first, times = np.unique(_comparable(names), return_index=True, return_counts=True)
    if len(first) < n:
        k = int(np.argmax(times > 1))
        raise ValueError(f"ids must be unique: {shown(names[first[k]])} occurs {times[k]} times.")
    return names


def _as_names(ids: Any) -> NDArray[Any]:
    """An array of whole numbers as they are, or of whatever else may name rows."""
    names = as_array(ids, "ids")
    if names.ndim != 1:
        return names
    objects = names
    if isinstance(ids, (list, tuple)) and names.dtype.kind in "fU":
        # Of -1 and 2**63 numpy makes floats, of NaN and "a" text.
        objects = np.array(ids, dtype=object)
    missing = np.asarray(pd.isna(objects))
    if missing.any():
        k = int(missing.sum())
        raise ValueError(
            f"ids: {k} {'is' if k == 1 else 'are'} missing (first at row {int(missing.argmax())})."
        )
    if objects.dtype.kind != "O":
        return names
    for kind in set(map(type, objects)):
        if issubclass(kind, (tuple, list, dict, set)):
            raise ValueError(f"ids must be numbers, texts or dates, got a {kind.__name__}; make them text.")
    if all(isinstance(item, str) for item in objects):
        return names
    try:
        alike = of_one_kind(objects)
    except ValueError as error:
        raise ValueError(f"ids: {error}; make them text.") from None
    return names if alike is None else alike


def _comparable(names: NDArray[Any]) -> NDArray[Any]:
    return names.astype(str) if names.dtype.kind == "O" else names


def next_number(names: NDArray[Any]) -> int | None:
    """Number from 0 for the next row, where rows are numbered; None where they have names."""
    return max(0, int(names.max()) + 1) if names.dtype.kind in "iu" else None


def new_ids(
    ids: ArrayLike | None, X: Any, n: int, known: NDArray[Any], next_id: int | None
) -> NDArray[Any]:
    """Names of rows that come, none of which a row bears already; put behind those, they stay what they are.

    Without names of their own, whether given or a frame's index, they get the numbers from ``next_id`` on.
    """
    if ids is None and not _has_names(X, n):
        if next_id is None:
            raise ValueError(
                f"ids are missing: the rows so far have names ({shown(known[0])}, ...); new rows need theirs."
            )
        ids = range(next_id, next_id + n)
        if ids[-1] > np.iinfo(_widest(known)).max:
            raise ValueError(f"ids are missing: no {n} numbers are left from {next_id} on; name the new rows.")
        return np.array(ids, _widest(known))
    names = check_ids(ids, X, n)
    kinds = [_KINDS.get(array.dtype.kind, array.dtype.kind) for array in (names, known)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"ids must be like those of the fit ({shown(known[0])}, ...), got {shown(names[0])}.")
    if kinds[0] == "number":
        names = _joinable(names, known)
    texts = kinds[0] == "text"
    taken = np.isin(*((names.astype(str), known.astype(str)) if texts else (names, known)))
    if taken.any():
        first = names[int(np.argmax(taken))]
        raise ValueError(
            f"ids: {int(taken.sum())} of {n} rows are known already (first: {shown(first)}); forget them "
            "first, or leave them out."
        )
    return names


# Kinds of dtype that can stand in one array of names.
_KINDS = {"O": "text", "U": "text", "i": "number", "u": "number"}


def _widest(known: NDArray[Any]) -> type[np.int64 | np.uint64]:
    return np.uint64 if known.dtype.kind == "u" else np.int64


def _joinable(names: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """Numbers that stay whole beside the known ones: numpy joins int64 and uint64 to floats."""
    if np.result_type(names, known).kind in "iu":
        return names
    fits = _fit_into(names, _widest(known))
    if not fits.all():
        bounds = np.iinfo(_widest(known))
        raise ValueError(
            f"ids must be from {bounds.min} to {bounds.max}, as those of the fit are, got "
            f"{shown(names[int(np.argmin(fits))])}."
        )
    return names.astype(_widest(known))


def _fit_into(numbers: NDArray[Any], dtype: Any) -> NDArray[np.bool_]:
    """Which of some whole numbers an array of this dtype holds."""
    bounds = np.iinfo(dtype)
    return np.asarray((numbers >= bounds.min) & (numbers <= bounds.max), dtype=bool)


def positions_of(ids: ArrayLike, known: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of the rows of these names, of which each must be one's."""
    names = np.atleast_1d(as_array(ids, "ids"))
    if names.ndim != 1:
        raise ValueError(f"ids must be 1-dimensional, got shape {names.shape}.")
    if not len(names):
        return np.empty(0, np.int64)
    if names.dtype.kind == "b" and known.dtype.kind != "b":
        raise ValueError("ids must be names of rows, got true and false; pass the ids of a mask's rows.")
    if known.dtype.kind in "iu" and isinstance(ids, (list, tuple)) and are_whole(list(ids)):
        names = np.array(ids, dtype=object)  # of -1 and 2**63 numpy makes floats
    try:
        asked, may_be = _like(names, known)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"ids must be like those of the rows ({shown(known[0])}, ...), got {shown(names[0])}."
        ) from None
    all_names = known.astype(str) if known.dtype.kind in "OU" else known
    order = np.argsort(all_names, kind="stable")
    place = np.minimum(np.searchsorted(all_names[order], asked), len(order) - 1)
    found = order[place]
    strange = ~may_be | (all_names[found] != asked)
    if strange.any():
        first = names[int(np.argmax(strange))]
        raise ValueError(f"ids: {int(strange.sum())} of {len(names)} name no row (first: {shown(first)}).")
    return found.astype(np.int64)


def _like(names: NDArray[Any], known: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Names as an array that compares with the known ones, and which of them such an array holds at all.

    Nothing is cut off on the way: 3.5 is not 3, and noon is not the day.
    """
    all_fit = np.ones(len(names), bool)
    if known.dtype.kind in "OU":
        return names.astype(str), all_fit
    if known.dtype.kind in "iu":
        numbers = _whole(names)
        fits = _fit_into(numbers, known.dtype)
        return np.where(fits, numbers, 0).astype(known.dtype), fits
    if names.dtype.kind == known.dtype.kind:
        return names, all_fit
    if names.dtype.kind in "iufb":
        return names.astype(known.dtype, casting="same_kind"), all_fit
    # A dtype without a unit or length takes the one that the names need.
    general = known.dtype if known.dtype.kind in "fb" else np.dtype(known.dtype.char)
    return names.astype(general), all_fit


def _whole(names: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers, also such that are written as text."""
    if names.dtype.kind in "iu":
        return names
    items = names.tolist()
    if names.dtype.kind == "U" or all(isinstance(item, str) for item in items):
        items = [int(item) for item in items]
    if names.dtype.kind not in "OU" or not are_whole(items):
        raise ValueError("no whole numbers")
    return np.array(items, dtype=object)


def _has_names(X: Any, n: int) -> bool:
    """Whether a frame's index names its rows, and does not only count them."""
    index = naming_index(X, n) if hasattr(X, "columns") else None
    if index is None:
        return False
    return not (type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1)


def check_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {type(value).__name__}.")
    return value
