"""Several games side by side on a device, each on its own fold of the points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hcdv.game import Game, Indices, Values, coalitions_from_chains, stops_by_chain


class DeviceFolds:
    """v(S) = mean over folds f of v_f(S within fold f), as :class:`hcdv.games.folds.FoldedGame`."""

    def __init__(self, games: Sequence[Game], fold: NDArray[np.int64]) -> None:
        self.games = games
        self.fold = fold
        self.n_points = len(fold)
        self.v_empty = float(np.mean([game.v_empty for game in games]))
        self._place = np.empty(self.n_points, np.int64)
        for f in range(len(games)):
            mine = np.flatnonzero(fold == f)
            self._place[mine] = np.arange(len(mine))

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        total = np.zeros(stops.shape)
        for f, game in enumerate(self.games):
            mine = self.fold[orders] == f
            reached = np.pad(np.cumsum(mine, axis=1), ((0, 0), (1, 0)))
            own = self._place[orders[mine]].reshape(len(orders), game.n_points)
            total += game.chains(own, np.take_along_axis(reached, stops, axis=1))
        return total / len(self.games)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_chains(self, order, bounds, masks)
