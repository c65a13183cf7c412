"""What a row's vote does where everybody votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels.vote import vote_recount
from hcdv.game import Indices, Values
from hcdv.games import Electorate, TrainingRows, VoteGame

MATCHING, TOTAL, COUNTED, INSIDE = range(4)


@dataclass(frozen=True)
class Heard:
    """Whom a row speaks to in one game, and what would be lost without it.

    Attributes
    ----------
    own : float
        Confidence in the row's own label, as it counts in v.
    rows, validation : int64 [k], int64 [m]
        Who listens to it.
    change, validation_change : float64 [k], float64 [m]
        By how much its vote raises the confidence in their labels.
    share, validation_share : float
        What a unit of such a change adds to v.
    """

    own: float
    rows: Indices
    change: Values
    share: float
    validation: Indices
    validation_change: Values
    validation_share: float

    @property
    def leave_one_out(self) -> float:
        """v(all) less v(all but the row)."""
        others = self.share * float(self.change.sum())
        return self.own + others + self.validation_share * float(self.validation_change.sum())


@dataclass(frozen=True, eq=False)
class Votes:
    """A vote game in which everybody has voted.

    Attributes
    ----------
    game : VoteGame
    space : TrainingRows
        The rows, in the space that the game is played in.
    rows : float64 [n, 4]
        Votes on every row: matching, all, the confidence that they make, 1.
    validation : float64 [n_val, 4] or None
        The same of the validation rows, where these listen.
    """

    game: VoteGame
    space: TrainingRows
    rows: NDArray[np.float64]
    validation: NDArray[np.float64] | None

    @classmethod
    def of(cls, game: VoteGame, space: TrainingRows) -> Votes:
        state = game.state(np.arange(game.n_points))
        game.rows.base(state.rows, game.chance, game.log_score)
        if game.validation is None:
            return cls(game, space, state.rows, None)
        state.validation[:, INSIDE] = 1.0
        game.validation.base(state.validation, game.chance, game.log_score)
        return cls(game, space, state.rows, state.validation)

    def heard(self, i: int) -> Heard:
        """Whom row ``i`` speaks to."""
        game = self.game
        rows, change = self._without(game.rows, self.rows, i)
        validation, validation_change = np.empty(0, np.int64), np.empty(0)
        validation_share = 0.0
        if game.validation is not None and self.validation is not None:
            validation, validation_change = self._without(game.validation, self.validation, i)
            validation_share = game.validation_weight / game.n_val
        own = float(self.rows[i, COUNTED]) / game.n_rows
        return Heard(own, rows, change, 1.0 / game.n_rows, validation, validation_change, validation_share)

    def _without(
        self, voters: Electorate, votes: NDArray[np.float64], i: int
    ) -> tuple[Indices, Values]:
        """Who hears row ``i``, and what of their confidence goes with it."""
        a = voters.affinity
        mine = slice(a.indptr[i], a.indptr[i + 1])
        listeners, weights = a.indices[mine].astype(np.int64), a.weights[mine].astype(np.float64)
        left = votes[listeners]
        agrees = voters.labels[listeners] == self.game.rows.labels[i]
        left[:, MATCHING] -= weights * agrees
        left[:, TOTAL] -= weights
        # What is left is never less than what was heard beforehand, but for rounding.
        left[:, :COUNTED] = np.maximum(left[:, :COUNTED], voters.heard[listeners])
        vote_recount(self.game.chance, self.game.log_score, left)
        return listeners, votes[listeners, COUNTED] - left[:, COUNTED]

    def voters_on(self, i: int, *, trusted: bool) -> tuple[Indices, Values]:
        """Training or validation rows that vote on row ``i``, and each one's share of all votes on it."""
        if trusted:
            weights = self._trusted_weights(i)
            rows = np.flatnonzero(weights)
            weights = weights[rows]
        else:
            a = self.game.rows.affinity
            entry = np.flatnonzero(a.indices == i)
            rows = np.searchsorted(a.indptr, entry, side="right") - 1
            weights = a.weights[entry].astype(np.float64)
        return rows, weights / self.rows[i, TOTAL]

    def _trusted_weights(self, i: int) -> Values:
        """What each validation row's vote on row ``i`` weighs; float64 [n_val], empty where none is kept."""
        space, affinity = self.space, self.game.rows.affinity
        if space.X_val is None:
            return np.empty(0)
        if affinity.bandwidth is not None:
            apart = space.X_val.astype(np.float64) - space.X[i].astype(np.float64)
            squares = np.einsum("ij,ij->i", apart, apart)
            weights: Values = np.exp(-2.0 * squares / affinity.bandwidth[i] ** 2)
            return weights
        weights = np.zeros(len(space.X_val))
        if self.game.validation is not None:
            # A forest's votes go both ways.
            a = self.game.validation.affinity
            mine = slice(a.indptr[i], a.indptr[i + 1])
            weights[a.indices[mine]] = a.weights[mine]
        return weights
