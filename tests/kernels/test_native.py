"""Compiled games against the twin."""

import ctypes

import numpy as np
import pytest

from hcdv._kernels.native import native_chain, native_coalitions, native_masks
from tests.reference import native as twin

KIND = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.POINTER(ctypes.c_int64), ctypes.c_int64)


def f(members):
    """Tells sequences of members apart, order included."""
    value = 0.5
    for k, member in enumerate(members):
        value += (k + 1) * (member + 1) ** 0.5
    return value


CALLBACK = KIND(lambda members, n: f(members[:n]))
ADDRESS = ctypes.cast(CALLBACK, ctypes.c_void_p).value


@pytest.mark.parametrize("n", [0, 1, 2, 31])
def test_chain(n):
    rng = np.random.default_rng(n)
    order = rng.permutation(n)
    for stops in ([], [0], [n], np.sort(rng.integers(0, n + 1, 9)), np.arange(n + 1)):
        stops = np.array(stops, np.int64)
        order.setflags(write=False)
        values = np.full(len(stops), -1.0)
        native_chain(ADDRESS, order, stops, np.empty(max(1, n), np.int64), values)
        np.testing.assert_array_equal(values, twin.native_chain(f, order.tolist(), stops))


def test_coalitions():
    rng = np.random.default_rng(0)
    sets = [np.sort(rng.choice(20, k, replace=False)) for k in (0, 3, 20, 0, 1)]
    members = np.concatenate(sets).astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum([len(s) for s in sets])])
    values = np.empty(len(sets))
    native_coalitions(ADDRESS, members, bounds, values)
    np.testing.assert_array_equal(values, twin.native_coalitions(f, members.tolist(), bounds))
    native_coalitions(ADDRESS, np.empty(0, np.int64), np.zeros(1, np.int64), np.empty(0))
    native_coalitions(ADDRESS, np.empty(0, np.int64), np.zeros(3, np.int64), values[:2])
    np.testing.assert_array_equal(values[:2], [0.5, 0.5])


def test_masks():
    masks = np.array([0, 1, 2**63, 2**64 - 1, 0b1011], np.uint64)
    values = np.empty(len(masks))
    native_masks(ADDRESS, masks, np.empty(64, np.int64), values)
    np.testing.assert_array_equal(values, twin.native_masks(f, masks))


def test_nan_passes_through():
    callback = KIND(lambda members, n: float("nan"))
    values = np.zeros(1)
    native_chain(
        ctypes.cast(callback, ctypes.c_void_p).value, np.arange(3), np.array([2]), np.empty(3, np.int64), values
    )
    assert np.isnan(values[0])
