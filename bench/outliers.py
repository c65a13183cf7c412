"""Gross outliers beside the rows: how much they change the values of the others.

    python -m bench.outliers --scale full --jobs 2 --json bench/results/outliers.json

2% of rows with numbers 20 standard deviations wide and labels at random are added.  ``without`` is the
Spearman correlation of the values under two seeds before, ``with`` that of the first of them with the values of
the same rows once the outliers are there, under the second seed.  Their difference is what the outliers cost.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import spearmanr

from bench._measure import arguments, run
from bench._sets import SETS
from hcdv import HCDV
from hcdv.datasets import flip_labels
from hcdv.encoder import Contrastive

SHARE, WIDTH, NOISE = 0.02, 20.0, 0.15
VARIANTS: dict[str, Any] = {
    "identity": "identity",
    "contrastive": "contrastive",
    "contrastive, alpha 0": Contrastive(smoothness=0.0),
    "contrastive, alpha 1": Contrastive(smoothness=1.0),
    "both": ["identity", "contrastive"],
    "both, alpha 0": ["identity", Contrastive(smoothness=0.0)],
    "both, alpha 1": ["identity", Contrastive(smoothness=1.0)],
}


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    full = options.scale == "full"
    names = options.sets or ([name for name in SETS if name != "adult"] if full else ["breast_cancer"])
    cells = [(name, seed) for name in names for seed in range(3 if full else 1)]
    rows = [
        row
        for found in Parallel(n_jobs=options.jobs)(delayed(one_cell)(*cell) for cell in cells)
        for row in found
    ]
    print("with - without (without)" + "".join(f"{name[:12]:>16}" for name in names) + f"{'mean':>16}")
    for variant in VARIANTS:
        cost = []
        for name in names:
            mine = [row for row in rows if (row["variant"], row["set"]) == (variant, name)]
            before, after = (float(np.mean([row[key] for row in mine])) for key in ("without", "with"))
            cost.append((after - before, before))
        figures = [*cost, tuple(np.mean(cost, axis=0))]
        print(f"{variant:<24}" + "".join(f"  {drop:+.3f} ({rho:.3f})" for drop, rho in figures), flush=True)
    return rows


def one_cell(name: str, seed: int) -> list[dict[str, Any]]:
    """Every variant on one data set and seed."""
    warnings.filterwarnings("ignore")
    data = SETS[name](seed)
    y, _ = flip_labels(data.y, NOISE, random_state=1000 + seed)
    X_more, y_more = with_outliers(data.X, y, np.random.default_rng(seed))
    rows = []
    for variant, encoder in VARIANTS.items():

        def values(X: Any, y: np.ndarray, seed: int, encoder: Any = encoder) -> np.ndarray:
            model = HCDV(encoder=encoder, random_state=seed, n_jobs=1)
            return np.asarray(model.fit(X, y, data.X_val, data.y_val).values_)

        first, second = (values(data.X, y, seed + shift) for shift in (0, 100))
        disturbed = values(X_more, y_more, seed + 100)[: len(y)]
        rows.append(
            {
                "set": name,
                "seed": seed,
                "variant": variant,
                "without": float(spearmanr(first, second).statistic),
                "with": float(spearmanr(first, disturbed).statistic),
            }
        )
    return rows


def with_outliers(X: Any, y: np.ndarray, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    """The rows, and 2% more behind them whose numbers are far out."""
    n = max(1, round(SHARE * len(y)))
    copied = rng.choice(len(y), n, replace=False)
    labels = np.concatenate([y, rng.permutation(y)[:n]])
    if isinstance(X, pd.DataFrame):
        more = X.iloc[copied].copy()
        numbers = X.select_dtypes("number").columns
        more[numbers] = X[numbers].mean().to_numpy() + WIDTH * X[numbers].std().to_numpy() * rng.normal(
            size=(n, len(numbers))
        )
        return pd.concat([X.astype(dict.fromkeys(numbers, float)), more], ignore_index=True), labels
    X = np.asarray(X, np.float64)
    spread = np.maximum(X.std(axis=0), 1e-3 * X.std())
    more = X.mean(axis=0) + WIDTH * spread * rng.normal(size=(n, *X.shape[1:]))
    return np.concatenate([X, more]), labels


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--sets", nargs="*", choices=list(SETS))
    parser.add_argument("--jobs", type=int, default=1)
    run(main, parser.parse_args())
