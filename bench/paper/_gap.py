"""Theorem 1: |sum of values - (v(all) - v(none))| under trees of several depths, beside the bound of Eq. 24.

256 rows in 64 leaves of four.  The error of a node is that of one run beside the mean of the others, with other
permutations on the same tree; the bound is the largest of each level, summed, and that the mean of all runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.paper._experiment import Key, Row, chosen, markdown_table, values_of
from bench.paper._slopes import slope
from bench.paper._verdicts import Claim, Finding, count, verdict
from hcdv import HCDV, Hierarchy
from hcdv.allocation import Literal
from hcdv.datasets import flip_labels, make_synthetic
from hcdv.diagnostics import bound_of
from hcdv.diagnostics.bounds import tiling

# Children of a node, by depth.
BRANCHING = {1: 64, 2: 8, 3: 4, 6: 2}
N, LEAF = 256, 4
NORMALISE = ("proportional", "additive", "safe")
# Under "weights" only the rows of a leaf are normalised.
ALLOCATIONS: dict[str, str | Literal] = {
    "winter": "winter",
    **{f"sibling, {how}": Literal("sibling", how) for how in NORMALISE},
    **{f"level, {how}": Literal("level", how) for how in NORMALISE},
    "weights": Literal("weights"),
}
# What a sum may miss, as a share of the largest number in it.
ROUNDING = 16 * N * float(np.finfo(float).eps)
# Normalised as printed; the others look alike.
DRAWN = ("winter", "sibling, proportional", "level, proportional", "weights")
# Where a plot shows a gap or a bound of nothing at all.
FLOOR = 1e-18
PICTURE = "paper_theory_gap.png"

INTRODUCTION = """### Theorem 1: the gap

