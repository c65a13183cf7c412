import pytest

from hcdv import HCDV
from hcdv.datasets import load_iris


@pytest.fixture(scope="session")
def iris():
    return load_iris(random_state=0)


@pytest.fixture(scope="session")
def fitted(iris):
    """A small result of the default model."""
    return HCDV(random_state=0, n_permutations=8).fit(iris.X, iris.y, iris.X_val, iris.y_val).result_
