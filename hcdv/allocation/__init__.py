"""From chains of games to values of nodes and points."""

from hcdv.allocation.chains import ChainMoments, WalkError, walk_chains
from hcdv.allocation.checkpoint import Checkpoint
from hcdv.allocation.resolution import Cut, Resolution

__all__ = ["ChainMoments", "Checkpoint", "Cut", "Resolution", "WalkError", "walk_chains"]
