"""Stage I: the network is trained until the votes in its space explain rows it has not seen no better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hcdv._random import derive_seed, generator
from hcdv._validation import check_finite
from hcdv.encoder.contrastive._torch_networks import OnSphere, cuda_devices, drawing
from hcdv.encoder.contrastive._torch_objective import (
    confidences,
    dispersion,
    scored_votes,
    smoothness,
)

if TYPE_CHECKING:
    from hcdv.encoder.contrastive import Contrastive
    from hcdv.encoder.contrastive._torch_files import TrainingCheckpoint

# Rows that vote when the space is judged, rows judged at a time, rows of an epoch, and numbers of the largest
# array while rows are embedded.
VOTING_ROWS = 4096
JUDGED_ROWS = 8192
EPOCH_ROWS = 1 << 16
BLOCK_NUMBERS = 1 << 22
# A convolution holds about so many numbers for each of the image.
CHANNELS_PER_PIXEL = 16


class Split(NamedTuple):
    """Rows [n, ...] to train on with their class codes, and rows to judge by; None: they judge each other."""

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows_judging: NDArray[np.float32] | None
    labels_judging: NDArray[np.int64] | None


class Progressed(NamedTuple):
    """A training between two epochs."""

    network: OnSphere
    best: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    history: list[float]


def train(
    network: OnSphere,
    recipe: Contrastive,
    split: Split,
    n_classes: int,
    *,
    seed: int,
    device: str,
    n_codes: int = 0,
    bounds: tuple[float, ...] | None = None,
    checkpoint: TrainingCheckpoint | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[float]:
    """Train ``network`` in place and leave it at its best epoch, or at the last one without patience.

    Parameters
    ----------
    network : OnSphere
    recipe : Contrastive
    split : Split
    n_classes : int
    seed : int
    device : str
    n_codes : int
        Columns at the end of the rows that are codes.
    bounds : (float, float), optional
        Range of the numbers of the rows, in their units.
    checkpoint : TrainingCheckpoint, optional
    progress : callable, optional
        Told the epochs done.

    Returns
    -------
    list of float
        Mean confidence of the judging rows after each epoch, that before the first one in front.
    """
    network.to(device)
    if not any(p.requires_grad for p in network.parameters()):
        raise ValueError("network must have parameters to train, but none of the module's wants a gradient.")
    X, y = torch.as_tensor(split.rows), torch.as_tensor(split.labels)
    voting = torch.from_numpy(_some(len(X), VOTING_ROWS, generator(seed, "contrastive", "votes")))
    X_voting, y_voting = X[voting].to(device), y[voting].to(device)
    judged = [(X_voting, y_voting)]
    if split.rows_judging is not None and split.labels_judging is not None:
        X_judging, y_judging = torch.as_tensor(split.rows_judging), torch.as_tensor(split.labels_judging)
        judged = list(zip(X_judging.split(JUDGED_ROWS), y_judging.split(JUDGED_ROWS), strict=True))
    optimiser = torch.optim.AdamW(
        [p for p in network.parameters() if p.requires_grad],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    draws = torch.Generator(device=device)
    forward: Callable[[Tensor], Tensor] = torch.compile(network) if recipe.compiled else network
    is_mixed = recipe.precision == "bfloat16" or (
        recipe.precision == "auto" and device != "cpu" and recipe.bears_bfloat16
    )

    def through(rows: Tensor) -> Tensor:
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=is_mixed):
            return forward(rows)

    def judge() -> float:
        network.eval()
        total, count = 0.0, 0
        with torch.no_grad(), drawing(network, derive_seed(seed, "contrastive", "judging"), device):
            sources = _in_blocks(network, X_voting)
            for rows, labels in judged:
                votes = scored_votes(
                    _in_blocks(network, rows.to(device)), labels.to(device), sources, y_voting, n_classes,
                    temperature=recipe.temperature, score="log", are_same=rows is X_voting,
                )  # fmt: skip
                total, count = total + float(votes.sum(dtype=torch.float64)), count + len(votes)
        return total / count

    def objective(x: Tensor, c: Tensor) -> Tensor:
        state = _random_state(device) if network.may_draw else None
        z = through(x)

        def again(moved: Tensor) -> Tensor:
            if state is None:
                return through(moved)
            # Under the same dropout, or its differences would pass for the network's slope.
            with torch.random.fork_rng(devices=cuda_devices(device)):
                _set_random_state(state, device)
                return through(moved)

        gain = confidences(z, c, n_classes, temperature=recipe.temperature, score=recipe.score).mean()
        if recipe.contrast:
            gain = gain + recipe.contrast * dispersion(z, c)
        if recipe.smoothness:
            gain = gain - recipe.smoothness * smoothness(
                again, x, z, c, epsilon=recipe.epsilon, n_partners=recipe.n_partners,
                generator=draws, n_codes=n_codes, bounds=bounds,
            )  # fmt: skip
        return gain

    history = [judge()]
    if not np.isfinite(history[0]):
        raise ValueError("network must give finite numbers for every row, got NaN or infinity before training.")
    best = deepcopy(network.state_dict())
    state = Progressed(network, best, optimiser, history)
    if checkpoint is not None and (kept := checkpoint.load(state)) is not None:
        history, best = kept
    while len(history) <= recipe.max_epochs and not _is_over(history, recipe.patience):
        epoch = len(history)
        draws.manual_seed(derive_seed(seed, "contrastive", "directions", epoch))
        network.train()
        with drawing(network, derive_seed(seed, "contrastive", "network", epoch), device):
            for batch in _batches(split.labels, recipe.batch_size, generator(seed, "contrastive", epoch)):
                optimiser.zero_grad()
                gain = objective(X[batch].to(device), y[batch].to(device))
                if not gain.requires_grad:
                    raise ValueError("network must give answers that its parameters move; these are detached.")
                (-gain).backward()
                optimiser.step()
        history.append(judge())
        if not np.isfinite(history[-1]):
            raise ValueError(
                f"the encoder's training gave {history[-1]} in epoch {epoch}; lower its learning rate, or look "
                "for extreme values in X."
            )
        if recipe.patience is None or _best_epoch(history) == epoch:
            best = deepcopy(network.state_dict())
        if checkpoint is not None:
            is_last = epoch == recipe.max_epochs or _is_over(history, recipe.patience)
            checkpoint.save(Progressed(network, best, optimiser, history), now=is_last)
        if progress is not None:
            progress(epoch)
    network.load_state_dict(best)
    network.eval()
    return history


@contextmanager
def gradients() -> Iterator[None]:
    """Gradients are on inside, whatever the caller has turned off."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def embed(
    network: OnSphere,
    rows: NDArray[np.float32],
    prepared: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    *,
    device: str,
) -> NDArray[np.float32]:
    """Unit vectors of all rows, float32 [n, d]; ``prepared`` makes a block of them what the network sees."""
    step = _rows_at_once(rows)
    with torch.no_grad(), drawing(network, 0, device):
        blocks = [
            network(torch.as_tensor(prepared(rows[a : a + step]), device=device)).cpu().numpy()
            for a in range(0, max(1, len(rows)), step)
        ]
    vectors = np.ascontiguousarray(np.concatenate(blocks), np.float32)
    check_finite(vectors, "the network's answer")
    return vectors


