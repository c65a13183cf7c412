"""Names of rows: as in memory they are there, and no two rows bear the same; found out before any long work."""

import numpy as np
import pandas as pd
import pytest

from hcdv import HCDV
from hcdv.scale import names
from hcdv.scale.names import check_distinct
from tests.scale.sources import ArraySource
from tests.scale.test_values import SMALL, spread, valued
from tests.scale.test_work import small

RNG = np.random.default_rng(0)
NUMBERS = RNG.permutation(400) - 100
DAYS = NUMBERS.astype("M8[D]")


def few_at_once(monkeypatch, keys=None):
    monkeypatch.setattr(names, "LOOKED_AT_ONCE", 17)
    monkeypatch.setattr(names, "SORTED_AT_ONCE", 90)
    monkeypatch.setattr(names, "KEYS_AT_ONCE", 2)
    if keys is not None:
        monkeypatch.setattr(names, "_keys", keys)


def colliding(items):
    """Keys of which many are equal, though names are not."""
    return np.array([hash(str(item)) % 7 for item in items], np.uint64)


@pytest.mark.parametrize("keys", [None, colliding])
@pytest.mark.parametrize(
    "distinct",
    [
        np.arange(400),
        NUMBERS,
        NUMBERS.astype(np.float64) / 8,
        NUMBERS.astype(np.uint64),
        DAYS,
        np.array([f"row {k}" for k in NUMBERS]),
        np.array([f"row {k}" for k in NUMBERS]).astype("S"),
    ],
    ids=lambda array: array.dtype.str,
)
def test_names_are_told_apart(monkeypatch, distinct, keys):
    few_at_once(monkeypatch, keys)
    check_distinct(distinct)
    for first, others in ((0, [399]), (16, [17]), (5, [200, 333])):
        doubled = distinct.copy()
        doubled[others] = doubled[first]
        with pytest.raises(ValueError, match=f"ids must be unique: .* occurs {1 + len(others)} times"):
            check_distinct(doubled)


def test_a_name_that_all_rows_bear(monkeypatch):
    few_at_once(monkeypatch)
    with pytest.raises(ValueError, match="ids must be unique: 'me' occurs 400 times"):
        check_distinct(np.full(400, "me"))


def test_names_twice_are_refused_as_in_memory(tmp_path, monkeypatch):
    small(monkeypatch)
    X, y = spread(600)
    ids = np.array([f"r{k}" for k in RNG.permutation(600)])
    ids[571] = ids[3]
    data = tmp_path / "data"
    data.mkdir()
    frame = pd.DataFrame(X, columns=list("abcde")).assign(name=ids, label=y)
    for part, rows in enumerate(np.array_split(np.arange(600), 3)):
        frame.iloc[rows].to_parquet(data / f"{part}.parquet")
    with pytest.raises(ValueError) as in_memory:
        HCDV(utility="fit", n_permutations=2).fit(X, y, ids=ids)
    model = HCDV(utility="fit", n_permutations=2, checkpoint=tmp_path / "work")
    with pytest.raises(ValueError) as out_of_core:
        model.fit(data, "label", ids="name")
    assert str(out_of_core.value) == str(in_memory.value) == f"ids must be unique: '{ids[3]}' occurs 2 times."
    assert not any((tmp_path / "work" / "learned").iterdir())


def test_a_missing_name_is_refused_where_it_stands(tmp_path, monkeypatch):
    small(monkeypatch)
    X, y = spread(60)
    data = tmp_path / "data"
    data.mkdir()
    frame = pd.DataFrame(X, columns=list("abcde")).assign(name=[f"r{k}" for k in range(60)], label=y)
    frame.loc[47, "name"] = None
    frame[:40].to_parquet(data / "0.parquet")
    frame[40:].to_parquet(data / "1.parquet")
    with pytest.raises(ValueError, match=r"^row 7 of .*1\.parquet \(row 47 of all\) has no id; every row"):
        HCDV(utility="fit", n_permutations=2).fit(data, "label", ids="name")


@pytest.mark.parametrize("index", [[5, 5, *range(58)], pd.MultiIndex.from_product([range(6), range(10)])])
def test_an_index_that_names_no_single_row_is_passed_over_as_in_memory(monkeypatch, index):
    small(monkeypatch)
    X, y = spread(60)
    frame = pd.DataFrame(X, columns=list("abcde"), index=index)
    in_memory = HCDV(utility="fit", n_permutations=2).fit(frame, y).result_.ids
    out_of_core = HCDV(utility="fit", n_permutations=2, memory_limit="4GB").fit(frame, y).result_.ids
    np.testing.assert_array_equal(out_of_core, in_memory)
    np.testing.assert_array_equal(in_memory, np.arange(60))


def test_names_of_several_lengths_come_back_whole(tmp_path, monkeypatch):
    from hcdv.scale import Recipe

    monkeypatch.setattr(names, "READ_AT_ONCE", 50)
    X, y = spread(120)
    ids = np.array([f"{k:0{1 + k // 30}d}" for k in RNG.permutation(120)], dtype=object)
    result = valued(
        ArraySource(X, y, ids), tmp_path / "work", Recipe(utility="fit", n_permutations=2), SMALL
    ).result
    assert result.ids.tolist() == ids.tolist()
