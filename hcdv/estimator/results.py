"""From what the allocations return to results in the order of the data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.allocation import ChainMoments, Cut, LiteralAllocation, Resolution
from hcdv.game import Game, log_likelihoods
from hcdv.games import RetrainedGame
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult


def chain_result(
    moments: ChainMoments,
    stopped_by: str,
    games: Mapping[str, Game | None],
    weights: Mapping[str, float],
    in_order: Hierarchy,
    tree: Hierarchy,
    resolution: Resolution | None,
    position: NDArray[np.int64],
    *,
    ids: NDArray[Any],
    labels: NDArray[Any],
) -> ValuationResult:
    """The result in the order of the rows as given: point j of the games is row ``position[j]``."""
    nodes, bounds = moments.nodes, np.array([moments.v_empty, moments.v_full])
    fidelity = {}
    if resolution is not None:
        cut = Cut.of(resolution, in_order)
        factors = cut.in_one_unit(nodes, list(games), np.array(list(weights.values())))
        weights = dict(zip(weights, factors.tolist(), strict=True))
        nodes = cut.settled(nodes, list(games))
        bounds[:, [name in resolution.below for name in games]] = 0.0
        fidelity = _fidelity(games, resolution, len(cut.blocks))
    trained = _fits(games)
    return ValuationResult.from_moments(
        moments.points.placed(position),
        nodes,
        bounds,
        weights,
        ids=ids,
        labels=labels,
        hierarchy=tree,
        n_evaluations=moments.n_permutations * tree.n_points if trained is None else trained,
        stopped_by=stopped_by,
        fidelity=fidelity,
        likelihoods=log_likelihoods(games),
    )


def literal_result(
    allocation: LiteralAllocation,
    games: Mapping[str, Game],
    weights: Mapping[str, float],
    mode: str,
    n_permutations: int,
    tree: Hierarchy,
    *,
    ids: NDArray[Any],
    labels: NDArray[Any],
) -> ValuationResult:
    """The result of pots handed down, in the order of the rows as given."""
    if allocation.n_near_zero:
        warnings.warn(
            f"at {allocation.n_near_zero} nodes the paper's denominator was near zero, and the pot was split "
            "by the number of rows.",
            stacklevel=3,
        )
    if mode == "weights" and allocation.v_full < allocation.v_empty:
        warnings.warn(
            "allocation='weights' splits a loss here, v(all rows) < v(none), and then charges the most to the "
            "best: Eqs. 14-15 are made for utilities that are not negative.",
            stacklevel=3,
        )

    def placed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.empty_like(values)
        out[..., tree.order] = values
        return out

    parts = {} if allocation.parts is None else dict(zip(weights, placed(allocation.parts), strict=True))
    trained = _fits(games)
    return ValuationResult(
        values=placed(allocation.values),
        std_error=None if allocation.std_error is None else placed(allocation.std_error),
        ids=ids,
        parts=parts,
        weights=dict(weights),
        v_empty=allocation.v_empty,
        v_full=allocation.v_full,
        n_evaluations=allocation.n_evaluations if trained is None else trained,
        n_permutations=n_permutations,
        stopped_by="n_permutations" if allocation.std_error is None else "exact",
        labels=labels,
        hierarchy=tree,
        node_values=allocation.node_values,
        node_parts=allocation.node_parts,
        part_bounds=allocation.part_bounds,
        estimated_leaves=allocation.estimated_leaves,
        likelihoods=log_likelihoods(games),
    )


def _fits(games: Mapping[str, Game] | Mapping[str, Game | None]) -> int | None:
    """Models trained by the games that train some; None where none does."""
    trained = [game.n_evaluations for game in games.values() if isinstance(game, RetrainedGame)]
    return sum(trained) if trained else None


def _fidelity(games: Mapping[str, Game | None], resolution: Resolution, n_blocks: int) -> dict[str, str]:
    """Which game valued what, in words."""
    words = {}
    for name in games:
        if name in resolution.above:
            words[name] = f"nodes down to level {resolution.level} ({n_blocks:,} of them)"
        elif name in resolution.below:
            words[name] = "rows inside these nodes"
        else:
            words[name] = "every row"
    return words
