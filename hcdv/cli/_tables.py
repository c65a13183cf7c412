"""Tables as the commands read them: columns by their names, names as they are spelt."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# What a file of values holds beside the parts, whose names begin as below.
VALUE_COLUMNS = ("id", "value", "std_error", "rank", "label")
PART = "part_"


def read(path: Path) -> pd.DataFrame:
    """A table whose columns go by their names as text, as on a command line."""
    from hcdv.io import read_table

    frame = read_table(path)
    return frame.set_axis(frame.columns.map(str), axis=1)


def split(frame: pd.DataFrame, label: str, kept_out: list[str], path: Path) -> tuple[pd.DataFrame, Any]:
    """The columns that rows are compared by, and the labels."""
    check_columns(frame, kept_out if label in kept_out else [label, *kept_out], path)
    features = frame.drop(columns=kept_out)
    if features.shape[1] == 0:
        raise ValueError(f"{path} has no columns left to value the rows by.")
    return features, frame[label].to_numpy()


def check_columns(frame: pd.DataFrame, names: Iterable[str], path: Path, remedy: str = "") -> None:
    for name in names:
        if name not in frame.columns:
            known = ", ".join(map(str, frame.columns[:20]))
            raise ValueError(f"{path} has no column {name!r}; it has {known}{remedy}.")


def spelt(path: Path, names: Iterable[str]) -> pd.DataFrame | None:
    """Columns of a text file as they are spelt there; None of a file that keeps kinds."""
    import pandas as pd

    file = path.name.lower()
    packed = file.endswith(".gz")
    kind = Path(file.removesuffix(".gz")).suffix
    if kind not in (".csv", ".tsv"):
        return None
    wanted = set(names)
    return pd.read_csv(
        path, sep="\t" if kind == ".tsv" else ",", index_col=False, dtype=str, encoding="utf-8-sig",
        usecols=lambda column: str(column) in wanted, compression="gzip" if packed else None,
    )  # fmt: skip


def check_spelling(frame: pd.DataFrame, path: Path, name: str) -> None:
    """Refuse names that a text file tells apart and that are one number, truth value or date by now."""
    import pandas as pd

    if name not in frame.columns or (table := spelt(path, [name])) is None:
        return
    column = table[name].str.strip()
    known = frame[name].notna().to_numpy() & column.notna().to_numpy()
    read = frame[name].to_numpy()[known]
    if read.dtype.kind == "O" and all(isinstance(value, str) for value in read):
        return
    spellings = pd.Series(column.to_numpy()[known]).groupby(read).unique()
    several = spellings[spellings.map(len) > 1]
    if len(several):
        one, other = several.iloc[0][:2]
        raise ValueError(
            f"{path} has both {one!r} and {other!r} in column {name!r}, which read as one value; write names "
            "that are no numbers, or spell the same one alike."
        )


def check_group(frame: pd.DataFrame, name: str, path: Path) -> None:
    """Refuse a column of groups that has gaps, or would be mistaken for one of the values."""
    if name in VALUE_COLUMNS or name.startswith(PART):
        raise ValueError(
            f"--groups {name!r} is the name of a column of the values, too; rename the one in the data."
        )
    if frame[name].isna().any():
        missing = int(frame[name].isna().sum())
        raise ValueError(f"{path} has {missing} rows without a group in column {name!r} (--groups).")


def as_written(frame: pd.DataFrame, groups: tuple[str, ...], path: Path) -> dict[str, Any]:
    """The columns of groups as they stand in the file of values."""
    columns = {}
    for name in groups:
        check_group(frame, name, path)
        column = frame[name]
        # Text where kinds are mixed: not every format takes these.
        text = column.map(str, na_action="ignore") if column.dtype == object else column
        # Without its index: a Parquet file may have brought one.
        columns[name] = text.array
    return columns


def with_groups(table: pd.DataFrame, groups: dict[str, Any]) -> pd.DataFrame:
    """Values with the columns of groups behind the names of the rows."""
    for k, (name, column) in enumerate(groups.items(), start=1):
        table.insert(k, name, column)
    return table


def check_distinct(inputs: dict[str, Path | None], outputs: dict[str, Path | None]) -> None:
    taken: dict[str, str] = {}
    for name, path in [*inputs.items(), *outputs.items()]:
        if path is None:
            continue
        real = os.path.realpath(path)
        if real in taken:
            harm = "would overwrite it" if name in outputs else "cannot vouch for itself"
            raise ValueError(f"{name} {path} is the file of {taken[real]} and {harm}.")
        taken[real] = name


def check_outside(state: Path, outputs: dict[str, Path | None]) -> None:
    """Refuse to write into the folder of a state: it is not the user's to fill."""
    folder = os.path.realpath(state)
    for name, path in outputs.items():
        if path is not None and os.path.dirname(os.path.realpath(path)) == folder:
            raise ValueError(f"{name} {path} lies in the state {state}; write it elsewhere.")
