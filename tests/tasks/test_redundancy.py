import numpy as np
import pandas as pd
import pytest

from hcdv import HCDV
from hcdv.tasks import redundancy


def rows_with_copies(copies, n=40, seed=0):
    """n rows of two labels; row k is there 1 + copies[k] times."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 4)), np.arange(n) % 2
    rep = np.concatenate([np.arange(n), *([k] * m for k, m in copies.items())]).astype(int)
    return X[rep], y[rep], rep


def shared(X, y, X_val=None, y_val=None):
    """Every distinct row is worth its first column's size, which its copies share."""
    _, inverse, counts = np.unique(X, axis=0, return_inverse=True, return_counts=True)
    return np.abs(X[:, 0]) / counts[inverse.reshape(-1)]


def in_full(X, y, X_val=None, y_val=None):
    return np.abs(X[:, 0])


@pytest.mark.parametrize(("value", "paid"), [(shared, 0.0), (in_full, 1.0)])
def test_copies_share_or_are_paid_in_full(value, paid):
    X, y, _ = rows_with_copies({3: 1, 5: 4, 8: 2})
    found = redundancy(value(X, y), X, y, model=value)
    assert found.sizes.tolist() == [5, 3, 2]
    np.testing.assert_allclose(found.paid, paid, atol=1e-9)
    assert found.median_paid == pytest.approx(paid, abs=1e-9)
    np.testing.assert_allclose(found.spread, 0.0, atol=1e-12)
    assert found.against == "refit"
    # Units: the mean value of the 37 rows that stand alone.
    alone = np.abs(np.delete(X[:40, 0], [3, 5, 8])).mean()
    np.testing.assert_allclose(found.single, np.abs(X[[5, 8, 3], 0]) / alone)
    np.testing.assert_allclose(found.totals, found.single * (1 + paid * (found.sizes - 1)))


def test_groups_by_hand():
    X, y, rep = rows_with_copies({3: 1, 5: 4, 8: 2})
    found = redundancy(in_full(X, y), X, y)
    assert [found.group[rep == k].tolist() for k in (5, 8, 3)] == [[0] * 5, [1] * 3, [2] * 2]
    assert (found.group == -1).sum() == 37
    frame = found.to_frame()
    assert frame["rows"][1] == np.flatnonzero(rep == 8).tolist()
    assert list(frame) == ["group", "rows", "size", "total", "single", "paid", "spread"]
    text = str(found)
    assert "3 groups of near-duplicates" in text and "7 rows could go" in text and "single (peers)" in text


def test_the_spread_within_a_group():
    X, y, rep = rows_with_copies({0: 2})
    values = np.ones(len(X))
    values[rep == 0] = [1.0, 2.0, 3.0]
    found = redundancy(values, X, y)
    # Largest less smallest over the mean, and 6 against peers of 1: two copies added 5.
    assert found.spread[0] == pytest.approx(1.0)
    assert found.totals[0] == pytest.approx(6.0) and found.single[0] == pytest.approx(1.0)
    assert found.paid[0] == pytest.approx(2.5)


def test_peers_are_the_nearest_rows_of_the_label_without_copies():
    # On a line: rows at 0, 1, ..., 9 of label a, values as they stand; label b in between with other values.
    X = np.concatenate([np.arange(10.0), np.arange(10.0) + 0.4, [4.0]])[:, None]
    y = ["a"] * 10 + ["b"] * 10 + ["a"]
    values = np.concatenate([[0, 1, 2, 3, 4, 12, 6, 7, 8, 9], np.full(10, 100.0), [4.0]])
    found = redundancy(values, X, y, n_peers=2, tolerance=0)
    unit = np.abs(np.delete(values, [4, 20])).mean()
    # Nearest to 4 are 3 and 5, worth 3 and 12.
    assert found.single[0] * unit == pytest.approx(7.5)
    assert found.sizes.tolist() == [2]


