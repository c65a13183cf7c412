"""Rows from wherever they lie, some at a time."""

from __future__ import annotations

import functools
import http.server
import itertools
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet
import pytest

from hcdv.io import FileProblem
from hcdv.io.source import _blocks, _files, open_source
from hcdv.io.source._rows import Moving

N = 103
SPANS = [(0, N), (0, 1), (0, 0), (7, 8), (39, 41), (20, 95), (N - 1, N), (N, N)]


def table(n=N, seed=0):
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n)
    number[rng.random(n) < 0.2] = np.nan
    town = rng.choice(["a", "bb", "ccc", "dé"], n).astype(object)
    town[rng.random(n) < 0.2] = None
    return pd.DataFrame(
        {
            "number": number,
            "count": rng.integers(0, 9, n),
            "town": town,
            "kind": pd.Categorical(rng.choice(["x", "y"], n)),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, n), "D"),
            "is_new": rng.random(n) < 0.5,
            "name": [f"row {k}" for k in range(n)],
            "label": rng.choice(["yes", "no"], n),
        }
    )


FRAME = table()
FEATURES = ["number", "count", "town", "kind", "day", "is_new"]
CUTS = [0, 40, 40, 41, N]


def parts(frame=FRAME):
    return [frame.iloc[begin:end].reset_index(drop=True) for begin, end in itertools.pairwise(CUTS)]


def write_parts(folder, frames, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(frames):
        frame.to_parquet(folder / f"part-{k:02d}.parquet", index=False, **options)
    return folder


def same_cells(found, wanted):
    """Whether two frames hold the same cells, categories or not."""
    assert list(found.columns) == list(wanted.columns)
    assert len(found) == len(wanted)
    for name in wanted:
        one, other = found[name].astype(object), wanted[name].astype(object)
        assert (one.isna().to_numpy() == other.isna().to_numpy()).all(), name
        assert one.dropna().tolist() == other.dropna().tolist(), name


def check_table(source, frame=FRAME, features=FEATURES, has_ids=True):
    assert source.n_rows == len(frame)
    assert source.columns == tuple(features)
    for one in (source, pickle.loads(pickle.dumps(source))):
        for begin, end in SPANS:
            block = one.read(begin, end)
            wanted = frame.iloc[begin:end]
            same_cells(block.X, wanted[features])
            assert block.y.tolist() == one.labels(begin, end).tolist() == wanted["label"].tolist()
            names = wanted["name"].tolist() if has_ids else list(range(begin, end))
            assert one.ids(begin, end).tolist() == names
            assert block.ids is None if not has_ids else block.ids.tolist() == names
        rows = np.array([0, 3, 3, 39, 40, 41, 100])
        block = one.take(rows)
        same_cells(block.X, frame.iloc[rows][features])
        assert block.y.tolist() == frame["label"].iloc[rows].tolist()
        assert len(one.take(np.array([], int)).X) == 0
    with pytest.raises(IndexError, match="are not among the 103 rows"):
        source.read(100, 104)


def check_array(source, X, y=None):
    assert source.n_rows == len(X)
    assert source.columns is None
    for one in (source, pickle.loads(pickle.dumps(source))):
        for begin, end in SPANS:
            block = one.read(begin, end)
            np.testing.assert_array_equal(block.X, X[begin:end])
            assert block.X.dtype == X.dtype
            if y is None:
                assert block.y is None and one.labels(begin, end) is None
            else:
                np.testing.assert_array_equal(block.y, y[begin:end])
                np.testing.assert_array_equal(one.labels(begin, end), y[begin:end])
        rows = np.array([1, 39, 40, 102])
        np.testing.assert_array_equal(one.take(rows).X, X[rows])


# Files


@pytest.mark.parametrize("group_rows", [7, 1000])
def test_parquet_however_it_is_cut(tmp_path, group_rows):
    folder = write_parts(tmp_path / "data", parts(), row_group_size=group_rows)
    (folder / "_metadata").write_text("of Spark")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "part.parquet").write_text("nothing")
    for X in (folder, str(folder), f"{folder}/*.parquet", pa.dataset.dataset(folder, format="parquet")):
        check_table(open_source(X, label="label", id_column="name"))
    FRAME.to_parquet(tmp_path / "one.parquet", index=False, row_group_size=group_rows)
    check_table(open_source(tmp_path / "one.parquet", label="label", drop=["name"]), has_ids=False)


