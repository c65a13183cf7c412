"""Tables all the way: mixed columns to numbers, numbers to the vote space."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder._input import as_frame
from hcdv.encoder._spaces import Spaces
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.table import TableEncoder


class FrameEncoder:
    """A `TableEncoder` followed by an `IdentityEncoder` on its features.

    Attributes
    ----------
    table : TableEncoder
    identity : IdentityEncoder
        Told that the features come in comparable units: it centres them, and takes principal
        components above its ``max_columns``.  A rare level is no outlier: no row is drawn in.
    is_mixed : bool
        Always True.
    notes : tuple of str
        Columns that were left out, and why.
    """

    is_mixed = True
    others: tuple[str, ...] = ()

    def __init__(self, max_categories: int = 20, max_columns: int = 60) -> None:
        self.table = TableEncoder(max_categories)
        self.identity = IdentityEncoder(max_columns, one_unit=True, draws_in=False)

    @property
    def notes(self) -> tuple[str, ...]:
        return self.table.notes_

    def fit(self, X: Any, y: Any = None, *, seed: int = 0) -> Self:
        """Learn both steps from the training rows and their labels."""
        self.fit_spaces(X, y, seed=seed, columns=False)
        return self

    def fit_spaces(
        self,
        X: Any,
        y: Any = None,
        *,
        seed: int = 0,
        columns: bool = True,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Spaces:
        """Learn both steps and encode the training rows, label shares out of fold."""
        features = self.table.fit_transform(as_frame(X, "X"), y, seed=seed)
        vote = self.identity.fit(features, seed=seed).transform(features)
        return Spaces(vote, features if columns else vote)

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces:
        """Both spaces of rows other than the training rows."""
        features = self.table.transform(X, name=name)
        vote = self.identity.transform(features, name=name)
        return Spaces(vote, features if columns else vote)

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """Rows in the vote space, float32 [n, d]."""
        return self.spaces(X, columns=False, name=name).vote

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """Rows as features of their columns, float32 [n, p]."""
        return self.table.transform(X, name=name)
