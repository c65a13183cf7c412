"""What a fitted model keeps so that its values can follow the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse, vstack

from hcdv._random import derive_seed
from hcdv._validation import as_array
from hcdv.affinity import tree_levels
from hcdv.allocation import KeptChains
from hcdv.encoder import Spaces
from hcdv.engine import Threads
from hcdv.game import Game, Indices
from hcdv.games import GivenRows, KernelLists, TrainingRows, UtilityPlan, learns_width
from hcdv.games.dispersion import directions
from hcdv.hierarchy import Hierarchy
from hcdv.partition import Bounds, Changes, Edited, TreeArrays, grown
from hcdv.result import ValuationResult


class Played(NamedTuple):
    """A valuation just finished: its result, and what it came from."""

    result: ValuationResult
    games: Mapping[str, Game]
    settled: UtilityPlan
    weights: dict[str, float]
    chains: KeptChains | None
    lists: dict[str, KernelLists]


@dataclass(frozen=True, eq=False)
class NewRows:
    """Rows that come, encoded.

    Attributes
    ----------
    X : rows as given
    features : array or None
        Numbers for models in torch, as in :class:`hcdv.games.GivenRows`.
    spaces : Spaces
    labels : int64 [b]
    groups : object [b, L] or None
    """

    X: Any
    features: Any
    spaces: Spaces
    labels: NDArray[np.int64]
    groups: NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class Live:
    """Rows, tree and chains of a fitted model.

    The rows lie in *slots*: those of the last full valuation in the order of its tree, then those that came
    since.

    Attributes
    ----------
    rows : TrainingRows
        By slot.
    tree : Hierarchy
        Over the slots.
    position : int64 [n]
        Number of each slot's row in the data.
    plan : UtilityPlan
        As asked for.
    settled : UtilityPlan
        With its resolution decided for the last full valuation.
    weights : dict of str to float
        Of the games.
    seed : int
    groups : object [n, L] or None
        Known groups of each slot's row, coarse to fine.
    batch : int64 [n]
        Update with which each slot's row came; 0 for the fit.
    lists : dict of str to KernelLists
        What kernel games are made of; empty before they are kept.
    chains : KeptChains or None
        None where they were not kept.
    next_point_key, next_node_key : int
        Names for rows and nodes to come: none is given twice.
    n_updates : int
    since_rebalance : int
        Updates that moved rows since the tree was last rebalanced.
    next_id : int or None
        Number for the next row without a name; None where rows have names.
    """

    rows: TrainingRows
    tree: Hierarchy
    position: Indices
    plan: UtilityPlan
    settled: UtilityPlan
    weights: dict[str, float]
    seed: int
    groups: NDArray[Any] | None
    batch: NDArray[np.int64]
    lists: dict[str, KernelLists]
    chains: KeptChains | None
    next_point_key: int
    next_node_key: int
    n_updates: int = 0
    since_rebalance: int = 0
    next_id: int | None = None

    @classmethod
    def of(
        cls,
        rows: TrainingRows,
        tree: Hierarchy,
        plan: UtilityPlan,
        seed: int,
        groups: NDArray[Any] | None,
        played: Played,
    ) -> Live:
        """After a fit: ``rows`` in the order of ``tree``, which is over the data, as ``groups`` are."""
        in_order = tree.sorted()
        return cls(
            rows=_without_given(rows, plan),
            tree=in_order,
            position=tree.order,
            plan=plan,
            settled=played.settled,
            weights=played.weights,
            seed=seed,
            groups=None if groups is None else groups[tree.order],
            batch=np.zeros(tree.n_points, np.int64),
            lists=played.lists,
            chains=played.chains,
            next_point_key=int(tree.point_key.max()) + 1,
            next_node_key=int(tree.node_key.max()) + 1,
        )

    @property
    def n_rows(self) -> int:
        return len(self.position)

    def slots_of(self, numbers: Indices) -> Indices:
        """Slots of the rows with these numbers in the data, ascending."""
        slot = np.empty(self.n_rows, np.int64)
        slot[self.position] = np.arange(self.n_rows)
        return np.sort(slot[numbers])

    def in_data(self) -> Hierarchy:
        """The tree over the rows as they are numbered in the data."""
        keys = np.empty(self.n_rows, np.int64)
        keys[self.position] = self.tree.point_key
        return replace(self.tree, order=self.position[self.tree.order], point_key=keys)

    def in_tree_order(self) -> Live:
        """The same with the slots in the order of the tree, as a fit leaves them."""
        order = self.tree.order
        in_order = self.tree.sorted()
        rows = _reordered(self.rows, order, self.position[order])
        levels = tree_levels(in_order.start, in_order.stop, in_order.first_child, in_order.n_children)
        return replace(
            self,
            rows=replace(rows, levels=levels),
            tree=in_order,
            position=self.position[order],
            groups=None if self.groups is None else self.groups[order],
            batch=self.batch[order],
            lists={},
            chains=None,
        )

    def levels(self) -> tuple[Indices, tuple[Indices, ...]]:
        """Slots in the order of the tree, and the levels of a search through it."""
        tree = self.tree
        return tree.order, tree_levels(tree.start, tree.stop, tree.first_child, tree.n_children)

    def after(
        self,
        kept: Indices,
        new: NewRows | None,
        bounds: Bounds,
        *,
        tau: float,
        exact: bool,
        rebalance: bool,
    ) -> tuple[Live, Changes]:
        """Rows and tree once some slots' rows have left (all but ``kept``, ascending) and others have come.

        Lists and chains are still those from before.
        """
        n_new = 0 if new is None else len(new.labels)
        rows, position = self.rows, self.position
        if len(kept) < self.n_rows:
            rank = np.cumsum(np.isin(np.arange(self.n_rows), position[kept])) - 1
            position = rank[position[kept]]
        if n_new or len(kept) < self.n_rows:
            rows = _joined(self.rows, kept, self.position[kept], new, position)
            position = np.append(position, len(kept) + np.arange(n_new))
        groups = self.groups
        if groups is not None:
            groups = groups[kept]
            if new is not None and new.groups is not None:
                groups = np.vstack([groups, new.groups])
        update = self.n_updates + 1
        edited, changes, next_node_key = grown(
            self._edited(),
            kept,
            directions(rows.X),
            None if groups is None else group_codes(groups),
            bounds,
            tau=tau,
            exact=exact,
            rebalance=rebalance,
            next_key=self.next_node_key,
            seed=derive_seed(self.seed, "update", update),
        )
        keys = np.append(self.tree.point_key[kept], self.next_point_key + np.arange(n_new))
        after = replace(
            self,
            rows=rows,
            tree=Hierarchy(*edited.tree, point_key=keys, node_key=edited.node_key),
            position=position,
            groups=groups,
            batch=np.append(self.batch[kept], np.full(n_new, update)),
            next_point_key=self.next_point_key + n_new,
            next_node_key=next_node_key,
            n_updates=update,
        )
        return after, changes

    def with_validation(self, trusted: NewRows | None, threads: Threads) -> Live:
        """The same beside other validation rows, or none."""
        spaces = None if trusted is None else trusted.spaces
        labels = None if trusted is None else trusted.labels
        given = self.rows.given
        if given is not None:
            given = replace(
                given,
                X_val=None if trusted is None else trusted.X,
                features_val=None if trusted is None else trusted.features,
                labels_val=labels,
            )
        rows = replace(
            self.rows,
            X_val=None if spaces is None else spaces.vote,
            columns_val=None if spaces is None else spaces.columns,
            labels_val=labels,
            given=given,
            others={
                name: (space, None if spaces is None else spaces.others[name])
                for name, (space, _) in self.rows.others.items()
            },
        )
        lists = {name: kept.with_validation(rows, threads) for name, kept in self.lists.items()}
        return replace(self, rows=rows, lists=lists)

    def lists_after(self, kept: Indices, before: Live, threads: Threads) -> dict[str, KernelLists]:
        """What kernel games are made of now, from what they were made of ``before``."""
        return {
            name: lists.after(self.rows, kept, self.levels, threads)
            for name, lists in before.lists.items()
        }

    def of_likeliest_widths(
        self, lists: Mapping[str, KernelLists], threads: Threads
    ) -> dict[str, KernelLists]:
        """The lists under the widths that a fit would choose by now."""
        chosen = dict(lists)
        for term in self.settled.terms:
            if term.name in lists and learns_width(term.utility, self.rows):
                width = lists[term.name].likeliest_width(self.rows, self.tree.order, threads)
                if width != lists[term.name].width:
                    chosen[term.name] = lists[term.name].of_width(width, self.rows, threads)
        return chosen

    def touched_leaves(self, kept: Indices, before: Live) -> NDArray[np.bool_]:
        """Which nodes are leaves that rows have entered or left, or that were made now; bool [m]."""
        touched = self.tree.is_leaf & (self.tree.node_key >= before.next_node_key)
        leaf, leaf_before = self.tree.leaf_of_point(), before.tree.leaf_of_point()
        touched[leaf[len(kept) :]] = True
        has_moved = self.tree.node_key[leaf[: len(kept)]] != before.tree.node_key[leaf_before[kept]]
        touched[leaf[: len(kept)][has_moved]] = True
        gone = np.delete(np.arange(before.n_rows), kept)
        left = before.tree.node_key[np.unique(leaf_before[gone])]
        return touched | np.isin(self.tree.node_key, left)

    def _edited(self) -> Edited:
        tree = self.tree
        arrays = TreeArrays(
            tree.order, tree.start, tree.stop, tree.parent, tree.first_child, tree.n_children,
            tree.level_start,
        )  # fmt: skip
        return Edited(arrays, tree.node_key)


def kernel_lists(
    plan: UtilityPlan, games: Mapping[str, Game], rows: TrainingRows, threads: Threads
) -> dict[str, KernelLists]:
    """What the kernel games of a plan are made of."""
    found = {term.name: KernelLists.of(term.utility, games[term.name], rows, threads) for term in plan.terms}
    return {name: lists for name, lists in found.items() if lists is not None}


def group_columns(groups: ArrayLike, n: int) -> NDArray[Any]:
    """Groups as object [n, L], coarse to fine."""
    array = groups if isinstance(groups, pd.DataFrame) else as_array(groups, "groups")
    if array.ndim not in (1, 2):
        raise ValueError(f"groups must be 1- or 2-dimensional, got shape {array.shape}.")
    frame = pd.DataFrame(array)
    if len(frame) != n:
        raise ValueError(f"groups has {len(frame)} entries for {n} rows.")
    missing = int(frame.isna().any(axis=1).sum())
    if missing:
        raise ValueError(f"groups has {missing} missing entries.")
    return np.asarray(frame, dtype=object)


def group_codes(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Codes int64 [n, L] in the order in which groups first occur."""
    try:
        return np.column_stack([pd.factorize(column)[0] for column in groups.T]).astype(np.int64)
    except TypeError:
        raise TypeError("groups must hold hashable labels.") from None


