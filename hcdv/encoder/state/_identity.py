"""The identity encoder as facts and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.state._checks import (
    Arrays,
    Facts,
    checked_array,
    column_index,
    finite,
    flag,
    plain_label,
    whole,
)

# What an identity encoder has learned, as arrays.
SCALES = ("mean_", "std_", "scale_", "median_", "unit_", "reach_")


def identity_state(encoder: IdentityEncoder) -> tuple[Facts, Arrays]:
    names = None if encoder.names_ is None else [plain_label(name) for name in encoder.names_]
    facts = {
        "kind": "identity", "max_columns": encoder.max_columns, "n_components": encoder.n_components,
        "one_unit": encoder.one_unit, "is_one_unit": bool(encoder.one_unit_),
        "is_sparse": bool(encoder.sparse_), "n_columns": encoder.n_columns_, "names": names,
        "draws_in": encoder.draws_in, "radius": encoder.radius_,
    }  # fmt: skip
    arrays = {name: getattr(encoder, name) for name in SCALES}
    if encoder.components_ is not None:
        arrays["components_"] = encoder.components_
    return facts, arrays


def identity_from(facts: Facts, arrays: Mapping[str, NDArray[Any]]) -> IdentityEncoder:
    one_unit = None if facts["one_unit"] is None else flag(facts, "one_unit")
    encoder = IdentityEncoder(facts["max_columns"], facts["n_components"], one_unit, flag(facts, "draws_in"))
    p = encoder.n_columns_ = whole(facts["n_columns"], "n_columns", 1)
    encoder.names_ = None if facts["names"] is None else column_index(facts["names"], p)
    encoder.one_unit_, encoder.sparse_ = flag(facts, "is_one_unit"), flag(facts, "is_sparse")
    is_common = encoder.sparse_ or len(arrays["scale_"].ravel()) == 1
    for name in SCALES:
        shape = (1,) if name == "scale_" and is_common else (p,)
        setattr(encoder, name, checked_array(arrays, name, np.float64, shape))
    if not (encoder.std_ > 0).all() or not (encoder.scale_ > 0).all() or not (encoder.unit_ >= 0).all():
        raise ValueError("its columns are divided by numbers that are not above 0")
    if not (encoder.reach_ >= 0).all():
        raise ValueError("its columns are cut at negative distances")
    encoder.radius_ = finite(facts["radius"], "radius", 0.0)
    encoder.components_ = None
    if encoder.sparse_ or "components_" in arrays:
        encoder.components_ = checked_array(arrays, "components_", np.float32, (p, None))
    return encoder
