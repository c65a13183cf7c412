"""One writer at a time: a lock on a file that goes with the process that holds it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(path: str | os.PathLike[str], busy: str) -> Iterator[None]:
    """Hold the lock ``path`` for the block.

    Parameters
    ----------
    path : path-like
        Made if it is not there; it stays, empty.  The system gives the lock back if the process dies.
    busy : str
        What is raised (BlockingIOError) where somebody else holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            # Some network drives have no locks; there calls at the same time are the user's to keep apart.
            if error.errno not in NO_LOCKS:
                raise BlockingIOError(busy) from None
        yield
    finally:
        os.close(descriptor)
