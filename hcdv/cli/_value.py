"""``hcdv value``."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hcdv.cli._columns import Columns
from hcdv.cli._large import check_options, is_large, value_large
from hcdv.cli._shown import show, show_groups
from hcdv.cli._state import check_new_folder, save_new
from hcdv.cli._tables import (
    as_written,
    check_columns,
    check_distinct,
    check_outside,
    check_spelling,
    read,
    split,
    with_groups,
)

# Utilities that go by a name and train a model on every coalition.
RETRAINED = ("logistic",)


@click.command()
@click.argument("data")
@click.option("--label", required=True, help="Column that holds the label.")
@click.option(
    "--id", "id_column", help="Column that names the rows; by default they are numbered from 0, as in DATA."
)
@click.option("--drop", multiple=True, help="Column to leave out; may be given several times.")
@click.option(
    "--groups",
    multiple=True,
    help="Column of known groups, such as sellers; several times, coarse to fine.  Written with the values.",
)
@click.option("--validation", type=click.Path(path_type=Path), help="File of trusted rows.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Values to write.")
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Also make this folder: the state that `hcdv update`, `forget`, `watch` and `history` take.",
)
@click.option(
    "--report", type=click.Path(path_type=Path), help="Also write this page (HTML), as `hcdv report` does."
)
@click.option(
    "--utility",
    default="auto",
    show_default=True,
    help="kernel, forest, fit, evidence, knn, ridge, logistic, or several with commas.",
)
@click.option(
    "--resolution",
    help="Deepest level of the tree that a retrained model values (a number, or 'points').",
)
@click.option(
    "--weights",
    type=click.Choice(["auto", "fixed", "likelihood"]),
    default="auto",
    show_default=True,
    help="Weights of a sum: as given, or learned from the labels of the trusted rows (auto: learned for "
    "--utility auto).",
)
@click.option(
    "--contrast",
    type=float,
    default=0.1,
    show_default=True,
    help="Weight of the distance between rows of different labels.",
)
@click.option(
    "--permutations",
    type=click.IntRange(min=2),
    default=64,
    show_default=True,
    help="Chains to walk at most; more make values steadier.",
)
@click.option("--tol", type=float, help="Stop at this relative standard error.")
@click.option("--seconds", type=float, help="Stop walking chains after this time.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="File that keeps the chains walked: after a crash the same command goes on.  Out of core a folder, in "
    "which the values stay.",
)
@click.option(
    "--cache", type=click.Path(path_type=Path), help="File that keeps the score of every model trained."
)
@click.option(
    "--encoder",
    default="auto",
    show_default=True,
    help="identity, contrastive, forest, or several, as 'identity,contrastive': what rows are compared in.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where networks are trained; cuda takes all games there.",
)
@click.option(
    "--memory-limit",
    help="What all tasks at once may take, such as 4GB: DATA is then valued part by part, out of core.",
)
@click.option(
    "--engine",
    type=click.Choice(["threads", "joblib", "dask", "ray"]),
    default="threads",
    show_default=True,
    help="Where tasks run; all but threads value DATA part by part.",
)
@click.option("--scheduler", help="Address of a Dask scheduler or Ray cluster that runs already.")
@click.option("--jobs", type=int, help="Threads, or workers; all cores by default.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed gives the same values.",
)
@click.option("--quiet", is_flag=True, help="No progress, no table.")
def value(
    data: str,
    label: str,
    id_column: str | None,
    drop: tuple[str, ...],
    groups: tuple[str, ...],
    validation: Path | None,
    out: Path,
    save: Path | None,
    report: Path | None,
    utility: str,
    resolution: str | None,
    weights: str,
    contrast: float,
    permutations: int,
    tol: float | None,
    seconds: float | None,
    checkpoint: Path | None,
    cache: Path | None,
    encoder: str,
    device: str,
    memory_limit: str | None,
    engine: str,
    scheduler: str | None,
    jobs: int | None,
    seed: int,
    quiet: bool,
) -> None:
    """Value every row of DATA.

    DATA is a file in CSV, CSV.gz, TSV, Parquet, Arrow or NPZ; or a folder of Parquet files, a pattern with *
    or an address such as s3://bucket/folder, whose rows need not fit into memory.
    """
    if is_large(data, memory_limit, engine):
        check_options(
            groups=groups, save=save, report=report, tol=tol is not None, seconds=seconds is not None,
            cache=cache, resolution=resolution,
        )  # fmt: skip
        value_large(
            data, out, label=label, id_column=id_column, drop=drop, validation=validation, quiet=quiet,
            utility=_names(utility), weights=weights, contrast=contrast, n_permutations=permutations,
            checkpoint=checkpoint, encoder=_names(encoder), device=device, memory_limit=memory_limit,
            engine=engine, scheduler=scheduler, n_jobs=jobs, random_state=seed,
        )  # fmt: skip
        return
    from hcdv import HCDV
    from hcdv._files import check_place
    from hcdv.io import check_destination, write_values

    path = Path(data)
    # Before any work: a destination that cannot be written must not cost a valuation, nor an input.
    check_destination(out)
    if save is not None:
        check_new_folder(save)
    if report is not None:
        from hcdv.report import check_report

        check_report(report)
    for place in (checkpoint, cache):
        if place is not None:
            check_place(place)
    outputs = {"--out": out, "--save": save, "--report": report, "--checkpoint": checkpoint, "--cache": cache}
    if checkpoint is not None:
        from hcdv.estimator import ENCODER_SUFFIX

        outputs["the encoder of --checkpoint"] = Path(f"{checkpoint}{ENCODER_SUFFIX}")
    if cache is not None:
        # SQLite's own files beside a cache that is in use.
        ends = ("-wal", "-shm", "-journal")
        outputs |= {f"the log of --cache ({end})": Path(f"{cache}{end}") for end in ends}
    check_distinct({"DATA": path, "--validation": validation}, outputs)
    if save is not None:
        check_outside(save, {**outputs, "--save": None})
    frame = read(path)
    # Groups make the tree; what tells them apart is not what rows are compared by.
    kept_out = list(dict.fromkeys([label, *drop, *groups] + ([id_column] if id_column else [])))
    features, labels = split(frame, label, kept_out, path)
    for name in groups:
        check_spelling(frame, path, name)
    group_columns = frame[list(groups)].astype(str).to_numpy() if groups else None
    written = as_written(frame, groups, path)
    ids = frame[id_column].to_numpy() if id_column else None
    columns = Columns.of(frame, label, id_column, groups, features.columns)
    features_val = labels_val = None
    if validation is not None:
        trusted = read(validation)
        present = [c for c in kept_out if c in trusted.columns]
        features_val, labels_val = split(trusted, label, present, validation)
        check_columns(trusted, features.columns, validation)
        features_val = features_val[list(features.columns)]

    begin = time.perf_counter()
    model = HCDV(
        encoder=_names(encoder),
        utility=_utility(utility, resolution),
        weights=weights,
        contrast=contrast,
        n_permutations=permutations,
        tol=_stopping(tol, seconds),
        cache=cache,
        checkpoint=checkpoint,
        device=device,
        scheduler=scheduler,
        n_jobs=jobs,
        random_state=seed,
        verbose=0 if quiet else 1,
        # So that the first update is as fast as later ones.
        keep_chains=save is not None,
    ).fit(features, labels, features_val, labels_val, groups=group_columns, ids=ids)
    took = time.perf_counter() - begin
    result = model.result_
    write_values(with_groups(result.to_frame(), written), out)
    if save is not None:
        known = replace(
            columns,
            fit=columns.batch(frame, path).digest,
            trusted=None if validation is None else columns.trusted_rows(trusted, validation).digest,
        )
        save_new(model, known, save)
    if report is not None:
        from hcdv.report import write_report

        write_report(model, report, frame.drop(columns=[name for name in (label, id_column) if name]))
    if not quiet:
        show(result, features, took)
        if group_columns is not None:
            show_groups(result, [" / ".join(row) for row in group_columns])
        click.echo(f"\nWrote {len(result):,} values to {out}")
        if report is not None:
            click.echo(f"Wrote a report to {report}")


def _utility(names: str, resolution: str | None) -> Any:
    """The utility behind ``--utility`` and ``--resolution``."""
    from hcdv.games import MultiFidelity

    chosen = _names(names)
    if resolution is None:
        return chosen
    if not set(RETRAINED).intersection([chosen] if isinstance(chosen, str) else chosen):
        raise ValueError(f"--resolution goes with a utility that trains a model ({', '.join(RETRAINED)}).")
    try:
        return MultiFidelity(chosen, resolution=int(resolution))
    except ValueError:
        if resolution.lstrip("-").isdecimal():
            raise
        return MultiFidelity(chosen, resolution=resolution)


def _names(text: str) -> Any:
    """A name, or several with commas."""
    return [name.strip() for name in text.split(",")] if "," in text else text


def _stopping(tol: float | None, seconds: float | None) -> Any:
    """The stopping rule behind ``--tol`` and ``--seconds``."""
    from hcdv.stopping import StandardError, TimeBudget

    if seconds is None:
        return tol
    return TimeBudget(seconds) if tol is None else StandardError(tol) | TimeBudget(seconds)
