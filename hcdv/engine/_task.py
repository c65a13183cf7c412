"""What a worker does with one task, wherever it stands: one BLAS thread, and an answer that always travels."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import cloudpickle

from hcdv.engine.blas import single_threaded_blas


class Outcome(NamedTuple):
    """What came of a task: its value, or the exception that it raised.

    The exception travels as a value, so that an engine's own errors (a lost worker) are never taken for it.
    """

    value: Any
    error: Exception | None = None


def run(function: Callable[[Any], Any], item: Any) -> Outcome:
    """``function(item)`` with BLAS and OpenMP held to one thread."""
    with single_threaded_blas():
        try:
            return Outcome(function(item))
        except Exception as error:
            return Outcome(None, error)


def pack(function: Callable[[Any], Any], item: Any, engine: str) -> bytes:
    """A task as bytes, for a worker in another process.

    Raises
    ------
    TypeError
        It holds what cannot leave this process.
    """
    try:
        return bytes(cloudpickle.dumps((function, item)))
    except Exception as error:  # pickling runs foreign code, which may raise anything
        shown = getattr(function, "__qualname__", repr(function))
        raise TypeError(
            f"engine {engine!r} must send its tasks to other processes, but {shown} cannot be pickled: {error}."
        ) from None


def run_packed(task: bytes) -> bytes:
    """Run a packed task; its outcome as bytes."""
    def packed(outcome: Outcome) -> bytes:
        return bytes(cloudpickle.dumps(outcome))

    try:
        outcome = run(*cloudpickle.loads(task))
        if outcome.error is None:
            return packed(outcome)
        error = outcome.error
    except Exception as pickling:
        error = pickling
    return packed(Outcome(None, _portable(error)))


def unpack(outcome: bytes) -> Outcome:
    """The outcome that `run_packed` answered with."""
    return Outcome(*cloudpickle.loads(outcome))


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note; what it says, where it does not survive pickling."""
    error.add_note("".join(["In the worker:\n", *traceback.format_exception(error)]).rstrip())
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
