"""Chains that are kept while rows come and go, and the values they give.

A pair of chains draws its order from the names of rows and nodes, so the same pair on the data before and
after an update differs by the rows that came and went alone.  An update therefore walks a few of the pairs
again, R of P, and corrects the others by what these have changed (a difference estimator, with the marginals
before as control variates).  With m_t(i) the marginal of row i in pair t before and m'_t(i) after, a pair not
walked again stands for

    beta m_t(i) + mean over the pairs of R that know i of [m'_t(i) - beta m_t(i)],

and the value of i is the mean over the pairs that know it, those that have walked since it came.  The pairs
take turns, and half of those walked at one update are walked at the next one, too: every row has such pairs,
and a row that has just come is known to more of them with every update.  The sum of the values is exact: it
is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hcdv._moments import Moments
from hcdv.allocation.chains import ChainMoments, Observation
from hcdv.engine import Threads
from hcdv.hierarchy import Hierarchy

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Marks = NDArray[np.bool_]

# An update walks one pair of so many again at least.
SHARE = 8
# Of the sum of squares of marginals, what their variance may be by rounding alone.
ROUNDING = 1e-20
LARGEST_BETA = 2.0


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
        The same of every row's and every node's value, in their own units; of nodes, what this update has
        added.
    """

    n_pairs: int
    n_all: int
    error: float
    row_error: Floats
    node_error: Floats


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
        factor = np.ones(tree.n_points)
        factor[few] = self.n_pairs * (self.n_pairs - 1) / (count * (count - 1))
        points.comoment *= factor
        nodes.comoment *= tree.node_sums(factor) / tree.sizes
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
        A share of ``1 / SHARE`` of the pairs is walked, and then as many more as it seems to take, until the
        error is not above this.
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
    wanted = at_once
    while True:
        turn = order[len(fresh) : wanted].tolist()
        for pair, (points, _, value) in zip(turn, threads.map(walk, turn), strict=True):
            fresh[pair], v_full = points, value
        step = _Step(chains, kept, tree, fresh, weights, v_full - v_empty, affected)
        renewal = step.renewal()
        if renewal.error <= tolerance or len(fresh) == n_pairs:
            break
        wanted = _wanted(len(fresh), n_pairs, renewal.error, tolerance)
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
        next_pair=int((chains.next_pair + len(fresh) - at_once // 2) % n_pairs),
    )
    return after, renewal


def _wanted(n_fresh: int, n_pairs: int, error: float, tolerance: float) -> int:
    """Pairs after which the error should be as asked: its square goes as 1 / walked - 1 / all."""
    if not np.isfinite(error):
        return n_pairs
    share = (tolerance / error) ** 2 * (1 / n_fresh - 1 / n_pairs) + 1 / n_pairs
    # As pairs go by twos on the usual machine; and always some more.
    return min(n_pairs, max(n_fresh + 2, 2 * int(np.ceil(0.5 / share))))


def _at_once(n_pairs: int) -> int:
    # Two at least: one alone does not show how much pairs differ.
    return min(n_pairs, max(2, -(-n_pairs // SHARE)))


@dataclass(frozen=True)
class _Cohort:
    """Points that came with one update, or before every walk that is kept: the same pairs know them.

    Attributes
    ----------
    points : slice
        They lie together.
    both : list of int
        Pairs that know them and have been walked again.
    stale : list of int
        Pairs that know them and have not.
    unknown : list of int
        Pairs that neither know them nor have been walked again.
    """

    points: slice
    both: list[int]
    stale: list[int]
    unknown: list[int]


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
        self.cohorts = self._cohorts()
        self.mean_fresh = np.mean(list(fresh.values()), axis=0)
        self.is_exact = len(fresh) == chains.n_pairs
        if self.is_exact:
            self.mean, self.gap = self.mean_fresh, np.zeros(len(total))
            return
        self.beta = self._beta()
        self.differences = {cohort.points.start: self._differences(cohort) for cohort in self.cohorts}
        self.shift = self._shift(affected)
        self.mean = self._mean()
        # Whatever the estimates: the sum is known.
        self.gap = (total - self.mean.sum(axis=1)) / tree.n_points
        self.mean += self.gap[:, None]

    def _cohorts(self) -> list[_Cohort]:
        born = self.chains.born[self.kept]
        # Points known to all pairs are one cohort, whenever they came.
        edges = np.flatnonzero(np.diff(np.maximum(born, self.chains.walked.min()))) + 1
        cohorts = []
        for first, last in pairwise([0, *edges.tolist(), len(born)]):
            knows = self.chains.walked >= born[first]
            pairs = range(self.chains.n_pairs)
            cohorts.append(
                _Cohort(
                    slice(first, last),
                    both=[t for t in pairs if knows[t] and t in self.fresh],
                    stale=[t for t in pairs if knows[t] and t not in self.fresh],
                    unknown=[t for t in pairs if not knows[t] and t not in self.fresh],
                )
            )
        return cohorts

    def _before(self, pair: int, points: slice) -> Floats:
        """Marginals before of some kept points, float64 [p, k]."""
        marginals = self.chains.points[pair]
        return marginals[:, points] if self.everyone else marginals[:, self.kept[points]]

    def _beta(self) -> Floats:
        """Least squares of the marginals now on those before, per game, about their means over the pairs."""
        beta = np.full(len(self.mean_fresh), len(self.chains.born) / self.tree.n_points)
        along, square, size = np.zeros(len(beta)), np.zeros(len(beta)), np.zeros(len(beta))
        for cohort in self.cohorts:
            if len(cohort.both) < 2:
                continue
            now = np.array([self.fresh[t][:, cohort.points] for t in cohort.both])
            before = np.array([self._before(t, cohort.points) for t in cohort.both])
            size += np.einsum("tpn,tpn->p", before, before)
            now -= now.mean(axis=0)
            before -= before.mean(axis=0)
            along += np.einsum("tpn,tpn->p", before, now)
            square += np.einsum("tpn,tpn->p", before, before)
        # What rounding leaves of marginals that are the same in all pairs is no variance; and a slope from few
        # pairs far from any share of the rows is chance.
        varies = square > ROUNDING * size
        return np.clip(np.divide(along, square, out=beta, where=varies), 0.0, LARGEST_BETA)

    def _differences(self, cohort: _Cohort) -> Floats:
        """What pairs walked again have changed, beyond beta: float64 [t, p, k]."""
        return np.array(
            [
                self.fresh[t][:, cohort.points] - self.beta[:, None] * self._before(t, cohort.points)
                for t in cohort.both
            ]
        )

    def _in_sum(self, cohort: _Cohort) -> Floats:
        """The same of the sum of the games, float64 [t, k]."""
        of_games = self.differences[cohort.points.start]
        return np.einsum("tpn,p->tn", of_games, self.weights)

    def _shift(self, affected: Marks | None) -> Floats:
        """What is added to beta times a marginal that was not walked again, float64 [p, k]."""
        shift = np.zeros((len(self.weights), self.n_old))
        lonely = np.zeros(self.n_old, bool)
        for cohort in self.cohorts:
            if cohort.both:
                shift[:, cohort.points] = self.differences[cohort.points.start].mean(axis=0)
            else:
                lonely[cohort.points] = True
        leaf = self.tree.leaf_of_point()[: self.n_old]
        moves_with_leaf = lonely if affected is None else lonely | ~affected[leaf]
        self.bias = np.zeros(self.n_old)
        # Points that keep their differences even in pairs walked again.
        self.held = np.flatnonzero(moves_with_leaf & ~lonely)
        if moves_with_leaf.any():
            by_leaf = self._leaf_means(shift, leaf, np.flatnonzero(~lonely))
            moved = by_leaf[:, leaf[moves_with_leaf]]
            self.bias[moves_with_leaf] = self.weights @ (shift[:, moves_with_leaf] - moved)
            self.bias[lonely] = 0.0
            shift[:, moves_with_leaf] = moved
        return shift

    def _leaf_means(self, shift: Floats, leaf: Integers, points: Integers) -> Floats:
        """Mean shift of these points in every leaf; of all of them where it holds none."""
        count = np.bincount(leaf[points], minlength=self.tree.n_nodes)
        means = np.empty((len(shift), self.tree.n_nodes))
        for part, row in zip(means, shift, strict=True):
            total = np.bincount(leaf[points], row[points], self.tree.n_nodes)
            part[:] = row[points].mean() if len(points) else 0.0
            np.divide(total, count, out=part, where=count > 0)
        return means

    def _mean(self) -> Floats:
        mean = self.mean_fresh * len(self.fresh)
        for cohort in self.cohorts:
            points = cohort.points
            before = np.zeros_like(mean[:, points])
            for t in cohort.stale:
                before += self._before(t, points)
            before *= self.beta[:, None]
            mean[:, points] += before
            mean[:, points] += len(cohort.stale) * self.shift[:, points]
            mean[:, points] /= len(self.fresh) + len(cohort.stale)
        mean[:, self.n_old :] /= len(self.fresh)
        before = self.chains.mean if self.everyone else self.chains.mean[:, self.kept]
        mean[:, self.held] = self.beta[:, None] * before[:, self.held] + self.shift[:, self.held]
        return mean

    def points(self) -> list[Floats]:
        """Marginals in every pair, such that their mean is the estimate."""
        n_pairs, n_fresh = self.chains.n_pairs, len(self.fresh)
        if self.is_exact:
            return [self.fresh[t] for t in range(n_pairs)]
        # Only pairs not walked take the gap: the others' sums are exact.
        over = (self.gap * (n_fresh / (n_pairs - n_fresh)))[:, None]
        points = []
        for pair in range(n_pairs):
            if pair in self.fresh:
                points.append(self._fresh_points(pair))
                continue
            marginals = self.mean + over
            for cohort in self.cohorts:
                if pair in cohort.stale:
                    marginals[:, cohort.points] = self.beta[:, None] * self._before(pair, cohort.points)
                    marginals[:, cohort.points] += self.shift[:, cohort.points] + self.gap[:, None] + over
            if len(self.held):
                marginals[:, self.held] = self._held_points(pair) + self.gap[:, None] + over
            points.append(marginals)
        return points

    def _fresh_points(self, pair: int) -> Floats:
        """Marginals of a pair walked again, but of the points that keep their differences."""
        marginals = self.fresh[pair]
        if len(self.held):
            marginals = marginals.copy()
            marginals[:, self.held] = self._held_points(pair)
        return marginals

    def _held_points(self, pair: int) -> Floats:
        before = self._before(pair, slice(0, self.n_old))[:, self.held]
        return self.beta[:, None] * before + self.shift[:, self.held]

    def renewal(self) -> Renewal:
        values, n_pairs = self.weights @ self.mean, self.chains.n_pairs
        row_error, node_error = self._row_error(), self._node_error()
        spread = float(values.std())
        error = float(np.sqrt(np.mean(row_error**2)))
        if error:
            error = error / spread if spread > 0 else np.inf
        return Renewal(len(self.fresh), n_pairs, error, row_error, node_error)

    def _row_error(self) -> Floats:
        """Standard error of every value beside a walk of all pairs, float64 [n]."""
        n_pairs, n_fresh = self.chains.n_pairs, len(self.fresh)
        if self.is_exact:
            return np.zeros(self.tree.n_points)
        if n_fresh < 2:
            return np.full(self.tree.n_points, np.inf)
        now = np.array([self.weights @ marginals for marginals in self.fresh.values()])
        spread = now.var(axis=0, ddof=1)
        # Of a finite number of pairs: what has been walked cannot err.
        variance = spread * (1 / n_fresh - 1 / n_pairs)
        for cohort in self.cohorts:
            points, n_stale, n_both = cohort.points, len(cohort.stale), len(cohort.both)
            n_known = n_fresh + n_stale
            variance[points] = spread[points] * (1 / n_known - 1 / n_pairs)
            if n_stale:
                # The shift is the same in all stale pairs; one pair alone does not show how much it varies.
                shift = spread[points] / max(1, n_both)
                if n_both > 1:
                    differences = self._in_sum(cohort)
                    shift = differences.var(axis=0, ddof=1) * (1 / n_both + 1 / n_stale)
                variance[points] += shift * (n_stale / n_known) ** 2
        variance[self.held] = self._held_variance()
        return np.sqrt(variance)

    def _held_variance(self) -> Floats:
        """What points that keep their differences would have moved beside their leaf, squared; float64 [h]."""
        noise = np.zeros(self.n_old)
        for cohort in self.cohorts:
            if len(cohort.both) > 1:
                differences = self._in_sum(cohort)
                noise[cohort.points] = differences.var(axis=0, ddof=1) / len(cohort.both)
        away: Floats = self.bias[self.held] ** 2 - noise[self.held]
        return np.maximum(away, 0.0)

    def _node_error(self) -> Floats:
        """The same of every node's value, as far as the pairs walked again tell; float64 [m]."""
        n_pairs, n_fresh = self.chains.n_pairs, len(self.fresh)
        if self.is_exact:
            return np.zeros(self.tree.n_nodes)
        if n_fresh < 2:
            return np.full(self.tree.n_nodes, np.inf)
        residuals = np.array([self.weights @ marginals for marginals in self.fresh.values()])
        for k, pair in enumerate(self.fresh):
            for cohort in self.cohorts:
                if pair in cohort.both:
                    before = self._before(pair, cohort.points)
                    residuals[k, cohort.points] -= (self.weights * self.beta) @ before
                elif cohort.both:
                    # A pair that has not met these points tells nothing about them beside those that have.
                    residuals[k, cohort.points] = 0.0
        in_nodes = self.tree.node_sums(residuals)
        error: Floats = in_nodes.std(axis=0, ddof=1) * np.sqrt(1 / n_fresh - 1 / n_pairs)
        return error
