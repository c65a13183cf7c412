"""Our own methods in a process of their own, for bench.peers (see _worker.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
from _worker import Answer, Arrays, BlackBox, Method, serve
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import hcdv
from hcdv import baselines
from hcdv.engine import single_threaded_blas
from hcdv.partition import balanced_split
from hcdv.shapley import exact, knn_shapley_values

# Methods that fit logistic regressions, in torch.
LOGISTIC = ("permutations", "TMC", "Beta(16, 1)", "Banzhaf", "exact groups")
TRUNCATION = 1.0


def data(arrays: Arrays) -> list[np.ndarray]:
    return [arrays[name] for name in ("X", "y", "X_val", "y_val")]


def default(arrays: Arrays, options: dict[str, Any]) -> Answer:
    """HCDV with nothing set."""
    fitted = hcdv.HCDV(random_state=options["seed"], n_jobs=1).fit(*data(arrays))
    return fitted.values_, {}


def some_chains(arrays: Arrays, options: dict[str, Any]) -> Answer:
    """HCDV with a utility and a number of chains."""
    model = hcdv.HCDV(
        utility=options["utility"], n_permutations=options["number"], random_state=options["seed"], n_jobs=1
    )
    return model.fit(*data(arrays)).values_, {}


def knn(arrays: Arrays, options: dict[str, Any]) -> Answer:
    return knn_shapley_values(*data(arrays), k=options["k"], n_jobs=1), {}


def closed_form(arrays: Arrays, options: dict[str, Any]) -> Answer:
    """KNN-Shapley as one writes it in plain numpy: neither library's code."""
    from bench.exact import knn_in_numpy

    return knn_in_numpy(*data(arrays), options["k"]), {}


def data_oob(arrays: Arrays, options: dict[str, Any]) -> Answer:
    models = {"logistic": LogisticRegression(max_iter=200), "tree": DecisionTreeClassifier()}
    found = baselines.data_oob(
        *data(arrays), model=models[options["model"]], n_estimators=options["number"],
        random_state=options["seed"], n_jobs=1,
    )  # fmt: skip
    # Squared standard errors, for the agreement with others to within sampling error.
    return found.values, {"n_evaluations": found.n_evaluations, "squared_errors": (found.std_error**2).tolist()}


def out_of_fold(arrays: Arrays, options: dict[str, Any]) -> Answer:
    model = LogisticRegression(max_iter=200) if options["model"] == "logistic" else None
    found = baselines.out_of_fold_confidence(*data(arrays), model=model, random_state=options["seed"], n_jobs=1)
    return found.values, {"n_evaluations": found.n_evaluations}


def sampled(valuation: Any, number: str, **given: Any) -> Method:
    """A semivalue of logistic regressions; ``number`` names the argument that says how much is sampled."""

    def run(arrays: Arrays, options: dict[str, Any]) -> Answer:
        found = valuation(
            *data(arrays), utility="logistic", random_state=options["seed"], n_jobs=1,
            **{number: options["number"]}, **given,
        )  # fmt: skip
        return found.values, {"n_evaluations": found.n_evaluations}

    return run


def exact_game(arrays: Arrays, options: dict[str, Any]) -> Answer:
    game = BlackBox(arrays)
    return exact(game.batch, game.n_players), {"n_evaluations": game.n_evaluations}


def exact_groups(arrays: Arrays, options: dict[str, Any]) -> Answer:
    groups = arrays["groups"]
    found = baselines.group_shapley(
        *data(arrays), groups=groups, utility="logistic", random_state=options["seed"], n_jobs=1
    )
    # Every row of a group gets an equal part of the group's value.
    return np.bincount(groups, found.values), {"n_evaluations": found.n_evaluations}


def balanced(arrays: Arrays, options: dict[str, Any]) -> Answer:
    with single_threaded_blas():
        return balanced_split(arrays["Z"], options["clusters"], 0.0, options["seed"]), {}


def prepare(method: str) -> None:
    """Import what a method would import inside its first call."""
    if method in LOGISTIC:
        import torch  # noqa: F401


if __name__ == "__main__":
    serve(
        "hcdv",
        {
            "default": default,
            "fewer chains": some_chains,
            "ridge evidence": some_chains,
            "KNN-Shapley": knn,
            "closed form": closed_form,
            "Data-OOB": data_oob,
            "out of fold": out_of_fold,
            "permutations": sampled(baselines.data_shapley, "n_permutations"),
            "TMC": sampled(baselines.data_shapley, "n_permutations", truncation=TRUNCATION),
            "Beta(16, 1)": sampled(baselines.beta_shapley, "n_permutations"),
            "Banzhaf": sampled(baselines.data_banzhaf, "n_samples"),
            "exact game": exact_game,
            "exact groups": exact_groups,
            "balanced k-means": balanced,
        },
        prepare,
    )
