"""Small results whose pictures can be told in advance."""

import numpy as np

from hcdv import Hierarchy, ValuationResult

HOSTILE = ["$a_{b$", "_hidden", "50% & \\frac{1}{", "two\nlines"]


def result_of(values, **options):
    values = np.asarray(values, float)
    options = {"v_empty": 0.0, "v_full": float(values.sum()), "parts": {}, "weights": {}} | options
    return ValuationResult(
        values=values, ids=np.arange(len(values)), n_evaluations=0, n_permutations=0, stopped_by="exact",
        **options,
    )  # fmt: skip


def with_tree(values, *levels, **options):
    """A result over the tree that labels span, its nodes worth what their rows are."""
    tree = Hierarchy.from_labels(levels)
    return result_of(values, hierarchy=tree, node_values=tree.node_sums(values), **options)


def texts(axes):
    """Every text of a picture, drawn once so that formulas would have been read."""
    from matplotlib.text import Text

    axes.figure.draw_without_rendering()
    return [text.get_text() for text in axes.figure.findobj(Text) if text.get_text()]
