from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from hcdv import HCDV
from hcdv.plot import style, value_histogram
from tests.plot.results import HOSTILE, result_of, texts

RNG = np.random.default_rng(0)


def shares(axes):
    """Of each row of the picture: left and right edges, and heights over its base line, of all its bins."""
    rows = {}
    for patch in axes.findobj(StepPatch):
        tops, edges, base = patch.get_data()
        rows.setdefault(float(base), []).append((tops - base, edges, patch.get_facecolor()))
    return [rows[base] for base in sorted(rows, reverse=True)]


def test_heights_are_shares_of_each_class():
    values = np.concatenate([RNG.normal(1, 1, 300), RNG.normal(0, 2, 50)])
    labels = np.repeat(["large", "small"], [300, 50])
    axes = value_histogram(result_of(values, labels=labels))
    drawn = shares(axes)
    per_share = None
    for name, row in zip(["large", "small"], drawn, strict=True):
        mine = values[labels == name]
        for heights, edges, colour in row:
            assert (edges[-1] <= 0) or (edges[0] >= 0)  # no bin has both signs
            is_below = edges[-1] <= 0
            assert to_hex(colour) == (style.MARKED if is_below else style.PLAIN)
            expected = np.array(
                [
                    ((mine >= a) & ((mine < b) | ((b == edges[-1]) & (mine == b)))).mean()
                    for a, b in pairwise(edges)
                ]
            )
            if per_share is None:
                per_share = heights.max() / expected.max()
            # One scale for both classes.
            np.testing.assert_allclose(heights, per_share * expected, atol=1e-12)
        assert sum(heights.sum() for heights, *_ in row) == pytest.approx(per_share)
    shown = texts(axes)
    assert {"large", "small", "Value of each row, by class"} <= set(shown)
    assert f"n = 300\n{(values[:300] < 0).mean():.0%} below 0" in shown
    assert axes.get_ylabel().startswith("share of the class's rows\n(tallest bin ")
    tallest = max(np.histogram(values[labels == name], edges_of(drawn))[0].max() / n
                  for name, n in (("large", 300), ("small", 50)))  # fmt: skip
    assert f"(tallest bin {tallest:.0%})" in axes.get_ylabel()


def edges_of(drawn):
    return np.unique(np.concatenate([edges for _, edges, _ in drawn[0]]))


def test_far_values_are_counted_in_the_outermost_bins():
    values = np.concatenate([np.linspace(1.0, 2.0, 3000), [900.0, -50.0]])
    axes = value_histogram(values)
    low, high = axes.get_xlim()
    assert 0.4 < low < 1 and 2 < high < 2.6
    (row,) = shares(axes)
    heights = np.concatenate([part[0] for part in row])
    # 3,000 values in between, and one at either end.
    assert heights[0] / heights.sum() == heights[-1] / heights.sum() == pytest.approx(1 / 3002)
    assert "2 rows beyond the ends" in axes.get_xlabel()
    assert "beyond" not in value_histogram(values[:3000]).get_xlabel()


@pytest.mark.parametrize(
    "values", [[3.0], [0.0], [-2.0, -2.0], [1.0, 1.0 + 1e-15], [0.0, 0.0, 5.0], [-1.0, 0.0]]
)
def test_few_or_equal_values(values):
    axes = value_histogram(result_of(values))
    total = sum(heights.sum() for heights, *_ in shares(axes)[0])
    tallest = max(heights.max() for heights, *_ in shares(axes)[0])
    counts = np.unique(values, return_counts=True)[1]
    if np.ptp(values) > 1e-6 or len(set(values)) == 1:
        assert total / tallest == pytest.approx(len(values) / counts.max())
    low, high = axes.get_xlim()
    assert low <= min(values) <= max(values) <= high
    assert "all rows" in texts(axes)


def test_many_groups_and_hostile_names():
    groups = np.concatenate([np.repeat(HOSTILE, 20), np.repeat([f"g{k:02d}" for k in range(20)], 2)])
    values = RNG.normal(size=len(groups))
    axes = value_histogram(values, groups, by_name="seller")
    assert len(shares(axes)) == 12
    shown = texts(axes)
    assert {"$a_{b$", "_hidden", "two lines", "13 others"} <= set(shown)
    assert "n = 26" in " ".join(shown)
    assert axes.get_title(loc="left") == "Value of each row, by seller"


def test_scores_are_no_values():
    axes = value_histogram(result_of([0.2, 0.7], has_game=False))
    assert axes.get_xlabel() == "score of a row"
    assert not any("below 0" in text for text in texts(axes))


def test_draws_on_the_axes_given():
    axes = Figure().subplots(1, 2)[1]
    assert value_histogram([1.0, -1.0], ax=axes) is axes


def test_a_model_is_no_values():
    with pytest.raises(TypeError, match=r"values must be a result .* got a model: pass model\.result_"):
        value_histogram(HCDV())
    with pytest.raises(ValueError, match="values must hold at least one value"):
        value_histogram(result_of([]))


@pytest.mark.parametrize(
    ("values", "by", "message"),
    [
        ([1.0, np.nan], None, "values has 1 NaN or infinite values"),
        ([1.0, 2.0], ["a"], r"by must name the group of each of 2 rows, got shape \(1,\)"),
        ([1.0, 2.0], [None, "a"], "by has 1 rows without a group"),
    ],
)
def test_errors(values, by, message):
    with pytest.raises(ValueError, match=message):
        value_histogram(values, by)
