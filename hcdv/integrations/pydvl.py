"""Our utilities in pyDVL's valuations, and results there and back."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, check_seed
from hcdv.integrations._needs import BY_HAND, needs
from hcdv.integrations.row_game import RowGame
from hcdv.result import ValuationResult

with needs("pydvl 0.10", BY_HAND):
    from pydvl.utils.status import Status
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.result import ValuationResult as PydvlResult
    from pydvl.valuation.types import Sample
    from pydvl.valuation.utility.base import UtilityBase


class RowUtility(UtilityBase[Sample]):  # type: ignore[misc]
    """What coalitions of rows are worth under a utility of HCDV, for any valuation of pyDVL.

    ``ShapleyValuation(RowUtility("kernel", X_val, y_val), ...).fit(Dataset(X, y))``; of a ``GroupedDataset``
    the groups are the players.

    Parameters
    ----------
    utility : name, object, model, callable, or a sum of them
        As :class:`hcdv.HCDV` takes it.
    X_val, y_val : n_val rows and their labels, optional
        Trusted rows.
    random_state : int, generator or None
        For all that is random in the utility.
    """

    def __init__(
        self,
        utility: Any = "kernel",
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        *,
        random_state: RandomState = None,
    ) -> None:
        seed = check_seed(random_state)  # the same for every data set and every process
        self._given = {"X_val": X_val, "y_val": y_val, "utility": utility, "random_state": seed}

    def with_dataset(self, data: Dataset, copy: bool = True) -> Self:
        """The utility on these training rows; pyDVL's valuations call it.

        Raises
        ------
        ValueError, TypeError
            If rows, labels or utility are not what they should be.
        """
        utility = super().with_dataset(data, copy)
        # Of groups pyDVL gives the rows group by group.
        order = np.argsort(data.data_indices())
        x, y = data.data()
        utility._game = RowGame(np.asarray(x)[order], np.asarray(y)[order], n_jobs=1, **self._given)
        return utility

    def __call__(self, sample: Sample | None) -> float:
        """v of a sample's rows or groups; of None or nothing, v of nobody.

        Raises
        ------
        ValueError
            If there are no training rows yet.
        UtilityError
            If the utility fails on this coalition.
        """
        if self.training_data is None:
            raise ValueError("this utility has no training rows: with_dataset gives it some.")
        if sample is None or not len(sample.subset):
            return float(self._game.v_empty)
        inside = np.zeros((1, self._game.n_players), np.bool_)
        inside[0, self.training_data.data_indices(sample.subset)] = True
        return float(self._game(inside)[0])


def from_pydvl(
    result: PydvlResult, *, labels: ArrayLike | None = None, bounds: tuple[float, float] | None = None
) -> ValuationResult:
    """A result of pyDVL as ours.

    Parameters
    ----------
    result : pydvl.valuation.ValuationResult
        Of all n rows (or groups), sorted or not.
    labels : [n], optional
        Their labels, for ``select(quota="class")``.
    bounds : (float, float), optional
        v(nobody) and v(everybody), which pyDVL does not keep.  Without them values are scores about no game:
        :meth:`hcdv.ValuationResult.label_issues` then does not ask whether they are negative.

    Returns
    -------
    ValuationResult
        In the order of the data; ``n_evaluations`` counts pyDVL's updates, ``stopped_by`` is its status.

    Raises
    ------
    ValueError, TypeError
        If ``result`` is none of pyDVL's, or leaves out rows.
    """
    _check(result, PydvlResult, "pydvl.valuation.ValuationResult")
    order = np.argsort(result.indices)
    n = len(order)
    if not np.array_equal(result.indices[order], np.arange(n)):
        raise ValueError(
            f"result must have values of rows 0 to {n - 1}, got indices up to {int(np.max(result.indices))}."
        )
    values = result.values[order]
    name = result.algorithm or "pydvl"
    v_empty, v_full = (0.0, float(values.sum())) if bounds is None else bounds
    names = result.names[order]
    return ValuationResult(
        values=values,
        ids=np.arange(n) if np.array_equal(names, np.arange(n).astype(str)) else names,
        parts={name: values},
        weights={name: 1.0},
        v_empty=v_empty,
        v_full=v_full,
        n_evaluations=int(result.counts.sum()),
        n_permutations=0,
        stopped_by=result.status.value,
        std_error=_std_error(result, order),
        labels=None if labels is None else np.asarray(labels),
        has_game=bounds is not None,
    )


def to_pydvl(result: ValuationResult) -> PydvlResult:
    """Our result as one of pyDVL.

    An antithetic pair of chains is one update there: ``stderr`` is our ``std_error``, and ``variances`` are
    those of the pairs.  Where there are no standard errors, every row has one update.
    """
    _check(result, ValuationResult, "hcdv.ValuationResult")
    counts = np.full(len(result), max(1, result.n_permutations // 2))
    variances = None if result.std_error is None else result.std_error**2 * counts
    return PydvlResult(
        values=np.array(result.values),
        variances=variances,
        counts=np.ones_like(counts) if variances is None else counts,
        data_names=np.asarray(result.ids).astype(str),
        algorithm="hcdv",
        status=Status.Converged,
    )


def _check(result: Any, kind: type, name: str) -> None:
    if not isinstance(result, kind):
        raise TypeError(f"result must be a {name}, got {type(result).__module__}.{type(result).__name__}.")


def _std_error(result: PydvlResult, order: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Standard errors in the order of the data, infinite after one update; None where nothing varied."""
    if not result.variances.any():
        return None
    return np.where(result.counts > 1, result.stderr, np.inf)[order]
