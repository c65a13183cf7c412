"""What the facade lets in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._labels import check_together, encode_known, names_of_rows, shown
from hcdv.hierarchy import Hierarchy


def check_validation(
    X_val: Any, y_val: ArrayLike | None, classes: NDArray[Any]
) -> NDArray[np.int64] | None:
    check_together(X_val, y_val)
    if X_val is None or y_val is None:
        return None
    return encode_known(y_val, count_rows(X_val, "X_val"), classes, "y_val")


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
    if type(X) in (str, bytes, dict):
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
    if ids is None:
        return names_of_rows(X, n)
    names = np.asarray(ids)
    if names.ndim != 1 or len(names) != n:
        raise ValueError(f"ids must be 1-dimensional of length {n}, got shape {names.shape}.")
    if len(np.unique(names.astype(str) if names.dtype.kind == "O" else names)) < n:
        raise ValueError("ids must be unique: some occur more than once.")
    return names


def next_number(names: NDArray[Any]) -> int | None:
    """Number for the next row, where rows are numbered; None where they have names."""
    return int(names.max()) + 1 if names.dtype.kind in "iu" else None


def new_ids(
    ids: ArrayLike | None, X: Any, n: int, known: NDArray[Any], next_id: int | None
) -> NDArray[Any]:
    """Names of rows that come, none of which a row bears already.

    Without names of their own, whether given or a frame's index, they get the numbers from ``next_id`` on.
    """
    if ids is None and not _has_names(X, n):
        if next_id is None:
            raise ValueError(
                f"ids are missing: the rows so far have names ({shown(known[0])}, ...); new rows need theirs."
            )
        return np.arange(n) + next_id
    names = check_ids(ids, X, n)
    kinds = [_KINDS.get(array.dtype.kind, array.dtype.kind) for array in (names, known)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"ids must be like those of the fit ({shown(known[0])}, ...), got {shown(names[0])}.")
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


def positions_of(ids: ArrayLike, known: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of the rows of these names, of which each must be one's."""
    names = np.atleast_1d(np.asarray(ids))
    if names.ndim != 1:
        raise ValueError(f"ids must be 1-dimensional, got shape {names.shape}.")
    if not len(names):
        return np.empty(0, np.int64)
    if names.dtype.kind == "b" and known.dtype.kind != "b":
        raise ValueError("ids must be names of rows, got true and false; pass the ids of a mask's rows.")
    as_text = known.dtype.kind in "OU"
    if not as_text and names.dtype.kind != known.dtype.kind:
        try:
            names = names.astype(known.dtype, casting="same_kind" if names.dtype.kind in "iufb" else "unsafe")
        except (TypeError, ValueError):
            raise ValueError(
                f"ids must be like those of the rows ({shown(known[0])}, ...), got {shown(names[0])}."
            ) from None
    all_names = known.astype(str) if as_text else known
    asked = names.astype(str) if as_text else names
    order = np.argsort(all_names, kind="stable")
    place = np.minimum(np.searchsorted(all_names[order], asked), len(order) - 1)
    found = order[place]
    strange = all_names[found] != asked
    if strange.any():
        first = names[int(np.argmax(strange))]
        raise ValueError(f"ids: {int(strange.sum())} of {len(names)} name no row (first: {shown(first)}).")
    return found.astype(np.int64)


def _has_names(X: Any, n: int) -> bool:
    """Whether a frame's index names its rows, and does not only count them."""
    index = getattr(X, "index", None) if hasattr(X, "columns") else None
    if index is None or not getattr(index, "is_unique", False) or len(index) != n:
        return False
    return not (type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1)


def check_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {type(value).__name__}.")
    return value
