"""Samples in, values out: what baselines that do not walk chains have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hcdv._errors import UtilityError, said
from hcdv._moments import Moments
from hcdv._progress import Progress
from hcdv.engine import Threads
from hcdv.game import Values
from hcdv.result import ValuationResult
from hcdv.stopping import Look, StoppingRule


class Tally(Protocol):
    """Samples taken in so far."""

    @property
    def n_looked(self) -> int:
        """What stopping rules count, in chains: two for an observation."""
        ...

    def add(self, block: Any) -> bool:
        """Take in what a task found; whether values may be looked at now."""
        ...

    def value(self, factors: NDArray[np.float64]) -> Values: ...

    def std_error(self, factors: NDArray[np.float64]) -> Values: ...

    def halves(self, factors: NDArray[np.float64]) -> tuple[Values, Values]: ...


def gather(
    tally: Tally,
    task: Callable[[int], Any],
    n_tasks: int,
    result_of: Callable[[str], ValuationResult],
    *,
    stage: str,
    budget: str,
    factors: NDArray[np.float64],
    stopping: StoppingRule | None,
    threads: Threads,
    progress: Progress,
) -> ValuationResult:
    """Run tasks side by side and take them in, in their own order, until they or the rule end it.

    Parameters
    ----------
    tally : Tally
    task : callable
        What task k finds; depends on nothing but k.
    n_tasks : int
    result_of : callable
        The result by what the tally holds, given what stopped it.
    stage : str
        For the progress line.
    budget : str
        Name of the argument that ``n_tasks`` comes from, for the result.
    factors : float64 [p]
    stopping : StoppingRule or None
    threads : Threads
    progress : Progress

    Raises
    ------
    UtilityError
        If a utility or the rule fails; its attribute ``result`` holds the samples before.
    """
    begin = time.monotonic()
    stopped_by, has_values = budget, False
    with progress.stage(stage, n_tasks) as step:
        try:
            for k, block in enumerate(threads.map(task, range(n_tasks))):
                is_whole = tally.add(block)
                has_values |= is_whole
                step.done(k + 1)
                if not is_whole or stopping is None:
                    continue
                reason = _ask(stopping, tally, factors, time.monotonic() - begin)
                if reason is not None:
                    stopped_by = reason
                    break
        except UtilityError as error:
            if has_values:
                error.result = result_of("error")
            raise
    return result_of(stopped_by)


def _ask(
    rule: StoppingRule, tally: Tally, factors: NDArray[np.float64], seconds: float
) -> str | None:
    """The rule's reason to stop; a rule may be the user's own and fail."""
    look = Look(
        n_permutations=tally.n_looked,
        seconds=seconds,
        values=lambda: tally.value(factors),
        std_error=lambda: tally.std_error(factors),
        halves=lambda: tally.halves(factors),
    )
    try:
        reason = rule(look)
    except Exception as error:
        raise UtilityError(f"the stopping rule tol raised {type(error).__name__}{said(error)}.") from error
    if reason is not None and not isinstance(reason, str):
        raise UtilityError(
            f"the stopping rule tol must return a text or None, got {type(reason).__name__}."
        )
    return reason


class Sweeps:
    """Observations of all places, each put together from the blocks of several tasks.

    Attributes
    ----------
    moments : Moments over [p, places]
        Of the sweeps that are whole.
    """

    def __init__(self, n_games: int, n_places: int) -> None:
        self.moments = Moments.zeros(n_games, n_places)
        self._even = np.zeros((n_games, n_places))
        self._sweep = np.empty((n_games, n_places))
        self._filled = 0

    @property
    def n_looked(self) -> int:
        return 2 * self.moments.count

    def add(self, block: NDArray[np.float64]) -> bool:
        """Take in the next places of a sweep, float64 [p, k]."""
        end = self._filled + block.shape[1]
        self._sweep[:, self._filled : end] = block
        self._filled = end % self._sweep.shape[1]
        if self._filled:
            return False
        if self.moments.count % 2 == 0:
            self._even += self._sweep
        self.moments.add(self._sweep)
        return True

    def value(self, factors: NDArray[np.float64]) -> Values:
        return self.moments.value(factors)

    def std_error(self, factors: NDArray[np.float64]) -> Values:
        return self.moments.std_error(factors)

    def halves(self, factors: NDArray[np.float64]) -> tuple[Values, Values]:
        count = self.moments.count
        even = factors @ self._even
        odd = count * self.moments.value(factors) - even
        return even / ((count + 1) // 2), odd / max(1, count // 2)
