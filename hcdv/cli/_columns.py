"""How the columns of a user's files are used; a state keeps it beside the model.

The model knows rows, labels, names and groups.  That the labels stand in the column ``income``, that sellers
are text and rows are named by ``order_id`` is told by ``columns.json`` in the folder of the state, so that the
next file is read as the first one was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcdv.cli._tables import check_columns, check_group, check_spelling, spelt

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

FILE = "columns.json"
FORMAT = "hcdv-columns"
VERSION = 1
# Bytes of the file at most; a table of a million columns stays below.
MOST_BYTES = 1 << 26

KINDS = {
    "integer": "whole numbers",
    "number": "numbers",
    "truth": "truth values",
    "date": "dates",
    "text": "text",
}
# Kinds that may stand for each other: a gap makes numbers of whole numbers.
NUMERIC = ("integer", "number", "truth")


@dataclass(frozen=True)
class Batch:
    """Rows of a file, as the model takes them.

    Attributes
    ----------
    path : Path
    features : DataFrame
    labels : [b]
    ids : [b] or None
    groups : object [b, L] or None
    digest : str
        Of all of these; equal only where they are.
    """

    path: Path
    features: pd.DataFrame
    labels: NDArray[Any]
    ids: NDArray[Any] | None
    groups: NDArray[Any] | None
    digest: str


@dataclass(frozen=True)
class Columns:
    """The use of each column.

    Attributes
    ----------
    lineage : str
        Of the model that they go with.
    label : str
    id : str or None
    groups : list of str
    features : list of str
        In the order of the fit.
    kinds : dict of str to str
        By column: one of `KINDS`.
    fit : str
        Digest of the rows of the fit.
    trusted : str or None
        Digest of the validation rows; None where they are not known.
    """

    lineage: str
    label: str
    id: str | None
    groups: list[str]
    features: list[str]
    kinds: dict[str, str]
    fit: str = ""
    trusted: str | None = None

    @classmethod
    def of(
        cls, frame: pd.DataFrame, label: str, id_column: str | None, groups: Iterable[str], features: Any
    ) -> Columns:
        """As ``frame`` has them; of no model yet."""
        names = list(features)
        used = _used(label, id_column, list(groups), names)
        kinds = {name: _kind(frame[name]) for name in used}
        return cls("", label, id_column, list(groups), names, kinds)

    def batch(self, frame: pd.DataFrame, path: Path) -> Batch:
        """The rows of ``frame``, each column of the kind that it had in the fit."""
        used = _used(self.label, self.id, self.groups, self.features)
        check_columns(frame, used, path)
        for name in self.groups:
            check_group(frame, name, path)
            check_spelling(frame, path, name)
        frame = self._as_in_the_fit(frame[used], path)
        groups = frame[self.groups].astype(str).to_numpy(dtype=object) if self.groups else None
        return Batch(
            path,
            frame[self.features],
            frame[self.label].to_numpy(),
            None if self.id is None else frame[self.id].to_numpy(),
            groups,
            self._digest(frame, used),
        )

    def trusted_rows(self, frame: pd.DataFrame, path: Path) -> Batch:
        """The same of validation rows, which have no names and no groups."""
        used = _used(self.label, None, [], self.features)
        check_columns(frame, used, path)
        frame = self._as_in_the_fit(frame[used], path)
        labels = frame[self.label].to_numpy()
        return Batch(path, frame[self.features], labels, None, None, self._digest(frame, used))

    def groups_written(self, groups: NDArray[Any]) -> dict[str, Any]:
        """Columns of groups, which the model has as text, as they stood in the data."""
        columns = zip(self.groups, groups.T, strict=True)
        return {name: _of_kind(self.kinds[name], column) for name, column in columns}

    def _as_in_the_fit(self, frame: pd.DataFrame, path: Path) -> pd.DataFrame:
        """Each column of the kind that it had in the fit: a text file does not keep kinds."""
        frame = frame.copy()
        misread = [n for n in frame.columns if self.kinds[n] == "text" and _kind(frame[n]) != "text"]
        text = spelt(path, misread) if misread else None
        for name in frame.columns:
            column, wanted = frame[name], self.kinds[name]
            found = _kind(column)
            if wanted == "text" and found != "text":
                # "0012" is a name, though a file of nothing but such names reads as numbers.
                texts = column.map(str, na_action="ignore") if text is None else text[text_name(text, name)]
                frame[name] = texts.astype(object).to_numpy()
            elif wanted != found and column.isna().all():
                frame[name] = _nothing(wanted, len(frame))
            elif wanted == "date" and (dates := _dates(column)) is not None:
                frame[name] = dates
            elif found != wanted and not (found in NUMERIC and wanted in NUMERIC):
                first = column.dropna().iloc[0]
                raise ValueError(
                    f"{path} has {KINDS[found]} in column {name!r} (first: {str(first)!r}), where the rows of "
                    f"the fit have {KINDS[wanted]}."
                )
            elif name in (self.id, *self.groups):
                frame[name] = _as_name(column, wanted)
        return frame

    def _digest(self, frame: pd.DataFrame, used: list[str]) -> str:
        from hcdv._digest import fingerprint

        arrays: list[Any] = []
        for name in used:
            arrays += _canonical(frame[name])
        return fingerprint([len(frame), used], arrays)

    def write(self, folder: Path) -> None:
        from hcdv._files import written_aside

        facts = {"format": FORMAT, "version": VERSION, **asdict(self)}
        with written_aside(folder / FILE) as aside:
            aside.write_text(json.dumps({**facts, "sha256": _checksum(facts)}, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path, lineage: str) -> Columns:
        """What :meth:`write` wrote beside the model of this lineage.

        Raises
        ------
        ValueError
            If it is missing, damaged, of a newer version, or of another state.
        """
        path = folder / FILE
        if not path.is_file():
            raise ValueError(
                f"{folder} does not tell which column holds the labels (it has no file {FILE}): states for the "
                "command line are made by `hcdv value --save`."
            )
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is damaged: it is too large.")
        try:
            facts = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise ValueError(f"{path} is damaged: it cannot be read.") from None
        if not isinstance(facts, dict) or facts.pop("format", None) != FORMAT:
            raise ValueError(f"{path} is damaged: it tells of no columns.")
        version = facts.pop("version", None)
        if type(version) is int and version > VERSION:
            raise ValueError(
                f"{path} has version {version}, and this HCDV reads up to {VERSION}; upgrade hcdv."
            )
        digest = facts.pop("sha256", None)
        try:
            told = _checksum({"format": FORMAT, "version": version, **facts})
        except RecursionError:  # what nests as deep as can just be read cannot be written
            told = None
        if version != VERSION or told is None or digest != told:
            raise ValueError(f"{path} is damaged: its checksum is wrong.")
        try:
            columns = cls(**facts)._checked()
        except (TypeError, KeyError):
            raise ValueError(f"{path} is damaged: it tells of no columns.") from None
        if columns.lineage != lineage:
            raise ValueError(f"{path} is of another state.")
        return columns

    def _checked(self) -> Columns:
        """The same, if every part is of its kind: a checksum keeps out chance, not a hand."""
        texts = [self.lineage, self.label, self.fit, *self.groups, *self.features]
        texts += [text for text in (self.id, self.trusted) if text is not None]
        lists = isinstance(self.groups, list) and isinstance(self.features, list)
        if not lists or not all(isinstance(text, str) for text in texts) or not self.features:
            raise TypeError
        if any(self.kinds[n] not in KINDS for n in _used(self.label, self.id, self.groups, self.features)):
            raise KeyError
        return self

    def of_model(self, lineage: str) -> Columns:
        return replace(self, lineage=lineage)


def text_name(table: pd.DataFrame, name: str) -> Any:
    """The name of a column as the file has it: a number, for one."""
    return next(column for column in table.columns if str(column) == name)


def _used(label: str, id_column: str | None, groups: list[str], features: list[str]) -> list[str]:
    names = [label, *([] if id_column is None else [id_column]), *groups, *features]
    return list(dict.fromkeys(names))


def _kind(column: pd.Series) -> str:
    import pandas as pd

    types = pd.api.types
    if types.is_bool_dtype(column.dtype):
        return "truth"
    if types.is_integer_dtype(column.dtype):
        return "integer"
    if types.is_numeric_dtype(column.dtype):
        return "number"
    if types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        return "date"
    present = column.dropna()
    if len(present) and present.map(type).eq(bool).all():
        return "truth"
    return "text"


def _nothing(kind: str, n: int) -> NDArray[Any]:
    """A column without entries."""
    import numpy as np

    if kind == "date":
        return np.full(n, "NaT", "datetime64[us]")
    return np.full(n, None, object) if kind == "text" else np.full(n, np.nan)


def _dates(column: pd.Series) -> pd.Series | None:
    """Dates that a file has as text; None where they are none."""
    import pandas as pd

    if _kind(column) != "text":
        return None
    try:
        return pd.to_datetime(column, format="ISO8601")
    except (ValueError, TypeError):
        return None


def _as_name(column: pd.Series, kind: str) -> pd.Series:
    """Numbers that are names, as the fit had them: 7.0 is called 7 where there were whole numbers."""
    if kind == "number":
        return column.astype("float64")
    if kind == "integer" and column.dtype.kind == "f" and (column % 1 == 0).all():
        return column.astype("int64")
    return column


def _of_kind(kind: str, column: NDArray[Any]) -> Any:
    """Names that were made text, as what they were."""
    import numpy as np
    import pandas as pd

    try:
        if kind in ("integer", "number"):
            return column.astype(np.int64 if kind == "integer" else np.float64)
        if kind == "date":
            return pd.to_datetime(column, format="ISO8601").array
    except (ValueError, TypeError, OverflowError):
        pass
    if kind == "truth" and set(column) <= {"True", "False"}:
        return column == "True"
    return pd.Series(column.tolist(), dtype=str).array


def _canonical(column: pd.Series) -> list[NDArray[Any]]:
    """A column as arrays that are equal where its entries are, whatever the file was."""
    import numpy as np
    import pandas as pd

    kind = _kind(column)
    if kind == "date":
        stamps = column if column.dtype.kind == "m" else pd.to_datetime(column, utc=True)
        return [stamps.dt.as_unit("us").astype("int64").to_numpy()]
    if kind in ("integer", "truth") and not column.isna().any():
        return [column.to_numpy(dtype=np.uint64 if column.dtype == np.uint64 else np.int64)]
    if kind != "text":
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return [np.where(np.isnan(numbers), np.nan, numbers)]
    texts = ["" if missing else str(item) for item, missing in zip(column, column.isna(), strict=True)]
    packed = [text.encode("utf-8", "surrogatepass") for text in texts]
    lengths = np.array([len(text) for text in packed], np.int64)
    lengths[column.isna().to_numpy()] = -1
    return [lengths, np.frombuffer(b"".join(packed), np.uint8)]


def _checksum(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
