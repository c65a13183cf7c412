"""Mean squared error of Shapley estimators at equal evaluations, beside shapiq's and pyDVL's samplers.

    python -m bench.estimators --scale full --json estimators.json --peers PYTHON

Games of 10 to 16 players whose exact values are known (``bench/_games.py``); budgets of 2 m, 8 m,
32 m and 2^m / 4 evaluations, the empty and the full coalition counted once. The error is the mean
over players and repeats; figures are shares of that of plain permutations. PYTHON is an interpreter
with shapiq and pyDVL: they get the same tables and budgets, in a process of their own, at most as
many repeats (three at least; fewer where they are slow). Without it, only ours are run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench._games import GAMES
from bench._measure import arguments, run
from hcdv.engine import single_threaded_blas
from hcdv.shapley import estimate, exact_values

Floats = NDArray[np.float64]

OURS = ("auto", "permutation", "stratified")
PLAIN = "plain permutations"
PLAYERS = {"fast": (10,), "full": (10, 12, 14, 16)}
REPEATS = {"fast": 20, "full": 100}
PEER_SECONDS = 0.3

Cell = tuple[str, int]  # game and budget


def budgets(m: int) -> list[int]:
    """Evaluations of a game of m players."""
    return [2 * m, 8 * m, 32 * m, 2**m // 4]


def plain(table: Floats, n_evaluations: int, seed: int) -> Floats:
    """Mean marginal contribution along independent permutations (Castro et al. 2009)."""
    m = len(table).bit_length() - 1
    rng = np.random.default_rng(seed)
    n_permutations = (n_evaluations - 2) // (m - 1)
    values = np.zeros(m)
    for _ in range(n_permutations):
        order = rng.permutation(m)
        values[order] += np.diff(table[np.concatenate([[0], np.cumsum(1 << order)])])
    return values / n_permutations


def our_rows(name: str, table: Floats, n_evaluations: int, repeats: int) -> list[dict[str, Any]]:
    """Plain permutations and every method of ``estimate`` on one game and budget."""
    m = len(table).bit_length() - 1
    powers = 1 << np.arange(m)
    truth = exact_values(table)
    base = np.mean(
        [np.square(plain(table, n_evaluations, seed) - truth).mean() for seed in range(repeats)]
    )
    cell = {"game": name, "budget": n_evaluations}
    rows: list[dict[str, Any]] = [
        {**cell, "sampler": PLAIN, "error": base, "share": 1.0, "repeats": repeats}
    ]
    for method in OURS:
        errors, covered, used = [], [], 0
        begin = time.process_time()
        for seed in range(repeats):
            result = estimate(
                lambda S: table[S @ powers], m,
                random_state=seed, method=method, n_evaluations=n_evaluations,
            )  # fmt: skip
            error = result.values - truth
            errors.append(np.square(error).mean())
            if np.isfinite(result.std_error).all():
                covered.append(np.mean(np.abs(error) <= 1.96 * result.std_error))
            used = max(used, result.n_evaluations)
        seconds = (time.process_time() - begin) / repeats
        rows.append(
            {
                **cell,
                "sampler": f"hcdv {method}",
                "error": np.mean(errors),
                "share": np.mean(errors) / base,
                "repeats": repeats,
                "evaluations": used,
                "covered_95": np.mean(covered) if covered else None,
                "milliseconds": 1e3 * seconds,
            }
        )
    return rows


def peer_rows(
    python: str, tables: dict[str, Floats], repeats: int, bases: dict[Cell, float]
) -> list[dict[str, Any]]:
    """Every sampler of shapiq and pyDVL on every game and budget."""
    with tempfile.TemporaryDirectory() as folder:
        games, plan, answers = (Path(folder) / f for f in ("games.npz", "plan.json", "answers.json"))
        np.savez(games, **tables)
        wanted = {name: budgets(len(table).bit_length() - 1) for name, table in tables.items()}
        plan.write_text(
            json.dumps({"games": wanted, "repeats": repeats, "seconds": PEER_SECONDS})
        )
        script = Path(__file__).parent / "rivals" / "run_samplers.py"
        subprocess.run(
            [python, "-W", "ignore", str(script), str(games), str(plan), str(answers)], check=True
        )
        cells = json.loads(answers.read_text())
    truths = {name: exact_values(table) for name, table in tables.items()}
    rows = []
    for cell in cells:
        row = {key: cell[key] for key in ("game", "budget", "sampler")}
        if "failed" in cell:
            row["failed"] = cell["failed"]
        else:
            values = np.array(cell["values"])
            row["error"] = np.square(values - truths[cell["game"]]).mean()
            row["share"] = row["error"] / bases[cell["game"], cell["budget"]]
            row["repeats"] = len(values)
            row["evaluations"] = cell["n_evaluations"]
        rows.append(row)
    return rows


def geometric_mean(shares: list[float]) -> float:
    """A share of 0 (exact values) counts as 1e-12."""
    return float(np.exp(np.mean(np.log(np.maximum(shares, 1e-12)))))


def summary_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Geometric means over games and budgets; "auto" against the best peer that played them all."""
    shares: dict[str, dict[Cell, float]] = {}
    for row in rows:
        if "share" in row:
            shares.setdefault(row["sampler"], {})[row["game"], row["budget"]] = row["share"]
    games = list(dict.fromkeys(row["game"] for row in rows))
    complete = [s for s in shares if len(shares[s]) == len(shares[PLAIN])]
    peers = [s for s in complete if s.startswith(("shapiq", "pyDVL"))]
    best = min(peers, key=lambda s: geometric_mean(list(shares[s].values())), default=None)

    summary = []
    for sampler, cells in shares.items():
        own = {
            game: geometric_mean([share for cell, share in cells.items() if cell[0] == game] or [np.nan])
            for game in games
        }
        row = {
            "sampler": sampler,
            "cells": len(cells),
            "share": geometric_mean(list(cells.values())),
            "share_by_game": own,
        }
        if best is not None and sampler == "hcdv auto":
            rival = shares[best]
            row["best_peer"] = best
            row["of_best_peer"] = geometric_mean([cells[cell] / rival[cell] for cell in rival])
            row["of_best_peer_by_game"] = {
                game: geometric_mean([cells[c] / rival[c] for c in rival if c[0] == game])
                for game in games
            }
        summary.append(row)
    return sorted(summary, key=lambda row: row["share"])


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All games, then the summary."""
    repeats = REPEATS[options.scale]
    tables = {f"{kind} {m}": game(m) for m in PLAYERS[options.scale] for kind, game in GAMES.items()}
    rows: list[dict[str, Any]] = []
    with single_threaded_blas():
        for name, table in tables.items():
            for n_evaluations in budgets(len(table).bit_length() - 1):
                rows += our_rows(name, table, n_evaluations, repeats)
                own = {row["sampler"]: row for row in rows[-len(OURS) :]}
                auto = own["hcdv auto"]
                print(
                    f"{name:12s} {n_evaluations:6d} evaluations  "
                    + "  ".join(f"{m} {own[f'hcdv {m}']['share']:.4f}" for m in OURS)
                    + f"  of plain; auto: 95 % covers {auto['covered_95']:.0%}, "
                    f"{auto['milliseconds']:.1f} ms",
                    flush=True,
                )
    if options.peers:
        bases = {
            (row["game"], row["budget"]): row["error"] for row in rows if row["sampler"] == PLAIN
        }
        rows += peer_rows(options.peers, tables, repeats, bases)
    summary = summary_rows(rows)
    for row in summary:
        print(f"{row['sampler']:36s} {row['cells']:3d} cells  {row['share']:.4f} of plain", flush=True)
        if "best_peer" in row:
            by_game = ", ".join(f"{g} {s:.2f}" for g, s in row["of_best_peer_by_game"].items())
            print(f"    {row['of_best_peer']:.3f} of {row['best_peer']}: {by_game}", flush=True)
    return [*rows, *summary]


if __name__ == "__main__":
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--peers", help="a Python interpreter with shapiq and pyDVL")
    given = parser.parse_args()
    run(main, given)
