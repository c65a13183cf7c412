"""What the commands show on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from rich.text import Text

    from hcdv.result import ValuationResult

SHOWN_ROWS = 10
SHOWN_COLUMNS = 4
LEAST_WIDTH = {"id": 5, "value": 9, "label": 5}


def show(result: ValuationResult, features: pd.DataFrame, seconds: float) -> None:
    click.echo(f"\nValued in {seconds:.1f} s.")
    click.echo(result.summary())
    lowest = result.ranking()[:SHOWN_ROWS]
    show_rows(f"The {len(lowest)} lowest-valued rows", result, lowest, features, 0)


def show_lowest_new(result: ValuationResult, features: pd.DataFrame) -> None:
    """The lowest of the rows that came last, which are ``features``."""
    first = len(result) - len(features)
    ranking = result.ranking()
    lowest = ranking[ranking >= first][:SHOWN_ROWS]
    show_rows(f"The {len(lowest)} lowest-valued new rows", result, lowest, features, first)


def show_rows(
    title: str, result: ValuationResult, rows: NDArray[np.int64], features: pd.DataFrame, first: int
) -> None:
    """A table of rows of the result; row ``first`` of it is the first of ``features``."""
    from rich.console import Console
    from rich.table import Table

    columns = list(features.columns[:SHOWN_COLUMNS])
    table = Table(title=title)
    for name in ("id", "value", "label"):
        table.add_column(name, no_wrap=True, min_width=LEAST_WIDTH[name], max_width=24)
    for name in columns:
        table.add_column(plain(name), overflow="ellipsis", no_wrap=True, max_width=14)
    for i in rows.tolist():
        label = "" if result.labels is None else result.labels[i]
        cells = features[columns].iloc[i - first].tolist()
        table.add_row(*map(plain, [result.ids[i], f"{result.values[i]:.3g}", label, *cells]))
    Console(file=sys.stdout).print(table)


def show_groups(result: ValuationResult, group: list[str]) -> None:
    """Totals of the groups: they sum to the value of all rows; a negative one costs more than it adds."""
    import pandas as pd

    totals = pd.Series(result.values).groupby(group).agg(["sum", "size"])
    click.echo("\nValue by group:")
    for name, (total, size) in totals.sort_values("sum", ascending=False).head(20).iterrows():
        click.echo(f"  {name}: {total:.4g} ({int(size):,} rows)")


def plain(cell: Any) -> Text:
    """A cell as it is: what looks like markup is data, and control characters stay off the terminal."""
    from rich.text import Text

    return Text(printable(cell))


def printable(cell: Any) -> str:
    text = f"{cell:.4g}" if isinstance(cell, float) else str(cell)
    return "".join(c if c.isprintable() else " " for c in text)
