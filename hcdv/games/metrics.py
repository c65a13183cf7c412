"""How well predictions of the validation rows are: every metric lies in [0, 1], higher is better.

============================  =============================================  =====================
metric                        value                                          of guessing
============================  =============================================  =====================
``"accuracy"``                share of right answers                         1/C
``"balanced_accuracy"``       mean share of right answers by class           1/C
``"auc"``                     area under the ROC curve; above two classes    1/2
                              the mean over classes, one against the rest
``"log_loss"``                exp(-log loss): the geometric mean of the      1/C
                              probability of the right class
``"brier"``                   1 - (sum of squared errors of all              1/2 + 1/(2C)
                              probabilities of a row) / 2
scikit-learn scorer           as it is; refused outside [0, 1]               of the prior
============================  =============================================  =====================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import get_scorer, get_scorer_names

from hcdv._errors import UtilityError
from hcdv._validation import short

# Probabilities below this count as this much: one certain error must not cost everything.
SMALLEST_PROBABILITY = 1e-15

# Which built-in metric to use in place of a scorer that leaves [0, 1].
_SCALED = {"log_loss": "log_loss", "brier": "brier"}


@dataclass(frozen=True)
class Metric:
    """A score of predictions in [0, 1].

    Attributes
    ----------
    name : str
    needs : {"labels", "probabilities", "model"}
        What it looks at: predicted class codes, probabilities of all classes, or the fitted scikit-learn
        model itself (scorers).
    scorer : callable or None
        ``scorer(model, X, y) -> float`` of a metric that needs the model.
    is_named : bool
        Whether ``name`` tells it from every other: a callable may have any name.
    """

    name: str
    needs: str
    scorer: Callable[[Any, Any, Any], float] | None = None
    is_named: bool = True

    def scores(
        self, predictions: NDArray[Any], labels_val: NDArray[np.int64], n_classes: int
    ) -> NDArray[np.float64]:
        """Scores of B models at once.

        Parameters
        ----------
        predictions : int [B, n_val] or float [B, n_val, C]
            Class codes, or probabilities, as ``needs`` says.
        labels_val : int64 [n_val]
        n_classes : int

        Returns
        -------
        float64 [B]
        """
        return _BUILT_IN[self.name][1](np.ascontiguousarray(predictions), labels_val, n_classes)

    def chance(self, labels_val: NDArray[np.int64], n_classes: int) -> float:
        """M(empty): what guessing without any rows is worth.  Not for scorers, which need rows."""
        if self.needs == "labels":
            return 1.0 / n_classes
        uniform = np.full((1, len(labels_val), n_classes), 1.0 / n_classes)
        return float(self.scores(uniform, labels_val, n_classes)[0])

    def of_model(self, model: Any, X_val: Any, y_val: NDArray[Any]) -> float:
        """Score of a fitted scikit-learn model, for a metric that needs one."""
        if self.scorer is None:
            raise ValueError(f"metric {self.name!r} needs {self.needs}, not a model.")
        return self.check(float(self.scorer(model, X_val, y_val)))

    def check(self, score: float) -> float:
        """``score`` if it lies in [0, 1]; one sentence otherwise."""
        if not 0.0 <= score <= 1.0:
            known = [ours for part, ours in _SCALED.items() if part in self.name]
            advice = f"; metric={known[0]!r} is scaled into [0, 1]" if known else ""
            raise UtilityError(f"metric {self.name!r} gave {score:.6g}, which is not in [0, 1]{advice}.")
        return score


def make_metric(metric: Any) -> Metric:
    """The metric meant by a built-in name, a scikit-learn scorer or its name, or a callable.

    Raises
    ------
    ValueError, TypeError
        For a name that nobody knows, or something that is no metric.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric in _BUILT_IN:
            return Metric(metric, _BUILT_IN[metric][0])
        if metric not in get_scorer_names():
            raise ValueError(
                f"metric must be one of {', '.join(_BUILT_IN)}, or the name of a scikit-learn scorer, got "
                f"{short(metric)}."
            )
        return Metric(metric, "model", get_scorer(metric))
    if callable(metric):
        name = getattr(metric, "__name__", None) or str(metric)
        return Metric(name, "model", metric, is_named=False)
    raise TypeError(f"metric must be a name or a scorer, got {type(metric).__name__}.")


def check_needs(metric: Any, utility: str, allowed: tuple[str, ...]) -> Metric:
    """The metric, if a utility that offers ``allowed`` can be scored by it."""
    made = make_metric(metric)
    if made.needs not in allowed:
        what = {"model": "a fitted scikit-learn model", "probabilities": "probabilities"}[made.needs]
        raise ValueError(
            f"metric {made.name!r} needs {what}, which utility {utility!r} does not have; pass a scikit-learn "
            "classifier as the utility instead."
        )
    return made


# A score must not depend, in its last bit, on how many models are scored together: sums run over whole
# numbers, along contiguous rows, or class by class.


def _accuracy(codes: NDArray[Any], y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    return np.count_nonzero(codes == y, axis=1) / len(y)


def _balanced_accuracy(
    codes: NDArray[Any], y: NDArray[np.int64], n_classes: int
) -> NDArray[np.float64]:
    shares = [np.count_nonzero(codes[:, y == c] == c, axis=1) / (y == c).sum() for c in np.unique(y)]
    return _mean(shares)


def _auc(p: NDArray[Any], y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    classes = [1] if n_classes == 2 else range(n_classes)
    areas = []
    for c in classes:
        mine = y == c
        n_mine = int(mine.sum())
        if n_mine in (0, len(y)):  # no pair to compare
            continue
        ranks = rankdata(p[:, :, c], axis=1)
        areas.append(
            (ranks[:, mine].sum(axis=1) - n_mine * (n_mine + 1) / 2) / (n_mine * (len(y) - n_mine))
        )
    if not areas:
        raise ValueError("metric 'auc' needs validation rows of at least two classes.")
    return _mean(areas)


def _log_loss(p: NDArray[Any], y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    right = np.clip(_of_right_class(p, y), SMALLEST_PROBABILITY, 1.0)
    return np.exp(np.log(right).mean(axis=1))


def _brier(p: NDArray[Any], y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    # |p - e_y|^2 = |p|^2 - 2 p_y + 1
    squares = np.square(p).sum(axis=2) - 2 * _of_right_class(p, y) + 1
    return np.clip(1 - squares.mean(axis=1) / 2, 0.0, 1.0)


def _mean(by_class: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    total = np.zeros_like(by_class[0])
    for scores in by_class:
        total += scores
    return total / len(by_class)


def _of_right_class(p: NDArray[Any], y: NDArray[np.int64]) -> NDArray[Any]:
    """[B, n_val], C-contiguous."""
    return np.ascontiguousarray(p[:, np.arange(len(y)), y])


_BUILT_IN: dict[str, tuple[str, Callable[..., NDArray[np.float64]]]] = {
    "accuracy": ("labels", _accuracy),
    "balanced_accuracy": ("labels", _balanced_accuracy),
    "auc": ("probabilities", _auc),
    "log_loss": ("probabilities", _log_loss),
    "brier": ("probabilities", _brier),
}
