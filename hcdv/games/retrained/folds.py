"""Trainers without validation rows: stratified folds score each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from hcdv.game import Indices, Values
from hcdv.games.retrained.game import Trainer
from hcdv.games.rows import GivenRows
from hcdv.games.stand_ins import stand_in_folds

# Coalitions of a walked chain trained at once: enough for a batch, few enough to throw away.
STOPS_AT_ONCE = 16


def validated(
    given: GivenRows, make_trainer: Callable[[GivenRows], Trainer], *, name: str, seed: int
) -> Trainer:
    """``make_trainer(given)``, or one trainer a fold where there are no validation rows.

    The trainer of fold f is trained on S within the fold and scored on rows of the other folds; the score of
    S is the mean over folds.  One warning says so.
    """
    if given.labels_val is not None:
        return make_trainer(given)
    trainers, fold = [], np.empty(given.n_rows, np.int64)
    folds = stand_in_folds(given.labels, given.n_classes, name=name, seed=seed)
    for f, (mine, others) in enumerate(folds):
        fold[mine] = f
        trainers.append(
            make_trainer(
                replace(
                    given,
                    X_val=take_rows(given.X, others),
                    features_val=None if given.features is None else take_rows(given.features, others),
                    labels_val=given.labels[others],
                )
            )
        )
    return FoldedTrainer(trainers, fold)


def take_rows(X: Any, rows: NDArray[np.int64]) -> Any:
    """Rows of an array, a sparse matrix, a DataFrame or a list, in the order asked for."""
    return _safe_indexing(X, rows)


class FoldedTrainer:
    """Mean score over folds, each trained on its own part of a coalition.

    Parameters
    ----------
    trainers : sequence of Trainer
    fold : int64 [n]
        Which trainer each row belongs to.
    """

    def __init__(self, trainers: Sequence[Trainer], fold: NDArray[np.int64]) -> None:
        self.trainers = trainers
        self.fold = fold
        self.v_empty = float(np.mean([trainer.v_empty for trainer in trainers]))
        self.is_bounded = all(trainer.is_bounded for trainer in trainers)
        self.fingerprint = _all_of([trainer.fingerprint for trainer in trainers])
        self.outline = _all_of([trainer.outline for trainer in trainers])

    def scores(self, coalitions: Sequence[Indices]) -> Values:
        total = np.zeros(len(coalitions))
        for f, trainer in enumerate(self.trainers):
            mine = [coalition[self.fold[coalition] == f] for coalition in coalitions]
            asked = [k for k, part in enumerate(mine) if len(part)]
            part_scores = np.full(len(mine), trainer.v_empty)
            if asked:
                part_scores[asked] = trainer.scores([mine[k] for k in asked])
            total += part_scores
        return total / len(self.trainers)

    def chain_scores(self, order: Indices, stops: Indices) -> Values:
        total = np.zeros(len(stops))
        for f, trainer in enumerate(self.trainers):
            mine = self.fold[order] == f
            reached = np.concatenate([[0], np.cumsum(mine)])[stops]
            distinct, place = np.unique(reached, return_inverse=True)
            part_scores = np.full(len(distinct), trainer.v_empty)
            asked = distinct > 0
            if asked.any():
                part_scores[asked] = trainer.chain_scores(order[mine], distinct[asked])
            total += part_scores[place]
        return total / len(self.trainers)

    def walk(self, order: Indices, stops: Indices) -> Iterator[Values]:
        parts = [self._walk_fold(f, order, stops) for f in range(len(self.trainers))]
        for scores in zip(*parts, strict=True):
            yield np.array([sum(scores) / len(scores)])

    def _walk_fold(self, f: int, order: Indices, stops: Indices) -> Iterator[float]:
        """Score of one fold's trainer at each stop."""
        trainer, mine = self.trainers[f], self.fold[order] == f
        reached = np.concatenate([[0], np.cumsum(mine)])[stops]
        distinct = np.unique(reached[reached > 0])
        blocks = trainer.walk(order[mine], distinct) if len(distinct) else iter(())
        scores = chain.from_iterable(blocks)
        before, score = 0, trainer.v_empty
        for at in reached:
            if at > before:
                before, score = at, float(next(scores))
            yield score


def in_blocks(
    scores: Callable[[Sequence[Indices]], Values], order: Indices, stops: Indices
) -> Iterator[Values]:
    """Scores of a chain's coalitions, few at once, of trainers that gain nothing from their order."""
    for begin in range(0, len(stops), STOPS_AT_ONCE):
        yield scores(prefixes(order, stops[begin : begin + STOPS_AT_ONCE]))


def _all_of(names: Sequence[str | None]) -> str | None:
    return None if None in names else "+".join(map(str, names))


def prefixes(order: Indices, stops: Indices) -> list[Indices]:
    """The coalitions of a chain as ascending arrays, for trainers that gain nothing from their order."""
    return [np.sort(order[:stop]) for stop in stops]
