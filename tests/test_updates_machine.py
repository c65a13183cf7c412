"""Whatever comes, goes and is refreshed, in whatever order: the model is one of the data as they are."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hcdv import HCDV
from tests.updated import (
    assert_groups_are_nodes,
    assert_in_step,
    assert_same_bits,
    assert_sums_hold,
    assert_within_window,
    largest_leaf,
    rows_and_labels,
    valued_anew,
)

X, Y = rows_and_labels(1200)
TRUSTED = {"none": None, "first": slice(1000, 1100), "second": slice(1100, 1200)}
MOST_ROWS = 150

refreshes = st.sampled_from(["drift", "drift", "affected", "full"])
everies = st.sampled_from([0, 1, 3])


class Updates(RuleBasedStateMachine):
    """Rows of a pool, each of which comes under a name of its own."""

    @initialize(
        n=st.integers(40, 100),
        seed=st.integers(0, 99),
        n_levels=st.integers(0, 2),
        utility=st.sampled_from(["auto", "kernel", "fit"]),
        trusted=st.sampled_from(list(TRUSTED)),
        n_permutations=st.sampled_from([2, 4, 6, 12]),
        leaf_size=st.sampled_from([3, 10]),
    )
    def fit(self, n, seed, n_levels, utility, trusted, n_permutations, leaf_size):
        self.random = np.random.default_rng(seed)
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.n_levels, self.trusted = n_levels, trusted
        self.rebalanced = False
        self.row, self.name = self.random.choice(1000, n, replace=False), np.arange(n)
        self.groups = self.some_groups(n, 2)
        self.next_name = n
        self.model = HCDV(
            utility=utility, random_state=seed, n_permutations=n_permutations, leaf_size=leaf_size,
            branching=4, keep_chains=bool(seed % 2), n_jobs=1,
        )  # fmt: skip
        groups = self.groups if n_levels else None
        self.model.fit(X[self.row], Y[self.row], *self.validation(), groups=groups)

    def some_groups(self, n, n_sellers):
        groups = np.column_stack([self.random.integers(0, n_sellers, n), self.random.integers(0, 3, n)])
        return groups[:, : self.n_levels].astype(object)

    def validation(self):
        part = TRUSTED[self.trusted]
        return (None, None) if part is None else (X[part], Y[part])

    def come(self, row, groups, **options):
        """Rows of the pool, under names that nobody has had."""
        name = np.arange(self.next_name, self.next_name + len(row))
        self.model.partial_fit(X[row], Y[row], ids=name, groups=groups if self.n_levels else None, **options)
        self.row, self.name = np.append(self.row, row), np.append(self.name, name)
        self.groups = np.vstack([self.groups, groups])
        self.next_name += len(row)

    def stay(self, stays):
        self.row, self.name, self.groups = self.row[stays], self.name[stays], self.groups[stays]

    @precondition(lambda self: len(self.row) < MOST_ROWS)
    @rule(
        n=st.integers(1, 30),
        n_sellers=st.integers(1, 5),
        copies=st.booleans(),
        tau=st.sampled_from([0.0, 0.35]),
        refresh=refreshes,
        every=everies,
    )
    def add(self, n, n_sellers, copies, tau, refresh, every):
        row = self.random.choice(self.row, n) if copies else self.random.choice(1000, n, replace=False)
        self.come(row, self.some_groups(n, n_sellers), refresh=refresh, rebalance_every=every, tau=tau)
        self.rebalanced = every == 1

    @precondition(lambda self: len(self.row) > 1)
    @rule(share=st.floats(0.0, 1.0), refresh=refreshes, every=everies)
    def forget(self, share, refresh, every):
        gone = self.random.random(len(self.row)) < share
        gone[self.random.integers(len(gone))] = False
        self.model.forget(self.random.permutation(self.name[gone]), refresh=refresh, rebalance_every=every)
        self.stay(~gone)
        if gone.any():
            self.rebalanced = every == 1

    @precondition(lambda self: self.n_levels and len(np.unique(self.groups[:, 0].astype(int))) > 1)
    @rule(deep=st.booleans(), refresh=refreshes)
    def forget_group(self, deep, refresh):
        path = tuple(self.groups[self.random.integers(len(self.row))][: 1 + deep])
        gone = (self.groups[:, : len(path)] == np.array(path, object)).all(axis=1)
        self.model.forget(groups=[path], refresh=refresh, rebalance_every=0)
        self.stay(~gone)
        self.rebalanced = False

    @rule(trusted=st.sampled_from(list(TRUSTED)), refresh=refreshes)
    def update_validation(self, trusted, refresh):
        self.trusted = trusted
        self.model.update_validation(*self.validation(), refresh=refresh)

    @rule()
    def refresh(self):
        self.model.refresh()

    @rule()
    def save(self):
        """What is on disk is the model, bit for bit."""
        self.model.save(self.folder / "state")
        assert_same_bits(self.model, HCDV.load(self.folder / "state"))

    @precondition(lambda self: (self.folder / "state").exists())
    @rule()
    def go_on_from_disk(self):
        self.model.save(self.folder / "state")
        self.model = HCDV.load(self.folder / "state")

    @precondition(lambda self: (self.folder / "state").exists())
    @rule(share=st.floats(0.0, 1.0))
    def die_while_saving(self, share):
        """A journal cut anywhere behind what was noted holds the state before; the update is sent again."""
        self.model.save(self.folder / "state")
        store, before = self.model._store, self.model.values_
        noted, file = (self.folder / "state" / "CURRENT").read_bytes(), store.file("journal")
        size = file.stat().st_size
        row, groups = self.random.choice(1000, 5, replace=False), self.some_groups(5, 3)
        self.come(row, groups)
        self.model.save(self.folder / "state")
        self.rebalanced = False
        if store.file("journal") != file:
            return  # a new snapshot has taken its place
        whole = file.read_bytes()
        cut = size + int(share * (len(whole) - size))
        file.write_bytes(whole[:cut])
        (self.folder / "state" / "CURRENT").write_bytes(noted)
        found = HCDV.load(self.folder / "state")
        np.testing.assert_array_equal(found.values_, before)
        name = self.name[-5:]
        found.partial_fit(X[row], Y[row], ids=name, groups=groups if self.n_levels else None)
        found.save(self.folder / "state")
        assert_same_bits(self.model, found)
        self.model = found

    @invariant()
    def sums_hold(self):
        assert_sums_hold(self.model)

    @invariant()
    def rows_are_those_that_came_and_stayed(self):
        np.testing.assert_array_equal(self.model.result_.ids, self.name)
        np.testing.assert_array_equal(self.model.result_.labels, Y[self.row])
        assert_in_step(self.model)

    @invariant()
    def the_tree_is_within_its_window(self):
        tree = self.model.hierarchy_
        assert tree.sizes[tree.leaves].max() <= 2 * largest_leaf(self.model)
        if self.rebalanced:
            assert_within_window(self.model, self.groups if self.n_levels else None)
        if self.n_levels:
            assert_groups_are_nodes(tree, self.groups)

    def teardown(self):
        if hasattr(self, "model"):
            self.temporary.cleanup()
            for label in set(Y.tolist()) - set(Y[self.row].tolist()):
                self.come(np.flatnonzero(label == Y)[:1], self.some_groups(1, 1))
            self.model.refresh()
            assert_same_bits(self.model, valued_anew(self.model, X[self.row], Y[self.row], *self.validation()))


usual = settings(
    max_examples=15, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck),
    print_blob=True,
)  # fmt: skip

TestUpdates = Updates.TestCase
TestUpdates.settings = usual


class ManyUpdates(Updates):
    """The same, 500 times."""


TestManyUpdates = pytest.mark.slow(ManyUpdates.TestCase)
TestManyUpdates.settings = settings(usual, max_examples=500, stateful_step_count=12)
