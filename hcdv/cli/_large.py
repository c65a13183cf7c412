"""``hcdv value`` on data that need not fit into memory."""

from __future__ import annotations

import os
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hcdv.cli._tables import PART, check_columns, check_distinct

if TYPE_CHECKING:
    from hcdv.result import ValuationResult

# Values written at a time.
ROWS_AT_ONCE = 1 << 18


def is_large(data: str, memory_limit: str | None, engine: str) -> bool:
    """Whether DATA is valued part by part: a folder, a pattern, an address, or as the options ask for."""
    is_asked = memory_limit is not None or engine != "threads"
    return is_asked or "://" in data or "*" in data or Path(data).is_dir()


def check_options(**options: Any) -> None:
    """Refuse what needs all rows in memory."""
    for name, asked in options.items():
        if asked:
            raise ValueError(
                f"--{name} needs all rows in memory; a folder, --memory-limit and --engine value them in parts."
            )


def value_large(
    data: str,
    out: Path,
    *,
    label: str,
    id_column: str | None,
    drop: tuple[str, ...],
    validation: Path | None,
    quiet: bool,
    **parameters: Any,
) -> None:
    """Value the rows of DATA and write the values, block by block."""
    from hcdv import HCDV
    from hcdv.io import ValuesWriter
    from hcdv.io.source import open_source

    check_places(data, out, validation, parameters["checkpoint"])
    writer = ValuesWriter(out)  # before any work: it looks at the place
    source = open_source(data, label=label, id_column=id_column, drop=drop)
    X_val = y_val = None
    if validation is not None:
        trusted = open_source(validation, label=label)
        block = trusted.read(0, trusted.n_rows)
        assert source.columns is not None  # files of Parquet and Arrow have names of columns
        check_columns(block.X, source.columns, validation)
        X_val, y_val = block.X[list(source.columns)], block.y
    model = HCDV(verbose=0 if quiet else 1, **parameters)
    begin = time.perf_counter()
    try:
        model.fit(source, None, X_val, y_val)
        took = time.perf_counter() - begin
        write(model.result_, writer)
    except KeyboardInterrupt:
        kept = parameters["checkpoint"]
        goes_on = "" if kept is None else f"the same command goes on from what {kept} holds"
        raise KeyboardInterrupt(goes_on) from None
    if not quiet:
        click.echo(f"\nValued in {took:.1f} s.\n{model.result_.summary()}")
        for name, share in model.crossing_votes_.items():
            click.echo(f"{name}: {share:.0%} of the votes cross parts (docs/scale.md)")
        click.echo(f"\nWrote {len(model.result_):,} values to {out}")


def check_places(data: str, out: Path, validation: Path | None, checkpoint: Path | None) -> None:
    """Refuse to write over what is read, or among it: the same command would read it as rows."""
    check_distinct({"DATA": Path(data), "--validation": validation}, {"--out": out, "--checkpoint": checkpoint})
    for name, path in (("--out", out), ("--checkpoint", checkpoint)):
        if path is not None and _is_among(os.path.realpath(path), data.removeprefix("file://")):
            raise ValueError(f"{name} {path} lies in DATA {data}; write it elsewhere.")


def _is_among(path: str, data: str) -> bool:
    """Whether what stands at a path is read where the rows are those of a folder or pattern."""
    real = os.path.realpath(data)
    if os.path.isdir(real):
        return Path(real) in Path(path).parents
    return fnmatch(path, real.replace("**/", "*"))


def write(result: ValuationResult, writer: Any) -> None:
    """The columns of ``ValuationResult.to_frame``, some rows at a time."""
    import numpy as np
    import pandas as pd

    rank = np.empty(len(result), np.int64)
    rank[result.ranking()] = np.arange(len(result))
    assert result.std_error is not None and result.labels is not None
    columns = {
        "id": result.ids, "value": result.values, "std_error": result.std_error, "rank": rank,
        "label": result.labels,
    }  # fmt: skip
    if len(result.parts) > 1:
        columns |= {PART + name: part for name, part in result.parts.items()}
    with writer:
        for first in range(0, len(result), ROWS_AT_ONCE):
            block = {name: np.array(column[first : first + ROWS_AT_ONCE]) for name, column in columns.items()}
            writer.write(pd.DataFrame(block))
