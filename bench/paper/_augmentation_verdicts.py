"""Figures 1 and 2 in short."""

from __future__ import annotations

from bench.paper._augmentation_page import HCDV_PAPER, PAPER, PAPER_SHARES, difference, of, percent, points
from bench.paper._candidates import FAMILIES
from bench.paper._experiment import Row, mean_and_deviation
from bench.paper._verdicts import NOTHING, Claim, Finding, verdict

DEFAULT = "HCDV"
# What is a neighbourhood of the originals: the leaves of our tree, the clusters of the paper's.
NEIGHBOURHOODS = {DEFAULT: "overlap", HCDV_PAPER: "cluster_overlap"}


def in_short(rows: list[Row]) -> list[Claim]:
    return [
        Claim(source, says, finding(rows, DEFAULT), finding(rows, HCDV_PAPER))
        for source, says, finding in (
            (
                "Figure 1, accuracy",
                "its top slice beats its bottom one, and the top of MCDS and GS, by as much as printed",
                gains,
            ),
            ("Figure 1, overlap", f"{PAPER['unseen']:.0%} of its top slice lies away from originals", unseen),
            ("Figure 2", "all ten classes are in its top slice", coverage),
            ("Figure 2, families", "of its top slice diffusion is the most, cutout the least", families),
        )
    ]


def gains(rows: list[Row], method: str) -> Finding:
    smallest, largest = (f"{100 * gain:.1f}" for gain in PAPER["over_others"])
    asked = {
        "its bottom": ((method, "bottom"), PAPER["over_bottom"], f"{100 * PAPER['over_bottom']:.1f}"),
        **{m: ((m, "top"), PAPER["over_others"][0], f"{smallest} to {largest}") for m in ("MCDS", "GS")},
    }
    parts, told = [], []
    for other, (slice, least, printed) in asked.items():
        gain = difference(rows, (method, "top"), slice)
        if len(gain):
            parts.append(bool(gain.mean() >= least))
            told.append(f"{points(gain)} over {other} ({printed})")
    return Finding(verdict(*parts), "points: " + ", ".join(told)) if told else NOTHING


def unseen(rows: list[Row], method: str) -> Finding:
    shares = 1 - of(rows, NEIGHBOURHOODS[method], method, "top")
    if not len(shares):
        return NOTHING
    holds = bool(shares.mean() >= PAPER["unseen"])
    return Finding(verdict(holds), f"{percent(shares)} ({PAPER['unseen']:.0%})")


def coverage(rows: list[Row], method: str) -> Finding:
    found = of(rows, "classes", method, "top")
    if not len(found):
        return NOTHING
    holds = bool(found.min() >= PAPER["classes"])
    return Finding(verdict(holds), f"{mean_and_deviation(found, 1)} ({PAPER['classes']})")


def families(rows: list[Row], method: str) -> Finding:
    shares = {family: of(rows, f"share_{family}", method, "top") for family in FAMILIES}
    if not all(map(len, shares.values())):
        return NOTHING
    order = sorted(FAMILIES, key=lambda family: -shares[family].mean())
    told = [
        f"{family} {percent(shares[family])}"
        + (f" ({PAPER_SHARES[family]:.0%})" if family in PAPER_SHARES else "")
        for family in order
    ]
    return Finding(verdict(order[0] == "diffusion", order[-1] == "cutout"), ", ".join(told))
