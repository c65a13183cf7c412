"""Where the rows of every part stand, once all rows are encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import read_archive, write_archive
from hcdv.hierarchy import Hierarchy
from hcdv.io.source import mapped
from hcdv.partition import TreeArrays
from hcdv.scale.learn import Learned
from hcdv.scale.split import Split, split_file
from hcdv.scale.upper import keyed, nearest, upper_tree
from hcdv.scale.work import Work, save_array

KIND, VERSION = "layout", 1


@dataclass(frozen=True, eq=False)
class Layout:
    """The parts.

    Attributes
    ----------
    tree : Hierarchy
        Its points are the parts, numbered in its order.
    sizes : int64 [parts]
        Rows in each.
    first_piece : int64 [parts + 1]
        Where the pieces of each part begin in the list of all.
    validation : int64 [n_val]
        The part of every validation row.
    """

    tree: Hierarchy
    sizes: NDArray[np.int64]
    first_piece: NDArray[np.int64]
    validation: NDArray[np.int64]

    @property
    def n_parts(self) -> int:
        return len(self.sizes)

    @classmethod
    def load(cls, work: Work) -> Layout | None:
        """The layout in the work folder, if it is there yet."""
        place = work.place("learned", "layout.npz")
        if not place.exists():
            return None
        arrays, _ = read_archive(place, kind=KIND, version=VERSION)
        tree = keyed(Hierarchy(*(arrays[name] for name in TreeArrays._fields)))
        return cls(tree, arrays["sizes"], arrays["first_piece"], arrays["validation"])


def lay_out(
    work: Work, learned: Learned, counts: NDArray[np.int64], splits: Mapping[int, Split]
) -> Layout:
    """Number the parts, and write down where their rows stand.

    ``counts`` int64 [blocks, first parts] are the rows in each shard; ``splits`` the parts that were divided.
    """
    divided = {part: (split.tree, split.counts.sum(axis=0)) for part, split in splits.items()}
    tree, names = upper_tree(learned.base, counts.sum(axis=0), divided)
    pieces = [_pieces(counts, splits, *name) for name in names]
    first_piece = np.cumsum([0, *map(len, pieces)]).astype(np.int64)
    sizes = np.array([(of[:, 3] - of[:, 2]).sum() for of in pieces], np.int64)
    centres = [
        learned.centres[part] if piece < 0 else splits[part].centres[piece] for part, piece in names
    ]
    validation = np.zeros(0, np.int64)
    if learned.validation is not None:
        validation = nearest(learned.validation.vote, np.stack(centres))
    save_array(work.place("learned", "pieces.npy"), np.concatenate(pieces))
    write_archive(
        work.place("learned", "layout.npz"),
        {name: getattr(tree, name) for name in TreeArrays._fields}
        | {"sizes": sizes, "first_piece": first_piece, "validation": validation},
        {"kind": KIND, "version": VERSION},
    )
    return Layout(tree, sizes, first_piece, validation)


def bounds_of(counts: NDArray[np.int64], part: int) -> NDArray[np.int64]:
    """Where a part's rows begin and end in each file, by the counts [files, parts] of files sorted by part."""
    begin = counts[:, :part].sum(axis=1)
    return np.column_stack([begin, begin + counts[:, part]])


def _pieces(
    counts: NDArray[np.int64], splits: Mapping[int, Split], part: int, piece: int
) -> NDArray[np.int64]:
    """Of a part: (split that wrote the file or -1, block, first row, one behind the last), int64 [k, 4]."""
    bounds = bounds_of(counts, part) if piece < 0 else bounds_of(splits[part].counts, piece)
    block = np.flatnonzero(bounds[:, 1] > bounds[:, 0])
    return np.column_stack([np.full(len(block), -1 if piece < 0 else part), block, bounds[block]])


def gathered(work: Work, layout: Layout, part: int, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The records of a part, in the order of the data."""
    pieces = mapped(work.place("learned", "pieces.npy"))
    mine = np.array(pieces[layout.first_piece[part] : layout.first_piece[part + 1]])
    records = np.empty(int(layout.sizes[part]), dtype)
    filled = 0
    for split, block, begin, end in mine.tolist():
        place = work.numbered("shards", block) if split < 0 else split_file(work, split, block)
        records[filled : filled + end - begin] = mapped(place)[begin:end]
        filled += end - begin
    return records
