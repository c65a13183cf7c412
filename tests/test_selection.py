import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcdv.selection import select_by_lot, select_top, two_means_threshold


@given(
    st.lists(st.integers(0, 6), min_size=0, max_size=60),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_exact_size_and_fair_quotas(strata, fraction, seed):
    strata = np.array(strata, np.int64)
    values = np.random.default_rng(seed).integers(0, 4, len(strata)).astype(float)
    chosen = select_top(values, fraction, strata, seed)
    assert len(chosen) == round(fraction * len(strata))
    assert (np.diff(chosen) > 0).all()
    taken = np.bincount(strata[chosen], minlength=7)
    wanted = fraction * np.bincount(strata, minlength=7)
    assert (np.abs(taken - wanted) <= 1 + 1e-6).all()
    for stratum in np.unique(strata):
        mine = strata == stratum
        kept = np.isin(np.flatnonzero(mine), chosen)
        if kept.any() and not kept.all():
            assert values[mine][kept].min() >= values[mine][~kept].max()


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(-3, 3)), min_size=0, max_size=60),
    st.floats(0, 1),
    st.integers(-2, 2),
    st.integers(0, 5),
)
def test_lots_are_drawn_of_good_rows_alike_everywhere(rows, fraction, floor, seed):
    strata, values = np.array(rows, np.int64).reshape(-1, 2).T
    n, values = len(strata), values.astype(float)
    chosen = select_by_lot(values, fraction, strata, float(floor), seed)
    assert len(chosen) == round(fraction * n)
    assert (np.diff(chosen) > 0).all()
    is_chosen, good = np.isin(np.arange(n), chosen), values >= floor
    if good.sum() <= len(chosen):
        # All good rows, then the highest of the others.
        assert is_chosen[good].all()
        rest = values[is_chosen & ~good]
        assert rest.min(initial=np.inf) >= values[~is_chosen].max(initial=-np.inf)
        return
    assert good[chosen].all()
    taken, at_most = np.bincount(strata[chosen], minlength=7), np.bincount(strata[good], minlength=7)
    sizes = np.bincount(strata, minlength=7)
    # One share for all strata, to a row, but for those that have given all they have.
    shares = np.linspace(0, 1, 4001)
    least = np.maximum((taken - 1) / np.maximum(sizes, 1), 0).max()
    full = taken == at_most
    assert (full | ((taken + 1) / np.maximum(sizes, 1) >= least - 1e-9)).all()
    share = shares[np.argmin(np.abs(np.minimum(at_most, shares[:, None] * sizes).sum(axis=1) - len(chosen)))]
    assert np.abs(taken - np.minimum(at_most, share * sizes)).max() <= 1.02


def test_lots_follow_the_seed():
    strata, values = np.repeat(np.arange(5), 20), np.tile([1.0, -1.0], 50)
    first = select_by_lot(values, 0.2, strata, 0.0, 0)
    np.testing.assert_array_equal(first, select_by_lot(values, 0.2, strata, 0.0, 0))
    assert not np.array_equal(first, select_by_lot(values, 0.2, strata, 0.0, 1))
    np.testing.assert_array_equal(np.bincount(strata[first]), 4)


def test_ties_are_broken_by_the_seed():
    strata = np.zeros(100, np.int64)
    first = select_top(np.zeros(100), 0.5, strata, 0)
    np.testing.assert_array_equal(first, select_top(np.zeros(100), 0.5, strata, 0))
    assert not np.array_equal(first, select_top(np.zeros(100), 0.5, strata, 1))


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=30))
def test_two_means_is_the_best_cut(numbers):
    values = np.array(numbers, float)
    threshold = two_means_threshold(values)
    if values.min() == values.max():
        assert threshold == -np.inf
        return
    def within(low):
        high = ~low
        return sum(((values[part] - values[part].mean()) ** 2).sum() for part in (low, high))
    cuts = np.unique(values)[:-1]
    assert within(values <= threshold) == pytest.approx(min(within(values <= c) for c in cuts))


def test_two_means_of_values_near_the_largest_float():
    values = np.array([-1.7e308, -1.6e308, 1.5e308, 1.7e308])
    with np.errstate(all="raise"):
        assert two_means_threshold(values) == -1.6e308
        assert two_means_threshold(values / 2**1000 / 2**900) == values[1] / 2**1000 / 2**900
