"""The forest's space: rows that share leaves of a random forest lie together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils.extmath import randomized_svd

from hcdv._random import derive_seed, generator
from hcdv.encoder._spaces import Encoder, Spaces
from hcdv.encoder.learned import LearnedEncoder
from hcdv.engine import single_threaded_blas

N_TREES = 100
# Rows of a leaf at least: in smaller ones a flipped row would stand alone under its own label.  Vote AUC at 15%
# flips with 5 and 20: Adult .914 .923, Synthetic .954 .958, IMDB .770 .791.
LEAF_ROWS = 20
N_DIMS = 32
# The forest grows on at most so many rows.
FIT_ROWS = 50_000
BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class ForestSpace:
    """Principal directions of the leaves that rows share, as plain arrays.

    Attributes
    ----------
    roots : int64 [T]
        First node of each tree in the arrays of nodes.
    feature : int64 [nodes]
        Column that a node looks at; -1 in a leaf.
    threshold : float64 [nodes]
        Rows at or below it go to the left.
    left, right : int64 [nodes]
    directions : float32 [nodes, d]
        What a leaf adds to the place of its rows; 0 in other nodes.
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    directions: NDArray[np.float32]

    @classmethod
    def learn(cls, columns: NDArray[np.float32], labels: NDArray[np.int64], *, seed: int) -> ForestSpace:
        """The space of rows [n, p] under their labels."""
        n = len(columns)
        if n > FIT_ROWS:
            chosen = np.sort(generator(seed, "forest space").choice(n, FIT_ROWS, replace=False, shuffle=False))
            columns, labels = columns[chosen], labels[chosen]
        forest = RandomForestClassifier(
            N_TREES, min_samples_leaf=min(LEAF_ROWS, max(1, len(columns) // 4)), n_jobs=1,
            random_state=derive_seed(seed, "forest space", "trees"),
        )  # fmt: skip
        with warnings.catch_warnings():
            # Few rows of many classes: scikit-learn takes that for regression by mistake.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            forest.fit(columns, labels)
        trees = [tree.tree_ for tree in forest.estimators_]
        sizes = [tree.node_count for tree in trees]
        roots = np.cumsum([0, *sizes[:-1]]).astype(np.int64)
        feature = np.concatenate([np.where(t.children_left < 0, -1, t.feature) for t in trees])
        left, right = (
            np.concatenate([np.maximum(getattr(t, side), 0) + r for t, r in zip(trees, roots, strict=True)])
            for side in ("children_left", "children_right")
        )
        empty = np.zeros((sum(sizes), 0), np.float32)
        grown = cls(
            roots, feature.astype(np.int64), np.concatenate([t.threshold for t in trees]),
            left.astype(np.int64), right.astype(np.int64), empty,
        )  # fmt: skip
        return grown._with_directions(grown.leaves(columns), derive_seed(seed, "forest space", "directions"))

    def leaves(self, columns: NDArray[np.float32]) -> NDArray[np.int64]:
        """The leaf of each row in each tree, int64 [n, T], numbered through all trees."""
        node = np.tile(self.roots, (len(columns), 1))
        rows = np.arange(len(columns))[:, None]
        while True:
            feature = self.feature[node]
            inner = feature >= 0
            if not inner.any():
                return node
            goes_left = columns[rows, np.maximum(feature, 0)] <= self.threshold[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)

    def transform(self, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows in the space, float32 [n, d]."""
        out = np.empty((len(columns), self.directions.shape[1]), np.float32)
        for a in range(0, len(columns), BLOCK_ROWS):
            leaves = self.leaves(columns[a : a + BLOCK_ROWS])
            # Tree by tree, in a fixed order: same bits for any block.
            total = np.zeros((len(leaves), out.shape[1]), np.float32)
            for k in range(leaves.shape[1]):
                total += self.directions[leaves[:, k]]
            out[a : a + BLOCK_ROWS] = total
        return out

    def _with_directions(self, leaves: NDArray[np.int64], seed: int) -> ForestSpace:
        """Singular vectors of which row is in which leaf, leaves divided by the root of their size."""
        n, n_trees = leaves.shape
        counts = np.bincount(leaves.ravel(), minlength=len(self.feature))
        weight = 1.0 / np.sqrt(np.maximum(counts, 1))
        held = scipy.sparse.csr_matrix(
            (weight[leaves.ravel()].astype(np.float32), leaves.ravel(), np.arange(n + 1) * n_trees),
            shape=(n, len(self.feature)),
        )
        k = min(N_DIMS, n - 1, held.shape[1] - 1)
        if k < 1:
            directions = np.zeros((len(self.feature), 1), np.float32)
        else:
            with single_threaded_blas():
                _, singular, rows_t = randomized_svd(
                    held, k, n_oversamples=20, n_iter=6, random_state=seed
                )
            # The overall standard deviation of the rows becomes 1.
            size = np.sqrt(np.square(singular, dtype=np.float64).sum() / (n * k))
            directions = (weight[:, None] * rows_t.T / max(size, 1e-30)).astype(np.float32)
        return ForestSpace(
            self.roots, self.feature, self.threshold, self.left, self.right, np.ascontiguousarray(directions)
        )


class ForestEncoder(LearnedEncoder):
    """The forest's space of the columns; see `ForestSpace`.

    Attributes
    ----------
    space_ : ForestSpace
    """

    name = "forest"

    def __init__(self, first: Encoder, *, beside: bool) -> None:
        super().__init__(first, beside=beside)

    @property
    def _wants_columns(self) -> bool:
        return True

    def _learn(
        self, X: Any, y: NDArray[np.int64], spaces: Spaces, X_val: Any, y_val: NDArray[np.int64] | None,
        seed: int,
    ) -> NDArray[np.float32]:  # fmt: skip
        self.space_ = ForestSpace.learn(spaces.columns, y, seed=seed)
        return self.space_.transform(spaces.columns)

    def _learned(self, X: Any, spaces: Spaces, name: str) -> NDArray[np.float32]:
        return self.space_.transform(spaces.columns)
