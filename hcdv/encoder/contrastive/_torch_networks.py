"""Networks from standardised columns to unit vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu


class Perceptron(nn.Module):
    """One hidden layer beside a linear map, of which it starts as a correction of nothing.

    Parameters
    ----------
    n_columns, n_hidden, n_dims : int
    """

    def __init__(self, n_columns: int, n_hidden: int, n_dims: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_columns, n_dims)
        self.hidden = nn.Linear(n_columns, n_hidden)
        self.correction = nn.Linear(n_hidden, n_dims)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, rows: Tensor) -> Tensor:
        answer: Tensor = self.linear(rows) + self.correction(relu(self.hidden(rows)))
        return answer


class OnSphere(nn.Module):
    """Any network, its answers flattened and brought to length 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor) -> Tensor:
        return normalize(self.network(rows).flatten(1), dim=1)


def initial(make: Callable[[], nn.Module], seed: int) -> OnSphere:
    """The network as ``make`` gives it, with initial weights decided by the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return OnSphere(make())
