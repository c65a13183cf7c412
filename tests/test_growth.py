"""The tree follows its points, whatever comes and goes."""

import numpy as np
import pytest

from hcdv.hierarchy import Hierarchy
from hcdv.partition import Bounds, Edited, TreeArrays, grown
from hcdv.partition.nearest import nearest_leaves, node_centres


def directions(rng, n, d=8):
    Z = rng.normal(size=(n, d)) + 3 * rng.normal(size=(6, d))[rng.integers(0, 6, n)]
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


def edited(h):
    arrays = (h.order, h.start, h.stop, h.parent, h.first_child, h.n_children, h.level_start)
    return Edited(TreeArrays(*arrays), h.node_key)


def hierarchy(tree):
    return Hierarchy(*tree.tree, node_key=tree.node_key).validate()


BOUNDS = Bounds(leaf_size=10, capacity_slack=0.2, branching=[8])


def grow(tree, kept, Z, groups=None, bounds=BOUNDS, **options):
    options = {"tau": 0.35, "exact": False, "rebalance": False, "next_key": 10**6, "seed": 0, **options}
    return grown(tree, np.asarray(kept), Z, groups, bounds, **options)


def members(h):
    return {frozenset(h.order[a:b].tolist()) for a, b in zip(h.start, h.stop, strict=True)}


def test_nothing_new_leaves_the_tree_as_it_was():
    Z = directions(np.random.default_rng(0), 300)
    h = Hierarchy.build(Z, random_state=0)
    tree, changes, next_key = grow(edited(h), np.arange(300), Z)
    after = hierarchy(tree)
    assert members(after) == members(h) and after.node_key.tolist() == h.node_key.tolist()
    assert not (changes.born or changes.split or changes.dissolved) and next_key == 10**6


def test_a_row_enters_the_leaf_whose_centre_is_nearest():
    rng = np.random.default_rng(1)
    Z = directions(rng, 400)
    h = Hierarchy.build(Z[:300], random_state=0)
    after = hierarchy(grow(edited(h), np.arange(300), Z, tau=2.0, exact=True)[0])
    leaf_before, leaf_after = h.leaf_of_point(), after.leaf_of_point()
    keys_before, keys_after = h.node_key[leaf_before], after.node_key[leaf_after]
    leaves = np.unique(keys_before)
    centres = np.array([Z[:300][keys_before == key].mean(axis=0) for key in leaves])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    nearest = leaves[(Z[300:] @ centres.T).argmax(axis=1)]
    # Leaves of more than twice the largest size are split at once, and have other keys then.
    stays = np.isin(keys_after[300:], leaves)
    assert stays.mean() > 0.8
    assert keys_after[300:][stays].tolist() == nearest[stays].tolist()


def test_the_descent_finds_the_nearest_leaf_nearly_always():
    Z = directions(np.random.default_rng(2), 5000)
    h = Hierarchy.build(Z[:4000], random_state=0)
    tree = edited(h).tree
    centres = node_centres(Z[:4000], tree)
    exact = nearest_leaves(Z[4000:], centres, tree, beam=None)
    found = nearest_leaves(Z[4000:], centres, tree)
    assert (found[0] == exact[0]).mean() > 0.97
    assert (found[1] >= exact[1] - 1e-12).all() and np.mean(found[1] - exact[1]) < 0.01


def test_rows_far_from_every_leaf_found_one_together():
    rng = np.random.default_rng(3)
    Z = np.abs(directions(rng, 220))
    Z[200:] = -np.abs(directions(rng, 1)) + 0.01 * rng.normal(size=(20, 8))
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    h = Hierarchy.build(Z[:200], random_state=0)
    tree, changes, next_key = grow(edited(h), np.arange(200), Z)
    after = hierarchy(tree)
    assert len(changes.born) == 1 and next_key > 10**6
    assert len(set(after.leaf_of_point()[200:])) == 1
    assert not (set(after.leaf_of_point()[200:]) & set(after.leaf_of_point()[:200]))
    changes = grow(edited(h), np.arange(200), Z, tau=2.0)[1]
    assert not changes.born


def test_rebalancing_keeps_leaves_in_their_window():
    rng = np.random.default_rng(4)
    Z = directions(rng, 2000)
    h = Hierarchy.build(Z[:300], random_state=0)
    tree, changes, _ = grow(edited(h), np.arange(300), Z, tau=2.0, rebalance=True)
    after = hierarchy(tree)
    assert changes.split and after.sizes[after.leaves].max() <= BOUNDS.largest
    assert after.n_children.max() <= 8
    kept = np.flatnonzero(rng.random(2000) < 0.15)
    tree, changes, _ = grow(tree, kept, Z[kept], rebalance=True, next_key=2 * 10**6)
    after = hierarchy(tree)
    assert changes.dissolved
    small = after.leaves[after.sizes[after.leaves] < BOUNDS.smallest]
    # What is left is alone among inner nodes.
    for leaf in small:
        siblings = np.flatnonzero(after.parent == after.parent[leaf])
        assert all(after.n_children[s] > 0 for s in siblings if s != leaf)


@pytest.mark.parametrize("n_left", [1, 2, 5])
def test_few_rows_left_are_a_tree(n_left):
    Z = directions(np.random.default_rng(5), 200)
    h = Hierarchy.build(Z, random_state=0)
    kept = np.arange(0, 200, 200 // n_left)[:n_left]
    after = hierarchy(grow(edited(h), kept, Z[kept])[0])
    assert after.n_points == n_left
    Z = np.vstack([Z[kept], directions(np.random.default_rng(6), 100)])
    after = hierarchy(grow(edited(after), np.arange(n_left), Z)[0])
    assert after.n_points == n_left + 100


def test_rows_go_to_their_own_group():
    rng = np.random.default_rng(7)
    Z = directions(rng, 900)
    groups = np.column_stack([rng.integers(0, 3, 900), rng.integers(0, 3, 900)])
    groups[:600, 0] %= 2  # the third group comes later, and so do some pairs
    groups[:600][groups[:600, 0] == 1, 1] = 0
    h = Hierarchy.build(Z[:600], groups=groups[:600], random_state=0)
    tree, next_key = edited(h), 10**6
    for step in range(3):
        n = 600 + 100 * (step + 1)
        tree, _, next_key = grow(
            tree, np.arange(n - 100), Z[:n], groups[:n], rebalance=step == 1, next_key=next_key
        )
        after = hierarchy(tree)
        assert len(np.unique(after.node_key)) == after.n_nodes
        for level in (1, 2):
            paths = np.unique(groups[:n, :level], axis=0)
            for path in paths:
                mine = frozenset(np.flatnonzero((groups[:n, :level] == path).all(axis=1)).tolist())
                assert mine in members(after), f"group {path} is no node"


def test_a_single_group_gets_a_sibling():
    rng = np.random.default_rng(8)
    Z = directions(rng, 60)
    groups = np.array([0] * 30 + [1] * 10 + [2] * 20)[:, None]
    h = Hierarchy.build(Z[:30], groups=groups[:30], random_state=0)
    after = hierarchy(grow(edited(h), np.arange(30), Z, groups)[0])
    for g in range(3):
        assert frozenset(np.flatnonzero(groups[:, 0] == g).tolist()) in members(after)
    # The three stand side by side.
    assert after.n_children[0] == 3
