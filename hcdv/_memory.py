"""Memory that kernels like, and giving it back between the stages of a fit."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Of a cache line: a vector register is no longer.
LINE_BYTES = 64

def aligned_zeros(n: int, m: int) -> NDArray[np.float64]:
    """Float64 [n, m] that begins with a cache line: registers that cross two take twice as long to load."""
    words = LINE_BYTES // 8
    buffer = np.zeros(n * m + words)
    first = -(buffer.ctypes.data // 8) % words
    return buffer[first : first + n * m].reshape(n, m)


def release_freed_memory() -> None:
    """Return what has been freed to the system.

    glibc keeps the heaps of worker threads after their arrays are gone; between two stages that may be a
    quarter of all memory in use.  Elsewhere this does nothing.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
