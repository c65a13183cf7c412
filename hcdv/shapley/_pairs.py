"""Complementary pairs of coalitions: which to ask for, and half the difference of their values.

Shapley values depend on the odd part of a game alone, u(S) = (v(S) - v(N \\ S)) / 2 (Fumagalli et
al., "An odd estimator for Shapley values", 2026): a pair is one observation of it.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from hcdv.shapley._ask import BatchGame, ask, batch_rows, check_no_overflow

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

# A size of which more than this share is wanted is listed whole and shuffled; below it, random
# coalitions are drawn until enough are distinct.
_LISTED_SHARE = 0.25


def sample_pairs(m: int, n_pairs: int, rng: np.random.Generator) -> Bools:
    """Distinct pairs {S, N minus S} other than {empty, N}, bool [n_pairs, m]: the member of size <= m/2.

    Every size gets the same number, as far as it has so many: the leverage of a coalition in the
    linear regression (Musco and Witter, "Provably accurate Shapley value estimation via leverage
    score sampling", 2025). The rows stand in the order of their size, at random within one.
    ``n_pairs`` is at most 2**(m - 1) - 1.
    """
    parts = []
    for size, wanted in enumerate(_allotment(m, n_pairs, rng), start=1):
        available = n_of_size(m, size)
        if wanted > _LISTED_SHARE * available:
            chosen = np.array(list(combinations(range(m), size)))[:available]
            rows = chosen[rng.permutation(available)[:wanted]]
            part = np.zeros((wanted, m), dtype=bool)
            np.put_along_axis(part, rows, True, axis=1)
        else:
            part = _distinct(m, size, int(wanted), rng)
        parts.append(part)
    return np.concatenate(parts)


def n_of_size(m: int, size: int) -> int:
    """Pairs whose smaller coalition has ``size`` members; of two halves, one stands for the pair."""
    return comb(m, size) // (2 if 2 * size == m else 1)


def _allotment(m: int, n_pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pairs of each size 1..m//2: equal shares (half of one for the halves), none beyond its number."""
    n_sizes = m // 2
    share = np.ones(n_sizes)
    if m % 2 == 0:
        share[-1] = 0.5
    available = np.array([float(n_of_size(m, size)) for size in range(1, n_sizes + 1)])
    counts = np.zeros(n_sizes, dtype=np.int64)
    open_sizes = available > 0
    while True:
        rest = n_pairs - counts[~open_sizes].sum()
        ideal = rest * share / share[open_sizes].sum()
        full = open_sizes & (ideal >= available)
        if not full.any():
            break
        counts[full] = available[full].astype(np.int64)
        open_sizes &= ~full
        if not open_sizes.any():
            return counts
    counts[open_sizes] = ideal[open_sizes].astype(np.int64)
    # What rounding down left over goes to sizes at random, by what each lost.
    lost = np.where(open_sizes, ideal - np.floor(ideal), 0.0)
    ranks = np.argsort(-(lost * rng.random(n_sizes)), kind="stable")
    counts[ranks[: n_pairs - counts.sum()]] += 1
    return counts


def _distinct(m: int, size: int, wanted: int, rng: np.random.Generator) -> Bools:
    """``wanted`` distinct coalitions of ``size``; those cut from one permutation are disjoint."""
    # Two halves of a permutation would be one pair.
    n_blocks = 1 if 2 * size == m else m // size
    found = np.zeros((0, m), dtype=bool)
    while len(found) < wanted:
        n_chains = -(-(wanted - len(found)) // n_blocks)
        order = rng.permuted(np.tile(np.arange(m), (n_chains, 1)), axis=1)
        members = order[:, : n_blocks * size].reshape(-1, size)
        drawn = np.zeros((len(members), m), dtype=bool)
        np.put_along_axis(drawn, members, True, axis=1)
        if 2 * size == m:
            drawn ^= ~drawn[:, :1]  # the half with player 0 stands for the pair
        found = np.concatenate([found, drawn])
        keys = np.packbits(found, axis=1)
        first = np.unique(keys, axis=0, return_index=True)[1]
        found = found[np.sort(first)]
    return found[:wanted]


def ask_pairs(game: BatchGame, pairs: Bools) -> tuple[Floats, float]:
    """u of every pair, float64 [n_pairs], and v(N) - v(empty)."""
    n_pairs, m = pairs.shape
    empty, everyone = ask(game, np.array([np.zeros(m, dtype=bool), np.ones(m, dtype=bool)]))
    odd = np.empty(n_pairs)
    step = max(1, batch_rows(m) // 2)
    for a in range(0, n_pairs, step):
        part = pairs[a : a + step]
        values = ask(game, np.concatenate([part, ~part]))
        with np.errstate(over="ignore"):  # looked at below
            odd[a : a + step] = 0.5 * values[: len(part)] - 0.5 * values[len(part) :]
    total = float(everyone) - float(empty)
    check_no_overflow(np.array([total]))
    return odd, total
