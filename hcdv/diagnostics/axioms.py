"""Propositions 2-4: symmetric players, dummies and sums of games, by the model's own allocation.

The model's games are changed at a few points only, so that players of known value come about
(:mod:`hcdv.diagnostics.probes`), and played on the model's tree with as many permutations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hcdv._random import derive_seed
from hcdv.diagnostics.bounds import tiling
from hcdv.diagnostics.diagnosis import Line
from hcdv.diagnostics.evidence import Evidence, within_rounding
from hcdv.diagnostics.probes import probe, total
from hcdv.diagnostics.setting import Play, Setting
from hcdv.game import Indices
from hcdv.hierarchy import Hierarchy

# Leaves at most in which two points are made interchangeable, and a third a dummy.
PROBED_LEAVES = 8


@dataclass(frozen=True, eq=False)
class Chosen:
    """Who is made symmetric, and who a dummy.

    Attributes
    ----------
    twins : tuple of int or None
        Two sibling nodes.
    dummy : int or None
        A node.
    pairs : int64 [k, 2]
        Points of one leaf each.
    dummies : int64 [k]
        Points of the same leaves.
    """

    twins: tuple[int, int] | None
    dummy: int | None
    pairs: Indices
    dummies: Indices


def propositions_2_to_4(seen: Evidence) -> list[Line]:
    """Symmetry and dummy for nodes and rows, additivity for rows."""
    setting = seen.setting
    chosen = choose(setting.tree, setting.level)
    probed = _probed(setting, chosen)
    both = replace(
        setting, games={name: total([game, probed.games[name]]) for name, game in setting.games.items()}
    )
    # One seed: common permutations.
    seed = derive_seed(seen.seed, "axioms")
    own, other, together = (one.play(seed) for one in (setting, probed, both))
    missed = float(np.abs(together.points - own.points - other.points).max())
    additivity = within_rounding(
        "Prop. 3, additivity",
        "|value in v + w - value in v - value in w|, largest of all rows",
        missed,
        2 * seen.rounding,
    )
    note = f"{additivity.note}; common permutations, w is v but for some rows"
    return [*_of_nodes(seen, chosen, other), replace(additivity, note=note), *_of_rows(seen, chosen, other)]


def _of_nodes(seen: Evidence, chosen: Chosen, probed: Play) -> list[Line]:
    """Proposition 2 for nodes that tile the points, as deep as the costliest game goes."""
    if chosen.twins is None or chosen.dummy is None:
        return []
    level = seen.setting.level
    one, two = chosen.twins
    error = seen.node_error(tiling(seen.setting.tree, level))
    difference = abs(float(probed.nodes[one] - probed.nodes[two]))
    value = abs(float(probed.nodes[chosen.dummy]))
    eta, why = _eta(seen, level, error, "node")
    return [
        _line(
            seen, "Prop. 2.1, symmetry", "|difference| of two symmetric nodes",
            difference, 2 * eta, f"2 x {why}",
        ),
        _line(seen, "Prop. 2.2, dummy", "|value| of a dummy node", value, error, "the largest error of a node"),
    ]  # fmt: skip


def _of_rows(seen: Evidence, chosen: Chosen, probed: Play) -> list[Line]:
    """Proposition 4."""
    count = len(chosen.pairs)
    if count == 0:
        return []
    one, two = chosen.pairs.T
    difference = float(np.abs(probed.points[one] - probed.points[two]).max())
    value = float(np.abs(probed.points[chosen.dummies]).max())
    eta, why = _eta(seen, seen.setting.tree.depth + 1, seen.row_error, "row")
    return [
        _line(
            seen, "Prop. 4.1, symmetry", f"|difference| of {count} pairs of symmetric rows, largest",
            difference, 2 * eta, f"2 x {why}",
        ),
        _line(
            seen, "Prop. 4.2, dummy", f"|value| of {count} dummy rows, largest",
            value, seen.row_error, "the largest error of a row" + _why_no_dummies(seen.setting),
        ),
    ]  # fmt: skip


def choose(tree: Hierarchy, level: int) -> Chosen:
    """Twins and a dummy among the nodes that tile the points at ``level``; points in leaves outside these."""
    tiles = tiling(tree, level)
    twins = dummy = None
    taken: list[int] = []
    if len(tiles) >= 4:
        twins = _siblings_of_like_size(tree, tiles)
        dummy = int(next(node for node in tiles[::-1] if node not in twins))
        taken = [*twins, dummy]
    first = tree.start[tree.leaves[tree.sizes[tree.leaves] >= 3]]
    for node in taken:
        first = first[(first < tree.start[node]) | (first >= tree.stop[node])]
    first = first[np.unique(np.linspace(0, len(first) - 1, min(PROBED_LEAVES, len(first))).astype(int))]
    return Chosen(twins, dummy, np.column_stack([first, first + 1]), first + 2)


def _siblings_of_like_size(tree: Hierarchy, tiles: Indices) -> tuple[int, int]:
    """The two siblings among ``tiles`` that differ least in size."""
    by_size = tiles[np.lexsort((tree.sizes[tiles], tree.parent[tiles]))]
    gap = np.abs(np.diff(tree.sizes[by_size])).astype(float)
    gap[np.diff(tree.parent[by_size]) != 0] = np.inf
    k = int(np.argmin(gap))
    return int(by_size[k]), int(by_size[k + 1])


def _probed(setting: Setting, chosen: Chosen) -> Setting:
    """The setting with all its games probed."""
    tree = setting.tree
    pairs, dummies = [chosen.pairs], [chosen.dummies]
    if chosen.twins is not None and chosen.dummy is not None:
        one, two = (np.arange(tree.start[node], tree.stop[node]) for node in chosen.twins)
        k = min(len(one), len(two))
        pairs.append(np.column_stack([one[:k], two[:k]]))
        # Points that have no partner would tell the two apart.
        dummies += [one[k:], two[k:], np.arange(tree.start[chosen.dummy], tree.stop[chosen.dummy])]
    games = {
        name: probe(game, np.concatenate(pairs), np.concatenate(dummies))
        for name, game in setting.games.items()
    }
    return replace(setting, games=games)


def _eta(seen: Evidence, level: int, error: float, kind: str) -> tuple[float, str]:
    """The eta of Propositions 2.1 and 4.1, and what it is.

    By chains it is the radius of Proposition 1 for the measured spread: the errors measured in the model's own
    game are not those of the probed game.  Literal pots have no such radius.
    """
    for players in seen.repeats.players:
        if players.level == level and players.width is not None:
            return seen.spread_radius(players), "the radius of Prop. 1 by spread"
    return error, f"the largest error of a {kind}"


def _why_no_dummies(setting: Setting) -> str:
    """Where rows get something whatever they do."""
    if setting.resolution is not None and setting.level < setting.tree.depth:
        return f"; below level {setting.level} every row has its share of the node's value"
    if setting.literal is not None and (
        setting.literal.leaf == "uniform" or setting.literal.normalise != "proportional"
    ):
        return f"; {setting.literal.normalise!r} normalising, {setting.literal.leaf} leaves"
    return ""


def _line(
    seen: Evidence, statement: str, quantity: str, measured: float, bound: float, note: str
) -> Line:
    holds = measured <= bound + seen.rounding
    return Line(statement, quantity, measured, bound, holds, f"bound: {note}")
