"""Names of rows and groups of any kind: joined, found again, saved and loaded, or refused in one sentence."""

from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hcdv import HCDV
from hcdv.cli import main
from hcdv.cli._forget import _known_rows
from hcdv.estimator.checks import check_ids, new_ids, next_number, positions_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
Y = (X[:, 0] > 0).astype(int)
N = 60
LARGEST = 2**63 - 1


def fitted(ids=None, groups=None, seed=1):
    model = HCDV(n_permutations=4, random_state=seed, n_jobs=1, leaf_size=5, branching=4, keep_chains=True)
    return model.fit(X[:N], Y[:N], ids=ids, groups=groups)


def objects(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


# Saved and loaded


@pytest.mark.parametrize("seed", [2**62 - 1, 2**62, 2**63 - 1])
def test_states_of_any_seed_load(tmp_path, seed):
    model = fitted(seed=seed)
    model.save(tmp_path / "state")
    loaded = HCDV.load(tmp_path / "state")
    for one in (model, loaded):
        one.partial_fit(X[N:70], Y[N:70])
    np.testing.assert_array_equal(loaded.values_, model.values_)


NUMBERS = {
    "negative": (np.arange(N) - 1000, [0, 1]),
    "negative and not": (np.arange(N) - 10, [50, 51]),
    "2**62 and more": (np.arange(N) + 2**62, [2**62 + N, 2**62 + N + 1]),
    "unsigned": (np.arange(N, dtype=np.uint64), [60, 61]),
    "2**63 and more": (np.arange(N, dtype=np.uint64) + np.uint64(2**63), [2**63 + N, 2**63 + N + 1]),
    "objects": (np.arange(N).astype(object), [60, 61]),
    "objects of 2**63 and more": (objects(*range(2**63, 2**63 + N)), [2**63 + N, 2**63 + N + 1]),
}


@pytest.mark.parametrize(("ids", "next_ones"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_any_size_are_saved_and_go_on(tmp_path, ids, next_ones):
    model = fitted(ids)
    model.save(tmp_path / "state")
    loaded = HCDV.load(tmp_path / "state").partial_fit(X[N:62], Y[N:62])
    assert loaded.result_.ids.tolist() == [*ids.tolist(), *next_ones]
    loaded.save(tmp_path / "state")
    again = HCDV.load(tmp_path / "state").forget(next_ones)
    assert again.result_.ids.tolist() == ids.tolist()


DAYS = [date(2020, 1, 1), date(2021, 1, 1)]
GROUPS = {
    "days": (np.array(["2020-01-01", "2021-01-01"] * 30, "M8[D]"), pd.Timestamp("2020-01-01")),
    "day objects": (objects(*DAYS * 30), DAYS[0]),
    "times": (objects(datetime(2020, 1, 1, 5), datetime(2021, 1, 1)).repeat(30), datetime(2020, 1, 1, 5)),
    "nanoseconds": (pd.to_datetime([5, 7] * 30, unit="ns"), pd.Timestamp(5, unit="ns")),
    "durations": (pd.to_timedelta([-5, 7] * 30, unit="ns"), pd.Timedelta(-5, unit="ns")),
    "numpy integers": (objects(np.int64(1), np.int64(2)).repeat(30), 1),
    "numpy text": (objects(np.str_("a"), np.str_("b")).repeat(30), "a"),
}


@pytest.mark.parametrize(("groups", "first"), GROUPS.values(), ids=GROUPS)
def test_groups_of_dates_and_of_numpy_objects_are_saved(tmp_path, groups, first):
    model = fitted(groups=groups)
    model.partial_fit(X[N:70], Y[N:70], groups=groups[:10])
    model.save(tmp_path / "state")  # with the history, which tells of groups
    model.partial_fit(X[70:80], Y[70:80], groups=groups[:10])
    model.save(tmp_path / "state")  # in the journal
    loaded = HCDV.load(tmp_path / "state")
    assert [update.by_group for update in loaded.history_] == [update.by_group for update in model.history_]
    for one in (model, loaded):
        one.partial_fit(X[80:90], Y[80:90], groups=groups[:10]).forget(groups=[first])
    np.testing.assert_array_equal(loaded.values_, model.values_)
    assert len(loaded.update_.by_group) == 1


def test_groups_that_no_file_holds_are_refused(tmp_path):
    for groups, what in ((objects(1, "a"), "int, str"), (objects(2**70, 1), "fit into 64 bits")):
        with pytest.raises(ValueError, match=f"^groups cannot be saved: .*{what}"):
            fitted(groups=groups.repeat(30)).save(tmp_path / what[:3])


# Refused

REFUSED = {
    "missing numbers": (np.array([0, np.nan, np.nan]), r"^ids: 2 are missing \(first at row 1\)\.$"),
    "missing objects": (objects("a", "b", None), r"^ids: 1 is missing \(first at row 2\)\.$"),
    "missing in a list": ([np.nan, "a", "b"], r"^ids: 1 is missing \(first at row 0\)\.$"),
    "missing dates": (np.array(["2020", "NaT", "2021"], "M8[D]"), "^ids: 1 is missing"),
    "twice": (["a1", "a7", "a7"], r"^ids must be unique: 'a7' occurs 2 times\.$"),
    "three times": (np.array([5, 5, 5]), r"^ids must be unique: 5 occurs 3 times\.$"),
    "too wide together": (
        [-1, 2**63, 5], rf"^ids: whole numbers from -1 to {2**63} do not fit into 64 bits; make them text\.$",
    ),
    "too large": ([2**70, 1, 2], "do not fit into 64 bits"),
    "objects too large": (objects(2**70, 1, 2), "do not fit into 64 bits"),
    "tuples": (pd.MultiIndex.from_product([[0], [1, 2, 3]]), "numbers, texts or dates, got a tuple"),
    "ragged": ([[1], [2, 3], [4]], "ragged"),
}  # fmt: skip


@pytest.mark.parametrize(("ids", "message"), REFUSED.values(), ids=REFUSED)
def test_names_are_refused_in_one_sentence(ids, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_ids(ids, X[:3], 3)
    assert "\n" not in str(caught.value)


def test_objects_become_what_they_are():
    stamps = objects(pd.Timestamp("2020-01-01T05"), pd.Timestamp("2020-01-02"))
    assert check_ids(stamps, None, 2).dtype.kind == "M"
    assert check_ids(objects(1, np.int8(2)), None, 2).dtype == np.int64
    assert check_ids([2**63, 1], None, 2).tolist() == [2**63, 1]
    assert check_ids(objects("a", "b"), None, 2).dtype == object


# New rows


def test_numbers_stay_whole_when_they_join():
    known = np.arange(3) + 2**53
    names = new_ids(np.array([2**53 + 5, 2**53 + 7], np.uint64), None, 2, known, 0)
    joined = np.concatenate([known, names])
    assert joined.tolist() == [2**53, 2**53 + 1, 2**53 + 2, 2**53 + 5, 2**53 + 7]
    assert joined.dtype == np.int64
    unsigned = np.array([2**63, 1], np.uint64)
    joined = np.concatenate([unsigned, new_ids([7, 8], None, 2, unsigned, 0)])
    assert joined.tolist() == [2**63, 1, 7, 8]
    assert joined.dtype == np.uint64
    with pytest.raises(ValueError, match="1 of 1 rows are known already"):
        new_ids(np.array([2**53 + 1], np.uint64), None, 1, known, 0)
    with pytest.raises(ValueError, match=f"to {LARGEST}, as those of the fit are, got {2**63}"):
        new_ids([2**63], None, 1, known, 0)
    with pytest.raises(ValueError, match=r"^ids must be from 0 to \d+, as .*, got -1\.$"):
        new_ids([-1], None, 1, unsigned, 0)


def test_numbers_that_are_used_up():
    known = np.arange(LARGEST - 2, LARGEST)
    assert next_number(known) == LARGEST
    assert new_ids(None, X, 1, known, LARGEST).tolist() == [LARGEST]
    with pytest.raises(ValueError, match=f"^ids are missing: no 2 numbers are left from {LARGEST} on; name"):
        new_ids(None, X, 2, known, LARGEST)
    known = np.array([2**64 - 1], np.uint64)
    with pytest.raises(ValueError, match="no 1 numbers are left"):
        new_ids(None, X, 1, known, next_number(known))


def test_a_state_whose_numbers_are_used_up_loads(tmp_path):
    ids = np.arange(N, dtype=np.uint64) + np.uint64(2**64 - N)
    fitted(ids).save(tmp_path / "state")
    loaded = HCDV.load(tmp_path / "state")
    with pytest.raises(ValueError, match="no 1 numbers are left"):
        loaded.partial_fit(X[:1], Y[:1])


def test_an_index_that_names_no_rows_counts_them():
    columns = list("abcd")
    index = pd.MultiIndex.from_product([range(6), range(10)])
    model = HCDV(n_permutations=4, random_state=1, n_jobs=1).fit(pd.DataFrame(X[:N], index, columns), Y[:N])
    assert model.result_.ids.tolist() == list(range(N))
    model.partial_fit(pd.DataFrame(X[N:70], index[:10], columns), Y[N:70]).forget([0, 65])
    assert model.result_.ids.tolist() == [i for i in range(70) if i not in (0, 65)]
    gap = pd.DataFrame(X[:3], ["a", None, "b"], columns)
    assert check_ids(None, gap, 3).tolist() == [0, 1, 2]


# Names looked up


def test_names_are_found_and_nothing_is_cut_off():
    assert positions_of([3, "2"], np.arange(5)).tolist() == [3, 2]
    assert positions_of(objects(4), np.arange(5)).tolist() == [4]
    assert positions_of(np.array([3], np.uint64), np.arange(5)).tolist() == [3]
    assert positions_of([2**63], np.array([1, 2**63], np.uint64)).tolist() == [1]
    days = np.array(["2020-01-01", "2020-01-02"], "M8[D]")
    assert positions_of(["2020-01-02"], days).tolist() == [1]
    for ids, known in (
        ([2**70], np.arange(5)),
        ([-1, 2**63], np.arange(5)),
        (np.array([2**64 - 1], np.uint64), np.array([-1, 5])),
        ([300], np.arange(50, dtype=np.uint8)),
        (["2020-01-02T12:00"], days),
        ([b"abc"], np.array([b"a", b"ab"])),
    ):
        with pytest.raises(ValueError, match=r"name no row \(first: "):
            positions_of(ids, known)
    for ids in (objects(3.5), objects(True), [3.0], ["x"], [None], [pd.Timestamp(0)]):
        with pytest.raises(ValueError, match=r"^ids must be like those of the rows \(0, \.\.\.\), got "):
            positions_of(ids, np.arange(5))


def test_a_missing_name_shifts_no_other():
    ids = np.array([0.0, 1, np.nan, 3, 4])
    state = SimpleNamespace(folder=Path("state"), model=SimpleNamespace(result_=SimpleNamespace(ids=ids)))
    assert _known_rows(state, ["3", "4", "0"]).tolist() == [0, 3, 4]


def test_the_command_line_takes_no_row_without_a_name(tmp_path):
    frame = pd.DataFrame(X[:N], columns=list("abcd")).assign(y=Y[:N], order=np.arange(float(N)))
    frame.loc[5, "order"] = np.nan
    frame.to_csv(tmp_path / "rows.csv", index=False)
    taken = ["value", str(tmp_path / "rows.csv"), "--label", "y", "--id", "order"]
    done = CliRunner().invoke(main, [*taken, "--out", str(tmp_path / "values.csv")])
    assert done.exit_code != 0
    assert "ids: 1 is missing (first at row 5)." in done.output


# Columns


def test_dates_and_durations_of_arrow():
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": X[:, 0], "t": pd.date_range("2020", periods=90)})
    frame["d"] = pd.to_timedelta(np.arange(90) % 7, unit="s")
    arrow = frame.convert_dtypes(dtype_backend="pyarrow")
    zoned = arrow.assign(t=frame["t"].dt.tz_localize("UTC").astype("timestamp[us, tz=UTC][pyarrow]"))
    values = []
    for one, other in ((frame, frame), (arrow, arrow), (frame, arrow), (arrow, frame), (zoned, zoned)):
        model = HCDV(n_permutations=4, random_state=1, n_jobs=1).fit(one[:N], Y[:N])
        values.append(model.partial_fit(other[N:], Y[N:]).values_)
    for found in values[1:]:
        np.testing.assert_array_equal(found, values[0])


def test_complex_columns_are_refused_by_fit_and_update():
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "u", "v")})
    model = HCDV(n_permutations=4, random_state=1, n_jobs=1).fit(frame[:N], Y[:N])
    for wrong in (frame.assign(a=frame["a"] + 5j), frame.assign(a=(frame["a"] + 5j).astype(object))):
        with pytest.raises(TypeError, match="column 'a' holds complex numbers"):
            HCDV().fit(wrong[:N], Y[:N])
        with pytest.raises(TypeError, match="column 'a' holds complex numbers"):
            model.partial_fit(wrong[N:], Y[N:])
