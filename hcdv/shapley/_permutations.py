"""Shapley values from marginal contributions along random permutations and their mirror images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv._random import generator
from hcdv.shapley._ask import BatchGame, ask, batch_rows, check_no_overflow

Floats = NDArray[np.float64]


def antithetic_permutations(
    game: BatchGame, m: int, n_evaluations: int, seed: int
) -> tuple[Floats, Floats, int]:
    """Values, standard errors (float64 [m]) and evaluations used.

    Every permutation is followed by its mirror image, which cancels whatever is linear in the
    position (Mitchell et al., "Sampling permutations for Shapley value estimation", 2022). A pair
    is one sample of the standard error, which is NaN after a single pair.
    """
    n_pairs = (n_evaluations - 2) // (2 * (m - 1))
    permutations = np.empty((2 * n_pairs, m), dtype=np.int64)
    for pair in range(n_pairs):
        permutations[2 * pair] = generator(seed, "estimate", pair).permutation(m)
        permutations[2 * pair + 1] = permutations[2 * pair, ::-1]

    chain_values = _chain_values(game, permutations)
    with np.errstate(over="ignore", invalid="ignore"):  # looked at below
        steps = np.diff(chain_values, axis=1)
        marginals = np.empty_like(steps)
        np.put_along_axis(marginals, permutations, steps, axis=1)
        samples = 0.5 * (marginals[0::2] + marginals[1::2])
        values = samples.mean(axis=0)
        if n_pairs == 1:
            std_error = np.full(m, np.nan)
        else:
            scale = np.abs(samples).max() or 1.0  # so that no square overflows
            std_error = scale * ((samples / scale).std(axis=0, ddof=1) / np.sqrt(n_pairs))
            check_no_overflow(std_error)
    check_no_overflow(values)
    return values, std_error, 2 + 2 * n_pairs * (m - 1)


def _chain_values(game: BatchGame, permutations: NDArray[np.int64]) -> NDArray[np.float64]:
    """v of every prefix of every permutation: float64 [T, m + 1]."""
    n_chains, m = permutations.shape
    values = np.empty((n_chains, m + 1))
    ends = np.array([np.zeros(m, dtype=bool), np.ones(m, dtype=bool)])
    values[:, 0], values[:, m] = ask(game, ends)

    # The prefixes between the ends are one long list, cut into batches wherever memory wants it.
    n_inner = m - 1
    inner = np.empty(n_chains * n_inner)
    positions = np.argsort(permutations, axis=1)
    step = batch_rows(m)
    for a in range(0, len(inner), step):
        chain, stop = np.divmod(np.arange(a, min(a + step, len(inner))), n_inner)
        first = chain[0]
        # repeat copies whole rows: far quicker than an index per cell
        counts = np.bincount(chain - first)
        rows = np.repeat(positions[first : first + len(counts)], counts, axis=0)
        inner[a : a + step] = ask(game, rows <= stop[:, None])
    values[:, 1:m] = inner.reshape(n_chains, n_inner)
    return values
