"""KNN-Shapley (Jia et al. 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.spatial.distance import cdist

from hcdv._labels import names_of_rows
from hcdv._progress import Progress
from hcdv._random import RandomState, check_seed
from hcdv._validation import as_array, check_bool, check_int, check_labels, check_matrix
from hcdv.encoder._input import as_frame, in_order, is_table
from hcdv.engine import Threads
from hcdv.result import ValuationResult
from hcdv.shapley import knn_shapley_values

# Distances of one task of the weighted vote; it depends on the data alone, and so do the bits.
TASK_CELLS = 1 << 20
# No neighbour is so near that the width of its kernel vanishes.
SMALLEST_WIDTH = 1e-12


def knn_shapley(
    X: Any,
    y: ArrayLike,
    X_val: Any,
    y_val: ArrayLike,
    *,
    k: int = 5,
    weighted: bool = False,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Exact Shapley values of the rows for a k-nearest-neighbour vote on the validation rows.

    The game is the mean over validation rows of (rows with its label among the min(k, |S|) nearest) / k, or of
    their weights' sum / k.  O((n log n) n_val); no sampling, so the values are exact for data of any size.
    Columns are used as given: standardise them first.

    Parameters
    ----------
    X, y : float [n, d] and labels [n]
    X_val, y_val : float [n_val, d] and labels [n_val]
        Columns of two DataFrames are matched by name.  A label unseen in y matches nothing.
    k : int
        Neighbours that vote.
    weighted : bool
        Whether a row at distance d from a validation row votes with weight exp(-2 d^2 / h^2), h being the
        distance to the k-th nearest of all rows.  Weights are fixed before the game and never divided by their
        sum in S; this keeps the closed form, which weights normalised in every coalition would lose.
    random_state, verbose
        Nothing is drawn, and there is one stage; there so that all baselines are called alike.
    n_jobs : int, optional
        Threads; all available cores by default.

    Returns
    -------
    ValuationResult
        With the single part ``"knn"`` and no standard error.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.

    Notes
    -----
    Jia et al., "Efficient task-specific data valuation for nearest neighbor algorithms", VLDB 2019,
    Theorem 1; rows at equal distance count in the order of X.  The proof needs nothing of a vote but that it
    does not depend on who else is in S, and so holds for fixed weights too.
    """
    check_int(verbose, "verbose", 0)
    check_seed(random_state)
    if X_val is None or y_val is None:
        raise ValueError("X_val and y_val must be given: the nearest rows vote on validation rows.")
    check_bool(weighted, "weighted")
    rows, names = _plain(X, "X", None)
    queries = _plain(X_val, "X_val", names)[0]
    if y is None:
        raise ValueError("y must be the labels of the rows, got None: rows are valued under labels.")
    with Progress(verbose > 0).stage("finding neighbours"):
        if weighted:
            values = _weighted_values(rows, y, queries, y_val, check_int(k, "k", 1), Threads(n_jobs))
        else:
            values = knn_shapley_values(rows, y, queries, y_val, k, n_jobs)
    labels = check_labels(y, len(values), "y")
    return ValuationResult(
        values=values,
        ids=names_of_rows(X, len(values)),
        parts={"knn": values},
        weights={"knn": 1.0},
        v_empty=0.0,
        v_full=float(values.sum()),
        n_evaluations=0,
        n_permutations=0,
        stopped_by="exact",
        labels=labels,
    )


def _plain(X: Any, name: str, names: Any) -> tuple[Any, Any]:
    """``X`` as something with a shape, its columns in the order of ``names``; and their names, if any."""
    if is_table(X):
        frame = in_order(as_frame(X, name), names, name)
        array, columns = frame, frame.columns
    else:
        array, columns = X if issparse(X) else as_array(X, name), None
        if array.ndim == 0:
            raise TypeError(f"{name} must be an array or a DataFrame, got {type(X).__name__}.")
        if array.dtype.kind == "c":
            raise ValueError(f"Complex data not supported: {name} must hold real numbers.")
    if array.ndim == 2 and array.shape[1] == 0:
        raise ValueError(f"{name} has no columns.")
    return array, columns


def _weighted_values(
    X: Any, y: Any, X_val: Any, y_val: Any, k: int, threads: Threads
) -> NDArray[np.float64]:
    """Shapley values where a vote weighs what its distance says; float64 [n]."""
    rows = check_matrix(X, "X")
    queries = check_matrix(X_val, "X_val", n_columns=rows.shape[1])
    n = len(rows)
    if n == 0 or len(queries) == 0:
        raise ValueError(f"X and X_val must have rows, got {n} and {len(queries)}.")
    labels, labels_val = check_labels(y, n, "y"), check_labels(y_val, len(queries), "y_val")
    if (labels.dtype.kind in "USO") != (labels_val.dtype.kind in "USO"):
        raise TypeError(f"y holds {labels.dtype} labels and y_val {labels_val.dtype}; give both the same type.")
    codes = np.unique(np.concatenate([labels, labels_val]), return_inverse=True)[1]
    labels, labels_val = codes[:n], codes[n:]
    # A row at rank r is among the k nearest of a random coalition with this chance, over its rank.
    rank = np.arange(1, n + 1)
    shares = np.minimum(k, rank) / (float(k) * rank)
    step = max(1, TASK_CELLS // n)

    def task(begin: int) -> NDArray[np.float64]:
        """Sum of the values over some queries."""
        end = min(begin + step, len(queries))
        squared = cdist(queries[begin:end], rows, "sqeuclidean")
        order = np.argsort(squared, axis=1, kind="stable")
        squared = np.take_along_axis(squared, order, axis=1)
        width = np.maximum(squared[:, [min(k, n) - 1]], SMALLEST_WIDTH**2)
        votes = np.exp(-2.0 * squared / width) * (labels[order] == labels_val[begin:end, None])
        # From the farthest row inwards: neighbours in rank differ by the vote that one takes from the other.
        gains = votes * shares
        gains[:, :-1] -= votes[:, 1:] * shares[:-1]
        by_rank = np.cumsum(gains[:, ::-1], axis=1)[:, ::-1]
        total = np.zeros(n)
        for places, values in zip(order, by_rank, strict=True):
            total[places] += values
        return total

    values = np.zeros(n)
    for part in threads.map(task, range(0, len(queries), step)):
        values += part
    return values / len(queries)
