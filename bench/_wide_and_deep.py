"""The downstream model of the streaming bench: Wide & Deep, as the paper trains it on chosen rows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

WIDTH, BATCH, LEARNING_RATE = 128, 128, 1e-3
MAX_EPOCHS, PATIENCE = 60, 6


@contextmanager
def own_generator(seed: int) -> Iterator[None]:
    """Torch draws from a seed of its own, on one thread: batches this small only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


class WideAndDeep(nn.Module):
    """Logit of a row: a linear function of its columns plus two hidden layers of 128 ReLU units."""

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.wide = nn.Linear(n_columns, 1)
        self.deep = nn.Sequential(
            nn.Linear(n_columns, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return (self.wide(X) + self.deep(X)).squeeze(1)


def auc(
    X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, X_test: np.ndarray,
    y_test: np.ndarray, seed: int,
) -> float:  # fmt: skip
    """Test AUC of the head trained on X, stopped early by the AUC on the validation rows.

    By AUC, not by the likelihood: chosen rows have another share of purchases than the stream, so that
    probabilities are off by a constant, which ranks do not feel.
    """
    if len(np.unique(y)) < 2:
        return 0.5
    centre, scale = X.mean(axis=0), X.std(axis=0)
    scale[scale == 0] = 1.0  # a weekday that no chosen row is of
    parts = [((part - centre) / scale).astype(np.float32) for part in (X, X_val, X_test)]
    with own_generator(seed):
        return fitted_auc(WideAndDeep(X.shape[1]), parts[0], y, parts[1], y_val, parts[2], y_test)


def fitted_auc(
    model: nn.Module, X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, X_test: np.ndarray,
    y_test: np.ndarray,
) -> float:  # fmt: skip
    """Train a network of logits on float32 rows in place; its test AUC.  Draws from torch's generator."""
    rows, rows_val, rows_test = (torch.from_numpy(part) for part in (X, X_val, X_test))
    _train(model, rows, torch.from_numpy(y.astype(np.float32)), rows_val, y_val)
    return float(roc_auc_score(y_test, _scores(model, rows_test)))


def _train(
    model: nn.Module, X: torch.Tensor, y: torch.Tensor, X_val: torch.Tensor, y_val: np.ndarray
) -> None:
    adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    best, kept, since = -1.0, copy.deepcopy(model.state_dict()), 0
    for _ in range(MAX_EPOCHS):
        for batch in torch.randperm(len(X)).split(BATCH):
            adam.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(X[batch]), y[batch]).backward()
            adam.step()
        found = roc_auc_score(y_val, _scores(model, X_val))
        if found > best:
            best, kept, since = found, copy.deepcopy(model.state_dict()), 0
        elif (since := since + 1) == PATIENCE:
            break
    model.load_state_dict(kept)


def _scores(model: nn.Module, X: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(model(X).numpy())
