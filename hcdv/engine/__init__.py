"""Threads over tasks, engines whose workers may stand elsewhere, and linear algebra on one thread."""

from hcdv.engine._make import check_engine, make_engine
from hcdv.engine._pool import Engine
from hcdv.engine.blas import single_threaded_blas
from hcdv.engine.threads import Threads, available_cores, check_n_jobs

__all__ = [
    "Engine",
    "Threads",
    "available_cores",
    "check_engine",
    "check_n_jobs",
    "make_engine",
    "single_threaded_blas",
]
