"""From ``fit`` to values on whole data sets, each in a process of its own: seconds and peak memory.

    python -m bench.end_to_end --scale full --json bench/results/end_to_end.json

Targets (2 cores): Synthetic 2.5 s and 0.7 s with ``utility="kernel"``; Adult's 32,561 rows against 2,000
validation rows 60 s and 20 s; Fashion-MNIST's 60,000 x 784 240 s and 90 s; seconds per row flat within 1.3x
from 10^4 to 10^6 generated rows (d = 32, kernel); peak memory at most 3 x the input + 500 MB.  With
the contrastive space trained and played in beside the identity: Adult 120 s, Fashion-MNIST 600 s.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from bench._measure import arguments, in_fresh_process, peak_mb, run
from hcdv.datasets import Dataset, load_adult, load_fashion_mnist, make_synthetic

TARGETS = {
    ("synthetic", "auto"): 2.5,
    ("synthetic", "kernel"): 0.7,
    ("adult", "auto"): 60.0,
    ("adult", "kernel"): 20.0,
    ("fashion", "auto"): 240.0,
    ("fashion", "kernel"): 90.0,
}
TARGETS_WITH_CONTRASTIVE = {"adult": 120.0, "fashion": 600.0}
LARGEST_RATIO = 1.3


def generated(n: int) -> Dataset:
    """Rows in 200 clusters of 4 classes, d = 32, with 15% of the labels wrong."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(200, 32)) * 1.5
    sizes = {"": n, "_val": 1000, "_test": 2}
    parts: dict[str, Any] = {}
    for part, size in sizes.items():
        cluster = rng.integers(0, 200, size)
        X = rng.normal(size=(size, 32))
        X += centres[cluster]
        parts[f"X{part}"], parts[f"y{part}"] = X, cluster % 4
    wrong = rng.random(n) < 0.15
    parts["y"][wrong] = rng.integers(0, 4, int(wrong.sum()))
    return Dataset(
        name=f"generated_{n}",
        feature_names=tuple(f"x{j}" for j in range(32)),
        target_names=("0", "1", "2", "3"),
        **parts,
    )


LOADERS = {
    "synthetic": make_synthetic,
    "adult": lambda: load_adult(n_val=2000),
    "fashion": load_fashion_mnist,
    "generated_1e4": lambda: generated(10_000),
    "generated_1e5": lambda: generated(100_000),
    "generated_1e6": lambda: generated(1_000_000),
}


def one(name: str, utility: str, encoder: str) -> dict[str, Any]:
    """Value one data set in this process."""
    from hcdv import HCDV

    data = LOADERS[name]()
    X = data.X.reshape(len(data.y), -1) if isinstance(data.X, np.ndarray) else data.X
    size = X.nbytes if isinstance(X, np.ndarray) else int(X.memory_usage(deep=True).sum())
    before = peak_mb()
    begin = time.perf_counter()
    spaces = encoder.split(",") if "," in encoder else encoder
    model = HCDV(encoder=spaces, utility=utility, random_state=0).fit(X, data.y, data.X_val, data.y_val)
    seconds = time.perf_counter() - begin
    return {
        "set": name,
        "utility": utility,
        "encoder": encoder,
        "n": len(data.y),
        "seconds": seconds,
        "microseconds_per_row": 1e6 * seconds / len(data.y),
        "stages": model.seconds_,
        "input_mb": size / 1e6,
        "peak_before_mb": before,
        "peak_mb": peak_mb(),
        "memory_target_mb": 3 * size / 1e6 + 500,
        "neighbour_recall": model.neighbour_recall_,
        "efficiency_gap": model.result_.efficiency_gap,
    }


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    if options.one:
        print(json.dumps(one(*options.one), default=float))
        return []
    jobs = [("synthetic", "auto", "auto"), ("synthetic", "kernel", "auto")]
    generated_sets = ["generated_1e4"]
    if options.scale == "full":
        jobs += [(s, u, "auto") for s in ("adult", "fashion") for u in ("auto", "kernel")]
        jobs += [(s, "auto", "identity,contrastive") for s in ("synthetic", "adult", "fashion")]
        generated_sets = ["generated_1e4", "generated_1e5", "generated_1e6"]
    jobs += [(name, "kernel", "auto") for name in generated_sets]
    if options.sets:
        jobs = [job for job in jobs if job[0] in options.sets]
    rows = []
    for name, utility, encoder in jobs:
        row = in_fresh_process("bench.end_to_end", "--one", name, utility, encoder)
        learns = encoder != "auto"
        row["target_seconds"] = (
            TARGETS_WITH_CONTRASTIVE.get(name) if learns else TARGETS.get((name, utility))
        )
        rows.append(row)
        target = f" (target {row['target_seconds']:g})" if row["target_seconds"] else ""
        recall = row["neighbour_recall"]
        played = f"{utility} {'+ contrastive' if learns else ''}"
        print(
            f"{name:<14} {played:<20} n {row['n']:>9,}: {row['seconds']:7.2f} s{target}, "
            f"{row['microseconds_per_row']:.0f} us/row, peak {row['peak_mb']:.0f} MB "
            f"(target {row['memory_target_mb']:.0f})"
            + (f", neighbour recall {recall:.3f}" if recall else ""),
            flush=True,
        )
    per_row = [r["microseconds_per_row"] for r in rows if r["set"].startswith("generated")]
    if len(per_row) > 1:
        ratio = max(per_row) / min(per_row)
        print(f"seconds per row, largest over smallest: {ratio:.2f} (target {LARGEST_RATIO})")
    return rows


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--one", nargs=3, metavar=("SET", "UTILITY", "ENCODER"))
    parser.add_argument("--sets", nargs="*")
    run(main, parser.parse_args())
