"""Proposition 1 in simulated games whose Shapley values are known: how often the radius holds, how loose it is.

    python -m bench.bounds --scale full --json bench/results/bounds.json --plot docs/images/bounds.png

Every game is small enough to be enumerated. Permutations come from the library's own sampler of chains, once
independent of each other as the paper draws them, once in antithetic pairs as HCDV does. A game is covered
when *all* its players' estimates lie within the radius for its range. Looseness is radius / error at the
(1 - delta) quantile over games: by how much the radius could shrink and still cover. At full scale two
fitted models are diagnosed as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench._measure import arguments, run
from hcdv import HCDV, datasets
from hcdv._kernels.permute import sample_chain
from hcdv.datasets import flip_labels
from hcdv.diagnostics import diagnose, permutations_for, radius
from hcdv.hierarchy import Hierarchy
from hcdv.shapley import exact_values

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Tables float64 [g, 2^m] of g games and how far apart their values can lie [g], known before any is looked at.
Family = Callable[[int, Floats, np.random.Generator], tuple[Floats, Floats]]

# Odd and even: in the parity game of an odd number of players a permutation and its reverse say the same.
PLAYERS = (5, 8, 11)
BUDGETS = (4, 8, 16, 32, 64, 128, 256)
DELTAS = (0.2, 0.05, 0.01)


def additive(n_games: int, inside: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Weights, and bounded noise on every coalition."""
    weights = rng.normal(size=(n_games, inside.shape[1]))
    noise = rng.uniform(-0.5, 0.5, (n_games, len(inside)))
    return weights @ inside.T + noise, np.abs(weights).sum(axis=1) + 1.0


