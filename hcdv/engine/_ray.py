"""Tasks on a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ray
from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError

from hcdv._errors import said
from hcdv.engine._pool import RETRIES, Pool, Task
from hcdv.engine._task import Outcome, pack, run_packed, unpack

# Seconds that a cluster's port is given to answer.
PATIENCE = 5

# What HTTP/2, and so gRPC, begins with: a greeting and a frame of settings, and the type of that frame.
HTTP2_SETTINGS = b"\x04"
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + HTTP2_SETTINGS + b"\0\0\0\0\0"

# Shared memory of a local cluster, in bytes: arguments and results are small.
OBJECT_STORE = 1 << 27


class RayPool(Pool):
    """All CPUs of the cluster that this process is connected to.

    Ray itself begins a task again whose worker was lost.
    """

    lost_errors = (WorkerCrashedError, NodeDiedError, OutOfMemoryError, ObjectLostError)

    def __init__(self, own: bool) -> None:
        self._own = own
        self._run = ray.remote(num_cpus=1, max_retries=RETRIES)(run_packed)

    @property
    def n_workers(self) -> int:
        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def close(self) -> None:
        if self._own:
            ray.shutdown()

    def _start(self, function: Callable[[Any], Any], task: Task) -> Future[bytes]:
        task.remote = self._run.options(name=task.name).remote(pack(function, task.item, "ray"))
        future: Future[bytes] = task.remote.future()
        return future

    def _read(self, answer: bytes) -> Outcome:
        return unpack(answer)

    def _drop(self, tasks: list[Task]) -> None:
        for task in tasks:
            ray.cancel(task.remote, force=True)


def connect(scheduler: str) -> RayPool:
    """The cluster with this address.

    Raises
    ------
    ConnectionError
        No Ray cluster answers there.
    ValueError
        This process is connected to another one.
    """
    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if scheduler != here:
            raise ValueError(
                f"scheduler={scheduler!r} cannot be joined, this process is connected to the Ray cluster "
                f"{here!r}; pass scheduler=None to use that."
            )
        return RayPool(own=False)
    try:
        _knock(scheduler)
        ray.init(scheduler, log_to_driver=False, logging_level=logging.WARNING)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConnectionError(
            f"scheduler={scheduler!r} did not answer as a Ray cluster{said(error)}; give the address of one "
            "that is running, such as '10.0.0.1:6379' or 'ray://10.0.0.1:10001'."
        ) from None
    return RayPool(own=True)


def start(n_workers: int) -> RayPool:
    """The cluster this process is connected to, where it is; else one of our own on this machine."""
    if ray.is_initialized():
        return RayPool(own=False)
    ray.init(
        "local",
        num_cpus=n_workers,
        object_store_memory=OBJECT_STORE,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )
    return RayPool(own=True)


def _knock(address: str) -> None:
    """Fail early where no gRPC server listens: Ray itself would try for minutes, and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return  # "auto" and the like: Ray finds out at once
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        if os.environ.get("RAY_USE_TLS") == "1":
            return
        connection.settimeout(PATIENCE)
        connection.sendall(HTTP2_HELLO)
        frame = connection.recv(9)
    if frame[3:4] != HTTP2_SETTINGS:
        raise ConnectionError("something else listens there")
