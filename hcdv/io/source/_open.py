"""From what users have to a source."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset

from hcdv._labels import naming_index
from hcdv._validation import as_array
from hcdv.io.source._arrays import ArrayRows, FrameRows, MappedRows, mapped
from hcdv.io.source._arrow import dataset_rows, table_rows
from hcdv.io.source._blocks import again_rows, written_rows
from hcdv.io.source._dask import dask_rows, is_dask
from hcdv.io.source._files import file_rows
from hcdv.io.source._places import places_of
from hcdv.io.source._protocol import Source
from hcdv.io.source._rows import Rows
from hcdv.io.source._source import Roles, RowSource


def open_source(
    X: Any,
    y: Any = None,
    *,
    label: str | None = None,
    id_column: str | None = None,
    drop: Sequence[str] = (),
    ids: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    work: str | os.PathLike[str] | None = None,
) -> Source:
    """Rows that need not fit into memory, from wherever they lie.

    Parameters
    ----------
    X : n rows
        Files of Parquet or Arrow: a path, a folder (partitions such as ``day=3/`` become columns), a pattern
        with ``*``, or an address that fsspec knows (``s3://bucket/folder``).  Rows come in the order of the
        files' paths; names that begin with ``_`` or ``.`` are passed over.
        A data set, table or reader of pyarrow.  The path of an .npy file, a map or array of numpy, a frame.
        An array or frame of Dask, which is computed a chunk or partition at a time.
        A function without arguments that gives the same blocks whenever it is called, or another iterable of
        blocks; an iterator, which gives them once only, needs ``work``.  Blocks are frames, arrays, or pairs of
        one and its labels.
    y : array of n labels, map, path of an .npy file, or array or series of Dask, optional
    label : str, optional
        Name of the column with the labels, instead of ``y``.
    id_column : str, optional
        Name of the column with the names of the rows.
    drop : sequence of str
        Columns to leave out.
    ids : array of n names, optional
        Instead of ``id_column``.  By default those of a frame's index where it tells the rows apart, else the
        numbers of the rows.
    storage_options : dict, optional
        For fsspec.
    work : path-like, optional
        Folder in which rows that come once only are written to files; those of an earlier call are replaced.

    Raises
    ------
    FileProblem
        If files cannot be read, or hold other columns than the first, or of other types.
    TypeError, ValueError
        If arguments are of other kinds, or do not fit each other.
    """
    if y is not None and label is not None:
        raise ValueError(f"give y or label, not both, got label={label!r}.")
    if ids is not None and id_column is not None:
        raise ValueError(f"give ids or id_column, not both, got id_column={id_column!r}.")
    if isinstance(drop, str):
        raise TypeError(f"drop must be a sequence of names, got the text {drop!r}.")
    rows, beside, notes = _rows(X, storage_options, work)
    if beside is not None and (y is not None or label is not None):
        raise ValueError("X gives blocks with their labels; leave out y and label.")
    if ids is None and id_column is None and isinstance(X, pd.DataFrame):
        ids = _index(X)
    return RowSource(
        rows,
        what=f"X ({os.fspath(X)})" if isinstance(X, (str, os.PathLike)) else "X",
        roles=Roles(label, id_column, tuple(drop)),
        labels=beside if y is None else _vector(y, "y"),
        ids=None if ids is None else _vector(ids, "ids"),
        notes=notes,
    )


def _rows(X: Any, storage_options: Any, work: Any) -> tuple[Rows, Rows | None, list[str]]:
    """Rows, labels that come with them, and what to say of them."""
    if storage_options is not None and not isinstance(X, str):
        raise ValueError("storage_options are for addresses such as s3://bucket/folder.")
    if isinstance(X, (pa.RecordBatchReader, Iterator)):
        return _written(X, work)
    if isinstance(X, (pd.DataFrame, np.ndarray, list)) or not _is_blocks(X):
        return _at_once(X, storage_options), None, []
    rows, labels = again_rows(X if callable(X) else functools.partial(iter, X))
    return rows, labels, []


def _at_once(X: Any, storage_options: Any) -> Rows:
    if isinstance(X, (str, os.PathLike)):
        path = os.fspath(X)
        if path.lower().endswith(".npy") and storage_options is None and os.path.isfile(path):
            return _array(mapped(path), f"X ({path})")
        return file_rows(places_of(path, storage_options))
    if isinstance(X, pd.DataFrame):
        return FrameRows(X, "X")
    if isinstance(X, pa.dataset.Dataset):
        return dataset_rows(X)
    if is_dask(X):
        return dask_rows(X, "X")
    if hasattr(X, "__arrow_c_stream__"):  # a table of Arrow, of polars
        return table_rows(pa.table(X))
    return _array(X, "X")


def _is_blocks(X: Any) -> bool:
    """Whether ``X`` gives blocks of rows whenever it is asked."""
    if isinstance(X, (type, str, os.PathLike, dict)) or is_dask(X) or hasattr(X, "__arrow_c_stream__"):
        return False
    if isinstance(X, pa.dataset.Dataset) or hasattr(X, "shape"):
        return False
    return callable(X) or hasattr(X, "__iter__")


def _written(X: Any, work: Any) -> tuple[Rows, Rows | None, list[str]]:
    if work is None:
        raise ValueError(
            "X gives its rows once only; name a folder to write them to (work=), or give a function that gives "
            "them anew."
        )
    folder = Path(work) / "rows"
    rows, labels = written_rows(iter(X), folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    note = f"X gives its rows once only: they were written to {folder} first ({size / 1e6:,.0f} MB)."
    return rows, labels, [note]


def _vector(items: Any, name: str) -> Rows:
    """Labels or names of rows."""
    if isinstance(items, (str, os.PathLike)):
        items = mapped(items)
    if is_dask(items):
        return dask_rows(items, name)
    rows = _array(items, name)
    one = rows.rows(0, 1)
    if one.ndim != 1:
        raise ValueError(f"{name} must be 1-dimensional, got rows of shape {one.shape[1:]}.")
    return rows


def _array(items: Any, name: str) -> ArrayRows | MappedRows:
    # A map that is written to copies does not hold what its file does.
    if isinstance(items, np.memmap) and items.mode != "c" and items.filename is not None:
        return MappedRows(items, name)
    array = as_array(items, name)
    if array.ndim == 0:
        raise TypeError(
            f"{name} must be rows: an array, a table, files, or blocks of rows, got {type(items).__name__}."
        )
    return ArrayRows(array, name)


def _index(frame: pd.DataFrame) -> pd.Index | None:
    """The index of a frame where it names the rows, and does not only count them."""
    index: pd.Index | None = naming_index(frame, len(frame))
    is_count = isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
    return None if is_count else index
