"""Learned spaces against the identity: finding flipped labels, retraining on a chosen 30%, and seconds.

    python -m bench.encoder --scale full --jobs 2 --json bench/results/encoder.json --plot docs/images/space.png

Each variant is the default valuation with another ``encoder=``: a space alone, two spaces side by side, or
those with one knob of the contrastive one turned.  PCA, NCA and SupCon (``bench._spaces``) see the standardised
columns, one-hot where they are categories.  AUC and OpenDataVal's F1 as in ``bench.detection``; accuracy of
logistic regression on the 30% selected, as in ``bench.selection``; processor seconds of the whole fit on one
thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bench._flips import flip_scores, mean_over_seeds
from bench._measure import arguments, run
from bench._sets import SETS, rival_columns
from bench._spaces import SupCon, nca, pca
from hcdv import HCDV
from hcdv.datasets import flip_labels
from hcdv.encoder import Contrastive

NOISES = (0.05, 0.15)
FRACTION = 0.3
KEYS = ("auc", "f1", "accuracy", "seconds")


def beside(**knobs: Any) -> list[Any]:
    return ["identity", Contrastive(**knobs)]


ENCODERS: dict[str, Any] = {
    "identity": "identity",
    "contrastive": "contrastive",
    "both": beside(),
    "forest": "forest",
    "identity + forest": ["identity", "forest"],
    "identity + contrastive + forest": ["identity", "contrastive", "forest"],
    "contrastive, 40 epochs": Contrastive(patience=None),
    "both, 40 epochs": beside(patience=None),
    "both, alpha 0": beside(smoothness=0.0),
    "both, alpha .3": beside(smoothness=0.3),
    "both, alpha 1": beside(smoothness=1.0),
    "both, lambda .1": beside(contrast=0.1),
    "both, lambda .3": beside(contrast=0.3),
    "both, lambda 1": beside(contrast=1.0),
    "both, share for M": beside(score="share"),
    "both, temperature .2": beside(temperature=0.2),
    "both, 8 dimensions": beside(n_dims=8),
    "both, 128 dimensions": beside(n_dims=128),
    "both, batches of 64": beside(batch_size=64),
    "both, batches of 1024": beside(batch_size=1024),
}
# On plain columns: they know no tables.
TRANSFORMERS: dict[str, Callable[[int], Any]] = {
    "PCA": pca,
    "NCA": nca,
    "SupCon": lambda n_columns: SupCon(),
}
VARIANTS = [*list(ENCODERS)[:2], *TRANSFORMERS, *list(ENCODERS)[2:]]


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    full = options.scale == "full"
    names = options.sets or ([name for name in SETS if name != "adult"] if full else ["breast_cancer"])
    variants = VARIANTS if full else VARIANTS[:6]
    cells = [(name, noise, seed) for name in names for noise in NOISES for seed in range(3 if full else 1)]
    rows = [
        row
        for found in Parallel(n_jobs=options.jobs)(delayed(one_cell)(*cell, variants) for cell in cells)
        for row in found
    ]
    for noise in NOISES:
        print(f"{noise:.0%} flips" + " " * 26 + "".join(f"{name[:10]:>12}" for name in names) + "        mean")
        for variant in variants:
            figures = [mean_over_seeds(rows, KEYS, noise, variant, name) for name in names]
            print(
                f"{variant:<34}" + "".join(f"  {auc:.3f}/{f1:.2f}" for auc, f1, _, _ in figures)
                + "  {:.4f}/{:.3f}  top 30% {:.4f}  {:.2f} s".format(*np.mean(figures, axis=0)),
                flush=True,
            )
    if options.plot:
        draw(options.plot)
    return rows


def one_cell(name: str, noise: float, seed: int, variants: list[str]) -> list[dict[str, Any]]:
    """Every variant on one data set, noise level and seed."""
    warnings.filterwarnings("ignore")
    data = SETS[name](seed)
    y, is_flipped = flip_labels(data.y, noise, random_state=1000 + seed)
    columns, columns_val = rival_columns(data.X, data.X_val)
    columns_train, columns_test = rival_columns(data.X, data.X_test)
    rows = []
    for variant in variants:
        encoder = ENCODERS.get(variant)
        given = (data.X, data.X_val)
        if encoder is None:
            encoder, given = TRANSFORMERS[variant](columns.shape[1]), (columns, columns_val)
        begin = time.process_time()
        model = HCDV(encoder=encoder, random_state=seed, n_jobs=1)
        result = model.fit(given[0], y, given[1], data.y_val).result_
        seconds = time.process_time() - begin
        values = result.values
        chosen = result.select(FRACTION)
        retrained = LogisticRegression(C=1.0, max_iter=300).fit(columns_train[chosen], y[chosen])
        rows.append(
            {
                "set": name,
                "noise": noise,
                "seed": seed,
                "variant": variant,
                **flip_scores(values, is_flipped),
                "accuracy": float(retrained.score(columns_test, data.y_test)),
                "seconds": seconds,
            }
        )
    return rows


def draw(path: Path) -> None:
    """Two data sets before and after: principal components of the vote spaces, flipped labels ringed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA

    figure = Figure(figsize=(9.5, 9), layout="constrained")
    FigureCanvasAgg(figure)
    for line, (name, title) in zip(
        figure.subplots(2, 2), {"synthetic": "Synthetic", "fashion": "Fashion-MNIST"}.items(), strict=True
    ):
        data = SETS[name](0)
        y, is_flipped = flip_labels(data.y, 0.15, random_state=1000)
        shown = np.random.default_rng(0).permutation(len(y))[:1000]
        for axes, encoder in zip(line, ("identity", "contrastive"), strict=True):
            model = HCDV(encoder=encoder, random_state=0).fit(data.X, y, data.X_val, data.y_val)
            places = PCA(2).fit_transform(model.encoder_.transform(data.X))[shown]
            axes.scatter(*places.T, c=y[shown], cmap="tab10", s=9, linewidths=0)
            ringed = is_flipped[shown]
            axes.scatter(*places[ringed].T, s=36, facecolors="none", edgecolors="black", linewidths=0.6)
            auc = roc_auc_score(is_flipped, -model.values_)
            axes.set_title(f"{title}, {encoder}: AUC {auc:.3f}")
            axes.set(xticks=[], yticks=[])
            axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--sets", nargs="*", choices=list(SETS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="draw two spaces before and after here")
    run(main, parser.parse_args())
