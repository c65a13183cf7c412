"""Run tables and figures of the paper.

    python -m bench.paper all --scale ci
    python -m bench.paper table1 fig3 --scale laptop
    python -m bench.paper page

What was measured is kept in bench/results/paper/SCALE, cell by cell, and not measured again: a run that was
killed goes on with the same command, ``--again`` starts over.  ``page`` writes docs/paper.md and its pictures
from what is kept, each part from the largest scale that it was measured at; ``all`` does so at its end.

``ci`` takes minutes and needs no downloads, ``laptop`` hours on two cores; the others want a GPU or days.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from types import ModuleType

from joblib import cpu_count

from bench.paper import _page
from bench.paper._experiment import SCALES
from bench.paper._store import RESULTS, ResultsError, claimed, run_cells

# What the paper calls it -> who measures it.
EXPERIMENTS = {
    "table1": "retraining",
    "table2": "retraining",
    "table3": "opendataval",
    "table4": "marketplace",
    "table5": "marketplace",
    "fig1": "augmentation",
    "fig2": "augmentation",
    "fig3": "stream",
    "theory": "theory",
}


def experiment(name: str) -> ModuleType:
    return import_module(f"bench.paper.{name}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.paper", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=[*EXPERIMENTS, "all", "page"], metavar="NAME",
                        help=", ".join([*EXPERIMENTS, "all", "page"]))  # fmt: skip
    parser.add_argument("--scale", choices=SCALES, default="ci", help="how much is measured (default: ci)")
    parser.add_argument("--results", type=Path, default=RESULTS,
                        help="folder of the results (default: bench/results/paper)")  # fmt: skip
    parser.add_argument("--page", type=Path, default=_page.PAGE,
                        help="where the page goes (default: docs/paper.md)")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=cpu_count(), metavar="N",
                        help="processes for cells without wall seconds (default: one a core)")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="measure anew what is there at this scale")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"argument --jobs: {options.jobs} is not 1 or more")
    try:
        run(options)
    except ResultsError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except OSError as error:
        # Errors of the system name a file; others (a data set that is missing, a store in use) are sentences.
        told = f"{error.filename}: {error.strerror}." if error.filename else str(error)
        parser.exit(2, f"{parser.prog}: error: {told}\n")


def run(options: argparse.Namespace) -> None:
    """Measure what was asked for, and write the page."""
    wanted = EXPERIMENTS if "all" in options.names else [name for name in options.names if name != "page"]
    for name in dict.fromkeys(EXPERIMENTS[name] for name in wanted):
        module = experiment(name)
        with claimed(options.results, options.scale, name) as store:
            if options.again:
                store.forget()
            run_cells(module, store, options.jobs)
        print(f"\n{module.section(store.rows)}\n", flush=True)
    if {"all", "page"} & set(options.names):
        _page.write(options.page, options.results, {name: experiment(name) for name in _page.ORDER})
        print(f"written: {options.page}")


if __name__ == "__main__":
    main()
