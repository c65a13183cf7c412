"""Files of a state that are damaged, swapped, of the future or hostile: one sentence, or nothing is changed."""

import io
import json
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from hcdv import HCDV
from hcdv._archive import read_archive, write_archive
from hcdv.cli import main

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(120, 4)), np.arange(120) % 2
X += Y[:, None]
IDS = np.array([f"r{i}" for i in range(120)])
GROUPS = np.array(["a", "b", "c"])[RNG.integers(0, 3, 120)]
FILES = ("CURRENT", "encoder-1.safetensors", "journal-1.log", "snapshot-1.hcdv")


def make(folder, seed=0):
    """A state with a fit, rows that came and rows that left in its journal."""
    model = HCDV(n_permutations=8, random_state=seed, n_jobs=1, keep_chains=True, utility=["kernel", "fit"])
    # Another scale for the other one: its encoder is another, too.
    model.fit(X[:80] * (1 + seed), Y[:80], X[100:], Y[100:], ids=IDS[:80], groups=GROUPS[:80])
    model.save(folder)
    model.partial_fit(X[80:90], Y[80:90], ids=IDS[80:90], groups=GROUPS[80:90], note="a batch")
    model.save(folder)
    model.forget(["r3"])
    model.save(folder)


def content(model):
    """All that a state is asked for."""
    result, tree = model.result_, model.hierarchy_
    arrays = [result.ids, result.values, result.labels, result.node_values, *vars(tree).values()]
    told = [(u.number, u.kind, u.note, u.n_rows, u.error, u.by_batch, u.by_group) for u in model.history_]
    return [np.asarray(array).tolist() for array in arrays], told


def next_values(model):
    model.partial_fit(X[90:100], Y[90:100], ids=IDS[90:100], groups=GROUPS[90:100])
    return model.values_.tolist()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    make(folder / "state")
    make(folder / "other", seed=1)
    model = HCDV.load(folder / "state")
    return folder, content(model), next_values(model)


@pytest.fixture
def state(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "state"


def sentence(folder):
    """What loading says, which is one sentence, from the library and from the command line."""
    with pytest.raises(ValueError) as caught:
        HCDV.load(folder)
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".") and len(said) < 500
    answer = CliRunner().invoke(main, ["history", str(folder)])
    assert answer.exit_code == 2
    assert answer.output == f"hcdv: {said}\n"
    return said


def sentence_or_same(folder, whole):
    """The sentence, or None where the state is the same as it was, now and after a further update."""
    said = None
    try:
        model = HCDV.load(folder)
    except ValueError as error:
        said = str(error)
    if said is not None:
        assert "\n" not in said and said.endswith(".")
        return said
    assert content(model) == whole[1]
    assert next_values(model) == whole[2]
    return None


@pytest.mark.parametrize("name", FILES)
def test_bytes_that_changed(state, whole, name):
    path = state / name
    data = path.read_bytes()
    rng = np.random.default_rng(len(data))
    # Heads and tails name lengths and places.
    ends = [*range(12), *range(len(data) - 12, len(data))]
    said = 0
    for place in sorted({*ends, *rng.integers(0, len(data), 32).tolist()}):
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        said += sentence_or_same(state, whole) is not None
    assert said > 30