def airport(n_games: int, inside: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The runway that the largest aeroplane needs (Littlechild and Owen 1973)."""
    cost = rng.uniform(0, 5, (n_games, inside.shape[1]))
    return (cost[:, None] * inside).max(axis=2), cost.max(axis=1)


def voting(n_games: int, inside: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A weighted majority decides."""
    weights = rng.random((n_games, inside.shape[1]))
    quota = rng.uniform(0.3, 0.8, (n_games, 1)) * weights.sum(axis=1, keepdims=True)
    return (weights @ inside.T >= quota).astype(float), np.ones(n_games)


def anything(n_games: int, inside: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A random value in [0, 1] for every coalition."""
    return rng.random((n_games, len(inside))), np.ones(n_games)


def accuracy(n_games: int, inside: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A learning curve that saturates, harmful players, the grain of 200 validation rows; within [0, 1]."""
    gain = rng.exponential(1.5 / np.sqrt(inside.shape[1]), (n_games, inside.shape[1]))
    gain[rng.random(gain.shape) < 0.2] *= -0.3
    curve = 0.5 + 0.45 * (1 - np.exp(-np.maximum(gain @ inside.T, 0.0)))
    curve += rng.normal(0, 0.01, curve.shape)
    return np.round(np.clip(curve, 0, 1) * 200) / 200, np.ones(n_games)


def parity(n_games: int, inside: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """v is 1 for odd coalitions: marginal contributions are +1 and -1, the worst that the range allows."""
    return np.tile(inside.sum(axis=1) % 2, (n_games, 1)), np.ones(n_games)


FAMILIES: dict[str, Family] = {
    "additive + noise": additive,
    "airport": airport,
    "voting": voting,
    "random": anything,
    "accuracy": accuracy,
}
WORST: dict[str, Family] = {"parity (worst case)": parity}


def permutations(n_games: int, n_permutations: int, m: int, seed: int) -> Integers:
    """int64 [n_games, n_permutations, m] by the sampler of chains, on a tree that is one leaf."""
    tree = Hierarchy.from_labels([np.zeros(m)])
    chains = np.empty((n_games, n_permutations, m), np.int64)
    block, scratch = np.empty(1, np.int64), np.empty((m, 2), np.uint64)
    for game in range(n_games):
        for t in range(n_permutations):
            sample_chain(
                tree.order, tree.start, tree.stop, tree.first_child, tree.n_children, tree.point_key,
                tree.node_key, seed + game, t, chains[game, t], block, scratch,
            )  # fmt: skip
    return chains


def marginals(tables: Floats, chains: Integers) -> Floats:
    """Marginal contributions of the players, float64 [g, T, m]."""
    joined = np.cumsum(np.int64(1) << chains, axis=2).reshape(len(tables), -1)
    after = np.take_along_axis(tables, joined, axis=1).reshape(chains.shape)
    steps = np.diff(after, axis=2, prepend=np.broadcast_to(tables[:, :1, None], (*chains.shape[:2], 1)))
    of_player = np.empty_like(steps)
    np.put_along_axis(of_player, chains, steps, axis=2)
    return of_player


def simulate(family: Family, n_games: int, budgets: tuple[int, ...], seed: int) -> dict[Any, Floats]:
    """|error| / range of every player by (sampler, T, m): float64 [g, m]."""
    errors = {}
    for m, count in zip(PLAYERS, _split(n_games, len(PLAYERS)), strict=True):
        rng = np.random.default_rng([seed, m])
        inside = (np.arange(1 << m)[:, None] >> np.arange(m) & 1).astype(float)
        tables, ranges = family(count, inside, rng)
        truth = np.array([exact_values(table) for table in tables])
        chains = permutations(count, max(budgets), m, 1_000_000 * (seed + 1) + 10_000 * m)
        forth, back = marginals(tables, chains), marginals(tables, chains[:, : max(budgets) // 2, ::-1])
        for T in budgets:
            plain = forth[:, :T].mean(axis=1)
            pairs = (forth[:, : T // 2].mean(axis=1) + back[:, : T // 2].mean(axis=1)) / 2
            for sampler, estimate in (("plain", plain), ("antithetic", pairs)):
                errors[sampler, T, m] = np.abs(estimate - truth) / ranges[:, None]
    return errors


def coverage_rows(name: str, errors: dict[Any, Floats], budgets: tuple[int, ...]) -> list[dict[str, Any]]:
    """One row for each sampler, T and delta."""
    rows = []
    for sampler in ("plain", "antithetic"):
        for T in budgets:
            for delta in DELTAS:
                share = np.concatenate(
                    [
                        errors[sampler, T, m].max(axis=1)
                        / radius(T, m, value_range=1.0, delta=delta, antithetic=sampler == "antithetic")
                        for m in PLAYERS
                    ]
                )
                largest = np.concatenate([errors[sampler, T, m].max(axis=1) for m in PLAYERS])
                rows.append(
                    {
                        "what": "coverage",
                        "family": name,
                        "sampler": sampler,
                        "permutations": T,
                        "delta": delta,
                        "games": len(share),
                        "outside": int((share > 1).sum()),
                        "coverage": float((share <= 1).mean()),
                        "error_quantile": float(np.quantile(largest, 1 - delta)),
                        "looseness": float(1 / np.quantile(share, 1 - delta)),
                    }
                )
    return rows


def why_pairs_count_once(errors: dict[Any, Floats], budgets: tuple[int, ...]) -> list[dict[str, Any]]:
    """One player at a time: the radius for T against that for T / 2 where a reverse tells nothing new."""
    rows = []
    for T in budgets:
        odd = np.concatenate([errors["antithetic", T, m][:, 0] for m in PLAYERS if m % 2])
        for counted, antithetic in ((T, False), (T // 2, True)):
            bound = radius(T, value_range=1.0, delta=0.01, antithetic=antithetic)
            rows.append(
                {
                    "what": "antithetic pairs, one player of parity",
                    "permutations": T,
                    "counted_as": counted,
                    "delta": 0.01,
                    "games": len(odd),
                    "coverage": float((odd <= bound).mean()),
                }
            )
    return rows


def fit_rows(name: str, data: datasets.Dataset, **parameters: Any) -> list[dict[str, Any]]:
    """The table of a fitted model."""
    y, _ = flip_labels(data.y, 0.15, random_state=0)
    model = HCDV(random_state=0, **parameters).fit(data.X, y, data.X_val, data.y_val)
    diagnosis = diagnose(model, data.X, y, data.X_val, data.y_val, n_repeats=20)
    print(f"\n{name}\n{diagnosis}", flush=True)
    rows = [{"what": f"fit: {name}", **line} for line in diagnosis.to_frame().to_dict("records")]
    for row in rows:  # JSON knows no NaN
        row |= {key: None for key in ("bound", "looseness") if not np.isfinite(row[key])}
    return rows


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Error against radius by T, and looseness by family."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    shown = [row for row in rows if row["what"] == "coverage" and row["delta"] == 0.05]
    names = list(dict.fromkeys(row["family"] for row in shown))
    budgets = sorted({row["permutations"] for row in shown})
    draw_errors(left, shown)
    at = budgets[len(budgets) // 2]
    places = np.arange(len(names))
    for shift, sampler, colour in ((-0.2, "plain", "#7aa6c2"), (0.2, "antithetic", "#c2410c")):
        loose = [
            row["looseness"]
            for name in names
            for row in shown
            if (row["family"], row["sampler"], row["permutations"]) == (name, sampler, at)
        ]
        bars = right.barh(places + shift, loose, 0.38, color=colour, label=sampler)
        right.bar_label(bars, fmt="%.2g", fontsize=8, padding=2)
    right.set_yticks(places, names)
    right.invert_yaxis()
    right.set_xlim(1.0, 100.0)
    right.set(xscale="log", xlabel="radius / error (1: as tight as can be)")
    right.set_title(f"How loose, delta = 0.05, T = {at}")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def draw_errors(axes: Any, shown: list[dict[str, Any]]) -> None:
    """Error and radius by T: coverage rows of delta = 0.05."""
    budgets = sorted({row["permutations"] for row in shown})
    axes.plot(
        budgets, [radius(T, 8, value_range=1.0) for T in budgets], color="black", linewidth=2,
        label="radius of Proposition 1 (8 players)",
    )  # fmt: skip
    for name, mark in zip(dict.fromkeys(row["family"] for row in shown), "osD^vP", strict=False):
        plain = [row for row in shown if row["family"] == name and row["sampler"] == "plain"]
        axes.plot(budgets, [row["error_quantile"] for row in plain], marker=mark, markersize=4, label=name)
    axes.set(xscale="log", yscale="log", xlabel="permutations T", ylabel="largest error / range of v")
    axes.set_xticks(budgets, [str(T) for T in budgets], minor=False)
    axes.set_title("95% quantile over games")
    axes.set_ylim(bottom=1e-3)
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    full = options.scale == "full"
    n_games, budgets = (2_000, BUDGETS) if full else (30, BUDGETS[:4])
    rows: list[dict[str, Any]] = []
    for seed, (name, family) in enumerate({**FAMILIES, **WORST}.items()):
        errors = simulate(family, n_games, budgets, seed)
        rows += coverage_rows(name, errors, budgets)
        if name in WORST:
            rows += why_pairs_count_once(errors, budgets)
        for row in rows:
            if row.get("family") == name and (row["permutations"], row["delta"]) == (budgets[-1], 0.05):
                print(_line(row), flush=True)
    rows += totals(rows)
    for row in rows:
        if row["what"] in ("all games", "antithetic pairs, one player of parity"):
            print(_line(row))
    for eta in (0.1, 0.05, 0.01):
        T = permutations_for(eta, 0.05, value_range=1.0, n_nodes=8)
        rows.append({"what": "permutations_for, 8 nodes, range 1", "eta": eta, "permutations": T})
        print(_line(rows[-1]))
    if full:
        rows += fit_rows("digits, utility='auto'", datasets.load_digits(random_state=0))
        synthetic = datasets.make_synthetic(n=1000, n_val=300, n_test=10, random_state=0)
        rows += fit_rows("Synthetic, 1,000 rows, utility='logistic'", synthetic, utility="logistic")
    if options.plot:
        plot(rows, options.plot)
    return rows


def totals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All families but the worst case together: games outside the radius, by sampler and delta, over all T."""
    out = []
    for sampler in ("plain", "antithetic"):
        for delta in DELTAS:
            mine = [
                row
                for row in rows
                if row["what"] == "coverage"
                and (row["sampler"], row["delta"]) == (sampler, delta)
                and row["family"] in FAMILIES
            ]
            by_budget: dict[int, tuple[int, int]] = {}
            for row in mine:
                outside, games = by_budget.get(row["permutations"], (0, 0))
                by_budget[row["permutations"]] = (outside + row["outside"], games + row["games"])
            worst = max(outside / games for outside, games in by_budget.values())
            out.append(
                {
                    "what": "all games",
                    "sampler": sampler,
                    "delta": delta,
                    "games": next(iter(by_budget.values()))[1],
                    "least_coverage": 1 - worst,
                    "least_looseness": min(row["looseness"] for row in mine),
                    "median_looseness": float(np.median([row["looseness"] for row in mine])),
                }
            )
    return out


def _split(total: int, parts: int) -> list[int]:
    return [total // parts + (k < total % parts) for k in range(parts)]


def _line(row: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
    )


if __name__ == "__main__":
    parser = arguments((__doc__ or "").splitlines()[0])
    parser.add_argument("--plot", type=Path, help="draw the figure here (needs matplotlib)")
    run(main, parser.parse_args())
