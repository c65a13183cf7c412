"""Shapley values by Gaussian-process regression on the odd part of a game.

The odd part u(S) = (v(S) - v(N minus S)) / 2 decides the Shapley values (Fumagalli et al., "An odd
estimator for Shapley values", 2026). With S as x in {-1, 1}^m its prior is a Gaussian process of
covariance s^2 ((1 - delta) k + delta l + eta [x = x']). Here k is the odd part of the Hamming
product kernel,

    k(x, x') = sinh(theta x.x' / m) / sinh(theta) = sum over A of odd size a of weight(a) x_A x'_A,

the linear model (KernelSHAP) as theta goes to 0, interactions of orders 3, 5, ... as it grows;
l(x, x') = x.x' / m where both pairs are of one size, else 0, is a linear model for each size (what
stratified sampling averages); eta is what has no structure. Theta, delta and eta are those of
largest marginal likelihood, eta under a lognormal prior. The unstructured part belongs to the game:
what is seen of it counts at the coalitions seen. A Shapley value is linear in the game, so that its
posterior mean and variance are closed forms. The mean adds up to v(N) - v(empty), which is seen.

A process on coalitions for Shapley values: Rundel et al., "ShaplEIG: Bayesian experimental design
for Shapley value estimation", 2026. Higher orders: Fumagalli et al., "PolySHAP: extending KernelSHAP
with interaction-informed polynomial regression", 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, exp, lgamma, log, sinh, tanh
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh

from hcdv._random import generator
from hcdv.shapley._ask import BatchGame, check_no_overflow
from hcdv.shapley._pairs import ask_pairs, sample_pairs

Floats = NDArray[np.float64]

THETAS = (1e-4, 0.5, 1.0, 2.0, 4.0, 8.0)  # the first: linear to nine digits
DELTAS = (0.0, 0.1, 0.5)
ETAS = np.logspace(-10, 2, 25)
# As much without structure as with, give or take a factor of ten (one standard deviation): ten
# observations cannot tell, and would take the largest likelihood for certainty.
LOG_PRIOR = -0.5 * np.log10(ETAS) ** 2

# Theta, delta and eta are chosen by so many pairs (eight eigendecompositions: some 10 ms), by a
# quarter of them where that is more: 128 of 8,000 mistook the order-3 part of a game for noise.
CHOOSING_PAIRS = 160
MAX_CHOOSING_PAIRS = 512
# Solved by the covariance matrix of the pairs; beyond, by explicit features, while those are few.
DENSE_PAIRS = 768
MAX_FEATURES = 720
MAX_FEATURE_CELLS = 1 << 24

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(40)


def odd_regression(
    game: BatchGame, m: int, n_evaluations: int, seed: int
) -> tuple[Floats, Floats, int]:
    """Posterior mean and standard deviation of the values (float64 [m]), and evaluations used."""
    n_pairs = n_evaluations // 2 - 1
    pairs = sample_pairs(m, n_pairs, generator(seed, "pairs"))
    odd, total = ask_pairs(game, pairs)
    x = np.concatenate([np.ones((1, m)), np.where(pairs, 1.0, -1.0)])
    u = np.concatenate([[0.5 * total], odd])
    scale = float(np.abs(u).max())
    if scale == 0.0:
        return np.zeros(m), np.zeros(m), 2 + 2 * n_pairs

    prior = _choose(x, u / scale)
    solve = _by_matrix if len(x) <= DENSE_PAIRS else _by_features
    mean, variance = solve(prior, x, u / scale)
    with np.errstate(over="ignore"):  # looked at below
        values = scale * mean
        values += (total - values.sum()) / m  # rounding only
        std_error = scale * np.sqrt(np.maximum(variance, 0.0))
    check_no_overflow(values)
    check_no_overflow(std_error)
    return values, std_error, 2 + 2 * n_pairs


@dataclass(frozen=True)
class _Prior:
    """Covariance of the odd part, up to its scale s^2."""

    m: int
    theta: float
    delta: float
    eta: float

    def covariance(self, x: Floats) -> Floats:
        """(1 - delta) k + delta l between all rows of ``x`` [n, m]."""
        agreement = x @ x.T
        by_agreement = np.sinh(self.theta * np.arange(-self.m, self.m + 1) / self.m)
        by_agreement *= (1.0 - self.delta) / sinh(self.theta)
        answer = np.asarray(by_agreement[agreement.astype(np.int64) + self.m])
        if self.delta > 0:
            kind = _size_class(x)
            answer += np.where(kind[:, None] == kind, self.delta / self.m * agreement, 0.0)
        return answer

    def weight(self, order: int) -> float:
        """Prior variance of the coefficient of one product of ``order`` players."""
        step = self.theta / self.m
        log_cosh = float(np.log(np.cosh(step)))
        return (1.0 - self.delta) * exp(self.m * log_cosh + order * log(tanh(step))) / sinh(self.theta)

    def structured(self, x: Floats) -> Floats:
        """Covariance of every value with the structured u at every row of ``x``: [n, m].

        The value of player i is 2 / a for the product over A, i in A, and 1 / a is the integral of
        q^(a - 1) over [0, 1].
        """
        m = self.m
        rho = tanh(self.theta / m)
        q = 0.5 * (_NODES + 1.0)
        by_size = np.empty((2, m + 1))  # player outside, inside
        for inside in (0, 1):
            plus = np.arange(m + 1) - inside  # others in the coalition
            minus = m - 1 - plus
            both = [
                np.exp(
                    np.multiply.outer(plus, np.log1p(sign * rho * q))
                    + np.multiply.outer(minus, np.log1p(-sign * rho * q))
                )
                for sign in (1.0, -1.0)
            ]
            sign = 1.0 if inside else -1.0
            by_size[inside] = sign * (both[0] + both[1]) @ (0.5 * _NODE_WEIGHTS)
        # weight(1) = cosh^m tanh / sinh(theta) stands before the integral
        answer = self.weight(1) * _by_membership(x, by_size)
        if self.delta > 0:
            own, other = _sized_shares(m)
            kind = _size_class(x)
            sums = x.sum(axis=1, keepdims=True)
            sized = own[kind, None] * x + other[kind, None] * (sums - x)
            answer += self.delta / m * sized
        return answer

    def structured_variance(self) -> float:
        """Prior variance of a value without eta."""
        of_products = sum(
            exp(lgamma(self.m) - lgamma(a) - lgamma(self.m - a + 1)) * self.weight(a) * 4.0 / a**2
            for a in range(1, min(self.m, 80) + 1, 2)
        )
        own, other = _sized_shares(self.m)
        of_sized = float((own**2 + (self.m - 1) * other**2).sum())
        return of_products + self.delta / self.m * of_sized


def _size_class(x: Floats) -> NDArray[np.int64]:
    """Members of the smaller side of every pair: [n]."""
    sizes = (x > 0).sum(axis=1)
    return np.minimum(sizes, x.shape[1] - sizes)


def _sized_shares(m: int) -> tuple[Floats, Floats]:
    """Value of a player for the game x_j on one class of sizes and 0 elsewhere: j itself, another.

    A value is the mean over sizes 1..m of the mean of 2 u over the coalitions with the player; in
    those of size s, x_j of another one is 2 (s - 1) / (m - 1) - 1 on average. Entry k: sizes k, m - k.
    """
    n_sizes = np.full(m // 2 + 1, 2.0)
    n_sizes[0] = 1.0  # of the pair {empty, N}, all players are in N
    if m % 2 == 0:
        n_sizes[-1] = 1.0
    own = 2.0 / m * n_sizes
    other = -own / (m - 1)
    other[0] = own[0]
    return own, other


def _by_membership(x: Floats, by_size: Floats) -> Floats:
    """Entry [inside, size] of ``by_size`` for every row and player."""
    sizes = (x > 0).sum(axis=1)
    return np.where(x > 0, by_size[1, sizes, None], by_size[0, sizes, None])


def _unstructured(x: Floats) -> Floats:
    """Weight of u at every row of ``x`` in every value: [n, m]."""
    m = x.shape[1]
    by_size = np.zeros((2, m + 1))
    for size in range(m + 1):
        if size < m:
            by_size[0, size] = -2.0 / (m * comb(m - 1, size))
        if size > 0:
            by_size[1, size] = 2.0 / (m * comb(m - 1, size - 1))
    return _by_membership(x, by_size)


def _unstructured_variance(m: int) -> float:
    """Prior variance of a value when u has variance 1 and no structure."""
    return 4.0 / m**2 * sum(1.0 / comb(m - 1, size) for size in range(m))


def _choose(x: Floats, u: Floats) -> _Prior:
    """The theta, delta and eta of largest posterior density, s^2 set to its best.

    Theta is chosen at the first delta, then delta at that theta; eta anew each time.
    """
    n, m = x.shape
    n_choosing = min(n, max(CHOOSING_PAIRS, min(n // 4, MAX_CHOOSING_PAIRS)))
    # The rows are sorted by size: every so many of them hold all sizes in proportion.
    rows = np.linspace(0, n - 1, n_choosing).astype(np.int64)
    x, u = x[rows], u[rows]

    def best_eta(theta: float, delta: float) -> tuple[float, _Prior]:
        """Logarithm of the likelihood, and the prior."""
        structured = _Prior(m, theta, delta, 0.0).covariance(x)
        spectrum, vectors = eigh(structured, overwrite_a=True, check_finite=False)
        shifted = np.maximum(spectrum, 0.0)[:, None] + ETAS
        fit = (np.square(vectors.T @ u)[:, None] / shifted).mean(axis=0)
        likelihood = -0.5 * (n_choosing * np.log(fit) + np.log(shifted).sum(axis=0)) + LOG_PRIOR
        place = int(np.argmax(likelihood))
        return float(likelihood[place]), _Prior(m, theta, delta, float(ETAS[place]))

    first = max((best_eta(theta, DELTAS[0]) for theta in THETAS), key=itemgetter(0))
    others = [best_eta(first[1].theta, delta) for delta in DELTAS[1:]]
    return max([first, *others], key=itemgetter(0))[1]


def _by_matrix(prior: _Prior, x: Floats, u: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and variance of the values from the covariance matrix of the pairs."""
    covariance = prior.covariance(x)
    covariance[np.diag_indices(len(x))] += prior.eta
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    cross = prior.structured(x) + prior.eta * _unstructured(x)
    solved = cho_solve(factor, np.column_stack([u, cross]), check_finite=False)
    before = prior.structured_variance() + prior.eta * _unstructured_variance(prior.m)
    return _posterior(u, cross, solved, before)