@pytest.mark.parametrize("name", FILES)
def test_files_cut_short(state, whole, name):
    path = state / name
    data = path.read_bytes()
    for length in sorted({0, 1, len(data) // 2, len(data) - 1, *RNG.integers(0, len(data), 5).tolist()}):
        path.write_bytes(data[:length])
        # The last byte of CURRENT is the end of a line.
        assert sentence_or_same(state, whole) is not None or (name == "CURRENT" and length == len(data) - 1)


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_missing(state, name):
    (state / name).unlink()
    sentence(state)
    (state / name).mkdir()
    sentence(state)


@pytest.mark.parametrize("name", FILES)
def test_files_of_another_state(state, name):
    shutil.copy(state.parent / "other" / name, state / name)
    assert "of another state" in sentence(state)


def test_a_journal_of_an_earlier_or_later_time(state, whole):
    journal, note = state / "journal-1.log", state / "CURRENT"
    before = journal.read_bytes(), note.read_bytes()
    HCDV.load(state).forget(["r5"]).save(state)
    later = journal.read_bytes(), note.read_bytes()
    # A record more than CURRENT tells of is what a crash between the two leaves: it counts for nothing.
    note.write_bytes(before[1])
    assert sentence_or_same(state, whole) is None
    # A record less is a loss.
    journal.write_bytes(before[0])
    note.write_bytes(later[1])
    assert "is damaged" in sentence(state)
    # The whole of an earlier time is that state.
    note.write_bytes(before[1])
    assert sentence_or_same(state, whole) is None


def test_records_in_another_order(state):
    path = state / "journal-1.log"
    data = path.read_bytes()
    magic = data.index(b"\n") + 1
    size = struct.calcsize("<Q32s") + 4
    first = size + struct.unpack("<Q", data[magic : magic + 8])[0]
    one, two = data[magic : magic + first], data[magic + first :]
    path.write_bytes(data[:magic] + two + one)
    assert "of another state" in sentence(state)
    path.write_bytes(data[:magic] + one + one + two)
    assert "of another state" in sentence(state)


def test_versions_of_the_future(state):
    note = json.loads((state / "CURRENT").read_text())
    (state / "CURRENT").write_text(json.dumps(note | {"version": 2}))
    assert "has version 2" in sentence(state) and "upgrade hcdv" in sentence(state)
    (state / "CURRENT").write_text(json.dumps(note))
    arrays, facts = read_archive(state / "snapshot-1.hcdv", "state", 1)
    write_archive(state / "snapshot-1.hcdv", arrays, facts | {"version": 7})
    assert "has version 7" in sentence(state)


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "[" * 100_000, '{"format": "hcdv-state"}', "\x00", "NaN", "1" * 50_000,
        '{"format": "hcdv-state", "version": 1, "lineage": "x", "generation": 99, "committed": 15}',
        '{"format": "hcdv-state", "version": 1, "lineage": "../x", "generation": -1, "committed": 15}',
        '{"format": "hcdv-state", "version": true, "lineage": "x", "generation": 1, "committed": 15}',
        '{"format": "hcdv-state", "version": 1, "lineage": 5, "generation": 1, "committed": 15}',
        '{"format": "hcdv-state", "version": 1, "lineage": "x", "generation": "/etc/passwd", "committed": 15}',
    ],
)  # fmt: skip
def test_notes_that_name_nothing(state, text):
    (state / "CURRENT").write_text(text)
    sentence(state)


class Bomb:
    """Unpickled, it leaves a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def rewritten(path, change):
    """The archive with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members = change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def with_member(name, data):
    """A change that puts a member in and lists its right checksum."""
    import hashlib

    def change(members):
        facts = json.loads(members["meta.json"])
        facts["sha256"][name] = hashlib.sha256(data).hexdigest()
        return members | {name: data, "meta.json": json.dumps(facts).encode()}

    return change


def npy(header):
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_nothing_is_ever_executed(state, tmp_path):
    trace = tmp_path / "trace"
    objects = io.BytesIO()
    np.lib.format.write_array(objects, np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    snapshot = (state / "snapshot-1.hcdv").read_bytes()
    header = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }")
    for name, data in [
        ("ids.npy", objects.getvalue()),
        ("ids.npy", pickle.dumps(Bomb(trace))),
        ("more.pkl", pickle.dumps(Bomb(trace))),
        ("ids.npy", header + pickle.dumps(Bomb(trace))),
        ("ids.npy", npy("__import__('os').mkdir('trace')")),
    ]:
        rewritten(state / "snapshot-1.hcdv", with_member(name, data))
        sentence(state)
        (state / "snapshot-1.hcdv").write_bytes(snapshot)
    for name in FILES:
        data = (state / name).read_bytes()
        (state / name).write_bytes(pickle.dumps(Bomb(trace)))
        sentence(state)
        (state / name).write_bytes(data)
    assert not trace.exists()


