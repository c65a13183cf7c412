"""The coherence game: how well the rows of S explain each other's labels, and the validation rows'.

    v(S) = 1/n sum_{j in S} c_j(S) + w/n_val sum_{v in validation} [c_v(S) - c_v(nobody)]
    c_j(S) = log(C p_j(y_j | S without j, validation))

where p is the share of the weighted votes that agree with the label, and a uniform prior votes too.  A row
that its surroundings contradict has negative confidence, and takes confidence from the rows around it.
``kernel`` and ``forest`` differ only in the weights, which come as sparse affinities.

With ``score="share"`` confidence is p - 1/C instead; docs/quality.md shows why the logarithm is better.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels.vote import vote_chain, vote_recount
from hcdv.affinity import Affinity
from hcdv.game import Indices, Values, coalitions_from_states, stops_by_chain

# A voter that nobody can reach still needs a prior, or its share would be 0 / 0.
SMALLEST_PRIOR = 1e-12


@dataclass(frozen=True)
class VoteState:
    """Votes cast by a coalition: float64 [n, 4] on the rows and [n_val, 4] on the validation rows.

    Columns: matching votes, all votes, confidence counted (recomputed when needed), 1.0 for members.
    """

    rows: NDArray[np.float64]
    validation: NDArray[np.float64]

    def __add__(self, other: VoteState) -> VoteState:
        return VoteState(self.rows + other.rows, self.validation + other.validation)


@dataclass(frozen=True)
class Electorate:
    """Voters of one kind: who speaks to them, their labels, and what they have heard beforehand.

    Attributes
    ----------
    affinity : Affinity
        Weights from the n rows to the voters.
    labels : int64 [n_voters]
    heard : float64 [n_voters, 2]
        Matching and all votes heard before any row of S speaks: the prior, and trusted rows.
    prior_share : float
        What the prior weighs, as a share of all the votes that the n rows can cast on a voter.
    """

    affinity: Affinity
    labels: NDArray[np.int64]
    heard: NDArray[np.float64]
    prior_share: float

    @classmethod
    def of(
        cls,
        affinity: Affinity,
        labels: NDArray[np.int64],
        n_classes: int,
        *,
        prior_share: float,
        trusted: NDArray[np.float64] | None = None,
    ) -> Electorate:
        """Voters whose prior weighs ``prior_share`` of all the votes that rows can cast on them.

        ``trusted`` float64 [n_voters, 2] are matching and all votes of trusted rows, on top.
        """
        heard = _prior(affinity, prior_share, n_classes)
        return cls(affinity, labels, heard if trusted is None else heard + trusted, prior_share)

    def prior(self, n_classes: int) -> NDArray[np.float64]:
        """What a uniform prior votes: matching and all votes, float64 [n_voters, 2]."""
        return _prior(self.affinity, self.prior_share, n_classes)

    def silence(self) -> NDArray[np.float64]:
        return np.zeros((len(self.labels), 4))

    def base(self, state: NDArray[np.float64], chance: float, log_score: bool) -> float:
        """Add what was heard beforehand to a state of votes; the confidence that then counts."""
        state[:, :2] += self.heard
        return vote_recount(chance, log_score, state)

    def restricted(
        self, votes: _Votes, voters: Indices, labels: NDArray[np.int64]
    ) -> Electorate:
        """Only ``voters``, who hear only ``votes``, beside what they had heard beforehand."""
        return Electorate(votes.on(voters), labels, self.heard[voters], self.prior_share)


def _prior(affinity: Affinity, share: float, n_classes: int) -> NDArray[np.float64]:
    prior = np.maximum(share * affinity.voter_totals(), SMALLEST_PRIOR)
    return np.column_stack([prior / n_classes, prior])


@dataclass(frozen=True)
class _Votes:
    """Some rows' votes, one by one: from which of these rows [nnz], on which voter, of what weight."""

    n_sources: int
    source: Indices
    voter: NDArray[np.int32]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, affinity: Affinity, members: Indices) -> _Votes:
        begin = affinity.indptr[members]
        counts = affinity.indptr[members + 1] - begin
        before = np.cumsum(counts) - counts
        entry = np.repeat(begin - before, counts) + np.arange(counts.sum())
        source = np.repeat(np.arange(len(members)), counts)
        return cls(len(members), source, affinity.indices[entry], affinity.weights[entry])

    def on(self, voters: Indices) -> Affinity:
        """The votes on ``voters`` (distinct, int64 [m]) alone, who are renumbered 0..m-1."""
        ascending = np.argsort(voters)
        place = np.searchsorted(voters, self.voter, sorter=ascending)
        local = ascending[np.minimum(place, len(voters) - 1)] if len(voters) else place
        kept = np.flatnonzero(voters[local] == self.voter)
        source, local, weight = self.source[kept], local[kept], self.weight[kept]
        by_voter = np.lexsort((local, source))
        counts = np.bincount(source, minlength=self.n_sources)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Affinity(
            indptr, local[by_voter].astype(np.int32), weight[by_voter], len(voters)
        )