def test_a_column_of_many_levels():
    X, y, rep = rows_with_copies({7: 2})
    towns = np.array([f"town {k % 25}" for k in range(40)])
    table = pd.DataFrame(X).assign(town=towns[rep]).rename(columns=str)
    found = redundancy(in_full(X, y), table, y, tolerance=0)
    assert found.sizes.tolist() == [3] and (found.group[rep == 7] == 0).all()


def test_near_rows_count_by_tolerance():
    X, y, _ = rows_with_copies({7: 1})
    X[-1] += 1e-3
    assert len(redundancy(in_full(X, y), X, y, tolerance=0).sizes) == 0
    found = redundancy(in_full(X, y), X, y, tolerance=0.05)
    assert np.flatnonzero(found.group == 0).tolist() == [7, 40]
    assert found.radius > 0
    assert len(redundancy(in_full(X, y), X, y, tolerance=20.0).sizes) == 2  # all rows of a label


def test_other_labels_are_no_copies_but_conflicts():
    X, y, _ = rows_with_copies({2: 2, 4: 1})
    y = y.copy()
    y[-1] = 1 - y[-1]  # the copy of row 4
    found = redundancy(in_full(X, y), X, y)
    assert found.sizes.tolist() == [3]
    assert found.n_conflicts == 1
    assert "1 near-duplicates differ in their labels" in str(found)
    # Without labels the two are one group.
    assert redundancy(in_full(X, y), X).sizes.tolist() == [3, 2]


def test_no_copies_at_all():
    X, y, _ = rows_with_copies({})
    found = redundancy(in_full(X, y), X, y, model=in_full)
    assert len(found.sizes) == 0 and np.isnan(found.median_paid)
    assert (found.group == -1).all()
    assert "0 groups" in str(found)


def test_worth_less_than_nothing_has_no_share():
    X, y, _ = rows_with_copies({1: 1})
    found = redundancy(-in_full(X, y), X, y)
    assert np.isnan(found.paid).all() and found.totals[0] < 0


def test_with_the_model(iris):
    rep = np.concatenate([np.arange(len(iris.y)), [0, 0, 1]])
    X, y = pd.DataFrame(iris.X).iloc[rep], iris.y[rep]
    model = HCDV(random_state=0, n_permutations=16, n_jobs=1)
    result = model.fit(X, y, iris.X_val, iris.y_val).result_
    found = redundancy(result, X, X_val=iris.X_val, y_val=iris.y_val, model=model, tolerance=0)
    by_size = found.sizes[found.group[[0, 1]]]
    assert by_size[0] >= 3 and by_size[1] >= 2
    assert (found.single[found.group[[0, 1]]] > 0).all()
    # The default game pays copies in full.
    assert found.median_paid > 0.5
    again = redundancy(result, X, X_val=iris.X_val, y_val=iris.y_val, model=model, tolerance=0)
    np.testing.assert_array_equal(found.paid, again.paid)


def test_tables_with_text():
    frame = pd.DataFrame({"plan": ["a", "b", "c", "a"] * 5, "size": np.arange(20.0)})
    frame = pd.concat([frame, frame.iloc[[2]]], ignore_index=True)
    found = redundancy(np.ones(21), frame, tolerance=0)
    assert np.flatnonzero(found.group == 0).tolist() == [2, 20]


BAD = {
    "values": (dict(values=[1.0, 2.0], y=None), ValueError, "X has 40 rows for 2 values"),
    "NaN": (dict(values=np.full(40, np.nan)), ValueError, "NaN"),
    "labels": (dict(y=[1, 2]), ValueError, "2 labels for 40 rows"),
    "tolerance": (dict(tolerance=-1.0), ValueError, "tolerance"),
    "peers": (dict(n_peers=0), ValueError, "n_peers"),
    "model": (dict(model="hcdv"), TypeError, "model must be an HCDV"),
    "no labels": (dict(y=None, model=in_full), ValueError, "y must hold the labels"),
    "a model that miscounts": (dict(model=lambda *_: [1.0]), ValueError, "1 values for 40 rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    changed, kind, sentence = BAD[case]
    X, y, _ = rows_with_copies({})
    with pytest.raises(kind, match=sentence):
        redundancy(**(dict(values=np.ones(40), X=X, y=y) | changed))
