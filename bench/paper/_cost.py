"""Eqs. 16-17: evaluations of v and CPU seconds of 64 permutations by n.

A retrained model is scikit-learn's logistic regression, timed on 64 prefixes evenly spaced along a permutation;
seconds are evaluations times the mean of these, for all of them would take days.  Of few rows a whole
permutation is walked too, to check that.
"""

from __future__ import annotations

import time
from math import ceil, lgamma, log
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.paper._experiment import Key, Row, markdown_table, values_of
from bench.paper._slopes import told_slope
from bench.paper._verdicts import Claim, Finding, verdict
from hcdv import HCDV, Hierarchy
from hcdv.datasets import Dataset, make_synthetic
from hcdv.diagnostics import evaluations_for, level_sizes

# Permutations, children of a node and largest leaf; K_0, K_1, K_2 of the paper's stream (Section 5).
T, K, M = 64, 8, 64
FIXED = (1, 16, 64)
SMALLEST = 250
N_PREFIXES, WALKED = 64, 1000
COSTS = {
    "flat": "flat: every row",
    "nodes": f"nodes, {K} children each, leaves of at most {M}",
    "fixed": f"nodes, {FIXED[1]} and {FIXED[2]} coalitions",
    "chains": "HCDV: chains in compiled kernels",
}
PICTURE = "paper_theory_cost.png"

INTRODUCTION = """### Eqs. 16-17: cost against n

{T} permutations on Synthetic, n from {first:,} to {last:,}; slopes are of the logarithms. The first three
retrain scikit-learn's logistic regression for every evaluation; their seconds are evaluations times the mean of
{prefixes} fits along a permutation ({checked}). The last is a whole `fit`.
"""


