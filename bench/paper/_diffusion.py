"""A small class-conditional diffusion model of 28 x 28 images, in torch.

A U-Net on 2 x 2 blocks of pixels (14 x 14, then 7 x 7) learns the velocity of Salimans & Ho (2022) along the
cosine path x_t = cos(t pi / 2) x + sin(t pi / 2) noise; images are drawn by DDIM (Song et al. 2021) from the
average of its late weights.  A tenth of the training labels is hidden, so that the network can be guided by
what a label changes (Ho & Salimans 2022).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

BATCH = 128
LEARNING_RATE = 2e-3
HIDDEN_LABELS = 0.1
DECAY = 0.995
N_STEPS = 20
GUIDANCE = 1.5
# Images drawn at a time.
BLOCK = 500
N_WAVES = 8


class Conditioned(nn.Module):
    """Two convolutions whose channels time and label scale and shift, beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, n_known: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(4, n_in), nn.GroupNorm(4, n_out)])
        self.scale_and_shift = nn.Linear(n_known, 2 * n_out)
        self.shortcut = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        scale, shift = self.scale_and_shift(known)[:, :, None, None].chunk(2, 1)
        inner = self.first(functional.silu(self.norms[0](x)))
        inner = self.second(functional.silu(self.norms[1](inner) * (1 + scale) + shift))
        return self.shortcut(x) + inner


class UNet(nn.Module):
    """Velocity of noisy images [b, 1, 28, 28] at times [b]; label ``n_classes`` stands for a hidden one."""

    def __init__(self, n_classes: int, width: int) -> None:
        super().__init__()
        n_known = 2 * width
        self.n_classes = n_classes
        self.time = nn.Linear(2 * N_WAVES, n_known)
        self.label = nn.Embedding(n_classes + 1, n_known)
        self.enter = nn.Conv2d(4, width, 3, padding=1)
        self.fine = Conditioned(width, width, n_known)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList([Conditioned(2 * width, 2 * width, n_known) for _ in range(2)])
        self.up = nn.Conv2d(2 * width, 4 * width, 1)
        self.merged = Conditioned(2 * width, width, n_known)
        self.leave = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        waves = time[:, None] * (math.pi / 2 * 2.0 ** torch.arange(N_WAVES, device=x.device))
        known = functional.silu(self.time(torch.cat([waves.sin(), waves.cos()], 1)) + self.label(labels))
        fine = self.fine(self.enter(functional.pixel_unshuffle(x, 2)), known)
        coarse = self.down(fine)
        for block in self.coarse:
            coarse = block(coarse, known)
        merged = torch.cat([functional.pixel_shuffle(self.up(coarse), 2), fine], 1)
        return functional.pixel_shuffle(self.leave(functional.silu(self.merged(merged, known))), 2)


def train(
    images: np.ndarray, labels: np.ndarray, *, width: int, n_batches: int, seed: int, device: str = "cpu"
) -> UNet:
    """A U-Net trained on bytes [n, 28, 28] and labels 0, 1, ..."""
    X = torch.from_numpy(images).to(device)[:, None].float() / 127.5 - 1
    y = torch.from_numpy(labels.astype(np.int64)).to(device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = UNet(int(y.max()) + 1, width).to(device, memory_format=torch.channels_last)
        late = AveragedModel(net, avg_fn=averaged)
        optimiser = torch.optim.AdamW(net.parameters())
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, n_batches, pct_start=0.1)
        for _ in range(n_batches):
            rows = torch.randint(len(X), (BATCH,), device=device)
            is_hidden = torch.rand(BATCH, device=device) < HIDDEN_LABELS
            optimiser.zero_grad()
            loss(net, X[rows], torch.where(is_hidden, net.n_classes, y[rows])).backward()
            optimiser.step()
            cycle.step()
            late.update_parameters(net)
    trained: UNet = late.module
    return trained


def averaged(late: Tensor, now: Tensor, n_averaged: Tensor | int) -> Tensor:
    """Exponential, over fewer batches while there have been few."""
    return late + max(1 - DECAY, 9 / (10 + float(n_averaged))) * (now - late)


def loss(net: UNet, x: Tensor, labels: Tensor) -> Tensor:
    time = torch.rand(len(x), device=x.device)
    signal, noise = path(time[:, None, None, None])
    drawn = torch.randn_like(x)
    return functional.mse_loss(net(signal * x + noise * drawn, time, labels), signal * drawn - noise * x)


def path(time: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the image and of the noise."""
    return (time * (math.pi / 2)).cos(), (time * (math.pi / 2)).sin()


@torch.inference_mode()
def draw(net: UNet, labels: np.ndarray, *, seed: int) -> np.ndarray:
    """One image a label, bytes [n, 28, 28]."""
    net.eval()
    device = next(net.parameters()).device
    chance = torch.Generator().manual_seed(seed)
    drawn = []
    for block in torch.from_numpy(labels.astype(np.int64)).split(BLOCK):
        x = torch.randn((len(block), 1, 28, 28), generator=chance).to(device)
        x = x.contiguous(memory_format=torch.channels_last)
        drawn.append(denoised(net, x, block.to(device))[:, 0].cpu())
    return ((torch.cat(drawn) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def denoised(net: UNet, x: Tensor, labels: Tensor) -> Tensor:
    """Where DDIM leads from noise; the last step lands on an image."""
    hidden = torch.full_like(labels, net.n_classes)
    times = torch.linspace(1, 0, N_STEPS + 1, device=x.device)
    for now, then in pairwise(times):
        (signal, noise), (signal_then, noise_then) = path(now), path(then)
        velocity, plain = (net(x, now.expand(len(x)), given) for given in (labels, hidden))
        velocity = plain + GUIDANCE * (velocity - plain)
        image = (signal * x - noise * velocity).clamp(-1, 1)
        x = signal_then * image + noise_then * (noise * x + signal * velocity)
    return x
