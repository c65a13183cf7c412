"""Rows, labels and names of rows put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hcdv._digest import fingerprint
from hcdv.io.source._protocol import Block
from hcdv.io.source._rows import Rows
from hcdv.io.source._tables import array, frame


class Roles(NamedTuple):
    """What columns of a table are for; the others are features."""

    label: Any = None
    id_column: Any = None
    drop: tuple[Any, ...] = ()

    def features(self, names: Sequence[Any], what: str) -> tuple[Any, ...]:
        """
        Raises
        ------
        ValueError
            If a column is missing or has two of these roles, or none is left.
        """
        named = [name for name in (self.label, self.id_column, *self.drop) if name is not None]
        for name in named:
            if name not in names:
                raise ValueError(f"{what} has no column {name!r}; it has {', '.join(map(str, names[:20]))}.")
        if self.label is not None and self.label in (self.id_column, *self.drop):
            raise ValueError(f"the column {self.label!r} cannot be the label and left out, too.")
        left = tuple(name for name in names if name not in named)
        if not left:
            raise ValueError(f"{what} has no columns left to value the rows by.")
        return left


class RowSource:
    """A `Source` of rows; labels and names of rows are columns of theirs, or rows of their own."""

    def __init__(
        self,
        rows: Rows,
        *,
        what: str,
        roles: Roles,
        labels: Rows | None = None,
        ids: Rows | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if rows.n_rows == 0:
            raise ValueError(f"{what} has no rows.")
        if rows.names is None and (roles.id_column is not None or roles.drop or roles.label is not None):
            raise ValueError(f"label, id_column and drop name columns of a table, but {what} is an array.")
        for name, other in (("y", labels), ("ids", ids)):
            if other is not None and other.n_rows != rows.n_rows:
                raise ValueError(f"{name} has {other.n_rows:,} items for {rows.n_rows:,} rows.")
        self._rows = rows
        self._roles = roles
        self._labels = labels
        self._ids = ids
        self._features = () if rows.names is None else roles.features(rows.names, what)
        self.notes = tuple(notes)

    @property
    def n_rows(self) -> int:
        return self._rows.n_rows

    @property
    def columns(self) -> tuple[str, ...] | None:
        return None if self._rows.names is None else tuple(map(str, self._features))

    def read(self, begin: int, end: int) -> Block:
        self._check(begin, end)
        return self._block(lambda rows, names: rows.rows(begin, end, names), range(begin, end))

    def take(self, rows: NDArray[Any]) -> Block:
        rows = np.asarray(rows, np.int64)
        if len(rows):
            self._check(int(rows[0]), int(rows[-1]) + 1)
        return self._block(lambda of, names: of.take(rows, names), rows)

    def labels(self, begin: int, end: int) -> NDArray[Any] | None:
        self._check(begin, end)
        if self._labels is not None:
            y = self._labels.rows(begin, end, ())
        elif self._roles.label is not None:
            y = _column(self._rows.rows(begin, end, (self._roles.label,)), self._roles.label)
        else:
            return None
        return self._known_labels(y, range(begin, end))

    def ids(self, begin: int, end: int) -> NDArray[Any]:
        self._check(begin, end)
        if self._ids is not None:
            ids = np.asarray(self._ids.rows(begin, end, ()))
        elif self._roles.id_column is not None:
            ids = _column(self._rows.rows(begin, end, (self._roles.id_column,)), self._roles.id_column)
        else:
            return np.arange(begin, end)
        return self._known_ids(ids, range(begin, end))

    def place(self, row: int) -> str:
        return _said(self._rows, row)

    def window(self, begin: int, end: int) -> RowSource:
        """The source for a task that reads rows [begin, end): it takes no others along that are in memory."""
        part = copy(self)
        part._rows = self._rows.window(begin, end)
        part._labels = None if self._labels is None else self._labels.window(begin, end)
        part._ids = None if self._ids is None else self._ids.window(begin, end)
        return part

    def fingerprint(self) -> str:
        others = [None if other is None else other.facts() for other in (self._labels, self._ids)]
        return fingerprint([self._rows.facts(), *others, repr(self._roles), self.columns], [])

    def _block(self, read: Callable[[Rows, Sequence[Any]], Any], numbers: range | NDArray[Any]) -> Block:
        asked = [name for name in (self._roles.label, self._roles.id_column) if name is not None]
        part = read(self._rows, (*self._features, *asked))
        y = ids = None
        if self._labels is not None:
            y = read(self._labels, ())
        elif self._roles.label is not None:
            y = _column(part, self._roles.label)
        if self._ids is not None:
            ids = read(self._ids, ())
        elif self._roles.id_column is not None:
            ids = _column(part, self._roles.id_column)
        return Block(
            self._X(part),
            None if y is None else self._known_labels(y, numbers),
            None if ids is None else self._known_ids(ids, numbers),
        )

    def _X(self, part: Any) -> Any:
        if isinstance(part, pa.Table):
            return frame(part.select(list(self._features)))
        return part[list(self._features)] if isinstance(part, pd.DataFrame) else part

    def _known_labels(self, y: NDArray[Any], numbers: range | NDArray[Any]) -> NDArray[Any]:
        return _known(y, numbers, self._rows if self._labels is None else self._labels, "label")

    def _known_ids(self, ids: NDArray[Any], numbers: range | NDArray[Any]) -> NDArray[Any]:
        return _known(ids, numbers, self._rows if self._ids is None else self._ids, "id")

    def _check(self, begin: int, end: int) -> None:
        if not 0 <= begin <= end <= self.n_rows:
            raise IndexError(f"rows {begin:,} to {end:,} are not among the {self.n_rows:,} rows.")


def _known(
    items: NDArray[Any], numbers: range | NDArray[Any], holder: Rows, kind: str
) -> NDArray[Any]:
    """Labels or names of rows of these numbers, if none is missing; what holds them says where one is."""
    missing = pd.isna(items)
    if items.dtype.kind == "f":
        missing = ~np.isfinite(items)
    if missing.any():
        k = int(missing.argmax())
        what = f"no {kind}" if pd.isna(items[k]) else f"an infinite {kind}"
        raise ValueError(f"{_said(holder, int(numbers[k]))} has {what}; every row needs one.")
    return items


def _said(holder: Rows, row: int) -> str:
    """Where a row stands, in words."""
    name, there = holder.place(row)
    return f"row {there:,} of {name}" + ("" if there == row else f" (row {row:,} of all)")


def _column(part: Any, name: Any) -> NDArray[Any]:
    if isinstance(part, pa.Table):
        return array(part.column(name))
    column: NDArray[Any] = part[name].to_numpy()
    return column
