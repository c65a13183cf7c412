"""Scores of coalitions met before: bounded in memory, on disk if asked, never a wrong hit.

A score is filed under the trainer's fingerprint (data, model, parameters, metric, seed) and a 256-bit digest
of the set of rows, so neither the order of a coalition nor the tree it came from matters.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path

from hcdv._errors import UtilityError
from hcdv._files import check_place
from hcdv._validation import check_int

CoalitionKey = bytes

# Questions of one SQL statement, below every build's limit on host parameters.
_AT_ONCE = 500
_FORMAT = 1
# As SQLite keeps it in the file.
_TABLE = (
    "CREATE TABLE scores (game TEXT NOT NULL, coalition BLOB NOT NULL, score REAL NOT NULL, "
    "PRIMARY KEY (game, coalition)) WITHOUT ROWID"
)
# Seconds to wait for another process.
_PATIENCE = 60.0
# "hcdv" in ASCII: marks a SQLite file as a cache of ours.
_APPLICATION_ID = 0x68636476


class CoalitionCache:
    """Keeps scores; one for any number of games.  Safe for threads, and on disk for processes.

    Parameters
    ----------
    path : path-like, optional
        An SQLite file that keeps them from run to run; made if it does not exist.
    max_entries : int
        Scores held in memory at most, the least recently asked go first (some 200 bytes each).

    Raises
    ------
    ValueError
        If the file is damaged or something else.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, max_entries: int = 1_000_000
    ) -> None:
        self.max_entries = check_int(max_entries, "max_entries", 0)
        self.path = None if path is None else check_place(path)
        self._memory: OrderedDict[tuple[str, CoalitionKey], float] = OrderedDict()
        self._lock = threading.Lock()
        self._connections = threading.local()
        self._n_anonymous = 0
        if self.path is not None:
            self._disk()

    def __len__(self) -> int:
        """Scores in memory."""
        return len(self._memory)

    def view(self, fingerprint: str | None, name: str) -> CacheView:
        """The scores of one function of coalitions.

        ``fingerprint`` None makes a corner of its own, in memory, that no other game can see.

        Raises
        ------
        ValueError
            If it is None and the cache is on disk: nobody could tell such scores apart later.
        """
        if fingerprint is not None:
            return CacheView(self, fingerprint, on_disk=self.path is not None)
        if self.path is not None:
            raise ValueError(
                f"utility {name!r} cannot be cached on disk, since what it computes cannot be told from "
                "outside; wrap a callable as Function(f, version='1') and change the version with f."
            )
        with self._lock:
            self._n_anonymous += 1
            return CacheView(self, f"anonymous {self._n_anonymous}", on_disk=False)

    def get(
        self, fingerprint: str, keys: Sequence[CoalitionKey], *, on_disk: bool
    ) -> list[float | None]:
        """Scores where they are known, None elsewhere.

        Raises
        ------
        UtilityError
            If the file cannot be read, or holds something that is no score.
        """
        found: list[float | None] = []
        with self._lock:
            for key in keys:
                value = self._memory.get((fingerprint, key))
                if value is not None:
                    self._memory.move_to_end((fingerprint, key))
                found.append(value)
        missing = [k for k, value in enumerate(found) if value is None]
        if on_disk and missing:
            stored = self._read(fingerprint, [keys[k] for k in missing])
            self._remember(fingerprint, stored)
            for k in missing:
                found[k] = stored.get(keys[k])
        return found

    def put(self, fingerprint: str, values: Mapping[CoalitionKey, float], *, on_disk: bool) -> None:
        """File scores.

        Raises
        ------
        UtilityError
            If the file cannot be written.
        """
        self._remember(fingerprint, values)
        if on_disk:
            rows = [(fingerprint, key, value) for key, value in values.items()]
            with self._one_sentence(), self._disk() as connection:
                connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?)", rows)

    def _remember(self, fingerprint: str, values: Mapping[CoalitionKey, float]) -> None:
        with self._lock:
            for key, value in values.items():
                self._memory[fingerprint, key] = value
                self._memory.move_to_end((fingerprint, key))
            while len(self._memory) > self.max_entries:
                self._memory.popitem(last=False)

    def _read(self, fingerprint: str, keys: Sequence[CoalitionKey]) -> dict[CoalitionKey, float]:
        found: dict[CoalitionKey, float] = {}
        with self._one_sentence():
            connection = self._disk()
            for begin in range(0, len(keys), _AT_ONCE):
                some = keys[begin : begin + _AT_ONCE]
                marks = ",".join("?" * len(some))
                found |= dict(
                    connection.execute(
                        f"SELECT coalition, score FROM scores WHERE game = ? AND coalition IN ({marks})",
                        (fingerprint, *some),
                    )
                )
        # SQLite keeps whatever it is given, in a column of any type.
        wrong = [score for score in found.values() if not isinstance(score, float) or not isfinite(score)]
        if wrong:
            raise UtilityError(
                f"the cache {self.path} is damaged: it holds {wrong[0]!r} as a score; delete it."
            )
        return found

    @contextmanager
    def _one_sentence(self) -> Iterator[None]:
        """What goes wrong with the file in the midst of a walk is an error that keeps the chains before."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise UtilityError(f"the cache {self.path} cannot be used: {str(error).rstrip('.')}.") from error

    def _disk(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._connections, "open", None)
        if connection is None:
            assert self.path is not None
            connection = _open(self.path)
            self._connections.open = connection
        return connection


class CacheView:
    """The part of a cache that belongs to one function of coalitions."""

    def __init__(self, cache: CoalitionCache, fingerprint: str, *, on_disk: bool) -> None:
        self._cache = cache
        self._fingerprint = fingerprint
        self._on_disk = on_disk

    def get(self, keys: Sequence[CoalitionKey]) -> list[float | None]:
        return self._cache.get(self._fingerprint, keys, on_disk=self._on_disk)

    def put(self, values: Mapping[CoalitionKey, float]) -> None:
        self._cache.put(self._fingerprint, values, on_disk=self._on_disk)


def _open(path: Path) -> sqlite3.Connection:
    """A connection to a cache file, made if there is none.

    The write-ahead log keeps readers and one writer apart, and a killed process loses its last scores at
    most.
    """
    try:
        connection = sqlite3.connect(path, timeout=_PATIENCE)
        if not _is_ours(connection, path, make=False):
            _is_ours(connection, path, make=True)
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.OperationalError as error:
        raise OSError(f"the cache {path} cannot be opened: {error}") from None
    except sqlite3.DatabaseError:
        raise ValueError(f"{path} is not a cache of HCDV, or it is damaged; delete it.") from None
    return connection


def _is_ours(connection: sqlite3.Connection, path: Path, *, make: bool) -> bool:
    """Whether the file is a cache already; with ``make`` it is one afterwards.

    One transaction: another process that opens the new file sees its table and its mark, or neither.
    """
    connection.execute("BEGIN IMMEDIATE" if make else "BEGIN")
    with connection:
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master")]
        if found not in (0, _APPLICATION_ID) or (found == 0 and tables):
            raise ValueError(f"{path} is an SQLite file, but no cache of HCDV.")
        if version > _FORMAT:
            raise ValueError(f"{path} is a cache of a newer HCDV; upgrade hcdv, or delete it.")
        if tables not in ([], [_TABLE]):
            # A view in the table's place could be one that never ends.
            raise sqlite3.DatabaseError("other tables, views or triggers")
        if make and not tables:
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={_FORMAT}")
    return bool(tables)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Change to the write-ahead log: the one thing that SQLite does not wait for."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
