"""Training on fewer and fewer rows, or on more and more: what an order of the rows is good for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hcdv._errors import UtilityError
from hcdv._random import RandomState, check_seed, derive_seed, generator
from hcdv._validation import as_array, check_choice, check_int, check_labels, kind_of, short
from hcdv.engine import Threads
from hcdv.games.retrained.folds import take_rows
from hcdv.tasks._text import text_table
from hcdv.tasks._values import frozen, values_of

if TYPE_CHECKING:
    import pandas as pd

ORDERS = ("lowest", "highest", "random")
REMOVED = tuple(np.linspace(0.0, 0.5, 11).round(2).tolist())
ADDED = tuple(np.linspace(0.05, 0.5, 10).round(2).tolist())


@dataclass(frozen=True, eq=False)
class Curves:
    """Scores along one or several orders of the rows.  ``print`` shows them side by side.

    Attributes
    ----------
    kind : {"removal", "addition"}
    fractions : float64 [f]
        Share of the rows removed, or added; ascending.
    n_trained : int64 [f]
        Rows that the model was trained on.
    scores : dict of str to float64 [f]
        By curve: the order, or "name, order" where several sets of values were given; on the test rows, in the
        units of the metric; of the random order the mean over its draws.
    spread : dict of str to float64 [f]
        Standard deviation over the draws of the random order; 0 for the others.
    area : dict of str to float
        Area under the curve (trapezoids) divided by the range of the fractions, so in the units of the metric;
        for a single fraction the score itself.
    metric : str
    """

    kind: str
    fractions: NDArray[np.float64]
    n_trained: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float64]]
    spread: Mapping[str, NDArray[np.float64]]
    area: Mapping[str, float]
    metric: str

    def to_frame(self) -> pd.DataFrame:
        """One row for each curve and fraction: curve, fraction, n_trained, score, spread."""
        import pandas as pd

        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "curve": name,
                        "fraction": self.fractions,
                        "n_trained": self.n_trained,
                        "score": scores,
                        "spread": self.spread[name],
                    }
                )
                for name, scores in self.scores.items()
            ],
            ignore_index=True,
        )

    def __str__(self) -> str:
        done = "removed" if self.kind == "removal" else "added"
        rows = [
            [f"{fraction:.1%}", f"{n:,}", *(f"{scores[k]:.4f}" for scores in self.scores.values())]
            for k, (fraction, n) in enumerate(zip(self.fractions, self.n_trained, strict=True))
        ]
        rows.append(["area", "", *(f"{area:.4f}" for area in self.area.values())])
        return text_table(
            f"{self.metric}, rows {done} in order of value", [done, "trained on", *self.scores], rows
        )


def removal_curve(
    values: Any,
    X: Any,
    y: ArrayLike,
    X_test: Any,
    y_test: ArrayLike,
    *,
    model: Any = None,
    order: str | list[str] | tuple[str, ...] = "lowest",
    fractions: ArrayLike = REMOVED,
    metric: Any = "accuracy",
    n_draws: int = 5,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
) -> Curves:
    """Scores of a model trained on the rows that are left when others are taken away in order of value.

    Taking away the lowest first should raise the score (wrong labels go) or leave it; taking away the highest
    first should cost the most.  OpenDataVal's "point removal".

    Parameters
    ----------
    values : ValuationResult, float [n], or mapping of name to either
        Several sets of values, of several methods, give a curve each; the random order stands once.
    X, y : n training rows as the model takes them, and their labels
    X_test, y_test : test rows and labels
    model : scikit-learn classifier, optional
        Cloned for every fit; logistic regression (C = 1) by default, on columns standardised by the rows it is
        trained on (a sparse matrix's are scaled only).  Where only one class is left it is that class that is
        predicted.
    order : {"lowest", "highest", "random"} or several of them
        What goes first.  Ties fall in random order.
    fractions : float [f] in [0, 1)
        Shares of the rows to remove; round(fraction * n) rows go, and at least one must stay.
    metric : str or callable
        Name of a scikit-learn scorer, or ``scorer(model, X, y) -> float``.
    n_draws : int
        Of the random order.
    random_state : int, generator or None
        Of the random order, of ties, and of the model where it has a ``random_state`` that is None.
    n_jobs : int, optional
        Threads; scores do not depend on it.

    Returns
    -------
    Curves

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    UtilityError
        If the model or the metric fails on some rows, or the score is no finite number.
    """
    shares = _fractions(fractions, "removal")
    return _curves(
        "removal", values, X, y, X_test, y_test, model, order, shares, metric, n_draws, random_state, n_jobs
    )


def addition_curve(
    values: Any,
    X: Any,
    y: ArrayLike,
    X_test: Any,
    y_test: ArrayLike,
    *,
    model: Any = None,
    order: str | list[str] | tuple[str, ...] = "highest",
    fractions: ArrayLike = ADDED,
    metric: Any = "accuracy",
    n_draws: int = 5,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
) -> Curves:
    """Scores of a model trained on the first rows in order of value, more and more of them.

    Adding the highest first should raise the score fastest; adding the lowest first (OpenDataVal's "point
    addition") should keep it low.  Arguments, results and errors as in :func:`removal_curve`, but

    Parameters
    ----------
    fractions : float [f] in (0, 1]
        Shares of the rows to add, at least one row each.

    Returns
    -------
    Curves
    """
    shares = _fractions(fractions, "addition")
    return _curves(
        "addition", values, X, y, X_test, y_test, model, order, shares, metric, n_draws, random_state, n_jobs
    )


def _curves(
    kind: str,
    values: Any,
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    model: Any,
    order: Any,
    fractions: NDArray[np.float64],
    metric: Any,
    n_draws: int,
    random_state: RandomState,
    n_jobs: int | None,
) -> Curves:
    several = isinstance(values, Mapping)
    named = {str(name): values_of(v, f"values[{name!r}]") for name, v in values.items()} if several else {
        "": values_of(values)
    }  # fmt: skip
    if not named:
        raise ValueError("values must name at least one set of values, got an empty mapping.")
    if len(named) < (len(values) if several else 1):
        raise ValueError("values has two sets of one name; tell their names apart as text.")
    X, X_test = _rows(X, "X"), _rows(X_test, "X_test")
    n = X.shape[0]
    for name, worth in named.items():
        if len(worth) != n:
            what = f"values[{name!r}]" if several else "values"
            raise ValueError(f"{what} has {len(worth)} values for {n} rows.")
    labels = check_labels(y, n, "y")
    labels_test = check_labels(y_test, X_test.shape[0], "y_test")
    orders = list(order) if isinstance(order, (list, tuple)) else [order]
    if not orders:
        raise ValueError(f"order must name at least one of {', '.join(map(repr, ORDERS))}.")
    for one in orders:
        check_choice(one, "order", ORDERS)
    n_draws = check_int(n_draws, "n_draws", 1)
    seed = check_seed(random_state)
    moved = np.array([round(fraction * n) for fraction in fractions], np.int64)
    n_trained = n - moved if kind == "removal" else moved
    if n_trained.min() < 1:
        raise ValueError(f"fractions leave no row of {n} to train on at {fractions[n_trained.argmin()]:g}.")
    learner = _learner(_default(X) if model is None else model, seed)
    scorer = _scorer(learner, metric)

    # Every order as a list of sequences of all rows, those to be moved first.
    sequences: dict[str, list[NDArray[np.int64]]] = {}
    for name, worth in named.items():
        for one in orders:
            if one == "random":
                sequences["random"] = [
                    generator(seed, "random order", draw).permutation(n) for draw in range(n_draws)
                ]
                continue
            by_chance = generator(seed, "ties").random(n)
            ranked = np.lexsort((by_chance, worth if one == "lowest" else -worth))
            sequences[f"{name}, {one}" if several else one] = [ranked]

    def score(task: tuple[str, NDArray[np.int64], int]) -> float:
        curve, sequence, n_moved = task
        # In the order of the data: no solver shall tell two orders of the same rows apart.
        rows = np.sort(sequence[n_moved:] if kind == "removal" else sequence[:n_moved])
        return _score(learner, scorer, take_rows(X, rows), labels[rows], X_test, labels_test, curve)

    tasks = [(name, s, int(m)) for name, draws in sequences.items() for s in draws for m in moved]
    found = iter(list(Threads(n_jobs).map(score, tasks)))
    scores, spread, area = {}, {}, {}
    for name, draws in sequences.items():
        table = np.array([[next(found) for _ in moved] for _ in draws])
        scores[name] = frozen(table.mean(axis=0))
        spread[name] = frozen(table.std(axis=0))
        width = fractions[-1] - fractions[0]
        area[name] = float(np.trapezoid(scores[name], fractions) / width if width else scores[name][0])
    return Curves(kind, frozen(fractions), frozen(n_trained), scores, spread, area, _metric_name(metric))


def _rows(X: Any, name: str) -> Any:
    rows: Any = X if hasattr(X, "shape") else as_array(X, name)
    if len(rows.shape) == 0:
        raise TypeError(f"{name} must be an array or a DataFrame, got {type(X).__name__}.")
    if rows.shape[0] == 0:
        raise ValueError(f"{name} has no rows.")
    # Rows can be taken out of it.
    return rows.tocsr() if issparse(rows) and rows.format in ("coo", "dia", "bsr") else rows


def _fractions(fractions: Any, kind: str) -> NDArray[np.float64]:
    shares = np.unique(values_of(np.atleast_1d(as_array(fractions, "fractions")), "fractions"))
    wanted = "[0, 1)" if kind == "removal" else "(0, 1]"
    outside = (shares < 0) | (shares >= 1) if kind == "removal" else (shares <= 0) | (shares > 1)
    if outside.any():
        raise ValueError(f"fractions must lie in {wanted}, got {shares[outside][0]:g}.")
    return shares


def _default(X: Any) -> Any:
    """Logistic regression; on columns of one unit, as its solver crawls along long ones."""
    return make_pipeline(StandardScaler(with_mean=not issparse(X)), LogisticRegression(max_iter=1000))


def _learner(model: Any, seed: int) -> Any:
    if isinstance(model, type) or not all(hasattr(model, name) for name in ("fit", "predict", "get_params")):
        raise TypeError(f"model must be a scikit-learn classifier, got {kind_of(model)}.")
    learner = clone(model)
    chance = {
        name: derive_seed(seed, "model", name)
        for name, value in sorted(learner.get_params().items())
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return learner.set_params(**chance)


def _scorer(learner: Any, metric: Any) -> Any:
    if not isinstance(metric, str) and not callable(metric):
        raise TypeError(f"metric must be a name or a scorer, got {type(metric).__name__}.")
    try:
        return check_scoring(learner, scoring=metric)
    except ValueError:
        raise ValueError(f"metric must be the name of a scikit-learn scorer, got {short(metric)}.") from None


def _metric_name(metric: Any) -> str:
    return metric if isinstance(metric, str) else getattr(metric, "__name__", None) or str(metric)


def _score(learner: Any, scorer: Any, X: Any, y: Any, X_test: Any, y_test: Any, curve: str) -> float:
    if len(np.unique(y)) < 2:
        learner = DummyClassifier(strategy="most_frequent")
    try:
        score = float(scorer(clone(learner).fit(X, y), X_test, y_test))
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UtilityError(f"the model failed on {len(y)} rows of curve {curve!r}: {reason}.") from error
    if not np.isfinite(score):
        raise UtilityError(f"the metric gave {score} on {len(y)} rows of curve {curve!r}.")
    return score
