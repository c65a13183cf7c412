"""The arrays that all libraries get."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

Arrays = dict[str, np.ndarray]

NOISE = 0.15


def flipped(y: np.ndarray, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels with 15% of them moved to another class, and which; int64 [n] and bool [n]."""
    rng = np.random.default_rng(seed)
    moved = rng.choice(len(y), round(NOISE * len(y)), replace=False)
    noisy, is_flipped = y.copy(), np.zeros(len(y), bool)
    noisy[moved] = (y[moved] + rng.integers(1, n_classes, len(moved))) % n_classes
    is_flipped[moved] = True
    return noisy, is_flipped


def noisy_rows(name: str, n: int, seed: int, n_val: int = 500) -> tuple[Arrays, np.ndarray]:
    """``"mc"`` (make_classification, 2 classes) or ``"digits"``, standardised, and which labels are wrong.

    Validation rows are clean.  The same arrays as of ``data(name, n)`` in the earlier measurements.
    """
    if name == "mc":
        X, y = make_classification(
            n + n_val, 20, n_informative=10, n_redundant=0, class_sep=1.5, flip_y=0.0, random_state=seed
        )
    else:
        X, y = load_digits(return_X_y=True)
    X, X_val, y, y_val = train_test_split(X, y, train_size=n, test_size=n_val, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X)
    y, is_flipped = flipped(y, int(y.max()) + 1, seed)
    return {"X": scaler.transform(X), "y": y, "X_val": scaler.transform(X_val), "y_val": y_val}, is_flipped


def black_box(n_players: int) -> tuple[Arrays, np.ndarray]:
    """A game of weights, pairs and a root of the size (``_worker.BlackBox``), and its exact values."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=n_players)
    pairs = np.triu(0.2 * rng.normal(size=(n_players, n_players)), 1)
    exact = weights + 0.5 * (pairs.sum(0) + pairs.sum(1)) + n_players**-0.5
    return {"weights": weights, "pairs": pairs}, exact
