"""The tree as an icicle: one row of blocks a level, as wide as their rows, coloured by value per row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.report.features import name_of, number
from hcdv.result import ValuationResult

WIDTH, LEVEL = 1000, 30
# Narrower blocks are left out: nobody sees them, and a million rows have hundreds of thousands of them.
NARROWEST = 1.5
# Between blocks.
GAP = 1.2
# Colours to either side of 0; the last one from this quantile of the leaves' size of value per row on.
SHADES, STRONG = 4, 0.9
LISTED = 8


def icicle(result: ValuationResult) -> dict[str, Any] | None:
    """Blocks, the lowest leaves and the scale; None of values without a tree."""
    tree, values = result.hierarchy, result.node_values
    if tree is None or values is None:
        return None
    per_row = values / tree.sizes
    scale = float(np.quantile(np.abs(per_row[tree.leaves]), STRONG)) or 1.0
    shade = np.rint(np.clip(per_row / scale, -1, 1) * SHADES).astype(np.int64)
    unit = WIDTH / tree.n_points
    blocks, n_left_out = [], 0
    for level in range(tree.depth + 1):
        nodes = np.arange(tree.level_start[level], tree.level_start[level + 1])
        wide = nodes[tree.sizes[nodes] * unit >= NARROWEST]
        n_left_out += len(nodes) - len(wide)
        x, width = (tree.start[wide] * unit).tolist(), (tree.sizes[wide] * unit).tolist()
        blocks += [
            {
                "x": round(x[k], 2), "y": level * LEVEL, "width": round(width[k] - min(GAP, width[k] / 5), 2),
                "shade": int(shade[g]),
                "text": f"level {level}, node {g}: {tree.sizes[g]:,} rows, worth {number(values[g])} "
                f"({number(per_row[g])} a row)",
            }
            for k, g in enumerate(wide.tolist())
        ]  # fmt: skip
    lowest = tree.leaves[np.argsort(per_row[tree.leaves], kind="stable")[:LISTED]]
    return {
        "width": WIDTH, "height": LEVEL * (tree.depth + 1), "block": LEVEL - 1, "blocks": blocks,
        "n_left_out": n_left_out, "n_nodes": tree.n_nodes, "n_leaves": len(tree.leaves), "depth": tree.depth,
        "scale": number(scale), "shades": list(range(-SHADES, SHADES + 1)),
        "lowest": [
            {
                "node": g, "rows": int(tree.sizes[g]),
                "value": number(values[g]), "per_row": number(per_row[g]),
                "mix": _mix(tree.order[tree.start[g] : tree.stop[g]], result.labels),
            }
            for g in lowest.tolist()
        ],
    }  # fmt: skip


def _mix(members: NDArray[np.int64], labels: NDArray[Any] | None) -> str:
    """The labels in a leaf, most frequent first."""
    if labels is None:
        return ""
    kinds, counts = np.unique(labels[members].astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:3]
    more = ", \N{HORIZONTAL ELLIPSIS}" if len(kinds) > len(order) else ""
    return ", ".join(f"{counts[k]} {name_of(kinds[k])}" for k in order) + more
