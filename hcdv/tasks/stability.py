"""How much values move when only chance changes (Eq. 54)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr
from sklearn.base import clone

from hcdv._random import RandomState, check_seed, derive_seed
from hcdv._validation import check_int, check_number
from hcdv.tasks._text import text_table
from hcdv.tasks._values import frozen


@dataclass(frozen=True, eq=False)
class Repeats:
    """Values of the same rows under several seeds.

    Attributes
    ----------
    values : float64 [R, n]
    cv : float64 [n]
        Eq. 54 by row: standard deviation (of a sample, R - 1) / (\\|mean| + epsilon).
    mean_cv : float
        The paper's "valuation stability".  Rows whose mean is near 0 make it what it is.
    median_cv : float
        What a typical row's is.
    spearman : float
        Mean rank correlation over all pairs of repeats; NaN where the values of a repeat are all equal.
    least_spearman : float
        Of the pair that agrees least.
    """

    values: NDArray[np.float64]
    cv: NDArray[np.float64]
    mean_cv: float
    median_cv: float
    spearman: float
    least_spearman: float

    @classmethod
    def of(cls, values: NDArray[np.float64], epsilon: float) -> Repeats:
        """The figures of values float64 [R, n], R at least 2."""
        cv = values.std(axis=0, ddof=1) / (np.abs(values.mean(axis=0)) + epsilon)
        if (np.ptp(values, axis=1) == 0).any():
            agreement = [nan]
        else:
            agreement = [float(spearmanr(a, b).statistic) for a, b in combinations(values, 2)]
        return cls(
            frozen(values),
            frozen(cv),
            float(cv.mean()),
            float(np.median(cv)),
            float(np.mean(agreement)),
            min(agreement),
        )


@dataclass(frozen=True, eq=False)
class Stability:
    """What chance does to a valuation.  ``print`` shows a table.

    Attributes
    ----------
    permutations : Repeats
        One tree, other seeds for all else: the permutations, and games that draw (forests, folds).
    trees : Repeats
        Other seeds for the tree, too.
    n_repeats : int
    epsilon : float
    """

    permutations: Repeats
    trees: Repeats
    n_repeats: int
    epsilon: float

    def __str__(self) -> str:
        rows = [
            [name, *(f"{x:.4f}" for x in (r.mean_cv, r.median_cv, r.spearman, r.least_spearman))]
            for name, r in (("permutations", self.permutations), ("trees, too", self.trees))
        ]
        n = self.permutations.values.shape[1]
        title = f"{self.n_repeats} repeats of the values of {n:,} rows (CV of Eq. 54)"
        return text_table(title, ["anew", "mean CV", "median CV", "Spearman", "least"], rows)


def stability(
    model: Any,
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    n_repeats: int = 5,
    epsilon: float = 1e-12,
    random_state: RandomState = 0,
) -> Stability:
    """Value the same rows again and again under other seeds, and see what changes.

    It takes 2 ``n_repeats`` - 1 fits.  The model's own ``random_state`` is not used.

    Parameters
    ----------
    model : HCDV
        Fitted or not; it is cloned.
    X, y, X_val, y_val, groups
        As for ``model.fit``.
    n_repeats : int
        R of Eq. 54, at least 2, with one tree and again with R trees.
    epsilon : float
        Of Eq. 54, not negative, in units of v: keeps rows whose mean is 0 from dividing by it.
    random_state : int, generator or None
        What the seeds of the repeats are derived from.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    """
    if not all(hasattr(model, name) for name in ("allocation", "get_params", "fit")):
        raise TypeError(f"model must be an HCDV, got {type(model).__name__}.")
    n_repeats = check_int(n_repeats, "n_repeats", 2)
    epsilon = check_number(epsilon, "epsilon", 0.0)
    seed = check_seed(random_state)
    seeds = [derive_seed(seed, "stability", repeat) for repeat in range(n_repeats)]

    def fitted(repeat: int, **tree: Any) -> Any:
        # A checkpoint is of one seed's chains.
        again = clone(model).set_params(random_state=seeds[repeat], checkpoint=None)
        return again.fit(X, y, X_val, y_val, **tree)

    first = fitted(0, groups=groups)
    trees = [first.values_, *(fitted(k, groups=groups).values_ for k in range(1, n_repeats))]
    same = [first.values_, *(fitted(k, hierarchy=first.hierarchy_).values_ for k in range(1, n_repeats))]
    return Stability(
        Repeats.of(np.array(same), epsilon), Repeats.of(np.array(trees), epsilon), n_repeats, epsilon
    )