def test_text_comes_as_categories_without_those_of_other_rows(tmp_path):
    folder = write_parts(tmp_path / "data", parts(), row_group_size=50)
    block = open_source(folder, label="label", id_column="name").read(60, 64)
    assert isinstance(block.X["town"].dtype, pd.CategoricalDtype)
    assert set(block.X["town"].cat.categories) == set(FRAME["town"].iloc[60:64].dropna())


def test_large_row_groups_are_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "_LARGE_GROUP", 1)
    monkeypatch.setattr(_files, "_PIECE_ROWS", 9)
    FRAME.to_parquet(tmp_path / "one.parquet", index=False, row_group_size=50)
    source = open_source(tmp_path / "one.parquet", label="label", id_column="name")
    assert source._rows.parts[0].sizes == [9, 9, 9, 9, 9, 5, 9, 9, 9, 9, 9, 5, 3]
    check_table(source)


def test_partitions_become_columns(tmp_path):
    frame = FRAME.assign(part=np.repeat([3, 11, 12, 13], [40, 1, 31, 31]))
    frame["place"] = np.repeat(["a b", "c"], [41, 62])
    for (place, part), rows in frame.groupby(["place", "part"]):
        folder = tmp_path / "data" / f"place={place.replace(' ', '%20')}" / f"part={part:02d}"
        write_parts(folder, [rows.drop(columns=["part", "place"])])
    for X in (tmp_path / "data", f"{tmp_path}/data/*/*/*.parquet", f"{tmp_path}/data/place=*"):
        source = open_source(X, label="label", id_column="name")
        check_table(source, frame, [*FEATURES, "place", "part"])
    dataset = pa.dataset.dataset(tmp_path / "data", partitioning="hive", format="parquet")
    source = open_source(dataset, label="part", drop=["name"])
    assert source.read(39, 42).y.tolist() == [3, 11, 12]
    (tmp_path / "data" / "part.parquet").write_bytes((folder / "part-00.parquet").read_bytes())
    with pytest.raises(FileProblem, match="lie in folders of a partition by other columns"):
        open_source(tmp_path / "data", label="label")


def test_what_pandas_writes_of_missing_values_is_of_the_same_type(tmp_path):
    days, codes = pd.to_datetime(["2024-01-01"] * 2), pd.Categorical(["y", "z"])
    frames = [
        pd.DataFrame({"a": [1, 2], "b": [None, None], "c": ["x", "y"], "t": days}),
        pd.DataFrame({"a": [np.nan, 2.5], "b": ["u", None], "c": codes, "t": [pd.NaT] * 2}),
        pd.DataFrame({"c": [None, None], "a": [np.nan] * 2, "b": ["v"] * 2, "t": [None, None]}),
    ]
    frames[1]["t"] = frames[1]["t"].astype("datetime64[s]")
    source = open_source(write_parts(tmp_path / "data", frames))
    X = source.read(0, 6).X
    np.testing.assert_array_equal(X["a"], [1, 2, np.nan, 2.5, np.nan, np.nan])
    assert X["b"].astype(object).fillna("-").tolist() == ["-", "-", "u", "-", "v", "v"]
    assert X["c"].astype(object).fillna("-").tolist() == ["x", "y", "y", "z", "-", "-"]
    assert X["t"].isna().tolist() == [False] * 2 + [True] * 4
    assert X["t"].dtype.kind == "M"
    # The same types whichever rows are asked for.
    for k in range(6):
        assert source.read(k, k + 1).X.dtypes.map(lambda kind: kind.kind).tolist() == list("fOOM")


