"""Permutations cut short where the rest is within the utility's noise (Ghorbani & Zou 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv._random import generator
from hcdv.baselines._play import Play
from hcdv.game import Game, Indices, Values, stops_by_chain
from hcdv.games import RetrainedGame

# Random coalitions that the noise is measured on, and their size: that of the distinct rows of a bootstrap
# sample, so that their spread is the bootstrap's.
NOISE_SAMPLES = 20
NOISE_SHARE = 1.0 - np.exp(-1.0)
# v must stay within the tolerance over this share of the rows, and over so many at least: one prefix that meets
# v(all) by chance on the way up must not end a permutation.
STAYS_SHARE = 0.05
STAYS_AT_LEAST = 5


class TruncatedGame:
    """A game that does not ask for the rest of a chain once its values stay near v(all).

    The rest then rises evenly to v(all), so that sums stay exact: its rows get the mean of their marginals.

    Parameters
    ----------
    game : RetrainedGame
    tolerance : float
        In units of v.
    v_full : float
    """

    def __init__(self, game: RetrainedGame, tolerance: float, v_full: float) -> None:
        self.n_points, self.v_empty = game.n_points, game.v_empty
        self.game, self.tolerance, self.v_full = game, tolerance, v_full

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        return np.array([self._chain(order, mine) for order, mine in zip(orders, stops, strict=True)])

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return self.game.coalitions(order, bounds, masks)

    def _chain(self, order: Indices, stops: Indices) -> Values:
        patience = max(STAYS_AT_LEAST, int(np.ceil(STAYS_SHARE * self.n_points)))
        values, near = np.empty(len(stops)), 0
        for k, value in enumerate(self.game.walk(order, stops)):
            values[k] = value
            near = near + 1 if abs(self.v_full - value) <= self.tolerance else 0
            if near == patience and stops[k] < self.n_points:
                ends = np.array([stops[k], self.n_points])
                values[k:] = np.interp(stops[k:], ends, [value, self.v_full])
                break
        return values


def truncated(play: Play, truncation: float) -> dict[str, Game]:
    """The games of ``play``; those that train models stop within ``truncation`` times their own noise.

    The others walk a chain in one go, and a stop costs them nothing.
    """
    size = max(1, round(NOISE_SHARE * play.n))
    inside = np.zeros((NOISE_SAMPLES, play.n), np.bool_)
    for k, members in enumerate(inside):
        members[generator(play.seed, "noise", k).choice(play.n, size, replace=False)] = True
    games: dict[str, Game] = dict(play.games)
    if any(isinstance(game, RetrainedGame) for game in games.values()):
        with play.progress.stage("measuring the noise"):
            v_full = play.bounds()[1]
            blocks = play.threads.map(play.values_of, np.split(inside, 4))
            noise = np.concatenate(list(blocks), axis=1).std(axis=1, ddof=1)
        for part, (name, game) in enumerate(play.games.items()):
            if isinstance(game, RetrainedGame):
                games[name] = TruncatedGame(game, truncation * float(noise[part]), float(v_full[part]))
    return games


