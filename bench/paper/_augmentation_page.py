"""Figures 1 and 2 in words and pictures: our figures beside the printed ones, and where claims hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.paper._candidates import FAMILIES
from bench.paper._experiment import Row, chosen, markdown_table, mean_and_deviation, values_of
from bench.paper._verdicts import verdict

HCDV_PAPER, CHANCE = "HCDV, paper", "Random"
METHODS = ("HCDV", HCDV_PAPER, "MCDS", "GS")
SLICES = ("top", "mid", "bottom")

# "Valuation of Augmented Data", Figures 1 and 2: of HCDV's top 1,000.
PAPER = {"over_bottom": 0.028, "over_others": (0.009, 0.012), "unseen": 0.42, "classes": 10}
PAPER_SHARES = {"affine": 0.23, "cutout": 0.07, "diffusion": 0.51}

PICTURE = "![Accuracy by slice, and families of the top slice](images/paper_augmentation.png)"
# What is told of each top slice: the figure, its name, whether it is a share.
OF_TOP = {
    "overlap": "in HCDV's leaves with an original",
    "dense_overlap": "in leaves at least half originals",
    "cluster_overlap": "in the paper's clusters with an original",
    "dense_cluster_overlap": "in clusters at least half originals",
    "right": "label confirmed by the originals' ConvNet",
}


def section(rows: list[Row]) -> str:
    parts = [introduction(rows), PICTURE, accuracy_table(rows), "**What is in the top slice**", top_table(rows)]
    return "\n\n".join([*parts, "\n".join(claims(rows)), costs(rows)])


def introduction(rows: list[Row]) -> str:
    sizes = chosen(rows, what="originals")
    told = "Candidates beside Fashion-MNIST (the paper: 10,000 beside 60,000"
    if sizes:
        told += "; here {n_candidates:,} beside {n:,} images of {images}".format(**sizes[0])
    n_runs = len({row["run"] for row in rows})
    runs = "one run" if n_runs == 1 else f"{n_runs} runs"
    return f"""## Figures 1 and 2: augmented images

{told}): affine, colour and cutout as printed, and images of a small diffusion model, trained on the originals,
where the paper has Stable Diffusion. All are valued beside the originals in the space that the originals alone
gave. Slices are the first tenth of the candidates by value, the tenth from 40% on, and the last. A slice stands
in for 30% of the originals, over and over, so that the training set keeps its size. Mean and deviation over
{runs}, the standard error where differences are told: other candidates, valuations and networks. MCDS
and GS train ridge classifiers on 64 principal components{permutations(rows)}; GS groups by label and shares a
group's value equally, so its slices are whole labels. "Random" is a tenth by chance; "originals" replaces
nothing."""


def permutations(rows: list[Row]) -> str:
    asked = values_of(rows, "permutations", what="values", method="MCDS")
    return f", MCDS along {asked[0]:,.0f} permutations (the paper: 4,096)" if len(asked) else ""


def accuracy_table(rows: list[Row]) -> str:
    """ConvNet test accuracy by slice (Fig. 1)."""
    lines = [
        [
            method,
            *(mean_and_deviation(of(rows, "accuracy", method, name)) for name in SLICES),
            points(difference(rows, (method, "top"), (method, "bottom"))),
            mean_and_deviation(of(rows, "cpu_seconds", method), 1),
        ]
        for method in METHODS
    ]
    lines.append([CHANCE, mean_and_deviation(of(rows, "accuracy", CHANCE, "top")), "", "", "", ""])
    alone = values_of(rows, "accuracy", what="originals")
    lines.append(["originals", mean_and_deviation(alone), "", "", "", ""])
    head = ["accuracy after replacement", "top", "middle", "bottom", "top − bottom, points", "training, CPU s"]
    return markdown_table(head, lines)


def top_table(rows: list[Row]) -> str:
    """Overlap, coverage and families of the top slice (Figs. 1 and 2)."""
    methods = (*METHODS, CHANCE)
    lines = [[told, *(percent(of(rows, figure, m, "top")) for m in methods)] for figure, told in OF_TOP.items()]
    bottom = [percent(of(rows, "right", m, "bottom")) for m in methods]
    lines.append(["the same of the bottom slice", *bottom])
    lines.append(["classes", *(mean_and_deviation(of(rows, "classes", m, "top"), 1) for m in methods)])
    for family in FAMILIES:
        printed = PAPER_SHARES.get(family)
        told = family + (f" (paper's HCDV: {printed:.0%})" if printed else "")
        lines.append([told, *(percent(of(rows, f"share_{family}", m, "top")) for m in methods)])
    return markdown_table(["of the top slice", *methods], lines)


def claims(rows: list[Row]) -> list[str]:
    """The paper's sentences, what was measured, and whether it comes to that."""
    return [
        *gain_claims(rows),
        *unseen_claims(rows),
        *family_claims(rows),
        *coverage_claims(rows),
        *against_chance(rows),
    ]


def gain_claims(rows: list[Row]) -> list[str]:
    lines = []
    gains = {m: difference(rows, (m, "top"), (m, "bottom")) for m in ("HCDV", HCDV_PAPER)}
    if len(gains["HCDV"]):
        told = verdict(gains["HCDV"].mean() >= PAPER["over_bottom"])
        both = "; ".join(f"{m} {points(gain)}" for m, gain in gains.items() if len(gain))
        lines.append(f"- *Top over bottom by 2.8 points*: {told}: {both}.")
    for method in ("MCDS", "GS"):
        gain = difference(rows, ("HCDV", "top"), (method, "top"))
        if len(gain):
            told = verdict(gain.mean() >= PAPER["over_others"][0])
            papers = points(difference(rows, (HCDV_PAPER, "top"), (method, "top")))
            lines.append(
                f"- *HCDV's top over that of {method} by .9 to 1.2 points*: {told}: HCDV {points(gain)}; "
                f"{HCDV_PAPER} {papers}."
            )
    return lines