def test_addresses(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for k, frame in enumerate(parts()):
        with memory.open(f"/hcdv-test/shard={k}/part.parquet", "wb") as file:
            frame.to_parquet(file, index=False)
    # Another process has no such memory, but this one does.
    source = open_source("memory://hcdv-test", label="label", id_column="name", drop=["shard"])
    check_table(source)
    pattern = "memory://hcdv-test/*/part.parquet"
    check_table(open_source(pattern, label="label", id_column="name", drop=["shard"]))
    with pytest.raises(FileProblem, match=r"memory://hcdv-nowhere does not exist"):
        open_source("memory://hcdv-nowhere")
    with pytest.raises(FileProblem, match=r"nosuch://a cannot be reached"):
        open_source("nosuch://a")
    with pytest.raises(ValueError, match="storage_options are for addresses"):
        open_source(str(tmp_path), storage_options={"anon": True})
    folder = write_parts(tmp_path / "data", parts())
    check_table(open_source(f"file://{folder}", label="label", id_column="name", storage_options={}))
    memory.rm("/hcdv-test", recursive=True)


def test_a_file_of_a_web_server(tmp_path):
    pytest.importorskip("aiohttp")
    pytest.importorskip("fsspec")
    FRAME.to_parquet(tmp_path / "one.parquet", index=False)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *told):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/one.parquet"
        check_table(open_source(address, label="label", id_column="name"))
    finally:
        server.shutdown()
        server.server_close()


def damaged(folder):
    path = folder / "part-02.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)


def cut_short(folder):
    path = folder / "part-02.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def change(folder, make):
    path = folder / "part-02.parquet"
    make(pd.read_parquet(path)).to_parquet(path, index=False)


def changed(**cells):
    return lambda folder: change(folder, lambda part: part.assign(**cells))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damaged, " is damaged or no Parquet file: "),
        (cut_short, " is damaged or no Parquet file: "),
        (changed(count="many"), " holds the column 'count' as text, .*part-00.parquet as int64."),
        (changed(town=1.5), " holds the column 'town' as double, .*part-00.parquet as text."),
        (changed(is_new=1), " holds the column 'is_new' as int64, .*part-00.parquet as bool."),
        (changed(extra=1), " has a column 'extra', which .*part-00.parquet lacks."),
        (changed(label=[None]), r" \(row 40 of all\) has no label; every row needs one\."),
        (
            lambda folder: change(folder, lambda part: part.drop(columns="label")),
            " lacks the column 'label', which .*part-00.parquet has.",
        ),
    ],
)
def test_what_is_wrong_with_a_part_is_said_in_one_sentence(tmp_path, harm, message):
    folder = write_parts(tmp_path / "data", parts())
    harm(folder)
    with pytest.raises(ValueError, match="part-02.parquet" + message) as caught:
        open_source(folder, label="label").read(0, N)
    assert str(caught.value).count(". ") == 0 and str(caught.value).endswith(".")


def test_a_part_that_changes_or_goes_is_named(tmp_path):
    folder = write_parts(tmp_path / "data", parts())
    source = open_source(folder, label="label")
    FRAME.iloc[:9].to_parquet(folder / "part-00.parquet", index=False)
    with pytest.raises(FileProblem, match=r"part-00.parquet has changed since it was opened"):
        source.read(0, 5)
    (folder / "part-00.parquet").unlink()
    with pytest.raises(FileProblem, match=r"part-00.parquet does not exist"):
        source.read(0, 5)


def test_what_holds_no_files_is_refused(tmp_path):
    with pytest.raises(FileProblem, match=r"nowhere does not exist"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(FileProblem, match=r"\*.parquet matches no files"):
        open_source(f"{tmp_path}/*.parquet")
    with pytest.raises(FileProblem, match=r"holds no file that ends with .parquet"):
        open_source(tmp_path)
    folder = write_parts(tmp_path / "data", parts())
    with pytest.raises(ValueError, match=r"data\) has no column 'target'; it has number, count"):
        open_source(folder, label="target")
    pa.ipc.new_file(str(folder / "b.arrow"), pa.schema([("a", pa.int8())])).close()
    with pytest.raises(FileProblem, match="has files of both Parquet and Arrow"):
        open_source(folder)
    pd.DataFrame({"a": pd.Series([], dtype=float)}).to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match=r"empty.parquet\) has no rows"):
        open_source(tmp_path / "empty.parquet")


