import numpy as np
import pytest
from scipy.stats import spearmanr

from hcdv import HCDV
from hcdv.tasks import Repeats, stability


def test_equation_54_by_hand():
    values = np.array([[1.0, -2.0, 0.5, 9.0], [3.0, -4.0, -0.5, 9.0]])
    repeats = Repeats.of(values, 0.0 + 1e-3)
    # Standard deviations (R - 1): sqrt(2), sqrt(2), sqrt(1/2), 0; means 2, -3, 0, 9.
    np.testing.assert_allclose(repeats.cv, [2**0.5 / 2.001, 2**0.5 / 3.001, 0.5**0.5 / 1e-3, 0.0])
    assert repeats.mean_cv == pytest.approx(repeats.cv.mean())
    assert repeats.median_cv == pytest.approx((2**0.5 / 2.001 + 2**0.5 / 3.001) / 2)
    # Ranks 3 1 2 4 both times.
    assert repeats.spearman == repeats.least_spearman == pytest.approx(1.0)


def test_agreement_is_over_all_pairs():
    values = np.random.default_rng(0).normal(size=(3, 40))
    pairs = [spearmanr(values[a], values[b]).statistic for a, b in ((0, 1), (0, 2), (1, 2))]
    repeats = Repeats.of(values, 1e-12)
    assert repeats.spearman == pytest.approx(np.mean(pairs))
    assert repeats.least_spearman == pytest.approx(min(pairs))
    assert np.isnan(Repeats.of(np.ones((2, 4)), 1e-12).spearman)


@pytest.fixture(scope="module")
def measured(iris):
    model = HCDV(n_permutations=4, n_jobs=1, random_state=7)
    return stability(model, iris.X, iris.y, iris.X_val, iris.y_val, n_repeats=3)


def test_repeats_are_fits_under_other_seeds(measured, iris):
    assert measured.permutations.values.shape == (3, len(iris.y)) == measured.trees.values.shape
    np.testing.assert_array_equal(measured.permutations.values[0], measured.trees.values[0])
    for repeats in (measured.permutations, measured.trees):
        assert len({row.tobytes() for row in repeats.values}) == 3
        assert repeats.median_cv > 0
        assert 0.5 < repeats.least_spearman <= repeats.spearman <= 1.0
        # The same rows under the same game: whatever the seed, they share out the same total.
        np.testing.assert_allclose(repeats.values.sum(axis=1), repeats.values[0].sum(), rtol=1e-6)
    assert not np.array_equal(measured.permutations.values[1], measured.trees.values[1])


def test_more_permutations_are_steadier(measured, iris):
    model = HCDV(n_permutations=64, n_jobs=1)
    more = stability(model, iris.X, iris.y, iris.X_val, iris.y_val, n_repeats=3)
    assert more.permutations.median_cv < measured.permutations.median_cv
    assert more.permutations.spearman > measured.permutations.spearman
    assert not hasattr(model, "result_")


def test_the_same_seed_gives_the_same_figures(measured, iris):
    model = HCDV(n_permutations=4, n_jobs=2, random_state=3)
    again = stability(model, iris.X, iris.y, iris.X_val, iris.y_val, n_repeats=3)
    np.testing.assert_array_equal(again.trees.values, measured.trees.values)
    assert "permutations" in str(measured) and f"{measured.trees.spearman:.4f}" in str(measured)


def test_groups_are_kept(iris):
    groups = np.arange(len(iris.y)) % 4
    measured = stability(HCDV(n_permutations=2), iris.X, iris.y, groups=groups, n_repeats=2)
    free = stability(HCDV(n_permutations=2), iris.X, iris.y, n_repeats=2)
    assert not np.allclose(measured.trees.values[0], free.trees.values[0])


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        ({"model": "hcdv"}, TypeError, "model must be an HCDV"),
        ({"n_repeats": 1}, ValueError, "n_repeats must be at least 2"),
        ({"epsilon": -1.0}, ValueError, "epsilon"),
        ({"random_state": -1}, ValueError, "random_state"),
        ({"y": [0, 1]}, ValueError, "2 labels for"),
    ],
)
def test_bad_input(iris, change, kind, sentence):
    given = {"model": HCDV(n_permutations=2), "X": iris.X, "y": iris.y} | change
    with pytest.raises(kind, match=sentence):
        stability(**given)
