"""Rows that do not fit into memory: encoded block by block into a file that is mapped."""

from __future__ import annotations

import json
import mmap
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from hcdv._digest import fingerprint
from hcdv._files import check_place, written_aside
from hcdv._validation import check_choice, check_int
from hcdv.encoder._spaces import Encoder
from hcdv.encoder._state import to_state

DTYPES = ("float32", "float16")
# Rows by which data are told from others, at each end.
TOLD_ROWS = 1000
# Seconds of work that a crash costs at most, roughly.
FLUSH_EVERY = 5.0


def encode_to_disk(
    encoder: Encoder | Any,
    X: Any,
    path: str | os.PathLike[str],
    *,
    n_rows: int | None = None,
    space: str | None = None,
    dtype: str = "float32",
    block_rows: int = 1 << 16,
    resume: bool = True,
    progress: Callable[[int], None] | None = None,
) -> NDArray[Any]:
    """Encode rows block by block into an .npy file; memory does not grow with their number.

    Rows are mapped one by one, so blocks make no difference, but for the last digit of float32 where the
    encoder multiplies matrices (principal components, networks).

    Parameters
    ----------
    encoder : Encoder or transformer
        Fitted: ``model.encoder_`` of a fitted `HCDV`, one that `load_encoder` gave, or any object with
        ``transform``.
    X : array, memory map, DataFrame, sparse matrix, path of an .npy file, or iterable of them, n rows
        An iterable gives blocks of any size, in order.
    path : path-like
        Where the file shall stand.  What stood there before stays until all rows are encoded.
    n_rows : int, optional
        Rows of an iterable, which cannot be asked.
    space : str, optional
        One of ``encoder.others``; the vote space by default.
    dtype : {"float32", "float16"}
    block_rows : int
        Rows at a time.
    resume : bool
        Whether to go on where a call that was killed has stopped (within seconds), if encoder, shape and the
        first and last thousand rows are the same.  Iterables and objects that are no encoder of this library
        start anew.
    progress : callable, optional
        Told the rows done, after each block.

    Returns
    -------
    numpy.memmap [n, d] of ``dtype``, read-only

    Raises
    ------
    ValueError
        If a block does not fit the encoder or ``dtype`` cannot hold a number, or an iterable gives other than
        ``n_rows`` rows.
    OSError
        If the file cannot be written.
    """
    check_choice(dtype, "dtype", DTYPES)
    check_int(block_rows, "block_rows", 1)
    others = getattr(encoder, "others", ())
    if space is not None and space not in others:
        raise ValueError(f"space must be one of the encoder's ({', '.join(others) or 'none'}), got {space!r}.")
    target = check_place(path)
    if isinstance(X, (str, os.PathLike)):
        X = _mapped(X)
    is_sliced = hasattr(X, "shape")
    n = _length(X, n_rows) if is_sliced else check_int(n_rows, "n_rows (of an iterable)", 1)
    told = _told(encoder, X, space, dtype) if is_sliced and resume else None
    part = _Part(target, told)
    done = part.begin()
    blocks = _slices(X, done, block_rows) if is_sliced else _cut(X, block_rows)
    try:
        for block in blocks:
            name = f"X (rows {done:,} to {done + _rows(block) - 1:,})"
            if done + _rows(block) > n:
                raise ValueError(f"n_rows must be the rows that X gives, got {n:,}, but there are more.")
            encoded = _encoded(encoder, block, space, name)
            part.write(_narrowed(encoded, dtype, done), n, done)
            done += len(encoded)
            if progress is not None:
                progress(done)
        if done != n:
            raise ValueError(f"n_rows must be the rows that X gives, got {n:,}, but there are {done:,}.")
        part.finish()
    finally:
        part.close()
    return _mapped(target)


