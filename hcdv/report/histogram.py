"""The histogram of values by class, as places on a drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcdv.report.features import name_of, number

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 720, 260, 44, 20, 34, 10
BINS = 60
# What a digit of the counts beside the axis takes, in a wide font, and what stands around them.
DIGIT, ASIDE = 8, 10
# Classes with a colour of their own; the others share one.
MOST_CLASSES = 5
# Share of the rows that may lie beyond either end, in the outermost bars.
BEYOND = 0.001


def histogram(
    values: NDArray[np.float64], labels: NDArray[Any] | None, is_issue: NDArray[np.bool_]
) -> dict[str, Any]:
    """Bars, ticks and legend.

    Returns
    -------
    dict
        ``bars`` (x, y, width, height, kind, text), ``x_ticks`` and ``y_ticks`` (place, text), ``legend`` (name,
        kind, rows), ``zero`` and ``limit``: where 0 and the limit of the label issues lie, or None.
    """
    low, high = np.quantile(values, [BEYOND, 1 - BEYOND]).tolist()
    if not low < high:
        low, high = low - abs(low) / 2 - 1e-12, high + abs(high) / 2 + 1e-12
    names, kind = _kinds(labels, len(values))
    place = np.clip(((values - low) / (high - low) * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.zeros((len(names), BINS), np.int64)
    np.add.at(counts, (kind, place), 1)
    most = int(counts.sum(axis=0).max())
    edges = np.linspace(low, high, BINS + 1)
    rows = [(tick, f"{int(tick):,}") for tick in ticks(0, most, 4)]
    left = max(LEFT, ASIDE + DIGIT * max(len(text) for _, text in rows))
    across, up = WIDTH - left - RIGHT, HEIGHT - BOTTOM - TOP

    def x(value: float) -> float:
        return round(left + (value - low) / (high - low) * across, 2)

    bars = []
    for b in range(BINS):
        base = 0
        for k, name in enumerate(names):
            count = int(counts[k, b])
            if count:
                base += count
                bars.append({
                    "x": x(edges[b]), "width": round(across / BINS - 0.8, 2), "kind": k,
                    "y": round(TOP + up * (1 - base / most), 2), "height": round(up * count / most, 2),
                    "text": f"{name}: {count:,} rows from {number(edges[b])} to {number(edges[b + 1])}",
                })  # fmt: skip
    limit = float(values[is_issue].max()) if is_issue.any() else None
    return {
        "width": WIDTH, "height": HEIGHT, "floor": HEIGHT - BOTTOM, "left": left, "right": WIDTH - RIGHT,
        "bars": bars,
        "x_ticks": [(x(tick), number(tick)) for tick in ticks(low, high, 6)],
        "y_ticks": [(round(TOP + up * (1 - tick / most), 2), text) for tick, text in rows],
        "legend": [(name, k, f"{int(counts[k].sum()):,}") for k, name in enumerate(names)],
        "zero": x(0.0) if low < 0 < high else None,
        "limit": None if limit is None or not low < limit < high else x(limit),
    }  # fmt: skip


def _kinds(labels: NDArray[Any] | None, n: int) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the classes drawn, most frequent first, and each row's number among them."""
    if labels is None:
        return ["all rows"], np.zeros(n, np.int64)
    codes, classes = pd.factorize(labels, use_na_sentinel=False)
    order = np.argsort(-np.bincount(codes), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    names = [name_of(classes[k]) for k in order[:MOST_CLASSES]]
    if len(order) > MOST_CLASSES:
        names.append(f"{len(order) - MOST_CLASSES:,} other classes")
    return names, np.minimum(rank[codes], len(names) - 1)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers within the bounds, at most so many."""
    rough = (high - low) / most
    unit = 10.0 ** np.floor(np.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [float(k * step) for k in range(first, last + 1)]
