"""The tree above the parts, and which part a row belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.games.dispersion import directions
from hcdv.hierarchy import Hierarchy
from hcdv.partition.draft import Draft

# Keys of nodes above the parts; those of node l of part p are p * 2^32 + l.
UPPER_KEY = 1 << 62
PART_KEY = 1 << 32


def leaf_centres(tree: Hierarchy, Z: NDArray[Any]) -> NDArray[np.float32]:
    """Mean directions of the leaves, in the order of their points, float32 [leaves, d], of length 1."""
    leaves = tree.leaves_in_order()
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
    for part, leaf in enumerate(base.leaves_in_order().tolist()):
        if part not in splits:
            if sizes[part]:
                names.append((part, -1))
                nodes.append(leaf)
            continue
        below, counts = splits[part]
        number = [leaf]
        for parent in below.parent[1:]:
            number.append(draft.new_node(number[parent]))
        for piece, node in enumerate(below.leaves_in_order().tolist()):
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


def depth_of(tree: Hierarchy, part: int) -> int:
    """How many levels stand above a part."""
    return len(tree.path(part)) - 1


def widths_below(branching: int | Sequence[int], depth: int) -> list[int]:
    """Children per node from a level on."""
    widths = [branching] if isinstance(branching, int) else list(branching)
    return widths[min(depth, len(widths) - 1) :]