class _Part:
    """The file while it grows, and beside it how far it is."""

    def __init__(self, target: Path, told: str | None) -> None:
        self.target = target
        self.told = told
        self.rows_path = target.with_name(f".{target.name}.encoding")
        self.facts_path = target.with_name(f".{target.name}.encoding.json")
        self._file: Any = None
        self._width: int | None = None
        self._flushed = time.monotonic()

    def begin(self) -> int:
        """Rows that are there already."""
        facts = self._facts()
        if facts is None:
            self._file = open(self.rows_path, "wb")  # noqa: SIM115
            return 0
        self._file = open(self.rows_path, "r+b")  # noqa: SIM115
        self._file.truncate(facts["bytes"])
        self._file.seek(0, os.SEEK_END)
        self._width = facts["width"]
        return int(facts["rows"])

    def write(self, rows: NDArray[Any], n: int, done: int) -> None:
        if self._width is None:
            self._width = rows.shape[1]
            header = {"descr": rows.dtype.str, "fortran_order": False, "shape": (n, self._width)}
            np.lib.format.write_array_header_1_0(self._file, header)
        if rows.shape[1] != self._width:
            raise ValueError(
                f"the encoder must give {self._width} dimensions for every block, got {rows.shape[1]} at row "
                f"{done:,}."
            )
        self._file.write(rows.data)
        if time.monotonic() - self._flushed > FLUSH_EVERY and self.told is not None:
            self._sync()
            so_far = {"rows": done + len(rows), "bytes": self._file.tell(), "width": self._width}
            with written_aside(self.facts_path) as aside:
                aside.write_text(json.dumps({"told": self.told, **so_far}))
            self._flushed = time.monotonic()

    def finish(self) -> None:
        self._sync()
        self._file.close()
        os.replace(self.rows_path, self.target)
        self.facts_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Rows of a call that has failed stay, if another can go on from them."""
        self._file.close()
        if not self.facts_path.exists():
            self.rows_path.unlink(missing_ok=True)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _facts(self) -> dict[str, Any] | None:
        """How far a killed call came, if it was the same and its file holds what it says; else they go."""
        try:
            facts = json.loads(self.facts_path.read_text())
            numbers = [facts[key] for key in ("rows", "bytes", "width")]
            is_same = self.told is not None and facts["told"] == self.told
            is_sound = is_same and all(type(k) is int and k > 0 for k in numbers)
            if is_sound and self.rows_path.stat().st_size >= facts["bytes"]:
                return dict(facts)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.facts_path.unlink(missing_ok=True)
        return None


def _encoded(encoder: Any, block: Any, space: str | None, name: str) -> NDArray[Any]:
    if space is not None:
        return np.asarray(encoder.spaces(block, columns=False, name=name).others[space])
    rows = encoder.transform(block, name=name) if _is_ours(encoder) else encoder.transform(block)
    if scipy.sparse.issparse(rows):
        rows = rows.toarray()
    rows = np.asarray(rows)
    if rows.ndim != 2 or len(rows) != _rows(block):
        raise ValueError(f"the encoder must give [n, d] for n rows, got shape {rows.shape} for {_rows(block)}.")
    return rows


def _narrowed(rows: NDArray[Any], dtype: str, first: int) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = np.ascontiguousarray(rows, dtype)
    is_finite = np.isfinite(narrow).all(axis=1)
    if not is_finite.all():
        k = int(np.argmin(is_finite))
        raise ValueError(
            f"row {first + k:,} cannot be held as {dtype}: its largest number is {np.abs(rows[k]).max():.3g}"
            + ("; use float32." if dtype == "float16" else ".")
        )
    return narrow


def _told(encoder: Any, X: Any, space: str | None, dtype: str) -> str | None:
    """What the file is of; None where it cannot be told."""
    if not _is_ours(encoder):
        return None
    facts, arrays = to_state(encoder)
    ends = []
    for end in (X[:TOLD_ROWS], X[-TOLD_ROWS:]) if not isinstance(X, pd.DataFrame) else (
        X.iloc[:TOLD_ROWS], X.iloc[-TOLD_ROWS:]
    ):  # fmt: skip
        if isinstance(end, pd.DataFrame):
            ends.append(pd.util.hash_pandas_object(end, index=False).to_numpy())
        elif scipy.sparse.issparse(end):
            ends += [end.tocsr().data, end.tocsr().indices]
        else:
            ends.append(np.asarray(end))
    if any(array.dtype.kind == "O" for array in ends):
        return None
    what = [json.dumps(facts), sorted(arrays), list(X.shape), space, dtype]
    return fingerprint(what, [*(arrays[name] for name in sorted(arrays)), *ends])


def _is_ours(encoder: Any) -> bool:
    return type(encoder).__module__.split(".")[0] == "hcdv"


def _mapped(path: str | os.PathLike[str]) -> NDArray[Any]:
    try:
        rows: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is no .npy file of numbers: {error}.") from None
    if not isinstance(rows, np.ndarray):
        raise ValueError(f"{os.fspath(path)} must be an .npy file with one array.")
    return rows


def _length(X: Any, n_rows: int | None) -> int:
    n = int(X.shape[0])
    if n == 0:
        raise ValueError("X has no rows.")
    if n_rows is not None and n_rows != n:
        raise ValueError(f"n_rows must be {n:,}, the rows of X, got {n_rows:,}.")
    return n


def _rows(block: Any) -> int:
    return int(block.shape[0]) if hasattr(block, "shape") else len(block)


def _slices(X: Any, first: int, size: int) -> Iterator[Any]:
    cut = X.iloc if isinstance(X, pd.DataFrame) else (X.tocsr() if scipy.sparse.issparse(X) else X)
    for begin in range(first, X.shape[0], size):
        yield cut[begin : begin + size]
        # Pages that have been read are dropped, or they would count as memory of this process.
        if isinstance(X, np.memmap) and X.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
            X._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _cut(blocks: Iterable[Any], size: int) -> Iterator[Any]:
    """Blocks of any size, the larger ones in pieces."""
    for block in blocks:
        if not hasattr(block, "shape"):
            block = np.asarray(block)
        if block.shape[0]:
            yield from _slices(block, 0, size)
