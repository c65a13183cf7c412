"""What an explanation holds, and how it reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from hcdv._labels import as_python, shown

# Rows of each list that the text shows.
SHOWN = 3


@dataclass(frozen=True)
class PathNode:
    """A node of the tree that the row lies in.

    Attributes
    ----------
    node : int
        Its number, as in ``hierarchy_``.
    level : int
        0 for the root.
    size : int
        Its rows.
    value : float
        What they are worth together.
    value_per_row : float
    label_share : float
        Share of its rows that have the row's label.
    """

    node: int
    level: int
    size: int
    value: float
    value_per_row: float
    label_share: float


@dataclass(frozen=True)
class OtherRow:
    """Another row: a training row, or a validation row.

    Attributes
    ----------
    position : int
        Number of the row in X, or in X_val.
    id : int, float, str, bool, Timestamp or None
        Its name; None for a validation row.
    label : label
        As given.
    has_same_label : bool
        As the row that is explained.
    value : float or None
        None for a validation row.
    """

    position: int
    id: Any
    label: Any
    has_same_label: bool
    value: float | None

    @property
    def is_validation(self) -> bool:
        return self.value is None

    def __str__(self) -> str:
        name = f"validation row {self.position}" if self.is_validation else f"row {shown(self.id)}"
        return f"{name} ({shown(self.label)})"


@dataclass(frozen=True)
class Neighbour(OtherRow):
    """A row near it.  ``distance`` is Euclidean, in the vote space (units of standard deviations)."""

    distance: float


@dataclass(frozen=True)
class Duplicate(Neighbour):
    """A training row so near that it is all but the same."""


@dataclass(frozen=True)
class Voter(OtherRow):
    """A row that votes on its label.  ``shares`` tells by part of the sum what share of all votes it casts."""

    shares: Mapping[str, float]


@dataclass(frozen=True)
class Listener(OtherRow):
    """A row on whose label it votes.

    Attributes
    ----------
    change : float
        By how much its vote raises the confidence in the listener's label, log(C p), where everybody else votes
        too: in nats, summed over the parts with their weights.
    effect : float
        What that adds to v.
    """

    change: float
    effect: float


@dataclass(frozen=True)
class Explanation:
    """Why a row has its value.  ``print`` shows it, ``to_dict()`` gives it as plain numbers and text.

    Values are averages over many coalitions of rows.  ``leave_one_out``, and whom the row helps and hurts, are
    measured at one coalition only: all rows, against all but this one.  They say who feels the row now; they do
    not sum to its value.

    Attributes
    ----------
    id : int, float, str, bool or Timestamp
    position : int
        Number of the row in the data.
    label : label
    value : float
    std_error : float or None
        None where there is none.
    rank : int
        0 for the lowest value.
    n_rows : int
        Of the data.
    parts : dict of str to float
        What each game of the sum gives to ``value``, weights applied; they sum to it.  Empty where values are
        not a sum of parts.
    path : tuple of PathNode
        From the root to the leaf; empty where values come without a tree.
    neighbours, validation_neighbours : tuple of Neighbour
        The nearest training and validation rows, nearest first.
    voters : tuple of Voter
        The training and validation rows whose votes on its label weigh most.
    leave_one_out : float or None
        v(all rows) less v(all but this one), of the parts in which rows vote (kernel and forest) with their
        weights; None where there are none.
    own : float or None
        The share of it that is the confidence in the row's own label; the rest is the sum of its effects on
        those who listen to it.
    helped, hurt : tuple of Listener
        The training rows whose labels its vote supports, and contradicts, most.
    validation_helped, validation_hurt : tuple of Listener
        The same of the validation rows.
    duplicates : tuple of Duplicate
        The nearest of its near-duplicates.
    n_duplicates : int or None
        How many there are; None where the rows are not at hand.
    note : str
        What is left out, and why; empty where nothing is.
    """

    id: Any
    position: int
    label: Any
    value: float
    std_error: float | None
    rank: int
    n_rows: int
    parts: Mapping[str, float]
    path: tuple[PathNode, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    validation_neighbours: tuple[Neighbour, ...] = ()
    voters: tuple[Voter, ...] = ()
    leave_one_out: float | None = None
    own: float | None = None
    helped: tuple[Listener, ...] = ()
    hurt: tuple[Listener, ...] = ()
    validation_helped: tuple[Listener, ...] = ()
    validation_hurt: tuple[Listener, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    n_duplicates: int | None = None
    note: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Plain sentences: how many of the nearest rows have another label, and whether it has duplicates."""
        said = [
            _disagreement(near, kind)
            for near, kind in ((self.validation_neighbours, "validation"), (self.neighbours, "training"))
            if near
        ]
        if self.n_duplicates:
            differ = sum(not row.has_same_label for row in self.duplicates)
            has = "1 near-duplicate" if self.n_duplicates == 1 else f"{self.n_duplicates:,} near-duplicates"
            among = f", {differ} of the nearest with another label" if differ else ""
            said.append(f"it has {has}{among}")
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, text, numbers, truth values and None, as JSON takes them."""
        plain: dict[str, Any] = _plain(self)
        plain["reasons"] = list(self.reasons)
        return plain

    def __str__(self) -> str:
        error = "" if self.std_error is None else f" +- {self.std_error:.1g}"
        lines = [
            f"row {shown(self.id)} (position {self.position}), label {shown(self.label)}: value "
            f"{self.value:.4g}{error}, rank {self.rank:,} of {self.n_rows:,} (0 is the lowest)",
            *self.reasons,
        ]
        if len(self.parts) > 1:
            lines.append("by part: " + ", ".join(f"{name} {part:+.3g}" for name, part in self.parts.items()))
        lines += self._path_lines()
        if self.leave_one_out is not None and self.own is not None:
            lines.append(
                f"beside all other rows its label and votes add {self.leave_one_out:+.3g} to v: "
                f"{self.own:+.3g} for its own label, {self.leave_one_out - self.own:+.3g} for those of others"
            )
        felt = "(nats of confidence in their labels)"
        lines += _listed(f"helps most {felt}", _few(self.validation_helped, self.helped), _by_effect)
        lines += _listed(f"hurts most {felt}", _few(self.validation_hurt, self.hurt), _by_effect)
        lines += _listed("listens most to (share of the votes)", self.voters[:SHOWN], _by_share)
        lines += _listed("near-duplicates (distance)", self.duplicates[:SHOWN], _by_distance)
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def _path_lines(self) -> list[str]:
        return [
            f"{'  ' * node.level}{'root' if not node.level else f'node {node.node}'}: {node.size:,} rows, "
            f"{node.label_share:.0%} with its label, worth {node.value:.3g} ({node.value_per_row:.3g} a row)"
            for node in self.path
        ]


def _disagreement(near: tuple[Neighbour, ...], kind: str) -> str:
    differ = sum(not row.has_same_label for row in near)
    if len(near) == 1:
        return f"its nearest {kind} row has {'another' if differ else 'the same'} label"
    verb = "has" if differ == 1 else "have"
    return f"{differ} of its {len(near)} nearest {kind} rows {verb} another label"


def _few(validation: tuple[Listener, ...], rows: tuple[Listener, ...]) -> tuple[Listener, ...]:
    return (*validation[:SHOWN], *rows[:SHOWN])


def _listed(title: str, rows: Iterable[Any], figure: Any) -> list[str]:
    said = ", ".join(f"{row} {figure(row)}" for row in rows)
    return [f"{title}: {said}"] if said else []


def _by_effect(row: Listener) -> str:
    return f"{row.change:+.3g}"


def _by_share(row: Voter) -> str:
    return " and ".join(f"{share:.0%} of {name}" for name, share in row.shares.items())


def _by_distance(row: Neighbour) -> str:
    return f"{row.distance:.2g}"


def _plain(item: Any) -> Any:
    """As JSON takes it; what is no number, truth value or None there becomes text."""
    if is_dataclass(item):
        return {entry.name: _plain(getattr(item, entry.name)) for entry in fields(item)}
    if isinstance(item, Mapping):
        return {str(name): _plain(value) for name, value in item.items()}
    if isinstance(item, tuple):
        return [_plain(value) for value in item]
    item = as_python(item) if isinstance(item, np.generic) else item
    if isinstance(item, float) and not math.isfinite(item):
        return None
    return item if item is None or isinstance(item, (bool, int, float)) else str(item)
