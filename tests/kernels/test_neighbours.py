import numpy as np
import pytest

from hcdv._kernels import neighbours as kernels
from tests.reference import neighbours as reference


def points(n, d, dtype, seed=0):
    rows = np.random.default_rng([seed, n, d]).normal(size=(n, d)).astype(dtype)
    rows.setflags(write=False)
    return rows


def pack(rows, bounds):
    panel_start = np.append(0, np.cumsum(-(-np.diff(bounds) // 8))).astype(np.int64)
    panels = np.empty(panel_start[-1] * 8 * rows.shape[1], rows.dtype)
    kernels.pack_panels(rows, bounds, panel_start, panels)
    return panels, panel_start


def search(rows, bounds, queries, own, probes, q, capacity=None):
    panels, panel_start = pack(rows, bounds)
    capacity = capacity or 4 * q + 32
    d2, ids = np.empty((len(queries), q)), np.empty((len(queries), q), np.int32)
    kernels.search_blocks(
        panels, panel_start, bounds, rows, queries, own, probes, np.empty(256, rows.dtype),
        np.empty(capacity), np.empty(capacity, np.int32), d2, ids,
    )  # fmt: skip
    return d2, ids


def same(kernel, twin, rtol=1e-13):
    np.testing.assert_array_equal(kernel[1], twin[1])
    np.testing.assert_allclose(kernel[0], twin[0], rtol=rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bounds", [[0, 0], [0, 1], [0, 7, 7, 16], [0, 9, 40]])
def test_panels_hold_the_rows_column_by_column(bounds, dtype):
    bounds = np.array(bounds)
    rows = points(bounds[-1], 5, dtype)
    np.testing.assert_array_equal(pack(rows, bounds)[0], reference.pack_panels(rows, bounds))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "d", "q"), [(1, 1, 3), (9, 3, 4), (57, 7, 64), (801, 33, 10), (801, 2, 1)]
)
def test_search_equals_the_sort(n, d, q, dtype):
    rows = points(n, d, dtype)
    bounds = np.unique(np.linspace(0, n, 6).astype(np.int64))
    own = np.arange(n)[:40]
    probes = np.random.default_rng(n).permuted(
        np.tile(np.arange(len(bounds) - 1, dtype=np.int32), (len(own), 1)), axis=1
    )
    probes[1::2, 1:] = -1
    kernel = search(rows, bounds, rows[:40], own, probes, q)
    same(kernel, reference.search_blocks(bounds, rows, rows[:40], own, probes, q))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("capacity", [None, 5 + 32])
@pytest.mark.parametrize("n_distinct", [1, 2, 7])
def test_ties_go_to_the_lower_id(n_distinct, capacity, dtype):
    # Heaps of equal rows overflow the scratch space, which must not cost a neighbour.
    rows = points(n_distinct, 6, dtype)[np.random.default_rng(1).integers(n_distinct, size=600)]
    bounds = np.array([0, 250, 600])
    probes = np.tile(np.array([1, 0], np.int32), (30, 1))
    kernel = search(rows, bounds, rows[:30], np.arange(30), probes, 5, capacity)
    same(kernel, reference.search_blocks(bounds, rows, rows[:30], np.arange(30), probes, 5))


def test_rows_that_float32_cannot_tell_apart_are_measured_again():
    # Far from the query all distances agree to one part in 10^8; only double sees their order.
    rng = np.random.default_rng(2)
    rows = np.full((500, 8), 1000, np.float32)
    rows[:, 0] += rng.permutation(500).astype(np.float32) * 2.0**-13
    query = np.zeros((1, 8), np.float32)
    bounds, probes, nobody = np.array([0, 500]), np.zeros((1, 1), np.int32), np.array([-1])
    kernel = search(rows, bounds, query, nobody, probes, 20)
    same(kernel, reference.search_blocks(bounds, rows, query, nobody, probes, 20))


def sift(rows, queries, own, limit, q):
    n, m, d = len(rows), len(queries), rows.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = rows.astype(np.float32), queries.astype(np.float32)
        products, sizes, own_sizes = -2 * y @ x.T, (x**2).sum(axis=1), (y**2).sum(axis=1)
    d2, ids, groups = np.empty((m, q)), np.empty((m, q), np.int32), n // 16 + 16
    heard_d2, heard, n_heard = np.empty(m * n, np.float32), np.empty(m * n, np.int32), np.empty(m, np.int64)
    size = max(q + 1, groups)
    kernels.sift_products(
        rows, queries, own, products, sizes, own_sizes, (d + 16) * 2.0**-24, limit,
        np.empty((3, n), np.float32), np.empty(groups, np.float32), np.empty(size),
        np.empty(size, np.int32), d2, ids, heard_d2, heard, n_heard,
    )  # fmt: skip
    query, total = np.repeat(np.arange(m), n_heard), n_heard.sum()
    return d2, ids, (query, heard[:total], heard_d2[:total])


def assert_sifted(rows, queries, own, limit, q):
    d2, ids, heard = sift(rows, queries, own, limit, q)
    twin_d2, twin_ids, twin = reference.sift_products(rows, queries, own, limit, q)
    same((d2, ids), (twin_d2, twin_ids.reshape(ids.shape)))
    assert list(zip(heard[0].tolist(), heard[1].tolist(), strict=True)) == [(k, i) for k, i, _ in twin]
    # To a rounding of float32, also of what is too small for it.
    np.testing.assert_allclose(heard[2], [distance for _, _, distance in twin], rtol=1e-6, atol=1e-45)
    return len(twin)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "d", "q"), [(1, 1, 1), (9, 3, 0), (57, 7, 12), (300, 5, 64), (1301, 33, 10), (1301, 2, 64)]
)
def test_sifting_equals_measuring_all(n, d, q, dtype):
    rows = points(n, d, dtype)
    # The distance below which a tenth of the queries lie; some rows hear nobody, one hears everybody.
    limit = np.full(n, np.quantile(reference.squared_distances(rows, rows[0]), 0.1), np.float32)
    limit[::3], limit[n // 2] = -np.inf, np.inf
    queries = np.concatenate([rows[:20], points(9, d, dtype, seed=1)])
    own = np.append(np.arange(min(n, 20)), [-1] * 9)
    assert assert_sifted(rows, queries, own, limit, q) >= 9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("offset", "scale"), [(1000, 1), (0, 1e-22), (0, 3e18), (0, 1e15)])
