"""What an experiment is: cells that are measured one by one, and words and pictures made of them.

A module of this package is one, with six functions:

- ``cells(scale)``: the work, a list of keys (dicts of plain values), in the order it is to be done;
- ``measure(scale, **key)``: figures of one cell, a dict of what JSON holds;
- ``side_by_side(**key)``: whether the cell may be measured beside others, as no wall seconds are among its
  figures; it comes after all cells that may not;
- ``section(rows)``: Markdown with our figures beside the printed ones, under one heading of level 2;
- ``in_short(rows)``: the claims of the paper that the section looks at, and what they come to;
- ``pictures(rows, folder)``: plots, as files that ``section`` names; may write none.

A row is a cell's key, its figures, and ``seconds`` and ``commit`` of the measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench.paper._verdicts import Claim

# What fits a CI run of minutes, an afternoon on two cores, a machine with a GPU, and what the paper used.
SCALES = ("ci", "laptop", "gpu", "paper")

Key = dict[str, Any]
Row = dict[str, Any]


class Experiment(Protocol):
    __name__: str

    def cells(self, scale: str) -> list[Key]: ...

    def measure(self, scale: str, **key: Any) -> dict[str, Any]: ...

    def side_by_side(self, **key: Any) -> bool: ...

    def section(self, rows: list[Row]) -> str: ...

    def in_short(self, rows: list[Row]) -> list[Claim]: ...

    def pictures(self, rows: list[Row], folder: Path) -> None: ...


def chosen(rows: Iterable[Row], **key: Any) -> list[Row]:
    """Rows with these entries."""
    return [row for row in rows if all(row.get(name) == value for name, value in key.items())]


def values_of(rows: Iterable[Row], figure: str, **key: Any) -> np.ndarray:
    """A figure of all rows with these entries, float64; rows without it are left out."""
    return np.array([row[figure] for row in chosen(rows, **key) if row.get(figure) is not None], float)


def mean_and_deviation(figures: np.ndarray, digits: int = 3) -> str:
    """``.904 ± .002``, or a dash where there is nothing."""
    if not len(figures):
        return "–"
    deviation = figures.std(ddof=1) if len(figures) > 1 else float("nan")
    told = f"{figures.mean():.{digits}f}"
    return told if np.isnan(deviation) else f"{told} ± {deviation:.{digits}f}"


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]], *, of_words: bool = False) -> str:
    """A table of GitHub's Markdown, the first column left, the others right unless they hold words."""
    out = ["| " + " | ".join(head) + " |", "|---|" + ("---|" if of_words else "---:|") * (len(head) - 1)]
    return "\n".join([*out, *("| " + " | ".join(line) + " |" for line in lines)])
