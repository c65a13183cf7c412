"""Pictures of rows, small, inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 64
CHANNELS = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """PNG pictures as ``data:`` addresses, by number of the row."""

    address: dict[int, str]

    @classmethod
    def of(cls, images: Any, numbers: NDArray[np.int64], n: int) -> Thumbnails:
        """Of some rows, out of pictures [n, h, w] or [n, h, w, c].

        Raises
        ------
        ValueError, TypeError
            If the pictures are of another shape or dtype.
        ImportError
            If Pillow is missing.
        """
        try:
            from PIL import Image
        except ImportError as error:
            raise ImportError(f"images need Pillow ({error}): pip install 'hcdv[report]'.") from None
        pixels = _grey_levels(_checked(images, n)[numbers])
        address = {}
        for k, picture in zip(numbers.tolist(), pixels, strict=True):
            image = Image.fromarray(picture)
            image.thumbnail((SIDE, SIDE))
            file = io.BytesIO()
            image.save(file, "PNG", optimize=True)
            address[k] = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        return cls(address)


def _checked(images: Any, n: int) -> Any:
    try:
        pictures = images if hasattr(images, "shape") and hasattr(images, "dtype") else np.asarray(images)
    except ValueError:
        raise ValueError("images must be of one shape, got a list of several.") from None
    shape = tuple(pictures.shape)
    is_picture = len(shape) == 3 or (len(shape) == 4 and shape[3] in CHANNELS)
    if not is_picture or 0 in shape:
        raise ValueError(f"images must be [n, h, w] or [n, h, w, c] with c = 1, 3 or 4, got shape {shape}.")
    if shape[0] != n:
        raise ValueError(f"images has {shape[0]:,} pictures for {n:,} values.")
    return pictures


def _grey_levels(pictures: Any) -> NDArray[np.uint8]:
    """uint8 [k, h, w] or [k, h, w, 3 or 4]."""
    pixels = np.asarray(pictures)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype.kind not in "biuf":
        raise TypeError(f"images must hold numbers, got dtype {pixels.dtype}.")
    pixels = pixels.astype(np.float64)
    known = pixels[np.isfinite(pixels)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255 and np.asarray(pictures).dtype.kind in "iu":
        low, high = 0.0, 255.0
    pixels = np.nan_to_num(pixels, nan=low, posinf=high, neginf=low)
    levels = (pixels - low) / max(high - low, np.finfo(np.float64).tiny) * 255.0
    return np.ascontiguousarray(np.rint(levels).astype(np.uint8))
