"""Generated clicks: the same rows however they are taken, shapes of the columns, and what clicks come from."""

from __future__ import annotations

import errno
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score

from hcdv.datasets import _ctr as ctr
from hcdv.datasets import ctr_blocks, make_ctr, write_ctr
from hcdv.encoder import FrameEncoder

NUMBERS = [f"I{j}" for j in range(1, 14)]
IDS = [f"C{j}" for j in range(1, 27)]
CHUNK = 1 << 14
N = 1 << 17


def joined(blocks):
    """Blocks as one frame of numbers and strings, and their labels."""
    frames, labels = zip(*[(plain(X), y) for X, y in blocks], strict=True)
    return pd.concat(frames), np.concatenate(labels)


def plain(X):
    return X.astype(dict.fromkeys(IDS, object))


@pytest.fixture(scope="module")
def data():
    return make_ctr(36_000, 1000, 1000)


@pytest.fixture(scope="module")
def market():
    return ctr._market(0)


@pytest.fixture(scope="module")
def rows(market):
    return market.rows("train", 0, N, 0.0)


@pytest.fixture(scope="module")
def frame(market, rows):
    return market.frame(rows)


def test_shapes(data):
    assert repr(data) == "Dataset('ctr', 36000 + 1000 + 1000 rows, 2 classes)"
    assert list(data.X.columns) == list(data.feature_names) == NUMBERS + IDS
    for X, y in ((data.X, data.y), (data.X_val, data.y_val), (data.X_test, data.y_test)):
        assert X.index.equals(pd.RangeIndex(len(y)))
        assert y.dtype == np.int64
        assert set(y) == {0, 1}
        assert X.dtypes.equals(data.X.dtypes)  # of the same categories, too
    assert (data.X.dtypes[IDS] == "category").all()
    whole = pd.concat([data.X, data.X_val, data.X_test])
    for name in IDS:
        assert set(whole[name].cat.categories) == set(whole[name].dropna())
        assert all(len(text) == 8 and int(text, 16) >= 0 for text in whole[name].cat.categories)


def test_numbers_have_the_types_of_criteo(data):
    # Where a column may miss a cell it is a float one, in blocks without such a cell as well.
    few = next(ctr_blocks(1))[0]
    for X in (data.X, few):
        assert [str(dtype) for dtype in X.dtypes[NUMBERS]] == ["float64", "int64", *["float64"] * 11]


@pytest.mark.parametrize("block_rows", [7001, CHUNK, 1 << 18])
def test_blocks_do_not_matter(data, block_rows):
    X, y = joined(ctr_blocks(len(data.y), block_rows))
    pd.testing.assert_frame_equal(X, plain(data.X), check_index_type=False)
    np.testing.assert_array_equal(y, data.y)


@pytest.mark.parametrize(("start", "n"), [(0, 10), (CHUNK - 5, 10), (CHUNK, CHUNK), (100, 35_900)])
def test_neither_do_start_and_number(data, start, n):
    X, y = joined(ctr_blocks(n, 9000, start=start))
    pd.testing.assert_frame_equal(X, plain(data.X)[start : start + n], check_index_type=False)
    np.testing.assert_array_equal(y, data.y[start : start + n])


def test_parts_are_streams_of_their_own(data):
    for part, whole, y in (("val", data.X_val, data.y_val), ("test", data.X_test, data.y_test)):
        X, labels = joined(ctr_blocks(1000, 300, part=part))
        pd.testing.assert_frame_equal(X, plain(whole), check_index_type=False)
        np.testing.assert_array_equal(labels, y)
    firsts = [plain(X)[:1000] for X in (data.X, data.X_val, data.X_test)]
    assert len(pd.concat(firsts).drop_duplicates()) == 3000
    few = make_ctr(5, 0, 3)
    pd.testing.assert_frame_equal(plain(few.X), plain(data.X[:5]))
    pd.testing.assert_frame_equal(plain(few.X_test), plain(data.X_test[:3]))
    assert few.X_val.shape == (0, 39)


def test_rows_far_along_are_as_good():
    blocks = list(ctr_blocks(3, 2, start=10**15))
    assert [list(X.index) for X, _ in blocks] == [[10**15, 10**15 + 1], [10**15 + 2]]
    assert list(ctr_blocks(0)) == []


def test_equal_seeds_give_equal_rows(data):
    assert make_ctr(100, 0, 0).X.equals(make_ctr(100, 0, 0).X)
    other = make_ctr(100, 0, 0, random_state=1)
    assert not (plain(other.X)[IDS] == plain(data.X)[:100][IDS]).any(axis=None)
    drawn = make_ctr(100, 0, 0, random_state=np.random.default_rng(5))
    again = make_ctr(100, 0, 0, random_state=np.random.default_rng(5))
    assert drawn.X.equals(again.X)


def test_memory_does_not_grow():
    def peak(n):
        tracemalloc.start()
        for _ in ctr_blocks(n, CHUNK):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(4 * CHUNK) < 1.05 * peak(2 * CHUNK)


