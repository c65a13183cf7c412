"""Encoding block by block: the same rows as at once, whole files or none, memory that does not grow."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.preprocessing import StandardScaler

from hcdv.encoder import encode_to_disk, make_encoder
from hcdv.encoder import out_of_core as module

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(501, 6)).astype(np.float32)
WIDE = RNG.normal(size=(501, 90))
TABLE = pd.DataFrame({"a": RNG.normal(size=501), "b": RNG.choice(["x", "y", None], 501)})
SPARSE = scipy.sparse.random(501, 70, 0.1, format="csc", random_state=0)
Y = RNG.integers(0, 2, 501)


def fitted(X, encoder="identity"):
    made = make_encoder(X, encoder)
    made.fit_spaces(X, Y)
    return made


@pytest.mark.parametrize("X", [NUMBERS, np.asfortranarray(NUMBERS), NUMBERS[::2], WIDE, TABLE, SPARSE])
@pytest.mark.parametrize("block_rows", [1, 64, 100_000])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_blocks_give_the_rows_of_a_whole(tmp_path, X, block_rows, dtype):
    encoder = make_encoder(X)
    encoder.fit_spaces(X, Y[: X.shape[0]])
    found = encode_to_disk(encoder, X, tmp_path / "z.npy", block_rows=block_rows, dtype=dtype)
    expected = encoder.transform(X).astype(dtype)
    assert isinstance(found, np.memmap) and found.dtype == dtype and found.shape == expected.shape
    assert not found.flags.writeable
    if X.shape[1] < 60:
        np.testing.assert_array_equal(found, expected)
    else:  # products of matrices
        np.testing.assert_allclose(found, expected, atol=1e-5 if dtype == "float32" else 4e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), found)


def test_maps_paths_and_iterables(tmp_path):
    encoder = fitted(NUMBERS)
    expected = encoder.transform(NUMBERS)
    np.save(tmp_path / "x.npy", NUMBERS)
    for X in (str(tmp_path / "x.npy"), tmp_path / "x.npy", np.load(tmp_path / "x.npy", mmap_mode="r")):
        np.testing.assert_array_equal(encode_to_disk(encoder, X, tmp_path / "z.npy", block_rows=50), expected)
    parts = np.split(NUMBERS, [3, 3, 200, 201])
    for blocks in (parts, iter(parts), (part.tolist() for part in parts if len(part))):
        seen = []
        found = encode_to_disk(
            encoder, blocks, tmp_path / "z.npy", n_rows=501, block_rows=64, progress=seen.append
        )
        np.testing.assert_array_equal(found, expected)
        assert seen == sorted(seen) and seen[-1] == 501 and max(np.diff(seen)) <= 64
    scaler = StandardScaler().fit(NUMBERS)
    np.testing.assert_array_equal(
        encode_to_disk(scaler, NUMBERS, tmp_path / "z.npy", block_rows=70), scaler.transform(NUMBERS)
    )


def test_other_spaces_and_networks(tmp_path):
    encoder = fitted(NUMBERS, ["identity", "forest"])
    found = encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy", space="forest", block_rows=33)
    np.testing.assert_array_equal(found, encoder.spaces(NUMBERS).others["forest"])
    with pytest.raises(ValueError, match=r"space must be one of the encoder's \(forest\), got 'trees'"):
        encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy", space="trees")
    pytest.importorskip("torch")
    learned = fitted(NUMBERS, "contrastive")
    found = encode_to_disk(learned, NUMBERS, tmp_path / "z.npy", block_rows=33)
    np.testing.assert_allclose(found, learned.transform(NUMBERS), atol=1e-6)


def test_mistakes_leave_the_old_file_and_nothing_else(tmp_path):
    encoder = fitted(NUMBERS)
    path = tmp_path / "z.npy"
    encode_to_disk(encoder, NUMBERS, path)
    before = path.read_bytes()
    nan = NUMBERS.copy()
    nan[300, 2] = np.nan
    far = NUMBERS.copy()
    far[400] = 1e6
    class Growing:
        def transform(self, rows):
            return np.zeros((len(rows), 1 + int(rows is not None and rows[0, 0] == NUMBERS[100, 0])))

    for X, options, message in (
        (nan, {}, r"X \(rows 300 to 399\) .*NaN"),
        (far, {"dtype": "float16"}, "row 400 cannot be held as float16.*use float32"),
        (NUMBERS[:0], {}, "X has no rows"),
        (NUMBERS[:, :5], {}, "has 5 features, but X had 6"),
        (iter([NUMBERS]), {"n_rows": 500}, "got 500, but there are more"),
        (iter([NUMBERS]), {"n_rows": 502}, "got 502, but there are 501"),
        (iter([NUMBERS]), {}, "n_rows"),
        (NUMBERS, {"n_rows": 5}, "n_rows must be 501"),
        (NUMBERS, {"block_rows": 0}, "block_rows"),
        (NUMBERS, {"dtype": "int8"}, "dtype must be one of"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            encode_to_disk(encoder, X, path, **{"block_rows": 100, **options})
    with pytest.raises(ValueError, match="must give 1 dimensions for every block, got 2 at row 100"):
        encode_to_disk(Growing(), NUMBERS, path, block_rows=100)
    with pytest.raises(OSError, match="does not exist"):
        encode_to_disk(encoder, NUMBERS, tmp_path / "nowhere" / "z.npy")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(ValueError, match=r"is no \.npy file"):
        encode_to_disk(encoder, tmp_path / "text.npy", path)
    (tmp_path / "text.npy").unlink()
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"] and path.read_bytes() == before


class _KilledError(Exception):
    pass


def _stop_at(row):
    def progress(done):
        if done >= row:
            raise _KilledError

    return progress


def test_a_stopped_call_is_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    encoder, path = fitted(NUMBERS), tmp_path / "z.npy"
    with pytest.raises(_KilledError):
        encode_to_disk(encoder, NUMBERS, path, block_rows=50, progress=_stop_at(200))
    assert not path.exists()
    seen = []
    found = encode_to_disk(encoder, NUMBERS, path, block_rows=70, progress=seen.append)
    assert seen[0] == 270
    np.testing.assert_array_equal(found, encoder.transform(NUMBERS))


@pytest.mark.parametrize("change", ["rows", "dtype", "encoder", "resume", "corrupt", "short"])
def test_anything_else_starts_anew(tmp_path, monkeypatch, change):
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    encoder, path = fitted(NUMBERS), tmp_path / "z.npy"
    with pytest.raises(_KilledError):
        encode_to_disk(encoder, NUMBERS, path, block_rows=50, progress=_stop_at(200))
    X, options = NUMBERS, {}
    if change == "rows":
        X = NUMBERS + 1
    elif change == "dtype":
        options["dtype"] = "float16"
    elif change == "encoder":
        encoder = fitted(2 * NUMBERS)
    elif change == "resume":
        options["resume"] = False
    elif change == "corrupt":
        (tmp_path / ".z.npy.encoding.json").write_text('{"rows": "many"')
    else:
        (tmp_path / ".z.npy.encoding").write_bytes(b"")
    seen = []
    found = encode_to_disk(encoder, X, path, block_rows=50, progress=seen.append, **options)
    assert seen[0] == 50
    np.testing.assert_array_equal(found, encoder.transform(X).astype(found.dtype))
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"]


def test_kill_9_costs_seconds_only(tmp_path):
    np.save(tmp_path / "x.npy", RNG.normal(size=(200_000, 8)).astype(np.float32))
    script = f"""
