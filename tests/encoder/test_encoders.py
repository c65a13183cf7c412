"""Encoders: what a table, a matrix, an image or a sparse matrix becomes."""

from __future__ import annotations

import datetime as dt
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.decomposition import PCA

from hcdv.encoder import FrameEncoder, IdentityEncoder, TableEncoder, _columns, make_encoder
from hcdv.encoder import _tails as tails
from hcdv.encoder._columns import ShareColumn, codes_of, places_of, texts_of
from hcdv.encoder._input import as_frame, as_rows
from tests.real_data import data_file


def normal(n, p, seed=0):
    return np.random.default_rng(seed).standard_normal((n, p))


def mixed(n=400, seed=0):
    rng = np.random.default_rng(seed)
    many = np.array([f"town{k:02d}" for k in range(40)], dtype=object)[rng.integers(0, 40, n)]
    many[::17] = None
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "income": np.where(rng.random(n) < 0.1, rng.lognormal(9, 1, n), 0.0),
            "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "flag": rng.random(n) < 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "work": np.array(["a", "b", "?"])[rng.integers(0, 3, n)],
            "town": many,
            "constant": 3,
            "nothing": np.nan,
            "id": [f"row{k}" for k in range(n)],
        }
    )


# ------------------------------------------------------------------------------- identity


