"""The paper's three transformations of images, each image by chance of its own.

Each takes bytes [n, 28, 28] and a generator, and returns as many images.  Affine: a rotation within 15
degrees and a shift within 10% of the width both ways.  Colour: brightness, then contrast, each times .7 to 1.3.
Cutout: one square of 8 x 8 pixels, wholly inside the image, set to 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import affine_transform

DEGREES, SHIFT = 15.0, 0.1
JITTER = (0.7, 1.3)
SQUARE = 8


def affine(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angles = np.deg2rad(rng.uniform(-DEGREES, DEGREES, len(images)))
    size = np.array(images.shape[1:])
    shifts = rng.uniform(-SHIFT, SHIFT, (len(images), 2)) * size
    centre = (size - 1) / 2
    moved = np.empty_like(images)
    for image, angle, shift, out in zip(images, angles, shifts, moved, strict=True):
        back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        pixels = affine_transform(image.astype(float), back, centre - back @ (centre + shift), order=1)
        out[:] = as_bytes(pixels)
    return moved


def colour(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    brightness, contrast = rng.uniform(*JITTER, (2, len(images), 1, 1))
    bright = np.clip(images * brightness, 0, 255)
    grey = bright.mean(axis=(1, 2), keepdims=True)
    return as_bytes(grey + contrast * (bright - grey))


def cutout(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    corners = rng.integers(0, np.array(images.shape[1:]) - SQUARE, (len(images), 2), endpoint=True)
    masked = images.copy()
    for image, (row, column) in zip(masked, corners, strict=True):
        image[row : row + SQUARE, column : column + SQUARE] = 0
    return masked


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


TRANSFORMATIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "affine": affine,
    "colour": colour,
    "cutout": cutout,
}
