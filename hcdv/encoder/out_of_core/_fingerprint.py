"""By what a call knows the file that another one left: encoder and rows, told from others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from hcdv._digest import fingerprint
from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder.contrastive import ContrastiveEncoder
from hcdv.encoder.forest import ForestEncoder
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.learned import LearnedEncoder
from hcdv.encoder.state import to_state
from hcdv.io.source import TOLD_ROWS, contents

# Encoders that are what `to_state` tells of them, if what they stand on is.
TOLD_BY_STATE = (IdentityEncoder, FrameEncoder, ForestEncoder, ContrastiveEncoder)


def fingerprint_of(encoder: Any, X: Any, space: str | None, dtype: str) -> str | None:
    """What the file is of; None where it cannot be told."""
    if any(type(part) not in TOLD_BY_STATE for part in parts(encoder)):
        return None
    rows = X.iloc if isinstance(X, pd.DataFrame) else X
    try:
        facts, arrays = to_state(encoder)
        ends = [contents(end) for end in (rows[:TOLD_ROWS], rows[-TOLD_ROWS:])]
        what = [json.dumps(facts), sorted(arrays), list(X.shape), space, dtype, [end[0] for end in ends]]
    except (TypeError, ValueError):  # columns named by objects, cells of lists
        return None
    held = [array for end in ends for array in end[1]]
    if any(array.dtype.kind == "O" for array in held):
        return None
    return fingerprint(what, [*(arrays[name] for name in sorted(arrays)), *held])


def parts(encoder: Any) -> Iterator[Any]:
    """An encoder, and those that it stands on."""
    yield encoder
    if isinstance(encoder, LearnedEncoder):
        yield from parts(encoder.first)
    elif isinstance(encoder, FrameEncoder):
        # Its identity is fitted after its table; neither is ever an object of the user's own.
        yield encoder.identity
