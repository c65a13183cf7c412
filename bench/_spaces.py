"""Spaces that others learn, as scikit-learn transformers: what the contrastive space is measured against."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import Pipeline, make_pipeline

N_DIMS = 32


def pca(n_columns: int) -> PCA:
    """The first 32 principal components."""
    return PCA(min(N_DIMS, n_columns), svd_solver="full")


def nca(n_columns: int) -> Pipeline:
    """Neighbourhood components analysis (Goldberger 2004), after 60 principal components to bear its cost."""
    return make_pipeline(
        PCA(min(60, n_columns), svd_solver="full"),
        NeighborhoodComponentsAnalysis(min(N_DIMS, n_columns), max_iter=30),
    )


class SupCon(BaseEstimator, TransformerMixin):
    """Supervised contrastive learning (Khosla 2020, L_out) with the network and the schedule of ours.

    A tenth of the rows stands aside; training stops after three epochs in which their loss is no smaller.
    """

    def __init__(
        self, n_dims: int = N_DIMS, temperature: float = 0.1, batch_size: int = 256, max_epochs: int = 40,
        patience: int = 3, random_state: int | None = None,
    ) -> None:  # fmt: skip
        self.n_dims = n_dims
        self.temperature = temperature
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.random_state = random_state

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        import torch

        from hcdv.encoder.contrastive._torch_networks import Perceptron

        torch.manual_seed(self.random_state or 0)
        X = np.asarray(X, np.float32)
        self.scale_ = np.float32(np.sqrt((X**2).mean()))
        parts = train_test_split(
            X / self.scale_, y, test_size=0.1, random_state=self.random_state, stratify=y
        )
        rows, aside, labels, labels_aside = (torch.as_tensor(part) for part in parts)
        self.network_ = Perceptron(X.shape[1], 128, self.n_dims)
        optimiser = torch.optim.AdamW(self.network_.parameters(), lr=3e-3, weight_decay=1e-3)
        best, waited = float("inf"), 0
        kept = {name: value.clone() for name, value in self.network_.state_dict().items()}
        for _ in range(self.max_epochs):
            for batch in torch.randperm(len(rows)).split(self.batch_size):
                optimiser.zero_grad()
                self._loss(rows[batch], labels[batch]).backward()
                optimiser.step()
            with torch.no_grad():
                loss = float(self._loss(aside, labels_aside))
            waited += 1
            if loss < best:
                best, waited = loss, 0
                kept = {name: value.clone() for name, value in self.network_.state_dict().items()}
            if waited >= self.patience:
                break
        self.network_.load_state_dict(kept)
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[np.float32]:
        import torch

        with torch.no_grad():
            rows = torch.as_tensor(np.asarray(X, np.float32) / self.scale_)
            return torch.nn.functional.normalize(self.network_(rows), dim=1).numpy()

    def _loss(self, rows: Any, labels: Any) -> Any:
        import torch

        z = torch.nn.functional.normalize(self.network_(rows), dim=1)
        own = torch.eye(len(z), dtype=torch.bool)
        logits = (z @ z.T / self.temperature).masked_fill(own, -torch.inf)
        log_share = (logits - logits.logsumexp(dim=1, keepdim=True)).masked_fill(own, 0.0)
        partners = (labels[:, None] == labels[None, :]) & ~own
        count = partners.sum(dim=1)
        return -((log_share * partners).sum(dim=1) / count.clamp(min=1))[count > 0].mean()
