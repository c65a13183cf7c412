"""Small tables for ``print``."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

# Nothing but the names of rows is ever cut short.
MOST_OF_A_NAME = 40
WIDEST = 100_000


def text_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as plain text: the first column stands left, the others (figures) right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for k, column in enumerate(columns):
        table.add_column(Text(_printable(column)), justify="right" if k else "left", no_wrap=True)
    for row in rows:
        # What looks like markup is data.
        table.add_row(*(Text(_printable(cell) if k else _short(cell)) for k, cell in enumerate(row)))
    text = io.StringIO()
    Console(file=text, width=WIDEST, color_system=None).print(table)
    # Not the table's own title, which would be broken at the table's width.
    return "\n".join([_printable(title), *(line.rstrip() for line in text.getvalue().splitlines())])


def _short(name: Any) -> str:
    from rich.text import Text

    text = Text(_printable(name))
    text.truncate(MOST_OF_A_NAME, overflow="ellipsis")
    return text.plain


def _printable(cell: Any) -> str:
    """Control characters stay off the terminal."""
    return "".join(c if c.isprintable() else " " for c in str(cell))