import numpy as np
from hcdv.encoder import make_encoder, encode_to_disk, out_of_core
out_of_core.FLUSH_EVERY = 0.0
X = np.load({str(tmp_path / "x.npy")!r}, mmap_mode="r")
encoder = make_encoder(X[:1000])
encoder.fit_spaces(np.array(X[:1000]))
encode_to_disk(encoder, X, {str(tmp_path / "z.npy")!r}, block_rows=500)
"""
    side = tmp_path / ".z.npy.encoding.json"
    process = subprocess.Popen([sys.executable, "-c", script])
    end = time.monotonic() + 60
    while not side.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert side.exists() and not (tmp_path / "z.npy").exists()
    subprocess.run([sys.executable, "-c", script], check=True)
    X = np.load(tmp_path / "x.npy")
    encoder = make_encoder(X[:1000])
    encoder.fit_spaces(X[:1000])
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), encoder.transform(X))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npy", "z.npy"]


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="peak memory of a child is not told here")
def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(n):
        out = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (n, 16))
        for a in range(0, n, 100_000):
            out[a : a + 100_000] = 1 + np.arange(a, min(n, a + 100_000))[:, None] % 97
        out.flush()
        del out
        script = f"""
import resource
import numpy as np
from hcdv.encoder import make_encoder, encode_to_disk
X = np.load({str(tmp_path / "x.npy")!r}, mmap_mode="r")
encoder = make_encoder(X[:1000])
encoder.fit_spaces(np.array(X[:1000]))
encode_to_disk(encoder, {str(tmp_path / "x.npy")!r}, {str(tmp_path / "z.npy")!r}, block_rows=20_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        return int(said.stdout) / 1024

    # 115 MB more of input and as much of output.
    assert peak(2_000_000) - peak(200_000) < 15
