"""Rows in the leaves of the forest, by part and of all: through them rows hear those of other parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hcdv._archive import read_archive, write_archive
from hcdv.affinity import LeafCounts
from hcdv.scale.learn import Learned
from hcdv.scale.work import Work

KIND, VERSION = "leaf counts", 2


def count_part(work: Work, learned: Learned, number: int, records: NDArray[np.void]) -> None:
    """Count the rows of a part in the leaves, and write it down."""
    assert learned.forest is not None
    unseen, labels = learned.forest.unseen_by(np.array(records["row"])), records["label"].astype(np.int64)
    _save(
        _place(work, number),
        LeafCounts.of(records["leaves"], unseen, labels, learned.n_leaves, learned.n_classes),
    )


def count_all(work: Work, n_parts: int) -> None:
    """Add up what was counted in the parts."""
    total = of_part(work, 0)
    for number in range(1, n_parts):
        total = total + of_part(work, number)
    _save(_place(work), total)


def of_part(work: Work, number: int) -> LeafCounts:
    """Rows of a part by leaf and class."""
    return _load(_place(work, number))


def of_all(work: Work) -> LeafCounts:
    """The same of all rows."""
    return _load(_place(work))


def _place(work: Work, number: int | None = None) -> Path:
    if number is None:
        return work.place("learned", "leaf_counts.npz")
    return work.numbered("parts", number, "leaves.npz")


def _save(place: Path, counts: LeafCounts) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "votes": counts.votes.data,
        "classes": counts.votes.indices,
        "start": counts.votes.indptr,
        "shape": np.array(counts.votes.shape),
        "sizes": counts.sizes,
    }
    write_archive(place, arrays, {"kind": KIND, "version": VERSION})


def _load(place: Path) -> LeafCounts:
    held, _ = read_archive(place, kind=KIND, version=VERSION)
    votes = csr_array((held["votes"], held["classes"], held["start"]), tuple(held["shape"].tolist()))
    return LeafCounts(votes, held["sizes"])
