"""Files of Parquet and Arrow as parts of one table, read a row group or a batch at a time."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet

from hcdv.io._problem import FileProblem, one_line
from hcdv.io.source._places import PARQUET, Place
from hcdv.io.source._rows import Kept, Moving, Parts
from hcdv.io.source._tables import TEXT, conformed, is_text, plain_schema, unified

# A row group of more bytes is read in pieces of so many rows: one may be all of a file.
_LARGE_GROUP = 1 << 28
_PIECE_ROWS = 1 << 16
_BUFFER = 1 << 16  # bytes of each of its columns; without, all of them would be read at once
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def file_rows(places: Sequence[Place], columns: Sequence[str] | None = None) -> Parts:
    """The rows of files behind each other.

    Parameters
    ----------
    places : of files of Parquet, or of Arrow
    columns : names, optional
        Those that are wanted; all by default.

    Raises
    ------
    FileProblem
        If a file cannot be read, or holds other columns than the first, or of other types.
    """
    parts = [(ParquetPart if p.path.lower().endswith(PARQUET) else ArrowPart)(p) for p in places]
    schema = unified((part.name, part.schema) for part in parts)
    partition = _partition(places)
    schema = pa.schema([*(field for field in schema if field.name not in partition), *partition.values()])
    if columns is not None:
        schema = pa.schema([field for field in schema if field.name in columns])
    for part, place in zip(parts, places, strict=True):
        part.schema = schema
        part.values = {name: _scalar(place.values[name], field.type) for name, field in partition.items()}
    return Parts(parts, tuple(schema.names))


class FilePart:
    """A file as a `Part`, cast to ``schema``: that of its own columns at first, then that of all files."""

    kind = ""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.name = place.name
        self.schema: pa.Schema = None
        self.values: dict[str, pa.Scalar] = {}  # of columns that its folders name
        self.sizes: list[int] = []
        with self._one_sentence():
            self._open()

    def load(self, piece: int, names: Sequence[str]) -> pa.Table:
        own = [name for name in names if name not in self.values]
        with self._one_sentence():
            table = self._read(piece, own)
            table.validate(full=True)  # text that is not UTF-8, for one, which neither reader looks for
        if len(table) != self.sizes[piece]:
            raise FileProblem(f"{self.name} has changed since it was opened.")
        for name in names:
            if name in self.values:
                table = table.append_column(name, pa.repeat(self.values[name], self.sizes[piece]))
        return conformed(table, pa.schema([self.schema.field(name) for name in names]), self.name)

    def where(self, piece: int, row: int) -> tuple[str, int]:
        return self.name, sum(self.sizes[:piece]) + row

    def facts(self) -> list[Any]:
        return [self.name, self.place.size, self.place.time]

    def _open(self) -> None:
        """Learn the columns, and the rows of every piece."""
        raise NotImplementedError

    def _read(self, piece: int, names: list[str]) -> pa.Table:
        raise NotImplementedError

    @contextmanager
    def _one_sentence(self) -> Iterator[None]:
        try:
            yield
        except FileProblem:
            raise
        except FileNotFoundError:
            raise FileProblem(f"{self.name} does not exist.") from None
        except PermissionError:
            raise FileProblem(f"{self.name} may not be read: permission denied.") from None
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
            raise FileProblem(f"{self.name} is damaged or no {self.kind} file: {one_line(error)}.") from None


class ParquetPart(FilePart):
    """A piece is a row group, or some rows of a large one."""

    kind = "Parquet"

    def _open(self) -> None:
        self._pieces: list[tuple[int, int | None]] = []  # row group, piece of it if it is a large one
        self._text: list[str] = []
        with self._file() as file:
            schema, metadata = file.schema_arrow, file.metadata
        self.schema = plain_schema(_without_index(schema))
        # Text is read as what it mostly is in the file already: codes and a dictionary.
        self._text = [field.name for field in schema if is_text(field.type)]
        for group in range(metadata.num_row_groups):
            facts = metadata.row_group(group)
            step = _PIECE_ROWS if facts.total_byte_size > _LARGE_GROUP else max(facts.num_rows, 1)
            sizes = [min(step, facts.num_rows - first) for first in range(0, facts.num_rows, step)]
            self.sizes += sizes
            self._pieces += [(group, k if len(sizes) > 1 else None) for k in range(len(sizes))]
        self._streams = Kept(self._stream, 2)

    def _read(self, piece: int, names: list[str]) -> pa.Table:
        group, k = self._pieces[piece]
        if k is None:
            with self._file() as file:
                return file.read_row_group(group, columns=names, use_threads=False)
        return self._streams.get((group, tuple(names))).get(k)

    def _file(self, buffer_size: int = 0) -> pa.parquet.ParquetFile:
        filesystem = self.place.filesystem
        is_local = isinstance(filesystem, pa.fs.LocalFileSystem)
        return pa.parquet.ParquetFile(
            self.place.path, filesystem=filesystem, read_dictionary=self._text, buffer_size=buffer_size,
            pre_buffer=not is_local and not buffer_size,
        )  # fmt: skip

    def _stream(self, key: tuple[int, tuple[str, ...]]) -> Moving:
        return Moving(functools.partial(self._tables, *key))

    def _tables(self, group: int, names: tuple[str, ...]) -> Iterator[pa.Table]:
        """A row group, ``_PIECE_ROWS`` rows at a time."""
        with self._file(_BUFFER) as file:
            held: list[pa.Table] = []
            missing = _PIECE_ROWS
            batches = file.iter_batches(
                _PIECE_ROWS, row_groups=[group], columns=list(names), use_threads=False
            )
            for batch in batches:
                table = pa.Table.from_batches([batch])
                while len(table) >= missing:
                    yield pa.concat_tables([*held, table.slice(0, missing)])
                    table, held, missing = table.slice(missing), [], _PIECE_ROWS
                held.append(table)
                missing -= len(table)
            if missing < _PIECE_ROWS:
                yield pa.concat_tables(held)


class ArrowPart(FilePart):
    """A piece is a record batch; a file in the form of a stream is read from its beginning."""

    kind = "Arrow"

    def _open(self) -> None:
        self._is_stream = False
        with self.place.filesystem.open_input_file(self.place.path) as file:
            try:
                reader = pa.ipc.open_file(file)
            except pa.ArrowInvalid:
                self._is_stream = True
                file.seek(0)
                reader = pa.ipc.open_stream(file)
            self.schema = plain_schema(_without_index(reader.schema))
            self.sizes = [batch.num_rows for batch in _batches(reader)]
        self._stream = Moving(self._tables)

    def _read(self, piece: int, names: list[str]) -> pa.Table:
        if self._is_stream:
            return self._stream.get(piece).select(names)
        with self.place.filesystem.open_input_file(self.place.path) as file:
            batch = pa.ipc.open_file(file).get_batch(piece)
            return pa.Table.from_batches([batch]).select(names)

    def _tables(self) -> Iterator[pa.Table]:
        with self.place.filesystem.open_input_file(self.place.path) as file:
            for batch in _batches(pa.ipc.open_stream(file)):
                yield pa.Table.from_batches([batch])


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        return (reader.get_batch(k) for k in range(reader.num_record_batches))
    return iter(reader)


def _without_index(schema: pa.Schema) -> pa.Schema:
    """Columns but those in which pandas keeps the index of a frame."""
    repeated = [name for name in schema.names if schema.names.count(name) > 1]
    if repeated:
        raise pa.ArrowInvalid(f"the column {repeated[0]!r} comes more than once")
    try:  # in JSON of the maker's own
        noted = (schema.pandas_metadata or {}).get("index_columns", [])
        kept = [name for name in noted if isinstance(name, str)]
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise pa.ArrowInvalid(f"its notes for pandas cannot be read ({type(error).__name__})") from None
    return pa.schema([field for field in schema if field.name not in kept])


def _partition(places: Sequence[Place]) -> dict[str, pa.Field]:
    """Columns that the folders of the files name: whole numbers, if all their values are."""
    first = places[0]
    for place in places:
        if place.values.keys() != first.values.keys():
            raise FileProblem(f"{place.name} and {first.name} lie in folders of a partition by other columns.")
    fields = {}
    for name in first.values:
        found = {place.values[name] for place in places} - {None}
        is_whole = all(_WHOLE.fullmatch(str(value)) for value in found)
        fields[name] = pa.field(name, pa.int64() if is_whole else TEXT)
    return fields


def _scalar(value: str | None, kind: pa.DataType) -> pa.Scalar:
    if kind == TEXT:
        return pa.scalar(value, pa.string())
    return pa.scalar(None if value is None else int(value), kind)
