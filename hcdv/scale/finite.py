"""Numbers that the encoder does not take are refused where rows are read: there their place can be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcdv.encoder import Encoder
from hcdv.io.source import Source


def check_numbers(X: Any, numbers: NDArray[np.int64], source: Source, encoder: Encoder) -> None:
    """Refuse infinite numbers, and missing ones where the encoder knows none.

    Parameters
    ----------
    X : frame or array of b rows
    numbers : int64 [b]
        Of these rows among all.
    source : Source
        Where they come from.
    encoder : Encoder
        That is going to encode them.

    Raises
    ------
    ValueError
        One sentence: which row of which file or block, and which column.
    """
    for name, column in _columns(X):
        is_bad = np.isinf(column) if encoder.is_mixed else ~np.isfinite(column)
        if is_bad.any():
            k = int(is_bad.argmax())
            what = "an infinite number"
            if np.isnan(column[k]):
                is_table = isinstance(X, pd.DataFrame)
                what = "no number, unlike all rows the encoder learned from," if is_table else "NaN"
            raise ValueError(
                f"{source.place(int(numbers[k]))} has {what} in the column {name!r} (with it "
                f"{int(is_bad.sum()):,} of {len(column):,} rows looked at); fill or drop them first."
            )


def _columns(X: Any) -> Iterator[tuple[Any, NDArray[Any]]]:
    """The columns of floats, with their names; none of an array in which all is finite."""
    if isinstance(X, pd.DataFrame):
        for k, name in enumerate(X.columns):
            column = X.iloc[:, k]
            if pd.api.types.is_float_dtype(column.dtype):
                yield name, column.to_numpy(dtype=np.float64, na_value=np.nan)
    elif isinstance(X, np.ndarray) and X.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            is_finite = np.isfinite(X.sum(dtype=np.float64))
        if not is_finite:
            yield from enumerate(X.reshape(len(X), -1).T)
