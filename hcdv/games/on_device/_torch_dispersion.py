"""The contrast game: sums of unit rows by class at the stops."""

from __future__ import annotations

import torch
from torch import Tensor

from hcdv.games.dispersion import DispersionGame
from hcdv.games.on_device._torch_game import DeviceGame
from hcdv.games.on_device._torch_statistics import statistics_at_stops


class DeviceDispersion(DeviceGame):
    """A :class:`hcdv.games.DispersionGame` in torch."""

    def __init__(self, game: DispersionGame, device: str, dtype: str) -> None:
        super().__init__(game, device)
        self._directions = self._tensor(game.X * game.scale[:, None], getattr(torch, dtype))
        self._labels = self._tensor(game.labels)
        self._n_classes = game.n_classes
        self._dispersion, self._kappa, self._centre = game.dispersion, game.kappa, game.centre

    def _rows(self, points: Tensor) -> Tensor:
        return self._directions[points].double()

    def _walk(self, order: Tensor, stops: Tensor) -> Tensor:
        d = self._directions.shape[1]
        values = torch.empty(len(stops), dtype=torch.float64, device=self.device)
        for at in statistics_at_stops(
            self._rows, self._labels, self._n_classes, order, stops, with_gram=False,
            stops_at_once=self._at_once(max(1, d) * self._n_classes),
        ):  # fmt: skip
            pairs = (at.counts.sum(1).square() - at.counts.square().sum(1)) / 2
            along = at.sums.sum(1).square().sum(1) - at.sums.square().sum((1, 2))
            distance = pairs - along / 2
            if self._dispersion == "normalised":
                distance = distance / pairs.clamp(min=1.0)
            elif self._dispersion == "centred":
                weight = pairs + self._kappa
                centred = distance - pairs * self._centre
                distance = torch.where(weight > 0, centred / weight, 0.0)
            values[at.stops] = distance
        return values
