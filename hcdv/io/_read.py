"""Read a table from a file, with pandas and pyarrow as the parsers."""

from __future__ import annotations

import gzip
import os
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from numpy.typing import NDArray

from hcdv._npy import NO_ARRAY, is_text_sound
from hcdv._validation import check_path
from hcdv.io._problem import FileProblem, one_line, suffix_of

ISO_DATE = r"\d{4}-\d{2}-\d{2}($|[T ])"


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of rows and named columns.

    Parameters
    ----------
    path : path-like
        ``.csv``, ``.csv.gz``, ``.tsv``, ``.tsv.gz`` (UTF-8, with a header line), ``.parquet``,
        ``.arrow`` or ``.feather`` (Arrow IPC), or ``.npz``. An NPZ file holds either ``X`` [n, ...]
        (columns ``x0``, ``x1``, ...; the axes after the first are flattened) and any 1-D arrays of
        n items such as ``y``, each a column of its own name, or only 1-D arrays of one length.
        Beside ``X``, arrays of other lengths (class names, say) are passed over.

    Returns
    -------
    pandas.DataFrame
        One row per row of the file, in its order. Empty cells are missing; a ``?`` in a column of
        strings stays the string ``?``.

    Raises
    ------
    FileProblem
        If the file is missing, a folder, of an unknown suffix, empty, without rows, damaged, not
        UTF-8, holds pickled objects, or names a column twice.
    """
    path = Path(check_path(path))
    reader = _READERS[suffix_of(path, _READERS)]
    if path.is_dir():
        raise FileProblem(f"{path} is a folder, not a file.")
    if not path.exists():
        raise FileProblem(f"{path} does not exist.")
    try:
        if path.stat().st_size == 0:
            raise FileProblem(f"{path} is empty.")
        frame = reader(path)
    except PermissionError:
        raise FileProblem(f"{path} may not be read: permission denied.") from None
    if frame.shape[1] == 0:
        raise FileProblem(f"{path} has no columns.")
    if len(frame) == 0:
        raise FileProblem(f"{path} has a header but no rows.")
    return frame


def _read_comma(path: Path) -> pd.DataFrame:
    return _read_text(path, ",")


def _read_tab(path: Path) -> pd.DataFrame:
    return _read_text(path, "\t")


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    packed = path.name.lower().endswith(".gz")
    compression: Any = "gzip" if packed else None
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            start = file.read(65536)
        if not start.strip():
            raise FileProblem(f"{path} is empty.")
        if b"\0" in start:
            raise FileProblem(f"{path} is not a text file (it holds zero bytes).")
        header = pd.read_csv(
            path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False,
            compression=compression, encoding="utf-8-sig",
        ).iloc[0].tolist()  # fmt: skip
        _refuse_repeats(path, [name for name in header if name])
        other = [mark for mark in (";", "\t", ",") if len(header) == 1 and mark in header[0]]
        if other:
            raise FileProblem(
                f"{path} has one column, {header[0][:60]!r}: its fields seem to be separated by "
                f"{other[0]!r}, not by {separator!r}."
            )
        with warnings.catch_warnings():
            # With index_col=False pandas only warns when a row is longer than the header.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, sep=separator, index_col=False, low_memory=False,
                compression=compression, encoding="utf-8-sig",
            )  # fmt: skip
        return frame.apply(_dates)
    except UnicodeDecodeError as error:
        raise FileProblem(f"{path} is not UTF-8 text ({error.reason}).") from None
    except pd.errors.EmptyDataError:
        raise FileProblem(f"{path} is empty.") from None
    except pd.errors.ParserWarning:
        raise FileProblem(f"{path} has rows with more fields than its header.") from None
    except pd.errors.ParserError as error:
        raise FileProblem(f"{path} cannot be parsed: {one_line(error)}.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise FileProblem(f"{path} is damaged or cut short (not a whole gzip file).") from None


def _dates(column: pd.Series) -> pd.Series:
    """A column of text as dates if all its text is ISO 8601 (2024-05-31, with or without a time)."""
    if not pd.api.types.is_string_dtype(column):
        return column
    present = column.dropna()
    if not len(present) or not present.iloc[:100].str.match(ISO_DATE).all():
        return column
    try:
        return pd.to_datetime(column, format="ISO8601")
    except ValueError:
        return column


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        with pa.parquet.ParquetFile(path) as file:
            _refuse_repeats(path, file.schema_arrow.names)
            table = file.read()
            table.validate(full=True)
            return _frame(table)
    except (pa.ArrowException, OSError) as error:
        raise FileProblem(f"{path} is damaged or no Parquet file: {one_line(error)}.") from None


def _read_arrow(path: Path) -> pd.DataFrame:
    try:
        with pa.OSFile(os.fspath(path)) as source:
            try:
                table = pa.ipc.open_file(source).read_all()
            except pa.ArrowInvalid:
                source.seek(0)
                table = pa.ipc.open_stream(source).read_all()
            table.validate(full=True)
            _refuse_repeats(path, table.column_names)
            return _frame(table)
    except (pa.ArrowException, OSError) as error:
        raise FileProblem(f"{path} is damaged or no Arrow file: {one_line(error)}.") from None


def _frame(table: pa.Table) -> pd.DataFrame:
    """The table with the index that its maker noted, in JSON of the maker's own."""
    try:
        return table.to_pandas()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, pa.ArrowException):
            raise
        raise pa.ArrowInvalid(f"its notes for pandas cannot be read ({type(error).__name__})") from None


