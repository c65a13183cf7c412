"""The forest's space: leaves are scikit-learn's, products follow shared leaves; lists of spaces."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from hcdv import HCDV
from hcdv._random import derive_seed
from hcdv.datasets import make_synthetic
from hcdv.encoder import make_encoder
from hcdv.encoder.forest import LEAF_ROWS, N_TREES, ForestSpace

DATA = make_synthetic(n=600, n_val=150, n_test=10, random_state=0)
COLUMNS = np.asarray(DATA.X, np.float32)


def space(seed=0):
    return ForestSpace.learn(COLUMNS, DATA.y, seed=seed)


def test_leaves_are_those_of_the_forest():
    forest = RandomForestClassifier(
        N_TREES, min_samples_leaf=LEAF_ROWS, random_state=derive_seed(0, "forest space", "trees")
    ).fit(COLUMNS, DATA.y)
    learned = space()
    rows = np.vstack([COLUMNS, np.asarray(DATA.X_val, np.float32)])
    np.testing.assert_array_equal(learned.leaves(rows) - learned.roots, forest.apply(rows))


def test_products_follow_the_share_of_common_leaves():
    learned = space()
    z = learned.transform(COLUMNS).astype(np.float64)
    leaves = learned.leaves(COLUMNS)
    counts = np.bincount(leaves.ravel())
    shared = np.zeros((600, 600))
    for k in range(N_TREES):
        same = leaves[:, None, k] == leaves[None, :, k]
        shared += same / counts[leaves[:, k]]
    # The singular vectors keep the most of it that 32 directions can.
    values, vectors = np.linalg.eigh(shared)
    best = (vectors[:, -32:] * values[-32:]) @ vectors[:, -32:].T
    products = z @ z.T
    products, best = products / np.trace(products), best / np.trace(best)
    # The randomised decomposition finds the last of them roughly.
    assert np.linalg.norm(products - best) < 0.03 * np.linalg.norm(best)
    assert np.mean(np.square(z)) == pytest.approx(1.0, abs=1e-3)


def test_new_rows_and_blocks_are_mapped_alike(monkeypatch):
    import hcdv.encoder.forest as module

    learned = space()
    z = learned.transform(COLUMNS)
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    np.testing.assert_array_equal(learned.transform(COLUMNS), z)
    np.testing.assert_array_equal(learned.transform(COLUMNS[5:6]), z[5:6])


def test_many_rows_are_drawn_from(monkeypatch):
    import hcdv.encoder.forest as module

    monkeypatch.setattr(module, "FIT_ROWS", 200)
    learned = space()
    assert learned.transform(COLUMNS).shape == (600, 32)
    np.testing.assert_array_equal(learned.transform(COLUMNS), space().transform(COLUMNS))


@pytest.mark.parametrize("n", [2, 3, 9])
def test_few_rows(n):
    y = np.arange(n) % 2
    model = HCDV(encoder="forest", n_permutations=4, random_state=0, utility="fit").fit(COLUMNS[:n], y)
    assert model.result_.efficiency_gap < 1e-12


def test_values_do_not_hang_on_threads():
    one, three = (
        HCDV(encoder="forest", n_permutations=8, random_state=0, n_jobs=jobs)
        .fit(DATA.X, DATA.y, DATA.X_val, DATA.y_val).values_
        for jobs in (1, 3)
    )  # fmt: skip
    np.testing.assert_array_equal(one, three)


def test_spaces_beside_each_other():
    table = pd.DataFrame({"a": COLUMNS[:, 0], "b": np.where(COLUMNS[:, 1] > 0, "x", "y")})
    for X in (DATA.X, table):
        encoder = make_encoder(X, ["identity", "forest"])
        spaces = encoder.fit_spaces(X, DATA.y)
        assert encoder.others == ("forest",) and list(spaces.others) == ["forest"]
        again = encoder.spaces(X)
        np.testing.assert_array_equal(again.others["forest"], spaces.others["forest"])
        np.testing.assert_array_equal(encoder.transform(X), spaces.vote)
    result = HCDV(encoder=["identity", "forest"], n_permutations=4, random_state=0).fit(DATA.X, DATA.y).result_
    assert list(result.weights) == ["kernel", "fit", "kernel_forest", "fit_forest", "contrast"]


def test_three_spaces_and_an_embedding_first():
    pytest.importorskip("torch")
    from sklearn.decomposition import PCA

    for first in ("identity", PCA(5)):
        encoder = make_encoder(DATA.X, [first, "forest", "contrastive"])
        spaces = encoder.fit_spaces(DATA.X, DATA.y, X_val=DATA.X_val, y_val=DATA.y_val)
        assert encoder.others == ("contrastive", "forest") == tuple(spaces.others)
        assert spaces.vote.shape[1] == (COLUMNS.shape[1] if first == "identity" else 5)
    model = HCDV(encoder=["identity", "contrastive", "forest"], weights="fixed", n_permutations=4)
    weights = model.fit(DATA.X, DATA.y, DATA.X_val, DATA.y_val).result_.weights
    assert {name: w for name, w in weights.items() if name.startswith("kernel")} == {
        "kernel": 1.0, "kernel_contrastive": 0.5, "kernel_forest": 0.5
    }  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_many_classes_are_no_regression():
    labels = np.repeat(np.arange(len(DATA.X) // 2 + 1), 2)[: len(DATA.X)]
    labels[:40] = np.arange(40) + len(DATA.X)
    model = HCDV(encoder="forest", utility="kernel", n_permutations=4, random_state=0).fit(DATA.X, labels)
    assert np.isfinite(model.values_).all()