def test_numbers_are_skewed(frame):
    numbers = frame[NUMBERS]
    assert (numbers.min() == 0).all()
    for name in NUMBERS:
        present = numbers[name].dropna()
        assert scipy.stats.skew(present) > 1.5
        assert (present == present.round()).all()
    zeros = (numbers == 0).sum() / numbers.notna().sum()
    assert zeros["I1"] > 0.3
    assert zeros["I12"] > 0.6
    assert zeros["I5"] < 0.05


def test_cells_are_missing_together(frame):
    is_missing = frame.isna()
    shares = is_missing.mean()
    for names, share in ctr._MISSING.items():
        assert shares[names[0]] == pytest.approx(share, abs=4 * np.sqrt(0.25 / N))
        for name in names[1:]:
            assert is_missing[name].equals(is_missing[names[0]])
    never = [name for name in frame if not is_missing[name].any()]
    assert set(never) == set(frame) - {name for names in ctr._MISSING for name in names}


def test_vocabularies(frame):
    found = frame[IDS].nunique()
    assert (found <= pd.Series(ctr._VOCABULARIES)).all()
    assert max(ctr._VOCABULARIES.values()) == 10**6
    for name, size in ctr._VOCABULARIES.items():
        if size <= 1000:
            assert found[name] == size
        if size == 10**6:
            assert found[name] > 30_000
    # As many times as the rank says: a slope of -1 among the hundred most frequent ones.
    for name in ("C3", "C12", "C24"):
        counts = frame[name].value_counts().to_numpy()[:100]
        slope = np.polyfit(np.log(np.arange(1, 101)), np.log(counts), 1)[0]
        assert -1.2 < slope < -0.6


@pytest.mark.parametrize("size", [3, 27, 1000])
def test_zipf(size):
    rng = np.random.default_rng(0)
    counts = np.bincount(ctr._zipf(rng.random(N), size), minlength=size)
    expected = N * np.log1p(1 / np.arange(1, size + 1)) / np.log(size + 1)
    assert len(counts) == size
    assert scipy.stats.chisquare(counts, expected).pvalue > 0.001
    assert ctr._zipf(np.array([0.0, np.nextafter(1.0, 0.0)]), size).tolist() == [0, size - 1]


def test_ids_are_a_permutation():
    numbers = np.arange(1 << 18, dtype=np.uint32)
    assert len(np.unique(ctr._mixed(numbers))) == len(numbers)
    assert list(ctr._hexadecimal(np.array([0, 0x1F2E3D4C, 2**32 - 1], np.uint32))) == [
        "00000000", "1f2e3d4c", "ffffffff"
    ]  # fmt: skip


def test_columns_of_a_side_know_each_other(rows):
    def known(a, b):
        return mutual_info_score(rows.levels[ctr._place(a)], rows.levels[ctr._place(b)])

    assert known("C2", "C5") > 0.3
    assert known("C5", "C8") > 0.3
    # Not 0 by chance: there are many pairs of levels.
    assert known("C5", "C14") < 0.05
    assert known("C8", "C23") < 0.05


def test_noise_flips_labels_and_nothing_else(data):
    noisy = make_ctr(36_000, 1000, 1000, label_noise=0.15)
    assert noisy.X.equals(data.X)
    np.testing.assert_array_equal(noisy.y_val, data.y_val)
    np.testing.assert_array_equal(noisy.y_test, data.y_test)
    is_flipped = noisy.y != data.y
    assert is_flipped.mean() == pytest.approx(0.15, abs=4 * np.sqrt(0.15 * 0.85 / 36_000))
    assert is_flipped[data.y == 1].mean() == pytest.approx(0.15, abs=0.05)
    more = np.concatenate([y for _, y in ctr_blocks(36_000, label_noise=0.3)]) != data.y
    assert (more & is_flipped).sum() == is_flipped.sum()
    every = np.concatenate([y for _, y in ctr_blocks(1000, label_noise=1, part="val")])
    np.testing.assert_array_equal(every, 1 - data.y_val)


def test_labels_follow_the_odds(market, rows):
    odds = scipy.special.expit(market.logit(rows.numbers, rows.levels))
    for low, high in ((0.0, 0.01), (0.01, 0.03), (0.03, 0.1), (0.1, 1.0)):
        chosen = (odds >= low) & (odds < high)
        error = np.sqrt((odds * (1 - odds))[chosen].sum()) / chosen.sum()
        assert abs(rows.y[chosen].mean() - odds[chosen].mean()) < 4 * error
    assert np.isfinite(odds).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_click_and_crosses_drive_them(seed):
    market = ctr._market(seed)
    numbers, levels, y = market.rows("train", 0, N, 0.0)
    assert abs(y.mean() - 0.03) < 4 * np.sqrt(0.03 * 0.97 / N) + 0.0005  # chance, and the calibration's
    parts = market.scales[:, None] * market._parts(numbers, levels)
    variances = parts.var(axis=1)
    np.testing.assert_allclose(variances / variances.sum(), [0.2, 0.3, 0.5], atol=0.02)
    best, without = roc_auc_score(y, parts.sum(axis=0)), roc_auc_score(y, parts[:2].sum(axis=0))
    assert 0.75 < best < 0.8
    assert without < best - 0.05


