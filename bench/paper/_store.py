"""Results of an experiment as one JSON file, written anew after every cell: a killed run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench._measure import machine
from bench.paper._experiment import Experiment, Key, Row
from hcdv._locks import locked

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "paper"


class ResultsError(Exception):
    """What is kept cannot be used; the message is one sentence for the user."""


class Store:
    """The rows of one experiment at one scale, on disk.

    Raises
    ------
    ResultsError
        If the file is there and holds something else.
    """

    def __init__(self, folder: Path, scale: str, name: str) -> None:
        self.path = folder / scale / f"{name}.json"
        self.scale = scale
        self.record: dict[str, Any] = {"scale": scale, "machine": None, "rows": []}
        if self.path.exists():
            self.record = _read(self.path, self.record)

    @property
    def rows(self) -> list[Row]:
        rows: list[Row] = self.record["rows"]
        return rows

    def forget(self) -> None:
        self.record["rows"] = []

    def holds(self, key: Key) -> bool:
        return any(all(row.get(name) == value for name, value in key.items()) for row in self.rows)

    def add(self, row: Row) -> None:
        self.record["machine"] = machine()
        self.rows.append(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        aside.write_text(json.dumps(self.record, indent=1, default=float) + "\n")
        aside.replace(self.path)


def _read(path: Path, empty: dict[str, Any]) -> dict[str, Any]:
    """What :meth:`Store.add` wrote, or ResultsError."""
    try:
        record = json.loads(path.read_text())
        # Damaged in any other way it would fail much later, in the middle of the page.
        if empty.keys() <= record.keys() and all(isinstance(row, dict) for row in record["rows"]):
            return dict(record)
    except (ValueError, AttributeError, TypeError):
        pass
    raise ResultsError(f"{path} does not hold results of bench.paper; move it away to measure anew.")


@contextmanager
def claimed(folder: Path, scale: str, name: str) -> Iterator[Store]:
    """The store, for this process alone: each writes the whole file, and two would undo each other's cells.

    Raises
    ------
    BlockingIOError
        If another process has it.
    """
    path = folder / scale / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    busy = f"another process measures {name} into {path.parent}; wait for it, or name another folder."
    with locked(path, busy):
        yield Store(folder, scale, name)


def run_cells(experiment: Experiment, store: Store) -> None:
    """Measure what the store does not hold yet; one line a cell."""
    name = store.path.stem
    todo = [key for key in experiment.cells(store.scale) if not store.holds(key)]
    commit = machine()["commit"]
    for number, key in enumerate(todo, 1):
        begin = time.perf_counter()
        figures = experiment.measure(store.scale, **key)
        seconds = time.perf_counter() - begin
        store.add({**key, **figures, "seconds": seconds, "commit": commit})
        told = " ".join(str(value) for value in key.values())
        print(f"{name} {number}/{len(todo)}: {told} ({seconds:.1f} s)", flush=True)
