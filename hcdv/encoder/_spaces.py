"""What an encoder gives: the same rows in two spaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray


class Spaces(NamedTuple):
    """Rows as the games see them.

    Attributes
    ----------
    vote : float32 [n, d]
        Where Euclidean distance decides who votes for whom; C-contiguous.
    columns : float32 [n, p]
        One column per feature, for trees, which want the columns unmixed. The same array as
        ``vote`` where both agree, and wherever the columns were not asked for.
    others : dict of str to float32 [n, d']
        Further spaces to vote in, by name; all learned from labels.
    is_learned : bool
        Whether ``vote`` was learned from the training rows' labels, so that these predict each other too well.
    """

    vote: NDArray[np.float32]
    columns: NDArray[np.float32]
    others: Mapping[str, NDArray[np.float32]] = MappingProxyType({})
    is_learned: bool = False


class Encoder(Protocol):
    """Turns user input into `Spaces`; fitted once, on the training rows.

    Training rows come out of `fit_spaces` and all later rows out of `spaces`: a table encoder keeps
    a training row's own label out of its features, which `spaces` could not know to do. Validation rows
    and their class codes are for encoders that learn from labels; the others pass them over.
    """

    is_mixed: bool

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def others(self) -> tuple[str, ...]:
        """Names of further spaces to vote in."""
        ...

    def fit(self, X: Any, y: Any = None, *, seed: int = 0) -> Self: ...

    def fit_spaces(
        self,
        X: Any,
        y: Any = None,
        *,
        seed: int = 0,
        columns: bool = True,
        X_val: Any = None,
        y_val: NDArray[np.int64] | None = None,
    ) -> Spaces: ...

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces: ...

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]: ...

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]: ...
