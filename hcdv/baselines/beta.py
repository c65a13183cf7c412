"""Beta Shapley (Kwon & Zou 2022)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln

from hcdv._random import RandomState
from hcdv._validation import check_int, check_number
from hcdv.baselines._play import set_up
from hcdv.baselines._walk import flat_tree, walk
from hcdv.game import Game, Indices, Values, stops_by_chain
from hcdv.result import ValuationResult
from hcdv.stopping import stopping_rule

# Positions at the ends of a chain that together weigh less than this share are not asked for.
NEGLIGIBLE = 1e-12


def beta_shapley(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    alpha: float = 16.0,
    beta: float = 1.0,
    utility: Any = "logistic",
    n_permutations: int = 64,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Semivalues that weigh marginal contributions by the size of the coalition.

    value_i = (1/n) sum_j w_j * mean marginal of i to coalitions of j - 1 rows, with
    w_j = n * binom(n - 1, j - 1) * B(j + beta - 1, n - j + alpha) / B(alpha, beta).  Beta(1, 1) is the Shapley
    value; the more alpha exceeds beta, the more small coalitions count, where one row moves a model by more
    than its noise: better than Shapley for finding wrong labels, and useless for paying out, since values do
    not add up.  Estimated along permutations and their mirror images, unbiased; positions that together weigh
    less than 1e-12 are passed over, so Beta(16, 1) trains fewer models than data_shapley on many rows.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    alpha, beta : float
        At least 1.  Kwon & Zou found (16, 1) and (4, 1) best.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it.
    n_permutations : int
        At most, in pairs; at least 2.
    tol : float or stopping rule, optional
        Stop once the median standard error is below ``tol`` times the mean absolute value; or a rule of
        :mod:`hcdv.stopping`.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values and standard errors float64 [n]; the tree is a single leaf, whose value is their sum.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    UtilityError
        If the utility fails on a coalition; its attribute ``result`` holds the chains before, or None.

    Notes
    -----
    Kwon & Zou, "Beta Shapley: a unified and noise-reduced data valuation framework" (AISTATS 2022), Eq. 5.
    """
    alpha = check_number(alpha, "alpha", 1.0)
    beta = check_number(beta, "beta", 1.0)
    n_permutations = check_int(n_permutations, "n_permutations", 2)
    stopping = stopping_rule(tol)
    play = set_up(
        X, y, X_val, y_val, utility=utility, random_state=random_state, n_jobs=n_jobs, verbose=verbose
    )
    weights = position_weights(play.n, alpha, beta)
    games = {name: WeightedSteps(game, weights) for name, game in play.games.items()}
    return walk(
        play,
        games,
        flat_tree(play.n),
        n_permutations=n_permutations,
        stopping=stopping,
        n_stops=games[next(iter(games))].n_stops,
        bounds=play.bounds(),
    )


def position_weights(n: int, alpha: float, beta: float) -> NDArray[np.float64]:
    """w_1 .. w_n; they add up to n."""
    j = np.arange(1, n + 1)
    log_choices = gammaln(n) - gammaln(j) - gammaln(n - j + 1)
    log_weights = np.log(n) + log_choices + betaln(j + beta - 1, n - j + alpha) - betaln(alpha, beta)
    weights = np.exp(log_weights)
    return weights * (n / weights.sum())


class WeightedSteps:
    """A game along whole chains, with the step at position j multiplied by w_j.

    Parameters
    ----------
    game : Game
    weights : float64 [n]
        w_1 .. w_n.
    """

    def __init__(self, game: Game, weights: NDArray[np.float64]) -> None:
        self.game, self.weights = game, weights
        self.n_points, self.v_empty = game.n_points, 0.0
        share = weights / weights.sum()
        from_left, from_right = np.cumsum(share), np.cumsum(share[::-1])[::-1]
        counts = np.flatnonzero((from_left > NEGLIGIBLE / 2) & (from_right > NEGLIGIBLE / 2))
        self.first, self.last = int(counts[0]), int(counts[-1]) + 1

    @property
    def n_stops(self) -> int:
        """Coalitions asked for along a chain; the empty one is known."""
        return self.last - self.first + (self.first > 0)

    def chains(self, orders: Indices, stops: Indices) -> Values:
        inner = self.game.chains(orders, np.arange(self.first, self.last + 1))
        steps = np.zeros((len(orders), self.n_points + 1))
        steps[:, self.first + 1 : self.last + 1] = np.diff(inner) * self.weights[self.first : self.last]
        return np.take_along_axis(np.cumsum(steps, axis=1), stops_by_chain(orders, stops), axis=1)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        raise NotImplementedError("only chains have positions.")
