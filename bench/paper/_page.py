"""docs/paper.md, written from what was measured; tests/paper/test_cli.py fails when it is stale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.paper._experiment import SCALES, Experiment
from bench.paper._store import ROOT, ResultsError, Store

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
    parts = [INTRODUCTION]
    for name, module in experiments.items():
        store = largest(results, name)
        if store is None:
            continue
        machine = store.record["machine"]
        parts.append(module.section(store.rows).strip() + "\n")
        parts.append(
            f"*Scale `{store.scale}`, {machine['cores']} cores of {machine['processor']}, "
            f"Python {machine['python']}, scikit-learn {machine['scikit-learn']}.*\n"
        )
    if len(parts) == 1:
        raise ResultsError(f"nothing was measured in {results}; nothing is written.")
    return "\n".join(parts)


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
