"""One thread for BLAS and OpenMP: results that do not depend on the machine's cores.

The library is parallel over nodes, chains and blocks; a BLAS or an OpenMP loop (scikit-learn's
k-means) that splits its sums over threads below that would change their last bits with the number
of cores, and oversubscribe them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_depth = 0  # contexts open in the whole process
_blas_before: list[tuple[Any, int]] = []  # libraries and their threads before the first of them
_last_look: tuple[int, ThreadpoolController] | None = None  # modules imported by then, and what was found


def loaded_libraries() -> ThreadpoolController:
    """BLAS and OpenMP libraries of this process.

    Looking for them takes some milliseconds, and a fit asks a dozen times: they are looked for again only once
    a module was imported since, for that is how libraries come.
    """
    global _last_look
    n_modules, last = len(sys.modules), _last_look
    if last is None or last[0] != n_modules:
        last = _last_look = n_modules, ThreadpoolController()
    return last[1]


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Within it BLAS (in the whole process) and OpenMP (in the calling thread) use one thread.

    May be nested and entered by several Python threads at once: the BLAS setting is process-wide,
    so it is counted and restored by the last one out; the OpenMP setting belongs to a thread, so
    each thread makes and undoes its own.
    """
    global _depth
    controller = loaded_libraries()
    with _lock:
        if _depth == 0:
            _blas_before[:] = _threads_of(controller, "blas")
            _set_blas([(library, 1) for library, _ in _blas_before])
        _depth += 1
    _settle_torch()
    openmp_before = _threads_of(controller, "openmp")
    limit_openmp_of_this_thread(controller)
    try:
        yield
    finally:
        for library, n_threads in openmp_before:
            library.set_num_threads(n_threads)
        with _lock:
            _depth -= 1
            if _depth == 0:
                _set_blas(_blas_before)


def limit_openmp_of_this_thread(controller: ThreadpoolController) -> None:
    """One OpenMP thread for the calling thread, until told otherwise."""
    _settle_torch()
    for library, _ in _threads_of(controller, "openmp"):
        library.set_num_threads(1)


def _settle_torch() -> None:
    """Let torch set the calling thread's OpenMP threads now.

    It does so at its first loop in a thread, if `torch.set_num_threads` was ever called, and would undo
    what was set here before.
    """
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        torch.get_num_threads()


def _threads_of(controller: ThreadpoolController, api: str) -> list[tuple[Any, int]]:
    libraries = controller.select(user_api=api).lib_controllers
    return [(library, library.num_threads) for library in libraries]


def _set_blas(n_threads: list[tuple[Any, int]]) -> None:
    for library, count in n_threads:
        # Newer threadpoolctl hears only the thread that first limited OpenBLAS. Who may set it is
        # settled by the count above, so that claim is laid aside, and none is left behind.
        release = getattr(library, "clear_controlling_thread", None)
        if release is not None:
            release(force=True)
        library.set_num_threads(count)
        if release is not None:
            release(force=True)
