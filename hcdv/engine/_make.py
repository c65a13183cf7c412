"""The engine that was asked for by name."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hcdv._validation import check_choice, short
from hcdv.engine._local import ThreadPool
from hcdv.engine._pool import Engine
from hcdv.engine.threads import check_n_jobs

if TYPE_CHECKING:
    from distributed import Client

CLUSTERS = ("dask", "ray")
ENGINES = ("threads", "joblib", *CLUSTERS)


def make_engine(engine: str | Client, n_jobs: int | None = None, scheduler: str | None = None) -> Engine:
    """The engine to run tasks on; close it when they are done.

    Parameters
    ----------
    engine : {"threads", "joblib", "dask", "ray"} or distributed.Client
        Threads of this process, processes of this machine (joblib's loky), a Dask cluster (also that of a
        client), or a Ray cluster.
    n_jobs : int or None
        Workers, where they are this machine's; None for its available cores. A cluster that runs already is
        used whole.
    scheduler : str or None
        Address of a running Dask scheduler or Ray cluster. None for the one that this process is connected to
        (the current Dask client, `ray.init`), or else a cluster of ``n_jobs`` worker processes on this machine,
        which stops when the engine is closed (a script that starts Dask so runs under
        ``if __name__ == "__main__":``, for its workers import it).

    Raises
    ------
    ImportError
        Dask or Ray is asked for but not installed.
    ConnectionError
        Nobody answers at the address.
    """
    check_engine(engine, scheduler)
    if _is_dask_client(engine):
        return _cluster("dask").join_client(engine)
    n_workers = check_n_jobs(n_jobs)
    if engine in CLUSTERS:
        cluster = _cluster(engine)
        return cluster.start(n_workers) if scheduler is None else cluster.connect(scheduler)
    if engine == "joblib":
        from hcdv.engine._joblib import ProcessPool

        return ProcessPool(n_workers)
    return ThreadPool(n_workers)


def check_engine(engine: Any, scheduler: str | None) -> None:
    """Refuse what is no engine, and an address for one that has none."""
    is_client = _is_dask_client(engine)
    if not is_client:
        check_choice(engine, "engine", ENGINES)
    if scheduler is not None and (is_client or engine not in CLUSTERS):
        what = "a Dask client" if is_client else repr(engine)
        raise ValueError(f"scheduler must be None where engine is {what}, got {short(scheduler)}.")


def _is_dask_client(engine: Any) -> bool:
    distributed = sys.modules.get("distributed")  # a client exists only where this is imported
    return distributed is not None and isinstance(engine, distributed.Client)


def _cluster(kind: str) -> ModuleType:
    """The module for a cluster of a kind: it is imported, and Dask or Ray with it, only for those who ask."""
    try:
        return import_module(f"hcdv.engine._{kind}")
    except ImportError as error:
        raise ImportError(f"engine={kind!r} needs {kind} ({error}): pip install 'hcdv[{kind}]'.") from None
