"""Two fidelities: a utility worth its price for the upper nodes of the tree, a cheap one below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hcdv._validation import check_int, short

POINTS = "points"


@dataclass(frozen=True)
class MultiFidelity:
    """``upper`` values the nodes down to a level of the tree, ``lower`` shares each node's value out.

    Sums hold exactly: a node down to that level has its value under ``upper`` alone, and inside it the
    points differ by their values under ``lower``, brought to the same unit by one factor.  The root's
    children (sellers, say) get exact Shapley values where all their coalitions are no more than the chains ask
    for (2^k up to n_permutations * k).

    Parameters
    ----------
    upper, lower : utility
        Whatever ``HCDV(utility=...)`` takes, but for another ``MultiFidelity``.
    resolution : int or "points", optional
        Deepest level that ``upper`` values; the root is level 0.  By default level 2, or level 1 where the
        64 chains of level 2 would cost more than a minute or so by the utility's own estimate: one row
        hardly moves the score of a retrained model, some dozens of rows do (docs/quality.md).
        ``"points"`` asks ``upper`` for every row, whatever that costs; ``lower`` has no say then.
    """

    upper: Any
    lower: Any = "auto"
    resolution: int | str | None = None

    def __post_init__(self) -> None:
        for side in (self.upper, self.lower):
            if isinstance(side, MultiFidelity):
                raise TypeError("upper and lower of MultiFidelity must not be MultiFidelity themselves.")
        if isinstance(self.resolution, str):
            if self.resolution != POINTS:
                raise ValueError(f"resolution must be a level or 'points', got {short(self.resolution)}.")
        elif self.resolution is not None:
            check_int(self.resolution, "resolution", 1)
