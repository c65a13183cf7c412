"""Names of the rows, on disk and told apart before any long work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas.util import hash_array

from hcdv._files import written_aside
from hcdv._labels import of_one_kind, shown
from hcdv.io.source import Source, let_go, mapped
from hcdv.scale.work import Work, create_array, fill_array

# Names read from the source at a time, and from their file.
READ_AT_ONCE = 1 << 20
LOOKED_AT_ONCE = 1 << 18
# Names whose keys, of 8 bytes each, are sorted at a time.
SORTED_AT_ONCE = 1 << 23
# Keys that came twice whose names are looked at in one go.
KEYS_AT_ONCE = 1000


def place_names(work: Work, source: Source) -> None:
    """Write the names of all rows into the work folder.

    Raises
    ------
    ValueError
        If two rows bear the same.
    """
    place = work.place("values", "ids.npy")
    if place.exists():
        return
    n = source.n_rows
    pieces = [(begin, min(begin + READ_AT_ONCE, n)) for begin in range(0, n, READ_AT_ONCE)]
    # Read twice, as the longest must be known first.
    kinds = {_names(source, *piece).dtype for piece in pieces}
    with written_aside(place) as aside:
        create_array(aside, (n,), np.result_type(*kinds))
        for begin, end in pieces:
            fill_array(aside, slice(begin, end), _names(source, begin, end))
        check_distinct(mapped(aside))


def check_distinct(names: NDArray[Any]) -> None:
    """Refuse names [n] of which two are the same, in memory that does not grow with n.

    Numbers that rows have been counted by ascend.  Of others 64-bit keys are sorted, a share of them at a time,
    and the names of equal keys compared.
    """
    if all((block[1:] > block[:-1]).all() for block in _blocks(names, overlap=1)):
        return
    n_shares = -(-len(names) // SORTED_AT_ONCE)
    for share in range(n_shares):
        keys = np.concatenate([some[some % n_shares == share] for some in map(_keys, _blocks(names))])
        keys.sort()
        twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
        for first in range(0, len(twice), KEYS_AT_ONCE):
            _check_apart(names, twice[first : first + KEYS_AT_ONCE])


def _check_apart(names: NDArray[Any], keys: NDArray[np.uint64]) -> None:
    """That names are distinct among those of some keys."""
    times: Counter[Any] = Counter()
    for block in _blocks(names):
        found, counts = np.unique(block[np.isin(_keys(block), keys)], return_counts=True)
        times.update(dict(zip(found, counts.tolist(), strict=True)))
    for name, count in times.items():
        if count > 1:
            raise ValueError(f"ids must be unique: {shown(name)} occurs {count} times.")


def _keys(names: NDArray[Any]) -> NDArray[np.uint64]:
    """A number for each name; equal names have equal ones, others hardly ever."""
    objects = names.astype(object) if names.dtype.kind in "US" else names
    return hash_array(objects, categorize=False)


def _blocks(names: NDArray[Any], overlap: int = 0) -> Iterator[NDArray[Any]]:
    for first in range(0, len(names), LOOKED_AT_ONCE):
        block = np.array(names[first : first + LOOKED_AT_ONCE + overlap])
        let_go(names)
        yield block


def _names(source: Source, begin: int, end: int) -> NDArray[Any]:
    """Names of rows as an array that a file can hold."""
    names = np.asarray(source.ids(begin, end))
    if names.dtype.kind != "O":
        return names
    alike = of_one_kind(names)
    return names.astype(str) if alike is None else alike
