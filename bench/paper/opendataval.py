"""Table 3: the OpenDataVal protocol, the paper's numbers beside ours.

    python -m bench.paper table3 --scale laptop

``bench.protocol`` says what is measured and what each method is given.  The rows kept here are also those of
docs/comparison.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from bench._measure import machine
from bench.paper._experiment import Key, Row, chosen, markdown_table, mean_and_deviation, values_of
from bench.paper._table3 import OURS, PAPER, PRINTED_TASKS, printed
from bench.paper._verdicts import Claim, Finding, count
from bench.paper._verdicts import verdict as word
from bench.protocol import (
    CLOSE,
    FOR_A_MODEL,
    LEVELS,
    LITERAL,
    METHODS,
    TASKS,
    Figures,
    figures,
    one_cell,
    verdict,
)
from bench.protocol import PAPER as SETS

PLAYERS = {"groups": "100 data sets of ten rows as players, as in the paper", "rows": "1,000 rows as players"}
INTRODUCTION = """## Table 3: the OpenDataVal protocol

Labels of 5% or 15% of the players are shifted. **NLD**: F1 of finding these players (higher is better); **DR**:
test accuracy once as many players of the highest values are gone, **DA**: of a model trained on as many of the
lowest alone (both: lower is better). Mean ± deviation over {seeds} / as printed. The paper's text calls NLD
macro-F1 and wants DR and DA high; its arrows, and the protocol of DU-Shapley that all its rows but HCDV's are
taken from, say what stands here. Rows and models are those of `bench/protocol.py`; the paper does not tell its
own: compare orders, not figures. *HCDV, ridge* and *HCDV, paper* are `HCDV` and `HCDV.paper` with
`utility="ridge"`: a classifier's score on the validation rows, as most of the others share it out.
"""
# Share of the cells at 15% in which HCDV should be at least as good as every other method of the paper.
TARGET, TARGET_LEVEL = 0.8, 0.15


@dataclass(frozen=True)
class Size:
    sets: tuple[str, ...]
    methods: tuple[str, ...]
    n_seeds: int
    n_permutations: int


SIZES = {
    "ci": Size(("digits",), ("Random", "KNN-Shapley", OURS), 1, 2),
    "laptop": Size(SETS, tuple(METHODS), 5, 32),
    "gpu": Size(SETS, tuple(METHODS), 20, 32),
    "paper": Size(SETS, tuple(METHODS), 20, 128),
}


def cells(scale: str) -> list[Key]:
    size = SIZES[scale]
    return [
        {"players": players, "set": name, "level": level, "seed": seed, "method": method}
        for players in PLAYERS
        for seed in range(size.n_seeds)
        for name in size.sets
        for level in LEVELS
        for method in size.methods
    ]


def side_by_side(**key: Any) -> bool:
    """Seconds are those of the processor."""
    return True


def measure(scale: str, **key: Any) -> dict[str, Any]:
    (row,) = one_cell(
        key["players"], key["set"], key["level"], key["seed"], [key["method"]], SIZES[scale].n_permutations
    )
    figures_of_cell = {name: figure for name, figure in row.items() if name not in key}
    return figures_of_cell | {"processor": machine()["processor"]}


def section(rows: list[Row]) -> str:
    n_seeds = len({row["seed"] for row in rows})
    parts = [INTRODUCTION.format(seeds="1 seed" if n_seeds == 1 else f"{n_seeds} seeds")]
    for players, title in PLAYERS.items():
        mine = chosen(rows, players=players)
        if mine:
            parts += [f"### {title}\n", *tables(mine), *verdicts(whole(mine), players)]
    parts.append(f"{origins(rows)}\n")
    return "\n".join(parts)


SAYS = {
    "nld": "it finds the shifted labels best, in every cell",
    "dr": "taking away its highest players costs most accuracy, in every cell",
    "da": "its lowest players train the worst model, in every cell",
}


def in_short(rows: list[Row]) -> list[Claim]:
    return [
        Claim(f"Table 3, {TASKS[task][:-2]}", says, first(rows, task, OURS), first(rows, task, LITERAL))
        for task, says in SAYS.items()
    ]


def first(rows: list[Row], task: str, method: str) -> Finding:
    """In how many cells HCDV is first among the paper's methods; 100 data sets decide, as in the paper."""
    told, parts = [], list[bool]()
    for players, name in (("groups", "cells"), ("rows", "with rows as players")):
        mine = among_rivals(rows, players, method)
        found = margins(figures(mine, players), task, method)
        if not found:
            continue
        parts = parts or [margin >= 0 for margin in found]
        told.append(f"{standing(found, name)}, mean {beside_printed(mine, task, method)}")
        if task == "dr" and chosen(mine, method="Random"):
            told[-1] += f", costs {cost_of_highest(mine, method)}"
        if task == "dr" and method == OURS and (said := for_a_model(rows, players)):
            told[-1] += f", {said}"
    return Finding(word(*parts), "; ".join(told))


