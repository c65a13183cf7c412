"""Shapley values from complementary contributions, stratified by the size of the coalition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv._random import generator
from hcdv.shapley._ask import BatchGame, check_no_overflow
from hcdv.shapley._pairs import ask_pairs, n_of_size, sample_pairs

Floats = NDArray[np.float64]


def stratified_contributions(
    game: BatchGame, m: int, n_evaluations: int, seed: int
) -> tuple[Floats, Floats, int]:
    """Values, standard errors (float64 [m]) and evaluations used.

    The value of player i is the mean over sizes s of the mean of v(S) - v(N minus S) over the
    coalitions of that size with i in S (Zhang et al., "Efficient sampling approaches to Shapley
    value approximation", 2023); every pair serves all players. A stratum without a sample counts
    as the mean of its size; then all values move by one amount, so that they add up.

    The variance within a stratum is pooled over the players of a size, with the correction for
    drawing without replacement; where a size has too few pairs for it, the error is NaN.
    """
    n_pairs = n_evaluations // 2 - 1
    pairs = sample_pairs(m, n_pairs, generator(seed, "pairs"))
    odd, total = ask_pairs(game, pairs)
    scale = np.abs(odd).max() or 1.0
    odd = odd / scale  # so that no square overflows
    sizes = pairs.sum(axis=1)

    sums, variance = np.zeros(m), np.zeros(m)
    for size in range(1, m // 2 + 1):
        rows = sizes == size
        inside, u = pairs[rows], odd[rows]
        halves = 2 * size == m
        # Seen from player i, a pair is its side with i: the other side's u has the other sign.
        groups = [(np.ones_like(inside), np.where(inside, u[:, None], -u[:, None]))]
        if not halves:
            groups = [(inside, u[:, None] * inside), (~inside, -u[:, None] * ~inside)]
        squares, freedom = 0.0, 0
        inverse_counts = np.zeros(m)
        for member, signed in groups:
            count = member.sum(axis=0)
            mean = signed.sum(axis=0) / np.maximum(count, 1)
            sign = 0.0 if halves else (1.0 if member is inside else -1.0)
            fallback = sign * u.mean() if len(u) else 0.0
            sums += np.where(count > 0, mean, fallback)
            squares += float((np.where(member, signed - mean, 0.0) ** 2).sum())
            freedom += int(np.maximum(count - 1, 0).sum())
            inverse_counts += 1.0 / np.maximum(count, 1)
        unseen = 1.0 - len(u) / n_of_size(m, size)
        if unseen > 0:
            variance += unseen * inverse_counts * (squares / freedom if freedom else np.nan)
    with np.errstate(over="ignore"):  # looked at below
        values = 2 * scale * sums / m
        values += (total - values.sum()) / m
        std_error = 2 * scale * np.sqrt(variance) / m
    check_no_overflow(values)
    return values, std_error, 2 + 2 * n_pairs
