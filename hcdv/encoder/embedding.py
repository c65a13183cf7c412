"""The user's own embedding: a scikit-learn transformer, a function of the rows, or a trained torch module."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import clone

from hcdv._torch_kind import is_module
from hcdv._validation import as_array, check_finite
from hcdv.encoder._input import as_rows, is_table
from hcdv.encoder._spaces import Spaces
from hcdv.encoder.identity import IdentityEncoder

# Rows that a torch module is given at once.
MODULE_ROWS = 1024


class EmbeddingEncoder:
    """What ``embedding`` makes of the rows, its columns kept in their units (above 60, principal components).

    Parameters
    ----------
    embedding : transformer, torch module, or callable
        A transformer is cloned and fitted on the training rows and their class codes.  A module maps float32
        [b, ...] to vectors and is used as it is, in evaluation mode.  A callable maps rows, as they were
        passed, to an array [n, d]: a sentence encoder's ``encode``, say.

    Attributes
    ----------
    embedding_ : the fitted transformer, or ``embedding``
    identity_ : IdentityEncoder
        From what comes out of it to the vote space.
    """

    is_mixed = False
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __init__(self, embedding: Any) -> None:
        self.embedding = embedding

    def fit(self, X: Any, y: Any = None, *, seed: int = 0) -> Self:
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
        """Fit a transformer, then the spaces of the training rows."""
        self.embedding_ = self.embedding
        if is_transformer(self.embedding):
            self.embedding_ = clone(self.embedding)
            if self.embedding_.get_params(deep=False).get("random_state", seed) is None:
                self.embedding_.set_params(random_state=seed)
            self.embedding_.fit(X, y)
        rows = self._embedded(X, "X")
        self.identity_ = IdentityEncoder(one_unit=True)
        return self.identity_.fit_spaces(rows, seed=seed, columns=columns)

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces:
        """Both spaces of any rows."""
        return self.identity_.spaces(self._embedded(X, name), columns=columns, name=f"the embedding of {name}")

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """Rows in the vote space, float32 [n, d]."""
        return self.spaces(X, columns=False, name=name).vote

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        return self.spaces(X, name=name).columns

    def _embedded(self, X: Any, name: str) -> Any:
        if is_transformer(self.embedding_):
            rows = self.embedding_.transform(X)
        elif is_module(self.embedding_):
            rows = _through_module(self.embedding_, as_array(X, name))
        else:
            rows = self.embedding_(X)
        if not scipy.sparse.issparse(rows) and not is_table(rows):
            rows = as_array(rows, f"the embedding of {name}")
        rows = as_rows(rows, f"the embedding of {name}")
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows.shape[0] != n:
            raise ValueError(
                f"encoder must give one vector per row, got {rows.shape[0]} for {n} rows of {name}."
            )
        check_finite(rows.data if scipy.sparse.issparse(rows) else rows, f"the embedding of {name}")
        return rows


def is_transformer(item: Any) -> bool:
    """Whether ``item`` is an instance with ``fit`` and ``transform``."""
    return not isinstance(item, type) and hasattr(item, "fit") and hasattr(item, "transform")


def is_embedding(item: Any) -> bool:
    """Whether ``item`` can be asked for vectors: a transformer, a module or a function, but no class."""
    return not isinstance(item, type) and (is_transformer(item) or callable(item))


def _through_module(module: Any, rows: NDArray[Any]) -> NDArray[Any]:
    import torch

    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            blocks = [
                module(torch.as_tensor(block, dtype=torch.float32, device=device)).cpu().numpy()
                for block in np.split(rows, range(MODULE_ROWS, len(rows), MODULE_ROWS))
            ]
    finally:
        module.train(was_training)
    return np.concatenate(blocks)