def among_rivals(rows: list[Row], players: str, method: str) -> list[Row]:
    """Whole cells of a setting of HCDV and the paper's other methods; empty where one side is missing."""
    rivals = PAPER.keys() - {OURS}
    mine = whole([row for row in rows if row["players"] == players and row["method"] in rivals | {method}])
    return mine if {row["method"] for row in mine} > {method} else []


def standing(found: list[float], name: str) -> str:
    """In how many cells a method is first, by its margins, and in how many it nearly is."""
    is_first, close = [margin >= 0 for margin in found], sum(margin >= -CLOSE for margin in found)
    return f"{count(is_first)} {name}" + (f" ({close} within {CLOSE:g})" if close > sum(is_first) else "")


def for_a_model(rows: list[Row], players: str) -> str:
    """DR where HCDV is asked for what its rivals value, the score of a model; empty where not measured."""
    mine = among_rivals(rows, players, FOR_A_MODEL)
    found = margins(figures(mine, players), "dr", FOR_A_MODEL)
    if not found:
        return ""
    nld = values_of(mine, "nld", method=FOR_A_MODEL).mean()
    return standing(found, 'cells with `utility="ridge"`') + f", at an NLD of {nld:.2f}"


def beside_printed(rows: list[Row], task: str, method: str) -> str:
    """HCDV's mean over the cells that are printed too."""
    cells = dict.fromkeys((row["set"], row["level"]) for row in chosen(rows, method=method))
    theirs = {cell: figure for cell in cells if (figure := printed(OURS, cell[0], task, cell[1])) is not None}
    ours = np.mean([
        values_of(rows, task, method=method, set=name, level=level).mean() for name, level in theirs or cells
    ])  # fmt: skip
    return f"{ours:.2f}" + (f" ({np.mean(list(theirs.values())):.2f})" if theirs else "")


def pictures(rows: list[Row], folder: Path) -> None:
    """None: Table 3 is a table."""


def tables(rows: list[Row]) -> list[str]:
    """One for each data set; the methods of the paper first."""
    methods = sorted({row["method"]: None for row in rows}, key=lambda method: method not in PAPER)
    parts = []
    for name in dict.fromkeys(row["set"] for row in rows):
        head = [name, *(f"{TASKS[task]} {level:.0%}" for task in PRINTED_TASKS for level in LEVELS)]
        lines = [
            [
                f"**{method}**" if method == OURS else method,
                *(beside(rows, method, name, task, level) for task in PRINTED_TASKS for level in LEVELS),
            ]
            for method in methods
        ]
        parts.append(markdown_table(head, lines) + "\n")
    return parts


def beside(rows: list[Row], method: str, name: str, task: str, level: float) -> str:
    """Ours / theirs."""
    ours = mean_and_deviation(values_of(rows, task, method=method, set=name, level=level))
    theirs = printed(OURS if method == LITERAL else method, name, task, level)
    return ours if theirs is None else f"{ours} / {theirs:.2f}"


def whole(rows: list[Row]) -> list[Row]:
    """Rows of the cells in which every method has been measured."""
    methods = {row["method"] for row in rows}
    counts = Counter(_cell(row) for row in rows)
    return [row for row in rows if counts[_cell(row)] == len(methods)]


def _cell(row: Row) -> tuple[Any, ...]:
    return row["set"], row["level"], row["seed"]


def verdicts(rows: list[Row], players: str) -> list[str]:
    """Who is first; which orders of the paper hold; what was asked for."""
    those = [row for row in rows if row["method"] in PAPER]
    if len({row["method"] for row in those}) < 2 or not chosen(those, method=OURS):
        return []
    lines = ["Among the methods of the paper, which has HCDV first in every cell:\n"]
    lines += [f"- {line}" for line in (*verdict(those, players), *targets(those, players))]
    if chosen(those, method="Random"):
        lines.append(f"- {highest_rows(those)}")
    if said := for_a_model(rows, players):
        lines.append(f"- DR: HCDV first in {said}.")
    if len(those) < len(rows):
        lines += ["\nAmong all that were measured:\n", *(f"- {line}" for line in verdict(rows, players))]
    found = orders(those, players)
    if found:
        lines += ["\nOrders of two methods in a cell, as printed, and how many of them hold here:\n", found]
    return ["\n".join(lines) + "\n"]


def gain(task: str, one: float, other: float) -> float:
    """By how much ``one`` is better than ``other``."""
    return one - other if task == "nld" else other - one