@pytest.mark.parametrize(
    "shape",
    ["(1099511627776,)", "(0, 18446744073709551616)", "(-1,)", "(65536, 65536, 65536, 65536)", "(80.0,)"],
)
def test_huge_shapes(state, shape):
    data = npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}") + bytes(64)
    rewritten(state / "snapshot-1.hcdv", with_member("chains_mean.npy", data))
    sentence(state)


def test_bombs(state):
    path = state / "snapshot-1.hcdv"
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("zeros.npy", bytes(10**7))
    assert "is compressed" in sentence(state)
    path.write_bytes(data)
    # A header of safetensors that claims to be long.
    encoder = state / "encoder-1.safetensors"
    encoder.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    sentence(state)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["ids.npy", "../../ids.npy", "/tmp/ids.npy", "ids.npy/"])
def test_a_member_twice_or_outside(state, name):
    with zipfile.ZipFile(state / "snapshot-1.hcdv", "a") as archive:
        archive.writestr(name, b"x")
    sentence(state)


def changed_arrays():
    """Arrays that are none of a state's, under right checksums."""
    return [
        ("position", lambda a: np.zeros_like(a)),
        ("position", lambda a: a - 1),
        ("ids", lambda a: np.full_like(a, a[0])),
        ("labels", lambda a: a + 5),
        ("batch", lambda a: a - 1),
        ("rows_vote", lambda a: np.full_like(a, np.nan)),
        ("rows_vote", lambda a: a[:, :2]),
        ("chains", lambda a: a[:0]),
        ("chains", lambda a: np.full_like(a, np.inf)),
        ("chains_mean", lambda a: a[:1]),
        ("chains_state", lambda a: a + 2**40),
        ("tree_parent", lambda a: np.arange(len(a))),
        ("tree_order", lambda a: np.zeros_like(a)),
        ("tree_start", lambda a: a[::-1].copy()),
        ("tree_first_child", lambda a: np.zeros_like(a)),
        ("tree_node_key", lambda a: a + 2**50),
        ("lists0_ids", lambda a: np.full_like(a, 2**30)),
        ("lists0_d2", lambda a: -np.abs(a) - 1),
        ("lists0_bandwidth", lambda a: np.zeros_like(a)),
        ("history_length", lambda a: np.full(1, 3)),
        ("classes", lambda a: a[:1]),
    ]


@pytest.mark.parametrize(("name", "change"), changed_arrays())
def test_arrays_that_do_not_fit(state, name, change):
    arrays, facts = read_archive(state / "snapshot-1.hcdv", "state", 1)
    write_archive(state / "snapshot-1.hcdv", arrays | {name: change(arrays[name])}, facts)
    sentence(state)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parameters", None), ("parameters", {"eval": "1"}), ("parameters", {"utility": {"kind": "os.system"}}),
        ("parameters", {"n_permutations": -5}), ("widths", {}), ("widths", {"vote": 10**12}), ("seed", -1),
        ("terms", ["nothing"]), ("weights", []), ("weights", [["kernel", "heavy"]]),
        ("history", "long ago"), ("history", [{}]), ("n_updates", 1e9), ("next_point_key", 0), ("columns", -4),
        ("resolution", "deep"), ("encoder", None), ("kernel_widths", 3), ("recall", "all"), ("lineage", None),
    ],
)  # fmt: skip
def test_facts_that_do_not_fit(state, name, value):
    arrays, facts = read_archive(state / "snapshot-1.hcdv", "state", 1)
    write_archive(state / "snapshot-1.hcdv", arrays, facts | {name: value})
    sentence(state)
