"""Stage I: the network is trained until the votes in its space explain rows it has not seen no better."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hcdv._random import derive_seed, generator
from hcdv.encoder.contrastive._torch_networks import OnSphere
from hcdv.encoder.contrastive._torch_objective import (
    confidences,
    dispersion,
    scored_votes,
    smoothness,
)

if TYPE_CHECKING:
    from hcdv.encoder.contrastive import Contrastive

# Rows that vote when the space is judged, and numbers of the largest array while rows are embedded.
JUDGING_ROWS = 4096
BLOCK_NUMBERS = 1 << 22


class Split(NamedTuple):
    """Rows [n, ...] to train on and their class codes, and the rows to judge by."""

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows_judging: NDArray[np.float32]
    labels_judging: NDArray[np.int64]


def train(
    network: OnSphere, recipe: Contrastive, split: Split, n_classes: int, *, seed: int, device: str
) -> list[float]:
    """Train ``network`` in place and leave it at its best epoch.

    Parameters
    ----------
    network : OnSphere
    recipe : Contrastive
    split : Split
    n_classes : int
    seed : int
    device : str

    Returns
    -------
    list of float
        Mean confidence of the judging rows after each epoch, that before the first one in front.
    """
    network.to(device)
    X, y, X_judging, y_judging = (torch.as_tensor(part, device=device) for part in split)
    voting = _spread(len(X), JUDGING_ROWS)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    draws = torch.Generator(device=device).manual_seed(derive_seed(seed, "contrastive", "directions"))

    def judge() -> float:
        network.eval()
        with torch.no_grad():
            votes = scored_votes(
                network(X_judging), y_judging, network(X[voting]), y[voting], n_classes,
                temperature=recipe.temperature, score="log",
            )  # fmt: skip
        network.train()
        return float(votes.mean())

    history = [judge()]
    best, best_epoch = deepcopy(network.state_dict()), 0
    for epoch in range(1, recipe.max_epochs + 1):
        for batch in _batches(split.labels, recipe.batch_size, generator(seed, "contrastive", epoch)):
            x, c = X[batch], y[batch]
            z = network(x)
            gain = confidences(
                z, c, n_classes, temperature=recipe.temperature, score=recipe.score
            ).mean()
            if recipe.contrast:
                gain = gain + recipe.contrast * dispersion(z, c)
            if recipe.smoothness:
                gain = gain - recipe.smoothness * smoothness(
                    network, x, z, c, epsilon=recipe.epsilon, n_partners=recipe.n_partners,
                    generator=draws, bounds=recipe.bounds,
                )  # fmt: skip
            optimiser.zero_grad()
            (-gain).backward()
            optimiser.step()
        history.append(judge())
        if not np.isfinite(history[-1]):
            raise ValueError(
                f"the encoder's training gave {history[-1]} in epoch {epoch}; lower its learning rate, or look "
                "for extreme values in X."
            )
        if history[-1] > history[best_epoch]:
            best, best_epoch = deepcopy(network.state_dict()), epoch
        elif epoch - best_epoch >= recipe.patience:
            break
    network.load_state_dict(best)
    network.eval()
    return history


def embed(network: OnSphere, rows: NDArray[np.float32], *, device: str) -> NDArray[np.float32]:
    """Unit vectors of all rows, float32 [n, d], block by block."""
    step = max(1, BLOCK_NUMBERS // max(1, rows[:1].size))
    with torch.no_grad():
        blocks = [
            network(torch.as_tensor(rows[a : a + step], device=device)).cpu().numpy()
            for a in range(0, len(rows), step)
        ]
    return np.ascontiguousarray(np.concatenate(blocks), np.float32)


def _batches(
    labels: NDArray[np.int64], size: int, rng: np.random.Generator
) -> Iterator[Tensor]:
    """Mini-batches with every class in proportion: rows of a class are spread evenly over the epoch."""
    n = len(labels)
    place = rng.permutation(n)
    by_class = place[np.argsort(labels[place], kind="stable")]
    counts = np.bincount(labels)
    # Row k of the m of a class comes at about (k + u) / m of the epoch, u one draw for the class.
    inside = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    moment = (inside + np.repeat(rng.random(len(counts)), counts)) / np.repeat(counts, counts)
    order = by_class[np.argsort(moment, kind="stable")]
    n_batches = max(1, round(n / size))
    for part in np.array_split(order, n_batches):
        yield torch.from_numpy(part)


def _spread(n: int, most: int) -> slice:
    """At most ``most`` of n rows, evenly spread."""
    return slice(None, None, -(-n // most))
