"""Forest affinity by loops over pairs of rows and trees."""

import numpy as np


def shared_leaves(leaf_of, leaf_weight, unseen, voter_leaves, voter_trees, own, q):
    """``unseen`` and ``voter_trees`` are boolean [rows, trees] here; lists and weights [m, q]."""
    lists = np.full((len(voter_leaves), q), -1, np.int32)
    weights = np.zeros((len(voter_leaves), q), np.float32)
    for v, leaves in enumerate(voter_leaves):
        pairs = []
        for i in range(len(leaf_of)):
            both = unseen[i] & voter_trees[v]
            shared = both & (leaf_of[i] == leaves)
            votes = leaf_weight[leaves[shared]].sum()
            if i != own[v] and votes > 0:
                pairs.append((-votes / both.sum(), i))
        for j, (negative, i) in enumerate(sorted(pairs)[:q]):
            lists[v, j] = i
            weights[v, j] = -negative
    return lists, weights


def descend(nodes, roots, leaf, X):
    """The leaf of every row in every tree, [n, trees]; a leaf is its own child on both sides."""
    leaves = np.empty((len(X), len(roots)), np.int32)
    for i, row in enumerate(X):
        for t, node in enumerate(roots):
            while nodes["left"][node] != node:
                goes_left = row[nodes["feature"][node]] <= nodes["threshold"][node]
                node = nodes["left" if goes_left else "right"][node]
            leaves[i, t] = leaf[node]
    return leaves
