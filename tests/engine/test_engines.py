"""What every engine promises, asked of all of them; the tasks are local functions, which travel by value."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from hcdv.engine import make_engine

on_processes = pytest.mark.parametrize("engine", ["joblib", "dask", "ray"], indirect=True)


def named(item):
    return f"task-{item}"


def test_results_come_in_the_order_of_the_items(engine):
    def square(i):
        time.sleep(0.2 if i % 7 == 0 else 0)
        return i * i

    assert list(engine.map(square, range(30), name=named)) == [i * i for i in range(30)]
    assert list(engine.map(square, [], name=named)) == []
    assert engine.n_workers == 2


def test_no_bit_depends_on_the_engine(engine):
    def product(seed):
        a = np.random.default_rng(seed).standard_normal((200, 300))
        return np.linalg.inv(a @ a.T)

    one = make_engine("threads", n_jobs=1)
    for here, there in zip(
        one.map(product, range(6), name=named), engine.map(product, range(6), name=named), strict=True
    ):
        np.testing.assert_array_equal(here, there)
    one.close()


def test_blas_has_one_thread_within_tasks(engine):
    def counts(_):
        from threadpoolctl import threadpool_info

        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    found = next(engine.map(counts, [0], name=named))
    assert found
    assert set(found) == {1}


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_tasks_are_under_way_than_asked_for(engine, at_once):
    def period(_):
        begin = time.time()
        time.sleep(0.05)
        return begin, time.time()

    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = engine.map(period, items(), name=named, at_once=at_once)
    periods = [next(results) for _ in range(8)]
    results.close()
    assert len(taken) <= 8 + 4 * at_once
    moments = sorted([(begin, 1) for begin, _ in periods] + [(end, -1) for _, end in periods])
    assert max(np.cumsum([step for _, step in moments])) <= at_once


def test_a_slow_task_does_not_make_the_others_wait(engine, tmp_path):
    def meet(i):
        """The first task ends once the fourth has run, the results of those between being held."""
        mark = tmp_path / "fourth"
        if i == 3:
            mark.touch()
        deadline = time.time() + 60
        while i == 0 and not mark.exists() and time.time() < deadline:
            time.sleep(0.01)
        return i, mark.exists()

    assert next(engine.map(meet, range(10), name=named, at_once=2)) == (0, True)


def test_the_exception_of_a_task_comes_as_it_is_and_at_once(engine, tmp_path):
    def task(i):
        if i == 1:
            raise KeyError("three")
        deadline = time.time() + 60
        while not (tmp_path / "heard").exists() and time.time() < deadline:
            time.sleep(0.01)

    # Item 0 ends only after the exception of item 1 is here.
    with pytest.raises(KeyError) as caught:
        next(engine.map(task, range(100), name=named, at_once=2))
    (tmp_path / "heard").touch()
    assert type(caught.value) is KeyError
    assert caught.value.args == ("three",)


def test_an_error_of_the_items_comes_through(engine):
    def items():
        yield 1
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(engine.map(abs, items(), name=named))


def test_tasks_not_begun_are_dropped_when_the_consumer_stops(engine, tmp_path):
    def task(i):
        (tmp_path / f"begun-{i}").touch()
        deadline = time.time() + 60
        while i > 0 and not (tmp_path / "go").exists() and time.time() < deadline:
            time.sleep(0.01)

    results = engine.map(task, range(100), name=named)
    next(results)  # two more run now, and two stand behind them
    results.close()
    time.sleep(0.5)
    (tmp_path / "go").touch()
    time.sleep(0.5)
    assert len(list(tmp_path.glob("begun-*"))) <= 3


@on_processes
def test_a_task_that_cannot_travel_is_refused_in_one_sentence(engine):
    lock = threading.Lock()

    def locked(i):
        with lock:
            return i

    with pytest.raises(TypeError, match=r"must send its tasks to other processes, but .*locked cannot be"):
        list(engine.map(locked, [1], name=named))


@on_processes
def test_errors_and_results_that_cannot_travel_are_told(engine):
    class Odd(Exception):
        def __init__(self, what, why):
            super().__init__(f"{what} since {why}")

    def odd(_):
        raise Odd("nothing", "never")

    def lock(_):
        return threading.Lock()

    with pytest.raises(RuntimeError, match="Odd: nothing since never"):
        list(engine.map(odd, [1], name=named))
    with pytest.raises(TypeError, match="pickle"):
        list(engine.map(lock, [1], name=named))


@on_processes
def test_a_worker_killed_in_mid_run_costs_nothing_but_time(engine, tmp_path):
    def square(i):
        with open(tmp_path / str(i), "a") as runs:
            runs.write("x")
        time.sleep(0.1)
        return i * i, os.getpid()

    n, seen = 24, []
    for i, (value, pid) in enumerate(engine.map(square, range(n), name=named)):
        seen.append(value)
        if i == 3:
            os.kill(pid, signal.SIGKILL)
    assert seen == [i * i for i in range(n)]
    # Dask may hold finished results on the worker that was killed for a moment; the others never run twice.
    runs = [len((tmp_path / str(i)).read_text()) for i in range(n)]
    assert all(1 <= count <= 2 for count in runs)
    assert sum(runs) <= n + 8


def kill_the_worker(_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@on_processes
def test_a_task_that_kills_every_worker_is_given_up(engine):
    with pytest.raises(RuntimeError, match="task 'task-7' was given up: worker after worker was") as caught:
        list(engine.map(kill_the_worker, [7], name=named))
    assert "\n" not in str(caught.value)
    assert list(engine.map(abs, [-2], name=named)) == [2]
