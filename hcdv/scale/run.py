"""All stages, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._digest import fingerprint
from hcdv._progress import Progress
from hcdv.encoder import Encoder
from hcdv.encoder.state import to_state
from hcdv.engine import Engine, Threads
from hcdv.io.source import Source
from hcdv.result import ValuationResult
from hcdv.scale.encode import BlockJob, encode_block
from hcdv.scale.gather import gather, load_result
from hcdv.scale.layout import Layout, bounds_of, lay_out
from hcdv.scale.leaf_counts import count_all
from hcdv.scale.learn import Learned, check_recipe, learn
from hcdv.scale.names import place_names
from hcdv.scale.parts import build_part
from hcdv.scale.recipe import Recipe
from hcdv.scale.sizes import Sizes, block_bytes, check_disk, disk_bytes, part_bytes, shown, tasks_at_once
from hcdv.scale.split import split_part
from hcdv.scale.walk import walk_part
from hcdv.scale.work import Work, save_array


@dataclass(frozen=True, eq=False)
class OutOfCoreResult:
    """What came of it.

    Attributes
    ----------
    result : ValuationResult
        Its arrays lie in the work folder; its tree is the one above the parts, over all rows.
    encoder : Encoder
    classes : [C]
    kernel_widths : dict of str to float
    crossing_votes : dict of str to float
        By game: of the votes among rows of the sample, the share between rows of different parts.
    """

    result: ValuationResult
    encoder: Encoder
    classes: NDArray[Any]
    kernel_widths: dict[str, float]
    crossing_votes: dict[str, float]


def value_out_of_core(
    source: Source,
    validation: tuple[Any, Any] | None,
    *,
    recipe: Recipe,
    engine: Engine,
    work: Path,
    memory_limit: int | None,
    sizes: Sizes | None = None,
    threads: Threads,
    progress: Progress,
    tell: Callable[[str], None] | None = None,
) -> OutOfCoreResult:
    """Value rows part by part.

    Parameters
    ----------
    source : Source
        Rows with labels.
    validation : (X, y), optional
        Trusted rows, in memory.
    recipe : Recipe
    engine : Engine
        Runs the tasks.  No bit depends on it, nor on the number of its workers.
    work : Path
        Folder that all workers reach, and that the caller has `claimed`.  What is finished there already is
        not done again; once all is, the folder holds the result alone.
    memory_limit : int, optional
        Bytes of memory of all tasks that run at once.
    sizes : Sizes, optional
        Of parts, blocks and sample, on which values depend; by default what ``memory_limit`` allows.
    threads : Threads
        For what is learned from the sample, here.
    progress : Progress
    tell : callable, optional
        Told how much disk it takes, before it is taken.

    Returns
    -------
    OutOfCoreResult

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or cannot be had out of core.
    OSError
        If the folder cannot be written, or the disk is too small.
    """
    check_recipe(recipe)
    sizes = Sizes.within(memory_limit) if sizes is None else sizes
    folder = Work.begin(work, _fingerprint(source, validation, recipe, sizes))
    learned, result = _valued(
        source, validation, recipe, engine, folder, memory_limit, sizes, threads, progress, tell
    )
    for stage in ("shards", "parts", "walks"):
        folder.clear(stage)
    return OutOfCoreResult(
        result=result,
        encoder=learned.encoder,
        classes=learned.classes,
        kernel_widths={term.name: term.width for term in learned.terms if term.kind == "kernel"},
        crossing_votes=dict(learned.crossing_votes),
    )


def _valued(
    source: Source,
    validation: tuple[Any, Any] | None,
    recipe: Recipe,
    engine: Engine,
    folder: Work,
    memory_limit: int | None,
    sizes: Sizes,
    threads: Threads,
    progress: Progress,
    tell: Callable[[str], None] | None,
) -> tuple[Learned, ValuationResult]:
    """What is in the folder at the end; all stages that are not done."""
    with progress.stage("learning from a sample"):
        place_names(folder, source)
        learned = learn(
            source, validation, recipe=recipe, work=folder, part_rows=sizes.part_rows,
            sample_rows=sizes.sample_rows, threads=threads,
        )  # fmt: skip
    layout = Layout.load(folder)
    result = None if layout is None else load_result(folder, learned, layout)
    if result is None or layout is None:
        disk = disk_bytes(learned)
        if tell is not None:
            tell(f"The work takes up to {shown(disk)} of disk in {folder.folder}.")
        if layout is None:
            check_disk(Path(folder.folder), disk)
            layout = _encode(source, learned, folder, recipe, sizes, engine, memory_limit, progress)
        _play(learned, layout, folder, recipe, engine, memory_limit, progress)
        result = load_result(folder, learned, layout)
        assert result is not None
    return learned, result


def _encode(
    source: Source,
    learned: Learned,
    folder: Work,
    recipe: Recipe,
    sizes: Sizes,
    engine: Engine,
    memory_limit: int | None,
    progress: Progress,
) -> Layout:
    """Stage 2: where every row stands."""
    blocks = _blocks(source, learned.n_rows, sizes.block_rows)
    at_once = tasks_at_once(memory_limit, block_bytes(learned, min(sizes.block_rows, learned.n_rows)))
    with progress.stage("encoding", learned.n_rows) as step:
        counts = []
        encode = engine.map(
            partial(encode_block, folder), blocks, name=lambda job: f"encode-{job.number}", at_once=at_once
        )
        for of_block in encode:
            counts.append(of_block)
            step.done(int(np.sum(counts)))
    shards = np.array(counts)
    large = np.flatnonzero(shards.sum(axis=0) > 2 * sizes.part_rows).tolist()
    jobs = [(part, bounds_of(shards, part)) for part in large]
    split = partial(split_part, folder, recipe, sizes.part_rows)
    done = engine.map(split, jobs, name=lambda job: f"split-{job[0]}", at_once=at_once)
    return lay_out(folder, learned, shards, dict(zip(large, done, strict=True)))


def _blocks(source: Source, n: int, block_rows: int) -> Iterator[BlockJob]:
    for number, begin in enumerate(range(0, n, block_rows)):
        end = min(begin + block_rows, n)
        yield BlockJob(number, begin, end, source.window(begin, end))


def _play(
    learned: Learned,
    layout: Layout,
    folder: Work,
    recipe: Recipe,
    engine: Engine,
    memory_limit: int | None,
    progress: Progress,
) -> None:
    """Stages 3 to 5: what every row gets."""
    n, numbers = learned.n_rows, range(layout.n_parts)
    at_once = tasks_at_once(memory_limit, part_bytes(learned, int(layout.sizes.max())))
    with progress.stage("building the trees", n) as step:
        build = engine.map(partial(build_part, folder, recipe), numbers, name=_named("part"), at_once=at_once)
        sums = list(_counted(build, layout, step.done))
        save_array(folder.place("learned", "sums.npy"), np.array(sums))
        if learned.forest is not None:
            count_all(folder, layout.n_parts)
    folder.clear("shards")
    with progress.stage("walking the chains", n) as step:
        walk = engine.map(partial(walk_part, folder, recipe), numbers, name=_named("walk"), at_once=at_once)
        walked = list(_counted(walk, layout, step.done))
    with progress.stage("ordering the values", n) as step:
        gather(folder, learned, layout, recipe, walked, step.done)


def _counted(results: Iterator[Any], layout: Layout, done: Callable[[int], None]) -> Iterator[Any]:
    """The results of parts, while the rows that are through are told."""
    through = 0
    for size, result in zip(layout.sizes.tolist(), results, strict=True):
        through += size
        done(through)
        yield result


def _named(stage: str) -> Callable[[int], str]:
    return lambda number: f"{stage}-{number}"


def _fingerprint(
    source: Source, validation: tuple[Any, Any] | None, recipe: Recipe, sizes: Sizes
) -> str:
    """Of everything that values depend on."""
    facts = [*recipe.facts(), *astuple(sizes), source.n_rows, source.fingerprint()]
    arrays: list[NDArray[Any]] = []
    if not isinstance(recipe.encoder, str):
        told, held = to_state(getattr(recipe.encoder, "encoder", recipe.encoder))
        facts.append(repr(told))
        arrays += [held[name] for name in sorted(held)]
    for given in validation or ():
        plain = np.asarray(given)
        arrays.append(plain.astype(str) if plain.dtype.kind == "O" else plain)
    return fingerprint(facts, arrays)
