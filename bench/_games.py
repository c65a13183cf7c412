"""Games of 10 to 16 players whose whole table of 2**m values is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

KEPT = Path(__file__).parents[1] / "build" / "games"


def coalitions(m: int) -> Bools:
    """All coalitions, [2**m, m]: row s holds player j when bit j of s is set."""
    return (np.arange(1 << m)[:, None] >> np.arange(m) & 1).astype(bool)


def airport(m: int) -> Floats:
    """The cost of a runway is that of its largest aeroplane (Littlechild and Owen 1973)."""
    cost = np.random.default_rng(m).uniform(0, 5, m)
    return np.where(coalitions(m), cost, 0.0).max(axis=1)


def voting(m: int) -> Floats:
    """Parties of 1 to 20 seats; a coalition wins with more than half of all."""
    seats = np.random.default_rng(m).integers(1, 21, m)
    return (2 * (coalitions(m) @ seats) > seats.sum()).astype(float)


def random(m: int) -> Floats:
    """No structure at all: a normal variate for every coalition, 0 for the empty one."""
    table = np.random.default_rng(m).normal(size=1 << m)
    table[0] = 0.0
    return table


def logistic(m: int) -> Floats:
    """Validation accuracy of logistic regression on the union of groups of handwritten digits.

    160 rows, 8 principal components, clustered into m groups; 400 validation rows; a coalition of a
    single class predicts it; the empty one guesses. The table is kept under ``build/games``, since
    16 players take 65,536 fits.
    """
    kept = KEPT / f"logistic_{m}.npy"
    if kept.exists():
        return np.asarray(np.load(kept))
    X, y = load_digits(return_X_y=True)
    X = PCA(8, random_state=0).fit_transform(X)
    X /= X.std(axis=0)
    order = np.random.default_rng(0).permutation(len(X))
    train, val = order[:160], order[160:560]
    group = KMeans(m, n_init=3, random_state=0).fit_predict(X[train])
    table = np.empty(1 << m)
    table[0] = 0.1
    for s, members in enumerate(coalitions(m)[1:], start=1):
        rows = train[members[group]]
        if len(np.unique(y[rows])) == 1:
            table[s] = np.mean(y[val] == y[rows[0]])
        else:
            model = LogisticRegression(tol=1e-2, max_iter=50).fit(X[rows], y[rows])
            table[s] = np.mean(model.predict(X[val]) == y[val])
    KEPT.mkdir(parents=True, exist_ok=True)
    np.save(kept, table)
    return table


GAMES: dict[str, Callable[[int], Floats]] = {
    "logistic": logistic,
    "airport": airport,
    "voting": voting,
    "random": random,
}
