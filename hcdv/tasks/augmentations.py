"""Which candidate data sets are worth adding to the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.sparse import vstack as stack_sparse
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from hcdv._validation import as_array, check_fraction, check_int, check_labels, check_number
from hcdv.encoder import make_encoder
from hcdv.engine import single_threaded_blas
from hcdv.tasks._text import text_table
from hcdv.tasks._values import frozen

if TYPE_CHECKING:
    from hcdv.result import ValuationResult

# Training rows whose nearest neighbour tells how far apart rows usually are.
ROWS_ASKED = 2_000
ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class Batch:
    """One candidate data set among the training rows and the other candidates.

    Attributes
    ----------
    name : str
    values : float64 [m]
        Of its rows, in their order.
    labels : [m]
    is_known : bool [m]
        Whether a row fell into a leaf of the tree that holds at least one training row.
    is_dense : bool [m]
        Whether it fell into a leaf of which at least the share ``dense`` are training rows.
    is_copy : bool [m]
        Whether it is a near-duplicate of a training row.
    coverage : float
        Share of all classes that occur in the batch (class coverage, Fig. 2).
    mean_share : float
        Mean value of a row, in units of the mean value of a training row's absolute value.
    """

    name: str
    values: NDArray[np.float64]
    labels: NDArray[Any]
    is_known: NDArray[np.bool_]
    is_dense: NDArray[np.bool_]
    is_copy: NDArray[np.bool_]
    coverage: float
    mean_share: float

    @property
    def overlap(self) -> float:
        """Cluster overlap (Fig. 1): share of the rows in leaves with a training row."""
        return float(self.is_known.mean())

    @property
    def dense_overlap(self) -> float:
        """Share of the rows in leaves that training rows fill already."""
        return float(self.is_dense.mean())

    @property
    def copies(self) -> float:
        """Share of the rows that repeat a training row."""
        return float(self.is_copy.mean())


@dataclass(frozen=True, eq=False)
class Augmentations:
    """Candidate data sets, best first.  ``print`` shows a table, ``to_frame()`` gives it.

    Attributes
    ----------
    batches : tuple of Batch
        By mean value of a row, highest first.
    n_training : int
    result : ValuationResult
        Of the training rows and all candidates, in this order.
    """

    batches: tuple[Batch, ...]
    n_training: int
    result: ValuationResult

    def to_frame(self) -> pd.DataFrame:
        """One row a batch, best first: batch, n_rows, mean_value, mean_share, total, negative, overlap,
        dense_overlap, copies, coverage."""
        return pd.DataFrame(
            [
                {
                    "batch": b.name,
                    "n_rows": len(b.values),
                    "mean_value": float(b.values.mean()),
                    "mean_share": b.mean_share,
                    "total": float(b.values.sum()),
                    "negative": float((b.values < 0).mean()),
                    "overlap": b.overlap,
                    "dense_overlap": b.dense_overlap,
                    "copies": b.copies,
                    "coverage": b.coverage,
                }
                for b in self.batches
            ]
        )

    def top(self, k: int) -> pd.DataFrame:
        """The ``k`` highest-valued candidate rows of all batches: batch, position (in it), label, value,
        is_known, is_dense, is_copy."""
        rows = pd.concat(
            [
                pd.DataFrame(
                    {
                        "batch": b.name,
                        "position": np.arange(len(b.values)),
                        "label": b.labels,
                        "value": b.values,
                        "is_known": b.is_known,
                        "is_dense": b.is_dense,
                        "is_copy": b.is_copy,
                    }
                )
                for b in self.batches
            ],
            ignore_index=True,
        )
        k = check_int(k, "k", 1, len(rows))
        return rows.sort_values("value", ascending=False, kind="stable").head(k).reset_index(drop=True)

    def __str__(self) -> str:
        rows = [
            [b.name, f"{len(b.values):,}", f"{b.mean_share:.3f}", f"{(b.values < 0).mean():.1%}",
             f"{b.overlap:.1%}", f"{b.dense_overlap:.1%}", f"{b.copies:.1%}",
             f"{b.coverage:.0%}"]
            for b in self.batches
        ]  # fmt: skip
        columns = ["batch", "rows", "mean value", "negative", "overlap", "dense", "copies", "classes"]
        title = f"{len(rows)} candidates beside {self.n_training:,} training rows (mean |value| of these is 1)"
        return text_table(title, columns, rows)


def rank_augmentations(
    model: Any,
    X: Any,
    y: ArrayLike,
    candidates: Mapping[str, tuple[Any, ArrayLike]],
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    dense: float = 0.5,
    tolerance: float = 0.1,
) -> Augmentations:
    """Value candidate data sets beside the training rows and beside each other, in one fit.

    A batch ranks by the mean value of its rows: what a row of it adds on average, given the training rows and
    all other candidates ("Valuation of Augmented Data" of the paper, which ranks the rows: ``top``).

    Parameters
    ----------
    model : HCDV
        Cloned.  The tree is built over all rows; its leaves are the clusters that overlap is counted in.
    X, y : n training rows and their labels
    candidates : mapping of name to (X, y)
        Each of the same columns, at least one row; labels may be new ones.
    X_val, y_val : optional
        Trusted rows.
    dense : float in (0, 1]
        A leaf counts as filled already where at least this share of its rows are training rows.
    tolerance : float
        A row repeats a training row within this share of the usual distance of training rows to their nearest
        other one (the median), in the space that HCDV compares rows in.

    Returns
    -------
    Augmentations

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, such as candidates with other columns.

    Notes
    -----
    Balanced leaves hold a few rows each, so nearly all have a training row where candidates are fewer than
    training rows: ``overlap`` (the paper's) is then near 1 for every batch, and ``dense_overlap`` tells more.
    Copies of training rows are no news to a model and rank like fresh rows all the same, since rows vouch for
    each other in the default game (:func:`hcdv.tasks.redundancy`): look at ``copies`` first.  On digits (800
    rows, 200 trusted, 150 candidates each, three draws) ``mean_share`` was 1.05 to 1.08 for copies, .96 to 1.01
    for fresh rows, -.43 to -.61 for shuffled pixels and -2.0 to -2.4 for wrong labels.
    """
    if not all(hasattr(model, name) for name in ("allocation", "get_params", "fit")):
        raise TypeError(f"model must be an HCDV, got {type(model).__name__}.")
    dense = check_fraction(dense, "dense")
    if dense == 0.0:
        raise ValueError("dense must lie in (0, 1], got 0.")
    tolerance = check_number(tolerance, "tolerance", 0.0)
    if not isinstance(candidates, Mapping):
        raise TypeError(f"candidates must be a mapping of name to (X, y), got {type(candidates).__name__}.")
    if not candidates:
        raise ValueError("candidates must hold at least one data set, got none.")
    rows, labels = [_rows(X, "X")], []
    labels.append(check_labels(y, rows[0].shape[0], "y"))
    for name, pair in candidates.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"candidates[{name!r}] must be a pair (X, y).")
        rows.append(_like(rows[0], _rows(pair[0], f"candidates[{name!r}]"), f"candidates[{name!r}]"))
        if rows[-1].shape[0] == 0:
            raise ValueError(f"candidates[{name!r}] has no rows.")
        labels.append(check_labels(pair[1], rows[-1].shape[0], f"the labels of candidates[{name!r}]"))
    letters = [array.dtype.kind for array in labels]
    if len({next((some for some in ("biuf", "OU") if letter in some), letter) for letter in letters}) > 1:
        raise TypeError(
            "the labels of the candidates and of y must be of one kind, all text, all numbers or all dates."
        )
    if not len(labels[0]):
        raise ValueError("X must hold training rows, got none.")
    all_labels = np.concatenate(labels)
    fitted = clone(model).set_params(checkpoint=None).fit(_stacked(rows), all_labels, X_val, y_val)
    values, n = fitted.values_, len(labels[0])
    # Which leaves training rows stand in, and how much of them they fill.
    leaf = np.unique(fitted.hierarchy_.leaf_of_point(), return_inverse=True)[1]
    from_training = np.bincount(leaf[:n], minlength=leaf.max() + 1)
    share = from_training / np.bincount(leaf)
    unit = float(np.abs(values[:n]).mean()) or 1.0
    n_classes = len(np.unique(all_labels))
    is_copy = _copies(rows[0], labels[0], rows[1:], tolerance)
    batches, stop = [], n
    for name, mine in zip(candidates, labels[1:], strict=True):
        start, stop = stop, stop + len(mine)
        batches.append(
            Batch(
                name=str(name),
                values=frozen(values[start:stop]),
                labels=frozen(mine),
                is_known=frozen(from_training[leaf[start:stop]] > 0),
                is_dense=frozen(share[leaf[start:stop]] >= dense),
                is_copy=frozen(is_copy[start - n : stop - n]),
                coverage=len(np.unique(mine)) / n_classes,
                mean_share=float(values[start:stop].mean()) / unit,
            )
        )
    batches.sort(key=lambda batch: -batch.mean_share)
    return Augmentations(tuple(batches), n, fitted.result_)


def _copies(
    training: Any, labels: NDArray[Any], candidates: list[Any], tolerance: float
) -> NDArray[np.bool_]:
    """Which candidate rows, batch by batch, stand close by a training row; bool [sum of m]."""
    encoder = make_encoder(training, "identity").fit(training, labels)
    # float64: the distance of near rows is a difference of large numbers.
    known = np.unique(encoder.transform(training).astype(np.float64), axis=0)
    others = np.concatenate([encoder.transform(X) for X in candidates]).astype(np.float64)
    with single_threaded_blas():
        near = NearestNeighbors().fit(known)
        asked = np.arange(min(len(known), ROWS_ASKED)) * len(known) // min(len(known), ROWS_ASKED)
        usual = 0.0
        if len(known) > 1:
            usual = float(np.median(near.kneighbors(known[asked], 2)[0][:, 1]))
        distance = near.kneighbors(others, 1)[0][:, 0]
    # Equal rows may come out apart by rounding.
    found: NDArray[np.bool_] = distance <= max(tolerance, ROUNDING) * usual
    return found


def _rows(X: Any, name: str) -> Any:
    rows = X if hasattr(X, "shape") else as_array(X, name)
    if rows.ndim < 2:
        raise ValueError(f"{name} must be 2-dimensional (rows x columns), got shape {rows.shape}.")
    return rows


def _like(first: Any, other: Any, name: str) -> Any:
    """``other``, if it can stand below ``first``; columns of a DataFrame in the same order."""
    if isinstance(first, pd.DataFrame) != isinstance(other, pd.DataFrame) or issparse(first) != issparse(other):
        raise TypeError(
            f"{name} must be of the kind of X ({type(first).__name__}), got {type(other).__name__}."
        )
    if isinstance(first, pd.DataFrame):
        missing = [column for column in first.columns if column not in other.columns]
        if missing:
            raise ValueError(f"{name} has no column {missing[0]!r}.")
        return other[list(first.columns)]
    if first.shape[1:] != other.shape[1:]:
        raise ValueError(f"{name} has rows of shape {other.shape[1:]}, expected {first.shape[1:]}.")
    return other


def _stacked(rows: list[Any]) -> Any:
    if isinstance(rows[0], pd.DataFrame):
        return pd.concat(rows, ignore_index=True)
    if issparse(rows[0]):
        return stack_sparse(rows, format="csr")
    try:
        return np.concatenate(rows)
    except TypeError:
        kinds = ", ".join(str(part.dtype) for part in rows)
        raise TypeError(f"X and the augmented rows must hold values of one kind, got {kinds}.") from None
