"""The user's own characteristic function, in Python or compiled."""

import ctypes
import threading

import numpy as np
import pytest

from hcdv._errors import UtilityError
from hcdv.games import CoalitionCache, Function
from tests.games.retrained.rows import given, random_coalitions
from tests.games.retrained.test_estimator import play

N = 60


def total(rows):
    return float(np.sqrt(rows).sum()) - 3.0


@pytest.fixture(scope="module")
def compiled():
    import math

    from numba import carray, cfunc, types

    @cfunc(types.float64(types.CPointer(types.int64), types.int64))
    def f(members, n):
        rows = carray(members, n)
        value = -3.0
        last = -1
        for k in range(n):
            if rows[k] <= last:
                return math.nan
            last = rows[k]
            value += math.sqrt(rows[k])
        return value

    return f


def test_rows_come_ascending_and_values_as_they_are():
    order = np.random.default_rng(0).permutation(N)
    seen = []

    def f(rows):
        seen.append(rows)
        assert rows.dtype == np.int64 and not rows.flags.writeable
        assert (np.diff(rows) > 0).all()
        return total(rows)

    game = play(Function(f, name="mine"), given(order=order))
    assert game.v_empty == -3.0
    chain = np.random.default_rng(1).permutation(N)
    values = game.chains(chain[None], np.arange(N + 1))[0]
    assert len(seen) == N + 1
    assert values[17] == total(np.sort(order[chain[:17]]))


def test_compiled_and_python_agree(compiled):
    order = np.random.default_rng(0).permutation(N)
    slow, fast = play(Function(total), given(order=order)), play(Function(compiled), given(order=order))
    assert Function(compiled).is_compiled and fast.v_empty == slow.v_empty
    chains = np.array([np.random.default_rng(k).permutation(N) for k in range(3)])
    stops = np.array([0, 1, 1, 5, 59, 60])
    np.testing.assert_allclose(fast.chains(chains, stops), slow.chains(chains, stops), rtol=1e-14)
    coalitions = random_coalitions(np.random.default_rng(2), N, 9)
    np.testing.assert_allclose(fast.trainer.scores(coalitions), slow.trainer.scores(coalitions), rtol=1e-14)


def test_compiled_code_is_called_from_threads_at_once(compiled):
    game = play(Function(compiled), given())
    chain = np.random.default_rng(0).permutation(N)
    expected = play(Function(total), given()).chains(chain[None], np.arange(N + 1))
    answers = []
    tasks = [
        threading.Thread(target=lambda: answers.append(game.trainer.chain_scores(chain, np.arange(1, N + 1))))
        for _ in range(4)
    ]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    for answer in answers:
        np.testing.assert_allclose(answer, expected[0, 1:], rtol=1e-14)


def raising(rows):
    if len(rows) == 5:
        raise KeyError("no such row")
    return 0.0


@pytest.mark.parametrize(
    ("f", "sentence"),
    [
        (raising, "utility 'function' raised KeyError on a coalition of 5 rows: 'no such row'."),
        (lambda rows: np.nan if len(rows) == 5 else 0.0, "gave nan for a coalition of 5 rows"),
        (lambda rows: np.inf if len(rows) == 5 else 0.0, "gave inf for a coalition of 5 rows"),
        (lambda rows: None if len(rows) == 5 else 0.0, "must return a number, got NoneType"),
        (lambda rows: "0.5", "must return a number, got str"),
        (lambda rows: b"0.5", "must return a number, got bytes"),
        (lambda rows: np.complex128(1 + 2j), "must return a number, got complex128"),
        (lambda rows: 10**400, "gave inf for a coalition of 0 rows"),
        (lambda rows: -1e200, r"gave -1e\+200 for a coalition of 0 rows, but .* below 1e\+150 in size"),
        (lambda rows: rows.sort() or 0.0, "raised ValueError on a coalition of 0 rows|read-only"),
    ],
)
def test_failures_are_one_sentence(f, sentence):
    with pytest.raises(UtilityError, match=sentence):
        play(Function(f), given()).chains(np.arange(N)[None], np.arange(7))


def test_nan_of_compiled_code_is_an_error():
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.POINTER(ctypes.c_int64), ctypes.c_int64)
    keep = kind(lambda members, n: float("nan") if n == 3 else 1.0)

    class Compiled:
        address = ctypes.cast(keep, ctypes.c_void_p).value

    game = play(Function(Compiled()), given())
    assert game.v_empty == 1.0
    with pytest.raises(UtilityError, match="gave nan for a coalition of 3 rows"):
        game.chains(np.arange(N)[None], np.arange(7))
    with pytest.raises(TypeError, match="utility must be a callable or a cfunc, got int"):
        Function(3)


def test_versions_name_a_function_on_disk(tmp_path):
    path = tmp_path / "scores"
    with pytest.raises(ValueError, match="cannot be cached on disk"):
        play(Function(total), given(), cache=CoalitionCache(path))
    first = play(Function(total, version="1"), given(), cache=CoalitionCache(path))
    first.chains(np.arange(N)[None], np.arange(N + 1))
    again = play(Function(lambda rows: 7.0, version="1"), given(), cache=CoalitionCache(path))
    assert again.chains(np.arange(N)[None], np.array([4]))[0, 0] == total(np.arange(4))
    changed = play(Function(lambda rows: 7.0, version="2"), given(), cache=CoalitionCache(path))
    assert changed.chains(np.arange(N)[None], np.array([4]))[0, 0] == 7.0
