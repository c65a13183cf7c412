"""The k-nearest-neighbour game: the nearest rows so far, from stop to stop or from row to row."""

from __future__ import annotations

from math import isqrt

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
        order = order[: int(stops[-1])]
        width = max(self._k, isqrt(len(order)))
        agree = self._by_stop(order, stops) if len(stops) <= width else self._by_row(order, stops, width)
        reached = stops.clamp(min=1, max=self._k)
        shares = agree.double() / (reached * self._codes.shape[1])
        return torch.where(stops > 0, shares, self.v_empty)

    def _by_stop(self, order: Tensor, stops: Tensor) -> Tensor:
        """Agreeing rows among the nearest of all validation rows, at each stop; stop by stop."""
        n_val = self._codes.shape[1]
        nearest = self._codes.new_full((self._k, n_val), EMPTY)
        agree = torch.empty_like(stops)
        rows_at_once = self._at_once(n_val)
        begin = 0
        for j, stop in enumerate(stops.tolist()):
            for a in range(begin, stop, rows_at_once):
                seen = torch.cat([nearest, self._codes[order[a : min(a + rows_at_once, stop)]]])
                nearest = seen.topk(self._k, dim=0, largest=False).values
            begin = stop
            agree[j] = _agreeing(nearest).sum()
        return agree

    def _by_row(self, order: Tensor, stops: Tensor, width: int) -> Tensor:
        """The same, by what every row changes; in pieces of ``width`` rows walked side by side.

        A piece starts from the nearest of all rows before it, which come from the nearest of each piece by a
        scan.  With pieces of sqrt(n) rows that takes O(k sqrt(n)) steps, whatever the order.
        """
        n_pieces = -(-len(order) // width)
        changes = torch.zeros((n_pieces, width), dtype=torch.int64, device=self.device)
        columns_at_once = self._at_once(n_pieces * width)
        for first in range(0, self._codes.shape[1], columns_at_once):
            columns = slice(first, first + columns_at_once)
            seen = self._codes[:, columns][order]
            missing = n_pieces * width - len(order)
            seen = torch.cat([seen, seen.new_full((missing, seen.shape[1]), EMPTY)])
            seen = seen.view(n_pieces, width, seen.shape[1])
            nearest = _before(seen.topk(self._k, dim=1, largest=False).values)
            for i in range(width):
                changes[:, i] += _pushed(nearest, seen[:, i])
        total = torch.cat([changes.new_zeros(1), changes.view(-1).cumsum(0)])
        return total[stops]


def _agreeing(codes: Tensor) -> Tensor:
    """1 where the labels agree: a code is odd there, and so is that of nobody."""
    return (codes & 1) * (codes != EMPTY)


def _before(nearest: Tensor) -> Tensor:
    """The k nearest of all pieces before each, ascending, from those of each piece: [p, k, m]."""
    found = torch.cat([torch.full_like(nearest[:1], EMPTY), nearest[:-1]])
    step = 1
    while step < len(found):
        # Of two ascending lists, the less of first and last, second and last but one, ... are the k least.
        least = torch.minimum(found[step:], found[:-step].flip(1))
        found = torch.cat([found[:step], least.sort(dim=1).values])
        step *= 2
    return found


def _pushed(nearest: Tensor, codes: Tensor) -> Tensor:
    """Put codes [p, m] into their ascending lists [p, k, m] (in place); the change of agreement, int64 [p]."""
    pushed_out = codes
    for place in nearest.unbind(1):
        kept = torch.minimum(place, pushed_out)
        pushed_out = torch.maximum(place, pushed_out)
        place.copy_(kept)
    return (_agreeing(codes) - _agreeing(pushed_out)).sum(1)
