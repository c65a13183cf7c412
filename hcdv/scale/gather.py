"""Stage 5: what the rows got, in the order of the data; and what the nodes above the parts got."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import read_archive, write_archive
from hcdv._moments import Moments
from hcdv.hierarchy import Hierarchy
from hcdv.io.source import mapped
from hcdv.result import ValuationResult
from hcdv.scale.layout import Layout
from hcdv.scale.learn import Learned
from hcdv.scale.recipe import Recipe
from hcdv.scale.walk import Walked
from hcdv.scale.work import Work, create_array, fill_array

KIND, VERSION = "values", 1
# Rows put in order at a time.
ROWS_AT_ONCE = 1 << 20


def gather(
    work: Work,
    learned: Learned,
    layout: Layout,
    recipe: Recipe,
    walked: Sequence[Walked],
    progress: Callable[[int], None],
) -> None:
    """Write the values and all that belongs to the result into the work folder."""
    n, weights = learned.n_rows, np.array([term.weight for term in learned.terms])
    p = len(weights)
    arrays = {
        "values": ((n,), "f8"), "std_error": ((n,), "f8"), "mean": ((p, n), "f8"),
        "comoment": ((p * (p + 1) // 2, n), "f8"), "order": ((n,), "i8"), "row": ((n,), "i8"),
        "labels": ((n,), learned.classes.dtype),
    }  # fmt: skip
    for name, (shape, dtype) in arrays.items():
        create_array(work.place("values", f"{name}.npy"), shape, dtype)
    files = [mapped(work.numbered("walks", number)) for number in range(layout.n_parts)]
    for begin in range(0, n, ROWS_AT_ONCE):
        _place_rows(work, learned, recipe, files, weights, begin, min(begin + ROWS_AT_ONCE, n))
        progress(min(begin + ROWS_AT_ONCE, n))
    _place_order(work, layout)
    nodes, v_full = node_moments(learned, layout, walked)
    write_archive(
        work.place("values", "nodes.npz"),
        {"mean": nodes.mean, "comoment": nodes.comoment, "v_full": v_full},
        {"kind": KIND, "version": VERSION, "count": nodes.count},
    )


def node_moments(
    learned: Learned, layout: Layout, walked: Sequence[Walked]
) -> tuple[Moments, NDArray[np.float64]]:
    """Moments of the nodes above the parts, and v of all rows by game."""
    nodes = Moments.zeros(len(learned.terms), layout.tree.n_nodes)
    marginals = np.stack([of.marginals for of in walked], axis=-1)  # [pairs, games, parts]
    for of_pair in marginals:
        nodes.add(layout.tree.node_sums(of_pair))
    v_full = np.array([of.v_full for of in walked])
    is_vote = [term.is_vote for term in learned.terms]
    return nodes, np.where(is_vote, v_full.sum(axis=0), v_full[0])


def load_result(work: Work, learned: Learned, layout: Layout) -> ValuationResult | None:
    """The result in the work folder, its arrays read as they are asked for; None if it is not there yet."""
    place = work.place("values", "nodes.npz")
    if not place.exists():
        return None
    held, meta = read_archive(place, kind=KIND, version=VERSION)
    rows = {
        name: mapped(work.place("values", f"{name}.npy"))
        for name in ("values", "std_error", "mean", "comoment", "order", "row", "labels", "ids")
    }
    weights = {term.name: term.weight for term in learned.terms}
    factors = np.array(list(weights.values()))
    count = int(meta["count"])
    nodes = Moments(count, held["mean"], held["comoment"])
    bounds = np.stack([np.zeros(len(weights)), held["v_full"]])
    return ValuationResult(
        values=rows["values"],
        std_error=rows["std_error"],
        ids=rows["ids"],
        parts=dict(zip(weights, rows["mean"], strict=True)),
        weights=weights,
        v_empty=0.0,
        v_full=float(bounds[1] @ factors),
        n_evaluations=2 * count * learned.n_rows,
        n_permutations=2 * count,
        stopped_by="n_permutations",
        labels=rows["labels"],
        hierarchy=tree_of_rows(layout, rows["order"], rows["row"]),
        node_values=nodes.value(factors),
        node_std_error=nodes.std_error(factors),
        likelihoods=tuple(term.name for term in learned.terms if term.kind != "contrast"),
        point_moments=Moments(count, rows["mean"], rows["comoment"]),
        node_moments=nodes,
        part_bounds=bounds,
    )


def tree_of_rows(layout: Layout, order: NDArray[np.int64], rows: NDArray[np.int64]) -> Hierarchy:
    """The tree above the parts, over all rows."""
    ends = np.concatenate([[0], np.cumsum(layout.sizes)])
    tree = layout.tree
    return replace(tree, order=order, point_key=rows, start=ends[tree.start], stop=ends[tree.stop])


def _write(work: Work, name: str, at: slice, values: NDArray[Any]) -> None:
    fill_array(work.place("values", f"{name}.npy"), at, values)


def _place_rows(
    work: Work,
    learned: Learned,
    recipe: Recipe,
    files: Sequence[NDArray[Any]],
    weights: NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    """What the rows [begin, end) got."""
    p, size, at = len(weights), end - begin, slice(begin, end)
    mean, comoment = np.empty((size, p)), np.empty((size, p * (p + 1) // 2))
    codes = np.empty(size, np.int64)
    for walked in files:
        # By bisection: searchsorted would read all of the file.
        rows = walked["row"]
        some = np.array(walked[bisect_left(rows, begin) : bisect_left(rows, end)])
        place = some["row"] - begin
        mean[place], comoment[place], codes[place] = some["mean"], some["comoment"], some["label"]
    moments = Moments(recipe.n_pairs, np.ascontiguousarray(mean.T), np.ascontiguousarray(comoment.T))
    _write(work, "mean", at, moments.mean)
    _write(work, "comoment", at, moments.comoment)
    _write(work, "values", at, moments.value(weights))
    _write(work, "std_error", at, moments.std_error(weights))
    _write(work, "row", at, np.arange(begin, end))
    _write(work, "labels", at, learned.classes[codes])


def _place_order(work: Work, layout: Layout) -> None:
    """The rows in the order of the tree."""
    filled = 0
    for number, size in enumerate(layout.sizes.tolist()):
        rows = mapped(work.numbered("parts", number))["row"]
        _write(work, "order", slice(filled, filled + size), rows)
        filled += size