def test_what_may_not_be_read_or_is_of_another_kind_is_said_in_one_sentence(tmp_path, monkeypatch):
    from hcdv.io.source import _places

    FRAME.to_csv(tmp_path / "rows.csv")
    with pytest.raises(FileProblem, match=r"rows.csv cannot be read piece by piece: its name ends"):
        open_source(tmp_path / "rows.csv", label="label")

    def locked(*_):
        raise PermissionError(13, "Cannot list directory. Detail: [errno 13] Permission denied")

    monkeypatch.setattr(_places, "_found", locked)
    with pytest.raises(FileProblem, match=rf"^{tmp_path} may not be read: permission denied\.$"):
        open_source(tmp_path, label="label")


def test_the_index_of_a_frame_is_no_feature(tmp_path):
    FRAME.set_index("name").to_parquet(tmp_path / "one.parquet")
    assert open_source(tmp_path / "one.parquet", label="label").columns == tuple(FEATURES)


def test_threads_read_a_row_group_once(tmp_path, monkeypatch):
    FRAME.to_parquet(tmp_path / "one.parquet", index=False)
    source = open_source(tmp_path / "one.parquet", label="label", id_column="name")
    read, seen = _files.ParquetPart._read, []
    monkeypatch.setattr(
        _files.ParquetPart, "_read", lambda part, piece, names: seen.append(piece) or read(part, piece, names)
    )
    with ThreadPoolExecutor(4) as pool:
        blocks = list(pool.map(lambda k: source.read(k, k + 1), range(N)))
    assert seen == [0]
    same_cells(pd.concat([b.X.astype(object) for b in blocks]), FRAME[FEATURES])


def test_labels_are_read_without_the_other_columns(tmp_path, monkeypatch):
    folder = write_parts(tmp_path / "data", parts())
    source = open_source(folder, label="label", id_column="name")
    read, seen = _files.ParquetPart._read, []
    monkeypatch.setattr(
        _files.ParquetPart, "_read", lambda part, piece, names: seen.append(names) or read(part, piece, names)
    )
    source.labels(0, N)
    source.ids(0, N)
    assert seen == [["label"]] * 3 + [["name"]] * 3


# Arrow


@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_files(tmp_path, new):
    whole = pa.Table.from_pandas(FRAME, preserve_index=False)
    with new(str(tmp_path / "one.arrow"), whole.schema) as writer:
        writer.write_table(whole, max_chunksize=17)
    check_table(open_source(tmp_path / "one.arrow", label="label", id_column="name"))
    content = (tmp_path / "one.arrow").read_bytes()
    (tmp_path / "one.arrow").write_bytes(content[: len(content) // 2])
    with pytest.raises(FileProblem, match=r"one.arrow is damaged or no Arrow file"):
        open_source(tmp_path / "one.arrow").read(0, N)


def test_tables_and_readers_of_arrow(tmp_path):
    whole = pa.Table.from_pandas(FRAME, preserve_index=False)
    check_table(open_source(whole, label="label", id_column="name"))
    reader = pa.RecordBatchReader.from_batches(whole.schema, whole.to_batches(max_chunksize=20))
    source = open_source(reader, label="label", id_column="name", work=tmp_path)
    check_table(source)
    assert source.notes[0].startswith(f"X gives its rows once only: they were written to {tmp_path / 'rows'}")


def test_dictionaries_as_arrow_allows_them():
    levels = pa.array(["a", "b", "a", None])
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None, 2], pa.uint8()), levels)
    X = open_source(pa.table({"c": column})).read(0, 6).X
    assert X["c"].astype(object).fillna("-").tolist() == ["a", "b", "a", "-", "-", "a"]
    assert sorted(X["c"].cat.categories) == ["a", "b"]


# Arrays and frames


