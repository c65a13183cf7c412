import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array

from hcdv.affinity import (
    Affinity,
    forest_affinity,
    kernel_affinity,
    tree_blocks,
    tree_levels,
    trusted_kernel_votes,
)
from hcdv.affinity import neighbours as search
from hcdv.affinity.exact import nearest_rows
from hcdv.engine import Threads
from hcdv.hierarchy import Hierarchy

TREE = ("start", "stop", "first_child", "n_children")


def dense(X, X_val=None, q=64, bandwidth_neighbor=10):
    """The definition, voter by voter: float64 [n, m]."""
    voters = X if X_val is None else X_val
    W = np.zeros((len(X), len(voters)))
    for v, point in enumerate(voters):
        d2 = ((X.astype(float) - point.astype(float)) ** 2).sum(axis=1)
        rows = np.lexsort((np.arange(len(X)), d2))
        if X_val is None:
            rows = rows[rows != v]
        rows = rows[:q]
        if len(rows):
            h = max(np.sqrt(d2[rows[:bandwidth_neighbor]][-1]), 1e-12)
            W[rows, v] = np.exp(-2 * d2[rows] / h**2)
    return W


def points(n, d, dtype=np.float32, seed=0):
    rows = np.random.default_rng([seed, n]).normal(size=(n, d)).astype(dtype)
    rows.setflags(write=False)
    return rows


def equal(a, b):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("indptr", "indices", "weights", "n_voters", "recall")
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 1), (9, 2), (65, 5), (300, 4)])
def test_exact_search_is_the_definition(n, d, dtype):
    X, X_val = points(n, d, dtype), points(7, d, dtype, seed=1)
    for voters in (None, X_val):
        affinity = kernel_affinity(X, voters, threads=Threads(2))
        assert affinity.recall == 1.0
        assert affinity.n_sources == n
        np.testing.assert_allclose(affinity.to_scipy().toarray(), dense(X, voters), atol=1e-6)
    assert np.diff(affinity.indptr).sum() == 7 * min(n, 64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (70, 3), (1500, 24)])
def test_products_and_panels_find_the_same_rows(n, d, dtype):
    # Heaps of equal rows, and two clusters so far apart that products tell little.
    X = points(n, d, dtype)[np.random.default_rng(n).integers(0, n, n)].copy()
    X[::2] += dtype(3000)
    queries, own = np.concatenate([X, points(9, d, dtype, seed=1)]), np.append(np.arange(n), [-1] * 9)
    d2, ids = search.Blocks.single(X).nearest(queries, 20, own=own)
    for n_jobs in (1, 3):
        found, measured = nearest_rows(X, queries, own, 20, Threads(n_jobs))
        np.testing.assert_array_equal(found, ids)
        np.testing.assert_array_equal(measured, d2)


def test_few_voters_of_many_rows_hear_the_nearest(monkeypatch):
    X, voters = points(700, 5), points(20, 5, seed=1)
    expected = kernel_affinity(X, voters, threads=Threads(2))
    monkeypatch.setattr(search, "EXACT_ROWS", 100)
    assert equal(kernel_affinity(X, voters, threads=Threads(2)), expected)


def test_equal_rows_vote_with_weight_one():
    X = np.ones((30, 4), np.float32)
    affinity = kernel_affinity(X, n_neighbors=12, threads=Threads(1))
    W = affinity.to_scipy().toarray()
    np.testing.assert_array_equal(W, dense(X, q=12))
    assert (W[:12, 20] == 1).all()
    assert not W[12:, 20].any()


def test_voters_ascend_and_each_has_its_neighbours():
    affinity = kernel_affinity(points(400, 6), threads=Threads(2))
    for i in range(400):
        assert (np.diff(affinity.indices[affinity.indptr[i] : affinity.indptr[i + 1]]) > 0).all()
    assert (np.bincount(affinity.indices, minlength=400) == 64).all()
    assert affinity.mean_degree == 64


@pytest.fixture
def through_the_tree(monkeypatch):
    monkeypatch.setattr(search, "EXACT_ROWS", 100)
    monkeypatch.setattr(search, "EXACT_PAIRS", 1)


def tree_of(X):
    tree = Hierarchy.build(X, branching=4, leaf_size=8, random_state=0, n_jobs=1)
    return np.ascontiguousarray(X[tree.order]), tree_levels(*(getattr(tree, a) for a in TREE))


