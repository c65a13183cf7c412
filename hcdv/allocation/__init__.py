"""From chains of games to values of nodes and points."""

from hcdv.allocation.chains import ChainMoments, WalkError, walk_chains
from hcdv.allocation.checkpoint import Checkpoint
from hcdv.allocation.literal import MODES, Literal, LiteralAllocation, allocate
from hcdv.allocation.resolution import Cut, Resolution

__all__ = [
    "MODES",
    "ChainMoments",
    "Checkpoint",
    "Cut",
    "Literal",
    "LiteralAllocation",
    "Resolution",
    "WalkError",
    "allocate",
    "walk_chains",
]
