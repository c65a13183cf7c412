"""A space learned on top of another encoder's: in its place, or beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hcdv._labels import encode_known, encode_labels
from hcdv.encoder._spaces import Encoder, Spaces


class LearnedEncoder(ABC):
    """A space learned from rows and labels, of what another encoder gives.

    Parameters
    ----------
    first : Encoder
    beside : bool
        True: the first encoder's vote space stays, and the learned one is one more. False: the learned space is
        the vote space.
    """

    name: ClassVar[str]

    def __init__(self, first: Encoder, *, beside: bool) -> None:
        self.first = first
        self.is_mixed = first.is_mixed
        self.beside = beside

    @abstractmethod
    def _learn(
        self, X: Any, y: NDArray[np.int64], spaces: Spaces, X_val: Any, y_val: NDArray[np.int64] | None,
        seed: int,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Learn the space; the training rows in it, float32 [n, d]."""

    @abstractmethod
    def _learned(self, X: Any, spaces: Spaces, name: str) -> NDArray[np.float32]:
        """Any rows in the space, float32 [n, d]; ``spaces`` are the first encoder's."""

    @property
    def _wants_columns(self) -> bool:
        """Whether the space is learned from the columns."""
        return self.is_mixed

    @property
    def others(self) -> tuple[str, ...]:
        return (*self.first.others, self.name) if self.beside else self.first.others

    @property
    def notes(self) -> tuple[str, ...]:
        return self.first.notes

    def fit_spaces(
        self,
        X: Any,
        y: Any = None,
        *,
        seed: int = 0,
        columns: bool = True,
        X_val: Any = None,
        y_val: NDArray[np.int64] | None = None,
    ) -> Spaces:
        """`first.fit_spaces`, then the learned space of the training rows.

        Raises
        ------
        ValueError
            If there are no labels, or validation rows have others.
        """
        if y is None:
            raise ValueError(f"y is needed: the {self.name} space is learned from labels.")
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        classes, codes = encode_labels(y, n)
        codes_val = None if y_val is None else encode_known(y_val, len(y_val), classes, "y_val")
        spaces = self.first.fit_spaces(
            X, codes, seed=seed, columns=columns or self._wants_columns, X_val=X_val, y_val=codes_val
        )
        return self._with(spaces, self._learn(X, codes, spaces, X_val, codes_val, seed))

    def fit(self, X: Any, y: Any = None, *, seed: int = 0) -> Self:
        self.fit_spaces(X, y, seed=seed, columns=False)
        return self

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces:
        """All spaces of any rows."""
        spaces = self.first.spaces(X, columns=columns or self._wants_columns, name=name)
        return self._with(spaces, self._learned(X, spaces, name))

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """Rows in the vote space, float32 [n, d]."""
        if self.beside:
            return self.first.transform(X, name=name)
        return self.spaces(X, columns=False, name=name).vote

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        return self.first.columns(X, name=name)

    def _with(self, spaces: Spaces, learned: NDArray[np.float32]) -> Spaces:
        if self.beside:
            return spaces._replace(others={**spaces.others, self.name: learned})
        return spaces._replace(vote=learned, is_learned=True)
