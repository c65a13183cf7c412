"""Groups of rows that play as one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._random import derive_seed
from hcdv._validation import check_choice, check_int, check_labels
from hcdv.baselines._play import Play
from hcdv.game import Indices
from hcdv.hierarchy import Hierarchy

NAMES = ("label", "cluster")


def group_tree(play: Play, groups: Any, n_clusters: int) -> Hierarchy:
    """A tree of two levels: nodes 1..m are the groups, in the order in which they first occur.

    Parameters
    ----------
    play : Play
    groups : [n], "label" or "cluster"
    n_clusters : int
        Of ``"cluster"``.

    Raises
    ------
    ValueError, TypeError
        If there are fewer than two groups, or ``groups`` is not one label a row.
    """
    if isinstance(groups, str):
        check_choice(groups, "groups", NAMES)
        codes = play.rows.labels if groups == "label" else _clusters(play, n_clusters)
    else:
        codes = check_labels(groups, play.n, "groups")
    tree = Hierarchy.from_labels([codes])
    if tree.n_nodes == 1:
        raise ValueError("groups must tell at least 2 groups apart, got 1.")
    return tree


def bounds_of_groups(tree: Hierarchy) -> Indices:
    """Group g is ``tree.order[bounds[g]:bounds[g + 1]]``; int64 [m + 1]."""
    return np.append(tree.start[1:], tree.n_points)


def shared_equally(tree: Hierarchy, by_group: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of rows [..., n] out of values of groups [..., m]."""
    return (by_group / tree.sizes[1:])[..., tree.leaf_of_point() - 1]


def _clusters(play: Play, n_clusters: int) -> NDArray[np.int64]:
    """Cluster of every row: the first level of HCDV's own tree."""
    k = check_int(n_clusters, "n_clusters", 2, play.n)
    lengths = np.sqrt(np.square(play.space, dtype=np.float64).sum(axis=1))
    directions = play.space / np.maximum(lengths, np.finfo(np.float32).tiny)[:, None].astype(np.float32)
    # Leaves this large make k children of the root; what is below them is not looked at.
    tree = Hierarchy.build(
        directions,
        branching=k,
        leaf_size=play.n // k,
        random_state=derive_seed(play.seed, "clusters"),
        n_jobs=play.threads.n_jobs,
    )
    codes = np.empty(play.n, np.int64)
    for node in range(1, 1 + int(tree.n_children[0])):
        codes[tree.order[tree.start[node] : tree.stop[node]]] = node
    return codes
