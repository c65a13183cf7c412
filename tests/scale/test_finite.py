"""A number that is none is named by its file or block, its row there, and its column."""

import numpy as np
import pandas as pd
import pytest

from hcdv import HCDV
from tests.scale.test_values import spread

N, BAD = 600, 431


@pytest.fixture(params=[N, 50], ids=["in the sample", "outside of it"])
def sample(request, monkeypatch):
    from hcdv.scale import Sizes

    sizes = Sizes(part_rows=200, sample_rows=request.param, block_rows=150)
    monkeypatch.setattr(Sizes, "within", classmethod(lambda cls, limit: sizes))
    monkeypatch.setattr("hcdv.scale.learn.drawn", lambda n, k, seed: np.arange(min(n, k)))


def refused(X, y, **more):
    with pytest.raises(ValueError) as caught:
        HCDV(utility="fit", n_permutations=2, n_jobs=1, **more).fit(X, y)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def columns():
    X, y = spread(N)
    return pd.DataFrame(X, columns=list("abcde"), dtype=float), y


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("is_mixed", [True, False])
def test_an_infinite_number_in_a_file(tmp_path, is_mixed):
    frame, y = columns()
    frame.loc[BAD, "c"] = -np.inf
    if is_mixed:
        frame["town"] = np.where(frame["a"] > 0, "ulm", "bonn")
    frame["label"] = y
    for part in range(3):
        # In small row groups: the row is counted from the beginning of the file.
        frame[200 * part : 200 * (part + 1)].to_parquet(tmp_path / f"{part}.parquet", row_group_size=15)
    said = refused(tmp_path, "label")
    place = f"row 31 of {tmp_path}/2.parquet (row 431 of all)"
    assert said.startswith(f"{place} has an infinite number in the column 'c'")


@pytest.mark.usefixtures("sample")
def test_nan_in_an_array(tmp_path):
    X, y = spread(N)
    X[BAD, 3] = np.nan
    np.save(tmp_path / "X.npy", X)
    begin = "has NaN in the column 3"
    assert refused(tmp_path / "X.npy", y).startswith(f"row 431 of X ({tmp_path}/X.npy) {begin}")
    assert refused(X, y, memory_limit="4GB").startswith(f"row 431 of X {begin}")
    said = refused(lambda: ((X[k : k + 100], y[k : k + 100]) for k in range(0, N, 100)), None)
    assert said.startswith(f"row 31 of X (block 4) (row 431 of all) {begin}")


@pytest.mark.usefixtures("sample")
def test_nan_in_an_array_of_dask():
    da = pytest.importorskip("dask.array")
    X, y = spread(N)
    X[BAD, 3] = np.nan
    said = refused(da.from_array(X, chunks=(250, 5)), y)
    assert said.startswith("row 181 of X (chunk 1) (row 431 of all) has NaN in the column 3")


def test_a_first_gap_outside_of_the_sample(tmp_path, monkeypatch):
    from hcdv.scale import Sizes

    sizes = Sizes(part_rows=200, sample_rows=50, block_rows=150)
    monkeypatch.setattr(Sizes, "within", classmethod(lambda cls, limit: sizes))
    monkeypatch.setattr("hcdv.scale.learn.drawn", lambda n, k, seed: np.arange(k))
    frame, y = columns()
    frame.loc[[BAD, BAD + 1], "b"] = np.nan
    said = refused(frame.assign(label=y), "label", memory_limit="4GB")
    assert said == (
        "row 431 of X has no number, unlike all rows the encoder learned from, in the column 'b' (with it 2 of "
        "150 rows looked at); fill or drop them first."
    )
    # One that the sample knows is information.
    frame.loc[7, "b"] = np.nan
    model = HCDV(utility="fit", n_permutations=2, n_jobs=1, memory_limit="4GB")
    assert np.isfinite(model.fit(frame.assign(label=y), "label").values_).all()


def test_a_label_that_is_none(tmp_path):
    frame, y = columns()
    for bad, what in ((np.nan, "no label"), (np.inf, "an infinite label")):
        labels = y.astype(float)
        labels[BAD] = bad
        for part in range(2):
            frame.assign(label=labels)[300 * part : 300 * (part + 1)].to_parquet(tmp_path / f"{part}.parquet")
        said = refused(tmp_path, "label")
        assert said == f"row 131 of {tmp_path}/1.parquet (row 431 of all) has {what}; every row needs one."
