"""Games in compiled code: the same values as the same game in Python."""

import ctypes

import numpy as np
import pytest

from hcdv import Hierarchy
from hcdv.shapley import estimate, exact, winter_exact

KIND = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.POINTER(ctypes.c_int64), ctypes.c_int64)


class Compiled:
    """What numba's ``cfunc`` gives: something with an address."""

    def __init__(self, f):
        self._callback = KIND(f)
        self.address = ctypes.cast(self._callback, ctypes.c_void_p).value


def largest(members, n):
    """Airport game of costs 1, 4, 9, ...; members come in ascending order."""
    return float((members[n - 1] + 1) ** 2) if n else 0.0


def in_python(coalitions):
    costs = (np.arange(coalitions.shape[1]) + 1.0) ** 2
    return np.where(coalitions, costs, 0.0).max(axis=1)


def test_exact_and_winter():
    game = Compiled(largest)
    np.testing.assert_array_equal(exact(game, 7), exact(in_python, 7))
    tree = Hierarchy.from_labels([[0, 0, 1, 1, 1, 2, 2, 0]])
    np.testing.assert_array_equal(winter_exact(game, tree), winter_exact(in_python, tree))


@pytest.mark.parametrize("method", ["permutation", "stratified", "regression"])
def test_estimates(method):
    one = estimate(Compiled(largest), 16, 8, random_state=0, method=method)
    other = estimate(in_python, 16, 8, random_state=0, method=method)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.std_error, other.std_error)


def test_numba_cfunc():
    numba = pytest.importorskip("numba")
    signature = numba.types.float64(numba.types.CPointer(numba.types.int64), numba.types.int64)
    game = numba.cfunc(signature)(largest)
    np.testing.assert_array_equal(exact(game, 12), exact(in_python, 12))


def test_nan_names_its_coalition():
    game = Compiled(lambda members, n: float("nan") if n == 2 and members[1] == 3 else 0.0)
    with pytest.raises(ValueError, match=r"nan for the coalition \{0, 3\}"):
        exact(game, 5)
    game = Compiled(lambda members, n: float("nan") if n == 1 and members[0] == 3 else 0.0)
    with pytest.raises(ValueError, match=r"nan for the coalition \{3\}"):
        estimate(game, 12, 64, random_state=0, method="permutation")


def test_neither_callable_nor_compiled():
    with pytest.raises(TypeError, match="game must be callable or a numba cfunc, got list"):
        exact([1.0, 2.0], 1)
