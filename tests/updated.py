"""Models that have been updated, and what must hold of them after every update."""

import copy
from dataclasses import fields, is_dataclass
from unittest import mock

import numpy as np
from sklearn.datasets import make_classification

from hcdv import HCDV
from hcdv.encoder import Spaces

# What sums may be off by, as a share of all that is summed.
ROUNDING = 1e-11


def rows_and_labels(n, *, d=6, seed=0, n_classes=2, **options):
    informative = min(d, 5)
    return make_classification(
        n, d, n_informative=informative, n_redundant=0, n_classes=n_classes, flip_y=0.1, random_state=seed,
        **options,
    )  # fmt: skip


class SpacesAsTheyAre:
    """An encoder that has put the training rows where a model has them."""

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model.encoder_, name)

    def fit_spaces(self, X, y=None, *, seed=0, columns=True, X_val=None, y_val=None):
        live = self.model._live

        def in_data(rows):
            out = np.empty_like(rows)
            out[live.position] = rows
            return out

        vote = in_data(live.rows.X)
        columns = vote if live.rows.columns is live.rows.X else in_data(live.rows.columns)
        others = {name: in_data(space) for name, (space, _) in live.rows.others.items()}
        return Spaces(vote, columns, others, live.rows.is_learned)


def valued_anew(model, X, y, X_val=None, y_val=None):
    """A fresh valuation of the tree that a model has, in the spaces that it has."""
    with mock.patch("hcdv.estimator.fitting.make_encoder", return_value=SpacesAsTheyAre(model)):
        return HCDV(**model.get_params()).fit(X, y, X_val, y_val, hierarchy=model.hierarchy_)


def assert_same_bits(model, other):
    one, two = model.result_, other.result_
    for name in ("values", "std_error", "node_values", "node_std_error", "labels"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert dict(one.weights) == dict(two.weights)
    assert (one.v_empty, one.v_full) == (two.v_empty, two.v_full)
    for name, part in one.parts.items():
        np.testing.assert_array_equal(part, two.parts[name], err_msg=name)


def assert_sums_hold(model):
    result, tree = model.result_, model.hierarchy_.validate()
    assert len(model.values_) == tree.n_points == len(result.ids) == len(result.labels)
    assert np.isfinite(model.values_).all()
    # What rounding can be worth: the sums of the parts, which may cancel.
    empty, full = result.part_bounds
    weights = np.abs(list(result.weights.values()))
    size = np.abs(result.values).sum() + weights @ (np.abs(empty) + np.abs(full))
    assert result.efficiency_gap <= ROUNDING * size
    children = np.zeros(tree.n_nodes)
    np.add.at(children, tree.parent[1:], result.node_values[1:])
    inner = tree.n_children > 0
    assert (np.abs(children - result.node_values)[inner] <= ROUNDING * size).all()
    assert (np.abs(tree.node_sums(result.values) - result.node_values) <= ROUNDING * size).all()
    for k, part in enumerate(result.parts.values()):
        part_size = np.abs(part).sum() + abs(full[k]) + abs(empty[k])
        assert abs(part.sum() - (full[k] - empty[k])) <= ROUNDING * max(part_size, 1e-4 * size, 1e-4)


def assert_in_step(model):
    """What a model keeps is about the rows it has, and no others."""
    live, n = model._live, len(model.values_)
    assert len(live.rows.X) == len(live.rows.labels) == len(live.batch) == n
    assert sorted(live.position) == list(range(n))
    assert len(np.unique(model.result_.ids)) == n
    np.testing.assert_array_equal(model.classes_[live.rows.labels], model.result_.labels[live.position])
    for lists in live.lists.values():
        assert len(lists.rows.ids) == len(lists.bandwidth) == n
        for voters in (lists.rows, lists.validation):
            if voters is not None:
                assert voters.ids.max(initial=-1) < n
                assert (voters.d2[:, 1:] >= voters.d2[:, :-1]).all()
                listed = np.sort(voters.ids, axis=1)
                assert not ((listed[:, 1:] == listed[:, :-1]) & (listed[:, 1:] >= 0)).any()
        assert not (lists.rows.ids == np.arange(n)[:, None]).any()
    if live.chains is not None:
        assert {points.shape[1] for points in live.chains.points} == {n}
        mean = np.mean(live.chains.points, axis=0)
        assert np.abs(mean - live.chains.mean).max() <= ROUNDING * max(1e-9, np.abs(live.chains.points).max())
    if model.history_:
        update = model.update_
        assert update.n_rows == n
        total = model.values_.sum()
        assert abs(sum(update.by_batch.values()) - total) <= ROUNDING * np.abs(model.values_).sum()


def largest_leaf(model):
    return int(np.ceil((1 + model.capacity_slack) * model.leaf_size - 1e-9))


def assert_within_window(model, groups=None):
    """No leaf is too large; a very small one has no leaf of its own group beside it."""
    tree = model.hierarchy_
    sizes = tree.sizes[tree.leaves]
    assert sizes.max() <= largest_leaf(model)
    smallest = max(1, model.leaf_size // 4)
    first = tree.order[tree.start]
    for leaf in tree.leaves[sizes < smallest].tolist():
        siblings = np.flatnonzero((tree.parent == tree.parent[leaf]) & tree.is_leaf)
        for sibling in siblings[siblings != leaf].tolist() if leaf else []:
            assert groups is not None and (groups[first[sibling]] != groups[first[leaf]]).any()


def assert_groups_are_nodes(tree, groups):
    members = {frozenset(tree.order[a:b].tolist()) for a, b in zip(tree.start, tree.stop, strict=True)}
    for level in range(1, groups.shape[1] + 1):
        for path in {tuple(row) for row in groups[:, :level]}:
            mine = np.flatnonzero((groups[:, :level] == np.array(path, object)).all(axis=1))
            assert frozenset(mine.tolist()) in members, f"group {path} is no node"


def with_all_pairs(before, update):
    """A model as it would be had ``update`` walked every pair of chains, on the same games."""
    return update(copy.copy(before), tolerance=0.0)


def state_of(model):
    """All that an update sets; the very objects."""
    names = ("values_", "result_", "hierarchy_", "update_", "history_", "_live", "seconds_")
    return {name: getattr(model, name, None) for name in names}, model.values_.copy(), len(model.history_)


def assert_nothing_changed(model, state):
    objects, values, n_updates = state
    for name, value in objects.items():
        assert getattr(model, name, None) is value, name
    assert np.array_equal(model.values_, values) and len(model.history_) == n_updates


def arrays_within(thing, seen=None):
    """Every numeric array that can be reached from an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind in "fiu":
            yield thing
        if thing.base is not None:
            yield from arrays_within(thing.base, seen)
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from arrays_within(value, seen)
    elif isinstance(thing, (list, tuple, set)):
        for value in thing:
            yield from arrays_within(value, seen)
    elif is_dataclass(thing):
        for item in fields(thing):
            yield from arrays_within(getattr(thing, item.name, None), seen)
    elif hasattr(thing, "__dict__"):
        yield from arrays_within(vars(thing), seen)
