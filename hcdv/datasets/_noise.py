"""Label noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, check_seed, generator
from hcdv._validation import as_array, check_fraction, check_labels


def flip_labels(
    y: ArrayLike, fraction: float, random_state: RandomState = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Give a share of the rows a wrong label (``mix_labels`` of OpenDataVal).

    Exactly ``round(fraction * n)`` rows, drawn without replacement, get a label drawn uniformly
    from the *other* classes that occur in ``y``.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels of any kind: integers, strings, booleans.
    fraction : float
        Share of rows to flip, in [0, 1].
    random_state : int, generator or None

    Returns
    -------
    y_noisy : ndarray of shape (n,)
        A copy of ``y``, of its dtype, with the wrong labels in place.
    is_flipped : ndarray of bool, shape (n,)
        True where the label was changed (it then always differs from ``y``).

    Raises
    ------
    ValueError
        If ``y`` has one class only and a label is to be flipped, or if ``fraction`` is out of
        range.
    """
    labels = as_array(y, "y")
    labels = check_labels(labels, labels.size, "y")
    share = check_fraction(fraction, "fraction")
    rng = generator(check_seed(random_state), "flip_labels")
    n = len(labels)
    n_flips = round(share * n)
    is_flipped = np.zeros(n, dtype=bool)
    codes, classes = pd.factorize(labels)
    if n_flips and len(classes) < 2:
        raise ValueError("y holds one class only, so no label can be flipped.")
    rows = rng.choice(n, size=n_flips, replace=False)
    is_flipped[rows] = True
    noisy = labels.copy()
    if n_flips:
        # A shift of 1..C-1 around the classes: each other class is equally likely.
        shift = rng.integers(1, len(classes), size=n_flips)
        noisy[rows] = classes[(codes[rows] + shift) % len(classes)]
    return noisy, is_flipped
