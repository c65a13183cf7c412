"""Valuing other rows the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone

from hcdv._errors import UtilityError, said


def valuation(model: Any) -> Callable[..., Any]:
    """A function of X, y, X_val and y_val that gives a ValuationResult or float [n].

    Parameters
    ----------
    model : HCDV or callable
        A model is cloned for every call, and keeps no checkpoint: that is of the rows it was made for.
    """
    if isinstance(model, type):
        raise TypeError(f"model must be an object such as {model.__name__}(), got the class {model.__name__}.")
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        settings = {"checkpoint": None} if "checkpoint" in model.get_params() else {}

        def value(X: Any, y: Any, X_val: Any, y_val: Any) -> Any:
            return clone(model).set_params(**settings).fit(X, y, X_val, y_val).result_

        return value
    if callable(model):

        def ask(*rows: Any) -> Any:
            try:
                return model(*rows)
            except Exception as error:
                raise UtilityError(f"model raised {type(error).__name__}{said(error)}.") from error

        return ask
    raise TypeError(f"model must be an HCDV or a function of X, y, X_val, y_val, got {type(model).__name__}.")
