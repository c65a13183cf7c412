"""Tasks on threads of this process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

from hcdv._dropped import droppable
from hcdv.engine._pool import Pool, Task
from hcdv.engine._task import Outcome, run


class ThreadPool(Pool):
    """``n_workers`` threads, even for one: the thread that waits for them can answer Ctrl-C."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._executor = ThreadPoolExecutor(n_workers, thread_name_prefix="hcdv")

    @property
    def n_workers(self) -> int:
        return self._n_workers

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self, function: Callable[[Any], Any], task: Task) -> Future[Outcome]:
        task.remote = Event()
        return self._executor.submit(droppable, task.remote, partial(run, function), task.item)

    def _read(self, answer: Outcome) -> Outcome:
        return answer

    def _drop(self, tasks: list[Task]) -> None:
        for task in tasks:
            task.future.cancel()
            task.remote.set()
