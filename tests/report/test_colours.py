"""Text and controls stand out from what is behind them, in light and in dark."""

import re
from importlib.resources import files

import pytest

STYLE = (files("hcdv.report") / "templates" / "report.css").read_text()
PAIRS = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\);", STYLE))


def contrast(one, other):
    """The ratio of WCAG 2: (L1 + .05) / (L2 + .05)."""

    def light(colour):
        channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted([light(one), light(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXT = [
    *((ink, ground) for ink in ("ink", "quiet", "accent", "alert") for ground in ("page", "card", "raised")),
    ("on-accent", "accent"),
    ("alert", "alert-page"),
]
DRAWN = [(name, "card") for name in ("control", "c0", "c1", "c2", "c3", "c4", "c5", "q-4", "q4")]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("pair", "least"), [*((pair, 4.5) for pair in TEXT), *((pair, 3.0) for pair in DRAWN)], ids=str
)
def test_contrast(pair, least, theme):
    ink, ground = (PAIRS[name].split(", ")[theme] for name in pair)
    assert contrast(ink, ground) >= least


def test_the_ratio_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_every_colour_has_a_light_and_a_dark_form():
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) == set(PAIRS)
