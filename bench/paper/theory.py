"""Proposition 1, Theorem 1 and Eqs. 16-17: what they promise, and what is measured.

    python -m bench.paper theory --scale laptop

=======================  ===========================================================
``_concentration.py``    Proposition 1: games outside the radius, errors by T
``_gap.py``              Theorem 1: gap and bound by depth and T
``_cost.py``             Eqs. 16-17: evaluations and seconds by n
=======================  ===========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bounds import BUDGETS
from bench.paper import _concentration, _cost, _gap
from bench.paper._experiment import Key, Row, chosen
from bench.paper._verdicts import Claim

PARTS = {"concentration": _concentration, "gap": _gap, "cost": _cost}


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes
    ----------
    n_games : int
        Of each family.
    budgets : tuple of int
        T of these games.
    depths, permutations : tuple of int
        Of the trees of the gap, and T on them.
    repeats : int
        Runs on each tree; all but the first make the reference.
    largest : int
        Rows at most of the cost, doubled from 250.
    """

    n_games: int
    budgets: tuple[int, ...]
    depths: tuple[int, ...]
    permutations: tuple[int, ...]
    repeats: int
    largest: int


SIZES = {
    "ci": Size(30, BUDGETS[:4], (1, 3), (8,), 2, 1000),
    "laptop": Size(2000, BUDGETS, tuple(_gap.BRANCHING), (8, 32, 128), 4, 16_000),
    "gpu": Size(2000, BUDGETS, tuple(_gap.BRANCHING), (8, 32, 128, 512), 8, 64_000),
    "paper": Size(10_000, BUDGETS, tuple(_gap.BRANCHING), (8, 32, 128, 512), 8, 256_000),
}


def cells(scale: str) -> list[Key]:
    size = SIZES[scale]
    keys = {
        "concentration": _concentration.cells(),
        "gap": _gap.cells(size.depths, size.permutations),
        "cost": _cost.cells(size.largest),
    }
    return [{"part": part, **key} for part, those in keys.items() for key in those]


def side_by_side(part: str, **key: Any) -> bool:
    """Only the cost tells wall seconds."""
    return part != "cost"


def measure(scale: str, *, part: str, **key: Any) -> dict[str, Any]:
    size = SIZES[scale]
    if part == "concentration":
        return _concentration.measure(size.n_games, size.budgets, **key)
    if part == "gap":
        return _gap.measure(size.repeats, **key)
    return _cost.measure(**key)


def section(rows: list[Row]) -> str:
    texts = [module.text(chosen(rows, part=part)) for part, module in PARTS.items() if chosen(rows, part=part)]
    return "\n".join(["## Theory: Proposition 1, Theorem 1, Eqs. 16-17\n", *texts])


def in_short(rows: list[Row]) -> list[Claim]:
    those = {part: chosen(rows, part=part) for part in PARTS}
    return [claim for part, module in PARTS.items() if those[part] for claim in module.in_short(those[part])]


def pictures(rows: list[Row], folder: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for part, module in PARTS.items():
        mine = chosen(rows, part=part)
        if not mine:
            continue
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, 2)
        module.draw(panels[0], panels[1], mine)
        for axes in panels:
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(folder / module.PICTURE, dpi=120)
