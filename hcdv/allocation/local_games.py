"""Local games: a few players, each a group of points or one point, on their own points only.

A game with few players is enumerated, a larger one is sampled.  What is cheap depends on the game:

- A :class:`hcdv.game.LocalGame` pays per row that enters, and nothing for rows that stay out.  Its
  coalitions are read off chains: all 2^m lie on C(m, m/2) of them, and samples are antithetic pairs.
- Any other game pays per coalition: a model is trained on it.  It is asked for coalitions, each once, by
  :func:`hcdv.shapley.exact` and :func:`hcdv.shapley.estimate`.
- The dispersion of single rows has a closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from hcdv._random import derive_seed, generator
from hcdv.game import AdditiveGame, Game, Indices, LocalGame, Values, stops_by_chain
from hcdv.games import DispersionGame
from hcdv.shapley import estimate, exact, exact_values, leaf_count_vectors, leaf_dispersion_values
from hcdv.shapley.dispersion import MAX_COUNT_VECTORS

# Single points of a LocalGame that are enumerated whatever the number of permutations: 1,024 coalitions of
# the 10 points of a usual leaf cost little more than the 640 that 64 permutations meet.
EXACT_POINTS = 12
# Players at most whose coalitions are read off chains (12,870 chains of 16 players).
COVER_PLAYERS = 16
# A coalition that is put together from the states of its groups costs as much as this many rows on a chain.
ROWS_A_COALITION = 100

# An ordered map over pairs of chains: the builtin one, or that of a pool of threads.
Mapper = Callable[[Callable[[int], NDArray[np.float64]], Iterable[int]], Iterator[NDArray[np.float64]]]


class TranslatedGame:
    """Any game among some of its points, renumbered; what every game can do without ``restricted``.

    Parameters
    ----------
    game : Game
    members : int64 [k]
        Distinct points; point j here is ``members[j]`` there.
    """

    def __init__(self, game: Game, members: Indices) -> None:
        self.n_points = len(members)
        self.v_empty = game.v_empty
        self.game = game
        self.members = members

    def chains(self, orders: Indices, stops: Indices) -> Values:
        theirs = self.members[orders]
        if isinstance(self.game, AdditiveGame):
            empty = self.game.state(np.empty(0, np.int64))
            rows = zip(theirs, stops_by_chain(orders, stops), strict=True)
            return np.array([self.game.chain_from(empty, order, s) for order, s in rows])
        rest = np.setdiff1d(np.arange(self.game.n_points), self.members)
        behind = np.broadcast_to(rest, (len(orders), len(rest)))
        return self.game.chains(np.hstack([theirs, behind]), stops)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return self.game.coalitions(self.members[order], bounds, masks)


def restricted(game: Game, members: Indices) -> Game:
    """``game`` among ``members`` (int64 [k]) alone, renumbered 0..k-1 in their order."""
    if isinstance(game, LocalGame):
        return game.restricted(members)
    return TranslatedGame(game, members)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of a local game.

    Attributes
    ----------
    values : float64 [p, m]
        Of every player in every game of the sum.
    is_exact : bool
        Whether all were enumerated or had a closed form.
    n_evaluations : int
        Coalitions whose value was asked for, in the game of the sum that was asked for most.
    """

    values: NDArray[np.float64]
    is_exact: bool
    n_evaluations: int


@dataclass(frozen=True, eq=False)
class LocalPlay:
    """Plays the local games of a sum of games.

    Attributes
    ----------
    games : sequence of p Game
        Sampled local games share their permutations, so that their values are additive in the games.
    n_permutations : int
        T; an odd number is rounded up to whole antithetic pairs.
    seed : int
    """

    games: Sequence[Game]
    n_permutations: int
    seed: int

    def among_groups(self, order: Indices, bounds: Indices, *key: int | str, pairs: Mapper = map) -> Outcome:
        """Shapley values of groups, player g being ``order[bounds[g]:bounds[g + 1]]``.

        Parameters
        ----------
        order : int64 [k]
            The points of all players.
        bounds : int64 [m + 1]
        key : int or str
            Name of the local game; what is random depends on it and on the seed only.
        pairs : callable
            Runs the pairs of chains of a sampled game, and keeps them in order.
        """
        m = len(bounds) - 1
        values = np.empty((len(self.games), m))
        is_exact, n_evaluations = True, 0
        for part, game in enumerate(self.games):
            here, points = _at(game, order)
            if self._is_enumerated(m):
                values[part] = _enumerated(here, points, bounds)
                asked = 1 << m
            else:
                values[part], asked = self._sampled(game, here, points, bounds, key, pairs)
                is_exact = False
            n_evaluations = max(n_evaluations, asked)
        return Outcome(values, is_exact, n_evaluations)

    def among_points(self, members: Indices, *key: int | str) -> Outcome:
        """Shapley values of single points among themselves; arguments as in :meth:`among_groups`."""
        m = len(members)
        bounds = np.arange(m + 1)
        values = np.empty((len(self.games), m))
        is_exact, n_evaluations = True, 0
        for part, game in enumerate(self.games):
            if isinstance(game, DispersionGame) and _has_closed_form(game, members):
                values[part] = _dispersion_values(game, members)
                continue
            here, points = _at(game, members)
            is_cheap = m <= EXACT_POINTS and isinstance(game, LocalGame)
            if is_cheap or self._is_enumerated(m):
                values[part] = _enumerated(here, points, bounds)
                asked = 1 << m
            else:
                values[part], asked = self._sampled(game, here, points, bounds, key, map)
                is_exact = False
            n_evaluations = max(n_evaluations, asked)
        return Outcome(values, is_exact, n_evaluations)

    def alone(self, order: Indices, bounds: Indices) -> Outcome:
        """v of every group by itself, as it is (v(empty) is not taken off)."""
        m = len(bounds) - 1
        values = np.empty((len(self.games), m))
        for part, game in enumerate(self.games):
            here, points = _at(game, order)
            values[part] = here.coalitions(points, bounds, np.eye(m, dtype=bool))
        return Outcome(values, True, m)

    def _is_enumerated(self, n_players: int) -> bool:
        return 1 << n_players <= self.n_permutations * n_players

    def _sampled(
        self,
        game: Game,
        here: Game,
        points: Indices,
        bounds: Indices,
        key: tuple[int | str, ...],
        pairs: Mapper,
    ) -> tuple[Values, int]:
        """Estimated values [m] of one game, and how many coalitions it was asked for."""
        m = len(bounds) - 1
        if not isinstance(game, LocalGame):
            estimated = estimate(
                lambda masks: here.coalitions(points, bounds, masks),
                m,
                n_permutations=self.n_permutations,
                random_state=derive_seed(self.seed, "local game", *key),
            )
            return estimated.values, estimated.n_evaluations

        def pair(k: int) -> Values:
            forth = generator(self.seed, "local game", *key, k).permutation(m)
            return _marginals(here, points, bounds, np.stack([forth, forth[::-1]]))

        n_pairs = (self.n_permutations + 1) // 2
        total = np.zeros(m)
        for marginals in pairs(pair, range(n_pairs)):
            total += marginals
        return total / (2 * n_pairs), 2 + 2 * n_pairs * (m - 1)


