"""Nothing half-written: a file is written aside, in the same folder, and then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hcdv._validation import check_path


def check_place(path: str | os.PathLike[str]) -> Path:
    """The real path behind ``path``, if a file could be written there now: ask before long work.

    Raises
    ------
    OSError
        If the folder is missing or read-only, or something other than a file stands there (a folder, a
        device, a pipe): renaming over it would replace it.
    """
    name = check_path(path)
    target = Path(os.path.realpath(name))
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "a device or a pipe"
        raise OSError(errno.EINVAL, f"is {kind}, not a file", name)
    if not target.parent.is_dir():
        raise OSError(errno.ENOENT, f"the folder {target.parent} does not exist", name)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, f"no permission to write in {target.parent}", name)
    return target


@contextmanager
def written_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path that takes the name ``path`` when the block ends without an error.

    A reader of ``path`` sees the old file or the new one, never a part of either; after an error
    the old file stands as it was. A symbolic link is followed, so that the link itself survives.

    Parameters
    ----------
    path : path-like
        Where the file shall stand. Its folder must exist.

    Yields
    ------
    pathlib.Path
        Path to write to, in the same folder (so that the rename stays on one file system).

    Raises
    ------
    OSError
        As :func:`check_place`, or if writing fails.
    """
    target = check_place(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        # Created here, exclusively and with the user's own file mode (mkstemp would force 0600).
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, target)
    except OSError as error:
        # The user has never heard of the file aside; and of a full disk writing tells no name at all.
        named = None if error.filename is None else os.fspath(error.filename)
        if named == str(aside) or (named is None and error.errno is not None):
            error.filename = os.fspath(path)
        raise
    finally:
        aside.unlink(missing_ok=True)
