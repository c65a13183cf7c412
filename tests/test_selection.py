import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcdv.selection import select_by_lot, select_top, two_means_threshold


@settings(deadline=None)
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


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(-3, 3)), min_size=0, max_size=80),
    st.floats(0, 1),
    st.integers(-2, 2),
    st.integers(0, 5),
)
def test_lots_are_drawn_of_good_rows_alike_everywhere(rows, fraction, floor, seed):
    strata, classes, values = np.array(rows, np.int64).reshape(-1, 3).T
    n, values = len(strata), values.astype(float)
    floors = floor - 0.5 * classes
    chosen = select_by_lot(values, fraction, strata, classes, floors, seed)
    assert len(chosen) == round(fraction * n)
    assert (np.diff(chosen) > 0).all()
    is_chosen, good = np.isin(np.arange(n), chosen), values >= floors
    for mine in (classes == code for code in range(3)):
        count = (is_chosen & mine).sum()
        assert abs(count - fraction * mine.sum()) < 1 + 1e-6
        if (good & mine).sum() <= count:
            # All good rows, then the highest of the others.
            assert is_chosen[good & mine].all()
            rest = values[is_chosen & mine & ~good]
            assert rest.min(initial=np.inf) >= values[~is_chosen & mine].max(initial=-np.inf)
            continue
        assert good[is_chosen & mine].all()
        taken, at_most, sizes = (
            np.bincount(strata[part], minlength=7) for part in (is_chosen & mine, good & mine, mine)
        )
        # One share for all strata, to a row, but for those that give all they have.
        low, high = 0.0, 1.0
        for _ in range(60):
            share = (low + high) / 2
            low, high = (share, high) if np.minimum(at_most, share * sizes).sum() < count else (low, share)
        assert np.abs(taken - np.minimum(at_most, high * sizes)).max() < 1 + 1e-6


def test_every_good_row_of_a_stratum_has_the_same_chance():
    # Strata of 2 to 9 rows, of which 20% give .4 to 1.8 rows: rounding must favour none.
    strata = np.repeat(np.arange(40), np.random.default_rng(0).integers(2, 10, 40))
    n, draws = len(strata), 4000
    counts = np.zeros(n)
    for seed in range(draws):
        chosen = select_by_lot(np.ones(n), 0.2, strata, np.zeros(n, np.int64), np.zeros(n), seed)
        counts[chosen] += 1
    share = round(0.2 * n) / n
    assert np.abs(counts / draws - share).max() < 5 * (share / draws) ** 0.5


def test_lots_follow_the_seed():
    strata, values = np.repeat(np.arange(5), 20), np.tile([1.0, -1.0], 50)
    first, again, other = (
        select_by_lot(values, 0.2, strata, np.zeros(100, np.int64), np.zeros(100), seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(np.bincount(strata[first]), 4)


def test_ties_are_broken_by_the_seed():
    strata = np.zeros(100, np.int64)
    first = select_top(np.zeros(100), 0.5, strata, 0)
    np.testing.assert_array_equal(first, select_top(np.zeros(100), 0.5, strata, 0))
    assert not np.array_equal(first, select_top(np.zeros(100), 0.5, strata, 1))


@settings(deadline=None)
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
