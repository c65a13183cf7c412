import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from hcdv import HCDV
from hcdv.datasets import load_digits
from hcdv.tasks import rank_augmentations

MODEL = HCDV(random_state=0, n_permutations=8, n_jobs=1)


@pytest.fixture(scope="module")
def digits():
    return load_digits(n=300, n_val=80, n_test=200, random_state=0)


@pytest.fixture(scope="module")
def ranked(digits):
    rng = np.random.default_rng(0)
    candidates = {
        "noise": (rng.permuted(digits.X[:40], axis=1), digits.y[:40]),
        "fresh": (digits.X_test[:60], digits.y_test[:60]),
        "wrong": (digits.X_test[60:100], (digits.y_test[60:100] + 1) % 10),
        "copies": (digits.X[:30], digits.y[:30]),
        "threes": (digits.X_test[digits.y_test == 3], digits.y_test[digits.y_test == 3]),
    }
    return candidates, rank_augmentations(MODEL, digits.X, digits.y, candidates, digits.X_val, digits.y_val)


def by_name(ranked):
    return {batch.name: batch for batch in ranked.batches}


def test_good_rows_rank_above_bad_ones(ranked):
    names = [batch.name for batch in ranked[1].batches]
    assert set(names[3:]) == {"noise", "wrong"}
    means = ranked[1].to_frame()["mean_value"].to_numpy()
    assert (np.diff(means) <= 0).all()
    assert means[-1] < 0 < means[0]


def test_a_column_of_many_levels(digits):
    towns = np.array([f"town {k % 25}" for k in range(300)])
    table = pd.DataFrame(digits.X[:, 18:23]).rename(columns=str).assign(town=towns)
    more = {
        "copies": (table[:30], digits.y[:30]),
        "others": (table[30:60].assign(town=towns[:30]), digits.y[30:60]),
    }
    found = by_name(rank_augmentations(MODEL, table, digits.y, more))
    assert found["copies"].copies == 1.0
    assert found["others"].copies < 0.5


def test_values_are_those_of_one_fit(ranked, digits):
    candidates, found = ranked
    X = np.concatenate([digits.X, *(pair[0] for pair in candidates.values())])
    y = np.concatenate([digits.y, *(pair[1] for pair in candidates.values())])
    model = HCDV(**MODEL.get_params()).fit(X, y, digits.X_val, digits.y_val)
    start = 300
    leaf = model.hierarchy_.leaf_of_point()
    for name, (rows, labels) in candidates.items():
        mine = slice(start, start + len(rows))
        batch = by_name(found)[name]
        np.testing.assert_array_equal(batch.values, model.values_[mine])
        np.testing.assert_array_equal(batch.labels, labels)
        assert batch.mean_share == pytest.approx(
            model.values_[mine].mean() / np.abs(model.values_[:300]).mean()
        )
        # Cluster overlap, row by row.
        in_leaf = [np.flatnonzero(leaf == leaf[i]) for i in range(mine.start, mine.stop)]
        assert batch.overlap == np.mean([(rows < 300).any() for rows in in_leaf])
        assert batch.dense_overlap == np.mean([(rows < 300).mean() >= 0.5 for rows in in_leaf])
        start = mine.stop


def test_copies_and_coverage(ranked):
    batches = by_name(ranked[1])
    assert batches["copies"].copies == 1.0
    assert batches["fresh"].copies == batches["noise"].copies == 0.0
    assert batches["threes"].coverage == pytest.approx(0.1)
    assert batches["fresh"].coverage == 1.0
    assert batches["noise"].overlap < batches["fresh"].overlap


def test_the_highest_valued_rows(ranked):
    candidates, found = ranked
    top = found.top(50)
    everything = np.sort(np.concatenate([batch.values for batch in found.batches]))[::-1]
    np.testing.assert_array_equal(top["value"], everything[:50])
    for row in top.head(5).itertuples():
        assert row.label == candidates[row.batch][1][row.position]
        assert row.value == by_name(found)[row.batch].values[row.position]
    assert not set(top["batch"]) & {"wrong"}
    with pytest.raises(ValueError, match="k must be at least 1"):
        found.top(0)


