"""``hcdv history``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hcdv.cli._shown import printable
from hcdv.cli._state import State, digest_of, name_of
from hcdv.cli._tables import check_distinct, check_outside

if TYPE_CHECKING:
    from hcdv.estimator import Update

KEPT = ("update", "batch", "group", "leaf")
# Keys of leaves in a line at most.
SHOWN_LEAVES = 8


@click.command()
@click.argument("state", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Table to write, as --by says.")
@click.option(
    "--by",
    type=click.Choice(KEPT),
    default="update",
    show_default=True,
    help="What --out has: one line an update, or after each update the value of every batch, group or leaf.",
)
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Picture to write (PNG, SVG or PDF).")
def history(state: Path, out: Path | None, by: str, picture: Path | None) -> None:
    """Show how rows, tree and values have moved."""
    from hcdv._files import check_place
    from hcdv.io import check_destination, write_values

    if out is not None:
        check_destination(out)
    if picture is not None:
        check_place(picture)
    check_distinct({}, {"--out": out, "--plot": picture})
    check_outside(state, {"--out": out, "--plot": picture})
    model = State.load(state).model
    if model.history_:
        first = model.history_[0]
        click.echo(f"fit: {first.n_rows - first.n_new + first.n_forgotten:,} rows")
    for update in model.history_:
        for line in _lines(update):
            click.echo(line)
    if not model.history_:
        click.echo(f"{state} is as it was fitted: {len(model.result_):,} rows, no update yet.")
    if out is not None:
        if by == "update":
            table = model.history()
            table["digest"] = [digest_of(update) for update in model.history_]
            table["note"] = [name_of(update) for update in model.history_]
        else:
            from hcdv.plot import value_over_time

            table = value_over_time(model, by).stack().dropna().rename("value").reset_index()
        write_values(table, out)
        click.echo(f"Wrote {len(table):,} lines to {out}")
    if picture is not None:
        from hcdv._files import written_aside
        from hcdv.plot import plot_history

        figure = plot_history(model)
        with written_aside(picture) as aside:
            figure.savefig(aside, dpi=150, format=picture.suffix.lstrip(".") or "png")
        click.echo(f"Wrote {picture}")


def _lines(update: Update) -> list[str]:
    """An update in words: what came and went, then which leaves."""
    name = name_of(update)
    lines = [update.summary() + (f" ({printable(name)})" if name else "")]
    for verb in ("born", "split", "dissolved"):
        keys = getattr(update, verb)
        if keys:
            more = ", ..." if len(keys) > SHOWN_LEAVES else ""
            lines.append(f"  {verb}: leaf {', '.join(map(str, keys[:SHOWN_LEAVES]))}{more}")
    return lines
