"""What is given as rows, cut into blocks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
import scipy.sparse

from hcdv._validation import as_array, check_int
from hcdv.io.source import let_go, mapped


def readable(X: Any) -> Any:
    """``X`` as what can be cut into rows, or an iterable."""
    name = "X"
    if isinstance(X, (str, os.PathLike)):
        name = f"X ({os.fspath(X)})"
        X = mapped(X)
    if hasattr(X, "shape") and not isinstance(X, type):
        return _sliceable(X, name)
    is_iterable = hasattr(X, "__iter__") or hasattr(X, "__getitem__")
    if not is_iterable or isinstance(X, (type, bytes, bytearray, dict)):
        raise TypeError(
            "X must be an array, a table, a sparse matrix, a path of an .npy file (a str, or a Path), or an "
            f"iterable of blocks of rows, got {with_article(X)}."
        )
    if isinstance(X, (list, tuple)) and len(X):
        _block(X[0], 0)  # now, lest n_rows be asked for of what is no list of blocks
    return X


def _sliceable(X: Any, name: str) -> Any:
    if len(X.shape) == 0:
        raise ValueError(f"{name} must hold rows, got one single value (shape ()).")
    if not scipy.sparse.issparse(X):
        return X
    if len(X.shape) != 2:
        raise ValueError(f"{name} must be 2-dimensional (rows x columns), got shape {X.shape}.")
    # Only some kinds of sparse matrix can be cut, and this one quickly.
    return X.tocsr()


def length(X: Any, n_rows: int | None) -> int:
    n = int(X.shape[0])
    if n == 0:
        raise ValueError("X has no rows.")
    if n_rows is not None and check_int(n_rows, "n_rows", 1) != n:
        raise ValueError(f"n_rows must be {n:,}, the rows of X, got {n_rows:,}.")
    return n


def n_rows_of(block: Any) -> int:
    return int(block.shape[0]) if hasattr(block, "shape") else len(block)


def slices(X: Any, first: int, size: int) -> Iterator[Any]:
    cut = X.iloc if isinstance(X, pd.DataFrame) else X
    for begin in range(first, X.shape[0], size):
        yield cut[begin : begin + size]
        let_go(X)


def pieces(blocks: Iterable[Any], size: int) -> Iterator[Any]:
    """Blocks of any size, the larger ones in pieces."""
    for k, item in enumerate(blocks):
        block = _block(item, k)
        if block.shape[0]:
            yield from slices(block, 0, size)


def _block(item: Any, k: int) -> Any:
    name = f"X (block {k:,})"
    block = item if hasattr(item, "shape") else as_array(item, name)
    if len(block.shape) == 0:
        raise TypeError(f"X must give blocks of rows, got {item!r:.80} as block {k:,}.")
    return _sliceable(block, name)


def with_article(item: Any) -> str:
    """The kind of an object, with its article."""
    name = type(item).__name__
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"
