"""Values drawn at random: the floor of every comparison."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from hcdv._random import RandomState, check_seed, generator
from hcdv._validation import check_int
from hcdv.baselines._rows import check_rows
from hcdv.engine import Threads
from hcdv.result import ValuationResult


def random_values(
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    utility: Any = "logistic",
    random_state: RandomState = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ValuationResult:
    """Independent uniform values in [0, 1): what a method must beat to say anything about the rows.

    No utility is asked: ``utility``, ``n_jobs`` and ``verbose`` are there so that all baselines are called
    alike.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        Looked at for errors only.
    random_state : int, generator or None
        The same integer gives the same bits.

    Returns
    -------
    ValuationResult
        With the single part ``"random"``; ``v_full`` is the sum of the values.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    """
    check_int(verbose, "verbose", 0)
    Threads(n_jobs)
    seed = check_seed(random_state)
    rows = check_rows(X, y, X_val, y_val)
    values = generator(seed, "random values").random(rows.n)
    return ValuationResult(
        values=values,
        ids=rows.ids,
        parts={"random": values},
        weights={"random": 1.0},
        v_empty=0.0,
        v_full=float(values.sum()),
        n_evaluations=0,
        n_permutations=0,
        stopped_by="exact",
        labels=rows.classes[rows.labels],
        has_game=False,
    )
