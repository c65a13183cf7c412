"""Stage 2: rows in the order of the data become records, sorted by part, a file for every block of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcdv.engine import Threads
from hcdv.io.source import Source, mapped
from hcdv.scale.finite import check_numbers
from hcdv.scale.labels import plain_labels
from hcdv.scale.learn import Learned, load
from hcdv.scale.records import record_type
from hcdv.scale.upper import nearest
from hcdv.scale.work import Work, save_array


class BlockJob(NamedTuple):
    """The rows [begin, end), as a task gets them."""

    number: int
    begin: int
    end: int
    source: Source


def encode_block(work: Work, job: BlockJob) -> NDArray[np.int64]:
    """Encode a block and write its shard; rows by part, int64 [parts]."""
    place = work.numbered("shards", job.number, "counts.npy")
    if place.exists():
        return np.array(mapped(place))
    learned = load(work)
    records, part = encoded(learned, job.source, job.begin, job.end)
    order = np.argsort(part, kind="stable")
    save_array(work.numbered("shards", job.number), records[order])
    counts = np.bincount(part, minlength=len(learned.centres))
    # Last: where it stands, the shard does.
    save_array(place, counts)
    return counts


def encoded(
    learned: Learned, source: Source, begin: int, end: int
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Records of the rows [begin, end), and the part of each."""
    block = source.read(begin, end)
    check_numbers(block.X, np.arange(begin, end), source, learned.encoder)
    name = f"X (rows {begin:,} to {end - 1:,})"
    spaces = learned.encoder.spaces(block.X, columns=learned.forest is not None, name=name)
    records = np.empty(end - begin, record_type(learned.n_dims, learned.n_leaves))
    vote = spaces.vote
    # Rows of the sample as the encoder gave them when it was fitted: a table keeps a row's own label out there.
    first, last = np.searchsorted(learned.sample_rows, [begin, end])
    own = learned.sample_rows[first:last] - begin
    vote[own] = learned.sample_vote[first:last]
    if learned.forest is not None:
        leaves = learned.forest.leaves(spaces.columns, Threads(1))
        leaves[own] = learned.sample_leaves[first:last]
        records["leaves"] = leaves
    records["row"] = np.arange(begin, end)
    records["label"] = np.searchsorted(learned.classes, plain_labels(block.y, "y"))
    records["vote"] = vote
    return records, nearest(vote, learned.centres)
