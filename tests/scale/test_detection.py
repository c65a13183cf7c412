"""Wrong labels are found as well out of core as in memory."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hcdv import HCDV
from hcdv.datasets import flip_labels, make_ctr, make_synthetic


def detection(values, is_flipped, given):
    """AUC of the flips among the rows of each given label, on average."""
    return np.mean([roc_auc_score(is_flipped[given == k], -values[given == k]) for k in np.unique(given)])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ctr", "synthetic"])
def test_detection_is_that_of_the_memory(name):
    n = 120_000
    if name == "ctr":
        clean, noisy = make_ctr(n, 0, 0), make_ctr(n, 0, 0, label_noise=0.15)
        X, y, is_flipped = noisy.X, noisy.y, noisy.y != clean.y
    else:
        data = make_synthetic(n, 1, 1)
        X = data.X
        y, is_flipped = flip_labels(data.y, 0.15, random_state=0)
    inside = HCDV(random_state=0).fit(X, y)
    outside = HCDV(random_state=0, memory_limit="4GB").fit(X, y)
    assert len(outside.hierarchy_.leaves) > 1
    here, there = (detection(model.values_, is_flipped, y) for model in (inside, outside))
    assert there > here - 0.01
