"""Saved state without pickle: one zip of .npy arrays and a ``meta.json``.

Members are stored uncompressed, so no member can be larger than the file itself, and each is
checked against its SHA-256. Nothing is unpacked to disk and nothing in a file is ever executed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hcdv._files import written_aside
from hcdv._npy import NO_ARRAY, is_text_sound
from hcdv._validation import check_path

_FORMAT = "hcdv"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}")
_KINDS = "biufUSMm"  # plain numbers, strings and dates; never objects or records
_META = "meta.json"
_META_LIMIT = 64 * 2**20
_RESERVED = ("format", "sha256")


def write_archive(
    path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
) -> None:
    """Write arrays and plain facts to one file, atomically and byte for byte reproducibly.

    Parameters
    ----------
    path : path-like
        The file to write.
    arrays : mapping of str to ndarray
        Numbers, booleans, dates or strings. An object array of strings becomes a unicode array; any
        other object array is refused.
    meta : mapping
        JSON-able facts. ``meta["kind"]`` (str) says what the file holds and ``meta["version"]``
        (int) how; the names ``format`` and ``sha256`` are taken.

    Raises
    ------
    TypeError
        If an array holds objects, or ``meta`` something that JSON cannot hold.
    ValueError
        If a name is not plain, or ``kind`` or ``version`` is missing.
    """
    members = _members(arrays, meta)
    with written_aside(path) as aside:
        _write(aside, members)


def archive_bytes(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> bytes:
    """The same as bytes in memory."""
    buffer = io.BytesIO()
    _write(buffer, _members(arrays, meta))
    return buffer.getvalue()


def _members(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> dict[str, bytes]:
    """Names and contents of the files in an archive."""
    if not isinstance(meta.get("kind"), str) or not isinstance(meta.get("version"), int):
        raise ValueError("meta must hold 'kind' (a string) and 'version' (an integer).")
    taken = [key for key in _RESERVED if key in meta]
    if taken:
        raise ValueError(f"meta must not hold {taken[0]!r}: the archive sets it itself.")
    members = {f"{_plain(name)}.npy": _npy(name, array) for name, array in arrays.items()}
    header = {
        **meta,
        "format": _FORMAT,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    try:
        text = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"meta must hold what JSON can hold: {error}.") from None
    return {_META: text.encode(), **members}


def _write(target: Any, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            # A fixed date: equal content gives equal files.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def read_archive(
    path: str | os.PathLike[str], kind: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_archive` wrote.

    Parameters
    ----------
    path : path-like
        The file to read.
    kind : str
        The kind of content that is wanted.
    version : int
        The newest version that the caller understands.

    Returns
    -------
    arrays : dict of str to ndarray
        Fresh, writable, C-contiguous arrays.
    meta : dict
        The facts, with ``kind`` and ``version``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no HCDV archive, damaged, of another kind, from a newer HCDV, or holds
        anything that `write_archive` would not have written.
    """
    where = check_path(path)
    try:
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size, where, kind, version)
    except IsADirectoryError:
        raise ValueError(f"{where} is a folder, not a saved HCDV file.") from None


