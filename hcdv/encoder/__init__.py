"""User input to arrays: tables, matrices, images and sparse matrices in, two spaces out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pandas as pd
import scipy.sparse

from hcdv._device import check_torch
from hcdv._progress import Step
from hcdv._validation import as_array, check_choice, short
from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder._input import as_frame, is_numeric_array, is_table
from hcdv.encoder._spaces import Encoder, Spaces
from hcdv.encoder.contrastive import Contrastive, ContrastiveEncoder
from hcdv.encoder.embedding import EmbeddingEncoder, is_embedding
from hcdv.encoder.files import load_encoder, save_encoder
from hcdv.encoder.fixed import FixedEncoder, is_encoder
from hcdv.encoder.forest import ForestEncoder
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.learned import LearnedEncoder
from hcdv.encoder.out_of_core import encode_to_disk
from hcdv.encoder.table import TableEncoder

__all__ = [
    "Contrastive",
    "ContrastiveEncoder",
    "EmbeddingEncoder",
    "Encoder",
    "EncoderPlan",
    "FixedEncoder",
    "ForestEncoder",
    "FrameEncoder",
    "IdentityEncoder",
    "LearnedEncoder",
    "Spaces",
    "TableEncoder",
    "encode_to_disk",
    "load_encoder",
    "make_encoder",
    "save_encoder",
]


NAMES = ("auto", "identity", "contrastive", "forest")
LEARNED = ("contrastive", "forest")


@dataclass(frozen=True)
class EncoderPlan:
    """What an ``encoder`` argument means.

    Attributes
    ----------
    first : "identity" or an embedding
        What stands first.
    learned : tuple of "forest" and Contrastive
        Spaces learned on top of it.
    beside : bool
        Whether the first one's space stays.
    """

    first: Any
    learned: tuple[Contrastive | str, ...]
    beside: bool

    @property
    def trains(self) -> bool:
        """Whether a network is trained."""
        return any(isinstance(item, Contrastive) for item in self.learned)


def make_encoder(
    X: Any,
    encoder: Any = "identity",
    *,
    device: str = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Step | None = None,
) -> Encoder:
    """The encoder that suits the input, not yet fitted.

    Parameters
    ----------
    X : DataFrame, array or sparse matrix
        The training rows. Only the kinds of their columns are looked at.
    encoder : {"auto", "identity", "contrastive", "forest"}, Contrastive, an embedding, or a list
        "auto" is the identity encoder. A learned space ("contrastive", "forest") takes the place of the
        identity's. In a list the first item is "identity" or an embedding, and the learned spaces behind it
        stand beside its own. An embedding is a scikit-learn transformer, a trained torch module or a callable
        from rows to vectors; or a fitted encoder of this library, whose spaces are taken as they are.
    device : str
        Where networks are trained.
    checkpoint : path-like, optional
        Where a network's training is kept, to go on from after a crash.
    progress : Step, optional
        Shows its epochs.

    Returns
    -------
    Encoder
        The identity encoder is a `FrameEncoder` for tables with a column that is not numeric or has missing
        values, and for arrays of strings or of objects that are not all numbers; an `IdentityEncoder` for
        numbers. NaN in a numeric array is not taken for information but refused when the encoder is fitted.

    Raises
    ------
    TypeError, ValueError
        If ``encoder`` is none of these, or needs torch where there is none.
    """
    plan = parse_encoder(encoder)
    made: Encoder
    if isinstance(plan.first, str):
        made = _identity(X)
    else:
        made = FixedEncoder(plan.first) if is_encoder(plan.first) else EmbeddingEncoder(plan.first)
    for item in plan.learned:
        if isinstance(item, Contrastive):
            check_torch("encoder 'contrastive'")
            made = ContrastiveEncoder(
                made, item, beside=plan.beside, device=device, checkpoint=checkpoint, progress=progress
            )
        else:
            made = ForestEncoder(made, beside=plan.beside)
    return made


def parse_encoder(encoder: Any) -> EncoderPlan:
    """What an ``encoder`` argument means; see `make_encoder`."""
    for item in encoder if isinstance(encoder, (list, tuple)) else [encoder]:
        if isinstance(item, type):
            raise TypeError(
                f"encoder must be an instance, got the class {item.__name__}; write {item.__name__}()."
            )
    if not isinstance(encoder, (list, tuple)):
        if _is_learned(encoder):
            return EncoderPlan("identity", (_recipe(encoder),), beside=False)
        return EncoderPlan(_first(encoder), (), beside=True)
    if len(encoder) < 2 or _is_learned(encoder[0]) or not all(map(_is_learned, encoder[1:])):
        raise ValueError(
            "encoder: a list of encoders must be 'identity' or an embedding, and then learned spaces "
            f"('contrastive', 'forest'), got {short(list(encoder))}."
        )
    learned = [_recipe(item) for item in encoder[1:]]
    if len({type(item) for item in learned}) < len(learned):
        raise ValueError(
            f"encoder: a list of encoders must name each learned space once, got {short(list(encoder))}."
        )
    # The contrastive one first: it looks at what the first encoder gives, and the forest at its columns.
    learned.sort(key=lambda item: isinstance(item, str))
    return EncoderPlan(_first(encoder[0]), tuple(learned), beside=True)


def _is_learned(item: Any) -> bool:
    return isinstance(item, Contrastive) or (isinstance(item, str) and item in LEARNED)


def _recipe(item: Any) -> Contrastive | str:
    return Contrastive() if isinstance(item, str) and item == "contrastive" else item


def _first(item: Any) -> Any:
    if not isinstance(item, str) and is_embedding(item):
        if is_table(item):  # a frame of pandas has a transform of its own
            raise TypeError(f"encoder must be a name, an encoder or an embedding, got {type(item).__name__}.")
        return item
    check_choice(item, "encoder", NAMES)
    return "identity"


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
