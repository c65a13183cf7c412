"""Labels as files can hold them, and which of them occur."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._labels import check_two_classes, of_one_kind
from hcdv._validation import check_labels
from hcdv.io.source import Source

# Labels read at a time, where only they are.
LABELS_AT_ONCE = 1 << 20


def plain_labels(y: Any, name: str) -> NDArray[Any]:
    """Labels of some rows as numbers, truth values, dates or texts; of other objects the text that shows them.

    Raises
    ------
    ValueError, TypeError
        If they are no class labels; ``name`` is how errors call them.
    """
    labels = check_labels(y, len(y), name)
    if labels.dtype.kind != "O":
        return labels
    alike = of_one_kind(labels)
    return labels.astype(str) if alike is None else alike


def count_classes(source: Source) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The labels that occur, sorted, and how often each does."""
    n = source.n_rows
    found: list[NDArray[Any]] = []
    often: list[NDArray[np.int64]] = []
    for first in range(0, n, LABELS_AT_ONCE):
        labels = source.labels(first, min(first + LABELS_AT_ONCE, n))
        if labels is None:
            raise ValueError("rows are valued under labels: name the column that holds them.")
        values, counts = np.unique(plain_labels(labels, "y"), return_counts=True)
        if found and _family(values) != _family(found[0]):
            mixed = f"{found[0].dtype} and {values.dtype}"
            raise TypeError(f"y mixes labels of {mixed}; make them all of one kind.")
        found.append(values)
        often.append(counts)
    classes, codes = np.unique(np.concatenate(found), return_inverse=True)
    check_two_classes(classes)
    return classes, np.bincount(codes, np.concatenate(often), len(classes)).astype(np.int64)


def _family(labels: NDArray[Any]) -> str:
    kind = labels.dtype.kind
    return "number" if kind in "biuf" else kind
