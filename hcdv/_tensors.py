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

from hcdv._files import written_aside

_FORMAT = "hcdv"


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
    ImportError
        If safetensors is not installed.
    """
    numpy_files = _safetensors()
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {"kind": kind, "version": version, "facts": dict(facts)}
    header["sha256"] = _digest(plain, header)
    with written_aside(path) as aside:
        numpy_files.save_file(plain, aside, metadata={_FORMAT: json.dumps(header)})


def read_tensors(
    path: str | os.PathLike[str], kind: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and facts of a file; nothing in it is ever executed.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError
        If it is no such file, of a newer version, or damaged.
    OSError
        If it cannot be read.
    """
    numpy_files = _safetensors()
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(2, "no such file", name)
    try:
        with safe_open(name, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(_FORMAT, "{}"))
        if not isinstance(header, dict) or header.get("kind") != kind:
            raise ValueError(f"{name} holds no {kind} of HCDV.")
        if header.get("version") != version:
            raise ValueError(
                f"{name} holds version {header.get('version')!r} of the format, this HCDV reads {version}."
            )
        arrays = numpy_files.load_file(name)
    except (SafetensorError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} is no safetensors file, or it is damaged: {error}.") from None
    if header.pop("sha256", None) != _digest(arrays, header) or not isinstance(header["facts"], dict):
        raise ValueError(f"{name} is damaged: its checksum is another.")
    return arrays, header["facts"]


def _digest(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype.str}{array.shape};".encode())
        digest.update(array.reshape(-1).view(np.uint8) if array.size else b"")
    return digest.hexdigest()


def _safetensors() -> Any:
    try:
        from safetensors import numpy as files
    except ImportError:
        raise ImportError(
            "safetensors is needed to keep an encoder in a file: pip install 'hcdv[torch]'."
        ) from None
    return files