def archive_from_bytes(
    data: bytes, where: str, kind: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `archive_bytes` made; ``where`` is how errors call it."""
    return _read(io.BytesIO(data), len(data), where, kind, version)


def _read(
    file: IO[bytes], size: int, where: str, kind: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = _checked_members(archive, size, where)
            meta = _checked_meta(archive.read(infos.pop(_META)), where, kind, version)
            digests = meta.pop("sha256")
            if set(digests) != set(infos):
                raise ValueError(f"{where} is damaged: its members are not those it lists.")
            arrays = {}
            for name, info in infos.items():
                data = archive.read(info)
                if hashlib.sha256(data).hexdigest() != digests[name]:
                    raise ValueError(f"{where} is damaged: the checksum of {name!r} is wrong.")
                arrays[name.removesuffix(".npy")] = _array(data, name, where)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError):
        raise ValueError(f"{where} is not a saved HCDV file, or it is cut short.") from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A directory of the zip that points before the file's begin.
        raise ValueError(f"{where} is not a saved HCDV file, or it is cut short.") from None
    return arrays, meta


def _plain(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"array names must be plain (letters, digits, '_.:-'), got {name!r}.")
    return name


def _npy(name: str, array: NDArray[Any]) -> bytes:
    array = np.asarray(array)
    if array.dtype.kind in "OT":
        if not all(isinstance(item, str) for item in array.flat):
            raise TypeError(
                f"array {name!r} holds objects; only numbers, dates and strings are saved."
            )
        array = array.astype(np.str_)
    if array.dtype.kind not in _KINDS or array.dtype.itemsize == 0:
        raise TypeError(f"array {name!r} has dtype {array.dtype}, which is not saved.")
    buffer = io.BytesIO()
    # asarray, not ascontiguousarray: the latter would turn a scalar into one element.
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def _checked_members(archive: zipfile.ZipFile, size: int, where: str) -> dict[str, zipfile.ZipInfo]:
    infos = {info.filename: info for info in archive.infolist()}
    if len(infos) != len(archive.infolist()) or _META not in infos:
        raise ValueError(f"{where} is not a saved HCDV file.")
    for name, info in infos.items():
        if name != _META and not (name.endswith(".npy") and _NAME.fullmatch(name[:-4])):
            raise ValueError(f"{where} is not a saved HCDV file: it holds a member {name!r}.")
        # Stored members cannot unfold into more than the file holds.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{where} is not a saved HCDV file: {name!r} is compressed.")
        if info.file_size > size or info.flag_bits & 1:
            raise ValueError(f"{where} is damaged: {name!r} is larger than the file, or encrypted.")
    if sum(info.file_size for info in infos.values()) > size:
        raise ValueError(f"{where} is damaged: its members overlap.")
    if infos[_META].file_size > _META_LIMIT:
        raise ValueError(f"{where} is not a saved HCDV file: its {_META} is too large.")
    return infos


def _checked_meta(data: bytes, where: str, kind: str, version: int) -> dict[str, Any]:
    try:
        meta = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(f"{where} is damaged: its {_META} cannot be read.") from None
    if not isinstance(meta, dict) or meta.pop("format", None) != _FORMAT:
        raise ValueError(f"{where} is not a saved HCDV file.")
    if meta.get("kind") != kind:
        raise ValueError(f"{where} holds {meta.get('kind')!r}, expected {kind!r}.")
    found = meta.get("version")
    if type(found) is not int or found < 1:
        raise ValueError(f"{where} is damaged: its version is {found!r}.")
    if found > version:
        raise ValueError(
            f"{where} has version {found}, and this HCDV reads up to {version}; upgrade hcdv."
        )
    if not isinstance(meta.get("sha256"), dict):
        raise ValueError(f"{where} is damaged: it lists no checksums.")
    return meta


def _array(data: bytes, name: str, where: str) -> NDArray[Any]:
    buffer = io.BytesIO(data)
    try:
        major = np.lib.format.read_magic(buffer)
        if major == (1, 0):
            header = np.lib.format.read_array_header_1_0(buffer)
        else:
            header = np.lib.format.read_array_header_2_0(buffer)
    except NO_ARRAY:
        raise ValueError(f"{where} is damaged: {name!r} is no array.") from None
    shape, fortran, dtype = header
    # Text of no letters takes no room in a file, whatever its shape, and some in memory.
    if dtype.kind not in _KINDS or dtype.itemsize == 0 or fortran or any(length < 0 for length in shape):
        raise ValueError(f"{where} holds {name!r} of a kind that is never saved ({dtype}).")
    # Python integers: a hostile shape must not wrap around.
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize != len(data) - buffer.tell():
        raise ValueError(f"{where} is damaged: {name!r} is not as long as its shape {shape} says.")
    try:
        array: NDArray[Any] = np.frombuffer(data, dtype, count, buffer.tell()).reshape(shape)
    except (ValueError, OverflowError):
        raise ValueError(f"{where} is damaged: {name!r} has an impossible shape {shape}.") from None
    if not is_text_sound(array):
        raise ValueError(f"{where} is damaged: {name!r} is text with letters that do not exist.")
    return array.astype(dtype.newbyteorder("="), copy=True)
