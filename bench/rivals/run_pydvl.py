"""pyDVL's methods, for bench.peers (see _worker.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
from _worker import Answer, Arrays, BlackBox, Method, serve
from pydvl.valuation import (
    BetaShapleyValuation,
    DataOOBValuation,
    Dataset,
    DeterministicUniformSampler,
    GroupedDataset,
    KNNShapleyValuation,
    MinUpdates,
    ModelUtility,
    MSRBanzhafValuation,
    NoStopping,
    PermutationSampler,
    ShapleyValuation,
    SupervisedScorer,
    TMCShapleyValuation,
)
from pydvl.valuation.games import DummyGameDataset
from pydvl.valuation.utility.base import UtilityBase
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

MODELS = {"logistic": lambda: LogisticRegression(max_iter=200), "tree": DecisionTreeClassifier}
QUIET: dict[str, Any] = {"progress": False, "show_warnings": False}


class Fits:
    """Accuracy of a logistic regression on the validation rows, and how many were fitted."""

    def __init__(self, arrays: Arrays) -> None:
        valid = Dataset(arrays["X_val"], arrays["y_val"])
        chance = 1.0 / len(np.unique(arrays["y"]))
        scorer = SupervisedScorer("accuracy", valid, default=chance, range=(0, 1))
        self.utility = ModelUtility(MODELS["logistic"](), scorer, show_warnings=False)
        self.n = 0
        self._score = self.utility._compute_score
        self.utility._compute_score = self._counted

    def _counted(self, model: Any) -> float:
        self.n += 1
        return self._score(model)


def by_row(valuation: Any, n: int) -> np.ndarray:
    """Values in the order of the rows; NaN for those that the result leaves out."""
    values = np.full(n, np.nan)
    values[valuation.result.indices] = valuation.result.values
    return values


def knn(arrays: Arrays, options: dict[str, Any]) -> Answer:
    model = KNeighborsClassifier(n_neighbors=options["k"])
    valuation = KNNShapleyValuation(model, Dataset(arrays["X_val"], arrays["y_val"]), progress=False)
    valuation.fit(Dataset(arrays["X"], arrays["y"]))
    return by_row(valuation, len(arrays["y"])), {}


def data_oob(arrays: Arrays, options: dict[str, Any]) -> Answer:
    model = MODELS[options["model"]]()
    bags = BaggingClassifier(model, n_estimators=options["number"], random_state=options["seed"])
    valuation = DataOOBValuation(bags.fit(arrays["X"], arrays["y"]))
    valuation.fit(Dataset(arrays["X"], arrays["y"]))
    return by_row(valuation, len(arrays["y"])), {"n_evaluations": options["number"]}


def sampled(make: Any) -> Method:
    """A semivalue of logistic regressions; ``options["number"]`` updates of every row."""

    def run(arrays: Arrays, options: dict[str, Any]) -> Answer:
        fits = Fits(arrays)
        valuation = make(fits.utility, MinUpdates(options["number"]), options["seed"])
        valuation.fit(Dataset(arrays["X"], arrays["y"]))
        return by_row(valuation, len(arrays["y"])), {"n_evaluations": fits.n}

    return run


def permutations(utility: Any, stop: Any, seed: int) -> Any:
    return ShapleyValuation(utility, PermutationSampler(seed=seed), stop, **QUIET)


def beta(utility: Any, stop: Any, seed: int) -> Any:
    sampler = PermutationSampler(seed=seed)
    return BetaShapleyValuation(utility, sampler, stop, alpha=16, beta=1, **QUIET)


def truncated(utility: Any, stop: Any, seed: int) -> Any:
    return TMCShapleyValuation(utility, is_done=stop, seed=seed, **QUIET)


def banzhaf(utility: Any, stop: Any, seed: int) -> Any:
    return MSRBanzhafValuation(utility, is_done=stop, seed=seed, **QUIET)


def exact_game(arrays: Arrays, options: dict[str, Any]) -> Answer:
    game = BlackBox(arrays)

    class Utility(UtilityBase):
        def __call__(self, sample: Any) -> float:
            return game.one([] if sample is None else sample.subset)

    sampler = DeterministicUniformSampler(batch_size=1)
    valuation = ShapleyValuation(Utility(), sampler, NoStopping(), progress=False)
    valuation.fit(DummyGameDataset(game.n_players))
    return valuation.result.values, {"n_evaluations": game.n_evaluations}


def exact_groups(arrays: Arrays, options: dict[str, Any]) -> Answer:
    # Its cache of utilities saves nothing here: every group's coalitions are fitted anew, as without it.
    fits = Fits(arrays)
    data = GroupedDataset.from_dataset(Dataset(arrays["X"], arrays["y"]), data_groups=arrays["groups"])
    sampler = DeterministicUniformSampler(batch_size=1)
    valuation = ShapleyValuation(fits.utility, sampler, NoStopping(), **QUIET)
    valuation.fit(data)
    names = [int(str(name)) for name in valuation.result.names]
    return valuation.result.values[np.argsort(names)], {"n_evaluations": fits.n}


if __name__ == "__main__":
    serve(
        "pydvl",
        {
            "KNN-Shapley": knn,
            "Data-OOB": data_oob,
            "permutations": sampled(permutations),
            "TMC": sampled(truncated),
            "Beta(16, 1)": sampled(beta),
            "Banzhaf": sampled(banzhaf),
            "exact game": exact_game,
            "exact groups": exact_groups,
        },
    )
