"""Stage II: balanced k-means splits and the tree of them. Arrays in, arrays out."""

from hcdv.partition.balanced import balanced_labels, balanced_split, size_window
from hcdv.partition.draft import Edited
from hcdv.partition.growth import Bounds, Changes, grown
from hcdv.partition.tree import TreeArrays, build_tree, group_tree, n_children_of

__all__ = [
    "Bounds",
    "Changes",
    "Edited",
    "TreeArrays",
    "balanced_labels",
    "balanced_split",
    "build_tree",
    "group_tree",
    "grown",
    "n_children_of",
    "size_window",
]
