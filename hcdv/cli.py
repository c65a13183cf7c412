"""The command line: ``hcdv demo``, ``hcdv value`` and ``hcdv payout``."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import hcdv
from hcdv._errors import UtilityError

if TYPE_CHECKING:
    import pandas as pd
    from rich.text import Text

    from hcdv.result import ValuationResult

# Utilities that go by a name and train a model on every coalition.
RETRAINED = ("logistic",)

SHOWN_ROWS = 10
SHOWN_COLUMNS = 4
# What a file of values holds beside the parts, whose names begin as below.
VALUE_COLUMNS = ("id", "value", "std_error", "rank", "label")
PART = "part_"
LEAST_WIDTH = {"id": 5, "value": 9, "label": 5}


class _OneSentence(click.Group):
    """Turns what goes wrong with the user's input into one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, TypeError, OSError, UtilityError) as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"hcdv: {_sentence(error)}", err=True)
            ctx.exit(2)
        except MemoryError:
            click.echo("hcdv: not enough memory for this input; value a part of it.", err=True)
            ctx.exit(2)


@click.group(cls=_OneSentence, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hcdv.__version__, prog_name="hcdv")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """What is each training row worth?"""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a character of the data must not cost the result.
        sys.stdout.reconfigure(errors="replace")
    warnings.showwarning = _note


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"hcdv: note: {message}", err=True)


@main.command()
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hcdv-demo"),
    show_default=True,
    help="Folder for the values and the picture.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def demo(folder: Path, seed: int) -> None:
    """Find flipped labels among handwritten digits."""
    from hcdv import HCDV
    from hcdv.datasets import flip_labels, load_digits
    from hcdv.io import write_values

    data = load_digits(random_state=seed)
    labels, is_flipped = flip_labels(data.y, 0.15, random_state=seed)
    click.echo(
        f"{len(labels):,} images of handwritten digits; {int(is_flipped.sum())} labels (15%) were "
        "flipped on purpose."
    )
    begin = time.perf_counter()
    model = HCDV(random_state=seed).fit(data.X, labels, data.X_val, data.y_val)
    seconds = time.perf_counter() - begin
    result = model.result_
    lowest = result.ranking()[: int(is_flipped.sum())]
    click.echo(f"Valued in {seconds:.1f} s.\n")
    click.echo(result.summary())
    click.echo(
        f"\nOf the flipped labels, {is_flipped[lowest].mean():.1%} stand in the lowest 15% of the "
        "values (15.0% by chance)."
    )
    folder.mkdir(parents=True, exist_ok=True)
    frame = result.to_frame()
    frame["is_flipped"] = is_flipped
    write_values(frame, folder / "values.csv")
    click.echo(f"Wrote {folder / 'values.csv'}")
    try:
        from hcdv.plot import value_histogram

        value_histogram(result.values, is_flipped, folder / "values.png")
    except ImportError:
        click.echo("No picture: it needs matplotlib (pip install 'hcdv[report]').")
    else:
        click.echo(f"Wrote {folder / 'values.png'}")


