"""How well values find planted flips, and means of such figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from hcdv.selection import two_means_threshold


def flip_scores(values: np.ndarray, is_flipped: np.ndarray) -> dict[str, float]:
    """AUC of the low values, and OpenDataVal's F1 (exact 1-D 2-means, lower cluster = noisy)."""
    return {
        "auc": float(roc_auc_score(is_flipped, -values)),
        "f1": float(f1_score(is_flipped, values <= two_means_threshold(values))),
    }


def mean_over_seeds(
    rows: list[dict[str, Any]], keys: tuple[str, ...], noise: float, variant: str, name: str
) -> tuple[float, ...]:
    """Figures of one variant on one data set."""
    mine = [r for r in rows if (r["noise"], r["variant"], r["set"]) == (noise, variant, name)]
    return tuple(float(np.mean([r[key] for r in mine])) for key in keys)
