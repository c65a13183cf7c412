"""``hcdv report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hcdv.cli._state import State
from hcdv.cli._tables import check_columns, check_distinct, check_outside, read

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from hcdv.result import ValuationResult

TITLE = "What each training row is worth"


@click.command()
@click.argument("source", metavar="STATE_OR_VALUES", type=click.Path(path_type=Path))
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--label", help="Column of DATA that holds the label; a state knows it.")
@click.option(
    "--id",
    "id_column",
    help="Column of DATA that names the rows; a state knows it.  By default row k of DATA is the row named k.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Page to write (HTML).")
@click.option("--title", default=TITLE, show_default=True, help="Heading of the page.")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Rows from either end to show one by one; label issues, up to five times as many.",
)
def report(
    source: Path,
    data: Path | None,
    label: str | None,
    id_column: str | None,
    out: Path,
    title: str,
    rows: int,
) -> None:
    """Show values in one HTML page, with reasons.

    STATE_OR_VALUES is a folder that `hcdv value --save` made (with it every row is explained), a file of
    values that `hcdv value` wrote, or a result that was saved in Python.  DATA is the file that was valued,
    whose cells are to be shown.
    """
    from hcdv.report import check_report, write_report

    check_report(out)
    check_distinct({"STATE_OR_VALUES": source, "DATA": data}, {"--out": out})
    if data is None and (label or id_column):
        raise ValueError("--label and --id are columns of DATA: name the file that was valued, too.")
    if source.is_dir():
        check_outside(source, {"--out": out})
        state = State.load(source)
        told: Any = state.model
        result = state.model.result_
        label, id_column = label or state.columns.label, id_column or state.columns.id
    else:
        told = result = _result(source)
    cells = None
    if data is not None:
        if label is None:
            raise ValueError(f"--label is missing: name the column of {data} that holds the label.")
        cells = _cells(result, source, data, label, id_column)
    write_report(told, out, cells, n_rows=rows, title=title)
    click.echo(f"Wrote a report on {len(result):,} rows to {out}")


def _result(path: Path) -> ValuationResult:
    """The values of a file: a table, or a result that was saved."""
    import numpy as np

    from hcdv.estimator.checks import check_ids
    from hcdv.io import UnknownSuffix
    from hcdv.result import ValuationResult

    try:
        frame = read(path)
    except UnknownSuffix:
        if not path.is_file():
            raise
        return ValuationResult.load(path)
    check_columns(frame, ["id", "value"], path)
    values = frame["value"].to_numpy()
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ValueError(f"{path} has values that are no numbers in column 'value'.")
    errors = frame["std_error"].to_numpy() if "std_error" in frame else None
    if errors is not None and (errors.dtype.kind not in "iuf" or (errors < 0).any()):
        raise ValueError(f"{path} has standard errors that are no numbers from 0 on in column 'std_error'.")
    try:
        ids = check_ids(frame["id"].to_numpy(), frame, len(frame))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    values = values.astype(np.float64)
    return ValuationResult(
        values=values,
        ids=ids,
        std_error=None if errors is None else errors.astype(np.float64),
        labels=frame["label"].to_numpy() if "label" in frame else None,
        parts={},
        weights={},
        v_empty=0.0,
        v_full=float(values.sum()),
        n_evaluations=0,
        n_permutations=0,
        stopped_by="",
    )


def _cells(
    result: ValuationResult, source: Path, data: Path, label: str, id_column: str | None
) -> pd.DataFrame:
    """The cells of every row of the result, in its order; of the rows that were valued, and no others."""
    frame = read(data)
    check_columns(frame, [label, *([id_column] if id_column else [])], data)
    place = _places(result.ids, source, frame, data, id_column)
    frame = frame.iloc[place].reset_index(drop=True)
    if result.labels is not None:
        differ = _differ(frame[label], result.labels)
        if differ.any():
            first = int(differ.argmax())
            raise ValueError(
                f"{data} has other labels in column {label!r} than {source} in {int(differ.sum()):,} of "
                f"{len(differ):,} rows (first: {frame[label].iloc[first]!s}, not {result.labels[first]!s}); "
                "name the file and the column that were valued."
            )
    return frame.drop(columns=[name for name in (label, id_column) if name])


def _places(
    ids: NDArray[Any], source: Path, frame: pd.DataFrame, data: Path, id_column: str | None
) -> NDArray[np.int64]:
    """Where the rows of these names stand in the data."""
    import numpy as np

    from hcdv.estimator.checks import check_ids, positions_of

    n = len(frame)
    if id_column is None and ids.dtype.kind not in "iu":
        raise ValueError(f"the rows of {source} have names: tell by --id which column of {data} holds them.")
    if id_column is None and len(ids) != n and ids.max() < len(ids):
        raise ValueError(f"{data} has {n:,} rows for the {len(ids):,} values of {source}.")
    known = np.arange(n) if id_column is None else check_ids(frame[id_column].to_numpy(), frame, n)
    try:
        return positions_of(ids, known)
    except ValueError as error:
        raise ValueError(f"{data} does not have the rows of {source}: {error}") from None


def _differ(column: pd.Series, labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which labels are not the same; numbers by what they are, others as text."""
    import numpy as np

    theirs = column.to_numpy()
    if theirs.dtype.kind in "iufb" and labels.dtype.kind in "iufb":
        return np.asarray(theirs != labels)
    return np.asarray(theirs.astype(str) != labels.astype(str))
