import numpy as np
import pytest

from hcdv._kernels import forest as kernels
from hcdv.affinity.forest import NODE, Forest
from hcdv.engine import Threads
from tests.reference import forest as reference


def words(flags):
    """Boolean [n, trees] as uint64 [n, words], bit t of a row for tree t."""
    packed = np.zeros((len(flags), -(-flags.shape[1] // 64)), np.uint64)
    for t in range(flags.shape[1]):
        packed[:, t // 64] |= flags[:, t].astype(np.uint64) << np.uint64(t % 64)
    return packed


def vote(leaf_of, leaf_weight, unseen, voter_leaves, voter_trees, own, q):
    n, n_leaves = len(leaf_of), int(leaf_of.max()) + 1
    inside = [np.flatnonzero((leaf_of == leaf).any(axis=1)) for leaf in range(n_leaves)]
    inside = [
        rows[unseen[rows, np.argmax(leaf_of[rows] == leaf, axis=1)]] if len(rows) else rows
        for leaf, rows in enumerate(inside)
    ]
    leaf_start = np.append(0, np.cumsum([len(rows) for rows in inside])).astype(np.int64)
    members = np.concatenate(inside).astype(np.int32)
    votes = np.zeros(n)
    lists = np.empty((len(voter_leaves), q), np.int32)
    weights = np.empty((len(voter_leaves), q), np.float32)
    packed = words(unseen)
    packed.setflags(write=False)
    kernels.shared_leaves(
        leaf_start, leaf_weight, members, packed, voter_leaves, words(voter_trees), own, votes,
        np.empty(n + 1, np.int32), np.empty(n), lists, weights,
    )  # fmt: skip
    assert not votes.any()
    # They come in any order; the twin's begin with the largest.
    order = np.lexsort((lists, -weights))
    return np.take_along_axis(lists, order, 1), np.take_along_axis(weights, order, 1)


@pytest.mark.parametrize(
    ("n", "n_trees", "q"), [(1, 1, 2), (12, 64, 3), (40, 70, 64), (90, 130, 8)]
)
def test_equals_the_loop_over_pairs(n, n_trees, q):
    rng = np.random.default_rng(n)
    per_tree = 4
    leaf_of = (rng.integers(per_tree, size=(n, n_trees)) + per_tree * np.arange(n_trees)).astype(
        np.int32
    )
    unseen = rng.random((n, n_trees)) < 0.4
    own = np.arange(n)
    # Sums of these are exact, so equal weights are exact ties; a leaf of weight 0 has no say.
    leaf_weight = rng.choice([0.0, 0.25, 0.5, 1.0], int(leaf_of.max()) + 1)
    kernel = vote(leaf_of, leaf_weight, unseen, leaf_of, unseen, own, q)
    twin = reference.shared_leaves(leaf_of, leaf_weight, unseen, leaf_of, unseen, own, q)
    np.testing.assert_array_equal(kernel[0], twin[0])
    np.testing.assert_array_equal(kernel[1], twin[1])
    # Validation rows: no tree has seen them, and none of the rows is their own.
    voters, everywhere = leaf_of[: n // 2], np.ones((n // 2, n_trees), bool)
    nobody = np.full(n // 2, -1)
    kernel = vote(leaf_of, leaf_weight, unseen, voters, everywhere, nobody, q)
    twin = reference.shared_leaves(leaf_of, leaf_weight, unseen, voters, everywhere, nobody, q)
    np.testing.assert_array_equal(kernel[0], twin[0])
    np.testing.assert_array_equal(kernel[1], twin[1])


def test_too_few_bits_are_refused():
    leaves = np.zeros((2, 65), np.int32)
    with pytest.raises(ValueError, match="fewer bits"):
        kernels.shared_leaves(
            np.array([0, 0]), np.ones(1), np.empty(0, np.int32), np.zeros((2, 1), np.uint64), leaves,
            np.zeros((2, 1), np.uint64), np.arange(2), np.zeros(2),
            np.empty(3, np.int32), np.empty(2), np.empty((2, 1), np.int32),
            np.empty((2, 1), np.float32),
        )  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 7, 8, 300])
def test_rows_go_down_to_their_leaves(n):
    rng = np.random.default_rng(n)
    # Two trees: a single leaf, and one of three leaves whose thresholds some rows meet exactly.
    nodes = np.array(
        [(0, 0.0, 0, 0), (1, 0.5, 2, 3), (0, -1.0, 2, 2), (2, 0.0, 4, 5), (0, 9.0, 4, 4), (1, 0.0, 5, 5)], NODE
    )
    roots, leaf = np.array([0, 1], np.int32), np.array([0, 0, 0, 0, 1, 2], np.int32)
    X = rng.choice([-1.0, 0.0, 0.5, np.nextafter(np.float32(0.5), np.float32(1))], (n, 3)).astype(np.float32)
    leaves = np.empty((n, 2), np.int32)
    kernels.descend(nodes, roots, leaf, X, leaves)
    np.testing.assert_array_equal(leaves, reference.descend(nodes, roots, leaf, X))


def test_arrays_of_a_forest_say_what_scikit_learn_says():
    from sklearn.ensemble import RandomForestClassifier

    from hcdv._random import derive_seed

    rng = np.random.default_rng(0)
    # Few numbers, so that rows stand on thresholds, of which some do not fit into float32.
    X = (rng.integers(0, 7, (400, 5)) / 3).astype(np.float32)
    y = ((X[:, 0] + X[:, 1] > 2) ^ (rng.random(400) < 0.2)).astype(int)
    grown = RandomForestClassifier(
        70, min_samples_leaf=5, max_samples=400, random_state=derive_seed(3, "forest")
    ).fit(X, y)
    forest = Forest.grow(X, y, n_trees=70, seed=3, threads=Threads(2))
    forest = Forest.from_arrays(forest.arrays())
    others = (rng.integers(-2, 9, (1000, 5)) / 3).astype(np.float32)
    theirs, ours = grown.apply(others), forest.leaves(others, Threads(1))
    for t, tree in enumerate(grown.estimators_):
        number = np.cumsum(tree.tree_.children_left < 0) - 1
        np.testing.assert_array_equal(ours[:, t], number[theirs[:, t]])
    unseen = forest.unseen_by(np.array([0, 7, 399, 400]))
    for k, row in enumerate((0, 7, 399)):
        expected = [row not in rows for rows in grown.estimators_samples_]
        found = [bool(unseen[k, t // 64] >> np.uint64(t % 64) & np.uint64(1)) for t in range(70)]
        assert found == expected
    # A row that the forest was not grown on has been seen by no tree.
    assert [int(word) for word in unseen[3]] == [2**64 - 1, 2**6 - 1]


def test_leaves_must_have_room_for_all_rows():
    nodes = np.zeros(1, NODE)
    with pytest.raises(ValueError, match="shape"):
        kernels.descend(
            nodes, np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros((3, 1), np.float32),
            np.empty((2, 1), np.int32),
        )  # fmt: skip
