"""Values of more rows than fit into memory, written block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from hcdv._files import written_aside
from hcdv.io._problem import FileProblem, one_line
from hcdv.io._write import check_destination

# Rows a row group, at least: of small ones a file is slow to read.
_GROUP_ROWS = 1 << 18


class ValuesWriter:
    """Writes values to a Parquet file block by block, whole or not at all; memory does not grow with the rows.

    ::

        with ValuesWriter("values.parquet") as writer:
            for frame in blocks:
                writer.write(frame)

    An existing file is replaced when the block ends, and stays as it is if that ends with an error.

    Parameters
    ----------
    path : path-like
        Ends with ``.parquet``.

    Raises
    ------
    FileProblem
        If the suffix is another, or the place cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path: Path = check_destination(path)
        if self._path.suffix.lower() != ".parquet":
            raise FileProblem(f"{path} cannot be written block by block; name a .parquet file.")
        self._held: list[pa.Table] = []
        self._schema: pa.Schema | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        with self._one_sentence(), ExitStack() as stack:
            self._aside = stack.enter_context(written_aside(self._path))
            self._stack = stack.pop_all()
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Rows behind those written so far.

        Parameters
        ----------
        frame : pandas.DataFrame
            The same columns each time; its index is not written.  Floats read back bit for bit.

        Raises
        ------
        FileProblem
            If columns are others than before or cannot be held by Parquet, or the disk is full.
        """
        with self._one_sentence():
            table = pa.Table.from_pandas(frame, self._schema, preserve_index=False)
            table = table.replace_schema_metadata(None)
            if self._schema is None:
                self._schema = table.schema
            elif len(frame.columns) != len(self._schema):
                raise FileProblem(f"{self._path} cannot take other columns than those of its first rows.")
            self._held.append(table)
            if sum(map(len, self._held)) >= _GROUP_ROWS:
                self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            if self._writer is not None:
                self._writer.close()
            self._stack.__exit__(kind, error, trace)
            return
        with self._one_sentence(), self._stack:
            if self._schema is None:
                raise FileProblem(f"{self._path} was given no rows.")
            self._flush()
            self._writer.close()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pa.parquet.ParquetWriter(self._aside, self._schema)
        if self._held:
            table = pa.concat_tables(self._held)
            self._held = []
            self._writer.write_table(table, row_group_size=max(len(table), 1))

    @contextmanager
    def _one_sentence(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileProblem(f"{self._path} cannot be written: {error.strerror or one_line(error)}.") from None
        except (pa.ArrowException, KeyError) as error:
            raise FileProblem(f"{self._path} cannot hold these columns: {one_line(error)}.") from None
