"""Values written block by block."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from hcdv.io import FileProblem, ValuesWriter, _values_writer, read_table, write_values


def values(n=1000):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"id": [f"r{k}" for k in range(n)], "value": rng.normal(size=n), "rank": np.arange(n)})


def write(path, blocks, error=None):
    with ValuesWriter(path) as writer:
        for frame in blocks:
            writer.write(frame)
        if error is not None:
            raise error


@pytest.mark.parametrize("block_rows", [1, 99, 1000])
def test_blocks_give_the_file_of_the_whole(tmp_path, monkeypatch, block_rows):
    monkeypatch.setattr(_values_writer, "_GROUP_ROWS", 300)
    frame, path = values(), tmp_path / "v.parquet"
    with ValuesWriter(path) as writer:
        for begin in range(0, len(frame), block_rows):
            writer.write(frame.iloc[begin : begin + block_rows])
        assert not path.exists()
    write_values(frame, tmp_path / "w.parquet")
    assert read_table(path).equals(read_table(tmp_path / "w.parquet"))
    assert len(list(tmp_path.iterdir())) == 2
    groups = pyarrow.parquet.read_metadata(path).num_row_groups
    # Small blocks share row groups; what waits for the next one never exceeds one more block.
    assert groups == {1: 4, 99: 3, 1000: 1}[block_rows]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(_values_writer, "_GROUP_ROWS", 1)
    path = tmp_path / "v.parquet"
    path.write_text("old")
    for error in (ZeroDivisionError("of the body"), OSError("of the body")):
        with pytest.raises(type(error), match="of the body"):
            write(path, [values()], error)
    with pytest.raises(FileProblem, match=r"v.parquet was given no rows"):
        write(path, [])
    for other in (values()[["id"]], values().assign(rank="a"), values().rename(columns={"rank": "place"})):
        with pytest.raises(FileProblem, match=r"v.parquet cannot (hold these|take other) columns"):
            write(path, [values(), other])
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(FileProblem, match=r"v.csv cannot be written block by block; name a .parquet file"):
        ValuesWriter(tmp_path / "v.csv")
    with pytest.raises(FileProblem, match="absent does not exist"):
        ValuesWriter(tmp_path / "absent" / "v.parquet")


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet.ParquetWriter, "write_table", full)
    with pytest.raises(FileProblem, match=r"v.parquet cannot be written: No space left on device"):
        write(tmp_path / "v.parquet", [values()])
    assert not list(tmp_path.iterdir())
