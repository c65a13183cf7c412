"""Multi-fidelity: a costly game is asked at the ends of upper nodes only, cheap ones share out below.

The nodes of one level (and the leaves that stand above it) cut a chain into blocks.  A game *above* is
evaluated at the ends of the blocks; the marginal contribution of a block spreads evenly over its points.  A
game *below* is evaluated at every point, and what it gives to a whole block is taken off again, evenly.  So
a node down to that level has its value under the costly game alone, its points differ by the cheap one, and
every sum holds to rounding, chain by chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv._moments import Moments
from hcdv.game import Indices, Values
from hcdv.hierarchy import Hierarchy


@dataclass(frozen=True)
class Resolution:
    """Who plays where.

    Attributes
    ----------
    level : int
        Deepest level whose nodes the games above value.
    above, below : frozenset of str
        Names of the games; all others are asked at every point and count everywhere.
    """

    level: int
    above: frozenset[str]
    below: frozenset[str]


@dataclass(frozen=True, eq=False)
class Cut:
    """A resolution on a tree.

    Attributes
    ----------
    above, below : frozenset of str
    blocks : int64 [b]
        The nodes that tile the points: those of the level, and the leaves that stand above it.
    n_upper : int
        Nodes down to that level; they are numbered 0 .. n_upper - 1.
    """

    above: frozenset[str]
    below: frozenset[str]
    blocks: Indices
    n_upper: int

    @classmethod
    def of(cls, resolution: Resolution, hierarchy: Hierarchy) -> Cut:
        level = min(resolution.level, hierarchy.depth)
        begin, end = hierarchy.level_start[level : level + 2]
        upper = np.arange(end)
        blocks = upper[(upper >= begin) | hierarchy.is_leaf[:end]]
        return cls(resolution.above, resolution.below, blocks, int(end))

    def ends(self, block_start: Indices, n_points: int) -> Indices:
        """Where the blocks of a chain begin and end, int64 [b + 1] from 0 to ``n_points``."""
        return np.append(np.sort(block_start[self.blocks]), n_points)

    def in_one_unit(
        self, nodes: Moments, names: Sequence[str], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Weights float64 [p] with those of the games below brought to the unit of the games above.

        Both sides give every block a value; one factor makes these equally large in the sum of
        absolute values.  ``nodes`` are the moments over nodes that a walk collects.
        """
        above = np.array([name in self.above for name in names])
        below = np.array([name in self.below for name in names])
        at_blocks = nodes.mean[:, self.blocks]
        ours = float(np.abs(weights[above] @ at_blocks[above]).sum())
        theirs = float(np.abs(weights[below] @ at_blocks[below]).sum())
        return np.where(below, weights * (ours / theirs if theirs > 0 else 1.0), weights)

    def settled(self, nodes: Moments, names: Sequence[str]) -> Moments:
        """Moments over nodes with nothing from the games below on the levels of the games above."""
        settled = Moments(nodes.count, nodes.mean.copy(), nodes.comoment.copy())
        row = 0
        for a, first in enumerate(names):
            if first in self.below:
                settled.mean[a, : self.n_upper] = 0.0
            for second in names[a:]:
                if first in self.below or second in self.below:
                    settled.comoment[row, : self.n_upper] = 0.0
                row += 1
        return settled


def spread(ends: Indices, values: Values) -> Values:
    """v after 0, 1, ... points of a chain when a block's contribution is spread evenly over its points.

    Parameters
    ----------
    ends : int64 [s]
        Where the blocks begin and end, from 0 to n.
    values : float64 [s]
        v there.

    Returns
    -------
    float64 [n + 1]
    """
    return np.interp(np.arange(ends[-1] + 1), ends, values)
