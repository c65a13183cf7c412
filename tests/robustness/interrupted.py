"""Long work that says when a stage of it begins; a process of its own for test_interrupts.

python -m tests.robustness.interrupted CASE FOLDER
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hcdv import HCDV
from hcdv._progress import Progress, Step
from hcdv.baselines import data_shapley

BEGINS = "begins"
# More chains than anybody waits for.
ENDLESS = 10**7


def rows(n: int, d: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return rng.normal(size=(n, d)).astype(np.float32) + y[:, None], y


def table(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    X, y = rows(n)
    frame = pd.DataFrame(X).add_prefix("x")
    return frame.assign(**{f"c{k}": (np.arange(n) * 7919 % (50 + k)).astype(str) for k in range(8)}), y


def fit(n: int, folder: Path, **settings: Any) -> None:
    HCDV(**{"utility": "kernel", "random_state": 0, "n_jobs": 2, **settings}).fit(*rows(n))


def update(folder: Path) -> None:
    X, y = rows(6000)
    model = HCDV(utility="kernel", n_permutations=16, keep_chains=True, random_state=0, n_jobs=2)
    model.fit(X[:2000], y[:2000])
    print(BEGINS, flush=True)
    for k in range(2000, 6000):
        model.partial_fit(X[k : k + 1], y[k : k + 1])


def report(folder: Path) -> None:
    from hcdv.report import write_report

    X, y = rows(20_000)
    model = HCDV(utility="kernel", n_permutations=4, random_state=0, n_jobs=2).fit(X, y)
    print(BEGINS, flush=True)
    for _ in range(1000):
        write_report(model, folder / "page.html", pd.DataFrame(X))


def out_of_core(folder: Path) -> None:
    X, y = rows(40_000)
    (folder / "data").mkdir()
    for k in range(4):
        part = slice(10_000 * k, 10_000 * (k + 1))
        pd.DataFrame(X[part]).add_prefix("x").assign(y=y[part]).to_parquet(folder / "data" / f"{k}.parquet")
    model = HCDV(utility="kernel", checkpoint=folder / "work", memory_limit="1GB", random_state=0, n_jobs=2)
    model.set_params(n_permutations=ENDLESS).fit(folder / "data", "y")


# What is begun, and the stage that it is stopped in (None: it says so itself).
CASES: dict[str, tuple[str | None, Callable[[Path], None]]] = {
    "encoding": ("encoding", lambda folder: HCDV(random_state=0, n_jobs=2).fit(*table(200_000)) and None),
    "tree": ("building the tree", lambda folder: fit(200_000, folder)),
    "games": ("preparing the games", lambda folder: fit(30_000, folder)),
    "forest": ("preparing the games", lambda folder: fit(30_000, folder, utility="forest")),
    "chains": ("walking the chains", lambda folder: fit(300, folder, n_permutations=ENDLESS)),
    "long chains": ("walking the chains", lambda folder: fit(60_000, folder, n_permutations=ENDLESS)),
    "one thread": ("walking the chains", lambda folder: fit(300, folder, n_permutations=ENDLESS, n_jobs=1)),
    "baseline": (
        "walking the chains",
        lambda folder: data_shapley(*rows(300), utility="kernel", n_permutations=ENDLESS, n_jobs=2) and None,
    ),
    "out of core": ("walking the chains", out_of_core),
    "update": (None, update),
    "report": (None, report),
}


def say_when(stage: str) -> None:
    """Say so as soon as the stage of this name begins."""
    whole = Progress.stage

    @contextmanager
    def told(self: Progress, name: str, total: int | None = None) -> Iterator[Step]:
        with whole(self, name, total) as step:
            if name == stage:
                print(BEGINS, flush=True)
            yield step

    Progress.stage = told  # type: ignore[method-assign]


if __name__ == "__main__":
    # A job in the background of a shell is started with SIGINT ignored, and so are its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    begin, work = CASES[sys.argv[1]]
    if begin is not None:
        say_when(begin)
    work(Path(sys.argv[2]))
