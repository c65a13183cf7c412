"""Valuation out of core: seconds by stage, memory and disk by the number of rows, and what clusters would take.

    python -m bench.scale --scale full --json bench/results/scale.json
    python -m bench.scale --rows 100000 --in-memory 100000 --memory-limit 700MB

Generated advertising rows (:func:`hcdv.datasets.write_ctr`: 13 numbers, 26 columns of ids, 3% clicks, 15% of
the labels flipped) lie in Parquet files; ``HCDV(memory_limit=)`` values them.  Every fit runs in a process
of its own, so that its peak memory is its own.  Writing the rows is not part of the time.

``auc`` is that of low values for flipped labels, within each given label and then averaged: most rows that
bear the label of a rare class are flipped, whatever a method says; beside it that of every game of the sum.
``--in-memory N`` values N rows in memory, too; a smaller ``--memory-limit`` makes smaller parts.

``--tasks`` keeps the seconds of every task on one worker, and predicts from them what 4 to 64 workers take:
the tasks of each stage are dealt out in order to whoever is free first; what this process does between the
stages stays as it is.  That is a prediction, for workers as fast as this one that share a disk which keeps up.

Targets (2 cores): 4.5 million rows in 10 minutes, 45 million in 100; under 6 GB; slope of log seconds by log
rows at most 1.10 in total and 1.03 for the chains; AUC within .01 of in memory.
"""

from __future__ import annotations

import argparse
import heapq
import json
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from bench._measure import arguments, in_fresh_process, peak_mb, run
from hcdv import HCDV
from hcdv.datasets import ctr_blocks, write_ctr

SIZES = {"fast": (20_000, 40_000), "full": (100_000, 300_000, 1_000_000, 4_500_000)}
NOISE, SEED = 0.15, 0
CLUSTER = (4, 8, 16, 32, 64)
CHAINS = "walking the chains"
SLOPES = {"all": 1.10, CHAINS: 1.03}


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    sizes = [int(n) for n in options.rows or SIZES[options.scale]]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="scale-", dir=options.folder) as folder:
        for n in sizes:
            data = Path(folder, f"rows-{n}")
            write_ctr(data, n, label_noise=NOISE, random_state=SEED)
            for workers in options.workers:
                rows.append(alone(data, "--workers", str(workers), "--memory-limit", options.memory_limit))
                print(shown(rows[-1]), flush=True)
            if n == options.in_memory:
                rows.append(alone(data, "--in-memory", str(n)))
                print(shown(rows[-1]), flush=True)
            if options.tasks and n == sizes[-1]:
                rows += cluster(alone(data, "--tasks", "--memory-limit", options.memory_limit))
            shutil.rmtree(data)
    print("\n".join(verdict(rows)))
    return rows


def alone(data: Path, *how: str) -> dict[str, Any]:
    """One fit in a process of its own."""
    return in_fresh_process("bench.scale", "--one", str(data), *how)


def one(options: argparse.Namespace) -> dict[str, Any]:
    """One fit, in this process."""
    warnings.simplefilter("ignore")
    data = Path(options.one)
    where = "in memory" if options.in_memory else "out of core"
    begin, cpu = time.perf_counter(), time.process_time()
    tasks: list[tuple[str, float]] = []
    if options.in_memory:
        import pandas as pd

        frame = pd.read_parquet(data)
        begin, cpu = time.perf_counter(), time.process_time()
        model = HCDV(random_state=SEED).fit(frame.drop(columns="label"), frame["label"])
        disk = 0
    else:
        workers = 1 if options.tasks else options.workers[0]
        model = HCDV(memory_limit=options.memory_limit, n_jobs=workers, random_state=SEED)
        with largest_temporary_folder() as largest, recorded(tasks):
            model.fit(data, "label")
        disk = largest()
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    n, result = len(model.values_), model.result_
    labels = np.asarray(result.labels)
    right = np.concatenate([y for _, y in ctr_blocks(n, random_state=SEED)])
    return {
        "n": n,
        "where": where,
        "workers": None if options.in_memory else workers,
        "seconds": seconds,
        "cpu_us_a_row": 1e6 * cpu / n,
        "stages": model.seconds_,
        "peak_mb": peak_mb(),
        "disk_mb": disk / 1e6,
        "auc": auc_within_labels(model.values_, labels, right),
        "auc_of_games": {name: auc_within_labels(part, labels, right) for name, part in result.parts.items()},
        "crossing_votes": model.crossing_votes_,
        "tasks": tasks,
    }


def auc_within_labels(values: np.ndarray, labels: np.ndarray, right: np.ndarray) -> float:
    """Mean over the given labels of the AUC of low values for flipped ones."""
    found = [
        roc_auc_score((right != labels)[labels == label], -values[labels == label])
        for label in np.unique(labels)
    ]
    return float(np.mean(found))


