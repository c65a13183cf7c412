"""CS-Shapley: class-wise Shapley values (Schoch et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, check_seed, derive_seed, generator
from hcdv._validation import check_bool, check_int, short
from hcdv.baselines._gather import Sweeps, gather
from hcdv.baselines._play import set_up
from hcdv.baselines._rows import check_rows
from hcdv.engine import Threads
from hcdv.game import Game
from hcdv.games import CoalitionCache, TrainingRows, plan_utility
from hcdv.games.metrics import Metric
from hcdv.result import ValuationResult
from hcdv.stopping import stopping_rule

# A score a_c exp(a_other) is at most this; games keep to [0, 1].
UNIT = float(np.e)
# A class's sum of values is no denominator below this share of the sum of their sizes.
NEAR_ZERO = 1e-9


def class_wise_shapley(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    normalise: bool = True,
    utility: Any = "logistic",
    n_permutations: int = 64,
    tol: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Shapley values of the rows within their class, before random rows of the other classes.

    The game of class c, given rows R of the others, is v_c(S) = a_c * exp(a_other): the shares of all
    validation rows that the model trained on S and R gets right in class c and in the others.  value_i is the
    mean Shapley value of i among the rows of its class over random R, each row of other classes being in with
    probability 1/2.  With ``normalise`` the values of a class are scaled to add up to a_c of the model of all
    rows, and so all values to its accuracy.  It tells apart rows that help their own class at the expense of
    others, which plain accuracy mixes.  Some n evaluations for every permutation of all classes.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        What models are scored on; without them folds of the rows stand in, and a warning says so.
    normalise : bool
        A class whose values add up to 0 is left as it is.
    utility : "logistic", a model, or an object with a metric
        One that trains a model on every coalition; its own metric gives way to the one above.
    n_permutations : int
        Of each class, at most, in pairs (a permutation and its mirror image before the same R); at least 2.
    tol : float or stopping rule, optional
        Stop once the median standard error is below ``tol`` times the mean absolute value; or a rule of
        :mod:`hcdv.stopping`.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values and standard errors float64 [n]; ``v_full`` is the accuracy of the model of all rows, v_empty 0.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or the utility trains no model.
    UtilityError
        If the utility fails on a coalition; its attribute ``result`` holds the permutations before, or None.

    Notes
    -----
    Schoch, Xu & Ji, "CS-Shapley: class-wise Shapley values for data valuation in classification" (NeurIPS
    2022), Algorithm 1, without its truncation.
    """
    n_permutations = check_int(n_permutations, "n_permutations", 2)
    check_bool(normalise, "normalise")
    stopping = stopping_rule(tol)
    model = _trained(utility)
    n_classes = len(check_rows(X, y, X_val, y_val).classes)
    seed = check_seed(random_state)
    scores = [OfClass(model, c, is_share=False, seed=seed) for c in range(n_classes)]
    accuracies = [OfClass(model, c, is_share=True, seed=seed) for c in range(n_classes)]
    play = set_up(
        X, y, X_val, y_val, utility=[*scores, *accuracies],
        random_state=seed, n_jobs=n_jobs, verbose=verbose,
    )  # fmt: skip
    n, labels = play.n, play.rows.labels
    of_class = [np.flatnonzero(labels == c) for c in range(n_classes)]
    in_order = np.concatenate(of_class)
    tally = Sweeps(1, n)

    def pair(task: int) -> NDArray[np.float64]:
        """Marginals of the rows of a class along a permutation and its mirror image, float64 [1, n_c]."""
        t, c = divmod(task, n_classes)
        mine, others = of_class[c], np.flatnonzero(labels != c)
        rng = generator(play.seed, "class-wise", t, c)
        is_in = rng.random(len(others)) < 0.5
        before, behind = others[is_in], others[~is_in]
        places = rng.permutation(len(mine))
        stops = len(before) + np.arange(len(mine) + 1)
        marginals = np.zeros((1, len(mine)))
        for turn in (places, places[::-1]):
            order = np.concatenate([before, mine[turn], behind])
            values = play.games[scores[c].name].chains(order[None], stops)[0]
            marginals[0, turn] += 0.5 * UNIT * np.diff(values)
        return marginals

    (ends,) = play.threads.map(play.values_of, [np.ones((1, n), np.bool_)])
    shares = ends[n_classes:, 0]

    def result_of(stopped_by: str) -> ValuationResult:
        moments, unit = tally.moments.placed(in_order), np.ones(1)
        values, errors = moments.value(unit), moments.std_error(unit)
        factors = np.ones(n_classes)
        if normalise:
            for c, mine in enumerate(of_class):
                total = values[mine].sum()
                if abs(total) > NEAR_ZERO * np.abs(values[mine]).sum():
                    factors[c] = shares[c] / total
        values = values * factors[labels]
        # Before the second observation errors are not known, whatever the factor.
        errors = np.multiply(errors, np.abs(factors[labels]), out=errors, where=np.isfinite(errors))
        return ValuationResult(
            values=values,
            ids=play.rows.ids,
            parts={model.name: values},
            weights={model.name: 1.0},
            v_empty=0.0,
            v_full=float(shares.sum()),
            n_evaluations=play.n_evaluations(0),
            n_permutations=2 * moments.count,
            stopped_by=stopped_by,
            std_error=errors,
            labels=play.rows.classes[labels],
        )

    n_pairs = (n_permutations + 1) // 2
    return gather(
        tally, pair, n_pairs * n_classes, result_of, stage="walking the classes", budget="n_permutations",
        factors=np.ones(1), stopping=stopping, threads=play.threads, progress=play.progress,
    )  # fmt: skip


