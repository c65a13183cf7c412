"""An encoder fitted before, as it is: the spaces of another valuation, or of another day."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder._spaces import Encoder, Spaces
from hcdv.encoder.learned import LearnedEncoder


class FixedEncoder:
    """Spaces of a fitted encoder, which is not fitted again.

    Training rows go through it like any others.  Where it has learned from labels (label shares of a table's
    many levels, a learned space), rows that it was fitted on are therefore less surprising than new ones.

    Parameters
    ----------
    encoder : Encoder
        Fitted: ``model.encoder_``, or what :func:`hcdv.encoder.load_encoder` gives.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.is_mixed = encoder.is_mixed

    @property
    def others(self) -> tuple[str, ...]:
        return self.encoder.others

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def fit(self, X: Any, y: Any = None, *, seed: int = 0) -> Self:
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
        """The spaces of the training rows."""
        is_learned = isinstance(self.encoder, LearnedEncoder) and not self.encoder.beside
        return self.encoder.spaces(X, columns=columns)._replace(is_learned=is_learned)

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces:
        return self.encoder.spaces(X, columns=columns, name=name)

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        return self.encoder.transform(X, name=name)

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        return self.encoder.columns(X, name=name)


def is_encoder(item: Any) -> bool:
    """Whether ``item`` is an encoder of this library."""
    return all(hasattr(item, name) for name in ("fit_spaces", "spaces", "transform"))
