"""Scikit-learn classifiers that predict the labels of rows they have not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier

from hcdv._errors import UtilityError, said
from hcdv._validation import kind_of

# By so much a probability may exceed 1.
ROUNDING = 1e-6


def check_model(model: Any) -> Any:
    """``model`` if it is a classifier or None."""
    if model is None:
        return None
    if isinstance(model, type) or not hasattr(model, "fit") or not is_classifier(model):
        raise TypeError(f"model must be a classifier (an object with fit and predict), got {kind_of(model)}.")
    return model


def fitted(
    model: Any, X: Any, codes: NDArray[np.int64], classes: NDArray[Any], where: str
) -> Any:
    """The model fitted on rows under their labels; rows of one class need none.

    Raises
    ------
    UtilityError
        If the model cannot be fitted on ``where``.
    """
    if len(np.unique(codes)) == 1:
        return DummyClassifier(strategy="prior").fit(np.zeros((1, 1)), classes[codes[:1]])
    try:
        return model.fit(X, classes[codes])
    except Exception as error:
        raise _failure(model, f"on {where} of {len(codes):,} rows", error) from error


def predicted_codes(model: Any, X: Any, n: int, classes: NDArray[Any]) -> NDArray[np.int64]:
    """Class codes that a fitted model predicts for n rows, -1 where one is no class of the data."""
    try:
        predictions = np.asarray(model.predict(X)).reshape(n)
    except Exception as error:
        raise _failure(model, f"predicting {n:,} rows", error) from error
    codes = np.full(n, -1, np.int64)
    for code, label in enumerate(classes):
        codes[predictions == label] = code
    return codes


def probabilities(model: Any, X: Any, n: int, n_classes: int) -> NDArray[np.float64]:
    """Probabilities of all classes for n rows, float64 [n, C]."""
    try:
        p = np.asarray(model.predict_proba(X), dtype=np.float64).reshape(n, n_classes)
    except Exception as error:
        raise _failure(model, f"predicting {n:,} rows of {n_classes} classes", error) from error
    wrong = ~((p >= 0.0) & (p <= 1.0 + ROUNDING))
    if wrong.any():
        raise UtilityError(
            f"model {type(model).__name__} gave {p[wrong][0]:g} for a probability, which must lie in [0, 1]."
        )
    return p


def _failure(model: Any, doing: str, error: Exception) -> UtilityError:
    what = type(error).__name__ + said(error)
    return UtilityError(f"model {type(model).__name__} failed {doing}: {what}.")
