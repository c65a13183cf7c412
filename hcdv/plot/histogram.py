"""How values are spread, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hcdv.plot import style
from hcdv.result import ValuationResult
from hcdv.tasks._values import values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 60
MOST_GROUPS = 12
# The picture reaches beyond these quantiles by this share of their distance; single rows farther out would
# press all others together, and are counted in the outermost bins.
TAILS, REACH = (0.001, 0.999), 0.5
# Of a row of the picture, what its tallest bin takes.
TALLEST = 0.86


def value_histogram(
    values: Any, by: ArrayLike | None = None, *, by_name: str = "class", ax: Axes | None = None
) -> Axes:
    """Histograms of values, one above the other for each class or other group of rows.

    Heights are shares of the group's rows, on one scale, so that small groups can be compared with large ones.
    Bins below 0 stand out: those rows cost the others more than they explain.  A few values far out are counted
    in the outermost bins, and the x-axis says so.

    Parameters
    ----------
    values : ValuationResult or float [n]
    by : [n], optional
        Group of each row, such as names of classes, sellers or "flipped" and "not flipped"; by default the
        labels of the result.  Of many groups the twelfth and smaller ones are drawn together.
    by_name : str
        What the groups are.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        If values are no finite numbers, or ``by`` is not one group a row.
    """
    worth = values_of(values)
    has_game = not isinstance(values, ValuationResult) or values.has_game
    if by is None:
        by = getattr(values, "labels", None)
    codes, names = _groups(by, len(worth))
    low, high = _range(worth)
    n_beyond = int(((worth < low) | (worth > high)).sum())
    edges = _edges(low, high)
    inside = np.clip(worth, low, high)
    axes = style.axes_or_new(ax, (6.6, 1.2 + max(1.8, 0.4 * len(names))))
    shares = [np.histogram(inside[codes == k], edges)[0] for k in range(len(names))]
    shares = [counts / counts.sum() for counts in shares]
    scale = TALLEST / max(share.max() for share in shares)
    below = int(np.searchsorted(edges, 0.0))
    places = np.arange(len(names))[::-1].astype(float)
    for place, share in zip(places, shares, strict=True):
        tops = place + scale * share
        for first, last, colour in ((0, below, style.MARKED), (below, len(share), style.PLAIN)):
            if first < last:
                axes.stairs(
                    tops[first:last], edges[first : last + 1], baseline=place, fill=True, color=colour,
                    linewidth=0.0,
                )  # fmt: skip
        axes.axhline(place, color=style.QUIET, linewidth=0.6)
    if edges[0] < 0.0 < edges[-1]:
        axes.axvline(0.0, color=style.INK, linewidth=0.8)
    negative = [float((worth[codes == k] < 0).mean()) for k in range(len(names))]
    counts = np.bincount(codes)
    middles = (places + 0.35).tolist()
    style.name_rows(axes, middles, names)
    style.note_rows(axes, middles, [
        f"n = {n:,}" + (f"\n{below_zero:.0%} below 0" if has_game else "")
        for n, below_zero in zip(counts, negative, strict=True)
    ])  # fmt: skip
    axes.set_ylim(-0.05, len(names))
    axes.set_xlim(edges[0], edges[-1])
    label = _unit(values, has_game=has_game)
    if n_beyond:
        label += f"\n{n_beyond:,} rows beyond the ends are counted in the outermost bins"
    style.in_powers(axes.xaxis, float(np.abs(edges).max()), label)
    tallest = TALLEST / scale
    axes.set_ylabel(f"share of the {by_name}'s rows\n(tallest bin {tallest:.0%})" if len(names) > 1 else
                    f"share of the rows\n(tallest bin {tallest:.0%})")  # fmt: skip
    what = "Value" if has_game else "Score"
    style.tidy(axes, f"{what} of each row" + (f", by {by_name}" if len(names) > 1 else ""))
    axes.spines["left"].set_visible(False)
    return axes


def _groups(by: Any, n: int) -> tuple[NDArray[np.int64], list[str]]:
    """Code of each row's group, in the order of the names; the smallest of many groups share the last one."""
    if by is None:
        return np.zeros(n, np.int64), ["all rows"]
    column = by if isinstance(by, pd.Series) else np.asarray(by)
    if column.ndim != 1 or len(column) != n:
        raise ValueError(f"by must name the group of each of {n} rows, got shape {column.shape}.")
    codes, groups = pd.factorize(column, sort=True)
    if (codes < 0).any():
        raise ValueError(f"by has {int((codes < 0).sum())} rows without a group.")
    names = [style.as_name(group) for group in groups]
    if len(names) > MOST_GROUPS:
        sizes = np.bincount(codes)
        shown = np.sort(np.argsort(-sizes, kind="stable")[: MOST_GROUPS - 1])
        place = np.full(len(names), MOST_GROUPS - 1)
        place[shown] = np.arange(MOST_GROUPS - 1)
        names = [names[k] for k in shown] + [f"{len(names) - len(shown):,} others"]
        codes = place[codes]
    return codes.astype(np.int64), names


def _range(worth: NDArray[np.float64]) -> tuple[float, float]:
    """Lowest and highest value to show."""
    low, high = np.quantile(worth, TAILS).tolist()
    reach = REACH * (high - low)
    return max(float(worth.min()), low - reach), min(float(worth.max()), high + reach)


def _edges(low: float, high: float) -> NDArray[np.float64]:
    """Edges of the bins; 0 is one where values lie on both sides of it, so that no bin has both signs."""
    step = (high - low) / BINS
    if step <= np.finfo(float).tiny:
        half = 0.05 * abs(low) or 0.5
        return np.array([low - half, low + half])
    if low < 0.0 < high:
        edges = step * np.arange(np.floor(low / step), np.ceil(high / step) + 1.0)
        edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
        return edges
    return np.linspace(low, high, BINS + 1)


def _unit(values: Any, *, has_game: bool) -> str:
    """What the x-axis measures, with room for the power of ten."""
    if not has_game:
        return "score of a row{}"
    if not isinstance(values, ValuationResult):
        return "value of a row{}"
    total = values.v_full - values.v_empty
    return f"value of a row{{}} (all {len(values):,} sum to v(all) \N{MINUS SIGN} v(none) = {total:.3g})"
