"""``hcdv update``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from hcdv.cli._group import TROUBLE, sentence
from hcdv.cli._shown import show_lowest_new
from hcdv.cli._state import State
from hcdv.cli._tables import check_distinct, check_outside, read

REFRESHES = ("drift", "affected", "full")


def refresh_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How the values of an update are made; shared by `hcdv update`, `forget` and `watch`."""
    for option in (
        click.option(
            "--tolerance", type=click.FloatRange(min=0), default=0.04, show_default=True,
            help="Error that --refresh drift leaves, in units of the values' standard deviation.",
        ),
        click.option(
            "--rebalance-every", type=click.IntRange(min=0), default=3, show_default=True,
            help="After every so many updates the tree is looked through for leaves out of bounds; 0: never.",
        ),
        click.option(
            "--refresh", type=click.Choice(REFRESHES), default="drift", show_default=True,
            help="Which values are made anew: until the measured error is small (drift), once over the leaves "
            "that changed (affected), or all (full).",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


tau_option = click.option(
    "--tau", type=click.FloatRange(0, 2), default=0.35, show_default=True,
    help="A row farther than this beyond the usual distance from the nearest leaf founds one.",
)  # fmt: skip


@click.command()
@click.argument("state", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path), required=False)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Values to write.")
@click.option("--validation", type=click.Path(path_type=Path), help="File of trusted rows from now on.")
@refresh_options
@tau_option
@click.option("--jobs", type=click.IntRange(min=1), help="Threads.")
@click.option("--quiet", is_flag=True, help="No progress, no table.")
def update(
    state: Path,
    new: Path | None,
    out: Path,
    validation: Path | None,
    refresh: str,
    tau: float,
    rebalance_every: int,
    tolerance: float,
    jobs: int | None,
    quiet: bool,
) -> None:
    """Take in the rows of NEW and write the values of all rows.

    STATE is a folder that `hcdv value --save` made; NEW has the same columns as its data.  The same rows sent
    again change nothing.  Without NEW, the values are written as they are, beside other trusted rows if
    --validation names some, or made anew by --refresh full.
    """
    from hcdv.io import check_destination, write_values

    check_destination(out)
    check_distinct({"NEW": new, "--validation": validation}, {"--out": out})
    check_outside(state, {"--out": out})
    current = State.load(state, quiet=quiet, jobs=jobs)
    # All that is read is read before anything changes.
    batch = None if new is None else current.batch(new)
    trusted = None if validation is None else current.columns.trusted_rows(read(validation), validation)
    how = {"refresh": refresh, "tolerance": tolerance}
    seen = None if batch is None else current.seen(batch)
    is_new = batch is not None and seen is None
    if batch is not None and is_new:
        done = current.take_in(batch, batch.path.name, tau=tau, rebalance_every=rebalance_every, **how)
        with _telling(f"the rows of {new} are not in {state}"):
            current.save()
        _say(done.summary(), quiet)
    elif seen is not None:
        # Not what was asked for, so it is said in any case.
        click.echo(f"The rows of {new} were taken in before ({seen}); nothing was changed.", err=quiet)
    with _telling("" if batch is None else f"but the rows of {new} are in {state}"):
        if trusted is not None:
            if current.trust(trusted, **how):
                _say(current.model.update_.summary(), quiet)
            else:
                _say(f"The rows of {validation} are trusted already; nothing was changed.", quiet)
        elif batch is None and refresh == "full":
            current.model.refresh()
            current.save()
            _say(current.model.update_.summary(), quiet)
        write_values(current.values(), out)
    if batch is not None and is_new and not quiet:
        show_lowest_new(current.model.result_, batch.features)
    _say(f"Wrote {len(current.model.result_):,} values to {out}", quiet)


@contextmanager
def _telling(end: str) -> Iterator[None]:
    """Say with what goes wrong what has become of the rows."""
    try:
        yield
    except TROUBLE as error:
        if not end:
            raise
        raise ValueError(f"{sentence(error).rstrip('.')}; {end}.") from None


def _say(line: str, quiet: bool) -> None:
    if not quiet:
        click.echo(line)
