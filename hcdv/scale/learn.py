"""Stage 1: all that is learned, from a sample that fits into memory."""

from __future__ import annotations

import functools
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import read_archive, write_archive
from hcdv._dispersion import MODES
from hcdv._labels import encode_known
from hcdv._memory import release_freed_memory
from hcdv._random import derive_seed, generator
from hcdv._validation import check_choice
from hcdv.affinity import tree_levels
from hcdv.affinity.forest import NEIGHBOURS, Forest, n_trees_for, shared_leaf_affinity
from hcdv.encoder import FixedEncoder, FrameEncoder, IdentityEncoder, make_encoder
from hcdv.encoder.state import Own, from_state, to_state
from hcdv.engine import Threads, single_threaded_blas
from hcdv.game import Game
from hcdv.games import TrainingRows, UtilityPlan, VoteGame, plan_utility, with_likeliest_weights
from hcdv.games.catalog import WeightedUtility
from hcdv.games.dispersion import directions
from hcdv.games.local import shared_leaf_game
from hcdv.games.named import Evidence, Fit, Kernel
from hcdv.games.named import Forest as ForestUtility
from hcdv.hierarchy import Hierarchy
from hcdv.io.source import Source, mapped
from hcdv.partition import TreeArrays
from hcdv.scale.finite import check_numbers
from hcdv.scale.labels import count_classes, plain_labels
from hcdv.scale.recipe import Recipe, Term
from hcdv.scale.upper import leaf_centres, nearest
from hcdv.scale.work import Work, save_array

KIND, VERSION = "learned", 2
# Rows by which weights and widths are learned.
GAME_ROWS = 50_000
# Rows of its own part that a voter of the forest listens to at least.
FEWEST_NEIGHBOURS = 32
UTILITIES: dict[type, str] = {Kernel: "kernel", ForestUtility: "forest", Fit: "fit", Evidence: "evidence"}


@dataclass(frozen=True, eq=False)
class Learned:
    """What stage 1 found out.

    Attributes
    ----------
    encoder : Encoder
    classes : [C]
    class_counts : int64 [C]
    terms : tuple of Term
        The games, contrast included.
    forest : Forest or None
        Where a term asks for one.
    n_leaves : int32 [trees]
        Empty without a forest.
    base : Hierarchy
        Over the sample; its leaves, in the order of their points, are the first parts.
    centres : float32 [parts, d]
    sample_rows : int64 [s]
    sample_vote : float32 [s, d], on disk
    sample_leaves : int32 [s, trees], on disk
    validation : Validation or None
    crossing_votes : dict of str to float
        Of the votes among rows of the sample, the share that crosses from one part into another.
    """

    encoder: IdentityEncoder | FrameEncoder
    classes: NDArray[Any]
    class_counts: NDArray[np.int64]
    terms: tuple[Term, ...]
    forest: Forest | None
    base: Hierarchy
    centres: NDArray[np.float32]
    sample_rows: NDArray[np.int64]
    sample_vote: NDArray[np.float32]
    sample_leaves: NDArray[np.int32]
    validation: Validation | None
    crossing_votes: dict[str, float]

    @property
    def n_rows(self) -> int:
        return int(self.class_counts.sum())

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def n_dims(self) -> int:
        return self.centres.shape[1]

    @property
    def n_leaves(self) -> NDArray[np.int32]:
        return np.zeros(0, np.int32) if self.forest is None else self.forest.n_leaves

    @property
    def forest_neighbours(self) -> int:
        """Rows of its own part that a voter of the forest listens to one by one.

        Of those that it would listen to in memory, as many as stand there; the others it hears in sum.
        """
        crossing = [self.crossing_votes[term.name] for term in self.terms if term.kind == "forest"]
        inside = 1.0 - max(crossing, default=0.0)
        return max(FEWEST_NEIGHBOURS, math.ceil(inside * NEIGHBOURS))


@dataclass(frozen=True, eq=False)
class Validation:
    """Validation rows as the games see them."""

    vote: NDArray[np.float32]
    labels: NDArray[np.int64]
    leaves: NDArray[np.int32]


def check_recipe(recipe: Recipe) -> None:
    """Refuse what cannot be played part by part.

    Raises
    ------
    ValueError
        One sentence that names what.
    """
    plan = plan_utility(recipe.utility, is_mixed=False, weights=recipe.weights)
    strangers = [term.name for term in plan.terms if type(term.utility) not in UTILITIES]
    if strangers:
        raise ValueError(
            f"out of core the utility is made of {', '.join(UTILITIES.values())}, got {', '.join(strangers)}."
        )
    encoder = recipe.encoder.encoder if isinstance(recipe.encoder, FixedEncoder) else recipe.encoder
    is_known = isinstance(encoder, (IdentityEncoder, FrameEncoder))
    if not is_known and not (isinstance(encoder, str) and encoder in ("auto", "identity")):
        raise ValueError(
            "out of core the encoder is 'identity', or a fitted one that learns no space from labels, got "
            f"{encoder!r}."
        )
    check_choice(recipe.dispersion, "dispersion", MODES)


