"""The small data set of these tests."""

from hcdv import HCDV
from hcdv.datasets import flip_labels, make_synthetic

DATA = make_synthetic(n=120, n_val=40, n_test=40, random_state=0)
NOISY, IS_FLIPPED = flip_labels(DATA.y, 0.2, random_state=0)


def quick(**parameters):
    """HCDV of few chains."""
    return HCDV(**{"n_permutations": 8, "random_state": 0, "n_jobs": 1} | parameters)


def valued(**parameters):
    """It, fitted."""
    return quick(**parameters).fit(DATA.X, NOISY, DATA.X_val, DATA.y_val)
