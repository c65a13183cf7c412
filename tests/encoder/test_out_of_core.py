"""Encoding block by block: the same rows as at once, whole files or none, memory that does not grow."""

import datetime
import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from hcdv.encoder import (
    Contrastive,
    ContrastiveEncoder,
    EmbeddingEncoder,
    ForestEncoder,
    FrameEncoder,
    IdentityEncoder,
    TableEncoder,
    encode_to_disk,
    make_encoder,
)
from hcdv.encoder.out_of_core import _partial as module

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


@pytest.mark.parametrize("dtype", [np.float16, np.dtype(np.float32), np.float32, "half", "f4"])
def test_a_dtype_by_any_name_of_numpy(tmp_path, dtype):
    encoder = make_encoder(NUMBERS).fit(NUMBERS)
    found = encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy", dtype=dtype)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, encoder.transform(NUMBERS).astype(dtype))


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


@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")
@pytest.mark.parametrize("kind", ["coo", "bsr", "dia", "lil", "dok"])
def test_any_kind_of_sparse_matrix(tmp_path, kind):
    encoder = fitted(SPARSE)
    X = SPARSE.asformat(kind)
    for rows in (X, iter([X])):
        n_rows = None if rows is X else 501
        found = encode_to_disk(encoder, rows, tmp_path / "z.npy", block_rows=50, n_rows=n_rows)
        np.testing.assert_allclose(found, encoder.transform(SPARSE), atol=1e-5)


def test_what_no_file_can_tell_apart_is_encoded_all_the_same(tmp_path):
    table = TableEncoder().fit(TABLE)
    dated = pd.DataFrame(NUMBERS, columns=[datetime.date(2020, 1, k) for k in range(1, 7)])
    for encoder, X in ((table, TABLE), (fitted(dated), dated)):
        found = encode_to_disk(encoder, X, tmp_path / "z.npy", block_rows=50)
        np.testing.assert_array_equal(found, encoder.transform(X))


def test_mistakes_leave_the_old_file_and_nothing_else(tmp_path):
    encoder = IdentityEncoder(draws_in=False).fit(NUMBERS)
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
        (NUMBERS, {"dtype": "int8"}, "dtype must be one of 'float32', 'float16', got 'int8'"),
        (NUMBERS, {"dtype": np.float64}, "dtype must be one of 'float32', 'float16', got <class"),
        (NUMBERS, {"dtype": ">f4"}, "dtype must be one of"),
        (NUMBERS, {"dtype": None}, "dtype must be one of .*got None"),
        (NUMBERS, {"dtype": "f4,("}, "dtype must be one of"),
        (NUMBERS, {"dtype": []}, "dtype must be one of"),
        (NUMBERS, {"n_rows": "501"}, "n_rows must be an integer, got '501'"),
        (NUMBERS, {"progress": 5}, "progress must be a function .*got 5"),
        (np.float64(1), {}, r"X must hold rows, got one single value \(shape \(\)\)"),
        (np.array(1.0), {}, "X must hold rows, got one single value"),
        (5, {}, "X must be an array, .*got an int"),
        (None, {}, "X must be an array, .*got a NoneType"),
        (b"rows.npy", {}, "X must be an array, .*got a bytes"),
        ({"a": [1.0]}, {}, "X must be an array, .*got a dict"),
        (np.ndarray, {}, "X must be an array, .*got a type"),
        (scipy.sparse.coo_array(np.ones(5)), {}, r"X must be 2-dimensional .*got shape \(5,\)"),
        (["a", "b"], {}, "X must give blocks of rows, got 'a' as block 0"),
        (["a", "b"], {"n_rows": 2}, "X must give blocks of rows, got 'a' as block 0"),
        (iter([NUMBERS[:9], None]), {"n_rows": 501}, "X must give blocks of rows, got None as block 1"),
        (iter([[[1, 2], [3]]]), {"n_rows": 501}, r"X \(block 0\) must have rows of one length"),
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
    (tmp_path / "text.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"text\.npy is no \.npy file: it is empty"):
        encode_to_disk(encoder, tmp_path / "text.npy", path)
    (tmp_path / "text.npy").write_bytes(b"PK\x03\x04, but no archive")
    with pytest.raises(ValueError, match=r"text\.npy is no \.npy file of numbers"):
        encode_to_disk(encoder, tmp_path / "text.npy", path)
    np.save(tmp_path / "text.npy", 1.0)
    with pytest.raises(ValueError, match=r"X \(.*text\.npy\) must hold rows, got one single value"):
        encode_to_disk(encoder, tmp_path / "text.npy", path)
    (tmp_path / "text.npy").unlink()
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"] and path.read_bytes() == before


class _Giving:
    """A transformer that gives what it is told to."""

    def __init__(self, what):
        self.what = what

    def transform(self, rows):
        return self.what(rows)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda rows: rows + 1j, "encoder must give real numbers, got dtype complex"),
        (lambda rows: (rows + 1j).astype(object), "encoder must give real numbers, got complex objects"),
        (lambda rows: scipy.sparse.csr_matrix(rows + 1j), "encoder must give real numbers, got dtype complex"),
        (lambda rows: rows.astype(str), "encoder must give real numbers, got dtype <U"),
        (lambda rows: rows.astype(str).astype(object), "encoder must give real numbers, got str objects"),
        (lambda rows: [[1.0], *[[1.0, 2.0]] * (len(rows) - 1)], "what the encoder gives .* a ragged list"),
        (lambda rows: rows[:, :0], r"encoder must give at least one dimension, got shape \(100, 0\)"),
        (lambda rows: None, r"encoder must give \[n, d\] for n rows, got shape \(\)"),
    ],
)
def test_what_is_no_number_is_not_encoded(tmp_path, what, message):
    with pytest.raises((TypeError, ValueError), match=message):
        encode_to_disk(_Giving(what), NUMBERS, tmp_path / "z.npy", block_rows=100)
    assert not list(tmp_path.iterdir())


