"""False alarms: whether detect_label_noise keeps its promise, with labels planted on purpose and without.

    python -m bench.alarms --scale full --jobs 2 --json bench/results/alarms.json

HCDV's default, alpha 0.1, 3 repeats of 10% planted flips.  ``false`` is the share of the flagged rows
whose label is right, ``found`` the share of the wrong labels that are flagged, ``estimated`` the share of
wrong labels that it tells.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from bench._measure import arguments, run
from bench._sets import SETS
from hcdv import HCDV
from hcdv.datasets import flip_labels
from hcdv.tasks import detect_label_noise, plant_flips

ALPHA = 0.1
NOISES = (0.0, 0.05, 0.15, 0.3)
USED = ("digits", "breast_cancer", "synthetic")
WAYS = ("planted", "mixture")


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    full = options.scale == "full"
    names, seeds = (USED, range(5)) if full else (("breast_cancer",), range(1))
    cells = [(name, noise, seed) for name in names for noise in NOISES for seed in seeds]
    rows = [
        row
        for found in Parallel(n_jobs=options.jobs)(delayed(one_cell)(*cell) for cell in cells)
        for row in found
    ]
    for name in names:
        for noise in NOISES:
            text = f"{name:<14} {noise:>4.0%} wrong"
            for way in WAYS:
                mine = [r for r in rows if (r["set"], r["noise"], r["way"]) == (name, noise, way)]
                flagged, false, found, told = (
                    float(np.mean([r[key] for r in mine])) for key in ("flagged", "false", "found", "estimated")
                )
                worst = max(r["false"] for r in mine)
                text += f" | {way}: {flagged:.1f} flagged, false {false:.3f} (worst {worst:.2f})"
                text += f", found {found:.2f}, told {told:.3f}"
            print(text, flush=True)
    return rows


def one_cell(name: str, noise: float, seed: int) -> list[dict[str, Any]]:
    """Both ways on one data set, share of wrong labels, and seed."""
    warnings.filterwarnings("ignore")
    data = SETS[name](seed)
    y, is_flipped = data.y, np.zeros(len(data.y), bool)
    if noise:
        y, is_flipped = flip_labels(data.y, noise, random_state=2000 + seed)
    model = HCDV(random_state=seed, n_jobs=1)
    rows = (data.X, y, data.X_val, data.y_val)
    values = model.fit(*rows).result_
    out = []
    for way in WAYS:
        planted = plant_flips(model, *rows, random_state=seed) if way == "planted" else None
        answer = detect_label_noise(values, planted=planted, alpha=ALPHA)
        flagged = answer.is_issue
        out.append(
            {
                "set": name,
                "noise": noise,
                "seed": seed,
                "way": way,
                "flagged": int(flagged.sum()),
                "false": float((~is_flipped[flagged]).mean()) if flagged.any() else 0.0,
                "found": float(flagged[is_flipped].mean()) if noise else 0.0,
                "expected": answer.expected_fdr,
                "estimated": answer.estimated_share,
            }
        )
    return out


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--jobs", type=int, default=1)
    run(main, parser.parse_args())
