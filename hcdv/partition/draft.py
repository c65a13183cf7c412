"""A tree being edited: points come and go, leaves are born, split and dissolved; arrays again at the end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcdv.partition.tree import TreeArrays

Integers = NDArray[np.int64]


class Edited(NamedTuple):
    """What a draft has become.

    Attributes
    ----------
    tree : TreeArrays
    node_key : int64 [n_nodes]
        Key of every node.
    """

    tree: TreeArrays
    node_key: Integers


@dataclass
class Draft:
    """Nodes in the order in which they were made; every point names its leaf.

    Attributes
    ----------
    parent : list of int
        -1 for the root.
    key : list of int
        What chains know each node by, for life.
    leaf : int64 [n_points]
        Node of each point.
    next_key : int
        Key of the next node to be made.
    """

    parent: list[int]
    key: list[int]
    leaf: Integers
    next_key: int

    def new_node(self, parent: int) -> int:
        """A further child of ``parent``; its number."""
        self.parent.append(parent)
        self.key.append(self.next_key)
        self.next_key += 1
        return len(self.parent) - 1

    def wrap(self, node: int) -> int:
        """Put a new node into the place of ``node``, whose only child this becomes; the new one's number."""
        above = self.new_node(self.parent[node])
        self.parent[node] = above
        return above

    def arrays(self) -> Edited:
        """The tree, nodes breadth-first: without nodes that hold no point, and with no only child.

        Points stand in rising order within a leaf, siblings in the order in which they were made.
        """
        parent, key = np.array(self.parent, np.int64), np.array(self.key, np.int64)
        levels = _levels(parent)
        n_points = np.bincount(self.leaf, minlength=len(parent))
        is_kept, ancestor = _kept(parent, levels, n_points)
        return _numbered(ancestor, key, is_kept, self.leaf, n_points)


def _levels(parent: Integers) -> list[Integers]:
    """Nodes by depth, root first."""
    by_parent = np.argsort(parent, kind="stable")
    bounds = np.searchsorted(parent[by_parent], np.arange(len(parent) + 1))
    levels = [by_parent[: bounds[0]]]
    while len(levels[-1]):
        first, last = bounds[levels[-1]], bounds[levels[-1] + 1]
        counts = last - first
        offsets = np.repeat(first - (np.cumsum(counts) - counts), counts)
        levels.append(by_parent[offsets + np.arange(counts.sum())])
    return levels[:-1]


def _kept(
    parent: Integers, levels: list[Integers], n_points: Integers
) -> tuple[NDArray[np.bool_], Integers]:
    """Which nodes stay, and the nearest one above each that does (-1 for none)."""
    below = n_points.copy()  # points in a node's subtree
    n_filled = np.zeros(len(parent), np.int64)  # children that hold points
    for level in levels[:0:-1]:
        np.add.at(below, parent[level], below[level])
        np.add.at(n_filled, parent[level[below[level] > 0]], 1)
    is_kept = (n_points > 0) | (n_filled > 1)
    ancestor = np.full(len(parent), -1, np.int64)
    for level in levels[1:]:
        above = parent[level]
        ancestor[level] = np.where(is_kept[above], above, ancestor[above])
    return is_kept, ancestor


def _numbered(
    ancestor: Integers, key: Integers, is_kept: NDArray[np.bool_], leaf: Integers, n_points: Integers
) -> Edited:
    """Breadth-first arrays of the nodes that stay."""
    kept = np.flatnonzero(is_kept)
    place = np.full(len(ancestor), -1, np.int64)
    place[kept] = np.arange(len(kept))
    above = np.where(ancestor[kept] >= 0, place[ancestor[kept]], -1)
    # Level by level: the children of a level's nodes, in order, are the next level.
    levels = _levels(above)
    old = np.concatenate(levels)
    number = np.empty(len(old), np.int64)
    number[old] = np.arange(len(old))
    parent = np.where(above[old] >= 0, number[above[old]], -1)
    level_start = np.concatenate([[0], np.cumsum([len(level) for level in levels])]).astype(np.int64)
    n_children = np.bincount(parent[1:], minlength=len(old)).astype(np.int64)
    size = n_points[kept][old]
    for low, high in zip(level_start[-2:0:-1], level_start[:1:-1], strict=True):
        np.add.at(size, parent[low:high], size[low:high])
    # Children tile their parent: each starts where its elder siblings end.
    before = np.cumsum(size) - size
    first_child = np.where(n_children > 0, 1 + np.cumsum(n_children) - n_children, -1)
    start = np.zeros(len(old), np.int64)
    for low, high in pairwise(level_start[1:]):
        mine = parent[low:high]
        start[low:high] = start[mine] + before[low:high] - before[first_child[mine]]
    order = np.argsort(start[number[place[leaf]]], kind="stable").astype(np.int64)
    tree = TreeArrays(order, start, start + size, parent, first_child, n_children, level_start)
    return Edited(tree, key[kept][old])
