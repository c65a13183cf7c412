"""Several games side by side, each on its own fold of the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.game import (
    Indices,
    LocalGame,
    Values,
    chains_from_start,
    coalitions_from_states,
)


@dataclass(frozen=True)
class FoldedState:
    """One state per fold."""

    states: tuple[Any, ...]

    def __add__(self, other: FoldedState) -> FoldedState:
        return FoldedState(tuple(a + b for a, b in zip(self.states, other.states, strict=True)))


class FoldedGame:
    """v(S) = mean over folds f of v_f(S within fold f); a :class:`hcdv.game.LocalGame`.

    Parameters
    ----------
    games : sequence of LocalGame
        Game f is on the points of fold f, numbered in the order in which they occur.
    fold : int64 [n]
        Fold of each point.
    """

    def __init__(self, games: Sequence[LocalGame], fold: NDArray[np.int64]) -> None:
        self.games = games
        self.fold = fold
        self.n_points = len(fold)
        self.v_empty = float(np.mean([game.v_empty for game in games]))
        self.place = np.empty(self.n_points, np.int64)
        for f in range(len(games)):
            mine = np.flatnonzero(fold == f)
            self.place[mine] = np.arange(len(mine))

    def state(self, members: Indices) -> FoldedState:
        return FoldedState(
            tuple(
                game.state(self.place[members[self.fold[members] == f]])
                for f, game in enumerate(self.games)
            )
        )

    def chain_from(self, state: FoldedState, order: Indices, stops: Indices) -> Values:
        total = np.zeros(len(stops))
        for f, (game, part) in enumerate(zip(self.games, state.states, strict=True)):
            mine = self.fold[order] == f
            reached = np.concatenate([[0], np.cumsum(mine)])[stops]
            total += game.chain_from(part, self.place[order[mine]], reached)
        return total / len(self.games)

    def chains(self, orders: Indices, stops: Indices) -> Values:
        return chains_from_start(self, orders, stops)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_states(self, order, bounds, masks)

    def restricted(self, members: Indices) -> FoldedGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1."""
        fold = self.fold[members]
        return FoldedGame(
            [
                game.restricted(self.place[members[fold == f]])
                for f, game in enumerate(self.games)
            ],
            fold,
        )
