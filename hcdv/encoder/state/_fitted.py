"""Whether an encoder has been fitted."""

from __future__ import annotations

from typing import Any

from sklearn.exceptions import NotFittedError

from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder.embedding import EmbeddingEncoder
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.learned import LearnedEncoder
from hcdv.encoder.state._identity import SCALES
from hcdv.encoder.table import TableEncoder

# What an encoder has once it is fitted.
_FITTED: dict[type, tuple[str, ...]] = {
    IdentityEncoder: ("n_columns_", *SCALES, "components_"), TableEncoder: ("_columns", "feature_names_out"),
    EmbeddingEncoder: ("embedding_", "identity_"), LearnedEncoder: ("space_",),
}  # fmt: skip


def check_fitted(encoder: Any) -> None:
    """Refuse an encoder of this library that is not fitted, or stands on one that is not."""
    steps = [encoder.table, encoder.identity] if isinstance(encoder, FrameEncoder) else [encoder]
    if isinstance(encoder, EmbeddingEncoder):
        steps.append(getattr(encoder, "identity_", None))
    for step in steps:
        wanted = next((names for kind, names in _FITTED.items() if isinstance(step, kind)), ())
        if any(not hasattr(step, name) for name in wanted):
            raise NotFittedError(
                f"encoder must be fitted, but this {type(encoder).__name__} is not; call its fit, or take "
                "model.encoder_ of a fitted HCDV."
            )
