"""The contrast as a game of few players: all coalitions, or single rows in closed form."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._dispersion import MODES
from hcdv._kernels import coalition, leaf
from hcdv._validation import as_array, check_choice, check_labels, check_matrix, check_number
from hcdv.shapley.exact import MAX_PLAYERS

MAX_COUNT_VECTORS = 10**6


def dispersion_table(
    pair_distance: ArrayLike,
    pair_count: ArrayLike,
    dispersion: str = "centred",
    kappa: float = 0.0,
    centre: float = 0.0,
) -> NDArray[np.float64]:
    """Cross-label dispersion of all coalitions of m players (rows, or groups of rows).

    Parameters
    ----------
    pair_distance, pair_count : array_like [m, m]
        Symmetric. Entry [g, h]: sum of the distances and number of the cross-label pairs between
        players g and h; the diagonal: pairs within a player, every unordered pair once.
    dispersion : {"centred", "normalised", "sum"}
        (D - P centre) / (P + kappa), D / max(1, P), or D.
    kappa, centre : float
        Of the centred form: usually the number of rows, and D / P of the whole data.

    Returns
    -------
    float64 [2**m]
        Entry s belongs to the coalition of the players whose bit is set in s; m is at most 24.

    Raises
    ------
    ValueError
        If the matrices are not square, not of one shape, or m exceeds 24.
    """
    mode = MODES[check_choice(dispersion, "dispersion", MODES)]
    distance = check_matrix(pair_distance, "pair_distance")
    m = len(distance)
    if distance.shape[1] != m:
        raise ValueError(f"pair_distance must be square, got shape {distance.shape}.")
    count = check_matrix(pair_count, "pair_count", n_columns=m)
    if len(count) != m:
        raise ValueError(f"pair_count has {len(count)} rows, expected {m}.")
    if m > MAX_PLAYERS:
        raise ValueError(f"pair_distance has {m} players, at most {MAX_PLAYERS} are enumerated.")
    kappa = check_number(kappa, "kappa", 0.0)
    centre = check_number(centre, "centre")
    table = np.empty(1 << m)
    coalition.dispersion_table(distance, count, mode, kappa, centre, table)
    _check_sums(table, "pair_distance")
    return table


def leaf_count_vectors(labels: ArrayLike) -> int:
    """Count vectors, prod_c (N_c + 1), that ``leaf_dispersion_values`` visits.

    Parameters
    ----------
    labels : [n]

    Returns
    -------
    int
    """
    array = as_array(labels, "labels")
    counts = np.unique(check_labels(array, array.size, "labels"), return_counts=True)[1]
    return prod(int(count) + 1 for count in counts)


def leaf_dispersion_values(
    distance: ArrayLike,
    labels: ArrayLike,
    dispersion: str = "centred",
    kappa: float = 0.0,
    centre: float = 0.0,
) -> NDArray[np.float64]:
    """Exact Shapley values of single rows in the dispersion game, in polynomial time.

    Parameters
    ----------
    distance : array_like [m, m]
        Symmetric distances; those between rows of one label are not read.
    labels : array_like [m]
        Class of each row.
    dispersion, kappa, centre
        As in ``dispersion_table``.

    Returns
    -------
    float64 [m]
        They add up to the dispersion of all m rows; rows of one label alone have 0.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are more than 10**6 count vectors (many classes, or a
        large leaf): sample permutations instead.
    """
    mode = MODES[check_choice(dispersion, "dispersion", MODES)]
    d = check_matrix(distance, "distance")
    m = len(d)
    if d.shape[1] != m:
        raise ValueError(f"distance must be square, got shape {d.shape}.")
    y = check_labels(labels, m, "labels")
    kappa = check_number(kappa, "kappa", 0.0)
    centre = check_number(centre, "centre")
    n_vectors = leaf_count_vectors(y)
    if mode != MODES["sum"] and n_vectors > MAX_COUNT_VECTORS:
        raise ValueError(
            f"labels have {n_vectors} count vectors, at most {MAX_COUNT_VECTORS} are enumerated; "
            "use estimate."
        )
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    work = np.empty(leaf.leaf_workspace(m, len(classes)))
    values = np.empty(m)
    leaf.leaf_values(
        d, codes.astype(np.int64), counts.astype(np.int64), mode, kappa, centre, work, values
    )
    _check_sums(values, "distance")
    return values


def _check_sums(sums: NDArray[np.float64], name: str) -> None:
    if not np.isfinite(sums).all():
        raise ValueError(f"{name} holds numbers too large to be summed up (or centre or kappa is one).")
