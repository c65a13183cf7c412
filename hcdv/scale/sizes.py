"""How much memory and disk it takes, before it is taken."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from hcdv._validation import short
from hcdv.encoder import FrameEncoder
from hcdv.games.local import neighbours_listed
from hcdv.scale.learn import Learned
from hcdv.scale.records import record_type, walked_type

# Rows of a part: many, so that few votes are missed, but so few that the state of the votes on them stays in
# the cache.
PART_ROWS = 1 << 16
FEWEST_PART_ROWS = 1 << 10
SAMPLE_ROWS = 200_000
FEWEST_SAMPLE_ROWS = 10_000
# Rows encoded at a time, whatever the blocks in which the data come: bits must not depend on these.
BLOCK_ROWS = 1 << 16
# Of this process before it has read a row, of a row in the games of a part, and of one in the sample, roughly.
PROCESS_BYTES = 350 << 20
LEAST_BYTES = 500 * 10**6
PART_ROW_BYTES = 6 << 10
SAMPLE_ROW_BYTES = 16 << 10

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}


def parse_bytes(text: str | int | float) -> int:
    """Bytes meant by a number or by a text such as "4GB" or "500 MiB"."""
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([KMGT]?I?)B?\s*", str(text).upper())
    if found is None or found[2] not in UNITS or float(found[1]) <= 0:
        raise ValueError(f"memory_limit must be a size such as '4GB' or a number of bytes, got {short(text)}.")
    return int(float(found[1]) * UNITS[found[2]])


@dataclass(frozen=True)
class Sizes:
    """Rows of a part, of the sample and of a block; by the memory limit alone, as values depend on them."""

    part_rows: int = PART_ROWS
    sample_rows: int = SAMPLE_ROWS
    block_rows: int = BLOCK_ROWS

    @classmethod
    def within(cls, memory_limit: int | None) -> Sizes:
        """What fits into so many bytes.

        Raises
        ------
        ValueError
            If that is too little for any rows.
        """
        if memory_limit is None:
            return cls()
        if memory_limit < LEAST_BYTES:
            raise ValueError(f"memory_limit must be at least {shown(LEAST_BYTES)}, got {shown(memory_limit)}.")
        part_rows, sample_rows = PART_ROWS, SAMPLE_ROWS
        for_rows = memory_limit - PROCESS_BYTES
        # A part may come out twice as large as wanted.
        while part_rows > FEWEST_PART_ROWS and 2 * part_rows * PART_ROW_BYTES > for_rows:
            part_rows //= 2
        while sample_rows > FEWEST_SAMPLE_ROWS and sample_rows * SAMPLE_ROW_BYTES > for_rows:
            sample_rows //= 2
        return cls(part_rows, sample_rows)


def part_bytes(learned: Learned, n_rows: int) -> int:
    """What a task holds at most that walks a part of so many rows."""
    d, p, kinds = learned.n_dims, len(learned.terms), [term.kind for term in learned.terms]
    row = record_type(learned.n_dims, learned.n_leaves).itemsize + 12 * d
    row += 3 * 8 * (p + p * (p + 1) // 2) + 160
    # The affinities; lists and affinity side by side while the largest is made.
    votes = [0]
    if "kernel" in kinds:
        votes.append(8 * neighbours_listed(learned.n_rows))
    if "forest" in kinds:
        votes.append(8 * learned.forest_neighbours + 8 * len(learned.n_leaves))
    return n_rows * (row + sum(votes) + max(votes)) + leaf_bytes(learned)


def leaf_bytes(learned: Learned) -> int:
    """What the rows in the leaves of the forest take, of all parts and of one, and the votes made of them."""
    cells = int(learned.n_leaves.sum()) * learned.n_classes
    return 8 * 12 * cells


def block_bytes(learned: Learned, block_rows: int) -> int:
    """What a task holds at most that encodes a block."""
    encoder = learned.encoder
    width = (encoder.identity if isinstance(encoder, FrameEncoder) else encoder).n_columns_
    return block_rows * (24 * width + 2 * record_type(learned.n_dims, learned.n_leaves).itemsize)


def tasks_at_once(memory_limit: int | None, of_task: int) -> int | None:
    """Tasks of so many bytes that fit side by side; None for any number.

    Raises
    ------
    ValueError
        If not one does.
    """
    if memory_limit is None:
        return None
    fitting = (memory_limit - PROCESS_BYTES) // of_task
    if fitting < 1:
        raise ValueError(
            f"memory_limit must be at least {shown(PROCESS_BYTES + of_task)} for these rows, got "
            f"{shown(memory_limit)}."
        )
    return int(fitting)


def disk_bytes(learned: Learned) -> int:
    """What the work folder comes to at most: rows by block, by part, what they got, and the result."""
    p = len(learned.terms)
    record = record_type(learned.n_dims, learned.n_leaves).itemsize
    walked = walked_type(p).itemsize
    result = 8 * (p + p * (p + 1) // 2 + 6)
    return learned.n_rows * max(2 * record, record + walked + result)


def check_disk(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises
    ------
    OSError
        One sentence: how much is needed, and how much is free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"the work takes up to {shown(needed)} of disk, but {folder} has {shown(free)} free.")


def shown(size: float) -> str:
    """A size for people."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
