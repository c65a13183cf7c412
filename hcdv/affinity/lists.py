"""Lists of the nearest rows of every voter that follow the rows as they come and go.

A row that comes is looked for only where it can matter: among the voters whose farthest listed row is farther
than it.  Up to some pairs one product with every voter tells who these are, and which rows are near itself;
above that the rows nearest to the new one are taken for the voters that list it (bench.streaming measures the
recall).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hcdv._kernels import neighbours as kernels
from hcdv.affinity.exact import CHUNK, Heard, nearest_and_heard, nearest_rows
from hcdv.affinity.kernel import BANDWIDTH_FLOOR
from hcdv.affinity.neighbours import EXACT_PAIRS, Beam, build_beam
from hcdv.affinity.sparse import Affinity, Workers, weighted_rows_first

Integers = NDArray[np.int64]
Distances = NDArray[np.float32]
# Voters looked at for a new row where not all are measured, as a multiple of the length of the lists.
REACH = 3
# Pairs measured one by one at a time.
PAIRS = 1 << 16
# Lists that a thread puts newcomers into at a time.
LISTS = 2048


@dataclass(frozen=True)
class VoterLists:
    """The nearest rows of every voter, nearest first.

    Attributes
    ----------
    ids : int32 [m, q]
        Rows; -1 behind the last.
    d2 : float32 [m, q]
        Squared distances; infinite behind the last.
    recall : float
        Share of the true nearest rows that the search for the lists found, as last measured.
    """

    ids: NDArray[np.int32]
    d2: Distances
    recall: float

    @classmethod
    def of(
        cls, affinity: Affinity, X: NDArray[Any], voters: NDArray[Any], q: int, threads: Workers
    ) -> VoterLists:
        """The lists behind an affinity of ``X`` on ``voters`` in which every voter hears at most q rows."""
        degrees = np.diff(affinity.indptr)
        source = np.repeat(np.arange(affinity.n_sources, dtype=np.int32), degrees)
        d2 = _measured(X, voters, source, affinity.indices, threads)
        shape = (affinity.n_sources, affinity.n_voters)
        by_voter = csr_array((d2, affinity.indices, affinity.indptr), shape=shape).tocsc()
        rank = np.arange(len(d2)) - np.repeat(by_voter.indptr[:-1], np.diff(by_voter.indptr))
        voter = np.repeat(np.arange(affinity.n_voters), np.diff(by_voter.indptr))
        ids = np.full((affinity.n_voters, q), -1, np.int32)
        distances = np.full((affinity.n_voters, q), np.inf, np.float32)
        ids[voter, rank], distances[voter, rank] = by_voter.indices, by_voter.data
        # Rows stand in rising order: in a tie the lower one stays in front.
        order = np.argsort(distances, axis=1, kind="stable")
        return cls(
            np.take_along_axis(ids, order, 1), np.take_along_axis(distances, order, 1), affinity.recall
        )

    def bandwidth(self, neighbour: int) -> NDArray[np.float64]:
        """Distance to the n-th row of each list, or to the last there is; at least the floor."""
        listed = self.d2[:, :neighbour]
        found = np.isfinite(listed).sum(axis=1)
        last = listed[np.arange(len(listed)), np.maximum(found - 1, 0)]
        return np.maximum(np.sqrt(np.where(found > 0, last, 0.0), dtype=np.float64), BANDWIDTH_FLOOR)

    def weights(self, bandwidth: NDArray[np.float64]) -> Distances:
        """The Gaussian weights of the listed rows, float32 [m, q]; 0 behind the last."""
        with np.errstate(over="ignore"):
            return np.exp(self.d2 * (-2.0 / bandwidth**2).astype(np.float32)[:, None])

    def affinity(self, n_sources: int, bandwidth: NDArray[np.float64], width: float) -> Affinity:
        """The Gaussian weights of the listed rows, as `kernel_affinity` gives them (to rounding in float32)."""
        h = bandwidth * width
        made = weighted_rows_first(self.ids, self.weights(h), n_sources)
        return Affinity(made.indptr, made.indices, made.weights, made.n_voters, self.recall, h, width)

    def after(
        self,
        kept: Integers,
        X: NDArray[Any],
        voters: NDArray[Any] | None,
        levels: Callable[[], tuple[Integers, Sequence[Integers]]],
        threads: Workers,
    ) -> VoterLists:
        """The lists when rows have left and others have come.

        Parameters
        ----------
        kept : int64 [k]
            Rows that stayed, ascending; they are rows 0..k-1 now.
        X : float [n, d]
            Rows that stayed, then the new ones.
        voters : float [m, d] or None
            Who listens, if it is not the rows themselves: the same as before.
        levels : callable
            Gives the rows in tree order (int64 [n]) and the bounds of the search levels in that order; asked
            only where not all pairs are measured.
        threads : hcdv.engine.Threads
        """
        ids, d2 = self._without(kept, voters is None)
        new = np.arange(len(kept), len(X))
        # Lists that have lost rows, or were never full, are looked up anew.
        short = np.flatnonzero(ids[:, -1] < 0)
        limit = d2[:, -1].copy()
        limit[short] = -np.inf
        if voters is None:
            q = ids.shape[1]
            ids = np.concatenate([ids, np.full((len(new), q), -1, np.int32)])
            d2 = np.concatenate([d2, np.full((len(new), q), np.inf, np.float32)])
            # They hear of each other in their own lists.
            limit = np.append(limit, np.full(len(new), -np.inf, np.float32))
        search = _Search(X, voters, ids.shape[1], levels, threads)
        if len(new):
            (voter, which, distance), own_ids, own_d2 = search.newcomers(new, limit)
            _insert((voter, which + np.int32(len(kept)), distance), ids, d2, threads)
            if voters is None:
                ids[new], d2[new] = own_ids, own_d2
        if len(short):
            ids[short], d2[short] = search.nearest(short)
        return VoterLists(ids, d2, self.recall)

    def _without(self, kept: Integers, rows_vote: bool) -> tuple[NDArray[np.int32], Distances]:
        """Ids and distances (copies) of only kept rows, for only kept voters; what is left moves up."""
        ids, d2 = self.ids.copy(), self.d2.copy()
        if rows_vote:
            ids, d2 = ids[kept], d2[kept]
            n_before = len(self.ids)
        else:
            n_before = max(int(self.ids.max(initial=-1)), int(kept[-1])) + 1
        if len(kept) < n_before:
            place = np.full(n_before + 1, -1, np.int32)
            place[kept] = np.arange(len(kept), dtype=np.int32)
            ids = place[ids]  # -1 looks at the last place, which is -1 itself
            gone = np.flatnonzero(((ids < 0) & np.isfinite(d2)).any(axis=1))
            d2[ids < 0] = np.inf
            order = np.argsort(d2[gone], axis=1, kind="stable")
            ids[gone] = np.take_along_axis(ids[gone], order, 1)
            d2[gone] = np.take_along_axis(d2[gone], order, 1)
        return ids, d2


class _Search:
    """Finds rows for voters, and voters for rows; without ``voters`` the rows are these."""

    def __init__(
        self,
        X: NDArray[Any],
        voters: NDArray[Any] | None,
        q: int,
        levels: Callable[[], tuple[Integers, Sequence[Integers]]],
        threads: Workers,
    ) -> None:
        self.X, self.rows_vote = np.ascontiguousarray(X), voters is None
        self.voters = self.X if voters is None else np.ascontiguousarray(voters)
        self.q, self.levels, self.threads = q, levels, threads
        self.beam: tuple[Integers, Beam] | None = None

    def nearest(self, asked: Integers) -> tuple[NDArray[np.int32], Distances]:
        """The nearest rows of some voters (rows never list themselves)."""
        if len(asked) * len(self.X) > EXACT_PAIRS:
            return self._nearest_by_tree(asked, self.q)
        own = asked if self.rows_vote else np.full(len(asked), -1)
        ids, d2 = nearest_rows(self.X, self.voters[asked], own, self.q, self.threads)
        return ids, d2.astype(np.float32)

    def newcomers(self, new: Integers, limit: Distances) -> tuple[Heard, NDArray[np.int32], Distances]:
        """Who hears of new rows, nearer as they are than the voter's limit; and the new rows' own lists."""
        if self.rows_vote and len(new) * len(self.X) > EXACT_PAIRS:
            near, d2 = self._nearest_by_tree(new, REACH * self.q)
            query, place = np.nonzero((near >= 0) & (d2 < limit[near]))
            heard = near[query, place], query.astype(np.int32), d2[query, place]
            return heard, near[:, : self.q], d2[:, : self.q]
        own, q = (new, self.q) if self.rows_vote else (np.full(len(new), -1), 0)
        heard, ids, measured = nearest_and_heard(self.voters, self.X[new], own, q, limit, self.threads)
        return heard, ids, measured.astype(np.float32)

    def _nearest_by_tree(self, asked: Integers, q: int) -> tuple[NDArray[np.int32], Distances]:
        if self.beam is None:
            order, bounds = self.levels()
            self.beam = order, build_beam(np.ascontiguousarray(self.X[order]), bounds)
        order, beam = self.beam
        own = None
        if self.rows_vote:
            place = np.empty(len(order), np.int64)
            place[order] = np.arange(len(order))
            own = place[asked]
        ids, d2 = np.empty((len(asked), q), np.int32), np.empty((len(asked), q), np.float32)

        def serve(first: int) -> None:
            part = slice(first, min(first + CHUNK, len(asked)))
            d2[part], ids[part] = beam.nearest(
                self.voters[asked[part]], q, None if own is None else own[part]
            )

        for _ in self.threads.map(serve, range(0, len(asked), CHUNK)):
            pass
        return np.where(ids < 0, -1, order[ids]).astype(np.int32), d2


def _insert(heard: Heard, ids: NDArray[np.int32], d2: Distances, threads: Workers) -> None:
    """Put newcomers into the lists of those who hear of them (in place)."""

    def insert(first: int) -> None:
        kernels.insert_newcomers(*heard, first, min(first + LISTS, len(ids)), d2, ids)

    for _ in threads.map(insert, range(0, len(ids), LISTS)):
        pass


def _measured(
    X: NDArray[Any], voters: NDArray[Any], row: NDArray[Any], voter: NDArray[Any], threads: Workers
) -> Distances:
    """Squared distances of pairs, summed in float64."""
    d2 = np.empty(len(row), np.float32)

    def measure(part: slice) -> None:
        away = X[row[part]].astype(np.float64) - voters[voter[part]]
        d2[part] = np.einsum("ij,ij->i", away, away)

    for _ in threads.map(measure, _pieces(len(row))):
        pass
    return d2


def _pieces(n: int) -> Iterator[slice]:
    for first in range(0, n, PAIRS):
        yield slice(first, first + PAIRS)
