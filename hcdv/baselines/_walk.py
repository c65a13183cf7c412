"""Baselines that walk chains: the same walk as HCDV's, on a tree of one or two levels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hcdv.allocation import ChainMoments, Resolution, WalkError, walk_chains
from hcdv.baselines._play import Play
from hcdv.game import Game, log_likelihoods
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult
from hcdv.stopping import StoppingRule


def flat_tree(n: int) -> Hierarchy:
    """All rows in one leaf: every permutation is a chain."""
    return Hierarchy.from_labels([np.zeros(n, np.int64)])


def walk(
    play: Play,
    games: Mapping[str, Game],
    tree: Hierarchy,
    *,
    n_permutations: int,
    stopping: StoppingRule | None,
    n_stops: int,
    resolution: Resolution | None = None,
    bounds: NDArray[np.float64] | None = None,
) -> ValuationResult:
    """Values by permutations and their mirror images.

    Parameters
    ----------
    play : Play
    games : mapping of name to Game
        Those of ``play``, or what stands in for them along chains.
    tree : Hierarchy
        Over the rows in the order of X.
    n_permutations : int
    stopping : StoppingRule or None
    n_stops : int
        Coalitions that a chain asks for.
    resolution : Resolution, optional
    bounds : float64 [2, p], optional
        v(nobody) and v(everybody), where ``games`` do not tell.
    """

    def result_of(moments: ChainMoments, stopped_by: str) -> ValuationResult:
        ends = np.array([moments.v_empty, moments.v_full]) if bounds is None else bounds
        return ValuationResult.from_moments(
            moments.points,
            moments.nodes,
            ends,
            play.weights,
            ids=play.rows.ids,
            labels=play.rows.classes[play.rows.labels],
            hierarchy=tree,
            n_evaluations=play.n_evaluations(moments.n_permutations * n_stops),
            stopped_by=stopped_by,
            likelihoods=log_likelihoods(games),
        )

    with play.progress.stage("walking the chains", n_permutations) as step:
        try:
            moments, stopped_by = walk_chains(
                games,
                tree,
                n_permutations=n_permutations,
                seed=play.seed,
                threads=play.threads,
                weights=play.factors,
                resolution=resolution,
                stopping=stopping,
                progress=step.done,
            )
        except WalkError as error:
            if error.moments.points.count:
                error.result = result_of(error.moments, "error")
            raise
    return result_of(moments, stopped_by)
