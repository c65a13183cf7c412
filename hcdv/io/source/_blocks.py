"""Iterables of blocks: those that can begin anew are read as they come, others are written to files first."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from hcdv._digest import fingerprint
from hcdv._errors import said
from hcdv._validation import as_array
from hcdv.io.source._arrays import mapped
from hcdv.io.source._files import file_rows
from hcdv.io.source._places import places_of
from hcdv.io.source._rows import Moving, Parts, chosen
from hcdv.io.source._tables import conformed, from_frame, joined, plain_schema
from hcdv.io.source._told import told

# Rows a file of those that are written, at least.
_FILE_ROWS = 1 << 18
# Rows at each end of a block by which it is told from others.
_TOLD_ROWS = 16


class Pair(NamedTuple):
    """A block: a table of Arrow or an array, and its labels if they come beside it."""

    X: Any
    y: NDArray[Any] | None


def again_rows(begin: Callable[[], Iterable[Any]]) -> tuple[Parts, Parts | None]:
    """Rows of a function that gives the same blocks whenever it is called; their labels, if blocks are pairs.

    Raises
    ------
    TypeError, ValueError
        If a block is none, or is unlike the first.
    """
    blocks = Moving(functools.partial(_pairs, begin))
    parts = [BlockPart(blocks, which) for which in range(2)]
    first: Pair | None = None
    for k in _numbers(blocks):
        pair = blocks.get(k)
        first = first or pair
        _check_alike(first, pair, k)
        for part, rows in zip(parts, pair, strict=True):
            part.add(rows)
    if first is None:
        raise ValueError("X gives no blocks of rows.")
    X, y = (Parts([part], part.names) for part in parts)
    return X, y if first.y is not None else None


class BlockPart:
    """A piece is a block, or its labels."""

    def __init__(self, blocks: Moving, which: int) -> None:
        self._blocks = blocks
        self._which = which
        self._told: list[str] = []
        self.sizes: list[int] = []
        self.schema: pa.Schema | None = None

    @property
    def names(self) -> tuple[str, ...] | None:
        return None if self.schema is None else tuple(self.schema.names)

    def add(self, rows: Any) -> None:
        """Learn of the next block."""
        if rows is None:
            return
        if not self.sizes and isinstance(rows, pa.Table):
            self.schema = rows.schema
        self.sizes.append(len(rows))
        ends = np.unique(np.r_[:_TOLD_ROWS, -_TOLD_ROWS:0] % max(len(rows), 1))[: len(rows)]
        self._told.append(told(chosen(rows, ends)))

    def where(self, piece: int, row: int) -> tuple[str, int]:
        return f"X (block {piece:,})", row

    def load(self, piece: int, names: Sequence[str]) -> Any:
        name, _ = self.where(piece, 0)
        try:
            rows = self._blocks.get(piece)[self._which]
        except StopIteration:
            rows = None
        if rows is None or len(rows) != self.sizes[piece]:
            raise ValueError(f"{name} is not as it was; blocks must be the same whenever they are asked for.")
        if self.schema is None:
            return rows
        return conformed(rows, pa.schema([self.schema.field(k) for k in names]), name)

    def facts(self) -> list[Any]:
        return [str(self.schema), self._told]


def written_rows(blocks: Iterator[Any], folder: Path) -> tuple[Parts, Parts | None]:
    """Rows of blocks that come once only, written to files in ``folder``; their labels, if blocks are pairs.

    Raises
    ------
    TypeError, ValueError
        If a block is none, or is unlike the first.
    OSError
        If the files cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of a call that was killed
    folder.mkdir(parents=True)
    digests: tuple[list[str], list[str]] = ([], [])
    names: tuple[str, ...] | None = None
    has_labels = False
    for k, pair in enumerate(_gathered(_pairs(lambda: blocks))):
        for which, rows in enumerate(pair):
            if rows is not None:
                digests[which].append(told(rows))
                _write(rows, folder / "Xy"[which] / f"part-{k:06d}")
        has_labels = pair.y is not None
        names = None if isinstance(pair.X, np.ndarray) else tuple(pair.X.schema.names)
    if not digests[0]:
        raise ValueError("X gives no blocks of rows.")
    X = _written(folder / "X", names, digests[0])
    return X, _written(folder / "y", None, digests[1]) if has_labels else None