def _read_npz(path: Path) -> pd.DataFrame:
    try:
        if not zipfile.is_zipfile(path):
            raise FileProblem(f"{path} is damaged or no NPZ file.")
        with np.load(path, allow_pickle=False) as file:
            _refuse_repeats(path, file.files)
            arrays = {name: _member(file, name, path) for name in file.files}
        return _frame_of_arrays(arrays, path)
    except FileProblem:
        raise
    except ValueError as error:
        raise FileProblem(f"{path} is damaged or no NPZ file: {one_line(error)}.") from None
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError, *NO_ARRAY):
        raise FileProblem(f"{path} is damaged or no NPZ file.") from None


def _frame_of_arrays(arrays: dict[str, NDArray[Any]], path: Path) -> pd.DataFrame:
    X = arrays.pop("X", None)
    if X is None:
        return _frame_of_columns(arrays, path)
    if X.ndim < 2:
        raise FileProblem(f"{path} holds an array X of shape {X.shape}; wanted [n, d].")
    if len(X) == 0:  # of any number of columns
        raise FileProblem(f"{path} has a header but no rows.")
    X = X.reshape(len(X), X.size // len(X))
    names = [f"x{j}" for j in range(X.shape[1])]
    columns = {k: a for k, a in arrays.items() if a.ndim == 1 and len(a) == len(X)}
    _refuse_repeats(path, [*names, *columns])
    if "y" in arrays and "y" not in columns:
        raise FileProblem(f"{path} holds {len(X)} rows in X but y of shape {arrays['y'].shape}.")
    frame = pd.DataFrame(X, columns=names)
    return pd.concat([frame, pd.DataFrame(columns)], axis=1) if columns else frame


def _member(file: Any, name: str, path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise FileProblem(
            f"{path} holds pickled objects in {name!r}, which are never loaded; "
            "save it as numbers or as strings."
        ) from None
    if array.dtype.kind not in "biufUSMm":
        raise FileProblem(f"{path} holds {name!r} of dtype {array.dtype}, which is not a column.")
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if not is_text_sound(array):
        raise FileProblem(f"{path} holds {name!r}, text with letters that do not exist.")
    # Half precision and foreign byte orders are for storage; pandas and Arrow treat them poorly.
    native = array.dtype.newbyteorder("=")
    return array.astype(np.float32 if native == np.float16 else native, copy=False)


def _frame_of_columns(arrays: dict[str, NDArray[Any]], path: Path) -> pd.DataFrame:
    shapes = {array.shape for array in arrays.values()}
    if not arrays or len(shapes) != 1 or any(len(shape) != 1 for shape in shapes):
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
        raise FileProblem(
            f"{path} holds {found}; wanted X [n, d] with y [n], or 1-D arrays of one length."
        )
    return pd.DataFrame(arrays)


def _refuse_repeats(path: Path, names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise FileProblem(f"{path} names the column {repeated[0]!r} more than once.")


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_comma,
    ".csv.gz": _read_comma,
    ".tsv": _read_tab,
    ".tsv.gz": _read_tab,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".npz": _read_npz,
}
