"""Stacked copies of a module in training: their mini-batches, their losses, Adam, and early stopping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from hcdv.games.retrained._torch_dropout import key_names, step_keys
from hcdv.games.retrained._torch_prototype import State

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Copies:
    """Weights of B copies and Adam's moments, each copy with a count of steps of its own.

    Parameters
    ----------
    weights, buffers : dict of tensors [B, ...]
        Changed in place.
    keys : sequence of int
        Of the copies' dropout masks, below 2**31.
    learning_rate, weight_decay : float
        The decay is decoupled.
    """

    def __init__(
        self,
        weights: State,
        buffers: State,
        keys: Sequence[int],
        *,
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        self.weights, self.buffers = weights, buffers
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        device = next(iter(weights.values())).device
        self._mean = {k: torch.zeros_like(w) for k, w in weights.items()}
        self._square = {k: torch.zeros_like(w) for k, w in weights.items()}
        self._steps = torch.zeros(len(keys), dtype=torch.int64, device=device)
        self._keys = torch.tensor(keys, dtype=torch.int64, device=device)
        self._key_names = key_names(buffers)

    @property
    def n_copies(self) -> int:
        return len(self._keys)

    def first(self, n: int) -> tuple[State, State]:
        """Weights, ready for gradients, and buffers of the first n copies, keyed for their next step."""
        buffers = {k: b[:n] for k, b in self.buffers.items()}
        for k in self._key_names:
            buffers[k].copy_(step_keys(self._keys[:n], self._steps[:n]))
        return {k: w[:n].detach().requires_grad_() for k, w in self.weights.items()}, buffers

    def update(self, gradients: Sequence[Tensor]) -> None:
        """One step of Adam for the first copies, as many as ``gradients`` [n, ...] are for."""
        n = len(gradients[0])
        self._steps[:n] += 1
        steps = self._steps[:n].double()
        with torch.no_grad():
            for (k, weight), gradient in zip(self.weights.items(), gradients, strict=True):
                w, mean, square = weight[:n], self._mean[k][:n], self._square[k][:n]
                each = (n, *(1 for _ in w.shape[1:]))
                unbiased = ((1 - BETA1**steps) / self.learning_rate).to(w.dtype).view(each)
                root = (1 - BETA2**steps).sqrt().to(w.dtype).view(each)
                if self.weight_decay:
                    w.mul_(1 - self.learning_rate * self.weight_decay)
                mean.lerp_(gradient, 1 - BETA1)
                square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
                w.sub_(mean / (square.sqrt().div_(root).add_(EPSILON).mul_(unbiased)))

    def keep(self, which: NDArray[np.int64]) -> None:
        """Leave all other copies behind."""
        index = torch.from_numpy(which).to(self._keys.device)
        for state in (self.weights, self.buffers, self._mean, self._square):
            for k, tensor in state.items():
                state[k] = tensor[index]
        self._steps, self._keys = self._steps[index], self._keys[index]


class EarlyStopping:
    """The best weights of every copy so far, and who has not improved for too long.

    A copy whose losses are NaN has no held-out rows: it runs to the end and keeps its last weights.

    Parameters
    ----------
    copies : Copies
        All of them, before the first epoch.
    patience : int
        Epochs without a smaller loss after which a copy stops.

    Attributes
    ----------
    best : (weights, buffers)
        Of all copies.
    """

    def __init__(self, copies: Copies, patience: int) -> None:
        self.patience = patience
        self.best = _cloned(copies.weights), _cloned(copies.buffers)
        n = copies.n_copies
        self._running = np.arange(n)
        self._least = np.full(n, np.inf)
        self._waited = np.zeros(n, np.int64)

    def going_on(self, copies: Copies, losses: NDArray[np.floating]) -> NDArray[np.int64]:
        """After an epoch: note the best, let go of copies that have waited too long, and say who is left.

        Parameters
        ----------
        copies : Copies
            Those that ran; only those that go on are kept.
        losses : float [B]
            On the held-out rows.

        Returns
        -------
        int64 : places, among those that ran, of those that go on.
        """
        better = np.isnan(losses) | (losses < self._least[self._running])
        places = self._running[better]
        to, of = torch.from_numpy(places), torch.from_numpy(np.flatnonzero(better))
        for best, state in zip(self.best, (copies.weights, copies.buffers), strict=True):
            for k, tensor in state.items():
                best[k][to.to(tensor.device)] = tensor[of.to(tensor.device)]
        self._least[places] = losses[better]
        self._waited[self._running] += 1
        self._waited[places] = 0
        left = np.flatnonzero(self._waited[self._running] < self.patience)
        if len(left) < len(self._running):
            copies.keep(left)
            self._running = self._running[left]
        return left


def _cloned(state: State) -> State:
    return {k: tensor.clone() for k, tensor in state.items()}


def mean_losses(logits: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """Mean cross-entropy [B] of the first ``counts`` rows of every copy; the others are padding.

    Parameters
    ----------
    logits : [B, b, C]
    labels : int64 [B, b]
    counts : int64 [B]
    """
    losses = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
    inside = torch.arange(labels.shape[1], device=labels.device) < counts[:, None]
    return torch.where(inside, losses, 0.0).sum(dim=1) / counts


def epoch_plan(
    orders: Sequence[NDArray[np.int64]], batch_size: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Mini-batches of several copies, each copy's rows cut evenly into as few as ``batch_size`` allows.

    Even parts leave no mini-batch of a single row behind, and little to pad.

    Parameters
    ----------
    orders : sequence of int64 arrays
        Rows of each copy in the order of this epoch.
    batch_size : int
    width : int
        Rows to pad to, as many as the largest mini-batch or more.

    Returns
    -------
    rows : int64 [B, steps, width]
        Beyond its count a mini-batch is padded with rows of the same copy (row 0 for a copy without any).
    counts : int64 [B, steps]
        0 where a copy has no mini-batch left.
    """
    sizes = np.array([len(order) for order in orders])
    n_parts = -(-sizes // batch_size)
    steps = int(n_parts.max())
    rows = np.zeros((len(orders), steps, width), np.int64)
    counts = np.zeros((len(orders), steps), np.int64)
    for c, (order, parts) in enumerate(zip(orders, n_parts, strict=True)):
        if not parts:
            continue
        bounds = np.arange(parts + 1) * len(order) // parts
        counts[c, :parts] = np.diff(bounds)
        places = np.minimum(bounds[:-1, None] + np.arange(width), len(order) - 1)
        rows[c, :parts] = order[places]
    return rows, counts
