"""The tree follows its points: rows enter the nearest leaf or found one, empty leaves go, sizes stay in bounds.

The paper's Algorithm 2, lines 2 and 9-11.  Nothing here knows values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hcdv._random import derive_seed
from hcdv.partition.balanced import balanced_split
from hcdv.partition.draft import Draft, Edited, Integers
from hcdv.partition.nearest import BEAM, nearest_leaves, node_centres
from hcdv.partition.tree import TreeArrays, n_children_of

# Leaves beyond so many times their largest size are split at once, not only when the tree is rebalanced.
URGENT = 2
# A leaf below this share of the usual size is dissolved when the tree is rebalanced.
UNDERFULL = 0.25
# Pairs of a row and a leaf, up to which every leaf is looked at: faster there than a descent, too.
EXACT_PAIRS = 100_000_000


@dataclass
class Changes:
    """What happened to the tree, nodes by key."""

    born: list[int] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    dissolved: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Bounds:
    """The sizes that a tree keeps to.

    Attributes
    ----------
    leaf_size : int
        Points of a leaf as it is built, at most.
    capacity_slack : float
        By how much leaves may outgrow it, as a share.
    branching : sequence of int
        Children per node by level, root first; the last entry repeats.
    """

    leaf_size: int
    capacity_slack: float
    branching: Sequence[int]

    @property
    def largest(self) -> int:
        """Points at which a leaf is split."""
        return math.ceil((1 + self.capacity_slack) * self.leaf_size - 1e-9)

    @property
    def smallest(self) -> int:
        """Points below which a leaf is dissolved."""
        return max(1, int(UNDERFULL * self.leaf_size))

    def width(self, level: int) -> int:
        return self.branching[min(level, len(self.branching) - 1)]


def grown(
    tree: Edited,
    kept: Integers,
    directions: NDArray[np.floating],
    groups: Integers | None,
    bounds: Bounds,
    *,
    tau: float,
    exact: bool,
    rebalance: bool,
    next_key: int,
    seed: int,
) -> tuple[Edited, Changes, int]:
    """The tree after points left and others came.

    Parameters
    ----------
    tree : Edited
        The tree before.
    kept : int64 [k]
        Its points that stay, ascending; they become points 0..k-1.  At least one.
    directions : float [n, d]
        Unit vectors of the points that stay, then of the new ones.
    groups : int64 [n, L] or None
        Codes of the known groups, coarse to fine, which made the first levels of the tree.
    bounds : Bounds
    tau : float
        A row founds a leaf where it is farther (1 - cosine) from the nearest leaf's centre than rows
        are from the centres of their own leaves on average, by more than this.
    exact : bool
        Compare every new row with every leaf, not only with those of the best nodes on the way down.
    rebalance : bool
        Split leaves above, and dissolve leaves below their bounds.
    next_key : int
        First key for new nodes.
    seed : int

    Returns
    -------
    tree : Edited
    changes : Changes
    next_key : int
    """
    leaf = np.empty(len(tree.tree.order), np.int64)
    leaves = np.flatnonzero(tree.tree.n_children == 0)
    leaves = leaves[np.argsort(tree.tree.start[leaves], kind="stable")]
    leaf[tree.tree.order] = np.repeat(leaves, (tree.tree.stop - tree.tree.start)[leaves])
    first = Draft(tree.tree.parent.tolist(), tree.node_key.tolist(), leaf[kept], next_key).arrays()
    growth = _Growth(first, directions, groups, bounds, next_key, seed)
    growth.take_in(tau, exact)
    growth.split_leaves(URGENT * bounds.largest)
    if rebalance:
        growth.dissolve_leaves()
        growth.split_leaves(bounds.largest)
    return growth.draft.arrays(), growth.changes, growth.draft.next_key


class _Growth:
    """One update of a tree under way."""

    def __init__(
        self,
        base: Edited,
        directions: NDArray[np.floating],
        groups: Integers | None,
        bounds: Bounds,
        next_key: int,
        seed: int,
    ) -> None:
        tree = base.tree
        self.base = tree
        self.bounds = bounds
        self.directions = directions
        self.groups = groups
        self.seed = seed
        self.changes = Changes()
        leaves = np.flatnonzero(tree.n_children == 0)
        leaves = leaves[np.argsort(tree.start[leaves], kind="stable")]
        leaf = np.empty(len(directions), np.int64)
        leaf[tree.order] = np.repeat(leaves, (tree.stop - tree.start)[leaves])
        self.n_old = len(tree.order)
        self.draft = Draft(tree.parent.tolist(), base.node_key.tolist(), leaf, next_key)
        self.codes = _paths(groups, len(directions))
        self.width_of = np.bincount(tree.parent[1:], minlength=len(tree.start)).tolist()
        self.is_pure = _pure(tree, self.codes[: self.n_old]).tolist()
        self.level = np.repeat(np.arange(len(tree.level_start) - 1), np.diff(tree.level_start)).tolist()

    def take_in(self, tau: float, exact: bool) -> None:
        """Give every new point a leaf."""
        new = np.arange(self.n_old, len(self.directions))
        if not len(new):
            return
        centres = node_centres(self.directions[: self.n_old], self.base)
        leaf = self.draft.leaf[: self.n_old]
        own = np.einsum("nd,nd->n", self.directions[: self.n_old], centres[leaf])
        farthest = tau + float(1.0 - own.mean())
        strangers: list[Integers] = []
        for members in _runs(self.codes[new]):
            points = new[members]
            root = self._root_of(int(self.codes[points[0]]))
            if root is None:
                strangers.append(points)
                continue
            n_leaves = len(self.base.start)
            beam = None if exact or len(points) * n_leaves <= EXACT_PAIRS else BEAM
            near, distance = nearest_leaves(
                self.directions[points], centres, self.base, root=root, beam=beam
            )
            self.draft.leaf[points] = near
            self._found_leaves(points[distance > farthest], near[distance > farthest], farthest)
        if strangers:
            self._found_groups(np.sort(np.concatenate(strangers)))

    def split_leaves(self, largest: int) -> None:
        """Split leaves of more points: into siblings where the parent has room, else into children."""
        while too_large := list(self._leaves_above(largest)):
            for node, members in too_large:
                self._split(node, members)

    def _split(self, node: int, members: Integers) -> None:
        count = n_children_of(len(members), self.bounds.width(self.level[node]), self.bounds.leaf_size)
        seed = derive_seed(self.seed, "split", self.draft.key[node])
        rows = np.ascontiguousarray(self.directions[members])
        labels = balanced_split(rows, count, self.bounds.capacity_slack, seed)
        parent = self._place_for(node, count)
        for label in range(count):
            self.draft.leaf[members[labels == label]] = self._new_leaf(parent)
        self.changes.split.append(self.draft.key[node])

    def dissolve_leaves(self) -> None:
        """Give the points of the smallest leaves to the nearest leaves of the same parent and group."""
        sizes = np.bincount(self.draft.leaf, minlength=len(self.draft.parent))
        parent = np.array(self.draft.parent)
        has_child = np.zeros(len(parent), bool)
        has_child[parent[1:]] = True
        small = np.flatnonzero((sizes > 0) & (sizes < self.bounds.smallest))
        by_leaf = np.argsort(self.draft.leaf, kind="stable")
        first = np.searchsorted(self.draft.leaf[by_leaf], np.arange(len(parent) + 1))
        for node in small.tolist():
            if parent[node] < 0:
                continue
            members = np.flatnonzero(self.draft.leaf == node)
            siblings = np.flatnonzero((parent == parent[node]) & ~has_child & (sizes > 0))
            code = self.codes[members[0]]
            others = [
                s for s in siblings.tolist()
                if s != node and self.codes[by_leaf[first[s]]] == code
            ]
            if not others:
                continue
            centres = np.array(
                [self.directions[by_leaf[first[s] : first[s + 1]]].mean(axis=0) for s in others]
            )
            lengths = np.linalg.norm(centres, axis=1, keepdims=True)
            centres = np.divide(centres, lengths, out=centres, where=lengths > 0)
            best = (self.directions[members] @ centres.T).argmax(axis=1)
            self.draft.leaf[members] = np.array(others)[best]
            sizes[node] = 0
            self.changes.dissolved.append(self.draft.key[node])

    def _leaves_above(self, largest: int) -> Iterator[tuple[int, Integers]]:
        """Leaves of more points than this, with their points."""
        sizes = np.bincount(self.draft.leaf)
        chosen = np.flatnonzero(sizes > largest)
        if not len(chosen):
            return
        inside = np.flatnonzero(np.isin(self.draft.leaf, chosen))
        by_leaf = inside[np.argsort(self.draft.leaf[inside], kind="stable")]
        ends = np.cumsum(sizes[chosen])
        yield from zip(chosen.tolist(), np.split(by_leaf, ends[:-1]), strict=True)

    def _new_leaf(self, parent: int) -> int:
        node = self.draft.new_node(parent)
        self.width_of.append(0)
        self.width_of[parent] += 1
        self.is_pure.append(True)
        self.level.append(self.level[parent] + 1)
        return node

    def _wrap(self, node: int, *, pure: bool = True) -> int:
        above = self.draft.wrap(node)
        self.width_of.append(1)
        self.is_pure.append(pure)
        self.level.append(self.level[node])
        return above

    def _place_for(self, node: int, count: int) -> int:
        """Parent of ``count`` leaves that take the place of the leaf ``node``."""
        parent = self.draft.parent[node]
        if (
            parent >= 0
            and self.is_pure[parent]
            and self.width_of[parent] + count - 1 <= self.bounds.width(self.level[parent])
        ):
            self.width_of[parent] -= 1
            return parent
        return node

    def _found_leaves(self, points: Integers, near: Integers, farthest: float) -> None:
        """Leaves for points far from all others: each joins the first leaf founded now that it is near to."""
        founders: dict[int, list[tuple[int, int]]] = {}
        for point, beside in zip(points.tolist(), near.tolist(), strict=True):
            known = founders.setdefault(beside, [])
            for founder, leaf in known:
                if 1.0 - float(self.directions[point] @ self.directions[founder]) <= farthest:
                    self.draft.leaf[point] = leaf
                    break
            else:
                leaf = self._new_leaf(self._parent_beside(beside))
                known.append((point, leaf))
                self.draft.leaf[point] = leaf
                self.changes.born.append(self.draft.key[leaf])

    def _parent_beside(self, node: int) -> int:
        """Where a sibling of the leaf ``node`` can stand."""
        parent = self.draft.parent[node]
        if (
            parent >= 0
            and self.is_pure[parent]
            and self.width_of[parent] < self.bounds.width(self.level[parent])
        ):
            return parent
        return self._wrap(node)

    def _root_of(self, code: int) -> int | None:
        """The lowest node that holds all points of a group so far; None where there are none."""
        if self.groups is None:
            return 0
        mine = np.flatnonzero(self.codes[: self.n_old] == code)
        return self._lowest_above(mine) if len(mine) else None

    def _lowest_above(self, points: Integers) -> int:
        tree = self.base
        place = np.empty(self.n_old, np.int64)
        place[tree.order] = np.arange(self.n_old)
        low, high = int(place[points].min()), int(place[points].max())
        node = 0
        while tree.n_children[node]:
            first = int(tree.first_child[node])
            ends = tree.stop[first : first + tree.n_children[node]]
            child = int(first + np.searchsorted(ends, low, side="right"))
            if high >= tree.stop[child]:
                break
            node = child
        return node

    def _found_groups(self, points: Integers) -> None:
        """Nodes for points of groups that nobody was of, beside the groups nearest of kin."""
        assert self.groups is not None
        n_levels = self.groups.shape[1]
        # Levels that a point shares with somebody, and the first group of its own that is new.
        shared = np.zeros(len(points), np.int64)
        for level in range(1, n_levels):
            prefix = _paths(self.groups[:, :level], len(self.groups))
            shared[np.isin(prefix[points], prefix[: self.n_old])] = level
        for level in range(n_levels):
            mine = points[shared == level]
            first_new = _paths(self.groups[:, : level + 1], len(self.groups))
            for members in _runs(first_new[mine]):
                self._found_group(mine[members], level)

    def _found_group(self, points: Integers, level: int) -> None:
        """A node for one new group, whose kin share the levels above."""
        assert self.groups is not None
        path = self.groups[points[0]]
        kin = np.flatnonzero((self.groups[: self.n_old, :level] == path[:level]).all(axis=1))
        node = self._lowest_above(kin)
        # Where all kin are of one finer group, the node is that group's own.
        if len(np.unique(self.groups[kin, level])) == 1:
            node = self._top(node)
            if self.is_pure[node]:
                node = self._wrap(node, pure=False)
        self.is_pure[node] = False
        self._divide_by_group(self._new_leaf(node), points, level + 1)

    def _divide_by_group(self, node: int, points: Integers, level: int) -> None:
        """Put points under ``node``: one child for each group of the next level that divides them."""
        assert self.groups is not None
        for column in range(level, self.groups.shape[1]):
            codes = self.groups[points, column]
            if (codes != codes[0]).any():
                self.is_pure[node] = False
                for members in _runs(codes):
                    self._divide_by_group(self._new_leaf(node), points[members], column + 1)
                return
        self.draft.leaf[points] = node
        self.changes.born.append(self.draft.key[node])

    def _top(self, node: int) -> int:
        """The node itself, or what was wrapped around it in this update."""
        while (parent := self.draft.parent[node]) >= len(self.base.start):
            node = parent
        return node


def _paths(groups: Integers | None, n: int) -> Integers:
    """One code per point for its whole path of groups."""
    if groups is None:
        return np.zeros(n, np.int64)
    return np.unique(groups, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _pure(tree: TreeArrays, codes: Integers) -> NDArray[np.bool_]:
    """Whether all points of a node are of one group."""
    changes = np.concatenate([[0], np.cumsum(np.diff(codes[tree.order]) != 0)])
    return np.asarray(changes[tree.start] == changes[tree.stop - 1])


def _runs(codes: Integers) -> Iterator[Integers]:
    """Places of each code."""
    order = np.argsort(codes, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
