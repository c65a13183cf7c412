"""Arrays and frames in memory, and arrays that are mapped."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcdv._npy import NO_ARRAY, is_text_sound
from hcdv.io._problem import one_line
from hcdv.io.source._rows import Window
from hcdv.io.source._told import TOLD_ROWS, told


def mapped(path: str | os.PathLike[str]) -> NDArray[Any]:
    """An array in an .npy file, mapped."""
    try:
        with np.errstate(over="raise"):  # the size of what a damaged head tells of
            rows: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError:
        raise ValueError(f"{os.fspath(path)} is no .npy file: it is empty.") from None
    except (ValueError, BadZipFile) as error:
        raise ValueError(f"{os.fspath(path)} is no .npy file of numbers: {one_line(error)}.") from None
    except NO_ARRAY:
        raise ValueError(f"{os.fspath(path)} is no .npy file of numbers: its head is damaged.") from None
    if not isinstance(rows, np.ndarray) or rows.dtype.itemsize == 0:
        raise ValueError(f"{os.fspath(path)} must be an .npy file with one array.")
    return rows


def let_go(rows: Any) -> None:
    """Drop the pages of a map that have been read, or they would count as memory of this process."""
    if isinstance(rows, np.memmap) and rows.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
        rows._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


class ArrayRows:
    """`Rows` of an array in memory."""

    names = None

    def __init__(self, array: NDArray[Any], name: str) -> None:
        self._array = array
        self._name = name

    @property
    def n_rows(self) -> int:
        return len(self._array)

    def rows(self, begin: int, end: int, names: Sequence[str] = ()) -> NDArray[Any]:
        return self._array[begin:end]

    def take(self, rows: NDArray[Any], names: Sequence[str] = ()) -> NDArray[Any]:
        return self._array[rows]

    def place(self, row: int) -> tuple[str, int]:
        return self._name, row

    def facts(self) -> list[Any]:
        return ["array", told(self._array)]

    def window(self, begin: int, end: int) -> Window:
        return Window(ArrayRows(self._array[begin:end], self._name), begin, self.n_rows)


class MappedRows:
    """`Rows` of an array in a file, which is mapped where it is read: pickled, a map would be all its rows."""

    names = None

    def __init__(self, array: np.memmap[Any, Any], name: str) -> None:
        self._name = name
        self._path = os.path.abspath(os.fspath(array.filename))  # type: ignore[arg-type]
        self._dtype, self._shape, self._strides = array.dtype, array.shape, array.strides
        self._offset = _offset(array)
        facts = os.stat(self._path)
        self._told = [self._path, facts.st_size, facts.st_mtime]

    @property
    def n_rows(self) -> int:
        return int(self._shape[0])

    def rows(self, begin: int, end: int, names: Sequence[str] = ()) -> NDArray[Any]:
        return self._copy(slice(begin, end))

    def take(self, rows: NDArray[Any], names: Sequence[str] = ()) -> NDArray[Any]:
        return self._copy(rows)

    def place(self, row: int) -> tuple[str, int]:
        return self._name, row

    def facts(self) -> list[Any]:
        ends = [told(self.rows(0, TOLD_ROWS)), told(self.rows(max(self.n_rows - TOLD_ROWS, 0), self.n_rows))]
        return [*self._told, self._dtype.str, list(self._shape), list(self._strides), self._offset, *ends]

    def window(self, begin: int, end: int) -> MappedRows:
        return self

    def _copy(self, which: Any) -> NDArray[Any]:
        # Mapped anew: the pages that were read go with the map, in which no other thread reads.
        file = np.memmap(self._path, np.uint8, "r")
        array: NDArray[Any] = np.ndarray(self._shape, self._dtype, file, self._offset, self._strides)
        copied = np.array(array[which])
        if not is_text_sound(copied):
            raise ValueError(f"{self._path} is damaged: it holds text with letters that do not exist.")
        return copied


class FrameRows:
    """`Rows` of a frame in memory."""

    def __init__(self, frame: pd.DataFrame, name: str) -> None:
        if not frame.columns.is_unique:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise ValueError(f"{name} has the column {twice!r} more than once.")
        self._frame = frame
        self._name = name
        self.names = tuple(frame.columns)

    @property
    def n_rows(self) -> int:
        return len(self._frame)

    def rows(self, begin: int, end: int, names: Sequence[str]) -> pd.DataFrame:
        return self._frame.iloc[begin:end][list(names)]

    def take(self, rows: NDArray[Any], names: Sequence[str]) -> pd.DataFrame:
        return self._frame.iloc[rows][list(names)]

    def place(self, row: int) -> tuple[str, int]:
        return self._name, row

    def facts(self) -> list[Any]:
        return ["frame", told(self._frame)]

    def window(self, begin: int, end: int) -> Window:
        return Window(FrameRows(self._frame.iloc[begin:end], self._name), begin, self.n_rows)


def _offset(array: np.memmap[Any, Any]) -> int:
    """Where the first number of a map, or of a cut of one, stands in its file."""
    # What numpy says of a cut is that of the whole.
    begin = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    buffer = np.frombuffer(array._mmap, np.uint8)  # type: ignore[attr-defined]
    return begin + array.__array_interface__["data"][0] - buffer.__array_interface__["data"][0]
