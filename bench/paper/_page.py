"""docs/paper.md, written from what was measured; tests/paper/test_cli.py fails when it is stale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.paper._experiment import SCALES, Experiment, Row
from bench.paper._store import ROOT, ResultsError, Store
from bench.paper._summary import summary

PAGE = ROOT / "docs" / "paper.md"
# Order on the page.
ORDER = ("retraining", "opendataval", "augmentation", "stream", "marketplace", "theory")

INTRODUCTION = """# The paper, table by table

["From Points to Coalitions: Hierarchical Contrastive Shapley Values for Prioritizing Data
Samples"](https://arxiv.org/abs/2512.19363), measured again. This page is written by `python -m bench.paper
page` from `bench/results/paper`: the sentences are by hand, our figures are not. `python -m bench.paper all
--scale laptop` measures what is missing there, with `--again` everything.
"""


def text(results: Path, experiments: Mapping[str, Experiment]) -> str:
    """The page, of the largest scale at which each experiment was run.

    Raises
    ------
    ResultsError
        If none was: the page that is there is worth more than an empty one.
    """
    sections, claims = [], []
    for name, module in experiments.items():
        store = largest(results, name)
        if store is None:
            continue
        section = module.section(store.rows).strip()
        claims += [(claim, section.splitlines()[0]) for claim in module.in_short(store.rows)]
        sections += [f"{section}\n", footer(store)]
    if not sections:
        raise ResultsError(f"nothing was measured in {results}; nothing is written.")
    return "\n".join([INTRODUCTION, summary(claims), *sections])


def footer(store: Store) -> str:
    """Where the rows come from; the machine is kept once, as it was at the last cell."""
    machine = store.record["machine"]
    return (
        f"*Scale `{store.scale}`, {origins(store.rows)}{machine['cores']} cores of {machine['processor']}, "
        f"Python {machine['python']}, scikit-learn {machine['scikit-learn']}.*\n"
    )


def origins(rows: list[Row]) -> str:
    """Of how many commits, and processors where rows tell these."""
    counts = {kind: len({row[kind] for row in rows if kind in row}) for kind in ("commit", "processor")}
    told = [f"{n} {kind}s" for kind, n in counts.items() if n > 1]
    return f"cells of {' and '.join(told)}, the last one on " if told else ""


def largest(results: Path, name: str) -> Store | None:
    """What was measured at the largest scale."""
    stores = [Store(results, scale, name) for scale in SCALES]
    measured = [store for store in stores if store.rows]
    return measured[-1] if measured else None


def write(page: Path, results: Path, experiments: Mapping[str, Experiment]) -> None:
    words = text(results, experiments)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(words)
    folder = page.parent / "images"
    folder.mkdir(exist_ok=True)
    for name, module in experiments.items():
        store = largest(results, name)
        if store is not None:
            module.pictures(store.rows, folder)