def unseen_claims(rows: list[Row]) -> list[str]:
    leaves, clusters = (
        1 - of(rows, figure, method, "top")
        for figure, method in (("overlap", "HCDV"), ("cluster_overlap", HCDV_PAPER))
    )
    if not len(leaves):
        return []
    told = verdict(max(part.mean() for part in (leaves, clusters) if len(part)) >= PAPER["unseen"])
    return [
        f"- *42% of HCDV's top slice lies in neighbourhoods without an original*: {told}: {percent(leaves)} of "
        f"HCDV's, by its leaves; {percent(clusters)} of that of {HCDV_PAPER}, by the paper's clusters. "
        "Originals outnumber candidates, so nearly every balanced cluster holds some."
    ]


def family_claims(rows: list[Row]) -> list[str]:
    shares = {f: of(rows, f"share_{f}", "HCDV", "top") for f in FAMILIES}
    if not len(shares["diffusion"]):
        return []
    order = sorted(FAMILIES, key=lambda f: -shares[f].mean())
    mine = ", ".join(f"{f} {percent(shares[f])}" for f in order)
    return [
        f"- *Diffusion is the largest part of HCDV's top slice*: {verdict(order[0] == 'diffusion')}; *cutout "
        f"is the smallest*: {verdict(order[-1] == 'cutout')}: {mine}."
    ]


def coverage_claims(rows: list[Row]) -> list[str]:
    found = of(rows, "classes", "HCDV", "top")
    if not len(found):
        return []
    told = verdict(found.min() >= PAPER["classes"])
    return [f"- *All ten classes in the top slice*: {told}: {mean_and_deviation(found, 1)}."]


def against_chance(rows: list[Row]) -> list[str]:
    gains = {m: difference(rows, (m, "top"), (CHANCE, "top")) for m in METHODS}
    told = "; ".join(f"{m} {points(gain)}" for m, gain in gains.items() if len(gain))
    if not told:
        return []
    alone = values_of(rows, "accuracy", what="originals")
    line = f"- Top slices against a random tenth, which the paper does not print: {told}."
    slices = [mean.mean() for m in METHODS for s in SLICES if len(mean := of(rows, "accuracy", m, s))]
    line += f" All slices of all methods lie within {100 * np.ptp(slices):.1f} points of each other"
    if len(alone):
        line += f"; to replace nothing is {100 * (alone.mean() - max(slices)):.1f} points better than the best"
    return [line + "."]


def costs(rows: list[Row]) -> str:
    """What valuing takes."""
    lines = [
        [
            method,
            mean_and_deviation(values_of(rows, "value_seconds", what="values", method=method), 1),
            f"{asked.mean():,.0f}" if len(asked) else "–",
        ]
        for method in METHODS
        for asked in [values_of(rows, "evaluations", what="values", method=method)]
    ]
    return markdown_table(["valuing", "seconds", "coalitions"], lines)


def of(rows: list[Row], figure: str, method: str, slice: str | None = None) -> np.ndarray:
    key = {"what": "slice", "method": method} | ({"slice": slice} if slice else {})
    return values_of(rows, figure, **key)


def difference(rows: list[Row], first: tuple[str, str], second: tuple[str, str]) -> np.ndarray:
    """Accuracy of one slice less that of another, run by run; runs without either are left out."""
    by_run = [
        {row["run"]: row["accuracy"] for row in chosen(rows, what="slice", method=method, slice=name)}
        for method, name in (first, second)
    ]
    runs = sorted(set(by_run[0]) & set(by_run[1]))
    return np.array([by_run[0][run] - by_run[1][run] for run in runs])


def points(gain: np.ndarray) -> str:
    """In percentage points, with the standard error over the runs."""
    if not len(gain):
        return "–"
    told = f"{100 * gain.mean():+.1f}"
    return told if len(gain) < 2 else f"{told} ± {100 * gain.std(ddof=1) / len(gain) ** 0.5:.1f}"


def percent(shares: np.ndarray) -> str:
    return f"{shares.mean():.0%}" if len(shares) else "–"


def pictures(rows: list[Row], folder: Path) -> None:
    """Accuracy by slice (Fig. 1), and what the top slices are made of (Fig. 2 and the text)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    above: dict[str, Any] = dict(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=4)
    for k, name in enumerate(SLICES):
        found = [of(rows, "accuracy", method, name) for method in METHODS]
        means = [a.mean() if len(a) else np.nan for a in found]
        deviations = [a.std(ddof=1) if len(a) > 1 else 0.0 for a in found]
        at = np.arange(len(METHODS)) + 0.15 * (k - 1)
        left.errorbar(at, means, deviations, fmt="o", capsize=3, label=name)
    chance = of(rows, "accuracy", CHANCE, "top")
    if len(chance):
        left.axhline(chance.mean(), color="grey", linestyle=":", label="a random tenth")
    left.set_xticks(range(len(METHODS)), METHODS)
    left.set_ylabel("ConvNet test accuracy")
    left.legend(**above)
    methods = (*METHODS, CHANCE)
    below = np.zeros(len(methods))
    for family in FAMILIES:
        found = [of(rows, f"share_{family}", method, "top") for method in methods]
        shares = np.array([100 * a.mean() if len(a) else 0.0 for a in found])
        right.bar(methods, shares, bottom=below, label=family)
        below += shares
    right.set_ylabel("% of the top slice")
    right.set_ylim(0, 100)
    right.tick_params(axis="x", labelsize=9)
    right.legend(**above)
    figure.savefig(folder / "paper_augmentation.png", dpi=120)
