"""What a part contributes to the games that know no parts: sums, as one vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.games import DispersionGame, EvidenceGame
from hcdv.games.dispersion import DispersionState
from hcdv.games.evidence import ROWS_AT_ONCE, EvidenceState, sum_of_squares


@dataclass(frozen=True)
class Sums:
    """State of a coalition in all games of sums; their vectors may be added.

    Attributes
    ----------
    evidence : EvidenceState
    dispersion : DispersionState
    squares : float
        Of all numbers in the vote space.
    """

    evidence: EvidenceState
    dispersion: DispersionState
    squares: float

    @classmethod
    def of(cls, X: NDArray[Any], labels: NDArray[np.int64], n_classes: int) -> Sums:
        """Of rows [n, d] and their classes."""
        n = len(labels)
        game = EvidenceGame(X, labels, n_classes)
        evidence = game.state(np.arange(min(n, ROWS_AT_ONCE)))
        for first in range(ROWS_AT_ONCE, n, ROWS_AT_ONCE):
            evidence += game.state(np.arange(first, min(first + ROWS_AT_ONCE, n)))
        dispersion = DispersionGame(X, labels, n_classes).state(np.arange(n))
        return cls(evidence, dispersion, sum_of_squares(X))

    def vector(self) -> NDArray[np.float64]:
        evidence, dispersion = self.evidence, self.dispersion
        parts: list[Any] = [
            evidence.gram, evidence.cross, evidence.squares, dispersion.sums, dispersion.counts, self.squares
        ]  # fmt: skip
        return np.concatenate([np.ravel(part) for part in parts])

    @classmethod
    def from_vector(cls, vector: NDArray[np.float64], n_dims: int, n_classes: int) -> Sums:
        shapes = [(n_dims + 1, n_dims + 1), (n_classes, n_dims + 1), (), (n_classes, n_dims), (n_classes,), ()]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        gram, cross, targets, sums, counts, squares = (
            piece.reshape(shape) for piece, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)
        )
        return cls(EvidenceState(gram, cross, float(targets)), DispersionState(sums, counts), float(squares))
