"""Proposition 1 in games whose Shapley values are known (``bench.bounds``): how many leave the radius."""

from __future__ import annotations

from typing import Any

from scipy.stats import beta

from bench.bounds import DELTAS, FAMILIES, WORST, coverage_rows, draw_errors, simulate
from bench.paper._experiment import Key, Row, chosen, markdown_table, values_of
from bench.paper._slopes import slope
from bench.paper._verdicts import Claim, Finding, count, verdict
from hcdv.diagnostics import radius

EVERY_FAMILY = {**FAMILIES, **WORST}
(WORST_CASE,) = WORST
PICTURE = "paper_theory_concentration.png"
# T that "suffices in practice" (Section 3), and K_1 of the stream (Section 5).
PAPER = {"permutations": 256, "coalitions": 16}

INTRODUCTION = """### Proposition 1: concentration

Games whose Shapley values are known (`bench.bounds`); independent permutations as in the paper, T from {first}
to {last}. A game is outside when any of its players is; the share that Proposition 1 allows is delta. Radius /
error is by how much the radius could shrink and still hold the share 1 - delta of the games.
"""


def cells() -> list[Key]:
    return [{"family": name} for name in EVERY_FAMILY]


def measure(n_games: int, budgets: tuple[int, ...], family: str) -> dict[str, Any]:
    """Games outside the radius, and errors, by sampler, T and delta."""
    errors = simulate(EVERY_FAMILY[family], n_games, budgets, list(EVERY_FAMILY).index(family))
    return {"coverage": coverage_rows(family, errors, budgets)}


def text(rows: list[Row]) -> str:
    lines = coverage(rows)
    table = []
    for delta in DELTAS:
        mine = chosen(lines, delta=delta, sampler="plain")
        told = [figure(those) for those in split(mine) for figure in (outside, looseness)]
        table.append([f"{delta:g}", *told])
    head = ["delta", "outside, five families", "radius / error", f"outside, {WORST_CASE}", "radius / error"]
    budgets = {line["permutations"] for line in lines}
    return "\n".join(
        [
            INTRODUCTION.format(first=min(budgets), last=max(budgets)),
            markdown_table(head, table),
            f"\n![Share of games outside the radius; error and radius by T](images/{PICTURE})\n",
            *(f"- {claim(lines)}" for claim in (promise, rate, enough)),
            "",
        ]
    )


def coverage(rows: list[Row]) -> list[Row]:
    return [line for row in rows for line in row["coverage"]]


def split(lines: list[Row]) -> tuple[list[Row], list[Row]]:
    """The five families, and the worst case."""
    return [line for line in lines if line["family"] != WORST_CASE], chosen(lines, family=WORST_CASE)


def outside(lines: list[Row]) -> str:
    """Games outside, of the T at which there are most."""
    counts = [counted(chosen(lines, permutations=T)) for T in {line["permutations"] for line in lines}]
    if not counts:
        return "–"
    found, games = max(counts)
    return f"at most {found:,} of {games:,} ({found / games:.2%})"


def counted(lines: list[Row]) -> tuple[int, int]:
    """Games outside, and games."""
    return sum(line["outside"] for line in lines), sum(line["games"] for line in lines)


def looseness(lines: list[Row]) -> str:
    factors = values_of(lines, "looseness")
    return f"{factors.min():.2g} to {factors.max():.2g}" if len(factors) else "–"


def promise(lines: list[Row]) -> str:
    """In how many cells it holds."""
    return (
        f"The share of games outside is at most delta in {count(kept(lines))} cells of family, sampler "
        "(independent and in antithetic pairs), T and delta."
    )


def kept(lines: list[Row]) -> list[bool]:
    """In which cells the share of games outside is at most delta."""
    return [line["outside"] <= line["delta"] * line["games"] for line in lines]


def in_short(rows: list[Row]) -> list[Claim]:
    parts = kept(coverage(rows))
    says = "of all games at most the share delta has an error beyond the radius"
    told = (
        f"in {count(parts)} cells; T = {PAPER['permutations']}, said to suffice, leaves a radius of "
        f"{papers_radius():.2f} B among {PAPER['coalitions']} coalitions, v being from -B to B"
    )
    return [Claim("Proposition 1", says, Finding(verdict(*parts), told), None)]


def rate(lines: list[Row]) -> str:
    """Of the errors, by T."""
    slopes = []
    for family in dict.fromkeys(line["family"] for line in lines):
        mine = chosen(lines, family=family, delta=0.05, sampler="plain")
        slopes.append(slope(values_of(mine, "permutations"), values_of(mine, "error_quantile")))
    return f"Errors fall with T to the power {min(slopes):.2f} to {max(slopes):.2f} (promised: -0.5)."


def enough(lines: list[Row]) -> str:
    """``so T = 256 suffices in practice``."""
    at = max(line["permutations"] for line in lines)
    told = ", ".join(
        f"{line['family']} {line['error_quantile']:.3f}"
        for line in chosen(lines, permutations=at, delta=0.05, sampler="plain")
    )
    return (
        f"That T = {PAPER['permutations']} suffices does not follow: for {PAPER['coalitions']} coalitions and "
        f"|v| at most B the radius at delta = .05 is {papers_radius():.2f} B. Errors are smaller; their 95% "
        f"quantile at T = {at}, as a share of the range of v: {told}."
    )


def papers_radius() -> float:
    """In units of B."""
    return radius(PAPER["permutations"], PAPER["coalitions"], value_range=2.0)


def draw(left: Any, right: Any, rows: list[Row]) -> None:
    lines = chosen(coverage(rows), sampler="plain")
    budgets = sorted({line["permutations"] for line in lines})
    for delta, colour in zip(DELTAS, ("#7aa6c2", "#c2410c", "#4d7c0f"), strict=True):
        left.axhline(delta, color=colour, linestyle="--", linewidth=1)
        both = split(chosen(lines, delta=delta))
        for those, who, mark in zip(both, ("five families", WORST_CASE), "o^", strict=True):
            if those:
                limits = [upper_limit(*counted(chosen(those, permutations=T))) for T in budgets]
                label = f"{who}, delta {delta:g}"
                left.plot(budgets, limits, f"{mark}-", markersize=4, color=colour, label=label)
    left.set(xscale="log", yscale="log", xlabel="permutations T", ylabel="share of games, 95% upper limit")
    left.set_xticks(budgets, [str(T) for T in budgets])
    left.set_xticks([], minor=True)
    left.set_title("Games outside the radius (dashed: allowed)")
    left.set_ylim(top=8.0)
    left.legend(frameon=False, fontsize=8, loc="upper center", ncols=2)
    draw_errors(right, chosen(lines, delta=0.05))


def upper_limit(found: int, games: int) -> float:
    """Of a share, 95% sure (Clopper and Pearson 1934): above 0 even where nothing was found."""
    return float(beta.ppf(0.95, found + 1, games - found)) if found < games else 1.0
