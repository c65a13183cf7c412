"""Arguments that are well typed, or nearly, and wrong: what tired users and fuzzers pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

HUGE = 10**30

# For any argument, whatever it is meant to be.
ANYTHING: list[Any] = [
    None, "", "nonsense", "zwei\nZeilen", b"bytes", -1, 0, 1, 2, 2**63, HUGE, -HUGE, 0.5, -0.5, 1.5, 1e308,
    5e-324, float("nan"), float("inf"), float("-inf"), True, False, 1j, [], [None], ["a", 1], {}, {"a": 1}, (),
    (1, "a"), object, object(), len, np.array(3), np.float32(0.5), np.int8(-1), np.array([]), np.zeros((0, 3)),
    np.zeros((2, 2, 2)), np.array(["a", 1, None], dtype=object), pd.NA, pd.NaT, pd.DataFrame(), range(0),
]  # fmt: skip
# Amounts of work: a large one is no mistake, but would not end.
LARGEST_AMOUNT = 3


def anything(name: str, endless: frozenset[str]) -> st.SearchStrategy[Any]:
    """Any of `ANYTHING` that ends in time for the argument ``name``."""
    if name not in endless:
        return st.sampled_from(ANYTHING)
    small = [x for x in ANYTHING if not isinstance(x, (int, float)) or not x > LARGEST_AMOUNT]
    return st.sampled_from(small)


def spoilt(array: np.ndarray) -> dict[str, Any]:
    """An array, spoilt in every way a caller has been seen to."""
    plain = array.astype(object)
    rows = len(array)
    signs = np.where(np.arange(array.size) % 2, 1, -1).reshape(array.shape)
    made: dict[str, Any] = {
        "empty": array[:0],
        "one row": array[:1],
        "a row less": array[:-1],
        "twice": np.concatenate([array, array]),
        "another axis": array[..., None],
        "flat": array.ravel(),
        "scalar": array.flat[0],
        "all alike": np.broadcast_to(array[:1], array.shape),
        "all different": np.arange(array.size).reshape(array.shape),
        "objects": plain,
        "text": array.astype(str),
        "list": array.tolist(),
        "ragged": [[0.0] * (1 + i % 2) for i in range(rows)],
        "bool": array.astype(bool) if array.dtype.kind in "biuf" else array,
        "huge integers": np.full(array.shape, 2**63 - 1),
        "integers beyond 64 bits": np.full(array.shape, HUGE, dtype=object),
        "huge floats": 1e308 * signs,
        "tiny floats": np.full(array.shape, 5e-324),
        "complex": np.full(array.shape, 1j),
        "half": np.zeros(array.shape, np.float16),
        "negative": -1 - np.zeros(array.shape, np.int64),
        "Fortran order": np.asfortranarray(array),
        "strided": np.repeat(array, 2, axis=0)[::2],
        "backwards": array[::-1],
        "big endian": array.astype(array.dtype.newbyteorder(">")),
        "dates": np.full(array.shape, np.datetime64("NaT", "s")),
        "records": np.zeros(rows, dtype=[("a", int), ("b", float)]),
        "masked": np.ma.masked_array(array, np.arange(array.size).reshape(array.shape) == 1),
        "frame": pd.DataFrame(array) if array.ndim == 2 else pd.Series(array, index=["same"] * rows),
        "categories": pd.Categorical(array.astype(str).ravel()),
        "nullable": pd.array([None, *[1] * (rows - 1)], dtype="Int64"),
    }  # fmt: skip
    read_only = array.copy()
    read_only.setflags(write=False)
    made["read-only"] = read_only
    for name, value in {
        "NaN": np.nan,
        "infinity": np.inf,
        "None": None,
        "a word": "word",
        "a list": [],
    }.items():
        one = array.astype(float) if isinstance(value, float) and array.dtype.kind in "biuf" else plain.copy()
        one[(rows // 2, *[0] * (array.ndim - 1))] = value
        made[f"{name} in one place"] = one
    return made


def hostile(name: str, good: Any, endless: frozenset[str]) -> st.SearchStrategy[Any]:
    """Bad arguments in the place of ``good``."""
    if isinstance(good, np.ndarray) and good.ndim:
        return st.one_of(st.sampled_from(list(spoilt(good).values())), anything(name, endless))
    return anything(name, endless)
