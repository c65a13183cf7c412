"""The table that a diagnosis is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 140
# Beyond, one of the two is rounding, and their ratio says nothing.
SHOWN_LOOSENESS = (1e-3, 1e6)
WORDS = {True: "yes", False: "NO", None: ""}


@dataclass(frozen=True)
class Line:
    """One promise and what came of it.

    Attributes
    ----------
    statement : str
        Where it stands in the paper.
    quantity : str
        What was measured.
    measured : float
        In units of v unless ``quantity`` says otherwise.
    bound : float or None
        What it should not exceed; None where nothing is promised.
    holds : bool or None
        None where nothing is promised.
    note : str
    """

    statement: str
    quantity: str
    measured: float
    bound: float | None = None
    holds: bool | None = None
    note: str = ""

    @property
    def looseness(self) -> float:
        """How many times larger the bound is than what was measured; NaN without a bound."""
        if self.bound is None or (self.bound == 0.0 and self.measured == 0.0):
            return np.nan
        return np.inf if self.measured == 0.0 else self.bound / self.measured


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What the paper's bounds and axioms say about one fitted model, and what was measured.

    It shows as a table.

    Attributes
    ----------
    lines : tuple of Line
    allocation : str
    n_rows, n_nodes, n_permutations, n_repeats : int
    delta : float
    """

    lines: tuple[Line, ...]
    allocation: str
    n_rows: int
    n_nodes: int
    n_permutations: int
    n_repeats: int
    delta: float

    @property
    def holds(self) -> bool:
        """Whether no promise was broken."""
        return all(line.holds is not False for line in self.lines)

    def to_frame(self) -> pd.DataFrame:
        """One row a line: statement, quantity, measured, bound, looseness, holds, note."""
        import pandas as pd

        names = ("statement", "quantity", "measured", "bound", "looseness", "holds", "note")
        columns: dict[str, Any] = {name: [getattr(line, name) for line in self.lines] for name in names}
        columns["bound"] = [np.nan if bound is None else bound for bound in columns["bound"]]
        columns["holds"] = np.array(columns["holds"], dtype=object)
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table(title=self._title(), title_justify="left", box=None, width=WIDTH)
        table.add_column("statement", no_wrap=True)
        table.add_column("quantity", min_width=40, overflow="fold")
        for name in ("measured", "bound", "loose"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("holds", no_wrap=True)
        table.add_column("note", overflow="fold")
        low, high = SHOWN_LOOSENESS
        last = ""
        for line in self.lines:
            table.add_row(
                "" if line.statement == last else line.statement,
                line.quantity,
                f"{line.measured:.3g}",
                "" if line.bound is None else f"{line.bound:.3g}",
                f"{line.looseness:,.3g}x" if low < line.looseness < high else "",
                WORDS[line.holds],
                line.note,
            )
            last = line.statement
        text = io.StringIO()
        Console(file=text, width=WIDTH + 8, color_system=None).print(table, markup=False)
        return "\n".join(row.rstrip() for row in text.getvalue().splitlines())

    __repr__ = __str__

    def _title(self) -> str:
        return (
            f"{self.n_rows:,} rows, {self.n_nodes:,} nodes, allocation {self.allocation}, "
            f"{self.n_permutations} permutations, {self.n_repeats} repeats, delta {self.delta:g}"
        )
