"""Answers of one environment on stored rows: the bits of kernels, and how near values come to stored ones.

    python .ci/matrix.py               prints digests, and fails if values are too far from the stored
    python .ci/matrix.py --store       makes .ci/matrix.npz anew, by the versions at hand
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import scipy
import sklearn
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from hcdv import HCDV, Hierarchy
from hcdv.affinity import Affinity, kernel_affinity
from hcdv.allocation import walk_chains
from hcdv.datasets import flip_labels, make_synthetic
from hcdv.engine import Threads
from hcdv.games import Electorate, VoteGame
from hcdv.shapley import knn_shapley_values, leaf_dispersion_values

STORED = Path(__file__).with_suffix(".npz")
TREE = ("order", "start", "stop", "parent", "first_child", "n_children", "level_start")
# Each with numbers only, and as a table with a column of words.
PIPELINES = {"numbers": "auto", "forest": ["forest", "fit"]}
LEAST_SPEARMAN, MOST_AUC = 0.98, 0.005


def rows() -> dict[str, np.ndarray]:
    """Rows, a tree over them and an affinity, to be stored."""
    data = make_synthetic(n=500, n_val=100, n_test=2, random_state=0)
    y, flipped = flip_labels(data.y, 0.15, random_state=0)
    tree = Hierarchy.build(data.X, random_state=0)
    X = np.asarray(data.X, np.float32)[tree.order]
    votes = kernel_affinity(X, n_neighbors=16, threads=Threads(1))
    return {
        "X": X, "y": y[tree.order], "X_val": np.asarray(data.X_val, np.float32), "y_val": data.y_val,
        "flipped": flipped[tree.order], "point_key": tree.point_key, "node_key": tree.node_key,
        "indptr": votes.indptr, "indices": votes.indices, "weights": votes.weights,
        **{name: getattr(tree, name) for name in TREE},
    }  # fmt: skip


def kernels(stored: dict[str, np.ndarray]) -> dict[str, str]:
    """Digests of what compiled loops answer on the stored tree and affinity."""
    X, y = stored["X"], stored["y"]
    n = len(y)
    tree = Hierarchy(**{name: stored[name] for name in (*TREE, "point_key", "node_key")}).sorted()
    votes = Affinity(stored["indptr"], stored["indices"], stored["weights"], n)
    game = VoteGame(Electorate.of(votes, y, 2, prior_share=0.1), 2)
    moments, _ = walk_chains(
        {"votes": game}, tree, n_permutations=16, seed=0, threads=Threads(2), weights=np.ones(1)
    )
    distance = np.abs(X[:8, :1].astype(np.float64) - X[:8, 0])
    answers = {
        "chains": (moments.points.mean, moments.points.comoment, moments.nodes.mean),
        "nearest": (knn_shapley_values(X, y, stored["X_val"], stored["y_val"]),),
        "leaf": (leaf_dispersion_values(distance, y[:8]),),
    }
    return {
        name: hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]
        for name, arrays in answers.items()
    }


def pipelines(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values by the whole way from rows to values."""
    X, y, X_val, y_val = (stored[name] for name in ("X", "y", "X_val", "y_val"))
    return {
        name: HCDV(utility=utility, random_state=0).fit(X, y, X_val, y_val).values_
        for name, utility in PIPELINES.items()
    }


def main(arguments: list[str]) -> int:
    if arguments == ["--store"]:
        stored = rows()
        np.savez_compressed(STORED, **stored, **{f"values_{k}": v for k, v in pipelines(stored).items()})
        return 0
    with np.load(STORED, allow_pickle=False) as file:
        stored = dict(file)
    failed = False
    for name, values in pipelines(stored).items():
        before = stored[f"values_{name}"]
        rank = float(spearmanr(values, before).statistic)
        area, area_before = (roc_auc_score(stored["flipped"], -v) for v in (values, before))
        bad = not (rank >= LEAST_SPEARMAN and abs(area - area_before) <= MOST_AUC)
        failed |= bad
        print(f"{name}: Spearman {rank:.4f}, AUC {area:.4f} ({area_before:.4f} stored){' FAILED' * bad}")
    found = (np, scipy, sklearn, pandas, pyarrow)
    print(", ".join(f"{module.__name__} {module.__version__}" for module in found))
    print("kernels", json.dumps(kernels(stored), sort_keys=True))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
