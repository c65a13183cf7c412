"""Scores along an order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hcdv.plot import style
from hcdv.tasks import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = 0.22


def score_curves(curves: Curves | Sequence[Curves], *, ax: Axes | None = None) -> Axes:
    """Score of a model against the share of the rows removed or added, with bands of one standard deviation.

    Parameters
    ----------
    curves : Curves, or a list of them
        What :func:`hcdv.tasks.removal_curve` or :func:`hcdv.tasks.addition_curve` gave; a list holds repeats
        under other seeds or splits of the data, whose mean is drawn.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Bands span the draws of the random order, or all repeats where there are several.  The legend has the
        mean area under each curve, in the units of the metric.

    Raises
    ------
    ValueError, TypeError
        If repeats are not of the same kind, fractions, metric and curves.
    """
    repeats = _repeats(curves)
    first = repeats[0]
    axes = style.axes_or_new(ax, (6.4, 4.2))
    percent = 100.0 * first.fractions
    artists, names = [], []
    chosen = [name for name in first.scores if name != "random"]
    for name in first.scores:
        scores = np.array([one.scores[name] for one in repeats])
        mean = scores.mean(axis=0)
        spread = scores.std(axis=0, ddof=1) if len(repeats) > 1 else first.spread[name]
        is_random = name == "random"
        look = {"color": style.QUIET, "linestyle": "--", "linewidth": 1.4} if is_random else (
            style.line_style(chosen.index(name))
        )  # fmt: skip
        (line,) = axes.plot(percent, mean, **look, zorder=2 if is_random else 3)
        if spread.any():
            axes.fill_between(
                percent, mean - spread, mean + spread, color=look["color"], alpha=BAND, linewidth=0.0
            )
        artists.append(line)
        names.append(f"{style.as_name(name)} (area {np.mean([one.area[name] for one in repeats]):.3f})")
    done = "removed" if first.kind == "removal" else "added"
    axes.set_xlabel(
        f"share of the rows {done} in order of value, % (trained on {_span(first)})"
    )
    axes.set_ylabel(f"{style.as_name(first.metric)} on the test rows", parse_math=False)
    title = f"Rows {done} in order of value"
    if len(repeats) > 1:
        title += f", mean and standard deviation of {len(repeats)} repeats"
    style.tidy(axes, title)
    style.legend(axes, artists, names)
    return axes


def _span(curves: Curves) -> str:
    first, last = int(curves.n_trained[0]), int(curves.n_trained[-1])
    return f"{first:,} rows" if first == last else f"{first:,} to {last:,} rows"


def _repeats(curves: Any) -> list[Curves]:
    repeats = list(curves) if isinstance(curves, (list, tuple)) else [curves]
    if not repeats or not all(isinstance(one, Curves) for one in repeats):
        raise TypeError("curves must be what removal_curve or addition_curve gave, or a list of such results.")
    first = repeats[0]
    for one in repeats[1:]:
        same = (
            (one.kind, one.metric, list(one.scores)) == (first.kind, first.metric, list(first.scores))
            and np.array_equal(one.fractions, first.fractions)
        )  # fmt: skip
        if not same:
            raise ValueError("repeats must be of one kind, with the same fractions, metric and curves.")
    return repeats
