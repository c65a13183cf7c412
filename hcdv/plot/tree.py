"""The tree of coalitions, level under level."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hcdv._validation import check_finite
from hcdv.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

    from hcdv.hierarchy import Hierarchy
    from hcdv.result import ValuationResult

# Nodes side by side that can be told apart: two dots each, at 8 inches and 150 dots an inch.
MOST_ACROSS = 600
# Of the rows, what a level must hold to be drawn.
LEAST_HELD = 0.05
# Shares of the width from which a node has white edges, and room for its mean value.
EDGED, NUMBERED = 0.005, 0.055
# Colours span the values of the rows' nodes between these quantiles; single nodes beyond have the last colour.
QUANTILES = (0.01, 0.99)


def value_tree(result: ValuationResult, *, ax: Axes | None = None) -> Axes:
    """The tree as an icicle: a level under the other, nodes as wide as they have rows, coloured by value.

    Parameters
    ----------
    result : ValuationResult
        With its tree and the values of its nodes.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Colours are node values divided by the node's rows.  Levels of more than 600 nodes, too narrow to be
        seen, and those that hold hardly any rows are left out, and the x-axis says so.

    Raises
    ------
    ValueError, TypeError
        If the result has no tree, or no node values that are finite numbers.
    """
    tree, nodes = style.check_result(result).hierarchy, result.node_values
    if tree is None or nodes is None:
        raise ValueError("this result has no tree with values of its nodes, so there is none to draw.")
    check_finite(nodes, "node_values")
    worth = nodes / tree.sizes
    levels = _drawn_levels(tree)
    axes = style.axes_or_new(ax, (8.0, 1.6 + 0.55 * len(levels)))
    drawn = np.arange(tree.level_start[len(levels)])
    colours = style.value_colours(*_limits(worth[drawn], tree.sizes[drawn]))
    for level, ids in enumerate(levels):
        _draw_level(axes, tree, ids, level, worth, colours)
    axes.set_xlim(0, tree.n_points)
    axes.set_ylim(len(levels), 0)
    style.name_rows(axes, [k + 0.5 for k in range(len(levels))], [_level_name(tree, ids) for ids in levels])
    left_out = tree.n_nodes - len(drawn)
    note = f"; {left_out:,} nodes of deeper levels are too narrow to draw" if left_out else ""
    axes.set_xlabel(f"the {tree.n_points:,} rows in the order of the tree{note}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    style.colour_scale(axes, colours, worth[drawn], "mean value of a row{}")
    style.tidy(axes, f"Value down the tree: {nodes[0]:.3g} in all")
    axes.spines["left"].set_visible(False)
    return axes


def _drawn_levels(tree: Hierarchy) -> list[NDArray[np.int64]]:
    """Node ids of each level to draw, from the root down."""
    levels: list[NDArray[np.int64]] = []
    for first, stop in pairwise(tree.level_start.tolist()):
        held = tree.sizes[first:stop].sum()
        if stop - first > MOST_ACROSS or held < LEAST_HELD * tree.n_points:
            break
        levels.append(np.arange(first, stop))
    return levels


def _draw_level(
    axes: Axes, tree: Hierarchy, ids: NDArray[np.int64], level: int, worth: NDArray[np.float64],
    colours: ScalarMappable,
) -> None:  # fmt: skip
    """Nodes side by side, those with room for it with their mean values."""
    from matplotlib.collections import PolyCollection

    shares = tree.sizes[ids] / tree.n_points
    fills = colours.to_rgba(worth[ids])
    # Narrow nodes are edged in their own colours: white would cover them, and without any edge the background
    # shines through.
    edges = np.where((shares >= EDGED)[:, None], 1.0, fills)
    axes.add_collection(
        PolyCollection(
            list(_boxes(tree, ids, level)), facecolors=fills, edgecolors=edges,
            linewidths=np.where(shares >= EDGED, 0.8, 0.1),
        )
    )  # fmt: skip
    factor, _ = style.power_of(max(map(abs, colours.get_clim())))
    for node, fill in zip(ids[shares >= NUMBERED], fills[shares >= NUMBERED], strict=True):
        axes.text(
            0.5 * (tree.start[node] + tree.stop[node]), level + 0.5,
            _short(worth[node] / factor), ha="center", va="center", fontsize=7.5,
            color=_ink_on(fill),
        )  # fmt: skip


def _boxes(tree: Hierarchy, ids: NDArray[np.int64], level: int) -> NDArray[np.float64]:
    """Corners of the nodes' rectangles, float64 [k, 4, 2]."""
    left, right = tree.start[ids].astype(float), tree.stop[ids].astype(float)
    top, bottom = np.full(len(ids), float(level)), np.full(len(ids), level + 1.0)
    x, y = np.stack([left, right, right, left], axis=1), np.stack([top, top, bottom, bottom], axis=1)
    return np.stack([x, y], axis=2)


def _limits(worth: NDArray[np.float64], sizes: NDArray[np.int64]) -> tuple[float, float]:
    """Ends of the colours: quantiles over the area drawn."""
    order = np.argsort(worth, kind="stable")
    share = np.cumsum(sizes[order]) / sizes.sum()
    low, high = (float(worth[order][np.searchsorted(share, q)]) for q in QUANTILES)
    return low, high


def _level_name(tree: Hierarchy, ids: NDArray[np.int64]) -> str:
    if len(ids) == 1:
        return "all rows"
    sizes = tree.sizes[ids]
    span = f"{sizes.min():,}" if sizes.min() == sizes.max() else f"{sizes.min():,}\N{EN DASH}{sizes.max():,}"
    return f"{len(ids):,} nodes\nof {span} rows"


def _short(number: float) -> str:
    """Two digits, or all before the point."""
    return style.with_minus(f"{number:,.0f}" if abs(number) >= 100 else f"{number:.2g}")


def _ink_on(colour: Any) -> str:
    """Dark on light, and light on dark."""
    return "white" if 0.30 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] < 0.5 else style.INK
