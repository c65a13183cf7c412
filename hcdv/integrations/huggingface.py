"""Rows of a Hugging Face ``datasets.Dataset``, vectors and images among them, as what HCDV takes.

A data set of plain columns needs nothing: ``HCDV().fit(dataset.remove_columns("label"), dataset["label"])``.
The ways back are its own: ``dataset.add_column("value", result.values)`` and, of the rows chosen,
``dataset.select(result.select(0.3))``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.integrations._needs import needs

with needs("datasets 3 or newer"):
    from datasets import ClassLabel, Dataset, Value


def to_arrays(
    dataset: Dataset, label: str = "label", features: Sequence[str] | None = None
) -> tuple[Any, NDArray[Any]]:
    """Rows and labels of a data set, in its order.

    Parameters
    ----------
    dataset : datasets.Dataset
        One split, not streamed.
    label : str
        Column with the labels.
    features : sequence of str, optional
        Columns to value the rows by, all but ``label`` by default: any number of plain columns, or one of
        vectors or images of one shape.

    Returns
    -------
    X : DataFrame of the plain columns, or array [n, ...]
        :meth:`hcdv.HCDV.fit` flattens what has more than two dimensions.
    y : [n]
        Labels as they are stored: of a ``ClassLabel`` its numbers.

    Raises
    ------
    TypeError
        If ``dataset`` is a dictionary of splits or a stream, or ``features`` is a text.
    ValueError
        If a column is missing, ``label`` is among the features, columns cannot be taken together, rows are of
        several shapes, or a ``ClassLabel`` is -1, which marks rows without a label.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"dataset must be a datasets.Dataset, one split in memory, got {type(dataset).__name__}; choose "
            'a split as dataset["train"].'
        )
    if isinstance(features, str):
        raise TypeError(f"features must be a list of names, got the text {features!r}.")
    names = [name for name in dataset.column_names if name != label] if features is None else list(features)
    for name in (label, *names):
        if name not in dataset.column_names:
            raise ValueError(f"dataset has no column {name!r}; it has {', '.join(dataset.column_names)}.")
    if not names:
        raise ValueError(f"dataset has no column beside the label, {label!r}.")
    if label in names:
        raise ValueError(f"features must not hold the label, {label!r}.")
    y = np.asarray(dataset.with_format("numpy", columns=[label])[:][label])
    n_missing = int((y == -1).sum()) if isinstance(dataset.features[label], ClassLabel) else 0
    if n_missing:
        raise ValueError(f"{label} is -1, no label, in {n_missing} rows; leave these out with filter.")
    shaped = [name for name in names if not isinstance(dataset.features[name], (Value, ClassLabel))]
    if not shaped:
        return dataset.with_format(None).select_columns(names).to_pandas(), y
    if len(names) > 1:
        raise ValueError(
            f"features must be plain columns, or one of vectors or images, got {', '.join(names)}; name it."
        )
    rows = np.asarray(dataset.with_format("numpy", columns=names)[:][names[0]])
    if rows.dtype.kind == "O":
        raise ValueError(f"{names[0]} must hold vectors or images of one shape, all of numbers.")
    return rows, y
