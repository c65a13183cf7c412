"""The tree above the parts, and which part a row belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels.permute import sample_chain
from hcdv.games.dispersion import inverse_lengths
from hcdv.hierarchy import Hierarchy
from hcdv.partition.draft import Draft

# Keys of nodes above the parts; those of node l of part p are p * 2^32 + l.
UPPER_KEY = 1 << 62
PART_KEY = 1 << 32


def directions(X: NDArray[Any]) -> NDArray[Any]:
    """Rows of length 1, as the tree compares them."""
    unit: NDArray[Any] = X * inverse_lengths(X)[:, None].astype(X.dtype)
    return unit


def leaf_centres(tree: Hierarchy, Z: NDArray[Any]) -> NDArray[np.float32]:
    """Mean directions of the leaves, in the order of their points, float32 [leaves, d], of length 1."""
    leaves = tree.leaves[np.argsort(tree.start[tree.leaves])]
    sums = np.add.reduceat(Z[tree.order], tree.start[leaves], axis=0, dtype=np.float64)
    return np.ascontiguousarray(directions(sums), np.float32)


def nearest(X: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """The centre nearest to each row by cosine; of equal ones the first."""
    if len(centres) == 1:
        return np.zeros(len(X), np.int64)
    return np.asarray((X @ centres.T).argmax(axis=1), np.int64)


def upper_tree(
    base: Hierarchy, sizes: NDArray[np.int64], splits: Mapping[int, tuple[Hierarchy, NDArray[np.int64]]]
) -> tuple[Hierarchy, list[tuple[int, int]]]:
    """The tree over the parts that hold rows.

    Parameters
    ----------
    base : Hierarchy
        Over the sample; its leaves, in the order of their points, are the first parts.
    sizes : int64 [leaves]
        Rows in each.
    splits : mapping of int to (Hierarchy, int64 [leaves])
        Of a part that was split: the tree over its sample, and the rows in each of its leaves.

    Returns
    -------
    tree : Hierarchy
        Its points are the parts, one in a leaf, numbered in the order of the tree.
    names : list of (first part, part of its split or -1)
        What each part was before.
    """
    draft = Draft(base.parent.tolist(), list(range(base.n_nodes)), np.empty(0, np.int64), base.n_nodes)
    names: list[tuple[int, int]] = []
    nodes: list[int] = []
    for part, leaf in enumerate(in_order(base).tolist()):
        if part not in splits:
            if sizes[part]:
                names.append((part, -1))
                nodes.append(leaf)
            continue
        below, counts = splits[part]
        number = [leaf]
        for parent in below.parent[1:]:
            number.append(draft.new_node(number[parent]))
        for piece, node in enumerate(in_order(below).tolist()):
            if counts[piece]:
                names.append((part, piece))
                nodes.append(number[node])
    draft.leaf = np.array(nodes, np.int64)
    arrays = draft.arrays().tree
    tree = Hierarchy(*arrays).sorted()
    return keyed(tree), [names[k] for k in arrays.order]


def keyed(tree: Hierarchy) -> Hierarchy:
    """A tree over parts with the keys that its nodes have in the tree over all rows."""
    keys = UPPER_KEY + np.arange(tree.n_nodes)
    keys[tree.leaves] = tree.start[tree.leaves] * PART_KEY
    return replace(tree, node_key=keys)


def in_order(tree: Hierarchy) -> NDArray[np.int64]:
    """Leaves in the order of their points."""
    return tree.leaves[np.argsort(tree.start[tree.leaves])]


def depth_of(tree: Hierarchy, part: int) -> int:
    """How many levels stand above a part."""
    return len(tree.path(part)) - 1


def widths_below(branching: int | Sequence[int], depth: int) -> list[int]:
    """Children per node from a level on."""
    widths = [branching] if isinstance(branching, int) else list(branching)
    return widths[min(depth, len(widths) - 1) :]


def chain_of_parts(tree: Hierarchy, seed: int, pair: int) -> NDArray[np.int64]:
    """The parts in the order of a chain."""
    chain, block_start = np.empty(tree.n_points, np.int64), np.empty(tree.n_nodes, np.int64)
    sample_chain(
        tree.order, tree.start, tree.stop, tree.first_child, tree.n_children, tree.point_key, tree.node_key,
        seed, pair, chain, block_start, np.empty((tree.largest_block, 2), np.uint64),
    )  # fmt: skip
    return chain
