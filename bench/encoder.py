"""The contrastive space against the identity: finding flipped labels, and seconds.

    python -m bench.encoder --scale full --json bench/results/encoder.json

Each variant is the default valuation with another ``encoder=``: the identity, the contrastive space alone, both
side by side, and both with one knob turned.  AUC and OpenDataVal's F1 as in ``bench.detection``;
processor seconds of the whole fit on one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from bench._measure import arguments, run
from bench._sets import SETS
from hcdv import HCDV
from hcdv.datasets import flip_labels
from hcdv.encoder import Contrastive
from hcdv.selection import two_means_threshold

NOISES = (0.05, 0.15)
VARIANTS: dict[str, Any] = {
    "identity": "identity",
    "contrastive": "contrastive",
    "both": ["identity", "contrastive"],
    "both, no smoothness": ["identity", Contrastive(smoothness=0.0)],
    "both, smoothness 1": ["identity", Contrastive(smoothness=1.0)],
    "both, contrast .3": ["identity", Contrastive(contrast=0.3)],
    "both, share for M": ["identity", Contrastive(score="share")],
    "both, temperature .2": ["identity", Contrastive(temperature=0.2)],
    "both, 8 dimensions": ["identity", Contrastive(n_dims=8)],
    "both, batches of 64": ["identity", Contrastive(batch_size=64)],
}


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    full = options.scale == "full"
    names = options.sets or ([name for name in SETS if name != "adult"] if full else ["breast_cancer"])
    variants = list(VARIANTS) if full else list(VARIANTS)[:3]
    rows = [
        one(name, noise, seed, variant)
        for name in names
        for noise in NOISES
        for seed in range(3 if full else 1)
        for variant in variants
    ]
    for noise in NOISES:
        print(f"{noise:.0%} flips" + " " * 16 + "".join(f"{name[:10]:>12}" for name in names) + "        mean")
        for variant in variants:
            cells = [mean(rows, noise, variant, name) for name in names]
            print(
                f"{variant:<24}" + "".join(f"  {auc:.3f}/{f1:.2f}" for auc, f1, _ in cells)
                + "  {:.4f}/{:.3f}  {:.2f} s".format(*np.mean(cells, axis=0)),
                flush=True,
            )
    return rows


def one(name: str, noise: float, seed: int, variant: str) -> dict[str, Any]:
    """One variant on one data set."""
    warnings.filterwarnings("ignore")
    data = SETS[name](seed)
    y, is_flipped = flip_labels(data.y, noise, random_state=1000 + seed)
    begin = time.process_time()
    model = HCDV(encoder=VARIANTS[variant], random_state=seed, n_jobs=1)
    values = model.fit(data.X, y, data.X_val, data.y_val).values_
    return {
        "set": name,
        "noise": noise,
        "seed": seed,
        "variant": variant,
        "auc": float(roc_auc_score(is_flipped, -values)),
        "f1": float(f1_score(is_flipped, values <= two_means_threshold(values))),
        "seconds": time.process_time() - begin,
    }


def mean(rows: list[dict[str, Any]], noise: float, variant: str, name: str) -> tuple[float, ...]:
    """AUC, F1 and seconds over the seeds."""
    mine = [
        r for r in rows if (r["noise"], r["variant"], r["set"]) == (noise, variant, name)
    ]
    return tuple(float(np.mean([r[key] for r in mine])) for key in ("auc", "f1", "seconds"))


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--sets", nargs="*", choices=list(SETS))
    run(main, parser.parse_args())
