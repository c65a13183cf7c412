from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from hcdv import HCDV, Hierarchy
from hcdv.plot import value_tree
from tests.plot.results import result_of, texts, with_tree

RNG = np.random.default_rng(0)


def boxes(axes):
    """Of each node drawn: left, right, top, bottom and colour."""
    found = []
    for level in axes.findobj(PolyCollection):
        if level.axes is not axes:
            continue  # the colour bar
        for path, colour in zip(level.get_paths(), level.get_facecolors(), strict=True):
            x, y = path.vertices[:, 0], path.vertices[:, 1]
            found.append((x.min(), x.max(), y.min(), y.max(), colour))
    return found


def test_areas_and_colours():
    values = np.array([1.0, 1.0, 1.0, -1.0, -2.0, 3.0, 4.0, 5.0])
    result = with_tree(values, list("aaabbbbb"), list("aaabbccc"))
    axes = value_tree(result)
    # The root; a and b; of b its two halves (a is not divided).
    expected = [(0, 8, 0, 12.0), (0, 3, 1, 3.0), (3, 8, 1, 9.0), (3, 5, 2, -3.0), (5, 8, 2, 12.0)]
    drawn = boxes(axes)
    assert len(drawn) == len(expected)
    worth = []
    for (left, right, top, bottom, colour), (start, stop, level, total) in zip(drawn, expected, strict=True):
        assert (left, right, top, bottom) == (start, stop, level, level + 1)
        assert (colour[0] > colour[2]) == (total < 0)  # red below 0, blue above
        worth.append(total / (stop - start))
    light = [colour[:3].sum() for *_, colour in drawn]
    np.testing.assert_array_equal(np.argsort(light), np.argsort(worth))
    shown = texts(axes)
    assert {"1.5", "1", "1.8", "−1.5", "4"} <= set(shown)
    assert {"all rows", "2 nodes\nof 3–5 rows", "2 nodes\nof 2–3 rows"} <= set(shown)
    assert axes.get_title(loc="left") == "Value down the tree: 12 in all"
    assert axes.get_xlabel() == "the 8 rows in the order of the tree"


def test_numbers_are_short():
    axes = value_tree(with_tree([500e-9, 500e-9, -2e-9], [0, 0, 1]))
    assert {"500", "−2", "333", "mean value of a row in 10⁻⁹"} <= set(texts(axes))


def test_levels_too_narrow_are_left_out():
    n = 40_000
    coarse, fine = np.arange(n) // 1000, np.arange(n) // 10
    axes = value_tree(with_tree(RNG.normal(size=n), coarse, fine))
    assert len(boxes(axes)) == 1 + 40
    assert "4,000 nodes of deeper levels are too narrow to draw" in axes.get_xlabel()


def test_levels_of_hardly_any_rows_are_left_out():
    n = 1000
    fine = np.where(np.arange(n) < 20, np.arange(n) // 10, 2)
    axes = value_tree(with_tree(RNG.normal(size=n), np.arange(n) // 20, fine))
    assert len(boxes(axes)) == 1 + 50
    assert "2 nodes of deeper levels" in axes.get_xlabel()


@pytest.mark.parametrize("values", [np.ones(6), np.zeros(6), -np.ones(6), [2.0]])
def test_all_alike(values):
    root = Hierarchy.build(np.zeros((len(values), 2)), leaf_size=10)
    result = result_of(values, hierarchy=root, node_values=[np.sum(values)])
    axes = value_tree(result)
    assert len(boxes(axes)) == 1
    texts(axes)


def test_a_million_rows_are_few_patches():
    n = 1_000_000
    result = with_tree(RNG.normal(size=n), np.arange(n) // 125_000, np.arange(n) // 15_625, np.arange(n) // 10)
    assert len(boxes(value_tree(result))) == 1 + 8 + 64


def test_no_tree():
    with pytest.raises(ValueError, match="no tree with values of its nodes"):
        value_tree(result_of([1.0, 2.0]))
    gaps = with_tree([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="node_values has 3 NaN or infinite values"):
        value_tree(replace(gaps, node_values=np.full(3, np.nan)))
    with pytest.raises(TypeError, match=r"must be a ValuationResult, got HCDV: pass model\.result_\."):
        value_tree(HCDV())
    with pytest.raises(TypeError, match=r"must be a ValuationResult, got list\."):
        value_tree([1.0])
