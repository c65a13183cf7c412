"""Originals and candidates of the augmentation experiment, and what is kept of it between cells.

Images of the diffusion model and values of the candidates take long and are kept in HCDV's cache folder
(``HCDV_CACHE``, or the platform's), under the sizes they belong to; what is missing there is made again.

``HCDV_DIFFUSION=FILE.npz`` takes the fourth family from a file instead, say of Stable Diffusion's images:
``images``, bytes [m, 28, 28], light on black as Fashion-MNIST's, and ``labels``, integers [m].  Every run draws
its share of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.paper._augmented import TRANSFORMATIONS
from hcdv import datasets
from hcdv._device import resolve_device
from hcdv._files import written_aside
from hcdv.datasets._store import cache_folder

FAMILIES = (*TRANSFORMATIONS, "diffusion")
OWN_IMAGES = "HCDV_DIFFUSION"


@dataclass(frozen=True)
class Plan:
    """Sizes of one scale.

    Attributes
    ----------
    n, n_val : int
        Originals, and rows that values and early stopping look at.
    n_candidates : int
        Of all four families together.
    runs : int
    width, n_batches : int
        Channels and training batches of the diffusion model.
    K, M, T : tuple of int, int, int
        HCDV's tree and permutations in the paper's settings.
    permutations : int
        Of MCDS.
    """

    n: int
    n_val: int
    n_candidates: int
    runs: int
    width: int
    n_batches: int
    K: tuple[int, int]
    M: int
    T: int
    permutations: int

    @property
    def n_slice(self) -> int:
        """The paper's 1,000 of 10,000."""
        return self.n_candidates // 10


# A laptop takes a tenth of the paper's sizes.
PLANS = {
    "ci": Plan(400, 150, 80, 1, 8, 20, (4, 16), 32, 4, 4),
    "laptop": Plan(6_000, 1_000, 1_000, 3, 24, 1_500, (32, 128), 128, 128, 64),
    "gpu": Plan(60_000, 2_000, 10_000, 3, 64, 20_000, (32, 128), 128, 128, 128),
    "paper": Plan(60_000, 2_000, 10_000, 3, 64, 20_000, (32, 128), 128, 128, 4_096),
}


@dataclass(frozen=True)
class Pool:
    """Bytes [., 28, 28] and labels: originals, trusted rows, test rows, and candidates with their families."""

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    candidates: np.ndarray
    labels: np.ndarray
    family: np.ndarray


def pool_of(scale: str, run: int) -> Pool:
    """The originals, alike in every run, and the candidates of this one."""
    plan, parts = PLANS[scale], originals(scale)
    X, y = parts[:2]
    rng = np.random.default_rng([1, run])
    share = plan.n_candidates // len(FAMILIES)
    images, labels = [], []
    for transformed in TRANSFORMATIONS.values():
        rows = rng.permutation(len(X))[:share]
        images.append(transformed(X[rows], rng))
        labels.append(y[rows])
    drawn = diffusion_images(scale)
    rows = rng.permutation(len(drawn["labels"]))[:share] if own_images() else run * share + np.arange(share)
    candidates = np.concatenate([*images, drawn["images"][rows]])
    all_labels = np.concatenate([*labels, drawn["labels"][rows]])
    return Pool(*parts, candidates, all_labels, np.repeat(FAMILIES, share))


def originals(scale: str) -> tuple[np.ndarray, ...]:
    """Images and labels to train on, to validate and to test; scikit-learn's digits at the smallest scale."""
    plan = PLANS[scale]
    if scale == "ci":
        data = datasets.load_digits(n=plan.n, n_val=plan.n_val, n_test=500, random_state=0)
        pixels = [enlarged(part) for part in (data.X, data.X_val, data.X_test)]
    else:
        data = datasets.load_fashion_mnist(n=plan.n, n_val=plan.n_val, random_state=0)
        parts = (data.X, data.X_val, data.X_test)
        pixels = [np.rint(part * 255).astype(np.uint8).reshape(-1, 28, 28) for part in parts]
    return pixels[0], data.y, pixels[1], data.y_val, pixels[2], data.y_test


def enlarged(digits: np.ndarray) -> np.ndarray:
    """8 x 8 digits of 0 to 16 as bytes of 28 x 28."""
    small = np.rint(digits.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return np.pad(small.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))


def diffusion_images(scale: str) -> Mapping[str, np.ndarray]:
    """``images`` and ``labels`` of all runs, every label as often; or what the user's file holds."""
    if own_images():
        with np.load(own_images(), allow_pickle=False) as file:
            return {"images": file["images"], "labels": file["labels"].astype(np.int64)}
    return kept(scale, "diffusion", lambda: imagined(scale))


def own_images() -> str:
    return os.environ.get(OWN_IMAGES, "")


def imagined(scale: str) -> dict[str, np.ndarray]:
    """Trained on the originals alone."""
    from bench.paper._diffusion import draw, train

    plan, (X, y, *_), device = PLANS[scale], originals(scale), resolve_device("auto")
    net = train(X, y, width=plan.width, n_batches=plan.n_batches, seed=0, device=device)
    labels = np.arange(plan.runs * plan.n_candidates // len(FAMILIES)) % (y.max() + 1)
    return {"images": draw(net, labels, seed=0), "labels": labels}


def kept(scale: str, name: str, make: Callable[[], dict[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    """Arrays from the cache folder, or made and left there."""
    path = place(scale, name)
    return load(path) if path.exists() else keep(path, make())


def place(scale: str, name: str) -> Path:
    """Another file for other sizes, another diffusion model or other images of the user's."""
    code = Path(__file__).with_name("_diffusion.py").read_text()
    recipe = f"{PLANS[scale]} {code} {own_images()}"
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    return cache_folder() / "bench" / f"augmentation-{scale}-{digest}" / f"{name}.npz"


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def keep(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, **arrays)
    return arrays
