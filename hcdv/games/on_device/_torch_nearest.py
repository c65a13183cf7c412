"""The k-nearest-neighbour game: the nearest rows so far, from stop to stop."""

from __future__ import annotations

import torch
from torch import Tensor

from hcdv.games.knn import EMPTY, KNNGame
from hcdv.games.on_device._torch_game import DeviceGame


class DeviceNearest(DeviceGame):
    """A :class:`hcdv.games.knn.KNNGame` in torch."""

    def __init__(self, game: KNNGame, device: str) -> None:
        super().__init__(game, device)
        self._codes = self._tensor(game.codes)
        self._k = game.k

    def _walk(self, order: Tensor, stops: Tensor) -> Tensor:
        n_val = self._codes.shape[1]
        nearest = self._codes.new_full((self._k, n_val), EMPTY)
        values = torch.empty(len(stops), dtype=torch.float64, device=self.device)
        rows_at_once = self._at_once(n_val)
        begin = 0
        for j, stop in enumerate(stops.tolist()):
            for a in range(begin, stop, rows_at_once):
                seen = torch.cat([nearest, self._codes[order[a : min(a + rows_at_once, stop)]]])
                nearest = seen.topk(self._k, dim=0, largest=False).values
            begin = stop
            if stop == 0:
                values[j] = self.v_empty
            else:
                # A code is odd where the labels agree, and so is that of nobody.
                agree = ((nearest & 1) * (nearest != EMPTY)).sum(0)
                values[j] = agree.double().mean() / min(self._k, stop)
        return values
