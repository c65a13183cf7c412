"""Lists of the nearest rows of every voter that follow the rows as they come and go.

A row that comes is looked for only where it can matter: among the voters whose farthest listed row is farther
than it.  Up to some pairs every voter is measured (one matrix product), above that the rows nearest to the new
one are taken for the voters that list it (bench.streaming measures the recall).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hcdv.affinity.kernel import BANDWIDTH_FLOOR
from hcdv.affinity.neighbours import CHUNK, EXACT_PAIRS, Blocks, build_beam
from hcdv.affinity.sparse import Affinity, Workers, weighted_rows_first

Integers = NDArray[np.int64]
Distances = NDArray[np.float32]

# Rows, how many neighbours, and which row each is itself -> squared distances and ids.
Search = Callable[[NDArray[Any], int, Integers | None], Any]

# Voters looked at for a new row where not all are measured, as a multiple of the length of the lists.
REACH = 3
# Squared distances by a matrix product in float32 are this exact, in units of |a|^2 + |b|^2.
PRODUCT_ERROR = 1e-5
# Pairs measured by a product at a time (a float32 each), and one by one.
PRODUCTS = 1 << 20
# Stands for infinity in a product.
BEYOND = 1e37
PAIRS = 1 << 16
# Newcomers merged into a list at a time.
MERGED = 16


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

    def affinity(self, n_sources: int, bandwidth: NDArray[np.float64], width: float) -> Affinity:
        """The Gaussian weights of the listed rows, as `kernel_affinity` gives them (to rounding in float32)."""
        h = bandwidth * width
        with np.errstate(over="ignore"):
            weights = np.exp(self.d2 * (-2.0 / h**2).astype(np.float32)[:, None])
        made = weighted_rows_first(self.ids, weights, n_sources)
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
        lists = self._without(kept, voters is None)
        n_old, q = len(kept), self.ids.shape[1]
        everyone = X if voters is None else voters
        has_holes = (self.ids >= 0).sum(axis=1)
        if voters is None:
            has_holes = has_holes[kept]
        holes = np.flatnonzero((lists.ids >= 0).sum(axis=1) < has_holes)
        short = np.flatnonzero(lists.ids[:, -1] < 0)
        if voters is None:
            new = np.arange(n_old, len(X))
            grown = np.full((len(X), q), -1, np.int32), np.full((len(X), q), np.inf, np.float32)
            grown[0][:n_old], grown[1][:n_old] = lists.ids, lists.d2
            # Lists that have lost rows, or were never full, are looked up anew with the new rows' own.
            asked = np.concatenate([np.union1d(holes, short), new]).astype(np.int64)
        else:
            grown = lists.ids, lists.d2
            asked = np.union1d(holes, short).astype(np.int64)
        search = _Search(X, levels, threads)
        merged = VoterLists(*grown, self.recall)
        if len(X) > n_old:
            near, new_row, d2 = search.listeners(np.arange(n_old, len(X)), everyone, merged, voters is None)
            merged._merge(near, new_row, d2)
        if len(asked):
            ids, distances = search.nearest(asked, everyone, q, voters is None)
            merged.ids[asked], merged.d2[asked] = ids, distances
        return merged

    def _without(self, kept: Integers, rows_vote: bool) -> VoterLists:
        """Only kept rows in the lists (copies), and only kept voters; what is left moves up."""
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
        return VoterLists(ids, d2, self.recall)

    def _merge(self, voter: Integers, row: Integers, d2: Distances) -> None:
        """Put newcomers, given as triples, into the lists (in place)."""
        q = self.ids.shape[1]
        ranked = np.lexsort((row, d2, voter))
        voter, row, d2 = voter[ranked], row[ranked], d2[ranked]
        rank = np.arange(len(voter)) - np.searchsorted(voter, voter)
        # The q nearest newcomers of a voter are enough.
        for first in range(0, min(q, int(rank.max(initial=-1)) + 1), MERGED):
            part = (rank >= first) & (rank < min(first + MERGED, q))
            lists, place = np.unique(voter[part], return_inverse=True)
            ids = np.full((len(lists), q + MERGED), -1, np.int32)
            distances = np.full((len(lists), q + MERGED), np.inf, np.float32)
            ids[:, :q], distances[:, :q] = self.ids[lists], self.d2[lists]
            column = q + rank[part] - first
            ids[place, column], distances[place, column] = row[part], d2[part]
            # Stable: in a tie the rows that were there before stay in front.
            order = np.argsort(distances, axis=1, kind="stable")[:, :q]
            self.ids[lists] = np.take_along_axis(ids, order, 1)
            self.d2[lists] = np.take_along_axis(distances, order, 1)


class _Search:
    """Finds rows for voters, and voters for rows."""

    def __init__(
        self, X: NDArray[Any], levels: Callable[[], tuple[Integers, Sequence[Integers]]], threads: Workers
    ) -> None:
        self.X = X
        self.levels = levels
        self.threads = threads
        self.through_tree: tuple[Integers, Search] | None = None

    def nearest(
        self, asked: Integers, everyone: NDArray[Any], q: int, rows_vote: bool
    ) -> tuple[NDArray[np.int32], Distances]:
        """The q nearest rows of some voters (rows never list themselves)."""
        queries = everyone[asked]
        own = asked if rows_vote else None
        order: Integers | None = None
        search: Search = partial(_look, Blocks.single(self.X))
        if len(asked) * len(self.X) > EXACT_PAIRS:
            order, search = self._by_tree()
            if own is not None:
                place = np.empty(len(order), np.int64)
                place[order] = np.arange(len(order))
                own = place[asked]
        ids = np.empty((len(asked), q), np.int32)
        d2 = np.empty((len(asked), q), np.float32)

        def serve(first: int) -> None:
            part = slice(first, min(first + CHUNK, len(asked)))
            d2[part], ids[part] = search(queries[part], q, None if own is None else own[part])

        for _ in self.threads.map(serve, range(0, len(asked), CHUNK)):
            pass
        if order is not None:
            ids = np.where(ids < 0, -1, order[ids]).astype(np.int32)
        return ids, d2

    def listeners(
        self, new: Integers, everyone: NDArray[Any], lists: VoterLists, rows_vote: bool
    ) -> tuple[Integers, Integers, Distances]:
        """Voters, new rows and squared distances where the row is nearer than the last one listed."""
        limit = lists.d2[:, -1].copy()
        if rows_vote:
            limit[new] = -np.inf  # looked up by themselves
        if not rows_vote or len(new) * len(everyone) <= EXACT_PAIRS:
            voter, row = self._within(new, everyone, limit)
        else:
            reach = min(len(self.X) - 1, REACH * lists.ids.shape[1])
            near = self.nearest(new, everyone, reach, True)[0]
            row = np.repeat(new, near.shape[1])[near.reshape(-1) >= 0]
            voter = near[near >= 0].astype(np.int64)
        d2 = _measured(self.X, everyone, row, voter, self.threads)
        listed = d2 < limit[voter]
        return voter[listed], row[listed], d2[listed]

    def _within(
        self, new: Integers, everyone: NDArray[Any], limit: Distances
    ) -> tuple[Integers, Integers]:
        """Pairs of a voter and a new row that may be nearer than the voter's limit."""
        # One product gives |x|^2 - 2 x.y - limit, for voters x and new rows y, less what it may be wrong by.
        norms = np.einsum("ij,ij->i", everyone, everyone, dtype=np.float64)
        bound = np.clip(norms * (1 - PRODUCT_ERROR) - limit, -BEYOND, BEYOND)
        rows = np.column_stack([everyone, bound]).astype(np.float32)
        step = max(1, PRODUCTS // max(1, len(rows)))

        def look(first: int) -> tuple[Integers, Integers]:
            mine = new[first : first + step]
            queries = np.empty((len(mine), rows.shape[1]), np.float32)
            queries[:, :-1] = -2.0 * self.X[mine]
            queries[:, -1] = 1.0
            sizes = np.einsum("ij,ij->i", self.X[mine], self.X[mine], dtype=np.float64)
            near = queries @ rows.T < (-sizes * (1 - PRODUCT_ERROR)).astype(np.float32)[:, None]
            query, voter = np.nonzero(near)
            return voter.astype(np.int64), mine[query]

        found = list(self.threads.map(look, range(0, len(new), step)))
        voter, row = (np.concatenate(column) for column in zip(*found, strict=True))
        return voter, row

    def _by_tree(self) -> tuple[Integers, Search]:
        if self.through_tree is None:
            order, bounds = self.levels()
            self.through_tree = order, build_beam(np.ascontiguousarray(self.X[order]), bounds).nearest
        return self.through_tree


def _look(blocks: Blocks, rows: NDArray[Any], q: int, own: Integers | None) -> Any:
    return blocks.nearest(rows, q, own=own)


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
