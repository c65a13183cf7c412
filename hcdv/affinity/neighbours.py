"""Nearest rows: exactly in small sets (:mod:`hcdv.affinity.exact`), else by a beam through the tree's levels.

The rows come in tree order, so the nodes of a level are blocks of consecutive rows. A query ranks the
coarsest blocks by the distance of their centroids, then the finer blocks within the best of them, and
measures the rows of the best finest blocks. One pass over the neighbours of neighbours mends most of
what the beam has missed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels import neighbours as kernels
from hcdv.affinity.exact import CHUNK, ROWS_A_GROUP, nearest_rows
from hcdv.affinity.sparse import Workers

# Up to here every pair of rows is measured.
EXACT_ROWS = 20_000
# Measured pairs of rows and validation rows, up to which nothing cheaper is tried.
EXACT_PAIRS = 400_000_000
# Rows of a finest block, and by how much blocks grow from level to level. Small blocks rank better:
# at equal cost blocks of 300 rows find .95, of 40 rows .993 of the neighbours in a mixture (d = 32).
BLOCK_ROWS = 48
LEVEL_RATIO = 8
# Centroids of the coarsest level; each query meets all of them.
TOP_BLOCKS = 8192
# Rows of the blocks kept at the finest level; each coarser level keeps three times as many.
BEAM_ROWS = 2048
BEAM_RATIO = 3
# Neighbours, and neighbours of each, looked at in the pass that widens the lists.
WIDEN = 32
RECALL_SAMPLE = 1000


@dataclass(frozen=True)
class Blocks:
    """Rows laid out for the search: block g holds rows bounds[g] .. bounds[g + 1] - 1."""

    rows: NDArray[Any]
    bounds: NDArray[np.int64]
    panel_start: NDArray[np.int64]
    panels: NDArray[Any]

    @classmethod
    def of(cls, rows: NDArray[Any], bounds: NDArray[np.int64]) -> Blocks:
        panel_start = np.zeros(len(bounds), np.int64)
        np.cumsum(-(-np.diff(bounds) // kernels.PANEL), out=panel_start[1:])
        panels = np.empty(panel_start[-1] * kernels.PANEL * rows.shape[1], rows.dtype)
        kernels.pack_panels(rows, bounds, panel_start, panels)
        return cls(rows, bounds, panel_start, panels)

    @classmethod
    def single(cls, rows: NDArray[Any]) -> Blocks:
        return cls.of(rows, np.array([0, len(rows)], np.int64))

    def nearest(
        self,
        queries: NDArray[Any],
        q: int,
        probes: NDArray[np.int32] | None = None,
        own: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Squared distances and ids [m, q] of the nearest rows in the probed blocks (default: all)."""
        m = len(queries)
        if probes is None:
            probes = np.tile(np.arange(len(self.bounds) - 1, dtype=np.int32), (m, 1))
        if own is None:
            own = np.full(m, -1, np.int64)
        d2 = np.empty((m, q))
        ids = np.empty((m, q), np.int32)
        kernels.search_blocks(
            self.panels, self.panel_start, self.bounds, self.rows, queries, own, probes,
            np.empty(256, self.rows.dtype), np.empty(4 * q + 64), np.empty(4 * q + 64, np.int32),
            d2, ids,
        )  # fmt: skip
        return d2, ids


