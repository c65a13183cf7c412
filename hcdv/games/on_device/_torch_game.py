"""What all games in torch share: orders in, values out, and how much to hold at once."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hcdv.game import Game, Indices, Values, coalitions_from_chains, stops_by_chain

# Numbers of the largest array of a batch: on the CPU some 32 MB in float64, so that it stays near the cache;
# on CUDA one for so many free bytes: a batch has a dozen such arrays of 8 bytes, and every thread a batch.
CPU_NUMBERS = 1 << 22
CUDA_BYTES_A_NUMBER, LEAST_CUDA_NUMBERS, MOST_CUDA_NUMBERS = 4000, 1 << 20, 1 << 27


class DeviceGame(ABC):
    """A game whose chains are evaluated on a device; a :class:`hcdv.game.Game`."""

    def __init__(self, game: Game, device: str) -> None:
        self.n_points = game.n_points
        self.v_empty = game.v_empty
        self.device = torch.device(device)

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        values = np.empty(stops.shape)
        for t, order in enumerate(orders):
            if stops.shape[1]:
                found = self._walk(self._tensor(order), self._tensor(stops[t]))
                values[t] = found.cpu().numpy()
        return values

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return coalitions_from_chains(self, order, bounds, masks)

    @abstractmethod
    def _walk(self, order: Tensor, stops: Tensor) -> Tensor:
        """v(order[:stops[j]]) of one chain, float64 [s], s at least 1."""

    def _tensor(self, array: NDArray[np.generic], dtype: torch.dtype | None = None) -> Tensor:
        return torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=self.device)

    def _at_once(self, numbers_each: int) -> int:
        """How many things of so many numbers each a batch may hold."""
        return max(1, numbers_at_once(self.device) // max(1, numbers_each))


def numbers_at_once(device: torch.device) -> int:
    """Numbers that the largest array of a batch may have."""
    if device.type != "cuda":
        return CPU_NUMBERS
    free, _ = torch.cuda.mem_get_info(device)
    # What torch has kept for later use is free to it.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(MOST_CUDA_NUMBERS, max(LEAST_CUDA_NUMBERS, free // CUDA_BYTES_A_NUMBER))
