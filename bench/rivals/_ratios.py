"""Tables of ratios in plain text, and whether what we say of the peers holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.rivals._ask import NAMES, OURS, Row

TITLES = {
    "knn": "Exact KNN-Shapley, 1,000 queries, 32 columns, K = 10 (difference: largest, from ours)",
    "oob": "Data-OOB against ours (variance ratio: squared differences over what sampling explains)",
    "fits": "Data Shapley with logistic regression",
    "game": "Exact Shapley values of a black-box game (difference: largest, from its closed form)",
    "groups": "Exact Shapley values of groups, logistic regression (difference: largest, from ours, centred)",
    "split": "Balanced k-means into clusters of equal size",
}
# Closed form and sampling error, as the claims have them.
EXACT, FLOAT32 = 1e-9, 1e-5
EXPLAINED = (0.75, 1.33)
TMC_TIMES = 10.0
HURRIES = {"default": "HCDV", "ridge evidence": "HCDV(utility='fit')"}


def number(value: Any, form: str = ".3g") -> str:
    """A cell: nothing for None, a number, or text as it is."""
    if value is None:
        return ""
    return value if isinstance(value, str) else format(value, form)


def table(header: Sequence[str], lines: Sequence[Sequence[str]], text_columns: int = 2) -> str:
    """Columns as wide as their widest cell; all but the first few to the right."""
    widths = [max(len(line[c]) for line in (header, *lines)) for c in range(len(header))]
    aligned = [
        "  ".join(
            cell.ljust(width) if c < text_columns else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (header, *lines)
    ]
    return "\n".join(aligned)


def label(row: Row) -> str:
    """Library and method, with what tells runs of one method apart."""
    told = {"number": "{}", "starts": "n_init = {}"}
    notes = [text.format(row[key]) for key, text in told.items() if key in row]
    return f"{NAMES[row['library']]} {row['method']}" + (f" ({', '.join(notes)})" if notes else "")


def reference_of(row: Row, rows: list[Row], same: Sequence[str] = ("task", "case")) -> Row | None:
    """Our first row of the same method and case that has a time."""
    for other in rows:
        is_ours = other["library"] == OURS and "cpu_seconds" in other
        if is_ours and all(other[key] == row[key] for key in (*same, "method")):
            return other
    return None


def over(row: Row, reference: Row | None, key: str) -> str:
    """A figure as a multiple of the reference's."""
    if reference is None or reference is row or not reference.get(key) or key not in row:
        return ""
    return f"{row[key] / reference[key]:.3g}x"


def task_table(task: str, rows: list[Row]) -> str:
    """One task: seconds, memory and multiples of ours, or why there are none."""
    mine = [row for row in rows if row["task"] == task]
    extra = {
        "knn": ["max_difference"],
        "oob": ["mean_difference", "variance_ratio", "ratio_error", "correlation"],
        "fits": ["cpu_per_permutation", "cpu_ms_per_evaluation"],
        "game": ["n_evaluations", "max_difference"],
        "groups": ["n_evaluations", "max_difference"],
        "split": ["inertia_over_ours", "largest_less_smallest"],
    }[task]
    ratio = "cpu_per_permutation" if task == "fits" else "cpu_seconds"
    header = ["case", "", "CPU s", "wall s", "MB", "of ours", *(name.replace("_", " ") for name in extra)]
    lines, notes = [], []
    for row in mine:
        if "failed" in row:
            notes.append(f"  {row['case']}: {label(row)}: {row['failed']}")
            continue
        figures = [number(row["cpu_seconds"]), number(row["seconds"]), number(row["peak_mb"], ".0f")]
        figures.append(over(row, reference_of(row, mine), ratio))
        lines.append([row["case"], label(row), *figures, *(number(row.get(name)) for name in extra)])
    return "\n".join([TITLES[task], table(header, lines), *notes])


def fits_table(rows: list[Row]) -> str:
    """Peers' CPU seconds a permutation and an evaluation over ours, at each number of permutations of ours."""
    done = [row for row in rows if row["task"] == "fits" and "failed" not in row]
    lines = []
    for ours in (row for row in done if row["library"] == OURS):
        for peer in done:
            if peer["library"] != OURS and peer["method"] == ours["method"]:
                keys = ("cpu_per_permutation", "cpu_ms_per_evaluation")
                lines.append([label(peer), label(ours), *(over(peer, ours, key) for key in keys)])
    return table(["peer", "over", "a permutation", "an evaluation"], lines)


def detection_table(case: str, rows: list[Row]) -> str:
    """One data set: AUC within the budget, and time to the goal."""
    mine = [row for row in rows if row["task"] == "detection" and row["case"] == case]
    budget = mine[0]["budget_cpu_s"]
    ours = next((row for row in mine if (row["library"], row["method"]) == (OURS, "default")), {})
    header = [
        "", f"AUC in {budget:g} CPU s", "worst seed", "F1", "how many", "CPU s", "many to .90", "AUC", "CPU s",
        "of HCDV's", "MB",
    ]  # fmt: skip
    lines, notes = [], []
    for row in mine:
        name = f"{NAMES[row['library']]} {row['method']}"
        if "failed" in row:
            notes.append(f"  {name}: {row['failed']}")
            continue
        if "auc_budget" in row:
            cells = [number(row[f"{key}_budget"], ".3f") for key in ("auc", "least_auc", "f1")]
            cells += [number(row["number_budget"], "d"), number(row["cpu_budget"])]
        else:
            cells = [f"none: {row['least_cpu_s']:.0f} s at least", "", "", "", ""]
        if "cpu_goal" in row:
            cells += [number(row["number_goal"], "d"), number(row["auc_goal"], ".3f"), number(row["cpu_goal"])]
            cells.append(over(row, ours, "cpu_goal") if row is not ours else "")
        else:
            cells += ["not reached", f"best {row['best_auc']:.3f}", "", ""]
        lines.append([name, *cells, number(row["peak_mb"], ".0f")])
    return "\n".join([f"Wrong labels (15%), {case}", table(header, lines, 1), *notes])


