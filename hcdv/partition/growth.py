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
# Rounds of rebalancing at most.
ROUNDS = 8
# Pairs of a row and a leaf, up to which every leaf is looked at: faster there than a descent, too.
EXACT_PAIRS = 100_000_000


@dataclass
class Changes:
    """What happened to the tree, nodes by key."""

    born: list[int] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    dissolved: list[int] = field(default_factory=list)

    def joined(self, later: Changes) -> Changes:
        """These changes and later ones: what was made and dissolved at once has never been."""
        gone = set(later.dissolved)
        return Changes(
            [key for key in self.born if key not in gone],
            self.split + later.split,
            self.dissolved + [key for key in later.dissolved if key not in self.born],
        )


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
    changes, next_key = growth.changes, growth.draft.next_key
    after = growth.draft.arrays()
    for _ in range(ROUNDS if rebalance else 0):
        # Where a node goes, leaves that had no sibling may get one.
        growth = _Growth(after, directions, groups, bounds, next_key, seed)
        growth.dissolve_leaves()
        growth.split_leaves(bounds.largest)
        if not (growth.changes.dissolved or growth.changes.split):
            break
        changes = changes.joined(growth.changes)
        after, next_key = growth.draft.arrays(), growth.draft.next_key
    return after, changes, next_key


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
        # Nodes wrapped around a group, and how many groups, coarse to fine, their points share.
        self.shared: dict[int, int] = {}
        leaves = np.flatnonzero(tree.n_children == 0)
        leaves = leaves[np.argsort(tree.start[leaves], kind="stable")]
        leaf = np.empty(len(directions), np.int64)
        leaf[tree.order] = np.repeat(leaves, (tree.stop - tree.start)[leaves])
        self.n_old = len(tree.order)
        self.draft = Draft(tree.parent.tolist(), base.node_key.tolist(), leaf, next_key)
        self.codes = _paths(groups, len(directions))
        # First and last place of each group in the order of the tree.
        in_order = self.codes[: self.n_old][tree.order]
        n_codes = int(self.codes.max(initial=0)) + 1
        self.first, self.last = np.full(n_codes, self.n_old), np.full(n_codes, -1)
        np.minimum.at(self.first, in_order, np.arange(self.n_old))
        np.maximum.at(self.last, in_order, np.arange(self.n_old))
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
            self._found_leaves(points[distance > farthest], near[distance > farthest])
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
        has_child[parent[parent >= 0]] = True
        small = np.flatnonzero((sizes > 0) & (sizes < self.bounds.smallest) & (parent >= 0))
        if not len(small):
            return
        beside = np.flatnonzero(np.isin(parent, parent[small]) & ~has_child & (sizes > 0))
        siblings = {int(p): beside[parent[beside] == p].tolist() for p in np.unique(parent[beside])}
        inside = np.flatnonzero(np.isin(self.draft.leaf, beside))
        inside = inside[np.argsort(self.draft.leaf[inside], kind="stable")]
        first = np.searchsorted(self.draft.leaf[inside], beside)
        members = {
            int(node): inside[a : a + sizes[node]] for node, a in zip(beside, first, strict=True)
        }
        for node in small.tolist():
            code = self.codes[members[node][0]]
            others = [
                s for s in siblings[int(parent[node])]
                if s != node and len(members[s]) and self.codes[members[s][0]] == code
            ]
            if not others or len(members[node]) >= self.bounds.smallest:
                continue  # nobody to go to, or others have come here meanwhile
            best = self._nearest_of([members[s] for s in others], members[node])
            for k, other in enumerate(others):
                movers = members[node][best == k]
                self.draft.leaf[movers] = other
                members[other] = np.concatenate([members[other], movers])
            members[node] = members[node][:0]
            self.changes.dissolved.append(self.draft.key[node])

    def _nearest_of(self, leaves: list[Integers], points: Integers) -> Integers:
        """Which of some leaves, given by their points, each point is nearest to by cosine."""
        centres = np.array([self.directions[leaf].mean(axis=0) for leaf in leaves])
        lengths = np.linalg.norm(centres, axis=1, keepdims=True)
        centres = np.divide(centres, lengths, out=centres, where=lengths > 0)
        return np.asarray((self.directions[points] @ centres.T).argmax(axis=1))

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

    def _found_leaves(self, points: Integers, near: Integers) -> None:
        """Leaves for points far from all others: one beside each leaf that they are nearest to."""
        for members in _runs(near):
            leaf = self._new_leaf(self._parent_beside(int(near[members[0]])))
            self.draft.leaf[points[members]] = leaf
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
        if self.last[code] < 0:
            return None
        return self._lowest_around(int(self.first[code]), int(self.last[code]))

    def _lowest_above(self, points: Integers) -> int:
        codes = np.unique(self.codes[points])
        return self._lowest_around(int(self.first[codes].min()), int(self.last[codes].max()))

    def _lowest_around(self, low: int, high: int) -> int:
        """The lowest node that holds these two places of the tree's order."""
        tree, node = self.base, 0
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
            node = self._above_group(node, level)
        self.is_pure[node] = False
        self._divide_by_group(self._new_leaf(node), points, level + 1)

    def _above_group(self, node: int, level: int) -> int:
        """The node wrapped around a group of this level, within those of coarser ones."""
        while self.shared.get(self.draft.parent[node], -1) > level or self._is_plain_wrap(node):
            node = self.draft.parent[node]
        parent = self.draft.parent[node]
        if self.shared.get(parent) == level:
            return parent
        above = self._wrap(node, pure=False)
        self.shared[above] = level
        return above

    def _is_plain_wrap(self, node: int) -> bool:
        """Whether what stands above was wrapped around a leaf for one more beside it."""
        parent = self.draft.parent[node]
        return parent >= len(self.base.start) and parent not in self.shared

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
    if len(codes):
        order = np.argsort(codes, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
