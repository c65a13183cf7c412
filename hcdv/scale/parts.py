"""Stage 3: the rows of a part come together, are put in the order of its tree, and add up to its sums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import read_archive, write_archive
from hcdv.games.dispersion import directions
from hcdv.hierarchy import Hierarchy
from hcdv.io.source import mapped
from hcdv.partition import TreeArrays
from hcdv.scale.layout import Layout, gathered
from hcdv.scale.leaf_counts import count_part
from hcdv.scale.learn import load
from hcdv.scale.recipe import Recipe
from hcdv.scale.records import record_type
from hcdv.scale.states import Sums
from hcdv.scale.upper import PART_KEY, depth_of, widths_below
from hcdv.scale.work import Work, save_array

KIND, VERSION = "part", 1


@dataclass(frozen=True, eq=False)
class Part:
    """A part, as stage 3 left it.

    Attributes
    ----------
    records : records [n], in the order of the tree
    tree : Hierarchy
        Its points are the records; rows and nodes have the keys that they have in the tree over all rows.
    """

    records: NDArray[Any]
    tree: Hierarchy

    @classmethod
    def load(cls, work: Work, number: int) -> Part:
        arrays, _ = read_archive(work.numbered("parts", number, "npz"), kind=KIND, version=VERSION)
        records = mapped(work.numbered("parts", number))
        tree = Hierarchy(np.arange(len(records)), *(arrays[name] for name in TreeArrays._fields[1:]))
        return cls(records, _keyed(tree, np.array(records["row"]), number))


def build_part(work: Work, recipe: Recipe, number: int) -> NDArray[np.float64]:
    """Gather a part and build its tree; its sums, as a vector."""
    place = work.numbered("parts", number, "npz")
    if place.exists():
        return read_archive(place, kind=KIND, version=VERSION)[0]["sums"]
    learned, layout = load(work), Layout.load(work)
    assert layout is not None
    records = gathered(work, layout, number, record_type(learned.n_dims, learned.n_leaves))
    vote = np.ascontiguousarray(records["vote"])
    tree = Hierarchy.build(
        directions(vote),
        branching=widths_below(recipe.branching, depth_of(layout.tree, number)),
        leaf_size=recipe.leaf_size,
        capacity_slack=recipe.capacity_slack,
        random_state=recipe.seed,
        n_jobs=1,
    )
    save_array(work.numbered("parts", number), records[tree.order])
    if learned.forest is not None:
        count_part(work, learned, number, records)
    labels = records["label"][tree.order].astype(np.int64)
    sums = Sums.of(vote[tree.order], labels, learned.n_classes).vector()
    write_archive(
        place,
        {name: getattr(tree, name) for name in TreeArrays._fields[1:]} | {"sums": sums},
        {"kind": KIND, "version": VERSION},
    )
    return sums


def _keyed(tree: Hierarchy, rows: NDArray[np.int64], number: int) -> Hierarchy:
    return replace(tree, point_key=rows, node_key=number * PART_KEY + np.arange(tree.n_nodes))
