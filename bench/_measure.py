"""What all bench scripts share: a timer, peak memory, the machine, JSON, profiles.

    python -m bench.kernels --scale fast --json out.json --profile out.prof
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def arguments(description: str) -> argparse.ArgumentParser:
    """The options every bench has; the caller adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--scale", choices=["fast", "full"], default="fast", help="fast is for CI")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--profile", type=Path, help="write a cProfile of the run here")
    return parser


def run(main: Callable[[argparse.Namespace], list[dict[str, Any]]], options: Any) -> None:
    """Run a bench: rows of figures are printed as they come by ``main``, then saved."""
    profile = cProfile.Profile() if options.profile else None
    if profile:
        profile.enable()
    begin = time.perf_counter()
    rows = main(options)
    seconds = time.perf_counter() - begin
    if profile:
        profile.disable()
        profile.dump_stats(options.profile)
    if options.json:
        write_rows(options, rows, seconds)


def write_rows(options: Any, rows: list[dict[str, Any]], seconds: float) -> None:
    """Put the figures where ``--json`` says, whole or not at all."""
    record = {"machine": machine(), "scale": options.scale, "seconds": seconds, "rows": rows}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    aside = options.json.with_suffix(".part")
    aside.write_text(json.dumps(record, indent=1, default=float) + "\n")
    aside.replace(options.json)


def best_of(function: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Least wall seconds of ``repeats`` calls, and the last answer."""
    best, answer = float("inf"), None
    for _ in range(repeats):
        begin = time.perf_counter()
        answer = function()
        best = min(best, time.perf_counter() - begin)
    return best, answer


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def in_fresh_process(module: str, *args: str) -> dict[str, Any]:
    """Run ``python -m module args`` alone, so that its peak memory is its own; its last line is JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, *args], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(args)} failed:\n{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    import numpy
    import sklearn

    import hcdv

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
        "hcdv": hcdv.__version__,
        "commit": commit.stdout.strip() or None,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
