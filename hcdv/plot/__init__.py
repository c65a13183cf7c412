"""Pictures of values (they need matplotlib, the ``report`` extra).

Each function draws one picture on the axes that it is given, or on those of a figure of its own, and returns
them; ``axes.figure.savefig(path)`` writes it.  pyplot and its global state are never touched, so pictures may
be drawn in threads and on servers.
"""

from hcdv.plot.convergence import chain_convergence
from hcdv.plot.curves import score_curves
from hcdv.plot.embedding import embedding_map
from hcdv.plot.histogram import value_histogram
from hcdv.plot.history import plot_history, value_over_time
from hcdv.plot.payouts import group_std_error, payout_bars
from hcdv.plot.tree import value_tree

__all__ = [
    "chain_convergence",
    "embedding_map",
    "group_std_error",
    "payout_bars",
    "plot_history",
    "score_curves",
    "value_histogram",
    "value_over_time",
    "value_tree",
]
