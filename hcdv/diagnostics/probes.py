"""Games with players whose value is known: interchangeable ones, dummies, and sums of games.

They are the model's own game v but for a few points.  Of a pair of *interchangeable* points the one that comes
first plays the part of the first, the other that of the second: v'(S) depends on how many of the two are in S
only, so they are symmetric players.  A *dummy* is not seen at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.game import Game, Indices, LocalGame, Values, coalitions_from_chains, stops_by_chain


class ProbeGame:
    """v' of a game v; a :class:`hcdv.game.Game`.

    Parameters
    ----------
    game : Game
    pairs : int64 [k, 2]
        Interchangeable points, all distinct.
    dummies : int64
        Points that count for nothing, in no pair.
    """

    def __init__(self, game: Game, pairs: Indices, dummies: Indices) -> None:
        self.n_points = game.n_points
        self.v_empty = game.v_empty
        self.game = game
        self.pairs = pairs
        self.dummies = dummies

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        values = np.empty(stops.shape)
        for t, order in enumerate(orders):
            seen, kept = self._seen(order)
            # Two prefixes that differ by a dummy are one coalition of v.
            distinct, place = np.unique(kept[stops[t]], return_inverse=True)
            values[t] = self.game.chains(np.concatenate([seen, self.dummies])[None], distinct)[0, place]
        return values

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_chains(self, order, bounds, masks)

    def _seen(self, order: Indices) -> tuple[Indices, Indices]:
        """What v sees of a sequence of distinct points, and of how many points after 0, 1, ... of it."""
        nowhere = len(order)
        place = np.full(self.n_points, nowhere)
        place[order] = np.arange(len(order))
        seen = order.copy()
        at_first, at_second = place[self.pairs].T
        turned = at_second < at_first
        seen[at_second[turned]] = self.pairs[turned, 0]
        both = turned & (at_first < nowhere)
        seen[at_first[both]] = self.pairs[both, 1]
        counts = ~np.isin(order, self.dummies)
        return seen[counts], np.concatenate([[0], np.cumsum(counts)])


@dataclass(frozen=True, eq=False)
class Members:
    """A coalition as it is; joined by ``+``."""

    points: Indices

    def __add__(self, other: Members) -> Members:
        return Members(np.concatenate([self.points, other.points]))


class LocalProbeGame(ProbeGame):
    """v' of a :class:`hcdv.game.LocalGame`, which it is itself."""

    game: LocalGame

    def state(self, members: Indices) -> Members:
        return Members(members)

    def chain_from(self, state: Members, order: Indices, stops: Indices) -> Values:
        seen, kept = self._seen(np.concatenate([state.points, order]))
        begin = kept[len(state.points)]
        distinct, place = np.unique(kept[len(state.points) + stops] - begin, return_inverse=True)
        context = self.game.state(seen[:begin])
        return self.game.chain_from(context, seen[begin:], distinct)[place]

    def restricted(self, members: Indices) -> LocalProbeGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1."""
        place = np.full(self.n_points, -1)
        place[members] = np.arange(len(members))
        pairs = place[self.pairs]
        # Where the first of a pair stays outside, the second always plays its part.
        alone = (pairs[:, 0] < 0) & (pairs[:, 1] >= 0)
        seen = members.copy()
        seen[pairs[alone, 1]] = self.pairs[alone, 0]
        dummies = place[self.dummies]
        return LocalProbeGame(
            self.game.restricted(seen), pairs[(pairs >= 0).all(axis=1)], dummies[dummies >= 0]
        )


def probe(game: Game, pairs: Indices, dummies: Indices) -> Game:
    """``game`` with interchangeable ``pairs`` and ``dummies``."""
    kind = LocalProbeGame if isinstance(game, LocalGame) else ProbeGame
    return kind(game, pairs, dummies)


class SumGame:
    """v1 + v2 + ... evaluated as one game; a :class:`hcdv.game.Game`."""

    def __init__(self, games: Sequence[Game]) -> None:
        self.n_points = games[0].n_points
        self.v_empty = float(sum(game.v_empty for game in games))
        self.games = games

    def chains(self, orders: Indices, stops: Indices) -> Values:
        return np.sum([game.chains(orders, stops) for game in self.games], axis=0)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return np.sum([game.coalitions(order, bounds, masks) for game in self.games], axis=0)


@dataclass(frozen=True, eq=False)
class States:
    """One state a game; joined by ``+``."""

    states: tuple[Any, ...]

    def __add__(self, other: States) -> States:
        return States(tuple(a + b for a, b in zip(self.states, other.states, strict=True)))


class LocalSumGame(SumGame):
    """The sum of :class:`hcdv.game.LocalGame` s, which it is itself."""

    games: Sequence[LocalGame]

    def state(self, members: Indices) -> States:
        return States(tuple(game.state(members) for game in self.games))

    def chain_from(self, state: States, order: Indices, stops: Indices) -> Values:
        each = zip(self.games, state.states, strict=True)
        return np.sum([game.chain_from(part, order, stops) for game, part in each], axis=0)

    def restricted(self, members: Indices) -> LocalSumGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1."""
        return LocalSumGame([game.restricted(members) for game in self.games])


def total(games: Sequence[Game]) -> Game:
    """The sum of ``games``."""
    if all(isinstance(game, LocalGame) for game in games):
        return LocalSumGame(games)
    return SumGame(games)
