"""The games in torch beside the compiled kernels, and two large runs: on CUDA, or smaller ones on the CPU.

    python -m bench.cuda --scale full --device cuda --json bench/results/cuda.json
    python -m bench.cuda --scale full --device cpu  --json bench/results/cuda_on_cpu.json

games    one chain of every game, asked at every row and at the ends of 64 blocks: seconds of the kernel and of
         torch, and how far their values are apart.
convnet  Fashion-MNIST, 60,000 rows (6,000 on the CPU): a ConvNet trained anew for every coalition values the
         nodes of the first level, `kernel` the rows inside; seconds, and the AUC of finding 15% flipped labels.
nodes    45 million generated rows (4.5 million): tree, neighbours, then chains of `kernel` at the nodes of the
         first two levels; seconds of every stage and peak memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from bench._measure import arguments, best_of, peak_mb, run
from hcdv import HCDV
from hcdv._kernels.permute import sample_chain
from hcdv.affinity import kernel_affinity, tree_levels
from hcdv.datasets import flip_labels, load_fashion_mnist
from hcdv.engine import Threads, single_threaded_blas
from hcdv.game import Game
from hcdv.games import DispersionGame, Electorate, EvidenceGame, Module, MultiFidelity, RidgeGame, VoteGame
from hcdv.games.knn import KNNGame
from hcdv.games.local import KERNEL_PRIOR, NEIGHBOURS_IF_LARGE
from hcdv.games.on_device import device_game
from hcdv.hierarchy import Hierarchy

CASES = ("games", "convnet", "nodes")
# Rows by case, scale and device.
ROWS = {
    "games": {"fast": {"cpu": 500, "cuda": 500}, "full": {"cpu": 20_000, "cuda": 60_000}},
    "convnet": {"fast": {"cpu": 200, "cuda": 200}, "full": {"cpu": 6_000, "cuda": 60_000}},
    "nodes": {"fast": {"cpu": 5_000, "cuda": 5_000}, "full": {"cpu": 4_500_000, "cuda": 45_000_000}},
}
N_COLUMNS, N_CLASSES, N_VAL = 16, 4, 500
NODE_LEVEL, NODE_CHAINS = 2, 16
BLOCK = 1 << 19


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    measure = {"games": every_game, "convnet": convnet, "nodes": node_level}
    rows = []
    for case in options.cases:
        n = options.rows or ROWS[case][options.scale][options.device]
        for row in measure[case](n, options.device):
            rows.append({"case": case, "device": device_name(options.device), "rows": n, **row})
            print("  ".join(f"{key} {_short(value)}" for key, value in rows[-1].items()), flush=True)
    return rows


def every_game(n: int, device: str) -> list[dict[str, Any]]:
    """One chain of every game, by the kernel and by torch."""
    X, labels = generated(n + N_VAL)
    X, X_val, labels, labels_val = X[:n], X[n:], labels[:n], labels[n:]
    distance = ((X[:, None, :4] - X_val[None, :50, :4]) ** 2).sum(2)
    codes = 2 * distance.argsort(0).argsort(0) + (labels[:, None] == labels_val[:50])
    affinity = kernel_affinity(X, threads=Threads(1))
    games: dict[str, Game] = {
        "vote": VoteGame(
            Electorate.of(affinity, labels, N_CLASSES, prior_share=KERNEL_PRIOR), N_CLASSES
        ),
        "evidence": EvidenceGame(X, labels, N_CLASSES),
        "ridge": RidgeGame(X, labels, X_val, labels_val, N_CLASSES),
        "dispersion": DispersionGame(X, labels, N_CLASSES),
        "knn": KNNGame(codes.astype(np.int32), N_CLASSES),
    }
    order = np.random.default_rng(1).permutation(n)[None]
    rows = []
    for name, game in games.items():
        for asked, stops in (("every row", np.arange(n + 1)), ("64 blocks", np.linspace(0, n, 65).astype(int))):
            row: dict[str, Any] = {"game": name, "asked": asked}
            row["kernel_seconds"], here = best_of(partial(game.chains, order, stops), 2)
            for dtype in ("float64", "float32") if name in ("vote", "dispersion") else ("float64",):
                there = device_game(game, device, dtype=dtype)
                seconds, values = best_of(partial(there.chains, order, stops), 2)
                row[f"{dtype}_seconds"] = seconds
                row[f"{dtype}_difference"] = float(np.abs(values - here).max())
            rows.append(row)
    return rows


def convnet(n: int, device: str) -> list[dict[str, Any]]:
    """A ConvNet above, votes below."""
    data = load_fashion_mnist(n=n, n_val=500, random_state=0)
    y, is_flipped = flip_labels(data.y, 0.15, random_state=0)
    utility = MultiFidelity(
        Module(make_net, batch_size=128, learning_rate=3e-3), "kernel", resolution=1
    )
    seconds, model = best_of(
        lambda: HCDV(utility=utility, n_permutations=8, device=device, random_state=0).fit(
            data.X, y, data.X_val, data.y_val
        ),
        1,
    )
    result = model.result_
    return [
        {
            "seconds": seconds,
            "fits": result.n_evaluations,
            "auc": float(roc_auc_score(is_flipped, -result.values)),
            "accuracy_of_all": result.v_full,
            "peak_mb": peak_mb(),
        }
    ]


def make_net() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 7 * 7, 10),
    )  # fmt: skip


def node_level(n: int, device: str) -> list[dict[str, Any]]:
    """Chains of the kernel game at the ends of the nodes of the first levels."""
    seconds: dict[str, float] = {}
    threads = Threads(None)

    def timed(stage: str, function: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        answer = function()
        seconds[stage] = time.perf_counter() - begin
        return answer

    with single_threaded_blas():
        X, labels = timed("generating", lambda: generated(n))
        tree = timed("tree", lambda: Hierarchy.build(X, random_state=0))
        X, labels, h = X[tree.order], labels[tree.order], tree.sorted()
        levels = tree_levels(h.start, h.stop, h.first_child, h.n_children)
        affinity = timed(
            "neighbours",
            lambda: kernel_affinity(X, n_neighbors=NEIGHBOURS_IF_LARGE, blocks=levels, threads=threads),
        )
        voters = Electorate.of(affinity, labels, N_CLASSES, prior_share=KERNEL_PRIOR)
        game = timed("to the device", lambda: device_game(VoteGame(voters, N_CLASSES), device, dtype="float32"))
        nodes = np.arange(h.level_start[min(NODE_LEVEL, h.depth) + 1])
        values = timed("chains", lambda: node_values(game, h, nodes, NODE_CHAINS))
    total = float(values[0])
    at_level = nodes[h.level_start[min(NODE_LEVEL, h.depth)] :]
    return [
        {
            **{f"{stage}_seconds": taken for stage, taken in seconds.items()},
            "seconds": sum(seconds.values()),
            "nodes": len(at_level),
            "chains": NODE_CHAINS,
            "recall": affinity.recall,
            "value_of_all": total,
            "efficiency_gap": abs(float(values[at_level].sum()) - total),
            "peak_mb": peak_mb(),
        }
    ]


def node_values(game: Game, h: Hierarchy, nodes: np.ndarray, n_chains: int) -> np.ndarray:
    """Mean marginal contribution of the upper nodes over chains."""
    chain, begin = np.empty(h.n_points, np.int64), np.empty(h.n_nodes, np.int64)
    scratch = np.empty((h.largest_block, 2), np.uint64)
    total = np.zeros(len(nodes))
    for t in range(n_chains):
        sample_chain(
            h.order, h.start, h.stop, h.first_child, h.n_children, h.point_key, h.node_key, 0, t, chain,
            begin, scratch,
        )  # fmt: skip
        ends = np.stack([begin[nodes], begin[nodes] + h.sizes[nodes]])
        stops, place = np.unique(ends, return_inverse=True)
        prefix = game.chains(chain[None], stops)[0][place.reshape(2, -1)]
        total += prefix[1] - prefix[0]
    return total / n_chains


def generated(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of several classes, a tenth of the labels at random; float32 [n, 16], int64 [n]."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.standard_normal((64, N_COLUMNS), dtype=np.float32)
    label_of = rng.integers(0, N_CLASSES, 64)
    X, labels = np.empty((n, N_COLUMNS), np.float32), np.empty(n, np.int64)
    for a in range(0, n, BLOCK):
        cluster = rng.integers(0, 64, min(BLOCK, n - a))
        X[a : a + BLOCK] = centres[cluster]
        X[a : a + BLOCK] += rng.standard_normal((len(cluster), N_COLUMNS), dtype=np.float32)
        noisy = rng.random(len(cluster)) < 0.1
        labels[a : a + BLOCK] = np.where(noisy, rng.integers(0, N_CLASSES, len(cluster)), label_of[cluster])
    return X, labels


def device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--rows", type=int, help="instead of the size that goes with scale and device")
    run(main, parser.parse_args())
