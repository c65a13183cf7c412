"""What every task takes first: values, one a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._validation import as_array, check_finite
from hcdv.result import ValuationResult


def values_of(values: Any, name: str = "values") -> NDArray[np.float64]:
    """float64 [n] out of a ValuationResult or of anything 1-D that holds numbers.

    Raises
    ------
    ValueError, TypeError
        If there are no values, or they are not 1-D, finite numbers.
    """
    if hasattr(values, "get_params"):
        raise TypeError(f"{name} must be a result or one number a row, got a model: pass model.result_.")
    array = values.values if isinstance(values, ValuationResult) else as_array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must be 1-dimensional (one value a row), got shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one value, got none.")
    if array.dtype.kind not in "iufO" or (array.dtype.kind == "O" and any(isinstance(v, str) for v in array)):
        raise TypeError(f"{name} must hold numbers, got {array.dtype}.")
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must hold numbers only.") from None
    except OverflowError:
        raise ValueError(f"{name} holds numbers too large for floats.") from None
    check_finite(numbers, name)
    return numbers


def check_mask(mask: Any, n: int, name: str) -> NDArray[np.bool_]:
    """``mask`` as bool [n]; zeros and ones will do."""
    array = as_array(mask, name)
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {array.shape}.")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise TypeError(f"{name} must hold True or False for each row.")
    return array.astype(bool)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written to, for the fields of results."""
    view = array.view()
    view.setflags(write=False)
    return view
