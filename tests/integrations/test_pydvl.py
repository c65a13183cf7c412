"""pyDVL asks our utilities for the same values as we do, and results go there and back."""

import numpy as np
import pytest

pytest.importorskip("pydvl", reason="pyDVL is not installed (docs/integrations.md says how)")

from pydvl.valuation import (
    Dataset,
    DeterministicUniformSampler,
    GroupedDataset,
    MinUpdates,
    NoStopping,
    PermutationSampler,
    ShapleyValuation,
)
from pydvl.valuation.result import ValuationResult as PydvlResult
from pydvl.valuation.types import Sample

from hcdv import shapley
from hcdv.integrations.pydvl import RowUtility, from_pydvl, to_pydvl
from hcdv.integrations.row_game import RowGame
from tests.integrations.rows import DATA, NOISY, valued

X, Y = DATA.X[:40], NOISY[:40]
TRUSTED = (DATA.X_val, DATA.y_val)
NAMES = ["north", "south", "east", "west"]
SELLER = np.arange(40) * 7 % 4


def exact(utility, data):
    sampler = DeterministicUniformSampler(batch_size=1)
    valuation = ShapleyValuation(utility, sampler, NoStopping(), progress=False)
    return valuation.fit(data).result


@pytest.mark.parametrize("utility", ["kernel", [("fit", 1.0), ("knn", 2.0)]])
def test_its_samples_are_worth_what_our_coalitions_are(utility):
    theirs = RowUtility(utility, *TRUSTED, random_state=0).with_dataset(Dataset(X, Y))
    ours = RowGame(X, Y, *TRUSTED, utility=utility, random_state=0)
    masks = np.random.default_rng(0).random((30, 40)) < 0.5
    values = [theirs(Sample(None, np.flatnonzero(mask))) for mask in masks]
    np.testing.assert_array_equal(values, ours(masks))
    assert theirs(None) == theirs(Sample(None, np.array([], int))) == ours.v_empty


def test_exact_values_of_groups():
    data = GroupedDataset.from_dataset(Dataset(X, Y), data_groups=SELLER, group_names=NAMES)
    result = exact(RowUtility("kernel", *TRUSTED, random_state=0), data)
    game = RowGame(X, Y, *TRUSTED, groups=np.array(NAMES)[SELLER], random_state=0)
    by_name = dict(zip(result.names.tolist(), result.values.tolist(), strict=True))
    ours = shapley.exact(game, 4)
    np.testing.assert_allclose([by_name[name] for name in game.players.tolist()], ours, rtol=0, atol=1e-10)


def test_permutations_of_rows_add_up():
    utility = RowUtility("kernel", *TRUSTED, random_state=0)
    valuation = ShapleyValuation(utility, PermutationSampler(seed=0), MinUpdates(3), progress=False)
    result = valuation.fit(Dataset(X, Y)).result
    game = RowGame(X, Y, *TRUSTED, random_state=0)
    total = game(np.ones((1, 40), bool))[0] - game.v_empty
    assert result.values.sum() == pytest.approx(total, abs=1e-12)
    ours = from_pydvl(result, labels=Y, bounds=(game.v_empty, game.v_empty + total))
    assert ours.efficiency_gap < 1e-12 and ours.has_game
    np.testing.assert_allclose(ours.std_error, np.sqrt(result.variances / result.counts), rtol=1e-12)
    assert len(ours.select(0.5, quota="class")) == 20


def test_there_and_back():
    result = valued().result_
    theirs = to_pydvl(result)
    np.testing.assert_array_equal(theirs.values, result.values)
    np.testing.assert_allclose(theirs.stderr, result.std_error, rtol=1e-12)
    theirs.sort(reverse=True)  # what stands first there must not move rows here
    back = from_pydvl(theirs)
    np.testing.assert_array_equal(back.values, result.values)
    np.testing.assert_array_equal(back.ids, result.ids)
    np.testing.assert_allclose(back.std_error, result.std_error, rtol=1e-12)
    assert back.weights == {"hcdv": 1.0} and not back.has_game
    assert back.summary().startswith("120 rows\n")


def test_without_standard_errors():
    theirs = PydvlResult(values=np.array([3.0, 1.0]), indices=np.array([1, 0]), data_names=np.array(["b", "a"]))
    ours = from_pydvl(theirs)
    assert ours.std_error is None
    assert ours.values.tolist() == [1.0, 3.0] and ours.ids.tolist() == ["a", "b"]
    np.testing.assert_array_equal(to_pydvl(ours).counts, [1, 1])


def test_one_sentence():
    with pytest.raises(ValueError, match="no training rows: with_dataset"):
        RowUtility()(None)
    with pytest.raises(TypeError, match=r"must be a pydvl\.valuation\.ValuationResult, got hcdv\.result\."):
        from_pydvl(valued().result_)
    with pytest.raises(TypeError, match=r"must be a hcdv\.ValuationResult, got numpy\.ndarray"):
        to_pydvl(np.zeros(2))
    with pytest.raises(ValueError, match="rows 0 to 1, got indices up to 7"):
        from_pydvl(PydvlResult(values=np.zeros(2), indices=np.array([3, 7])))
