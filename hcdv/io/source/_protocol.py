"""What out-of-core valuation asks of data: rows by their numbers, some at a time."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray


class Block(NamedTuple):
    """Some rows, to be read only: they may be those that the source keeps.

    Attributes
    ----------
    X : pandas.DataFrame or ndarray [b, ...]
        Features.  Text of Parquet, Arrow and Dask comes as categories.
    y : ndarray [b] or None
        Labels as they stand in the data, none missing; None where the source has no labels.
    ids : ndarray [b] or None
        Names of the rows; None where they have no other name than their number.
    """

    X: Any
    y: NDArray[Any] | None
    ids: NDArray[Any] | None


class Source(Protocol):
    """Rows in an order that stays, of which some at a time are in memory.

    Can be pickled: files are opened where rows are read, so a task in another process reads its own.  Any
    number of threads may read.  What was read last is kept by the object, since neighbouring blocks often lie
    in one piece of a file: unpickle it once a process, not once a block.
    """

    @property
    def n_rows(self) -> int:
        """Known, or counted once."""
        ...

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the features, without labels and names of rows; None of a plain array."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should be told, a sentence each: that rows were written to files first, say."""
        ...

    def read(self, begin: int, end: int) -> Block:
        """Rows [begin, end) in order, 0 <= begin <= end <= n_rows."""
        ...

    def take(self, rows: NDArray[Any]) -> Block:
        """Rows of these numbers, int64, ascending."""
        ...

    def labels(self, begin: int, end: int) -> NDArray[Any] | None:
        """Labels of rows [begin, end) alone, for which no other column is read; None where there are none."""
        ...

    def ids(self, begin: int, end: int) -> NDArray[Any]:
        """Names of rows [begin, end); their numbers, int64, where they have no other."""
        ...

    def place(self, row: int) -> str:
        """Where a row stands, as part of a sentence: its number in its file or block, and among all rows."""
        ...

    def window(self, begin: int, end: int) -> Source:
        """The source for a task that reads rows [begin, end): it takes no others along that are in memory."""
        ...

    def fingerprint(self) -> str:
        """Tells these data from others, cheaply: by paths, sizes, times, columns, first and last rows."""
        ...
