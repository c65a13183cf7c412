"""The samplers of shapiq and pyDVL on tables of games: run by the interpreter that holds them.

    PYTHON bench/rivals/run_samplers.py games.npz plan.json answers.json

``games.npz`` holds tables of 2**m values (entry s: the coalition of the players whose bit is set in
s). The plan: ``{"games": {name: [budget, ...]}, "repeats": int, "seconds": float}``. A sampler is
run ``repeats`` times in a cell of one game and budget with the seeds 0, 1, ..., fewer once it has
taken ``seconds`` there, but three at least. ``answers.json`` lists for every cell the Shapley values
of each repeat and the most evaluations used; the empty and the full coalition count once.

Only numpy, shapiq and pyDVL are imported: the interpreter knows nothing of hcdv.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

LEAST_REPEATS = 3


class Spent(Exception):
    """The budget is used up."""


class Counted:
    """A table as a game that counts what it is asked for and refuses to go beyond its budget."""

    def __init__(self, table: np.ndarray, budget: int) -> None:
        self.table = table
        self.budget = budget
        self.m = len(table).bit_length() - 1
        self.powers = 1 << np.arange(self.m)
        self.n_inner = 0

    @property
    def n_evaluations(self) -> int:
        return 2 + self.n_inner

    def codes(self, codes: np.ndarray) -> np.ndarray:
        inner = int(np.count_nonzero((codes != 0) & (codes != len(self.table) - 1)))
        if self.n_evaluations + inner > self.budget:
            raise Spent
        self.n_inner += inner
        return self.table[codes]

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        return self.codes(np.atleast_2d(coalitions).astype(bool) @ self.powers)


Sampler = Callable[[Counted, int], np.ndarray]


def shapiq_samplers() -> dict[str, Sampler]:
    from shapiq import approximator as a

    def sampler(make: Callable[..., Any], **options: Any) -> Sampler:
        def run(game: Counted, seed: int) -> np.ndarray:
            approximator = make(n=game.m, random_state=seed, **options)
            answer = approximator.approximate(game.budget, game)
            return np.array([answer[(i,)] for i in range(game.m)])

        return run

    def pairs_if_affordable(game: Counted, seed: int) -> np.ndarray:
        """Order 2 needs more coalitions than coefficients; order 1 below that."""
        order = 2 if game.budget > 1 + game.m + game.m * (game.m - 1) // 2 else 1
        return sampler(a.kADDSHAP, max_order=order)(game, seed)

    samplers = {
        "PermutationSamplingSV": sampler(a.PermutationSamplingSV),
        "StratifiedSamplingSV": sampler(a.StratifiedSamplingSV),
        "OwenSamplingSV": sampler(a.OwenSamplingSV),
        "KernelSHAP": sampler(a.KernelSHAP),
        "KernelSHAP paired": sampler(a.KernelSHAP, pairing_trick=True),
        "kADDSHAP": pairs_if_affordable,
        "UnbiasedKernelSHAP": sampler(a.UnbiasedKernelSHAP),
        "UnbiasedKernelSHAP paired": sampler(a.UnbiasedKernelSHAP, pairing_trick=True),
        "SVARM": sampler(a.SVARM),
        "SVARM paired": sampler(a.SVARM, pairing_trick=True),
        "SVARMIQ": sampler(a.SVARMIQ, max_order=1, index="SV"),
        "SHAPIQ": sampler(a.SHAPIQ, max_order=1, index="SV"),
        "KernelSHAPIQ": sampler(a.KernelSHAPIQ, max_order=1, index="k-SII"),
        "InconsistentKernelSHAPIQ": sampler(a.InconsistentKernelSHAPIQ, max_order=1, index="k-SII"),
    }
    try:
        import lightgbm  # noqa: F401

        samplers["ProxySPEX"] = sampler(a.ProxySPEX, max_order=1, index="SV")
    except ImportError:
        print("ProxySPEX is left out: lightgbm is not installed", flush=True)
    return {f"shapiq {name}": run for name, run in samplers.items()}


def pydvl_samplers() -> dict[str, Sampler]:
    from pydvl.valuation import samplers as s
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.methods.shapley import ShapleyValuation
    from pydvl.valuation.stopping import NoStopping
    from pydvl.valuation.utility.base import UtilityBase

    class Table(UtilityBase):
        def __init__(self, game: Counted) -> None:
            self.game = game

        def __call__(self, sample: Any) -> float:
            members = () if sample is None else np.asarray(sample.subset, dtype=int)
            return float(self.game.codes(np.array([sum(1 << int(j) for j in members)]))[0])

    def sampler(make: Callable[[Counted, int], Any]) -> Sampler:
        def run(game: Counted, seed: int) -> np.ndarray:
            rows = np.arange(game.m)
            valuation = ShapleyValuation(Table(game), make(game, seed), NoStopping())
            with suppress(Spent):  # the values of the whole samples so far stand
                valuation.fit(Dataset(rows[:, None], rows))
            result = valuation._result
            values = np.zeros(game.m)
            values[result.indices] = result.values
            return np.nan_to_num(values)

        return run

    def outer(game: Counted, per_point: int) -> int:
        return max(1, game.budget // (game.m * per_point))

    samplers = {
        "PermutationSampler": lambda g, r: s.PermutationSampler(seed=r),
        "AntitheticPermutationSampler": lambda g, r: s.AntitheticPermutationSampler(seed=r),
        "MSRSampler": lambda g, r: s.MSRSampler(seed=r),
        "UniformSampler": lambda g, r: s.UniformSampler(seed=r),
        "AntitheticSampler": lambda g, r: s.AntitheticSampler(seed=r),
        "OwenSampler": lambda g, r: s.OwenSampler(s.GridOwenStrategy(outer(g, 4)), n_samples_inner=2, seed=r),
        "AntitheticOwenSampler": lambda g, r: s.AntitheticOwenSampler(
            s.GridOwenStrategy(outer(g, 4)), n_samples_inner=1, seed=r
        ),
        "StratifiedSampler": lambda g, r: s.StratifiedSampler(
            s.ConstantSampleSize(),
            s.RandomSizeIteration,
            index_iteration=s.RandomIndexIteration,
            seed=r,
        ),
        "VRDSSampler": lambda g, r: s.VRDSSampler(max(1, g.budget // (2 * g.m)), seed=r),
    }
    return {f"pyDVL {name}": sampler(make) for name, make in samplers.items()}


def main(tables_file: str, plan_file: str, answers_file: str) -> None:
    warnings.simplefilter("ignore")
    tables = np.load(tables_file)
    plan = json.loads(Path(plan_file).read_text())
    cells = []
    samplers = {**shapiq_samplers(), **pydvl_samplers()}
    for name, budgets in plan["games"].items():
        for sampler, run in samplers.items():
            for budget in budgets:
                cell: dict[str, Any] = {"game": name, "budget": budget, "sampler": sampler}
                values, used = [], 0
                begin = time.process_time()
                try:
                    for seed in range(plan["repeats"]):
                        game = Counted(tables[name], budget)
                        values.append(run(game, seed).tolist())
                        used = max(used, game.n_evaluations)
                        if len(values) >= LEAST_REPEATS and time.process_time() - begin > plan["seconds"]:
                            break
                except Exception as error:
                    cell["failed"] = f"{type(error).__name__}: {error}"[:200]
                else:
                    cell["values"], cell["n_evaluations"] = values, used
                cell["seconds"] = time.process_time() - begin
                cells.append(cell)
        print(f"peers: {name} done", flush=True)
    Path(answers_file).write_text(json.dumps(cells))


if __name__ == "__main__":
    main(*sys.argv[1:])
