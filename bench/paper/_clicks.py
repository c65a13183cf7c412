"""Wide & Deep on advertisement clicks: numbers and hashed categories, as the paper's Criteo model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from pandas.util import hash_array
from torch import nn

from bench._wide_and_deep import WIDTH, fitted_auc, own_generator
from hcdv.datasets import Dataset

N_BUCKETS, N_EMBEDDED = 1 << 12, 8


class WideAndDeepClicks(nn.Module):
    """Logit of an impression: a weight a category and a linear function of the numbers, plus two hidden layers.

    Takes float32 [b, n_numbers + n_categories], categories as bucket numbers.
    """

    def __init__(self, n_numbers: int, n_categories: int) -> None:
        super().__init__()
        self.n_numbers = n_numbers
        self.wide = nn.Linear(n_numbers, 1)
        # A category's weight and its embedding, side by side; one table for all columns, whose hashes differ.
        self.table = nn.Embedding(N_BUCKETS, 1 + N_EMBEDDED)
        nn.init.normal_(self.table.weight, std=0.01)
        self.deep = nn.Sequential(
            nn.Linear(n_numbers + n_categories * N_EMBEDDED, WIDTH), nn.ReLU(),
            nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1),
        )  # fmt: skip

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        numbers, found = X[:, : self.n_numbers], self.table(X[:, self.n_numbers :].long())
        deep = self.deep(torch.cat([numbers, found[..., 1:].flatten(1)], dim=1))
        return (self.wide(numbers) + deep).squeeze(1) + found[..., 0].sum(dim=1)


def auc(data: Dataset, rows: np.ndarray, seed: int) -> float:
    """Test AUC after training on ``rows``, stopped early by the validation rows."""
    y = np.asarray(data.y)[rows]
    if len(np.unique(y)) < 2:
        return 0.5
    parts = [columns(X) for X in (data.X.iloc[rows], data.X_val, data.X_test)]
    n_numbers = data.X.select_dtypes("number").shape[1]
    centre, scale = parts[0][:, :n_numbers].mean(axis=0), parts[0][:, :n_numbers].std(axis=0)
    for part in parts:
        part[:, :n_numbers] = (part[:, :n_numbers] - centre) / np.maximum(scale, 1e-6)
    with own_generator(seed):
        model = WideAndDeepClicks(n_numbers, parts[0].shape[1] - n_numbers)
        return fitted_auc(model, parts[0], y, parts[1], data.y_val, parts[2], data.y_test)


def columns(X: pd.DataFrame) -> np.ndarray:
    """Numbers on a logarithmic scale (0 where missing), then bucket numbers of the categories; float32."""
    numbers = X.select_dtypes("number").fillna(0.0).to_numpy(np.float64)
    numbers = np.sign(numbers) * np.log1p(np.abs(numbers))
    others = X.select_dtypes(exclude="number")
    hashed = [
        hash_array((f"{name}=" + others[name].astype(str)).to_numpy(object)) % N_BUCKETS for name in others
    ]
    return np.column_stack([numbers, *hashed]).astype(np.float32)
