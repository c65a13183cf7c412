"""Adult and Criteo: tables of mixed columns, as pandas DataFrames."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd

from hcdv._random import RandomState
from hcdv._validation import check_choice
from hcdv.datasets._dataset import Dataset, draw
from hcdv.datasets._store import check_digest, download, find

_ADULT_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/"
_ADULT_COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week",
    "native-country", "income",
)  # fmt: skip
_ADULT_SHA256 = "4c940a8f6ea233b60b071dd59605ff471e58ce62f1007e693c12b37cbbb29e96"
_CRITEO_IDS = [f"C{j}" for j in range(1, 27)]


def load_adult(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
) -> Dataset:
    """Adult / Census Income (Becker and Kohavi 1996, CC BY 4.0): does a person earn over 50,000?

    ``X`` is a DataFrame of six integer and eight string columns, ``?`` where a string is unknown;
    ``y`` is 1 for ``>50K``. Training rows come from the 32,561 official training rows, validation
    and test rows from the 16,281 official test rows. Looks for ``adult.csv.gz``; downloads from
    UCI.

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.

    Returns
    -------
    Dataset
    """
    frame = pd.read_csv(find("adult.csv.gz", _fetch_adult))
    return draw(
        "adult", frame.drop(columns=["split", "income"]), (frame["income"] == ">50K").to_numpy(),
        n=n, n_val=n_val, n_test=n_test, random_state=random_state,
        target_names=("<=50K", ">50K"), held_out=(frame["split"] == "test").to_numpy(),
    )  # fmt: skip


def load_criteo(
    *,
    n: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    random_state: RandomState = 0,
    version: str = "encoded",
) -> Dataset:
    """Criteo display advertising (for research use): is an advertisement clicked on?

    Parameters
    ----------
    n, n_val, n_test, random_state
        As for all loaders.
    version : {"encoded", "raw"}
        ``"encoded"``: 10,000 + 10,000 impressions with an official split, integers already put into
        buckets (``criteo_encoded_20k.csv.gz``); 95 rows stand in both halves. ``"raw"``: 8,000
        impressions without a split, missing values kept (``criteo_raw_8k.csv.gz``).

    Returns
    -------
    Dataset
        ``X`` is a DataFrame: ``I1`` to ``I13`` numbers, ``C1`` to ``C26`` opaque category ids as
        strings (missing ones are missing). There is no source to download these files from.
    """
    check_choice(version, "version", ("encoded", "raw"))
    filename = "criteo_encoded_20k.csv.gz" if version == "encoded" else "criteo_raw_8k.csv.gz"
    # As strings: some ids look like numbers (241546e0). Only the empty field is missing.
    frame = pd.read_csv(
        find(filename), dtype=dict.fromkeys(_CRITEO_IDS, str), keep_default_na=False,
        na_values=[""],
    )  # fmt: skip
    held_out = (frame["split"] == "test").to_numpy() if version == "encoded" else None
    return draw(
        f"criteo_{version}", frame.drop(columns=["split", "label"], errors="ignore"),
        frame["label"].to_numpy(), n=n, n_val=n_val, n_test=n_test, random_state=random_state,
        target_names=("no click", "click"), held_out=held_out,
    )  # fmt: skip


def _fetch_adult(path: Path) -> None:
    table = "".join(
        _adult_lines(download(_ADULT_URL + filename), split)
        for filename, split in (("adult.data", "train"), ("adult.test", "test"))
    )
    content = f"split,{','.join(_ADULT_COLUMNS)}\n{table}".encode()
    check_digest(content, _ADULT_SHA256, "adult.csv")
    path.write_bytes(gzip.compress(content, mtime=0))


def _adult_lines(data: bytes, split: str) -> str:
    """UCI's lines, tidied: no blanks, no note line, no full stop after the labels of the test."""
    rows = [[field.strip() for field in line.split(",")] for line in data.decode().splitlines()]
    return "".join(
        f"{split},{','.join(row).rstrip('.')}\n" for row in rows if len(row) == len(_ADULT_COLUMNS)
    )
