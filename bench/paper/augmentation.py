"""Figures 1 and 2: which of 10,000 augmented images should stand in for 30% of the originals?

    python -m bench.paper fig1 --scale laptop

Candidates of four families (``_augmented.py``, ``_diffusion.py``) are valued beside the originals, with an
encoder that has seen the originals alone, and ranked.  Three slices are looked at: ranks 1-1,000, 4,001-5,000
and the last 1,000 (a tenth of the candidates at other scales).  ``HCDV_DIFFUSION=FILE.npz`` takes the fourth
family from a file, say of Stable Diffusion's images (``_candidates.py``).

Cells of ``what``

- ``"originals"``: the ConvNet trained on the originals, and the share of each family that it takes for what its
  label says.
- ``"values"``: what valuing takes; values are left in the cache folder.
- ``"slice"``: the ConvNet trained from scratch on 70% of the originals and, in the places of the others, the
  slice over and over (18 times, as 1,000 go into 18,000), so that the size of the training set stays.  All
  slices of a run replace the same originals and start from the same weights.  Overlap is the share of the slice
  in leaves that hold an original, ``dense`` in leaves that originals fill by half; both in HCDV's tree and,
  ``cluster``, in the paper's.

The originals are the same in every run, as the paper's 60,000 are; candidates, the draw of replaced originals,
valuations and networks are new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.paper._augmentation_page import CHANCE, HCDV_PAPER, METHODS, SLICES, pictures, section
from bench.paper._augmentation_verdicts import in_short
from bench.paper._candidates import FAMILIES, PLANS, Plan, Pool, keep, load, place, pool_of
from bench.paper._experiment import Key
from hcdv import HCDV, baselines
from hcdv._device import resolve_device
from hcdv.encoder import make_encoder
from hcdv.tasks import rank_augmentations

__all__ = ["cells", "in_short", "measure", "pictures", "section", "side_by_side"]

REPLACED = 0.3
# A slice begins after this share of the candidates; the last one ends with them.
BEGINS = {"top": 0.0, "mid": 0.4, "bottom": 0.9}
Arrays = Mapping[str, np.ndarray]


def cells(scale: str) -> list[Key]:
    keys: list[Key] = []
    for run in range(PLANS[scale].runs):
        keys.append({"what": "originals", "run": run})
        keys += [{"what": "values", "run": run, "method": method} for method in METHODS]
        keys += [
            {"what": "slice", "run": run, "method": method, "slice": name}
            for method in METHODS
            for name in SLICES
        ]
        keys.append({"what": "slice", "run": run, "method": CHANCE, "slice": "top"})
    return keys


def side_by_side(what: str, **key: Any) -> bool:
    """Seconds of a ConvNet are those of the processor, those of valuing are not."""
    return what == "slice"


def measure(scale: str, what: str, run: int, **key: Any) -> dict[str, Any]:
    if what == "originals":
        return trained_on_originals(scale, run)
    if what == "values":
        return valued(scale, run, **key)
    return trained_on_slice(scale, run, **key)


def trained_on_originals(scale: str, run: int) -> dict[str, Any]:
    from bench.paper._convnet import trained

    pool, begin = pool_of(scale, run), time.process_time()
    predict = trained(pool.X, pool.y, pool.X_val, pool.y_val, run, resolve_device("auto"))
    cpu_seconds = time.process_time() - begin
    is_right = predict(pool.candidates) == pool.labels
    keep(place(scale, f"right-{run}"), {"right": is_right})
    return {
        "images": "digits" if scale == "ci" else "Fashion-MNIST",
        "n": len(pool.y),
        "n_candidates": len(pool.labels),
        "accuracy": float((predict(pool.X_test) == pool.y_test).mean()),
        "cpu_seconds": cpu_seconds,
        **{f"right_{name}": float(is_right[pool.family == name].mean()) for name in FAMILIES},
    }


def valued(scale: str, run: int, method: str) -> dict[str, Any]:
    pool, begin = pool_of(scale, run), time.perf_counter()
    arrays, n_evaluations = VALUES[method](pool, PLANS[scale], run)
    seconds = time.perf_counter() - begin
    keep(place(scale, f"{method}-{run}"), arrays)
    figures = {"value_seconds": seconds, "evaluations": n_evaluations}
    return figures | ({"permutations": PLANS[scale].permutations} if method == "MCDS" else {})


def trained_on_slice(scale: str, run: int, method: str, slice: str) -> dict[str, Any]:
    from bench.paper._convnet import accuracy

    pool = pool_of(scale, run)
    values = chance(pool, run) if method == CHANCE else kept_values(scale, run, method)["values"]
    rows = rows_of(slice, ranking(values, run))
    X, y = replaced(pool, rows, run)
    begin = time.process_time()
    held_out = (pool.X_val, pool.y_val, pool.X_test, pool.y_test)
    reached = accuracy(X, y, *held_out, seed=run, device=resolve_device("auto"))
    return {
        "accuracy": reached,
        "cpu_seconds": time.process_time() - begin,
        "classes": len(np.unique(pool.labels[rows])),
        "right": float(kept_right(scale, run)[rows].mean()),
        **overlaps(rows, kept_values(scale, run, "HCDV"), kept_values(scale, run, HCDV_PAPER)),
        **{f"share_{name}": float((pool.family[rows] == name).mean()) for name in FAMILIES},
    }


def overlaps(rows: np.ndarray, ours: Arrays, papers: Arrays) -> dict[str, float]:
    return {
        "overlap": float(ours["is_known"][rows].mean()),
        "dense_overlap": float(ours["is_dense"][rows].mean()),
        "cluster_overlap": float(papers["is_known"][rows].mean()),
        "dense_cluster_overlap": float(papers["is_dense"][rows].mean()),
    }


def kept_values(scale: str, run: int, method: str) -> Arrays:
    """``values`` of the candidates, and what the method's tree says of them; valued anew if need be."""
    path = place(scale, f"{method}-{run}")
    if not path.exists():
        valued(scale, run, method)
    return load(path)


