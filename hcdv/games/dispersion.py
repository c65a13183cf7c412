"""The contrast game: how far apart rows of different labels lie (Eqs. 9, 18, 30).

D(S) is the sum of cosine distances over unordered cross-label pairs of S, P(S) their number.  The mode
turns them into a value:

- ``"sum"``: D;
- ``"normalised"``: D / max(1, P);
- ``"centred"``: (D - P d0) / (P + kappa), with d0 the mean cross-label distance of the whole data.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._dispersion import MODES
from hcdv._kernels.dispersion import dispersion_chain, dispersion_coalitions
from hcdv._validation import check_choice, check_labels, check_matrix
from hcdv.game import Indices, Values, chains_from_start


@dataclass(frozen=True)
class DispersionState:
    """Sums of unit rows by class [C, d] and rows by class [C]."""

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    def __add__(self, other: DispersionState) -> DispersionState:
        return DispersionState(self.sums + other.sums, self.counts + other.counts)

    @property
    def pairs(self) -> float:
        """P(S)."""
        return float((self.counts.sum() ** 2 - (self.counts**2).sum()) / 2)

    @property
    def distance(self) -> float:
        """D(S)."""
        along = (self.sums.sum(0) ** 2).sum() - (self.sums**2).sum()
        return self.pairs - float(along) / 2

    @property
    def mean_distance(self) -> float:
        """D(S) / P(S), 0 without pairs."""
        return self.distance / self.pairs if self.pairs > 0 else 0.0


class DispersionGame:
    """Cross-label dispersion of the points; a :class:`hcdv.game.LocalGame`.

    Parameters
    ----------
    X : float32 or float64 [n, d]
        Rows of any length; the game sees their directions (a zero row is at distance 1 from all).
    labels : int64 [n]
        Class codes 0..n_classes-1.
    n_classes : int
    dispersion : {"centred", "normalised", "sum"}
    kappa : float, optional
        Prior weight of the centred form, in pairs; n by default.
    """

    def __init__(
        self,
        X: NDArray[Any],
        labels: NDArray[np.int64],
        n_classes: int,
        *,
        dispersion: str = "centred",
        kappa: float | None = None,
    ) -> None:
        self.n_points = len(labels)
        self.v_empty = 0.0
        self.X = X
        self.labels = labels
        self.n_classes = n_classes
        self.dispersion = check_choice(dispersion, "dispersion", MODES)
        self.mode = MODES[self.dispersion]
        self.kappa = float(len(labels)) if kappa is None else kappa
        self.scale = inverse_lengths(X)
        self.centre = self.state(np.arange(self.n_points)).mean_distance

    def state(self, members: Indices) -> DispersionState:
        sums = np.zeros((self.n_classes, self.X.shape[1]))
        counts = np.zeros(self.n_classes)
        # By blocks: a copy of all rows in float64 would be the largest array of the library.
        for begin in range(0, len(members), 65536):
            block = members[begin : begin + 65536]
            rows = self.X[block] * self.scale[block, None]
            codes = self.labels[block]
            for c in np.unique(codes):
                sums[c] += rows[codes == c].sum(axis=0, dtype=np.float64)
            counts += np.bincount(codes, minlength=self.n_classes)
        return DispersionState(sums, counts)

    def chain_from(self, state: DispersionState, order: Indices, stops: Indices) -> Values:
        values = np.empty(len(stops))
        sums = np.vstack([state.sums, state.sums.sum(0)])
        dispersion_chain(
            self.X, self.scale, self.labels, np.ascontiguousarray(order),
            np.ascontiguousarray(stops), self.mode, self.kappa, self.centre,
            state.distance, state.pairs, sums, state.counts.copy(), values,
        )  # fmt: skip
        return values

    def chains(self, orders: Indices, stops: Indices) -> Values:
        return chains_from_start(self, orders, stops)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        states = [self.state(order[bounds[g] : bounds[g + 1]]) for g in range(len(bounds) - 1)]
        distance, pairs = pair_matrices(
            np.array([s.sums for s in states]).reshape(len(states), self.n_classes, -1),
            np.array([s.counts for s in states]).reshape(len(states), self.n_classes),
        )
        values = np.empty(len(masks))
        inside = np.ascontiguousarray(masks, dtype=np.uint8)
        dispersion_coalitions(
            distance, pairs, inside, self.mode, self.kappa, self.centre, values
        )
        return values

    def as_part_of(self, everyone: DispersionState) -> DispersionGame:
        """The game as a share of one on more rows, of which this is the state: its centre, and kappa = n."""
        game = copy(self)
        game.kappa, game.centre = float(everyone.counts.sum()), everyone.mean_distance
        return game

    def restricted(self, members: Indices) -> DispersionGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1; centre and kappa stay."""
        game = copy(self)
        game.n_points = len(members)
        game.X, game.labels, game.scale = self.X[members], self.labels[members], self.scale[members]
        return game


def inverse_lengths(X: NDArray[Any]) -> NDArray[np.float64]:
    """1 / |x_i| (float64 [n]); 0 for a zero row."""
    squares = np.einsum("ij,ij->i", X, X, dtype=np.float64)
    return np.divide(1.0, np.sqrt(squares), out=np.zeros(len(X)), where=squares > 0)


def directions(X: NDArray[Any]) -> NDArray[Any]:
    """Rows of length 1 in the dtype of X, as the tree compares them; zero rows stay."""
    unit: NDArray[Any] = X * inverse_lengths(X)[:, None].astype(X.dtype)
    return unit


def pair_matrices(
    sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cross-label distance sums and pair counts between groups, each unordered pair once.

    Parameters
    ----------
    sums : float64 [m, C, d]
        Sums of unit rows by group and class.
    counts : float64 [m, C]

    Returns
    -------
    distance, pairs : float64 [m, m]
        Between two groups off the diagonal, within one group on it.
    """
    sizes, totals, flat = counts.sum(1), sums.sum(1), sums.reshape(len(sums), -1)
    pairs = np.outer(sizes, sizes) - counts @ counts.T
    distance = pairs - (totals @ totals.T - flat @ flat.T)
    diagonal = np.diag_indices(len(sums))
    pairs[diagonal] /= 2
    distance[diagonal] /= 2
    return distance, pairs


def normalised_dispersion(
    Z: ArrayLike, y: ArrayLike, groups: ArrayLike
) -> Callable[[NDArray[np.bool_]], Values]:
    """The group game of Eq. 18: ``game(coalitions)`` is D(S) / max(1, P(S)) of unions of groups.

    Parameters
    ----------
    Z : float [n, d]
        Rows; only their directions count.
    y : [n]
        Labels.
    groups : [n]
        Group of each row; player k is the k-th group in sorted order.

    Returns
    -------
    callable
        From coalitions, bool [B, m], to float64 [B], for ``hcdv.shapley.exact`` and ``estimate``.
    """
    rows = check_matrix(Z, "Z")
    labels = check_labels(y, len(rows), "y")
    members = check_labels(groups, len(rows), "groups")
    classes, codes = np.unique(labels, return_inverse=True)
    names, group = np.unique(members, return_inverse=True)
    game = DispersionGame(rows, codes.astype(np.int64), len(classes), dispersion="normalised")
    order = np.argsort(group, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=len(names)))])

    def value(coalitions: NDArray[np.bool_]) -> Values:
        return game.coalitions(order, bounds, coalitions)

    return value
