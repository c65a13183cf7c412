"""Small data for utilities that retrain a model."""

import numpy as np

from hcdv.games import GivenRows


def given(n=60, n_val=40, d=4, n_classes=2, seed=0, validation=True, order=None, scale=1.0):
    """Gaussian classes around random centres, as :class:`GivenRows`."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, d))
    labels = rng.integers(0, n_classes, n + n_val)
    labels[:n_classes] = np.arange(n_classes)
    X = (centres[labels] + rng.normal(size=(n + n_val, d))) * scale
    val = (X[n:], X[n:], labels[n:]) if validation else (None, None, None)
    return GivenRows(
        X=X[:n],
        features=X[:n],
        labels=labels[:n],
        classes=np.arange(n_classes),
        order=np.arange(n) if order is None else order,
        X_val=val[0],
        features_val=val[1],
        labels_val=val[2],
    )


def random_coalitions(rng, n, k, smallest=1):
    return [
        np.sort(rng.choice(n, rng.integers(smallest, n + 1), replace=False)).astype(np.int64)
        for _ in range(k)
    ]
