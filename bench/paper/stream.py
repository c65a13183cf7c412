"""Figure 3: values of a click stream by day, updated or made anew.

    python -m bench.paper fig3 --scale laptop

``bench.streaming`` says what is measured (its part "days"); a cell is one stream.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.paper._experiment import Key, Row, markdown_table, mean_and_deviation, values_of
from bench.paper._verdicts import NOTHING, Claim, Finding, verdict
from bench.streaming import METHODS, SIZES, interval, one_stream, summary

# What Section 5 says of Figure 3, whose own figures are printed in a picture only.
PAPER = {"ratio_of_gains": 0.996, "speedup": 2.5, "latency": 2.0}
NAMES = {
    "incremental": "HCDV, incremental",
    "full": "HCDV, anew",
    "group": "Group Shapley, anew",
    "random": "Random",
}
# The rule of the paper first: the highest 20% of all rows.
WORDS = {"global": "over all rows", "class": "inside classes", "select": "by `select`"}
INTRODUCTION = """## Figure 3: a stream

{n_days} days of a click stream; the first day is fitted, each other taken in as an update, or everything so far
valued anew. AUC of a Wide & Deep network on rows of the last day, trained on 20% of the rows, mean ± deviation
over {streams} (trained on all rows: {everything}). The paper takes the highest 20% of all rows; inside classes
every method keeps its share of buyers; `select` is HCDV's own rule. `bench/streaming.py` has the protocol.
"""
SEEDS = {"ci": 1, "laptop": 20, "gpu": 20, "paper": 20}
PICTURE = "paper_stream.png"


def cells(scale: str) -> list[Key]:
    return [{"seed": seed} for seed in range(SEEDS[scale])]


def side_by_side(**key: Any) -> bool:
    """Latencies are wall seconds."""
    return False


def measure(scale: str, **key: Any) -> dict[str, Any]:
    size = SIZES["fast" if scale == "ci" else "full"]
    return {"methods": one_stream("days", size.day_ends, list(METHODS), size, key["seed"])}


def section(rows: list[Row]) -> str:
    lines = by_method(rows)
    head = ["", *(f"AUC, {WORDS[rule]}" for rule in WORDS), "seconds in all", "seconds an update", "rebuilds"]
    table = [
        [
            name,
            *(mean_and_deviation(values_of(lines, f"auc_{rule}", method=method), 4) for rule in WORDS),
            *(
                mean_and_deviation(values_of(lines, figure, method=method), digits)
                for figure, digits in (("seconds", 2), ("latency_mean", 3), ("rebuilds", 1))
            ),
        ]
        for method, name in NAMES.items()
    ]
    introduction = INTRODUCTION.format(
        n_days=lines[0]["n_updates"] + 1,
        streams="1 stream" if len(rows) == 1 else f"{len(rows)} streams",
        everything=mean_and_deviation(values_of(lines, "auc_all", method="full"), 4),
    )
    picture = f"![Four measures of four ways to value a stream](images/{PICTURE})\n"
    return "\n".join(
        [introduction, markdown_table(head, table), "", picture, *(f"- {line}" for line in claims(lines)), ""]
    )


def in_short(rows: list[Row]) -> list[Claim]:
    lines = by_method(rows)
    found = summary("days", lines)
    says = {
        "gain": f"updates keep {PAPER['ratio_of_gains']:.1%} of the AUC that valuing anew gains over chance",
        "compute": f"updates take {PAPER['speedup']:g} times less compute, each under {PAPER['latency']:g} s",
        "group Shapley": "valuing anew by group Shapley has a lower AUC and takes longer",
    }
    findings = (kept(found), cheaper(found), beats_groups(lines))
    return [
        Claim(f"Figure 3, {name}", what, finding, NOTHING)
        for (name, what), finding in zip(says.items(), findings, strict=True)
    ]


def kept(found: dict[str, Any]) -> Finding:
    """By the rule of the paper and by ours; without a gain there is nothing to keep."""
    parts, told = [], []
    for rule, words in WORDS.items():
        ratio = found[rule]["ratio_of_gains"]
        parts.append(ratio is not None and ratio >= PAPER["ratio_of_gains"])
        told.append(
            f"{words} no gain to keep (AUC {found[rule]['gain']:+.3f})"
            if ratio is None
            else f"{words} {ratio:.1%}"
        )
    return Finding(verdict(*parts), f"chosen {', '.join(told)} (printed: {PAPER['ratio_of_gains']:.1%})")


def cheaper(found: dict[str, Any]) -> Finding:
    speedup, latency = found["speedup"], found["latency"]
    return Finding(
        verdict(speedup >= PAPER["speedup"], latency < PAPER["latency"]),
        f"{speedup:.1f} times ({PAPER['speedup']:g}), {latency:.2f} s an update (under {PAPER['latency']:g} s)",
    )


def beats_groups(lines: list[Row]) -> Finding:
    less = {
        words: float((values_of(lines, f"auc_{rule}", method="incremental")
                      - values_of(lines, f"auc_{rule}", method="group")).mean())
        for rule, words in WORDS.items()
    }  # fmt: skip
    ours, group = (values_of(lines, "seconds", method=method).mean() for method in ("incremental", "group"))
    told = ", ".join(f"{-gap:+.3f} {words}" for words, gap in less.items())
    parts = [gap > 0 for gap in less.values()]
    return Finding(
        verdict(*parts, bool(group > ours)),
        f"its AUC less that of updates {told}; {group / ours:.1f} times the seconds",
    )


def by_method(rows: list[Row]) -> list[Row]:
    """One row for each stream and method."""
    return [line for row in rows for line in row["methods"]]


def claims(lines: list[Row]) -> list[str]:
    """The paper's sentences about Figure 3, and what they come to here."""
    found = summary("days", lines)
    incremental, anew = (values_of(lines, "seconds", method=m).mean() for m in ("incremental", "full"))
    longest = values_of(lines, "latency_max", method="incremental").max()
    spearman = {name: np.mean(those) for name, those in found["spearman"].items()}
    return [
        buyers(lines),
        *(gain_kept(found[rule], rule) for rule in WORDS),
        f"Compute of all days, anew / incremental (printed: {PAPER['speedup']:g}): {found['speedup']:.1f} "
        f"({anew:.1f} s / {incremental:.1f} s).",
        f"Latency of an update (printed: under {PAPER['latency']:g} s): {found['latency']:.3f} s on average, "
        f"{longest:.2f} s at most.",
        group_shapley(lines),
        f"Rank correlation of the incremental values with a walk of all chains on the same tree "
        f"{spearman['refreshed']:.3f}, with values anew {spearman['full']:.3f}; of two valuations anew, by "
        f"different seeds, {spearman['rebuilds']:.3f}.",
    ]


