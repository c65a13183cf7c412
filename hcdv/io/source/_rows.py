"""Rows by their numbers, out of parts that can be read piece by piece only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hcdv.io.source._tables import joined

# Pieces that are kept: those on which neighbouring blocks fall.
_KEPT = 2
# Pieces of an iterator that are kept: neighbouring tasks do not always begin in their order.
_BEHIND = 2


class Rows(Protocol):
    """Rows of a table (Arrow's or pandas') or of an array, some at a time."""

    @property
    def n_rows(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of all columns; None of an array."""
        ...

    def rows(self, begin: int, end: int, names: Sequence[str]) -> Any:
        """Rows [begin, end), of a table the columns of these names."""
        ...

    def take(self, rows: NDArray[Any], names: Sequence[str]) -> Any:
        """Rows of ascending numbers."""
        ...

    def place(self, row: int) -> tuple[str, int]:
        """What holds a row, and the number of the row there: for errors."""
        ...

    def facts(self) -> list[Any]:
        """Plain facts by which these rows are told from others."""
        ...

    def window(self, begin: int, end: int) -> Rows:
        """The same for one who asks for rows [begin, end) alone: of what is in memory no others go along."""
        ...


class Window:
    """`Rows` [begin, end) of rows in memory, by the numbers that they have there."""

    def __init__(self, inside: Rows, begin: int, n_rows: int) -> None:
        self._inside = inside
        self._begin = begin
        self.n_rows = n_rows
        self.names = inside.names

    def rows(self, begin: int, end: int, names: Sequence[str]) -> Any:
        return self._inside.rows(begin - self._begin, end - self._begin, names)

    def take(self, rows: NDArray[Any], names: Sequence[str]) -> Any:
        return self._inside.take(rows - self._begin, names)

    def place(self, row: int) -> tuple[str, int]:
        return self._inside.place(row - self._begin)[0], row

    def facts(self) -> list[Any]:
        return [self._begin, self.n_rows, self._inside.facts()]

    def window(self, begin: int, end: int) -> Rows:
        return self


class Part(Protocol):
    """Something with rows in pieces: a file, say, with its row groups."""

    @property
    def sizes(self) -> Sequence[int]:
        """Rows of each piece."""
        ...

    def load(self, piece: int, names: Sequence[str]) -> Any:
        """A piece: an array, or the columns of these names as a table of Arrow."""
        ...

    def where(self, piece: int, row: int) -> tuple[str, int]:
        """What users know that holds a row of a piece, and the number of the row there."""
        ...

    def facts(self) -> list[Any]: ...


class Parts:
    """`Rows` of parts behind each other."""

    def __init__(self, parts: Sequence[Part], names: tuple[str, ...] | None) -> None:
        self.parts = parts
        self.names = names
        sizes = [(part, piece, size) for part, p in enumerate(parts) for piece, size in enumerate(p.sizes)]
        self._pieces = [(part, piece) for part, piece, size in sizes if size]
        self._bounds = np.cumsum([0, *(size for *_, size in sizes if size)], dtype=np.int64)
        self._kept = Kept(self._load, _KEPT)

    @property
    def n_rows(self) -> int:
        return int(self._bounds[-1])

    def rows(self, begin: int, end: int, names: Sequence[str]) -> Any:
        first = self._piece_of(begin)
        last = max(self._piece_of(end - 1), first)
        found = []
        for k in range(first, last + 1):
            start = int(self._bounds[k])
            piece = self._kept.get((k, tuple(names)))
            found.append(_cut(piece, max(begin - start, 0), min(end, int(self._bounds[k + 1])) - start))
        return _joined(found)

    def take(self, rows: NDArray[Any], names: Sequence[str]) -> Any:
        if not len(rows):
            return self.rows(0, 0, names)
        found = []
        cuts = np.searchsorted(rows, self._bounds)
        for k in np.flatnonzero(np.diff(cuts)):
            # Not kept: every piece is read once.
            piece = self._load((int(k), tuple(names)))
            found.append(chosen(piece, rows[cuts[k] : cuts[k + 1]] - self._bounds[k]))
        return _joined(found)

    def place(self, row: int) -> tuple[str, int]:
        k = self._piece_of(row)
        part, piece = self._pieces[k]
        return self.parts[part].where(piece, row - int(self._bounds[k]))

    def facts(self) -> list[Any]:
        return [[part.facts(), list(part.sizes)] for part in self.parts]

    def window(self, begin: int, end: int) -> Rows:
        return self

    def _piece_of(self, row: int) -> int:
        return min(max(int(np.searchsorted(self._bounds, row, side="right")) - 1, 0), len(self._pieces) - 1)

    def _load(self, key: tuple[int, tuple[str, ...]]) -> Any:
        k, names = key
        part, piece = self._pieces[k]
        return self.parts[part].load(piece, names)


class Kept:
    """What was loaded last, each once however many threads ask for it at a time."""

    def __init__(self, load: Callable[[Any], Any], most: int) -> None:
        self._load = load
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[Any, Future[Any]] = {}  # what was asked for last comes last

    def get(self, key: Any) -> Any:
        with self._lock:
            found = self._kept.pop(key, None)
            future: Future[Any] = Future() if found is None else found
            self._kept[key] = future
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
        if found is None:
            try:
                future.set_result(self._load(key))
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)
                future.set_exception(error)
        return future.result()

    def __getstate__(self) -> dict[str, Any]:
        return {"_load": self._load, "_most": self._most}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**{name[1:]: value for name, value in state.items()})  # type: ignore[misc]


class Moving:
    """Pieces by number out of an iterator, which goes forward only: for one long passed it begins anew."""

    def __init__(self, begin: Callable[[], Iterator[Any]]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._iterator: Iterator[Any] | None = None
        self._next = 0
        self._passed: dict[int, Any] = {}

    def get(self, piece: int) -> Any:
        """
        Raises
        ------
        StopIteration
            If the iterator has fewer pieces.
        """
        with self._lock:
            if piece in self._passed:
                return self._passed[piece]
            if self._iterator is None or piece < self._next:
                self._iterator, self._next, self._passed = self._begin(), 0, {}
            try:
                while self._next <= piece:
                    self._passed[self._next] = next(self._iterator)
                    self._passed.pop(self._next - _BEHIND, None)
                    self._next += 1
            except BaseException:
                self._iterator = None  # one that has failed gives nothing more
                raise
            return self._passed[piece]

    def __getstate__(self) -> dict[str, Any]:
        return {"_begin": self._begin}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_begin"])  # type: ignore[misc]


def chosen(piece: Any, rows: NDArray[Any]) -> Any:
    """Rows of a piece, without the dictionaries of all of it."""
    return piece[rows] if isinstance(piece, np.ndarray) else joined([piece.take(pa.array(rows))])


def _cut(piece: Any, begin: int, end: int) -> Any:
    return piece[begin:end] if isinstance(piece, np.ndarray) else piece.slice(begin, end - begin)


def _joined(found: list[Any]) -> Any:
    if not isinstance(found[0], np.ndarray):
        return joined(found)
    return found[0] if len(found) == 1 else np.concatenate(found)
