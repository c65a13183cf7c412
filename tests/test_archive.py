"""Saved state: what goes in comes out, and nothing else does."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import stat
import sys
import zipfile

import numpy as np
import pytest

from hcdv._archive import read_archive, write_archive
from hcdv._files import written_aside

META = {"kind": "values", "version": 1, "note": "größe", "list": [1, 2.5, None, True]}


def arrays() -> dict[str, np.ndarray]:
    return {
        "values": np.linspace(-1, 1, 7),
        "order": np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::2],
        "ids": np.array(["a", "straße", ""]),
        "mask": np.array([True, False]),
        "none": np.empty((0, 3), np.float32),
        "scalar": np.array(2.5),
        "days": np.array(["2024-01-01"], dtype="datetime64[D]"),
        "big.endian": np.arange(3, dtype=">i4"),
    }


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "state.hcdv"
    write_archive(path, arrays(), META)
    return path


def members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def npy(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def with_member(path, name, data):
    """The archive with one member replaced or added, its checksum made right again."""
    import hashlib

    content = members(path)
    meta = json.loads(content["meta.json"])
    meta["sha256"][name] = hashlib.sha256(data).hexdigest()
    content[name] = data
    content["meta.json"] = json.dumps(meta).encode()
    rewrite(path, content)


def test_round_trip(saved):
    found, meta = read_archive(saved, "values", 1)
    assert meta == META
    assert set(found) == set(arrays())
    for name, array in arrays().items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.writeable
        assert found[name].flags.c_contiguous


def test_numpy_reads_it(saved):
    with np.load(saved, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["values"], arrays()["values"])


def test_equal_content_gives_equal_bytes(saved, tmp_path):
    write_archive(tmp_path / "again", arrays(), META)
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_object_strings_are_saved_as_strings(tmp_path):
    write_archive(tmp_path / "a", {"ids": np.array(["x", "yy"], dtype=object)}, META)
    found, _ = read_archive(tmp_path / "a", "values", 1)
    assert found["ids"].dtype == np.dtype("<U2")
    assert found["ids"].tolist() == ["x", "yy"]


@pytest.mark.parametrize(
    ("content", "meta", "error"),
    [
        ({"a": np.array([{}], dtype=object)}, META, TypeError),
        ({"a": np.array([1j])}, META, TypeError),
        ({"a/b": np.zeros(1)}, META, ValueError),
        ({"../a": np.zeros(1)}, META, ValueError),
        ({}, {"version": 1}, ValueError),
        ({}, {"kind": "x"}, ValueError),
        ({}, {**META, "sha256": {}}, ValueError),
        ({}, {**META, "x": float("nan")}, TypeError),
        ({}, {**META, "x": object()}, TypeError),
    ],
)
def test_refuses_to_write(tmp_path, content, meta, error):
    with pytest.raises(error):
        write_archive(tmp_path / "a", content, meta)
    assert list(tmp_path.iterdir()) == []


def test_other_kind_and_newer_version(saved):
    with pytest.raises(ValueError, match="holds 'values', expected 'model'"):
        read_archive(saved, "model", 1)
    write_archive(saved, {}, {"kind": "values", "version": 3})
    with pytest.raises(ValueError, match=r"version 3.*reads up to 2"):
        read_archive(saved, "values", 2)
    assert read_archive(saved, "values", 3)[1]["version"] == 3


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "absent", "values", 1)
    with pytest.raises(ValueError, match="folder"):
        read_archive(tmp_path, "values", 1)


def test_every_truncation_is_refused(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 97):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError):
            read_archive(saved, "values", 1)


def test_no_flipped_byte_goes_unnoticed(saved):
    whole = saved.read_bytes()
    truth, _ = read_archive(saved, "values", 1)
    refused = 0
    for place in range(0, len(whole), 13):
        damaged = bytearray(whole)
        damaged[place] ^= 0x5A
        saved.write_bytes(bytes(damaged))
        try:
            found, _ = read_archive(saved, "values", 1)
        except ValueError:
            refused += 1
            continue
        # A byte of the zip's own bookkeeping (dates, attributes) may change; content may not.
        for name in truth:
            np.testing.assert_array_equal(found[name], truth[name])
    assert refused > len(whole) / 13 / 2


def test_wrong_checksum(saved):
    content = members(saved)
    content["values.npy"] = npy(np.zeros(7))
    rewrite(saved, content)
    with pytest.raises(ValueError, match=r"checksum of 'values\.npy'"):
        read_archive(saved, "values", 1)


@pytest.mark.parametrize("change", ["extra", "lacking"])
def test_members_must_be_those_listed(saved, change):
    content = members(saved)
    if change == "extra":
        content["more.npy"] = npy(np.zeros(1))
    else:
        del content["values.npy"]
    rewrite(saved, content)
    with pytest.raises(ValueError, match="not those it lists"):
        read_archive(saved, "values", 1)


class Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["HCDV_TEST_BOMB"],)


def test_pickles_are_never_loaded(saved, tmp_path, monkeypatch):
    trace = tmp_path / "ran"
    monkeypatch.setenv("HCDV_TEST_BOMB", str(trace))
    pickle.loads(pickle.dumps(Bomb()))
    assert trace.exists(), "the bomb itself must work, or this test proves nothing"
    trace.rmdir()
    with_member(saved, "values.npy", npy(np.array([Bomb()], dtype=object), allow_pickle=True))
    with pytest.raises(ValueError, match="never saved"):
        read_archive(saved, "values", 1)
    assert not trace.exists()


def test_compressed_members_are_refused(saved):
    content = members(saved)
    content["values.npy"] = npy(np.zeros(10**6))
    rewrite(saved, content, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed"):
        read_archive(saved, "values", 1)


@pytest.mark.parametrize(
    "shape", ["(1152921504606846976,)", "(-1,)", "(3, 0, 999999999999)", "(2,)"]
)
def test_hostile_shapes(saved, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    if shape == "(3, 0, 999999999999)":
        with_member(saved, "values.npy", data)
        assert read_archive(saved, "values", 1)[0]["values"].size == 0
        return
    with_member(saved, "values.npy", data + bytes(8))
    with pytest.raises(ValueError):
        read_archive(saved, "values", 1)


@pytest.mark.parametrize("name", ["../evil.npy", "/evil.npy", "a\\b.npy", "evil.py", "a/b.npy"])
def test_path_tricks(saved, name):
    with_member(saved, name, npy(np.zeros(1)))
    with pytest.raises(ValueError, match="holds a member"):
        read_archive(saved, "values", 1)


def test_repeated_member(saved):
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("values.npy", npy(np.zeros(7)))
    with pytest.raises(ValueError, match="not a saved HCDV file"):
        read_archive(saved, "values", 1)


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"{}", b'{"format": "hcdv"}', b"[" * 10**5, b"\xff\xfe"]
)
def test_damaged_meta(saved, text):
    content = members(saved)
    content["meta.json"] = text
    rewrite(saved, content)
    with pytest.raises(ValueError):
        read_archive(saved, "values", 1)


def test_any_other_zip(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="not a saved HCDV file"):
        read_archive(tmp_path / "a.npz", "values", 1)


def test_an_error_leaves_the_old_file(saved, tmp_path):
    before = saved.read_bytes()

    def interrupted():
        with written_aside(saved) as aside:
            aside.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert saved.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [saved.name]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")
def test_mode_and_links_are_the_users(tmp_path):
    old = os.umask(0o027)
    try:
        with written_aside(tmp_path / "file") as aside:
            aside.write_bytes(b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with written_aside(tmp_path / "link") as aside:
        aside.write_bytes(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    full = pytest.raises(OSError, match=r"No space left on device: .*values\.bin")
    with full as caught, written_aside(tmp_path / "values.bin"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "values.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_drive_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    from hcdv._locks import locked

    def refused(number):
        def flock(descriptor, how):
            raise OSError(number, "no")

        return flock

    monkeypatch.setattr(fcntl, "flock", refused(errno.ENOLCK))
    with locked(tmp_path / "lock", "busy"):
        pass
    monkeypatch.setattr(fcntl, "flock", refused(errno.EAGAIN))
    with pytest.raises(BlockingIOError, match="busy"), locked(tmp_path / "lock", "busy"):
        pass
