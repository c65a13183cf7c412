"""Logistic regression as a utility: scikit-learn's objective, many coalitions trained at once in torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hcdv._device import check_torch
from hcdv._validation import check_int, check_number
from hcdv.engine import Threads
from hcdv.games.metrics import Metric, check_needs
from hcdv.games.retrained.cache import CoalitionCache
from hcdv.games.retrained.folds import validated
from hcdv.games.retrained.game import RetrainedGame
from hcdv.games.rows import TrainingRows

# Core-seconds of one fit along a chain, measured: a few passes over the rows inside, and one Hessian for
# each block of stops.
_SECONDS_PER_CELL = 3.5e-9
_SECONDS_PER_HESSIAN_CELL = 2.5e-10
_SECONDS_PER_FIT = 2e-5


@dataclass(frozen=True)
class Logistic:
    """L2-penalised logistic regression with a free intercept, as ``sklearn.linear_model.LogisticRegression``.

    Minimises ``C * (sum of log losses) + |w|^2 / 2`` (softmax over the classes present above two classes) on
    the features as given; on tables with text or gaps on the encoder's columns.  A coalition of one class
    predicts that class.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    metric : str
        ``"accuracy"``, ``"balanced_accuracy"``, ``"auc"``, ``"log_loss"`` or ``"brier"``, on the validation
        rows.
    tol : float
        A fit ends when Newton's decrement, the distance to the minimum in units of the loss, is below it.
    max_iter : int
        Newton or quasi-Newton steps of a fit at most.
    """

    C: float = 1.0
    metric: Any = "accuracy"
    tol: float = 1e-8
    max_iter: int = 100
    name: ClassVar[str] = "logistic"
    needs_torch: ClassVar[bool] = True
    _metric: Metric = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_number(self.C, "C", 1e-12, 1e12)
        check_number(self.tol, "tol", 1e-14, 1.0)
        check_int(self.max_iter, "max_iter", 1)
        metric = check_needs(self.metric, self.name, ("labels", "probabilities"))
        object.__setattr__(self, "_metric", metric)

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> RetrainedGame:  # fmt: skip
        check_torch("utility 'logistic'")
        if rows.given is None:
            raise ValueError("utility 'logistic' needs the rows as given.")
        from hcdv.games.retrained._torch_logistic import LogisticTrainer

        trainer = validated(
            rows.given,
            lambda given: LogisticTrainer(
                given, metric=self._metric, C=self.C, tol=self.tol, max_iter=self.max_iter, device=device
            ),
            name=self.name,
            seed=seed,
        )
        return RetrainedGame(trainer, rows.given.order, name=self.name, cache=cache)

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        given = rows.given
        n = rows.n_points
        d = rows.X.shape[1] if given is None else int(np.prod(np.shape(given.features)[1:]))
        outputs = 1 if rows.n_classes == 2 else rows.n_classes
        parameters = outputs * (d + 1)
        passes = n_stops * n / 2 * parameters * _SECONDS_PER_CELL
        hessians = min(n_stops, 40) * n / 2 * parameters * (d + 1) * outputs * _SECONDS_PER_HESSIAN_CELL
        return passes + hessians + n_stops * _SECONDS_PER_FIT
