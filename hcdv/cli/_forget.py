"""``hcdv forget``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hcdv.cli._state import State, noted
from hcdv.cli._tables import check_distinct, check_outside, read, spelt
from hcdv.cli._update import refresh_options

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@click.command()
@click.argument("state", type=click.Path(path_type=Path))
@click.argument("ids", type=click.Path(path_type=Path), required=False)
@click.option("--id", "named", multiple=True, help="Row to withdraw; may be given several times.")
@click.option(
    "--group", "groups", multiple=True, help="Group, by the first of --groups, to withdraw; several times."
)
@click.option("--out", type=click.Path(path_type=Path), help="Values to write.")
@refresh_options
@click.option("--jobs", type=click.IntRange(min=1), help="Threads.")
@click.option("--quiet", is_flag=True, help="No progress, no words.")
def forget(
    state: Path,
    ids: Path | None,
    named: tuple[str, ...],
    groups: tuple[str, ...],
    out: Path | None,
    refresh: str,
    rebalance_every: int,
    tolerance: float,
    jobs: int | None,
    quiet: bool,
) -> None:
    """Withdraw rows, or all rows of a seller.

    The other rows are valued without them, and nothing of them is kept.  IDS is a file of names of rows: a
    table with such a column, or one name a line.
    """
    from hcdv.io import check_destination, write_values

    if out is not None:
        check_destination(out)
    check_distinct({"IDS": ids}, {"--out": out})
    check_outside(state, {"--out": out})
    if (ids is not None or bool(named)) == bool(groups):
        raise ValueError("name the rows to withdraw by IDS or --id, or else by --group: one of the two.")
    current = State.load(state, quiet=quiet, jobs=jobs)
    model = current.model
    how: dict[str, Any] = {
        "refresh": refresh, "rebalance_every": rebalance_every, "tolerance": tolerance,
    }  # fmt: skip
    if groups:
        note = noted(f"--group {', '.join(groups)}")
        model.forget(groups=list(_known_groups(current, groups)), note=note, **how)
    else:
        listed = list(named) + ([] if ids is None else _listed(ids, current))
        model.forget(_known_rows(current, listed), **how)
    current.save()
    if not quiet:
        click.echo(model.update_.summary())
    if out is not None:
        write_values(current.values(), out)
        if not quiet:
            click.echo(f"Wrote {len(model.result_):,} values to {out}")


def _listed(path: Path, state: State) -> list[str]:
    """The names in a file, as they are written there."""
    if path.suffix.lower() == ".txt":
        try:
            names = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 text ({error.reason}).") from None
        return [name.strip() for name in names if name.strip()]
    frame = read(path)
    wanted = [name for name in (state.columns.id or "id", "id") if name in frame.columns]
    if not wanted and frame.shape[1] > 1:
        known = ", ".join(frame.columns[:20])
        raise ValueError(f"{path} has no column {state.columns.id or 'id'!r} of names of rows; it has {known}.")
    column = wanted[0] if wanted else frame.columns[0]
    table = spelt(path, [column])
    names = _texts(frame[column]).tolist() if table is None else table.iloc[:, 0].dropna().str.strip().tolist()
    # A list without a header line: its first name was taken for one, and must not be left out.
    return names if wanted else [column, *names]


def _known_rows(state: State, listed: list[str]) -> NDArray[Any]:
    """The rows of these names; all must be there."""
    import numpy as np
    import pandas as pd

    if not listed:
        raise ValueError("no row is named, so none is withdrawn.")
    texts = _texts(pd.Series(state.model.result_.ids))
    place = dict(zip(texts, texts.index, strict=True))
    strange = [name for name in listed if name not in place]
    if strange:
        verb = "names" if len(strange) == 1 else "name"
        raise ValueError(
            f"{len(strange)} of {len(listed)} ids {verb} no row of {state.folder} (first: {strange[0]!r}): "
            "forgotten already, or never there; nothing was changed."
        )
    return state.model.result_.ids[np.unique([place[name] for name in listed])]


def _known_groups(state: State, groups: tuple[str, ...]) -> tuple[str, ...]:
    if not state.columns.groups:
        raise ValueError(f"{state.folder} knows no groups: it was made without --groups; name rows by --id.")
    present = set(map(str, state.groups()[state.columns.groups[0]]))
    strange = [name for name in groups if name not in present]
    if strange:
        raise ValueError(
            f"no row of {state.folder} is of the group {strange[0]!r}: forgotten already, or never there; "
            "nothing was changed."
        )
    return groups


def _texts(column: pd.Series) -> pd.Series:
    """Names as a file of values has them, each with its place; those that are missing are left out."""
    column = column.dropna()
    if column.dtype.kind == "f" and (column % 1 == 0).all():
        column = column.astype("int64")  # a gap had made fractions of whole numbers
    return column.astype(str)
