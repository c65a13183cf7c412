"""What is asked for, as a task on any machine can read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """The parameters of a valuation; see :class:`hcdv.HCDV`."""

    encoder: Any = "auto"
    utility: Any = "auto"
    validation_weight: float = 0.03
    weights: str = "auto"
    contrast: float = 0.1
    dispersion: str = "centred"
    branching: int | Sequence[int] = 8
    leaf_size: int = 10
    capacity_slack: float = 0.2
    n_permutations: int = 64
    seed: int = 0

    @property
    def n_pairs(self) -> int:
        """Antithetic pairs of chains."""
        return (self.n_permutations + 1) // 2

    def facts(self) -> list[Any]:
        """What values depend on, in words that stay the same from process to process."""
        return [
            repr(self.utility), float(self.validation_weight), self.weights, float(self.contrast),
            self.dispersion, repr(self.branching), self.leaf_size, float(self.capacity_slack), self.n_pairs,
            self.seed,
        ]  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One game of the sum.

    Attributes
    ----------
    name : str
    kind : {"kernel", "forest", "fit", "evidence", "contrast"}
    weight : float
    validation_weight : float
        Of the votes, where it is a game of votes.
    width : float
        Of the kernel.
    """

    name: str
    kind: str
    weight: float
    validation_weight: float = 0.0
    width: float = 1.0

    @property
    def is_vote(self) -> bool:
        """Whether rows are heard in their own part only."""
        return self.kind in ("kernel", "forest")
