"""Other libraries on the same arrays: ratio tables of seconds, quality and memory.

    python -m bench.peers --scale full --json bench/results/peers.json

cleanlab, k-means-constrained, OpenDataVal, pyDVL and shapiq run each in a virtual environment of its own, made
on the first run from ``bench/rivals/requirements/`` (one pip command each) and kept in the user's cache or in
``--envs``; what cannot be installed is a row and a line with pip's reason.  Each method runs in a fresh process
with one BLAS thread, ours too; seconds are of the call alone (imports are a figure of their own), CPU seconds
are what ratios compare, memory is the process's peak.  A method is stopped after 120 s (full: 600 s), and its
row says so.  OpenDataVal wants the CPU build of torch: where pip does not find it by itself,
set ``PIP_EXTRA_INDEX_URL`` to PyTorch's index of CPU wheels for the first run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench._measure import arguments, run
from bench.rivals._ask import NAMES, PEERS, Rivals, Row, install
from bench.rivals._detection import SETS, detection
from bench.rivals._environments import default_folder
from bench.rivals._ratios import claims, claims_table, label, tables
from bench.rivals._tasks import SIZES, TASKS

LIMIT_S = {"fast": 120.0, "full": 600.0}
DETECTION = "detection"


def main(options: argparse.Namespace) -> list[Row]:
    """Environments, the tasks in turn, then the tables and the claims."""
    pythons, installed = install(options.peers, options.envs or default_folder())
    rivals = Rivals(pythons, LIMIT_S[options.scale], show, installed)
    for row in installed:
        print(f"{NAMES[row['library']]}: {row.get('failed', 'installed')}", flush=True)
    for task in options.tasks:
        if task == DETECTION:
            detection(rivals, options.scale, options.sets)
        else:
            TASKS[task](rivals, SIZES[options.scale])
    found = claims(rivals.rows)
    print("\n" + tables(rivals.rows) + "\n\n" + claims_table(found))
    return [*rivals.rows, *found]


def show(row: Row) -> None:
    """One line as it comes."""
    names = ("cpu_seconds", "auc", "auc_budget", "cpu_goal")
    figures = [f"{name} {row[name]:.3g}" for name in names if name in row]
    print(f"{row['task']}, {row['case']}: {label(row)}: {row.get('failed') or ', '.join(figures)}", flush=True)


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    every = [*TASKS, DETECTION]
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="ours alone: give none")
    parser.add_argument("--tasks", nargs="*", choices=every, default=every)
    parser.add_argument(
        "--sets", nargs="*", choices=SETS["full"], default=[], help="of detection; all by default"
    )
    parser.add_argument("--envs", type=Path, help="where the environments are kept")
    run(main, parser.parse_args())
