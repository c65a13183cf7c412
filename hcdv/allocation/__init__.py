"""From chains of games to values of nodes and points."""

from hcdv.allocation.chains import ChainMoments, WalkError, draw_chain, observe_pair, walk_chains
from hcdv.allocation.checkpoint import Checkpoint
from hcdv.allocation.exact_children import are_children_few, with_exact_children
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
    "are_children_few",
    "draw_chain",
    "observe_pair",
    "renewed",
    "walk_chains",
    "with_exact_children",
]
