"""Fitted encoders as plain facts and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hcdv._device import check_torch, resolve_device
from hcdv._torch_kind import is_module
from hcdv._validation import kind_of
from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder._spaces import Encoder
from hcdv.encoder.contrastive import ContrastiveEncoder
from hcdv.encoder.embedding import EmbeddingEncoder
from hcdv.encoder.forest import ForestEncoder, ForestSpace
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.state._checks import (
    Arrays,
    Facts,
    column_index,
    field_names,
    flag,
    inside,
    plain_label,
    under,
)
from hcdv.encoder.state._contrastive import contrastive_from, contrastive_state
from hcdv.encoder.state._fitted import check_fitted
from hcdv.encoder.state._forest import forest_from
from hcdv.encoder.state._identity import identity_from, identity_state
from hcdv.encoder.state._table import table_from, table_state
from hcdv.encoder.state._widths import widths


@dataclass(frozen=True)
class Own:
    """What no file can hold and the user brings along.

    Attributes
    ----------
    network : callable or torch module, or None
        The one the contrastive space was trained with.
    embedding : fitted transformer, torch module or callable, or None
    """

    network: Any = None
    embedding: Any = None


def to_state(encoder: Encoder) -> tuple[Facts, Arrays]:
    """What a fitted encoder is made of.

    Raises
    ------
    TypeError
        If it is no encoder of this library, or a file cannot hold it.
    NotFittedError
        If it is not fitted.
    """
    check_fitted(encoder)
    if isinstance(encoder, IdentityEncoder):
        return identity_state(encoder)
    if isinstance(encoder, FrameEncoder):
        facts, arrays = table_state(encoder.table)
        inner, more = identity_state(encoder.identity)
        return {"kind": "frame", "table": facts, "identity": inner}, {
            **under("table", arrays), **under("identity", more)
        }  # fmt: skip
    if isinstance(encoder, EmbeddingEncoder):
        inner, more = identity_state(encoder.identity_)
        facts = {"kind": "embedding", "identity": inner}
        # Only a module looks at them: others may have names that no file can hold.
        if encoder.names_ is not None and is_module(encoder.embedding_):
            facts["names"] = [plain_label(name) for name in encoder.names_]
        return facts, under("identity", more)
    if isinstance(encoder, ContrastiveEncoder):
        own, more = contrastive_state(encoder.space_)
    elif isinstance(encoder, ForestEncoder):
        own, more = {}, {name: getattr(encoder.space_, name) for name in field_names(ForestSpace)}
    else:
        raise TypeError(f"encoder must be one of hcdv.encoder, fitted, got {kind_of(encoder)}.")
    first, arrays = to_state(encoder.first)
    facts = {"kind": encoder.name, "beside": encoder.beside, "first": first, "space": own}
    return facts, {**under("first", arrays), **under("space", more)}


def from_state(facts: Facts, arrays: Mapping[str, NDArray[Any]], own: Own, device: str) -> Encoder:
    """The encoder that `to_state` took apart.

    Raises
    ------
    ValueError
        If ``own`` lacks what it needs, or the state does not fit together.
    """
    kind = facts["kind"]
    if kind == "identity":
        return identity_from(facts, arrays)
    if kind == "frame":
        made = FrameEncoder()
        made.table = table_from(facts["table"], inside("table", arrays))
        made.identity = identity_from(facts["identity"], inside("identity", arrays))
        if made.identity.n_columns_ != len(made.table.feature_names_out) or made.identity.sparse_:
            raise ValueError("its tables do not fit together")
        return made
    if kind == "embedding":
        if own.embedding is None:
            raise ValueError("an embedding of your own stands before it: pass it, fitted, as embedding=")
        encoder = EmbeddingEncoder(own.embedding)
        encoder.embedding_ = own.embedding
        encoder.names_ = column_index(facts["names"]) if "names" in facts else None
        encoder.identity_ = identity_from(facts["identity"], inside("identity", arrays))
        return encoder
    if kind not in ("contrastive", "forest"):
        raise ValueError(f"it holds an encoder of kind {kind!r}")
    first = from_state(facts["first"], inside("first", arrays), own, device)
    mine = inside("space", arrays)
    beside = flag(facts, "beside")
    if kind == "contrastive":
        check_torch("a contrastive encoder")
        device = resolve_device(device)  # only here: it imports torch
        space = contrastive_from(facts["space"], mine, first, own.network, device)
        learned = ContrastiveEncoder(first, space.recipe, beside=beside, device=device)
        learned.space_ = space
        return learned
    forest = ForestEncoder(first, beside=beside)
    forest.space_ = forest_from(mine, widths(first)[1])
    return forest
