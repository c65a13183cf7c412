"""The logistic utility against scikit-learn's fit-and-score loop, and what a model's nodes cost and are worth.

    python -m bench.logistic --scale full --json logistic.json

CPU seconds of one thread a side, but for the exact game and the fits of whole data sets (wall seconds).
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bench._measure import arguments, run
from hcdv import HCDV, datasets
from hcdv.datasets import flip_labels
from hcdv.engine import single_threaded_blas
from hcdv.games import GivenRows, MultiFidelity, RetrainedGame
from hcdv.games.metrics import make_metric
from hcdv.games.retrained._torch_logistic import LogisticTrainer
from hcdv.shapley import exact

N, N_VAL = 1000, 1000


def made_rows(n_columns: int = 20) -> GivenRows:
    """make_classification, standardised, 15% of the training labels flipped."""
    X, y = make_classification(
        N + N_VAL, n_columns, n_informative=n_columns // 2, class_sep=1.5, random_state=0
    )
    X = (X - X.mean(0)) / X.std(0)
    labels, _ = flip_labels(y[:N], 0.15, random_state=0)
    return given(X[:N], labels, X[N:], y[N:])


def given(X: Any, y: Any, X_val: Any, y_val: Any) -> GivenRows:
    classes, codes = np.unique(y, return_inverse=True)
    codes_val = np.searchsorted(classes, y_val)
    return GivenRows(X, X, codes, classes, np.arange(len(y)), X_val, X_val, codes_val)


def trainer(rows: GivenRows) -> LogisticTrainer:
    return LogisticTrainer(
        rows, metric=make_metric("accuracy"), C=1.0, tol=1e-8, max_iter=100, device="cpu"
    )


def chain_row(name: str, rows: GivenRows, n_chains: int, every: int) -> dict[str, Any]:
    """Chains of all prefixes (scikit-learn: every so many of them), both on the same coalitions."""
    rng = np.random.default_rng(0)
    n = rows.n_rows
    ours = trainer(rows)
    stops = np.arange(1, n + 1)
    ours.chain_scores(rng.permutation(n), stops[:50])
    spent, default, differing, gaps = 0.0, 0.0, [], []
    n_default = 0
    for _ in range(n_chains):
        order = rng.permutation(n)
        begin = time.process_time()
        scores = ours.chain_scores(order, stops)
        spent += time.process_time() - begin
        for stop in range(every, n + 1, every):
            members = np.sort(order[:stop])
            labels = rows.labels[members]
            if len(np.unique(labels)) < 2:
                continue
            begin = time.process_time()
            LogisticRegression().fit(rows.X[members], labels).score(rows.X_val, rows.labels_val)
            default += time.process_time() - begin
            n_default += 1
            tight = LogisticRegression(tol=1e-8, max_iter=50_000).fit(rows.X[members], labels)
            codes = tight.predict(rows.X_val)
            mine = ours.probabilities([members])[0].argmax(1)
            differing.append(float((codes != mine).mean() * 1000))
            gaps.append(abs(float((codes == rows.labels_val).mean()) - float(scores[stop - 1])))
    per_fit, theirs = spent / (n_chains * n), default / n_default
    return {
        "what": f"chains of {name}",
        "fits": n_chains * n,
        "us_per_fit": per_fit * 1e6,
        "sklearn_us_per_fit": theirs * 1e6,
        "share": per_fit / theirs,
        "rows_differing_per_1000_mean": float(np.mean(differing)),
        "rows_differing_per_1000_max": float(np.max(differing)),
        "accuracy_gap_mean": float(np.mean(gaps)),
        "accuracy_gap_max": float(np.max(gaps)),
    }


def exact_row(n_groups: int) -> dict[str, Any]:
    """Exact Shapley values of k-means groups: every one of 2^m coalitions trained once."""
    rows = made_rows()
    groups = KMeans(n_groups, n_init=3, random_state=0).fit_predict(rows.X)
    order = np.argsort(groups, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=n_groups))])
    game = RetrainedGame(trainer(rows), rows.order, name="logistic")

    def value(coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        return game.coalitions(order, bounds, coalitions)

    begin = time.perf_counter()
    with single_threaded_blas():
        values = exact(value, n_groups)
    return {
        "what": f"exact Shapley values of {n_groups} groups, n = {N}",
        "fits": game.n_evaluations,
        "wall_seconds": time.perf_counter() - begin,
        "sum_of_values": float(values.sum()),
    }


def facade_row(name: str, data: datasets.Dataset, utility: Any) -> dict[str, Any]:
    """A whole fit; detection of 15% flipped labels."""
    labels, is_flipped = flip_labels(data.y, 0.15, random_state=0)
    begin = time.perf_counter()
    model = HCDV(utility=utility, random_state=0).fit(data.X, labels, data.X_val, data.y_val)
    seconds = time.perf_counter() - begin
    result = model.result_
    return {
        "what": f"fit {name}, {utility}",
        "rows": len(labels),
        "wall_seconds": seconds,
        "fits": result.n_evaluations,
        "auc": float(roc_auc_score(is_flipped, -result.values)),
        "efficiency_gap": result.efficiency_gap,
        "fidelity": dict(result.fidelity),
    }


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    warnings.simplefilter("ignore")
    full = options.scale == "full"
    rows = []

    def show(row: dict[str, Any]) -> None:
        rows.append(row)
        facts = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()}
        print(", ".join(f"{k} {v}" for k, v in facts.items()), flush=True)

    with single_threaded_blas():
        show(chain_row("two classes, d = 20", made_rows(), 3 if full else 1, 1 if full else 50))
        digits = datasets.load_digits(n=1000, n_val=300, n_test=497, random_state=0)
        few = 300 if not full else 1000
        show(
            chain_row(
                "digits, 10 classes, d = 64",
                given(digits.X[:few], digits.y[:few], digits.X_val, digits.y_val), 1, 100,
            )
        )  # fmt: skip
    show(exact_row(16 if full else 8))
    synthetic = datasets.make_synthetic(random_state=0)
    levels: list[int | str] = [1, 2, 3, "points"] if full else [2]
    for level in levels:
        show(facade_row("Synthetic", synthetic, MultiFidelity("logistic", "auto", level)))
    if full:
        show(facade_row("Synthetic", synthetic, "auto"))
        show(facade_row("Adult", datasets.load_adult(n_val=2000, random_state=0), "logistic"))
    return rows


if __name__ == "__main__":
    run(main, arguments(__doc__ or "").parse_args())
