"""What numpy does not see, and what it raises, in damaged .npy and .npz files."""

from __future__ import annotations

import sys
import tokenize
from typing import Any

from numpy.typing import NDArray

# The head of an array is a literal of Python. For most ways to spoil it numpy raises ValueError; what its
# parsers raise for the rest (an open bracket, nesting, a key that is missing) comes through, and so does
# RuntimeError for zip files packed in a way that Python does not know.
NO_ARRAY = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, SyntaxError, MemoryError,
    tokenize.TokenError,
)  # fmt: skip


def is_text_sound(array: NDArray[Any]) -> bool:
    """Whether no letter lies beyond Unicode; Python ends in a SystemError when such a one is asked for."""
    if array.dtype.kind != "U" or not array.size:
        return True
    letters = array.reshape(-1).view(array.dtype.str[0] + "u4")
    return int(letters.max()) <= sys.maxunicode
