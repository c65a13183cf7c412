"""The file while it grows: held by one call, whole or not there, gone on with after a crash."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hcdv._files import written_aside
from hcdv._locks import give_back, take

# Windows neither renames nor deletes a file that is open.
_MOVES_OPEN_FILES = sys.platform != "win32"

# Seconds of work that a crash costs at most, roughly.
FLUSH_EVERY = 5.0


class PartialFile:
    """The file while it grows, held by one call, and beside it how far it is."""

    def __init__(self, target: Path, told: str | None) -> None:
        self.target = target
        self.told = told
        self.rows_path = target.with_name(f".{target.name}.encoding")
        self.facts_path = target.with_name(f".{target.name}.encoding.json")
        self._file: Any = None
        self._width: int | None = None
        self._flushed = time.monotonic()

    def begin(self) -> int:
        """Rows that are there already."""
        self._file = _held(self.rows_path, self.target)
        facts = self._facts()
        self._file.truncate(0 if facts is None else facts["bytes"])
        self._file.seek(0, os.SEEK_END)
        if facts is None:
            return 0
        self._width = facts["width"]
        return int(facts["rows"])

    def write(self, rows: NDArray[Any], n: int, done: int) -> None:
        if self._width is None:
            self._width = rows.shape[1]
            header = {"descr": rows.dtype.str, "fortran_order": False, "shape": (n, self._width)}
            np.lib.format.write_array_header_1_0(self._file, header)
        if rows.shape[1] != self._width:
            raise ValueError(
                f"the encoder must give {self._width} dimensions for every block, got {rows.shape[1]} at row "
                f"{done:,}."
            )
        self._file.write(rows.data)
        if time.monotonic() - self._flushed > FLUSH_EVERY and self.told is not None:
            self._sync()
            so_far = {"rows": done + len(rows), "bytes": self._file.tell(), "width": self._width}
            with written_aside(self.facts_path) as aside:
                aside.write_text(json.dumps({"told": self.told, **so_far}))
            self._flushed = time.monotonic()

    def finish(self) -> None:
        self._sync()
        if not _MOVES_OPEN_FILES:
            self._let_go()
        os.replace(self.rows_path, self.target)
        self.facts_path.unlink(missing_ok=True)
        self._let_go()

    def close(self) -> None:
        """Rows of a call that has failed stay, if another can go on from them."""
        if self._file is None:  # finished, or never begun: what stands there now is another call's
            return
        try:
            if not _MOVES_OPEN_FILES:
                self._let_go()
            if not self.facts_path.exists():
                self.rows_path.unlink(missing_ok=True)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            # First: what is written after the lock has gone would go into the next call's rows.
            file.flush()
            give_back(file.fileno())
        finally:
            file.close()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _facts(self) -> dict[str, Any] | None:
        """How far a killed call came, if it was the same and its file holds what it says; else they go."""
        try:
            facts = json.loads(self.facts_path.read_text())
            numbers = [facts[key] for key in ("rows", "bytes", "width")]
            is_same = self.told is not None and facts["told"] == self.told
            is_sound = is_same and all(type(k) is int and k > 0 for k in numbers)
            if is_sound and self.rows_path.stat().st_size >= facts["bytes"]:
                return dict(facts)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        self.facts_path.unlink(missing_ok=True)
        return None


def _held(path: Path, target: Path) -> BinaryIO:
    """The file at ``path``, made if need be, as it is and for this call alone until it is closed.

    The lock is the system's: it goes with the process, however that ends.
    """
    while True:
        file: BinaryIO = open(path, "r+b", opener=_made)  # noqa: SIM115
        is_mine = False
        try:
            take(file.fileno())
            is_mine = _is_at(file, path)
        except (BlockingIOError, PermissionError):
            busy = "another call of encode_to_disk is writing this file; wait for it or take another path"
            raise OSError(errno.EBUSY, busy, str(target)) from None
        finally:
            if not is_mine:
                file.close()
        if is_mine:
            return file
        # Its last holder renamed it between the two steps.


def _made(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
