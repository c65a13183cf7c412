import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from hcdv import HCDV, Hierarchy
from hcdv.datasets import flip_labels, load_breast_cancer, load_iris, make_synthetic


@pytest.fixture(scope="module")
def noisy():
    data = make_synthetic(n=600, n_val=150, n_test=10)
    y, is_flipped = flip_labels(data.y, 0.15, random_state=1)
    return data, y, is_flipped


def fit(data, y, **parameters):
    return HCDV(**{"random_state": 0, "n_permutations": 16, **parameters}).fit(
        data.X, y, data.X_val, data.y_val
    )


@pytest.mark.parametrize("utility", ["auto", "kernel", "forest", "fit", "evidence", "knn"])
def test_flipped_labels_get_the_low_values(noisy, utility):
    data, y, is_flipped = noisy
    values = fit(data, y, utility=utility).values_
    assert values.shape == (600,)
    assert roc_auc_score(is_flipped, -values) > 0.8


@pytest.mark.parametrize("utility", ["auto", "kernel", "forest", "evidence"])
def test_rows_validate_each_other_without_a_validation_set(noisy, utility):
    data, y, is_flipped = noisy
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = HCDV(utility=utility, random_state=0, n_permutations=16).fit(data.X, y)
    assert roc_auc_score(is_flipped, -model.values_) > 0.8


def test_knn_without_a_validation_set_uses_folds_and_says_so(noisy):
    data, y, is_flipped = noisy
    with pytest.warns(UserWarning, match="stratified folds"):
        model = HCDV(utility="knn", random_state=0, n_permutations=16).fit(data.X, y)
    assert roc_auc_score(is_flipped, -model.values_) > 0.75


@pytest.mark.parametrize("utility", ["auto", "kernel", "forest", "evidence", "knn", "ridge"])
@pytest.mark.parametrize("loader", [load_iris, load_breast_cancer])
def test_sums_hold_on_every_level(loader, utility):
    data = loader()
    result = fit(data, data.y, utility=utility).result_
    nodes, tree = result.node_values, result.hierarchy
    children = np.zeros(tree.n_nodes)
    np.add.at(children, tree.parent[1:], nodes[1:])
    size = np.zeros(tree.n_nodes)
    np.add.at(size, tree.parent[1:], np.abs(nodes[1:]))
    inner = tree.n_children > 0
    assert (np.abs(children - nodes)[inner] <= 1e-9 * size[inner]).all()
    np.testing.assert_allclose(tree.node_sums(result.values), nodes, atol=1e-9 * size[0])
    assert result.efficiency_gap <= 1e-9 * np.abs(result.values).sum()


@pytest.mark.parametrize("utility", ["auto", ["forest", "evidence"], "knn"])
def test_same_seed_same_bits_for_any_number_of_threads(noisy, utility):
    data, y, _ = noisy
    one = fit(data, y, n_jobs=1, utility=utility)
    for n_jobs in (2, 3):
        other = fit(data, y, n_jobs=n_jobs, utility=utility)
        np.testing.assert_array_equal(one.values_, other.values_)
        np.testing.assert_array_equal(one.result_.std_error, other.result_.std_error)
    assert not np.array_equal(one.values_, fit(data, y, random_state=1, utility=utility).values_)


def test_order_of_the_rows_is_the_callers(noisy):
    data, y, _ = noisy
    tree = Hierarchy.build(data.X, random_state=0)
    values = HCDV(utility="evidence", random_state=0).fit(data.X, y, hierarchy=tree).values_
    flat = Hierarchy.from_labels([np.zeros(600)])
    assert len(HCDV(utility="evidence", random_state=0).fit(data.X, y, hierarchy=flat).values_) == 600
    lowest = np.argsort(values)[:20]
    # Rows copied to the front keep their values' company: the same rows stay lowest.
    order = np.concatenate([lowest, np.setdiff1d(np.arange(600), lowest)])
    moved = HCDV(utility="evidence", random_state=0).fit(data.X[order], y[order]).values_
    assert (moved[:20] < np.median(moved)).all()


def test_tol_stops_early(noisy):
    data, y, _ = noisy
    result = fit(data, y, tol=0.5, n_permutations=2000).result_
    assert result.stopped_by == "std_error"
    assert result.n_permutations < 2000
    assert np.median(result.std_error) <= 0.5 * np.abs(result.values).mean()


def test_groups_are_the_first_level(noisy):
    data, y, _ = noisy
    seller = np.repeat(["a", "b", "c"], 200)
    model = HCDV(random_state=0, n_permutations=8).fit(data.X, y, groups=seller)
    tree = model.hierarchy_
    first = slice(tree.level_start[1], tree.level_start[2])
    blocks = {tuple(np.unique(seller[tree.order[a:b]])) for a, b in zip(
        tree.start[first], tree.stop[first], strict=True)}  # fmt: skip
    assert blocks == {("a",), ("b",), ("c",)}
    by_seller = [model.values_[seller == s].sum() for s in "abc"]
    assert sorted(by_seller) == pytest.approx(sorted(model.result_.node_values[first]))