def cells(largest: int) -> list[Key]:
    return [{"n": SMALLEST << k} for k in range((largest // SMALLEST).bit_length())]


def measure(n: int) -> dict[str, Any]:
    data = make_synthetic(n=n, n_val=500, n_test=10, random_state=0)
    tree = Hierarchy.build(data.X, K, M, random_state=0, n_jobs=1)
    model = HCDV(n_permutations=T, random_state=0, n_jobs=1)
    model.fit(data.X[:100], data.y[:100], data.X_val, data.y_val)  # what is loaded once
    begin = time.process_time()
    model.fit(data.X, data.y, data.X_val, data.y_val)
    seconds = time.process_time() - begin
    tau = seconds_a_fit(data, np.arange(1, N_PREFIXES + 1) * n // N_PREFIXES)
    evaluations = {
        "flat": T * n,
        "nodes": evaluations_for(T, tree),
        "fixed": T * sum(FIXED),
        "chains": model.result_.n_evaluations,
    }
    return {
        "tau": tau,
        "tau_of_all": seconds_a_fit(data, np.arange(1, n + 1)) if n <= WALKED else None,
        "largest_level": max(level_sizes(tree)),
        **{f"evaluations_{name}": count for name, count in evaluations.items()},
        **{f"seconds_{name}": count * tau for name, count in evaluations.items()},
        "seconds_chains": seconds,
    }


def seconds_a_fit(data: Dataset, stops: np.ndarray) -> float:
    """CPU seconds of a retrained model, the mean of prefixes of a permutation."""
    order = np.random.default_rng(0).permutation(len(data.y))
    begin = time.process_time()
    for stop in stops:
        some = order[:stop]
        if len(np.unique(data.y[some])) > 1:
            LogisticRegression().fit(data.X[some], data.y[some]).score(data.X_val, data.y_val)
    return (time.process_time() - begin) / len(stops)


def text(rows: list[Row]) -> str:
    rows = sorted(rows, key=lambda row: row["n"])
    sizes, last = [row["n"] for row in rows], rows[-1]
    table = [
        [
            words,
            f"{last[f'evaluations_{name}']:,}",
            told_slope(sizes, values_of(rows, f"evaluations_{name}")),
            f"{last[f'seconds_{name}']:,.2f}",
            told_slope(sizes, values_of(rows, f"seconds_{name}")),
        ]
        for name, words in COSTS.items()
    ]
    head = ["", f"evaluations, n = {last['n']:,}", "slope", "CPU seconds", "slope"]
    introduction = INTRODUCTION.format(
        T=T, first=sizes[0], last=sizes[-1], prefixes=N_PREFIXES, checked=checked(rows)
    )
    return "\n".join(
        [
            introduction,
            markdown_table(head, table),
            f"\n![Evaluations and seconds by n](images/{PICTURE})\n",
            *(f"- {line}" for line in claims(rows)),
            "",
        ]
    )


def checked(rows: list[Row]) -> str:
    """The mean fit of whole permutations beside that of prefixes."""
    ratios = [row["tau_of_all"] / row["tau"] for row in rows if row["tau_of_all"] is not None]
    if not ratios:
        return "not checked on whole permutations"
    return f"all fits, where n is at most {WALKED:,}: {min(ratios):.2f} to {max(ratios):.2f} times that"


def claims(rows: list[Row]) -> list[str]:
    """What Section 3 says of its cost."""
    first, last = rows[0], rows[-1]
    at, m = f"n = {last['n']:,}", last["largest_level"]
    saved = [row["evaluations_flat"] / row["evaluations_nodes"] for row in rows]
    beyond = last["evaluations_nodes"] / (T * simplified(last["n"]))
    flat, nodes = (last[f"seconds_{name}"] / last["seconds_chains"] for name in ("flat", "nodes"))
    return [
        f"Eq. 17 as a count, T times the sum of K_l, is {min(saved):.0f} to {max(saved):.0f} times below flat "
        "(printed: one to two orders of magnitude).",
        f"Its simplification to T K log n does not hold: where a node has {K} children, level l has up to "
        f"{K}^l nodes, and n rows in leaves of at most M need n / M leaves: the sum of K_l grows like n. "
        f"At {at} it is {beyond:.1f} times K log_K(n / M). What is saved is a factor below M, whatever n is.",
        "With the numbers of coalitions fixed evaluations do not grow, but leaves do: Algorithm 1 asks for "
        f"exact values among {last['n'] // FIXED[-1]:,} rows at {at}.",
        f"A fit takes {first['tau'] * 1e3:.2f} ms on average at n = {first['n']:,}, {last['tau'] * 1e3:.2f} ms "
        f"at {at}: the seconds of retrained models grow faster than evaluations.",
        "Chains evaluate v as often as flat permutations, for all rows and all nodes at once. Models retrained "
        f"for every row take {flat:,.0f} times their seconds at {at}, models for the nodes of the tree "
        f"{nodes:,.0f} times.",
        f"Eq. 16, exact values by K_l! orders: the largest level at {at} has {m:,} coalitions, and {m:,}! is "
        f"about 10^{lgamma(m + 1) / log(10):.0f}. Exact values of the {K} children of one node need {1 << K} "
        "coalitions.",
    ]


def in_short(rows: list[Row]) -> list[Claim]:
    rows = sorted(rows, key=lambda row: row["n"])
    return [
        Claim(
            "Eqs. 16-17",
            "evaluations grow like T K log n, and are ten times or more below those of flat permutations",
            *(below_flat(rows, name) for name in ("chains", "nodes")),
        )
    ]


def below_flat(rows: list[Row], name: str) -> Finding:
    """Growth is that from the smallest n to the largest, which no constant changes."""
    first, last = rows[0], rows[-1]
    grown, promised = (
        figure(last) / figure(first)
        for figure in (lambda row: row[f"evaluations_{name}"], lambda row: simplified(row["n"]))
    )
    saved = [row["evaluations_flat"] / row[f"evaluations_{name}"] for row in rows]
    parts = [grown <= promised] if len(rows) > 1 else []
    told = (
        f"{min(saved):.0f} to {max(saved):.0f} times below flat (10 to 100)"
        if max(saved) > 1
        else "as many as flat"
    )
    if parts:
        told += f"; {grown:.0f} times as many for {last['n'] // first['n']} times the rows ({promised:.0f})"
    if name == "chains":
        seconds = last["seconds_flat"] / last["seconds_chains"]
        told += f"; but none trains a model, which saves {seconds:,.0f} times the seconds at n = {last['n']:,}"
    return Finding(verdict(*parts, min(saved) >= 10), told)


def simplified(n: int) -> int:
    """K log_K(n / M), of whole levels."""
    return K * max(1, ceil(log(n / M, K)))


def draw(left: Any, right: Any, rows: list[Row]) -> None:
    rows = sorted(rows, key=lambda row: row["n"])
    sizes = [row["n"] for row in rows]
    for axes, figure, title in ((left, "evaluations", "evaluations of v"), (right, "seconds", "CPU seconds")):
        for (name, words), mark in zip(COSTS.items(), "osD^", strict=True):
            heights = values_of(rows, f"{figure}_{name}")
            label = f"{words} ({told_slope(sizes, heights)})"
            axes.plot(sizes, heights, f"{mark}-", markersize=4, label=label)
        axes.set(xscale="log", yscale="log", xlabel="rows n")
        axes.set_xticks(sizes, [f"{n:,}" for n in sizes], rotation=45)
        axes.set_xticks([], minor=True)
        axes.set_title(f"{title}, T = {T} (slope)")
    printed = [T * simplified(n) for n in sizes]
    left.plot(sizes, printed, color="black", linestyle=":", label="T K log n, as printed")
    for axes in (left, right):
        axes.set_ylim(top=axes.get_ylim()[1] * 100)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
