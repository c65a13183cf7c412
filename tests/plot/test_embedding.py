import numpy as np
import pytest

from hcdv.plot import embedding_map
from tests.plot.results import result_of, texts

RNG = np.random.default_rng(0)


def places(axes):
    """Where the others lie, and the lowest."""
    return [np.asarray(dots.get_offsets()) for dots in axes.collections]


def test_two_columns_are_drawn_as_they_are():
    plane = RNG.normal(size=(200, 2)).astype(np.float32)
    values = RNG.normal(size=200)
    others, lowest = places(embedding_map(result_of(values), plane, n_lowest=7))
    order = np.argsort(values)
    np.testing.assert_allclose(lowest, plane[order[:7]])
    np.testing.assert_allclose(others, plane[np.sort(order[7:])])


def test_more_columns_are_projected():
    # Long along one direction, shorter along another.
    basis = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    spans = RNG.normal(size=(300, 6)) * [10, 3, 0.01, 0.01, 0.01, 0.01]
    values = RNG.normal(size=300)
    axes = embedding_map(values, spans @ basis.T, n_lowest=5)
    lowest = places(axes)[1]
    expected = (spans - spans.mean(axis=0))[np.argsort(values)[:5], :2]
    for k in range(2):
        assert abs(np.corrcoef(lowest[:, k], expected[:, k])[0, 1]) > 0.99
    share = spans.var(axis=0) / spans.var(axis=0).sum()
    assert axes.get_xlabel() == f"principal component 1 ({share[0]:.0%} of the variance)"
    assert "lowest 5 of 300 rows" in texts(axes) and "295 others" in texts(axes)


def test_of_many_rows_a_sample_and_all_the_lowest():
    n = 1_000_000
    plane, values = RNG.normal(size=(n, 2)).astype(np.float32), RNG.normal(size=n)
    axes = embedding_map(values, plane)
    others, lowest = places(axes)
    assert len(others) == 5000
    np.testing.assert_array_equal(np.sort(lowest, axis=0), np.sort(plane[np.argsort(values)[:50]], axis=0))
    np.testing.assert_array_equal(places(embedding_map(values, plane))[0], others)
    assert "999,950 others, of which 5,000 are drawn" in texts(axes)
    assert axes.collections[0].get_rasterized()


@pytest.mark.parametrize("d", [1, 2, 3, 40])
@pytest.mark.parametrize("n", [1, 2, 60])
def test_few_rows_equal_rows_equal_values(n, d):
    axes = embedding_map(np.ones(n), np.ones((n, d)))
    assert sum(map(len, places(axes))) == n
    texts(axes)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e30, 1e-40])
def test_very_large_and_very_small_coordinates(scale):
    points = RNG.normal(size=(60, 4)) * [5, 2, 1, 1]
    usual, scaled = (embedding_map(np.arange(60.0), p) for p in (points, points * scale))
    assert scaled.get_xlabel() == usual.get_xlabel()
    for a, b in zip(places(usual), places(scaled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_colours_tell_the_sign():
    values = np.array([-3.0, -2.0, 1.0, 2.0, 3.0, -1.0])
    axes = embedding_map(values, np.arange(12.0).reshape(6, 2), n_lowest=1)
    colours = axes.collections[0].get_facecolors()
    np.testing.assert_array_equal(colours[:, 0] > colours[:, 2], values[1:] < 0)


@pytest.mark.parametrize(
    ("embedding", "options", "message"),
    [
        (np.ones((3, 2)), {}, "embedding has 3 rows for 2 values"),
        (np.ones(2), {}, "embedding must be 2-dimensional"),
        (np.ones((2, 0)), {}, "embedding must have at least one column"),
        ([[1, np.nan], [1, 1]], {}, "embedding has 1 NaN or infinite values"),
        (np.ones((2, 2)), {"n_lowest": 0}, "n_lowest must be at least 1"),
    ],
)
def test_errors(embedding, options, message):
    with pytest.raises(ValueError, match=message):
        embedding_map([1.0, 2.0], embedding, **options)
