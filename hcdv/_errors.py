"""What goes wrong in a user's utility or cluster."""

from __future__ import annotations

from typing import Any


class UtilityError(RuntimeError):
    """A utility failed on a coalition: it raised, or answered with something that is no value.

    Attributes
    ----------
    result : ValuationResult or None
        The valuation by the chains that were finished before; None where there was none.
    """

    result: Any = None


class WorkersLost(RuntimeError):
    """A task was begun again and again, and lost every worker."""


def said(error: BaseException) -> str:
    """What an error says in its first line, behind a colon; nothing if it says nothing."""
    text = str(error).split("\n", 1)[0].rstrip(".")
    return f": {text}" if text else ""