class NumpyPart:
    """An .npy file as a `Part` of one piece, mapped where it is read."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self.sizes = [len(mapped(path))]

    def load(self, piece: int, names: Sequence[str]) -> NDArray[Any]:
        return mapped(self._path)

    def where(self, piece: int, row: int) -> tuple[str, int]:
        return self._path, row

    def facts(self) -> list[Any]:
        return []


class WrittenParts(Parts):
    """Parts told by what they hold: they are written anew by every call."""

    def __init__(self, parts: Sequence[Any], names: tuple[str, ...] | None, digests: list[str]) -> None:
        super().__init__(parts, names)
        self._digest = fingerprint(digests, [])

    def facts(self) -> list[Any]:
        return [self._digest]


def _written(folder: Path, names: tuple[str, ...] | None, digests: list[str]) -> Parts:
    if names is not None:
        return WrittenParts(file_rows(places_of(str(folder), None)).parts, names, digests)
    return WrittenParts([NumpyPart(path) for path in sorted(folder.iterdir())], None, digests)


def _write(rows: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    if isinstance(rows, np.ndarray):
        np.save(path.with_suffix(".npy"), _without_objects(rows), allow_pickle=False)
    else:
        pa.parquet.write_table(rows, path.with_suffix(".parquet"), compression="zstd")


def _without_objects(rows: NDArray[Any]) -> NDArray[Any]:
    if rows.dtype.kind != "O":
        return rows
    if not all(isinstance(cell, str) for cell in rows.flat):
        raise TypeError("blocks that come once only must hold numbers or text, got an array of other objects.")
    return rows.astype(np.str_)


def _gathered(pairs: Iterator[Pair]) -> Iterator[Pair]:
    """Blocks below each other, so that few files are needed."""
    held: list[Pair] = []
    first: Pair | None = None
    for k, pair in enumerate(pairs):
        first = first or pair
        _check_alike(first, pair, k)
        held.append(pair)
        if sum(len(one.X) for one in held) >= _FILE_ROWS:
            yield _below(held)
            held = []
    if held:
        yield _below(held)


def _below(held: list[Pair]) -> Pair:
    columns = [None if rows[0] is None else rows for rows in zip(*held, strict=True)]
    return Pair(*(
        None if rows is None else np.concatenate(rows) if isinstance(rows[0], np.ndarray) else joined(rows)
        for rows in columns
    ))  # fmt: skip


def _numbers(blocks: Moving) -> Iterator[int]:
    """0, 1, ... up to the last block."""
    k = 0
    while True:
        try:
            blocks.get(k)
        except StopIteration:
            return
        yield k
        k += 1


def _pairs(begin: Callable[[], Iterable[Any]]) -> Iterator[Pair]:
    """Blocks with rows in them, as tables or arrays."""
    try:
        blocks = begin()
    except TypeError as error:  # a function that wants arguments, say
        raise TypeError(f"X must give blocks when it is called without arguments{said(error)}.") from error
    for k, item in enumerate(blocks):
        pair = _pair(item, f"X (block {k:,})")
        if len(pair.X):
            yield pair


def _pair(item: Any, name: str) -> Pair:
    X, y = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    if isinstance(X, pd.DataFrame):
        X = from_frame(X, name)
    elif isinstance(X, pa.RecordBatch):
        X = pa.Table.from_batches([X])
    elif hasattr(X, "__arrow_c_stream__"):
        X = pa.table(X)
    if isinstance(X, pa.Table):
        X = conformed(X, plain_schema(X.schema), name)
    else:
        X = as_array(X, name)
        if X.ndim == 0:
            raise TypeError(f"{name} must be a frame, an array, or one with its labels, got {item!r:.80}.")
    if y is not None:
        y = as_array(y, f"the labels of {name}")
        if y.shape != (len(X),):
            raise ValueError(f"{name} has {len(X):,} rows, but labels of shape {y.shape}.")
    return Pair(X, y)


def _check_alike(first: Pair, pair: Pair, k: int) -> None:
    name = f"X (block {k:,})"
    if isinstance(first.X, np.ndarray) != isinstance(pair.X, np.ndarray):
        kind = "an array" if isinstance(first.X, np.ndarray) else "a table"
        raise TypeError(f"{name} must be {kind}, as the first block.")
    if (first.y is None) != (pair.y is None):
        kind = "without" if pair.y is None else "with"
        raise ValueError(f"{name} comes {kind} labels, unlike the first block.")
    if isinstance(first.X, np.ndarray):
        if first.X.shape[1:] != pair.X.shape[1:]:
            raise ValueError(f"{name} must have rows of shape {first.X.shape[1:]}, got {pair.X.shape[1:]}.")
    else:
        conformed(pair.X.slice(0, 0), first.X.schema, name)
