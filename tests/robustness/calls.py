"""Every public function with arguments that it takes: small, and ended in milliseconds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from hcdv import (
    HCDV,
    Hierarchy,
    ValuationResult,
    baselines,
    datasets,
    diagnostics,
    encoder,
    games,
    io,
    shapley,
    tasks,
)
from hcdv.stopping import RankStability, StandardError, TimeBudget

N, N_VAL = 24, 8
RNG = np.random.default_rng(0)
Y, Y_VAL = np.arange(N) % 2, np.arange(N_VAL) % 2
X = RNG.normal(size=(N, 3)) + Y[:, None]
X_VAL = RNG.normal(size=(N_VAL, 3)) + Y_VAL[:, None]
GROUPS = np.arange(N) % 3
IDS = np.arange(N)
VALUES = RNG.normal(size=N)
ROWS = {"X": X, "y": Y, "X_val": X_VAL, "y_val": Y_VAL}
SEEDED = {"random_state": 0}
# How much work is done: small numbers only, or the test would not end.
AMOUNTS = frozenset(
    {
        "n", "n_days", "n_draws", "n_estimators", "n_evaluations", "n_folds", "n_jobs", "n_peers", "n_per_day",
        "n_permutations", "n_repeats", "n_samples", "n_test", "n_val", "block_rows", "epochs", "max_iter",
        "start", "T",
    }
)  # fmt: skip


# What the paper's letters are called elsewhere.
PAPER = ("smoothness", "contrast", "leaf_size", "n_permutations")


@dataclass(frozen=True)
class Call:
    """A function, and arguments that it takes.

    Attributes
    ----------
    function : callable
        Called with keywords only.
    good : dict
        Arguments that give a result.
    errors : tuple of exception types
        What it may raise beside ValueError and TypeError.
    words : tuple of str
        What a message may name in the place of an argument.
    keeps_nan : bool
        Whether what goes in as NaN or infinity comes out so: sums, say.
    """

    function: Callable[..., Any]
    good: Mapping[str, Any]
    errors: tuple[type[BaseException], ...] = ()
    words: tuple[str, ...] = ()
    keeps_nan: bool = False


def small() -> HCDV:
    return HCDV(utility="kernel", n_permutations=4, leaf_size=5, branching=4, n_jobs=1, random_state=0)


@cache
def _fitted() -> HCDV:
    return small().set_params(keep_chains=True).fit(X, Y, X_VAL, Y_VAL, groups=GROUPS, ids=IDS)


def fitted() -> HCDV:
    """A fitted model of one's own."""
    return copy.deepcopy(_fitted())


def fit(**arguments: Any) -> ValuationResult:
    given = {name: arguments.pop(name) for name in ("X", "y", "X_val", "y_val", "groups", "ids", "hierarchy")}
    return HCDV(**arguments).fit(**given).result_


@wraps(baselines.group_shapley)
def few_groups(**arguments: Any) -> ValuationResult:
    """Group Shapley, but not of 2^24 coalitions where every row is a group."""
    groups = arguments["groups"]
    is_many = isinstance(groups, list) or (isinstance(groups, np.ndarray) and groups.ndim > 0)
    if is_many and len(set(map(repr, groups))) > 10:
        arguments["method"] = "permutation"
    return baselines.group_shapley(**arguments)


def player_sum(coalitions: Any) -> Any:
    return coalitions.sum(axis=1)


