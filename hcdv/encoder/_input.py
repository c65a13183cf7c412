"""What users pass as rows: frames, arrays, lists and sparse matrices, told apart and made plain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from hcdv._validation import NUMBER_TYPES, as_array


def is_table(X: Any) -> bool:
    """Whether ``X`` has named columns: a pandas DataFrame, or anything that offers to become one."""
    return isinstance(X, pd.DataFrame) or hasattr(X, "to_pandas")


def as_frame(X: Any, name: str) -> pd.DataFrame:
    """``X`` as a DataFrame with distinct column names."""
    if not isinstance(X, pd.DataFrame):
        if hasattr(X, "to_pandas"):
            X = X.to_pandas()
        else:
            if scipy.sparse.issparse(X):
                raise TypeError(f"{name} must be a table as X is, got a sparse matrix.")
            array = as_array(X, name)
            if array.ndim == 1 and _is_text(array):
                raise ValueError(
                    f"{name} must be 2-dimensional (rows x columns), got {len(array)} texts; HCDV takes these "
                    "with encoder=, a transformer or a function from texts to vectors."
                )
            if array.ndim != 2:
                raise ValueError(
                    f"{name} must be 2-dimensional (rows x columns), got shape {array.shape}."
                )
            X = pd.DataFrame(array).infer_objects()
    if not X.columns.is_unique:
        repeated = X.columns[X.columns.duplicated()].tolist()[0]
        raise ValueError(f"{name} has the column {repeated!r} more than once.")
    return X


def _is_text(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "UT" or (len(array) > 0 and all(isinstance(item, str) for item in array))


def as_rows(X: Any, name: str) -> Any:
    """``X`` as a 2-D numeric array (a view where possible) or a CSR matrix."""
    if scipy.sparse.issparse(X):
        if X.dtype.kind not in "biuf":
            raise TypeError(f"{name} must hold real numbers, got dtype {X.dtype}.")
        return X.tocsr()
    array = _frame_rows(as_frame(X, name), name) if is_table(X) else as_array(X, name)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except OverflowError:
            raise ValueError(f"{name} holds a number too large for float64.") from None
        except (TypeError, ValueError):
            raise TypeError(
                f"{name} must hold numbers only; pass mixed columns as a DataFrame."
            ) from None
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} must hold real numbers.")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}.")
    if array.ndim < 2:
        raise ValueError(f"{name} must be 2-dimensional (rows x columns), got shape {array.shape}.")
    if array.ndim > 2:
        array = array.reshape(len(array), int(np.prod(array.shape[1:])))
    return array


def _frame_rows(frame: pd.DataFrame, name: str) -> NDArray[Any]:
    """A frame as an array, the missing values of nullable columns as NaN."""
    if all(isinstance(dtype, np.dtype) and dtype.kind in "biufc" for dtype in frame.dtypes):
        return np.asarray(frame)
    out = np.empty(frame.shape)
    for j, column in enumerate(frame.columns):
        series = frame.iloc[:, j].infer_objects()
        if pd.api.types.is_complex_dtype(series.dtype):
            raise ValueError(f"Complex data not supported: {name} must hold real numbers.")
        try:
            if series.dtype.kind in "MmUST" or isinstance(series.dtype, pd.StringDtype):
                raise TypeError
            out[:, j] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        except OverflowError:
            raise ValueError(f"{name} holds a number too large for float64 in {column!r}.") from None
        except (TypeError, ValueError):
            raise TypeError(
                f"{name} must hold numbers only, as X does, but its column {column!r} does not."
            ) from None
    return out


def is_numeric_array(array: NDArray[Any]) -> bool:
    """Whether an array holds numbers; one of objects must hold nothing else, and no NaN."""
    if array.dtype.kind != "O":
        return array.dtype.kind not in "US"
    kinds = set(map(type, array.ravel()))
    return all(issubclass(kind, NUMBER_TYPES) for kind in kinds) and not pd.isna(array).any()


def in_order(X: Any, names: pd.Index | None, name: str) -> Any:
    """``X`` with its columns in the order of the training frame's ``names``, where both have names."""
    if names is None or not is_table(X):
        return X
    frame = as_frame(X, name)
    if frame.columns.equals(names):
        return frame
    place = frame.columns.get_indexer(names)
    if len(frame.columns) != len(names) or (place < 0).any():
        raise ValueError(other_columns(frame.columns, names, name))
    return frame.iloc[:, place]


def other_columns(found: pd.Index, names: pd.Index, name: str) -> str:
    """The sentence on columns that are not those of the training frame."""
    lacking, unknown = names[~names.isin(found)].tolist(), found[~found.isin(names)].tolist()
    faults = [f"it lacks the column {lacking[0]!r}"] if len(lacking) else []
    if len(unknown):
        faults.append(f"X has no column {unknown[0]!r}")
    what = "other columns than X"
    if len(found) != len(names):
        what = f"{len(found)} features, but X had {len(names)} in the fit"
    return f"{name} has {what}: {' and '.join(faults)}."
