"""Rows of PyTorch data sets come in their order, and go back as a subset."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import (  # noqa: E402
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
)

from hcdv.integrations.torch import to_arrays  # noqa: E402
from tests.integrations.rows import DATA, NOISY, quick, valued  # noqa: E402

PAIRS = TensorDataset(torch.tensor(DATA.X), torch.tensor(NOISY))


class Images(Dataset):
    """Inputs of three dimensions, labels that are texts."""

    def __len__(self):
        return 7

    def __getitem__(self, i):
        return torch.full((1, 2, 3), float(i)), f"class {i % 2}"


class Stream(IterableDataset):
    def __iter__(self):
        yield from PAIRS


@pytest.mark.parametrize("data", [PAIRS, DataLoader(PAIRS, batch_size=32), Stream(), DataLoader(Stream(), 50)])
def test_the_arrays_are_those_it_was_made_of(data):
    X, y = to_arrays(data)
    np.testing.assert_array_equal(X, DATA.X)
    np.testing.assert_array_equal(y, NOISY)
    assert X.dtype == DATA.X.dtype and y.dtype == np.int64


def test_values_are_those_of_the_arrays_and_select_a_subset():
    model = quick().fit(*to_arrays(PAIRS), DATA.X_val, DATA.y_val)
    np.testing.assert_array_equal(model.values_, valued().values_)
    kept = model.result_.select(0.3)
    X, y = to_arrays(Subset(PAIRS, kept))
    np.testing.assert_array_equal(X, DATA.X[kept])
    np.testing.assert_array_equal(y, NOISY[kept])


def test_images_and_texts():
    X, y = to_arrays(Images())
    np.testing.assert_array_equal(X, np.arange(7.0)[:, None, None, None] * np.ones((1, 2, 3)))
    assert y.tolist() == ["class 0", "class 1"] * 3 + ["class 0"]


def test_blocks_of_a_loader_go_out_of_core(tmp_path):
    loader = DataLoader(PAIRS, batch_size=32)
    model = quick(utility="fit", memory_limit="1GB", checkpoint=tmp_path / "work")
    model.fit(lambda: ((X.numpy(), y.numpy()) for X, y in loader))
    by_hand = quick(utility="fit", memory_limit="1GB").fit(DATA.X, NOISY)
    np.testing.assert_array_equal(model.values_, by_hand.values_)


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(PAIRS, batch_size=32, shuffle=True),
        DataLoader(PAIRS, batch_size=32, drop_last=True),
        DataLoader(PAIRS, batch_sampler=BatchSampler(RandomSampler(PAIRS), 8, drop_last=False)),
    ],
)
def test_a_loader_that_does_not_keep_the_order_is_refused(loader):
    with pytest.raises(ValueError, match="data must keep the order of its rows"):
        to_arrays(loader)


def test_one_sentence():
    with pytest.raises(ValueError, match="batch_size=None"):
        to_arrays(DataLoader(PAIRS, batch_size=None))
    with pytest.raises(TypeError, match="pairs of one tensor and one label"):
        to_arrays(TensorDataset(torch.zeros(3, 2)))
    with pytest.raises(ValueError, match="no rows"):
        to_arrays(Subset(PAIRS, []))