@dataclass(frozen=True)
class ClassScore(Metric):
    """a_c exp(a_other) over e, which brings it into [0, 1]; or a_c alone.

    Attributes
    ----------
    code : int
        The class c.
    is_share : bool
    """

    code: int = 0
    is_share: bool = False

    def scores(
        self, predictions: NDArray[Any], labels_val: NDArray[np.int64], n_classes: int
    ) -> NDArray[np.float64]:
        is_right, in_class = predictions == labels_val, labels_val == self.code
        ours = np.count_nonzero(is_right & in_class, axis=1) / len(labels_val)
        theirs = np.count_nonzero(is_right & ~in_class, axis=1) / len(labels_val)
        return self._joined(ours, theirs)

    def chance(self, labels_val: NDArray[np.int64], n_classes: int) -> float:
        """Of guessing: each class is right once in C."""
        ours = np.mean(labels_val == self.code)
        return float(self._joined(ours / n_classes, (1.0 - ours) / n_classes))

    def _joined(self, ours: Any, theirs: Any) -> Any:
        return ours if self.is_share else ours * np.exp(theirs) / UNIT


@dataclass(frozen=True)
class OfClass:
    """A utility that trains a model, scored for one class.

    Attributes
    ----------
    utility : Utility with a metric
    code : int
        The class.
    is_share : bool
    seed : int
        The same for all classes, which look at the same models.
    """

    utility: Any
    code: int
    is_share: bool
    seed: int

    @property
    def name(self) -> str:
        return f"{'share' if self.is_share else 'score'} of class {self.code}"

    @property
    def needs_torch(self) -> bool:
        return bool(getattr(self.utility, "needs_torch", False))

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        metric = ClassScore(self.name, "labels", code=self.code, is_share=self.is_share)
        own_seed = derive_seed(self.seed, "game", self.utility.name)
        made: Game = replace(self.utility, metric=metric).game(
            rows, seed=own_seed, threads=threads, device=device, cache=cache
        )
        return made

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        return float(self.utility.chain_seconds(rows, n_stops))


def _trained(utility: Any) -> Any:
    """The one utility that is meant, if it trains a model whose predictions a metric scores."""
    terms = [term for term in plan_utility(utility, is_mixed=False).terms if not term.shares_below]
    first = terms[0].utility
    if len(terms) > 1 or not is_dataclass(first) or "metric" not in [item.name for item in fields(first)]:
        raise ValueError(
            "utility must train one model for class_wise_shapley ('logistic', a classifier or a torch module), "
            f"got {short(utility)}."
        )
    return first