def test_a_beam_that_meets_all_blocks_is_exact(through_the_tree, monkeypatch):
    monkeypatch.setattr(search, "BEAM_ROWS", 10**6)
    X, levels = tree_of(points(700, 5))
    for voters in (None, points(20, 5, seed=1)):
        affinity = kernel_affinity(X, voters, blocks=levels, threads=Threads(2))
        np.testing.assert_allclose(affinity.to_scipy().toarray(), dense(X, voters), atol=1e-6)
        assert affinity.recall == 1.0


def test_a_narrow_beam_reports_what_it_misses(through_the_tree, monkeypatch):
    monkeypatch.setattr(search, "BEAM_ROWS", 60)
    monkeypatch.setattr(search, "WIDEN", 3)
    X, levels = tree_of(points(700, 8))
    affinity = kernel_affinity(X, blocks=levels, threads=Threads(2))
    found = ((affinity.to_scipy().toarray() > 0) & (dense(X) > 0)).sum() / (700 * 64)
    assert 0.2 < found < 0.95
    assert affinity.recall == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clusters_are_found_through_the_tree(through_the_tree, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 8))[rng.integers(20, size=6000)] * 2 + rng.normal(size=(6000, 8))
    X, levels = tree_of(X.astype(dtype))
    assert kernel_affinity(X, blocks=levels, threads=Threads(2)).recall > 0.97
    # One level alone, or none: the order of the rows stands in for the rest.
    assert kernel_affinity(X, blocks=levels[0], threads=Threads(2)).recall > 0.97
    assert kernel_affinity(X, threads=Threads(2)).recall > 0.97


@pytest.mark.parametrize("with_tree", [False, True])
def test_same_bits_for_any_number_of_threads(with_tree, request):
    if with_tree:
        request.getfixturevalue("through_the_tree")
    X, X_val = points(1500, 6), points(300, 6, seed=1)
    for voters in (None, X_val):
        one, two = (kernel_affinity(X, voters, threads=Threads(k)) for k in (1, 2))
        assert equal(one, two)


@pytest.mark.parametrize("target", [1, 8, 50, 10_000])
def test_blocks_are_the_largest_small_nodes(target):
    tree = Hierarchy.build(points(900, 3), branching=3, leaf_size=20, random_state=0, n_jobs=1)
    bounds = tree_blocks(*(getattr(tree, a) for a in TREE), target)
    assert bounds[0] == 0
    assert bounds[-1] == 900
    assert (np.diff(bounds) > 0).all()
    assert np.diff(bounds).max() <= target
    if target == 50:
        nodes = set(zip(tree.start.tolist(), tree.stop.tolist(), strict=True))
        assert all(pair in nodes for pair in pairwise(bounds))
        # Two neighbours would not fit into one node of this size.
        merged = set(zip(bounds[:-2].tolist(), bounds[2:].tolist(), strict=True))
        assert not merged & nodes


def labelled(n, d=5):
    X = points(n, d, np.float64)
    return X, (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)


def grown_pairs(X, y, n_trees, seed):
    """The definition from scikit-learn's own forest: leaves [n, trees], unseen [n, trees]."""
    from sklearn.ensemble import RandomForestClassifier

    from hcdv._random import derive_seed

    forest = RandomForestClassifier(
        n_trees, min_samples_leaf=5, max_samples=len(X), random_state=derive_seed(seed, "forest")
    ).fit(X.astype(np.float32), y)
    unseen = np.ones((len(X), n_trees), bool)
    for t, rows in enumerate(forest.estimators_samples_):
        unseen[rows, t] = False
    return forest, unseen


def test_forest_weights_are_the_definition():
    X, y = labelled(150)
    X_val = points(11, 5, np.float64, seed=1)
    own, val = forest_affinity(
        X, y, 2, X_val, n_trees=70, n_neighbors=200, seed=5, threads=Threads(2)
    )
    forest, unseen = grown_pairs(X, y, 70, 5)
    leaves, val_leaves = forest.apply(X), forest.apply(X_val)
    both = unseen.astype(int) @ unseen.T.astype(int)
    same = np.zeros((150, 150))
    same_val = np.zeros((150, 11))
    for t in range(70):
        free = unseen[:, t]
        shared = np.outer(free, free) & (leaves[:, None, t] == leaves[None, :, t])
        weight = 1 / np.maximum(1, shared.sum(axis=1) - 1)
        same += shared * weight[:, None]
        same_val += weight[:, None] * (
            free[:, None] & (leaves[:, None, t] == val_leaves[None, :, t])
        )
    np.fill_diagonal(same, 0)
    np.testing.assert_allclose(own.to_scipy().toarray(), same / np.maximum(both, 1), rtol=1e-6)
    expected = same_val / unseen.sum(axis=1)[:, None]
    np.testing.assert_allclose(val.to_scipy().toarray(), expected, rtol=1e-6)


