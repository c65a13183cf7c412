"""Who gets what, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hcdv.estimator.update import NORMAL_95
from hcdv.plot import style
from hcdv.result import FEWEST_CHAINS, ValuationResult
from hcdv.tasks import Payouts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS = 20


def payout_bars(payouts: Payouts, std_error: pd.Series | None = None, *, ax: Axes | None = None) -> Axes:
    """What each seller is paid, highest first, with 95% intervals where errors are given.

    Parameters
    ----------
    payouts : Payouts
        What :func:`hcdv.tasks.marketplace_payouts` gave.
    std_error : Series by seller, optional
        Standard errors of the sellers' values: :func:`group_std_error`.  They are turned into money at what the
        payouts pay for one unit of value, which is the same for all sellers above the minimum; those who get
        nothing or the minimum have no interval, as their amount does not follow their value.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Of more than 20 sellers the first 19, and the others together.

    Raises
    ------
    ValueError, TypeError
        If ``std_error`` is no Series of numbers that has each seller once.
    """
    if not isinstance(payouts, Payouts):
        raise TypeError(f"payouts must be what marketplace_payouts gave, got {type(payouts).__name__}.")
    k = len(payouts.sellers)
    amounts = np.array([float(amount) for amount in payouts.amounts])
    errors = np.full(k, np.nan) if std_error is None else _money_errors(payouts, amounts, std_error)
    order = np.lexsort((np.arange(k), -payouts.values, -amounts))
    shown = order if k <= MOST_BARS else order[: MOST_BARS - 1]
    others = order[len(shown) :]
    heights = [*amounts[shown], *([amounts[others].sum()] if len(others) else [])]
    spans = [*errors[shown], *([np.nan] if len(others) else [])]
    names = [_seller_name(payouts.sellers[s], int(payouts.n_rows[s])) for s in shown]
    if len(others):
        names.append(_seller_name(f"{len(others):,} others", int(payouts.n_rows[others].sum())))

    axes = style.axes_or_new(ax, (6.6, 1.3 + 0.36 * len(heights)))
    places = np.arange(len(heights), dtype=float)
    colours = [style.MARKED if payouts.values[s] < 0 else style.PLAIN for s in shown] + [style.QUIET] * bool(
        len(others)
    )
    axes.barh(places, heights, height=0.7, color=colours)
    known = np.isfinite(spans)
    if known.any():
        axes.errorbar(
            np.array(heights)[known], places[known], xerr=NORMAL_95 * np.array(spans)[known], fmt="none",
            ecolor=style.INK, elinewidth=1.2, capsize=3.0,
        )  # fmt: skip
    style.name_rows(axes, places.tolist(), names)
    notes = [f"{payouts.amounts[s]:,}" + ("  (value below 0)" if payouts.values[s] < 0 else "") for s in shown]
    if len(others):
        notes.append(f"{sum(payouts.amounts[s] for s in others):,}")
    style.note_rows(axes, places.tolist(), notes)
    axes.set_ylim(len(heights) - 0.4, -0.6)
    axes.axvline(0.0, color=style.INK, linewidth=0.8)
    unit = f", {style.as_name(payouts.currency)}" if payouts.currency else ""
    interval = "; lines: 95% intervals over chains" if known.any() else ""
    axes.set_xlabel(f"payout{unit} (of {payouts.total:,} in all{interval})", parse_math=False)
    axes.xaxis.set_major_formatter("{x:,.10g}")
    gini = "" if np.isnan(payouts.gini) else f", Gini {payouts.gini:.2f}"
    style.tidy(axes, f"Payouts to {k:,} seller{'s' if k != 1 else ''}{gini}")
    axes.spines["left"].set_visible(False)
    return axes


def group_std_error(result: ValuationResult, by: ArrayLike) -> pd.Series:
    """Standard error of the summed value of each group of rows, where groups are nodes of the tree.

    Parameters
    ----------
    result : ValuationResult
    by : [n]
        Group of each row, the ``groups`` of the fit.

    Returns
    -------
    Series of float64 by group, in the order of their first rows, in the units of the values
        0 for a single group: the sum of all values is known.

    Raises
    ------
    ValueError, TypeError
        If the result has no tree or no standard errors, or a group is no node of the tree: rows' errors are
        not independent, so that theirs cannot be added up.
    """
    tree, errors = style.check_result(result).hierarchy, result.node_std_error
    if tree is None or errors is None:
        raise ValueError("this result has no standard errors of nodes of a tree.")
    if not np.isfinite(errors).all():
        raise ValueError(f"too few chains were walked for standard errors, which take {FEWEST_CHAINS}.")
    column = by if isinstance(by, pd.Series) else np.asarray(by)
    if column.ndim != 1 or len(column) != len(result):
        raise ValueError(f"by must name the group of each of {len(result)} rows, got shape {column.shape}.")
    codes, groups = pd.factorize(column)
    if (codes < 0).any():
        raise ValueError(f"by has {int((codes < 0).sum())} rows without a group.")
    nodes = _nodes_of(tree, codes, groups)
    return pd.Series(errors[nodes], index=pd.Index(groups, name="group"), name="std_error")


def _nodes_of(tree: Any, codes: NDArray[np.int64], groups: Any) -> NDArray[np.int64]:
    """The node of each group, int64 [k]."""
    in_order = codes[tree.order]
    ends = np.flatnonzero(np.diff(in_order)) + 1
    starts, stops = np.append(0, ends), np.append(ends, len(in_order))
    if len(starts) > len(groups):
        split = groups[int(np.argmax(np.bincount(in_order[starts])))]
        raise ValueError(f"group {split!s} is no node of the tree; pass groups=by to fit.")
    # No node has an only child, so a range of rows is one node at most.
    place = {(int(a), int(b)): node for node, (a, b) in enumerate(zip(tree.start, tree.stop, strict=True))}
    nodes = np.empty(len(groups), np.int64)
    for code, a, b in zip(in_order[starts], starts, stops, strict=True):
        node = place.get((int(a), int(b)))
        if node is None:
            raise ValueError(f"group {groups[code]!s} is no node of the tree; pass groups=by to fit.")
        nodes[code] = node
    return nodes


def _money_errors(payouts: Payouts, amounts: NDArray[np.float64], std_error: Any) -> NDArray[np.float64]:
    """Standard errors of the amounts; NaN where an amount does not follow the value."""
    if not isinstance(std_error, pd.Series):
        raise TypeError(f"std_error must be a pandas Series by seller, got {type(std_error).__name__}.")
    if std_error.dtype.kind not in "iuf" or (std_error < 0).any():
        raise ValueError("std_error must hold numbers of at least 0.")
    if not std_error.index.is_unique:
        raise ValueError("std_error must have one entry for each seller, got several for some.")
    unknown = [seller for seller in payouts.sellers if seller not in std_error.index]
    if unknown:
        raise ValueError(f"std_error has no entry for seller {style.as_name(unknown[0])!r}.")
    errors = np.array([float(std_error[seller]) for seller in payouts.sellers])
    pays = min(payouts.amounts) < 0
    follows = np.ones(len(amounts), bool) if pays else (payouts.values > 0) & (amounts > float(payouts.minimum))
    if not follows.any():
        return np.full(len(amounts), np.nan)
    price = amounts[follows].sum() / payouts.values[follows].sum()
    return np.where(follows, price * errors, np.nan)


def _seller_name(seller: Any, n_rows: int) -> str:
    return style.as_name(seller) + (f" (n = {n_rows:,})" if n_rows else "")
