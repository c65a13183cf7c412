"""Weights and kernel widths learned from labels against those set by hand: finding flipped labels, and seconds.

    python -m bench.affinity --scale full --json bench/results/affinity.json

Each variant is a valuation of the rows of ``bench.detection``, with the AUC and OpenDataVal's F1 used there;
the last block has no validation rows.  Processor seconds of the whole fit on one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from bench._flips import flip_scores, mean_over_seeds
from bench._measure import arguments, run
from bench._sets import SETS
from hcdv import HCDV
from hcdv.datasets import flip_labels
from hcdv.games import Kernel

NOISES = (0.05, 0.15)
KEYS = ("auc", "f1", "seconds")
ALL = ["kernel", "fit", "forest"]
SPACES = ["identity", "contrastive", "forest"]
VARIANTS: dict[str, dict[str, Any]] = {
    "kernel, width .5": {"utility": Kernel(width=0.5)},
    "kernel, width .71": {"utility": Kernel(width=0.5**0.5)},
    "kernel": {"utility": "kernel"},
    "kernel, width 1.41": {"utility": Kernel(width=2**0.5)},
    "kernel, width 2": {"utility": Kernel(width=2.0)},
    "kernel, likeliest width": {"utility": Kernel(width="likelihood")},
    "auto": {"weights": "fixed"},
    "auto, learned": {"weights": "likelihood"},
    "kernel + fit + forest": {"utility": ALL},
    "kernel + fit + forest, learned": {"utility": ALL, "weights": "likelihood"},
    "three spaces": {"utility": ALL, "encoder": SPACES},
    "three spaces, learned": {"utility": ALL, "encoder": SPACES, "weights": "likelihood"},
    "auto, no validation": {"validation": False, "weights": "fixed"},
    "auto, no validation, learned": {"validation": False, "weights": "likelihood"},
    "three spaces, no validation": {"utility": ALL, "encoder": SPACES, "validation": False},
    "three spaces, no validation, learned": {
        "utility": ALL, "encoder": SPACES, "validation": False, "weights": "likelihood",
    },
}  # fmt: skip


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    full = options.scale == "full"
    names = options.sets or ([name for name in SETS if name != "adult"] if full else ["breast_cancer"])
    seeds = range(3 if full else 1)
    cells = [(name, noise, seed) for name in names for noise in NOISES for seed in seeds]
    rows = [
        row
        for found in Parallel(n_jobs=options.jobs)(delayed(one_cell)(*cell) for cell in cells)
        for row in found
    ]
    for noise in NOISES:
        print(f"{noise:.0%} flips" + " " * 30 + "".join(f"{name[:10]:>12}" for name in names) + "        mean")
        for variant in VARIANTS:
            figures = [mean_over_seeds(rows, KEYS, noise, variant, name) for name in names]
            print(
                f"{variant:<38}" + "".join(f"  {auc:.3f}/{f1:.2f}" for auc, f1, _ in figures)
                + "  {:.4f}/{:.3f}  {:.2f} s".format(*np.mean(figures, axis=0)),
                flush=True,
            )
    return rows


def one_cell(name: str, noise: float, seed: int) -> list[dict[str, Any]]:
    """Every variant on one data set, noise level and seed."""
    warnings.filterwarnings("ignore")
    data = SETS[name](seed)
    y, is_flipped = flip_labels(data.y, noise, random_state=1000 + seed)
    rows = []
    for variant, settings in VARIANTS.items():
        settings = dict(settings)
        validation = (data.X_val, data.y_val) if settings.pop("validation", True) else ()
        begin = time.process_time()
        model = HCDV(**settings, random_state=seed, n_jobs=1).fit(data.X, y, *validation)
        seconds = time.process_time() - begin
        values = model.values_
        rows.append(
            {
                "set": name,
                "noise": noise,
                "seed": seed,
                "variant": variant,
                **flip_scores(values, is_flipped),
                "weights": model.result_.weights,
                "widths": model.kernel_widths_,
                "seconds": seconds,
            }
        )
    return rows


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--sets", nargs="*", choices=list(SETS))
    parser.add_argument("--jobs", type=int, default=1)
    run(main, parser.parse_args())
