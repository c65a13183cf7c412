"""Fits, updates and files again and again take no more memory than the first few."""

import gc
from pathlib import Path

import numpy as np
import pytest

from hcdv import HCDV, ValuationResult

STATUS = Path("/proc/self/statm")
PAGE_MB = 4096 / 2**20
# Freed memory stays with the allocator, in pieces: so much is noise.
NOISE_MB = 6.0

RNG = np.random.default_rng(0)
Y = np.arange(60) % 2
X = RNG.normal(size=(60, 4)) + Y[:, None]


def once(folder, seed):
    """A small life of a model: fit, update, forget, result in a file."""
    model = HCDV(utility="kernel", n_permutations=4, keep_chains=True, random_state=seed, n_jobs=2)
    model.fit(X[:50], Y[:50])
    model.partial_fit(X[50:], Y[50:]).forget([1, 2])
    model.result_.save(folder / "values.hcdv")
    ValuationResult.load(folder / "values.hcdv")


def megabytes():
    gc.collect()
    return int(STATUS.read_text().split()[1]) * PAGE_MB


def growth(folder, n, warm_up):
    for seed in range(warm_up):
        once(folder, seed)
    before = megabytes()
    for seed in range(n):
        once(folder, seed)
    return megabytes() - before


@pytest.mark.skipif(not STATUS.exists(), reason="asks Linux for resident memory")
class TestMemory:
    def test_over_sixty_fits(self, tmp_path):
        assert growth(tmp_path, 60, 15) < NOISE_MB

    @pytest.mark.slow
    def test_over_a_thousand_fits(self, tmp_path):
        assert growth(tmp_path, 1000, 50) < NOISE_MB