def test_objects_that_are_numbers_are_encoded(tmp_path):
    found = encode_to_disk(_Giving(lambda rows: rows.astype(object)), NUMBERS, tmp_path / "z.npy")
    np.testing.assert_array_equal(found, NUMBERS)


@pytest.mark.parametrize(
    "encoder",
    [
        IdentityEncoder(), FrameEncoder(), TableEncoder(), EmbeddingEncoder(StandardScaler()),
        ForestEncoder(IdentityEncoder(), beside=False),
        ContrastiveEncoder(IdentityEncoder(), Contrastive(), beside=True),
    ],
)  # fmt: skip
def test_an_encoder_must_be_fitted(tmp_path, encoder):
    message = f"encoder must be fitted, but this {type(encoder).__name__} is not"
    with pytest.raises(NotFittedError, match=message):
        encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("encoder", "got"),
    [
        (None, "None"), ("identity", "'identity'"), (StandardScaler, "the class StandardScaler"),
        (IdentityEncoder, "the class IdentityEncoder"), (len, "<built-in function len>"),
    ],
)  # fmt: skip
def test_an_encoder_must_be_one(tmp_path, encoder, got):
    with pytest.raises(TypeError, match=f"encoder must be a fitted encoder or .*transform, got {got}"):
        encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy")


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


@pytest.mark.parametrize("change", ["rows", "dtype", "encoder", "resume", "corrupt", "deep", "short"])
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
    elif change == "deep":
        (tmp_path / ".z.npy.encoding.json").write_text("[" * 100_000)
    else:
        (tmp_path / ".z.npy.encoding").write_bytes(b"")
    seen = []
    found = encode_to_disk(encoder, X, path, block_rows=50, progress=seen.append, **options)
    assert seen[0] == 50
    np.testing.assert_array_equal(found, encoder.transform(X).astype(found.dtype))
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"]


THREE = np.tile([0, 1, 2], 200)


def _sparse(sizes):
    """Ones in the same columns one after another, but in other rows."""
    return scipy.sparse.csr_matrix((np.ones(600), THREE, np.append(0, np.cumsum(sizes))), (300, 3))


DAYS = pd.DataFrame({"a": RNG.choice(["2020-01-01", "2020-01-02"], 300), "b": range(300)}).astype({"a": object})