def _calls() -> dict[str, Call]:
    failing = (games.UtilityError,)
    files = (OSError,)
    values = {"values": VALUES, "X": X, "y": Y}
    table = player_sum((np.arange(16)[:, None] >> np.arange(4)) & 1).astype(float)
    distance = np.abs(VALUES[:6, None] - VALUES[:6])
    model = LogisticRegression()
    played = {**ROWS, "utility": "kernel", "n_jobs": 1, "random_state": 0, "verbose": 0}
    frame = pd.DataFrame({"id": IDS, "value": VALUES})
    settings = {**HCDV().get_params(), **small().get_params()}
    made = {
        "HCDV.fit": Call(
            fit,
            {**ROWS, "groups": GROUPS, "ids": IDS, "hierarchy": None, **settings},
            (*failing, *files, ImportError),
        ),
        "HCDV.partial_fit": Call(
            lambda **given: fitted().partial_fit(**given).result_,
            {
                "X": X[:4],
                "y": Y[:4],
                "ids": IDS[:4] + 100,
                "groups": GROUPS[:4],
                "refresh": "drift",
                "tau": 0.35,
                "rebalance_every": 3,
                "tolerance": 0.04,
                "exact": False,
                "note": "",
            },
        ),
        "HCDV.forget": Call(
            lambda **given: fitted().forget(**given).result_,
            {
                "ids": IDS[:2],
                "groups": None,
                "refresh": "drift",
                "rebalance_every": 3,
                "tolerance": 0.04,
                "note": "",
            },
        ),
        "HCDV.paper": Call(
            HCDV.paper, {"K": (2, 2), "M": 4, "T": 4, "lambda_": 1.0, "alpha": 0.1}, words=PAPER
        ),
        "HCDV.save": Call(lambda path: fitted().save(path), {"path": "state"}, files),
        "HCDV.load": Call(HCDV.load, {"path": "absent"}, files),
        "Hierarchy.build": Call(
            Hierarchy.build,
            {"Z": X, "branching": 3, "leaf_size": 4, "capacity_slack": 0.2, "groups": GROUPS, **SEEDED},
        ),
        "Hierarchy.from_labels": Call(Hierarchy.from_labels, {"labels": [GROUPS, IDS]}),
        "Hierarchy.path": Call(lambda i: _fitted().hierarchy_.path(i), {"i": 3}),
        "Hierarchy.node_sums": Call(
            lambda values: _fitted().hierarchy_.node_sums(values), {"values": VALUES}, keeps_nan=True
        ),
        "ValuationResult.select": Call(
            lambda **given: _fitted().result_.select(**given),
            {"fraction": 0.3, "quota": "leaf", "floor": "auto", **SEEDED},
        ),
        "ValuationResult.reweight": Call(
            lambda kernel, contrast: _fitted().result_.reweight(kernel=kernel, contrast=contrast),
            {"kernel": 1.0, "contrast": 0.1},
        ),
        "ValuationResult.save": Call(lambda path: _fitted().result_.save(path), {"path": "values.hcdv"}, files),
        "ValuationResult.load": Call(ValuationResult.load, {"path": "absent"}, files),
        "StandardError": Call(StandardError, {"tol": 0.1, "min_permutations": 16}),
        "RankStability": Call(RankStability, {"correlation": 0.9, "min_permutations": 16}),
        "TimeBudget": Call(TimeBudget, {"seconds": 1.0}),
        "baselines.beta_shapley": Call(
            baselines.beta_shapley,
            {**played, "alpha": 16.0, "beta": 1.0, "n_permutations": 2, "tol": None},
            failing,
        ),
        "baselines.class_wise_shapley": Call(
            baselines.class_wise_shapley,
            {**played, "utility": games.Estimator(model), "normalise": True, "n_permutations": 2, "tol": None},
            failing,
        ),
        "baselines.data_banzhaf": Call(
            baselines.data_banzhaf, {**played, "n_samples": 8, "tol": None}, failing
        ),
        "baselines.data_oob": Call(
            baselines.data_oob, {**_without(played, "utility"), "model": None, "n_estimators": 12, "tol": None},
            failing,
        ),
        "baselines.data_shapley": Call(
            baselines.data_shapley, {**played, "n_permutations": 2, "truncation": None, "tol": None}, failing
        ),
        "baselines.du_shapley": Call(
            baselines.du_shapley,
            {**played, "groups": GROUPS, "n_clusters": 2, "n_draws": 1, "tol": None},
            failing,
        ),
        "baselines.group_shapley": Call(
            few_groups,
            {**played, "groups": GROUPS, "method": "exact", "n_clusters": 2, "n_permutations": 2, "tol": None},
            failing,
        ),
        "baselines.knn_shapley": Call(
            baselines.knn_shapley, {**_without(played, "utility"), "k": 3, "weighted": False}
        ),
        "baselines.leave_one_out": Call(baselines.leave_one_out, played, failing),
        "baselines.out_of_fold_confidence": Call(
            baselines.out_of_fold_confidence,
            {**_without(played, "utility"), "model": model, "n_folds": 2},
            failing,
        ),
        "baselines.random_values": Call(baselines.random_values, played, failing),
        "baselines.stratified_shapley": Call(
            baselines.stratified_shapley, {**played, "exponent": -1.0, "n_samples": 2 * N, "tol": None}, failing
        ),
        "datasets.flip_labels": Call(datasets.flip_labels, {"y": Y, "fraction": 0.2, **SEEDED}),
        "datasets.make_synthetic": Call(datasets.make_synthetic, {"n": 2, "n_val": 2, "n_test": 2, **SEEDED}),
        "datasets.make_ctr": Call(
            datasets.make_ctr, {"n": 2, "n_val": 2, "n_test": 2, "label_noise": 0.0, **SEEDED}
        ),
        "datasets.make_clickstream": Call(
            datasets.make_clickstream, {"n_days": 2, "n_per_day": 2, "n_val": 2, "n_test": 2, **SEEDED}
        ),
        "datasets.ctr_blocks": Call(
            lambda **given: list(datasets.ctr_blocks(**given)),
            {"n": 2, "block_rows": 2, "start": 0, "part": "train", "label_noise": 0.0, **SEEDED},
        ),
        "datasets.write_ctr": Call(
            datasets.write_ctr,
            {"folder": "ctr", "n": 2, "block_rows": 2, "part": "train", "label_noise": 0.0, **SEEDED},
            files,
        ),
        **{
            f"datasets.load_{name}": Call(
                getattr(datasets, f"load_{name}"), {"n": 3, "n_val": 3, "n_test": 3, **SEEDED}
            )
            for name in ("breast_cancer", "digits", "iris", "wine")
        },
        "diagnostics.bound_of": Call(diagnostics.bound_of, {"level_errors": [0.1, 0.2], "leaf_error": 0.1}),
        "diagnostics.diagnose": Call(
            diagnostics.diagnose,
            {"model": _fitted(), **ROWS, "n_repeats": 2, "delta": 0.05, "fraction": 0.3, **SEEDED},
        ),
        "diagnostics.evaluations_for": Call(
            diagnostics.evaluations_for, {"n_permutations": 4, "hierarchy": _fitted().hierarchy_}
        ),
        "diagnostics.level_sizes": Call(diagnostics.level_sizes, {"hierarchy": _fitted().hierarchy_}),
        "diagnostics.permutations_for": Call(
            diagnostics.permutations_for,
            {"eta": 0.1, "delta": 0.05, "value_range": 1.0, "n_nodes": 1, "antithetic": False},
        ),
        "diagnostics.radius": Call(
            diagnostics.radius,
            {"n_permutations": 4, "n_nodes": 1, "value_range": 1.0, "delta": 0.05, "antithetic": False},
        ),
        "diagnostics.regret_bound": Call(diagnostics.regret_bound, {"k": 3, "error": 0.1}),
        "encoder.make_encoder": Call(
            lambda X, encoder_, device: encoder.make_encoder(X, encoder_, device=device).fit(X).transform(X),
            {"X": X, "encoder_": "identity", "device": "cpu"},
            failing,
            words=("encoders",),
        ),
        "encoder.encode_to_disk": Call(
            encoder.encode_to_disk,
            {
                "encoder": _fitted().encoder_,
                "X": X,
                "path": "spaces.npy",
                "n_rows": None,
                "space": None,
                "dtype": "float32",
                "block_rows": 8,
                "resume": True,
            },
            files,
        ),
        "encoder.load_encoder": Call(encoder.load_encoder, {"path": "absent"}, files),
        "encoder.save_encoder": Call(
            encoder.save_encoder, {"encoder": _fitted().encoder_, "path": "encoder"}, files
        ),
        "games.CoalitionCache": Call(games.CoalitionCache, {"path": None, "max_entries": 10}, files),
        "games.Estimator": Call(
            games.Estimator, {"model": model, "metric": "accuracy", "name": "", "n_jobs": 1}, words=("utility",)
        ),
        "games.Forest": Call(games.Forest, {"validation_weight": 0.03}),
        "games.Function": Call(
            games.Function, {"f": len, "name": "function", "version": None}, words=("utility",)
        ),
        "games.Kernel": Call(games.Kernel, {"validation_weight": 0.03, "width": 1.0}),
        "games.Logistic": Call(games.Logistic, {"C": 1.0, "metric": "accuracy", "tol": 1e-8, "max_iter": 100}),
        "games.MultiFidelity": Call(
            games.MultiFidelity, {"upper": "logistic", "lower": "kernel", "resolution": 1}
        ),
        "games.Ridge": Call(games.Ridge, {"alpha": 1.0}),
        "games.normalised_dispersion": Call(
            lambda **given: games.normalised_dispersion(**given)(np.ones((1, 3), bool)),
            {"Z": X, "y": Y, "groups": GROUPS},
        ),
        "io.check_destination": Call(io.check_destination, {"path": "values.csv"}, files),
        "io.read_table": Call(io.read_table, {"path": "absent.csv"}, files),
        "io.write_values": Call(io.write_values, {"frame": frame, "path": "values.csv"}, files),
        "shapley.dispersion_table": Call(
            shapley.dispersion_table,
            {
                "pair_distance": distance,
                "pair_count": 1.0 - np.eye(6),
                "dispersion": "centred",
                "kappa": 0.1,
                "centre": 0.1,
            },
        ),
        "shapley.estimate": Call(
            shapley.estimate,
            {
                "game": player_sum,
                "n_players": 4,
                "n_permutations": 4,
                "method": "auto",
                "n_evaluations": None,
                **SEEDED,
            },
        ),
        "shapley.exact": Call(shapley.exact, {"game": player_sum, "n_players": 4}),
        "shapley.exact_values": Call(shapley.exact_values, {"values_table": table}, words=("coalitions",)),
        "shapley.knn_shapley_values": Call(shapley.knn_shapley_values, {**ROWS, "k": 3, "n_jobs": 1}),
        "shapley.leaf_count_vectors": Call(shapley.leaf_count_vectors, {"labels": Y[:6]}),
        "shapley.leaf_dispersion_values": Call(
            shapley.leaf_dispersion_values,
            {"distance": distance, "labels": Y[:6], "dispersion": "centred", "kappa": 0.1, "centre": 0.1},
        ),
        "shapley.winter_exact": Call(
            shapley.winter_exact, {"game": player_sum, "hierarchy": Hierarchy.from_labels([np.arange(6) % 2])}
        ),
        **{
            f"tasks.{name}": Call(
                getattr(tasks, name),
                {
                    **values,
                    "X_test": X_VAL,
                    "y_test": Y_VAL,
                    "model": model,
                    "order": order,
                    "fractions": np.array([0.1, 0.5]),
                    "metric": "accuracy",
                    "n_draws": 1,
                    "n_jobs": 1,
                    **SEEDED,
                },
                failing,
            )
            for name, order in (("addition_curve", "highest"), ("removal_curve", "lowest"))
        },
        "tasks.detect_label_noise": Call(
            tasks.detect_label_noise, {"values": VALUES, "y": Y, "is_flipped": Y == 1, "alpha": 0.1, "k": 3}
        ),
        "tasks.marketplace_payouts": Call(
            tasks.marketplace_payouts,
            {
                "values": VALUES,
                "by": GROUPS,
                "total": 100,
                "currency": "EUR",
                "decimals": 2,
                "nonnegative": True,
                "minimum": 0,
                "leave_one_out": None,
            },
        ),
        "tasks.plant_flips": Call(
            tasks.plant_flips, {"model": small(), **ROWS, "fraction": 0.1, "n_repeats": 1, **SEEDED}, failing
        ),
        "tasks.rank_augmentations": Call(
            tasks.rank_augmentations,
            {
                "model": small(),
                "X": X,
                "y": Y,
                "candidates": {"new": (X_VAL, Y_VAL)},
                "X_val": X_VAL,
                "y_val": Y_VAL,
                "dense": 0.5,
                "tolerance": 0.1,
            },
        ),
        "tasks.redundancy": Call(
            tasks.redundancy, {**values, "X_val": X_VAL, "y_val": Y_VAL, "tolerance": 0.1, "n_peers": 3}
        ),
        "tasks.stability": Call(
            tasks.stability,
            {"model": small(), **ROWS, "groups": None, "n_repeats": 2, "epsilon": 1e-12, **SEEDED},
            failing,
        ),
    }
    return made


def _without(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != name}


CALLS = _calls()
