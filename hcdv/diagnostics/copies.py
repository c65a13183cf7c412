"""Identical rows: copies of some rows, put beside them, and what the model makes of the difference."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from hcdv.diagnostics.diagnosis import Line
from hcdv.diagnostics.evidence import Evidence
from hcdv.diagnostics.setting import refit
from hcdv.game import Indices
from hcdv.games import Function, plan_utility
from hcdv.games.retrained.folds import take_rows
from hcdv.hierarchy import Hierarchy

N_COPIES = 8


def copies(seen: Evidence, model: Any, X: Any, y: Any, X_val: Any, y_val: Any) -> list[Line]:
    """Symmetry as a user meets it: same features, same label, same leaf.

    The model is fitted again with a few rows doubled.  No promise: ties in distance, bootstraps and folds may
    tell copies apart.  A callable knows rows by their numbers only, so that there is nothing to copy.
    """
    plan = plan_utility(model.utility, is_mixed=model.encoder_.is_mixed)
    if any(isinstance(term.utility, Function) for term in plan.terms):
        return []
    tree = model.hierarchy_
    n = tree.n_points
    spaced = np.unique(np.linspace(0, n - 1, min(N_COPIES, n)).astype(np.int64))
    doubled = tree.order[spaced]
    rows = np.concatenate([np.arange(n), doubled])
    result = refit(
        model, take_rows(X, rows), take_rows(y, rows), X_val, y_val,
        tree=with_copies(tree, spaced), utility=model.utility,
        n_permutations=seen.setting.n_permutations,
    )  # fmt: skip
    difference = np.abs(result.values[doubled] - result.values[n:])
    note = "beside 2 x the largest error of a row"
    if result.std_error is not None and seen.setting.literal is None:
        error = np.hypot(result.std_error[doubled], result.std_error[n:])
        ratio = np.divide(difference, error, out=np.zeros(len(error)), where=error > 0)
        note += f"; at most {ratio.max():.2g} standard errors"
    return [
        Line(
            "Identical rows",
            f"|difference| of {len(doubled)} rows and their copies, largest",
            float(difference.max()),
            2 * seen.row_error,
            note=note,
        )
    ]


def with_copies(tree: Hierarchy, places: Indices) -> Hierarchy:
    """The tree with copies of the points at ``places`` (of its order, ascending) beside them in their leaves.

    They are numbered n, n + 1, ...
    """
    n = tree.n_points
    order = np.insert(tree.order, places + 1, np.arange(n, n + len(places)))
    # A boundary moves by as many copies as stand before it.
    arrays = {item.name: getattr(tree, item.name) for item in fields(tree)}
    for name in ("start", "stop"):
        arrays[name] = arrays[name] + np.searchsorted(places, arrays[name], side="left")
    keys = np.append(tree.point_key, tree.point_key.max() + 1 + np.arange(len(places)))
    return Hierarchy(**{**arrays, "order": order, "point_key": keys})
