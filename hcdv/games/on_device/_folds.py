"""Several games side by side on a device, each on its own fold of the points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hcdv.game import Game, Indices, Values, coalitions_from_chains, stops_by_chain
from hcdv.games.folds import FoldedGame


class DeviceFolds:
    """A :class:`hcdv.games.folds.FoldedGame` whose games are on a device.

    Parameters
    ----------
    folded : FoldedGame
    games : sequence of Game
        Its games, there.
    """

    def __init__(self, folded: FoldedGame, games: Sequence[Game]) -> None:
        self.folded = folded
        self.games = games
        self.n_points, self.v_empty = folded.n_points, folded.v_empty

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        total = np.zeros(stops.shape)
        for f, game in enumerate(self.games):
            mine = self.folded.fold[orders] == f
            reached = np.pad(np.cumsum(mine, axis=1), ((0, 0), (1, 0)))
            own = self.folded.place[orders[mine]].reshape(len(orders), game.n_points)
            total += game.chains(own, np.take_along_axis(reached, stops, axis=1))
        return total / len(self.games)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_chains(self, order, bounds, masks)
