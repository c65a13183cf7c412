"""Copies of rows: what each further copy adds, as a share of what a single row is worth.

    python -m bench.copies --scale full --jobs 2 --json bench/results/copies.json

30 rows drawn at random are there 2, 3 or 10 times.  ``paid`` is the median over the 30 groups of
(value of the group / value of one row in its place - 1) / further copies (hcdv.tasks.redundancy, against a
second valuation with one row of each group): 0 where copies share one row's value, 1 where each is paid in
full.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from bench._measure import arguments, run
from bench._sets import SETS, rival_columns
from hcdv import HCDV
from hcdv.baselines import knn_shapley
from hcdv.tasks import redundancy

N_GROUPS, SIZES = 30, (2, 3, 10)
USED = ("synthetic", "digits", "breast_cancer", "adult_2000")


def by_neighbours(X: Any, y: Any, X_val: Any, y_val: Any) -> Any:
    """KNN-Shapley on standardised columns."""
    columns, columns_val = rival_columns(X, X_val)
    return knn_shapley(columns, y, columns_val, y_val)


METHODS: dict[str, Any] = {
    "HCDV": HCDV(random_state=0, n_jobs=1),
    "HCDV, fixed weights": HCDV(weights="fixed", random_state=0, n_jobs=1),
    "HCDV, no validation rows": HCDV(random_state=0, n_jobs=1),
    "KNN-Shapley": by_neighbours,
}


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    full = options.scale == "full"
    names = USED if full else ("breast_cancer",)
    cells = [(name, seed) for name in names for seed in range(5 if full else 1)]
    rows = [
        row
        for found in Parallel(n_jobs=options.jobs)(delayed(one_cell)(*cell) for cell in cells)
        for row in found
    ]
    columns = [(name, size) for name in names for size in SIZES]
    print("each further copy adds   " + "".join(f"{name[:9]:>10}{size:>3}" for name, size in columns))
    for method in METHODS:
        paid = [
            np.mean([r["paid"] for r in rows if (r["method"], r["set"], r["size"]) == (method, *column)])
            for column in columns
        ]
        print(f"{method:<25}" + "".join(f"{share:>13.0%}" for share in paid), flush=True)
    return rows


def one_cell(name: str, seed: int) -> list[dict[str, Any]]:
    """Every method and size of groups on one data set and seed."""
    warnings.filterwarnings("ignore")
    data = SETS[name](seed)
    chosen = np.random.default_rng(seed).choice(len(data.y), N_GROUPS, replace=False)
    rows = []
    for size in SIZES:
        repeated = np.concatenate([np.arange(len(data.y)), np.repeat(chosen, size - 1)])
        X = data.X.iloc[repeated] if hasattr(data.X, "iloc") else data.X[repeated]
        y = data.y[repeated]
        for method, model in METHODS.items():
            trusted = (None, None) if method.endswith("no validation rows") else (data.X_val, data.y_val)
            if isinstance(model, HCDV):
                values = model.fit(X, y, *trusted).result_
            else:
                values = model(X, y, *trusted)
            found = redundancy(values, X, y, *trusted, model=model, tolerance=0)
            rows.append(
                {
                    "set": name,
                    "seed": seed,
                    "size": size,
                    "method": method,
                    "paid": found.median_paid,
                    "groups": len(found.sizes),
                }
            )
    return rows


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--jobs", type=int, default=1)
    run(main, parser.parse_args())
