"""Tasks on processes of this machine, by joblib's loky."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

from hcdv.engine._pool import RETRIES, Pool, Task
from hcdv.engine._task import Outcome, pack, run_packed, unpack
from hcdv.engine.threads import WAKE_UP

# Seconds between two looks of a worker for the process that started it.
LOOK_UP = 1.0


class ProcessPool(Pool):
    """``n_workers`` processes.

    Where one of them is lost, loky stops the others too; all of them are started anew, and the tasks that were
    under way begin again.
    """

    lost_errors = (BrokenProcessPool,)
    retries = RETRIES

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._executor: ProcessPoolExecutor | None = None

    @property
    def n_workers(self) -> int:
        return self._n_workers

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False, kill_workers=True)
            self._executor = None

    def _start(self, function: Callable[[Any], Any], task: Task) -> Future[bytes]:
        packed = pack(function, task.item, "joblib")
        if self._executor is not None:
            try:
                return self._executor.submit(run_packed, packed)
            except BrokenProcessPool:  # since the last task
                pass
        self._executor = ProcessPoolExecutor(
            self._n_workers, initializer=_depend_on_the_driver, initargs=(os.getpid(),)
        )
        return self._executor.submit(run_packed, packed)

    def _read(self, answer: bytes) -> Outcome:
        return unpack(answer)

    def _drop(self, tasks: list[Task]) -> None:
        if tasks:
            _await_uptake(tasks)
            self.close()  # a task that runs in another process is ended with the process only


def _await_uptake(tasks: list[Task]) -> None:
    """Let loky's thread take up what was begun this moment: what it has not yet would trip it on closing."""
    deadline = time.monotonic() + WAKE_UP
    while time.monotonic() < deadline:
        if all(task.future.running() or task.future.done() for task in tasks):
            return
        time.sleep(0.002)


def _depend_on_the_driver(driver: int) -> None:
    """Leave it to the process that started the workers to end them, and end when it is gone.

    A terminal sends Ctrl-C to all processes; and a driver that is killed ends nobody.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()


def _end_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(LOOK_UP)
    os._exit(1)