def _without_given(rows: TrainingRows, plan: UtilityPlan) -> TrainingRows:
    """The rows as given are kept only for games that train models on them."""
    return rows if plan.needs_given else replace(rows, given=None)


def _reordered(rows: TrainingRows, order: Indices, position: Indices) -> TrainingRows:
    X = np.ascontiguousarray(rows.X[order])
    return replace(
        rows,
        X=X,
        labels=rows.labels[order],
        columns=X if rows.columns is rows.X else np.ascontiguousarray(rows.columns[order]),
        others={
            name: (np.ascontiguousarray(space[order]), validation)
            for name, (space, validation) in rows.others.items()
        },
        given=None if rows.given is None else replace(rows.given, order=position),
    )


def _joined(
    rows: TrainingRows, kept: Indices, numbers: Indices, new: NewRows | None, position: Indices
) -> TrainingRows:
    """Kept slots, then the new rows; ``numbers`` are those of the kept rows in the data, ``position`` now."""

    def join(old: NDArray[Any], more: NDArray[Any] | None) -> NDArray[Any]:
        old = old if len(kept) == len(old) else old[kept]
        return np.ascontiguousarray(old if more is None else np.concatenate([old, more.astype(old.dtype)]))

    spaces = None if new is None else new.spaces
    X = join(rows.X, None if spaces is None else spaces.vote)
    labels = join(rows.labels, None if new is None else new.labels)
    columns = X
    if rows.columns is not rows.X:
        columns = join(rows.columns, None if spaces is None else spaces.columns)
    given = rows.given
    if given is not None:
        given = _joined_given(given, np.sort(numbers), new, position)
    return replace(
        rows,
        X=X,
        labels=labels,
        columns=columns,
        levels=(),  # rows that came are not beside their neighbours
        others={
            name: (join(space, None if spaces is None else spaces.others[name]), validation)
            for name, (space, validation) in rows.others.items()
        },
        given=given,
    )


def _joined_given(
    given: GivenRows, numbers: Indices, new: NewRows | None, position: Indices
) -> GivenRows:
    def join(old: Any, more: Any) -> Any:
        if isinstance(old, pd.DataFrame):
            old = old.iloc[numbers]
            return old if more is None else pd.concat([old, more[list(old.columns)]], ignore_index=True)
        old = old[numbers]
        if more is None:
            return old
        return vstack([old, more]).tocsr() if issparse(old) else np.concatenate([old, np.asarray(more)])

    n_new = 0 if new is None else len(new.labels)
    labels = given.labels[numbers]
    features = given.features
    if features is not None:
        features = join(features, None if new is None else new.features)
    return replace(
        given,
        X=join(given.X, None if new is None else new.X),
        features=features,
        labels=labels if new is None else np.concatenate([labels, new.labels]),
        order=np.append(position, len(numbers) + np.arange(n_new)),
    )