def test_the_threshold_of_a_dense_leaf(ranked, digits):
    candidates, found = ranked
    strict = rank_augmentations(
        MODEL, digits.X, digits.y, candidates, digits.X_val, digits.y_val, dense=1.0, tolerance=0.0
    )
    # No leaf with a candidate in it holds training rows only.
    assert all(batch.dense_overlap == 0.0 for batch in strict.batches)
    assert any(batch.dense_overlap > 0.0 for batch in found.batches)
    assert by_name(strict)["copies"].copies == 1.0
    assert not hasattr(MODEL, "result_")


def test_frame_and_text(ranked):
    found = ranked[1]
    frame = found.to_frame()
    assert frame["batch"].tolist() == [batch.name for batch in found.batches]
    assert frame["n_rows"].sum() == len(found.result) - found.n_training
    assert frame.set_index("batch").loc["wrong", "negative"] > 0.5
    assert "5 candidates beside 300 training rows" in str(found)


def test_tables_and_new_labels():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "plan": ["x", "y", "z"] * 20})
    y = np.array(["no", "yes"] * 30)
    # Columns in another order, and one that the training rows do not have.
    more = frame[["plan", "a"]].iloc[:12].assign(extra=1.0)
    found = rank_augmentations(MODEL, frame, y, {"more": (more, ["maybe"] * 12)})
    assert found.batches[0].coverage == pytest.approx(1 / 3)
    assert found.batches[0].copies == 1.0
    plain = rank_augmentations(MODEL, frame, y, {"more": (frame.iloc[:12], ["maybe"] * 12)})
    np.testing.assert_array_equal(found.batches[0].values, plain.batches[0].values)
    with pytest.raises(ValueError, match=r"candidates\['more'\] has no column 'a'"):
        rank_augmentations(MODEL, frame, y, {"more": (more[["plan"]], ["no"] * 12)})


def test_sparse_rows():
    X = np.random.default_rng(0).poisson(0.3, size=(80, 12)).astype(float)
    y = np.arange(80) % 2
    dense = rank_augmentations(MODEL, X[:60], y[:60], {"more": (X[60:], y[60:])})
    sparse = rank_augmentations(MODEL, csr_matrix(X[:60]), y[:60], {"more": (csr_matrix(X[60:]), y[60:])})
    np.testing.assert_allclose(sparse.batches[0].values, dense.batches[0].values, atol=1e-6)


X, Y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
BAD = {
    "model": (dict(model="hcdv"), TypeError, "model must be an HCDV"),
    "no mapping": (dict(candidates=[(X, Y)]), TypeError, "candidates must be a mapping"),
    "none": (dict(candidates={}), ValueError, "at least one data set"),
    "no pair": (dict(candidates={"a": X}), TypeError, r"candidates\['a'\] must be a pair"),
    "columns": (dict(candidates={"a": (X[:, :2], Y)}), ValueError, r"rows of shape \(2,\), expected \(3,\)"),
    "kind": (dict(candidates={"a": (pd.DataFrame(X), Y)}), TypeError, "must be of the kind of X"),
    "empty": (dict(candidates={"a": (X[:0], [])}), ValueError, "has no rows"),
    "labels": (dict(candidates={"a": (X, [1])}), ValueError, "1 labels for 30 rows"),
    "text and numbers": (dict(candidates={"a": (X, ["u"] * 30)}), TypeError, "labels .* of one kind"),
    "NaN": (dict(candidates={"a": (np.full((4, 3), np.nan), [0, 1, 0, 1])}), ValueError, "NaN"),
    "one class": (dict(y=[0] * 30, candidates={"a": (X, [0] * 30)}), ValueError, "at least 2 classes"),
    "dense": (dict(dense=0.0), ValueError, "dense must lie in"),
    "tolerance": (dict(tolerance=-0.1), ValueError, "tolerance"),
    "flat": (dict(X=X[:, 0]), ValueError, "X must be 2-dimensional"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    changed, kind, sentence = BAD[case]
    given = dict(model=MODEL, X=X, y=Y, candidates={"a": (X, Y)}) | changed
    with pytest.raises(kind, match=sentence):
        rank_augmentations(**given)


def test_dates_and_numbers_are_labels_of_two_kinds(digits):
    dates = np.array(["2020-01-01"] * 5, "M8[D]")
    with pytest.raises(TypeError, match="must be of one kind"):
        rank_augmentations(HCDV(), digits.X, digits.y, {"a": (digits.X[:5], dates)})
