"""The cells of the rows that a report shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from hcdv._labels import as_python
from hcdv._validation import as_array
from hcdv.games.retrained.folds import take_rows

if TYPE_CHECKING:
    import pandas as pd

# Columns beyond are left out, and text is cut: a page must stay one that a browser opens at once.
MOST_COLUMNS = 30
LONGEST_CELL, LONGEST_TEXT = 200, 2_000
# Letters from which on cells are running text, on average.
LONG = 60
TEXT = "text"
# What no page shows as it stands: control characters but tabs and ends of lines, halves of characters, no
# characters, and marks that turn around the order in which others are read.
NOT_SHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True, eq=False)
class Features:
    """Rows as their owner knows them.

    Attributes
    ----------
    columns : list of str
        Columns of cells.
    texts : list of str
        Columns of running text.
    n_left_out : int
        Columns that are not here.
    cells : dict of int to list
        By number of the row: one number, truth value, text or None a column.
    running : dict of int to list of str
        The same of the columns of text.
    """

    columns: list[str]
    texts: list[str]
    n_left_out: int
    cells: dict[int, list[Any]]
    running: dict[int, list[str]]


def features_of(
    X: Any, numbers: NDArray[np.int64], n: int, text_columns: Sequence[str] | None
) -> Features | None:
    """Of some rows of X, which has n of them.

    Raises
    ------
    ValueError, TypeError
        If X has another number of rows or another shape, or a text column is not there.
    """
    if X is None:
        if text_columns:
            raise ValueError("text_columns name columns of X, which was not passed.")
        return None
    frame = _frame(X, numbers, n)
    frame.columns = frame.columns.map(str)
    if isinstance(text_columns, str):
        raise TypeError(f"text_columns must be a list of names, got the text {text_columns!r}.")
    missing = [name for name in text_columns or () if name not in frame.columns]
    if missing:
        known = ", ".join(frame.columns[:20])
        raise ValueError(f"text_columns: X has no column {missing[0]!r}; it has {known}.")
    is_text = [
        name in text_columns if text_columns is not None else _is_long(frame.iloc[:, j])
        for j, name in enumerate(frame.columns)
    ]
    cells = [j for j, text in enumerate(is_text) if not text]
    texts = [j for j, text in enumerate(is_text) if text]
    shown, running = cells[:MOST_COLUMNS], texts[:MOST_COLUMNS]
    table = [[cell(item) for item in frame.iloc[:, j]] for j in shown]
    entries = [[cell(item) for item in frame.iloc[:, j]] for j in running]
    prose = [["" if entry is None else str(entry) for entry in column] for column in entries]
    return Features(
        columns=[frame.columns[j] for j in shown],
        texts=[frame.columns[j] for j in running],
        n_left_out=len(cells) + len(texts) - len(shown) - len(running),
        cells={k: [column[i] for column in table] for i, k in enumerate(numbers.tolist())},
        running={k: [column[i] for column in prose] for i, k in enumerate(numbers.tolist())},
    )


def _frame(X: Any, numbers: NDArray[np.int64], n: int) -> pd.DataFrame:
    import pandas as pd

    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
    elif issparse(X):
        X = X.tocsr()
    elif not hasattr(X, "shape"):
        X = _listed(X)
    shape = X.shape
    if len(shape) > 2:
        raise ValueError(f"X must have rows and columns, got shape {shape}; pass pictures as images=.")
    if not shape or shape[0] != n:
        raise ValueError(f"X has {shape[0] if shape else 0:,} rows for {n:,} values.")
    rows = take_rows(X, numbers)
    if isinstance(rows, pd.DataFrame):
        return rows.copy()
    if len(shape) == 1:
        return pd.DataFrame({getattr(rows, "name", None) or TEXT: np.asarray(rows, dtype=object)})
    array = rows.toarray() if issparse(rows) else as_array(rows, "X")
    return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])


def _listed(X: Any) -> NDArray[Any]:
    """Rows in a list; texts as objects, since in an array of text each takes the room of the longest."""
    if not isinstance(X, (list, tuple)):
        raise TypeError(f"X must be a table, an array or a list of texts, got {type(X).__name__}.")
    if any(isinstance(row, str) for row in X):
        return np.array(X, dtype=object)
    return as_array(X, "X")


def _is_long(column: pd.Series) -> bool:
    lengths = [len(item) for item in column if isinstance(item, str)]
    return bool(lengths) and sum(lengths) > LONG * len(lengths)


def cell(item: Any) -> Any:
    """An entry as a number, truth value, text or None; text without what is no character, and cut."""
    import pandas as pd

    item = as_python(item)
    if item is None or (pd.api.types.is_scalar(item) and pd.isna(item)):
        return None
    if isinstance(item, bool):
        return item
    if isinstance(item, int):
        # A script's numbers are whole up to here only.
        return item if abs(item) < 1 << 53 else str(item)
    if isinstance(item, float):
        return item if np.isfinite(item) else str(item)
    return cut(clean(item), LONGEST_TEXT)


def clean(item: Any) -> str:
    """Text that every page can hold: what is no character becomes a mark."""
    return NOT_SHOWN.sub("\N{REPLACEMENT CHARACTER}", str(item))


def name_of(item: Any) -> str:
    """A row, column or class as a page calls it."""
    return cut(clean(item), LONGEST_CELL)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def shown(item: Any) -> str:
    """A cell as people read it."""
    if item is None:
        return "\N{EN DASH}"
    if isinstance(item, float) and not item.is_integer():
        return number(item)
    # Gaps make floats of whole numbers.
    return cut(f"{item:.15g}" if isinstance(item, float) else str(item), LONGEST_CELL)


def number(value: float) -> str:
    """Four digits, with a minus sign that is as wide as a plus."""
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