def targets(rows: list[Row], players: str) -> list[str]:
    """HCDV against every other method at 15%, and against chance everywhere."""
    mine = figures(chosen(rows, level=TARGET_LEVEL), players)
    found = [margin for task in PRINTED_TASKS for margin in margins(mine, task)]
    first, close = (sum(margin >= -slack for margin in found) for slack in (0.0, CLOSE))
    share = f"{first / len(found):.0%}" if found else "none measured"
    lines = [
        f"At {TARGET_LEVEL:.0%}: at least as good as every other method in {first} of {len(found)} cells of "
        f"NLD, DR and DA ({share}; asked for: {TARGET:.0%}), within {CLOSE:g} in {close}."
    ]
    if chosen(rows, method="Random") and len({row["seed"] for row in rows}) > 1:
        said = ", ".join(below_chance(rows)) or "never"
        lines.append(f"Below Random by more than {CLOSE:g} and two standard errors (asked for: never): {said}.")
    return lines


def margins(mine: Figures, task: str, ours: str = OURS) -> list[float]:
    """By how much one method, HCDV, is behind the best one of each cell, at most 0."""
    return [
        min(gain(task, figure, mean) for key, (mean, _) in mine.items() if key[1:] == (name, task, level))
        for (method, name, what, level), (figure, _) in mine.items()
        if method == ours and what == task
    ]


def below_chance(rows: list[Row]) -> Iterator[str]:
    """Cells in which HCDV is worse than random values, seed by seed."""
    for name, level in dict.fromkeys((row["set"], row["level"]) for row in rows):
        ours, chance = (
            {row["seed"]: row for row in chosen(rows, method=method, set=name, level=level)}
            for method in (OURS, "Random")
        )
        seeds = sorted(ours.keys() & chance.keys())
        for task in PRINTED_TASKS if len(seeds) > 1 else ():
            gains = np.array([gain(task, ours[seed][task], chance[seed][task]) for seed in seeds])
            error = gains.std(ddof=1) / len(gains) ** 0.5
            if gains.mean() < -(CLOSE + 2 * error):
                yield f"{name} {TASKS[task][:-2]} {level:.0%} ({gains.mean():+.4f} ± {error:.4f})"


def highest_rows(rows: list[Row]) -> str:
    """What DR comes to: highest rows against random ones."""
    return f"Taking away HCDV's highest players costs {cost_of_highest(rows)}, mean of all cells."


def cost_of_highest(rows: list[Row], method: str = OURS) -> str:
    """Beside that of random ones, of all cells."""
    ours, chance = (values_of(rows, "dr", method=who).mean() for who in (method, "Random"))
    theirs = np.mean([
        PAPER["Random"][k][j] - PAPER[OURS][k][j] for k in range(len(SETS)) for j in (2, 3)
    ])  # fmt: skip
    return (
        f"{100 * abs(chance - ours):.1f} points of accuracy {'more' if chance >= ours else 'less'} than taking "
        f"away random ones (printed: {100 * theirs:.1f})"
    )


def orders(rows: list[Row], players: str) -> str:
    """How many of the paper's orders hold, by pair and task; empty where no set of the paper was measured."""
    mine = figures(rows, players)
    rivals = [method for method in PAPER if method != OURS and chosen(rows, method=method)]
    pairs = {f"HCDV before {rival}": [(OURS, rival)] for rival in rivals}
    pairs["any two of the others"] = list(combinations(rivals, 2))
    held = {told: [holding(mine, those, task) for task in PRINTED_TASKS] for told, those in pairs.items()}
    if not any(map(any, held.values())):
        return ""
    lines = [[told, *(f"{sum(one)} of {len(one)}" for one in by_task)] for told, by_task in held.items()]
    return markdown_table(["", *(TASKS[task] for task in PRINTED_TASKS)], lines)


def holding(mine: Figures, pairs: list[tuple[str, str]], task: str) -> list[bool]:
    """For each cell in which the paper tells two methods apart: whether the better one is no worse here."""
    held = []
    measured = dict.fromkeys((name, level) for _, name, what, level in mine if what == task)
    for (one, other), (name, level) in product(pairs, measured):
        theirs = [printed(method, name, task, level) for method in (one, other)]
        ours = [mine[method, name, task, level][0] for method in (one, other)]
        if theirs[0] is not None and theirs[1] is not None and theirs[0] != theirs[1]:
            held.append(gain(task, *ours) * gain(task, theirs[0], theirs[1]) >= 0)
    return held


def origins(rows: list[Row]) -> str:
    """Which rows were measured at which commit, on which machine."""
    told: dict[str, list[str]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = chosen(rows, method=method)
        of: dict[str, dict[str, None]] = {}
        for row in mine:
            of.setdefault(f"{row['commit']} ({row['processor']})", {})[row["set"]] = None
        line = ", and ".join(f"{', '.join(sets)} at {origin}" for origin, sets in of.items())
        told.setdefault(line, []).append(method)
    return "Measured: " + ". ".join(f"{'; '.join(methods)}: {line}" for line, methods in told.items()) + "."
