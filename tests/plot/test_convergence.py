import numpy as np
import pytest

from hcdv import HCDV
from hcdv.plot import chain_convergence
from tests.plot.results import texts

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(80, 4)), np.arange(80) % 2


def fitted(**options):
    options = {"n_permutations": 16, "random_state": 0, "n_jobs": 1, "keep_chains": True} | options
    return HCDV(**options).fit(X[:70], Y[:70])


def test_errors_fall_as_chains_come():
    model = fitted()
    axes = chain_convergence(model)
    line, reference = axes.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [4, 6, 8, 10, 12, 14, 16])
    weights = np.array(list(model.result_.weights.values()))
    pairs = np.array([weights @ marginals for marginals in model._live.chains.points])
    variance = [pairs[:k].var(axis=0, ddof=1) / k for k in range(2, 9)]
    scale = np.abs(model.values_).mean()
    np.testing.assert_allclose(line.get_ydata(), 100 * np.sqrt(np.mean(variance, axis=1)) / scale)
    # The last point is the result's own error, and the other line goes through it.
    last = 100 * np.sqrt(np.mean(model.result_.std_error**2)) / scale
    np.testing.assert_allclose([line.get_ydata()[-1], reference.get_ydata()[-1]], last)
    np.testing.assert_allclose(reference.get_ydata()[0], 2 * last)
    assert "root mean square of 70 rows" in texts(axes)


def test_after_an_update_only_rows_that_all_chains_know():
    model = fitted()
    model.partial_fit(X[70:], Y[70:], refresh="affected")
    known = model._live.chains.n_known() == model._live.chains.n_pairs
    assert 0 < known.sum() < 80
    assert f"root mean square of {known.sum()} rows" in texts(chain_convergence(model))


def test_errors():
    for model in (fitted(keep_chains=False), HCDV(), fitted(allocation="sibling")):
        with pytest.raises(ValueError, match="kept no chains; fit HCDV with keep_chains=True"):
            chain_convergence(model)
    with pytest.raises(ValueError, match="has walked 2 chains, and standard errors take 4"):
        chain_convergence(fitted(n_permutations=2))