def test_arrays_maps_and_their_cuts(tmp_path):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(N, 3, 4)).astype(np.float32), rng.integers(0, 3, N)
    np.save(tmp_path / "X.npy", np.concatenate([X, X]))
    np.save(tmp_path / "y.npy", y)
    check_array(open_source(X, y), X, y)
    np.save(tmp_path / "one.npy", X)
    check_array(open_source(tmp_path / "one.npy", tmp_path / "y.npy"), X, y)
    double = np.load(tmp_path / "X.npy", mmap_mode="r")
    for cut in (double[N:], double[5 : N + 5], double[::2], double[::-2], double[:N, ::2, 1]):
        source = open_source(cut, y)
        assert len(pickle.dumps(source._rows)) < 1000
        check_array(source, np.asarray(cut), y)
    changed = np.load(tmp_path / "one.npy", mmap_mode="c")
    changed[0] = 7
    check_array(open_source(changed, y.tolist()), np.asarray(changed), y)
    for plain in (X[:, 0, :].tolist(), X[:, 0, :]):
        assert open_source(plain, y).read(3, 5).X.tolist() == X[3:5, 0].tolist()


def test_frames_bring_their_names_along():
    check_table(open_source(FRAME, label="label", id_column="name"))
    check_table(open_source(FRAME.drop(columns="name"), label="label"), has_ids=False)
    check_table(open_source(FRAME.set_index("name"), label="label"))
    check_table(open_source(FRAME.drop(columns="name"), label="label", ids=FRAME["name"].to_numpy()))
    check_table(open_source(FRAME.drop(columns=["label", "name"]), FRAME["label"], ids=FRAME["name"].tolist()))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(X=FRAME, label="label", y=[1]), ValueError, "give y or label, not both"),
        (dict(X=FRAME, id_column="name", ids=[1]), ValueError, "give ids or id_column, not both"),
        (dict(X=FRAME, y=[1, 2]), ValueError, "y has 2 items for 103 rows"),
        (dict(X=FRAME, y=np.ones((N, 2))), ValueError, "y must be 1-dimensional"),
        (dict(X=FRAME, drop="name"), TypeError, "drop must be a sequence of names"),
        (dict(X=FRAME, drop=["name", "nme"]), ValueError, "X has no column 'nme'"),
        (dict(X=FRAME, label="label", drop=["label"]), ValueError, "cannot be the label and left out"),
        (dict(X=FRAME[["label"]], label="label"), ValueError, "X has no columns left"),
        (dict(X=np.ones((3, 2)), label="label"), ValueError, "X is an array"),
        (dict(X=np.ones((0, 2))), ValueError, "X has no rows"),
        (dict(X=3.0), TypeError, "X must be rows"),
        (dict(X=iter([FRAME])), ValueError, "X gives its rows once only"),
        (dict(X=lambda: []), ValueError, "X gives no blocks"),
        (dict(X=lambda: [FRAME, np.ones((2, 2))]), TypeError, r"X \(block 1\) must be a table, as the first"),
        (dict(X=lambda: [np.ones((2, 2)), np.ones((2, 3))]), ValueError, r"\(block 1\) must have rows of"),
        (dict(X=lambda: [(np.ones((2, 2)), [1])]), ValueError, r"\(block 0\) has 2 rows, but labels of"),
        (dict(X=lambda: [(FRAME, FRAME["label"]), FRAME]), ValueError, r"X \(block 1\) comes without labels"),
        (dict(X=lambda: [(FRAME, FRAME["label"])], label="label"), ValueError, "leave out y and label"),
        (dict(X=lambda: [FRAME, FRAME.assign(count="a")]), ValueError, "holds the column 'count' as text"),
        (dict(X=lambda: [FRAME.assign(count=[[1], "a"] * 51 + [2])]), ValueError, "cannot be read as a table"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        open_source(**options)


def test_missing_labels_are_counted_from_the_first_row():
    y = np.where(np.arange(N) == 77, np.nan, 1.0)
    source = open_source(np.ones((N, 2)), y)
    source.read(0, 77)
    message = r"^row 77 of y has no label; every row needs one"
    with pytest.raises(ValueError, match=message):
        source.read(70, 80)
    with pytest.raises(ValueError, match=message):
        source.take(np.array([1, 77]))
    with pytest.raises(ValueError, match=message):
        source.labels(77, 78)


# Dask


def test_arrays_of_dask():
    da = pytest.importorskip("dask.array")
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(N, 6)), rng.integers(0, 3, N)
    lazy = da.from_array(X, chunks=((40, 0, 1, 62), (4, 2)))
    check_array(open_source(lazy, y), X, y)
    check_array(open_source(lazy, da.from_array(y, chunks=50)), X, y)
    # The sizes of what was selected are not known.
    keep = da.from_array(np.r_[np.ones(N, bool), np.zeros(9, bool)], chunks=20)
    some = da.from_array(np.vstack([X, X[:9]]), chunks=(20, 6))[keep]
    check_array(open_source(some, y), X, y)


