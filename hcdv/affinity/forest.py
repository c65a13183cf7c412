"""The forest affinity: rows that trees which have not seen them send to the same leaf."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from hcdv._kernels import forest as kernels
from hcdv._random import derive_seed, generator
from hcdv.affinity.sparse import Affinity, Workers, weighted_rows_first

# Rows that one tree grows on. More make the leaves purer, but a tree then votes on fewer rows that
# it has not seen, and takes longer to grow.
ROWS_PER_TREE = 10_000
# Above this many (row, tree) pairs there are fewer trees, down to 32: a pair takes 8 bytes.
N_TREES = 200
MAX_PAIRS = 20_000_000
FEWEST_TREES = 32
# A forest grows on a sample of at most so many rows.
MAX_ROWS = 200_000
LEAF_ROWS = 5
# Rows that a voter listens to.
NEIGHBOURS = 256
# Leaves with more unseen rows (constant columns, say) do not vote.
LARGEST_LEAF = 4096
# Voters per task, and rows per task where leaves are looked up.
CHUNK = 256
DESCENDING_ROWS = 8192

# As the kernel has it: a leaf is its own child on both sides.
NODE = np.dtype([("feature", "i4"), ("threshold", "f4"), ("left", "i4"), ("right", "i4")])


@dataclass(frozen=True, eq=False)
class Forest:
    """A grown forest, as plain arrays, and which rows each tree has seen.

    Attributes
    ----------
    nodes : NODE [nodes]
        Of all trees, numbered through.
    roots : int32 [trees]
    leaf : int32 [nodes]
        Number of each leaf within its tree; 0 for inner nodes.
    n_leaves : int32 [trees]
    rows : int64 [s]
        The rows that the forest was grown on, ascending.
    unseen : uint64 [s, words]
        Bit t of the k-th of these rows: tree t has not seen it.
    """

    nodes: NDArray[Any]
    roots: NDArray[np.int32]
    leaf: NDArray[np.int32]
    n_leaves: NDArray[np.int32]
    rows: NDArray[np.int64]
    unseen: NDArray[np.uint64]

    @classmethod
    def grow(
        cls,
        X: NDArray[Any],
        y: NDArray[Any],
        *,
        n_trees: int,
        min_samples_leaf: int = LEAF_ROWS,
        max_rows: int = MAX_ROWS,
        seed: int,
        threads: Workers,
    ) -> Self:
        """Grow trees on rows [n, p] and their labels; arguments as in :func:`forest_affinity`."""
        n = len(X)
        rows = np.arange(n)
        if n > max_rows:
            rows = np.sort(generator(seed, "forest sample").choice(n, max_rows, replace=False))
        forest = RandomForestClassifier(
            n_trees,
            min_samples_leaf=min_samples_leaf,
            # At least a quarter of the rows: a leaf would else hold ever more of the unseen ones.
            max_samples=min(len(rows), max(ROWS_PER_TREE, len(rows) // 4)),
            random_state=derive_seed(seed, "forest"),
            n_jobs=threads.n_jobs,
        )
        with warnings.catch_warnings():
            # Few rows of many classes: scikit-learn takes that for regression by mistake.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            forest.fit(np.asarray(X[rows], np.float32), np.asarray(y)[rows])
        trees = [tree.tree_ for tree in forest.estimators_]
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])]).astype(np.int32)
        is_leaf = [tree.children_left < 0 for tree in trees]
        unseen = everywhere(len(rows), n_trees)
        for t, seen in enumerate(forest.estimators_samples_):
            unseen[seen, t // 64] &= ~np.uint64(1 << (t % 64))
        return cls(
            np.concatenate([_nodes(tree, root) for tree, root in zip(trees, roots, strict=True)]),
            roots,
            np.concatenate([np.where(ends, np.cumsum(ends) - 1, 0) for ends in is_leaf]).astype(np.int32),
            np.array([ends.sum() for ends in is_leaf], np.int32),
            rows,
            unseen,
        )

    @property
    def n_trees(self) -> int:
        return len(self.roots)

    def leaves(self, X: NDArray[Any], threads: Workers) -> NDArray[np.int32]:
        """The leaf of every row in every tree, int32 [n, trees], numbered within the tree."""
        inputs = np.ascontiguousarray(X, np.float32)
        leaves = np.empty((len(inputs), self.n_trees), np.int32)

        def descend(first: int) -> None:
            part = slice(first, first + DESCENDING_ROWS)
            kernels.descend(self.nodes, self.roots, self.leaf, inputs[part], leaves[part])

        for _ in threads.map(descend, range(0, len(inputs), DESCENDING_ROWS)):
            pass
        return leaves

    def unseen_by(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Which trees have not seen these rows, uint64 [n, words]; ``rows`` as in ``self.rows``."""
        unseen = everywhere(len(rows), self.n_trees)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        grown_on = self.rows[place] == rows
        unseen[grown_on] = self.unseen[place[grown_on]]
        return unseen

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it is, for a file; see :meth:`from_arrays`."""
        columns = {name: np.ascontiguousarray(self.nodes[name]) for name in NODE.names or ()}
        return {
            **columns, "roots": self.roots, "leaf": self.leaf, "n_leaves": self.n_leaves, "rows": self.rows,
            "unseen": self.unseen,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        nodes = np.empty(len(arrays["leaf"]), NODE)
        for name in NODE.names or ():
            nodes[name] = arrays[name]
        others = ("roots", "leaf", "n_leaves", "rows", "unseen")
        return cls(nodes, *(arrays[name] for name in others))


@dataclass(frozen=True)
class Leaves:
    """Leaves of all trees, numbered through, and the unseen rows in each.

    ``leaf_of`` int32 [n, trees]; ``leaf_start`` int64 [leaves + 1], ``members`` int32;
    ``leaf_weight`` float64 [leaves], one over the other unseen rows in the leaf; ``unseen``
    uint64 [n, words], bit t of row i: tree t has not seen the row;
    ``first``, int64 [trees], the number of each tree's first leaf.
    """

    leaf_of: NDArray[np.int32]
    leaf_start: NDArray[np.int64]
    leaf_weight: NDArray[np.float64]
    members: NDArray[np.int32]
    unseen: NDArray[np.uint64]
    first: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        leaf_of: NDArray[np.int32],
        unseen: NDArray[np.uint64],
        n_leaves: NDArray[np.int32],
        threads: Workers,
        leaf_sizes: NDArray[np.int64] | None = None,
    ) -> Leaves:
        """From the leaf of every row in every tree, numbered within the tree; renumbered in place.

        ``leaf_sizes`` int64 [leaves] are the unseen rows in every leaf, where these rows are but some of them.
        """
        first = first_leaves(n_leaves)

        def gather(t: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
            leaf = leaf_of[:, t]
            kept = unseen_by_tree(unseen, t).astype(np.int32)
            # Stable, so that members of a leaf ascend.
            members = kept[np.argsort(leaf[kept], kind="stable")]
            return np.bincount(leaf[kept], minlength=n_leaves[t]), members

        gathered = list(threads.map(gather, range(leaf_of.shape[1])))
        size = np.concatenate([size for size, _ in gathered])
        leaf_of += first.astype(np.int32)
        leaf_start = np.concatenate([[0], np.cumsum(size)])
        # What a huge leaf has to say to each of its rows is next to nothing, and would take the square of its
        # size.
        others = np.maximum(1, (size if leaf_sizes is None else leaf_sizes) - 1)
        weight = np.where(size <= LARGEST_LEAF, 1.0 / others, 0.0)
        members = np.concatenate([members for _, members in gathered])
        return cls(leaf_of, leaf_start, weight, members, unseen, first)


def n_trees_for(n: int, n_trees: int = N_TREES) -> int:
    """Trees of a forest whose leaves are asked about n rows."""
    return min(n_trees, max(FEWEST_TREES, MAX_PAIRS // n))


def forest_affinity(
    X: NDArray[Any],
    y: NDArray[Any],
    n_classes: int,
    X_val: NDArray[Any] | None = None,
    *,
    n_trees: int = N_TREES,
    min_samples_leaf: int = LEAF_ROWS,
    n_neighbors: int = NEIGHBOURS,
    max_rows: int = MAX_ROWS,
    seed: int,
    threads: Workers,
) -> tuple[Affinity, Affinity | None]:
    """Vote weights of rows that share leaves of trees which have seen neither.

    w(i, v) is the sum of 1 / (unseen rows in the leaf - 1) over the trees where i and v share a leaf, divided
    by the number of trees that have seen neither.  A leaf thus splits one vote over the other unseen rows in
    it, as a forest's own prediction does.  A validation row is seen by no tree; a row does not vote on itself.
    Each voter keeps the ``n_neighbors`` rows of largest weight (ties: the lower index).

    Parameters
    ----------
    X : float [n, d]
    y : integer or label array [n]
        Labels that the trees grow on.
    n_classes : int
        With one class only there is nothing to grow; every tree is then a single leaf.
    X_val : float [m, d], optional
    n_trees, min_samples_leaf : int
        Above 20 million / n_trees rows there are fewer trees, at least 32.
    max_rows : int
        The forest grows on a sample of at most so many rows; the others are unseen by all trees.
    seed : int
    threads : hcdv.engine.Threads

    Returns
    -------
    Affinity [n, n], Affinity [n, m] or None
    """
    n = len(X)
    forest = Forest.grow(
        X, y, n_trees=n_trees_for(n, n_trees), min_samples_leaf=min_samples_leaf, max_rows=max_rows,
        seed=seed, threads=threads,
    )  # fmt: skip
    return shared_leaf_affinity(
        forest.leaves(X, threads), forest.unseen_by(np.arange(n)), forest.n_leaves,
        None if X_val is None else forest.leaves(X_val, threads),
        n_neighbors=n_neighbors, threads=threads,
    )  # fmt: skip


def shared_leaf_affinity(
    leaf_of: NDArray[np.int32],
    unseen: NDArray[np.uint64],
    n_leaves: NDArray[np.int32],
    val_leaf_of: NDArray[np.int32] | None,
    *,
    n_neighbors: int = NEIGHBOURS,
    leaf_sizes: NDArray[np.int64] | None = None,
    threads: Workers,
) -> tuple[Affinity, Affinity | None]:
    """The affinity of rows whose leaves are known; see :func:`forest_affinity`.

    Parameters
    ----------
    leaf_of : int32 [n, trees]
        Numbered within each tree; used up.
    unseen : uint64 [n, words]
    n_leaves : int32 [trees]
    val_leaf_of : int32 [m, trees], optional
        Of validation rows.
    leaf_sizes : int64 [leaves], optional
        Unseen rows in every leaf (leaves of all trees, numbered through), where there are more rows than these.
    """
    n = len(leaf_of)
    leaves = Leaves.of(leaf_of, unseen, n_leaves, threads, leaf_sizes)
    on_val = None
    if val_leaf_of is not None:
        theirs = (val_leaf_of + leaves.first).astype(np.int32)
        nobody = np.full(len(theirs), -1, np.int64)
        all_trees = everywhere(len(theirs), leaf_of.shape[1])
        on_val = weighted_rows_first(*_lists(leaves, theirs, all_trees, nobody, n_neighbors, threads), n)
    own = np.arange(n, dtype=np.int64)
    lists = _lists(leaves, leaves.leaf_of, leaves.unseen, own, n_neighbors, threads)
    # Lists and the affinity made of them are large: the leaves need not stand beside both.
    del leaves
    return weighted_rows_first(*lists, n), on_val


def first_leaves(n_leaves: NDArray[np.int32]) -> NDArray[np.int64]:
    """The number of each tree's first leaf, where leaves of all trees are numbered through; int64 [trees]."""
    first: NDArray[np.int64] = np.cumsum(n_leaves, dtype=np.int64) - n_leaves
    return first


