"""``hcdv demo``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click


@click.command()
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

        groups = ["flipped label" if flipped else "label as it was" for flipped in is_flipped]
        figure: Any = value_histogram(result, groups, by_name="group").figure
        figure.savefig(folder / "values.png", dpi=150)
    except ImportError:
        click.echo("No picture: it needs matplotlib (pip install 'hcdv[report]').")
    else:
        click.echo(f"Wrote {folder / 'values.png'}")
