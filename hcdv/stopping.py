"""When to stop sampling chains.

Rules are combined with ``|`` (stop as soon as one of them would) and ``&`` (only once both would):
``StandardError(0.05) & RankStability(0.99) | TimeBudget(60)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hcdv._validation import check_int, check_number, kind_of

# Antithetic pairs between two looks at values and errors; fixed, so that where a run stops does not
# depend on threads or batches.
PAIRS_PER_LOOK = 4


@dataclass(frozen=True, eq=False)
class Look:
    """What is known after some pairs of chains; values are worked out only if a rule asks.

    Attributes
    ----------
    n_permutations : int
        Chains walked so far, two a pair.
    seconds : float
        Wall time since the walk began.
    values, std_error : callable
        Current values and their standard errors, float64 [n].
    halves : callable
        Values by the even and by the odd pairs alone, two float64 [n].
    """

    n_permutations: int
    seconds: float
    values: Callable[[], NDArray[np.float64]]
    std_error: Callable[[], NDArray[np.float64]]
    halves: Callable[[], tuple[NDArray[np.float64], NDArray[np.float64]]]

    @property
    def is_due(self) -> bool:
        """Whether rules that look at values look now."""
        return self.n_permutations % (2 * PAIRS_PER_LOOK) == 0


class StoppingRule(Protocol):
    """Asked after every antithetic pair; answers a reason, or None to go on.

    A rule that asks for the values by halves, which cost memory to keep, has a true attribute
    ``needs_halves``.
    """

    def __call__(self, look: Look) -> str | None: ...


class _Composable:
    """``|`` and ``&`` for the rules below."""

    def __call__(self, look: Look) -> str | None:
        raise NotImplementedError

    def __or__(self, other: StoppingRule) -> AnyOf:
        return AnyOf((self, other))

    def __and__(self, other: StoppingRule) -> AllOf:
        return AllOf((self, other))


@dataclass(frozen=True)
class StandardError(_Composable):
    """Stop once the median standard error falls below ``tol`` times the mean absolute value.

    An antithetic pair counts as one observation; at least ``min_permutations`` chains are walked, since
    the standard error of a few pairs is itself a guess.
    """

    tol: float
    min_permutations: int = 16

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", minimum=0.0)
        check_int(self.min_permutations, "min_permutations", 4)

    def __call__(self, look: Look) -> str | None:
        if not look.is_due or look.n_permutations < self.min_permutations:
            return None
        scale = float(np.abs(look.values()).mean())
        return "std_error" if float(np.median(look.std_error())) <= self.tol * scale else None


@dataclass(frozen=True)
class RankStability(_Composable):
    """Stop once two independent halves of the chains rank the rows alike.

    The Spearman correlation of the values by the even and by the odd pairs must reach ``correlation``.
    All chains together rank better than either half, so this is a careful rule.
    """

    correlation: float = 0.95
    min_permutations: int = 16

    needs_halves = True

    def __post_init__(self) -> None:
        check_number(self.correlation, "correlation", -1.0, 1.0)
        check_int(self.min_permutations, "min_permutations", 4)

    def __call__(self, look: Look) -> str | None:
        if not look.is_due or look.n_permutations < self.min_permutations:
            return None
        return "rank_stability" if _spearman(*look.halves()) >= self.correlation else None


@dataclass(frozen=True)
class TimeBudget(_Composable):
    """Stop once the chains have taken ``seconds`` of wall time; the pair at hand is finished first.

    How many chains that is depends on the machine, and so do the values.
    """

    seconds: float

    def __post_init__(self) -> None:
        check_number(self.seconds, "seconds", minimum=0.0)

    def __call__(self, look: Look) -> str | None:
        return "time_budget" if look.seconds >= self.seconds else None


@dataclass(frozen=True)
class AnyOf(_Composable):
    """Stop as soon as one of the rules would."""

    rules: tuple[StoppingRule, ...]

    def __post_init__(self) -> None:
        _check_rules(self.rules)

    @property
    def needs_halves(self) -> bool:
        return any(needs_halves(rule) for rule in self.rules)

    def __call__(self, look: Look) -> str | None:
        return next((reason for rule in self.rules if (reason := rule(look))), None)


@dataclass(frozen=True)
class AllOf(_Composable):
    """Stop once all of the rules would, at the same look."""

    rules: tuple[StoppingRule, ...]

    def __post_init__(self) -> None:
        _check_rules(self.rules)

    @property
    def needs_halves(self) -> bool:
        return any(needs_halves(rule) for rule in self.rules)

    def __call__(self, look: Look) -> str | None:
        reasons = []
        for rule in self.rules:
            reason = rule(look)
            if reason is None:
                return None
            reasons.append(reason)
        return "+".join(reasons)


def _check_rules(rules: tuple[StoppingRule, ...]) -> None:
    """That there are rules to combine: a number among them would only be found out in the midst of a run."""
    if not rules:
        raise ValueError("rules must be at least one stopping rule, got none.")
    for rule in rules:
        if isinstance(rule, type) or not callable(rule):
            raise TypeError(
                f"rules must be stopping rules such as StandardError(0.05), got {kind_of(rule)}."
            )


def needs_halves(rule: StoppingRule | None) -> bool:
    """Whether ``rule`` will ask for the values by halves."""
    return bool(getattr(rule, "needs_halves", False))


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman correlation with midranks; 1 where neither half tells any rows apart."""
    from scipy.stats import rankdata

    ranks_a, ranks_b = rankdata(a) - (len(a) + 1) / 2, rankdata(b) - (len(b) + 1) / 2
    norm = float(np.sqrt((ranks_a @ ranks_a) * (ranks_b @ ranks_b)))
    if norm == 0.0:
        return 1.0 if not ranks_a.any() and not ranks_b.any() else 0.0
    return float(ranks_a @ ranks_b) / norm


def stopping_rule(tol: Any) -> StoppingRule | None:
    """The rule that a ``tol`` argument means: none, a rule, or the tolerance of `StandardError`."""
    if tol is None or callable(tol):
        return tol
    return StandardError(tol)
