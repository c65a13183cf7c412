import numpy as np
import pytest

from hcdv.shapley._pairs import ask_pairs, n_of_size, sample_pairs


@pytest.mark.parametrize("m", [3, 4, 5, 8, 9, 12, 70])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_pairs_are_distinct_and_as_many_as_asked(m, share):
    all_pairs = 2 ** (m - 1) - 1
    n_pairs = max(m - 1, int(share * min(all_pairs, 2000)))
    pairs = sample_pairs(m, n_pairs, np.random.default_rng(m))
    assert pairs.shape == (n_pairs, m)
    sizes = pairs.sum(axis=1)
    assert sizes.min() >= 1 and sizes.max() <= m // 2
    assert (np.diff(sizes) >= 0).all()
    # neither a coalition nor its complement appears again
    both = np.concatenate([pairs, ~pairs])
    assert len(np.unique(both, axis=0)) == 2 * n_pairs


def test_small_sizes_are_whole_and_the_others_equal():
    m = 12
    pairs = sample_pairs(m, 220, np.random.default_rng(0))
    counts = np.bincount(pairs.sum(axis=1), minlength=7)[1:]
    assert counts[0] == n_of_size(m, 1) == 12
    # 208 over sizes 2..5 and the halves, which count as half a size: 46.2 and 23.1
    assert set(counts[1:5]) <= {46, 47} and counts[5] in (23, 24)
    assert counts.sum() == 220


@pytest.mark.parametrize("m", [7, 8])
def test_every_coalition_of_a_size_is_as_likely(m):
    n_pairs, repeats = 20, 3000
    seen = np.zeros(1 << m)
    powers = 1 << np.arange(m)
    for seed in range(repeats):
        pairs = sample_pairs(m, n_pairs, np.random.default_rng(seed))
        np.add.at(seen, pairs @ powers, 1)
        np.add.at(seen, (~pairs) @ powers, 1)
    sizes = np.bitwise_count(np.arange(1 << m))
    for size in range(1, m):
        counts = seen[sizes == size]
        # binomial counts; sampling without replacement only narrows them
        assert np.abs(counts - counts.mean()).max() < 4.5 * np.sqrt(counts.mean()) + 1e-9


def test_the_odd_part_is_half_the_difference():
    table = np.random.default_rng(0).normal(size=64)
    powers = 1 << np.arange(6)
    pairs = sample_pairs(6, 20, np.random.default_rng(1))
    odd, total = ask_pairs(lambda S: table[S @ powers], pairs)
    codes = pairs @ powers
    np.testing.assert_allclose(odd, 0.5 * (table[codes] - table[63 - codes]), atol=1e-15)
    assert total == table[63] - table[0]
