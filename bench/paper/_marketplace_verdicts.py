"""Tables 4 and 5 in short."""

from __future__ import annotations

import numpy as np

from bench.paper._experiment import Row
from bench.paper._marketplace_page import (
    BUYERS,
    DEFAULT,
    LITERAL,
    PAPER,
    PAPER_DROPS,
    correlations,
    deviations,
    mean_of,
    of_method,
    payouts,
    stacked,
)
from bench.paper._sellers import SELLERS
from bench.paper._verdicts import NOTHING, Claim, Finding, count, verdict

# Half a digit of Table 4: what its printed figures allow.
ALLOWED = {"high_income": 5e-4, "female": 5e-4, "median_age": 0.5, "n_levels": 0.0}
# "8x less compute than MCDS".
CHEAPER = 8
RIVALS = ("GS", "MCDS")


def in_short(rows: list[Row]) -> list[Claim]:
    if not rows:
        return []
    return [
        Claim("Table 4", "five sellers have the printed shares, ages and levels", drawn(rows), None),
        Claim("Table 5, drops", "without any one seller the buyer's model is worse", missed(rows), None),
        *(
            Claim(f"Table 5, {name}", says, finding(rows, DEFAULT), finding(rows, LITERAL))
            for name, says, finding in (
                ("correlation", "payouts follow the drops as printed, and more than by GS or MCDS", followed),
                ("Gini", "payouts are more equal than those of GS and MCDS", more_equal),
                ("cost", f"{CHEAPER} times less compute than MCDS", cheaper),
                ("sellers", "p2 is paid most, p3 least", ranked),
            )
        ),
    ]


def drawn(rows: list[Row]) -> Finding:
    off = deviations(rows)
    # Shares are of whole rows: a figure may sit on the very edge.
    parts = [off[name] <= allowed + 1e-9 for name, allowed in ALLOWED.items()]
    return Finding(
        verdict(*parts), f"shares at most {100 * max(off['high_income'], off['female']):.2f} points off"
    )


def missed(rows: list[Row]) -> Finding:
    """Which sellers the buyer's model misses."""
    drops = 100 * stacked(rows, "drops").mean(axis=0)
    parts = [bool(drop > 0) for drop in drops]
    return Finding(
        verdict(*parts),
        f"without {count(parts)}: drops of {drops.min():+.2f} to {drops.max():+.2f} points "
        f"({min(PAPER_DROPS):+.2f} to {max(PAPER_DROPS):+.2f})",
    )


def correlation(rows: list[Row], method: str) -> str:
    return mean_of(correlations(rows, method))


def followed(rows: list[Row], method: str) -> Finding:
    if not all(len(correlations(rows, who)) for who in (method, *RIVALS)):
        return NOTHING
    ours, others = ([float(correlations(rows, who).mean()) for who in those] for those in ((method,), RIVALS))
    printed = PAPER[LITERAL].pearson
    told = f"{ours[0]:.2f} ({printed:.2f}), " + ", ".join(
        f"{rival} {other:.2f} ({PAPER[rival].pearson:.2f})" for rival, other in zip(RIVALS, others, strict=True)
    )
    if method == DEFAULT:
        told += (
            "; the default utility knows nothing of the buyer's model: with that as its utility HCDV "
            f"reaches {correlation(rows, BUYERS)}"
        )
    return Finding(verdict(ours[0] >= printed, *(ours[0] > other for other in others)), told)


def more_equal(rows: list[Row], method: str) -> Finding:
    ginis = {who: float(of_method(rows, who, "gini").mean()) for who in (method, *RIVALS)}
    printed = {method: PAPER[LITERAL].gini, **{rival: PAPER[rival].gini for rival in RIVALS}}
    told = ", ".join(f"{who} {gini:.3f} ({printed[who]:.2f})" for who, gini in ginis.items())
    parts = [ginis[method] < ginis[rival] for rival in RIVALS]
    return Finding(verdict(*parts), told.removeprefix(f"{method} "))


def cheaper(rows: list[Row], method: str) -> Finding:
    ours, theirs = (of_method(rows, who, "cpu_seconds").mean() for who in (method, "MCDS"))
    return Finding(
        verdict(bool(theirs >= CHEAPER * ours)),
        f"{theirs / ours:.1f} times ({PAPER['MCDS'].minutes / PAPER[LITERAL].minutes:.1f}); "
        f"MCDS had {rows[0]['permutations']} permutations",
    )


def ranked(rows: list[Row], method: str) -> Finding:
    mean = payouts(rows, method).mean(axis=0)
    most, least = SELLERS[int(np.argmax(mean))], SELLERS[int(np.argmin(mean))]
    printed = dict(zip(SELLERS, PAPER[LITERAL].payouts, strict=True))
    told = f"{most} {mean.max():.3f} and {least} {mean.min():.3f}"
    told += f" (p2 {printed['p2']:.2f} and p3 {printed['p3']:.2f})"
    return Finding(verdict(most == "p2", least == "p3"), told)
