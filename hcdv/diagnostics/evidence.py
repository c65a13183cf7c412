"""What a diagnosis goes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv.diagnostics.bounds import hoeffding
from hcdv.diagnostics.diagnosis import Line
from hcdv.diagnostics.repeats import Players, Repeats
from hcdv.diagnostics.setting import Setting
from hcdv.game import Indices, Values
from hcdv.result import ValuationResult

# What sums of float64 may miss, as a share of the sum of sizes.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that the statements look at.

    Attributes
    ----------
    result : ValuationResult
        The model's own.
    setting : Setting
    repeats : Repeats
    seed : int
        Of the repeats and of the probes.
    delta : float
    """

    result: ValuationResult
    setting: Setting
    repeats: Repeats
    seed: int
    delta: float

    @property
    def points(self) -> Values:
        """The model's values in tree order."""
        assert self.result.hierarchy is not None
        return self.result.values[self.result.hierarchy.order]

    @property
    def nodes(self) -> Values:
        assert self.result.node_values is not None
        return self.result.node_values

    @property
    def rounding(self) -> float:
        """What may be put down to floating point, in units of v."""
        return ROUNDING * float(np.abs(self.points).sum())

    @property
    def reference_points(self) -> Values:
        """What rows get in the long run: the mean of the repeats, which the model's own run is not part of."""
        return self.repeats.points.mean(axis=0)

    @property
    def reference_nodes(self) -> Values:
        return self.repeats.nodes.mean(axis=0)

    @property
    def n_pairs(self) -> int:
        """Antithetic pairs of one run: its independent observations."""
        return (self.setting.n_permutations + 1) // 2

    def spread_radius(self, players: Players) -> float:
        """Proposition 1's radius with the measured spread of the observations for their range."""
        assert players.width is not None
        return hoeffding(self.n_pairs, players.values.shape[1], width=players.width, delta=self.delta)

    @property
    def row_error(self) -> float:
        """Largest error of a row in any repeat: epsilon_infinity of Section 4, measured."""
        return largest_error(self.repeats.points)

    def node_error(self, nodes: Indices) -> float:
        """Largest error of some nodes in any repeat."""
        return largest_error(self.repeats.nodes[:, nodes])


def largest_error(values: NDArray[np.float64]) -> float:
    """Largest |error| of repeated values [R, K]."""
    return float(np.abs(Players("", 0, values).errors).max())


def within_rounding(statement: str, quantity: str, gap: float, rounding: float) -> Line:
    """A line for what holds but for floating point."""
    return Line(statement, quantity, gap, rounding, gap <= rounding, "bound: rounding")
