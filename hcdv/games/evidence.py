"""Games of Bayesian ridge regression on one-hot labels: the evidence, and its fit alone.

One-hot targets centred by 1/C, noise variance s2, weights N(0, (s2/d) I) on an intercept and on
columns of overall variance 1.  By the chain rule the
log marginal likelihood of the labels of S is a sum over its rows, in any order:

    v(S) = 1/n sum over the rows of S  -|e|^2 / (2 s2 (1 + q))  [ - C/2 log(1 + q) ]

e is the error of the prediction from the rows before, q the row's leverage.  The first term alone is minus the
least penalised squared error over 2 s2, the *fit*; the second knows no labels.  Along
hierarchy-consistent chains the neighbours come first, which makes a linear model local.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from hcdv._kernels.evidence import LANES, ROWS, evidence_chain
from hcdv._memory import aligned_zeros
from hcdv.game import Indices, Values, coalitions_from_states, stops_by_chain

# Rows whose statistics are taken at a time, in float64.
ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class EvidenceState:
    """Sufficient statistics of a coalition: X'X [d, d], T'X [C, d], sum of squared targets, rows."""

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    squares: float

    def __add__(self, other: EvidenceState) -> EvidenceState:
        return EvidenceState(
            self.gram + other.gram, self.cross + other.cross, self.squares + other.squares
        )


class EvidenceGame:
    """Evidence, or fit, of Bayesian ridge regression; a :class:`hcdv.game.LocalGame`.

    Parameters
    ----------
    X : float32 or float64 [n, d]
        Rows, roughly standardised; the intercept is added here.
    labels : int64 [n]
        Class codes 0..n_classes-1.
    n_classes : int
    noise : float
        s2, the variance of the noise on the one-hot targets.
    leverage : bool
        True: the log marginal likelihood (without its constant). False: its fit alone.
    X_val : float [n_val, d], optional
        Validation rows, which the game only predicts and never values.
    """

    def __init__(
        self,
        X: NDArray[Any],
        labels: NDArray[np.int64],
        n_classes: int,
        *,
        noise: float = 0.25,
        leverage: bool = True,
        X_val: NDArray[Any] | None = None,
    ) -> None:
        self.n_points = len(labels)
        self.v_empty = 0.0
        self.is_log_likelihood = True
        self.X = X
        self.X_val = X_val
        self.labels = labels
        self.n_classes = n_classes
        self.noise = noise
        self.leverage = leverage
        self.n_rows = self.n_points  # divides v; a part of the game keeps it
        size = sum_of_squares(X) / max(1, X.size)
        self.precisions = prior_precisions(size, X.shape[1])

    def state(self, members: Indices) -> EvidenceState:
        rows = np.column_stack([self.X[members], np.ones(len(members))]).astype(np.float64)
        targets = self._targets(members)
        return EvidenceState(rows.T @ rows, targets.T @ rows, float((targets**2).sum()))

    def chain_from(self, state: EvidenceState, order: Indices, stops: Indices) -> Values:
        return self._walk(*self._posterior(state), order, stops)

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        values = np.empty(stops.shape)
        prior = self._prior()
        for t, order in enumerate(orders):
            values[t] = self._walk(*prior, order, stops[t])
        return values

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_states(self, order, bounds, masks)

    def restricted(self, members: Indices) -> EvidenceGame:
        """The game among ``members`` (int64 [k]) alone, renumbered 0..k-1; precisions and divisor stay.

        Fewer rows than columns span a smaller space: v depends on their inner products only, so they get
        coordinates in that space, in which the prior has precision 1.
        """
        game = copy(self)
        game.n_points = len(members)
        game.X_val = None  # in other coordinates, perhaps, and no part predicts
        game.X, game.labels = self.X[members], self.labels[members]
        if len(members) < self.X.shape[1]:
            rows = game.X / np.sqrt(self.precisions[:-1])
            triangle: NDArray[np.float64] = np.linalg.qr(rows.T)[1]
            game.X = np.ascontiguousarray(triangle.T)
            game.precisions = np.append(np.ones(len(members)), self.precisions[-1])
        return game

    def as_part_of(self, n_rows: int, squares: float) -> EvidenceGame:
        """The game as a share of one on ``n_rows`` rows whose numbers have this sum of squares."""
        game = copy(self)
        game.n_rows = n_rows
        d = self.X.shape[1]
        game.precisions = prior_precisions(squares / max(1, n_rows * d), d)
        return game

    def predict_validation(self, asked: Indices) -> NDArray[np.float64]:
        """Log probability of each class at some validation rows after all rows, float64 [m, n_classes].

        The labels' Gaussian likelihood, normalised over the classes: e is the error of the prediction, and
        log p = -|e|^2 / (2 s2 (1 + q)) up to a constant of the row.
        """
        if self.X_val is None:
            raise ValueError("the game has no validation rows to predict.")
        means, leverage = self._predicted(self.X_val[asked])
        scores: NDArray[np.float64] = log_softmax(means / (self.noise * (1.0 + leverage))[:, None], axis=1)
        return scores

    def predict_left_out(self, points: Indices) -> NDArray[np.float64]:
        """Log probability of each class at some points, each after all rows but itself, [m, n_classes].

        With h = q of the row after all rows and m its prediction, the row left out has the error
        (t - m) / (1 - h) and 1 + q = 1 / (1 - h): log p(c) = (m_c - h t_c) / s2 up to a constant.
        """
        means, leverage = self._predicted(self.X[points])
        scores: NDArray[np.float64] = log_softmax(
            (means - leverage[:, None] * self._targets(points)) / self.noise, axis=1
        )
        return scores

    def _targets(self, points: Indices) -> NDArray[np.float64]:
        """One-hot labels of some points less 1/C, float64 [m, n_classes]."""
        targets = np.full((len(points), self.n_classes), -1.0 / self.n_classes)
        targets[np.arange(len(points)), self.labels[points]] += 1.0
        return targets

    def _predicted(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predicted targets [m, C] at rows [m, d] after all rows, and their leverages [m]."""
        state = self.state(np.empty(0, np.int64))
        for first in range(0, self.n_points, ROWS_AT_ONCE):
            state += self.state(np.arange(first, min(first + ROWS_AT_ONCE, self.n_points)))
        _, covariance, coefficients = self._posterior(state)
        rows = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
        return rows @ coefficients.T, np.einsum("ij,ij->i", rows @ covariance, rows)

    def _prior(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """The posterior of no rows, to the last bit, without inverting a matrix for it."""
        scale = 1.0 / np.sqrt(self.precisions)
        return 0.0, np.diag(scale * scale), np.zeros((self.n_classes, len(scale)))

    def _posterior(
        self, state: EvidenceState
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """n v, the covariance [d, d] of the weights and their mean [C, d] after the rows of a state."""
        d = len(state.gram)
        # On weights of prior variance 1, where the matrix is I + something whatever the unit of X.
        scale = 1.0 / np.sqrt(self.precisions)
        regularised = np.eye(d) + scale[:, None] * state.gram * scale
        covariance = scale[:, None] * np.linalg.inv(regularised) * scale
        covariance = np.ascontiguousarray((covariance + covariance.T) / 2)
        coefficients = np.ascontiguousarray(state.cross @ covariance)
        explained = float((coefficients * state.cross).sum())
        base = -(state.squares - explained) / (2 * self.noise)
        if self.leverage:
            base -= self.n_classes / 2 * float(np.linalg.slogdet(regularised)[1])
        return base, covariance, coefficients

    def _walk(
        self,
        base: float,
        covariance: NDArray[np.float64],
        coefficients: NDArray[np.float64],
        order: Indices,
        stops: Indices,
    ) -> Values:
        """Go on from a posterior, which is kept, and read v at the stops."""
        d, n_classes = len(covariance), len(coefficients)
        stride = -(-(d + n_classes) // LANES) * LANES
        posterior, values = aligned_zeros(d, stride), np.empty(len(stops))
        posterior[:, :d], posterior[:, d : d + n_classes] = covariance, coefficients.T
        evidence_chain(
            self.X, self.labels, n_classes, np.ascontiguousarray(order), np.ascontiguousarray(stops),
            self.noise, self.leverage, base, posterior,
            aligned_zeros(ROWS, stride), aligned_zeros(ROWS, stride), values,
        )  # fmt: skip
        values /= self.n_rows
        return values


def sum_of_squares(X: NDArray[Any]) -> float:
    """Of all numbers of rows [n, d], in float64."""
    return float(np.einsum("ij,ij->", X, X, dtype=np.float64))


def prior_precisions(size: float, d: int) -> NDArray[np.float64]:
    """Prior precisions of the weights of d columns and an intercept, in units of 1 / s2, float64 [d + 1].

    As if the columns, of mean square ``size``, had been divided by their overall standard deviation, beside an
    intercept that keeps its own size 1.
    """
    precisions = np.full(d + 1, float(max(1, d)))
    precisions[:-1] *= size if size > 0 else 1.0
    return precisions