def buyers(lines: list[Row]) -> str:
    """Whom choosing over all rows leaves."""
    ours, group, chance = (
        values_of(lines, "bought_global", method=method).mean() for method in ("full", "group", "random")
    )
    return (
        f"Buyers among the rows that are chosen over all rows: {ours:.1%} by HCDV anew, {group:.1%} by group "
        f"Shapley, {chance:.1%} at random."
    )


def gain_kept(found: dict[str, Any], rule: str) -> str:
    """What incremental values keep of the gain over random ones."""
    half = "" if found["half_width"] is None else f" ± {found['half_width']:.4f}"
    text = (
        f"Chosen {WORDS[rule]}: AUC anew - random {found['gain']:+.4f}, anew - incremental "
        f"{found['difference']:+.4f}{half}; "
    )
    printed = f"(printed: {PAPER['ratio_of_gains']:.1%})"
    if found["ratio_of_gains"] is None:
        return text + f"there is no gain to keep a share of {printed}."
    return text + f"{found['ratio_of_gains']:.1%} of the gain kept {printed}."


def group_shapley(lines: list[Row]) -> str:
    """``GS suffers both worse AUC and higher overhead``."""
    differences = []
    for rule, words in WORDS.items():
        ours, group = (values_of(lines, f"auc_{rule}", method=method) for method in ("incremental", "group"))
        difference, half = interval(group - ours)
        differences.append(f"{difference:+.4f}{f' ± {half:.4f}' if np.isfinite(half) else ''} {words}")
    seconds, latency = (
        values_of(lines, figure, method="group").mean() / values_of(lines, figure, method="incremental").mean()
        for figure in ("seconds", "latency_mean")
    )
    return (
        "Group Shapley anew against HCDV incremental (printed: lower AUC, more time): AUC "
        f"{', '.join(differences)}; {seconds:.2f} times the seconds, {latency:.2f} times the latency."
    )


def pictures(rows: list[Row], folder: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = by_method(rows)
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 4, width_ratios=[1.5, 1, 1, 1], sharey=True)
    places = np.arange(len(NAMES))
    for shift, (rule, mark) in zip((-0.22, 0.0, 0.22), zip(WORDS, "oDs", strict=True), strict=True):
        those = [values_of(lines, f"auc_{rule}", method=method) for method in NAMES]
        panels[0].errorbar(
            [one.mean() for one in those], places + shift, xerr=[spread(one) for one in those], fmt=mark,
            capsize=3, label=f"chosen {WORDS[rule]}".replace("`", ""),
        )  # fmt: skip
    whole = values_of(lines, "auc_all").mean()
    panels[0].axvline(whole, color="grey", linestyle="--", label="trained on all rows")
    panels[0].set(title="final AUC")
    panels[0].legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    panels[0].set_yticks(places, NAMES.values())
    panels[0].invert_yaxis()
    for axes, (key, title, form) in zip(
        panels[1:],
        (
            ("seconds", "valuation time, s", "{:.1f}"),
            ("latency_mean", "latency of an update, s", "{:.2f}"),
            ("rebuilds", "rebuilds of the tree", "{:.0f}"),
        ),
        strict=True,
    ):
        those = [values_of(lines, key, method=method) for method in NAMES]
        bars = axes.barh(
            places, [one.mean() for one in those], 0.6, xerr=[spread(one) for one in those], capsize=3,
            color=["#c2410c", "#7aa6c2", "#9aa58b", "#c8c8c8"],
        )  # fmt: skip
        axes.bar_label(bars, [form.format(one.mean()) for one in those], fontsize=8, padding=4)
        axes.margins(x=0.2)
        axes.set(title=title)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(10)
    figure.savefig(folder / PICTURE, dpi=120)


def spread(figures: np.ndarray) -> float:
    return float(figures.std(ddof=1)) if len(figures) > 1 else 0.0
