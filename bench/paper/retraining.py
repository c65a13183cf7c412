"""Tables 1 and 2: test score after training on the top 30%, stability of the values, and what they cost.

Cells of ``what``

- ``"retraining"``: the labels of a split, clean or with 5% or 15% of them flipped, are valued once; the model
  of Appendix C is then trained on the 30% that the method selects and tested on rows with right labels. The
  other methods select the highest 30%, as the paper does; HCDV selects by the default of ``select``.
  ``score_rule`` is the score of *their* values under HCDV's rule on HCDV's tree, so that rule and values can be
  told apart.
- ``"stability"``: the values of one split at 15% flips under five seeds of the method (Eq. 54, and Spearman's
  correlation). HCDV's seeds decide on everything, the tree too; ``"HCDV, same tree"`` is the paper's reading.
  ``"MCDS, HCDV's time"`` draws permutations for as long as HCDV takes.
- ``"time"``: seconds on data of the paper's size where retraining uses less (Fashion-MNIST).

Seconds are wall seconds of ``fit`` or of the baseline's call, without loading the data. Methods that ask a game
about coalitions do so at budgets of very different size; the seconds for one coalition, times the coalitions
that HCDV asks about, compare them at the same number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from bench._flips import flip_scores
from bench.paper._experiment import Key
from bench.paper._methods import (
    BUDGETS,
    MCDS_AT_EQUAL_TIME,
    METHODS,
    NOISES,
    SAME_TREE,
    STABILITY,
    Cell,
    hcdv_on,
    mcds_within,
)  # fmt: skip
from bench.paper._retraining_page import pictures, section
from bench.paper._retraining_verdicts import in_short
from bench.paper._tasks import TASKS, fashion
from hcdv import HCDV
from hcdv.datasets import Dataset
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult
from hcdv.tasks.stability import Repeats

__all__ = ["cells", "in_short", "measure", "pictures", "section", "side_by_side"]

FRACTION = 0.3
N_REPEATS, EPSILON = 5, 1e-12


def cells(scale: str) -> list[Key]:
    splits = range(1 if scale == "ci" else 3)
    noises = NOISES[::2] if scale == "ci" else NOISES
    keys: list[Key] = [
        {"what": "retraining", "set": name, "noise": noise, "split": split, "method": method}
        for split in splits
        for name in TASKS[scale]
        for noise in noises
        for method in METHODS
    ]
    keys += [
        {"what": "stability", "set": name, "method": method} for name in TASKS[scale] for method in STABILITY
    ]
    if scale == "laptop":
        keys += [{"what": "time", "set": "fashion", "method": method} for method in METHODS]
    return keys


def side_by_side(**key: Any) -> bool:
    """Every cell tells wall seconds."""
    return False


def measure(scale: str, what: str, **key: Any) -> dict[str, Any]:
    if what == "retraining":
        return retrained(scale, **key)
    if what == "stability":
        return repeated(scale, **key)
    return timed(scale, **key)


def retrained(scale: str, set: str, noise: float, split: int, method: str) -> dict[str, Any]:
    task = TASKS[scale][set]
    data, is_flipped = task.noisy(split, noise)
    result, seconds = valued(METHODS[method], cell_of(scale, set, data, seed=split))
    is_ours = method.startswith("HCDV")
    top = result.select(FRACTION) if is_ours else result.select(FRACTION, "global", floor=None)
    figures: dict[str, Any] = {
        "value_seconds": seconds,
        "evaluations": int(result.n_evaluations),
        "score": task.score(data, top, split),
        "flipped": float(is_flipped[top].mean()),
    }
    if not is_ours and task.is_cheap:
        tree = tree_of(scale, set, noise, split)
        by_rule = replace(result, hierarchy=tree, node_values=None).select(FRACTION)
        figures["score_rule"] = task.score(data, by_rule, split)
    if noise:
        figures |= flip_scores(result.values, is_flipped)
    return figures


@lru_cache(1)  # the methods of one set of labels follow each other
def tree_of(scale: str, set: str, noise: float, split: int) -> Hierarchy:
    """The tree that HCDV grows of these rows."""
    data, _ = TASKS[scale][set].noisy(split, noise)
    return HCDV(utility="fit", n_permutations=2, random_state=split).fit(data.X, data.y).hierarchy_


def repeated(scale: str, set: str, method: str) -> dict[str, Any]:
    """Stability of the values of the first split, and the seconds of one valuation."""
    data, _ = TASKS[scale][set].noisy(0, NOISES[-1])
    cell = cell_of(scale, set, data, seed=0)
    function = METHODS.get(method, METHODS["HCDV"])
    if method == MCDS_AT_EQUAL_TIME:
        function = partial(mcds_within, seconds=valued(METHODS["HCDV"], cell)[1])
    elif method == SAME_TREE:
        function = partial(hcdv_on, tree=HCDV(random_state=0).fit(*cell.rows).hierarchy_)
    runs = [valued(function, replace(cell, seed=seed)) for seed in range(N_REPEATS)]
    repeats = Repeats.of(np.array([result.values for result, _ in runs]), EPSILON)
    return {
        "mean_cv": repeats.mean_cv,
        "median_cv": repeats.median_cv,
        "spearman": repeats.spearman,
        "value_seconds": float(np.mean([seconds for _, seconds in runs])),
        "evaluations": float(np.mean([result.n_evaluations for result, _ in runs])),
    }


def timed(scale: str, set: str, method: str) -> dict[str, Any]:
    """One valuation of all 60,000 images."""
    assert set == "fashion"
    task = replace(TASKS[scale][set], load=fashion(None))
    data, _ = task.noisy(0, NOISES[-1])
    result, seconds = valued(METHODS[method], cell_of(scale, set, data, seed=0))
    return {"n": len(data.y), "value_seconds": seconds, "evaluations": int(result.n_evaluations)}


def cell_of(scale: str, set: str, data: Dataset, seed: int) -> Cell:
    return Cell(data, TASKS[scale][set].utility, BUDGETS[scale][set], seed)


def valued(function: Callable[[Cell], ValuationResult], cell: Cell) -> tuple[ValuationResult, float]:
    begin = time.perf_counter()
    result = function(cell)
    return result, time.perf_counter() - begin
