"""docs/pictures.md shows what its blocks draw."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hcdv import plot

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"\]\(images/(plot_\w+\.png)\)", PAGE)


def test_every_picture_is_shown_and_small():
    for name in set(plot.__all__) - {"value_over_time"}:
        assert f"{name}(" in PAGE
    assert sorted(SHOWN) == sorted(path.name for path in (ROOT / "docs" / "images").glob("plot_*.png"))
    for name in SHOWN:
        assert (ROOT / "docs" / "images" / name).stat().st_size < 100_000


@pytest.mark.slow
def test_the_page_draws_them(tmp_path):
    script = ROOT / "examples" / "pictures.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(SHOWN)
