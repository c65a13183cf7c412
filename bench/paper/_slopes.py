"""How fast something grows: slopes of logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def slope(sizes: Sequence[float] | np.ndarray, figures: np.ndarray) -> float:
    """Of log figures against log sizes, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(figures), 1)[0])


def told_slope(sizes: Sequence[float] | np.ndarray, figures: np.ndarray) -> str:
    """With two decimals; a dash for a single size."""
    # An exponent of -0.00 is 0.
    return f"{slope(sizes, figures) + 1e-12:.2f}" if len(sizes) > 1 else "–"
