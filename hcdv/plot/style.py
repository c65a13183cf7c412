"""What all pictures share: colours, axes, legends, and names as their owner wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hcdv.result import ValuationResult

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

# Told apart by lightness too, so that a picture survives grey printing and colour blindness: L* of the lines is
# 19, 42, 54, 71 and 82.
LINES = ("#1b2a5c", "#b5372b", "#2f8f83", "#e69f00", "#a9d3ea")
# Beyond as many lines as there are colours, the next ones are dashed.
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v")
INK, QUIET = "#222222", "#6e6e6e"
PLAIN, MARKED = "#7aa6c2", "#c2410c"
# Of values below 0 and above it, from the lowest: lightness grows throughout, the hue tells the sign.
BELOW_ZERO, ABOVE_ZERO = ("#2e0a04", "#c2410c"), ("#3f7ea6", "#b9e0f2")
TITLE, SMALL = 11.0, 8.5
SUPERSCRIPTS = str.maketrans("-0123456789", "\N{SUPERSCRIPT MINUS}⁰¹²³⁴⁵⁶⁷⁸⁹")
LONGEST_NAME = 32


def require_matplotlib() -> None:
    """Say which extra is missing, if one is."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib ({error}): pip install 'hcdv[report]'.") from None


def check_result(result: Any) -> ValuationResult:
    """``result``, if it is one; who has a model is told where the result is."""
    if not isinstance(result, ValuationResult):
        where = ": pass model.result_" if hasattr(result, "get_params") else ""
        raise TypeError(f"result must be a ValuationResult, got {type(result).__name__}{where}.")
    return result


def new_figure(size: tuple[float, float]) -> Figure:
    """A bare figure of ``size`` inches, not one of pyplot."""
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def axes_or_new(ax: Any, size: tuple[float, float]) -> Axes:
    """``ax`` itself, or the axes of a new figure where it is None."""
    if ax is None:
        return new_figure(size).subplots()
    require_matplotlib()
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be the axes of a matplotlib figure, got {type(ax).__name__}.")
    return ax


def line_style(k: int) -> dict[str, Any]:
    """Colour, marker and dashes of the k-th line."""
    n = len(LINES)
    return {
        "color": LINES[k % n], "marker": MARKERS[k % n], "linestyle": DASHES[k // n % len(DASHES)],
        "markersize": 4.0, "linewidth": 1.4,
    }  # fmt: skip


def value_colours(low: float, high: float) -> ScalarMappable:
    """Colours of values from ``low`` to ``high``; those beyond have the colours of the ends."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    if low == high:
        half = 0.05 * abs(low) or 0.5
        low, high = low - half, high + half
    if low >= 0.0:
        stops = [(0.0, ABOVE_ZERO[0]), (1.0, ABOVE_ZERO[1])]
    elif high <= 0.0:
        stops = [(0.0, BELOW_ZERO[0]), (1.0, BELOW_ZERO[1])]
    else:
        zero = -low / (high - low)
        stops = [(0.0, BELOW_ZERO[0]), (zero, BELOW_ZERO[1]), (zero, ABOVE_ZERO[0]), (1.0, ABOVE_ZERO[1])]
    return ScalarMappable(Normalize(low, high), LinearSegmentedColormap.from_list("values", stops, N=1024))


def as_name(label: Any) -> str:
    """The name of a class, seller or curve on one line, cut where it is too long."""
    text = " ".join(str(label).split())
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def tidy(axes: Axes, title: str) -> None:
    """Title on the left, and no lines around the picture but the two scales."""
    axes.set_title(title, loc="left", fontsize=TITLE, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)


def name_rows(axes: Axes, positions: Sequence[float], names: Sequence[str]) -> None:
    """Names along the y-axis, never read as formulas."""
    axes.set_yticks(positions, names, parse_math=False)
    axes.tick_params(axis="y", length=0)


def power_of(largest: float) -> tuple[float, str]:
    """A power of 1,000 in which numbers up to ``largest`` are short, and how an axis says so."""
    digits = floor(log10(largest)) if largest > 0 else 0
    if -3 < digits < 5:
        return 1.0, ""
    power = 3 * (digits // 3)
    return float(10.0**power), f" in 10{str(power).translate(SUPERSCRIPTS)}"


def with_minus(number: str) -> str:
    """A number with the sign that matplotlib writes, which is as wide as a plus."""
    return number.replace("-", "\N{MINUS SIGN}")


def in_powers(axis: Axis, largest: float, label: str) -> None:
    """Label an axis of values up to ``largest``, with short numbers along it."""
    factor, suffix = power_of(largest)
    axis.set_major_formatter(lambda value, _: with_minus(f"{value / factor:,.6g}"))
    axis.set_label_text(label.format(suffix))


def colour_scale(axes: Axes, colours: ScalarMappable, worth: NDArray[np.float64], label: str) -> None:
    """What the colours of the values drawn mean, with arrows where values lie beyond the ends."""
    low, high = colours.get_clim()
    below, above = bool(worth.min() < low), bool(worth.max() > high)
    ends = "both" if below and above else "min" if below else "max" if above else "neither"
    bar = axes.figure.colorbar(colours, ax=axes, extend=ends, pad=0.015, aspect=16)
    in_powers(bar.ax.yaxis, max(abs(low), abs(high)), label)
    bar.ax.yaxis.label.set_fontsize(9.0)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)


def note_rows(axes: Axes, positions: Sequence[float], notes: Sequence[str]) -> None:
    """Text beside each row of the picture, behind the end of the x-axis."""
    place = axes.get_yaxis_transform()
    for position, note in zip(positions, notes, strict=True):
        axes.text(1.01, position, note, va="center", transform=place, fontsize=SMALL, color=QUIET)


def legend(axes: Axes, artists: Sequence[Artist], names: Sequence[str], **options: Any) -> None:
    """A legend whose names may hold ``$`` or begin with ``_``, which would mean something to matplotlib."""
    if not artists:
        return
    made = axes.legend(artists, ["name"] * len(artists), frameon=False, fontsize=SMALL, **options)
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
