"""DU-Shapley: discrete uniform sizes in place of all coalitions (Garrido-Lucero et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, generator
from hcdv._validation import check_int
from hcdv.baselines._gather import Sweeps, gather
from hcdv.baselines._groups import bounds_of_groups, group_tree, shared_equally
from hcdv.baselines._play import set_up
from hcdv.result import ValuationResult
from hcdv.stopping import stopping_rule


def du_shapley(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    groups: Any,
    n_clusters: int = 16,
    utility: Any = "logistic",
    n_draws: int = 1,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """A proxy of the Shapley values of m groups by coalitions of m sizes, shared equally over their rows.

    psi_i = (1/m) sum_{k < m} [v(D_k + D_i) - v(D_k)], where D_k are k times as many rows as the other groups
    have on average, drawn without replacement out of all their rows together.  Good where groups draw their
    rows from one source, since then only sizes matter; where sellers differ, ``group_shapley`` tells them apart
    and this one blurs them.  2 m^2 evaluations a draw; values do not add up.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    groups : [n], "label" or "cluster"
        The group of each row, any labels; or the classes of y; or ``n_clusters`` balanced clusters.
    n_clusters : int
        Groups of ``"cluster"``, from 2 to n.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it.
    n_draws : int
        Draws of all the D_k at most; the source takes one.  Those of one draw are nested.
    tol : float or stopping rule, optional
        Stop once the groups' median standard error is below ``tol`` times their mean absolute value; or a
        rule of :mod:`hcdv.stopping`.  A draw counts as a pair of chains.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        ``node_values`` float64 [1 + m]: the sum, then each group, in the order in which they first occur.
        ``values`` float64 [n].  Standard errors over draws; None after a single one.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    UtilityError
        If the utility fails on a coalition; its attribute ``result`` holds the draws before, or None.

    Notes
    -----
    Garrido-Lucero et al., "DU-Shapley: a Shapley value proxy for efficient dataset valuation" (NeurIPS 2024).
    """
    n_draws = check_int(n_draws, "n_draws", 1)
    stopping = stopping_rule(tol)
    play = set_up(
        X, y, X_val, y_val, utility=utility, random_state=random_state, n_jobs=n_jobs, verbose=verbose
    )
    tree = group_tree(play, groups, n_clusters)
    ends, m = bounds_of_groups(tree), tree.n_nodes - 1
    tally = Sweeps(len(play.games), m)

    def marginal(task: int) -> NDArray[np.float64]:
        """psi of one group by one draw, float64 [p, 1]."""
        draw, i = divmod(task, m)
        mine = tree.order[ends[i] : ends[i + 1]]
        others = np.concatenate([tree.order[: ends[i]], tree.order[ends[i + 1] :]])
        drawn = generator(play.seed, "du", draw, i).permutation(others)
        sizes = np.rint(np.arange(m) * (len(others) / (m - 1))).astype(np.int64)
        alone, joined = np.concatenate([drawn, mine]), np.concatenate([mine, drawn])
        psi = []
        for game in play.games.values():
            with_mine = game.chains(joined[None], len(mine) + sizes)[0]
            psi.append((with_mine - game.chains(alone[None], sizes)[0]).mean())
        return np.array(psi)[:, None]

    bounds = play.bounds()

    def result_of(stopped_by: str) -> ValuationResult:
        moments, total = tally.moments, tally.moments.mean.sum(axis=1)
        errors = moments.std_error(play.factors) if moments.count > 1 else None
        return play.result(
            shared_equally(tree, moments.mean),
            bounds,
            n_asked=2 * m * m * moments.count,
            stopped_by=stopped_by,
            std_error=None if errors is None else shared_equally(tree, errors),
            tree=tree,
            node_parts=np.column_stack([total, moments.mean]),
        )

    return gather(
        tally, marginal, n_draws * m, result_of, stage="drawing coalitions", budget="n_draws",
        factors=play.factors, stopping=stopping, threads=play.threads, progress=play.progress,
    )  # fmt: skip
