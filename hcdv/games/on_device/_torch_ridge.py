"""The ridge game: one linear system per stop, many at once."""

from __future__ import annotations

import torch
from torch import Tensor

from hcdv.games.on_device._torch_game import DeviceGame
from hcdv.games.on_device._torch_statistics import statistics_at_stops
from hcdv.games.ridge import RidgeGame


class DeviceRidge(DeviceGame):
    """A :class:`hcdv.games.RidgeGame` in torch."""

    def __init__(self, game: RidgeGame, device: str) -> None:
        super().__init__(game, device)
        self._X = self._tensor(game.X)
        self._labels, self._labels_val = self._tensor(game.labels), self._tensor(game.labels_val)
        self._columns_val = self._tensor(game.columns_val)
        self._n_classes, self._alpha = game.n_classes, game.alpha

    def _rows(self, points: Tensor) -> Tensor:
        return self._X[points].double()

    def _walk(self, order: Tensor, stops: Tensor) -> Tensor:
        d, n_val = self._columns_val.shape
        values = torch.full((len(stops),), self.v_empty, dtype=torch.float64, device=self.device)
        penalty = self._alpha * torch.eye(d, dtype=torch.float64, device=self.device)
        for at in statistics_at_stops(
            self._rows, self._labels, self._n_classes, order, stops, with_gram=True,
            stops_at_once=self._at_once(d * d + self._n_classes * max(d, n_val)),
        ):  # fmt: skip
            assert at.gram is not None
            n = at.counts.sum(1).clamp(min=1.0)
            mean = at.sums.sum(1) / n[:, None]
            centred = at.gram - n[:, None, None] * mean[:, :, None] * mean[:, None, :] + penalty
            crossed = at.sums - at.counts[:, :, None] * mean[:, None, :]
            coefficients = torch.linalg.solve(centred, crossed.mT).mT
            offsets = at.counts / n[:, None] - (coefficients @ mean[:, :, None])[:, :, 0]
            scores = coefficients @ self._columns_val + offsets[:, :, None]
            scores.masked_fill_((at.counts == 0)[:, :, None], -torch.inf)
            accuracy = (scores.argmax(1) == self._labels_val).double().mean(1)
            values[at.stops] = torch.where(at.counts.sum(1) > 0, accuracy, self.v_empty)
        return values
