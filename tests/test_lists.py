"""Lists of neighbours that follow the rows equal lists made anew."""

import numpy as np
import pytest

from hcdv.affinity import kernel_affinity, lists
from hcdv.affinity.lists import VoterLists
from hcdv.engine import Threads

THREADS = Threads(2)


def rows(rng, n, d=5, dtype=np.float32):
    return (rng.normal(size=(n, d)) + 4 * rng.normal(size=(7, d))[rng.integers(0, 7, n)]).astype(dtype)


def anew(X, voters, q):
    affinity = kernel_affinity(X, voters, n_neighbors=q, bandwidth_neighbor=min(10, q), threads=THREADS)
    return VoterLists.of(affinity, X, X if voters is None else voters, q, THREADS), affinity


def no_levels():
    raise AssertionError("not asked for so few rows")


@pytest.mark.parametrize("on_validation", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "n_left", "n_new"), [(300, 300, 40), (300, 250, 0), (300, 7, 60), (5, 5, 100), (40, 1, 1)]
)
def test_lists_after_an_update_are_those_made_anew(n, n_left, n_new, dtype, on_validation):
    rng = np.random.default_rng(n + n_left + n_new)
    X = rows(rng, n + n_new, dtype=dtype)
    voters = rows(rng, 30, dtype=dtype) if on_validation else None
    q = 12
    before, _ = anew(X[:n], voters, q)
    copies = before.ids.copy(), before.d2.copy()
    kept = np.sort(rng.permutation(n)[:n_left])
    now = np.vstack([X[kept], X[n:]])
    after = before.after(kept, now, voters, no_levels, THREADS)
    fresh, affinity = anew(now, voters, q)
    np.testing.assert_array_equal(after.ids, fresh.ids)
    np.testing.assert_allclose(after.d2, fresh.d2, rtol=1e-6)
    np.testing.assert_array_equal(before.ids, copies[0])
    np.testing.assert_array_equal(before.d2, copies[1])
    made = after.affinity(len(now), after.bandwidth(10), 1.0)
    np.testing.assert_array_equal(made.indptr, affinity.indptr)
    np.testing.assert_array_equal(made.indices, affinity.indices)
    np.testing.assert_allclose(made.weights, affinity.weights, rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(made.bandwidth, affinity.bandwidth, rtol=1e-6)


def test_equal_rows_and_far_units():
    rng = np.random.default_rng(3)
    for scale in (1e-6, 1e6):
        X = np.repeat(rows(rng, 40), 5, axis=0) * np.float32(scale)
        before, _ = anew(X[:150], None, 8)
        after = before.after(np.arange(150), X, None, no_levels, THREADS)
        fresh, _ = anew(X, None, 8)
        np.testing.assert_allclose(after.d2, fresh.d2, rtol=1e-5, atol=1e-9 * scale**2)


def test_through_the_tree_most_neighbours_are_found(monkeypatch):
    monkeypatch.setattr(lists, "EXACT_PAIRS", 1000)
    rng = np.random.default_rng(4)
    X = rows(rng, 4400, d=8)
    before, _ = anew(X[:4000], None, 16)
    kept = np.sort(rng.permutation(4000)[:3900])
    now = np.vstack([X[kept], X[4000:]])
    order = np.lexsort(now.T)
    bounds = np.append(np.arange(0, len(now), 48), len(now))
    after = before.after(kept, now, None, lambda: (order, [bounds]), THREADS)
    fresh, _ = anew(now, None, 16)
    found = np.mean([len(set(a) & set(b)) / 16 for a, b in zip(after.ids, fresh.ids, strict=True)])
    assert found > 0.95
    assert (after.ids >= 0).all() and (np.diff(after.d2, axis=1) >= 0).all()
    assert not (after.ids == np.arange(len(now))[:, None]).any()


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(5)
    X = rows(rng, 900)
    before, _ = anew(X[:800], None, 16)
    one, two = (before.after(np.arange(800), X, None, no_levels, Threads(k)) for k in (1, 2))
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.d2, two.d2)
