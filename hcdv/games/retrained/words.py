"""Models in words, the same from process to process."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from hcdv._digest import fingerprint


class UntoldError(Exception):
    """Something cannot be put in words, such as a function."""


def model_in_words(value: Any, *, strict: bool = True) -> Any:
    """Plain facts that JSON can hold, of a scikit-learn object or a parameter of one.

    Steps keep their order, and what stands beside a step (the columns of a ``ColumnTransformer``) counts.

    Parameters
    ----------
    value
    strict : bool
        Words are equal only where the models are.  Otherwise functions go by their names, and own code is
        not looked at.

    Raises
    ------
    UntoldError
        With ``strict``, if something in it is a function, or an object without ``get_params``.
    """

    def inside(item: Any) -> Any:
        return model_in_words(item, strict=strict)

    if value is None or isinstance(value, (bool, int, float, str)):
        return [type(value).__name__, value]
    if isinstance(value, np.generic):
        return ["scalar", value.dtype.str, inside(value.item())]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufUS":
        return ["array", fingerprint([], [value])]
    if isinstance(value, slice):
        return ["slice", *map(inside, (value.start, value.stop, value.step))]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(inside, value)]
    if isinstance(value, Mapping):
        pairs = [[inside(key), inside(item)] for key, item in value.items()]
        return [type(value).__name__, *pairs]
    if hasattr(value, "get_params") and not isinstance(value, type):
        parameters = sorted(value.get_params(deep=False).items())
        return [_code(type(value), strict), *([name, inside(item)] for name, item in parameters)]
    if strict:
        raise UntoldError
    # Where an object lies in memory is another place in every process.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _code(kind: type, strict: bool) -> list[str]:
    """A class and, with ``strict``, what it does: versions of the packages it comes from, else its source."""
    said = [f"{kind.__module__}.{kind.__qualname__}"]
    if not strict:
        return said
    for base in kind.__mro__[:-1]:
        package = sys.modules.get(base.__module__.split(".")[0])
        version = getattr(package, "__version__", None)
        if isinstance(version, str):
            said.append(f"{base.__module__} {version}")
            continue
        try:
            said.append(inspect.getsource(base))
        except (OSError, TypeError):
            raise UntoldError from None
    return said
