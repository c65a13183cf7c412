"""The tree of coalitions: a coarse-to-fine partition of the points, in a few flat arrays."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, check_seed
from hcdv._validation import check_fraction, check_int, check_matrix, in_native_order, short
from hcdv.engine import Threads
from hcdv.partition import build_tree, group_tree


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Nodes numbered breadth-first, the root is node 0; node g owns ``order[start[g]:stop[g]]``.

    The children of g are the nodes ``first_child[g] .. first_child[g] + n_children[g] - 1``, and
    their ranges tile g's range in that order. Every inner node has at least two children, no node
    is empty, and the leaves tile all points. The nodes of level l (depth l; leaves may stand on any
    level) are ``level_start[l] .. level_start[l + 1] - 1``.

    Attributes
    ----------
    order : int64 [n_points]
        A permutation of the points.
    start, stop : int64 [n_nodes]
    parent : int64 [n_nodes]
        -1 for the root.
    first_child : int64 [n_nodes]
        -1 for a leaf.
    n_children : int64 [n_nodes]
        0 for a leaf.
    level_start : int64 [depth + 2]
        Ends with ``n_nodes``.
    point_key : int64 [n_points]
        What chains know each point by, distinct and not negative; by default its number.  The order of a
        chain follows from these, so that trees before and after an update have comparable chains.
    node_key : int64 [n_nodes]
        The same for the nodes.

    Notes
    -----
    The arrays are read-only. :meth:`validate` checks all that stands above.
    """

    order: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    parent: NDArray[np.int64]
    first_child: NDArray[np.int64]
    n_children: NDArray[np.int64]
    level_start: NDArray[np.int64]
    point_key: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    node_key: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        for item in fields(self):
            value = np.asarray(getattr(self, item.name))
            if value.ndim != 1 or (value.size and value.dtype.kind not in "iu"):
                raise ValueError(f"{item.name} must be a 1-dimensional array of integers.")
            if item.name.endswith("_key") and not value.size:
                value = np.arange(len(self.order if item.name == "point_key" else self.start))
            array = np.ascontiguousarray(value, dtype=np.int64).view()
            array.setflags(write=False)
            object.__setattr__(self, item.name, array)

    @classmethod
    def build(
        cls,
        Z: ArrayLike,
        branching: int | Sequence[int] = 8,
        leaf_size: int = 10,
        capacity_slack: float = 0.2,
        groups: ArrayLike | None = None,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> Hierarchy:
        """Balanced k-means, recursively, until no leaf holds more than ``leaf_size`` points.

        Parameters
        ----------
        Z : array-like [n, d]
            Embeddings, finite; float32 is kept, anything else becomes float64.
        branching : int or sequence of int, each at least 2
            Children per node: a node of m points gets
            min(branching, max(2, ceil(m / leaf_size))). In a sequence the root's comes first and
            the last entry repeats; the entry of a level that groups divide is passed over.
        leaf_size : int
            The paper's M.
        capacity_slack : float in [0, 1)
            The paper's gamma: sizes of siblings stay within floor((1 - gamma) s) and
            ceil((1 + gamma) s), s = ceil(m / children) (Eqs. 34-35).
        groups : array-like [n] or [n, L], optional
            The first level or levels: one child per group; with columns coarse to fine, a finer
            group belongs to one combination of the coarser ones. Any hashable labels. Groups may be
            larger or smaller than a leaf; larger ones are split further by k-means.
        random_state : int, numpy generator or None
        n_jobs : int or None
            Threads, None for all cores, at most four a core; the tree is the same for any number.

        Raises
        ------
        ValueError, TypeError
            NaN or infinities in ``Z``, no rows, ``groups`` of another length or with missing
            entries, a parameter out of range.
        """
        Z = _check_embeddings(Z)
        widths = check_branching(branching)
        leaf_size = check_int(leaf_size, "leaf_size", 1)
        slack = check_fraction(capacity_slack, "capacity_slack")
        if slack == 1.0:
            raise ValueError("capacity_slack must lie in [0, 1), got 1.0.")
        codes = None if groups is None else _group_codes(groups, len(Z))
        seed = check_seed(random_state)
        return cls(*build_tree(Z, widths, leaf_size, slack, seed, codes, Threads(n_jobs)))

    @classmethod
    def from_labels(cls, labels: Iterable[ArrayLike]) -> Hierarchy:
        """The tree that given labels span.

        Parameters
        ----------
        labels : iterable of array-like [n]
            Coarse to fine, any hashable labels. Points share a node of level l where their first l
            labels are all the same. Siblings stand in the order in which their labels first occur.
            A label that does not divide a node makes no node of its own (no node has an only
            child), so a branch may be shorter than the list.
        """
        try:
            levels = [] if isinstance(labels, (str, bytes)) else list(labels)
        except TypeError:  # nothing to go through, such as a number
            levels = []
        if not levels:
            raise ValueError("labels must be a list of at least one array of labels.")
        columns = [_codes(column, f"labels[{k}]") for k, column in enumerate(levels)]
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(f"the arrays in labels differ in length: {lengths}.")
        if lengths[0] == 0:
            raise ValueError("labels must hold at least one point, got none.")
        return cls(*group_tree(np.column_stack(columns), Threads(1)))

    def __repr__(self) -> str:
        return f"Hierarchy({self.n_points} points, {self.n_nodes} nodes, depth {self.depth})"

    @property
    def n_points(self) -> int:
        return len(self.order)

    @property
    def n_nodes(self) -> int:
        return len(self.start)

    @property
    def depth(self) -> int:
        """Level of the deepest leaf; 0 where the root is the only node."""
        return len(self.level_start) - 2

    @cached_property
    def is_leaf(self) -> NDArray[np.bool_]:
        """bool [n_nodes]"""
        return self.n_children == 0

    @cached_property
    def leaves(self) -> NDArray[np.int64]:
        """Leaves' node ids, ascending (breadth-first, not in the order of their points)."""
        return np.flatnonzero(self.is_leaf).astype(np.int64, copy=False)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Points of every node, int64 [n_nodes]."""
        return self.stop - self.start

    @cached_property
    def largest_block(self) -> int:
        """The most children of a node, or points of a leaf."""
        return int(max(self.n_children.max(), self.sizes[self.leaves].max()))

    def leaf_of_point(self) -> NDArray[np.int64]:
        """The leaf (node id) of every point, int64 [n_points]."""
        leaves = self.leaves_in_order()
        leaf = np.empty(self.n_points, dtype=np.int64)
        leaf[self.order] = np.repeat(leaves, self.sizes[leaves])
        return leaf

    def path(self, i: int) -> NDArray[np.int64]:
        """Node ids from the root to the leaf of point ``i``."""
        i = check_int(i, "i", 0, self.n_points - 1)
        position = int(np.flatnonzero(self.order == i)[0])
        node, path = 0, [0]
        while self.n_children[node]:
            first = self.first_child[node]
            ends = self.stop[first : first + self.n_children[node]]
            node = int(first + np.searchsorted(ends, position, side="right"))
            path.append(node)
        return np.array(path, dtype=np.int64)

    def node_sums(self, values: ArrayLike) -> NDArray[np.float64]:
        """Sum of the points' values in every node, float64 [n_nodes]; of values [k, n_points], [k, n_nodes].

        A parent's sum is the sum of its children's, taken in their order.
        """
        try:
            point_values = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise TypeError(f"values must hold numbers, got {short(values)}.") from None
        if point_values.ndim not in (1, 2) or point_values.shape[-1] != self.n_points:
            raise ValueError(f"values must have shape ({self.n_points},), got {point_values.shape}.")
        sums = np.empty((*point_values.shape[:-1], self.n_nodes))
        leaves = self.leaves_in_order()
        # Four times as fast as by an index behind an ellipsis.
        in_order = point_values.take(self.order, axis=-1)
        sums[..., leaves] = np.add.reduceat(in_order, self.start[leaves], axis=-1)
        inner = np.flatnonzero(~self.is_leaf)
        for level in range(self.depth - 1, -1, -1):
            low, high = np.searchsorted(inner, self.level_start[level : level + 2])
            below, end = self.level_start[level + 1 : level + 3]
            parents = inner[low:high]
            sums[..., parents] = np.add.reduceat(
                sums[..., below:end], self.first_child[parents] - below, axis=-1
            )
        return sums

    def sorted(self) -> Hierarchy:
        """The same tree over points renumbered so that ``order`` is 0, 1, 2, ...

        Point j of it is point ``order[j]`` of this one.
        """
        return Hierarchy(
            np.arange(self.n_points, dtype=np.int64),
            self.start,
            self.stop,
            self.parent,
            self.first_child,
            self.n_children,
            self.level_start,
            self.point_key[self.order],
            self.node_key,
        )

    def describe(self) -> str:
        """Nodes per level and the sizes of the leaves, in two lines."""
        levels = ", ".join(f"{count:,}" for count in np.diff(self.level_start))
        sizes = self.sizes[self.leaves]
        return (
            f"{self.n_points:,} points in {self.n_nodes:,} nodes, by level: {levels}\n"
            f"{len(sizes):,} leaves of {sizes.min():,} to {sizes.max():,} points, "
            f"median {np.median(sizes):g}"
        )

    def validate(self) -> Hierarchy:
        """Itself, if the arrays are what the class says; otherwise one sentence (ValueError)."""
        problem = _inconsistency(self)
        if problem:
            raise ValueError(f"the hierarchy is inconsistent: {problem}.")
        return self

    def leaves_in_order(self) -> NDArray[np.int64]:
        """Leaves in the order of their points."""
        return self.leaves[np.argsort(self.start[self.leaves], kind="stable")]


def _inconsistency(tree: Hierarchy) -> str | None:
    """What is wrong with the arrays of a hierarchy, or None."""
    n, m = tree.n_points, tree.n_nodes
    if n == 0 or m == 0:
        return "it has no points or no nodes"
    per_node = (tree.start, tree.stop, tree.parent, tree.first_child, tree.n_children)
    if any(len(array) != m for array in per_node):
        return "start, stop, parent, first_child and n_children differ in length"
    seen = np.zeros(n, dtype=bool)
    if tree.order.min() < 0 or tree.order.max() >= n:
        return "order holds a point that does not exist"
    seen[tree.order] = True
    if not seen.all():
        return "order is not a permutation of the points"
    if tree.start[0] != 0 or tree.stop[0] != n or tree.parent[0] != -1:
        return "node 0 is not a root that owns all points"
    if (tree.start < 0).any() or (tree.stop > n).any() or (tree.start >= tree.stop).any():
        return "a node is empty or reaches beyond the points"
    if (tree.n_children < 0).any() or (tree.n_children == 1).any():
        return "a node has an only child"
    # The single counts first: a sum of huge ones could wrap around.
    if (tree.n_children >= m).any() or tree.n_children.sum() != m - 1:
        return "n_children does not count every node but the root once"
    inner = tree.n_children > 0
    first_child = np.where(inner, 1 + np.cumsum(tree.n_children) - tree.n_children, -1)
    parent = np.repeat(np.arange(m), tree.n_children)
    if not np.array_equal(tree.first_child, first_child):
        return "children are not numbered breadth-first"
    if not np.array_equal(tree.parent[1:], parent):
        return "parent and first_child disagree"
    last_child = first_child[inner] + tree.n_children[inner] - 1
    sibling = np.flatnonzero(parent[1:] == parent[:-1]) + 2
    if (
        not np.array_equal(tree.start[first_child[inner]], tree.start[inner])
        or not np.array_equal(tree.stop[last_child], tree.stop[inner])
        or not np.array_equal(tree.start[sibling], tree.stop[sibling - 1])
    ):
        return "the children of a node do not tile its range"
    level_start = [0, 1]
    while level_start[-1] < m:
        low, high = level_start[-2:]
        level_start.append(high + int(tree.n_children[low:high].sum()))
    if not np.array_equal(tree.level_start, level_start):
        return "level_start does not match the levels of the nodes"
    for keys, count, name in ((tree.point_key, n, "point_key"), (tree.node_key, m, "node_key")):
        if len(keys) != count or keys.min() < 0 or len(np.unique(keys)) < count:
            return f"{name} does not hold one distinct number from 0 for each"
    return None


def _check_embeddings(Z: Any) -> NDArray[np.floating]:
    dtype = np.float32 if getattr(Z, "dtype", None) == np.float32 else np.float64
    matrix = check_matrix(Z, "Z", dtype=dtype)
    if len(matrix) == 0:
        raise ValueError("Z must have at least one row, got none.")
    return matrix


def check_branching(branching: int | Sequence[int]) -> list[int]:
    """Children per node, root first: a list of integers from 2."""
    if not isinstance(branching, (Sequence, np.ndarray)) or isinstance(branching, (str, bytes)):
        return [check_int(branching, "branching", 2)]
    if np.ndim(branching) != 1 or len(branching) == 0:
        raise ValueError("branching must be an integer or a non-empty sequence of integers.")
    return [check_int(width, f"branching[{k}]", 2) for k, width in enumerate(branching)]


def _group_codes(groups: Any, n_points: int) -> NDArray[np.int64]:
    """Integer codes [n, L] of the user's groups."""
    if isinstance(groups, pd.DataFrame):
        columns = [groups.iloc[:, k] for k in range(groups.shape[1])]
    else:
        array = groups if isinstance(groups, pd.Series) else _as_labels(groups)
        if array.ndim not in (1, 2):
            got = f"shape {array.shape}" if array.ndim else f"a single {type(groups).__name__}"
            raise ValueError(f"groups must be 1- or 2-dimensional, got {got}.")
        columns = [array] if array.ndim == 1 else list(array.T)
    if not columns:
        raise ValueError("groups must have at least one column, got none.")
    codes = np.column_stack([_codes(column, "groups") for column in columns])
    if len(codes) != n_points:
        raise ValueError(f"groups has {len(codes)} entries for {n_points} rows.")
    return codes


def _codes(labels: Any, name: str) -> NDArray[np.int64]:
    """Labels as 0, 1, ... in the order in which they first occur."""
    column = labels if isinstance(labels, pd.Series) else _as_labels(labels)
    if column.ndim != 1:
        raise ValueError(f"{name} must be 1-dimensional, got shape {column.shape}.")
    missing = np.flatnonzero(pd.isna(column))
    if len(missing):
        raise ValueError(f"{name} has {len(missing)} missing entries (first at {missing[0]}).")
    try:
        return pd.factorize(column)[0].astype(np.int64, copy=False)
    except TypeError:
        raise TypeError(f"{name} must hold hashable labels.") from None


def _as_labels(labels: Any) -> NDArray[Any]:
    """An array of labels; those of a list stay what they are (numpy would turn 1 into "1")."""
    if not isinstance(labels, (list, tuple)):
        return in_native_order(np.asarray(labels))
    if all(isinstance(label, Hashable) for label in labels):
        return np.fromiter(labels, dtype=object, count=len(labels))  # tuples stay whole, too
    try:
        return np.asarray(labels, dtype=object)  # rows of a 2-D list
    except ValueError:
        raise ValueError("the rows of labels differ in shape.") from None
