"""Results of an experiment as one JSON file, written anew after every cell: a killed run goes on."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

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


def run_cells(experiment: Experiment, store: Store, jobs: int = 1) -> None:
    """Measure what the store lacks, ``jobs`` cells at a time where they allow it; one line a cell."""
    name, commit = store.path.stem, machine()["commit"]
    todo = [key for key in experiment.cells(store.scale) if not store.holds(key)]
    for number, (key, figures, seconds) in enumerate(measured(experiment, store.scale, todo, jobs), 1):
        store.add({**key, **figures, "seconds": seconds, "commit": commit})
        told = " ".join(str(value) for value in key.values())
        print(f"{name} {number}/{len(todo)}: {told} ({seconds:.1f} s)", flush=True)


def measured(
    experiment: Experiment, scale: str, todo: list[Key], jobs: int
) -> Iterator[tuple[Key, dict[str, Any], float]]:
    """What :func:`one_cell` returns of each key, first of those that must be alone."""
    together = [key for key in todo if experiment.side_by_side(**key)]
    for key in todo:
        if not experiment.side_by_side(**key):
            yield one_cell(experiment.measure, scale, key)
    yield from Parallel(n_jobs=jobs, return_as="generator")(
        delayed(one_cell)(experiment.measure, scale, key) for key in together
    )


def one_cell(measure: Callable[..., dict[str, Any]], scale: str, key: Key) -> tuple[Key, dict[str, Any], float]:
    """The key, its figures, and the seconds of the measurement."""
    begin = time.perf_counter()
    with warnings.catch_warnings():  # here, as processes beside this one have their own filters
        warnings.simplefilter("ignore")
        figures = measure(scale, **key)
    return key, figures, time.perf_counter() - begin