def test_sum_of_games_and_reweighting(noisy):
    data, y, _ = noisy
    model = fit(data, y, utility=[("kernel", 2.0), ("evidence", 0.5)], contrast=0.1)
    result = model.result_
    assert dict(result.weights) == {"kernel": 2.0, "evidence": 0.5, "contrast": 0.1}
    again = result.reweight(evidence=0, contrast=0.3)
    np.testing.assert_allclose(
        again.values, 2 * result.parts["kernel"] + 0.3 * result.parts["contrast"], atol=1e-15
    )
    direct = fit(data, y, utility=[("kernel", 2.0), ("evidence", 0.0)], contrast=0.3).result_
    np.testing.assert_allclose(again.values, direct.values, atol=1e-12)
    np.testing.assert_allclose(again.std_error, direct.std_error, atol=1e-12)
    assert again.v_full == pytest.approx(direct.v_full)
    with pytest.raises(ValueError, match="no part is called 'forest'"):
        result.reweight(forest=1)


def test_names_alone_count_once(noisy):
    data, y, _ = noisy
    result = fit(data, y, utility=["fit", "kernel"], contrast=0).result_
    assert dict(result.weights) == {"fit": 1.0, "kernel": 1.0}


def test_frames_keep_their_index():
    data = load_iris()
    frame = pd.DataFrame(data.X, index=[f"row{i}" for i in range(len(data.X))])
    model = HCDV(random_state=0, n_permutations=4).fit(frame, data.y)
    assert model.result_.ids[0] == "row0"
    frame.index = [0] * len(frame)
    assert HCDV(random_state=0, n_permutations=4).fit(frame, data.y).result_.ids[-1] == len(frame) - 1


def test_mixed_tables_go_in_as_they_are():
    rng = np.random.default_rng(0)
    n = 200
    y = rng.integers(0, 2, n)
    frame = pd.DataFrame(
        {
            "colour": np.where(y == 1, "red", "blue"),
            "size": y + rng.normal(size=n),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), "D"),
            "seen": rng.random(n) < 0.5,
        }
    )
    frame.loc[::7, "size"] = np.nan
    frame.loc[::5, "colour"] = None
    noisy, is_flipped = flip_labels(y, 0.1, random_state=0)
    model = HCDV(random_state=0, n_permutations=8).fit(frame, noisy)
    assert roc_auc_score(is_flipped, -model.values_) > 0.9
    assert set(model.result_.parts) == {"forest", "fit", "contrast"}


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [3, 17], [1.0, 2.0]])
def test_labels_of_any_kind(labels):
    data = load_breast_cancer()
    y = np.array(labels)[data.y]
    y_val = np.array(labels)[data.y_val]
    result = HCDV(random_state=0, n_permutations=4).fit(data.X, y, data.X_val, y_val).result_
    np.testing.assert_array_equal(result.labels, y)


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_tiny_data(n):
    X = np.random.default_rng(n).normal(size=(n, 3))
    y = np.arange(n) % 2
    result = HCDV(random_state=0, utility=["kernel", "evidence"]).fit(X, y).result_
    assert np.isfinite(result.values).all()
    assert result.efficiency_gap < 1e-9


def test_duplicates_and_constant_columns():
    X = np.ones((40, 3))
    y = np.arange(40) % 2
    result = HCDV(random_state=0, n_permutations=8).fit(X, y).result_
    assert np.isfinite(result.values).all()
    assert result.efficiency_gap < 1e-9


def test_read_only_strided_and_float32_input(noisy):
    data, y, _ = noisy
    expected = fit(data, y).values_
    wide = np.zeros((600, 2 * data.X.shape[1]))
    wide[:, ::2] = data.X
    strided = wide[:, ::2]
    strided.setflags(write=False)
    model = HCDV(random_state=0, n_permutations=16).fit(strided, y, data.X_val, data.y_val)
    np.testing.assert_array_equal(model.values_, expected)
    single = HCDV(random_state=0, n_permutations=16).fit(
        data.X.astype(np.float32), y, data.X_val.astype(np.float32), data.y_val
    )
    assert np.corrcoef(single.values_, expected)[0, 1] > 0.99


