"""One method of one library on some arrays, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.rivals._environments import PEERS, REQUIREMENTS, InstallError, environment, last_error

OURS = "hcdv"
NAMES = {
    OURS: "HCDV",
    "cleanlab": "cleanlab",
    "kmeans_constrained": "k-means-constrained",
    "opendataval": "OpenDataVal",
    "pydvl": "pyDVL",
    "shapiq": "shapiq",
}
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
HERE = Path(__file__).parent

Row = dict[str, Any]


@dataclass
class Rivals:
    """The libraries at hand, and the rows of what they were asked.

    Attributes
    ----------
    pythons : dict
        Interpreter of each library at hand, ours among them.
    limit_s : float
        Wall seconds after which a method is stopped.
    show : callable
        Called with every row as it comes.
    rows : list of dict
    """

    pythons: dict[str, str]
    limit_s: float
    show: Callable[[Row], None] = lambda row: None
    rows: list[Row] = field(default_factory=list)

    def has(self, library: str) -> bool:
        return library in self.pythons

    def note(self, row: Row) -> None:
        self.rows.append(row)
        self.show(row)

    def ask(
        self, library: str, method: str, arrays: dict[str, np.ndarray], options: dict[str, Any]
    ) -> tuple[Row, np.ndarray | None]:
        """Figures and values of one method; without values the row says why."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("arrays.npz", "plan.json", "answer.json", "values.npy")]
            np.savez(files[0], **arrays)
            files[1].write_text(json.dumps({"method": method, "options": options}))
            row: Row = {"library": library, "method": method, **options}
            failed = self._run(library, files)
            if failed:
                return {**row, "failed": failed}, None
            row |= json.loads(files[2].read_text())
            return row, np.load(files[3])

    def _run(self, library: str, files: list[Path]) -> str | None:
        """Why the worker has no answer; None where it has one."""
        command = [self.pythons[library], "-W", "ignore", str(HERE / f"run_{library}.py"), *map(str, files)]
        paths = {"PYTHONPATH": str(HERE.parents[1])} if library == OURS else {}
        try:
            done = subprocess.run(
                command, env={**os.environ, **ONE_THREAD, **paths}, capture_output=True, text=True,
                timeout=self.limit_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"stopped after {self.limit_s:.0f} s"
        return last_error(done.stderr) if done.returncode else None


def install(
    peers: list[str], folder: Path, requirements: Path = REQUIREMENTS, pip_options: tuple[str, ...] = ()
) -> tuple[dict[str, str], list[Row]]:
    """Interpreters of the peers that could be installed, with ours; a row for each peer, that tells why not."""
    pythons, rows = {OURS: sys.executable}, []
    for peer in peers:
        row: Row = {"task": "install", "library": peer}
        try:
            made = environment(requirements / f"{peer}.txt", folder, pip_options)
        except InstallError as error:
            row["failed"] = f"not installed: {error}"
        else:
            pythons[peer] = str(made.python)
            row["seconds"] = made.seconds
        rows.append(row)
    return pythons, rows


__all__ = ["NAMES", "ONE_THREAD", "OURS", "PEERS", "Rivals", "Row", "install"]