{n} rows in {leaves} leaves, depth {depths}, T = {budgets}; gap: |sum of values - (v(all) - v(none))| of the
default allocation (`winter`) and of Algorithm 1 as printed (who plays whom, and how line 9 normalises). The
bound of Eq. 24 is the largest error of a node, measured, summed over levels; leaves are exact, and so are local
games of m players where 2^m is at most T m. The last column is the largest |value of a row| beside v(all) -
v(none).
"""


def cells(depths: Sequence[int], permutations: Sequence[int]) -> list[Key]:
    return [
        {"depth": depth, "permutations": T, "allocation": name}
        for depth in depths
        for T in permutations
        for name in ALLOCATIONS
    ]


def measure(repeats: int, depth: int, permutations: int, allocation: str) -> dict[str, Any]:
    """Both sides of Eq. 24, in units of v."""
    data = make_synthetic(n=N, n_val=100, n_test=10, random_state=0)
    y, _ = flip_labels(data.y, 0.15, random_state=0)
    tree = Hierarchy.build(data.X, BRANCHING[depth], LEAF, capacity_slack=0.0, random_state=0, n_jobs=1)
    results = [
        HCDV(
            utility="kernel", allocation=ALLOCATIONS[allocation], n_permutations=permutations,
            random_state=seed, n_jobs=1,
        ).fit(data.X, y, data.X_val, data.y_val, hierarchy=tree).result_
        for seed in range(repeats)
    ]  # fmt: skip
    nodes = np.array([result.node_values for result in results])
    tiles = [tiling(tree, level) for level in range(depth + 1)]
    bounds = []
    for one in range(repeats):
        missed = np.abs(nodes[one] - np.delete(nodes, one, axis=0).mean(axis=0))
        bounds.append(bound_of([float(missed[those].max()) for those in tiles]))
    return {
        "gap": max(result.efficiency_gap for result in results),
        "bound": float(np.mean(bounds)),
        "total": results[0].v_full - results[0].v_empty,
        "largest_row": max(float(np.abs(result.values).max()) for result in results),
    }


def text(rows: list[Row]) -> str:
    table = []
    for name in dict.fromkeys(row["allocation"] for row in rows):
        mine = chosen(rows, allocation=name)
        gaps, bounds = values_of(mine, "gap"), values_of(mine, "bound")
        largest = max(map(relative_size, mine))
        table.append([name, f"{gaps.max():.1e}", f"{bounds.min():.1e} to {bounds.max():.1e}", f"{largest:.3g}"])
    depths, budgets = (sorted({row[name] for row in rows}) for name in ("depth", "permutations"))
    introduction = INTRODUCTION.format(n=N, leaves=N // LEAF, depths=listed(depths), budgets=listed(budgets))
    return "\n".join(
        [
            introduction,
            markdown_table(["allocation", "largest gap", "bound", "largest row"], table),
            f"\n![Gap and bound by depth and by T](images/{PICTURE})\n",
            *(f"- {line}" for line in (efficiency(rows), *of_winter(rows), terms(rows))),
            "",
        ]
    )


def listed(numbers: Sequence[int]) -> str:
    head = ", ".join(str(number) for number in numbers[:-1])
    return f"{head} and {numbers[-1]}" if head else str(numbers[-1])


def relative_size(row: Row) -> float:
    """Largest value of a row, as a multiple of v(all) - v(none)."""
    return float(row["largest_row"] / abs(row["total"]))


def efficiency(rows: list[Row]) -> str:
    """Whether Eq. 24 holds, and why."""
    nothing = sum(row["gap"] <= rounding(row) for row in rows)
    return (
        f"Eq. 24 holds in {count(within(rows))} cells, up to rounding; in {nothing} the gap is no more than "
        "that. Along any permutation marginal contributions add up to v(all) - v(none), and pots are handed "
        "down whole: neither depth nor T moves the sum, and it says nothing of Monte-Carlo error."
    )


def rounding(row: Row) -> float:
    return ROUNDING * max(row["largest_row"], abs(row["total"]))


def within(rows: list[Row]) -> list[bool]:
    """In which cells the gap is at most the bound, up to rounding."""
    return [row["gap"] <= row["bound"] + rounding(row) for row in rows]


def in_short(rows: list[Row]) -> list[Claim]:
    winter = chosen(rows, allocation="winter")
    literal = [row for row in rows if row["allocation"] != "winter"]
    findings = []
    for mine in (winter, literal):
        parts = within(mine)
        told = f"in {count(parts)} cells; largest gap {max(row['gap'] for row in mine):.1g}" if mine else ""
        findings.append(Finding(verdict(*parts), told))
    says = "values sum to v(all) - v(none) but for the error of each level"
    return [Claim("Theorem 1", says, *findings)]


def of_winter(rows: list[Row]) -> list[str]:
    """How the bound of the default allocation grows with depth and falls with T."""
    winter = chosen(rows, allocation="winter")
    told = []
    deep = [
        values_of(mine, "bound")[-1] / values_of(mine, "bound")[0]
        for mine in by(winter, "permutations", "depth")
        if len(mine) > 1
    ]
    if deep:
        told.append(
            f"From the shallowest to the deepest tree the bound of `winter` grows {min(deep):.1f} to "
            f"{max(deep):.1f} times: there are more levels to sum, and larger nodes have larger errors."
        )
    slopes = [
        slope(values_of(mine, "permutations"), values_of(mine, "bound"))
        for mine in by(winter, "depth", "permutations")
        if len(mine) > 1
    ]
    if slopes:
        told.append(f"It falls with T to the power {min(slopes):.2f} to {max(slopes):.2f} (promised: -0.5).")
    return told


def by(rows: list[Row], name: str, order: str) -> list[list[Row]]:
    """Rows of one ``name`` each, sorted by ``order``."""
    return [
        sorted(chosen(rows, **{name: value}), key=lambda row: row[order])
        for value in sorted({row[name] for row in rows})
    ]


def terms(rows: list[Row]) -> str:
    """What the sum hides."""
    widest = max(rows, key=relative_size)
    return (
        f"The sum is right whatever its terms are: the largest value of a row is {relative_size(widest):.3g} "
        f"times v(all) - v(none) (`{widest['allocation']}`, depth {widest['depth']}, "
        f"T = {widest['permutations']}). Line 9 as printed divides by sums that may be near 0."
    )


def draw(left: Any, right: Any, rows: list[Row]) -> None:
    for axes, name, fixed in ((left, "depth", "permutations"), (right, "permutations", "depth")):
        ticks, others = (sorted({row[key] for row in rows}) for key in (name, fixed))
        middle = others[len(others) // 2]
        for index, those in enumerate(by(chosen(rows, **{fixed: middle}), "allocation", name)):
            label = those[0]["allocation"]
            if label not in DRAWN:
                continue
            for figure, style in (("bound", "x--"), ("gap", "o-")):
                heights = np.maximum(values_of(those, figure), FLOOR)
                places = [row[name] for row in those]
                axes.plot(places, heights, style, color=f"C{index}", label=f"{figure} of {label}")
        axes.set(xscale="log", yscale="log", xlabel=name, ylabel="in units of v", ylim=(FLOOR / 3, 10.0))
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_title(f"Theorem 1, {fixed} {middle}")
    right.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
