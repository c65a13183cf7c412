"""KNN-Shapley: exact values of the unweighted k-nearest-neighbour game in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._distance import PRODUCT_QUERIES, DistanceImage, knn_scratch
from hcdv._kernels.knn import knn_shapley
from hcdv._validation import check_int, check_labels, check_matrix
from hcdv.engine import Threads

# Queries times rows of one task (some 30 ms). It depends on the data alone, so that the sum has the
# same bits for any number of threads.
TASK_CELLS = 1 << 21


def knn_shapley_values(
    X: Any, y: Any, X_val: Any, y_val: Any, k: int = 5, n_jobs: int | None = None
) -> NDArray[np.float64]:
    """Exact Shapley values of training rows for the accuracy of a k-nearest-neighbour vote.

    The game of a validation row is the number of its min(k, |S|) nearest rows in S with its label,
    over k; the values are the mean over validation rows.

    Parameters
    ----------
    X : array_like [n, d]
        Training rows, finite numbers; the distance is Euclidean, columns as given.
    y : array_like [n]
        Labels.
    X_val, y_val : array_like [n_val, d], [n_val]
        Validation rows; a label unseen in training matches nothing.
    k : int
        Neighbours, at least 1; may exceed n.
    n_jobs : int or None
        Threads, at most four a core. The values are the same bits for any number.

    Returns
    -------
    float64 [n]
        In the order of X. They add up to the value of all rows (v(empty) = 0).

    Raises
    ------
    ValueError, TypeError
        If an input holds NaN or infinity, is empty, or the lengths or columns differ.

    Notes
    -----
    Jia et al., "Efficient task-specific data valuation for nearest neighbor algorithms" (VLDB
    2019), Theorem 1. Rows at the same distance stand in the order of X: the lower row counts as
    nearer.
    """
    k = min(check_int(k, "k", 1), 2**53)  # beyond, a float would not know it
    rows = check_matrix(X, "X")
    queries = check_matrix(X_val, "X_val", n_columns=rows.shape[1])
    n, n_val = len(rows), len(queries)
    if n == 0 or n_val == 0:
        raise ValueError(f"X and X_val must have rows, got {n} and {n_val}.")
    labels, query_labels = _common_codes(
        check_labels(y, n, "y"), check_labels(y_val, n_val, "y_val")
    )

    distances = DistanceImage.of(rows)
    rank = np.arange(1, n + 1)
    weights = np.minimum(k, rank) / (float(k) * rank)
    task_queries = min(max(TASK_CELLS // n, 4), 2 * PRODUCT_QUERIES)

    def task(begin: int) -> NDArray[np.float64]:
        """Sum of the values over the queries begin..begin + task_queries - 1."""
        end = min(begin + task_queries, n_val)
        image = np.empty((min(PRODUCT_QUERIES, end - begin), n))
        scratch = knn_scratch(n)
        values = np.zeros(n)
        for a in range(begin, end, PRODUCT_QUERIES):
            block = slice(a, min(a + PRODUCT_QUERIES, end))
            product, slack = distances.image(queries[block], out=image[: block.stop - a])
            knn_shapley(
                product, slack, rows, queries[block], labels, query_labels[block], weights,
                *scratch, values,
            )  # fmt: skip
        return values

    total = np.zeros(n)
    for part in Threads(n_jobs).map(task, range(0, n_val, task_queries)):
        total += part
    return total / n_val


def _common_codes(
    y: NDArray[Any], y_val: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The labels of both sets as integers of one numbering."""
    if (y.dtype.kind in "USO") != (y_val.dtype.kind in "USO"):
        raise TypeError(
            f"y holds {y.dtype} labels and y_val {y_val.dtype}; give both the same type."
        )
    codes = np.unique(np.concatenate([y, y_val]), return_inverse=True)[1].astype(np.int64)
    return codes[: len(y)], codes[len(y) :]
