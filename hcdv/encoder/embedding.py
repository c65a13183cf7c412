"""The user's own embedding: a scikit-learn transformer, a function of the rows, or a trained torch module."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import clone

from hcdv._errors import UtilityError, said
from hcdv._torch_kind import is_module
from hcdv._validation import as_array, check_finite
from hcdv.encoder._input import as_frame, as_rows, in_order, is_table
from hcdv.encoder._spaces import Spaces
from hcdv.encoder.identity import IdentityEncoder

# Rows that a torch module is given at once.
MODULE_ROWS = 1024


class EmbeddingEncoder:
    """What ``embedding`` makes of the rows, its columns kept in their units (above 60, principal components).

    Parameters
    ----------
    embedding : transformer, torch module, or callable
        A transformer is cloned and fitted on the training rows and their class codes; what has ``transform``
        but no ``get_params`` is used as it is.  A module maps
        float32 [b, ...] to vectors and is used as it is, in evaluation mode.  A callable maps rows, as they
        were passed, to an array [n, d]: a sentence encoder's ``encode``, say.

    Attributes
    ----------
    embedding_ : the fitted transformer, or ``embedding``
    names_ : pandas.Index or None
        Columns of the training rows, if they came as a frame: a module is given later frames in this order.
    identity_ : IdentityEncoder
        From what comes out of it to the vote space.
    """

    is_mixed = False
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    names_: pd.Index | None = None

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
        self.names_ = as_frame(X, "X").columns if is_table(X) else None
        if is_fitted_here(self.embedding):
            self.embedding_ = clone(self.embedding)
            self.embedding_.set_params(**_seeds(self.embedding_, seed))
            self.embedding_.fit(X, y)
        rows = self._embedded(X, "X")
        self.identity_ = IdentityEncoder(one_unit=True)
        spaces = self.identity_.fit_spaces(rows, seed=seed, columns=columns)
        return spaces._replace(is_learned=learns_labels(self.embedding_))

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces:
        """Both spaces of any rows."""
        return self.identity_.spaces(self._embedded(X, name), columns=columns, name=f"the embedding of {name}")

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """Rows in the vote space, float32 [n, d]."""
        return self.spaces(X, columns=False, name=name).vote

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        return self.spaces(X, name=name).columns

    def _embedded(self, X: Any, name: str) -> Any:
        if is_module(self.embedding_):
            rows = _through_module(self.embedding_, _numbers(in_order(X, self.names_, name), name), name)
        elif hasattr(self.embedding_, "transform"):
            rows = self.embedding_.transform(X)
        else:
            try:
                rows = self.embedding_(X)
            except Exception as error:
                raise UtilityError(
                    f"encoder: the embedding raised {type(error).__name__} on {name}{said(error)}."
                ) from error
        if hasattr(rows, "detach"):
            rows = _from_torch(rows)
        if not scipy.sparse.issparse(rows) and not is_table(rows):
            rows = as_array(rows, f"the embedding of {name}")
        rows = as_rows(rows, f"the embedding of {name}")
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows.shape[0] != n:
            raise ValueError(
                f"encoder must give one vector per row, got {rows.shape[0]} for {n} rows of {name}."
            )
        if rows.shape[1] == 0:
            raise ValueError(f"encoder must give vectors of at least one number, got none for {name}.")
        check_finite(rows.data if scipy.sparse.issparse(rows) else rows, f"the embedding of {name}")
        return rows


def is_embedding(item: Any) -> bool:
    """Whether ``item`` can be asked for vectors: a transformer, a module or a function, but no class."""
    return not isinstance(item, type) and (hasattr(item, "transform") or callable(item))


def is_fitted_here(item: Any) -> bool:
    """Whether ``item`` is a transformer that can be cloned and fitted."""
    return not is_module(item) and all(hasattr(item, name) for name in ("fit", "transform", "get_params"))


def learns_labels(embedding: Any) -> bool:
    """Whether an embedding, or a part of it, was fitted on labels, as far as one can tell."""
    if not is_fitted_here(embedding):
        return False
    parts = [embedding, *embedding.get_params(deep=True).values()]
    return any(_needs_labels(part) for part in parts if hasattr(part, "fit") and not isinstance(part, type))


def _needs_labels(part: Any) -> bool:
    if hasattr(part, "__sklearn_tags__") and part.__sklearn_tags__().target_tags.required:
        return True
    labels = signature(part.fit).parameters.get("y")
    return labels is not None and labels.default is Parameter.empty


def _seeds(transformer: Any, seed: int) -> dict[str, int]:
    """The seed for every part that has none, in the 32 bits that scikit-learn takes."""
    given = transformer.get_params(deep=True)
    return {
        name: seed % 2**32
        for name, value in given.items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }


def _numbers(X: Any, name: str) -> Any:
    """Rows for a module: an array of real numbers [n, ...], or a CSR matrix."""
    if is_table(X) or scipy.sparse.issparse(X):
        return as_rows(X, name)
    array = as_array(X, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers for a torch module, got dtype {array.dtype}.")
    return array


def _through_module(module: Any, rows: Any, name: str) -> NDArray[Any]:
    import torch

    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    # Each part has a mode of its own: frozen batch norms stay frozen.
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            return np.concatenate(
                [
                    _answer(module, torch.as_tensor(_block(rows, a), device=device), name)
                    for a in range(0, max(1, rows.shape[0]), MODULE_ROWS)
                ]
            )
    finally:
        for part, mode in modes:
            part.training = mode


def _block(rows: Any, first: int) -> NDArray[np.float32]:
    """Some rows, as a copy that torch takes whatever their strides and byte order were."""
    block = rows[first : first + MODULE_ROWS]
    return np.array(block.toarray() if scipy.sparse.issparse(block) else block, np.float32, order="C")


def _answer(module: Any, block: Any, name: str) -> NDArray[Any]:
    try:
        vectors = module(block)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"the encoder's module does not take rows of shape {tuple(block.shape[1:])} as {name} has them: "
            f"{error}"
        ) from error
    if not hasattr(vectors, "detach"):
        raise TypeError(f"the encoder's module must give a tensor, got {type(vectors).__name__} for {name}.")
    if vectors.ndim == 0:
        raise ValueError(f"the encoder's module must give one vector per row, got a single number for {name}.")
    return _from_torch(vectors)


def _from_torch(tensor: Any) -> NDArray[Any]:
    tensor = tensor.detach().cpu()
    # numpy knows no bfloat16.
    array: NDArray[Any] = (tensor.float() if tensor.dtype.is_floating_point else tensor).numpy()
    return array
