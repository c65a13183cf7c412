"""Shapley values of groups of rows: sellers, sources, days."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState
from hcdv._validation import check_choice, check_int
from hcdv.allocation import Resolution
from hcdv.baselines._groups import bounds_of_groups, group_tree, shared_equally
from hcdv.baselines._play import BLOCK, Play, set_up
from hcdv.baselines._walk import walk
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult
from hcdv.shapley import exact_values
from hcdv.shapley.exact import MAX_PLAYERS
from hcdv.stopping import stopping_rule

METHODS = ("exact", "permutation")


def group_shapley(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    groups: Any,
    method: str = "exact",
    n_clusters: int = 16,
    utility: Any = "logistic",
    n_permutations: int = 64,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Shapley values of groups, shared equally over their rows.

    psi_g = sum over sets S of other groups of |S|! (m - |S| - 1)! / m! * [v(S and g) - v(S)], a group being all
    of its rows.  The method for paying sellers: values add up to v(N) - v(empty) exactly.  ``"exact"`` asks for
    all 2^m coalitions once (m up to 24; 16 sellers are 65,536 models), ``"permutation"`` for some
    m * n_permutations and gives standard errors.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    groups : [n], "label" or "cluster"
        The group of each row, any labels; or the classes of y; or ``n_clusters`` balanced clusters.
    method : {"exact", "permutation"}
    n_clusters : int
        Groups of ``"cluster"``, from 2 to n.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it.
    n_permutations : int
        Of ``"permutation"``: at most, in pairs; at least 2.
    tol : float or stopping rule, optional
        Of ``"permutation"``: stop once the median standard error is below ``tol`` times the mean absolute
        value; or a rule of :mod:`hcdv.stopping`.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        ``node_values`` float64 [1 + m]: all groups together, then each one, in the order in which they first
        occur; ``hierarchy`` tells which rows they own.  ``values`` float64 [n].

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or there are too many groups for ``"exact"``.
    UtilityError
        If the utility fails on a coalition; its attribute ``result`` holds the chains before, or None.

    Notes
    -----
    Shapley (1953); permutations with their mirror images: Castro et al. (2009), Mitchell et al. (2022).
    """
    check_choice(method, "method", METHODS)
    n_permutations = check_int(n_permutations, "n_permutations", 2)
    stopping = stopping_rule(tol)
    if tol is not None and method == "exact":
        raise ValueError("tol goes with method='permutation' only: exact values have no error.")
    play = set_up(
        X, y, X_val, y_val, utility=utility, random_state=random_state, n_jobs=n_jobs, verbose=verbose
    )
    tree = group_tree(play, groups, n_clusters)
    n_groups = tree.n_nodes - 1
    if method == "permutation":
        # Every game is asked at the ends of groups only, and each step is spread over the group's rows.
        ends_only = Resolution(1, frozenset(play.games), frozenset())
        return walk(
            play,
            play.games,
            tree,
            n_permutations=n_permutations,
            stopping=stopping,
            n_stops=n_groups,
            resolution=ends_only,
        )
    if n_groups > MAX_PLAYERS:
        raise ValueError(
            f"groups must be at most {MAX_PLAYERS} for method='exact', got {n_groups}; "
            "use method='permutation'."
        )
    return _exact(play, tree)


def _exact(play: Play, tree: Hierarchy) -> ValuationResult:
    bounds, n_groups = bounds_of_groups(tree), tree.n_nodes - 1
    n_coalitions = 1 << n_groups
    table = np.empty((len(play.games), n_coalitions))

    def ask(begin: int) -> NDArray[np.float64]:
        codes = np.arange(begin, min(begin + BLOCK, n_coalitions))
        inside = (codes[:, None] >> np.arange(n_groups) & 1).astype(np.bool_)
        return np.array([game.coalitions(tree.order, bounds, inside) for game in play.games.values()])

    with play.progress.stage("asking all coalitions", n_coalitions) as step:
        starts = range(0, n_coalitions, BLOCK)
        for begin, values in zip(starts, play.threads.map(ask, starts), strict=True):
            table[:, begin : begin + values.shape[1]] = values
            step.done(begin + values.shape[1])
    psi = np.array([exact_values(values) for values in table])
    return play.result(
        shared_equally(tree, psi),
        table[:, [0, -1]].T,
        n_asked=n_coalitions,
        stopped_by="exact",
        tree=tree,
        node_parts=np.column_stack([psi.sum(axis=1), psi]),
    )
