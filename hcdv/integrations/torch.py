"""Rows of a PyTorch ``Dataset`` or ``DataLoader`` as arrays.

The way back is PyTorch's own: ``Subset(dataset, result.select(0.3))``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.integrations._needs import needs

with needs("torch", "pip install 'hcdv[torch]'"):
    from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler

# Rows collated at once.
BATCH = 1024


def to_arrays(data: Dataset[Any] | DataLoader[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """All rows of a data set and their labels, in its order.

    Parameters
    ----------
    data : Dataset of (input, label) pairs, or a DataLoader of batches of such
        Inputs are tensors of one shape, labels integers or texts.  A loader must keep the order: no shuffling
        and no dropping, or values would belong to no row.

    Returns
    -------
    X : [n, ...]
        Inputs, in their dtype; :meth:`hcdv.HCDV.fit` flattens what has more than two dimensions.
    y : [n]
        Labels.

    Raises
    ------
    ValueError
        If a loader does not keep the order, or there are no rows.
    TypeError
        If the items are no such pairs.
    """
    if isinstance(data, DataLoader):
        _check_order(data)
        loader = data
    else:
        loader = DataLoader(data, batch_size=BATCH)
    pairs = [_pair(batch) for batch in loader]
    if not pairs:
        raise ValueError("data has no rows.")
    X, y = zip(*pairs, strict=True)
    return np.concatenate(X), np.concatenate(y)


def _check_order(loader: DataLoader[Any]) -> None:
    batches = loader.batch_sampler
    if batches is None:
        raise ValueError("data must be a DataLoader that makes batches, got one of batch_size=None.")
    keeps_order = isinstance(batches, BatchSampler) and (
        isinstance(batches.sampler, SequentialSampler) or isinstance(loader.dataset, IterableDataset)
    )
    if not keeps_order or loader.drop_last:
        raise ValueError(
            "data must keep the order of its rows, got a DataLoader that shuffles, samples or drops some; pass "
            "its dataset."
        )


def _pair(batch: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    if not isinstance(batch, (list, tuple)) or len(batch) != 2 or not hasattr(batch[0], "numpy"):
        what = type(batch).__name__ + (f" of {len(batch)}" if isinstance(batch, (list, tuple, dict)) else "")
        raise TypeError(f"data must give pairs of one tensor and one label, got batches that are a {what}.")
    inputs, labels = batch
    return inputs.detach().cpu().numpy(), labels.numpy() if hasattr(labels, "numpy") else np.asarray(labels)
