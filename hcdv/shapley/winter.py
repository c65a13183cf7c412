"""The Winter value (nested Owen value) of a small game, by its definition."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from hcdv.hierarchy import Hierarchy
from hcdv.shapley._ask import BatchGame, ask_masks
from hcdv.shapley.exact import exact_values

MAX_POINTS = 62
MAX_COALITIONS = 1 << 22

Masks = NDArray[np.uint64]
Weights = NDArray[np.float64]


def winter_exact(game: BatchGame, hierarchy: Hierarchy) -> NDArray[np.float64]:
    """Exact hierarchical Shapley values (Winter, or nested Owen, value).

    Marginal contributions averaged over all permutations that keep every node together.

    Parameters
    ----------
    game : callable, or numba ``cfunc`` of signature ``float64(CPointer(int64), int64)``
        ``game(coalitions: bool[B, n]) -> float[B]`` over the points 0..n-1. A ``cfunc`` gets the
        ascending members of one coalition and their number.
    hierarchy : Hierarchy
        At most 62 points, and few enough coalitions: a point of leaf L meets 2**|L| subsets of its
        leaf in each of prod 2**(siblings) contexts, siblings counted at every node above. Only
        those coalitions are asked for, each once. 14 points under any tree are always few enough.

    Returns
    -------
    float64 [n]
        They add up to v(all) - v(empty); those of a node to the value of the node as a player among
        its siblings.

    Raises
    ------
    TypeError
        If ``hierarchy`` is none.
    ValueError
        If the hierarchy is inconsistent or too large, or ``game`` answers with another shape, NaN
        or infinity, or writes into ``coalitions`` (read-only).

    Notes
    -----
    Winter, "A value for cooperative games with levels structure of cooperation" (1989). The
    children of a node are players of a Shapley game on top of the context that the levels above
    have drawn; by linearity the games of one leaf in all its contexts are averaged into one table
    first.
    """
    if not isinstance(hierarchy, Hierarchy):
        raise TypeError(f"hierarchy must be a Hierarchy, got {type(hierarchy).__name__}.")
    n = hierarchy.validate().n_points
    _check_size(hierarchy, n)

    leaves: list[int] = []
    contexts: list[tuple[Masks, Weights]] = []
    stack = [(0, np.zeros(1, dtype=np.uint64), np.ones(1))]
    while stack:
        node, masks, weights = stack.pop()
        k = int(hierarchy.n_children[node])
        if k == 0:
            leaves.append(node)
            contexts.append((masks, weights))
            continue
        first = int(hierarchy.first_child[node])
        blocks = np.array(
            [_mask_of(_points(hierarchy, first + c)) for c in range(k)], dtype=np.uint64
        )
        before, share = _sibling_weights(k)
        for c in range(k):
            unions = _unions(np.delete(blocks, c))[before]
            stack.append(
                (
                    first + c,
                    (masks[:, None] | unions[None, :]).ravel(),
                    (weights[:, None] * share[None, :]).ravel(),
                )
            )

    # All coalitions of all leaves in one list, each asked for once.
    tables = []
    for node, (masks, _) in zip(leaves, contexts, strict=True):
        one = np.uint64(1) << _points(hierarchy, node).astype(np.uint64)
        tables.append((masks[:, None] | _unions(one)[None, :]).ravel())
    coalitions, place = np.unique(np.concatenate(tables), return_inverse=True)
    answers = ask_masks(game, coalitions, n)[place]

    values = np.empty(n)
    begin = 0
    for node, (masks, weights) in zip(leaves, contexts, strict=True):
        points = _points(hierarchy, node)
        end = begin + (len(masks) << len(points))
        values[points] = exact_values(weights @ answers[begin:end].reshape(len(masks), -1))
        begin = end
    return values


def _points(hierarchy: Hierarchy, node: int) -> NDArray[np.int64]:
    return hierarchy.order[hierarchy.start[node] : hierarchy.stop[node]]


def _mask_of(points: NDArray[np.int64]) -> int:
    return sum(1 << int(point) for point in points)


def _unions(blocks: Masks) -> Masks:
    """Union of every subset of disjoint blocks: entry s joins the blocks whose bit is set in s."""
    unions = np.zeros(1, dtype=np.uint64)
    for block in blocks:
        unions = np.concatenate([unions, unions | block])
    return unions


def _sibling_weights(k: int) -> tuple[NDArray[np.int64], Weights]:
    """Subsets of the k - 1 siblings, and the chance that they are the ones before a child."""
    subsets = np.arange(1 << (k - 1), dtype=np.int64)
    by_size = np.array([1.0 / (k * comb(k - 1, s)) for s in range(k)])
    return subsets, by_size[np.bitwise_count(subsets)]


def _check_size(hierarchy: Hierarchy, n: int) -> None:
    if n > MAX_POINTS:
        raise ValueError(f"winter_exact takes at most {MAX_POINTS} points, got {n}.")
    total = 0
    stack = [(0, 1)]
    while stack:
        node, n_contexts = stack.pop()
        k = int(hierarchy.n_children[node])
        if k == 0:
            total += n_contexts << int(hierarchy.stop[node] - hierarchy.start[node])
        first = int(hierarchy.first_child[node])
        stack.extend((first + c, n_contexts << (k - 1)) for c in range(k))
    if total > MAX_COALITIONS:
        raise ValueError(
            f"winter_exact would need {total} coalitions of this hierarchy, at most "
            f"{MAX_COALITIONS}; use smaller nodes or sample chains."
        )