def _by_features(prior: _Prior, x: Floats, u: Floats) -> tuple[Floats, Floats]:
    """The same from explicit features; what they leave out of k counts as unstructured.

    Always the players; products of three, and the players on each size, where those are few.
    """
    n, m = x.shape
    features, shares, weights = [x], [2.0 * np.eye(m)], [np.full(m, prior.weight(1))]
    room = min(MAX_FEATURES, MAX_FEATURE_CELLS // n) - m
    if prior.delta > 0 and m * (m // 2 + 1) <= room:
        room -= m * (m // 2 + 1)
        kind = _size_class(x)
        for size, (own, other) in enumerate(zip(*_sized_shares(m), strict=True)):
            features.append(np.where(kind[:, None] == size, x, 0.0))
            shares.append(np.full((m, m), other) + (own - other) * np.eye(m))
            weights.append(np.full(m, prior.delta / m))
    if m >= 3 and comb(m, 3) <= room:
        triples = np.array(list(combinations(range(m), 3)))
        features.append(x[:, triples].prod(axis=2))
        share = np.zeros((len(triples), m))
        np.put_along_axis(share, triples, 2.0 / 3.0, axis=1)
        shares.append(share)
        weights.append(np.full(len(triples), prior.weight(3)))
    f, share, weight = np.concatenate(features, axis=1), np.concatenate(shares), np.concatenate(weights)
    # Every feature is 1 or -1 where it is not 0, so that the weights of one row are its variance.
    eta = prior.eta + max(0.0, 1.0 - float(np.abs(f[-1]) @ weight))

    # Woodbury: (F W F' + eta)^-1 b = (b - F (F'F + eta / W)^-1 F'b) / eta
    gram = f.T @ f
    gram[np.diag_indices(len(gram))] += eta / weight
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    cross = f @ (weight[:, None] * share) + eta * _unstructured(x)
    both = np.column_stack([u, cross])
    solved = (both - f @ cho_solve(factor, f.T @ both, check_finite=False)) / eta
    before = float(weight @ share[:, 0] ** 2) + eta * _unstructured_variance(m)
    return _posterior(u, cross, solved, before)


def _posterior(u: Floats, cross: Floats, solved: Floats, before: float) -> tuple[Floats, Floats]:
    """Mean and variance of the values; ``solved``: the inverse covariance times [u, cross]."""
    scale = float(u @ solved[:, 0]) / len(u)
    return cross.T @ solved[:, 0], scale * (before - (cross * solved[:, 1:]).sum(axis=0))
