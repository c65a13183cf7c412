"""From a fitted model to explanations of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hcdv._labels import as_python
from hcdv.affinity import tree_levels
from hcdv.engine import Threads, single_threaded_blas
from hcdv.estimator.explanation.record import Duplicate, Explanation, Listener, Neighbour, PathNode, Voter
from hcdv.estimator.explanation.surroundings import distances, duplicate_radius, nearest
from hcdv.estimator.explanation.votes import Votes
from hcdv.estimator.live import Live
from hcdv.game import Indices, Values
from hcdv.games import Forest, Kernel, TrainingRows, UtilityPlan, VoteGame
from hcdv.games.named import taken_apart
from hcdv.result import ValuationResult

if TYPE_CHECKING:
    from hcdv.estimator.fitting import Fitting

# Rows listed of each kind: neighbours, listeners, voters; and of near-duplicates.
LISTED = 5
LISTED_DUPLICATES = 10

NO_VOTES = "no part of this utility lets rows vote, so it cannot be said whom the row helps and hurts"
NO_ROWS = "the rows are not at hand, so neighbours, votes and near-duplicates are left out"


@dataclass(frozen=True, eq=False)
class Explainer:
    """Explains rows of one valuation; what all explanations need is made once, at the first.

    Attributes
    ----------
    result : ValuationResult
    live : Live or None
        The rows; None where they are not at hand: they were valued out of core, or there is only a result.
    classes : [C] or None
        Labels behind the codes of ``live``.
    votes : dict of str to Votes
        The parts in which rows vote.
    """

    result: ValuationResult
    live: Live | None = None
    classes: NDArray[Any] | None = None
    votes: Mapping[str, Votes] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Fitting) -> Explainer:
        """Of a fitted model; its vote games are made again, as the fit made them."""
        live = model._live if isinstance(model._live, Live) else None
        votes = {} if live is None else _votes(model, live)
        return cls(model.result_, live, model.classes_, votes)

    def explain(self, position: int) -> Explanation:
        """Why the row with this number in the data has its value."""
        result = self.result
        error = None if result.std_error is None else float(result.std_error[position])
        about = Explanation(
            id=as_python(result.ids[position]),
            position=position,
            label=self._label(position),
            value=float(result.values[position]),
            std_error=error if error is not None and np.isfinite(error) else None,
            rank=int(self._rank[position]),
            n_rows=len(result),
            parts={
                name: float(result.weights[name] * part[position]) for name, part in result.parts.items()
            },
            path=self._path(position),
            note=NO_ROWS if self.live is None else "" if self.votes else NO_VOTES,
        )
        if self.live is None:
            return about
        slot = int(self._slot[position])
        return self._with_votes(self._with_surroundings(about, self.live.rows, slot), slot)

    @cached_property
    def _rank(self) -> NDArray[np.int64]:
        rank = np.empty(len(self.result), np.int64)
        rank[self.result.ranking()] = np.arange(len(rank))
        return rank

    @cached_property
    def _slot(self) -> NDArray[np.int64]:
        assert self.live is not None
        return np.argsort(self.live.position)

    @cached_property
    def _radius(self) -> float:
        assert self.live is not None
        with single_threaded_blas():
            return duplicate_radius(self.live.rows.X)

    def _label(self, position: int) -> Any:
        labels = self.result.labels
        return None if labels is None else as_python(labels[position])

    def _path(self, position: int) -> tuple[PathNode, ...]:
        tree, labels, values = self.result.hierarchy, self.result.labels, self.result.node_values
        if tree is None or labels is None or values is None:
            return ()
        nodes = []
        for level, node in enumerate(tree.path(position).tolist()):
            size, value = int(tree.sizes[node]), float(values[node])
            members = tree.order[tree.start[node] : tree.stop[node]]
            share = float((labels[members] == labels[position]).mean())
            nodes.append(PathNode(node, level, size, value, value / size, share))
        return tuple(nodes)

    def _with_surroundings(self, about: Explanation, rows: TrainingRows, slot: int) -> Explanation:
        """Neighbours and near-duplicates."""
        assert self.live is not None
        position = self.live.position
        away = distances(rows.X, rows.X[slot])
        away[slot] = np.inf
        near = nearest(away, position, min(LISTED, len(away) - 1))
        same = np.flatnonzero(away <= self._radius)
        duplicates = same[nearest(away[same], position[same], LISTED_DUPLICATES)]
        trusted: tuple[Neighbour, ...] = ()
        if rows.X_val is not None:
            away_val = distances(rows.X_val, rows.X[slot])
            chosen = nearest(away_val, np.arange(len(away_val)), LISTED)
            trusted = tuple(
                Neighbour(**self._trusted(v, slot), distance=float(away_val[v])) for v in chosen.tolist()
            )
        return replace(
            about,
            neighbours=tuple(Neighbour(**self._row(j, slot), distance=float(away[j])) for j in near.tolist()),
            validation_neighbours=trusted,
            duplicates=tuple(
                Duplicate(**self._row(j, slot), distance=float(away[j])) for j in duplicates.tolist()
            ),
            n_duplicates=len(same),
        )

    def _with_votes(self, about: Explanation, slot: int) -> Explanation:
        """Who votes on the row, and on whom it votes."""
        if not self.votes:
            return about
        weights = self.result.weights
        heard = {name: votes.heard(slot) for name, votes in self.votes.items()}
        rows = _summed([(weights[name], one.rows, one.change, one.share) for name, one in heard.items()])
        trusted = _summed([
            (weights[name], one.validation, one.validation_change, one.validation_share)
            for name, one in heard.items()
        ])  # fmt: skip

        def listeners(felt: tuple[Indices, Values, Values], who: Any, sign: float) -> tuple[Listener, ...]:
            number, change, effect = felt
            order = np.lexsort((number, -sign * change))[:LISTED]
            return tuple(
                Listener(**who(int(number[k]), slot), change=float(change[k]), effect=float(effect[k]))
                for k in order[sign * change[order] > 0]
            )

        return replace(
            about,
            voters=self._voters(slot),
            leave_one_out=sum(weights[name] * one.leave_one_out for name, one in heard.items()),
            own=sum(weights[name] * one.own for name, one in heard.items()),
            helped=listeners(rows, self._row, 1.0),
            hurt=listeners(rows, self._row, -1.0),
            validation_helped=listeners(trusted, self._trusted, 1.0),
            validation_hurt=listeners(trusted, self._trusted, -1.0),
        )

    def _voters(self, slot: int) -> tuple[Voter, ...]:
        """Those whose votes weigh most, by their share of each part's votes times the part's weight."""
        candidates = []
        for is_trusted in (False, True):
            cast = {name: votes.voters_on(slot, trusted=is_trusted) for name, votes in self.votes.items()}
            row, _, weight = _summed([
                (1.0, rows, shares, self.result.weights[name]) for name, (rows, shares) in cast.items()
            ])  # fmt: skip
            for k in np.lexsort((row, -weight))[:LISTED]:
                mine = {
                    name: float(shares[rows == row[k]][0])
                    for name, (rows, shares) in cast.items()
                    if row[k] in rows
                }
                told = (self._trusted if is_trusted else self._row)(int(row[k]), slot)
                candidates.append((-float(weight[k]), Voter(**told, shares=mine)))
        candidates.sort(key=lambda pair: pair[0])
        return tuple(voter for _, voter in candidates[:LISTED])

    def _row(self, slot: int, about: int) -> dict[str, Any]:
        """What is told of the training row in a slot, beside the one that is explained."""
        assert self.live is not None
        position, labels = int(self.live.position[slot]), self.live.rows.labels
        return {
            "position": position,
            "id": as_python(self.result.ids[position]),
            "label": self._label(position),
            "has_same_label": bool(labels[slot] == labels[about]),
            "value": float(self.result.values[position]),
        }

    def _trusted(self, number: int, about: int) -> dict[str, Any]:
        """The same of a validation row."""
        assert self.live is not None and self.live.rows.labels_val is not None and self.classes is not None
        code = self.live.rows.labels_val[number]
        return {
            "position": number,
            "id": None,
            "label": as_python(self.classes[code]),
            "has_same_label": bool(code == self.live.rows.labels[about]),
            "value": None,
        }


def _summed(terms: list[tuple[float, Indices, Values, float]]) -> tuple[Indices, Values, Values]:
    """Rows met in any part, the sums of their figures times its weight, and the sums of these times its share.

    A term is a part's weight, rows [k], figures [k] and share.
    """
    number, place = np.unique(np.concatenate([rows for _, rows, _, _ in terms]), return_inverse=True)
    figure = np.concatenate([weight * figures for weight, _, figures, _ in terms])
    share = np.concatenate([np.full(len(rows), share) for _, rows, _, share in terms])
    total, shared = np.zeros((2, len(number)))
    np.add.at(total, place, figure)
    np.add.at(shared, place, figure * share)
    return number, total, shared


def _votes(model: Fitting, live: Live) -> dict[str, Votes]:
    """The vote games of the model, everybody having voted."""
    voting = tuple(term for term in live.settled.terms if _is_vote(term.utility))
    if not voting:
        return {}
    rows, threads = _searchable(live), Threads(model.n_jobs)
    ready = {name: lists.game(live.rows) for name, lists in live.lists.items()}
    with single_threaded_blas():
        games = model._games(rows, UtilityPlan(voting), live.seed, threads, ready)
    found = {}
    for term in voting:
        game, (_, space) = games[term.name], taken_apart(term.utility)
        assert isinstance(game, VoteGame)
        found[term.name] = Votes.of(game, rows if space is None else rows.in_space(space))
    return found


def _is_vote(utility: Any) -> bool:
    return isinstance(taken_apart(utility)[0], (Kernel, Forest))


def _searchable(live: Live) -> TrainingRows:
    """The rows as the last valuation had them, with what a search for neighbours goes through."""
    tree = live.tree
    if np.array_equal(tree.order, np.arange(live.n_rows)):
        levels = tree_levels(tree.start, tree.stop, tree.first_child, tree.n_children)
        return replace(live.rows, levels=levels)
    return replace(live.rows, order=tree.order)
