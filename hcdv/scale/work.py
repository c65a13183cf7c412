"""The folder in which a valuation lies while it goes on: everything that is finished, and whose it is.

A file is written aside and renamed, so what has its name is whole.  A task that finds its own file has nothing
to do: that is all there is to going on after a crash, to a task that runs twice, and to workers elsewhere.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._files import written_aside
from hcdv._locks import locked

VERSION = 1
FACTS = "work.json"
LOCK = "lock"
# Where a source has put rows that came once only.
ROWS = "rows"
STAGES = ("learned", "shards", "parts", "walks", "values")


@dataclass(frozen=True)
class Work:
    """Places in the work folder; small, so that tasks can carry it.

    Attributes
    ----------
    folder : str
    fingerprint : str
        Of everything that values depend on.
    """

    folder: str
    fingerprint: str

    @classmethod
    def begin(cls, folder: Path, fingerprint: str) -> Work:
        """Begin in a folder that is `claimed`, or go on in it.

        Raises
        ------
        ValueError
            If it holds the work of another valuation.
        """
        facts = folder / FACTS
        if facts.exists():
            _check_same(facts, fingerprint)
        else:
            with written_aside(facts) as aside:
                aside.write_text(json.dumps({"version": VERSION, "fingerprint": fingerprint}))
        # After the facts: whoever is killed in between can go on, too.
        for stage in STAGES:
            (folder / stage).mkdir(exist_ok=True)
        return cls(os.fspath(folder), fingerprint)

    def place(self, stage: str, name: str) -> Path:
        return Path(self.folder, stage, name)

    def numbered(self, stage: str, number: int, ending: str = "npy") -> Path:
        """A file of task ``number``."""
        return Path(self.folder, stage, f"{number:07d}.{ending}")

    def clear(self, stage: str) -> None:
        """Give the disk back that a stage took."""
        shutil.rmtree(Path(self.folder, stage), ignore_errors=True)
        Path(self.folder, stage).mkdir(exist_ok=True)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Have a work folder, which is made if it is not there; nobody else writes there meanwhile.

    Raises
    ------
    ValueError
        If it holds something else.
    OSError
        If it cannot be made, or somebody is at work in it.
    """
    if folder.exists() and not _is_ours(folder):
        raise ValueError(f"{folder} holds something else; name an empty folder, or none that is there.")
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"another process is at work in {folder}; wait until it is done, or name another folder."
    with locked(folder / LOCK, busy):
        yield


def _is_ours(folder: Path) -> bool:
    """Whether a folder is empty, or holds the facts, or what stands in it before they do: the lock first."""
    if not folder.is_dir():
        return False
    names = {item.name for item in folder.iterdir()}
    if not names or FACTS in names:
        return True
    others = names - {LOCK, ROWS}
    return LOCK in names and all(name.startswith(f".{FACTS}.") for name in others)


def _check_same(facts: Path, fingerprint: str) -> None:
    """Refuse facts of another valuation."""
    folder = facts.parent
    try:
        held = json.loads(facts.read_text())
        same = held["version"] == VERSION and held["fingerprint"] == fingerprint
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{facts} is damaged; delete {folder} or name another folder.") from None
    if not same:
        raise ValueError(
            f"{folder} holds the work of another valuation (other files, rows, labels, parameters or seed); "
            "delete it or name another folder."
        )


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an .npy file aside and rename it."""
    with _naming(path), written_aside(path) as aside, open(aside, "wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def create_array(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Make an .npy file that is written through maps later on, and take the disk for all of it now.

    A disk that is full while a map is written ends the process, and no error tells why.
    """
    with _naming(path):
        np.lib.format.open_memmap(path, "w+", dtype=np.dtype(dtype), shape=shape)
        if hasattr(os, "posix_fallocate"):
            with open(path, "rb+") as file:
                os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))


def fill_array(path: Path, at: slice, values: NDArray[Any]) -> None:
    """Write into an array made by `create_array`, at a slice of its last axis."""
    # Opened anew every time: pages written would else count as memory of this process.
    target = np.load(path, mmap_mode="r+")
    target[..., at] = values
    target.flush()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put a file's name to what the system says of it; of a full disk numpy tells no more than two numbers."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        number = error.errno or errno.ENOSPC
        raise OSError(number, os.strerror(number), os.fspath(path)) from None
