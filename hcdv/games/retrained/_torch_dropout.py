"""Dropout whose masks depend on the copy and the step alone, so that copies can be trained in any batch.

torch draws dropout from one generator for the whole process: a copy's masks would depend on what is trained
beside it and on which thread came first.  Here a mask is a hash of the copy's key and of the place in the
tensor, the same on every device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

KEY = "hcdv_dropout_key"
_MASK = 0xFFFFFFFF
# Odd constants below 2**31, so that a product with 32 bits fits int64.
_STRIDE, _SALT = 0x1E3779B1, 0x45EBCA6B
_WHOLE_CHANNELS = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class KeyedDropout(nn.Module):
    """Dropout with masks keyed by a buffer, which the training loop sets before every step.

    Parameters
    ----------
    p : float
        Share of the elements (or channels) set to zero; the others are divided by 1 - p.
    place : int
        Tells this layer from the module's other dropout layers.
    whole_channels : bool
        Drop ``x[b, c]`` as a whole.
    """

    def __init__(self, p: float, place: int, whole_channels: bool) -> None:
        super().__init__()
        self.p, self.place, self.whole_channels = p, place, whole_channels
        # A layer may be called several times in one forward pass; each call has masks of its own.
        self.calls = 0
        self.register_buffer(KEY, torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        shape = (*x.shape[:2], *(1 for _ in x.shape[2:])) if self.whole_channels else x.shape
        key = _mixed(getattr(self, KEY) + _SALT * (1 + self.place) + _STRIDE * self.calls)
        self.calls += 1
        # The padding of a mini-batch stands behind its rows, so it moves no row's mask.
        index = torch.arange(math.prod(shape), device=x.device)
        kept = _mixed(index * _STRIDE + key).view(shape) >= round(self.p * (_MASK + 1))
        # p = 1 keeps nothing, and must not divide by nothing.
        return x * kept / ((1.0 - self.p) or 1.0)

    def extra_repr(self) -> str:
        return f"p={self.p}, place={self.place}, whole_channels={self.whole_channels}"


def key_dropout(module: nn.Module) -> None:
    """Put `KeyedDropout` in the place of every dropout layer."""
    twins: dict[int, KeyedDropout] = {}
    for parent in list(module.modules()):
        # Not `named_children`, which passes over a layer's second name.
        for name, layer in parent._modules.items():
            # Alpha dropout shifts what it drops: it keeps torch's own generator.
            if type(layer) not in (nn.Dropout, *_WHOLE_CHANNELS):
                continue
            assert isinstance(layer, nn.modules.dropout._DropoutNd)
            if id(layer) not in twins:
                twins[id(layer)] = KeyedDropout(layer.p, len(twins), type(layer) is not nn.Dropout)
            parent._modules[name] = twins[id(layer)]


def key_names(buffers: Iterable[str]) -> list[str]:
    """Those of the names of buffers that hold keys."""
    return [name for name in buffers if name.rpartition(".")[2] == KEY]


def restart_calls(module: nn.Module) -> None:
    """A new forward pass begins."""
    for layer in module.modules():
        if isinstance(layer, KeyedDropout):
            layer.calls = 0


def step_keys(copy_keys: Tensor, steps: Tensor) -> Tensor:
    """Keys of the copies' next step, int64 [B], from their own and the steps that they have taken."""
    return _mixed(copy_keys + _STRIDE * (1 + steps))


def _mixed(x: Tensor) -> Tensor:
    """A 32-bit integer hash (Wellons' hash prospector, 16-15-15) in int64."""
    x = x & _MASK
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & _MASK
    x = ((x ^ (x >> 15)) * 0x735A2D97) & _MASK
    return x ^ (x >> 15)
