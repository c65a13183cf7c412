"""The table encoder as facts and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder._columns import Column, LevelColumn, NumberColumn, ShareColumn
from hcdv.encoder.state._checks import (
    Arrays,
    Facts,
    checked_array,
    column_index,
    finite,
    flag,
    inside,
    plain_label,
    texts,
    under,
    whole,
)
from hcdv.encoder.table import TableEncoder

_COLUMNS: dict[str, type[Column]] = {
    "number": NumberColumn, "levels": LevelColumn, "shares": ShareColumn
}  # fmt: skip


def table_state(table: TableEncoder) -> tuple[Facts, Arrays]:
    columns: list[Facts] = []
    arrays: Arrays = {}
    for place, (label, column) in enumerate(table._columns.items()):
        kind = next(name for name, cls in _COLUMNS.items() if isinstance(column, cls))
        values = {field.name: getattr(column, field.name) for field in fields(column)}
        held = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        arrays |= under(str(place), held)
        plain = {name: value for name, value in values.items() if name not in held}
        columns.append({"kind": kind, "label": plain_label(label), "values": plain})
    facts = {
        "max_categories": table.max_categories, "seed": table._seed, "notes": list(table.notes_),
        "names": [plain_label(name) for name in table._names], "columns": columns,
    }  # fmt: skip
    return facts, arrays


def table_from(facts: Facts, arrays: Mapping[str, NDArray[Any]]) -> TableEncoder:
    table = TableEncoder(facts["max_categories"])
    table._seed = whole(facts["seed"], "seed")
    table._names = column_index(facts["names"])
    table.notes_ = texts(facts["notes"], "notes")
    table._columns = {}
    for place, item in enumerate(facts["columns"]):
        label = item["label"]
        if label not in table._names or label in table._columns:
            raise ValueError(f"its column {label!r} is none of its names, or there twice")
        table._columns[label] = _column(item["kind"], item["values"], inside(str(place), arrays))
    table.feature_names_out = tuple(f for c in table._columns.values() for f in c.feature_names())
    return table


def _column(kind: str, told: Facts, arrays: Mapping[str, NDArray[Any]]) -> Column:
    """One column of a table."""
    (name,) = texts([told["name"]], "name")
    flag_missing = flag(told, "flag_missing")
    if kind == "number":
        return NumberColumn(
            name, finite(told["median"], "median"), finite(told["unit"], "unit", 0.0),
            finite(told["reach"], "reach", 0.0), finite(told["mean"], "mean"),
            finite(told["std"], "std", 0.0), flag_missing,
        )  # fmt: skip
    if kind not in _COLUMNS:
        raise ValueError(f"its column {name!r} is of kind {kind!r}")
    levels = texts(told["levels"], "levels")
    if len(set(levels)) < len(levels):
        raise ValueError(f"its column {name!r} has a level twice")
    if kind == "levels":
        return LevelColumn(name, levels, flag_missing)
    class_names = texts(told["class_names"], "class_names")
    n_levels, n_classes = len(levels) + flag_missing, len(class_names)
    n_shares = 1 if n_classes == 2 else n_classes
    counts = checked_array(arrays, "counts", np.float64, (n_levels, n_classes))
    # Of a level without rows there is no frequency, and no numbers of rows are larger.
    if not counts.size or not 0 <= counts.min() <= counts.max() <= 2**53 or not counts.any(axis=1).all():
        raise ValueError(f"its column {name!r} has no numbers of rows by level")
    return ShareColumn(
        name, levels, flag_missing, class_names, counts,
        checked_array(arrays, "share_mean", np.float64, (n_shares,)),
        checked_array(arrays, "share_std", np.float64, (n_shares,)),
        finite(told["log_mean"], "log_mean"), finite(told["log_std"], "log_std", 0.0),
    )  # fmt: skip
