"""An ordered map over threads; the kernels release the GIL, so threads are all it takes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from threading import Event
from typing import TypeVar

from hcdv._dropped import droppable, go_on
from hcdv._validation import check_int
from hcdv.engine.blas import limit_openmp_of_this_thread, loaded_libraries, single_threaded_blas

Item = TypeVar("Item")
Result = TypeVar("Result")

# Threads per core at most: more only cost memory and the time to start them.
THREADS_PER_CORE = 4

# Waiting for a result wakes up this often (seconds): some platforms deliver Ctrl-C only between
# waits.
WAKE_UP = 0.2


def available_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_n_jobs(n_jobs: int | None) -> int:
    """Number of threads meant by ``n_jobs``: None all available cores, -1 all, -2 all but one.

    Never more than four times the available cores, whatever was asked for: no result depends on it.
    """
    cores = available_cores()
    if n_jobs is None:
        return cores
    jobs = check_int(n_jobs, "n_jobs", -cores)
    if jobs == 0:
        raise ValueError("n_jobs must not be 0; None stands for all available cores.")
    return min(jobs, THREADS_PER_CORE * cores) if jobs > 0 else cores + 1 + jobs


class Threads:
    """Runs tasks on ``n_jobs`` threads, with BLAS and OpenMP held to one thread each.

    Parameters
    ----------
    n_jobs : int or None
        None for all available cores, at most four times as many; 1 runs the tasks in the calling
        thread.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_jobs = check_n_jobs(n_jobs)

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        look_ahead: int | None = None,
    ) -> Iterator[Result]:
        """``function`` of every item, lazily and in the order of the items.

        At most ``look_ahead`` items (by default two per thread) are taken beyond the result that
        is due, so neither items nor results pile up. An exception of a task is raised where its
        result would have come; tasks not begun are dropped then, as they are on Ctrl-C or when the
        consumer stops early.
        """
        if look_ahead is not None:
            check_int(look_ahead, "look_ahead", 1)
        if self.n_jobs == 1:
            return _inline(function, items)
        return _threaded(function, items, self.n_jobs, look_ahead or 2 * self.n_jobs)


def _inline(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    with single_threaded_blas():
        for item in items:
            # These may be the steps of a task that nobody waits for any more.
            go_on()
            yield function(item)


def _threaded(
    function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int, look_ahead: int
) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    dropped = Event()
    with single_threaded_blas():
        pool = ThreadPoolExecutor(
            n_jobs,
            thread_name_prefix="hcdv",
            initializer=limit_openmp_of_this_thread,
            initargs=(loaded_libraries(),),
        )
        wait_for_running = True
        try:
            for item in items:
                waiting.append(pool.submit(droppable, dropped, function, item))
                if len(waiting) > look_ahead:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        except KeyboardInterrupt:
            # Answer now; what is running ends by itself, at its next step.
            wait_for_running = False
            dropped.set()
            raise
        finally:
            pool.shutdown(wait=wait_for_running, cancel_futures=True)


def _result(future: Future[Result]) -> Result:
    while True:
        try:
            return future.result(timeout=WAKE_UP)
        except NotYet:
            # Also what a task of its own accord may raise: then it is done, and that is its answer.
            if future.done():
                return future.result()
