"""The kernel game follows its rows: what it is made of is kept, and changed where rows come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hcdv.affinity import VoterLists
from hcdv.engine import Threads
from hcdv.game import Game, Indices
from hcdv.games.likelihood import Ballots, likeliest_width, voters_asked
from hcdv.games.local import (
    BANDWIDTH_NEIGHBOUR,
    KERNEL_PRIOR,
    heard_by_validation,
    neighbours_listed,
    trusted_votes,
    vote_game,
)
from hcdv.games.named import Kernel, taken_apart
from hcdv.games.rows import TrainingRows
from hcdv.games.utility import Utility
from hcdv.games.vote import VoteGame

# Voters whose votes are weighed at a time.
VOTERS_AT_ONCE = 1024
# Rows in tree order, and the bounds of the levels that a search goes through.
LevelsOf = Callable[[], tuple[Indices, Sequence[Indices]]]


@dataclass(frozen=True)
class KernelLists:
    """What a kernel game is made of.

    Attributes
    ----------
    rows : VoterLists
        The rows as voters.
    validation : VoterLists or None
        The validation rows as voters, where these are voted for.
    bandwidth : float64 [n]
        Of the rows' kernels, of the usual width.
    trusted : float64 [n, 2] or None
        Votes of the validation rows: matching, and all.
    width : float
    validation_weight : float
    space : str or None
        The further space that the game is played in.
    """

    rows: VoterLists
    validation: VoterLists | None
    bandwidth: NDArray[np.float64]
    trusted: NDArray[np.float64] | None
    width: float
    validation_weight: float
    space: str | None = None

    @classmethod
    def of(
        cls, utility: Utility, game: Game, rows: TrainingRows, threads: Threads
    ) -> KernelLists | None:
        """What the utility's game on these rows is made of; None where it is no kernel's."""
        kernel, space = taken_apart(utility)
        if not isinstance(kernel, Kernel) or not isinstance(game, VoteGame):
            return None
        rows = _in(rows, space)
        lists = VoterLists.of(
            game.rows.affinity, rows.X, rows.X, neighbours_listed(rows.n_points), threads
        )
        return cls(
            rows=lists,
            validation=_validation_lists(game, rows, threads),
            bandwidth=lists.bandwidth(BANDWIDTH_NEIGHBOUR),
            trusted=None if rows.labels_val is None else game.rows.heard - game.rows.prior(rows.n_classes),
            width=game.rows.affinity.width,
            validation_weight=kernel.validation_weight,
            space=space,
        )

    def after(
        self, rows: TrainingRows, kept: Indices, levels: LevelsOf, threads: Threads
    ) -> KernelLists:
        """The lists when rows have left and others have come (:meth:`hcdv.affinity.VoterLists.after`)."""
        rows = _in(rows, self.space)
        lists = self.rows.after(kept, rows.X, None, levels, threads)
        validation = None
        if self.validation is not None:
            validation = self.validation.after(kept, rows.X, rows.X_val, levels, threads)
        bandwidth = lists.bandwidth(BANDWIDTH_NEIGHBOUR)
        trusted = None
        if self.trusted is not None:
            trusted = np.empty((rows.n_points, 2))
            trusted[: len(kept)] = self.trusted[kept]
            has_changed = np.ones(rows.n_points, bool)
            has_changed[: len(kept)] = bandwidth[: len(kept)] != self.bandwidth[kept]
            changed = np.flatnonzero(has_changed)
            trusted[changed] = trusted_votes(rows, bandwidth * self.width, threads, changed)
        return replace(self, rows=lists, validation=validation, bandwidth=bandwidth, trusted=trusted)

    def with_validation(self, rows: TrainingRows, threads: Threads) -> KernelLists:
        """The lists beside other validation rows, or none."""
        rows = _in(rows, self.space)
        if rows.X_val is None:
            return replace(self, validation=None, trusted=None)
        validation = None
        if self.validation_weight:
            q = neighbours_listed(rows.n_points)
            validation = VoterLists.of(
                heard_by_validation(rows, threads), rows.X, rows.X_val, q, threads
            )
        trusted = trusted_votes(rows, self.bandwidth * self.width, threads)
        return replace(self, validation=validation, trusted=trusted)

    def likeliest_width(self, rows: TrainingRows, order: Indices, threads: Threads) -> float:
        """The width that a fit on these rows would choose; ``order`` int64 [n] is the order it would have."""
        rows = _in(rows, self.space)
        asked = order[voters_asked(rows.n_points, rows.n_classes)]

        def scores(first: int) -> NDArray[np.float64]:
            voters = asked[first : first + VOTERS_AT_ONCE]
            some = VoterLists(self.rows.ids[voters], self.rows.d2[voters], self.rows.recall)
            is_row = some.ids >= 0
            start = np.append(0, np.cumsum(is_row.sum(axis=1)))
            weights = some.weights(self.bandwidth[voters])[is_row].astype(np.float64)
            ballots = Ballots(start, rows.labels[some.ids[is_row]], weights, rows.n_classes)
            return ballots.own_log_shares(rows.labels[voters], KERNEL_PRIOR)

        parts = list(threads.map(scores, range(0, len(asked), VOTERS_AT_ONCE)))
        return likeliest_width(np.concatenate(parts, axis=1))

    def of_width(self, width: float, rows: TrainingRows, threads: Threads) -> KernelLists:
        """The same rows under kernels of another width."""
        trusted = self.trusted
        if trusted is not None:
            trusted = trusted_votes(_in(rows, self.space), self.bandwidth * width, threads)
        return replace(self, width=width, trusted=trusted)

    def game(self, rows: TrainingRows) -> VoteGame:
        """The game on these rows: as its utility makes it, to rounding in float32."""
        rows = _in(rows, self.space)
        affinity = self.rows.affinity(rows.n_points, self.bandwidth, self.width)
        heard = None
        if self.validation is not None:
            bandwidth = self.validation.bandwidth(BANDWIDTH_NEIGHBOUR)
            heard = self.validation.affinity(rows.n_points, bandwidth, self.width)
        return vote_game(rows, affinity, heard, self.trusted, KERNEL_PRIOR, self.validation_weight)


def learns_width(utility: Utility, rows: TrainingRows) -> bool:
    """Whether a fit chooses the width of this utility's kernel by the rows.

    Parameters
    ----------
    utility : Utility
    rows : TrainingRows

    Returns
    -------
    bool
    """
    kernel, space = taken_apart(utility)
    return isinstance(kernel, Kernel) and kernel.width == "likelihood" and not _in(rows, space).is_learned


def _in(rows: TrainingRows, space: str | None) -> TrainingRows:
    return rows if space is None else rows.in_space(space)


def _validation_lists(game: VoteGame, rows: TrainingRows, threads: Threads) -> VoterLists | None:
    if game.validation is None or rows.X_val is None:
        return None
    q = neighbours_listed(rows.n_points)
    return VoterLists.of(game.validation.affinity, rows.X, rows.X_val, q, threads)