def install_table(rows: list[Row]) -> str:
    """What could be installed, in what time, and what not and why."""
    lines = []
    versions = {row["library"]: row["version"] for row in rows if "version" in row}
    for row in (row for row in rows if row["task"] == "install"):
        made = f"made in {row['seconds']:.0f} s" if row.get("seconds") else "was there"
        lines.append([NAMES[row["library"]], versions.get(row["library"], ""), row.get("failed", made)])
    return "\n".join(["Environments", table(["", "", ""], lines, 3)]) if lines else ""


def tables(rows: list[Row]) -> str:
    """All tables of the rows there are."""
    present = {row["task"] for row in rows}
    parts = [install_table(rows)]
    for task in TITLES:
        if task in present:
            parts.append(task_table(task, rows))
            if task == "fits":
                parts.append(fits_table(rows))
    cases = dict.fromkeys(row["case"] for row in rows if row["task"] == "detection")
    parts += [detection_table(case, rows) for case in cases]
    return "\n\n".join(part for part in parts if part)


def claims(rows: list[Row]) -> list[Row]:
    """What is claimed, its figure, its limit, and whether it holds; None where it was not measured."""
    return [
        _knn_claim(rows, OURS, "closed form", EXACT),
        _knn_claim(rows, "pydvl", "KNN-Shapley", EXACT),
        _knn_claim(rows, "opendataval", "KNN-Shapley", FLOAT32),
        *(_oob_claim(rows, library) for library in ("pydvl", "opendataval")),
        *_goal_claims(rows),
        *_tmc_claims(rows),
    ]


def _claim(text: str, figure: float | None, limit: str, holds: bool | None) -> Row:
    return {"task": "claim", "claim": text, "figure": figure, "limit": limit, "holds": holds}


def _knn_claim(rows: list[Row], library: str, method: str, limit: float) -> Row:
    found = [
        row["max_difference"]
        for row in rows
        if (row["task"], row["library"], row.get("method")) == ("knn", library, method)
        and "max_difference" in row
    ]
    whom = "the closed form" if library == OURS else f"{NAMES[library]}'s"
    text = f"KNN-Shapley: largest difference from {whom}"
    worst = max(found, default=None)
    return _claim(text, worst, f"<= {limit:g}", None if worst is None else worst <= limit)


def _oob_claim(rows: list[Row], library: str) -> Row:
    found = [
        row["variance_ratio"]
        for row in rows
        if (row["task"], row["library"]) == ("oob", library) and "variance_ratio" in row
    ]
    text = f"Data-OOB: squared differences from {NAMES[library]}'s over sampling variance"
    worst = max(found, key=lambda ratio: abs(ratio - 1.0), default=None)
    low, high = EXPLAINED
    holds = None if worst is None else all(low <= ratio <= high for ratio in found)
    return _claim(text, worst, f"{low:g} to {high:g}", holds)


def _goal_claims(rows: list[Row]) -> list[Row]:
    """HCDV as it comes, and at its quickest, beside the least number of models that suffices to Data-OOB."""
    every = [row for row in rows if row["task"] == "detection"]
    found = []
    for case in dict.fromkeys(row["case"] for row in every):
        mine = [row for row in every if row["case"] == case]
        for how, words in HURRIES.items():
            ours = next((row for row in mine if (row["library"], row["method"]) == (OURS, how)), None)
            for row in mine:
                if row["method"].startswith("Data-OOB") and ours is not None and "failed" not in row:
                    models = f" ({row['number_goal']} models)" if row.get("number_goal") else ""
                    name = f"{NAMES[row['library']]} {row['method']}{models}"
                    text = f"{case}: CPU s of {words} to AUC .90 over those of {name}"
                    ratio = None
                    if "cpu_goal" in row and "cpu_goal" in ours:
                        ratio = ours["cpu_goal"] / row["cpu_goal"]
                    holds = "cpu_goal" in ours if ratio is None else ratio <= 1.0
                    found.append(_claim(text, ratio, "<= 1", holds))
    return found


def _tmc_claims(rows: list[Row]) -> list[Row]:
    """CPU seconds of a truncated permutation: two classes by the task ``fits``, ten by the search on digits."""
    found = []
    for task, words in (("fits", "two classes, 20 columns"), ("detection run", "digits, ten classes")):
        tmc = [
            row
            for row in rows
            if (row["task"], row.get("method")) == (task, "TMC")
            and "failed" not in row
            and (task == "fits" or row["case"].startswith("digits"))
        ]
        peer = next((row for row in tmc if row["library"] == "pydvl"), None)
        for row in tmc:
            if row["library"] == OURS:
                ratio = None
                if peer is not None:
                    ratio = (peer["cpu_seconds"] / peer["number"]) / (row["cpu_seconds"] / row["number"])
                text = f"TMC, {words}: CPU s a permutation of pyDVL over ours ({row['number']} permutations)"
                holds = None if ratio is None else ratio >= TMC_TIMES
                found.append(_claim(text, ratio, f">= {TMC_TIMES:g}", holds))
    return found


def claims_table(found: list[Row]) -> str:
    """Claims in plain words."""
    words = {True: "holds", False: "DOES NOT HOLD", None: "not measured"}
    lines = [[row["claim"], words[row["holds"]], number(row["figure"]), row["limit"]] for row in found]
    return table(["claim", "", "figure", "limit"], lines)
