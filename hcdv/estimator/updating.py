"""Values that follow the data: rows come and go, trusted rows change (the paper's Algorithm 2)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from hcdv._labels import encode_known
from hcdv._memory import release_freed_memory
from hcdv._progress import Progress
from hcdv._validation import check_bool, check_choice, check_fraction, check_int, check_number
from hcdv.allocation import Renewal, observe_pair, renewed
from hcdv.encoder import Spaces
from hcdv.engine import Threads, single_threaded_blas
from hcdv.estimator.checks import check_text, check_validation, count_rows, new_ids, positions_of
from hcdv.estimator.fitting import Fitting, wants_columns
from hcdv.estimator.live import Live, NewRows, group_columns
from hcdv.estimator.results import chain_result
from hcdv.estimator.rows import features_of, plain
from hcdv.estimator.update import REFRESHES, Update, history_frame
from hcdv.game import Game
from hcdv.hierarchy import Hierarchy, check_branching
from hcdv.partition import Bounds, Changes
from hcdv.result import ValuationResult

# Error at which an update stops walking chains again, in units of the values' standard deviation: Spearman's
# correlation with the values by all chains is then .99 (bench.streaming).
TOLERANCE = 0.04
# Nodes whose values a record of an update keeps.
MOST_TRACKED = 4096


class Updating(Fitting):
    """What :class:`hcdv.HCDV` does as the data change.

    Every update is one step: it ends with new values, tree and record, or leaves all as it was.
    """

    update_: Update


    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        ids: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        refresh: str = "drift",
        tau: float = 0.35,
        rebalance_every: int = 3,
        tolerance: float = TOLERANCE,
        exact: bool = False,
        note: str = "",
    ) -> Self:
        """Take in rows that have come; a model not yet fitted is fitted on them.

        The encoder stays.  Every row enters the leaf whose centre is nearest (cosine), or founds one; then some
        of the chains are walked again, and the others corrected by what these have changed
        (:mod:`hcdv.allocation.kept`).

        Parameters
        ----------
        X : like X of the fit, b rows
        y : [b]
            Their labels, of the classes of the fit.
        ids : [b], optional
            Their names, which no row has had; a DataFrame's index, else the next numbers.
        groups : [b] or [b, levels], optional
            Wanted where the fit had groups.  A group not met before becomes a node beside the others.
        refresh : {"drift", "affected", "full"}
            ``"drift"`` walks an eighth of the chains again, then further ones until the error that is left,
            which it measures, is below ``tolerance``.  ``"affected"`` stops at an eighth, and lets only rows in
            leaves that changed move by themselves (Algorithm 2 to the letter).  ``"full"`` values all rows anew
            on the tree as it is then: games, weights and every chain.
        tau : float
            A row founds a leaf where it is farther (1 - cosine) from the nearest leaf's centre than rows
            are from their own leaf's on average, by more than this.
        rebalance_every : int
            After every so many updates leaves that have outgrown their bounds are split, and very small
            ones dissolved; 0 for never.
        tolerance : float
            Error that ``"drift"`` leaves, in units of the values' standard deviation.
        exact : bool
            Compare new rows with every leaf instead of descending through the tree.
        note : str
            Kept with the update, in memory and on disk: the name or the digest of the batch, say.

        Returns
        -------
        self
            With new ``values_``, ``result_``, ``hierarchy_`` (kept rows in their order, then the new ones),
            ``update_`` and ``history_``.

        Raises
        ------
        ValueError, TypeError
            If an argument is not what it should be; nothing has changed then.
        """
        if not hasattr(self, "_live"):
            check_choice(refresh, "refresh", REFRESHES)
            check_text(note, "note")
            return self.fit(X, y, ids=ids, groups=groups)
        begin, live = time.monotonic(), self._live
        n = count_rows(X, "X")
        if not hasattr(X, "columns"):  # a frame's are found by their names
            try:
                validate_data(self, X, reset=False, skip_check_array=True)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{str(error).rstrip('.')}.") from None
        options = Options.checked(self, refresh, tau, rebalance_every, tolerance, exact)
        labels = encode_known(y, n, self.classes_, "y", is_fitted=True)
        names = new_ids(ids, X, n, self.result_.ids, live.next_id)
        columns = _checked_groups(groups, live, n)
        progress = Progress(self.verbose > 0)
        with single_threaded_blas(), progress.stage("encoding"):
            spaces = self._spaces(X, "X")
        given, features = self._given(X, spaces)
        new = NewRows(given, features, spaces, labels, columns)
        step = Step("add", options, new=new, names=names, note=check_text(note, "note"))
        return self._apply(step, progress, begin)

    def forget(
        self,
        ids: ArrayLike | None = None,
        *,
        groups: Any = None,
        refresh: str = "drift",
        rebalance_every: int = 3,
        tolerance: float = TOLERANCE,
        note: str = "",
    ) -> Self:
        """Withdraw rows: they, their labels and names leave the model, and the others are valued without them.

        What was made of many rows together stays: the encoder, and what ``history_`` tells of past days.

        Parameters
        ----------
        ids : [k], optional
            Names of the rows.
        groups : label, list of labels, or list of tuples of labels, optional
            Withdraw all rows of these groups (a seller, a source): labels of the coarsest level, or tuples
            coarse to fine.
        refresh, rebalance_every, tolerance, note
            As in :meth:`partial_fit`.

        Raises
        ------
        ValueError
            If a name or a group is not known, or no row would be left; nothing has changed then.
        """
        begin, live = time.monotonic(), self._followed()
        options = Options.checked(self, refresh, 0.0, rebalance_every, tolerance, False)
        if (ids is None) == (groups is None):
            raise ValueError("forget takes ids or groups: one of them.")
        gone = np.zeros(live.n_rows, bool)
        if ids is not None:
            gone[positions_of(ids, self.result_.ids)] = True
        else:
            gone[live.position[_members(live, groups)]] = True
        if not gone.any():
            return self
        if gone.all():
            raise ValueError(f"no row would be left: all {live.n_rows} were to be forgotten.")
        step = Step("forget", options, gone=np.flatnonzero(gone), note=check_text(note, "note"))
        return self._apply(step, Progress(self.verbose > 0), begin)

    def update_validation(
        self,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        *,
        refresh: str = "drift",
        tolerance: float = TOLERANCE,
        note: str = "",
    ) -> Self:
        """Put other trusted rows into the place of those there were; without arguments, none.

        Parameters
        ----------
        X_val : like X of the fit, optional
        y_val : labels of the classes of the fit, optional
        refresh, tolerance, note
            As in :meth:`partial_fit`.
        """
        begin, live = time.monotonic(), self._followed()
        options = Options.checked(self, refresh, 0.0, 0, tolerance, False)
        labels_val = check_validation(X_val, y_val, self.classes_, is_fitted=True)
        if labels_val is None and live.rows.given is not None:
            options = replace(options, refresh="full")  # folds stand in for the trusted rows
        progress = Progress(self.verbose > 0)
        trusted = None
        if labels_val is not None:
            with single_threaded_blas(), progress.stage("encoding"):
                spaces = self._spaces(X_val, "X_val")
            given, features = self._given(X_val, spaces)
            trusted = NewRows(given, features, spaces, labels_val, None)
        step = Step("validation", options, new=trusted, note=check_text(note, "note"))
        return self._apply(step, progress, begin)

    def refresh(self) -> Self:
        """Value all rows anew on the tree as it is, by the encoder as it is: games, weights, every chain."""
        begin = time.monotonic()
        self._followed()
        options = Options.checked(self, "full", 0.0, 0, TOLERANCE, False)
        return self._apply(Step("refresh", options), Progress(self.verbose > 0), begin)

    def history(self) -> pd.DataFrame:
        """One line an update since the fit: what came and went, how the tree changed, how sure values were."""
        self._followed()
        return history_frame(self.history_)

    def _followed(self) -> Live:
        if not hasattr(self, "_live"):
            raise NotFittedError("This HCDV is not fitted yet: call fit, or partial_fit with rows, first.")
        return self._live

    def _spaces(self, X: Any, name: str) -> Spaces:
        wanted = wants_columns(self._live.plan, self.encoder_)
        return self.encoder_.spaces(X, columns=wanted, name=name)

    def _given(self, X: Any, spaces: Spaces) -> tuple[Any, Any]:
        """Rows as given, and as numbers for models in torch, as far as a game asks for them."""
        given = self._live.rows.given
        if given is None:
            return None, None
        X = plain(X)
        if given.features is None:
            return X, None
        return X, features_of(X, spaces, is_mixed=self.encoder_.is_mixed)

    def play(self, step: Step, seconds: float) -> Self:
        """Do again what a journal tells, and took so long then; it is not recorded once more."""
        new, given = step.new, self._live.rows.given
        if new is not None and given is not None and given.features is not None:
            features = features_of(new.X, new.spaces, is_mixed=self.encoder_.is_mixed)
            step = replace(step, new=replace(new, features=features))
        self._apply(step, Progress(self.verbose > 0), time.monotonic(), record=False)
        self.update_ = replace(self.update_, seconds=seconds)
        self.history_ = [*self.history_[:-1], self.update_.without_nodes()]
        return self

    def _apply(self, step: Step, progress: Progress, begin: float, *, record: bool = True) -> Self:
        """One update: the tree, then the values; everything is set at the end."""
        before, options = self._live, step.options
        ids, labels = self.result_.ids, np.asarray(self.result_.labels)
        kept, new, stays = np.arange(before.n_rows), None, np.ones(before.n_rows, bool)
        threads = Threads(self.n_jobs)
        if step.kind == "add":
            assert step.new is not None and step.names is not None
            new = step.new
            ids = np.concatenate([ids, step.names])
            labels = np.concatenate([labels, self.classes_[new.labels]])
        elif step.kind == "forget":
            assert step.gone is not None
            stays[step.gone] = False
            kept, ids, labels = before.slots_of(np.flatnonzero(stays)), ids[stays], labels[stays]
        elif step.kind == "validation":
            with single_threaded_blas():
                before = before.with_validation(step.new, threads)
        since = before.since_rebalance + (step.kind in ("add", "forget"))
        rebalance = options.rebalance_every > 0 and since >= options.rebalance_every
        with single_threaded_blas():
            with progress.stage("placing the rows"):
                live, changes = before.after(
                    kept, new, self._bounds(), tau=options.tau, exact=options.exact, rebalance=rebalance
                )
            if options.refresh == "full" or before.chains is None:
                live, result, games, renewal = self._valued_anew(live, ids, labels, threads, progress)
            else:
                live, result, games, renewal = self._renewed(
                    before, live, kept, options, ids, labels, threads, progress
                )
        next_id = before.next_id
        if next_id is not None and step.names is not None:
            next_id = max(next_id, int(step.names.max()) + 1)
        live = replace(live, since_rebalance=0 if rebalance else since, next_id=next_id)
        moved = np.zeros(live.n_rows)
        stayed = self.values_[stays]
        moved[: len(stayed)] = result.values[: len(stayed)] - stayed
        update = _record(
            live, result, moved, renewal, changes, step, before.n_rows - len(kept), rebalance,
            time.monotonic() - begin,
        )  # fmt: skip
        self._live = live
        self.update_ = update
        if record and self._store is not None:
            self._store.add(step, update.seconds, self)
        self.history_ = [*self.history_, update.without_nodes()]
        assert result.hierarchy is not None
        return self._set(result, result.hierarchy, games, progress.seconds)

    def _valued_anew(
        self, live: Live, ids: NDArray[Any], labels: NDArray[Any], threads: Threads, progress: Progress
    ) -> tuple[Live, ValuationResult, dict[str, Game], Renewal]:
        """As a fit does it, on the tree and in the spaces that there are."""
        live = live.in_tree_order()
        tree = live.in_data()
        played = self._play(
            live.rows, live.plan, tree, ids, labels, live.seed, threads, progress,
            keep=True, checkpointed=False,
        )  # fmt: skip
        n_pairs = (played.result.n_permutations + 1) // 2
        nothing = np.zeros(tree.n_nodes)
        renewal = Renewal(n_pairs, n_pairs, 0.0, np.zeros(tree.n_points), nothing)
        live = replace(
            live, settled=played.settled, weights=played.weights, chains=played.chains, lists=played.lists
        )
        return live, played.result, dict(played.games), renewal

    def _renewed(
        self,
        before: Live,
        live: Live,
        kept: NDArray[np.int64],
        options: Options,
        ids: NDArray[Any],
        labels: NDArray[Any],
        threads: Threads,
        progress: Progress,
    ) -> tuple[Live, ValuationResult, dict[str, Game], Renewal]:
        """Some chains walked again, the others corrected."""
        assert before.chains is not None
        with progress.stage("preparing the games"):
            lists = live.lists_after(kept, before, threads)
            likeliest = live.of_likeliest_widths(lists, threads)
        if options.refresh == "affected" and any(likeliest[name] is not lists[name] for name in lists):
            # Another width changes the votes in all leaves.
            return self._valued_anew(live, ids, labels, threads, progress)
        lists = likeliest
        with progress.stage("preparing the games"):
            ready = {name: made.game(live.rows) for name, made in lists.items()}
            rows = replace(live.rows, order=live.tree.order)
            games = self._games(rows, live.settled, live.seed, threads, ready)
            # They cost no chain, and follow the data as those of a fit do.
            weights = self._weights(live.settled, games, live.rows, threads)
            games = self._on_device(games)
            release_freed_memory()
        with progress.stage("walking the chains"):
            affected = live.touched_leaves(kept, before) if options.refresh == "affected" else None
            stops = np.arange(live.n_rows + 1)
            chains, renewal = renewed(
                before.chains,
                kept,
                live.tree,
                partial(observe_pair, games, live.tree, stops, live.seed),
                v_empty=np.array([game.v_empty for game in games.values()]),
                weights=np.array([weights[name] for name in games]),
                tolerance=np.inf if options.refresh == "affected" else options.tolerance,
                affected=affected,
                threads=threads,
            )
            tree = live.in_data()
            result = chain_result(
                chains.moments(live.tree), "update", games, weights, live.tree, tree, None,
                live.position, ids=ids, labels=labels,
            )  # fmt: skip
        return replace(live, weights=weights, chains=chains, lists=lists), result, games, renewal

    def _bounds(self) -> Bounds:
        slack = check_fraction(self.capacity_slack, "capacity_slack")
        return Bounds(check_int(self.leaf_size, "leaf_size", 1), slack, check_branching(self.branching))


@dataclass(frozen=True)
class Options:
    """How an update is to be done; the arguments of :meth:`Updating.partial_fit`."""

    refresh: str
    tau: float
    rebalance_every: int
    tolerance: float
    exact: bool

    @classmethod
    def checked(
        cls, model: Updating, refresh: str, tau: float, rebalance_every: int, tolerance: float, exact: bool
    ) -> Options:
        check_choice(refresh, "refresh", REFRESHES)
        model._check_parameters()
        model._bounds()
        games = {*model._live.settled.names, *(["contrast"] if model.contrast else [])}
        if games != set(model._live.weights):
            raise ValueError("contrast: the model was fitted with it, or without; fit anew to change that.")
        walks_points = model.allocation == "winter" and not isinstance(model._live.settled.resolution, int)
        if refresh != "full" and not walks_points:
            raise ValueError(
                f"refresh={refresh!r} walks single chains again, which takes allocation='winter' and a utility "
                "that is asked at every row; pass refresh='full'."
            )
        return cls(
            refresh,
            check_number(tau, "tau", 0.0, 2.0),
            check_int(rebalance_every, "rebalance_every", 0),
            check_number(tolerance, "tolerance", 0.0, np.inf),
            check_bool(exact, "exact"),
        )


@dataclass(frozen=True, eq=False)
class Step:
    """An update as it is asked for, with all that it needs beside the state before it.

    Attributes
    ----------
    kind : {"add", "forget", "validation", "refresh"}
    options : Options
    new : NewRows or None
        Rows that come; or the validation rows from now on.
    names : [b] or None
        Names of the rows that come.
    gone : int64 [k] or None
        Numbers of the rows that leave, ascending.
    note : str
    """

    kind: str
    options: Options
    new: NewRows | None = None
    names: NDArray[Any] | None = None
    gone: NDArray[np.int64] | None = None
    note: str = ""


def _checked_groups(groups: ArrayLike | None, live: Live, n: int) -> NDArray[Any] | None:
    """Groups of new rows, of as many levels as the fit's."""
    if groups is None and live.groups is None:
        return None
    if groups is None:
        raise ValueError("groups are missing: the model was fitted with groups, so new rows need theirs.")
    if live.groups is None:
        raise ValueError("groups were given, but the model was fitted without.")
    columns = group_columns(groups, n)
    if columns.shape[1] != live.groups.shape[1]:
        raise ValueError(
            f"groups must have {live.groups.shape[1]} levels, as in the fit, got {columns.shape[1]}."
        )
    return columns