@main.command()
@click.argument("data", type=click.Path(path_type=Path))
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
@click.option("--save", type=click.Path(path_type=Path), help="Also write what ValuationResult.load reads.")
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
    help="File that keeps the chains walked: after a crash the same command goes on.",
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
@click.option("--jobs", type=int, help="Threads; all cores by default.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed gives the same values.",
)
@click.option("--quiet", is_flag=True, help="No progress, no table.")
def value(
    data: Path,
    label: str,
    id_column: str | None,
    drop: tuple[str, ...],
    groups: tuple[str, ...],
    validation: Path | None,
    out: Path,
    save: Path | None,
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
    jobs: int | None,
    seed: int,
    quiet: bool,
) -> None:
    """Value every row of DATA (CSV, CSV.gz, TSV, Parquet, Arrow or NPZ)."""
    from hcdv import HCDV
    from hcdv._files import check_place
    from hcdv.io import check_destination, write_values

    # Before any work: a destination that cannot be written must not cost a valuation, nor an input.
    check_destination(out)
    if save is not None:
        check_place(save)
    for path in (checkpoint, cache):
        if path is not None:
            check_place(path)
    outputs = {"--out": out, "--save": save, "--checkpoint": checkpoint, "--cache": cache}
    if checkpoint is not None:
        from hcdv.estimator import ENCODER_SUFFIX

        outputs["the encoder of --checkpoint"] = Path(f"{checkpoint}{ENCODER_SUFFIX}")
    if cache is not None:
        # SQLite's own files beside a cache that is in use.
        ends = ("-wal", "-shm", "-journal")
        outputs |= {f"the log of --cache ({end})": Path(f"{cache}{end}") for end in ends}
    _check_distinct({"DATA": data, "--validation": validation}, outputs)
    frame = _read(data)
    # Groups make the tree; what tells them apart is not what rows are compared by.
    kept_out = list(dict.fromkeys([label, *drop, *groups] + ([id_column] if id_column else [])))
    features, labels = _split(frame, label, kept_out, data)
    for name in groups:
        _check_spelling(frame, data, name)
    group_columns = frame[list(groups)].astype(str).to_numpy() if groups else None
    written = _as_written(frame, groups, data)
    ids = frame[id_column].to_numpy() if id_column else None
    features_val = labels_val = None
    if validation is not None:
        trusted = _read(validation)
        present = [c for c in kept_out if c in trusted.columns]
        features_val, labels_val = _split(trusted, label, present, validation)
        _check_columns(trusted, features.columns, validation)
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
        n_jobs=jobs,
        random_state=seed,
        verbose=0 if quiet else 1,
    ).fit(features, labels, features_val, labels_val, groups=group_columns, ids=ids)
    took = time.perf_counter() - begin
    result = model.result_
    table = result.to_frame()
    for k, (name, column) in enumerate(written.items(), start=1):
        table.insert(k, name, column)
    write_values(table, out)
    if save is not None:
        result.save(save)
    if not quiet:
        _show(result, features, took)
        if group_columns is not None:
            _show_groups(result, [" / ".join(row) for row in group_columns])
        click.echo(f"\nWrote {len(result):,} values to {out}")


@main.command()
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
    _check_distinct({"VALUES": values, "--sellers": sellers}, {"--out": out})
    frame = _read(values)
    _check_columns(frame, ["value"], values)
    if sellers is None:
        remedy = (
            "; name the file that has it by --sellers FILE --id COLUMN, or let `hcdv value --groups "
            f"{by}` write it"
        )
        _check_columns(frame, [by], values, remedy)
        _check_spelling(frame, values, by)
        names = frame[by]
    else:
        others = _read(sellers)
        names = _joined(frame, values, others, sellers, id_column, by)
        _check_spelling(others, sellers, by)
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
    _check_columns(frame, ["id"], path)
    if id_column is None and "id" not in others.columns and _are_numbered(frame["id"]):
        _check_columns(others, [by], other_path)
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
    _check_columns(others, [id_column], other_path, "; name the one that names the rows with --id")
    _check_columns(others, [by], other_path)
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


def _check_spelling(frame: pd.DataFrame, path: Path, name: str) -> None:
    """Refuse names that a text file tells apart and that are one number, truth value or date by now."""
    import pandas as pd

    file = path.name.lower()
    packed = file.endswith(".gz")
    kind = Path(file.removesuffix(".gz")).suffix
    if kind not in (".csv", ".tsv") or name not in frame.columns:
        return
    spelt = pd.read_csv(
        path, sep="\t" if kind == ".tsv" else ",", index_col=False, dtype=str, encoding="utf-8-sig",
        usecols=lambda column: str(column) == name, compression="gzip" if packed else None,
    )[name].str.strip()  # fmt: skip
    known = frame[name].notna().to_numpy() & spelt.notna().to_numpy()
    read = frame[name].to_numpy()[known]
    if read.dtype.kind == "O" and all(isinstance(value, str) for value in read):
        return
    spellings = pd.Series(spelt.to_numpy()[known]).groupby(read).unique()
    several = spellings[spellings.map(len) > 1]
    if len(several):
        one, other = several.iloc[0][:2]
        raise ValueError(
            f"{path} has both {one!r} and {other!r} in column {name!r}, which read as one value; write names "
            "that are no numbers, or spell the same one alike."
        )


