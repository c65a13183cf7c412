"""Sparse vote weights between rows: kernel (nearest rows) and forest (shared leaves)."""

from hcdv.affinity.forest import forest_affinity
from hcdv.affinity.kernel import kernel_affinity
from hcdv.affinity.leaf_counts import LeafCounts, votes_from_elsewhere
from hcdv.affinity.lists import VoterLists
from hcdv.affinity.neighbours import tree_blocks, tree_levels
from hcdv.affinity.sparse import Affinity
from hcdv.affinity.trusted import returned_votes, trusted_kernel_votes

__all__ = [
    "Affinity",
    "LeafCounts",
    "VoterLists",
    "forest_affinity",
    "kernel_affinity",
    "returned_votes",
    "tree_blocks",
    "tree_levels",
    "trusted_kernel_votes",
    "votes_from_elsewhere",
]
