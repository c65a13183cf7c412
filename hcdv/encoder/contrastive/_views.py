"""What a network sees of the rows: columns, images, or columns and codes of levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder._input import is_table
from hcdv.encoder._spaces import Encoder, Spaces

# An axis no longer than this is taken for the colours of an image.
MAX_CHANNELS = 4


@dataclass(frozen=True)
class View:
    """The shape of a row before a network, and what its numbers are brought to first.

    Attributes
    ----------
    kind : {"columns", "image", "bags"}
    shape : tuple of int
        Of one row: columns, or channels, height and width.  Codes come behind the columns.
    code_sizes : tuple of int
        Of each column of codes, one more than its largest; 0 is a level that is rare or was never seen.
    """

    kind: str
    shape: tuple[int, ...]
    code_sizes: tuple[int, ...] = ()

    @classmethod
    def of(cls, network: Any, first: Encoder, X: Any, spaces: Spaces) -> View:
        """The view that suits the network (see `Contrastive`) and the training rows.

        Raises
        ------
        ValueError
            If a network is asked for that the rows do not suit.
        """
        image_shape = _image_shape(X)
        sizes = first.table.code_sizes if isinstance(first, FrameEncoder) else ()
        if network == "convnet" and image_shape is None:
            raise ValueError(
                "network='convnet' needs an array of images [n, h, w], [n, h, w, c] or [n, c, h, w] with at "
                f"most {MAX_CHANNELS} channels, got {_shape_of(X)}."
            )
        if network == "bags" and not sizes:
            raise ValueError("network='bags' needs a table with a column of many levels, but X has none.")
        if image_shape is not None and (network == "convnet" or not isinstance(network, str)):
            return cls("image", image_shape)
        n_columns = _flat(first, spaces).shape[1]
        if sizes and network in ("auto", "bags"):
            return cls("bags", (n_columns,), sizes)
        return cls("columns", (n_columns,))

    def rows(self, first: Encoder, X: Any, spaces: Spaces, name: str = "X") -> NDArray[np.float32]:
        """Rows as the network sees them, float32 [n, *shape] or [n, columns + codes]."""
        if self.kind == "image":
            images = as_images(X)
            if images is None or images.shape[1:] != self.shape:
                raise ValueError(
                    f"{name} must hold images of shape {self.shape} (channels, height, width), "
                    f"got {_shape_of(X)}."
                )
            return np.ascontiguousarray(images, np.float32)
        columns = _flat(first, spaces)
        if self.kind == "columns":
            return columns
        assert isinstance(first, FrameEncoder)
        return np.hstack([columns, first.table.codes(X, name=name).astype(np.float32)])

    def example(self) -> NDArray[np.float32]:
        """Three rows as the network sees them, of numbers from -1 to 1, for a first look at its answers."""
        numbers = np.linspace(-1.0, 1.0, 3 * int(np.prod(self.shape)), dtype=np.float32).reshape(3, *self.shape)
        return np.hstack([numbers, np.zeros((3, self.n_codes), np.float32)]) if self.code_sizes else numbers

    @property
    def n_codes(self) -> int:
        return len(self.code_sizes)


def as_images(X: Any) -> NDArray[Any] | None:
    """An array of images as [n, c, h, w], a view; None if it holds none."""
    shape = _image_shape(X)
    if shape is None:
        return None
    if X.ndim == 3:
        return X[:, None]
    return X.transpose(0, 3, 1, 2) if X.shape[3] <= MAX_CHANNELS else X


def _image_shape(X: Any) -> tuple[int, int, int] | None:
    if is_table(X) or not isinstance(X, np.ndarray) or X.dtype.kind not in "biuf":
        return None
    if X.ndim == 3:
        return (1, *X.shape[1:])
    if X.ndim != 4:
        return None
    if X.shape[3] <= MAX_CHANNELS:
        return (X.shape[3], X.shape[1], X.shape[2])
    return X.shape[1:] if X.shape[1] <= MAX_CHANNELS else None


def _flat(first: Encoder, spaces: Spaces) -> NDArray[np.float32]:
    """The columns of a table, else the vote space, whose directions are fewer."""
    return spaces.columns if first.is_mixed else spaces.vote


def _shape_of(X: Any) -> str:
    return f"shape {X.shape}" if hasattr(X, "shape") else type(X).__name__
