"""How far apart the values of a game can lie, where its formula tells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv.game import Game
from hcdv.games import DispersionGame, Electorate, EvidenceGame, RetrainedGame, VoteGame
from hcdv.games.folds import FoldedGame
from hcdv.games.knn import KNNGame
from hcdv.games.ridge import RidgeGame

# Largest cosine distance.
D_MAX = 2.0


def range_of(game: Game) -> float | None:
    """A bound on max v - min v over all coalitions, or None where the game's class promises none.

    - Retrained models: metrics lie in [0, 1]; a callable may answer anything (None).
    - ``knn``, ``ridge``: a probability, an accuracy.
    - ``fit``, ``evidence``: every row adds a term that is not positive, so v falls from v(none) to v(all).
    - Dispersion: distances are at most 2; their sum only grows.
    - ``kernel``, ``forest``: at its best a voter hears only rows of its own label, at its worst only others.
    """
    if isinstance(game, RetrainedGame):
        return 1.0 if game.trainer.is_bounded else None
    if isinstance(game, (KNNGame, RidgeGame)):
        return 1.0
    if isinstance(game, FoldedGame):
        return _mean_range(game)
    if isinstance(game, VoteGame):
        return _vote_range(game)
    if isinstance(game, EvidenceGame):
        return abs(_of_all(game) - game.v_empty)
    if isinstance(game, DispersionGame):
        if game.dispersion == "sum":
            return _of_all(game)
        if game.dispersion == "normalised":
            return D_MAX
        pairs = game.state(np.arange(game.n_points)).pairs
        return D_MAX * pairs / (pairs + game.kappa)
    return None


def _of_all(game: Game) -> float:
    everyone = np.arange(game.n_points)
    return float(game.chains(everyone[None], np.array([game.n_points]))[0, 0])


def _mean_range(game: FoldedGame) -> float | None:
    ranges = [range_of(part) for part in game.games]
    known = [r for r in ranges if r is not None]
    return float(np.mean(known)) if len(known) == len(ranges) else None


def _vote_range(game: VoteGame) -> float:
    lowest, highest = _confidence(game, game.rows)
    # A row that is not in S does not count at all.
    spread = float((np.maximum(highest, 0.0) - np.minimum(lowest, 0.0)).sum()) / game.n_rows
    if game.validation is not None:
        lowest, highest = _confidence(game, game.validation)
        spread += game.validation_weight * float((highest - lowest).sum()) / game.n_val
    return spread


def _confidence(
    game: VoteGame, voters: Electorate
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest confidence of every voter, float64 [n_voters] each."""
    a = voters.affinity
    source = np.repeat(np.arange(len(a.indptr) - 1), np.diff(a.indptr))
    agrees = game.rows.labels[source] == voters.labels[a.indices]
    weights = a.weights.astype(np.float64)
    agreeing = np.bincount(a.indices, weights * agrees, a.n_voters)
    opposing = np.bincount(a.indices, weights * ~agrees, a.n_voters)
    matching, heard = voters.heard.T
    least, most = matching / (heard + opposing), (matching + agreeing) / (heard + agreeing)
    if game.log_score:
        return np.log(least / game.chance), np.log(most / game.chance)
    return least - game.chance, most - game.chance
