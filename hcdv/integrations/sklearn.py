"""A scikit-learn classifier that is fitted on the rows that are worth it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Tags, _safe_indexing, column_or_1d, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from hcdv._labels import encode_labels
from hcdv._random import RandomState
from hcdv._validation import check_fraction
from hcdv.estimator import HCDV
from hcdv.estimator.rows import plain
from hcdv.result import ValuationResult


def _offers(name: str) -> Any:
    """Whether the estimator within has a method of this name."""

    def check(self: ValueFilter) -> bool:
        fitted = getattr(self, "estimator_", None)
        getattr(self._estimator() if fitted is None else fitted, name)  # says itself what is missing
        return True

    return check


class ValueFilter(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Values the training rows, leaves out those of little worth, and fits a classifier on the others.

    Rows are valued inside ``fit``, so that in a cross-validation, a search or a pipeline only the training rows
    of each split are valued and thinned out, and test rows stay whole.

    Parameters
    ----------
    estimator : classifier, optional
        Cloned, then fitted on the rows kept; ``LogisticRegression()`` by default.
    fraction : float in (0, 1], optional
        Share of the rows to keep, as :meth:`hcdv.ValuationResult.select` chooses them.  By default all are
        kept but those whose labels look wrong (:meth:`hcdv.ValuationResult.label_issues`).
    valuation : HCDV, optional
        Cloned, then fitted on all rows; ``HCDV(random_state=random_state)`` by default.
    random_state : int, generator or None
        Seed of the default ``valuation``.

    Attributes
    ----------
    estimator_ : classifier
        Fitted on the rows kept.
    result_ : ValuationResult
        Of all rows.
    kept_ : int64 [k]
        Positions of the rows kept, ascending; of every class one at least.
    classes_ : [C]
    n_features_in_ : int
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        fraction: float | None = None,
        valuation: HCDV | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.fraction = fraction
        self.valuation = valuation
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, X_val: Any = None, y_val: ArrayLike | None = None) -> Self:
        """Value n rows, choose among them, and fit the estimator on those.

        Parameters
        ----------
        X : array [n, d], sparse matrix or DataFrame
            What both the valuation and the estimator take.
        y : [n]
            Class labels.
        X_val, y_val : n_val rows and their labels, optional
            Trusted rows for the valuation; the estimator does not see them.

        Raises
        ------
        ValueError, TypeError
            If an argument is not what it should be.
        """
        if self.fraction is not None and not check_fraction(self.fraction, "fraction"):
            raise ValueError("fraction must be above 0, or no row is left to fit on, got 0.")
        X = X.tocsr() if issparse(X) else plain(X)
        y = None if y is None else column_or_1d(y, warn=True)
        model = HCDV(random_state=self.random_state) if self.valuation is None else clone(self.valuation)
        model.fit(X, y, X_val, y_val)
        kept = self._chosen(model.result_)
        labels = np.asarray(model.result_.labels)[kept]
        self.estimator_ = clone(self._estimator()).fit(_safe_indexing(X, kept), labels)
        self.kept_, self.result_, self.classes_ = kept, model.result_, model.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels of n rows, as the estimator predicts them; [n]."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict(X))

    @available_if(_offers("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the classes, as the estimator has it; [n, C]."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_proba(X))

    @available_if(_offers("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores of the classes, as the estimator has it; [n] or [n, C]."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.decision_function(X))

    def _estimator(self) -> Any:
        return LogisticRegression() if self.estimator is None else self.estimator

    def _chosen(self, result: ValuationResult) -> NDArray[np.int64]:
        """Positions of the rows to fit on; where a class is left without any, its highest comes back."""
        if self.fraction is not None:
            kept = result.select(self.fraction)
        else:
            issues = result.label_issues()
            kept = issues.position[~issues.is_issue].to_numpy()
        labels = np.asarray(result.labels)
        classes, codes = encode_labels(labels, len(labels))
        lost = np.setdiff1d(np.arange(len(classes)), codes[kept])
        highest = [np.flatnonzero(codes == c)[result.values[codes == c].argmax()] for c in lost]
        return np.sort(np.concatenate([kept, np.array(highest, np.int64)]))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        within = get_tags(self._estimator())
        tags.input_tags.sparse = within.input_tags.sparse
        tags.input_tags.allow_nan = within.input_tags.allow_nan
        return tags
