"""Fingerprints: short names for content, equal only where the content is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fingerprint(facts: Any, arrays: Iterable[NDArray[Any] | None]) -> str:
    """A 256-bit digest, in hex, of plain facts and of arrays with their shapes and dtypes.

    Parameters
    ----------
    facts : numbers, strings, None and lists of them
    arrays : iterable of numeric or string arrays, or None
    """
    digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=32)
    for array in arrays:
        if array is None:
            digest.update(b"none;")
            continue
        plain = np.ascontiguousarray(array)
        digest.update(f"{plain.dtype.str}{plain.shape};".encode())
        digest.update(plain.view(np.uint8).reshape(-1) if plain.size else b"")
    return digest.hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
