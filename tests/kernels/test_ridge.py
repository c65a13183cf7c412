import numpy as np
import pytest

from hcdv._kernels.ridge import ridge_chain
from tests.reference import ridge as reference


def data(n, d, n_classes, n_val=50, seed=0):
    rng = np.random.default_rng(seed)
    X, X_val = rng.normal(size=(n, d)), rng.normal(size=(n_val, d))
    direction = rng.normal(size=(d, n_classes))
    noise = rng.normal(size=(n, n_classes))
    return X, (X @ direction + noise).argmax(axis=1), X_val, (X_val @ direction).argmax(axis=1)


def run(X, labels, n_classes, order, stops, X_val, labels_val, alpha=1.0, inverse=None):
    d, n_val = X.shape[1], len(X_val)
    values = np.empty(len(stops))
    inverse = np.eye(d) / alpha if inverse is None else inverse
    ridge_chain(
        X, labels, order, stops, np.ascontiguousarray(X_val.T, np.float64), labels_val,
        1.0 / n_classes, inverse, np.zeros((n_classes, d)), np.zeros(d), np.zeros(n_classes),
        np.empty((n_classes, n_val)), np.empty(2 * d + n_val), np.empty(n_val, np.int64), values,
    )  # fmt: skip
    return values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d", "n_classes"), [(0, 3, 2), (1, 1, 2), (7, 3, 2), (60, 5, 4), (31, 0, 3)])
def test_chain_equals_its_twin(dtype, n, d, n_classes):
    X, labels, X_val, labels_val = data(n, d, n_classes)
    X = X.astype(dtype)
    X.setflags(write=False)
    rng = np.random.default_rng(1)
    order = rng.permutation(n)
    # Every point, none, a few, some twice, gaps of all sizes: scores are carried to the next stop or made anew.
    for stops in (
        np.arange(n + 1),
        np.empty(0, np.int64),
        np.array([0, n // 2, n // 2, n]),
        np.array([n]),
        np.unique(rng.integers(0, n + 1, n)),
    ):
        np.testing.assert_array_equal(
            run(X, labels, n_classes, order, stops, X_val, labels_val),
            reference.ridge_chain(X, labels, n_classes, order, stops, X_val, labels_val, 1.0, 1 / n_classes),
        )


@pytest.mark.parametrize("alpha", [1.0, 1e-6])
def test_updates_keep_their_digits_over_a_long_chain(alpha):
    X, labels, X_val, labels_val = data(10_000, 12, 3, n_val=1000)
    # Columns of any size, copies, a sum and a constant: the sums of products are singular.
    X, X_val = (
        np.hstack([Z, 1e3 * Z[:, :4], Z[:, :2] + Z[:, 2:4], np.ones((len(Z), 1))]) for Z in (X, X_val)
    )
    order = np.random.default_rng(1).permutation(10_000)
    checked = np.array([2, 10, 30, 100, 1000, 5000, 10_000])
    found = run(X, labels, 3, order, np.arange(10_001), X_val, labels_val, alpha)[checked]
    expected = reference.ridge_chain(X, labels, 3, order, checked, X_val, labels_val, alpha, 1 / 3)
    # One row of 1,000 may stand on the boundary.
    np.testing.assert_allclose(found, expected, atol=1.01e-3)


def test_the_inverse_stays_one_where_the_penalty_is_tiny_beside_the_rows():
    X, labels, X_val, labels_val = data(10_000, 16, 3)
    X, X_val, alpha = 1e3 * X, 1e3 * X_val, 1e-6
    inverse = np.eye(16) / alpha
    run(X, labels, 3, np.arange(10_000), np.array([10_000]), X_val, labels_val, alpha, inverse)
    np.testing.assert_array_equal(inverse, inverse.T)
    centred = X - X.mean(axis=0)
    identity = inverse @ (centred.T @ centred + alpha * np.eye(16))
    np.testing.assert_allclose(identity, np.eye(16), atol=1e-4)


def test_a_class_not_met_is_never_predicted():
    X = np.array([[0.0], [1.0], [2.0]])
    values = run(
        X, np.array([0, 0, 2]), 3, np.arange(3), np.arange(4), np.array([[0.0], [5.0]]), np.array([0, 1])
    )
    np.testing.assert_array_equal(values, [1 / 3, 0.5, 0.5, 0.5])


def test_strided_input_is_refused():
    X = np.zeros((8, 4))[:, ::2]
    with pytest.raises(ValueError, match="contiguous"):
        run(X, np.zeros(8, np.int64), 2, np.arange(8), np.array([8]), np.zeros((3, 2)), np.zeros(3, np.int64))