BAD = {
    "nan": (lambda X, y: dict(X=np.where(X[3, 1] == X, np.nan, X), y=y), "row 3, column 1"),
    "empty": (lambda X, y: dict(X=X[:0], y=y[:0]), "X has no rows"),
    "length": (lambda X, y: dict(X=X, y=y[:-1]), "59 labels for 60 rows"),
    "one class": (lambda X, y: dict(X=X, y=np.zeros(60, int)), "at least 2 classes"),
    "continuous y": (lambda X, y: dict(X=X, y=X[:, 0]), "continuous"),
    "missing label": (
        lambda X, y: dict(X=X, y=np.array([None, *map(str, y[1:])], object)), "missing labels",
    ),
    "one dimension": (lambda X, y: dict(X=X[:, 0], y=y), "2-dimensional"),
    "list of texts": (
        lambda X, y: dict(X=[f"text {k}" for k in y], y=y), r"got 60 texts; HCDV takes these with encoder=",
    ),
    "texts": (lambda X, y: dict(X=pd.Series([f"text {k}" for k in y]), y=y), "got 60 texts"),
    "unseen label": (lambda X, y: dict(X=X, y=y, X_val=X, y_val=y + 5), "do not occur in y"),
    "half a validation set": (lambda X, y: dict(X=X, y=y, X_val=X), "y_val is missing"),
    "columns": (lambda X, y: dict(X=X, y=y, X_val=X[:, :2], y_val=y), "features"),
    "groups length": (lambda X, y: dict(X=X, y=y, groups=y[:5]), "groups"),
    "ids length": (lambda X, y: dict(X=X, y=y, ids=y[:5]), "ids must be 1-dimensional of length 60"),
    "ids repeat": (lambda X, y: dict(X=X, y=y, ids=y), "ids must be unique"),
    "text": (lambda X, y: dict(X="data", y=y), "data does not exist"),
    "column names": (
        lambda X, y: dict(X=pd.DataFrame(X, columns=["a", 1, "c", None]), y=y), "column names of several",
    ),
    "no tree": (lambda X, y: dict(X=X, y=y, hierarchy=[1]), "hierarchy must be an hcdv.Hierarchy"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_sentence(case):
    rng = np.random.default_rng(0)
    arguments, sentence = BAD[case]
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        HCDV(random_state=0).fit(**arguments(rng.normal(size=(60, 4)), rng.integers(0, 2, 60)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"utility": "magic"}, "utility must be"),
        ({"utility": []}, "utility must be"),
        ({"utility": [("kernel", np.inf)]}, "weight of 'kernel'"),
        ({"utility": ["kernel", "kernel"]}, "twice"),
        ({"encoder": "magic"}, "encoder must be one of"),
        ({"dispersion": "magic"}, "dispersion must be one of"),
        ({"allocation": "magic"}, "allocation must be one of"),
        ({"n_permutations": 0}, "n_permutations must be at least 2"),
        ({"n_permutations": 2.5}, "n_permutations must be an integer"),
        ({"branching": 1}, "branching"),
        ({"leaf_size": 0}, "leaf_size"),
        ({"capacity_slack": 1.0}, "capacity_slack"),
        ({"contrast": np.nan}, "contrast"),
        ({"validation_weight": -1}, "validation_weight"),
        ({"tol": -0.1}, "tol"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": "seed"}, "random_state"),
        ({"engine": "spark"}, "engine"),
        ({"device": "abacus"}, "device"),
    ],
)
def test_bad_parameters_get_one_sentence(parameters, sentence):
    data = load_iris()
    with pytest.raises((ValueError, TypeError), match=sentence):
        HCDV(**parameters).fit(data.X, data.y)


def test_eight_fits_at_once(noisy):
    data, y, _ = noisy
    expected = fit(data, y, n_jobs=1).values_
    found = [None] * 8

    def work(k):
        found[k] = fit(data, y, n_jobs=2).values_

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in found:
        np.testing.assert_array_equal(values, expected)


def test_a_fit_that_fails_leaves_the_last_one_whole(noisy):
    data, y, _ = noisy
    model = fit(data, y)
    before = model.values_.copy()
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((30, 3), np.nan), ["a", "b", "c"] * 10)
    np.testing.assert_array_equal(model.values_, before)
    assert model.n_features_in_ == data.X.shape[1]
    np.testing.assert_array_equal(model.classes_, [0, 1])


def test_it_is_a_scikit_learn_estimator():
    model = HCDV(branching=(4, 2), contrast=0.2)
    assert clone(model).get_params() == model.get_params()
    assert "contrast=0.2" in repr(model)


@parametrize_with_checks([HCDV(n_permutations=4, random_state=0)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_what_is_no_rows_or_no_labels_is_refused_in_one_sentence():
    class Splits(dict):
        """As Hugging Face's DatasetDict."""

        @property
        def shape(self):
            return {name: rows.shape for name, rows in self.items()}

    class LazyFrame:
        """As polars's."""

    y = [0, 1] * 10
    with pytest.raises(TypeError, match="X must be an array or a DataFrame, got Splits"):
        HCDV().fit(Splits(train=np.zeros((20, 2))), y)
    with pytest.raises(TypeError, match=r"got a LazyFrame; pass X\.collect\(\)"):
        HCDV().fit(LazyFrame(), y)
    with pytest.raises(TypeError, match="y names the column 'label', which is for rows on disk"):
        HCDV().fit(pd.DataFrame({"a": np.arange(20.0), "label": y}), "label")
