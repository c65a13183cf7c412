"""Sums over votes by their definition."""

import numpy as np


def voter_totals(indices, weights, n_voters):
    votes = list(zip(indices, weights, strict=True))
    return np.array([sum(float(w) for i, w in votes if i == v) for v in range(n_voters)])


def power_sums(start, label, weight, own, roots, squares):
    """All votes, and those for the voter's own label: [roots + squares + 1, m] each."""
    sums, own_sums = np.zeros((2, roots + squares + 1, len(own)))
    for row, k in enumerate(range(-roots, squares + 1)):
        for v, mine in enumerate(own):
            for j in range(start[v], start[v + 1]):
                sums[row, v] += weight[j] ** (2.0**k)
                own_sums[row, v] += weight[j] ** (2.0**k) * (label[j] == mine)
    return sums, own_sums
