"""Vote games (kernel, forest): every voter counts its own votes along the chain."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from torch import Tensor

from hcdv.games.on_device._torch_game import DeviceGame
from hcdv.games.vote import Electorate, VoteGame

# Sums over up to so many times the votes of a voter are formed stop by stop; above, its votes are sorted.
STOPS_PER_VOTE = 2
# Votes whose labels are compared at a time.
PIECE = 1 << 20


class DeviceVotes(DeviceGame):
    """A :class:`hcdv.games.VoteGame` in torch."""

    def __init__(self, game: VoteGame, device: str, dtype: str) -> None:
        super().__init__(game, device)
        self.is_log_likelihood = game.is_log_likelihood
        self.recall = game.recall
        self.kernel_width = game.kernel_width
        self._rows = _Voters(self, game, game.rows, getattr(torch, dtype), are_rows=True)
        self._validation = None
        if game.validation is not None:
            self._validation = _Voters(
                self, game, game.validation, getattr(torch, dtype), are_rows=False
            )
        self._n_rows = game.n_rows
        self._validation_share = game.validation_weight / max(1, game.n_val)

    def _walk(self, order: Tensor, stops: Tensor) -> Tensor:
        # A row counts from the first stop behind it.
        place = torch.empty(self.n_points, dtype=torch.int64, device=self.device)
        positions = torch.arange(self.n_points, device=self.device)
        place[order] = torch.searchsorted(stops, positions, right=True)
        values = self._rows.confidence(place, len(stops)) / self._n_rows
        if self._validation is not None:
            values += self._validation_share * self._validation.confidence(place, len(stops))
        return values


class _Voters:
    """Voters of one kind, sorted by the number of rows they hear.

    Rows count from their own place in the chain on; validation rows count always, less what they had before.
    """

    def __init__(
        self, game: DeviceVotes, votes: VoteGame, voters: Electorate, dtype: torch.dtype, *, are_rows: bool
    ) -> None:
        by_voter = _by_voter(voters, votes.rows.labels)
        degree = np.diff(by_voter.indptr)
        ranked = np.argsort(-degree, kind="stable")
        self.game = game
        self.dtype = dtype
        self.are_rows = are_rows
        self.chance, self.log_score = votes.chance, votes.log_score
        self.degree = degree[ranked]
        self.voter = game._tensor(ranked, torch.int64)
        self.begin = game._tensor(by_voter.indptr[:-1][ranked], torch.int64)
        self.count = game._tensor(self.degree, torch.int64)
        # Votes are most of the memory: 8 bytes each, in one copy.
        self.source = torch.as_tensor(by_voter.indices, dtype=torch.int32, device=game.device)
        self.weight = torch.as_tensor(by_voter.data, device=game.device)
        self.heard = game._tensor(voters.heard[ranked], dtype)

    def confidence(self, place: Tensor, n_stops: int) -> Tensor:
        """Confidence of all voters after each stop, summed; float64 [s]."""
        total = torch.zeros(n_stops, dtype=torch.float64, device=place.device)
        first, n_voters = 0, len(self.degree)
        while first < n_voters:
            width = int(self.degree[first])
            by_stop = n_stops <= STOPS_PER_VOTE * (width + 1)
            last = min(n_voters, first + self.game._at_once(max(width + 1, n_stops if by_stop else 0)))
            batch = slice(first, last)
            total += (self._by_stop if by_stop else self._by_vote)(batch, width, place, n_stops)
            first = last
        return total

    def _votes(self, batch: slice, width: int, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Stop from which each vote counts, its weight, and its weight if it matches: [voters, width]."""
        offset = torch.arange(width, device=place.device)
        is_vote = offset < self.count[batch, None]
        # Voters that hear fewer than their neighbours in a batch hear a vote of no weight, of whomever.
        entry = torch.where(is_vote, self.begin[batch, None] + offset, 0)
        weight = torch.where(is_vote, self.weight[entry], 0).to(self.dtype)
        return place[self.source[entry].long()], weight.abs(), weight.clamp(min=0)

    def _scored(self, matching: Tensor, total: Tensor) -> Tensor:
        share = matching / total
        return torch.log(share / self.chance) if self.log_score else share - self.chance

    def _by_stop(self, batch: slice, width: int, place: Tensor, n_stops: int) -> Tensor:
        """Votes are added up at the stops."""
        since, weight, matching = self._votes(batch, width, place)
        shape = (len(since), n_stops + 1)
        sums = []
        for part, before in ((matching, 0), (weight, 1)):
            added = torch.zeros(shape, dtype=self.dtype, device=place.device).scatter_add_(1, since, part)
            sums.append(added[:, :n_stops].cumsum(1) + self.heard[batch, before, None])
        scored = self._scored(*sums)
        if self.are_rows:
            scored *= torch.arange(n_stops, device=place.device) >= place[self.voter[batch], None]
        else:
            scored -= self._scored(self.heard[batch, 0], self.heard[batch, 1])[:, None]
        return scored.sum(0, dtype=torch.float64)

    def _by_vote(self, batch: slice, width: int, place: Tensor, n_stops: int) -> Tensor:
        """Votes are sorted by the stop from which they count; each changes the confidence from there on."""
        since, weight, matching = self._votes(batch, width, place)
        if self.are_rows:
            # A voter joins with a vote of no weight.
            own = place[self.voter[batch], None]
            nothing = torch.zeros_like(weight[:, :1]) if width else self.heard.new_zeros((len(own), 1))
            since = torch.cat([since, own], 1)
            weight, matching = torch.cat([weight, nothing], 1), torch.cat([matching, nothing], 1)
        elif not width:
            return torch.zeros(n_stops, dtype=torch.float64, device=place.device)
        since, sorting = torch.sort(since, dim=1)
        scored = self._scored(
            matching.gather(1, sorting).cumsum(1) + self.heard[batch, :1],
            weight.gather(1, sorting).cumsum(1) + self.heard[batch, 1:],
        )
        if self.are_rows:
            scored *= since >= own
        change = scored.clone()
        change[:, 1:] -= scored[:, :-1]
        if not self.are_rows:
            change[:, 0] -= self._scored(self.heard[batch, 0], self.heard[batch, 1])
        steps = torch.zeros(n_stops + 1, dtype=torch.float64, device=place.device)
        steps.index_add_(0, since.ravel(), change.ravel().double())
        return steps[:n_stops].cumsum(0)


def _by_voter(voters: Electorate, labels: NDArray[np.int64]) -> csc_array:
    """Votes [n_sources, n_voters] by voter, below 0 where the labels of source and voter differ."""
    a = voters.affinity
    # scipy gives all indices the wider type of the two.
    fits = len(a.indices) <= np.iinfo(np.int32).max
    pointers = a.indptr.astype(np.int32) if fits else a.indptr
    votes = csr_array((a.weights, a.indices, pointers), shape=(a.n_sources, a.n_voters)).tocsc()
    begin = votes.indptr
    # Pieces of whole voters.
    cuts = np.searchsorted(begin, np.arange(0, len(votes.data), PIECE), side="left")
    for first, last in pairwise([*np.unique(cuts), a.n_voters]):
        piece = slice(begin[first], begin[last])
        own = np.repeat(voters.labels[first:last], np.diff(begin[first : last + 1]))
        differ = labels[votes.indices[piece]] != own
        np.negative(votes.data[piece], out=votes.data[piece], where=differ)
    return votes