@pytest.mark.parametrize(
    ("X", "other"),
    [
        (pd.DataFrame({"a": range(300), "b": 1.0}), pd.DataFrame({"b": range(300), "a": 1.0})),
        (DAYS, DAYS.astype({"b": "datetime64[ns]"})),
        (DAYS, DAYS.assign(a=[datetime.date.fromisoformat(day) for day in DAYS["a"]])),
        (_sparse([2] * 300), _sparse([1, 3] * 150)),
    ],
    ids=["names", "dtypes", "objects", "indptr"],
)
def test_rows_that_hash_alike_start_anew(tmp_path, monkeypatch, X, other):
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    encoder, path = make_encoder(X).fit(X), tmp_path / "z.npy"
    assert (encoder.transform(X)[:200] != encoder.transform(other)[:200]).any()
    with pytest.raises(_KilledError):
        encode_to_disk(encoder, X, path, block_rows=50, progress=_stop_at(200))
    seen = []
    found = encode_to_disk(encoder, other, path, block_rows=50, progress=seen.append)
    assert seen[0] == 50
    np.testing.assert_array_equal(found, encoder.transform(other))


def test_tables_are_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    for X in (DAYS, _sparse([2] * 300)):
        encoder, path, seen = make_encoder(X).fit(X), tmp_path / "z.npy", []
        with pytest.raises(_KilledError):
            encode_to_disk(encoder, X, path, block_rows=50, progress=_stop_at(200))
        found = encode_to_disk(encoder, X, path, block_rows=50, progress=seen.append)
        assert seen[0] == 250
        np.testing.assert_array_equal(found, encoder.transform(X))


class _Times:
    """A function of the user's own, which changes between two calls."""

    def __init__(self):
        self.factor = 1.0

    def __call__(self, rows):
        return self.factor * np.asarray(rows)


class _OwnEncoder(IdentityEncoder):
    """An encoder of the user's own; nothing tells what is in it."""

    def __init__(self, own):
        super().__init__()
        self.own = own

    def spaces(self, X, *, columns=True, name="X"):
        return super().spaces(self.own(X), columns=columns, name=name)


@pytest.mark.parametrize(
    "make",
    [
        EmbeddingEncoder,
        lambda own: EmbeddingEncoder(FunctionTransformer(own)),
        lambda own: ForestEncoder(EmbeddingEncoder(own), beside=True),
        lambda own: ForestEncoder(ForestEncoder(EmbeddingEncoder(own), beside=True), beside=False),
        _OwnEncoder,
        lambda own: ForestEncoder(_OwnEncoder(own), beside=True),
    ],
)
def test_what_stands_on_the_users_own_starts_anew(tmp_path, monkeypatch, make):
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    own = _Times()
    encoder, path, seen = make(own).fit(NUMBERS, Y), tmp_path / "z.npy", []
    with pytest.raises(_KilledError):
        encode_to_disk(encoder, NUMBERS, path, block_rows=50, progress=_stop_at(200))
    own.factor = 0.0
    found = encode_to_disk(encoder, NUMBERS, path, block_rows=50, progress=seen.append)
    assert seen[0] == 50
    np.testing.assert_array_equal(found, encoder.transform(NUMBERS))


