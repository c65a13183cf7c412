"""Finding wrong labels: AUC, time to a given AUC, and AUC in a given time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench._flips import flip_scores
from bench.rivals._arrays import Arrays, noisy_rows
from bench.rivals._ask import OURS, Rivals, Row

GOAL = 0.90
# Beyond, no method's AUC changes by more than its noise, or nobody would wait.
MOST = {"Data-OOB": 256, "fewer chains": 512, "ridge evidence": 512}
MOST_OTHERWISE = 4096


@dataclass(frozen=True)
class Detector:
    """A method, and the least number of its models, permutations or coalitions to try (0: it has none)."""

    library: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    least: int = 0

    @property
    def name(self) -> str:
        """Without the library."""
        model = self.options.get("model")
        return self.method + (f", {model}" if model else "")


DETECTORS = (
    Detector(OURS, "default"),
    Detector(OURS, "fewer chains", {"utility": "auto"}, 2),
    Detector(OURS, "ridge evidence", {"utility": "fit"}, 2),
    Detector(OURS, "KNN-Shapley", {"k": 10}),
    Detector(OURS, "out of fold", {"model": "logistic"}),
    Detector(OURS, "out of fold", {"model": "forest"}),
    Detector(OURS, "Data-OOB", {"model": "tree"}, 4),
    Detector(OURS, "Data-OOB", {"model": "logistic"}, 4),
    Detector(OURS, "TMC", {}, 2),
    Detector(OURS, "Beta(16, 1)", {}, 2),
    Detector(OURS, "Banzhaf", {}, 64),
    Detector("pydvl", "KNN-Shapley", {"k": 10}),
    Detector("pydvl", "Data-OOB", {"model": "tree"}, 4),
    Detector("pydvl", "Data-OOB", {"model": "logistic"}, 4),
    Detector("pydvl", "TMC", {}, 1),
    Detector("pydvl", "Beta(16, 1)", {}, 1),
    Detector("pydvl", "Banzhaf", {}, 1),
    Detector("opendataval", "KNN-Shapley", {"k": 10}),
    Detector("opendataval", "Data-OOB", {"model": "tree"}, 4),
    Detector("opendataval", "Data-OOB", {"model": "logistic"}, 4),
    Detector("opendataval", "TMC", {}, 1),
    Detector("opendataval", "Banzhaf", {}, 64),
    Detector("cleanlab", "label quality", {"model": "logistic"}),
    Detector("cleanlab", "label quality", {"model": "forest"}),
    Detector("cleanlab", "KNN values", {"k": 10}),
)

# On digits a fit takes the peers some 15 ms; TMC shows what that comes to.
ROW_BY_ROW = ("Beta(16, 1)", "Banzhaf")
TOO_SLOW = {"digits": "not asked: one permutation is 1,000 fits of some 15 ms, more than the budget"}
SETS = {"fast": {"mc": 400}, "full": {"mc": 3_000, "digits": 1_000}}
SEEDS = {"fast": 1, "full": 3}
BUDGET_S = {"fast": 1.0, "full": 10.0}


def detection(rivals: Rivals, scale: str, only: Sequence[str] = ()) -> None:
    """Every detector on every set (or some only) and seed, then what they come to."""
    budget = BUDGET_S[scale]
    for name, n in SETS[scale].items():
        if only and name not in only:
            continue
        data = [noisy_rows(name, n, seed) for seed in range(SEEDS[scale])]
        case = f"{name}, n = {n:,}"
        for detector in DETECTORS:
            if not rivals.has(detector.library):
                continue
            row: Row = {"library": detector.library, "method": detector.name}
            if name in TOO_SLOW and detector.library != OURS and detector.method in ROW_BY_ROW:
                row["failed"] = TOO_SLOW[name]
            else:
                runs = all_runs(rivals, detector, data, case, budget)
                row |= summary(runs, budget)
            rivals.note({"task": "detection", "case": case, "budget_cpu_s": budget} | row)


def all_runs(
    rivals: Rivals, detector: Detector, data: list[tuple[Arrays, np.ndarray]], case: str, budget: float
) -> list[Row]:
    """The first set climbs the ladder; the others are asked at the numbers that it found."""

    def one(seed: int, number: int) -> Row:
        arrays, is_flipped = data[seed]
        options = {**detector.options, "seed": seed, **({"number": number} if number else {})}
        row, values = rivals.ask(detector.library, detector.method, arrays, options)
        row.pop("squared_errors", None)
        if values is not None:
            row |= scores(values, is_flipped)
        rivals.note({"task": "detection run", "case": case} | row)
        return row

    most = MOST.get(detector.method, MOST_OTHERWISE)
    first = climb(lambda number: one(0, number), detector.least, most, budget)
    numbers = {row.get("number", 0) for row in chosen(first, budget).values()}
    return first + [one(seed, number) for seed in range(1, len(data)) for number in sorted(numbers)]


def climb(ask: Any, least: int, most: int, budget: float) -> list[Row]:
    """Rows of ``ask(number)``: the number doubled up to the goal, then as large as the budget should allow."""
    rows = [ask(least)]
    if not least:
        return rows
    number = least
    while number < most:
        last = rows[-1]
        # Too few models may leave rows unseen, which our own methods refuse to value.
        spent = last.get("cpu_seconds", 0.0)
        if "stopped after" in last.get("failed", "") or 2.0 * spent > budget:
            break
        factor = 2
        if last.get("auc", 0.0) >= GOAL:
            factor = 2 ** int(np.log2(budget / max(spent, 1e-3)))
        number = min(number * factor, most)
        rows.append(ask(number))
        if factor > 2 and rows[-1].get("cpu_seconds", 0.0) > budget:
            rows.append(ask(number // 2))
            break
    return rows


def chosen(ladder: list[Row], budget: float) -> dict[str, Row]:
    """Of a ladder: the least number that reaches the goal, the largest within the budget; where there are."""
    done = sorted((row for row in ladder if "auc" in row), key=lambda row: row.get("number", 0))
    reached = [row for row in done if row["auc"] >= GOAL]
    within = [row for row in done if row["cpu_seconds"] <= budget]
    return ({"goal": reached[0]} if reached else {}) | ({"budget": within[-1]} if within else {})


def scores(values: np.ndarray, is_flipped: np.ndarray) -> dict[str, float]:
    """AUC and F1; rows without a value get the mean of the others, and are counted."""
    missing = ~np.isfinite(values)
    if missing.all():
        return {"n_missing": int(missing.sum())}
    filled = np.where(missing, values[~missing].mean(), values)
    return flip_scores(filled, is_flipped) | {"n_missing": int(missing.sum())}


def summary(runs: list[Row], budget: float) -> Row:
    """Means over seeds at the two numbers that the first seed's ladder chose."""
    done = [run for run in runs if "auc" in run]
    if not done:
        return {"failed": runs[-1].get("failed", "no values")}
    row: Row = {
        "peak_mb": max(run["peak_mb"] for run in done),
        "best_auc": max(run["auc"] for run in done),
        "least_cpu_s": min(run["cpu_seconds"] for run in done),
    }
    for ending, picked in chosen([run for run in done if run["seed"] == 0], budget).items():
        same = [run for run in done if run.get("number") == picked.get("number")]
        row |= {
            f"number_{ending}": picked.get("number"),
            f"auc_{ending}": float(np.mean([run["auc"] for run in same])),
            f"least_auc_{ending}": min(run["auc"] for run in same),
            f"f1_{ending}": float(np.mean([run["f1"] for run in same])),
            f"cpu_{ending}": float(np.mean([run["cpu_seconds"] for run in same])),
        }
    return row
