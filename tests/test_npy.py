"""Heads of arrays that numpy's own reader stumbles over, in every file of ours that holds arrays."""

import warnings
import zipfile

import numpy as np
import pytest

from hcdv._archive import read_archive, write_archive
from hcdv.io import read_table
from hcdv.io.source import open_source
from tests.test_archive import with_member

WHOLE = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"
HEADS = {
    "open bracket": WHOLE[:-4],
    "deep": "(" * 5000,
    "signs": "-" * 5000 + "1",
    "long number": WHOLE.replace("3", "9" * 5000),
    "indented": "if 1:\n    2\n  3",
    "no dict": "[1]",
    "no literal": "print()",
    "unhashable": "{[]: 1}",
    "half a field": WHOLE.replace("'<f8'", "[('a',)]"),
    "half a pair": WHOLE.replace("'<f8'", "('<f8',)"),
    "number for a type": WHOLE.replace("'<f8'", "5"),
    "shape in a type": WHOLE.replace("'<f8'", "('<f8', -1)"),
    "no such type": WHOLE.replace("<f8", "<q9,("),
    "text of no length": WHOLE.replace("<f8", "<U0").replace("3", f"{2**40}"),
    "objects": WHOLE.replace("<f8", "|O"),
    "below nothing": WHOLE.replace("3", "-3"),
    "too many": WHOLE.replace("3", f"{2**62}, 4"),
    "far too many": WHOLE.replace("3", f"{2**70}"),
    "none of far too many": WHOLE.replace("3", f"0, {2**70}"),
    "none of too many": WHOLE.replace("3", f"0, {2**62}, 4"),
    "dimensions": WHOLE.replace("3,", "1, " * 70 + "3"),
    "words for a shape": WHOLE.replace("3", "'3'"),
}


def spoilt(head, numbers=bytes(24)):
    text = head.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + numbers


def said_by(load, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a head of Python 2, numpy says
        with pytest.raises(ValueError) as caught:
            load(path)
    said = str(caught.value)
    assert str(path) in said
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 600


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
class TestHeads:
    def test_source(self, head, tmp_path):
        path = tmp_path / "x.npy"
        path.write_bytes(spoilt(head))
        said_by(lambda path: open_source(str(path)), path)

    def test_table(self, head, tmp_path):
        path = tmp_path / "t.npz"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("X.npy", spoilt(head))
        said_by(read_table, path)

    def test_archive(self, head, tmp_path):
        path = tmp_path / "a.hcdv"
        write_archive(path, {"x": np.zeros(1)}, {"kind": "values", "version": 1})
        for numbers in (bytes(24), b""):
            with_member(path, "x.npy", spoilt(head, numbers))
            said_by(lambda path: read_archive(path, "values", 1), path)


# What the head says rightly, and pandas cannot take.
ODD = {
    "no unit": np.zeros(3, "m8"),
    "no day": np.zeros(3, "M8"),
    "far years": np.full(3, 2**60).view("M8[Y]"),
    "long years": np.full(3, 2**60).view("m8[Y]"),
    "half of a letter": np.full(3, 0xD800, "u4").view("U1"),
    "beyond all letters": np.full(3, 2**31 - 1, ">u4").view(">U1"),
}


@pytest.mark.parametrize("column", ODD.values(), ids=ODD)
def test_a_column_that_pandas_cannot_take(column, tmp_path):
    np.savez(tmp_path / "t.npz", a=column, y=np.arange(3))
    said_by(read_table, tmp_path / "t.npz")


def test_an_archive_with_letters_beyond_all(tmp_path):
    path = tmp_path / "a.hcdv"
    write_archive(path, {"x": ODD["beyond all letters"]}, {"kind": "values", "version": 1})
    said_by(lambda path: read_archive(path, "values", 1), path)


def test_a_map_with_letters_beyond_all(tmp_path):
    path = tmp_path / "y.npy"
    np.save(path, ODD["beyond all letters"])
    said_by(lambda path: open_source(np.zeros((3, 2)), str(path)).labels(0, 3), path)


def test_no_rows_of_any_number_of_columns(tmp_path):
    np.savez(tmp_path / "t.npz", X=np.zeros((0, 2**40)))
    said_by(read_table, tmp_path / "t.npz")


def test_another_byte_order(tmp_path):
    X = np.arange(6.0).reshape(3, 2)
    names = np.array(["a", "ä", ""], ">U1")
    np.savez(tmp_path / "t.npz", X=X.astype(">f8"), y=np.arange(3, dtype=">i2"), name=names)
    frame = read_table(tmp_path / "t.npz")
    np.testing.assert_array_equal(frame[["x0", "x1"]].to_numpy(), X)
    assert [frame[name].dtype.byteorder for name in ("x0", "y")] == ["=", "="]
    assert list(frame["name"]) == ["a", "ä", ""]


def test_a_zip_of_a_compression_that_nobody_knows(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, X=np.zeros((2, 2)))
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + at] = 77
    path.write_bytes(data)
    said_by(read_table, path)
