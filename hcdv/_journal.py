"""An append-only file of records: each is there as a whole, or not at all.

A record is a head (the content's length and SHA-256, and a checksum of these two) and the content.  Who writes
notes elsewhere how long the journal then is: what stands below that must be whole, and what a crash leaves
behind it is passed over by who knows the length, and written over by the next record.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator

MAGIC = b"hcdv-journal-1\n"
EMPTY = len(MAGIC)  # bytes of a journal without records
_HEAD = struct.Struct("<Q32s")
_CHECK = struct.Struct("<I")


def begin_journal(path: str | os.PathLike[str]) -> None:
    """Make an empty journal; its folder must exist."""
    with open(path, "wb") as file:
        file.write(MAGIC)
        file.flush()
        os.fsync(file.fileno())


def append_record(path: str | os.PathLike[str], content: bytes, size: int) -> int:
    """Write a record behind the first ``size`` bytes, which are whole records; the new size.

    Raises
    ------
    OSError
        If it cannot be written; the journal then ends where it did.
    """
    head = _HEAD.pack(len(content), hashlib.sha256(content).digest())
    with open(path, "r+b") as file:
        # What a crash, or a full disk, has left behind goes first.
        file.truncate(size)
        file.seek(size)
        try:
            file.write(head + _CHECK.pack(zlib.crc32(head)))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise
        return file.tell()


def read_records(path: str | os.PathLike[str], committed: int) -> Iterator[tuple[bytes, int]]:
    """Contents of the records in their order, each with the size of the journal up to its end.

    Parameters
    ----------
    path : path-like
    committed : int
        Bytes that were noted as whole.

    Raises
    ------
    ValueError
        If it is no journal, is shorter than was noted, or damaged below that.
    """
    where = os.fspath(path)
    with open(path, "rb") as file:
        if file.read(EMPTY) != MAGIC:
            raise ValueError(f"{where} is no journal of a saved state.")
        place = EMPTY
        while True:
            content = _next(file.read, os.fstat(file.fileno()).st_size - place)
            if content is None:
                break
            place += _HEAD.size + _CHECK.size + len(content)
            yield content, place
    if place < committed:
        raise ValueError(f"{where} is damaged: the record at byte {place} is cut short or was changed.")


def _next(read: Callable[[int], bytes], left: int) -> bytes | None:
    """Content of the next record; None where none is whole."""
    if left < _HEAD.size + _CHECK.size:
        return None
    head = read(_HEAD.size)
    (check,) = _CHECK.unpack(read(_CHECK.size))
    length, digest = _HEAD.unpack(head)
    if zlib.crc32(head) != check or length > left - _HEAD.size - _CHECK.size:
        return None
    content = read(length)
    return content if hashlib.sha256(content).digest() == digest else None