def _at(game: Game, order: Indices) -> tuple[Game, Indices]:
    """The game among the points of ``order``, and their numbers in it."""
    if len(order) == game.n_points:
        return game, order
    return restricted(game, order), np.arange(len(order))


def _enumerated(game: Game, points: Indices, bounds: Indices) -> Values:
    """Exact values of groups of points, float64 [m]."""
    m = len(bounds) - 1
    walks = isinstance(game, LocalGame) and m <= COVER_PLAYERS
    if walks and comb(m, m // 2) * len(points) <= ROWS_A_COALITION << m:
        return exact_values(_table_by_chains(game, points, bounds))
    return exact(lambda masks: game.coalitions(points, bounds, masks), m)


def _table_by_chains(game: Game, points: Indices, bounds: Indices) -> Values:
    """v of all 2^m unions of groups, read off the chains that cover them."""
    players = covering_chains(len(bounds) - 1)
    joined = np.cumsum(np.int64(1) << players, axis=1)
    table = np.empty(1 << players.shape[1])
    table[0] = game.v_empty
    table[joined] = game.chains(*_chains_of(players, points, bounds))[:, 1:]
    return table


def _marginals(game: Game, points: Indices, bounds: Indices, players: Indices) -> Values:
    """Marginal contributions of groups summed over chains of groups ``players`` [T, m]; float64 [m]."""
    steps = np.diff(game.chains(*_chains_of(players, points, bounds)), axis=1)
    marginals = np.zeros(players.shape[1])
    np.add.at(marginals, players.ravel(), steps.ravel())
    return marginals


def _chains_of(players: Indices, points: Indices, bounds: Indices) -> tuple[Indices, Indices]:
    """Chains of points [T, k] for chains of groups [T, m], and where groups begin and end [T, m + 1]."""
    n_chains, m = players.shape
    if len(points) == m:
        return points[players], np.arange(m + 1)
    sizes = np.diff(bounds)[players]
    stops = np.zeros((n_chains, m + 1), np.int64)
    np.cumsum(sizes, axis=1, out=stops[:, 1:])
    # Place of a chain -> place in `points`: constant shift within a group.
    shift = np.repeat((bounds[players] - stops[:, :-1]).ravel(), sizes.ravel())
    place = np.arange(len(points)) + shift.reshape(n_chains, -1)
    return points[place], stops


@lru_cache(maxsize=COVER_PLAYERS + 1)
def covering_chains(n_players: int) -> Indices:
    """Permutations of m players whose prefixes are all 2^m coalitions: C(m, m/2) of them, the fewest.

    int64 [C(m, m // 2), m], read-only.  de Bruijn, Tengbergen and Kruyswijk, "On the set of divisors of a
    number" (1951): a chain of coalitions of m - 1 players, from size a to size b, gives a chain from a to
    b + 1, with player m last, and one that has player m from the start and leaves out its largest coalition.
    """
    chains: list[tuple[list[int], int, int]] = [([], 0, 0)]
    for player in range(n_players):
        longer = []
        for order, low, high in chains:
            longer.append(([*order[:high], player, *order[high:]], low, high + 1))
            if low < high:
                longer.append(([*order[:low], player, *order[low:]], low + 1, high))
        chains = longer
    cover = np.array([order for order, _, _ in chains], dtype=np.int64).reshape(-1, n_players)
    cover.setflags(write=False)
    return cover


def _has_closed_form(game: DispersionGame, members: Indices) -> bool:
    if game.dispersion == "sum":
        return True
    # Never more work than enumeration, as N + 1 <= 2^N for every class.
    return leaf_count_vectors(game.labels[members]) <= MAX_COUNT_VECTORS


def _dispersion_values(game: DispersionGame, members: Indices) -> Values:
    rows = game.X[members] * game.scale[members, None]
    return leaf_dispersion_values(
        1.0 - rows @ rows.T, game.labels[members], game.dispersion, game.kappa, game.centre
    )