@dataclass(frozen=True)
class Beam:
    """Levels of blocks, coarsest centroids first, the rows last; beam widths in blocks."""

    levels: tuple[Blocks, ...]
    widths: tuple[int, ...]

    def nearest(
        self, queries: NDArray[Any], q: int, own: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        probes = None
        for blocks, width in zip(self.levels[:-1], self.widths, strict=True):
            probes = blocks.nearest(queries, width, probes)[1]
        return self.levels[-1].nearest(queries, q, probes, own)


def tree_blocks(
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    first_child: NDArray[np.int64],
    n_children: NDArray[np.int64],
    target: int,
) -> NDArray[np.int64]:
    """Boundaries of the largest nodes of at most ``target`` rows; leaves above that are cut evenly.

    The arrays are those of a Hierarchy, [n_nodes] each, breadth-first; rows are in tree order.
    Returns int64 [n_blocks + 1], ascending from 0 to n.
    """
    parts = [np.array([start[0], stop[0]], np.int64)]
    size = stop - start
    small = size <= target
    parent_is_large = np.ones(len(start), bool)
    inner = np.flatnonzero(n_children > 0)
    # Children of a node have consecutive numbers, so a node's mark is spread over a range.
    children = np.repeat(first_child[inner] - _offsets(n_children[inner]), n_children[inner])
    children += np.arange(len(children))
    parent_is_large[children] = np.repeat(~small[inner], n_children[inner])
    chosen = parent_is_large & (small | (n_children == 0))
    parts.append(start[chosen])
    for leaf in np.flatnonzero(chosen & ~small):
        pieces = -(-size[leaf] // target)
        parts.append(start[leaf] + np.arange(pieces) * size[leaf] // pieces)
    return np.unique(np.concatenate(parts))


def tree_levels(
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    first_child: NDArray[np.int64],
    n_children: NDArray[np.int64],
) -> tuple[NDArray[np.int64], ...]:
    """Boundaries of the search levels of a tree, finest first (arguments as in ``tree_blocks``)."""
    levels = []
    target = BLOCK_ROWS
    while True:
        levels.append(tree_blocks(start, stop, first_child, n_children, target))
        if len(levels) > 1 and len(levels[-1]) <= TOP_BLOCKS:
            return tuple(levels)
        target *= LEVEL_RATIO


def grouped_levels(bounds: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """As ``tree_levels`` where only the finest blocks are given: runs of eight form the next level."""
    levels = [bounds]
    while len(levels) < 2 or len(levels[-1]) > TOP_BLOCKS:
        levels.append(np.append(levels[-1][:-1:LEVEL_RATIO], levels[-1][-1]))
    return tuple(levels)


def build_beam(X: NDArray[Any], levels: Sequence[NDArray[np.int64]] | None, times: int = 1) -> Beam:
    """Lays the rows and the centroids of all levels out.

    ``levels`` come finest first (default: runs of consecutive rows); the beam is ``times`` as wide as
    usual.
    """
    if levels is None:
        levels = grouped_levels(np.append(np.arange(0, len(X), BLOCK_ROWS), len(X)))
    elif len(levels) == 1:
        levels = grouped_levels(levels[0])
    # A boundary of a coarse level bounds the finer ones too, so that blocks nest.
    nested = [np.asarray(levels[-1], np.int64)]
    for bounds in reversed(levels[:-1]):
        nested.append(np.union1d(bounds, nested[-1]))
    blocks = []
    widths = []
    for depth, bounds in enumerate(nested):
        size = np.diff(bounds)
        sums = np.add.reduceat(X, bounds[:-1], axis=0, dtype=np.float64)
        centroids = (sums / size[:, None]).astype(X.dtype)
        if depth == 0:
            blocks.append(Blocks.single(centroids))
        else:
            blocks.append(Blocks.of(centroids, np.searchsorted(bounds, nested[depth - 1])))
        wanted = times * BEAM_ROWS * BEAM_RATIO ** (len(nested) - 1 - depth)
        widths.append(int(min(len(size), -(-wanted * len(size) // len(X)))))
    blocks.append(Blocks.of(X, nested[-1]))
    return Beam(tuple(blocks), tuple(widths))


def self_lists(
    X: NDArray[Any],
    q: int,
    bandwidth_neighbor: int,
    levels: Sequence[NDArray[np.int64]] | None,
    threads: Workers,
) -> tuple[NDArray[np.int32], NDArray[np.float64], float]:
    """Nearest other rows of every row.

    Returns lists (int32 [n, q], -1 behind the last), squared distances to the
    ``bandwidth_neighbor``-th row (float64 [n], to the last there is; 0 if there is none), and the
    recall on sampled rows.
    """
    n = len(X)
    if n <= EXACT_ROWS:
        return *_exact_lists(X, X, np.arange(n), q, bandwidth_neighbor, threads), 1.0
    lists, sample, radius = _beam_lists(X, q, bandwidth_neighbor, levels, threads)
    lists, d2 = _widen(lists, X, bandwidth_neighbor, threads)
    return lists, d2, _recall(lists, X, sample, radius, q)


def cross_lists(
    X: NDArray[Any],
    X_val: NDArray[Any],
    q: int,
    bandwidth_neighbor: int,
    levels: Sequence[NDArray[np.int64]] | None,
    threads: Workers,
) -> tuple[NDArray[np.int32], NDArray[np.float64], float]:
    """Nearest rows of every validation row; returns as ``self_lists``."""
    n, m = len(X), len(X_val)
    if n <= EXACT_ROWS or n * m <= EXACT_PAIRS:
        return *_exact_lists(X, X_val, np.full(m, -1), q, bandwidth_neighbor, threads), 1.0
    # No pass over neighbours of neighbours follows here, so the beam is wider.
    beam = build_beam(X, levels, times=4)
    lists, d2 = _run(lambda rows: beam.nearest(X_val[rows], q), m, q, bandwidth_neighbor, threads)
    sample, radius = _true_radius(X_val, beam.levels[-1], q, threads, own=False)
    return lists, d2, _recall(lists, X, sample, radius, q, X_val)


def _exact_lists(
    X: NDArray[Any],
    queries: NDArray[Any],
    own: NDArray[np.int64],
    q: int,
    bandwidth_neighbor: int,
    threads: Workers,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    # Products tell nothing where nearly every group of rows holds one of the nearest, and are slower than
    # panels among very many rows: 3.3 s instead of 1.9 for 10^6 rows and 400 queries.
    if ROWS_A_GROUP * (q + 1) < len(X) <= EXACT_ROWS:
        lists, d2 = nearest_rows(X, queries, own, q, threads)
        return lists, _at(d2, bandwidth_neighbor)
    blocks = Blocks.single(X)
    return _run(lambda rows: blocks.nearest(queries[rows], q, own=own[rows]), len(queries), q,
                bandwidth_neighbor, threads)  # fmt: skip


def _beam_lists(
    X: NDArray[Any],
    q: int,
    bandwidth_neighbor: int,
    levels: Sequence[NDArray[np.int64]] | None,
    threads: Workers,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    # A function of its own, so that the copy of the rows in the beam is gone when it returns.
    beam = build_beam(X, levels)
    lists, _ = _run(lambda rows: beam.nearest(X[rows], q, _ids(rows)), len(X), q,
                    bandwidth_neighbor, threads)  # fmt: skip
    return lists, *_true_radius(X, beam.levels[-1], q, threads)


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.cumsum(counts) - counts


def _ids(rows: slice) -> NDArray[np.int64]:
    return np.arange(rows.start, rows.stop, dtype=np.int64)


def _chunks(m: int) -> list[slice]:
    return [slice(first, min(first + CHUNK, m)) for first in range(0, m, CHUNK)]


def _run(
    search: Any, m: int, q: int, bandwidth_neighbor: int, threads: Workers
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    lists = np.empty((m, q), np.int32)
    at_bandwidth = np.empty(m)

    def serve(rows: slice) -> None:
        d2, ids = search(rows)
        lists[rows] = ids
        at_bandwidth[rows] = _at(d2, bandwidth_neighbor)

    for _ in threads.map(serve, _chunks(m)):
        pass
    return lists, at_bandwidth


def _at(d2: NDArray[np.float64], neighbor: int) -> NDArray[np.float64]:
    """d2 of the neighbor-th entry of each list, of the last where there are fewer, 0 if none."""
    found = np.isfinite(d2[:, :neighbor]).sum(axis=1)
    last = d2[np.arange(len(d2)), np.maximum(found - 1, 0)]
    return np.where(found > 0, last, 0.0)


def _widen(
    lists: NDArray[np.int32], X: NDArray[Any], bandwidth_neighbor: int, threads: Workers
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    n, q = lists.shape
    depth = min(WIDEN, q)
    wider = np.empty_like(lists)
    at_bandwidth = np.empty(n)
    local = threading.local()

    def serve(rows: slice) -> None:
        if not hasattr(local, "seen"):
            local.seen = np.full(n, -1, np.int32)
        d2 = np.empty((rows.stop - rows.start, q))
        kernels.widen_lists(
            lists, rows.start, rows.stop, depth, depth, X, local.seen,
            np.empty(4 * q + 16), np.empty(4 * q + 16, np.int32), d2, wider[rows],
        )  # fmt: skip
        at_bandwidth[rows] = _at(d2, bandwidth_neighbor)

    for _ in threads.map(serve, _chunks(n)):
        pass
    return wider, at_bandwidth


def _true_radius(
    queries: NDArray[Any], blocks: Blocks, q: int, threads: Workers, own: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sampled queries and the exact squared distance to their q-th nearest row."""
    m = len(queries)
    rng = np.random.Generator(np.random.Philox(m))
    sample = np.sort(rng.choice(m, min(m, RECALL_SAMPLE), replace=False)).astype(np.int64)

    def measure(first: int) -> NDArray[np.float64]:
        part = sample[first : first + 8]
        d2, _ = blocks.nearest(queries[part], q, own=part if own else None)
        return d2[:, -1]

    radii = list(threads.map(measure, range(0, len(sample), 8)))
    return sample, np.concatenate(radii)


def _recall(
    lists: NDArray[np.int32],
    X: NDArray[Any],
    sample: NDArray[np.int64],
    radius: NDArray[np.float64],
    q: int,
    voters: NDArray[Any] | None = None,
) -> float:
    """Share of list entries no farther than the true q-th nearest row (so that ties count)."""
    found = 0
    for v, limit in zip(sample, radius, strict=True):
        ids = lists[v][lists[v] >= 0]
        point = (X if voters is None else voters)[v]
        d2 = ((X[ids].astype(np.float64) - point.astype(np.float64)) ** 2).sum(axis=1)
        # Summed in another order than the kernel does: the last bits may differ.
        found += int(np.count_nonzero(d2 <= limit * (1 + 1e-12)))
    return found / (len(sample) * q)
