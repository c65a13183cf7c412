"""Parts of every kind: how rows come into them, and that no bit depends on how the work was done."""

import numpy as np
import pytest

from hcdv.engine import make_engine
from hcdv.hierarchy import Hierarchy
from hcdv.scale import Recipe, Sizes
from hcdv.scale.layout import Layout
from hcdv.scale.split import _with_room
from hcdv.scale.upper import PART_KEY, UPPER_KEY, upper_tree
from tests.scale.assembled import Assembled
from tests.scale.sources import ArraySource
from tests.scale.test_values import SMALL, kept, spread, valued, work_in  # noqa: F401

RECIPE = Recipe(utility=["kernel", "fit"], n_permutations=4)
WITH_FOREST = Recipe(utility=["kernel", "forest", "fit"], n_permutations=4)


def arrays_of(result):
    moments = result.point_moments
    return [result.values, result.std_error, moments.mean, moments.comoment, result.node_values]


def assert_same(one, other):
    for a, b in zip(arrays_of(one), arrays_of(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_bit_depends_on_the_workers(tmp_path):
    X, y = spread(2000)
    validation = spread(30, seed=1)
    results = [
        valued(ArraySource(X, y), tmp_path / f"{n_jobs}", WITH_FOREST, SMALL, validation, n_jobs=n_jobs).result
        for n_jobs in (1, 2, 3)
    ]
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@pytest.mark.parametrize("name", ["joblib", "dask", pytest.param("ray", marks=pytest.mark.slow)])
def test_no_bit_depends_on_the_engine(tmp_path, name):
    if name != "joblib":
        pytest.importorskip({"dask": "distributed", "ray": "ray"}[name])
    X, y = spread(1200)
    here = valued(ArraySource(X, y), tmp_path / "here", WITH_FOREST, SMALL).result
    engine = make_engine(name, 2)
    try:
        there = valued(ArraySource(X, y), tmp_path / "there", WITH_FOREST, SMALL, engine=engine).result
    finally:
        engine.close()
    assert_same(here, there)


def test_no_bit_depends_on_the_files(tmp_path):
    import pandas as pd

    from hcdv.io.source import open_source

    X, y = spread(1500)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(kind=np.where(X[:, 3] > 0, "u", "v"), label=y)
    results = []
    for k, size in enumerate((1500, 400, 77)):
        folder = tmp_path / f"data{k}"
        folder.mkdir()
        for part, first in enumerate(range(0, 1500, size)):
            frame[first : first + size].to_parquet(folder / f"{part:03d}.parquet")
        source = open_source(folder, label="label")
        results.append(valued(source, tmp_path / f"work{k}", RECIPE, SMALL).result)
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("heap", [1.0, 0.6])
def test_heaps_of_equal_rows_are_divided(tmp_path, heap):
    X, y = spread(3000)
    X[: int(heap * 3000)] = X[0]
    result = valued(ArraySource(X, y), tmp_path / "work", RECIPE, SMALL).result
    whole = Assembled(work_in(tmp_path / "work"))
    assert whole.layout.sizes.max() <= 2 * SMALL.part_rows
    assert whole.layout.sizes.sum() == 3000
    result.hierarchy.validate()
    assert result.efficiency_gap < 1e-12
    assert np.isfinite(result.values).all()


@pytest.mark.usefixtures("kept")
def test_parts_of_one_class_and_of_few_rows(tmp_path):
    rng = np.random.default_rng(0)
    # Three far directions: one of one class, one of three rows.
    centres = np.eye(3)[[0] * 600 + [1] * 597 + [2] * 3] * 50
    X = (centres + rng.normal(size=(1200, 3))).astype(np.float32)
    y = np.where(np.arange(1200) < 600, 0, rng.integers(0, 2, 1200))
    sizes = Sizes(part_rows=300, sample_rows=1200, block_rows=500)
    result = valued(ArraySource(X, y), tmp_path / "work", RECIPE, sizes).result
    whole = Assembled(work_in(tmp_path / "work"))
    labels = [set(part.records["label"].tolist()) for part in whole.parts]
    assert {0} in labels
    assert result.efficiency_gap < 1e-12
    assert np.isfinite(result.values).all()


def test_a_part_of_one_row(tmp_path, monkeypatch):
    X, y = spread(700)
    X[350] = -40 * X.mean(axis=0) - 1e3  # alone in its direction
    sizes = Sizes(part_rows=100, sample_rows=300, block_rows=200)
    monkeypatch.setattr("hcdv.scale.encode.nearest", lambda X, centres: np.where(X[:, 0] < -2.5, 1, 0))
    result = valued(ArraySource(X, y), tmp_path / "work", RECIPE, sizes).result
    assert result.hierarchy.sizes.min() < 8
    assert result.efficiency_gap < 1e-12


def test_rows_take_the_room_there_is():
    scores = np.array([[3, 2, 1], [3, 2, 1], [3, 1, 2], [1, 2, 3], [3, 2, 1]], np.float32)
    room = np.array([2, 1, 5])
    assert _with_room(scores, room).tolist() == [0, 0, 2, 2, 1]
    assert room.tolist() == [0, 0, 3]


def test_the_upper_tree_leaves_out_empty_parts_and_puts_divided_ones_in():
    base = Hierarchy.from_labels([[0, 0, 1, 1], [0, 1, 2, 3]])  # two nodes of two parts each
    below = Hierarchy.from_labels([[0, 1, 2]])
    tree, names = upper_tree(base, np.array([5, 0, 9, 4]), {2: (below, np.array([4, 0, 5]))})
    # The first node has lost its second child: the other stands in its place, behind its elder sibling.
    assert names == [(2, 0), (2, 2), (3, -1), (0, -1)]
    assert tree.sizes.tolist() == [4, 3, 1, 2, 1, 1, 1]
    assert tree.node_key[tree.leaves].tolist() == (tree.start[tree.leaves] * PART_KEY).tolist()
    inner = np.flatnonzero(~tree.is_leaf)
    assert tree.node_key[inner].tolist() == [UPPER_KEY + g for g in inner]
    tree.validate()


def test_ids_and_labels_stay_with_their_rows(tmp_path):
    X, y = spread(1300)
    names = np.array([f"row {i * 7919}" for i in range(1300)], dtype=object)
    said = np.array(["no", "yes"])[y]
    result = valued(ArraySource(X, said, names), tmp_path / "work", RECIPE, SMALL).result
    assert result.ids.tolist() == names.tolist()
    assert result.labels.tolist() == said.tolist()
    numbered = valued(ArraySource(X, y), tmp_path / "numbered", RECIPE, SMALL).result
    np.testing.assert_array_equal(result.values, numbered.values)
    # Every value stands at its row: those of the lowest rows differ from what a shuffle would give.
    assert Layout.load(work_in(tmp_path / "work")) is not None
