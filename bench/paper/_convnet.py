"""The ConvNet of the paper's image experiments, small enough for two cores.

Three convolutions, of which two halve the image; batches of 256, AdamW, and one cycle of the learning rate over
six epochs, which is as far as 18,000 images of Fashion-MNIST need to come to .89.  What is tested are the
weights of the epoch that did best on the validation rows (early stopping).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

EPOCHS = 6
BATCH = 256
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-2
# Images at a time where no gradient is asked for.
BLOCK = 1024


def accuracy(
    X: np.ndarray,
    y: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
    seed: int,
    device: str = "cpu",
    epochs: int = EPOCHS,
) -> float:
    """Test accuracy of the network trained on images [n, 28, 28] in any one unit; labels are 0, 1, ..."""
    predict = trained(X, y, X_val, y_val, seed, device, epochs)
    return float((predict(X_test) == y_test).mean())


def trained(
    X: np.ndarray,
    y: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    seed: int,
    device: str = "cpu",
    epochs: int = EPOCHS,
) -> Callable[[np.ndarray], np.ndarray]:
    """What maps images in the same unit to labels, once trained."""
    mean, deviation = float(X.mean()), float(X.std())

    def images(X: np.ndarray) -> Tensor:
        pixels = torch.from_numpy((X.astype(np.float32) - mean) / (deviation or 1.0))[:, None]
        return pixels.to(device).contiguous(memory_format=torch.channels_last)

    def labels(y: np.ndarray) -> Tensor:
        return torch.from_numpy(y.astype(np.int64)).to(device)

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = network(1 + int(max(y.max(), y_val.max()))).to(device, memory_format=torch.channels_last)
        best = best_of(net, images(X), labels(y), images(X_val), labels(y_val), epochs)
    return lambda X: predicted(best, images(X)).cpu().numpy()


def network(n_classes: int) -> nn.Module:
    def block(n_in: int, n_out: int, size: int, stride: int) -> nn.Module:
        convolution = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))

    return nn.Sequential(
        block(1, 32, 5, 2),
        block(32, 64, 3, 2),
        block(64, 64, 3, 1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(64 * 7 * 7, n_classes),
    )


def best_of(net: nn.Module, X: Tensor, y: Tensor, X_val: Tensor, y_val: Tensor, epochs: int) -> nn.Module:
    """The network as it was after its best epoch."""
    n_batches = max(1, round(len(X) / BATCH))
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, epochs * n_batches, pct_start=0.25)
    best, kept = -1, net
    for _ in range(epochs):
        net.train()
        # chunk: no batch is left with a few rows only.
        for rows in torch.randperm(len(X)).to(X.device).chunk(n_batches):
            optimiser.zero_grad()
            functional.cross_entropy(net(X[rows]), y[rows]).backward()
            optimiser.step()
            cycle.step()
        reached = int((predicted(net, X_val) == y_val).sum())
        # >=: of equal epochs the later one, at a lower learning rate.
        if reached >= best:
            best, kept = reached, copy.deepcopy(net)
    return kept


@torch.inference_mode()
def predicted(net: nn.Module, X: Tensor) -> Tensor:
    net.eval()
    return torch.cat([net(block).argmax(1) for block in X.split(BLOCK)])
