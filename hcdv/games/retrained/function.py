"""The user's own characteristic function: a Python callable, or compiled code called without the GIL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hcdv._digest import fingerprint
from hcdv._errors import UtilityError, said
from hcdv._kernels.native import native_chain, native_coalitions
from hcdv.engine import Threads
from hcdv.game import Indices, Values
from hcdv.games.retrained.cache import CoalitionCache
from hcdv.games.retrained.folds import in_blocks, prefixes
from hcdv.games.retrained.game import LARGEST_VALUE, RetrainedGame, Trainer, check_name
from hcdv.games.rows import TrainingRows

# What one call is taken to cost when the depth of the tree is chosen; a function cannot be asked.
NOMINAL_SECONDS = 0.01
NOMINAL_SECONDS_COMPILED = 1e-5


@dataclass(frozen=True)
class Function:
    """v(S) = f(rows of S), rows as an ascending, read-only int64 array of positions in X.

    Values are taken as they are: any number below 1e150 in size.  ``f`` is asked for the empty coalition too,
    and by one thread at a time.

    Parameters
    ----------
    f : callable, or numba ``cfunc`` of signature ``float64(CPointer(int64), int64)``
        A ``cfunc`` gets the rows and their number; it is called from several threads at once without the
        GIL, and signals an error by NaN.
    name : str
        Of the part in results.
    version : str, optional
        Names what ``f`` computes, data included, for a cache on disk: change it whenever f changes.
    """

    f: Any
    name: str = "function"
    version: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.f) and not isinstance(getattr(self.f, "address", None), int):
            raise TypeError(f"utility must be a callable or a cfunc, got {type(self.f).__name__}.")
        check_name(self.name)

    @property
    def is_compiled(self) -> bool:
        return isinstance(getattr(self.f, "address", None), int)

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> RetrainedGame:  # fmt: skip
        order = np.arange(rows.n_points) if rows.given is None else rows.given.order
        known = None
        if self.version is not None:
            known = fingerprint(["function", self.name, self.version, rows.n_points], [])
        trainer: Trainer
        if self.is_compiled:
            trainer = CompiledFunction(self.f, self.name, known)
        else:
            trainer = PythonFunction(self.f, self.name, known)
        return RetrainedGame(trainer, order, name=self.name, cache=cache)

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        return n_stops * (NOMINAL_SECONDS_COMPILED if self.is_compiled else NOMINAL_SECONDS)


class PythonFunction:
    """Asks a Python callable, one coalition at a time."""

    is_bounded = False
    outline: str | None = None

    def __init__(self, f: Any, name: str, known: str | None) -> None:
        self.f = f
        self.name = name
        self.fingerprint = known
        self._one_at_a_time = threading.Lock()
        self.v_empty = self._ask(np.empty(0, np.int64))

    def scores(self, coalitions: Sequence[Indices]) -> Values:
        return np.array([self._ask(rows) for rows in coalitions])

    def chain_scores(self, order: Indices, stops: Indices) -> Values:
        return self.scores(prefixes(order, stops))

    def walk(self, order: Indices, stops: Indices) -> Iterator[Values]:
        return in_blocks(self.scores, order, stops)

    def _ask(self, rows: Indices) -> float:
        rows = rows.copy()
        rows.setflags(write=False)  # a function that writes into its argument would answer for another one
        try:
            with self._one_at_a_time:
                answer = self.f(rows)
        except Exception as error:
            raise UtilityError(
                f"utility {self.name!r} raised {type(error).__name__} on a coalition of {len(rows):,} rows"
                f"{said(error)}."
            ) from error
        try:
            # Both would pass for a number: "0.5" is parsed, and the imaginary part dropped.
            if isinstance(answer, (str, bytes, complex, np.complexfloating)):
                raise TypeError
            value = float(answer)
        except OverflowError:
            value = np.inf  # an integer that no float can hold
        except (TypeError, ValueError):
            raise UtilityError(
                f"utility {self.name!r} must return a number, got {type(answer).__name__} for a coalition of "
                f"{len(rows):,} rows."
            ) from None
        if not abs(value) < LARGEST_VALUE:
            raise UtilityError(
                f"utility {self.name!r} gave {value} for a coalition of {len(rows):,} rows, but a value "
                f"must be a number below {LARGEST_VALUE} in size."
            )
        return value


class CompiledFunction:
    """Asks compiled code through a kernel, without the GIL."""

    is_bounded = False
    outline: str | None = None

    def __init__(self, f: Any, name: str, known: str | None) -> None:
        self.f = f  # kept: its address is only good while it lives
        self.fingerprint = known
        self.v_empty = float(self.scores([np.empty(0, np.int64)])[0])
        if not abs(self.v_empty) < LARGEST_VALUE:
            raise UtilityError(f"utility {name!r} gave {self.v_empty} for the empty coalition.")

    def scores(self, coalitions: Sequence[Indices]) -> Values:
        bounds = np.concatenate([[0], np.cumsum([len(rows) for rows in coalitions])]).astype(np.int64)
        members = np.concatenate([*coalitions, np.empty(0, np.int64)])
        values = np.empty(len(coalitions))
        native_coalitions(self.f.address, members, bounds, values)
        return values

    def chain_scores(self, order: Indices, stops: Indices) -> Values:
        values = np.empty(len(stops))
        order = np.ascontiguousarray(order, dtype=np.int64)
        native_chain(self.f.address, order, stops, np.empty(len(order), np.int64), values)
        return values

    def walk(self, order: Indices, stops: Indices) -> Iterator[Values]:
        return in_blocks(self.scores, order, stops)
