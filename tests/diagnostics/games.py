"""Small games of every kind over eight points, and a coalition-by-coalition view of any game."""

import numpy as np

from hcdv import HCDV
from hcdv.datasets import make_synthetic
from hcdv.diagnostics.setting import setting_of

N = 8
ALL = (np.arange(1 << N)[:, None] >> np.arange(N) & 1).astype(bool)
DATA = make_synthetic(n=N, n_val=4, n_test=2, random_state=3)


def table(game):
    """v of all coalitions of points, float64 [2^n]."""
    n = game.n_points
    return game.coalitions(np.arange(n), np.arange(n + 1), ALL[: 1 << n, :n])


def small_game(utility, dispersion="centred", with_validation=True, contrast=0.0):
    """The game of a fitted model over eight rows."""
    validation = (DATA.X_val, DATA.y_val) if with_validation else (None, None)
    y = np.array([0, 1, 0, 1, 1, 0, 1, 0])
    model = HCDV(
        utility=utility, contrast=contrast, dispersion=dispersion, leaf_size=3, n_permutations=2, random_state=0
    ).fit(DATA.X, y, *validation)
    setting = setting_of(model, DATA.X, y, *validation)
    return setting.games["contrast" if contrast else utility]
