"""What an encoder gives, by what it has learned."""

from __future__ import annotations

from typing import Any

from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder.contrastive import ContrastiveEncoder
from hcdv.encoder.embedding import EmbeddingEncoder
from hcdv.encoder.forest import ForestEncoder
from hcdv.encoder.learned import LearnedEncoder


def widths(encoder: Any) -> tuple[int | None, int]:
    """How many numbers a row has in the vote space, None if only a network could tell, and how many columns."""
    if isinstance(encoder, LearnedEncoder):
        vote, columns = widths(encoder.first)
        return vote if encoder.beside else _learned_width(encoder), columns
    if isinstance(encoder, FrameEncoder):
        identity = encoder.identity
    else:
        identity = encoder.identity_ if isinstance(encoder, EmbeddingEncoder) else encoder
    p = identity.n_columns_
    d = p if identity.components_ is None else identity.components_.shape[1]
    return d, d if identity.sparse_ else p


def _learned_width(encoder: LearnedEncoder) -> int | None:
    if isinstance(encoder, ForestEncoder):
        return int(encoder.space_.directions.shape[1])
    assert isinstance(encoder, ContrastiveEncoder)
    return encoder.recipe.n_dims if isinstance(encoder.recipe.network, str) else None
