"""From chains of games to values of nodes and points."""

from hcdv.allocation.chains import ChainMoments, WalkError, observe_pair, walk_chains
from hcdv.allocation.checkpoint import Checkpoint
from hcdv.allocation.kept import KeptChains, Renewal, renewed
from hcdv.allocation.literal import MODES, Literal, LiteralAllocation, allocate
from hcdv.allocation.resolution import Cut, Resolution

__all__ = [
    "MODES",
    "ChainMoments",
    "Checkpoint",
    "Cut",
    "KeptChains",
    "Literal",
    "LiteralAllocation",
    "Renewal",
    "Resolution",
    "WalkError",
    "allocate",
    "observe_pair",
    "renewed",
    "walk_chains",
]
