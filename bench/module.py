"""Copies of a torch module trained at once and one by one: copies a second on one core, and the ratio.

    OMP_NUM_THREADS=1 python -m bench.module --json bench/results/module.json

Processor seconds of 64 coalitions of 1,000 rows (16 with --scale fast), five epochs, mini-batches of 128 and of
16, scored on 500 validation rows.  "Plain" is the loop that one would write by hand with torch.optim, on a few
of them.  The probabilities of both ways are compared as well: in float32 a long training makes much of little,
and one rounding of the initial weights moves them as far.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from bench._measure import arguments, run
from hcdv.engine import single_threaded_blas
from hcdv.games.metrics import make_metric
from hcdv.games.retrained._torch_module import ModuleTrainer
from hcdv.games.retrained._torch_prototype import Prototype
from hcdv.games.retrained.module import Module
from hcdv.games.rows import GivenRows

N_ROWS, N_VAL, COALITION = 2000, 500, 1000
PLAIN = 4


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(784, 10),
    )  # fmt: skip


def given_rows(shape: tuple[int, ...], n_classes: int) -> GivenRows:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, N_ROWS + N_VAL)
    centres = rng.normal(size=(n_classes, *shape))
    X = (centres[labels] + 3 * rng.normal(size=(len(labels), *shape))).astype(np.float32)
    return GivenRows(
        X[:N_ROWS], X[:N_ROWS], labels[:N_ROWS], np.arange(n_classes), np.arange(N_ROWS),
        X[N_ROWS:], X[N_ROWS:], labels[N_ROWS:],
    )  # fmt: skip


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    n_copies = 64 if options.scale == "full" else 16
    rng = np.random.default_rng(1)
    coalitions = [np.sort(rng.choice(N_ROWS, COALITION, replace=False)) for _ in range(n_copies)]
    cases = [("mlp 20-32-2", mlp, (20,), 2), ("convnet 1x28x28", convnet, (1, 28, 28), 10)]
    found: list[dict[str, Any]] = []
    for name, factory, shape, n_classes in cases:
        given = given_rows(shape, n_classes)
        for batch_size in (128, 16):
            recipe = Module(factory, batch_size=batch_size)
            prototype = Prototype.of(factory, given, name, seed=0, device=options.device)
            seconds, answers = {}, []
            for at_once in (True, False):
                trainer = ModuleTrainer(
                    given, recipe, make_metric("accuracy"), replace(prototype, at_once=at_once), seed=0
                )
                with single_threaded_blas():
                    trainer.probabilities(coalitions[:2])
                    begin = clock(options.device)
                    answers.append(trainer.probabilities(coalitions))
                    seconds[at_once] = clock(options.device) - begin
            with single_threaded_blas():
                # Once unmeasured: torch.optim imports a good deal on its first step.
                plain_loop(prototype.module, trainer.X, trainer.y, trainer.X_val, coalitions[0], batch_size)
                begin = clock(options.device)
                for rows in coalitions[:PLAIN]:
                    plain_loop(prototype.module, trainer.X, trainer.y, trainer.X_val, rows, batch_size)
                plain = (clock(options.device) - begin) / PLAIN
            row = {
                "module": name, "batch_size": batch_size, "copies": n_copies, "device": options.device,
                "copies_a_second_at_once": n_copies / seconds[True],
                "copies_a_second_one_by_one": n_copies / seconds[False],
                "copies_a_second_plain": 1 / plain,
                "ratio": seconds[False] / seconds[True],
                "chosen": "at once" if prototype.at_once else "one by one",
                "largest_difference": float(np.abs(answers[0] - answers[1]).max()),
            }  # fmt: skip
            found.append(row)
            print(
                f"{name:<16} batch {batch_size:>4}  at once {n_copies / seconds[True]:>7.2f} / s, one by one "
                f"{n_copies / seconds[False]:>7.2f} / s, plain {1 / plain:>7.2f} / s, ratio {row['ratio']:.2f} "
                f"(chosen: {row['chosen']}; probabilities differ by {row['largest_difference']:.1e})",
                flush=True,
            )
    return found


def plain_loop(
    start: nn.Module, X: torch.Tensor, y: torch.Tensor, X_val: torch.Tensor, rows: np.ndarray, batch_size: int
) -> torch.Tensor:
    """The recipe by hand, without anything of hcdv."""
    model = copy.deepcopy(start).train()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    there = torch.from_numpy(rows).to(X.device)
    for _ in range(5):
        for batch in there[torch.randperm(len(there)).to(X.device)].split(batch_size):
            adam.zero_grad()
            nn.functional.cross_entropy(model(X[batch]), y[batch]).backward()
            adam.step()
    with torch.no_grad():
        return model.eval()(X_val).softmax(1)


def clock(device: str) -> float:
    """Processor seconds; on a GPU wall seconds after all that was asked of it is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    run(main, parser.parse_args())
