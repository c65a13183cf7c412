"""The k-nearest-neighbour game: how well the nearest rows of S predict the validation rows.

    v(S) = mean over validation rows of (rows with its label among the min(k, |S|) nearest of S) / min(k, |S|)

and v(empty) = 1/C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv._distance import DistanceImage, neighbour_codes
from hcdv._kernels.knn import knn_chain, knn_join
from hcdv.game import Indices, Values, chains_from_start, coalitions_from_states
from hcdv.games.folds import FoldedGame
from hcdv.games.rows import TrainingRows
from hcdv.games.stand_ins import stand_in_folds

NEIGHBOURS = 5
EMPTY = np.iinfo(np.int32).max


@dataclass(frozen=True)
class NearestState:
    """Codes of the nearest rows so far, ascending, int32 [n_val, k]."""

    nearest: NDArray[np.int32]

    def __add__(self, other: NearestState) -> NearestState:
        joined = np.empty_like(self.nearest)
        knn_join(self.nearest, other.nearest, joined)
        return NearestState(joined)


class KNNGame:
    """Soft k-nearest-neighbour accuracy; a :class:`hcdv.game.LocalGame`.

    Parameters
    ----------
    codes : int32 [n, n_val]
        2 * (rank of the row by distance to the validation row) + (labels agree).
    n_classes : int
    k : int
    """

    def __init__(self, codes: NDArray[np.int32], n_classes: int, *, k: int = NEIGHBOURS) -> None:
        self.codes = codes
        self.n_points, self.n_val = codes.shape
        self.n_classes = n_classes
        self.v_empty = 1.0 / n_classes
        self.k = k

    def state(self, members: Indices) -> NearestState:
        state = NearestState(np.full((self.n_val, self.k), EMPTY, np.int32))
        self._walk(state, members, np.zeros(0, np.int64))
        return state

    def chain_from(self, state: NearestState, order: Indices, stops: Indices) -> Values:
        return self._walk(NearestState(state.nearest.copy()), order, stops)

    def chains(self, orders: Indices, stops: Indices) -> Values:
        return chains_from_start(self, orders, stops)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_states(self, order, bounds, masks)

    def restricted(self, members: Indices) -> KNNGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1."""
        return KNNGame(self.codes[members], self.n_classes, k=self.k)

    def _walk(self, state: NearestState, order: Indices, stops: Indices) -> Values:
        values = np.empty(len(stops))
        knn_chain(
            self.codes, np.ascontiguousarray(order), np.ascontiguousarray(stops), state.nearest,
            np.empty(self.n_val, np.int32), self.v_empty, values,
        )  # fmt: skip
        return values


def knn_game(rows: TrainingRows, *, seed: int) -> KNNGame | FoldedGame:
    """The game on the validation rows; without any, stratified folds stand in and a warning says so.

    Each fold's rows are then valued against (at most 500 of) the rows of the other folds.
    """
    X = rows.X.astype(np.float64)
    if rows.X_val is not None and rows.labels_val is not None:
        codes = neighbour_codes(
            DistanceImage.of(X), rows.labels, rows.X_val.astype(np.float64), rows.labels_val
        )
        return KNNGame(codes, rows.n_classes)
    games, fold = [], np.empty(rows.n_points, np.int64)
    folds = stand_in_folds(rows.labels, rows.n_classes, name="knn", seed=seed)
    for f, (mine, others) in enumerate(folds):
        fold[mine] = f
        codes = neighbour_codes(
            DistanceImage.of(X[mine]), rows.labels[mine], X[others], rows.labels[others]
        )
        games.append(KNNGame(codes, rows.n_classes))
    return FoldedGame(games, fold)
