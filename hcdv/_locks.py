"""One writer at a time: a lock on a file that goes with the process that holds it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform == "win32":
    import msvcrt

    def take(descriptor: int) -> None:
        """Take the lock on an open file, or raise what the system says of one who was first."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def give_back(descriptor: int) -> None:
        """Closing the file is all that it needs."""

else:
    import fcntl

    # Some network drives have no locks; there calls at the same time are the user's to keep apart.
    _NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

    def take(descriptor: int) -> None:
        """Take the lock on an open file, or raise what the system says of one who was first."""
        _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def give_back(descriptor: int) -> None:
        """A process forked meanwhile has the file open too, so that closing it here would not do."""
        _flock(descriptor, fcntl.LOCK_UN)

    def _flock(descriptor: int, how: int) -> None:
        try:
            fcntl.flock(descriptor, how)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise


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
            take(descriptor)
        except OSError:
            raise BlockingIOError(busy) from None
        yield
    finally:
        os.close(descriptor)
