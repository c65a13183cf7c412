"""The door: every user error is caught here or in a caller's first lines, in one sentence.

A message names the argument, says what came and what was wanted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray

# What counts as a number where an array holds Python objects.
NUMBER_TYPES = (Real, np.bool_, Decimal)
# Weights of games: their squares, times values, must stay far from where floats end.
MAX_WEIGHT = 1e9
# Characters of a value in a message.
_SHOWN = 100


def short(value: Any) -> str:
    """A value as a part of a sentence: on one line, and cut where it grows long."""
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        text = " ".join(repr(plain).split())
    except ValueError:  # an integer of thousands of digits
        return type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def kind_of(item: Any) -> str:
    """What an object is, in a sentence: its type, or that it is a class where an object was wanted."""
    return f"the class {item.__name__}" if isinstance(item, type) else type(item).__name__


def check_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """``value`` if it is one of ``choices``."""
    allowed = list(choices)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {short(value)}.")
    return value


def check_int(value: Any, name: str, minimum: int, maximum: int | None = None) -> int:
    """``value`` as an int within [minimum, maximum]."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {short(value)}.")
    number = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        upper = "" if maximum is None else f" and at most {maximum}"
        raise ValueError(f"{name} must be at least {minimum}{upper}, got {short(value)}.")
    return number


def check_bool(value: Any, name: str) -> bool:
    """``value`` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {short(value)}.")
    return bool(value)


def check_path(path: Any, name: str = "path") -> str:
    """``path`` as text, if a file could have such a name."""
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a path, got {short(path)}.")
    if not text or "\0" in text:
        raise ValueError(f"{name} must be a path, got {short(text)}.")
    return text


def check_number(
    value: Any, name: str, minimum: float = -np.inf, maximum: float = np.inf
) -> float:
    """``value`` as a finite float within [minimum, maximum]."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {short(value)}.")
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = np.inf
    if not np.isfinite(number) and not np.isfinite([minimum, maximum]).any():
        raise ValueError(f"{name} must be a finite number, got {short(value)}.")
    if not np.isfinite(number) or not minimum <= number <= maximum:
        raise ValueError(f"{name} must lie in [{minimum:g}, {maximum:g}], got {short(value)}.")
    return number


def check_fraction(value: Any, name: str, low: float = 0.0, high: float = 1.0) -> float:
    """``value`` as a float within [low, high]."""
    return check_number(value, name, low, high)


def as_array(X: Any, name: str) -> NDArray[Any]:
    """``X`` as an array of whatever dtype; ragged lists and masked values are refused."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} has {int(np.ma.count_masked(X))} masked values; fill or drop them first."
        )
    try:
        return in_native_order(np.asarray(X))
    except ValueError:
        raise ValueError(f"{name} must have rows of one length, got a ragged list.") from None


def in_native_order(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers with their bytes in this machine's order: pandas and the kernels know no other."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def check_matrix(
    X: Any, name: str, dtype: DTypeLike = np.float64, n_columns: int | None = None
) -> NDArray[Any]:
    """``X`` as a C-contiguous 2-D array of ``dtype`` without NaN or infinity."""
    if hasattr(X, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; pass {name}.toarray() or a reduced dense form.")
    array = as_reals(X, name, dtype)
    if array.ndim != 2:
        raise ValueError(f"{name} must be 2-dimensional (rows x columns), got shape {array.shape}.")
    if n_columns is not None and array.shape[1] != n_columns:
        raise ValueError(f"{name} has {array.shape[1]} columns, expected {n_columns}.")
    check_finite(array, name)
    return array


def as_reals(X: Any, name: str, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """``X`` as a C-contiguous array of ``dtype``; complex numbers are refused, not cut."""
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise TypeError(f"{name} must hold real numbers, got complex ones.")
    try:
        return np.ascontiguousarray(X, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers only: {error}.") from None


def check_finite(array: NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity, with the place of the first one."""
    # A sum is finite exactly when all is (or it overflows, which the slow path sorts out).
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    bad = ~np.isfinite(array)
    if not bad.any():
        return
    first = np.unravel_index(int(np.argmax(bad)), array.shape)
    where = f"row {first[0]}" + (f", column {first[1]}" if array.ndim == 2 else "")
    kind = "NaN" if np.isnan(array[first]) else "infinite"
    raise ValueError(
        f"{name} has {int(bad.sum())} NaN or infinite values (first: {kind} at {where}); "
        "fill or drop them first."
    )


def check_labels(y: Any, n: int, name: str) -> NDArray[Any]:
    """``y`` as a 1-D array of ``n`` class labels of one kind (numbers, text, dates; none missing).

    An array of objects that are all numbers comes back as numbers: 1 and 1.0 are one class.
    """
    array = _label_array(y, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} must be 1-dimensional, got shape {array.shape}.")
    if len(array) != n:
        raise ValueError(f"{name} has {len(array)} labels for {n} rows.")
    missing = pd.isna(array)
    if missing.any():
        raise ValueError(
            f"{name} has {int(missing.sum())} missing labels (first at row {int(missing.argmax())})."
        )
    if array.dtype.kind == "O":
        array = _plain_labels(array, name)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} must hold class labels.")
    if array.dtype.kind == "V":
        raise TypeError(f"{name} must hold one label a row, got records.")
    if array.dtype.kind == "f":
        check_finite(array, name)
        if n and not np.array_equal(array, np.floor(array)):
            raise ValueError(
                f"{name} must hold class labels, got continuous numbers such as "
                f"{array[array != np.floor(array)][0]:g}; HCDV values classification data."
            )
    return array


def _label_array(y: Any, name: str) -> NDArray[Any]:
    array = as_array(y, name)
    # Out of a list of numbers and text numpy makes text; the objects themselves tell them apart.
    if isinstance(y, (list, tuple)) and array.dtype.kind in "US" and array.ndim == 1:
        array = np.array(y, dtype=object)
    return array


def _plain_labels(array: NDArray[np.object_], name: str) -> NDArray[Any]:
    """Objects as the numbers they are, or unchanged if they are of one kind that can be sorted."""
    kinds = set(map(type, array))
    if kinds and all(issubclass(kind, NUMBER_TYPES) for kind in kinds):
        plain = np.array(array.tolist())
        try:
            return plain if plain.dtype.kind in "biuf" else plain.astype(np.float64)
        except OverflowError:
            raise ValueError(f"{name} holds numbers too large for class labels.") from None
    if all(issubclass(kind, str) for kind in kinds):
        return array
    for kind in kinds:
        if getattr(kind, "__hash__", None) is None:
            raise TypeError(f"{name} must hold one label a row, got {kind.__name__} objects.")
    if len(kinds) > 1:
        shown = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"{name} mixes {shown} labels; make them all of one kind.")
    try:
        np.sort(array)
    except TypeError:
        raise TypeError(
            f"{name} must hold numbers, text or dates, got {kinds.pop().__name__} objects."
        ) from None
    return array
