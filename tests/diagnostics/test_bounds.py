"""The formulas, by hand and by the inequalities that they come from."""

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcdv import Hierarchy
from hcdv.diagnostics import (
    bound_of,
    evaluations_for,
    level_sizes,
    permutations_for,
    radius,
    regret_bound,
)

# Root; three nodes, the first of which is a leaf; two children each of the others.
TREE = Hierarchy.from_labels([list("aaabbbbcccc"), [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]])


def test_the_radius_solves_the_papers_inequality():
    # lambda = 0.1, d_max = 1: B = 1.1 (Eq. 21). K = 16, T = 256, delta = 0.05.
    B, K, T, delta = 1.1, 16, 256, 0.05
    eta = radius(T, K, value_range=2 * B, delta=delta)
    assert eta == pytest.approx(0.494292, abs=1e-6)
    assert eta == pytest.approx(B * sqrt(8 * log(2 * K / delta) / T))
    # Eq. 47: K times Eq. 25 is delta at this eta.
    assert 2 * K * exp(-T * eta**2 / (8 * B**2)) == pytest.approx(delta)


def test_by_hand():
    # sqrt(2 ln 40 / 8), range 1.
    assert radius(8, value_range=1.0) == pytest.approx(0.960323, abs=1e-6)
    # Pairs count once.
    assert radius(16, value_range=1.0, antithetic=True) == radius(8, value_range=1.0)
    assert radius(17, value_range=1.0, antithetic=True) == radius(8, value_range=1.0)
    # 2 ln(320) / 0.0025 = 4614.66; for B = 1: 8 ln(40) / 0.01 = 2951.10.
    assert permutations_for(0.05, value_range=1.0, n_nodes=8) == 4615
    assert permutations_for(0.1, value_range=2.0) == 2952
    assert permutations_for(0.05, value_range=1.0, n_nodes=8, antithetic=True) == 9230
    assert permutations_for(100.0, value_range=1.0) == 1
    assert permutations_for(0.1, value_range=0.0) == 1


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.floats(1e-6, 1e6),
    st.floats(1e-9, 0.999),
    st.booleans(),
)
def test_permutations_for_inverts_the_radius(T, n_nodes, value_range, delta, antithetic):
    T *= 1 + antithetic
    options = dict(value_range=value_range, delta=delta, antithetic=antithetic)
    eta = radius(T, n_nodes, **options)
    again = permutations_for(eta, n_nodes=n_nodes, **options)
    assert again <= T
    assert radius(again, n_nodes, **options) <= eta
    if again > 1 + antithetic:
        assert radius(again - 1 - antithetic, n_nodes, **options) > eta


def test_what_makes_it_larger():
    base = radius(64, 8, value_range=1.0, delta=0.05)
    assert radius(128, 8, value_range=1.0) < base
    assert radius(64, 16, value_range=1.0) > base
    assert radius(64, 8, value_range=1.0, delta=0.01) > base
    assert radius(64, 8, value_range=3.0) == pytest.approx(3 * base)
    assert radius(64 * 4, 8, value_range=1.0) == pytest.approx(base / 2)


def test_levels_and_costs():
    # C_l tiles the points: the leaf of level 1 is a player of level 2 too.
    assert level_sizes(TREE) == (1, 3, 5)
    assert evaluations_for(10, TREE) == 90
    assert level_sizes(Hierarchy.from_labels([[0, 0, 0]])) == (1,)


def test_theorems():
    assert bound_of([0.0, 0.25, 0.5], 0.125) == 0.875
    assert bound_of([]) == 0.0
    assert regret_bound(30, 0.01) == pytest.approx(0.6)
    # Eq. 28 is met with equality: the two rows change places.
    truth, error = np.array([1.0, 0.0]), 0.5
    assert truth[0] - truth[1] == regret_bound(1, error)


def coverage(n_pairs, m, delta, antithetic, n_games=400):
    """Share of parity games, the worst that the range allows, whose largest error is within the radius."""
    rng = np.random.default_rng(0)
    place = np.argsort(rng.random((n_games, n_pairs, m)), axis=2)
    marginal = np.where(place % 2 == 0, 1.0, -1.0)
    if antithetic:
        marginal = (marginal + np.where((m - 1 - place) % 2 == 0, 1.0, -1.0)) / 2
    error = np.abs(marginal.mean(axis=1) - (m % 2) / m).max(axis=1)
    T = n_pairs * (1 + antithetic)
    return (error <= radius(T, m, value_range=1.0, delta=delta, antithetic=antithetic)).mean()


@pytest.mark.parametrize("antithetic", [False, True])
@pytest.mark.parametrize("m", [1, 3, 6])
@pytest.mark.parametrize("delta", [0.2, 0.01])
def test_coverage_of_the_worst_games(m, delta, antithetic):
    for n_pairs in (1, 5, 40):
        assert coverage(n_pairs, m, delta, antithetic) >= 1 - delta


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: radius(0, value_range=1.0), "n_permutations must be at least 1, got 0"),
        (lambda: radius(1, value_range=1.0, antithetic=True), "n_permutations must be at least 2"),
        (lambda: radius(8, 0, value_range=1.0), "n_nodes must be at least 1"),
        (lambda: radius(8, value_range=-1.0), "value_range must lie in"),
        (lambda: radius(8, value_range=float("nan")), "value_range must lie in"),
        (lambda: radius(8, value_range=1.0, delta=0.0), "delta must lie strictly between 0 and 1, got 0.0"),
        (lambda: radius(8, value_range=1.0, delta=1), "delta must lie strictly between 0 and 1, got 1"),
        (lambda: permutations_for(0.0, value_range=1.0), "eta must be above 0"),
        (lambda: permutations_for(1e-12, value_range=1.0), r"more than 2\*\*53 permutations"),
        (lambda: permutations_for(0.1, 2.0, value_range=1.0), "delta must lie in"),
        (lambda: evaluations_for(0, TREE), "n_permutations must be at least 1"),
        (lambda: bound_of([-1.0]), "level_errors must lie in"),
        (lambda: bound_of([0.0], -1.0), "leaf_error must lie in"),
        (lambda: regret_bound(-1, 0.1), "k must be at least 0"),
    ],
)
def test_bad_numbers(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: radius(8.0, value_range=1.0), "n_permutations must be an integer"),
        (lambda: permutations_for("0.1", value_range=1.0), "eta must be a number"),
        (lambda: level_sizes([3]), "hierarchy must be an hcdv.Hierarchy, got list"),
        (lambda: bound_of(0.5), "level_errors must be a list of numbers, got 0.5"),
        (lambda: bound_of(["a"]), "level_errors must be a list of numbers"),
    ],
)
def test_bad_types(call, sentence):
    with pytest.raises(TypeError, match=sentence):
        call()
