"""Small games played through the utility ``Function``, and their values by plain enumeration."""

from itertools import combinations, product
from math import comb, factorial

import numpy as np

from hcdv.games import Function

N = 7


def rows(n=N, n_classes=2, seed=0):
    """Rows that only carry the game: X [n, 2] and labels of every class."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), np.arange(n) % n_classes


def random_table(n=N, seed=0):
    """A value for every coalition, bit j = row j; the empty one is not worth 0."""
    return np.random.default_rng(seed).normal(size=1 << n)


def utility(table, name="function"):
    """The game of a table as a utility."""
    return Function(lambda members: float(table[int((1 << members).sum())]), name=name)


def weighted(weights):
    """The additive game."""
    return Function(lambda members: float(weights[members].sum()))


def semivalue(table, weight):
    """sum over S without i of weight(|S|, n) * [v(S and i) - v(S)], by enumeration of all S."""
    n = len(table).bit_length() - 1
    values = np.zeros(n)
    for i in range(n):
        for members in product([0, 1], repeat=n):
            if members[i]:
                continue
            code = sum(bit << j for j, bit in enumerate(members))
            values[i] += weight(sum(members), n) * (table[code | 1 << i] - table[code])
    return values


def shapley(table):
    return semivalue(table, lambda s, n: factorial(s) * factorial(n - s - 1) / factorial(n))


def banzhaf(table):
    return semivalue(table, lambda s, n: 0.5 ** (n - 1))


def of_groups(table, members):
    """The game among groups of rows: a table over groups out of one over rows."""
    m = len(members)
    codes = [sum(1 << int(j) for j in group) for group in members]
    return np.array([table[sum(codes[g] for g in range(m) if s >> g & 1)] for s in range(1 << m)])


def mean_over_draws(table, pool, size, joined):
    """Mean of v(D and joined) over all D of ``size`` rows of ``pool``."""
    added = sum(1 << int(j) for j in joined)
    values = [table[added + sum(1 << int(j) for j in draw)] for draw in combinations(pool, size)]
    assert len(values) == comb(len(pool), size)
    return float(np.mean(values))
