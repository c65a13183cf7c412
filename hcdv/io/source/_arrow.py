"""Tables and data sets of Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from hcdv.io.source._files import file_rows
from hcdv.io.source._places import ARROW, PARQUET, Place
from hcdv.io.source._rows import Parts, Window
from hcdv.io.source._tables import conformed, plain_schema


class TablePart:
    """A table in memory as a `Part` of one piece."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self.table = table
        self.name = name
        self.sizes = [len(table)]
        self.schema = plain_schema(table.schema)

    def load(self, piece: int, names: Sequence[str]) -> pa.Table:
        return conformed(self.table, pa.schema([self.schema.field(name) for name in names]), self.name)

    def where(self, piece: int, row: int) -> tuple[str, int]:
        return self.name, row

    def facts(self) -> list[Any]:
        return [str(self.schema)]


class TableRows(Parts):
    """`Rows` of a table in memory."""

    def __init__(self, table: pa.Table, name: str) -> None:
        super().__init__([TablePart(table, name)], tuple(table.column_names))
        self._table = table
        self._name = name

    def window(self, begin: int, end: int) -> Window:
        # Taken and not sliced: a slice, pickled, can be the whole table.
        cut = self._table.take(np.arange(begin, end))
        return Window(TableRows(cut, self._name), begin, self.n_rows)


def table_rows(table: pa.Table) -> TableRows:
    return TableRows(table, "X")


def dataset_rows(dataset: pa.dataset.Dataset) -> Parts:
    """The files of a data set of Parquet or Arrow, and of its columns those that its schema has."""
    if not isinstance(dataset, pa.dataset.FileSystemDataset):
        raise TypeError(f"X must be a data set of files, got a {type(dataset).__name__}.")
    places = []
    for fragment in dataset.get_fragments():
        if not fragment.path.lower().endswith(PARQUET + ARROW):
            raise ValueError(f"X must be a data set of Parquet or Arrow files, got {fragment.path}.")
        info = fragment.filesystem.get_file_info(fragment.path)
        keys = pa.dataset.get_partition_keys(fragment.partition_expression)
        values = {name: None if value is None else str(value) for name, value in keys.items()}
        time = None if info.mtime is None else info.mtime.timestamp()
        places.append(Place(fragment.filesystem, fragment.path, fragment.path, info.size, time, values))
    if not places:
        raise ValueError("X is a data set without files.")
    return file_rows(places, dataset.schema.names)
