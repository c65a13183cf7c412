"""Who votes on whom: a sparse matrix of vote weights, by source row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels import neighbours as kernels
from hcdv._kernels.ballot import voter_totals

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """What this package asks of the engine: an ordered map and the number of its threads."""

    n_jobs: int

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]: ...


@dataclass(frozen=True)
class Affinity:
    """Vote weights w(i, v) >= 0 of rows i on voters v, compressed by source row.

    A chain adds rows one by one and pushes each row's weights to all voters that it reaches, hence
    rows first, although each voter chose its own rows.

    Attributes
    ----------
    indptr : int64 [n_sources + 1]
    indices : int32 [nnz]
        Voters of row i, ascending: ``indices[indptr[i]:indptr[i + 1]]``.
    weights : float32 [nnz]
    n_voters : int
    recall : float
        Share of the true nearest rows that the search found, on sampled voters; 1 where it is exact.
    bandwidth : float64 [n_voters] or None
        The width of each voter's kernel, where there is one.
    width : float
        It in units of the usual one.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.float32]
    n_voters: int
    recall: float = 1.0
    bandwidth: NDArray[np.float64] | None = None
    width: float = 1.0

    @property
    def n_sources(self) -> int:
        return len(self.indptr) - 1

    @property
    def mean_degree(self) -> float:
        """Rows that vote on a voter, on average."""
        return len(self.indices) / max(1, self.n_voters)

    def voter_totals(self) -> NDArray[np.float64]:
        """Weight of all the rows that vote on each voter, float64 [n_voters]."""
        totals = np.zeros(self.n_voters)
        voter_totals(self.indices, self.weights, totals)
        return totals

    def widened(self, factor: float) -> Affinity:
        """Under a Gaussian kernel ``factor`` times as wide, on the same rows: w to the power 1 / factor^2.

        What is 0 in float32 stays 0: rows more than 6 bandwidths away.
        """
        if factor == 1.0:
            return self
        bandwidth = None if self.bandwidth is None else self.bandwidth * factor
        weights = self.weights ** np.float32(factor**-2.0)
        return replace(self, weights=weights, bandwidth=bandwidth, width=self.width * factor)

    def placed(self, order: NDArray[np.int64], *, rows_vote: bool) -> Affinity:
        """The same votes among rows that stand elsewhere: row k here is row ``order[k]`` there.

        ``rows_vote`` says whether the voters are these rows, too.  For affinities without bandwidths.
        """
        from scipy.sparse import csr_array

        rows = self.to_scipy()[np.argsort(order)]
        voters = order[rows.indices] if rows_vote else rows.indices
        placed = csr_array((rows.data, voters, rows.indptr), shape=rows.shape)
        placed.sort_indices()
        return replace(
            self,
            indptr=placed.indptr.astype(np.int64),
            indices=placed.indices.astype(np.int32),
            weights=placed.data,
        )

    def to_scipy(self) -> csr_array:
        """The matrix [n_sources, n_voters] for scipy."""
        from scipy.sparse import csr_array

        shape = (self.n_sources, self.n_voters)
        return csr_array((self.weights, self.indices, self.indptr), shape=shape)


def rows_first(
    lists: NDArray[np.int32], n_sources: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """``indptr, indices`` of voter lists (int32 [m, q], -1 behind the last), by source row."""
    indptr = _row_pointers(lists, n_sources)
    indices = np.empty(indptr[-1], np.int32)
    kernels.scatter_sources(lists, indptr[:-1].copy(), indices)
    return indptr, indices


def weighted_rows_first(
    lists: NDArray[np.int32], list_weights: NDArray[np.float32], n_sources: int
) -> Affinity:
    """The affinity of voter lists (int32 [m, q], -1 behind the last) with weights (float32 [m, q])."""
    indptr = _row_pointers(lists, n_sources)
    indices = np.empty(indptr[-1], np.int32)
    weights = np.empty(indptr[-1], np.float32)
    kernels.scatter_weighted(lists, list_weights, indptr[:-1].copy(), indices, weights)
    return Affinity(indptr, indices, weights, len(lists))


def _row_pointers(lists: NDArray[np.int32], n_sources: int) -> NDArray[np.int64]:
    indptr = np.zeros(n_sources + 1, np.int64)
    kernels.count_sources(lists, indptr[1:])
    np.cumsum(indptr, out=indptr)
    return indptr
