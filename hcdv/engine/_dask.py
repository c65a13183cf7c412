"""Tasks on a Dask cluster."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from threading import Thread
from typing import Any
from uuid import uuid4

from distributed import Client, KilledWorker, LocalCluster
from distributed.comm import CommClosedError

from hcdv._errors import said
from hcdv.engine._pool import Pool, Task, cluster_gone
from hcdv.engine._task import Outcome, pack, run_packed, unpack

# Seconds that a scheduler is given to take a call, and then to answer.
PATIENCE = 5


class DaskPool(Pool):
    """All workers of the cluster that ``client`` is connected to.

    The scheduler itself begins a task again whose worker was lost (``distributed.scheduler.allowed-failures``
    times, 3 unless set otherwise), and computes results again that were lost with a worker.
    """

    lost_errors = (KilledWorker,)
    gone_errors = (CommClosedError, CancelledError)

    def __init__(self, client: Client, *close: Callable[[], Any]) -> None:
        self._client = client
        self._close = close  # what of it is our own to close

    @property
    def n_workers(self) -> int:
        try:
            return max(1, sum(self._client.nthreads().values()))
        except OSError as error:
            raise cluster_gone(error) from error

    def close(self) -> None:
        for close in self._close:
            close()

    def _start(self, function: Callable[[Any], Any], task: Task) -> Future[bytes]:
        # The key is unique, or the scheduler would answer with the result of an earlier task.
        key = f"{task.name}-{uuid4().hex}"
        task.remote = self._client.submit(run_packed, pack(function, task.item, "dask"), key=key, pure=False)
        answer: Future[bytes] = Future()
        task.remote.add_done_callback(lambda remote: _answer(answer, remote.result))
        return answer

    def _read(self, answer: bytes) -> Outcome:
        return unpack(answer)

    def _drop(self, tasks: list[Task]) -> None:
        if tasks:
            self._client.cancel([task.remote for task in tasks])


def join_client(client: Client) -> DaskPool:
    """The cluster of a client that is not ours to close."""
    return DaskPool(client)


def connect(scheduler: str) -> DaskPool:
    """The cluster whose scheduler has this address.

    Raises
    ------
    ConnectionError
        No Dask scheduler answers there.
    """
    try:
        client = _within(2 * PATIENCE, lambda: Client(scheduler, timeout=PATIENCE, set_as_default=False))
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"scheduler={scheduler!r} did not answer as a Dask scheduler{said(error)}; give the address of one "
            "that is running, such as 'tcp://10.0.0.1:8786'."
        ) from None
    if not client.nthreads():
        # No error: a cluster may start its workers only once there is work.
        message = f"the Dask scheduler {scheduler!r} has no worker yet; tasks wait until one joins."
        warnings.warn(message, stacklevel=4)
    return DaskPool(client, client.close)


def _within(seconds: float, work: Callable[[], Client]) -> Client:
    """What ``work`` answers, or TimeoutError: a client waits forever for a port that takes calls in silence."""
    answer: Future[Client] = Future()
    Thread(target=_answer, args=(answer, work), daemon=True).start()
    return answer.result(seconds)


def _answer(future: Future[Any], work: Callable[[], Any]) -> None:
    """End a future as ``work`` ends."""
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


def start(n_workers: int) -> DaskPool:
    """The cluster of the current client, where there is one; else ``n_workers`` processes of our own."""
    try:
        return DaskPool(Client.current())
    except ValueError:
        pass
    cluster = LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        memory_limit=0,  # the work keeps to its own; a nanny that kills workers above another would not help
        dashboard_address="127.0.0.1:0",
    )
    client = Client(cluster, set_as_default=False)
    return DaskPool(client, client.close, cluster.close)
