"""Pictures of values (needs matplotlib, the ``report`` extra)."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

# Told apart by lightness too, so that the picture survives grey printing and colour blindness.
CLEAN, MARKED = "#7aa6c2", "#c2410c"
# Lines with a name of their own in a legend.
MOST_NAMED = 10


def value_histogram(
    values: NDArray[np.float64],
    marked: NDArray[np.bool_],
    path: str | PathLike[str],
    *,
    marked_name: str = "flipped label",
    title: str = "What each training row is worth",
) -> None:
    """Histogram of values with some rows marked, written to ``path`` (PNG, SVG or PDF by suffix).

    Parameters
    ----------
    values : float64 [n]
    marked : bool [n]
    path : file to write
    marked_name, title : text
    """
    figure = _figure((8, 4.5))
    axes = figure.subplots()
    bins = np.histogram_bin_edges(values, bins=60).tolist()
    axes.hist(
        [values[~marked], values[marked]],
        bins=bins,
        stacked=True,
        color=[CLEAN, MARKED],
        label=[f"other rows ({int((~marked).sum()):,})", f"{marked_name} ({int(marked.sum()):,})"],
    )
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_xlabel("value (all rows sum to v(all) - v(none))")
    axes.set_ylabel("rows")
    axes.set_title(title)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


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


def plot_history(model_or_history: Any, ax: Any = None) -> Any:
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
        _draw_batches(ax, batches)
        return ax.figure
    groups = value_over_time(updates, "group")
    panels: list[tuple[float, Callable[[Any], None]]] = [(2.2, lambda axes: _draw_batches(axes, batches))]
    if 0 in batches.columns:
        # Mostly far larger than a batch: on one scale these would lie flat.
        panels.append((1.4, lambda axes: _draw_fit(axes, batches[0])))
    if groups.shape[1]:
        panels.append((2.2, lambda axes: _draw_groups(axes, groups)))
    panels.append((1.8, lambda axes: _draw_size(axes, updates)))
    heights = [height for height, _ in panels]
    figure = _figure((8.0, 1.0 + sum(heights)))
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights)
    for one, (_, draw) in zip(axes, panels, strict=True):
        draw(one)
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
    return list(getattr(model_or_history, "history_", model_or_history))


def _figure(size: tuple[float, float]) -> Any:
    """A bare figure, not one of pyplot: no global state and no display, safe in threads and servers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_batches(axes: Any, table: pd.DataFrame) -> None:
    """A line a batch, the later the darker."""
    from matplotlib import colormaps

    batches = table.drop(columns=0, errors="ignore")
    last = max([1, *batches.columns])
    for batch in batches.columns:
        shade = colormaps["Blues"](0.35 + 0.65 * batch / last)
        is_named = batches.shape[1] <= MOST_NAMED or batch in (batches.columns[0], last)
        _draw_line(axes, batches[batch], color=shade, label=f"batch {batch}" if is_named else None)
    _finish(axes, "value by batch")


def _draw_fit(axes: Any, series: pd.Series) -> None:
    _draw_line(axes, series, color=CLEAN, label="rows of the fit")
    _finish(axes, "value of the fit")


def _draw_groups(axes: Any, table: pd.DataFrame) -> None:
    """The groups of the largest values by name, the others together."""
    from matplotlib import colormaps

    shown = table.abs().max().sort_values(ascending=False, kind="stable").index[: MOST_NAMED - 1]
    for k, group in enumerate(shown):
        _draw_line(axes, table[group], color=colormaps["tab10"](k % 10), label=str(group))
    others = table.drop(columns=shown)
    if others.shape[1]:
        total = others.sum(axis=1, min_count=1)
        _draw_line(axes, total, color="grey", linestyle=":", label=f"{others.shape[1]:,} others")
    _finish(axes, "value by group")


def _draw_size(axes: Any, updates: list[Any]) -> None:
    """Rows as steps, and the error beside them."""
    numbers = [update.number for update in updates]
    rows = [update.n_rows for update in updates]
    axes.step(numbers, rows, where="post", color=CLEAN, marker="o", markersize=3, label="rows")
    axes.set_ylabel("rows")
    axes.set_ylim(bottom=0)
    beside = axes.twinx()
    errors = [update.error for update in updates]
    beside.plot(numbers, errors, color=MARKED, marker="o", markersize=3, label="error")
    beside.set_ylabel("error (in sd of the values)")
    beside.set_ylim(bottom=0)
    lines = [*axes.get_lines(), *beside.get_lines()]
    _legend(axes, lines)
    axes.spines["top"].set_visible(False)
    beside.spines["top"].set_visible(False)


def _draw_line(axes: Any, series: pd.Series, **style: Any) -> None:
    # A dot beside the line: a batch of the last update has no second point yet.
    axes.plot(series.index, series, marker="o", markersize=3, linewidth=1.2, **style)


def _legend(axes: Any, lines: Any) -> None:
    """Names of the lines, beside the axes and their scales: lines may run anywhere inside."""
    named = [line for line in lines if not line.get_label().startswith("_")]
    if named:
        axes.legend(
            named, [line.get_label() for line in named], frameon=False, fontsize="small", loc="upper left",
            bbox_to_anchor=(1.12, 1.0),
        )  # fmt: skip


def _finish(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0.0, color="black", linewidth=0.8)
    _legend(axes, axes.get_lines())
    axes.spines[["top", "right"]].set_visible(False)