def hashed(rows):
    """A 0/1 column an id (in 2^16 buckets), and the numbers on a logarithmic scale."""
    levels = rows.levels.view(np.uint32) ^ (np.arange(26, dtype=np.uint32)[:, None] << np.uint32(24))
    buckets = ctr._mixed(levels) % (1 << 16)
    d, n = buckets.shape
    cells = (np.ones(n * d), buckets.T.ravel(), np.arange(n + 1) * d)
    logs = scipy.stats.zscore(np.log1p(np.nan_to_num(rows.numbers.T)))
    return scipy.sparse.hstack([scipy.sparse.csr_matrix(cells, shape=(n, 1 << 16)), logs]).tocsr()


def test_a_model_of_single_columns_does_not_do(market, rows):
    test = market.rows("test", 0, N, 0.0)
    model = LogisticRegression(C=0.02, max_iter=30).fit(hashed(rows), rows.y)
    learned = roc_auc_score(test.y, model.decision_function(hashed(test)))
    best = roc_auc_score(test.y, market.logit(test.numbers, test.levels))
    assert 0.62 < learned < best - 0.05


def test_the_encoder_takes_ids_as_categories(data):
    X, y = data.X[:3000], data.y[:3000]
    encoder = FrameEncoder().fit(X, y)
    names = encoder.table.feature_names_out
    assert {"I2", "I1", "I1=missing", "C22=missing", "C1: share of 1", "C3: frequency"} <= set(names)
    assert sum(name.startswith("C9=") for name in names) == 3
    of_strings = FrameEncoder().fit(plain(X), y)
    np.testing.assert_array_equal(of_strings.transform(plain(data.X_val)), encoder.transform(data.X_val))


def test_written_rows_are_the_same(data, tmp_path):
    done = []
    write_ctr(tmp_path / "clicks", 10_000, 4000, label_noise=0.1, progress=done.append)
    assert done == [4000, 8000, 10_000]
    files = sorted((tmp_path / "clicks").iterdir())
    assert [file.name for file in files] == [f"part-00000{k}.parquet" for k in range(3)]
    assert len({str(pyarrow.parquet.read_schema(file).remove_metadata()) for file in files}) == 1
    read = pyarrow.dataset.dataset(tmp_path / "clicks").to_table().to_pandas()
    assert list(read) == [*NUMBERS, *IDS, "label"]
    assert (read.dtypes[IDS] == "category").all()
    pd.testing.assert_frame_equal(plain(read[NUMBERS + IDS]), plain(data.X[:10_000]))
    X, y = joined(ctr_blocks(10_000, label_noise=0.1))
    np.testing.assert_array_equal(read["label"], y)
    first = pd.read_parquet(files[0])
    pd.testing.assert_frame_equal(plain(first[NUMBERS + IDS]), X[:4000], check_index_type=False)


def test_folders_are_whole_or_not_there(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    write_ctr(tmp_path / "empty", 10, part="val")
    with pytest.raises(OSError, match=r"not empty; name a folder that is not there yet: '.*empty'"):
        write_ctr(tmp_path / "empty", 10)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="name a folder"):
        write_ctr(tmp_path / "file", 10)
    with pytest.raises(OSError, match=r"the folder .*nowhere does not exist"):
        write_ctr(tmp_path / "nowhere" / "clicks", 10)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*clicks'"):
        write_ctr(tmp_path / "clicks", 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make_ctr(0), ValueError, "n must be at least 1, got 0"),
        (lambda: make_ctr(1e6), TypeError, "n must be an integer, got 1000000.0"),
        (lambda: make_ctr(10, n_val=-1), ValueError, "n_val must be at least 0"),
        (lambda: make_ctr(10, n_test=-1), ValueError, "n_test must be at least 0"),
        (lambda: make_ctr(10, label_noise=1.5), ValueError, r"label_noise must lie in \[0, 1\], got 1.5"),
        (lambda: make_ctr(10, random_state=-1), ValueError, "random_state must lie in"),
        (lambda: ctr_blocks(-1), ValueError, "n must be at least 0"),
        (lambda: ctr_blocks(10, 0), ValueError, "block_rows must be at least 1, got 0"),
        (lambda: ctr_blocks(10, start=-1), ValueError, "start must be at least 0"),
        (lambda: ctr_blocks(10, start=2**63), ValueError, "start must be at least 0 and at most"),
        (lambda: ctr_blocks(10, part="train2"), ValueError, "part must be one of 'train', 'val', 'test'"),
        (lambda: ctr_blocks(10, label_noise="x"), TypeError, "label_noise must be a number"),
        (lambda: write_ctr("clicks", 0), ValueError, "n must be at least 1"),
        (lambda: write_ctr("clicks", 10, progress=1), TypeError, "progress must be a function"),
    ],
)
def test_bad_input_is_told_at_once(call, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        call()
    assert not list(tmp_path.iterdir())
