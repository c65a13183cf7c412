"""BBC news and IMDB reviews, as sentence embeddings."""

from __future__ import annotations

import numpy as np

from hcdv._random import RandomState
from hcdv.datasets._dataset import Dataset, draw
from hcdv.datasets._store import find


def load_bbc(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """BBC news (Greene and Cunningham 2006): 2,225 articles, 5 topics, for research use.

    ``X`` is float32 [n, 384], unit-length all-MiniLM-L6-v2 embeddings of the texts
    (``bbc_minilm.npz``; there is no source to download it from). 98 articles repeat an earlier one,
    so equal rows can stand in different parts.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    with np.load(find("bbc_minilm.npz"), allow_pickle=False) as file:
        X, y, classes = file["X"].astype(np.float32), file["y"], file["classes"].tolist()
    return draw(
        "bbc", X, y, n=n, n_val=n_val, n_test=n_test, random_state=random_state,
        target_names=classes,
    )  # fmt: skip


def load_imdb(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """IMDB movie reviews (Maas et al. 2011), a balanced 8,000 + 2,000 subset, 2 classes.

    ``X`` is float32 [n, 384], unit-length all-MiniLM-L6-v2 embeddings of the texts
    (``imdb_minilm.npz``; there is no source to download it from). Validation and test rows come
    from the official test reviews.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    with np.load(find("imdb_minilm.npz"), allow_pickle=False) as file:
        X, y, classes = file["X"].astype(np.float32), file["y"], file["classes"].tolist()
        held_out = ~file["is_train"]
    return draw(
        "imdb", X, y, n=n, n_val=n_val, n_test=n_test, random_state=random_state,
        target_names=classes, held_out=held_out,
    )  # fmt: skip
