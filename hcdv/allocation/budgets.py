"""How a pot is split over the players of a local game (Algorithm 1, lines 9 and 23)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv.game import Indices, Values

NORMALISE = ("proportional", "additive", "safe")

# A sum of Shapley values is no denominator once it is below this share of the sum of their sizes: what is left
# of it is rounding and sampling error, and pots of 1e12 times the value of the data come out.
NEAR_ZERO = 1e-9


def share_out(
    pots: Values, psi: NDArray[np.float64], sizes: Indices, normalise: str
) -> tuple[NDArray[np.float64], bool]:
    """Split pots in the light of the players' Shapley values; w is a player's share of the points.

    - ``"proportional"``: pot psi / sum psi, the paper's line 9; pot w where the denominator is near zero;
    - ``"additive"``: psi + w (pot - sum psi);
    - ``"safe"``: pot w + |pot| / sum |psi| * (psi - w sum psi), the second term 0 where sum |psi| is.  What a
      player gets is at most 3 |pot| in size, and a player with more psi per point never gets less per point.

    All are efficient.  Only ``"additive"`` is linear in the game.

    Parameters
    ----------
    pots : float64 [q]
        One pot for each of q games played side by side.
    psi : float64 [q, m]
    sizes : int64 [m]
        Points of every player, at least 1.
    normalise : {"proportional", "additive", "safe"}

    Returns
    -------
    shares : float64 [q, m]
        A row adds up to its pot.
    fell_back : bool
        Whether a denominator of line 9 was near zero.
    """
    pot = pots[:, None]
    w = sizes / sizes.sum()
    total = psi.sum(axis=1, keepdims=True)
    if normalise == "additive":
        return psi + w * (pot - total), False
    size = np.abs(psi).sum(axis=1, keepdims=True)
    if normalise == "safe":
        # Divided first: a pot over a denormal size would overflow.
        tilt = np.divide(psi - w * total, size, out=np.zeros_like(psi), where=size > 0)
        return pot * w + np.abs(pot) * tilt, False
    is_near_zero = np.abs(total) <= NEAR_ZERO * size
    fraction = np.divide(psi, total, out=np.tile(w, (len(psi), 1)), where=~is_near_zero)
    return pot * fraction, bool(is_near_zero.any())


def clipped_fractions(values: Values, sizes: Indices) -> tuple[Values, bool]:
    """Eq. 14: max(v, 0) of the players over its sum; shares of the points where every one of them is 0.

    Parameters
    ----------
    values : float64 [m]
        v of every player alone.
    sizes : int64 [m]

    Returns
    -------
    fractions : float64 [m]
        At least 0; they add up to 1.
    fell_back : bool
        Whether the denominator was 0.
    """
    clipped = np.maximum(values, 0.0)
    largest = clipped.max()
    if largest == 0.0:
        return sizes / sizes.sum(), True
    clipped /= largest  # a sum of denormal values has hardly any digits
    return clipped / clipped.sum(), False
