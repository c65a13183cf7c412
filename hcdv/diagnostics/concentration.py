"""Proposition 1: errors of repeated estimates against the radius that Hoeffding's inequality gives."""

from __future__ import annotations

import numpy as np
from scipy.stats import t

from hcdv.diagnostics.bounds import radius
from hcdv.diagnostics.diagnosis import Line
from hcdv.diagnostics.evidence import ROUNDING, Evidence
from hcdv.diagnostics.ranges import range_of
from hcdv.diagnostics.repeats import Players
from hcdv.diagnostics.setting import Setting
from hcdv.game import Values

STATEMENT = "Prop. 1 (Eqs. 25-26)"
# Of the intervals that standard errors are looked at by.
CONFIDENCE = 0.95


def proposition_1(seen: Evidence) -> list[Line]:
    """For the players of every level: radius for the T used, and how many repeats stayed within it.

    A repeat is within it when *all* players of the level are.  ``measured`` is the (1 - delta) quantile over
    repeats of the largest error.  One radius goes by how far apart values of v can lie as far as its formula
    tells, as the paper's does; the other by the widest spread that an observation of a node was seen to have,
    which is what the proof uses, but is itself only measured.
    """
    lines = []
    ranges = {name: range_of(game) for name, game in seen.setting.games.items()}
    for players in seen.repeats.players:
        largest = np.abs(players.errors).max(axis=1)
        if largest.max() <= ROUNDING * np.abs(players.values).max():
            note = "nothing is estimated: all repeats are the same"
            lines.append(Line(STATEMENT, f"largest error, {players.name}", 0.0, 0.0, True, note))
            continue
        k = players.values.shape[1]
        reach = _range_at(seen.setting, ranges, players.level)
        if reach is not None:
            bound = radius(2 * seen.n_pairs, k, value_range=reach, delta=seen.delta, antithetic=True)
            lines.append(_line(seen, players, largest, bound, f"v ranges over {reach:.3g}"))
        if players.width is not None:
            bound = seen.spread_radius(players)
            lines.append(_line(seen, players, largest, bound, f"spread {players.width:.2g}"))
        if reach is None and players.width is None:
            lines.append(_line(seen, players, largest, None, "the range of v is not known"))
    return lines


def standard_errors(seen: Evidence) -> list[Line]:
    """Whether the standard errors of the rows are what they say: share of errors inside their 95% interval."""
    if seen.repeats.point_error is None or seen.n_pairs < 2:
        return []
    rows = seen.repeats.players[-1]
    reach = t.ppf(0.5 + CONFIDENCE / 2, seen.n_pairs - 1) * seen.repeats.point_error
    inside = float((np.abs(rows.errors) <= reach).mean())
    note = f"{CONFIDENCE} expected; no statement of the paper"
    return [Line("std_error", "share of rows inside their 95% interval", inside, note=note)]


def _line(
    seen: Evidence, players: Players, largest: Values, bound: float | None, by: str
) -> Line:
    quantile = float(np.quantile(largest, 1 - seen.delta, method="higher"))
    quantity = f"largest error, {players.name}"
    if bound is None:
        return Line(STATEMENT, quantity, quantile, note=by)
    covered = largest <= bound
    note = f"{int(covered.sum())} of {len(covered)} repeats within; {by}"
    size = float(np.abs(players.values).max())
    if bound >= size:
        note += f"; vacuous, no |value| is above {size:.2g}"
    return Line(STATEMENT, quantity, quantile, bound, bool(covered.mean() >= 1 - seen.delta), note)


def _range_at(setting: Setting, ranges: dict[str, float | None], level: int) -> float | None:
    """Range of v as the players of a level see it, or None if that of a game is not known.

    Below a resolution a game that shares out gives a player its own marginal contribution less its part of the
    block's: twice the range.
    """
    reach = 0.0
    for (name, one), weight in zip(ranges.items(), setting.weights, strict=True):
        times = 1.0 if setting.is_upper(name) else 2.0 * (level > setting.level)
        if not weight or not times:
            continue
        if one is None:
            return None
        reach += times * abs(float(weight)) * one
    return reach
