"""The figures at the top of a report, and what the values came from."""

from __future__ import annotations

import json
import platform
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import hcdv
from hcdv.estimator import HCDV
from hcdv.estimator.state.recipe import NO_MATTER, to_facts
from hcdv.report.features import name_of, number
from hcdv.result import ValuationResult

MOST_CLASSES = 20


def figures(
    result: ValuationResult, is_issue: NDArray[np.bool_], labels: NDArray[Any] | None
) -> list[tuple[str, str, str]]:
    """The large figures: what, how much, and what that means."""
    n, issues, negative = len(result), int(is_issue.sum()), int((result.values < 0).sum())
    shown = [("Rows", f"{n:,}", "each with a value of its own")]
    if labels is not None:
        counts = pd.Series(labels).value_counts()
        most = f"most frequent: {name_of(counts.index[0])}, {counts.iloc[0] / n:.0%}"
        shown.append(("Classes", f"{len(counts):,}", most))
    shown.append(("Label issues", f"{issues:,}", f"{issues / n:.1%} of the rows may have a wrong label"))
    if result.has_game:
        cost = f"{negative / n:.1%} cost the others more than they add"
        nobody = f"v(all); v(none) is {number(result.v_empty)}"
        shown.append(("Negative values", f"{negative:,}", cost))
        shown.append(("Value of all rows", number(result.v_full), nobody))
    if result.has_game and result.n_evaluations:
        gap = f"{result.efficiency_gap:.1e}".replace("-", "\N{MINUS SIGN}") if result.efficiency_gap else "0"
        shown.append(("Efficiency gap", gap, "by which the values miss v(all) - v(none)"))
    return shown


def settings(model: HCDV | None, result: ValuationResult) -> list[tuple[str, str]]:
    """How the values came about: parameters that are not the usual ones, weights, chains."""
    shown = []
    if model is not None:
        usual = HCDV().get_params(deep=False)
        for name, value in model.get_params(deep=False).items():
            fact = to_facts(value)
            if name not in NO_MATTER and fact != to_facts(usual[name]):
                shown.append((name, fact if isinstance(fact, str) else json.dumps(fact)))
    if result.weights:
        said = ", ".join(f"{name} {number(weight)}" for name, weight in result.weights.items())
        shown.append(("weights of the parts", said))
    if result.n_permutations:
        shown.append(("chains", f"{result.n_permutations:,} (stopped by {result.stopped_by})"))
    if result.std_error is not None and np.isfinite(error := float(np.median(result.std_error))):
        shown.append(("median standard error", number(error)))
    return shown


def versions() -> list[tuple[str, str]]:
    import sklearn

    return [
        ("hcdv", hcdv.__version__),
        ("Python", platform.python_version()),
        ("numpy", np.__version__),
        ("scikit-learn", sklearn.__version__),
    ]


def class_table(
    values: NDArray[np.float64], is_issue: NDArray[np.bool_], labels: NDArray[Any] | None
) -> dict[str, Any] | None:
    """One line a class, most frequent first: rows, mean value, share of negative ones, issues."""
    if labels is None:
        return None
    codes, classes = pd.factorize(labels, use_na_sentinel=False)
    rows = np.bincount(codes)
    order = np.argsort(-rows, kind="stable")[:MOST_CLASSES]
    means = np.bincount(codes, values) / rows
    negative = np.bincount(codes, values < 0) / rows
    issues = np.bincount(codes, is_issue).astype(np.int64)
    lines = [
        (name_of(classes[k]), f"{rows[k]:,}", number(means[k]), f"{negative[k]:.1%}", f"{issues[k]:,}")
        for k in order.tolist()
    ]
    return {"lines": lines, "n_left_out": len(rows) - len(lines)}
