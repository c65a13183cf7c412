"""What all workers share: arrays and a plan come in, figures and values go out.

    PYTHON bench/rivals/run_<library>.py arrays.npz plan.json answer.json values.npy

The plan is ``{"method": str, "options": {...}}``.  The answer holds the seconds of the call (wall, and CPU of
the process and its children), the seconds of the imports before it, the peak memory in MB, the library's
version and what else the method tells.  Only numpy is imported here: most interpreters know nothing of hcdv.
"""

from __future__ import annotations

import time

BEGIN = time.perf_counter()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

# A call shorter than this is repeated, so often at most.
SHORT_S = 0.1
MOST_CALLS = 20

Arrays = dict[str, np.ndarray]
# Values of rows or players (or labels of a split), and figures of the method's own.
Answer = tuple[np.ndarray, dict[str, Any]]
Method = Callable[[Arrays, dict[str, Any]], Answer]


def serve(
    distribution: str, methods: dict[str, Method], prepare: Callable[[str], None] = lambda method: None
) -> None:
    """Run the planned method of ``methods`` on the arrays; ``prepare(method)`` imports what is left."""
    warnings.simplefilter("ignore")
    arrays_file, plan_file, answer_file, values_file = sys.argv[1:]
    with np.load(arrays_file) as loaded:
        arrays = dict(loaded)
    plan = json.loads(Path(plan_file).read_text())
    prepare(plan["method"])
    imported = time.perf_counter() - BEGIN
    seconds, cpu, (values, figures) = timed(lambda: methods[plan["method"]](arrays, plan["options"]))
    answer = {
        "version": version(distribution),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "import_seconds": imported,
        "peak_mb": peak_mb(),
        **figures,
    }
    np.save(values_file, np.asarray(values))
    Path(answer_file).write_text(json.dumps(answer, default=float))


def timed(call: Callable[[], Answer]) -> tuple[float, float, Answer]:
    """Wall and CPU seconds of one call, and its answer; short calls are repeated, and the least count."""
    walls, cpus = [], []
    while not walls or (sum(walls) < SHORT_S and len(walls) < MOST_CALLS):
        wall, cpu = time.perf_counter(), cpu_seconds()
        answer = call()
        walls.append(time.perf_counter() - wall)
        cpus.append(cpu_seconds() - cpu)
    return min(walls), min(cpus), answer


def cpu_seconds() -> float:
    """Of this process and the children it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    try:
        # ru_maxrss starts from what the parent held when it forked; VmHWM starts at exec.
        status = Path("/proc/self/status").read_text()
        return 1.024e-3 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1e6 if sys.platform == "darwin" else 1e3)


class BlackBox:
    """v(S) = weights of S + its pairs + sqrt(|S|): a game that is only asked, with a closed form."""

    def __init__(self, arrays: Arrays) -> None:
        self.weights, self.pairs = arrays["weights"], arrays["pairs"]
        self.n_players = len(self.weights)
        self.n_evaluations = 0

    def batch(self, coalitions: np.ndarray) -> np.ndarray:
        """bool or 0/1 [B, m] -> float64 [B]."""
        members = np.asarray(coalitions, dtype=np.float64)
        self.n_evaluations += len(members)
        linear, size = members @ self.weights, members.sum(axis=1)
        return linear + ((members @ self.pairs) * members).sum(axis=1) + np.sqrt(size)

    def one(self, players: np.ndarray) -> float:
        """Of the coalition of some players."""
        inside = np.zeros((1, self.n_players))
        inside[0, np.asarray(players, dtype=int)] = 1.0
        return float(self.batch(inside)[0])
