"""Data sets of Hugging Face come in by columns, vectors and images, and go back as their own."""

import numpy as np
import pandas as pd
import pytest

datasets = pytest.importorskip("datasets", reason="datasets is not installed (pip install hcdv[integrations])")

from hcdv.integrations.huggingface import to_arrays  # noqa: E402
from tests.integrations.rows import DATA, NOISY, quick, valued  # noqa: E402


@pytest.fixture(scope="module")
def table():
    frame = pd.DataFrame(DATA.X, columns=[f"c{j}" for j in range(DATA.X.shape[1])])
    frame["kind"] = np.array(["a", "b", "c"])[np.arange(120) % 3]
    frame.loc[3, "c0"] = np.nan
    return frame


def classes(**columns):
    features = datasets.ClassLabel(names=["no", "yes"])
    return datasets.Dataset.from_dict(columns).cast_column("label", features)


def test_plain_columns_go_in_as_they_are(table):
    dataset = datasets.Dataset.from_pandas(table.assign(label=NOISY))
    by_frame = quick().fit(table, NOISY).values_
    direct = quick().fit(dataset.remove_columns("label"), dataset["label"])
    np.testing.assert_array_equal(direct.values_, by_frame)
    X, y = to_arrays(dataset)
    pd.testing.assert_frame_equal(X, table, check_dtype=False)
    np.testing.assert_array_equal(quick().fit(X, y).values_, by_frame)
    X, _ = to_arrays(dataset, features=["c1", "kind"])
    assert list(X) == ["c1", "kind"]


def test_vectors_go_in_and_values_go_back():
    dataset = classes(embedding=DATA.X.tolist(), text=["t"] * 120, label=NOISY.tolist())
    X, y = to_arrays(dataset, features=["embedding"])
    np.testing.assert_allclose(X, DATA.X, rtol=1e-7)  # a data set formats floats as float32
    np.testing.assert_array_equal(y, NOISY)
    result = quick().fit(X, y, DATA.X_val, DATA.y_val).result_
    assert np.corrcoef(result.values, valued().values_)[0, 1] > 0.999
    back = dataset.add_column("value", result.values)
    np.testing.assert_array_equal(back["value"], result.values)
    kept = dataset.select(result.select(0.3))
    assert kept["label"] == NOISY[result.select(0.3)].tolist()


def test_images():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
    images = datasets.Dataset.from_dict({"image": list(pixels), "label": [0, 1] * 3})
    images = images.cast_column("image", datasets.Array2D((4, 5), "uint8"))
    X, y = to_arrays(images)
    np.testing.assert_array_equal(X, pixels)
    assert y.tolist() == [0, 1] * 3


def test_one_sentence():
    dataset = classes(a=[1.0, 2.0, 3.0], v=[[1.0], [2.0], [3.0, 4.0]], label=[0, 1, -1])
    with pytest.raises(TypeError, match="one split in memory, got DatasetDict"):
        to_arrays(datasets.DatasetDict(train=dataset))
    with pytest.raises(TypeError, match="got IterableDataset"):
        to_arrays(dataset.to_iterable_dataset())
    with pytest.raises(TypeError, match="features must be a list of names, got the text 'a'"):
        to_arrays(dataset, features="a")
    with pytest.raises(ValueError, match="features must not hold the label, 'label'"):
        to_arrays(dataset, features=["a", "label"])
    with pytest.raises(ValueError, match="no column 'target'; it has a, v, label"):
        to_arrays(dataset, label="target")
    with pytest.raises(ValueError, match="label is -1, no label, in 1 rows"):
        to_arrays(dataset, features=["a"])
    labelled = dataset.select([0, 1, 1]).add_column("w", [[1.0], [2.0], [3.0, 4.0]])
    with pytest.raises(ValueError, match="got a, v, w; name it"):
        to_arrays(labelled)
    with pytest.raises(ValueError, match="w must hold vectors or images of one shape"):
        to_arrays(labelled, features=["w"])
    with pytest.raises(ValueError, match="no column beside the label, 'label'"):
        to_arrays(dataset.select_columns(["label"]))
