"""Encode rows block by block."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike, NDArray

from hcdv._files import check_place
from hcdv._validation import NUMBER_TYPES, as_array, check_bool, check_choice, check_int, short
from hcdv.encoder._input import is_table
from hcdv.encoder._spaces import Encoder
from hcdv.encoder.out_of_core._blocks import (
    length,
    n_rows_of,
    pieces,
    readable,
    slices,
)
from hcdv.encoder.out_of_core._fingerprint import fingerprint_of, parts
from hcdv.encoder.out_of_core._partial import PartialFile
from hcdv.encoder.state import check_fitted
from hcdv.io.source import mapped

DTYPES = ("float32", "float16")


def encode_to_disk(
    encoder: Encoder | Any,
    X: Any,
    path: str | os.PathLike[str],
    *,
    n_rows: int | None = None,
    space: str | None = None,
    dtype: DTypeLike = "float32",
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
        Where the file shall stand.  What stood there before stays until all rows are encoded.  One call at a
        time can write it.
    n_rows : int, optional
        Rows of an iterable, which cannot be asked.
    space : str, optional
        One of ``encoder.others``; the vote space by default.
    dtype : {"float32", "float16"}, or what numpy takes for one of them, such as ``np.float16``
    block_rows : int
        Rows at a time.
    resume : bool
        Whether to go on where a call that was killed has stopped (within seconds), if encoder, shape and the
        first and last thousand rows are the same.  Iterables start anew, and so does an encoder that is, or
        stands on, an object that is no encoder of this library (an embedding of your own, say).
    progress : callable, optional
        Told the rows done, after each block.

    Returns
    -------
    numpy.memmap [n, d] of ``dtype``, read-only

    Raises
    ------
    TypeError, ValueError
        If a block does not fit the encoder, the encoder does not give numbers or ``dtype`` cannot hold one, or
        an iterable gives other than ``n_rows`` rows.
    sklearn.exceptions.NotFittedError
        If the encoder is not fitted.
    OSError
        If the file cannot be written, or another call is writing it.
    """
    _check_encoder(encoder)
    dtype = _dtype_name(dtype)
    check_int(block_rows, "block_rows", 1)
    check_bool(resume, "resume")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function that takes the rows done, got {short(progress)}.")
    others = getattr(encoder, "others", ())
    if space is not None and space not in others:
        known = ", ".join(others) or "none"
        raise ValueError(f"space must be one of the encoder's ({known}), got {short(space)}.")
    target = check_place(path)
    if isinstance(X, (str, os.PathLike)) and target.exists() and os.path.samefile(X, target):
        raise ValueError(f"path must be another file than X, got {os.fspath(path)} for both.")
    X = readable(X)
    is_sliced = hasattr(X, "shape")
    n = length(X, n_rows) if is_sliced else check_int(n_rows, "n_rows (of an iterable)", 1)
    told = fingerprint_of(encoder, X, space, dtype) if is_sliced and resume else None
    part = PartialFile(target, told)
    try:
        done = part.begin()
        for block in slices(X, done, block_rows) if is_sliced else pieces(X, block_rows):
            name = f"X (rows {done:,} to {done + n_rows_of(block) - 1:,})"
            if done + n_rows_of(block) > n:
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
    return mapped(target)


def _encoded(encoder: Any, block: Any, space: str | None, name: str) -> NDArray[Any]:
    if space is not None:
        rows = encoder.spaces(block, columns=False, name=name).others[space]
    else:
        rows = encoder.transform(block, name=name) if _is_ours(encoder) else encoder.transform(block)
    if scipy.sparse.issparse(rows):
        rows = rows.toarray()
    rows = as_array(rows, f"what the encoder gives for {name}")
    if rows.ndim != 2 or len(rows) != n_rows_of(block):
        raise ValueError(
            f"the encoder must give [n, d] for n rows, got shape {rows.shape} for {n_rows_of(block)}."
        )
    if rows.shape[1] == 0:
        raise ValueError(f"the encoder must give at least one dimension, got shape {rows.shape}.")
    return _real(rows)


def _real(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows as numbers that a float can hold; float() itself would read text and cut complex numbers."""
    if rows.dtype.kind == "O":
        other = next((type(cell) for cell in rows.flat if not isinstance(cell, NUMBER_TYPES)), None)
        if other is not None:
            raise TypeError(f"the encoder must give real numbers, got {other.__name__} objects.")
        return rows.astype(np.float64)
    if rows.dtype.kind not in "biuf":
        raise TypeError(f"the encoder must give real numbers, got dtype {rows.dtype}.")
    return rows


def _dtype_name(dtype: Any) -> str:
    """Which of ``DTYPES`` is meant."""
    try:
        wanted = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        wanted = None
    # Not by name: another byte order has the same one.
    known = [name for name in DTYPES if wanted == np.dtype(name)]
    return known[0] if known else check_choice(dtype, "dtype", DTYPES)


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


def _check_encoder(encoder: Any) -> None:
    if isinstance(encoder, type) or is_table(encoder) or not callable(getattr(encoder, "transform", None)):
        what = f"the class {encoder.__name__}" if isinstance(encoder, type) else short(encoder)
        raise TypeError(f"encoder must be a fitted encoder or another object with transform, got {what}.")
    for part in parts(encoder):
        check_fitted(part)


def _is_ours(encoder: Any) -> bool:
    return type(encoder).__module__.split(".")[0] == "hcdv"
