"""The evidence and fit games: one Cholesky factorisation per stop, many at once."""

from __future__ import annotations

import torch
from torch import Tensor

from hcdv.games.evidence import EvidenceGame
from hcdv.games.on_device._torch_game import DeviceGame
from hcdv.games.on_device._torch_statistics import statistics_at_stops


class DeviceEvidence(DeviceGame):
    """A :class:`hcdv.games.EvidenceGame` in torch."""

    def __init__(self, game: EvidenceGame, device: str) -> None:
        super().__init__(game, device)
        self.is_log_likelihood = game.is_log_likelihood
        self._X = self._tensor(game.X)
        self._labels = self._tensor(game.labels)
        self._n_classes, self._n_rows = game.n_classes, game.n_rows
        self._noise, self._leverage = game.noise, game.leverage
        self._scale = self._tensor(1.0 / game.precisions**0.5)

    def _rows(self, points: Tensor) -> Tensor:
        """Rows with their intercept, on weights of prior variance 1."""
        ones = torch.ones((len(points), 1), dtype=torch.float64, device=self.device)
        return torch.cat([self._X[points].double(), ones], 1) * self._scale

    def _walk(self, order: Tensor, stops: Tensor) -> Tensor:
        d = len(self._scale)
        values = torch.empty(len(stops), dtype=torch.float64, device=self.device)
        for at in statistics_at_stops(
            self._rows, self._labels, self._n_classes, order, stops, with_gram=True,
            stops_at_once=self._at_once(d * (d + self._n_classes)),
        ):  # fmt: skip
            assert at.gram is not None
            # Centred one-hot targets: T'X = sums by class less 1/C of all, |T|^2 = n (1 - 1/C).
            cross = at.sums - at.sums.sum(1, keepdim=True) / self._n_classes
            squares = at.counts.sum(1) * (1.0 - 1.0 / self._n_classes)
            factor = torch.linalg.cholesky(at.gram + torch.eye(d, dtype=torch.float64, device=self.device))
            explained = torch.linalg.solve_triangular(factor, cross.mT, upper=False).square().sum((1, 2))
            found = -(squares - explained) / (2 * self._noise)
            if self._leverage:
                found -= self._n_classes * factor.diagonal(dim1=1, dim2=2).log().sum(1)
            values[at.stops] = found
        return values / self._n_rows
