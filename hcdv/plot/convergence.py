"""How sure values become with every chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hcdv._moments import Moments
from hcdv.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def chain_convergence(model: Any, *, ax: Axes | None = None) -> Axes:
    """Standard error of the values after 4, 6, ... chains of the fit, beside what 1 / sqrt(chains) predicts.

    Parameters
    ----------
    model : HCDV
        Fitted with ``keep_chains=True``: a result alone holds means and standard errors of all chains together,
        so that their course cannot be drawn from it.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Root mean square over the rows, in percent of the mean absolute value, on logarithmic scales: squares of
        standard errors are unbiased from the first two pairs of chains on, their medians are not.  After
        updates only rows that every chain has met count.

    Raises
    ------
    ValueError
        If the model is not fitted, or its chains were not kept, or are fewer than 4.
    """
    chains = getattr(getattr(model, "_live", None), "chains", None)
    if chains is None:
        raise ValueError("this model has kept no chains; fit HCDV with keep_chains=True (and Winter values).")
    if chains.n_pairs < 2:
        raise ValueError("the model has walked 2 chains, and standard errors take 4.")
    weights = np.array(list(model.result_.weights.values()))
    rows = chains.n_known() == chains.n_pairs
    walked = Moments.zeros(1, int(rows.sum()))
    errors = []
    for marginals in chains.points:
        walked.add((weights @ marginals)[None, rows])
        if walked.count > 1:
            errors.append(np.sqrt(np.mean(walked.std_error(np.ones(1)) ** 2)))
    scale = float(np.abs(walked.mean[0]).mean())
    percent = 100.0 * np.array(errors) / (scale or 1.0)
    count = 2 * np.arange(2, chains.n_pairs + 1)
    predicted = percent[-1] * np.sqrt(count[-1] / count)

    axes = style.axes_or_new(ax, (6.4, 4.2))
    from matplotlib.ticker import LogLocator, NullLocator

    (line,) = axes.plot(count, percent, color=style.LINES[0], marker="o", markersize=3.0, linewidth=1.4)
    (reference,) = axes.plot(count, predicted, color=style.MARKED, linestyle="--", linewidth=1.2)
    if percent.min() > 0.0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,.3g}")
    axes.set_xlabel("chains walked")
    axes.set_ylabel("standard error, % of the mean |value|")
    style.tidy(axes, "Convergence of the chains")
    names = [f"root mean square of {int(rows.sum()):,} rows", "1 / sqrt(chains) through the last point"]
    style.legend(axes, [line, reference], names)
    return axes
