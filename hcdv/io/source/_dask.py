"""Arrays and frames of Dask, computed a chunk or a partition at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hcdv.io.source._rows import Parts
from hcdv.io.source._tables import conformed, from_frame, plain_schema


def is_dask(X: Any) -> bool:
    return type(X).__module__.split(".")[0] == "dask" and hasattr(X, "__dask_graph__")


def dask_rows(X: Any, name: str) -> Parts:
    """The rows of an array, a frame or a series; ``name`` is how errors call it."""
    if hasattr(X, "chunks"):
        return Parts([ArrayPart(X, name)], None)
    if not hasattr(X, "to_delayed") or not hasattr(X, "npartitions"):
        raise TypeError(f"{name} must be an array or a frame of Dask, got {type(X).__name__}.")
    if X.ndim == 1:
        return Parts([SeriesPart(X, name)], None)
    part = FramePart(X, name)
    return Parts([part], part.names)


class ArrayPart:
    """A piece is the chunks of some rows."""

    def __init__(self, X: Any, name: str) -> None:
        if any(np.isnan(X.chunks[0])):
            X = X.copy().compute_chunk_sizes()
        self._name = name
        self.sizes = [int(size) for size in X.chunks[0]]
        self._X = X

    def load(self, piece: int, names: Sequence[str]) -> NDArray[Any]:
        # In this thread: a worker that waited for tasks of its own cluster might wait for ever.
        return np.asarray(self._X.blocks[piece].compute(scheduler="synchronous"))

    def where(self, piece: int, row: int) -> tuple[str, int]:
        return f"{self._name} (chunk {piece:,})", row

    def facts(self) -> list[Any]:
        return [self._X.name, str(self._X.dtype), list(self._X.shape)]


class SeriesPart:
    """A piece is a partition."""

    def __init__(self, X: Any, name: str) -> None:
        import dask

        self._name = name
        self._key = X._name
        # Fixed now: what is computed of fewer columns Dask may cut into other partitions.
        self._partitions = X.to_delayed()
        self.sizes = [int(size) for size in dask.compute(*map(dask.delayed(len), self._partitions))]

    def load(self, piece: int, names: Sequence[str]) -> Any:
        return self._computed(piece).to_numpy()

    def where(self, piece: int, row: int) -> tuple[str, int]:
        return f"{self._name} (partition {piece:,})", row

    def facts(self) -> list[Any]:
        return [self._key]

    def _computed(self, piece: int) -> Any:
        return self._partitions[piece].compute(scheduler="synchronous")


class FramePart(SeriesPart):
    """A piece is a partition, all columns of which are computed."""

    def __init__(self, X: Any, name: str) -> None:
        super().__init__(X, name)
        first = next((k for k, size in enumerate(self.sizes) if size), 0)
        self.schema = plain_schema(self._table(first).schema)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    def load(self, piece: int, names: Sequence[str]) -> pa.Table:
        schema = pa.schema([self.schema.field(name) for name in names])
        return conformed(self._table(piece), schema, self.where(piece, 0)[0])

    def facts(self) -> list[Any]:
        return [self._key, str(self.schema)]

    def _table(self, piece: int) -> pa.Table:
        return from_frame(self._computed(piece), self.where(piece, 0)[0])