def learn(
    source: Source,
    validation: tuple[Any, Any] | None,
    *,
    recipe: Recipe,
    work: Work,
    part_rows: int,
    sample_rows: int,
    threads: Threads,
) -> Learned:
    """Learn encoder, forest, first parts, kernel widths and weights, and write them to the work folder."""
    place = work.place("learned", "facts.npz")
    if not place.exists():
        with single_threaded_blas():
            _learn(source, validation, recipe, work, part_rows, sample_rows, threads)
        release_freed_memory()
    return load(work)


@functools.lru_cache(maxsize=2)
def load(work: Work) -> Learned:
    """What was learned, read from the work folder.

    Raises
    ------
    FileNotFoundError
        Where this worker does not see the folder.
    """
    if not Path(work.folder).is_dir():
        raise FileNotFoundError(
            f"a worker on {platform.node()} does not see the work folder {work.folder}; give checkpoint= a "
            "folder that all workers reach under the same path."
        )
    arrays, meta = read_archive(work.place("learned", "facts.npz"), kind=KIND, version=VERSION)
    held = {name.replace(":", "/"): array for name, array in _under(arrays, "encoder.").items()}
    encoder = from_state(meta["encoder"], held, Own(), "cpu")
    assert isinstance(encoder, (IdentityEncoder, FrameEncoder))
    forest = _under(arrays, "forest.")
    validation = _under(arrays, "validation.")
    return Learned(
        encoder=encoder,
        classes=arrays["classes"],
        class_counts=arrays["class_counts"],
        terms=tuple(Term(**term) for term in meta["terms"]),
        forest=Forest.from_arrays(forest) if forest else None,
        base=Hierarchy(**_under(arrays, "base.")),
        centres=arrays["centres"],
        sample_rows=arrays["sample_rows"],
        sample_vote=mapped(work.place("learned", "vote.npy")),
        sample_leaves=mapped(work.place("learned", "leaves.npy")),
        validation=Validation(**validation) if validation else None,
        crossing_votes=meta["crossing_votes"],
    )


def _under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _learn(
    source: Source,
    validation: tuple[Any, Any] | None,
    recipe: Recipe,
    work: Work,
    part_rows: int,
    sample_rows: int,
    threads: Threads,
) -> None:
    n = source.n_rows
    classes, class_counts = count_classes(source)
    rows = drawn(n, sample_rows, recipe.seed)
    block = source.take(rows)
    labels = np.searchsorted(classes, plain_labels(block.y, "y")).astype(np.int64)
    labels_val = None
    if validation is not None:
        labels_val = encode_known(plain_labels(validation[1], "y_val"), len(validation[0]), classes, "y_val")
    encoder = make_encoder(block.X, recipe.encoder)
    check_numbers(block.X, rows, source, encoder)
    plan = plan_utility(
        recipe.utility, is_mixed=encoder.is_mixed, validation_weight=recipe.validation_weight,
        weights=recipe.weights, spaces=encoder.others,
    )  # fmt: skip
    grows = any(isinstance(term.utility, ForestUtility) for term in plan.terms)
    spaces = encoder.fit_spaces(block.X, labels, seed=recipe.seed, columns=grows)
    vote, columns = spaces.vote, spaces.columns
    spaces_val = None
    if validation is not None:
        spaces_val = encoder.spaces(validation[0], columns=grows, name="X_val")
    del block, spaces
    forest, leaves = None, np.zeros((len(rows), 0), np.int32)
    if grows:
        seed = derive_seed(recipe.seed, "game", ForestUtility.name)
        forest = Forest.grow(columns, labels, n_trees=n_trees_for(n), seed=seed, threads=threads)
        leaves = forest.leaves(columns, threads)
    del columns
    base = first_parts(vote, recipe, part_rows / n, threads)
    centres = leaf_centres(base, directions(vote))
    trusted = None
    if spaces_val is not None and labels_val is not None:
        their_leaves = np.zeros((len(labels_val), 0), np.int32)
        if forest is not None:
            their_leaves = forest.leaves(spaces_val.columns, threads)
        trusted = Validation(np.array(spaces_val.vote), labels_val, their_leaves)
    sample = Sample(vote, labels, leaves, len(classes))
    terms, crossing = learn_terms(plan, recipe, sample, trusted, forest, centres, n, threads)
    if forest is not None:
        # By their numbers in the data from here on.
        forest = replace(forest, rows=rows[forest.rows])
    facts, arrays = to_state(encoder.encoder if isinstance(encoder, FixedEncoder) else encoder)
    save_array(work.place("learned", "vote.npy"), vote)
    save_array(work.place("learned", "leaves.npy"), leaves)
    held = {f"encoder.{name.replace('/', ':')}": array for name, array in arrays.items()}
    held |= {f"base.{name}": getattr(base, name) for name in TreeArrays._fields}
    if forest is not None:
        held |= {f"forest.{name}": array for name, array in forest.arrays().items()}
    if trusted is not None:
        held |= {f"validation.{item.name}": getattr(trusted, item.name) for item in fields(trusted)}
    write_archive(
        work.place("learned", "facts.npz"),
        {**held, "classes": classes, "class_counts": class_counts, "centres": centres, "sample_rows": rows},
        {
            "kind": KIND, "version": VERSION, "encoder": facts, "crossing_votes": crossing,
            "terms": [{item.name: getattr(term, item.name) for item in fields(term)} for term in terms],
        },
    )  # fmt: skip


