"""Near-duplicates, and how value is shared among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from hcdv._duplicates import TOLERANCE, usual_gap
from hcdv._validation import check_int, check_labels, check_number
from hcdv.encoder import make_encoder
from hcdv.engine import single_threaded_blas
from hcdv.games.retrained.folds import take_rows
from hcdv.result import ValuationResult
from hcdv.tasks._text import text_table
from hcdv.tasks._valuation import valuation
from hcdv.tasks._values import frozen, values_of

if TYPE_CHECKING:
    import pandas as pd

SHOWN_GROUPS = 10


@dataclass(frozen=True, eq=False)
class Redundancy:
    """Groups of near-duplicates.  ``print`` shows what they cost, ``to_frame()`` lists them.

    Values of groups are in units of the mean absolute value of the rows without duplicates, so that they
    compare with those of another fit.

    Attributes
    ----------
    group : int64 [n]
        Number of each row's group, -1 for rows without duplicates.
    sizes : int64 [g]
        Rows of each group, at least 2; largest groups first.
    totals : float64 [g]
        Value of each group.
    single : float64 [g]
        What one row in the group's place is worth, see ``against``; NaN without anything to compare with.
    paid : float64 [g]
        (totals / single - 1) / (size - 1): what each further copy adds, as a share of a single row's value.  0
        where copies share one row's value, 1 where each is paid in full; NaN where ``single`` is not positive.
    spread : float64 [g]
        Largest less smallest value in the group, over its mean absolute value; 0 where copies get the same.
    against : {"refit", "peers"}
        ``single`` comes from valuing the rows again with one row of each group, or from the median of the
        nearest rows of the same label without duplicates.
    n_conflicts : int
        Places where near-duplicates carry different labels (these are not counted as copies of each other).
    radius : float
        Rows were duplicates within this distance in the standardised columns.
    """

    group: NDArray[np.int64]
    sizes: NDArray[np.int64]
    totals: NDArray[np.float64]
    single: NDArray[np.float64]
    paid: NDArray[np.float64]
    spread: NDArray[np.float64]
    against: str
    n_conflicts: int
    radius: float

    @property
    def median_paid(self) -> float:
        """Of ``paid``, over groups where it is known; NaN without any."""
        known = self.paid[~np.isnan(self.paid)]
        return float(np.median(known)) if len(known) else np.nan

    def to_frame(self) -> pd.DataFrame:
        """One row a group: group, rows (list of positions), size, total, single, paid, spread."""
        import pandas as pd

        return pd.DataFrame(
            {
                "group": np.arange(len(self.sizes)),
                "rows": [np.flatnonzero(self.group == g).tolist() for g in range(len(self.sizes))],
                "size": self.sizes,
                "total": self.totals,
                "single": self.single,
                "paid": self.paid,
                "spread": self.spread,
            }
        )

    def __str__(self) -> str:
        n, g = len(self.group), len(self.sizes)
        copies = int(self.sizes.sum()) - g
        lines = [
            f"{n:,} rows: {g:,} groups of near-duplicates (distance up to {self.radius:.3g}), {copies:,} rows "
            "could go"
        ]
        if g:
            figures = (self.totals, self.single, self.paid, self.spread)
            rows = [
                [f"{k}", f"{self.sizes[k]:,}", *(f"{figure[k]:.3g}" for figure in figures)]
                for k in range(min(g, SHOWN_GROUPS))
            ]
            columns = ["group", "rows", "total", f"single ({self.against})", "paid", "spread"]
            lines[0] = text_table(lines[0], columns, rows)
            lines.append(
                f"each further copy adds {self.median_paid:.0%} of a single row's value (median of groups; 0% "
                "is sharing, 100% is full pay)"
            )
        if self.n_conflicts:
            lines.append(
                f"{self.n_conflicts:,} near-duplicates differ in their labels: some of these are wrong"
            )
        return "\n".join(lines)


def redundancy(
    values: Any,
    X: Any,
    y: ArrayLike | None = None,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    model: Any = None,
    tolerance: float = TOLERANCE,
    n_peers: int = 10,
) -> Redundancy:
    """Find near-duplicates, and ask whether copies share one row's value or are each paid in full.

    Parameters
    ----------
    values : ValuationResult or float [n]
    X : the n rows, as for HCDV.fit
        Compared by Euclidean distance in their standardised columns.
    y : [n], optional
        Their labels; a result brings its own.  Rows of different labels are no copies.
    X_val, y_val : optional
        Trusted rows, for ``model``.
    model : HCDV or callable, optional
        How the values came about, as in :func:`hcdv.tasks.plant_flips`: the rows are valued once more with one
        row of each group.  Without it, near rows stand in for that.
    tolerance : float
        Rows are near-duplicates within this share of the usual distance of a row to its nearest other one (the
        median); chains of such rows are one group.  0 for exact copies only.
    n_peers : int
        Near rows that stand in, without ``model``.

    Returns
    -------
    Redundancy

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or ``model`` comes without labels.

    Notes
    -----
    In HCDV's default game copies do *not* share: rows vouch for each other there, and each further copy was
    paid 98% to 115% of a single row's value on four sets (groups of 2, 3 and 10); KNN-Shapley paid 97% to 99%
    in pairs and 86% to 94% in groups of 10 (``python -m bench.copies --scale full``).  Where rows are paid
    for, take copies out first.
    """
    worth = values_of(values)
    n = len(worth)
    tolerance = check_number(tolerance, "tolerance", 0.0)
    n_peers = check_int(n_peers, "n_peers", 1)
    labels = values.labels if isinstance(values, ValuationResult) and y is None else None
    if y is not None:
        labels = check_labels(y, n, "y")
    if model is not None and labels is None:
        raise ValueError("y must hold the labels, for model to value the rows under.")
    with single_threaded_blas():
        # float64: the distance of near rows is a difference of large numbers.
        rows = make_encoder(X, "identity").fit(X, labels).columns(X).astype(np.float64)
        if len(rows) != n:
            raise ValueError(f"X has {len(rows)} rows for {n} values.")
        place, radius = _places(rows, tolerance)
        codes = np.zeros(n, np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
        group, n_conflicts = _groups(place, codes)
        alone = np.flatnonzero(group < 0)
        sizes = np.bincount(group[group >= 0])
        first = np.unique(group, return_index=True)[1][-len(sizes) :] if len(sizes) else np.empty(0, np.int64)
        unit = _unit(worth, alone)
        if model is None:
            single = _of_peers(worth / unit, rows, codes, alone, first, n_peers)
        else:
            kept = np.union1d(alone, first)
            again = values_of(
                valuation(model)(take_rows(X, kept), np.asarray(labels)[kept], X_val, y_val), "the values"
            )
            if len(again) != len(kept):
                raise ValueError(f"model gave {len(again)} values for {len(kept)} rows.")
            alone_again = np.searchsorted(kept, alone)
            single = again[np.searchsorted(kept, first)] / _unit(again, alone_again)
    mine = [worth[group == g] / unit for g in range(len(sizes))]
    totals = np.array([v.sum() for v in mine])
    size = [np.abs(v).mean() for v in mine]
    spread = np.array([np.ptp(v) / s if s else 0.0 for v, s in zip(mine, size, strict=True)])
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.where(single > 0, (totals / single - 1) / (sizes - 1), np.nan)
    return Redundancy(
        group=frozen(group),
        sizes=frozen(sizes.astype(np.int64)),
        totals=frozen(totals),
        single=frozen(single),
        paid=frozen(paid),
        spread=frozen(spread),
        against="peers" if model is None else "refit",
        n_conflicts=n_conflicts,
        radius=radius,
    )


def _places(rows: NDArray[np.float64], tolerance: float) -> tuple[NDArray[np.int64], float]:
    """Which rows stand at one place, int64 [n], and within what distance."""
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    place = place.reshape(-1).astype(np.int64)
    m = len(distinct)
    if tolerance == 0 or m < 3:
        return place, 0.0
    near = NearestNeighbors().fit(distinct)
    radius = tolerance * usual_gap(near, distinct)
    graph: csr_matrix = near.radius_neighbors_graph(distinct, radius)
    return connected_components(graph, directed=False)[1].astype(np.int64)[place], radius


def _groups(place: NDArray[np.int64], codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Groups of at least two rows of one place and label, largest first; and places with several labels."""
    pair = place * (codes.max() + 1) + codes
    distinct, inverse, counts = np.unique(pair, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    number = np.full(len(distinct), -1, np.int64)
    number[several[np.argsort(-counts[several], kind="stable")]] = np.arange(len(several))
    labels_at = np.bincount(distinct // (codes.max() + 1))
    return number[inverse.reshape(-1)], int((labels_at > 1).sum())


def _unit(values: NDArray[np.float64], alone: NDArray[np.int64]) -> float:
    """Mean absolute value of the rows without duplicates, or of all where there are none."""
    sizes = np.abs(values[alone] if len(alone) else values)
    largest = float(sizes.max())
    # In units of the largest: a sum of values need not be a float.
    if not largest:
        return 1.0
    return float((sizes / largest).mean()) * largest or largest


def _of_peers(
    values: NDArray[np.float64],
    rows: NDArray[np.float64],
    codes: NDArray[np.int64],
    alone: NDArray[np.int64],
    first: NDArray[np.int64],
    n_peers: int,
) -> NDArray[np.float64]:
    """Median value of the nearest rows of the same label that have no duplicates; float64 [g]."""
    single = np.full(len(first), np.nan)
    for code in np.unique(codes[first]):
        peers = alone[codes[alone] == code]
        mine = codes[first] == code
        if len(peers):
            near = NearestNeighbors(n_neighbors=min(n_peers, len(peers))).fit(rows[peers])
            nearest = near.kneighbors(rows[first[mine]], return_distance=False)
            single[mine] = np.median(values[peers[nearest]], axis=1)
    return single
