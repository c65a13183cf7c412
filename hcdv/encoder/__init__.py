"""User input to arrays: tables, matrices, images and sparse matrices in, two spaces out."""

from __future__ import annotations

from typing import Any

import pandas as pd
import scipy.sparse

from hcdv._validation import as_array, check_choice
from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder._input import as_frame, is_numeric_array, is_table
from hcdv.encoder._spaces import Encoder, Spaces
from hcdv.encoder.contrastive import Contrastive
from hcdv.encoder.embedding import EmbeddingEncoder, is_embedding
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.learned import LearnedEncoder
from hcdv.encoder.table import TableEncoder

__all__ = [
    "Contrastive",
    "EmbeddingEncoder",
    "Encoder",
    "FrameEncoder",
    "IdentityEncoder",
    "LearnedEncoder",
    "Spaces",
    "TableEncoder",
    "make_encoder",
]


ENCODERS = ("auto", "identity", "contrastive")


def make_encoder(X: Any, encoder: Any = "identity", *, device: str = "cpu") -> Encoder:
    """The encoder that suits the input, not yet fitted.

    Parameters
    ----------
    X : DataFrame, array or sparse matrix
        The training rows. Only the kinds of their columns are looked at.
    encoder : {"auto", "identity", "contrastive"}, Contrastive, list of two, or an embedding
        "auto" is the identity encoder. A contrastive space takes the place of the identity's; in a list
        after "identity" it stands beside it. An embedding is a scikit-learn transformer, a trained torch module
        or a callable from rows to vectors.
    device : str
        Where networks are trained.

    Returns
    -------
    Encoder
        The identity encoder is a `FrameEncoder` for tables with a column that is not numeric or has missing
        values, and for arrays of strings or of objects that are not all numbers; an `IdentityEncoder` for
        numbers. NaN in a numeric array is not taken for information but refused when the encoder is fitted.
    """
    recipe, beside = parse_encoder(encoder)
    if recipe is None and is_embedding(encoder):
        return EmbeddingEncoder(encoder)
    first = _identity(X)
    return first if recipe is None else LearnedEncoder(first, recipe, beside=beside, device=device)


def parse_encoder(encoder: Any) -> tuple[Contrastive | None, bool]:
    """The recipe of the contrastive space, if one is asked for, and whether the identity stays beside it."""
    if isinstance(encoder, (list, tuple)):
        if len(encoder) != 2 or encoder[0] not in ("auto", "identity") or not _is_contrastive(encoder[1]):
            raise ValueError(
                f"a list of encoders must be ['identity', 'contrastive'], got {list(encoder)!r}."
            )
        return _recipe(encoder[1]), True
    if _is_contrastive(encoder):
        return _recipe(encoder), False
    if is_embedding(encoder):
        return None, False
    check_choice(encoder, "encoder", ENCODERS)
    return None, False


def _is_contrastive(encoder: Any) -> bool:
    return isinstance(encoder, Contrastive) or (isinstance(encoder, str) and encoder == "contrastive")


def _recipe(encoder: Any) -> Contrastive:
    return encoder if isinstance(encoder, Contrastive) else Contrastive()


def _identity(X: Any) -> IdentityEncoder | FrameEncoder:
    if scipy.sparse.issparse(X):
        return IdentityEncoder()
    if is_table(X):
        frame = as_frame(X, "X").infer_objects()
        numeric = all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)
        if numeric and not frame.isna().any(axis=None):
            return IdentityEncoder()
        return FrameEncoder()
    return IdentityEncoder() if is_numeric_array(as_array(X, "X")) else FrameEncoder()
