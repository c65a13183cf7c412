"""Everything that reads a file, each with a whole file to begin with; for the tests of damage and for fuzz/."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hcdv import HCDV, ValuationResult
from hcdv._archive import read_archive, write_archive
from hcdv._moments import Moments
from hcdv._tensors import read_tensors, write_tensors
from hcdv.allocation import Checkpoint
from hcdv.cli._columns import Columns
from hcdv.encoder import load_encoder, save_encoder
from hcdv.games import CoalitionCache
from hcdv.io import read_table, write_values
from hcdv.io.source import open_source
from hcdv.scale.work import Work

RNG = np.random.default_rng(0)
N = 24
Y = np.arange(N) % 2
X = RNG.normal(size=(N, 3)) + Y[:, None]
FRAME = pd.DataFrame({"a": X[:, 0], "day": "2024-05-31", "text": ["é,x", ""] * (N // 2), "y": Y})
FILES_OF_A_STATE = ("CURRENT", "encoder-1.safetensors", "journal-1.log", "snapshot-1.hcdv")


@dataclass(frozen=True)
class Loader:
    """One way to read a file.

    Attributes
    ----------
    name : str
        Of the file.
    make : callable
        Writes a whole file into an empty folder, and what else has to lie beside it.
    load : callable
        Reads the file of a path.
    signed : tuple of callables, optional
        The facts of a file as JSON, and a file of other facts under right checksums.
    """

    name: str
    make: Callable[[Path], Any]
    load: Callable[[Path], Any]
    signed: tuple[Callable[[Path], bytes], Callable[[Path, bytes], Any]] | None = None


def _model() -> HCDV:
    model = HCDV(utility="kernel", n_permutations=4, leaf_size=5, branching=4, keep_chains=True, n_jobs=1)
    return model.set_params(random_state=0).fit(X[:20], Y[:20], groups=np.arange(20) % 2)


def make_state(folder: Path) -> None:
    model = _model()
    model.save(folder / "state")
    model.partial_fit(X[20:], Y[20:], groups=np.zeros(4, int)).save(folder / "state")


def _archive_facts(kind: str) -> tuple[Callable[[Path], bytes], Callable[[Path, bytes], None]]:
    def facts(path: Path) -> bytes:
        return json.dumps(read_archive(path, kind, 99)[1]).encode()

    def sign(path: Path, text: bytes) -> None:
        arrays, _ = read_archive(path, kind, 99)
        write_archive(path, arrays, {**json.loads(text), "kind": kind})

    return facts, sign


def _encoder_facts(path: Path) -> bytes:
    return json.dumps(read_tensors(path, "encoder", 1)[1]).encode()


def _sign_encoder(path: Path, text: bytes) -> None:
    write_tensors(path, read_tensors(path, "encoder", 1)[0], "encoder", 1, json.loads(text))


def _moments() -> tuple[Moments, Moments]:
    return Moments.zeros(2, 5), Moments.zeros(2, 3)


def _checkpoint(path: Path) -> Checkpoint:
    return Checkpoint(path, "a valuation")


def _make_checkpoint(folder: Path) -> None:
    _checkpoint(folder / "chains").save(*_moments(), None, np.zeros(2), now=True)


def _make_cache(folder: Path) -> None:
    # SQLite's own log would keep what the file lacks.
    path = folder / "scores"
    CoalitionCache(path).put("data", {b"k" * 32: 0.5}, on_disk=True)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _read_cache(path: Path) -> Any:
    return CoalitionCache(path).get("data", [b"k" * 32], on_disk=True)


def _table(suffix: str) -> Loader:
    def make(folder: Path) -> None:
        if "sv" in suffix:
            text = FRAME.to_csv(index=False, sep="\t" if "tsv" in suffix else ",").encode()
            text = gzip.compress(text, mtime=0) if suffix.endswith("gz") else text
            (folder / f"t.{suffix}").write_bytes(text)
        else:
            write_values(FRAME.drop(columns="text") if suffix == "npz" else FRAME, folder / f"t.{suffix}")

    return Loader(f"t.{suffix}", make, read_table)


def _read_rows(*what: Any, **roles: Any) -> Any:
    source = open_source(*what, **roles)
    return source.read(0, source.n_rows), source.take(np.array([0, source.n_rows - 1]))


def _parts(suffix: str) -> Loader:
    def make(folder: Path) -> None:
        for name in ("part-0", "part-1"):
            write_values(FRAME, folder / f"{name}.{suffix}")

    return Loader(f"part-1.{suffix}", make, lambda path: _read_rows(str(path.parent), label="y"))


def _columns_facts(path: Path) -> bytes:
    return json.dumps(asdict(Columns.read(path.parent, "a model"))).encode()


def _make_columns(folder: Path) -> None:
    Columns.of(FRAME, "y", None, ["day"], ["a", "text"]).of_model("a model").write(folder)


def _make_work(folder: Path) -> None:
    (folder / "work").mkdir()
    Work.begin(folder / "work", "a valuation")


LOADERS = {
    "result": Loader(
        "v.hcdv", lambda folder: _model().result_.save(folder / "v.hcdv"), ValuationResult.load,
        _archive_facts("result"),
    ),
    **{
        f"state {name}": Loader(
            f"state/{name}", make_state, lambda path: HCDV.load(path.parent),
            _archive_facts("state") if name.startswith("snapshot") else None,
        )
        for name in FILES_OF_A_STATE
    },
    "encoder": Loader(
        "encoder", lambda folder: save_encoder(_model().encoder_, folder / "encoder"), load_encoder,
        (_encoder_facts, _sign_encoder),
    ),
    "checkpoint": Loader(
        "chains", _make_checkpoint, lambda path: _checkpoint(path).load(*_moments(), None),
        _archive_facts("checkpoint"),
    ),
    "columns": Loader(
        "columns.json", _make_columns, lambda path: Columns.read(path.parent, "a model"),
        (_columns_facts, lambda path, text: Columns(**json.loads(text)).write(path.parent)),
    ),
    "work": Loader("work/work.json", _make_work, lambda path: Work.begin(path.parent, "a valuation")),
    "cache": Loader("scores", _make_cache, _read_cache),
    **{f"table {suffix}": _table(suffix) for suffix in ("csv", "csv.gz", "tsv", "parquet", "arrow", "npz")},
    **{f"source {suffix}": _parts(suffix) for suffix in ("parquet", "arrow")},
    "source npy": Loader(
        "x.npy", lambda folder: np.save(folder / "x.npy", X), lambda path: _read_rows(str(path), Y)
    ),
}  # fmt: skip
