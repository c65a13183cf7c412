"""KNN-Shapley with votes by distance, against enumeration."""

import numpy as np
import pandas as pd
import pytest

from hcdv.baselines import knn_shapley
from hcdv.shapley import exact, knn_shapley_values


def data(n=8, n_val=4, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    X, X_val = rng.normal(size=(n, 2)), rng.normal(size=(n_val, 2))
    if ties:
        X, X_val = np.round(X), np.round(X_val)
    y = rng.integers(0, 3, n)
    y[:3] = [0, 1, 2]
    return X, y, X_val, rng.integers(0, 3, n_val)


def weighted_vote(X, y, X_val, y_val, k):
    """The game as its docstring has it."""

    def game(coalitions):
        values = np.zeros(len(coalitions))
        for b, members in enumerate(coalitions):
            rows = np.flatnonzero(members)
            for query, label in zip(X_val, y_val, strict=True):
                squared = ((X - query) ** 2).sum(axis=1)
                width = max(np.sort(squared)[min(k, len(X)) - 1], 1e-24)
                nearest = rows[np.argsort(squared[rows], kind="stable")[:k]]
                votes = np.exp(-2 * squared[nearest] / width)
                values[b] += votes[y[nearest] == label].sum() / k
        return values / len(X_val)

    return game


@pytest.mark.parametrize("k", [1, 3, 8, 12])
@pytest.mark.parametrize("ties", [False, True])
def test_weighted_values_equal_enumeration(k, ties):
    X, y, X_val, y_val = data(seed=k, ties=ties)
    result = knn_shapley(X, y, X_val, y_val, k=k, weighted=True)
    game = weighted_vote(X, y, X_val, y_val, k)
    np.testing.assert_allclose(result.values, exact(game, 8), rtol=0, atol=1e-12)
    assert result.v_full == pytest.approx(game(np.ones((1, 8), bool))[0])


def test_the_plain_vote_stays_the_kernels():
    X, y, X_val, y_val = data(n=50, n_val=9)
    result = knn_shapley(X, y, X_val, y_val, k=4)
    np.testing.assert_array_equal(result.values, knn_shapley_values(X, y, X_val, y_val, 4))


def test_bits_do_not_depend_on_threads(monkeypatch):
    from hcdv.baselines import knn

    monkeypatch.setattr(knn, "TASK_CELLS", 500)
    X, y, X_val, y_val = data(n=100, n_val=60)
    one, two = (knn_shapley(X, y, X_val, y_val, weighted=True, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert one.values.tobytes() == two.values.tobytes()


def test_rows_keep_their_names():
    X, y, X_val, y_val = data()
    frame = pd.DataFrame(X, index=list("abcdefgh"))
    assert list(knn_shapley(frame, y, pd.DataFrame(X_val), y_val).ids) == list("abcdefgh")


@pytest.mark.parametrize("weighted", [False, True])
def test_bad_input_gets_one_sentence(weighted):
    X, y, X_val, y_val = data()
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        knn_shapley(X, y, X_val, y_val, k=0, weighted=weighted)
    with pytest.raises(ValueError, match="X_val has 1 columns, expected 2"):
        knn_shapley(X, y, X_val[:, :1], y_val, weighted=weighted)
    with pytest.raises(ValueError, match="y has 3 labels for 8 rows"):
        knn_shapley(X, y[:3], X_val, y_val, weighted=weighted)
    with pytest.raises(TypeError, match="weighted must be True or False, got 1"):
        knn_shapley(X, y, X_val, y_val, weighted=1)


    with pytest.raises(ValueError, match="X_val and y_val must be given"):
        knn_shapley(X, y, None, None, weighted=weighted)
    with pytest.raises(TypeError, match="give both the same type"):
        knn_shapley(X, y, X_val, y_val.astype(str), weighted=weighted)


@pytest.mark.parametrize("weighted", [False, True])
def test_labels_unseen_in_training_match_nothing(weighted):
    X, y, X_val, y_val = data()
    result = knn_shapley(X, y, X_val, y_val + 10, weighted=weighted)
    np.testing.assert_array_equal(result.values, 0.0)


@pytest.mark.parametrize("weighted", [False, True])
class TestTables:
    def test_columns_are_matched_by_name(self, weighted):
        X, y, X_val, y_val = data()
        table, others = pd.DataFrame(X, columns=["a", "b"]), pd.DataFrame(X_val, columns=["a", "b"])
        usual = knn_shapley(table, y, others, y_val, k=3, weighted=weighted)
        ours = knn_shapley(table, y, others[["b", "a"]], y_val, k=3, weighted=weighted)
        np.testing.assert_array_equal(ours.values, usual.values)
        with pytest.raises(ValueError, match="X_val has other columns than X: it lacks the column 'a'"):
            knn_shapley(table, y, others.rename(columns={"a": "c"}), y_val, weighted=weighted)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda X: X + 1j, "Complex data not supported: X must"),
            (lambda X: np.ma.array(X, mask=X > 0), "X has .* masked values"),
            (lambda X: X[:, :0], "X has no columns"),
            (lambda X: None, "X must be an array or a DataFrame, got NoneType"),
            (lambda X: {"a": X}, "X must be an array or a DataFrame, got dict"),
            (lambda X: [[1.0], [1.0, 2.0]], "X must have rows of one length"),
        ],
    )
    def test_what_is_no_table(self, weighted, change, said):
        X, y, X_val, y_val = data()
        with pytest.raises((TypeError, ValueError), match=said):
            knn_shapley(change(X), y, X_val, y_val, weighted=weighted)
        with pytest.raises(ValueError, match="y must be the labels of the rows, got None"):
            knn_shapley(X, None, X_val, y_val, weighted=weighted)
