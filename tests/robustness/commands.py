"""A grammar of malformed command lines: broken tables, and options that do not fit."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from hcdv import HCDV

Random = np.random.Generator

COMMANDS = ("value", "payout", "update", "forget", "watch", "history", "report", "demo", "nonsense")
# Where a number is wanted.
NUMBERS = ["-1", "0", "nan", "inf", "1e400", "-0.5", "", "zwei", "1" * 40, "0x10", "1,5", "\u0665"]
NAMES = ["", " ", "absent", "LABEL", "a,b", "y\n", "é" * 50, "__proto__", "-", "value", "part_kernel", "*"]
PATHS = ["", "absent.csv", ".", "no/where.csv", "/dev/null", "data.doc", "x" * 300 + ".csv", "data.csv.gz", "-"]
CHOICES = ["magic", "", "kernel,,fit", "kernel,kernel", "LOGISTIC", "auto,kernel", "contrastive,forest", ","]

HEADERS = ["a,b,seller,y", "a,a,seller,y", "a;b;seller;y", "", "y", ",,,", "a,b,seller", '"a,b,seller,y']
CELLS = [
    "1", "-2.5", "", "x", "nan", "inf", "1e999", '"', '""', "é", "2024-01-01", "2024-13-41", "\t", "\0", " 1",
    "9" * 400, "True", "'", "1,2", "\r", "\ufeff", "=cmd()", "NULL", "<NA>",
]  # fmt: skip

# Options of each command, and what is drawn for each.
OPTIONS: dict[str, dict[str, list[str]]] = {
    "value": {
        "--label": NAMES, "--id": NAMES, "--drop": NAMES, "--groups": NAMES, "--out": PATHS,
        "--validation": PATHS, "--save": PATHS, "--report": PATHS, "--utility": CHOICES, "--weights": CHOICES,
        "--resolution": NUMBERS, "--contrast": NUMBERS, "--permutations": NUMBERS, "--tol": NUMBERS,
        "--checkpoint": PATHS, "--cache": PATHS, "--encoder": CHOICES, "--device": CHOICES, "--engine": CHOICES,
        "--memory-limit": [*NUMBERS, "4XB", "1B"], "--scheduler": ["x", ""], "--jobs": NUMBERS,
        "--seconds": NUMBERS, "--seed": NUMBERS, "--unknown": NAMES,
    },
    "payout": {
        "--by": NAMES, "--total": NUMBERS, "--currency": ["", "EURO?", "é"], "--minimum": NUMBERS,
        "--decimals": NUMBERS, "--sellers": PATHS, "--id": NAMES, "--out": PATHS,
    },
    "update": {
        "--out": PATHS, "--validation": PATHS, "--tolerance": NUMBERS, "--rebalance-every": NUMBERS,
        "--refresh": CHOICES, "--tau": NUMBERS, "--jobs": NUMBERS,
    },
    "forget": {"--id": NAMES, "--group": NAMES, "--out": PATHS, "--tolerance": NUMBERS, "--refresh": CHOICES},
    "watch": {"--out-folder": PATHS, "--every": NUMBERS, "--tau": NUMBERS, "--jobs": NUMBERS},
    "history": {"--out": PATHS, "--by": CHOICES, "--plot": PATHS},
    "report": {"--label": NAMES, "--id": NAMES, "--out": PATHS, "--title": NAMES, "--rows": NUMBERS},
    "demo": {"--seed": NUMBERS[:3], "--nonsense": NAMES},
    "nonsense": {},
}  # fmt: skip
# Well-formed where what else is wrong must decide.
WHOLE = {
    "value": ["--label", "y", "--out", "out.csv", "--permutations", "2", "--utility", "kernel", "--quiet"],
    "payout": ["--by", "seller", "--total", "10"],
    "update": ["--out", "out.csv", "--quiet"],
    "forget": ["--quiet"],
    "watch": ["--once", "--every", "0.01"],
    "report": ["--out", "out.html"],
}


def write_files(folder: Path) -> None:
    """What a command line may name: a good table, a state, and the values of it."""
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{'st'[k % 2]},{k % 2}" for k, (a, b) in enumerate(rng.normal(size=(16, 2)))]
    (folder / "data.csv").write_text("\n".join(["a,b,seller,y", *lines, ""]))
    lines = [f"{k},{k - 5},s{k % 2}" for k in range(9)]
    (folder / "values.csv").write_text("\n".join(["id,value,seller", *lines]))
    X = rng.normal(size=(16, 2))
    model = HCDV(utility="kernel", n_permutations=2, keep_chains=True, random_state=0, n_jobs=1)
    model.fit(X, np.arange(16) % 2).save(folder / "state")
    (folder / "empty").mkdir()


def bad_table(rng: Random) -> bytes:
    """A table that is no table, or none of 16 rows with two numbers, a seller and a label."""
    header = pick(rng, HEADERS)
    n_rows = int(rng.integers(0, 8))
    rows = [",".join(pick(rng, CELLS) for _ in range(rng.integers(1, 6))) for _ in range(n_rows)]
    text = pick(rng, ["\n", "\r\n", "\r"]).join([header, *rows])
    data = text.encode(pick(rng, ["utf-8", "utf-16"]), "replace")
    if rng.random() < 0.2:
        data = rng.integers(0, 256, int(rng.integers(0, 200)), dtype=np.uint8).tobytes()
    packed = gzip.compress(data)
    return packed[: rng.integers(len(packed))] if rng.random() < 0.1 else data


def pick(rng: Random, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def command_line(rng: Random, folder: Path) -> list[str]:
    """A command line with at least one thing wrong, which writes into the working folder only."""
    command = pick(rng, COMMANDS[:-2]) if rng.random() < 0.97 else pick(rng, COMMANDS)
    suffix = pick(rng, ["csv", "csv", "tsv", "csv.gz", "parquet", "npz", "arrow", "doc"])
    bad = f"bad.{suffix}"
    (folder / bad).write_bytes(bad_table(rng))
    places = {"value": ["data.csv"], "payout": ["values.csv"], "update": ["state", "data.csv"],
              "forget": ["state", "values.csv"], "watch": ["state", "empty"], "history": ["state"],
              "report": ["state", "data.csv"], "demo": ["demo/no/where"]}.get(command, [])  # fmt: skip
    if places and rng.random() < 0.6:
        places[int(rng.integers(len(places)))] = pick(rng, [bad, *PATHS])
    elif rng.random() < 0.05:
        places = places[:-1] if rng.random() < 0.5 else [*places, "data.csv", "data.csv"]
    options = []
    for name in OPTIONS[command]:
        if rng.random() < 1.5 / len(OPTIONS[command]):
            options += [name, pick(rng, OPTIONS[command][name])]
    whole = WHOLE.get(command, [])
    if rng.random() < 0.05:
        whole = whole[: int(rng.integers(len(whole) + 1))]
    return [command, *places, *whole, *options]
