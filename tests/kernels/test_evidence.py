import numpy as np
import pytest

from hcdv._kernels.evidence import LANES, ROWS, evidence_chain
from hcdv.engine import Threads
from tests.reference import evidence as reference


def chain(X, labels, n_classes, order, stops, noise=0.25, leverage=True, prior=None):
    """Values at the stops, covariance and coefficients at the end."""
    d = X.shape[1] + 1
    if prior is None:
        prior = np.eye(d) / max(1, X.shape[1])
    stride = -(-(d + n_classes) // LANES) * LANES
    posterior, values = np.zeros((d, stride)), np.empty(len(stops))
    posterior[:, :d] = prior
    evidence_chain(
        X, labels, n_classes, order, stops, noise, leverage, 0.0, posterior,
        np.empty((ROWS, stride)), np.empty((ROWS, stride)), values,
    )  # fmt: skip
    assert not posterior[:, d + n_classes :].any()
    return values, posterior[:, :d], posterior[:, d : d + n_classes].T


@pytest.mark.parametrize("leverage", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "d", "n_classes"), [(0, 2, 2), (1, 1, 2), (7, 3, 2), (8, 2, 3), (40, 5, 4), (31, 0, 3), (33, 70, 2)]
)
def test_chain_equals_its_twins(leverage, dtype, n, d, n_classes):
    rng = np.random.default_rng(n)
    X, labels = rng.normal(size=(n, d)).astype(dtype), rng.integers(0, n_classes, n)
    order, stops = rng.permutation(n), np.arange(n + 1)
    for array in (X, labels, order, stops):
        array.setflags(write=False)
    values, covariance, coefficients = chain(X, labels, n_classes, order, stops, leverage=leverage)
    np.testing.assert_allclose(
        values,
        reference.evidence_chain(X, labels, n_classes, 0.25, leverage, order, stops),
        atol=1e-9,
        rtol=1e-10,
    )
    prior = np.eye(d + 1) / max(1, d)
    by_rows = reference.rank_one_chain(
        X, labels, 0.25, leverage, order, stops, prior, np.zeros((n_classes, d + 1))
    )
    for found, expected in zip((values, covariance, coefficients), by_rows, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("leverage", [False, True])
def test_long_chain_of_ill_conditioned_rows_equals_its_twin(leverage):
    n, n_classes, rng = 100_000, 3, np.random.default_rng(0)
    X = rng.normal(size=(n, 9))
    X[:, 3:6] = X[:, :3] + 1e-7 * X[:, 3:6]  # copies, nearly
    X[:, 6], X[:, 7] = 1e6 * X[:, 6], 1e-6 * X[:, 7]
    X[n // 2] *= 1e4
    labels = np.argmax(X[:, :3] + rng.normal(size=(n, 3)), axis=1)
    order, stops = rng.permutation(n), np.arange(n + 1)
    prior = np.diag(np.append(np.full(9, 1 / (9 * np.mean(X**2))), 1 / 9))
    values, covariance, coefficients = chain(X, labels, n_classes, order, stops, leverage=leverage, prior=prior)
    by_rows = reference.rank_one_chain(
        X, labels, 0.25, leverage, order, stops, prior, np.zeros((n_classes, 10))
    )
    np.testing.assert_allclose(values, by_rows[0], rtol=1e-10)
    size = 1 / np.sqrt(np.diag(prior))
    scaled, expected = size[:, None] * covariance * size, size[:, None] * by_rows[1] * size
    np.testing.assert_allclose(scaled, expected, atol=1e-10)
    np.testing.assert_allclose(scaled, scaled.T, atol=1e-12)
    assert np.linalg.eigvalsh(scaled).min() > 0
    np.testing.assert_allclose(coefficients * size, by_rows[2] * size, rtol=1e-7, atol=1e-9)


def test_values_at_some_stops_are_those_at_all():
    rng = np.random.default_rng(3)
    X, labels, order = rng.normal(size=(50, 4)), rng.integers(0, 2, 50), rng.permutation(50)
    everywhere = chain(X, labels, 2, order, np.arange(51))[0]
    stops = np.array([0, 0, 7, 8, 9, 9, 16, 31, 50, 50])
    np.testing.assert_array_equal(chain(X, labels, 2, order, stops)[0], everywhere[stops])
    assert len(chain(X, labels, 2, order, stops[:0])[0]) == 0


@pytest.mark.parametrize("d", [3, 64, 300])
def test_same_bits_for_any_number_of_threads(d):
    rng = np.random.default_rng(d)
    X, labels = rng.normal(size=(203, d)), rng.integers(0, 3, 203)
    orders, stops = [rng.permutation(203) for _ in range(6)], np.arange(204)

    def values(order):
        return chain(X, labels, 3, order, stops)[0]

    one, three = (list(Threads(n_jobs).map(values, orders)) for n_jobs in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_total_is_the_log_marginal_likelihood_whatever_the_order():
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(600, 24)), rng.integers(0, 5, 600)
    direct = reference.log_marginal_likelihood(X, labels, 5, 0.25)
    for _ in range(3):
        total = chain(X, labels, 5, rng.permutation(600), np.array([600]))[0][0]
        assert total == pytest.approx(direct, rel=1e-8)


def test_strided_input_is_refused():
    X = np.zeros((8, 4))[:, ::2]
    with pytest.raises(ValueError, match="contiguous"):
        chain(X, np.zeros(8, np.int64), 2, np.arange(8), np.array([8]))


@pytest.mark.parametrize(
    ("posterior", "rows", "products", "sentence"),
    [
        ((5, 9), (8, 9), (8, 9), "whole lanes"),
        ((5, 8), (8, 8), (8, 8), "room for d"),
        ((4, 16), (8, 16), (8, 16), "a row a column"),
        ((5, 16), (7, 16), (8, 16), "eight rows"),
        ((5, 16), (8, 16), (16, 16), "eight rows"),
        ((5, 16), (8, 16), (8, 24), "as wide"),
    ],
)
def test_arrays_of_other_shapes_are_refused(posterior, rows, products, sentence):
    with pytest.raises(ValueError, match=sentence):
        evidence_chain(
            np.zeros((3, 4)), np.zeros(3, np.int64), 4, np.arange(3), np.arange(4), 0.25, True, 0.0,
            np.zeros(posterior), np.empty(rows), np.empty(products), np.empty(4),
        )  # fmt: skip