def _members(live: Live, groups: Any) -> NDArray[np.int64]:
    """Slots of the rows of some groups."""
    if live.groups is None:
        raise ValueError("groups: the model was fitted without groups, so forget rows by their ids.")
    wanted = groups if isinstance(groups, (list, set, np.ndarray, pd.Series, pd.Index)) else [groups]
    found = []
    for group in wanted:
        path = group if isinstance(group, tuple) else (group,)
        if len(path) > live.groups.shape[1]:
            raise ValueError(f"groups: {group!r} has more levels than the groups of the fit.")
        mine = np.ones(live.n_rows, bool)
        for level, label in enumerate(path):
            mine &= live.groups[:, level] == label
        if not mine.any():
            raise ValueError(f"groups: no row is of group {group!r}.")
        found.append(np.flatnonzero(mine))
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _record(
    live: Live,
    result: ValuationResult,
    moved: NDArray[np.float64],
    renewal: Renewal,
    changes: Changes,
    step: Step,
    n_forgotten: int,
    rebalanced: bool,
    seconds: float,
) -> Update:
    tree = result.hierarchy
    assert tree is not None and result.node_values is not None
    by_slot = result.values[live.position]
    by_batch = np.bincount(live.batch, by_slot)
    tracked = _tracked_nodes(tree)
    by_group = {}
    if live.groups is not None:
        codes, labels = pd.factorize(live.groups[:, 0])
        by_group = dict(zip(labels.tolist(), np.bincount(codes, by_slot).tolist(), strict=True))
    return Update(
        number=live.n_updates,
        kind=step.kind,
        refresh=step.options.refresh,
        note=step.note,
        n_new=int((live.batch == live.n_updates).sum()),
        n_forgotten=n_forgotten,
        n_rows=live.n_rows,
        n_pairs=renewal.n_pairs,
        n_all_pairs=renewal.n_all,
        error=renewal.error,
        rebalanced=rebalanced,
        born=tuple(changes.born),
        split=tuple(changes.split),
        dissolved=tuple(changes.dissolved),
        seconds=seconds,
        v_full=result.v_full,
        by_batch={int(k): float(by_batch[k]) for k in np.unique(live.batch)},
        by_group=by_group,
        tracked_key=tree.node_key[tracked],
        tracked_value=result.node_values[tracked],
        node_error=renewal.node_error,
        node_moved=tree.node_sums(moved),
    )


def _tracked_nodes(tree: Hierarchy) -> NDArray[np.int64]:
    """The finest nodes whose values a record of an update keeps: all leaves, or those of an upper level."""
    if len(tree.leaves) <= MOST_TRACKED:
        return tree.leaves
    counts = np.diff(tree.level_start)
    level = int(np.where(counts <= MOST_TRACKED, counts, -1).argmax())
    return np.arange(*tree.level_start[level : level + 2])
