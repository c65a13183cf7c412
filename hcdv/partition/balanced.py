"""Balanced k-means: one node's rows into children of nearly equal size.

Centroids come from k-means (scikit-learn's, or a few steps in our kernels where a node is too small
to be worth a call of it). The rows are then assigned greedily by falling margin within the window
of sizes (paper, Eqs. 34-35), and centroids and assignment improve each other in turn, the latter
by transfers, swaps and rings inside the window, so the inertia only falls.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hcdv._dropped import go_on
from hcdv._kernels import assign as kernel
from hcdv._random import generator

# Below, a call of scikit-learn's KMeans (2 ms) would cost more than the split itself.
SMALL_NODE = 1_000
# Above, centroids are found on a sample of this many rows: the balanced rounds, on all of them, end at
# the same inertia as from k-means on all rows, and below mini-batch k-means (Fashion-MNIST).
SAMPLE_ROWS = 20_000
# Trial rows per k-means++ seed.
SEED_TRIALS = 4
LLOYD_STEPS = 5
KMEANS_ITERATIONS = 10
# Rounds of moving centroids and rows; passes over the pairs of children, and rings tried per child
# (up to so many children, as a search for a ring takes their cube), in each.
ROUNDS = 20
FIRST_PASSES = 4
PASSES = 1
RINGS = 2
RING_CHILDREN = 64
# A round that moves no more than this share of the rows is the last.
STILL = 1e-3


def size_window(n_rows: int, n_children: int, capacity_slack: float) -> tuple[int, int]:
    """Smallest and largest size of a child (Eqs. 34-35), clamped to what is feasible.

    With s = ceil(n_rows / n_children): floor((1 - slack) s) and ceil((1 + slack) s), the lower one
    at most floor(n_rows / n_children) and at least 1.
    """
    target = -(-n_rows // n_children)
    # A hair's breadth against rounding: 1.1 * 10 is 11.000000000000002, and its ceiling is 11.
    s_min = math.floor((1 - capacity_slack) * target + 1e-9)
    s_max = math.ceil((1 + capacity_slack) * target - 1e-9)
    return max(1, min(s_min, n_rows // n_children)), max(s_max, target)


def balanced_split(
    Z: NDArray[np.floating], n_children: int, capacity_slack: float, seed: int
) -> NDArray[np.int64]:
    """Split rows into children of sizes within the window, of low inertia.

    Parameters
    ----------
    Z : float32 or float64 [m, d], C-contiguous, finite
    n_children : int
        1 <= n_children <= m.
    capacity_slack : float
        The paper's gamma, in [0, 1).
    seed : int
        The labels are a function of it and of the other arguments, bit for bit, where BLAS and
        OpenMP run on one thread (:func:`hcdv.engine.single_threaded_blas`, or a task of
        :class:`hcdv.engine.Threads`).

    Returns
    -------
    int64 [m]
        Labels in 0 .. n_children-1; every child has at least one row, whatever the duplicates.
    """
    m = len(Z)
    if not 1 <= n_children <= m:
        raise ValueError(f"n_children must lie in [1, {m}] for {m} rows, got {n_children}.")
    if n_children == 1:
        return np.zeros(m, dtype=np.int64)
    if n_children == m:
        return np.arange(m, dtype=np.int64)
    centres_t = _kmeans_centres(Z, n_children, seed)
    s_min, s_max = size_window(m, n_children, capacity_slack)
    return balanced_labels(Z, centres_t, s_min, s_max)


def balanced_labels(
    Z: NDArray[np.floating], centres_t: NDArray[np.float64], s_min: int, s_max: int
) -> NDArray[np.int64]:
    """Balanced k-means from given centroids.

    Parameters
    ----------
    Z : float32 or float64 [m, d]
    centres_t : float64 [d, K]
        Centroids to start from, as columns; overwritten.
    s_min, s_max : int
        Window of sizes, K * s_min <= m <= K * s_max.

    Returns
    -------
    int64 [m]
    """
    m, K = len(Z), centres_t.shape[1]
    distances = np.empty((m, K))
    scores = np.empty(m)  # margins first, gains later
    labels = np.empty(m, dtype=np.int64)
    counts = np.empty(K, dtype=np.int64)
    members, rows = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
    starts = np.empty(K + 1, dtype=np.int64)
    best, walk = np.empty((K + 2, K + 1)), np.empty((4, K + 1), dtype=np.int64)

    kernel.squared_distances(Z, centres_t, distances)
    kernel.margins(distances, scores)
    np.negative(scores, out=scores)
    order = np.argsort(scores, kind="stable")
    kernel.assign(distances, order, s_min, s_max, labels, counts)
    rings = RINGS * K if K <= RING_CHILDREN else 0
    for turn in range(ROUNDS):
        go_on()
        passes = PASSES if turn else FIRST_PASSES
        moved = kernel.exchange(distances, s_min, s_max, passes, labels, counts, members, starts, scores, rows)
        moved += kernel.rotate(distances, s_min, s_max, rings, labels, counts, best, walk, scores, rows)
        # The first round answers to k-means' own centroids, so it is never the last.
        if turn and moved <= STILL * m:
            break
        kernel.centroids(Z, labels, counts, centres_t)
        kernel.squared_distances(Z, centres_t, distances)
    return labels


def _kmeans_centres(Z: NDArray[np.floating], n_centres: int, seed: int) -> NDArray[np.float64]:
    """Centroids [d, K] of an unconstrained k-means, on a sample where there are many rows."""
    random = generator(seed)
    sample = Z
    sample_rows = max(SAMPLE_ROWS, 10 * n_centres)
    if len(Z) > sample_rows:
        chosen = random.choice(len(Z), sample_rows, replace=False)
        chosen.sort()
        sample = Z[chosen]
    seeds = _seed_rows(sample, random.random((n_centres, SEED_TRIALS)))
    # scikit-learn would warn of fewer distinct rows than centroids; here it is nothing unusual.
    if len(sample) <= SMALL_NODE or len(np.unique(sample[seeds], axis=0)) < n_centres:
        return _lloyd(sample, np.ascontiguousarray(sample[seeds].T, dtype=np.float64))

    from sklearn.cluster import KMeans  # here: it takes most of a second to import

    kmeans = KMeans(n_centres, init=sample[seeds], n_init=1, max_iter=KMEANS_ITERATIONS)
    centres = kmeans.fit(sample).cluster_centers_
    return np.ascontiguousarray(centres.T, dtype=np.float64)


def _seed_rows(Z: NDArray[np.floating], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    m, K = len(Z), len(uniforms)
    chosen = np.empty(K, dtype=np.int64)
    kernel.plusplus(Z, uniforms, np.empty(m), np.empty((2, m)), chosen)
    return chosen


def _lloyd(Z: NDArray[np.floating], centres_t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A few steps of plain k-means; a centroid that loses all its rows stays where it was."""
    m, K = len(Z), centres_t.shape[1]
    distances = np.empty((m, K))
    for _ in range(LLOYD_STEPS):
        go_on()
        kernel.squared_distances(Z, centres_t, distances)
        labels = distances.argmin(axis=1)
        counts = np.bincount(labels, minlength=K)
        moved = np.empty_like(centres_t)
        kernel.centroids(Z, labels, counts, moved)
        lost = counts == 0
        if lost.any():
            moved[:, lost] = centres_t[:, lost]
        if np.array_equal(moved, centres_t):
            break
        centres_t = moved
    return centres_t