def drawn(n: int, k: int, seed: int) -> NDArray[np.int64]:
    """Numbers of k of n rows, ascending; all where there are no more."""
    if n <= k:
        return np.arange(n)
    rows = generator(seed, "sample of rows").choice(n, k, replace=False, shuffle=False)
    return np.sort(rows).astype(np.int64)


def first_parts(vote: NDArray[np.float32], recipe: Recipe, share: float, threads: Threads) -> Hierarchy:
    """A tree over the sample whose leaves hold this share of the rows at most."""
    return Hierarchy.build(
        directions(vote),
        branching=recipe.branching,
        leaf_size=max(1, int(share * len(vote))),
        capacity_slack=recipe.capacity_slack,
        random_state=recipe.seed,
        n_jobs=threads.n_jobs,
    )


@dataclass(frozen=True)
class Sample:
    """Rows of the sample as the games see them."""

    vote: NDArray[np.float32]
    labels: NDArray[np.int64]
    leaves: NDArray[np.int32]
    n_classes: int

    def some(self, chosen: NDArray[np.int64]) -> Sample:
        return Sample(
            np.ascontiguousarray(self.vote[chosen]), self.labels[chosen],
            np.ascontiguousarray(self.leaves[chosen]), self.n_classes,
        )  # fmt: skip


def learn_terms(
    plan: UtilityPlan,
    recipe: Recipe,
    sample: Sample,
    trusted: Validation | None,
    forest: Forest | None,
    centres: NDArray[np.float32],
    n: int,
    threads: Threads,
) -> tuple[tuple[Term, ...], dict[str, float]]:
    """Kernel widths and weights, as a fit on rows of the sample learns them; and the votes that cross parts."""
    chosen = np.arange(len(sample.labels))
    if len(chosen) > GAME_ROWS:
        chosen = np.arange(GAME_ROWS, dtype=np.int64) * len(chosen) // GAME_ROWS
    few = sample.some(chosen)
    tree = Hierarchy.build(
        directions(few.vote), branching=recipe.branching, leaf_size=recipe.leaf_size,
        capacity_slack=recipe.capacity_slack, random_state=recipe.seed, n_jobs=threads.n_jobs,
    )  # fmt: skip
    few, chosen = few.some(tree.order), chosen[tree.order]
    rows = TrainingRows(
        X=few.vote,
        labels=few.labels,
        n_classes=few.n_classes,
        columns=few.vote,
        levels=tree_levels(tree.start, tree.stop, tree.first_child, tree.n_children),
        X_val=None if trusted is None else trusted.vote,
        labels_val=None if trusted is None else trusted.labels,
    )
    games: dict[str, Game] = {}
    for term in plan.terms:
        if forest is not None and isinstance(term.utility, ForestUtility):
            affinity, heard = shared_leaf_affinity(
                few.leaves, forest.unseen_by(chosen), forest.n_leaves,
                None if trusted is None else trusted.leaves, threads=threads,
            )  # fmt: skip
            games[term.name] = shared_leaf_game(
                rows, affinity, heard, validation_weight=term.utility.validation_weight
            )
        else:
            games[term.name] = term.utility.game(
                rows, seed=derive_seed(recipe.seed, "game", term.name), threads=threads, device="cpu"
            )
    plan = with_likeliest_weights(plan, games, rows, threads)
    part = nearest(few.vote, centres)
    crossing = {name: _crossing(game, part) for name, game in games.items() if isinstance(game, VoteGame)}
    terms = [_term(term, games[term.name]) for term in plan.terms]
    if recipe.contrast:
        terms.append(Term("contrast", "contrast", float(recipe.contrast)))
    return tuple(terms), crossing


def _term(term: WeightedUtility, game: Game) -> Term:
    utility = term.utility
    return Term(
        term.name,
        UTILITIES[type(utility)],
        term.weight,
        getattr(utility, "validation_weight", 0.0),
        getattr(game, "kernel_width", None) or 1.0,
    )


def _crossing(game: VoteGame, part: NDArray[np.int64]) -> float:
    """Share of the votes that rows of one part cast on rows of another."""
    votes = game.rows.affinity
    source = np.repeat(part, np.diff(votes.indptr))
    crossing = votes.weights[source != part[votes.indices]].sum(dtype=np.float64)
    return float(crossing / max(votes.weights.sum(dtype=np.float64), 1e-300))