def test_frames_of_dask(tmp_path):
    dd = pytest.importorskip("dask.dataframe")
    folder = write_parts(tmp_path / "data", [part for part in parts() if len(part)])
    lazy = dd.read_parquet(folder)
    check_table(open_source(lazy, label="label", id_column="name"))
    source = open_source(dd.from_pandas(FRAME, npartitions=4).drop(columns=["name", "label"]), lazy["label"])
    block = source.read(30, 60)
    same_cells(block.X, FRAME[FEATURES].iloc[30:60])
    assert block.y.tolist() == FRAME["label"].iloc[30:60].tolist()
    with pytest.raises(ValueError, match="X has no column 'target'"):
        open_source(lazy, label="target")


# Blocks


def frames():
    yield from parts()


def pairs():
    for part in parts():
        yield part.drop(columns="label"), part["label"]


def arrays():
    for begin in range(0, N, 10):
        rows = np.arange(begin, min(begin + 10, N))
        yield rows[:, None] * np.array([1.0, 2.0]), rows % 3


class Anew:
    """An iterable that is no iterator."""

    def __iter__(self):
        return frames()


def test_blocks_that_can_begin_anew():
    check_table(open_source(frames, label="label", id_column="name"))
    check_table(open_source(Anew(), label="label", id_column="name"))
    check_table(open_source(pairs, id_column="name"))
    X = np.arange(N)[:, None] * np.array([1.0, 2.0])
    check_array(open_source(arrays), X, np.arange(N) % 3)


def test_blocks_that_come_once(tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks, "_FILE_ROWS", 30)
    check_table(open_source(frames(), label="label", id_column="name", work=tmp_path))
    # Again: what stood there is replaced.
    source = open_source(pairs(), id_column="name", work=tmp_path)
    check_table(source)
    told = source.fingerprint()
    assert open_source(pairs(), id_column="name", work=tmp_path).fingerprint() == told
    X = np.arange(N)[:, None] * np.array([1.0, 2.0])
    check_array(open_source(arrays(), work=tmp_path), X, np.arange(N) % 3)
    assert open_source(arrays(), work=tmp_path).fingerprint() != told
    with pytest.raises(TypeError, match="must hold numbers or text"):
        open_source(iter([np.array([[1, object()]])]), work=tmp_path)


def test_a_reader_goes_forward_and_begins_anew_only_far_back():
    begun = []

    def counted():
        begun.append(None)
        return arrays()

    source = open_source(counted)
    assert len(begun) == 1
    for k in (0, 2, 1, 3, 5, 4, 8, 7):  # as tasks of several threads come
        source.read(10 * k, 10 * k + 10)
    assert len(begun) == 2
    source.read(0, 5)
    assert len(begun) == 3


def test_a_reader_that_failed_begins_anew():
    fails = []

    def failing():
        yield np.ones((10, 2))
        if fails:
            raise OSError("the network is gone")
        yield np.ones((10, 2))

    source = open_source(failing)
    source._rows.parts[0]._blocks = Moving(source._rows.parts[0]._blocks._begin)
    fails.append(True)
    with pytest.raises(OSError, match="the network is gone"):
        source.read(10, 20)
    fails.clear()
    np.testing.assert_array_equal(source.read(10, 20).X, np.ones((10, 2)))


