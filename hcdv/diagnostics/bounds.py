"""What the paper promises, as formulas (Section 4 and Appendix B of arXiv 2512.19363).

Proposition 1 is Hoeffding's inequality for the T marginal contributions of a node along independent uniform
permutations.  With v between two numbers that are R apart (``value_range``; the paper's |v| <= B is R = 2B, a
score in [0, 1] is R = 1) a marginal contribution lies in [-R, R], and

    P( |psi_hat - psi| >= eta ) <= 2 exp( -T eta^2 / (2 R^2) )                                          (25)

for one node; a union bound multiplies the right side by the number of nodes.  Antithetic permutations come in
pairs that depend on each other, and only the pairs are independent: T of them count as T / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, fsum, log, sqrt
from typing import Any

import numpy as np

from hcdv._validation import check_bool, check_int, check_number, short
from hcdv.game import Indices
from hcdv.hierarchy import Hierarchy


def radius(
    n_permutations: int,
    n_nodes: int = 1,
    *,
    value_range: float,
    delta: float = 0.05,
    antithetic: bool = False,
) -> float:
    """How far Monte-Carlo Shapley values of ``n_nodes`` nodes may be off (Proposition 1, Eqs. 25-26, 47).

    With probability at least 1 - delta *all* of them are closer than this to the exact values of the game
    that they play.

    Parameters
    ----------
    n_permutations : int
        T; every permutation gives each node one marginal contribution.
    n_nodes : int
        Players that the union bound covers: K_l for one level, the sum of K_l for the tree
        (:func:`level_sizes`), 1 for a single node.
    value_range : float
        Largest less smallest value of v, in units of v.  The paper's 2B; 1 for accuracy.
    delta : float in (0, 1)
    antithetic : bool
        Whether permutations come in pairs with their reverse, as HCDV's do.

    Returns
    -------
    float
        In units of v: ``value_range * sqrt(2 log(2 n_nodes / delta) / T)``, with T / 2 for T in pairs.

    Examples
    --------
    Accuracy, 8 nodes, the 256 permutations that the paper calls enough:

    >>> round(radius(256, 8, value_range=1.0), 3)
    0.212
    """
    n_samples = check_int(n_permutations, "n_permutations", 2 if check_bool(antithetic, "antithetic") else 1)
    if antithetic:
        n_samples //= 2
    reach = check_number(value_range, "value_range", 0.0)
    return hoeffding(n_samples, n_nodes, width=2.0 * reach, delta=delta)


def hoeffding(n_samples: int, n_means: int, *, width: float, delta: float) -> float:
    """How far ``n_means`` means of ``n_samples`` observations may be off, each within an interval of ``width``.

    Hoeffding, "Probability inequalities for sums of bounded random variables" (1963), Theorem 2, with a union
    bound: ``width * sqrt(log(2 n_means / delta) / (2 n_samples))``.
    """
    n_means = check_int(n_means, "n_nodes", 1)
    return width * sqrt((log(2 * n_means) - log(check_delta(delta))) / (2 * n_samples))


def permutations_for(
    eta: float,
    delta: float = 0.05,
    *,
    value_range: float,
    n_nodes: int = 1,
    antithetic: bool = False,
) -> int:
    """Permutations that keep all of ``n_nodes`` values within ``eta`` with probability 1 - delta.

    The least T with ``radius(T, ...) <= eta``: T = Theta(B^2 log n / eta^2) of Eq. 29 and of the last paragraph
    but one of Appendix B, with its constant.  What they cost is :func:`evaluations_for`; what the values of the
    whole tree may then miss of v(all) - v(none) is at most (depth + 1) eta (Theorem 1, :func:`bound_of`).

    Parameters
    ----------
    eta : float
        In units of v, above 0.
    delta : float in (0, 1)
    value_range, n_nodes, antithetic
        As for :func:`radius`.

    Returns
    -------
    int
        At least 1; even where they come in pairs.

    Examples
    --------
    >>> permutations_for(0.05, 0.05, value_range=1.0, n_nodes=8)
    4615
    """
    eta = check_number(eta, "eta", 0.0)
    if eta == 0.0:
        raise ValueError("eta must be above 0: no number of permutations makes an estimate exact.")
    n_nodes = check_int(n_nodes, "n_nodes", 1)
    check_bool(antithetic, "antithetic")
    width = 2.0 * check_number(value_range, "value_range", 0.0)
    delta = check_delta(delta)
    needed = (width / eta) * (width / eta) * (log(2 * n_nodes) - log(delta)) / 2
    if needed > 2**53:
        raise ValueError(f"eta={eta:g} would need more than 2**53 permutations; ask for less.")
    n_samples = max(1, ceil(needed))
    # The formula and its inverse round differently: eta = radius(T) must give back T.
    while n_samples > 1 and hoeffding(n_samples - 1, n_nodes, width=width, delta=delta) <= eta:
        n_samples -= 1
    while hoeffding(n_samples, n_nodes, width=width, delta=delta) > eta:
        n_samples += 1
    return 2 * n_samples if antithetic else n_samples


def level_sizes(hierarchy: Hierarchy) -> tuple[int, ...]:
    """K_0, K_1, ..., K_L: nodes that tile the points at each level (leaves above it count in it).

    Parameters
    ----------
    hierarchy : Hierarchy

    Returns
    -------
    tuple of int
        Of length depth + 1; the first is 1, the root.
    """
    _check_tree(hierarchy)
    return tuple(len(tiling(hierarchy, level)) for level in range(hierarchy.depth + 1))


def tiling(hierarchy: Hierarchy, level: int) -> Indices:
    """C_l: the nodes of a level and the leaves that stand above it, in the order of their points."""
    begin, end = hierarchy.level_start[level : level + 2]
    nodes = np.arange(end)
    nodes = nodes[(nodes >= begin) | hierarchy.is_leaf[:end]]
    return nodes[np.argsort(hierarchy.start[nodes])]


def evaluations_for(n_permutations: int, hierarchy: Hierarchy) -> int:
    """Evaluations of v that T permutations of every level cost: T * sum of K_l (Eq. 17).

    For a model that is retrained these are fits.  Exact leaves come on top in the paper; the chains of
    ``allocation="winter"`` need ``T * n`` evaluations for all nodes and all n rows together, or T * K_l where
    ``resolution=l`` stops them at the nodes of a level.

    Parameters
    ----------
    n_permutations : int
        T, from 1.
    hierarchy : Hierarchy

    Returns
    -------
    int
    """
    return check_int(n_permutations, "n_permutations", 1) * sum(level_sizes(hierarchy))


def bound_of(level_errors: Sequence[float], leaf_error: float = 0.0) -> float:
    """Theorem 1 (Eq. 24): what the values of all rows may miss of v(all) - v(none).

    Parameters
    ----------
    level_errors : sequence of float
        Largest Monte-Carlo error of a node at each level, root included (Eq. 22), or a bound on it.
    leaf_error : float
        What even splits of leaves move (Eq. 23); 0 for exact leaves.

    Returns
    -------
    float
        Their sum.
    """
    try:
        errors = [check_number(error, "level_errors", 0.0) for error in level_errors]
    except TypeError:
        raise TypeError(f"level_errors must be a list of numbers, got {short(level_errors)}.") from None
    return fsum([*errors, check_number(leaf_error, "leaf_error", 0.0)])


def regret_bound(k: int, error: float) -> float:
    """Theorem 2 (Eq. 28): value that the k best rows by estimates may lack beside the k truly best ones.

    ``2 k error``, where no row's estimate is farther than ``error`` from its value.

    Parameters
    ----------
    k : int
        Rows chosen.
    error : float
        In units of the values, from 0.

    Returns
    -------
    float
    """
    return 2.0 * check_int(k, "k", 0) * check_number(error, "error", 0.0)


def check_delta(delta: Any) -> float:
    number = check_number(delta, "delta", 0.0, 1.0)
    if number in (0.0, 1.0):
        raise ValueError(f"delta must lie strictly between 0 and 1, got {delta}.")
    return number


def _check_tree(hierarchy: Any) -> None:
    if not isinstance(hierarchy, Hierarchy):
        raise TypeError(f"hierarchy must be an hcdv.Hierarchy, got {type(hierarchy).__name__}.")
