"""Votes of trusted rows on the others, added up: their coalition never changes, so sums are all it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.affinity.sparse import Affinity, Workers

# Pairs of a voter and a trusted row weighed at a time (so many float64 and float32 a thread).
PAIRS = 1 << 19
# Below this share of |x|^2 + |v|^2, what the expanded square leaves of a distance is mostly rounding.
_CANCELLED = 1e-9


def trusted_kernel_votes(
    X: NDArray[Any],
    labels: NDArray[np.int64],
    bandwidth: NDArray[np.float64],
    X_trusted: NDArray[Any],
    labels_trusted: NDArray[np.int64],
    n_classes: int,
    threads: Workers,
) -> NDArray[np.float64]:
    """Votes of all trusted rows on every row, with w = exp(-2 d^2 / h^2) and h the row's own bandwidth.

    Parameters
    ----------
    X : float [n, d]
    labels : int64 [n]
    bandwidth : float64 [n]
        Of each row, as ``kernel_affinity`` found it.
    X_trusted : float [m, d]
    labels_trusted : int64 [m]
    n_classes : int
    threads : hcdv.engine.Threads

    Returns
    -------
    float64 [n, 2]
        Votes for the row's own label, and all votes.
    """
    n = len(X)
    trusted = X_trusted.astype(np.float64)
    norms = np.einsum("ij,ij->i", trusted, trusted)
    # |x|^2 + |v|^2 - 2 x.v as one product.
    squaring = np.column_stack([-2.0 * trusted, np.ones(len(trusted)), norms])
    ballots = np.zeros((len(trusted), n_classes), np.float32)
    ballots[np.arange(len(trusted)), labels_trusted] = 1.0
    votes = np.zeros((n, 2))
    step = max(1, PAIRS // max(1, len(trusted)))

    def count(first: int) -> None:
        part = slice(first, min(first + step, n))
        rows = X[part].astype(np.float64)
        size = np.einsum("ij,ij->i", rows, rows)
        squares = np.column_stack([rows, size, np.ones(len(rows))]) @ squaring.T
        close = squares <= (_CANCELLED * (size + norms.max(initial=0.0)))[:, None]
        _measure_close_pairs(rows, trusted, squares, close)
        weights = np.empty(squares.shape, np.float32)
        with np.errstate(over="ignore"):  # what does not fit into float32 is infinitely far
            np.multiply(squares, (-2.0 / bandwidth[part] ** 2)[:, None], out=weights, casting="same_kind")
        by_class = np.exp(weights, out=weights) @ ballots
        votes[part, 0] = by_class[np.arange(len(rows)), labels[part]]
        votes[part, 1] = by_class.sum(axis=1, dtype=np.float64)

    for _ in threads.map(count, range(0, n, step)):
        pass
    return votes


def _measure_close_pairs(
    rows: NDArray[np.float64],
    trusted: NDArray[np.float64],
    squares: NDArray[np.float64],
    close: NDArray[np.bool_],
) -> None:
    """Squared distances of the close pairs by differences: equal rows are at exactly 0, whatever BLAS."""
    i, j = np.nonzero(close)
    step = max(1, PAIRS // max(1, rows.shape[1]))
    for first in range(0, len(i), step):
        some = slice(first, first + step)
        apart = rows[i[some]] - trusted[j[some]]
        squares[i[some], j[some]] = np.einsum("ij,ij->i", apart, apart)


def returned_votes(
    affinity: Affinity, labels: NDArray[np.int64], labels_trusted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Votes of trusted rows on the rows that vote on them, by a symmetric affinity.

    Parameters
    ----------
    affinity : Affinity
        Weights of the n rows on the trusted rows; w(i, v) counts as w(v, i) here.
    labels : int64 [n]
    labels_trusted : int64 [affinity.n_voters]

    Returns
    -------
    float64 [n, 2]
        Votes for the row's own label, and all votes.
    """
    row = np.repeat(np.arange(affinity.n_sources), np.diff(affinity.indptr))
    agree = labels[row] == labels_trusted[affinity.indices]
    weights = affinity.weights.astype(np.float64)
    matching = np.bincount(row, weights * agree, affinity.n_sources)
    return np.column_stack([matching, np.bincount(row, weights, affinity.n_sources)])