def unseen_by_tree(unseen: NDArray[np.uint64], t: int) -> NDArray[np.int64]:
    """Rows that tree t has not seen, ascending."""
    return np.flatnonzero(unseen[:, t // 64] >> np.uint64(t % 64) & np.uint64(1))


def everywhere(n: int, n_trees: int) -> NDArray[np.uint64]:
    """Words of bits in which every tree's is set, uint64 [n, words]."""
    words = np.zeros(-(-n_trees // 64), np.uint64)
    for t in range(n_trees):
        words[t // 64] |= np.uint64(1 << (t % 64))
    return np.tile(words, (n, 1))


def _nodes(tree: Any, root: int) -> NDArray[Any]:
    """A tree of scikit-learn's as nodes that are numbered from ``root``."""
    nodes = np.empty(tree.node_count, NODE)
    is_leaf = tree.children_left < 0
    own = np.arange(tree.node_count)
    nodes["feature"] = np.where(is_leaf, 0, tree.feature)
    # A float32 is at or below a threshold in float64 where it is at or below the largest float32 that is.
    threshold = tree.threshold.astype(np.float32)
    above = threshold > tree.threshold
    nodes["threshold"] = np.where(above, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    nodes["left"] = root + np.where(is_leaf, own, tree.children_left)
    nodes["right"] = root + np.where(is_leaf, own, tree.children_right)
    return nodes


def _lists(
    leaves: Leaves,
    voter_leaves: NDArray[np.int32],
    voter_trees: NDArray[np.uint64],
    own: NDArray[np.int64],
    q: int,
    threads: Workers,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Rows of largest weight of every voter, in any order, and their weights, [m, q]."""
    n, m = len(leaves.leaf_of), len(voter_leaves)
    lists = np.empty((m, q), np.int32)
    weights = np.empty((m, q), np.float32)

    def serve(first: int) -> None:
        part = slice(first, min(first + CHUNK, m))
        kernels.shared_leaves(
            leaves.leaf_start, leaves.leaf_weight, leaves.members, leaves.unseen,
            voter_leaves[part], voter_trees[part], own[part],
            np.zeros(n), np.empty(n + 1, np.int32), np.empty(n), lists[part], weights[part],
        )  # fmt: skip

    for _ in threads.map(serve, range(0, m, CHUNK)):
        pass
    return lists, weights
