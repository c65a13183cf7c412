"""The methods of Tables 1 and 2, by the names of the paper, and how much each may do at each scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hcdv import HCDV, baselines
from hcdv.datasets import Dataset
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult
from hcdv.stopping import TimeBudget

K_NEAREST = 10
# Levels of a category that fewer rows have share one column.
RARE = 20
NOISES = (0.0, 0.05, 0.15)
# Beside METHODS, where only the stability of values is looked at.
SAME_TREE, MCDS_AT_EQUAL_TIME = "HCDV, same tree", "MCDS, HCDV's time"
STABILITY = ("HCDV", SAME_TREE, "MCDS", MCDS_AT_EQUAL_TIME, "GS", "Data Banzhaf", "Random")


@dataclass(frozen=True)
class Budget:
    """How many permutations, coalitions and trees the methods that sample get; all that an hour or two affords.

    GS plays 64 balanced clusters, so ``permutations`` of them are 64 times as many coalitions.
    """

    permutations: int
    group_permutations: int
    coalitions: int
    trees: int
    paper_permutations: int


SMALL = Budget(4, 8, 256, 30, 4)
# By set, where a permutation or a tree of the set takes long.
BUDGETS: dict[str, dict[str, Budget]] = {
    "ci": {"synthetic": SMALL, "digits": SMALL},
    "laptop": {
        "synthetic": Budget(64, 128, 4096, 100, 8),
        "adult": Budget(8, 16, 1024, 100, 4),
        "fashion": Budget(8, 16, 512, 30, 4),
        "criteo": Budget(16, 32, 1024, 100, 8),
    },
    "gpu": {
        "synthetic": Budget(1024, 1024, 65536, 100, 64),
        "adult": Budget(128, 128, 16384, 100, 64),
        "fashion": Budget(128, 128, 16384, 100, 64),
        "criteo": Budget(128, 128, 16384, 100, 64),
    },
}
BUDGETS["paper"] = BUDGETS["gpu"]


@dataclass(frozen=True)
class Cell:
    """Rows with the labels to be valued, and what a method may do."""

    data: Dataset
    utility: str
    budget: Budget
    seed: int

    @property
    def rows(self) -> tuple[Any, ...]:
        return self.data.X, self.data.y, self.data.X_val, self.data.y_val

    def columns(self) -> tuple[np.ndarray, ...]:
        """As :attr:`rows`, but numbers, standardised: for methods that look at columns as they are."""
        X, X_val = self.data.X, self.data.X_val
        if hasattr(X, "columns"):
            one_hot = OneHotEncoder(
                min_frequency=RARE, handle_unknown="infrequent_if_exist", sparse_output=False
            )
            numbers = make_column_selector(dtype_include="number")
            table = make_column_transformer((SimpleImputer(), numbers), remainder=one_hot)
            X, X_val = table.fit_transform(X), table.transform(X_val)
        scaler = StandardScaler().fit(X)
        return scaler.transform(X), self.data.y, scaler.transform(X_val), self.data.y_val


def mcds(cell: Cell) -> ValuationResult:
    return baselines.data_shapley(
        *cell.rows, utility=cell.utility, n_permutations=cell.budget.permutations, random_state=cell.seed
    )


def mcds_within(cell: Cell, seconds: float) -> ValuationResult:
    """As many permutations as fit into so many seconds, the two of a mirrored pair at least."""
    return baselines.data_shapley(
        *cell.rows, utility=cell.utility, n_permutations=1 << 14, tol=TimeBudget(seconds),
        random_state=cell.seed,
    )  # fmt: skip


def group_shapley(cell: Cell) -> ValuationResult:
    return baselines.group_shapley(
        *cell.rows, groups="cluster", n_clusters=64, method="permutation", utility=cell.utility,
        n_permutations=cell.budget.group_permutations, random_state=cell.seed,
    )  # fmt: skip


def banzhaf(cell: Cell) -> ValuationResult:
    return baselines.data_banzhaf(
        *cell.rows, utility=cell.utility, n_samples=cell.budget.coalitions, random_state=cell.seed
    )


def data_oob(cell: Cell) -> ValuationResult:
    # Trees that look at sqrt(d) columns a split, as a forest's do; on hundreds of columns others take hours.
    model = DecisionTreeClassifier(max_features="sqrt")
    X, y, X_val, y_val = cell.columns()
    return baselines.data_oob(
        X, y, X_val, y_val, model=model, n_estimators=cell.budget.trees, random_state=cell.seed
    )


def hcdv_paper(cell: Cell) -> ValuationResult:
    """The paper's algorithm to the letter, with the utility that the others have."""
    model = HCDV.paper(T=cell.budget.paper_permutations, utility=cell.utility, random_state=cell.seed)
    return model.fit(*cell.rows).result_


def hcdv_on(cell: Cell, tree: Hierarchy) -> ValuationResult:
    """HCDV on a tree that is there: only its permutations, and games that draw, follow the seed."""
    return HCDV(random_state=cell.seed).fit(*cell.rows, hierarchy=tree).result_


METHODS: dict[str, Callable[[Cell], ValuationResult]] = {
    "Random": lambda cell: baselines.random_values(*cell.rows, random_state=cell.seed),
    "MCDS": mcds,
    "GS": group_shapley,
    "Data Banzhaf": banzhaf,
    "KNN-Shapley": lambda cell: baselines.knn_shapley(*cell.columns(), k=K_NEAREST),
    "Data-OOB": data_oob,
    "HCDV, paper": hcdv_paper,
    "HCDV": lambda cell: HCDV(random_state=cell.seed).fit(*cell.rows).result_,
}