def test_forest_keeps_the_largest():
    X, y = labelled(200)
    few, _ = forest_affinity(X, y, 2, n_trees=30, n_neighbors=5, seed=0, threads=Threads(2))
    all_, _ = forest_affinity(X, y, 2, n_trees=30, n_neighbors=200, seed=0, threads=Threads(2))
    whole, cut = all_.to_scipy().toarray(), few.to_scipy().toarray()
    for v in range(200):
        first = np.lexsort((np.arange(200), -whole[:, v]))[:5]
        expected = np.zeros(200)
        expected[first] = whole[first, v]
        np.testing.assert_array_equal(cut[:, v], expected)


@pytest.mark.parametrize("rows_vote", [True, False])
def test_votes_of_rows_that_stand_elsewhere(rows_vote):
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((7, 7)) < 0.4, rng.random((7, 7)), 0.0).astype(np.float32)
    matrix = csr_array(dense)
    votes = Affinity(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data, 7)
    order = rng.permutation(7)
    placed = votes.placed(order, rows_vote=rows_vote)
    there = np.zeros_like(dense)
    there[np.ix_(order, order) if rows_vote else order] = dense
    np.testing.assert_array_equal(placed.to_scipy().toarray(), there)
    assert (placed.indptr.dtype, placed.indices.dtype) == (np.int64, np.int32)
    for a, b in pairwise(placed.indptr):
        assert (np.diff(placed.indices[a:b]) > 0).all()


def test_forest_has_the_same_bits_for_any_number_of_threads():
    X, y = labelled(500)
    results = [
        forest_affinity(X, y, 2, X[:40], n_trees=20, seed=3, threads=Threads(k)) for k in (1, 2)
    ]
    assert equal(results[0][0], results[1][0])
    assert equal(results[0][1], results[1][1])


def test_rows_outside_the_sample_vote_too():
    X, y = labelled(400)
    affinity, _ = forest_affinity(X, y, 2, n_trees=20, max_rows=100, seed=0, threads=Threads(2))
    assert (np.diff(affinity.indptr) > 0).mean() > 0.9
    assert affinity.weights.max() <= 1


@pytest.mark.parametrize("n", [1, 2, 5])
def test_forest_on_a_handful_of_rows(n):
    X, y = labelled(n)
    affinity, val = forest_affinity(X, y, 2, X, n_trees=10, seed=0, threads=Threads(1))
    assert affinity.n_voters == affinity.n_sources == val.n_voters == n
    assert affinity.to_scipy().diagonal().sum() == 0


@pytest.mark.parametrize("d", [2, 7, 33, 60])
def test_trusted_rows_equal_to_a_row_vote_with_weight_one(d):
    X = (points(40, d) * 3).astype(np.float32)
    labels = np.arange(40) % 2
    # A heap of equal rows has the least bandwidth, where any rounding would cost the whole vote.
    votes = trusted_kernel_votes(X, labels, np.full(40, 1e-12), X, labels, 2, Threads(1))
    np.testing.assert_array_equal(votes, 1.0)


def test_trusted_votes_are_the_definition_near_and_far():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(30, 5)) + 1e4).astype(np.float32)
    near = np.nextafter(X[:8], np.float32(np.inf))
    far = np.full((1, 5), 3e37, np.float32)
    V = np.concatenate([near, far])
    labels, bandwidth = rng.integers(0, 3, 30), np.full(30, 2e-3)
    labels_trusted = rng.integers(0, 3, 9)
    d2 = ((X.astype(float)[:, None] - V.astype(float)) ** 2).sum(axis=2)
    W = np.exp(-2 * d2 / bandwidth[:, None] ** 2)
    matching = (W * (labels[:, None] == labels_trusted)).sum(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        votes = trusted_kernel_votes(X, labels, bandwidth, V, labels_trusted, 3, Threads(1))
    assert W[:, :8].max() > 0.05
    np.testing.assert_allclose(votes, np.column_stack([matching, W.sum(axis=1)]), rtol=1e-5, atol=1e-12)