def _in_blocks(network: OnSphere, rows: Tensor) -> Tensor:
    return torch.cat([network(block) for block in rows.split(_rows_at_once(rows))])


def _rows_at_once(rows: NDArray[np.float32] | Tensor) -> int:
    numbers = int(np.prod(rows.shape[1:]))
    return max(1, BLOCK_NUMBERS // max(1, numbers * (1 if rows.ndim == 2 else CHANNELS_PER_PIXEL)))


def _best_epoch(history: list[float]) -> int:
    return int(np.argmax(history))


def _is_over(history: list[float], patience: int | None) -> bool:
    return patience is not None and len(history) - 1 - _best_epoch(history) >= patience


def _batches(
    labels: NDArray[np.int64], size: int, rng: np.random.Generator
) -> Iterator[Tensor]:
    """Mini-batches with every class in proportion: rows of a class are spread evenly over the epoch."""
    place = rng.permutation(len(labels))[:EPOCH_ROWS]
    n = len(place)
    by_class = place[np.argsort(labels[place], kind="stable")]
    counts = np.bincount(labels[place])
    # Row k of the m of a class comes at about (k + u) / m of the epoch, u one draw for the class.
    inside = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    moment = (inside + np.repeat(rng.random(len(counts)), counts)) / np.repeat(counts, counts)
    order = by_class[np.argsort(moment, kind="stable")]
    n_batches = max(1, round(n / size))
    for part in np.array_split(order, n_batches):
        yield torch.from_numpy(part)


def _some(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most ``most`` of n rows, in order."""
    return np.sort(rng.permutation(n)[:most])


def _random_state(device: str) -> Tensor:
    return torch.get_rng_state() if device == "cpu" else torch.cuda.get_rng_state()


def _set_random_state(state: Tensor, device: str) -> None:
    if device == "cpu":
        torch.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state)