class largest_temporary_folder:
    """Looks, while it is open, how large the work folders of this process become."""

    def __enter__(self) -> Callable[[], int]:
        self.most, self._done = 0, threading.Event()
        before = set(Path(tempfile.gettempdir()).glob("hcdv-*"))

        def look() -> None:
            while not self._done.wait(0.5):
                mine = set(Path(tempfile.gettempdir()).glob("hcdv-*")) - before
                self.most = max(self.most, sum(map(folder_bytes, mine)))

        self._thread = threading.Thread(target=look, daemon=True)
        self._thread.start()
        return lambda: self.most

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()


def folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # just renamed or removed
            continue
    return total


class recorded:
    """Notes the name and the seconds of every task, while it is open."""

    def __init__(self, tasks: list[tuple[str, float]]) -> None:
        self.tasks = tasks

    def __enter__(self) -> None:
        from hcdv.engine import _local

        self._pool, tasks = _local.ThreadPool, self.tasks
        usual = _local.ThreadPool.map

        def timed_map(pool: Any, function: Any, items: Any, *, name: Any, **how: Any) -> Iterator[Any]:
            def timed(item: Any) -> Any:
                begin = time.perf_counter()
                result = function(item)
                tasks.append((name(item), time.perf_counter() - begin))
                return result

            return usual(pool, timed, items, name=name, **how)

        self._usual = usual
        _local.ThreadPool.map = timed_map  # type: ignore[method-assign]

    def __exit__(self, *_: Any) -> None:
        self._pool.map = self._usual  # type: ignore[method-assign]


def cluster(alone: dict[str, Any]) -> list[dict[str, Any]]:
    """What more workers would take, by the tasks of a run on one."""
    stages: dict[str, list[float]] = {}
    for name, seconds in alone["tasks"]:
        stages.setdefault(name.rpartition("-")[0], []).append(seconds)
    here = alone["seconds"] - sum(sum(of) for of in stages.values())
    print(f"\nPredicted from {sum(map(len, stages.values())):,} tasks; {here:.1f} s are spent between them")
    rows = []
    for workers in CLUSTER:
        seconds = here + sum(makespan(of, workers) for of in stages.values())
        rows.append({"n": alone["n"], "where": "predicted", "workers": workers, "seconds": seconds})
        print(f"{alone['n']:>12,} rows, {workers:>3} workers: {seconds:9.1f} s", flush=True)
    return [alone, *rows]


def makespan(seconds: list[float], workers: int) -> float:
    """When the last of the tasks is done, if they go in order to whoever is free first."""
    free = [0.0] * workers
    for one in seconds:
        heapq.heappush(free, heapq.heappop(free) + one)
    return max(free)


def shown(row: dict[str, Any]) -> str:
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in row["stages"].items())
    workers = "" if row["workers"] is None else f", {row['workers']} workers"
    games = ", ".join(f"{name} {auc:.4f}" for name, auc in row["auc_of_games"].items())
    crossing = ", ".join(f"{name} {share:.0%}" for name, share in row["crossing_votes"].items())
    return (
        f"{row['n']:>12,} rows {row['where']}{workers}: {row['seconds']:.1f} s "
        f"({row['n'] / row['seconds']:,.0f} rows/s, {row['cpu_us_a_row']:.0f} core-us a row), "
        f"{row['peak_mb']:,.0f} MB, disk {row['disk_mb']:,.0f} MB, AUC {row['auc']:.4f} "
        f"({games})\n{'':13}{stages}" + (f"; votes that cross: {crossing}" if crossing else "")
    )  # fmt: skip


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """The targets, each with what was measured."""
    lines = []
    measured = [row for row in rows if row["where"] == "out of core"]
    for workers in dict.fromkeys(row["workers"] for row in measured):
        mine = [row for row in measured if row["workers"] == workers]
        for stage, most in SLOPES.items():
            if len({row["n"] for row in mine}) > 1:
                told = slope(mine, stage)
                lines.append(f"slope of {stage}, {workers} workers: {told:.3f} (target: at most {most})")
    large = max(measured, key=lambda row: row["n"])
    lines.append(f"peak memory at {large['n']:,} rows: {large['peak_mb'] / 1e3:.2f} GB (target: under 6)")
    for row in rows:
        if row["where"] == "in memory":
            same = next(other for other in measured if other["n"] == row["n"])
            lines.append(
                f"AUC at {row['n']:,} rows out of core {same['auc']:.4f}, in memory {row['auc']:.4f} "
                f"(target: within .01)"
            )
    return lines


def slope(rows: list[dict[str, Any]], stage: str) -> float:
    """Of log seconds against log rows."""
    seconds = [row["seconds"] if stage == "all" else row["stages"][stage] for row in rows]
    return float(np.polyfit(np.log([row["n"] for row in rows]), np.log(seconds), 1)[0])


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--rows", type=float, nargs="+", help="instead of the scale's")
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--memory-limit", default="4GB")
    parser.add_argument("--in-memory", type=int, help="value so many rows in memory, too")
    parser.add_argument("--tasks", action="store_true", help="predict larger clusters at the last size")
    parser.add_argument("--folder", help="where rows are written meanwhile")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(one(chosen), default=float))
        sys.exit()
    run(main, chosen)
