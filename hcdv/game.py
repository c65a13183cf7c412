"""The one seam between games and allocations.

A *game* assigns a value to every coalition of the n points.  An allocation never asks for more than the
value along *chains* (permutations cut at stops) and over unions of groups; a game never hears of trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Values = NDArray[np.float64]


@runtime_checkable
class Game(Protocol):
    """A characteristic function over points 0..n_points-1."""

    n_points: int
    v_empty: float

    def chains(self, orders: Indices, stops: Indices) -> Values:
        """``v(orders[t, :stops[t, j]])`` for every chain t and stop j.

        Parameters
        ----------
        orders : int64 [T, n]
            Permutations of the points.
        stops : int64 [s] or [T, s]
            Ascending prefix lengths within 0..n, common to the chains or one row a chain.

        Returns
        -------
        float64 [T, s]
        """
        ...

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        """Value of unions of groups: group g is ``order[bounds[g]:bounds[g + 1]]``.

        Parameters
        ----------
        order : int64 [s]
        bounds : int64 [m + 1]
        masks : bool [B, m]

        Returns
        -------
        float64 [B]
        """
        ...


@runtime_checkable
class AdditiveGame(Game, Protocol):
    """A game whose value follows from a state, and the state of a union is the sum of states.

    This is what lets a subtree run alone: the context of a block is the sum of the states before it.
    """

    def state(self, members: Indices) -> Any:
        """State of the coalition ``members``; states of disjoint coalitions are joined by ``+``."""
        ...

    def chain_from(self, state: Any, order: Indices, stops: Indices) -> Values:
        """``v(context + order[:stops[j]])`` where ``state`` is the state of the context.

        ``state`` is left as it was; ``order`` holds points outside the context.  float64 [s].
        """
        ...


@runtime_checkable
class LocalGame(AdditiveGame, Protocol):
    """An additive game in which a coalition costs no more than its own points: few points, small arrays."""

    def restricted(self, members: Indices) -> Self:
        """The game among ``members`` (distinct points, int64 [k]), renumbered 0..k-1 in their order.

        v of a coalition is what it is in the whole game: divisors, priors and constants stay.
        """
        ...


def chains_from_start(game: AdditiveGame, orders: Indices, stops: Indices) -> Values:
    """``Game.chains`` of a game that knows how to go on from the empty state."""
    empty = game.state(np.empty(0, np.int64))
    stops = stops_by_chain(orders, stops)
    values = np.empty(stops.shape)
    for t, order in enumerate(orders):
        values[t] = game.chain_from(empty, order, stops[t])
    return values


def log_likelihoods(games: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the games whose v is a log-likelihood per row, less that of guessing."""
    return tuple(name for name, game in games.items() if getattr(game, "is_log_likelihood", False))


def stops_by_chain(orders: Indices, stops: Indices) -> Indices:
    """``stops`` of ``Game.chains`` as int64 [T, s], one row a chain."""
    return np.broadcast_to(stops, (len(orders), np.shape(stops)[-1]))


def coalitions_from_states(
    game: AdditiveGame, order: Indices, bounds: Indices, masks: NDArray[np.bool_]
) -> Values:
    """``Game.coalitions`` by adding the groups' states: no point is visited twice."""
    states = [game.state(order[bounds[g] : bounds[g + 1]]) for g in range(len(bounds) - 1)]
    empty = game.state(np.empty(0, np.int64))
    nothing, at_once = np.empty(0, np.int64), np.zeros(1, np.int64)
    values = np.empty(len(masks))
    for b, inside in enumerate(masks):
        union = empty
        for g in np.flatnonzero(inside):
            union = union + states[g]
        values[b] = game.chain_from(union, nothing, at_once)[0]
    return values


def coalitions_from_chains(
    game: Game, order: Indices, bounds: Indices, masks: NDArray[np.bool_]
) -> Values:
    """``Game.coalitions`` of any game: the members first, the rest behind them, one stop."""
    values = np.empty(len(masks))
    for b, inside in enumerate(masks):
        parts = [order[bounds[g] : bounds[g + 1]] for g in np.flatnonzero(inside)]
        members = np.concatenate(parts) if parts else np.empty(0, np.int64)
        rest = np.setdiff1d(np.arange(game.n_points), members)
        chain = np.concatenate([members, rest])[None]
        values[b] = game.chains(chain, np.array([len(members)]))[0, 0]
    return values
