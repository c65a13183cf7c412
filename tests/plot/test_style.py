"""Colours that differ in lightness, names that are no formulas, and nothing global."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from hcdv.plot import style, value_histogram
from tests.plot.results import HOSTILE, texts

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
BLIND = {
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}
# IEC 61966-2-1: linear RGB to XYZ as a share of the white point.
XYZ = np.array([[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0178, 0.1095, 0.8728]])


def lab(colour, seen=None):
    """CIE L*, a*, b* of a colour, as an eye sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if seen is not None:
        linear = np.clip(np.array(seen) @ linear, 0, 1)
    xyz = XYZ @ linear
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_lines_differ_in_grey_and_for_the_colour_blind():
    lightness = [lab(colour)[0] for colour in style.LINES]
    np.testing.assert_allclose(lightness, [19, 42, 54, 71, 82], atol=0.6)  # what the module says
    for seen in BLIND.values():
        eyes = [lab(colour, seen) for colour in style.LINES]
        apart = [np.linalg.norm(a - b) for k, a in enumerate(eyes) for b in eyes[:k]]
        assert min(apart) > 25
    assert abs(lab(style.PLAIN)[0] - lab(style.MARKED)[0]) > 15


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (2.0, 3.0), (-3.0, -2.0)])
def test_colours_of_values_grow_lighter(low, high):
    worth = np.linspace(low, high, 100)
    colours = style.value_colours(low, high).to_rgba(worth)
    assert all(a[0] < b[0] + 1e-9 for a, b in pairwise(map(lab, colours[:, :3])))
    is_red = colours[:, 0] > colours[:, 2]
    np.testing.assert_array_equal(is_red, worth < 0)


def test_one_value_has_a_colour():
    assert style.value_colours(0.0, 0.0).to_rgba(0.0)[3] == 1.0


def test_lines_beyond_the_colours_are_told_apart_by_dashes():
    looks = [style.line_style(k) for k in range(12)]
    assert len({(look["color"], look["linestyle"]) for look in looks}) == 12


@pytest.mark.parametrize(
    ("largest", "factor", "suffix"),
    [
        (0.83, 1, ""), (0.01, 1, ""), (12345, 1, ""), (0, 1, ""),
        (0.002, 1e-3, " in 10⁻³"), (0.9e-3, 1e-6, " in 10⁻⁶"), (3e7, 1e6, " in 10⁶"),
    ],
)  # fmt: skip
def test_powers(largest, factor, suffix):
    power, words = style.power_of(largest)
    assert power == pytest.approx(factor)
    assert words == suffix


def test_numbers_along_an_axis():
    axes = Figure().subplots()
    axes.set_xlim(-0.004, 0.002)
    axes.set_xticks([-0.004, 0.0015])
    style.in_powers(axes.xaxis, 0.004, "value{}, all")
    assert axes.get_xlabel() == "value in 10⁻³, all"
    texts(axes)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["−4", "1.5"]


def test_hostile_names():
    axes = Figure().subplots()
    lines = [axes.plot([0, 1])[0] for _ in HOSTILE]
    style.legend(axes, lines, [style.as_name(name) for name in HOSTILE])
    style.name_rows(axes, range(4), [style.as_name(name) for name in HOSTILE])
    texts(axes)
    names = ["$a_{b$", "_hidden", "50% & \\frac{1}{", "two lines"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert style.as_name("x" * 99) == "x" * 31 + "…"


def test_ax_must_be_axes():
    for wrong in ("values.png", Figure()):
        with pytest.raises(TypeError, match="ax must be the axes of a matplotlib figure, got"):
            value_histogram([1.0, 2.0], ax=wrong)
    figure = Figure()
    axes = figure.subplots()
    assert value_histogram([1.0, 2.0], ax=axes) is axes


def test_nothing_global(tmp_path):
    code = """
import sys
import matplotlib
before = dict(dict.items(matplotlib.rcParams))  # asking for the backend would choose one
import numpy as np
from hcdv import HCDV, plot
from hcdv.tasks import marketplace_payouts, removal_curve
X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
model = HCDV(n_permutations=4, random_state=0, n_jobs=1, keep_chains=True).fit(X, y, groups=y)
result = model.result_
pictures = [
    plot.value_histogram(result), plot.value_tree(result), plot.embedding_map(result, X),
    plot.score_curves(removal_curve(result, X, y, X, y, n_jobs=1)), plot.chain_convergence(model),
    plot.payout_bars(marketplace_payouts(result, y, 10), plot.group_std_error(result, y)),
]
model.partial_fit(X[:5], y[:5], groups=y[:5])
pictures.append(plot.plot_history(model).axes[0])
for k, axes in enumerate(pictures):
    axes.figure.savefig(f"{k}.png")
assert dict(dict.items(matplotlib.rcParams)) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 7


def test_without_matplotlib():
    code = """
import sys
sys.modules["matplotlib"] = None
from hcdv.plot import value_histogram, value_over_time
value_over_time([])
try:
    value_histogram([1.0, 2.0])
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pictures need matplotlib")
    assert done.stdout.endswith("pip install 'hcdv[report]'.\n")
