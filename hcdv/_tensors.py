"""Arrays and plain facts in one safetensors file, written whole or not at all, checked when read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors import numpy as numpy_files

from hcdv._files import written_aside
from hcdv._validation import check_path

_FORMAT = "hcdv"
# What numpy and safetensors both have, and what safetensors calls it.
_DTYPES = {
    "bool": "BOOL", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "int8": "I8",
    "int16": "I16", "int32": "I32", "int64": "I64", "float16": "F16", "float32": "F32", "float64": "F64",
    "complex64": "C64",
}  # fmt: skip


def write_tensors(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    kind: str,
    version: int,
    facts: Mapping[str, Any],
) -> None:
    """Write one file, atomically.

    Parameters
    ----------
    path : path-like
    arrays : mapping of str to numeric ndarray
    kind : str
        What the file holds, and ``version`` how.
    version : int
    facts : mapping
        What JSON can hold.

    Raises
    ------
    TypeError
        If such a file cannot hold an array's dtype.
    """
    plain = {name: _plain(name, array) for name, array in arrays.items()}
    header = {"kind": kind, "version": version, "facts": dict(facts)}
    header["sha256"] = _digest(plain, header)
    with written_aside(path) as aside:
        mode = aside.stat().st_mode
        numpy_files.save_file(plain, aside, metadata={_FORMAT: json.dumps(header)})
        os.chmod(aside, mode)  # safetensors makes a file of its own, which only its owner can read


def read_tensors(
    path: str | os.PathLike[str], kind: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and facts of a file; nothing in it is ever executed.

    Raises
    ------
    ValueError
        If it is no such file, of a newer version, or damaged.
    OSError
        If it cannot be read.
    """
    name = check_path(path)
    if not Path(path).is_file():
        raise FileNotFoundError(2, "no such file", name)
    header, dtypes = _header(name)
    if not isinstance(header, dict) or header.get("kind") != kind:
        raise ValueError(f"{name} holds no {kind} of HCDV.")
    if header.get("version") != version:
        raise ValueError(
            f"{name} holds version {header.get('version')!r} of the format, this HCDV reads {version}."
        )
    for key, dtype in dtypes.items():
        if dtype not in _DTYPES.values():
            raise ValueError(f"{name} is damaged: its array {key!r} is of dtype {dtype}, which numpy has not.")
    arrays = _arrays(name)
    facts = header.get("facts")
    if header.pop("sha256", None) != _digest(arrays, header) or not isinstance(facts, dict):
        raise ValueError(f"{name} is damaged: its checksum is another.")
    return arrays, facts


def _plain(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array in C order and the byte order of this machine; one without dimensions stays so."""
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"{name} is of dtype {array.dtype}, which a safetensors file cannot hold.")
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def _header(name: str) -> tuple[Any, dict[str, str]]:
    """What a file says of itself, and the dtypes of its arrays."""
    try:
        with safe_open(name, framework="numpy") as file:
            dtypes = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
            header = json.loads((file.metadata() or {}).get(_FORMAT, "{}"))
            # What nests too deep to be written again has no checksum either.
            json.dumps(header)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} is no safetensors file, or it is damaged: {error}.") from None
    return header, dtypes


def _arrays(name: str) -> dict[str, NDArray[Any]]:
    try:
        arrays: dict[str, NDArray[Any]] = numpy_files.load_file(name)
    except (SafetensorError, ValueError, OverflowError) as error:
        # Shapes that numpy cannot have, such as 0 x 2**62.
        raise ValueError(f"{name} is damaged: {error}.") from None
    return arrays


def _digest(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype.str}{array.shape};".encode())
        digest.update(array.reshape(-1).view(np.uint8) if array.size else b"")
    return digest.hexdigest()