def test_weights_of_a_module_of_the_users_own_start_anew(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    path, recipe = tmp_path / "z.npy", Contrastive(max_epochs=1)
    for of in (lambda first: first, lambda first: ContrastiveEncoder(first, recipe, beside=True)):
        own, seen = torch.nn.Linear(6, 3), []
        encoder = of(EmbeddingEncoder(own)).fit(NUMBERS, Y)
        with pytest.raises(_KilledError):
            encode_to_disk(encoder, NUMBERS, path, block_rows=50, progress=_stop_at(200))
        torch.nn.init.zeros_(own.weight)
        found = encode_to_disk(encoder, NUMBERS, path, block_rows=50, progress=seen.append)
        assert seen[0] == 50 and (found == found[0]).all()


def _waiting(begun, go_on):
    """Rows of which the first are written before ``begun``, and the others after ``go_on``."""
    yield NUMBERS[:100]
    begun.set()
    assert go_on.wait(60)
    yield NUMBERS[100:]


BUSY = "another call of encode_to_disk is writing this file.*z.npy"


@pytest.mark.parametrize("resume", [True, False])
def test_a_second_thread_is_told_of_the_first(tmp_path, resume):
    encoder, path, begun, go_on = fitted(NUMBERS), tmp_path / "z.npy", threading.Event(), threading.Event()
    rows = _waiting(begun, go_on)
    thread = threading.Thread(target=encode_to_disk, args=(encoder, rows, path), kwargs={"n_rows": 501})
    thread.start()
    try:
        assert begun.wait(60)
        for X in (NUMBERS, 2 * NUMBERS):
            with pytest.raises(OSError, match=BUSY):
                encode_to_disk(encoder, X, path, resume=resume)
    finally:
        go_on.set()
        thread.join()
    np.testing.assert_array_equal(np.load(path), encoder.transform(NUMBERS))
    encode_to_disk(encoder, 2 * NUMBERS, path)
    np.testing.assert_array_equal(np.load(path), encoder.transform(2 * NUMBERS))
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_second_process_is_told_of_the_first(tmp_path, is_killed):
    path = tmp_path / "z.npy"
    script = f"""
import numpy as np
from hcdv.encoder import make_encoder, encode_to_disk
X = np.arange(1000.0).reshape(500, 2)
def rows():
    yield X[:100]
    print("begun", flush=True)
    input()
    yield X[100:]
encode_to_disk(make_encoder(X).fit(X), rows(), {str(path)!r}, n_rows=500, block_rows=50)
"""
    X = np.arange(1000.0).reshape(500, 2)
    encoder = make_encoder(X).fit(X)
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"begun\n"
        with pytest.raises(OSError, match=BUSY):
            encode_to_disk(encoder, -X, path)
        if is_killed:
            process.kill()
        process.communicate(None if is_killed else b"\n", timeout=60)
    finally:
        process.kill()
        process.wait()
    if is_killed:
        assert not path.exists() and (tmp_path / ".z.npy.encoding").exists()
        encode_to_disk(encoder, X, path)
    assert is_killed or process.returncode == 0
    np.testing.assert_array_equal(np.load(path), encoder.transform(X))
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_keep_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    encoder, children, seen = fitted(NUMBERS), [], []

    def fork(done):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)
        raise _KilledError

    try:
        with pytest.raises(_KilledError):
            encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy", block_rows=50, progress=fork)
        # It goes on in the same file, which the child has open.
        found = encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy", block_rows=50, progress=seen.append)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert len(children) == 1 and seen[0] == 100
    np.testing.assert_array_equal(found, encoder.transform(NUMBERS))


def test_a_file_that_was_renamed_before_its_lock_was_had_is_left_alone(tmp_path, monkeypatch):
    part, target = tmp_path / ".z.npy.encoding", tmp_path / "z.npy"
    part.write_bytes(b"rows")
    take = module.take

    def late(descriptor):
        if part.exists() and not target.exists():
            os.replace(part, target)
        take(descriptor)

    monkeypatch.setattr(module, "take", late)
    with module._held(part, target) as file:
        assert file.read() == b"" and os.path.samestat(os.fstat(file.fileno()), part.stat())
    assert target.read_bytes() == b"rows"


def test_a_finished_call_leaves_the_next_ones_file(tmp_path):
    first, second = (module.PartialFile(tmp_path / "z.npy", None) for _ in range(2))
    first.begin()
    first.write(NUMBERS, 501, 0)
    first.finish()
    second.begin()
    first.close()
    assert second.rows_path.exists()
    second.close()
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"]


@pytest.mark.skipif(sys.platform == "win32", reason="drives without locks are told apart on POSIX only")
def test_drives_without_locks_are_written_all_the_same(tmp_path, monkeypatch):
    def no_lock(file, how):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", no_lock)
    encoder = fitted(NUMBERS)
    np.testing.assert_array_equal(
        encode_to_disk(encoder, NUMBERS, tmp_path / "z.npy"), encoder.transform(NUMBERS)
    )


def test_kill_9_costs_seconds_only(tmp_path):
    np.save(tmp_path / "x.npy", RNG.normal(size=(200_000, 8)).astype(np.float32))
    script = f"""
import numpy as np
from hcdv.encoder import make_encoder, encode_to_disk
from hcdv.encoder.out_of_core import _partial
_partial.FLUSH_EVERY = 0.0
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
    process.kill()
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
        return int(said.stdout) / (2**20 if sys.platform == "darwin" else 2**10)

    # 115 MB more of input and as much of output.
    assert peak(2_000_000) - peak(200_000) < 15


def test_no_file_is_encoded_onto_itself(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, NUMBERS)
    with pytest.raises(ValueError, match="path must be another file than X"):
        encode_to_disk(fitted(NUMBERS), path, path)
    np.testing.assert_array_equal(np.load(path), NUMBERS)
