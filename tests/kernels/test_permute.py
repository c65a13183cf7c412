from dataclasses import replace

import numpy as np
import pytest

from hcdv._kernels.permute import draws, sample_chain
from hcdv.hierarchy import Hierarchy
from tests.reference import permute as reference
from tests.trees import random_tree


def sample(h, seed, chain):
    order, block = np.empty(h.n_points, np.int64), np.empty(h.n_nodes, np.int64)
    scratch = np.empty((h.largest_block, 2), np.uint64)
    sample_chain(
        h.order, h.start, h.stop, h.first_child, h.n_children, h.point_key, h.node_key, seed, chain, order,
        block, scratch,
    )  # fmt: skip
    return order, block


def keyed(rng, h):
    """The same tree under other names."""
    return replace(h, point_key=rng.permutation(3 * h.n_points)[: h.n_points],
                   node_key=2**40 + rng.permutation(h.n_nodes))


def test_philox_matches_the_published_vectors():
    # Known answers of the Random123 distribution (philox4x32, 10 rounds).
    assert reference.philox((0, 0, 0, 0), (0, 0)) == (
        0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8,
    )  # fmt: skip
    assert reference.philox((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2) == (
        0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3, 2**63 - 1])
def test_draws_equal_their_twin(seed):
    names = np.array([0, 1, 2, 10, 2**31, 2**32, 2**33 + 5, 2**63 - 1])
    drawn = np.empty(len(names), np.uint64)
    draws(names, seed, 3, 11, drawn)
    assert drawn.tolist() == [reference.draw(seed, 3, int(name), 11) for name in names]


@pytest.mark.parametrize("n", [1, 2, 3, 9, 40, 101])
@pytest.mark.parametrize("depth", [0, 3])
def test_chain_equals_its_twin(n, depth):
    rng = np.random.default_rng(n)
    for chain in range(5):
        h = keyed(rng, random_tree(rng, n, depth))
        order, block = sample(h, 1234 + n, chain)
        twin = reference.sample_chain(
            h.order, h.start, h.stop, h.first_child, h.n_children, h.point_key, h.node_key, 1234 + n, chain
        )
        np.testing.assert_array_equal(order, twin[0])
        np.testing.assert_array_equal(block, twin[1])


def test_points_that_draw_alike_stand_in_their_order():
    # Points of one key draw the same number: what is left is their own order, under either sort.
    for n in (20, 50):
        h = random_tree(np.random.default_rng(3), n, depth=0)
        same = replace(h, point_key=np.full(n, 7))
        assert sample(same, 1, 1)[0].tolist() == list(range(n))


def test_a_point_that_comes_leaves_the_order_of_the_others():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 5, 200)
    labels[:150] = np.arange(150) % 5
    before = Hierarchy.from_labels([labels[:150] // 2, labels[:150]])
    after = Hierarchy.from_labels([labels // 2, labels])
    for chain in range(5):
        first, then = sample(before, 3, chain)[0], sample(after, 3, chain)[0]
        assert then[then < 150].tolist() == first.tolist()


def test_every_node_is_one_block():
    rng = np.random.default_rng(0)
    for chain in range(20):
        h = random_tree(rng, 57)
        order, block = sample(h, 5, chain)
        assert sorted(order) == list(range(57))
        for g in range(h.n_nodes):
            size = h.stop[g] - h.start[g]
            mine = set(h.order[h.start[g] : h.stop[g]])
            assert set(order[block[g] : block[g] + size]) == mine


def test_permutations_of_a_leaf_are_uniform():
    h = random_tree(np.random.default_rng(1), 4, depth=0)
    counts = {}
    for chain in range(24 * 400):
        key = tuple(sample(h, 99, chain)[0])
        counts[key] = counts.get(key, 0) + 1
    observed = np.array(list(counts.values()))
    assert len(observed) == 24
    # Chi-squared with 23 degrees of freedom: 49.7 is its 0.1% point.
    assert ((observed - 400) ** 2 / 400).sum() < 49.7


def test_read_only_input_works_and_strided_input_is_refused():
    h = random_tree(np.random.default_rng(2), 20)
    names = ("order", "start", "stop", "first_child", "n_children", "point_key", "node_key")
    assert not any(getattr(h, name).flags.writeable for name in names)
    sample(h, 1, 1)
    strided = np.repeat(h.order, 2)[::2]
    out = np.empty(20, np.int64), np.empty(h.n_nodes, np.int64), np.empty((20, 2), np.uint64)
    with pytest.raises(ValueError, match="contiguous"):
        sample_chain(
            strided, h.start, h.stop, h.first_child, h.n_children, h.point_key, h.node_key, 1, 1, *out
        )
