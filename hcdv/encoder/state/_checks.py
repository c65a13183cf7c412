"""Facts and arrays of a file, checked; names that JSON gives back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray

Facts = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


def whole(value: Any, name: str, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"{name} is no whole number from {least}")
    return value


def finite(value: Any, name: str, least: float = -sys.float_info.max) -> float:
    # Compared before it is made a float: JSON knows integers that no float can hold.
    if type(value) not in (int, float) or not least <= value <= sys.float_info.max:
        raise ValueError(f"{name} is no finite number" + (f" from {least:g}" if least == 0 else ""))
    return float(value)


def flag(facts: Facts, name: str) -> bool:
    if facts[name] not in (False, True):
        raise ValueError(f"{name} is neither true nor false")
    return bool(facts[name])


def texts(values: Any, name: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must be text")
    return tuple(values)


def column_index(names: Any, n: int | None = None) -> pd.Index:
    """Names of n columns, as a frame has them."""
    if not isinstance(names, list) or not all(type(name) in (str, int, float, bool) for name in names):
        raise ValueError("its columns are not named by text or numbers")
    if n is not None and len(names) != n:
        raise ValueError(f"it has {len(names)} names for {n} columns")
    index = pd.Index(names)
    if not index.is_unique:
        raise ValueError("it has two columns of one name")
    return index


def checked_array(
    arrays: Mapping[str, NDArray[Any]], name: str, dtype: DTypeLike, shape: tuple[int | None, ...]
) -> NDArray[Any]:
    """An array of this dtype and shape (None is any length from 1) that holds finite numbers."""
    array = arrays[name]
    is_fit = array.ndim == len(shape) and all(
        found >= 1 if n is None else found == n for found, n in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not is_fit:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{name} has dtype {array.dtype} and shape {array.shape}, expected {np.dtype(dtype)} and ({wanted})"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(f"{name} has {int(bad.sum())} entries that are no finite numbers")
    return array


def field_names(kind: Callable[..., Any]) -> list[str]:
    return [field.name for field in fields(kind)]  # type: ignore[arg-type]


def plain_label(name: Any) -> str | int | float | bool:
    """The name of a column, if JSON gives back the same."""
    if isinstance(name, np.generic):
        name = name.item()
    if not isinstance(name, (str, int, float, bool)):
        raise TypeError(f"columns must be named by text or numbers to be saved, got {type(name).__name__}.")
    return name


def under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {f"{prefix}/{name}": value for name, value in arrays.items()}


def inside(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    start = f"{prefix}/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
