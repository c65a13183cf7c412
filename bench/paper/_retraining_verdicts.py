"""Tables 1 and 2 in short."""

from __future__ import annotations

from bench.paper._experiment import Row, chosen, values_of
from bench.paper._methods import NOISES, SAME_TREE
from bench.paper._retraining_page import (
    EQUAL,
    PAPER_SCORES,
    PAPER_SECONDS,
    best_other,
    cost_of,
    large_sets,
    short,
    steadiness,
)
from bench.paper._verdicts import NOTHING, Claim, Finding, count, verdict

DEFAULT, LITERAL = "HCDV", "HCDV, paper"
# "25-40%" lower than GS and MCDS, says the text beside Table 1.
STEADIER = 0.25
RIVALS = ("MCDS", "GS")


def in_short(rows: list[Row]) -> list[Claim]:
    mine = chosen(rows, what="retraining")
    return [
        Claim(
            "Table 1, score",
            "trained on its top 30%, models are at least as good as by any other method, on all sets; "
            "labels clean",
            *(first(mine, method) for method in (DEFAULT, LITERAL)),
        ),
        Claim(
            "Table 1, lead",
            "and by as much as printed, points over the best other",
            *(ahead(mine, method) for method in (DEFAULT, LITERAL)),
        ),
        Claim(
            "Table 1, stability",
            f"mean CV of its values at least {STEADIER:.0%} below those of MCDS and GS",
            steadier(chosen(rows, what="stability")),
            NOTHING,
        ),
        Claim(
            "Table 2",
            "faster than MCDS and GS on all sets",
            *(faster(rows, method) for method in (DEFAULT, LITERAL)),
        ),
    ]


def leads(rows: list[Row], method: str, noise: float) -> dict[str, tuple[float, str]]:
    """By how much a method is ahead of the paper's best other, and which that is, by set."""
    found = {}
    mine = chosen(rows, noise=noise)
    for name in dict.fromkeys(row["set"] for row in mine):
        ours, best = values_of(mine, "score", set=name, method=method), best_other(mine, name, method)
        if len(ours) and best:
            found[name] = float(ours.mean()) - best[1], best[0]
    return found


def first(rows: list[Row], method: str) -> Finding:
    clean, flipped = (
        [lead >= -EQUAL for lead, _ in leads(rows, method, noise).values()] for noise in (0.0, NOISES[-1])
    )
    if not clean:
        return NOTHING
    told = f"{count(clean)} sets"
    if flipped:
        told += f"; with {NOISES[-1]:.0%} of the labels flipped, which is not printed, {count(flipped)}"
    return Finding(verdict(*clean), told)


def ahead(rows: list[Row], method: str) -> Finding:
    ours = leads(rows, method, 0.0)
    printed = {name: printed_lead(name) for name in ours if name in PAPER_SCORES}
    parts = [ours[name][0] >= lead for name, (lead, _) in printed.items()]
    told = [f"{short(name)} {over(*ours[name])} ({over(*lead)})" for name, lead in printed.items()]
    return Finding(verdict(*parts), "; ".join(told))


def printed_lead(name: str) -> tuple[float, str]:
    others = {method: score for method, score in PAPER_SCORES[name].items() if method != LITERAL}
    best = max(others, key=others.__getitem__)
    return PAPER_SCORES[name][LITERAL] - others[best], best


def over(lead: float, best: str) -> str:
    # A lead of -0.0 is none.
    return f"{round(100 * lead, 1) + 0.0:+.1f} over {best}"


def steadier(rows: list[Row]) -> Finding:
    names = list(dict.fromkeys(row["set"] for row in rows))
    anew, same = (
        [is_steadier for name in names if (is_steadier := steadier_on(rows, name, method)) is not None]
        for method in (DEFAULT, SAME_TREE)
    )
    if not anew:
        return NOTHING
    figures = ", ".join(f"{short(name)} {steadiness(rows, name, 'mean_cv', DEFAULT)}" for name in names)
    told = f"{count(anew)} sets ({count(same)} with the same tree for all seeds): {figures}"
    return Finding(verdict(*anew), told)


def steadier_on(rows: list[Row], name: str, method: str) -> bool | None:
    ours = values_of(rows, "mean_cv", set=name, method=method)
    rivals = [cv for rival in RIVALS for cv in values_of(rows, "mean_cv", set=name, method=rival)]
    return bool(ours[0] <= (1 - STEADIER) * min(rivals)) if len(ours) and rivals else None


def faster(rows: list[Row], method: str) -> Finding:
    """By seconds as they are; budgets differ, so also by what as many coalitions would take."""
    is_faster, at_equal_counts, told = [], [], []
    for rival in RIVALS:
        ratios, printed = [], []
        for name, seconds in PAPER_SECONDS.items():
            n = dict(large_sets(rows)).get(name, 0)
            ours, theirs = (cost_of(rows, name, n, who) for who in (method, rival))
            if ours and theirs:
                ratios.append(theirs[0] / ours[0])
                at_equal_counts.append(theirs[0] / theirs[1] > ours[0] / ours[1])
                printed.append(seconds[rival] / seconds[DEFAULT])
        if ratios:
            is_faster += [ratio > 1 for ratio in ratios]
            told.append(
                f"{rival} takes {min(ratios):.2g} to {max(ratios):.2g} times as long "
                f"({min(printed):.1f} to {max(printed):.1f})"
            )
    if not told:
        return NOTHING
    return Finding(
        verdict(*is_faster),
        f"in {count(is_faster)} comparisons of seconds, at budgets that differ: {', '.join(told)}; "
        f"for as many coalitions in {count(at_equal_counts)}",
    )
