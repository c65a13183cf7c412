"""Shapley values of any game from a budget of evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv._random import RandomState, check_seed
from hcdv._validation import check_choice, check_int
from hcdv.shapley._ask import BatchGame
from hcdv.shapley._permutations import antithetic_permutations
from hcdv.shapley._regression import odd_regression
from hcdv.shapley._stratified import stratified_contributions
from hcdv.shapley.exact import MAX_PLAYERS, check_players, exact

Floats = NDArray[np.float64]
Method = Callable[[BatchGame, int, int, int], tuple[Floats, Floats, int]]

METHODS: dict[str, Method] = {
    "permutation": antithetic_permutations,
    "stratified": stratified_contributions,
    "regression": odd_regression,
}

# Above, the matrices of the regression cost seconds.
MAX_REGRESSION_PLAYERS = 512


@dataclass(frozen=True)
class Estimate:
    """Estimated Shapley values.

    Attributes
    ----------
    values : float64 [m]
        They add up to v(all) - v(empty) to rounding, whatever the budget.
    std_error : float64 [m]
        Standard error of each value: 0 where the values are exact, NaN where the budget is too
        small to tell (see ``estimate``).
    n_evaluations : int
        Coalitions the game was asked for.
    """

    values: Floats
    std_error: Floats
    n_evaluations: int


def estimate(
    game: BatchGame,
    n_players: int,
    n_permutations: int = 64,
    random_state: RandomState = None,
    method: str = "auto",
    n_evaluations: int | None = None,
) -> Estimate:
    """Shapley values of any game from a budget of evaluations.

    Where all coalitions fit into the budget (2**m <= n_evaluations, m <= 24), the values are exact,
    whatever the method.

    Parameters
    ----------
    game : callable, or numba ``cfunc`` of signature ``float64(CPointer(int64), int64)``
        ``game(coalitions: bool[B, m]) -> float[B]``, asked in batches of at most one million
        booleans. A ``cfunc`` gets the ascending members of one coalition and their number.
    n_players : int
        m, at least 1.
    n_permutations : int
        The budget, if ``n_evaluations`` is None: T permutations stand for T m evaluations; 1 counts
        as 2.
    random_state : int, numpy generator or None
        The same integer gives the same bits.
    method : {"auto", "permutation", "stratified", "regression"}
        "permutation": marginal contributions along permutations and their mirror images. Unbiased;
        the error is that of the mean over such pairs, NaN after a single one.
        "stratified": complementary contributions, stratified by size. The error is the spread
        within the strata, NaN where a size has too few coalitions to show any.
        "regression": a Gaussian process on the odd part of the game; the values and errors are its
        posterior means and standard deviations. By far the smallest error on games with any
        structure, and no worse without; at most 512 players.
        "auto": "regression" up to 512 players, "permutation" above.
    n_evaluations : int or None
        The budget: at most so many coalitions are asked for, at least 2 m.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or ``game`` answers with another shape than [B], NaN or
        infinity, or writes into ``coalitions`` (read-only).

    Notes
    -----
    Sources and measured errors: ``docs/estimators.md``.
    """
    m = check_players(n_players)
    asked = check_int(n_permutations, "n_permutations", 1)
    seed = check_seed(random_state)
    check_choice(method, "method", ["auto", *METHODS])
    if n_evaluations is None:
        budget = max(asked, 2) * m
    else:
        budget = check_int(n_evaluations, "n_evaluations", 2 * m)
    if method == "auto":
        method = "regression" if m <= MAX_REGRESSION_PLAYERS else "permutation"
    if method == "regression" and m > MAX_REGRESSION_PLAYERS:
        raise ValueError(
            f'method="regression" takes at most {MAX_REGRESSION_PLAYERS} players, got {m}; '
            'use "permutation".'
        )
    if m <= MAX_PLAYERS and 1 << m <= budget:
        return Estimate(exact(game, m), np.zeros(m), 1 << m)
    return Estimate(*METHODS[method](game, m, budget, seed))
