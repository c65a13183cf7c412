"""The ridge game: how well a ridge classifier trained on S predicts the validation rows.

    v(S) = share of validation rows v with f_c(v) highest for c = y_v among the classes met in S

f_c is the ridge regression (penalty alpha, intercept free) of the indicator of class c: the predictions of
scikit-learn's ``RidgeClassifier``.  v(empty) = 1/C; rows of a single class predict it.  All that a coalition
has to tell are sums over its rows, so states of unions are sums of states.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels.ridge import ridge_chain
from hcdv.game import Indices, Values, chains_from_start
from hcdv.games.folds import FoldedGame
from hcdv.games.rows import TrainingRows
from hcdv.games.stand_ins import stand_in_folds

# Numbers in the statistics of the coalitions that are solved at once: 16 MB.
BATCH_NUMBERS = 1 << 21


@dataclass(frozen=True)
class RidgeState:
    """Sufficient statistics: sums of products [d, d], sums of rows by class [C, d], rows by class [C]."""

    gram: NDArray[np.float64]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    def __add__(self, other: RidgeState) -> RidgeState:
        return RidgeState(
            self.gram + other.gram, self.sums + other.sums, self.counts + other.counts
        )


class RidgeGame:
    """Validation accuracy of a ridge classifier; a :class:`hcdv.game.LocalGame`.

    Parameters
    ----------
    X : float32 or float64 [n, d]
        Rows, roughly standardised, C-contiguous.
    labels : int64 [n]
        Class codes 0..n_classes-1.
    X_val : [n_val, d], labels_val : int64 [n_val]
        At least one row.
    n_classes : int
    alpha : float
        Penalty on the squared coefficients; the intercept is free.
    """

    def __init__(
        self,
        X: NDArray[Any],
        labels: NDArray[np.int64],
        X_val: NDArray[Any],
        labels_val: NDArray[np.int64],
        n_classes: int,
        *,
        alpha: float = 1.0,
    ) -> None:
        self.n_points = len(labels)
        self.v_empty = 1.0 / n_classes
        self.X = X
        self.labels = labels
        self.labels_val = np.ascontiguousarray(labels_val)
        self.n_classes = n_classes
        self.alpha = alpha
        self.columns_val = np.ascontiguousarray(X_val.T, np.float64)

    def state(self, members: Indices) -> RidgeState:
        rows = self.X[members].astype(np.float64)
        mine = np.zeros((len(members), self.n_classes))
        mine[np.arange(len(members)), self.labels[members]] = 1.0
        return RidgeState(rows.T @ rows, mine.T @ rows, mine.sum(axis=0))

    def chain_from(self, state: RidgeState, order: Indices, stops: Indices) -> Values:
        d, n_val = self.columns_val.shape
        coefficients, mean, inverse = self._fitted(state)
        values = np.empty(len(stops))
        ridge_chain(
            self.X, self.labels, np.ascontiguousarray(order), np.ascontiguousarray(stops), self.columns_val,
            self.labels_val, self.v_empty, inverse, coefficients, mean, state.counts.copy(),
            np.empty((self.n_classes, n_val)), np.empty(2 * d + n_val), np.empty(n_val, np.int64), values,
        )  # fmt: skip
        return values

    def chains(self, orders: Indices, stops: Indices) -> Values:
        return chains_from_start(self, orders, stops)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        """Value of unions of groups, by adding the groups' statistics and solving many unions at once."""
        states = [self.state(order[bounds[g] : bounds[g + 1]]) for g in range(len(bounds) - 1)]
        values = np.full(len(masks), self.v_empty)
        d, n_val = self.columns_val.shape
        step = max(1, BATCH_NUMBERS // max(1, d * d + n_val * self.n_classes))
        for a in range(0, len(masks) if states else 0, step):
            inside = masks[a : a + step].astype(np.float64)
            gram, sums, counts = (
                np.tensordot(inside, np.array([getattr(state, name) for state in states]), axes=1)
                for name in ("gram", "sums", "counts")
            )
            occupied = counts.sum(axis=1) > 0
            values[a : a + step][occupied] = self._accuracies(
                gram[occupied], sums[occupied], counts[occupied]
            )
        return values

    def restricted(self, members: Indices) -> RidgeGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1.

        Fewer rows than columns span a smaller space, and no coefficients leave it: rows and validation rows
        get coordinates in that space.
        """
        game = copy(self)
        game.n_points = len(members)
        game.X, game.labels = self.X[members], self.labels[members]
        if len(members) < self.X.shape[1]:
            basis, triangle = np.linalg.qr(game.X.T.astype(np.float64))
            game.X = np.ascontiguousarray(triangle.T)
            game.columns_val = np.ascontiguousarray(basis.T @ self.columns_val)
        return game

    def _fitted(
        self, state: RidgeState
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients [C, d], mean row [d] and inverse [d, d] after the rows of a state."""
        d = len(state.gram)
        n = state.counts.sum()
        if n == 0:
            return np.zeros((self.n_classes, d)), np.zeros(d), np.eye(d) / self.alpha
        mean = state.sums.sum(axis=0) / n
        inverse = np.linalg.inv(state.gram - n * np.outer(mean, mean) + self.alpha * np.eye(d))
        inverse = (inverse + inverse.T) / 2
        coefficients = (state.sums - state.counts[:, None] * mean) @ inverse
        return np.ascontiguousarray(coefficients), mean, inverse

    def _accuracies(
        self,
        gram: NDArray[np.float64],
        sums: NDArray[np.float64],
        counts: NDArray[np.float64],
    ) -> Values:
        """Accuracy of B coalitions, none of them empty, from their statistics [B, ...]."""
        n = counts.sum(axis=1)
        mean = sums.sum(axis=1) / n[:, None]
        centred = gram - n[:, None, None] * mean[:, :, None] * mean[:, None, :]
        centred += self.alpha * np.eye(gram.shape[1])
        crossed = sums - counts[:, :, None] * mean[:, None, :]
        coefficients = np.linalg.solve(centred, crossed.transpose(0, 2, 1)).transpose(0, 2, 1)
        offsets = counts / n[:, None] - np.einsum("bcd,bd->bc", coefficients, mean)
        scores = coefficients @ self.columns_val + offsets[:, :, None]
        scores[counts == 0] = -np.inf
        return np.count_nonzero(scores.argmax(axis=1) == self.labels_val, axis=1) / len(self.labels_val)


def ridge_game(rows: TrainingRows, *, alpha: float, seed: int) -> RidgeGame | FoldedGame:
    """The game on the validation rows; without any, stratified folds stand in and a warning says so."""
    if rows.X_val is not None and rows.labels_val is not None:
        return RidgeGame(
            rows.X, rows.labels, rows.X_val, rows.labels_val, rows.n_classes, alpha=alpha
        )
    games, fold = [], np.empty(rows.n_points, np.int64)
    folds = stand_in_folds(rows.labels, rows.n_classes, name="ridge", seed=seed)
    for f, (mine, others) in enumerate(folds):
        fold[mine] = f
        game = RidgeGame(
            rows.X[mine], rows.labels[mine], rows.X[others], rows.labels[others], rows.n_classes, alpha=alpha
        )
        games.append(game)
    return FoldedGame(games, fold)
