"""What a ``utility`` argument means: names, objects, models, sums of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import BaseEstimator

from hcdv._torch_kind import is_module
from hcdv._validation import MAX_WEIGHT, check_choice, check_number, short
from hcdv.games.fidelity import POINTS, MultiFidelity
from hcdv.games.named import KNN, LIKELIHOOD, Evidence, Fit, Forest, InSpace, Kernel, Ridge, taken_apart
from hcdv.games.retrained import Estimator, Function, Logistic, Module
from hcdv.games.rows import TrainingRows
from hcdv.games.utility import Utility

# Larger weights of a game would only cost the digits of the others.

NAMES = ("kernel", "forest", "fit", "evidence", "knn", "ridge", "logistic")

# The sum behind utility="auto", weighed by measurement (docs/quality.md); all are in nats per row.
AUTO = {"kernel": 1.0, "fit": 1.0}
AUTO_ON_MIXED = {"forest": 2.0, "fit": 1.0}

# What a game weighs in a further space of the encoder's, beside the same in the first one (docs/encoder.md).
SPACE_WEIGHT = 0.5
# Where a sum's weights come from: set by hand, learned from labels, or learned where the sum was not named.
AUTOMATIC, FIXED = "auto", "fixed"
WEIGHTS = (AUTOMATIC, FIXED, LIKELIHOOD)
# The utilities that live in a space.
_SPATIAL = (Kernel, Fit, Evidence, KNN, Ridge)

# Where costly utilities stop by default: below, a node's rows move the score less than chance does
# (docs/quality.md).
USUAL_LEVEL = 2
# Chains, and core-seconds for them, above which they stop a level earlier.  Estimated from sizes, never timed:
# the same data must give the same values on every machine.
USUAL_CHAINS = 64
AFFORDABLE_SECONDS = 80.0


@dataclass(frozen=True)
class WeightedUtility:
    """One term of a sum.

    Attributes
    ----------
    utility : Utility
    weight : float
    shares_below : bool
        Whether it only shares out what costly ones give to the nodes above.
    learns : bool
        Whether its weight may be learned (:func:`hcdv.games.learning.with_likeliest_weights`).
    """

    utility: Utility
    weight: float
    shares_below: bool = False
    learns: bool = False

    @property
    def name(self) -> str:
        return self.utility.name


@dataclass(frozen=True)
class UtilityPlan:
    """A weighted sum of utilities, and how deep costly ones look.

    Attributes
    ----------
    terms : tuple of WeightedUtility
    resolution : int, "points" or None
        Deepest level that costly terms value; None until it is decided.
    """

    terms: tuple[WeightedUtility, ...]
    resolution: int | str | None = None

    @property
    def needs_torch(self) -> bool:
        """Whether a term trains its models in torch, on features as numbers."""
        return any(getattr(term.utility, "needs_torch", False) for term in self.terms)

    @property
    def needs_given(self) -> bool:
        """Whether a term looks at the rows as given, and not only at their spaces."""
        return any(taken_apart(term.utility)[0].name not in _CHEAP for term in self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(term.name for term in self.terms)

    @property
    def weights(self) -> tuple[float, ...]:
        return tuple(term.weight for term in self.terms)

    def above(self, rows: TrainingRows) -> tuple[str, ...]:
        """Names of the terms that cost extra for every stop."""
        if any(term.shares_below for term in self.terms):
            return tuple(term.name for term in self.terms if not term.shares_below)
        return tuple(term.name for term in self.terms if term.utility.chain_seconds(rows, 1) > 0)

    def settled(
        self, rows: TrainingRows, blocks_by_level: Sequence[int], *, points: bool = False
    ) -> UtilityPlan:
        """The plan with its resolution decided for these rows and this tree.

        Parameters
        ----------
        rows : TrainingRows
        blocks_by_level : sequence of int
            Nodes that tile the points at each level, root first.
        points : bool
            Every point of every term, whatever was asked for.

        Returns
        -------
        UtilityPlan
            ``resolution`` is a level; ``"points"`` where every term is asked at every point, and terms that
            would share out below are gone then.
        """
        if points or not self.above(rows) or self.resolution == POINTS:
            kept = tuple(term for term in self.terms if not term.shares_below)
            return replace(self, terms=kept, resolution=POINTS)
        depth = len(blocks_by_level) - 1
        if self.resolution is not None:
            return replace(self, resolution=min(int(self.resolution), depth))
        level = min(USUAL_LEVEL, depth)
        while level > 1 and USUAL_CHAINS * self._chain_seconds(rows, blocks_by_level[level]) > (
            AFFORDABLE_SECONDS
        ):
            level -= 1
        return replace(self, resolution=level)

    def _chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        """Core-seconds of the costly terms' chain, roughly."""
        return sum(
            term.utility.chain_seconds(rows, n_stops) for term in self.terms if not term.shares_below
        )


