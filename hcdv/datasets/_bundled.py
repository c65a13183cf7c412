"""The data sets that scikit-learn brings along: no file, no network."""

from __future__ import annotations

from typing import Any

import sklearn.datasets

from hcdv._random import RandomState
from hcdv.datasets._dataset import Dataset, draw


def load_digits(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """Handwritten digits: 1,797 rows, 64 grey values 0..16, 10 classes.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    return _parts("digits", sklearn.datasets.load_digits(), n, n_val, n_test, random_state)


def load_breast_cancer(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """Breast cancer (Wisconsin, diagnostic): 569 rows, 30 measurements, 2 classes.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    bunch = sklearn.datasets.load_breast_cancer()
    return _parts("breast_cancer", bunch, n, n_val, n_test, random_state)


def load_iris(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """Iris: 150 rows, 4 measurements, 3 classes.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    return _parts("iris", sklearn.datasets.load_iris(), n, n_val, n_test, random_state)


def load_wine(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """Wine: 178 rows, 13 measurements, 3 classes.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    return _parts("wine", sklearn.datasets.load_wine(), n, n_val, n_test, random_state)


def _parts(
    name: str,
    bunch: Any,
    n: int | None,
    n_val: int | None,
    n_test: int | None,
    random_state: RandomState,
) -> Dataset:
    return draw(
        name, bunch.data, bunch.target, n=n, n_val=n_val, n_test=n_test,
        random_state=random_state, target_names=bunch.target_names,
        feature_names=bunch.feature_names,
    )  # fmt: skip
