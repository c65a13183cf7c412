from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from hcdv.plot import score_curves
from hcdv.tasks import Curves
from tests.plot.results import texts


def curves(scores, spread=0.0, **options):
    fractions = np.array([0.0, 0.1, 0.2])
    thrice = {name: np.broadcast_to(values, 3) for name, values in scores.items()}
    facts = {
        "kind": "removal",
        "fractions": fractions,
        "n_trained": np.array([1000, 900, 800]),
        "scores": {name: np.array(values) for name, values in scores.items()},
        "spread": {name: np.full(3, spread if name == "random" else 0.0) for name in scores},
        "area": {name: float(np.trapezoid(values, fractions) / 0.2) for name, values in thrice.items()},
        "metric": "accuracy",
    }
    return Curves(**(facts | options))


ONE = curves({"lowest": [0.8, 0.85, 0.9], "random": [0.8, 0.78, 0.7]}, spread=0.02)


def bands(axes):
    """Lowest and highest y of each band at the x of each point."""
    found = []
    for band in axes.findobj(PolyCollection):
        x, y = band.get_paths()[0].vertices.T
        found.append([(y[np.isclose(x, at)].min(), y[np.isclose(x, at)].max()) for at in (0, 10, 20)])
    return np.array(found)


def test_lines_and_the_band_of_the_random_order():
    axes = score_curves(ONE)
    lines = axes.get_lines()
    for line, name in zip(lines, ONE.scores, strict=True):
        np.testing.assert_allclose(line.get_xdata(), [0, 10, 20])
        np.testing.assert_allclose(line.get_ydata(), ONE.scores[name])
    np.testing.assert_allclose(bands(axes), [[(0.78, 0.82), (0.76, 0.80), (0.68, 0.72)]])
    shown = texts(axes)
    assert {"lowest (area 0.850)", "random (area 0.765)", "accuracy on the test rows"} <= set(shown)
    assert "trained on 1,000 to 800 rows" in axes.get_xlabel()


def test_repeats_have_a_mean_and_bands():
    two = curves({"lowest": [0.6, 0.65, 0.7], "random": [0.8, 0.78, 0.7]})
    axes = score_curves([ONE, two])
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), [0.7, 0.75, 0.8])
    half = 0.2 / np.sqrt(2)  # standard deviation of two numbers .2 apart
    # The random order was the same in both: no band.
    np.testing.assert_allclose(bands(axes), [[(0.7 - half, 0.7 + half), (0.75 - half, 0.75 + half),
                                              (0.8 - half, 0.8 + half)]])  # fmt: skip
    assert "2 repeats" in axes.get_title(loc="left")
    assert "lowest (area 0.750)" in texts(axes)


def test_hostile_names_and_one_fraction():
    names = ["$x_{$, lowest", "_y, lowest"]
    one = curves(
        {name: [0.5] for name in names}, kind="addition", fractions=np.array([0.3]), n_trained=np.array([30]),
        spread={name: np.zeros(1) for name in names}, area=dict.fromkeys(names, 0.5), metric="$f_{",
    )  # fmt: skip
    shown = texts(score_curves(one))
    assert {"$x_{$, lowest (area 0.500)", "_y, lowest (area 0.500)", "$f_{ on the test rows"} <= set(shown)
    assert any("rows added" in text and "trained on 30 rows" in text for text in shown)


def test_errors():
    for wrong in (None, [], [ONE, 3], "curve"):
        with pytest.raises(TypeError, match="curves must be what removal_curve or addition_curve gave"):
            score_curves(wrong)
    for change in ({"kind": "addition"}, {"metric": "f1"}, {"fractions": np.array([0.0, 0.1, 0.3])}):
        with pytest.raises(ValueError, match="repeats must be of one kind"):
            score_curves([ONE, replace(ONE, **change)])
