"""Tasks on a Dask cluster."""

from __future__ import annotations

import asyncio
import signal
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

from distributed import Client, KilledWorker, LocalCluster, Security
from distributed.comm import CommClosedError
from distributed.comm import connect as call_up

from hcdv._errors import said
from hcdv.engine._pool import Pool, Task, cluster_gone
from hcdv.engine._task import Outcome, pack, run_packed, unpack

# Seconds that a scheduler is given to answer.
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
        task.remote.add_done_callback(partial(_hand_over, answer))
        return answer

    def _read(self, answer: bytes) -> Outcome:
        return unpack(answer)

    def _drop(self, tasks: list[Task]) -> None:
        if tasks:
            self._client.cancel([task.remote for task in tasks])


def _hand_over(answer: Future[bytes], remote: Any) -> None:
    """Give what a future of Dask's ended with to one that every engine waits for."""
    try:
        answer.set_result(remote.result())
    except BaseException as error:
        answer.set_exception(error)


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
    # A client that failed to start can hang this process when it is collected: distributed takes a lock then
    # that the start of the next client may hold. So none is made before a scheduler has answered.
    pool = ThreadPoolExecutor(1)  # for a notebook has an event loop in this thread
    try:
        pool.submit(asyncio.run, _greet(scheduler)).result()
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"scheduler={scheduler!r} did not answer as a Dask scheduler{said(error)}; give the address of one "
            "that is running, such as 'tcp://10.0.0.1:8786'."
        ) from None
    finally:
        pool.shutdown(wait=False)
    client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    if not client.nthreads():
        # No error: a cluster may start its workers only once there is work.
        message = f"the Dask scheduler {scheduler!r} has no worker yet; tasks wait until one joins."
        warnings.warn(message, stacklevel=4)
    return DaskPool(client, client.close)


async def _greet(scheduler: str) -> None:
    """Exchange greetings with a scheduler; an OSError if nobody does, even where something takes calls."""
    secrets = Security().get_connection_args("client")
    call = await asyncio.wait_for(call_up(scheduler, timeout=PATIENCE, **secrets), PATIENCE)
    await call.close()


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
        preload=[__name__],
    )
    client = Client(cluster, set_as_default=False)
    return DaskPool(client, client.close, cluster.close)


def dask_setup(_: Any) -> None:
    """What Dask calls in every worker of a cluster of our own.

    A terminal sends Ctrl-C to all processes; the one that started the workers ends them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
