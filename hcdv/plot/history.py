"""How values, sizes and errors have moved with every update."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hcdv.estimator.update import Update
from hcdv.plot import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lines with a name of their own in a legend.
MOST_NAMED = 10


def value_over_time(history: Any, by: str = "batch") -> pd.DataFrame:
    """Value after every update: one line an update, one column a batch, group or leaf.

    Parameters
    ----------
    history : HCDV or list of Update
        A fitted model, or its ``history_``.
    by : {"batch", "group", "leaf"}
        Batches are numbered by the update that they came with (0 is the fit), leaves named by their keys
        (of large trees, nodes of an upper level).

    Returns
    -------
    DataFrame
        Missing where the batch, group or leaf had no rows, or was not yet or no longer there.
    """
    import pandas as pd

    if by not in _SERIES:
        raise ValueError(f"by must be one of {', '.join(_SERIES)}, got {by!r}.")
    updates = _updates(history)
    lines = [_SERIES[by](update) for update in updates]
    names = list(dict.fromkeys(name for line in lines for name in line))
    if by != "group":
        names.sort()
    index = pd.Index([update.number for update in updates], name="update")
    table = {name: [line.get(name, np.nan) for line in lines] for name in names}
    return pd.DataFrame(table, index=index, columns=pd.Index(names, name=by), dtype=np.float64)


def plot_history(model_or_history: Any, ax: Any = None) -> Figure:
    """How values, sizes and errors have moved since the fit.

    Parameters
    ----------
    model_or_history : HCDV or list of Update
    ax : matplotlib axes, optional
        Where to draw the value by batch alone; by default a figure is made: value by batch, value by group
        (where there are groups), and rows and error.

    Returns
    -------
    matplotlib.figure.Figure
    """
    updates = _updates(model_or_history)
    if not updates:
        raise ValueError("there is no update to draw: the values are those of the fit.")
    batches = value_over_time(updates)
    if ax is not None:
        _draw_batches(style.axes_or_new(ax, (8.0, 3.2)), batches)
        return ax.figure
    groups = value_over_time(updates, "group")
    panels: list[tuple[float, Callable[[Axes], None]]] = [(2.2, lambda axes: _draw_batches(axes, batches))]
    if 0 in batches.columns:
        # Mostly far larger than a batch: on one scale these would lie flat.
        panels.append((1.4, lambda axes: _draw_fit(axes, batches[0])))
    if groups.shape[1]:
        panels.append((2.2, lambda axes: _draw_groups(axes, groups)))
    panels.append((1.8, lambda axes: _draw_size(axes, updates)))
    heights = [height for height, _ in panels]
    figure = style.new_figure((8.0, 1.0 + sum(heights)))
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights)
    for one, (_, draw) in zip(axes, panels, strict=True):
        draw(one)
    axes[0].set_title("Values after every update", loc="left", fontsize=style.TITLE, color=style.INK)
    axes[-1].set_xlabel("update")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


_SERIES: dict[str, Callable[[Any], dict[Any, float]]] = {
    "batch": lambda update: update.by_batch,
    "group": lambda update: update.by_group,
    "leaf": lambda update: dict(
        zip(update.tracked_key.tolist(), update.tracked_value.tolist(), strict=True)
    ),
}


def _updates(model_or_history: Any) -> list[Any]:
    updates = getattr(model_or_history, "history_", model_or_history)
    if not isinstance(updates, (list, tuple)) or not all(isinstance(one, Update) for one in updates):
        raise TypeError(
            f"pass a fitted model or its history_, got {type(model_or_history).__name__}"
            + (" that is not fitted yet: call fit first." if hasattr(updates, "get_params") else ".")
        )
    return list(updates)


def _draw_batches(axes: Axes, table: pd.DataFrame) -> None:
    """A line a batch, the later the darker."""
    from matplotlib import colormaps

    batches = table.drop(columns=0, errors="ignore")
    last = max([1, *batches.columns])
    named = []
    for batch in batches.columns:
        line = _draw_line(axes, batches[batch], color=colormaps["Blues"](0.35 + 0.65 * batch / last))
        if batches.shape[1] <= MOST_NAMED or batch in (batches.columns[0], last):
            named.append((f"batch {batch}", line))
    _finish(axes, "value by batch", named)


def _draw_fit(axes: Axes, series: pd.Series) -> None:
    line = _draw_line(axes, series, color=style.PLAIN)
    _finish(axes, "value of the fit", [("rows of the fit", line)])


def _draw_groups(axes: Axes, table: pd.DataFrame) -> None:
    """The groups of the largest values by name, the others together."""
    shown = table.abs().max().sort_values(ascending=False, kind="stable").index[: MOST_NAMED - 1]
    named = []
    for k, group in enumerate(shown):
        named.append((style.as_name(group), _draw_line(axes, table[group], **style.line_style(k))))
    others = table.drop(columns=shown)
    if others.shape[1]:
        total = others.sum(axis=1, min_count=1)
        line = _draw_line(axes, total, color=style.QUIET, linestyle=":")
        named.append((f"{others.shape[1]:,} others", line))
    _finish(axes, "value by group", named)


def _draw_size(axes: Axes, updates: list[Any]) -> None:
    """Rows as steps, and the error beside them."""
    numbers = [update.number for update in updates]
    rows = [update.n_rows for update in updates]
    (steps,) = axes.step(numbers, rows, where="post", color=style.PLAIN, marker="o", markersize=3)
    axes.set_ylabel("rows")
    axes.set_ylim(bottom=0)
    beside = axes.twinx()
    (errors,) = beside.plot(
        numbers, [update.error for update in updates], color=style.MARKED, marker="o", markersize=3
    )
    beside.set_ylabel("error (in sd of the values)")
    beside.set_ylim(bottom=0)
    _legend(axes, [("rows", steps), ("error", errors)])
    for one in (axes, beside):
        one.spines["top"].set_visible(False)
        one.tick_params(labelsize=style.SMALL)
        one.yaxis.set_major_formatter("{x:,.10g}")


def _draw_line(axes: Axes, series: pd.Series, **look: Any) -> Artist:
    # A dot beside the line: a batch of the last update has no second point yet.
    dots: dict[str, Any] = {"marker": "o", "markersize": 3, "linewidth": 1.2}
    (line,) = axes.plot(series.index, series, **(dots | look))
    return line


def _legend(axes: Axes, named: list[tuple[str, Artist]]) -> None:
    """Names of the lines, beside the axes and their scales: lines may run anywhere inside."""
    style.legend(
        axes, [line for _, line in named], [name for name, _ in named], loc="upper left",
        bbox_to_anchor=(1.12, 1.0),
    )  # fmt: skip


def _finish(axes: Axes, label: str, named: list[tuple[str, Artist]]) -> None:
    axes.set_ylabel(label)
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0.0, color=style.INK, linewidth=0.8)
    _legend(axes, named)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=style.SMALL)
