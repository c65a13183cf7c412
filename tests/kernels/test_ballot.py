import numpy as np
import pytest

from hcdv._kernels.ballot import power_sums, voter_totals
from hcdv.engine import Threads
from tests.reference import ballot as reference


@pytest.mark.parametrize("n_votes", [0, 1, 7, 300])
@pytest.mark.parametrize("n_voters", [1, 5, 23])
def test_totals_equal_the_twin(n_votes, n_voters):
    rng = np.random.default_rng(n_votes)
    indices = rng.integers(0, n_voters, n_votes).astype(np.int32)
    weights = rng.random(n_votes).astype(np.float32)
    for array in (indices, weights):
        array.setflags(write=False)
    totals = np.ones(n_voters)
    voter_totals(indices, weights, totals)
    np.testing.assert_allclose(totals, 1 + reference.voter_totals(indices, weights, n_voters), rtol=1e-13)


def ballots(rng, n_voters, n_classes=3):
    """Some voters' votes, none on every third voter; weights from none to all."""
    counts = rng.integers(0, 9, n_voters)
    counts[::3] = 0
    start = np.append(0, np.cumsum(counts))
    label, own = rng.integers(0, n_classes, start[-1]), rng.integers(0, n_classes, n_voters)
    weight = rng.choice([0.0, 5e-324, 1e-30, 0.3, 0.9, 1.0], start[-1]) * rng.random(start[-1])
    return start, label, weight, own


def summed(start, label, weight, own, roots, squares):
    sums, own_sums = np.full((2, roots + squares + 1, len(own)), np.nan)
    power_sums(start, label, weight, own, roots, squares, sums, own_sums)
    return sums, own_sums


@pytest.mark.parametrize(("roots", "squares"), [(0, 0), (2, 2), (0, 3), (4, 0)])
@pytest.mark.parametrize("n_voters", [0, 1, 2, 40])
def test_powers_equal_the_twin(n_voters, roots, squares):
    given = ballots(np.random.default_rng(n_voters), n_voters)
    for array in given:
        array.setflags(write=False)
    twin = reference.power_sums(*given, roots, squares)
    np.testing.assert_allclose(summed(*given, roots, squares), twin, rtol=1e-13, atol=1e-300)


def test_parts_on_threads_give_the_same_bits():
    start, label, weight, own = ballots(np.random.default_rng(0), 500)
    whole = summed(start, label, weight, own, 2, 2)

    def part(first):
        some = slice(first, first + 50)
        votes = slice(start[first], start[first + 50])
        return summed(start[first : first + 51] - start[first], label[votes], weight[votes], own[some], 2, 2)

    parts = list(Threads(2).map(part, range(0, 500, 50)))
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)


def test_wrong_inputs_are_refused():
    start, label, weight, own = ballots(np.random.default_rng(1), 6)
    with pytest.raises(ValueError, match="31"):
        summed(start, label, weight, own, 16, 16)
    with pytest.raises(ValueError, match="not be below 0"):
        summed(start, label, weight, own, -1, 3)
    with pytest.raises(ValueError, match="one entry per voter and one more"):
        summed(start[:-1], label, weight, own, 1, 1)
    with pytest.raises(ValueError, match="one per vote"):
        summed(start, label[:-1], weight, own, 1, 1)
    with pytest.raises(ValueError, match="one row per power"):
        power_sums(start, label, weight, own, 1, 1, np.empty((2, 6)), np.empty((3, 6)))
    with pytest.raises(ValueError, match="one entry per voter"):
        power_sums(start, label, weight, own, 1, 1, np.empty((3, 6)), np.empty((3, 5)))
    with pytest.raises(ValueError, match="contiguous"):
        summed(start, label, np.repeat(weight, 2)[::2], own, 1, 1)
    with pytest.raises(ValueError, match="same length"):
        voter_totals(np.zeros(3, np.int32), np.zeros(2, np.float32), np.zeros(1))
