"""Rows of every class in every leaf of a forest: what rows that are not at hand have to say, in few numbers.

Votes of rows that share leaves add up leaf by leaf, so that these counts stand for any number of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array


def leaf_counts(
    leaf_of: NDArray[np.int32],
    unseen: NDArray[np.uint64],
    labels: NDArray[np.int64],
    n_leaves: NDArray[np.int32],
    n_classes: int,
) -> csr_array:
    """Rows of each class in each leaf, int64 [leaves of all trees, classes]; only rows its tree has not seen.

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
    first = _first_leaves(n_leaves)
    cells: list[NDArray[np.int64]] = []
    often: list[NDArray[np.int64]] = []
    for t in range(len(n_leaves)):
        rows = _unseen_by_tree(unseen, t)
        cell = (first[t] + leaf_of[rows, t]) * n_classes + labels[rows]
        # Of one tree at a time: cells of all would be as many as rows x trees.
        found, counts = np.unique(cell, return_counts=True)
        cells.append(found)
        often.append(counts.astype(np.int64))
    leaf, label = np.divmod(np.concatenate(cells), n_classes)
    shape = (int(n_leaves.sum()), n_classes)
    return csr_array((np.concatenate(often), (leaf, label)), shape)


def votes_from_elsewhere(
    leaf_of: NDArray[np.int32],
    unseen: NDArray[np.uint64],
    labels: NDArray[np.int64],
    n_leaves: NDArray[np.int32],
    everyone: csr_array,
    here: csr_array,
) -> NDArray[np.float64]:
    """Matching and all votes that rows elsewhere cast on the rows here, float64 [n, 2].

    As in :func:`hcdv.affinity.forest_affinity` a leaf splits one vote over the other unseen rows in it,
    wherever these are, and a voter takes the mean over the trees that have not seen it.  All of them are
    heard, not the nearest alone.

    Parameters
    ----------
    leaf_of, unseen, labels, n_leaves
        Of the rows here, as in :func:`leaf_counts`.
    everyone, here : csr_array int64 [leaves, classes]
        :func:`leaf_counts` of all rows, and of those here.
    """
    sizes = np.asarray(everyone.sum(axis=1))
    votes = csr_array(diags_array(1.0 / np.maximum(1, sizes - 1)) @ (everyone - here))
    together = np.asarray(votes.sum(axis=1))
    first = _first_leaves(n_leaves)
    heard, trees = np.zeros((len(labels), 2)), np.zeros(len(labels))
    for t in range(len(n_leaves)):
        rows = _unseen_by_tree(unseen, t)
        leaf = first[t] + leaf_of[rows, t]
        heard[rows, 0] += _at(votes, leaf, labels[rows])
        heard[rows, 1] += together[leaf]
        trees[rows] += 1.0
    heard /= np.maximum(1.0, trees)[:, None]
    return heard


def _first_leaves(n_leaves: NDArray[np.int32]) -> NDArray[np.int64]:
    """The number of each tree's first leaf."""
    return np.cumsum(n_leaves, dtype=np.int64) - n_leaves


def _unseen_by_tree(unseen: NDArray[np.uint64], t: int) -> NDArray[np.int64]:
    """Rows that tree t has not seen."""
    return np.flatnonzero(unseen[:, t // 64] >> np.uint64(t % 64) & np.uint64(1))


def _at(votes: csr_array, leaf: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[Any]:
    """Entries at pairs of leaf and label."""
    return np.asarray(votes[leaf, label]).ravel()