def plan_utility(
    utility: Any,
    *,
    is_mixed: bool,
    validation_weight: float = 0.03,
    weights: str = AUTOMATIC,
    spaces: Sequence[str] = (),
) -> UtilityPlan:
    """What a ``utility`` argument means.

    Parameters
    ----------
    utility : "auto", a name, an object, or a sequence of them or of (name or object, weight)
        ``"auto"`` is kernel + fit; on mixed tables twice the forest + fit.  Terms without weights count once.
        An object is a :class:`Utility` (``Logistic(C=10)``), a :class:`MultiFidelity`, a scikit-learn
        classifier, a torch module or its class, or a callable from row numbers to a value.
    is_mixed : bool
        Whether the input is a table with columns of several kinds.
    validation_weight : float
        Of the votes on validation rows, for kernel and forest.
    weights : {"auto", "fixed", "likelihood"}
        Whether weights are learned, and the width of a kernel that is asked for by name; ``"auto"``: for the
        terms that ``"auto"`` stands for.
    spaces : sequence of str
        Further spaces of the encoder's.  ``"auto"`` adds kernel + fit in each, at half the weight; otherwise
        the terms that live in a space are played there too, at half their weight.

    Returns
    -------
    UtilityPlan

    Raises
    ------
    ValueError, TypeError
        One sentence that names what came and what was wanted.
    """
    check_choice(weights, "weights", WEIGHTS)
    if isinstance(utility, MultiFidelity):
        upper = _terms(utility.upper, is_mixed, validation_weight, weights, spaces)
        lower = _terms(utility.lower, is_mixed, validation_weight, weights, spaces)
        _check_distinct([*upper, *lower])
        below = [replace(term, shares_below=True) for term in lower]
        return UtilityPlan((*upper, *below), utility.resolution)
    terms = _terms(utility, is_mixed, validation_weight, weights, spaces)
    if len(terms) == 1 and terms[0].name not in _CHEAP:
        # A model alone: the usual sum shares its nodes out.
        return plan_utility(
            MultiFidelity(terms[0].utility),
            is_mixed=is_mixed,
            validation_weight=validation_weight,
            weights=weights,
            spaces=spaces,
        )
    return UtilityPlan(terms)


def _terms(
    utility: Any, is_mixed: bool, validation_weight: float, weights: str, spaces: Sequence[str]
) -> tuple[WeightedUtility, ...]:
    """The terms asked for, and those in further spaces."""
    terms = _terms_given(utility, is_mixed, validation_weight, weights)
    copied = terms
    if isinstance(utility, str) and utility == "auto":
        copied = _terms_given(utility, False, validation_weight, weights)
    elsewhere = [
        replace(term, utility=InSpace(term.utility, space), weight=SPACE_WEIGHT * term.weight)
        for space in spaces
        for term in copied
        if isinstance(term.utility, _SPATIAL)
    ]
    return (*terms, *elsewhere)


def _terms_given(
    utility: Any, is_mixed: bool, validation_weight: float, weights: str
) -> tuple[WeightedUtility, ...]:
    is_auto = isinstance(utility, str) and utility == "auto"
    learns = weights == LIKELIHOOD or (weights == AUTOMATIC and is_auto)
    width: float | str = LIKELIHOOD if learns else 1.0

    def one(item: Any, weight: float = 1.0) -> WeightedUtility:
        return WeightedUtility(_utility(item, validation_weight, width), weight, learns=learns)

    if is_auto:
        chosen = AUTO_ON_MIXED if is_mixed else AUTO
        return tuple(one(name, weight) for name, weight in chosen.items())
    if isinstance(utility, str) or not isinstance(utility, Sequence):
        return (one(utility),)
    if not utility:
        raise TypeError(f"utility must be 'auto', one of {', '.join(NAMES)}, or a list of them, got [].")
    terms = []
    weighted = not any(isinstance(item, str) for item in utility) and any(
        isinstance(item, Sequence) for item in utility
    )
    for item in utility:
        if not weighted:
            terms.append(one(item))
            continue
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 2:
            raise TypeError(f"utility must list names or (name, weight) pairs, got {short(item)}.")
        term = one(item[0])
        weight = check_number(item[1], f"the weight of {term.name!r}", -MAX_WEIGHT, MAX_WEIGHT)
        terms.append(replace(term, weight=weight))
    _check_distinct(terms)
    return tuple(terms)


def _utility(item: Any, validation_weight: float, width: float | str) -> Utility:
    """The utility behind a name, a utility object, a model or a callable."""
    if isinstance(item, str):
        if item not in _BY_NAME:
            raise ValueError(f"utility must be 'auto' or made of {', '.join(NAMES)}, got {short(item)}.")
        if item == Kernel.name:
            return Kernel(validation_weight, width)
        if item == Forest.name:
            return Forest(validation_weight)
        return _BY_NAME[item]()
    # The class of a torch module is taken, for a factory of modules.
    if isinstance(item, type) and issubclass(item, BaseEstimator):
        raise TypeError(
            f"utility must be an instance, got the class {item.__name__}; write {item.__name__}()."
        )
    if isinstance(item, Utility):
        return item
    if isinstance(item, BaseEstimator):
        return Estimator(item)
    if is_module(item):
        return Module(item)
    if callable(item) or hasattr(item, "address"):
        return Function(item)
    raise TypeError(
        f"utility must be 'auto', one of {', '.join(NAMES)}, a utility object, a scikit-learn classifier, a "
        f"torch module, a callable, or a list of them, got {short(item)}."
    )


def _check_distinct(terms: Sequence[WeightedUtility]) -> None:
    names = [term.name for term in terms]
    if len(set(names)) < len(names):
        raise ValueError(f"utility names a game twice: {', '.join(names)}.")


_BY_NAME: dict[str, Callable[[], Utility]] = {
    "kernel": Kernel,
    "forest": Forest,
    "fit": Fit,
    "evidence": Evidence,
    "knn": KNN,
    "ridge": Ridge,
    "logistic": Logistic,
}
_CHEAP = ("kernel", "forest", "fit", "evidence", "knn", "ridge")
