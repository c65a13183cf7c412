import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcdv.engine import Threads
from hcdv.partition import balanced, balanced_split, build_tree, n_children_of, size_window


def inertia(Z, labels):
    return sum(((Z[labels == k] - Z[labels == k].mean(0)) ** 2).sum() for k in np.unique(labels))


@settings(deadline=None)
@given(st.data(), st.floats(0, 0.999))
def test_window_is_feasible_and_follows_the_paper(data, slack):
    m = data.draw(st.integers(1, 10_000))
    K = data.draw(st.integers(1, m))
    low, high = size_window(m, K, slack)
    assert 1 <= low <= high
    assert K * low <= m <= K * high
    s = -(-m // K)
    assert low in (1, m // K, int(np.floor((1 - slack) * s + 1e-9)))
    assert high == int(np.ceil((1 + slack) * s - 1e-9))


def test_window_is_not_widened_by_rounding():
    assert size_window(100, 10, 0.1) == (9, 11)  # 1.1 * 10 is a little above 11
    assert size_window(100, 10, 0.0) == (10, 10)
    assert size_window(7, 2, 0.0) == (3, 4)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_split_fills_every_child_within_the_window(data):
    m = data.draw(st.integers(1, 120))
    K = data.draw(st.integers(1, m))
    slack = data.draw(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.99]))
    d = data.draw(st.integers(0, 4))
    distinct = data.draw(st.integers(1, 4))  # few values: many duplicates
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    Z = rng.integers(0, distinct, (m, d)).astype(dtype)
    labels = balanced_split(Z, K, slack, 5)
    assert labels.dtype == np.int64
    counts = np.bincount(labels, minlength=K)
    low, high = size_window(m, K, slack)
    assert len(counts) == K
    assert counts.min() >= low
    assert counts.max() <= high
    np.testing.assert_array_equal(labels, balanced_split(Z, K, slack, 5))


@pytest.mark.parametrize("m", [300, 3_000, 25_000])  # in kernels, scikit-learn, on a sample
def test_identical_rows_are_split_without_a_warning(m):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for Z in (np.ones((m, 3)), np.repeat(np.eye(3), m // 3, axis=0)):
            counts = np.bincount(balanced_split(Z, 8, 0.2, 0), minlength=8)
            low, high = size_window(len(Z), 8, 0.2)
            assert counts.min() >= low
            assert counts.max() <= high


@pytest.mark.parametrize("m", [400, 4_000, 40_000])
def test_balanced_blobs_are_found(m):
    truth = np.arange(m) % 4
    Z = 20 * np.eye(4)[truth] + np.random.default_rng(0).normal(size=(m, 4))
    labels = balanced_split(Z, 4, 0.2, 1)
    assert len(np.unique(labels * 4 + truth)) == 4  # each child is one blob


def test_rounds_lower_the_inertia(monkeypatch):
    rng = np.random.default_rng(0)
    sizes = [700, 200, 60, 40]
    Z = np.concatenate([rng.normal(5 * rng.normal(size=6), 1, (s, 6)) for s in sizes])
    full = inertia(Z, balanced_split(Z, 4, 0.2, 0))
    monkeypatch.setattr(balanced, "ROUNDS", 0)
    greedy_only = inertia(Z, balanced_split(Z, 4, 0.2, 0))
    assert full < 0.97 * greedy_only


@pytest.mark.parametrize("K", [0, 6])
def test_impossible_splits_are_refused(K):
    with pytest.raises(ValueError, match=r"n_children must lie in \[1, 5\]"):
        balanced_split(np.ones((5, 2)), K, 0.2, 0)


def test_children_per_node_follow_the_rule():
    assert n_children_of(11, 8, 10) == 2
    assert n_children_of(45, 8, 10) == 5
    assert n_children_of(1_000, 8, 10) == 8
    assert n_children_of(2, 8, 1) == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tree_is_the_same_for_any_number_of_threads(dtype):
    Z = np.random.default_rng(0).normal(size=(6_000, 5)).astype(dtype)
    trees = [build_tree(Z, [6, 3], 12, 0.3, 42, None, Threads(n_jobs)) for n_jobs in (1, 2, 3, 8)]
    for other in trees[1:]:
        for a, b in zip(trees[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_another_seed_gives_another_tree():
    Z = np.random.default_rng(0).normal(size=(500, 5))
    a, b = (build_tree(Z, [4], 12, 0.3, seed, None, Threads(1)) for seed in (0, 1))
    assert not np.array_equal(a.order, b.order)