def kept_right(scale: str, run: int) -> np.ndarray:
    """Which candidates the originals' ConvNet takes for what their labels say."""
    path = place(scale, f"right-{run}")
    if not path.exists():
        trained_on_originals(scale, run)
    return load(path)["right"]


def chance(pool: Pool, run: int) -> np.ndarray:
    return np.random.default_rng([2, run]).random(len(pool.labels))


def ranking(values: np.ndarray, run: int) -> np.ndarray:
    """Candidates from the highest value to the lowest, equal ones in random order."""
    return np.lexsort((np.random.default_rng([3, run]).random(len(values)), -values))


def rows_of(slice: str, order: np.ndarray) -> np.ndarray:
    begin = round(BEGINS[slice] * len(order))
    return order[begin : begin + len(order) // 10]


def replaced(pool: Pool, rows: np.ndarray, run: int) -> tuple[np.ndarray, np.ndarray]:
    """The originals with the candidates ``rows``, over and over, in the places of a random 30%."""
    X, y = pool.X.copy(), pool.y.copy()
    places = np.random.default_rng([4, run]).permutation(len(y))[: round(REPLACED * len(y))]
    filling = np.resize(rows, len(places))
    X[places], y[places] = pool.candidates[filling], pool.labels[filling]
    return X, y


def hcdv(model: HCDV, pool: Pool, run: int) -> tuple[Arrays, int]:
    """Values of the candidates, and which of them fell into leaves with originals."""
    encoder = make_encoder(pool.X, model.encoder).fit(pool.X, pool.y, seed=run)
    families = {name: pool.family == name for name in FAMILIES}
    found = rank_augmentations(
        model.set_params(encoder=encoder), pool.X, pool.y,
        {name: (pool.candidates[mine], pool.labels[mine]) for name, mine in families.items()},
        pool.X_val, pool.y_val,
    )  # fmt: skip
    m = len(pool.labels)
    arrays = {"values": np.empty(m), "is_known": np.empty(m, bool), "is_dense": np.empty(m, bool)}
    for batch in found.batches:
        for name, of_all in arrays.items():
            of_all[families[batch.name]] = getattr(batch, name)
    return arrays, int(found.result.n_evaluations)


def mcds(pool: Pool, plan: Plan, run: int) -> tuple[Arrays, int]:
    result = baselines.data_shapley(
        *components(pool, run), utility="ridge", n_permutations=plan.permutations, random_state=run
    )
    return {"values": result.values[len(pool.y) :]}, int(result.n_evaluations)


def group_shapley(pool: Pool, plan: Plan, run: int) -> tuple[Arrays, int]:
    """All coalitions of the labels."""
    result = baselines.group_shapley(*components(pool, run), groups="label", utility="ridge", random_state=run)
    return {"values": result.values[len(pool.y) :]}, int(result.n_evaluations)


def components(pool: Pool, run: int) -> tuple[np.ndarray, ...]:
    """Principal components, those of the originals, of originals and candidates; and of the trusted rows."""
    encoder = make_encoder(pool.X).fit(pool.X, pool.y, seed=run)
    X = encoder.transform(np.concatenate([pool.X, pool.candidates]))
    return X, np.concatenate([pool.y, pool.labels]), encoder.transform(pool.X_val), pool.y_val


VALUES: dict[str, Callable[[Pool, Plan, int], tuple[Arrays, int]]] = {
    "HCDV": lambda pool, plan, run: hcdv(HCDV(random_state=run), pool, run),
    HCDV_PAPER: lambda pool, plan, run: hcdv(
        HCDV.paper(plan.K, plan.M, plan.T, utility="ridge", random_state=run), pool, run
    ),
    "MCDS": mcds,
    "GS": group_shapley,
}
