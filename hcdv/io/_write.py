"""Write a table of values to a file, aside first and then renamed."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from numpy.typing import NDArray

from hcdv._files import check_place, written_aside
from hcdv._validation import check_path
from hcdv.io._problem import FileProblem, one_line, suffix_of


def write_values(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write the columns of ``frame`` (not its index) to ``path``, whole or not at all.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of numbers, booleans, dates or strings.
    path : path-like
        ``.csv``, ``.csv.gz``, ``.parquet``, ``.arrow`` (IPC file) or ``.npz`` (one 1-D array per
        column). Floats are written in full (they read back bit for bit). An existing file is
        replaced.

    Raises
    ------
    FileProblem
        If the suffix is unknown, a column name repeats, a column cannot be held by the format, or
        the place cannot be written.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"frame must be a pandas.DataFrame, got {type(frame).__name__}.")
    path = check_destination(path)
    writer = _WRITERS[suffix_of(path, _WRITERS)]
    if not frame.columns.is_unique:
        name = frame.columns[frame.columns.duplicated()][0]
        raise FileProblem(f"{path} cannot be written: the column {name!r} comes more than once.")
    try:
        with written_aside(path) as aside:
            writer(frame, aside)
    except OSError as error:
        raise FileProblem(f"{path} cannot be written: {error.strerror or error}.") from None
    except pa.ArrowException as error:
        raise FileProblem(f"{path} cannot hold these columns: {one_line(error)}.") from None


def check_destination(path: str | os.PathLike[str]) -> Path:
    """``path``, if `write_values` could write there now: to be asked before long work.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Path

    Raises
    ------
    FileProblem
        If the suffix is unknown, ``path`` is a folder, or its folder is missing or read-only.
    """
    path = Path(check_path(path))
    suffix_of(path, _WRITERS)
    try:
        check_place(path)
    except OSError as error:
        raise FileProblem(f"{path} cannot be written: {error.strerror}.") from None
    return path


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def _write_csv_gz(frame: pd.DataFrame, path: Path) -> None:
    # No name and no time in the gzip header: equal values give equal files.
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        frame.to_csv(packed, index=False, encoding="utf-8", lineterminator="\n")


def _arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    pa.parquet.write_table(_arrow(frame), path)


def _write_arrow(frame: pd.DataFrame, path: Path) -> None:
    table = _arrow(frame)
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _write_npz(frame: pd.DataFrame, path: Path) -> None:
    # Not np.savez: its own argument names would be forbidden as column names.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in frame.columns:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, _plain(frame[name], path), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue()
            )


def _plain(column: pd.Series, path: Path) -> NDArray[Any]:
    array = column.to_numpy()
    if array.dtype.kind != "O":
        return array
    if column.isna().any():
        raise FileProblem(
            f"{path} cannot hold the missing values of column {column.name!r}; "
            "write .csv or .parquet instead."
        )
    return array.astype(np.str_)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _write_csv,
    ".csv.gz": _write_csv_gz,
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
    ".npz": _write_npz,
}