def test_sifting_rows_whose_products_tell_little(offset, scale, dtype):
    # Far from the centre, below and above what float32 squares can hold, and in heaps of equal rows.
    rows = points(400, 8, dtype)[np.random.default_rng(3).integers(200, size=700)]
    rows = (rows * dtype(scale) + dtype(offset)).astype(dtype)
    limit = np.full(700, 4 * scale**2, np.float32)
    assert assert_sifted(rows, rows[:40], np.arange(40), limit, 20) > 0 or scale > 1e18


def test_sifting_rows_beyond_float32():
    rows = points(700, 4, np.float64) * 1e25
    assert assert_sifted(rows, rows[:30], np.arange(30), np.full(700, np.inf, np.float32), 5) == 0


@pytest.mark.parametrize("q", [1, 5, 40])
def test_newcomers_go_behind_those_as_near(q):
    rng = np.random.default_rng(q)
    d2 = np.sort(rng.integers(0, 9, (30, q)).astype(np.float32), axis=1)
    ids = rng.permutation(30 * q).astype(np.int32).reshape(30, q)
    d2[::4, q // 2 :], ids[::4, q // 2 :] = np.inf, -1
    lists = rng.integers(0, 30, 400).astype(np.int32)
    newcomers = np.arange(5000, 5400, dtype=np.int32)
    distances = rng.integers(0, 11, 400).astype(np.float32)
    twin = reference.insert_newcomers(lists, newcomers, distances, d2, ids)
    for first, last in ((0, 11), (11, 30)):
        kernels.insert_newcomers(lists, newcomers, distances, first, last, d2, ids)
    np.testing.assert_array_equal(d2, twin[0])
    np.testing.assert_array_equal(ids, twin[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "q", "near", "far"), [(1, 2, 1, 1), (30, 4, 2, 3), (200, 8, 8, 8)])
def test_widening_equals_the_sort(n, q, near, far, dtype):
    rows = points(n, 4, dtype)
    rng = np.random.default_rng(n)
    lists = np.full((n, q), -1, np.int32)
    for i in range(n):
        known = rng.choice(n, min(q, n), replace=False)[: rng.integers(1, q + 1)]
        known = known[known != i]
        lists[i, : len(known)] = known
    first, last = n // 3, n
    d2, ids = np.empty((last - first, q)), np.empty((last - first, q), np.int32)
    kernels.widen_lists(
        lists, first, last, near, far, rows, np.full(n, -1, np.int32),
        np.empty(q + 3), np.empty(q + 3, np.int32), d2, ids,
    )  # fmt: skip
    same((d2, ids), reference.widen_lists(lists, first, last, near, far, rows))


@pytest.mark.parametrize(("n", "m", "q"), [(1, 1, 1), (7, 0, 3), (11, 30, 4)])
def test_transposed_lists(n, m, q):
    rng = np.random.default_rng(n)
    lists = np.array([rng.permutation(n)[:q] for _ in range(m)], np.int32).reshape(m, min(n, q))
    if m:
        lists[::3, -1] = -1
    list_weights = rng.random(lists.shape).astype(np.float32)
    counts = np.zeros(n, np.int64)
    kernels.count_sources(lists, counts)
    np.testing.assert_array_equal(counts, reference.count_sources(lists, n))
    begin = np.cumsum(counts) - counts
    indices, again = np.empty((2, counts.sum()), np.int32)
    weights = np.empty(counts.sum(), np.float32)
    kernels.scatter_sources(lists, begin.copy(), indices)
    kernels.scatter_weighted(lists, list_weights, begin.copy(), again, weights)
    np.testing.assert_array_equal(indices, reference.scatter_sources(lists, n))
    twin_indices, twin_weights = reference.scatter_weighted(lists, list_weights, n)
    np.testing.assert_array_equal(again, twin_indices)
    np.testing.assert_array_equal(weights, twin_weights)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_weights(dtype):
    rows, voters = points(9, 5, dtype), points(4, 5, dtype, seed=1)
    indptr = np.array([0, 2, 2, 3, 5, 7, 7, 9, 10, 12])
    indices = np.random.default_rng(0).integers(4, size=12).astype(np.int32)
    bandwidth = np.array([0.5, 1e-12, 3.0, 40.0])
    weights = np.empty(12, np.float32)
    kernels.kernel_weights(indptr, indices, 0, 4, rows, voters, bandwidth, weights)
    kernels.kernel_weights(indptr, indices, 4, 9, rows, voters, bandwidth, weights)
    twin = reference.kernel_weights(indptr, indices, rows, voters, bandwidth)
    np.testing.assert_allclose(weights, twin, rtol=1e-6)
    assert 0 < np.count_nonzero(weights) < 12


def test_wrong_inputs_are_refused():
    rows, bounds, nobody = points(20, 6, np.float32), np.array([0, 20]), np.array([-1])
    probes = np.zeros((1, 1), np.int32)
    with pytest.raises(ValueError, match="contiguous"):
        search(rows[:, ::2], bounds, rows[:1, ::2], nobody, probes, 3)
    with pytest.raises(ValueError, match="q \\+ 32"):
        search(rows, bounds, rows[:1], nobody, probes, 3, capacity=20)
    with pytest.raises(ValueError, match="one entry per query"):
        search(rows, bounds, rows[:2], nobody, probes, 3)
    panels, panel_start = pack(rows, bounds)
    with pytest.raises(ValueError, match="last bound"):
        kernels.search_blocks(
            panels, panel_start, bounds, rows[:19], rows[:1], nobody, probes,
            np.empty(256, np.float32), np.empty(64), np.empty(64, np.int32),
            np.empty((1, 3)), np.empty((1, 3), np.int32),
        )  # fmt: skip
    with pytest.raises(ValueError, match="one entry per row"):
        sift(rows, rows[:2], nobody.repeat(2), np.zeros(19, np.float32), 3)
    with pytest.raises(ValueError, match="one entry per query"):
        sift(rows, rows[:2], nobody, np.zeros(20, np.float32), 3)
    one, d2 = np.zeros(1, np.int32), np.zeros((1, 1), np.float32)
    with pytest.raises(ValueError, match="same length"):
        kernels.insert_newcomers(one, one, d2.repeat(2), 0, 1, d2, one[None])
