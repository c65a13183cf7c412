"""Multi-fidelity: nodes as the costly game has them, points as the cheap one, sums exact."""

import numpy as np
import pytest

from hcdv.allocation import Cut, Resolution, walk_chains
from hcdv.engine import Threads
from hcdv.hierarchy import Hierarchy
from tests.table_game import TableGame

TREE = Hierarchy.from_labels(
    [[0, 0, 0, 0, 1, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5, 6, 7, 7]]
)
N = 9


def table(seed):
    return TableGame(np.random.default_rng(seed).normal(size=2**N))


class Watched(TableGame):
    """Remembers how many stops it was asked for."""

    def chains(self, orders, stops):
        self.asked = np.shape(stops)[-1]
        return super().chains(orders, stops)


def walk(games, resolution=None, n_permutations=40, seed=3):
    moments, _ = walk_chains(
        games, TREE, n_permutations=n_permutations, seed=seed, threads=Threads(1),
        weights=np.ones(len(games)), resolution=resolution,
    )  # fmt: skip
    return moments


def test_a_cut_tiles_the_points():
    for level, sizes in ((0, [9]), (1, [4, 3, 2]), (2, [2, 2, 2, 2, 1]), (9, None)):
        cut = Cut.of(Resolution(level, frozenset(), frozenset()), TREE)
        covered = np.concatenate([np.arange(TREE.start[g], TREE.stop[g]) for g in cut.blocks])
        assert sorted(covered) == list(range(N))
        if sizes is not None:
            assert sorted(TREE.sizes[cut.blocks]) == sorted(sizes)


@pytest.mark.parametrize("level", [1, 2, 5])
def test_upper_nodes_have_the_costly_value_and_points_differ_by_the_cheap_one(level):
    costly, cheap, alone = Watched(table(0).table), table(1), table(2)
    resolution = Resolution(level, frozenset({"costly"}), frozenset({"cheap"}))
    moments = walk({"costly": costly, "cheap": cheap, "alone": alone}, resolution)
    full = walk({"costly": table(0), "cheap": cheap, "alone": alone})
    cut = Cut.of(resolution, TREE)
    assert costly.asked == len(cut.blocks) + 1
    names = ["costly", "cheap", "alone"]
    nodes = cut.settled(moments.nodes, names)
    np.testing.assert_allclose(
        nodes.mean[0, : cut.n_upper], full.nodes.mean[0, : cut.n_upper], atol=1e-12
    )
    assert not nodes.mean[1, : cut.n_upper].any()
    for part in range(3):
        sums = TREE.node_sums(moments.points.mean[part])
        np.testing.assert_allclose(sums, nodes.mean[part], atol=1e-12)
    np.testing.assert_allclose(moments.points.mean[2], full.points.mean[2], atol=0)
    for g in cut.blocks:
        members = TREE.order[TREE.start[g] : TREE.stop[g]]
        expected = full.points.mean[1, members]
        np.testing.assert_allclose(
            moments.points.mean[1, members], expected - expected.mean(), atol=1e-12
        )
        assert np.ptp(moments.points.mean[0, members]) < 1e-12


def test_one_factor_brings_the_games_below_to_the_unit_of_those_above():
    resolution = Resolution(1, frozenset({"a"}), frozenset({"b"}))
    cut = Cut.of(resolution, TREE)
    for scale in (1.0, 1000.0):
        moments = walk({"a": table(0), "b": TableGame(scale * table(1).table)}, resolution)
        weights = cut.in_one_unit(moments.nodes, ["a", "b"], np.array([2.0, 1.0]))
        values = weights @ moments.points.mean
        if scale == 1.0:
            first = values
    np.testing.assert_allclose(values, first, atol=1e-10)
    at = moments.nodes.mean[:, cut.blocks]
    assert weights[0] == 2.0
    assert weights[1] * np.abs(at[1]).sum() == pytest.approx(2 * np.abs(at[0]).sum())


def test_games_below_that_give_nothing_keep_their_weight():
    resolution = Resolution(1, frozenset({"a"}), frozenset({"b"}))
    moments = walk({"a": table(0), "b": TableGame(np.zeros(2**N))}, resolution)
    cut = Cut.of(resolution, TREE)
    np.testing.assert_array_equal(cut.in_one_unit(moments.nodes, ["a", "b"], np.ones(2)), [1, 1])
