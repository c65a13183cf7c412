"""Chains that are kept while rows come and go, and the values they give.

A pair of chains draws its order from the names of rows and nodes, so the same pair on the data before and after
an update differs by the rows that came and went alone.  An update therefore walks a few of the pairs again, R
of P, and corrects the others by what these have changed (a difference estimator, with the marginals before as
control variates): with m_t(i) the marginal of row i in pair t before, m'_t(i) after,

    value'(i) = mean over R of [m'_t(i) - beta m_t(i)] + beta mean over all pairs of m_t(i).

It is unbiased for the value by all P pairs, the sums of a game's values stay exact (they are exact in every
pair), and its error is known: the differences vary little, and how much is seen in R.  The pairs take turns; a
row that no pair of R has met before is valued by those pairs alone that have met it, more with every update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv._moments import Moments
from hcdv.allocation.chains import ChainMoments, Observation
from hcdv.engine import Threads
from hcdv.hierarchy import Hierarchy

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Marks = NDArray[np.bool_]

# Pairs walked at a time, as a share of all: the least that an update costs, beside a full valuation.
SHARE = 8


@dataclass(frozen=True)
class Renewal:
    """How sure the values are after some pairs were walked again.

    Attributes
    ----------
    n_pairs : int
        Pairs of chains walked.
    n_all : int
        Pairs kept.
    error : float
        Standard error of the values beside a walk of all pairs, root mean square over the rows, in units of the
        values' standard deviation; 0 when all were walked, infinite when only one of several was.
    row_error, node_error : float64 [n], [m]
        The same of every row's and every node's value, in their own units.
    moved : float64 [m]
        By how much the rows that stayed have moved together, in every node.
    """

    n_pairs: int
    n_all: int
    error: float
    row_error: Floats
    node_error: Floats
    moved: Floats


@dataclass
class KeptChains:
    """Marginals of the points in every pair of chains.

    Attributes
    ----------
    points : list of float64 [p, n]
        Of each pair, in the order of the pairs' numbers.
    mean : float64 [p, n]
        Over all pairs: the values of each game.
    walked : int64 [P]
        Update in which each pair was last walked.
    born : int64 [n]
        Update in which each point came; pairs not walked since hold its value in place of a marginal.
    v_empty, v_full : float64 [p]
    update : int
        Updates so far.
    next_pair : int
        Whose turn it is.
    """

    points: list[Floats]
    mean: Floats
    walked: Integers
    born: Integers
    v_empty: Floats
    v_full: Floats
    update: int = 0
    next_pair: int = 0

    @classmethod
    def of(cls, points: list[Floats], moments: ChainMoments) -> KeptChains:
        """The chains of a valuation just finished."""
        return cls(
            points=points,
            mean=moments.points.mean.copy(),
            walked=np.zeros(len(points), np.int64),
            born=np.zeros(points[0].shape[1], np.int64),
            v_empty=moments.v_empty.copy(),
            v_full=moments.v_full.copy(),
        )

    @property
    def n_pairs(self) -> int:
        return len(self.points)

    def n_known(self) -> Integers:
        """Pairs that have met each point, int64 [n]."""
        return self.n_pairs - np.searchsorted(np.sort(self.walked), self.born, side="left")

    def moments(self, tree: Hierarchy) -> ChainMoments:
        """Values and standard errors of points and nodes, as if all pairs had just been walked."""
        p = len(self.mean)
        points, nodes = Moments.zeros(p, tree.n_points), Moments.zeros(p, tree.n_nodes)
        for marginals in self.points:
            points.add(marginals)
            nodes.add(tree.node_sums(marginals))
        # What stands in for a marginal does not vary: the standard error is that of the pairs that do.
        known = self.n_known()
        few = np.flatnonzero((known < self.n_pairs) & (known > 1))
        count = known[few].astype(np.float64)
        points.comoment[:, few] *= self.n_pairs * (self.n_pairs - 1) / (count * (count - 1))
        return ChainMoments(points, nodes, self.v_empty.copy(), self.v_full.copy())


def renewed(
    chains: KeptChains,
    kept: Integers,
    tree: Hierarchy,
    walk: Callable[[int], Observation],
    *,
    v_empty: Floats,
    weights: Floats,
    tolerance: float,
    affected: Marks | None,
    threads: Threads,
) -> tuple[KeptChains, Renewal]:
    """The chains after an update.

    Parameters
    ----------
    chains : KeptChains
        Before.  Left as they were.
    kept : int64 [k]
        Its points that stay, ascending: points 0..k-1 now; all others are new.
    tree : Hierarchy
        Over the points now.
    walk : callable
        From the number of a pair to its marginals now (:func:`hcdv.allocation.observe_pair`).
    v_empty : float64 [p]
    weights : float64 [p]
        Of the games in the sum whose values count.
    tolerance : float
        Pairs are walked, ``1 / SHARE`` of them at a time, until the error is not above this.
    affected : bool [m] or None
        Leaves (nodes of ``tree``) that rows entered or left.  Where given, only their rows are valued anew;
        in the others rows keep their differences, and move with their leaf.
    threads : Threads

    Returns
    -------
    chains : KeptChains
    renewal : Renewal
    """
    n_pairs, at_once = chains.n_pairs, _at_once(chains.n_pairs)
    order = (chains.next_pair + np.arange(n_pairs)) % n_pairs
    fresh: dict[int, Floats] = {}
    v_full = chains.v_full
    while True:
        turn = order[len(fresh) : len(fresh) + at_once].tolist()
        for pair, (points, _, value) in zip(turn, threads.map(walk, turn), strict=True):
            fresh[pair], v_full = points, value
        step = _Step(chains, kept, tree, fresh, weights, v_full - v_empty, affected)
        renewal = step.renewal()
        if renewal.error <= tolerance or len(fresh) == n_pairs:
            break
    walked = chains.walked.copy()
    walked[list(fresh)] = chains.update + 1
    after = KeptChains(
        points=step.points(),
        mean=step.mean,
        walked=walked,
        born=np.concatenate([chains.born[kept], np.full(step.n_new, chains.update + 1)]),
        v_empty=v_empty.copy(),
        v_full=v_full.copy(),
        update=chains.update + 1,
        next_pair=int((chains.next_pair + len(fresh)) % n_pairs),
    )
    return after, renewal


def _at_once(n_pairs: int) -> int:
    # Two at least: one alone does not show how much pairs differ.
    return min(n_pairs, max(2, -(-n_pairs // SHARE)))


class _Step:
    """One estimate, from the pairs walked so far."""

    def __init__(
        self,
        chains: KeptChains,
        kept: Integers,
        tree: Hierarchy,
        fresh: dict[int, Floats],
        weights: Floats,
        total: Floats,
        affected: Marks | None,
    ) -> None:
        self.chains, self.kept, self.tree, self.fresh, self.weights = chains, kept, tree, fresh, weights
        self.everyone = len(kept) == len(chains.born)
        self.n_old, self.n_new = len(kept), tree.n_points - len(kept)
        self.born = chains.born[kept]
        self.is_settled = self.born <= chains.walked[list(fresh)].min()
        self.before = [self._kept(chains.points[pair]) for pair in fresh]
        self.mean_before = self._kept(chains.mean)
        self.mean_fresh = np.mean(list(fresh.values()), axis=0)
        self.beta = self._beta()
        self.shift = self._shift(affected)
        self.mean = self._mean()
        # Whatever the estimates: the sum is known.
        is_exact = len(fresh) == chains.n_pairs
        self.gap = np.zeros(len(total)) if is_exact else (total - self.mean.sum(axis=1)) / tree.n_points
        self.mean += self.gap[:, None]

    def _kept(self, marginals: Floats) -> Floats:
        return marginals if self.everyone else marginals[:, self.kept]

    def _beta(self) -> Floats:
        """Least squares of the marginals now on those before, per game, about their means over the pairs."""
        usual = np.full(len(self.mean_fresh), len(self.chains.born) / self.tree.n_points)
        if len(self.fresh) < 2:
            return usual
        along, square = np.zeros(len(usual)), np.zeros(len(usual))
        mean_before = np.mean(self.before, axis=0)
        for now, before in zip(self.fresh.values(), self.before, strict=True):
            away = np.where(self.is_settled, before - mean_before, 0.0)
            along += np.einsum("pn,pn->p", away, now[:, : self.n_old] - self.mean_fresh[:, : self.n_old])
            square += np.einsum("pn,pn->p", away, away)
        return np.divide(along, square, out=usual, where=square > 0)

    def _shift(self, affected: Marks | None) -> Floats:
        """What is added to beta times a marginal that was not walked again, float64 [p, k]."""
        b = self.beta[:, None]
        shift = self.mean_fresh[:, : self.n_old] - b * np.mean(self.before, axis=0)
        leaf = self.tree.leaf_of_point()[: self.n_old]
        by_leaf = self._leaf_means(shift, leaf)
        moves_with_leaf = ~self.is_settled
        if affected is not None:
            moves_with_leaf |= ~affected[leaf]
        shift[:, moves_with_leaf] = by_leaf[:, leaf[moves_with_leaf]]
        return shift

    def _leaf_means(self, shift: Floats, leaf: Integers) -> Floats:
        """Mean shift of the settled points of every leaf; of all settled points where it has none."""
        settled = np.flatnonzero(self.is_settled)
        count = np.bincount(leaf[settled], minlength=self.tree.n_nodes)
        means = np.empty((len(shift), self.tree.n_nodes))
        for part, row in zip(means, shift, strict=True):
            total = np.bincount(leaf[settled], row[settled], self.tree.n_nodes)
            part[:] = row[settled].mean() if len(settled) else 0.0
            np.divide(total, count, out=part, where=count > 0)
        return means

    def _mean(self) -> Floats:
        mean = self.mean_fresh.copy()
        settled = np.flatnonzero(self.is_settled)
        if len(self.fresh) == self.chains.n_pairs:
            return mean
        mean[:, settled] = self.beta[:, None] * self.mean_before[:, settled] + self.shift[:, settled]
        others = [pair for pair in range(self.chains.n_pairs) if pair not in self.fresh]
        for came in np.unique(self.born[~self.is_settled]).tolist():
            young = np.flatnonzero(~self.is_settled & (self.born == came))
            met = [pair for pair in others if self.chains.walked[pair] >= came]
            if not met:
                continue
            total = len(self.fresh) * self.mean_fresh[:, young]
            for pair in met:
                points = self.chains.points[pair][:, self.kept[young]]
                total += self.beta[:, None] * points + self.shift[:, young]
            mean[:, young] = total / (len(self.fresh) + len(met))
        return mean

    def points(self) -> list[Floats]:
        """Marginals in every pair, such that their mean is the estimate."""
        n_pairs, n_fresh = self.chains.n_pairs, len(self.fresh)
        # Only pairs not walked take the gap: the others' sums are exact.
        over = np.zeros(1) if n_fresh == n_pairs else self.gap * (n_fresh / (n_pairs - n_fresh))
        points = []
        for pair in range(n_pairs):
            if pair in self.fresh:
                points.append(self.fresh[pair])
                continue
            marginals = self.mean.copy()
            known = self.is_settled | (self.born <= self.chains.walked[pair])
            before = self._kept(self.chains.points[pair])
            estimate = self.beta[:, None] * before + self.shift + self.gap[:, None]
            if known.all():
                marginals[:, : self.n_old] = estimate
            else:
                met = np.flatnonzero(known)
                marginals[:, met] = estimate[:, met]
            marginals += over[:, None]
            points.append(marginals)
        return points

    def renewal(self) -> Renewal:
        n_pairs, n_fresh, weights = self.chains.n_pairs, len(self.fresh), self.weights
        values = weights @ self.mean
        moved = np.zeros(self.tree.n_points)
        moved[: self.n_old] = values[: self.n_old] - weights @ self.mean_before
        row_error, node_error = np.zeros(self.tree.n_points), np.zeros(self.tree.n_nodes)
        if n_fresh < n_pairs:
            row_error[:], node_error[:] = np.inf, np.inf
            if n_fresh > 1:
                residuals = np.array([self._residual(k) for k in range(n_fresh)])
                in_nodes = self.tree.node_sums(residuals)
                count = self._n_known().astype(np.float64)
                # Of a finite number of pairs: what has been walked cannot err.
                row_error = residuals.std(axis=0, ddof=1) * np.sqrt(1 / count - 1 / n_pairs)
                node_error = in_nodes.std(axis=0, ddof=1) * np.sqrt(1 / n_fresh - 1 / n_pairs)
        spread = float(values.std())
        error = float(np.sqrt(np.mean(row_error**2)))
        return Renewal(
            n_pairs=n_fresh,
            n_all=n_pairs,
            error=error / spread if spread > 0 else (error and np.inf),
            row_error=row_error,
            node_error=node_error,
            moved=self.tree.node_sums(moved),
        )

    def _residual(self, k: int) -> Floats:
        """What a pair walked again does not tell about the others: its value less what is known of it."""
        now = list(self.fresh.values())[k]
        residual = self.weights @ now
        settled = np.flatnonzero(self.is_settled)
        residual[settled] -= (self.weights * self.beta) @ self.before[k][:, settled]
        return residual

    def _n_known(self) -> Integers:
        """Pairs whose difference, or marginal, each point's value is the mean of."""
        n_known = np.full(self.tree.n_points, len(self.fresh), np.int64)
        others = np.sort(np.delete(self.chains.walked, list(self.fresh)))
        young = np.flatnonzero(~self.is_settled)
        n_known[young] += len(others) - np.searchsorted(others, self.born[young], side="left")
        return n_known
