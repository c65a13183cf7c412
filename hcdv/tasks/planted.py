"""Labels flipped on purpose: what the value of a wrong label looks like on this data, under this model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import IsotonicRegression

from hcdv._labels import encode_labels
from hcdv._random import RandomState, check_seed, derive_seed
from hcdv._validation import as_array, check_fraction, check_int
from hcdv.datasets import flip_labels
from hcdv.tasks._valuation import valuation
from hcdv.tasks._values import frozen, values_of

# Plants tried before giving up on a set where each takes a class its last row.
MOST_DRAWS = 20
# The share of wrong labels is read off where at least this part of the planted ones lies below: further down
# a few rows would decide.  0.5 came closer to the true shares than 0.2 on digits and cancer (.046 and .034 of
# .05, say), and a little above them on synthetic rows (.311 and .280 of .3).
LEAST_REACH = 0.5


@dataclass(frozen=True, eq=False)
class PlantedFlips:
    """Where labels flipped on purpose stand among the other rows.

    Attributes
    ----------
    places : float64 [m]
        For every planted flip the share of the rows *not* flipped on purpose whose value is no higher than its
        own; ascending, all repeats together.  Shares and not values: these shrink as flips are added.
    n_classes : int
    n_repeats : int
    fraction : float
        Share of the rows that were flipped at a time.
    """

    places: NDArray[np.float64]
    n_classes: int
    n_repeats: int
    fraction: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", frozen(np.sort(np.asarray(self.places, np.float64))))

    def __repr__(self) -> str:
        return f"<PlantedFlips: {len(self.places)} labels in {self.n_repeats} repeats>"

    def share_mislabelled(self) -> float:
        """Estimated share pi of wrong labels among the rows.

        Planted flips lie as wrong labels do, rows as a mixture of right and wrong ones.  So the share of rows
        below a value is at least pi times the share of planted flips below it, with equality where right
        labels do not reach: pi is the smallest ratio (Blanchard, Lee and Scott, JMLR 2010).
        """
        places = np.unique(self.places)
        reach = np.searchsorted(self.places, places, side="right") / len(self.places)
        ratio = float((places / reach)[reach >= LEAST_REACH].min())
        # A wrong label flipped again may become right: the planted ones are a mixture, too.
        return ratio / (1 + ratio / (self.n_classes - 1))

    def probability(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that a row is mislabelled, by its place among all rows; never rises with the place.

        float64 [n] in (0, 1] -> float64 [n].  With f and g the densities of rows and of planted flips, and
        epsilon = pi / (C - 1) the share of the latter that came back to their right label, wrong labels have
        the density ((1 - pi) g - epsilon f) / (1 - pi - epsilon), of which pi / f is the probability.  On the
        scale of places f is 1, and g is taken to fall (isotonic regression).
        """
        n = len(places)
        share = self.share_mislabelled()
        back = share / (self.n_classes - 1)
        if share + back >= 1:  # labels tell nothing: flipping them changes nothing
            return np.full(n, share)
        cells = np.histogram(self.places, np.linspace(0.0, 1.0, n + 1))[0] * (n / len(self.places))
        middle = (np.arange(n) + 0.5) / n
        density = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(middle, cells)
        found = share * ((1 - share) * density.predict(places - 0.5 / n) - back) / (1 - share - back)
        return np.clip(found, 0.0, 1.0)


def plant_flips(
    model: Any,
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    fraction: float = 0.1,
    n_repeats: int = 3,
    random_state: RandomState = 0,
) -> PlantedFlips:
    """Flip some labels on purpose, value all rows again, and see where the flipped ones end up.

    It takes as long as ``n_repeats`` valuations, and is what :func:`hcdv.tasks.detect_label_noise` calibrates
    its probabilities by.

    Parameters
    ----------
    model : HCDV or callable
        A model, which is cloned and not changed; or a function ``f(X, y, X_val, y_val)`` that gives a
        ValuationResult or float [n], for any other method.
    X, y, X_val, y_val
        The rows to be examined, their labels, and trusted rows, as for the model.
    fraction : float in (0, 0.5]
        Share of the labels to flip at a time, each to another class drawn uniformly.
    n_repeats : int
    random_state : int, generator or None
        Which labels are flipped.

    Returns
    -------
    PlantedFlips

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or every draw takes some class its last row.
    """
    value = valuation(model)
    fraction = check_fraction(fraction, "fraction", 0.0, 0.5)
    n_repeats = check_int(n_repeats, "n_repeats", 1)
    seed = check_seed(random_state)
    labels = as_array(y, "y")
    if labels.ndim == 0:
        raise ValueError(f"y must be the labels of the rows, got {type(y).__name__}.")
    classes = encode_labels(y, len(labels))[0]
    if round(fraction * len(labels)) < 1:
        raise ValueError(f"fraction is {fraction} of {len(labels)} rows, which is not a single one.")
    places = []
    for repeat in range(n_repeats):
        flipped, is_planted = _draw(labels, len(classes), fraction, seed, repeat)
        values = values_of(value(X, flipped, X_val, y_val), "the values")
        if len(values) != len(labels):
            raise ValueError(f"model gave {len(values)} values for {len(labels)} rows.")
        others = np.sort(values[~is_planted])
        places.append(np.searchsorted(others, values[is_planted], side="right") / len(others))
    # Below every other row is still a place: that of the lowest one.
    least = 1 / len(others)
    return PlantedFlips(np.maximum(np.concatenate(places), least), len(classes), n_repeats, fraction)


def _draw(
    labels: NDArray[Any], n_classes: int, fraction: float, seed: int, repeat: int
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    for draw in range(MOST_DRAWS):
        flipped, is_planted = flip_labels(labels, fraction, derive_seed(seed, "plant", repeat, draw))
        if len(np.unique(flipped)) == n_classes:
            return flipped, is_planted
    raise ValueError("y has a class of so few rows that flipping labels takes its last one; merge or drop it.")
