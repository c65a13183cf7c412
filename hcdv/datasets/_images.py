"""Fashion-MNIST and CIFAR-10."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hcdv._random import RandomState
from hcdv.datasets._dataset import Dataset, draw
from hcdv.datasets._store import check_digest, download, find

_FASHION_URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
_FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
# array -> (official file, shape, SHA-256 of the array's bytes)
_FASHION_PARTS = {
    "X_train": (
        "train-images-idx3-ubyte.gz", (60000, 28, 28),
        "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    ),
    "y_train": (
        "train-labels-idx1-ubyte.gz", (60000,),
        "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    ),
    "X_test": (
        "t10k-images-idx3-ubyte.gz", (10000, 28, 28),
        "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    ),
    "y_test": (
        "t10k-labels-idx1-ubyte.gz", (10000,),
        "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    ),
}  # fmt: skip


def load_fashion_mnist(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, MIT licence): images of clothes, 10 classes.

    ``X`` is float32 [n, 784] in [0, 1], row by row of the 28 x 28 image. Training rows come from
    the 60,000 official training images, validation and test rows from the 10,000 official test
    images. Looks for ``fashion_mnist.npz``; downloads from the authors' repository.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    with np.load(find("fashion_mnist.npz", _fetch_fashion), allow_pickle=False) as file:
        images = np.concatenate([file["X_train"], file["X_test"]]).reshape(70000, 784)
        y = np.concatenate([file["y_train"], file["y_test"]])
    held_out = np.arange(70000) >= 60000
    parts = draw(
        "fashion_mnist", images, y, n=n, n_val=n_val, n_test=n_test, random_state=random_state,
        target_names=_FASHION_CLASSES, held_out=held_out,
    )  # fmt: skip
    # Scaled only now: the rows that were not drawn stay bytes.
    return Dataset(
        _unit(parts.X), parts.y, _unit(parts.X_val), parts.y_val, _unit(parts.X_test), parts.y_test,
        parts.name, parts.feature_names, parts.target_names,
    )  # fmt: skip


def load_cifar10(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
    features: bool = True,
) -> Dataset:
    """CIFAR-10 (Krizhevsky 2009), a balanced subset of 10,000 + 2,000 images, 10 classes.

    With ``features=True``, ``X`` is float32 [n, 128]: convolutional features of a small net that
    was trained on other images (``cifar10_features.npz``). With ``features=False`` it is the
    images, uint8 [n, 32, 32, 3] (``cifar10_12k.npz``). Validation and test rows come from the
    official test images. There is no source to download these files from.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.
    features : bool
        Features, or images.

    Returns
    -------
    Dataset
    """
    with np.load(
        find("cifar10_features.npz" if features else "cifar10_12k.npz"), allow_pickle=False
    ) as file:
        X = np.concatenate([file["X_train"], file["X_test"]])
        y = np.concatenate([file["y_train"], file["y_test"]])
        held_out = np.arange(len(y)) >= len(file["y_train"])
        classes = file["classes"].tolist()
    return draw(
        "cifar10_features" if features else "cifar10",
        X.astype(np.float32) if features else X, y, n=n, n_val=n_val, n_test=n_test,
        random_state=random_state, target_names=classes, held_out=held_out,
    )  # fmt: skip


def _unit(pixels: object) -> NDArray[np.float32]:
    return np.asarray(pixels, dtype=np.float32) / np.float32(255)


def _fetch_fashion(path: Path) -> None:
    arrays = {}
    for name, (filename, shape, sha256) in _FASHION_PARTS.items():
        arrays[name] = _idx(gzip.decompress(download(_FASHION_URL + filename)), shape, filename)
        check_digest(arrays[name].tobytes(), sha256, filename)
    with open(path, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _idx(data: bytes, shape: tuple[int, ...], what: str) -> NDArray[np.uint8]:
    """The array in an IDX file: two zero bytes, type 8 (unsigned byte), rank, big-endian shape."""
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()
    if not data.startswith(header) or len(data) != len(header) + int(np.prod(shape)):
        raise ValueError(f"{what} is not an IDX file of bytes of shape {shape}")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape)
