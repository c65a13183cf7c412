"""Out-of-fold confidence: cleanlab's self-confidence (Northcutt et al. 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold

from hcdv._progress import Progress
from hcdv._random import RandomState, check_seed, derive_seed
from hcdv._validation import check_int
from hcdv.baselines._models import check_model, fitted, probabilities
from hcdv.baselines._rows import check_rows
from hcdv.engine import Threads, single_threaded_blas
from hcdv.games.retrained.estimator import seeded
from hcdv.games.retrained.folds import take_rows
from hcdv.result import ValuationResult

# Trees of the default model.
N_TREES = 200


def out_of_fold_confidence(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    model: Any = None,
    n_folds: int = 5,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Probability that a model trained on the other folds gives to a row's own label.

    value_i = p(y_i | x_i; the folds without i).  The recipe behind cleanlab's label quality scores, and the
    cheapest strong detector of wrong labels: ``n_folds`` fits.  Rows in rare or overlapping classes look wrong
    to it however right they are; it says nothing of what a row is worth to others, and values add up to
    nothing.

    Parameters
    ----------
    X, y : n rows and their labels
        At least ``n_folds`` of every class, or fewer folds are made; at least 2.
    X_val, y_val : n_val rows and their labels, optional
        Not used; there so that all baselines are called alike.
    model : scikit-learn classifier with predict_proba, optional
        Cloned for every fold and fitted on rows as given; where a ``random_state`` in it is None, it is set
        from the seed.  A random forest of 200 trees on the columns as numbers by default.
    n_folds : int
        Stratified folds, at least 2.
    random_state : int, generator or None
        The same integer gives the same bits.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.
    verbose : int
        1 shows progress on standard error.

    Returns
    -------
    ValuationResult
        Values float64 [n] in [0, 1]; ``v_full`` is their sum.  No standard error.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or a class has a single row.
    UtilityError
        If the model fails.

    Notes
    -----
    Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels" (JAIR 2021);
    ``self_confidence`` in cleanlab.
    """
    check_int(verbose, "verbose", 0)
    n_folds = check_int(n_folds, "n_folds", 2)
    is_default = check_model(model) is None
    if is_default:
        model = RandomForestClassifier(N_TREES, n_jobs=1)
    elif not hasattr(model, "predict_proba"):
        raise TypeError(f"model must have predict_proba, which {type(model).__name__} lacks.")
    seed, threads = check_seed(random_state), Threads(n_jobs)
    progress = Progress(verbose > 0)
    rows = check_rows(X, y, X_val, y_val)
    smallest = int(np.bincount(rows.labels).min())
    if smallest < 2:
        rarest = rows.classes[np.bincount(rows.labels).argmin()]
        raise ValueError(f"y must have at least 2 rows of every class, got {smallest} of {rarest!s}.")
    features = rows.X
    if is_default:
        with single_threaded_blas():
            features = rows.columns(seed)
    folds = StratifiedKFold(min(n_folds, smallest), shuffle=True, random_state=derive_seed(seed, "folds"))
    splits = list(folds.split(np.zeros((rows.n, 1)), rows.labels))

    def confidence(f: int) -> NDArray[np.float64]:
        """Of the rows of one fold."""
        others, mine = splits[f]
        one = seeded(clone(model), derive_seed(seed, "fold", f))
        trained = fitted(one, take_rows(features, others), rows.labels[others], rows.classes, "folds")
        # Stratified folds of at least 2 rows a class leave every class in the others.
        p = probabilities(trained, take_rows(features, mine), len(mine), len(rows.classes))
        return p[np.arange(len(mine)), rows.labels[mine]]

    values = np.empty(rows.n)
    with progress.stage("fitting on folds", len(splits)) as step:
        found = threads.map(confidence, range(len(splits)))
        for f, ((_, mine), some) in enumerate(zip(splits, found, strict=True)):
            values[mine] = some
            step.done(f + 1)
    return ValuationResult(
        values=values,
        ids=rows.ids,
        parts={"out_of_fold_confidence": values},
        weights={"out_of_fold_confidence": 1.0},
        v_empty=0.0,
        v_full=float(values.sum()),
        n_evaluations=len(splits),
        n_permutations=0,
        stopped_by="exact",
        labels=rows.classes[rows.labels],
        has_game=False,
    )
