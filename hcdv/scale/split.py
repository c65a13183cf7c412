"""Parts that came out too large are divided, so that no task needs more memory than was planned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import read_archive, write_archive
from hcdv.games.dispersion import directions
from hcdv.hierarchy import Hierarchy
from hcdv.io.source import mapped
from hcdv.partition import TreeArrays
from hcdv.scale.recipe import Recipe
from hcdv.scale.upper import leaf_centres
from hcdv.scale.work import Work, save_array

KIND, VERSION = "split", 1
# Rows of a part by which it is divided.
SAMPLE_ROWS = 50_000


@dataclass(frozen=True, eq=False)
class Split:
    """How a part was divided.

    Attributes
    ----------
    tree : Hierarchy
        Over a sample; its leaves, in the order of their points, are the new parts.
    centres : float32 [leaves, d]
    counts : int64 [blocks, leaves]
        Rows of each new part in each of the files that have been written, which are sorted by new part.
    """

    tree: Hierarchy
    centres: NDArray[np.float32]
    counts: NDArray[np.int64]


def split_part(
    work: Work, recipe: Recipe, part_rows: int, job: tuple[int, NDArray[np.int64]]
) -> Split:
    """Divide a part.

    Parameters
    ----------
    work : Work
    recipe : Recipe
    part_rows : int
        Rows wanted in a part; none of the new ones holds more than twice as many.
    job : (int, int64 [blocks, 2])
        The part, and where its rows stand in each shard.

    Returns
    -------
    Split
    """
    part, bounds = job
    place = work.place("shards", f"split-{part}.npz")
    if place.exists():
        arrays, _ = read_archive(place, kind=KIND, version=VERSION)
        tree = Hierarchy(*(arrays[name] for name in TreeArrays._fields))
        return Split(tree, arrays["centres"], arrays["counts"])
    sizes = bounds[:, 1] - bounds[:, 0]
    n = int(sizes.sum())
    sample = _sample(work, bounds, sizes)
    Z = directions(sample)
    tree = Hierarchy.build(
        Z, branching=recipe.branching, leaf_size=max(1, len(Z) * part_rows // n),
        capacity_slack=recipe.capacity_slack, random_state=recipe.seed, n_jobs=1,
    )  # fmt: skip
    centres = leaf_centres(tree, Z)
    room = np.full(len(centres), 2 * part_rows)
    counts = np.zeros((len(bounds), len(centres)), np.int64)
    for block, (begin, end) in enumerate(bounds):
        if begin == end:
            continue
        records = mapped(work.numbered("shards", block))[begin:end]
        piece = _with_room(records["vote"] @ centres.T, room)
        counts[block] = np.bincount(piece, minlength=len(centres))
        save_array(split_file(work, part, block), records[np.argsort(piece, kind="stable")])
    write_archive(
        place,
        {name: getattr(tree, name) for name in TreeArrays._fields} | {"centres": centres, "counts": counts},
        {"kind": KIND, "version": VERSION},
    )
    return Split(tree, centres, counts)


def split_file(work: Work, part: int, block: int) -> Path:
    return work.place("shards", f"split-{part}-{block}.npy")


def _sample(work: Work, bounds: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of the part, evenly spread over all."""
    n = int(sizes.sum())
    k = min(n, SAMPLE_ROWS)
    chosen = np.arange(k, dtype=np.int64) * n // k
    before = np.cumsum(sizes) - sizes
    pieces = []
    for block, (begin, end) in enumerate(bounds):
        if begin < end:
            mine = chosen[(chosen >= before[block]) & (chosen < before[block] + sizes[block])]
            pieces.append(mapped(work.numbered("shards", block))["vote"][begin + mine - before[block]])
    return np.concatenate(pieces)


def _with_room(scores: NDArray[np.float32], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best-scoring place that has room left, for rows in their order; takes it from ``room``."""
    chosen = np.full(len(scores), -1, np.int64)
    waiting = np.arange(len(scores))
    while len(waiting):
        wanted = np.where(room > 0, scores[waiting], -np.inf).argmax(axis=1)
        by_place = np.argsort(wanted, kind="stable")
        counts = np.bincount(wanted, minlength=len(room))
        rank = np.empty(len(wanted), np.int64)
        rank[by_place] = np.arange(len(wanted)) - np.repeat(np.cumsum(counts) - counts, counts)
        fits = rank < room[wanted]
        chosen[waiting[fits]] = wanted[fits]
        room -= np.minimum(counts, room)
        waiting = waiting[~fits]
    return chosen
