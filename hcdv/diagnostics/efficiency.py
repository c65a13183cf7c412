"""Theorem 1: the values of all rows against the value of the data, and what lies behind the sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from hcdv._random import derive_seed
from hcdv.diagnostics.bounds import bound_of, tiling
from hcdv.diagnostics.diagnosis import Line
from hcdv.diagnostics.evidence import Evidence, within_rounding
from hcdv.diagnostics.setting import Setting
from hcdv.game import AdditiveGame, Values
from hcdv.hierarchy import Hierarchy


def theorem_1(seen: Evidence) -> list[Line]:
    """Efficiency: the left and right side of Eq. 24, and where it comes from."""
    tree, setting = seen.setting.tree, seen.setting
    missed = np.abs(seen.nodes - seen.reference_nodes)
    errors = [float(missed[tiling(tree, level)].max()) for level in range(tree.depth + 1)]
    split = leaf_error(seen)
    bound = bound_of(errors, split)
    gap = seen.result.efficiency_gap
    lines = [
        Line(
            "Theorem 1 (Eq. 24)",
            "|sum of values - (v(all) - v(none))|",
            gap,
            bound,
            gap <= bound + seen.rounding,
            f"bound: measured errors of {tree.depth + 1} levels"
            + (f" + {split:.2g} for even splits of leaves" if split else ""),
        )
    ]
    gap = float(np.abs(tree.node_sums(seen.points) - seen.nodes)[tree.leaves].max())
    lines.append(
        within_rounding("Theorem 1, Step 2 (38-39)", "|leaf - sum of its rows|, largest", gap, seen.rounding)
    )
    if tree.depth:
        inner = np.flatnonzero(~tree.is_leaf)
        children = np.add.reduceat(seen.nodes, tree.first_child[inner])
        gap = float(np.abs(children - seen.nodes[inner]).max())
        line = within_rounding(
            "Theorem 1, Step 1 (36)", "|node - sum of its children|, largest", gap, seen.rounding
        )
        if setting.literal is not None and setting.literal.mode == "level":
            line = replace(line, bound=None, holds=None, note="not promised: every level is shared out anew")
        lines.append(line)
    local = seen.repeats.local
    if local is not None and len(local.owners):
        gap = float(np.abs(seen.repeats.nodes[0][local.owners] - local.sums).max())
        note = "what line 9 has to make up for, before it normalises"
        lines.append(Line("Algorithm 1, line 9", "|pot - sum of Shapley values|, largest", gap, note=note))
    return lines


def leaf_error(seen: Evidence) -> float:
    """Eq. 23: what even splits of leaves move away from their exact Shapley values; 0 without such splits."""
    literal = seen.setting.literal
    if literal is None or literal.leaf == "exact":
        return 0.0
    exact = replace(seen.setting, literal=replace(literal, leaf="exact"))
    return float(np.abs(exact.play(derive_seed(seen.seed, "repeat", 0)).points - seen.repeats.points[0]).sum())


def against_shapley(seen: Evidence) -> list[Line]:
    """What respecting the tree changes: beside exact values of the top game, and flat Shapley values.

    The paper promises nothing here: its exact allocation is that of the same hierarchy (Section 4).
    """
    lines = []
    setting, tree = seen.setting, seen.setting.tree
    top = seen.repeats.top
    if top is not None:
        difference = float(np.abs(seen.nodes[tiling(tree, 1)] - top).max())
        share = np.abs(top).max()
        lines.append(
            Line(
                "Exact Shapley values",
                f"|value - exact|, largest of the {len(top)} top nodes",
                difference,
                note=f"largest |exact value| {share:.3g}",
            )
        )
    alone = _without_tree(setting)
    if alone is not None:
        again = alone.play(derive_seed(seen.seed, "flat"))
        if setting.resolution is None:
            ours, flat, players = seen.points, again.points, f"{tree.n_points:,} rows"
        else:
            tiles = tiling(tree, setting.level)
            ours, flat, players = seen.nodes[tiles], again.nodes[1:], f"{len(tiles):,} nodes"
        lines.append(
            Line(
                "Flat Shapley values",
                f"|value - value without the tree|, largest of {players}",
                float(np.abs(ours - flat).max()),
                note=f"{_rank_correlation(ours, flat)}not promised to agree",
            )
        )
    return lines


def _rank_correlation(a: Values, b: Values) -> str:
    if not np.ptp(a) or not np.ptp(b):
        return ""  # there is none of a constant
    return f"rank correlation {spearmanr(a, b).statistic:.3f}; "


def _without_tree(setting: Setting) -> Setting | None:
    """The same players in one game, by as many permutations; None where that would cost far more."""
    tree = setting.tree
    if tree.depth == 0:
        return None
    if setting.resolution is not None:
        tiles = tiling(tree, setting.level)
        blocks = Hierarchy.from_labels([np.repeat(np.arange(len(tiles)), tree.sizes[tiles])])
        return replace(setting, tree=blocks, resolution=replace(setting.resolution, level=1))
    if not all(isinstance(game, AdditiveGame) for game in setting.games.values()):
        return None
    return replace(setting, tree=Hierarchy.from_labels([np.zeros(tree.n_points)]), literal=None)
