"""The nearest leaf of a row, by the cosine to the leaves' centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv.partition.tree import TreeArrays

# Nodes kept on the way down: on trees of the benches the descent then ends at the nearest leaf of all for 98%
# of the rows (bench.streaming), and always at one nearly as near.
BEAM = 16
# Rows that descend together: bounds the scores held at once.
QUERIES = 2048


def node_centres(directions: NDArray[np.floating], tree: TreeArrays) -> NDArray[np.float64]:
    """Mean direction of every node's points, scaled to length 1 (a zero mean stays zero); float64 [m, d].

    Parameters
    ----------
    directions : float [n, d]
        Unit vectors of the points.
    tree : TreeArrays
    """
    sums = np.zeros((len(tree.start), directions.shape[1]))
    leaves = np.flatnonzero(tree.n_children == 0)
    leaves = leaves[np.argsort(tree.start[leaves], kind="stable")]
    sums[leaves] = np.add.reduceat(directions[tree.order], tree.start[leaves], axis=0, dtype=np.float64)
    for low, high in zip(tree.level_start[-2:0:-1], tree.level_start[:1:-1], strict=True):
        parents, first = np.unique(tree.parent[low:high], return_index=True)
        sums[parents] = np.add.reduceat(sums[low:high], first, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.divide(sums, lengths, out=sums, where=lengths > 0)


def nearest_leaves(
    queries: NDArray[np.floating],
    centres: NDArray[np.float64],
    tree: TreeArrays,
    *,
    root: int = 0,
    beam: int | None = BEAM,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Leaf below ``root`` whose centre is nearest by cosine, and 1 - cosine, for every query.

    Parameters
    ----------
    queries : float [b, d]
        Unit vectors.
    centres : float64 [m, d]
        From :func:`node_centres`.
    tree : TreeArrays
    root : int
        Where the descent begins.
    beam : int or None
        Nodes kept from level to level; None compares with every leaf (exact).

    Returns
    -------
    leaf : int64 [b]
    distance : float64 [b]
    """
    leaf, distance = np.empty(len(queries), np.int64), np.empty(len(queries))
    if beam is None:
        inside = (tree.start >= tree.start[root]) & (tree.stop <= tree.stop[root])
        leaves = np.flatnonzero(inside & (tree.n_children == 0))
        step = max(1, 2**22 // len(leaves))
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            cosine = queries[part] @ centres[leaves].T
            best = cosine.argmax(axis=1)
            leaf[part] = leaves[best]
            distance[part] = 1.0 - np.take_along_axis(cosine, best[:, None], 1)[:, 0]
        return leaf, distance
    for first in range(0, len(queries), QUERIES):
        part = slice(first, first + QUERIES)
        leaf[part], distance[part] = _descend(queries[part], centres, tree, root, beam)
    return leaf, distance


def _descend(
    queries: NDArray[np.floating],
    centres: NDArray[np.float64],
    tree: TreeArrays,
    root: int,
    beam: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The best nodes of each level, until all are leaves."""
    best = np.full((len(queries), 1), root, np.int64)
    cosine = np.einsum("bd,d->b", queries, centres[root])[:, None]
    while True:
        is_inner = (best >= 0) & (tree.n_children[np.maximum(best, 0)] > 0)
        if not is_inner.any():
            break
        query, place = np.nonzero(is_inner)
        node = best[query, place]
        counts = tree.n_children[node]
        child_query = np.repeat(query, counts)
        offsets = np.repeat(tree.first_child[node] - (np.cumsum(counts) - counts), counts)
        child = offsets + np.arange(counts.sum())
        child_cosine = np.einsum("kd,kd->k", queries[child_query], centres[child])
        # Leaves met on the way stay in the running.
        query, place = np.nonzero((best >= 0) & ~is_inner)
        child_query = np.concatenate([child_query, query])
        child_cosine = np.concatenate([child_cosine, cosine[query, place]])
        child = np.concatenate([child, best[query, place]])
        ranked = np.lexsort((child, -child_cosine, child_query))
        child_query, child, child_cosine = child_query[ranked], child[ranked], child_cosine[ranked]
        rank = np.arange(len(child)) - np.searchsorted(child_query, child_query)
        kept = rank < beam
        best = np.full((len(queries), beam), -1, np.int64)
        cosine = np.full((len(queries), beam), -np.inf)
        best[child_query[kept], rank[kept]] = child[kept]
        cosine[child_query[kept], rank[kept]] = child_cosine[kept]
    winner = cosine.argmax(axis=1)[:, None]
    return (
        np.take_along_axis(best, winner, 1)[:, 0],
        1.0 - np.take_along_axis(cosine, winner, 1)[:, 0],
    )