def _are_numbered(ids: pd.Series) -> bool:
    """Whether these are the numbers that rows without names get."""
    return ids.tolist() == list(range(len(ids)))


def _as_written(frame: pd.DataFrame, groups: tuple[str, ...], path: Path) -> dict[str, Any]:
    """The columns of groups as they stand in the file of values."""
    columns = {}
    for name in groups:
        if name in VALUE_COLUMNS or name.startswith(PART):
            raise ValueError(
                f"--groups {name!r} is the name of a column of the values, too; rename the one in the data."
            )
        column = frame[name]
        if column.isna().any():
            missing = int(column.isna().sum())
            raise ValueError(f"{path} has {missing} rows without a group in column {name!r} (--groups).")
        # Text where kinds are mixed: not every format takes these.
        text = column.map(str, na_action="ignore") if column.dtype == object else column
        # Without its index: a Parquet file may have brought one.
        columns[name] = text.array
    return columns


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


def _check_distinct(inputs: dict[str, Path | None], outputs: dict[str, Path | None]) -> None:
    taken: dict[str, str] = {}
    for name, path in [*inputs.items(), *outputs.items()]:
        if path is None:
            continue
        real = os.path.realpath(path)
        if real in taken:
            harm = "would overwrite it" if name in outputs else "cannot vouch for itself"
            raise ValueError(f"{name} {path} is the file of {taken[real]} and {harm}.")
        taken[real] = name


def _read(path: Path) -> pd.DataFrame:
    """A table whose columns go by their names as text, as on a command line."""
    from hcdv.io import read_table

    frame = read_table(path)
    return frame.set_axis(frame.columns.map(str), axis=1)


def _split(
    frame: pd.DataFrame, label: str, kept_out: list[str], path: Path
) -> tuple[pd.DataFrame, Any]:
    _check_columns(frame, kept_out if label in kept_out else [label, *kept_out], path)
    features = frame.drop(columns=kept_out)
    if features.shape[1] == 0:
        raise ValueError(f"{path} has no columns left to value the rows by.")
    return features, frame[label].to_numpy()


def _check_columns(frame: pd.DataFrame, names: Any, path: Path, remedy: str = "") -> None:
    for name in names:
        if name not in frame.columns:
            known = ", ".join(map(str, frame.columns[:20]))
            raise ValueError(f"{path} has no column {name!r}; it has {known}{remedy}.")


def _show(result: ValuationResult, features: pd.DataFrame, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout)
    click.echo(f"\nValued in {seconds:.1f} s.")
    click.echo(result.summary())
    columns = list(features.columns[:SHOWN_COLUMNS])
    table = Table(title=f"The {min(SHOWN_ROWS, len(result))} lowest-valued rows")
    for name in ("id", "value", "label"):
        table.add_column(name, no_wrap=True, min_width=LEAST_WIDTH[name], max_width=24)
    for name in columns:
        table.add_column(_plain(name), overflow="ellipsis", no_wrap=True, max_width=14)
    for i in result.ranking()[:SHOWN_ROWS]:
        label = "" if result.labels is None else result.labels[i]
        cells = features[columns].iloc[int(i)].tolist()
        table.add_row(*map(_plain, [result.ids[i], f"{result.values[i]:.3g}", label, *cells]))
    console.print(table)


def _show_groups(result: ValuationResult, group: list[str]) -> None:
    """Totals of the groups: they sum to the value of all rows; a negative one costs more than it adds."""
    import pandas as pd

    totals = pd.Series(result.values).groupby(group).agg(["sum", "size"])
    click.echo("\nValue by group:")
    for name, (total, size) in totals.sort_values("sum", ascending=False).head(20).iterrows():
        click.echo(f"  {name}: {total:.4g} ({int(size):,} rows)")


def _plain(cell: Any) -> Text:
    """A cell as it is: what looks like markup is data, and control characters stay off the terminal."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else " " for c in str(cell)))


def _sentence(error: Exception) -> str:
    """First line of an error, without the class name that means nothing to a user."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}."
    return str(error).split("\n", 1)[0] or type(error).__name__
