"""``hcdv payout``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hcdv.cli._tables import check_columns, check_distinct, check_spelling, read

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("values", type=click.Path(path_type=Path))
@click.option(
    "--by", required=True, help="Column that names the seller of each row (one of hcdv value's --groups, say)."
)
@click.option("--total", required=True, help="Money to share out, such as 1000 or 99.95.")
@click.option("--currency", default="", help="EUR, JPY, ...: decides the smallest coin.")
@click.option("--minimum", default="0", help="Every seller gets this at least.")
@click.option("--decimals", type=int, help="Digits behind the point, whatever the currency.")
@click.option("--negative", is_flag=True, help="Sellers of negative value pay, instead of getting nothing.")
@click.option("--sellers", type=click.Path(path_type=Path), help="File that holds --by, if VALUES does not.")
@click.option(
    "--id",
    "id_column",
    help="Column that names the rows in --sellers; by default 'id', or where `hcdv value` had no --id, the "
    "number of the row.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Amounts to write.")
def payout(
    values: Path,
    by: str,
    total: str,
    currency: str,
    minimum: str,
    decimals: int | None,
    negative: bool,
    sellers: Path | None,
    id_column: str | None,
    out: Path | None,
) -> None:
    """Share money out over sellers, to the cent.

    VALUES is a file that `hcdv value` wrote.
    """
    from hcdv.io import check_destination, write_values
    from hcdv.tasks import marketplace_payouts

    if out is not None:
        check_destination(out)
    check_distinct({"VALUES": values, "--sellers": sellers}, {"--out": out})
    frame = read(values)
    check_columns(frame, ["value"], values)
    if sellers is None:
        remedy = (
            "; name the file that has it by --sellers FILE --id COLUMN, or let `hcdv value --groups "
            f"{by}` write it"
        )
        check_columns(frame, [by], values, remedy)
        check_spelling(frame, values, by)
        names = frame[by]
    else:
        others = read(sellers)
        names = _joined(frame, values, others, sellers, id_column, by)
        check_spelling(others, sellers, by)
    if names.isna().any():
        missing = int(names.isna().sum())
        raise ValueError(f"{sellers or values} has {missing} rows without a seller in column {by!r}.")
    paid = marketplace_payouts(
        frame["value"].to_numpy(),
        names.to_numpy(),
        total,
        currency=currency,
        decimals=decimals,
        nonnegative=not negative,
        minimum=minimum,
    )
    click.echo(str(paid))
    if out is not None:
        table = paid.to_frame()
        write_values(table, out)
        click.echo(f"Wrote {len(table):,} amounts to {out}")


def _joined(
    frame: pd.DataFrame, path: Path, others: pd.DataFrame, other_path: Path, id_column: str | None, by: str
) -> pd.Series:
    """Column ``by`` of another file for each row of ``frame``, by the names or else the numbers of the rows."""
    check_columns(frame, ["id"], path)
    if id_column is None and "id" not in others.columns and _are_numbered(frame["id"]):
        check_columns(others, [by], other_path)
        if len(others) != len(frame):
            raise ValueError(
                f"{other_path} has {len(others)} rows for {len(frame)} values of rows without names; name its "
                "column of row numbers (from 0) with --id."
            )
        warnings.warn(
            f"the rows of {path} have no names: row k of {other_path} is taken to be row k of the data.",
            stacklevel=1,
        )
        return others[by]
    id_column = id_column or "id"
    check_columns(others, [id_column], other_path, "; name the one that names the rows with --id")
    check_columns(others, [by], other_path)
    # Nobody is named by nothing; and a gap makes fractions of whole numbers.
    others = others[others[id_column].notna()]
    mine, theirs = frame["id"], others[id_column]
    if mine.dtype != theirs.dtype and not (_are_numbers(mine) and _are_numbers(theirs)):
        # One file may have kept numbers as text.
        mine, theirs = mine.astype(str), theirs.astype(str)
    if theirs.duplicated().any():
        raise ValueError(f"{other_path} has the row {theirs[theirs.duplicated()].iloc[0]!s} more than once.")
    unknown = ~mine.isin(theirs)
    if unknown.any():
        raise ValueError(
            f"{other_path} has no row for {int(unknown.sum())} of the {len(mine)} values (first: "
            f"{mine[unknown].iloc[0]!s})."
        )
    import pandas as pd

    place = pd.Series(range(len(theirs)), index=theirs.array)
    return others[by].iloc[place.reindex(mine.array).to_numpy()].reset_index(drop=True)


def _are_numbers(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf"


def _are_numbered(ids: pd.Series) -> bool:
    """Whether these are the numbers that rows without names get."""
    return ids.tolist() == list(range(len(ids)))
