"""Exact Shapley values by enumeration of all coalitions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._kernels.coalition import shapley_from_table
from hcdv._validation import as_reals, check_int
from hcdv.shapley._ask import BatchGame, ask_masks, check_no_overflow, name_coalition

MAX_PLAYERS = 24
# Of any method: coalitions are rows of so many entries.
MOST_PLAYERS = 2**31


def exact_values(values_table: ArrayLike) -> NDArray[np.float64]:
    """Exact Shapley values of a game given by the value of every coalition.

    Parameters
    ----------
    values_table : array_like [2**m]
        Entry s is v of the coalition of all players j with bit j set in s; entry 0 is v(empty),
        which need not be 0. m is at most 24.

    Returns
    -------
    float64 [m]
        They add up to v(all) - v(empty). The error is a few units in the last place of max |v|.

    Raises
    ------
    ValueError
        If the length is no power of two, m exceeds 24, an entry is NaN or infinite, or their
        differences overflow.

    Notes
    -----
    Shapley, "A value for n-person games" (1953). One pass over the table: a millisecond for 20
    players.
    """
    table = as_reals(values_table, "values_table")
    if table.ndim != 1:
        raise ValueError(f"values_table must be 1-dimensional, got shape {table.shape}.")
    n_players = len(table).bit_length() - 1
    if len(table) != 1 << max(n_players, 0):
        raise ValueError(f"values_table must have 2**m entries for m players, got {len(table)}.")
    if n_players > MAX_PLAYERS:
        raise ValueError(
            f"values_table is for {n_players} players, at most {MAX_PLAYERS} are enumerated."
        )
    bad = ~np.isfinite(table)
    if bad.any():
        first = int(np.argmax(bad))
        members = np.array([j for j in range(n_players) if first >> j & 1], dtype=np.int64)
        raise ValueError(
            f"values_table holds {table[first]} for the coalition {name_coalition(members)}; "
            "every value must be finite."
        )
    values = np.empty(n_players)
    shapley_from_table(table, values)
    check_no_overflow(values)
    return values


def exact(game: BatchGame, n_players: int) -> NDArray[np.float64]:
    """Exact Shapley values of any game of at most 24 players.

    Parameters
    ----------
    game : callable, or numba ``cfunc`` of signature ``float64(CPointer(int64), int64)``
        ``game(coalitions: bool[B, m]) -> float[B]``; asked for every coalition once, in batches of
        at most one million booleans, the empty coalition first. A ``cfunc`` gets the ascending
        members of one coalition and their number.
    n_players : int
        m, from 1 to 24.

    Returns
    -------
    float64 [m]

    Raises
    ------
    ValueError
        If ``n_players`` is out of range (``estimate`` takes any number), or ``game`` answers with
        another shape than [B], NaN or infinity, or writes into ``coalitions`` (read-only).
    """
    m = check_players(n_players)
    if m > MAX_PLAYERS:
        raise ValueError(
            f"n_players must be at most {MAX_PLAYERS} for exact values, got {m}; use estimate."
        )
    return exact_values(ask_masks(game, np.arange(1 << m, dtype=np.uint64), m))


def check_players(n_players: int) -> int:
    """``n_players`` as an int of at least 1."""
    return check_int(n_players, "n_players", 1, MOST_PLAYERS)
