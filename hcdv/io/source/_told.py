"""Rows told from others by what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from hcdv._digest import fingerprint

# Rows by which large data are told from others, at each end.
TOLD_ROWS = 1000


def told(rows: Any) -> str:
    """A digest of all that rows hold: an array, a frame, or a table that offers to become one.

    Raises
    ------
    TypeError
        If cells hold lists or other objects that have no hash.
    """
    facts, arrays = contents(rows)
    # Objects by their hashes: what their bytes are is where they lie.
    plain = [array if array.dtype.kind != "O" else contents(pd.DataFrame(array))[1][0] for array in arrays]
    return fingerprint(facts, plain)


def contents(rows: Any) -> tuple[list[Any], list[NDArray[Any]]]:
    """Rows as facts and arrays that are equal only where the rows are."""
    if hasattr(rows, "to_pandas"):
        rows = rows.to_pandas()
    if isinstance(rows, pd.DataFrame):
        return [_kind(column) for _, column in rows.items()], [
            pd.util.hash_pandas_object(rows, index=False).to_numpy()
        ]
    if scipy.sparse.issparse(rows):
        return [], [rows.data, rows.indices, rows.indptr]
    return [], [np.asarray(rows)]


def _kind(column: pd.Series) -> list[str]:
    """What the hashes of its cells do not tell: 1 and "1" have the same among objects."""
    held = pd.api.types.infer_dtype(column, skipna=True) if column.dtype == object else ""
    return [type(column.name).__name__, repr(column.name), str(column.dtype), held]