class VoteGame:
    """Coherence game of sparse affinities; a :class:`hcdv.game.LocalGame`.

    Parameters
    ----------
    rows : Electorate
        The n rows as voters; a row never votes on itself.
    n_classes : int
    validation : Electorate, optional
        The validation rows as voters.
    validation_weight : float
        w above.
    score : {"log", "share"}
        Confidence log(C p) or p - 1/C.
    """

    def __init__(
        self,
        rows: Electorate,
        n_classes: int,
        *,
        validation: Electorate | None = None,
        validation_weight: float = 0.0,
        score: str = "log",
    ) -> None:
        self.n_points = len(rows.labels)
        # These divide v; a part of the game keeps them.
        self.n_rows = self.n_points
        self.n_val = 0 if validation is None else len(validation.labels)
        self.v_empty = 0.0
        self.rows = rows
        self.validation = validation if validation_weight else None
        self.validation_weight = validation_weight
        self.log_score = self.is_log_likelihood = score == "log"
        self.chance = 1.0 / n_classes
        self._start = self._validation_confidence()

    @property
    def recall(self) -> float:
        """Share of the true neighbours that the search for the affinity found; 1 where it is exact."""
        return self.rows.affinity.recall

    @property
    def kernel_width(self) -> float | None:
        """Width of the kernel in units of the usual one; None where the weights are no kernel's."""
        affinity = self.rows.affinity
        return None if affinity.bandwidth is None else affinity.width

    def state(self, members: Indices) -> VoteState:
        state = self._silence()
        self._walk(state, members, np.zeros(0, np.int64), (0.0, 0.0), np.empty(0))
        # Votes alone: confidence is counted when the state is gone on from.
        state.rows[:, 2] = state.validation[:, 2] = 0.0
        return state

    def chain_from(self, state: VoteState, order: Indices, stops: Indices) -> Values:
        values = np.empty(len(stops))
        self._go_on(VoteState(state.rows.copy(), state.validation.copy()), order, stops, values)
        return values

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        values = np.empty(stops.shape)
        for t, order in enumerate(orders):
            self._go_on(self._silence(), order, stops[t], values[t])
        return values

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_states(self, order, bounds, masks)

    def restricted(self, members: Indices) -> VoteGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1; priors and divisors stay.

        Rows outside never count, and validation rows that no member reaches keep their confidence, so
        neither is a voter here.
        """
        game = copy(self)
        game.n_points = len(members)
        votes = _Votes.of(self.rows.affinity, members)
        game.rows = self.rows.restricted(votes, members, self.rows.labels[members])
        if self.validation is not None:
            votes = _Votes.of(self.validation.affinity, members)
            reached = np.unique(votes.voter).astype(np.int64)
            game.validation = self.validation.restricted(
                votes, reached, self.validation.labels[reached]
            )
            game._start = game._validation_confidence()
        return game

    def as_part_of(self, n_rows: int, n_val: int) -> VoteGame:
        """The game as a share of one on so many rows and validation rows, which divide v then."""
        game = copy(self)
        game.n_rows, game.n_val = n_rows, n_val
        return game

    def _validation_confidence(self) -> float:
        """Confidence of the validation rows before any row speaks, summed."""
        if self.validation is None:
            return 0.0
        state = self.validation.silence()
        state[:, 3] = 1.0
        return self.validation.base(state, self.chance, self.log_score)

    def _go_on(self, state: VoteState, order: Indices, stops: Indices, values: Values) -> None:
        """Walk a chain from ``state``, which is used up, and write v at the stops to ``values``."""
        base = self.rows.base(state.rows, self.chance, self.log_score)
        theirs = 0.0
        if self.validation is not None:
            state.validation[:, 3] = 1.0
            theirs = self.validation.base(state.validation, self.chance, self.log_score)
        self._walk(state, order, stops, (base, theirs - self._start), values)

    def _silence(self) -> VoteState:
        none = np.zeros((0, 4))
        return VoteState(
            self.rows.silence(), none if self.validation is None else self.validation.silence()
        )

    def _walk(
        self,
        state: VoteState,
        order: Indices,
        stops: Indices,
        base: tuple[float, float],
        values: Values,
    ) -> None:
        """Push the votes of ``order`` into ``state`` (in place) and read v at the stops."""
        order, stops = np.ascontiguousarray(order), np.ascontiguousarray(stops)
        labels = self.rows.labels
        a = self.rows.affinity
        vote_chain(
            a.indptr, a.indices, a.weights, labels, labels, order, stops, self.chance,
            self.log_score, True, base[0], state.rows, values,
        )  # fmt: skip
        # Sums first, divisions last: a state stays valid when n changes.
        values /= self.n_rows
        if self.validation is not None:
            a = self.validation.affinity
            theirs = np.empty(len(stops))
            vote_chain(
                a.indptr, a.indices, a.weights, labels, self.validation.labels, order, stops,
                self.chance, self.log_score, False, base[1], state.validation, theirs,
            )  # fmt: skip
            theirs *= self.validation_weight / self.n_val
            values += theirs
