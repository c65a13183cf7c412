"""A space learned on top of another encoder's: in its place, or beside it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder._spaces import Encoder, Spaces
from hcdv.encoder.contrastive import Contrastive, ContrastiveSpace

NAME = "contrastive"


class LearnedEncoder:
    """The contrastive space of what another encoder gives.

    Parameters
    ----------
    first : Encoder
    recipe : Contrastive
    beside : bool
        True: the first encoder's vote space stays, and the learned one is one more. False: the learned space is
        the vote space.
    device : str
        Where it is trained.

    Attributes
    ----------
    space_ : ContrastiveSpace
    """

    def __init__(self, first: Encoder, recipe: Contrastive, *, beside: bool, device: str) -> None:
        self.first = first
        self.is_mixed = first.is_mixed
        self.recipe = recipe
        self.beside = beside
        self.device = device

    @property
    def others(self) -> tuple[str, ...]:
        return (NAME,) if self.beside else ()

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
        """`first.fit_spaces`, then the learned space of the training rows."""
        spaces = self.first.fit_spaces(X, y, seed=seed, columns=columns or self.is_mixed)
        rows_val = None
        if y_val is not None:
            rows_val = self._input(self.first.spaces(X_val, columns=self.is_mixed, name="X_val"))
        rows = self._input(spaces)
        self.space_ = ContrastiveSpace.learn(
            self.recipe, rows, np.asarray(y), rows_val, y_val, seed=seed, device=self.device
        )
        return self._with(spaces, rows)

    def fit(self, X: Any, y: Any = None, *, seed: int = 0) -> Self:
        self.fit_spaces(X, y, seed=seed, columns=False)
        return self

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces:
        """All spaces of any rows."""
        spaces = self.first.spaces(X, columns=columns or self.is_mixed, name=name)
        return self._with(spaces, self._input(spaces))

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """Rows in the vote space, float32 [n, d]."""
        return self.spaces(X, columns=False, name=name).vote

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        return self.first.columns(X, name=name)

    def _input(self, spaces: Spaces) -> NDArray[np.float32]:
        """What the network sees: the columns of a table, else the vote space, whose directions are fewer."""
        return spaces.columns if self.is_mixed else spaces.vote

    def _with(self, spaces: Spaces, rows: NDArray[np.float32]) -> Spaces:
        learned = self.space_.transform(rows)
        if self.beside:
            return spaces._replace(others={NAME: learned})
        return spaces._replace(vote=learned)
