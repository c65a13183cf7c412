"""HCDV as a ``DataEvaluator`` of OpenDataVal: its experiments run it beside their own methods.

Importing this module registers it under the name "hcdv".
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hcdv.estimator import HCDV as Model
from hcdv.integrations._needs import BY_HAND, needs

with needs("opendataval 1.3 and torch", BY_HAND):
    import torch
    from opendataval.dataval import DataEvaluator, ModelLessMixin


class HCDV(DataEvaluator, ModelLessMixin):  # type: ignore[misc]
    """Hierarchical contrastive data values; needs no prediction model.

    Parameters
    ----------
    random_state : int, optional
        Seed: the same values as of ``hcdv.HCDV(random_state=...)``.
    embedding_model : opendataval Model, optional
        Its predictions are valued instead of the rows themselves.
    **parameters
        Of :class:`hcdv.HCDV`.

    Attributes
    ----------
    model : hcdv.HCDV
        Fitted by :meth:`train_data_values`; ``model.result_`` knows more than the values.
    """

    def __init__(self, random_state: int | None = None, embedding_model: Any = None, **parameters: Any) -> None:
        super().__init__(random_state)
        self.embedding_model = embedding_model
        self.model = Model(random_state=random_state, **parameters)

    def input_data(self, x_train: Any, y_train: torch.Tensor, x_valid: Any, y_valid: torch.Tensor) -> Self:
        """Keep n training rows, n_val trusted rows and their labels.

        Parameters
        ----------
        x_train, x_valid : tensor [n, ...] and [n_val, ...], or a torch Dataset of such rows
        y_train, y_valid : tensor [n, C] and [n_val, C]
            One-hot, as OpenDataVal has the labels of a classification.

        Raises
        ------
        ValueError
            If labels are not one-hot.
        """
        self.x_train, self.x_valid = self.embeddings(x_train, x_valid)
        self.y_train, self.y_valid = _classes(y_train, "y_train"), _classes(y_valid, "y_valid")
        return self

    def train_data_values(self, *args: Any, **kwargs: Any) -> Self:
        """Value the rows; what is passed is for the prediction models of other methods."""
        self.model.fit(_array(self.x_train), self.y_train, _array(self.x_valid), self.y_valid)
        return self

    def evaluate_data_values(self) -> NDArray[np.float64]:
        """Value of each training row, float64 [n]."""
        return self.model.values_


def _array(rows: Any) -> NDArray[Any]:
    if not isinstance(rows, torch.Tensor):
        rows = torch.stack([torch.as_tensor(rows[i]) for i in range(len(rows))])
    return rows.detach().cpu().numpy()


def _classes(one_hot: torch.Tensor, name: str) -> NDArray[np.int64]:
    labels = torch.as_tensor(one_hot).detach().cpu().numpy()
    if labels.ndim != 2 or labels.shape[1] < 2 or not (np.sort(labels)[:, :-1] == 0).all():
        raise ValueError(
            f"{name} must be one-hot labels of a classification, [n, C], got shape {labels.shape}; HCDV "
            "does not value regression data."
        )
    return labels.argmax(axis=1)
