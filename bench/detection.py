"""Noisy-label detection: HCDV's default against the strongest simple methods, in one run.

    python -m bench.detection --scale full --json bench/results/detection.json

Labels of the training rows are flipped (5% and 15%), validation rows stay clean, every method sees both.
AUC ranks rows by value; F1 is OpenDataVal's (exact 1-D 2-means on the values, lower cluster = noisy).
The rivals run on the untouched standardised columns; out-of-fold confidences are trained on training and
validation rows together.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from bench._flips import flip_scores
from bench._measure import arguments, run
from bench._sets import SETS, rival_columns
from hcdv import HCDV
from hcdv.datasets import flip_labels
from hcdv.shapley import knn_shapley_values

NOISES = (0.05, 0.15)
OURS = "hcdv"


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    names = options.sets or (
        list(SETS) if options.scale == "full" else ["synthetic", "digits", "breast_cancer"]
    )
    seeds = range(options.seeds if options.seeds else (5 if options.scale == "full" else 1))
    cells = [(name, noise, seed) for name in names for noise in NOISES for seed in seeds]
    # Long cells first, so that the cores finish together.
    cells.sort(key=lambda cell: cell[0] != "adult")
    rows: list[dict[str, Any]] = []
    for found in Parallel(n_jobs=options.jobs, return_as="generator_unordered")(
        delayed(one_cell)(*cell, options.ours_only) for cell in cells
    ):
        rows += found
        for row in found:
            if row["method"] == OURS:
                print(_line(row), flush=True)
    report(rows)
    return rows


def one_cell(name: str, noise: float, seed: int, ours_only: bool) -> list[dict[str, Any]]:
    """Every method on one data set, noise level and seed."""
    warnings.filterwarnings("ignore")
    data = SETS[name](seed)
    y, is_flipped = flip_labels(data.y, noise, random_state=1000 + seed)
    X, X_val = rival_columns(data.X, data.X_val)
    methods: dict[str, Callable[[], Any]] = {
        OURS: lambda: HCDV(random_state=seed, n_jobs=1).fit(data.X, y, data.X_val, data.y_val).values_
    }
    if not ours_only:
        methods |= {
            "knn_shapley": lambda: knn_shapley_values(X, y, X_val, data.y_val, n_jobs=1),
            "oof_logistic": lambda: out_of_fold(
                LogisticRegression(max_iter=300), X, y, X_val, data.y_val, seed
            ),
            "oof_forest": lambda: out_of_fold(
                RandomForestClassifier(100, min_samples_leaf=3, random_state=seed),
                X, y, X_val, data.y_val, seed,
            ),
            "data_oob": lambda: data_oob(X, y, seed),
        }  # fmt: skip
    rows = []
    for method, value in methods.items():
        begin = time.perf_counter()
        values = np.asarray(value())
        seconds = time.perf_counter() - begin
        rows.append(
            {
                "set": name,
                "noise": noise,
                "seed": seed,
                "method": method,
                "n": len(y),
                **flip_scores(values, is_flipped),
                "seconds": seconds,
            }
        )
    return rows


def out_of_fold(
    model: Any, X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, seed: int
) -> np.ndarray:
    """Out-of-fold probability of the given label (cleanlab's recipe)."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    rows, labels = np.vstack([X, X_val]), np.concatenate([y, y_val])
    probabilities = cross_val_predict(model, rows, labels, cv=folds, method="predict_proba")
    classes = np.unique(labels)
    return probabilities[np.arange(len(y)), np.searchsorted(classes, y)]


def data_oob(X: np.ndarray, y: np.ndarray, seed: int, n_estimators: int = 100) -> np.ndarray:
    """Data-OOB (Kwon and Zou 2023): share of the trees without row i in their bag that predict y_i."""
    # All columns in every split would take minutes on images, and rank no better.
    tree = DecisionTreeClassifier(max_features="sqrt" if X.shape[1] > 120 else None)
    bags = BaggingClassifier(tree, n_estimators, random_state=seed).fit(X, y)
    hits, seen = np.zeros(len(y)), np.zeros(len(y))
    for grown, bag in zip(bags.estimators_, bags.estimators_samples_, strict=True):
        out = np.ones(len(y), bool)
        out[bag] = False
        hits[out] += bags.classes_[grown.predict(X[out]).astype(int)] == y[out]
        seen[out] += 1
    return np.divide(hits, seen, out=np.full(len(y), 0.5), where=seen > 0)


def report(rows: list[dict[str, Any]]) -> None:
    """Means over seeds by cell, means over cells by method, and how often ours leads."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    cells = list(dict.fromkeys((row["set"], row["noise"]) for row in rows))
    cells.sort(key=lambda c: (c[1], list(SETS).index(c[0])))

    def mean(key: str, method: str, cell: tuple[str, float] | None, noise: float = 0.0) -> float:
        chosen = [
            row[key]
            for row in rows
            if row["method"] == method
            and ((row["set"], row["noise"]) == cell if cell else row["noise"] == noise)
        ]
        return float(np.mean(chosen)) if chosen else float("nan")

    for key in ("auc", "f1", "seconds"):
        print(f"\n{key:<18}" + "".join(f"{m:>14}" for m in methods))
        for cell in cells:
            figures = "".join(f"{mean(key, m, cell):>14.3f}" for m in methods)
            print(f"{cell[0]:<13}{cell[1]:>5.0%}{figures}")
        for noise in sorted({c[1] for c in cells}):
            # Cells count alike, so plain means over rows are means over cells (equal numbers of seeds).
            figures = "".join(f"{mean(key, m, None, noise):>14.4f}" for m in methods)
            print(f"{'mean':<13}{noise:>5.0%}{figures}")
    rivals = [m for m in methods if m != OURS]
    if rivals:
        ahead = sum(
            mean("auc", OURS, c) >= max(mean("auc", m, c) for m in rivals) - 0.005 for c in cells
        )
        print(f"\nAUC best or within .005 of the best on {ahead} of {len(cells)} cells")


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['set']:<13} {row['noise']:.0%} seed {row['seed']}: AUC {row['auc']:.3f} "
        f"F1 {row['f1']:.3f} in {row['seconds']:.1f} s"
    )


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--sets", nargs="*", choices=list(SETS))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--ours-only", action="store_true")
    run(main, parser.parse_args())