def test_blocks_that_change_are_refused():
    sizes = [10, 10]
    source = open_source(lambda: (np.ones((size, 2)) for size in sizes))
    assert source.n_rows == 20
    source._rows.parts[0]._blocks = Moving(source._rows.parts[0]._blocks._begin)  # as in another process
    sizes[1] = 9
    source.read(0, 10)
    with pytest.raises(ValueError, match=r"X \(block 1\) is not as it was"):
        source.read(10, 20)


# Fingerprints


def test_fingerprints_tell_data_apart(tmp_path):
    folder = write_parts(tmp_path / "data", parts())
    other = FRAME.copy()
    other.loc[50, "count"] += 1
    X = np.random.default_rng(0).normal(size=(N, 2))
    np.save(tmp_path / "X.npy", X)
    makers = [
        lambda: open_source(folder, label="label"),
        lambda: open_source(folder, label="label", id_column="name"),
        lambda: open_source(folder, label="town"),
        lambda: open_source(folder / "part-00.parquet", label="label"),
        lambda: open_source(FRAME, label="label"),
        lambda: open_source(other, label="label"),
        lambda: open_source(X, np.arange(N) % 2),
        lambda: open_source(X, np.arange(N) % 3),
        lambda: open_source(X + 1, np.arange(N) % 3),
        lambda: open_source(X.astype(np.float32), np.arange(N) % 3),
        lambda: open_source(tmp_path / "X.npy", np.arange(N) % 3),
        lambda: open_source(X, FRAME["label"].to_numpy(object)),
        lambda: open_source(frames, label="label"),
        lambda: open_source(arrays),
    ]
    told = [make().fingerprint() for make in makers]
    assert told == [make().fingerprint() for make in makers]
    assert len(set(told)) == len(told)
    assert pickle.loads(pickle.dumps(makers[0]())).fingerprint() == told[0]
    other.iloc[:40].to_parquet(folder / "part-00.parquet", index=False)
    assert makers[0]().fingerprint() != told[0]


# Windows: what goes along with a task


def _rows_of(block):
    X, y, ids = block
    beside = pd.DataFrame({"y": y, "ids": ids}, index=pd.RangeIndex(len(X)))
    return pd.concat([pd.DataFrame(X).reset_index(drop=True), beside], axis=1)


@pytest.mark.parametrize(("begin", "end"), [(0, 1), (30, 70), (N - 5, N)])
def test_a_window_reads_its_rows_and_leaves_the_others_behind(tmp_path, begin, end):
    big = np.random.default_rng(0).normal(size=(N, 200))
    names = np.array([f"row {k}" for k in range(N)])
    town = FRAME["label"].to_numpy()
    held = [
        open_source(big, np.arange(N) % 2, ids=names),
        open_source(np.asfortranarray(big), np.arange(N) % 2),
        open_source(pd.DataFrame(big, columns=[f"c{k}" for k in range(200)]).assign(town=FRAME["town"]), town),
        open_source(pa.table({f"c{k}": column for k, column in enumerate(big.T)}), np.arange(N) % 3),
    ]
    for source in held:
        window = pickle.loads(pickle.dumps(source.window(begin, end)))
        pd.testing.assert_frame_equal(_rows_of(window.read(begin, end)), _rows_of(source.read(begin, end)))
        some = np.arange(begin, end, 2)
        pd.testing.assert_frame_equal(_rows_of(window.take(some)), _rows_of(source.take(some)))
        assert window.n_rows == N
        np.testing.assert_array_equal(window.ids(begin, end), source.ids(begin, end))
        whole, part = (len(pickle.dumps(one)) for one in (source, source.window(begin, end)))
        assert part < whole * (0.25 + (end - begin) / N)  # names of columns go along
    # Files are opened where they are read; labels beside them are still cut.
    np.save(tmp_path / "X.npy", big)
    source = open_source(tmp_path / "X.npy", np.arange(N) % 2)
    window = pickle.loads(pickle.dumps(source.window(begin, end)))
    pd.testing.assert_frame_equal(_rows_of(window.read(begin, end)), _rows_of(source.read(begin, end)))
    assert len(pickle.dumps(source.window(0, 1))) < len(pickle.dumps(source)) - 6 * N
