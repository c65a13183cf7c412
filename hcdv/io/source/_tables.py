"""Arrow tables on their way to frames: text as dictionaries, one type a column whatever the part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hcdv.io._problem import FileProblem, one_line

TEXT = pa.dictionary(pa.int32(), pa.string())


def is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def plain(kind: pa.DataType) -> pa.DataType:
    """The type that columns of a kind come in: text as dictionaries, with indices of 32 bits."""
    if pa.types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), pa.string() if is_text(kind.value_type) else kind.value_type)
    return TEXT if is_text(kind) else kind


def plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, plain(field.type)) for field in schema])


def from_frame(frame: pd.DataFrame, what: str) -> pa.Table:
    """A frame as a table; ``what`` is how errors call it."""
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{what} has the column {twice!r} more than once.")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(f"{what} cannot be read as a table: {one_line(error)}.") from None
    return table.replace_schema_metadata(None)


def unified(schemas: Iterable[tuple[str, pa.Schema]]) -> pa.Schema:
    """One schema for parts that agree but for what pandas writes of missing values: floats, or no type at all.

    Parameters
    ----------
    schemas : of the parts, each behind its name, in order

    Raises
    ------
    FileProblem
        If a part lacks a column, has one more, or has one of another type.
    """
    kinds: dict[str, pa.DataType] = {}
    holders: dict[str, str] = {}
    first = ""
    for part, schema in schemas:
        if not first:
            first, kinds = part, {field.name: field.type for field in schema}
            holders = dict.fromkeys(kinds, part)
            continue
        here = {field.name: field.type for field in schema}
        for name in kinds.keys() - here.keys():
            raise FileProblem(f"{part} lacks the column {name!r}, which {first} has.")
        for name in here.keys() - kinds.keys():
            raise FileProblem(f"{part} has a column {name!r}, which {first} lacks.")
        for name, kind in here.items():
            common = _common(kinds[name], kind)
            if common is None:
                before = f"{holders[name]} as {_said(kinds[name])}"
                raise FileProblem(f"{part} holds the column {name!r} as {_said(kind)}, {before}.")
            if pa.types.is_null(kinds[name]):
                holders[name] = part
            kinds[name] = common
    return pa.schema(list(kinds.items()))


def conformed(table: pa.Table, schema: pa.Schema, part: str) -> pa.Table:
    """The columns of a schema, in its order and types.  A type "null" there leaves a column as it is.

    Raises
    ------
    FileProblem
        If a column is missing or of another type; ``part`` names what holds the table.
    """
    columns = []
    for field in schema:
        if table.schema.get_field_index(field.name) < 0:
            raise FileProblem(f"{part} lacks the column {field.name!r}.")
        column = table.column(field.name)
        kind = plain(column.type)
        common = _common(field.type, kind)
        if common is None:
            before = f"those before as {_said(field.type)}"
            raise FileProblem(f"{part} holds the column {field.name!r} as {_said(kind)}, {before}.")
        columns.append(_cast(column, common))
    return pa.table(columns, names=schema.names)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of one schema below each other, with no more in their dictionaries than they hold."""
    whole = pa.concat_tables([_narrow(table) for table in tables], promote_options="permissive")
    return whole.unify_dictionaries()


def frame(table: pa.Table) -> pd.DataFrame:
    """A table as a frame, dictionaries as categories; missing numbers as NaN."""
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns[name] = _categories(column) if pa.types.is_dictionary(column.type) else column.to_pandas()
    return pd.DataFrame(columns, index=pd.RangeIndex(len(table)), copy=False)


def array(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as labels or names: a plain array, text as objects."""
    if pa.types.is_dictionary(column.type):
        return np.asarray(_categories(column), dtype=object if is_text(column.type.value_type) else None)
    found: NDArray[Any] = column.to_pandas().to_numpy()
    return found


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds columns of both, or None; numbers are of one kind, and no values are of any."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if _is_number(one) and _is_number(other):
        both = (one, other)
        return pa.float64() if any(map(pa.types.is_floating, both)) else pa.int64()
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other) and one.tz == other.tz:
        return pa.timestamp("ns", one.tz)
    return None


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _said(kind: pa.DataType) -> str:
    """A type in words: text is text, in a dictionary or not."""
    if pa.types.is_dictionary(kind):
        return "text" if is_text(kind.value_type) else f"categories of {kind.value_type}"
    return "nothing" if pa.types.is_null(kind) else str(kind)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if not pa.types.is_dictionary(kind):
        return column.cast(kind, safe=False)  # of whole numbers above 2^53 a float keeps what it can
    if not pa.types.is_dictionary(column.type):
        return column.cast(kind.value_type).dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices.cast(pa.int32()), chunk.dictionary.cast(kind.value_type))
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, kind)


def _narrow(table: pa.Table) -> pa.Table:
    """A table whose dictionaries hold what its rows hold, and no more: a slice carries those of the whole."""
    for k, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            chunks = [_narrow_chunk(chunk) for chunk in column.chunks if len(chunk)]
            table = table.set_column(k, table.field(k).name, pa.chunked_array(chunks, column.type))
    return table


def _narrow_chunk(chunk: pa.DictionaryArray) -> pa.DictionaryArray:
    if chunk.dictionary.null_count:  # Arrow allows a missing value among the levels
        chunk = chunk.cast(chunk.type.value_type).dictionary_encode()
    codes, n_levels = _codes(chunk), len(chunk.dictionary)
    is_used = np.zeros(n_levels + 1, bool)
    is_used[codes] = True
    used = np.flatnonzero(is_used[:-1])
    if len(used) == n_levels:
        return chunk
    place = np.full(n_levels + 1, -1, np.int32)  # the last entry is what code -1 picks
    place[used] = np.arange(len(used), dtype=np.int32)
    codes = place[codes]
    levels = chunk.dictionary.take(pa.array(used))
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), levels)


def _codes(chunk: pa.DictionaryArray) -> NDArray[np.int32]:
    """Positions in the dictionary, -1 where missing."""
    codes: NDArray[np.int32] = chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes


def _categories(column: pa.ChunkedArray) -> pd.Categorical:
    """A column of one dictionary, as `joined` makes them."""
    if not column.num_chunks:
        return pd.Categorical([])
    codes = np.concatenate([_codes(chunk) for chunk in column.chunks])
    levels = pd.Index(column.chunk(0).dictionary.to_pandas())
    if not levels.is_unique:  # which Arrow allows
        place, levels = levels.factorize()
        codes = np.append(place, -1)[codes]
    return pd.Categorical.from_codes(codes, levels)
