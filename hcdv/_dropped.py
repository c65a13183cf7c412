"""Tasks on threads whose answers nobody waits for any more, as after Ctrl-C: they end between two steps.

A process cannot end while a thread of it is at work, so it would otherwise wait for its longest task.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_this_thread = threading.local()


class Dropped(Exception):
    """Nobody waits for the answer of this task."""


def droppable(dropped: threading.Event, function: Callable[[Item], Result], item: Item) -> Result:
    """``function(item)``; the next `go_on` in it raises `Dropped` once ``dropped`` is set."""
    before = getattr(_this_thread, "dropped", None)
    _this_thread.dropped = dropped
    try:
        return function(item)
    finally:
        _this_thread.dropped = before


def go_on() -> None:
    """Asked between the steps of a task: raises `Dropped` if nobody waits for it."""
    dropped = getattr(_this_thread, "dropped", None)
    if dropped is not None and dropped.is_set():
        raise Dropped
