"""Tables 4 and 5: five sellers of Adult rows, and what valuations would pay them.

    python -m bench.paper table5 --scale laptop

A cell is a seed: another draw of the sellers (``_sellers.py``), and of validation and test rows from Adult's
test part.  The buyer trains logistic regression on what the sellers offer and wants balanced accuracy
(``_buyer.py``).  What that drops by on the test rows when a seller stays away is the oracle; payouts see the
validation rows.

Methods

- Equal Split; Rows: in proportion to a seller's rows; Random: a number in [0, 1) a seller.
- GS: exact Shapley values of the sellers in the buyer's game; GS, 64 orders: by as many sampled orders of the
  sellers as HCDV walks chains; MCDS: of rows, by permutations (truncated where what is left is below the
  utility's noise), summed by seller; DU-Shapley: one draw.
- HCDV: the default, in which rows vouch for each other, with the sellers as the first level of the tree.
- HCDV, buyer's game: sellers by their values in the buyer's game, rows inside by those in the default one.
  Without contrast: what a buyer pays for is what his model gains, and not how the rows differ.
- HCDV, paper: ``HCDV.paper()`` in the buyer's game, sellers being its only level.  Rows below share evenly; a
  seller's sum does not depend on that.

Scale ``ci`` has sellers a tenth as large, of generated people.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.paper._buyer import METRIC, ceiling, drop_covariance, drops, game, predictions
from bench.paper._experiment import Key
from bench.paper._marketplace_page import (
    BUYERS,
    DEFAULT,
    EQUAL,
    LITERAL,
    METRICS,
    ORDERS,
    SAMPLED,
    pictures,
    section,
)
from bench.paper._marketplace_verdicts import in_short
from bench.paper._sellers import SELLERS, Market, adult_market, generated_market
from hcdv import HCDV, baselines
from hcdv.allocation import Literal
from hcdv.games import Logistic, MultiFidelity
from hcdv.result import ValuationResult
from hcdv.shapley import exact_values
from hcdv.tasks import marketplace_payouts

__all__ = ["cells", "in_short", "measure", "pictures", "section", "side_by_side"]

BUYER = Logistic(metric=METRIC)
# Fits of thousands of prefixes need not be finer: the noise of a permutation is what counts.
COARSE = Logistic(metric=METRIC, tol=1e-3)
# Payouts are whole millionths of the revenue.
DECIMALS = 6


@dataclass(frozen=True)
class Plan:
    """How many draws of sellers, validation rows, and permutations of MCDS."""

    seeds: int
    n_val: int
    permutations: int


PLANS = {
    "ci": Plan(2, 400, 2),
    "laptop": Plan(20, 4000, 8),
    "gpu": Plan(20, 4000, 64),
    "paper": Plan(20, 4000, 1024),
}


def hcdv_paper(market: Market, seed: int) -> ValuationResult:
    largest = int(np.bincount(market.seller).max())
    model = HCDV.paper(K=[len(SELLERS)], M=largest, utility=BUYER, random_state=seed)
    model.set_params(allocation=Literal("level", normalise="proportional", leaf="uniform"))
    return model.fit(*market.rows, groups=market.seller).result_


# Values of the sellers, or of their rows, by seed and number of permutations.
METHODS: dict[str, Callable[[Market, int, int], np.ndarray | ValuationResult]] = {
    EQUAL: lambda m, seed, _: np.ones(len(SELLERS)),
    "Rows": lambda m, seed, _: np.bincount(m.seller).astype(float),
    "Random": lambda m, seed, _: np.random.default_rng([seed, 1]).random(len(SELLERS)),
    "GS": lambda m, seed, _: baselines.group_shapley(
        *m.rows, groups=m.seller, utility=BUYER, random_state=seed
    ),
    SAMPLED: lambda m, seed, _: baselines.group_shapley(
        *m.rows, groups=m.seller, utility=BUYER, method="permutation", n_permutations=ORDERS,
        random_state=seed
    ),
    "MCDS": lambda m, seed, permutations: baselines.data_shapley(
        *m.rows, utility=COARSE, n_permutations=permutations, truncation=1.0, random_state=seed
    ),
    "DU-Shapley": lambda m, seed, _: baselines.du_shapley(
        *m.rows, groups=m.seller, utility=BUYER, random_state=seed
    ),
    DEFAULT: lambda m, seed, _: HCDV(random_state=seed).fit(*m.rows, groups=m.seller).result_,
    BUYERS: lambda m, seed, _: HCDV(
        utility=MultiFidelity(BUYER, resolution=1), contrast=0, random_state=seed
    ).fit(*m.rows, groups=m.seller).result_,
    LITERAL: lambda m, seed, _: hcdv_paper(m, seed),
}  # fmt: skip


def cells(scale: str) -> list[Key]:
    return [{"seed": seed} for seed in range(PLANS[scale].seeds)]


def side_by_side(**key: Any) -> bool:
    """Seconds are those of the processor."""
    return True


def measure(scale: str, seed: int) -> dict[str, Any]:
    plan = PLANS[scale]
    if scale == "ci":
        market = generated_market(seed, plan.n_val, n_test=2000)
    else:
        market = adult_market(seed, plan.n_val)
    p_val, p_test = predictions(market)
    table = game(p_test, market.y_test)
    oracle, covariance = drops(table), drop_covariance(p_test, market.y_test)
    return {
        "n_val": len(market.y_val),
        "n_test": len(market.y_test),
        "permutations": plan.permutations,
        "profiles": [asdict(profile) for profile in market.profiles()],
        "score": float(table[-1]),
        "drops": oracle.tolist(),
        "drop_errors": np.sqrt(np.diag(covariance)).tolist(),
        "ceiling": ceiling(oracle, covariance),
        "methods": {name: paid(name, market, oracle, seed, plan) for name in METHODS},
        "exact": exact_games(p_val, market.y_val, p_test, market.y_test),
    }


def paid(name: str, market: Market, oracle: np.ndarray, seed: int, plan: Plan) -> dict[str, Any]:
    """What a method pays, beside what the oracle says, and what it takes."""
    begin, cpu = time.perf_counter(), time.process_time()
    found = METHODS[name](market, seed, plan.permutations)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    values = found if isinstance(found, np.ndarray) else np.bincount(market.seller, found.values)
    payouts = marketplace_payouts(values, np.array(SELLERS), total=1, decimals=DECIMALS, leave_one_out=oracle)
    return {
        "payouts": [float(amount) for amount in payouts.amounts],
        "pearson": None if np.isnan(payouts.pearson) else payouts.pearson,
        "gini": payouts.gini,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def exact_games(
    p_val: np.ndarray, y_val: np.ndarray, p_test: np.ndarray, y_test: np.ndarray
) -> list[dict[str, Any]]:
    """Correlation with the oracle of the sellers' exact Shapley values and drops, by metric and rows scored on.

    Of validation rows the buyer's metric is taken on the first 1/8, 1/4, 1/2 and all; for comparison each is
    taken on the test rows themselves.  One line has both sides on the validation rows.
    """
    oracle, n = drops(game(p_test, y_test)), len(y_val)
    lines = []

    def add(metric: str, scored_on: str, n: int, table: np.ndarray, true: np.ndarray) -> None:
        shapley, drop = correlation(exact_values(table), true), correlation(drops(table), true)
        lines.append({"metric": metric, "scored_on": scored_on, "n": n, "shapley": shapley, "drops": drop})

    for part in (n // 8, n // 4, n // 2):
        add(METRIC, "validation", part, game(p_val[:, :part], y_val[:part]), oracle)
    for metric in METRICS:
        add(metric, "validation", n, game(p_val, y_val, metric), oracle)
        add(metric, "test", len(y_test), game(p_test, y_test, metric), oracle)
    mine = game(p_val, y_val)
    add(METRIC, "validation, both", n, mine, drops(mine))
    return lines


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])
