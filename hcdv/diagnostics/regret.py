"""Theorem 2: what choosing rows by estimated values costs."""

from __future__ import annotations

import numpy as np

from hcdv.diagnostics.bounds import regret_bound
from hcdv.diagnostics.diagnosis import Line
from hcdv.diagnostics.evidence import Evidence
from hcdv.game import Indices


def theorem_2(seen: Evidence, fraction: float) -> list[Line]:
    """Regret of the best ``fraction`` of the rows by the model, in surrogate value (Eq. 28) and in v."""
    truth = seen.reference_points
    chosen = np.zeros(len(truth), np.bool_)
    chosen[_positions(seen, seen.result.select(fraction, "global", floor=None))] = True
    k = int(chosen.sum())
    best = np.zeros(len(truth), np.bool_)
    best[np.argsort(-truth, kind="stable")[:k]] = True
    regret = float(truth[best].sum() - truth[chosen].sum())
    error = float(np.abs(seen.points - truth).max())
    bound = regret_bound(k, error)
    tie = seen.rounding
    lines = [
        Line(
            "Theorem 2 (Eq. 28)",
            f"value lost by choosing the top {k:,} rows by estimates",
            regret,
            bound,
            -tie <= regret <= bound + tie,
            f"bound: 2 k x {error:.2g}, the largest error of a row; the top {k:,} are worth "
            f"{truth[best].sum():.3g}",
        )
    ]
    if k:
        ours, theirs = (_value_of(seen, np.flatnonzero(rows)) for rows in (chosen, best))
        quantity = "v(top by long run) - v(top by estimates)"
        note = f"v of the chosen rows {ours:.4g}; nothing is promised in v"
        lines.append(Line("Theorem 2, in v", quantity, theirs - ours, note=note))
    return lines


def _positions(seen: Evidence, rows: Indices) -> Indices:
    """Points of rows given by number."""
    assert seen.result.hierarchy is not None
    place = np.empty(len(seen.result), np.int64)
    place[seen.result.hierarchy.order] = np.arange(len(place))
    return place[rows]


def _value_of(seen: Evidence, members: Indices) -> float:
    return float(seen.setting.value(members, np.array([0, len(members)]), np.ones((1, 1), np.bool_))[0])