def test_few_columns_are_standardised():
    X = normal(500, 5) * [1, 10, 100, 1e-6, 1e6] + [0, 5, -1e4, 0, 1e9]
    X = np.c_[X, np.full(500, 7.0)]
    spaces = IdentityEncoder().fit_spaces(X)
    assert spaces.vote is spaces.columns
    assert spaces.vote.dtype == np.float32
    assert spaces.vote.flags.c_contiguous
    np.testing.assert_allclose(spaces.vote.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(spaces.vote.std(axis=0), [1, 1, 1, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(
        spaces.vote[:, :5], (X[:, :5] - X[:, :5].mean(0)) / X[:, :5].std(0), atol=1e-5
    )


def test_short_tails_are_left_alone_and_long_ones_are_not():
    X = normal(2000, 3)
    X[:, 1] = np.exp(2 * X[:, 1])
    X[:, 2] = np.where(X[:, 2] > 1.3, np.exp(8 + X[:, 0]), 0.0)
    spaces = IdentityEncoder().fit_spaces(X)
    z = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(spaces.columns[:, 0], z[:, 0], atol=1e-5)
    assert np.abs(z[:, 1]).max() > 10 > np.abs(spaces.columns[:, 1]).max()
    for j in range(3):  # monotone: forests see no difference
        order = np.argsort(X[:, j], kind="stable")
        assert (np.diff(spaces.columns[order, j]) >= -1e-6).all()


def test_tails_do_not_depend_on_the_unit():
    x = np.exp(normal(500, 1)[:, 0])
    for factor in (1e-6, 1e6):
        a = tails.straightened(x, tails.tail_of(x))
        b = tails.straightened(x * factor, tails.tail_of(x * factor))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert tails.tail_of(np.full(9, 4.0)) == (4.0, 0.0, 0.0)
    assert tails.tail_of(np.repeat([0.0, 1.0], [99, 1])) == (0.0, 0.0, 0.0)
    assert tails.tail_of(np.repeat([0.0, 1.0, 1e300], [97, 2, 1])).unit > 0


@pytest.mark.parametrize("factor", [1e-200, 1.0, 1e150])
def test_gross_outliers_are_cut_and_long_tails_are_not(factor):
    generator = np.random.default_rng(0)
    x = generator.normal(size=3000)
    x[:60] = 20 * generator.normal(size=60)
    tail = tails.tail_of(factor * x)
    assert tail.unit == 0.0
    assert 3.5 < tail.reach / factor < 4.5  # six median distances of a normal column
    cut = tails.straightened(factor * x, tail)
    np.testing.assert_allclose(np.abs(cut - tail.median).max(), tail.reach)
    inside = np.abs(x) < 3.4
    np.testing.assert_array_equal(cut[inside], factor * x[inside])
    for draw in (generator.exponential, generator.lognormal, generator.laplace):
        long = draw(size=3000)
        assert tails.tail_of(long).reach == 0.0 < tails.tail_of(long).unit


@pytest.mark.parametrize("d", [8, 300])
def test_outliers_do_not_move_the_others(d):
    """Without the drawing in, the outliers of the wide rows take most of the principal components."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(1500, 5)) @ generator.normal(size=(5, d))
    X += 0.3 * generator.normal(size=X.shape)
    far = 20 * X.std(axis=0) * generator.normal(size=(30, d))
    clean, disturbed = (IdentityEncoder(n_components=10).fit(rows) for rows in (X, np.vstack([X, far])))
    before, after = clean.transform(X), disturbed.transform(X)
    pairs = generator.integers(0, 1500, (2, 4000))
    distances = [np.linalg.norm(z[pairs[0]] - z[pairs[1]], axis=1) for z in (before, after)]
    assert np.corrcoef(distances)[0, 1] > 0.99
    drawn = np.linalg.norm(disturbed.transform(far), axis=1)
    assert drawn.max() <= disturbed.radius_ * (1 + 1e-5)
    naive = IdentityEncoder(n_components=10, draws_in=False).fit(np.vstack([X, far]))
    if d > 60:
        z = naive.transform(X)
        other = np.linalg.norm(z[pairs[0]] - z[pairs[1]], axis=1)
        assert np.corrcoef(distances[0], other)[0, 1] < 0.95


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_matrix])
def test_far_rows_keep_their_direction(make):
    X = normal(400, 80)
    encoder = IdentityEncoder(one_unit=True).fit(make(X))
    rows = np.vstack([X[:3], 1000 * X[:3], 1e30 * X[:3]])
    z = encoder.transform(make(rows)).astype(float)
    np.testing.assert_array_equal(z[:3], encoder.transform(make(X[:3])))
    np.testing.assert_allclose(np.linalg.norm(z[3:], axis=1), encoder.radius_, rtol=1e-5)
    np.testing.assert_allclose(z[3:6], z[6:], rtol=0.05, atol=0.05 * encoder.radius_)
    # The more so the fewer the dimensions: lengths spread more there.
    shares = []
    for d in (1, 5, 50):
        many = normal(4000, d)
        few = IdentityEncoder().fit(many)
        shares.append(few.radius_ / np.median(np.linalg.norm(few.transform(many), axis=1)))
    assert shares[0] > 10 > shares[1] > shares[2] > 2.5


def test_columns_for_trees_are_not_drawn_in():
    X = normal(500, 5)
    encoder = IdentityEncoder().fit(X)
    rows = np.vstack([X[:5], np.full((1, 5), 1e6)])
    spaces = encoder.spaces(rows)
    assert np.linalg.norm(spaces.vote[5]) <= encoder.radius_ * (1 + 1e-6) < 1e5 < spaces.columns[5].min()
    np.testing.assert_array_equal(spaces.vote[:5], spaces.columns[:5])
    near = encoder.spaces(X[:5])
    assert near.vote is near.columns


def test_many_columns_of_one_unit_become_components_of_the_centred_columns():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((700, 30)) @ rng.standard_normal((30, 80)) + 3
    encoder = IdentityEncoder().fit(X)
    assert encoder.one_unit_
    Z = encoder.transform(X)
    assert Z.shape == (700, 64)
    truth = PCA(64, svd_solver="full").fit_transform(X)
    truth /= truth.std()
    signs = np.sign((Z * truth).sum(0))
    np.testing.assert_allclose(Z * signs, truth, atol=2e-4)
    np.testing.assert_allclose(Z.std(), 1, rtol=1e-4)
    np.testing.assert_allclose(encoder.columns(X), (X - X.mean(0)) / X.std(0), atol=1e-4)


def test_many_columns_of_many_units_are_standardised_first():
    X = normal(300, 70) * np.geomspace(1, 1e6, 70)
    encoder = IdentityEncoder().fit(X)
    assert not encoder.one_unit_
    share = np.square(encoder.components_).sum(axis=1)
    assert share.max() < 20 * np.median(share)  # no column rules by its unit


def test_very_many_columns(monkeypatch):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((300, 5)) @ rng.standard_normal((5, 2500))).astype(np.float32)
    X += 0.01 * rng.standard_normal(X.shape, dtype=np.float32)
    Z = IdentityEncoder(n_components=5).fit(X).transform(X)
    truth = PCA(5, svd_solver="full").fit_transform(X)
    truth /= truth.std()
    np.testing.assert_allclose(np.abs((Z * truth).mean(0)), (truth**2).mean(0), rtol=1e-2)


@pytest.mark.parametrize("p", [7, 90])
def test_any_layout_gives_the_same(p):
    X = np.round(normal(257, p) * 20).astype(np.int8)
    truth = IdentityEncoder().fit_spaces(X.astype(np.float64))
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((514, p), np.int8)
    wide[::2] = X
    forms = [
        X,
        frozen,
        np.asfortranarray(X),
        wide[::2],
        X.astype(np.float16),
        X.astype(np.float32),
        X.astype(">f8"),
        pd.DataFrame(X),
        X.tolist(),
        X.astype(object),
        X.reshape(257, 1, p),
    ]
    for form in forms:
        found = IdentityEncoder().fit_spaces(form)
        np.testing.assert_array_equal(found.vote, truth.vote)
        np.testing.assert_array_equal(found.columns, truth.columns)


def test_a_memory_map_is_read_in_blocks(tmp_path, monkeypatch):
    from hcdv.encoder import identity

    X = normal(1000, 8).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    whole = IdentityEncoder().fit_spaces(X)
    monkeypatch.setattr(identity, "_BLOCK_NUMBERS", 8 * 37)
    np.testing.assert_allclose(IdentityEncoder().fit_spaces(mapped).vote, whole.vote, atol=1e-6)


def test_a_sample_is_enough_and_depends_on_the_seed_only(monkeypatch):
    from hcdv.encoder import identity

    monkeypatch.setattr(identity, "_FIT_ROWS", 2000)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 90)) * np.linspace(3, 1, 90)
    a, b = (IdentityEncoder().fit(X, seed=3).transform(X) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    c = IdentityEncoder().fit(X, seed=4).transform(X)
    assert not np.array_equal(a, c)
    assert abs(a.std() - 1) < 0.05


def test_sparse_input():
    few = scipy.sparse.random(300, 20, 0.2, random_state=0, format="csc")
    dense = IdentityEncoder().fit_spaces(few.toarray())
    np.testing.assert_array_equal(IdentityEncoder().fit_spaces(few).vote, dense.vote)
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 4, 400)
    many = scipy.sparse.random(400, 3000, 0.01, random_state=1, format="lil")
    for row, topic in enumerate(topics):
        many[row, topic * 50 : topic * 50 + 50] = rng.random(50) + 0.5
    many = scipy.sparse.csr_array(many)
    encoder = make_encoder(many)
    Z = encoder.fit_spaces(many)
    assert Z.vote.shape == (400, 64)
    assert Z.vote is Z.columns
    np.testing.assert_allclose(Z.vote.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(Z.vote.std(), 1, rtol=1e-3)
    np.testing.assert_allclose(encoder.transform(many[:9].toarray()), Z.vote[:9], atol=1e-5)
    centres = np.stack([Z.vote[topics == k].mean(0) for k in range(4)])
    found = ((Z.vote[:, None] - centres) ** 2).sum(-1).argmin(1)
    assert (found == topics).mean() > 0.99
    bad = many.copy()
    bad.data[5] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        make_encoder(bad).fit(bad)


def test_degenerate_sizes():
    assert IdentityEncoder().fit_spaces(np.ones((3, 4))).vote.tolist() == [[0] * 4] * 3
    wide = IdentityEncoder().fit(normal(3, 100))
    assert wide.transform(normal(5, 100, 1)).shape == (5, 2)
    assert wide.transform(np.empty((0, 100))).shape == (0, 2)
    assert IdentityEncoder().fit(np.zeros((5, 80))).transform(np.zeros((2, 80))).shape[0] == 2
    one = IdentityEncoder().fit_spaces(normal(1, 3))
    assert one.vote.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.empty((0, 3)), ValueError, "0 sample"),
        (np.empty((3, 0)), ValueError, "0 feature"),
        (np.zeros(3), ValueError, "2-dimensional"),
        (np.array([[1.0, np.nan]] * 3), ValueError, "X has 3 NaN .*row 0, column 1"),
        (np.array([[1.0, 2.0], [np.inf, 2.0]]), ValueError, "infinite at row 1, column 0"),
        (np.array([["a"]]), TypeError, "numbers"),
        (np.array([[1j]]), ValueError, "real numbers"),
        (np.array([[1.0, "a"]], dtype=object), TypeError, "DataFrame"),
        (np.array([[1e308], [-1e308], [1e308]]), ValueError, "overflow"),
    ],
)
def test_identity_refuses(X, error, message):
    with pytest.raises(error, match=message):
        IdentityEncoder().fit(X)


def test_later_rows_are_checked_by_their_name():
    encoder = IdentityEncoder().fit(normal(9, 3))
    with pytest.raises(ValueError, match="X_val has 4 features, but X had 3 in the fit"):
        encoder.transform(normal(9, 4), name="X_val")
    with pytest.raises(ValueError, match="X_val has 1 NaN"):
        encoder.transform([[0, 0, np.nan]], name="X_val")


# ---------------------------------------------------------------------------------- table


def test_table_columns():
    frame = mixed()
    y = np.random.default_rng(1).integers(0, 2, len(frame))
    encoder = TableEncoder()
    Z = encoder.fit_transform(frame, y)
    assert encoder.feature_names_out == (
        "age", "income", "gap", "gap=missing", "flag", "day", "work=?", "work=a", "work=b",
        "town: share of 1", "town: frequency",
    )  # fmt: skip
    assert len(encoder.notes_) == 3
    assert [note.split("'")[1] for note in encoder.notes_] == ["constant", "nothing", "id"]
    assert Z.dtype == np.float32
    assert Z.flags.c_contiguous
    assert np.isfinite(Z).all()
    feature = dict(zip(encoder.feature_names_out, Z.T, strict=True))
    for name in ("age", "income", "day"):
        assert abs(feature[name].mean()) < 1e-5
        assert abs(feature[name].std() - 1) < 1e-5
    np.testing.assert_array_equal(feature["gap=missing"], frame["gap"].isna())
    assert np.unique(feature["gap"][frame["gap"].isna()]).size == 1
    np.testing.assert_array_equal(feature["flag"], frame["flag"])
    for level in "ab?":
        np.testing.assert_array_equal(feature[f"work={level}"], frame["work"] == level)
    assert np.corrcoef(feature["day"], frame["day"].astype("int64"))[0, 1] > 0.9999
    np.testing.assert_allclose(feature["town: frequency"].std(), 0.5, rtol=1e-4)


def test_the_rows_own_label_never_reaches_its_features():
    rng = np.random.default_rng(2)
    levels = tuple(f"v{k}" for k in range(30))
    texts = np.array(levels, dtype=object)[rng.integers(0, 30, 300)]
    y, folds = rng.integers(0, 3, 300), rng.integers(0, 5, 300)
    found = texts_of(pd.Series(texts), "c")
    codes = codes_of(found, places_of(levels), False)
    np.testing.assert_array_equal(codes, [levels.index(text) for text in texts])
    column = ShareColumn.learn("c", levels, False, codes, y, ("a", "b", "c"))

    def features(labels):
        counts = np.zeros((30, 3))
        np.add.at(counts, (codes, labels), 1.0)
        out = np.empty((300, 4), np.float32)
        # The counts follow the labels; the scale is held, so that only the shares can move.
        replace(column, counts=counts).fill_training(found, labels, folds, out)
        return out

    truth = features(y)
    for row in range(0, 300, 7):
        other = y.copy()
        other[row] = (other[row] + 1) % 3
        moved = np.any(features(other) != truth, axis=1)
        same_fold = folds == folds[row]
        assert not moved[row]
        assert not moved[same_fold].any()
        assert moved[~same_fold & (texts == texts[row])].all()


def levelled(n, seed, n_levels=40):
    """Columns of few and of many levels, missing ones and levels of one row among them, as text."""
    rng = np.random.default_rng(seed)
    many = np.array([f"v{k}" for k in range(n_levels)], object)[rng.zipf(1.5, n) % n_levels]
    few = np.array(["a", "b", "c"], object)[rng.integers(0, 3, n)]
    odd = np.array([1, 2.0, 2.5, "2", b"x", None] * 5 + list(range(30)), object)[rng.integers(0, 60, n)]
    many[rng.random(n) < 0.1] = None
    few[rng.random(n) < 0.1] = None
    return pd.DataFrame({"many": many, "few": few, "odd": odd}), rng.integers(0, 3, n)


def as_categories(frame, seed):
    """The same cells as categories in some order, with some that no row has."""
    rng = np.random.default_rng(seed)
    columns = {}
    for name in frame:
        levels = [*pd.unique(frame[name].dropna()), "of no row", -1]
        levels = [levels[k] for k in rng.permutation(len(levels))]
        columns[name] = pd.Categorical(frame[name], categories=levels)
    return pd.DataFrame(columns)


def test_categories_are_worth_their_text_to_the_bit():
    text, y = levelled(500, 0)
    later, _ = levelled(300, 1, n_levels=60)  # with levels never seen
    by_text, by_code = TableEncoder(max_categories=6), TableEncoder(max_categories=6)
    learned = by_text.fit_transform(text, y)
    np.testing.assert_array_equal(by_code.fit_transform(as_categories(text, 2), y), learned)
    assert by_code.feature_names_out == by_text.feature_names_out
    assert len([name for name in by_text.feature_names_out if name.endswith("frequency")]) == 2
    for rows in (text, later):
        wanted, codes = by_text.transform(rows), by_text.codes(rows)
        for seed in (3, 4):
            np.testing.assert_array_equal(by_code.transform(as_categories(rows, seed)), wanted)
            np.testing.assert_array_equal(by_text.transform(as_categories(rows, seed)), wanted)
            np.testing.assert_array_equal(by_text.codes(as_categories(rows, seed)), codes)
    # Against the levels row by row: a share's frequency follows the count of its level.
    place = by_text.feature_names_out.index("many: frequency")
    counts = text["many"].value_counts(dropna=False)
    n_missing = text["many"].isna().sum()
    seen = [n_missing if level is None else counts.get(level, 1) for level in later["many"]]
    frequency = by_text.transform(later)[:, place]
    np.testing.assert_allclose(np.corrcoef(frequency, np.log(seen))[0, 1], 1, atol=1e-6)


def test_what_levels_need_is_made_once_for_many_blocks(monkeypatch):
    text, y = levelled(500, 0)
    encoder = TableEncoder(max_categories=6).fit(text, y)
    fresh = pickle.loads(pickle.dumps(encoder))
    calls = []
    monkeypatch.setattr(_columns, "places_of", lambda levels: calls.append(levels) or places_of(levels))
    whole = encoder.transform(text)
    n_made = len(calls)
    blocks = [encoder.transform(text.iloc[begin : begin + 50]) for begin in range(0, 500, 50)]
    np.testing.assert_array_equal(np.vstack(blocks), whole)
    assert len(calls) == n_made
    # A copy in another process makes its own, and does not carry these.
    np.testing.assert_array_equal(fresh.transform(text), whole)
    assert b"_places" not in pickle.dumps(encoder)


def test_random_labels_cannot_be_read_from_shares():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    n = 1500
    frame = pd.DataFrame({f"c{j}": [f"v{k}" for k in rng.integers(0, 500, n)] for j in range(8)})
    y = rng.integers(0, 2, n)
    encoder = TableEncoder()
    out_of_fold = encoder.fit_transform(frame, y)
    in_sample = encoder.transform(frame)

    def auc(Z):
        model = LogisticRegression().fit(Z, y)
        return roc_auc_score(y, model.decision_function(Z))

    assert auc(in_sample) > 0.9  # this is what a leak would look like
    assert auc(out_of_fold) < 0.6


def test_shares_carry_the_signal():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 50, 3000)
    y = (rng.random(3000) < level / 50).astype(int)
    frame = pd.DataFrame({"c": [f"v{k}" for k in level]})
    encoder = TableEncoder()
    Z = encoder.fit_transform(frame, y)
    assert np.corrcoef(Z[:, 0], level)[0, 1] > 0.95
    unseen = encoder.transform(pd.DataFrame({"c": ["new", "v0", "v49", None]}))
    assert unseen[1, 0] < unseen[0, 0] < unseen[2, 0]
    assert unseen[0, 0] == unseen[3, 0]


def test_unseen_and_missing_levels_of_later_rows():
    frame = pd.DataFrame({"a": ["x", "y", "z"] * 10, "b": ["p", None] * 15, "n": range(30)})
    encoder = TableEncoder().fit(frame)
    later = pd.DataFrame(
        {"n": [3, None], "b": [None, "q"], "a": ["new", np.nan], "more": [1, 2]}
    )  # fmt: skip
    Z = encoder.transform(later)
    assert encoder.feature_names_out == ("a=x", "a=y", "a=z", "b=p", "b=missing", "n")
    np.testing.assert_array_equal(Z[:, :5], [[0, 0, 0, 0, 1], [0, 0, 0, 0, 0]])
    assert abs(Z[1, 5]) < 1e-6  # at the median


def test_the_order_and_kind_of_later_columns_do_not_matter():
    frame = mixed(200)
    y = np.arange(200) % 2
    encoder = TableEncoder().fit(frame, y)
    truth = encoder.transform(frame)
    shuffled = frame[frame.columns[::-1]].astype({"work": "category", "town": "category"})
    np.testing.assert_array_equal(encoder.transform(shuffled), truth)
    nullable = frame.drop(columns="nothing").convert_dtypes()
    np.testing.assert_allclose(encoder.transform(nullable), truth, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "names", "expected"),
    [
        ([1, 2, 1, 2], ("c",), [[0], [1], [0], [1]]),
        ([True, None, False, True], ("c", "c=missing"), [[1, 0], [1, 1], [0, 0], [1, 0]]),
        ([5.0, np.nan, 5.0, 5.0], ("c=missing",), [[0], [1], [0], [0]]),
        (["x", None, "x", "x"], ("c=x", "c=missing"), [[1, 0], [0, 1], [1, 0], [1, 0]]),
        (pd.Categorical([1.0, 3.0, 1.0, 3.0]), ("c=1", "c=3"), [[1, 0], [0, 1]] * 2),
        ([b"u", b"v", b"u", b"v"], ("c=u", "c=v"), [[1, 0], [0, 1]] * 2),
        ([1, "x", 1.0, "x"], ("c=1", "c=x"), [[1, 0], [0, 1]] * 2),
        ([dt.date(2024, 1, 1), dt.date(2024, 1, 3)] * 2, ("c",), [[0], [1]] * 2),
        (pd.to_timedelta([1, 2, 1, 2], unit="D"), ("c",), [[0], [1]] * 2),
        (
            pd.to_datetime(["2024-01-01", None, "2024-03-01", "2024-01-01"]).tz_localize("CET"),
            ("c", "c=missing"),
            [[0, 0], [0, 1], [1, 0], [0, 0]],
        ),
        (
            pd.array([1, None, 2, 2], dtype="Int64"),
            ("c", "c=missing"),
            [[0, 0], [1, 1], [1, 0], [1, 0]],
        ),
    ],
)  # fmt: skip
def test_kinds_of_columns(values, names, expected):
    encoder = TableEncoder()
    Z = encoder.fit_transform(pd.DataFrame({"c": values}))
    assert encoder.feature_names_out == names
    np.testing.assert_array_equal(Z, expected)


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (pd.DataFrame({"a": []}), ValueError, "no rows"),
        (pd.DataFrame({"a": [1, 1]}), ValueError, "no column to learn from"),
        (pd.DataFrame({"a": [1.0, np.inf, 2.0]}), ValueError, "'a' has 1 NaN or infinite"),
        (pd.DataFrame({"a": [[1], [2]]}), TypeError, "'a' holds list objects"),
        (pd.DataFrame({"a": [1j, 2j]}), TypeError, "complex"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "'a' more than once"),
        (pd.DataFrame({"a": [f"v{k // 2}" for k in range(60)]}), ValueError, "y is needed"),
        (np.array(["a", "b"], dtype=object), ValueError, "2-dimensional"),
    ],
)
def test_table_refuses(frame, error, message):
    with pytest.raises(error, match=message):
        TableEncoder().fit(frame)


def test_table_refuses_later_rows():
    encoder = TableEncoder().fit(pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": list("xyx")}))
    message = "X_val has 1 features, but X had 2 in the fit: it lacks the column 'b'"
    with pytest.raises(ValueError, match=message):
        encoder.transform(pd.DataFrame({"a": [1.0]}), name="X_val")
    with pytest.raises(TypeError, match="'a of X_val' held numbers"):
        encoder.transform(pd.DataFrame({"a": ["oops"], "b": ["x"]}), name="X_val")
    with pytest.raises(ValueError, match="labels"):
        TableEncoder().fit(pd.DataFrame({"a": [1.0, 2.0]}), [0, 1, 1])


# ------------------------------------------------------------------------------- choosing


def test_make_encoder():
    assert isinstance(make_encoder(mixed()), FrameEncoder)
    assert isinstance(make_encoder(np.array([["a", 1]], dtype=object)), FrameEncoder)
    assert isinstance(make_encoder(np.array([["a", "b"]])), FrameEncoder)
    assert isinstance(make_encoder(pd.DataFrame({"a": [1.0, np.nan]})), FrameEncoder)
    assert isinstance(make_encoder(pd.DataFrame({"a": [1.0, 2.0]})), IdentityEncoder)
    assert isinstance(make_encoder(normal(3, 3), encoder="auto"), IdentityEncoder)
    with pytest.raises(ValueError, match="encoder must be one of"):
        make_encoder(normal(3, 3), encoder="none")


def test_is_mixed():
    assert not make_encoder(normal(9, 10)).is_mixed
    assert make_encoder(mixed()).is_mixed


def test_a_numeric_frame_is_worth_its_array():
    X = np.exp(normal(300, 6))
    frame = pd.DataFrame(X, columns=list("abcdef"))
    np.testing.assert_array_equal(
        make_encoder(frame).fit_spaces(frame).vote, make_encoder(X).fit_spaces(X).vote
    )
    # And where a missing value sends it to the table encoder, the numbers mean the same.
    table = TableEncoder().fit_transform(frame)
    np.testing.assert_allclose(table, make_encoder(X).fit_spaces(X).vote, atol=1e-5)


def test_wide_numbers_with_gaps_are_a_table_too():
    X = normal(90, 70)
    X[3, 4] = np.nan
    encoder = make_encoder(pd.DataFrame(X))
    assert encoder.is_mixed
    assert np.isfinite(encoder.fit_spaces(pd.DataFrame(X)).vote).all()


def test_frame_encoder_is_both_steps():
    frame, later = mixed(500), mixed(60, seed=9)
    y = np.arange(500) % 2
    encoder = make_encoder(frame)
    spaces = encoder.fit_spaces(frame, y, seed=1)
    again = make_encoder(frame).fit_spaces(frame, y, seed=1)
    np.testing.assert_array_equal(spaces.vote, again.vote)
    assert spaces.vote.shape == spaces.columns.shape == (500, 11)
    # Few features: only centred, so that 0/1 features keep their size.
    np.testing.assert_allclose(spaces.vote, spaces.columns - spaces.columns.mean(0), atol=1e-5)
    assert encoder.transform(later).shape == encoder.columns(later).shape == (60, 11)
    np.testing.assert_array_equal(encoder.spaces(later).columns, encoder.table.transform(later))


def test_other_tables_that_offer_pandas():
    import pyarrow as pa

    frame = mixed(100).drop(columns=["constant", "nothing"])
    y = np.arange(100) % 2
    table = pa.Table.from_pandas(frame)
    np.testing.assert_allclose(
        make_encoder(table).fit_spaces(table, y).vote,
        make_encoder(frame).fit_spaces(frame, y).vote,
        atol=1e-6,
    )


# ------------------------------------------------------------- awkward numbers and columns


@pytest.fixture
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("cell", [1e39, 1e300, -1.7976931348623157e308])
@pytest.mark.parametrize("p", [4, 80])
def test_later_rows_beyond_float32_are_refused(cell, p):
    X = normal(40, p)
    later = normal(12, p, 1)
    later[7, 2] = cell
    for X_form, form in ((X, later), (pd.DataFrame(X), pd.DataFrame(later))):
        encoder = make_encoder(X_form).fit(X_form)
        for columns in (False, True):
            with pytest.raises(ValueError, match=r"^X_val lies too far from X: row 7 "):
                encoder.spaces(form, columns=columns, name="X_val")


@pytest.mark.usefixtures("no_warnings")
def test_later_rows_of_a_table_beyond_float32_are_refused():
    frame = mixed(60)
    encoder = make_encoder(frame)
    encoder.fit(frame, np.arange(60) % 2)
    with pytest.raises(ValueError, match=r"^X_val lies too far from X in the column 'age'\.$"):
        encoder.spaces(frame.assign(age=1e300), name="X_val")


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("scale", [1e-100, 1e-46, 1e-25, 1e19, 1e39, 1e140])
def test_wide_matrices_of_any_unit(scale):
    X, later = normal(50, 80), normal(9, 80, 1)
    truth = IdentityEncoder().fit_spaces(X)
    encoder = IdentityEncoder()
    spaces = encoder.fit_spaces(X * scale)
    np.testing.assert_allclose(np.abs(spaces.vote), np.abs(truth.vote), atol=1e-3)
    np.testing.assert_allclose(spaces.columns, truth.columns, atol=1e-5)
    assert np.isfinite(encoder.transform(later * scale)).all()


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize("scale", [1e-100, 1e-30, 1e30, 1e39, 1e200])
def test_wide_sparse_matrices_of_any_unit(scale):
    X = scipy.sparse.random(60, 90, 0.2, random_state=0, format="csr")
    truth = IdentityEncoder(n_components=5).fit_spaces(X)
    encoder = IdentityEncoder(n_components=5)
    found = encoder.fit_spaces(X * scale)
    np.testing.assert_allclose(np.abs(found.vote), np.abs(truth.vote), atol=1e-2)
    with pytest.raises(ValueError, match="X_val lies too far from X: row "):
        encoder.spaces(X * scale * 1e60, name="X_val")


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
def test_wide_sparse_matrices_of_any_dtype(dtype):
    X = (scipy.sparse.random(60, 90, 0.2, random_state=0, format="csr") * 255 - 128 * (
        scipy.sparse.random(60, 90, 0.2, random_state=1, format="csr") > 0
    )).astype(dtype)  # fmt: skip
    spaces = IdentityEncoder(n_components=5).fit_spaces(X)
    truth = IdentityEncoder(n_components=5).fit_spaces(X.astype(np.float64))
    np.testing.assert_array_equal(spaces.vote, truth.vote)


@pytest.mark.parametrize("names", [list("abcd"), [0, 1, 2, 3], ["a", 1, 2.5, None]])
@pytest.mark.parametrize("text", [False, True])
def test_columns_of_later_frames_are_found_by_name(names, text):
    frame = pd.DataFrame(normal(30, 4), columns=pd.Index(names, dtype=object))
    if text:
        frame["text"] = ["p", "q"] * 15
    encoder = make_encoder(frame)
    truth = encoder.fit_spaces(frame)
    turned = frame.iloc[:, ::-1]
    np.testing.assert_array_equal(encoder.spaces(turned).vote, truth.vote)
    if not text:
        np.testing.assert_array_equal(encoder.spaces(turned.to_numpy()[:, ::-1]).vote, truth.vote)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (pd.DataFrame(normal(5, 3)), "X_val has 3 features, but X had 4 in the fit: it lacks the column 3"),
        (pd.DataFrame(normal(5, 5)), "5 features, but X had 4 in the fit: X has no column 4"),
        (
            pd.DataFrame(normal(5, 4), columns=[0, 1, 2, "e"]),
            "X_val has other columns than X: it lacks the column 3 and X has no column 'e'",
        ),
        (pd.DataFrame(normal(5, 4), columns=[0, 1, 2, 2]), "X_val has the column 2 more than once"),
        (normal(5, 3), "X_val has 3 features, but X had 4 in the fit"),
    ],
)
def test_other_columns_are_refused_by_name(later, message):
    frame = pd.DataFrame(normal(30, 4))
    with pytest.raises(ValueError, match=message) as caught:
        make_encoder(frame).fit(frame).spaces(later, name="X_val")
    assert "\n" not in str(caught.value)


def test_arrays_of_other_widths_are_refused_by_tables():
    X = np.array([["a", 1], ["b", 2], ["a", 4]], dtype=object)
    encoder = make_encoder(X)
    encoder.fit(X)
    with pytest.raises(ValueError, match="X_val has 3 features, but X had 2 in the fit"):
        encoder.spaces(np.c_[X, X[:, 1]], name="X_val")
    with pytest.raises(TypeError, match="X_val must be a table as X is, got a sparse matrix"):
        encoder.spaces(scipy.sparse.eye(2, format="csr"), name="X_val")


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (pd.array([1, None, 3], dtype="Int64"), ValueError, "X_val has 1 NaN .*row 1, column 1"),
        (["u", "v", "w"], TypeError, "X_val must hold numbers only, .* column 'b' does not"),
        (["1", "2", "3"], TypeError, "X_val must hold numbers only, .* column 'b' does not"),
        (pd.to_datetime(["2020"] * 3), TypeError, "column 'b' does not"),
        (np.array([10**400, 1, 2], dtype=object), ValueError, "X_val holds a number too large"),
    ],
)
def test_later_columns_of_another_kind(column, error, message):
    frame = pd.DataFrame(normal(30, 2), columns=list("ab"))
    later = frame[:3].assign(b=column)
    with pytest.raises(error, match=message):
        make_encoder(frame).fit(frame).spaces(later, name="X_val")
    fine = frame[:3].assign(b=pd.array([1, 2, 3], dtype="Int64"))
    assert np.isfinite(make_encoder(frame).fit(frame).spaces(fine).vote).all()


@pytest.mark.usefixtures("no_warnings")
@pytest.mark.parametrize(
    ("column", "message"),
    [
        (normal(40, 1)[:, 0] * 1e200, "column 'a' holds numbers whose squares overflow"),
        (np.array([1e308, -1e308] * 20), "column 'a' holds numbers whose squares overflow"),
        (np.array([10**400, 1] * 20, dtype=object), "column 'a' holds a number too large"),
        (np.array([10**400, 1.5] * 20, dtype=object), "column 'a' holds a number too large"),
        (
            np.array([pd.Timestamp("2020", tz="UTC"), pd.Timestamp("2021")] * 20, dtype=object),
            "column 'a' cannot be read",
        ),
    ],
)
def test_tables_of_absurd_numbers_are_refused(column, message):
    frame = pd.DataFrame({"t": ["p", "q"] * 20, "a": column})
    with pytest.raises(ValueError, match=message) as caught:
        make_encoder(frame).fit(frame)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_warnings")
def test_one_absurd_number_of_a_table_is_a_long_tail():
    frame = pd.DataFrame({"t": ["p", "q"] * 20, "a": np.r_[1e300, -1e300, normal(38, 1)[:, 0]]})
    assert np.isfinite(make_encoder(frame).fit_spaces(frame).vote).all()


def test_objects_that_are_numbers_are_numbers():
    X = normal(30, 4)
    X[:, 1] = np.round(X[:, 1])
    truth = make_encoder(X).fit_spaces(X)
    cells = X.astype(object)
    cells[:, 1] = [int(number) for number in X[:, 1]]
    for form in (X.astype(object), cells, pd.DataFrame(X).astype(object), pd.DataFrame(cells)):
        encoder = make_encoder(form)
        assert isinstance(encoder, IdentityEncoder)
        np.testing.assert_array_equal(encoder.fit_spaces(form).vote, truth.vote)
    for other in ("1", None, np.nan, {}):
        cells[3, 2] = other
        assert isinstance(make_encoder(cells), FrameEncoder)


@pytest.mark.parametrize("form", [as_frame, as_rows, make_encoder])
def test_ragged_and_masked_rows_are_refused(form):
    arguments = () if form is make_encoder else ("X",)
    with pytest.raises(ValueError, match=r"^X must have rows of one length, got a ragged list"):
        form([[1, 2], [3]] * 4, *arguments)
    with pytest.raises(ValueError, match=r"^X has 3 masked values"):
        form(np.ma.masked_greater(np.arange(10).reshape(5, 2), 6), *arguments)


@pytest.mark.data
def test_adult_through_the_encoder():
    from sklearn.linear_model import LogisticRegression

    from hcdv.datasets import load_adult

    data_file("adult.csv.gz")
    parts = load_adult(n=8000, n_val=200, n_test=8000)
    encoder = make_encoder(parts.X)
    spaces = encoder.fit_spaces(parts.X, parts.y)
    later = encoder.spaces(parts.X_test)
    model = LogisticRegression(max_iter=1000)
    assert model.fit(spaces.columns, parts.y).score(later.columns, parts.y_test) > 0.845
    assert model.fit(spaces.vote, parts.y).score(later.vote, parts.y_test) > 0.84
