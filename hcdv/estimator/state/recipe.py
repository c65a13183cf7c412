"""A model's parameters as plain facts, and back.  Nothing is imported or executed by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcdv.allocation import Literal
from hcdv.encoder import Contrastive
from hcdv.games import KNN, Evidence, Fit, Forest, Kernel, Logistic, MultiFidelity, Ridge
from hcdv.stopping import AllOf, AnyOf, RankStability, StandardError, TimeBudget

if TYPE_CHECKING:
    from hcdv.estimator.updating import Updating

# What a file may name; anything else is the user's own, and passed again when the model is loaded.
KINDS = {
    kind.__name__: kind
    for kind in (
        KNN, AllOf, AnyOf, Contrastive, Evidence, Fit, Forest, Kernel, Literal, Logistic, MultiFidelity,
        RankStability, Ridge, StandardError, TimeBudget,
    )
}  # fmt: skip
_KIND = "kind"
OWN = "own"
# Parameters that name files: a state that came from elsewhere must not choose what is written where.
PLACES = ("cache", "checkpoint", "scheduler")
# Parameters that decide no value.
NO_MATTER = (*PLACES, "engine", "n_jobs", "verbose")


def to_facts(value: Any) -> Any:
    """What JSON can hold; of an object of the user's own only how it is called."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else {_KIND: "number", "value": repr(float(value))}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        items = [to_facts(item) for item in value]
        return {_KIND: "tuple", "items": items} if isinstance(value, tuple) else items
    if is_dataclass(value) and KINDS.get(type(value).__name__) is type(value):
        return {
            _KIND: type(value).__name__,
            "fields": {item.name: to_facts(getattr(value, item.name)) for item in fields(value) if item.init},
        }
    return {_KIND: OWN, "text": _text(value)}


def from_facts(facts: Any) -> Any:
    """What :func:`to_facts` was given.

    Raises
    ------
    ValueError
        If the facts are none that it makes, or name the user's own object.
    """
    if facts is None or isinstance(facts, (bool, str, int, float)):
        return facts
    if isinstance(facts, list):
        return [from_facts(item) for item in facts]
    if not isinstance(facts, Mapping) or not isinstance(facts.get(_KIND), str):
        raise ValueError("a parameter is written in a way that is not known")
    kind = facts[_KIND]
    if kind == "number" and facts.get("value") in ("inf", "-inf", "nan"):
        return float(facts["value"])
    if kind == "tuple":
        return tuple(from_facts(facts.get("items")))
    if kind in KINDS and isinstance(facts.get("fields"), Mapping):
        given = {str(name): from_facts(item) for name, item in facts["fields"].items()}
        known = {item.name for item in fields(KINDS[kind]) if item.init}
        if set(given) - known:
            raise ValueError(f"{kind} has no parameter {sorted(set(given) - known)[0]!r}")
        return KINDS[kind](**given)
    raise ValueError(f"a parameter is of the kind {kind!r}, which is not known")


def is_own(facts: Any) -> bool:
    """Whether the user's own object is in it."""
    if isinstance(facts, list):
        return any(map(is_own, facts))
    if not isinstance(facts, Mapping):
        return False
    return facts.get(_KIND) == OWN or any(is_own(item) for item in facts.values() if not isinstance(item, str))


def parameters_of(model: Updating) -> dict[str, tuple[Any, Any]]:
    """What decides a model's values, each as facts and as the object itself."""
    given = model.get_params(deep=False)
    return {name: (to_facts(value), value) for name, value in given.items() if name not in NO_MATTER}


def has_changed(before: Mapping[str, tuple[Any, Any]], now: Mapping[str, tuple[Any, Any]]) -> bool:
    """Whether parameters are others; objects of the user's own are the same only where they are one."""
    return any(
        before[name][0] != facts or (is_own(facts) and before[name][1] is not value)
        for name, (facts, value) in now.items()
    )


def looks_at_clock(rule: Any) -> bool:
    """Whether a stopping rule may end elsewhere in another run; the user's own may."""
    if isinstance(rule, (AnyOf, AllOf)):
        return any(map(looks_at_clock, rule.rules))
    return callable(rule) and not isinstance(rule, (RankStability, StandardError))


def _text(value: Any) -> str:
    """How an object of the user's own is called."""
    return str(getattr(value, "__name__", type(value).__name__))
