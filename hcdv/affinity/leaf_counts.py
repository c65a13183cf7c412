"""Rows of every class in every leaf of a forest: what rows that are not at hand have to say, in few numbers.

Votes of rows that share leaves add up leaf by leaf, so that these counts stand for any number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from hcdv.affinity.forest import first_leaves, unseen_by_tree


@dataclass(frozen=True, eq=False)
class LeafCounts:
    """Some rows in the leaves of a forest (of all trees, numbered through); only rows their tree has not seen.

    Attributes
    ----------
    votes : csr_array float64 [leaves, classes]
        Rows of each class.  A row that few trees have not seen counts for more, so that all say as much:
        trees / trees that have not seen it.
    sizes : int64 [leaves]
        Rows, each of them counted once.
    """

    votes: csr_array
    sizes: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        leaf_of: NDArray[np.int32],
        unseen: NDArray[np.uint64],
        labels: NDArray[np.int64],
        n_leaves: NDArray[np.int32],
        n_classes: int,
    ) -> LeafCounts:
        """Count rows.

        Parameters
        ----------
        leaf_of : int32 [n, trees]
            Numbered within each tree.
        unseen : uint64 [n, words]
            Bit t of row i: tree t has not seen it.
        labels : int64 [n]
        n_leaves : int32 [trees]
        n_classes : int
        """
        first = first_leaves(n_leaves)
        share = len(n_leaves) / np.maximum(1, _trees(unseen))
        cells: list[NDArray[np.int64]] = []
        often: list[NDArray[np.float64]] = []
        sizes = np.zeros(int(n_leaves.sum()), np.int64)
        for t in range(len(n_leaves)):
            rows = unseen_by_tree(unseen, t)
            leaf = first[t] + leaf_of[rows, t]
            sizes += np.bincount(leaf, minlength=len(sizes))
            # Of one tree at a time: cells of all would be as many as rows x trees.
            found, place = np.unique(leaf * n_classes + labels[rows], return_inverse=True)
            cells.append(found)
            often.append(np.bincount(place, share[rows], len(found)).astype(np.float64))
        leaves, classes = np.divmod(np.concatenate(cells), n_classes)
        return cls(csr_array((np.concatenate(often), (leaves, classes)), (len(sizes), n_classes)), sizes)

    def __add__(self, other: LeafCounts) -> LeafCounts:
        return LeafCounts(csr_array(self.votes + other.votes), self.sizes + other.sizes)


def votes_from_elsewhere(
    leaf_of: NDArray[np.int32],
    unseen: NDArray[np.uint64],
    labels: NDArray[np.int64],
    n_leaves: NDArray[np.int32],
    everyone: LeafCounts,
    here: LeafCounts,
) -> NDArray[np.float64]:
    """Matching and all votes that rows elsewhere cast on the rows here, float64 [n, 2].

    As in :func:`hcdv.affinity.forest_affinity` a leaf splits one vote over the other unseen rows in it,
    wherever these are, and a voter takes the mean over the trees that have seen neither: here over those that
    have not seen it, of rows counted in the measure of the trees that have not seen them.  All are heard, not
    the nearest alone.

    Parameters
    ----------
    leaf_of, unseen, labels, n_leaves
        Of the rows here, as in :meth:`LeafCounts.of`.
    everyone, here : LeafCounts
        Of all rows, and of those here.
    """
    weight = diags_array(1.0 / np.maximum(1, everyone.sizes - 1))
    votes = csr_array(weight @ (everyone.votes - here.votes))
    together = np.asarray(votes.sum(axis=1))
    first = first_leaves(n_leaves)
    heard = np.zeros((len(labels), 2))
    for t in range(len(n_leaves)):
        rows = unseen_by_tree(unseen, t)
        leaf = first[t] + leaf_of[rows, t]
        heard[rows, 0] += _at(votes, leaf, labels[rows])
        heard[rows, 1] += together[leaf]
    heard /= np.maximum(1, _trees(unseen))[:, None]
    # What subtracting leaves of votes that are all here.
    return np.maximum(heard, 0.0)


def _trees(unseen: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Trees that have not seen each row."""
    return np.bitwise_count(unseen).sum(axis=1, dtype=np.int64)


def _at(votes: csr_array, leaf: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[Any]:
    """Entries at pairs of leaf and label."""
    if not len(leaf):  # for which scipy gives a sparse array, and no plain one
        return np.zeros(0)
    return np.asarray(votes[leaf, label]).ravel()
