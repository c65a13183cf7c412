"""The regression against a posterior that holds every coalition of a small game."""

import numpy as np
import pytest

from hcdv.shapley import _regression as regression
from hcdv.shapley import exact_values


def all_pairs(m):
    """x of one coalition of each pair (that with the last player), [2**(m - 1), m]; the first is N."""
    codes = np.arange((1 << m) - 1, (1 << m - 1) - 1, -1)
    return np.where(codes[:, None] >> np.arange(m) & 1, 1.0, -1.0)


def value_of_unit_games(x):
    """Shapley values, [m, n], of the odd games that are 1 at one row of ``x`` and -1 opposite."""
    m = x.shape[1]
    codes = (x > 0) @ (1 << np.arange(m))
    values = []
    for code in codes:
        table = np.zeros(1 << m)
        table[code], table[(1 << m) - 1 - code] = 1.0, -1.0
        values.append(exact_values(table))
    return np.array(values).T


def slow_covariance(prior, x):
    """By the definition in the module's docstring, pair by pair."""
    n, m = x.shape
    answer = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            agreement = x[a] @ x[b]
            one_size = abs(x[a].sum()) == abs(x[b].sum())
            answer[a, b] = (1 - prior.delta) * np.sinh(prior.theta * agreement / m) / np.sinh(prior.theta)
            answer[a, b] += prior.delta * one_size * agreement / m
            answer[a, b] += prior.eta * (a == b)
    return answer


def slow_posterior(prior, x, u, rows):
    """Mean and variance of the values, every pair of the game being a variable of the process."""
    covariance = slow_covariance(prior, x)
    shapley = value_of_unit_games(x)
    observed = covariance[np.ix_(rows, rows)]
    gain = covariance[:, rows] @ np.linalg.inv(observed)
    scale = u @ np.linalg.solve(observed, u) / len(u)
    left = covariance - gain @ covariance[rows]
    return shapley @ gain @ u, scale * np.einsum("ia,ab,ib->i", shapley, left, shapley)


PRIORS = [(0.03, 0.0, 1e-2), (1.0, 0.0, 1.0), (4.0, 0.1, 1e-3), (8.0, 0.5, 0.1), (2.0, 0.5, 10.0)]


@pytest.mark.parametrize("m", [4, 5, 6])
@pytest.mark.parametrize("setting", PRIORS)
def test_posterior_is_that_of_the_whole_game(m, setting):
    prior = regression._Prior(m, *setting)
    x = all_pairs(m)
    rng = np.random.default_rng(m)
    rows = np.concatenate([[0], 1 + rng.choice(len(x) - 1, m, replace=False)])
    u = rng.normal(size=len(rows))
    mean, variance = regression._by_matrix(prior, x[rows], u)
    slow_mean, slow_variance = slow_posterior(prior, x, u, rows)
    np.testing.assert_allclose(mean, slow_mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(variance, slow_variance, rtol=1e-7, atol=1e-12)
    assert mean.sum() == pytest.approx(2 * u[0], abs=1e-9)


@pytest.mark.parametrize("setting", PRIORS)
def test_features_of_four_players_are_the_whole_kernel(setting):
    prior = regression._Prior(4, *setting)
    x = all_pairs(4)[:7]
    u = np.random.default_rng(0).normal(size=7)
    for one, other in zip(
        regression._by_features(prior, x, u), regression._by_matrix(prior, x, u), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("setting", PRIORS)
def test_features_leave_out_nothing_but_high_orders(setting):
    # Orders from 5 on become unstructured: the variance of u stays, and the values move by less
    # than their error.
    prior = regression._Prior(10, *setting)
    x = all_pairs(10)[np.concatenate([[0], 1 + np.random.default_rng(1).permutation(511)[:300]])]
    u = np.tanh(x @ np.linspace(0, 1, 10))
    fast, slow = regression._by_features(prior, x, u), regression._by_matrix(prior, x, u)
    assert fast[0].sum() == pytest.approx(2 * u[0], abs=1e-6)
    assert (np.abs(fast[0] - slow[0]) < 2 * np.sqrt(np.maximum(fast[1], slow[1]))).all()


def test_all_pairs_seen_leave_no_variance():
    m = 6
    x = all_pairs(m)
    u = np.random.default_rng(0).normal(size=len(x))
    for solve in (regression._by_matrix, regression._by_features):
        mean, variance = solve(regression._Prior(m, 2.0, 0.1, 0.5), x, u)
        np.testing.assert_allclose(mean, value_of_unit_games(x) @ u, rtol=0, atol=1e-9)
        np.testing.assert_allclose(variance, 0.0, atol=1e-9)


def test_the_prior_is_chosen_by_what_the_game_is():
    rng = np.random.default_rng(0)
    x = all_pairs(9)[rng.permutation(256)[:150]]
    noise = rng.normal(size=150)
    linear = x @ rng.normal(size=9)
    assert regression._choose(x, linear).eta < 1e-6
    assert regression._choose(x, linear).theta == regression.THETAS[0]
    assert regression._choose(x, noise).eta >= 1.0
    by_size = np.where(np.abs(x.sum(axis=1)) == 1, linear, -linear)
    assert regression._choose(x, by_size).delta > 0
    triple = x[:, 0] * x[:, 1] * x[:, 2] + 0.5 * linear + 0.1 * noise
    assert regression._choose(x, triple).theta > regression.THETAS[0]


def test_many_pairs_go_by_features(monkeypatch):
    table = np.random.default_rng(0).normal(size=1 << 12).cumsum()
    powers = 1 << np.arange(12)
    truth = exact_values(table)
    answers = {}
    for limit in (10**6, 100):
        monkeypatch.setattr(regression, "DENSE_PAIRS", limit)
        answers[limit] = regression.odd_regression(lambda S: table[S @ powers], 12, 2000, 0)
    for values, std_error, used in answers.values():
        assert used == 2000
        assert np.abs(values - truth).max() < 4 * std_error.max()
