"""Stage 4: the chains through one part, each going on from what stands before the part."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import read_archive, write_archive
from hcdv._dropped import go_on
from hcdv._moments import Moments
from hcdv.affinity import tree_levels, votes_from_elsewhere
from hcdv.affinity.forest import shared_leaf_affinity
from hcdv.allocation import draw_chain, observe_pair
from hcdv.engine import Threads
from hcdv.games import DispersionGame, Evidence, EvidenceGame, Fit, TrainingRows, VoteGame
from hcdv.games.local import kernel_game, neighbours_listed, shared_leaf_game
from hcdv.io.source import mapped
from hcdv.scale import leaf_counts
from hcdv.scale.layout import Layout
from hcdv.scale.learn import Learned, load
from hcdv.scale.parts import Part
from hcdv.scale.recipe import Recipe, Term
from hcdv.scale.records import walked_type
from hcdv.scale.states import Sums
from hcdv.scale.work import Work, save_array

KIND, VERSION = "walk", 1


class Walked(NamedTuple):
    """What a walk gives the driver; what it gives the rows is on disk.

    Attributes
    ----------
    marginals : float64 [pairs, games]
        Of the part as a whole.
    v_full : float64 [games]
        v of all its rows, or of all rows in games that know no parts.
    """

    marginals: NDArray[np.float64]
    v_full: NDArray[np.float64]


def walk_part(work: Work, recipe: Recipe, number: int) -> Walked:
    """Walk all pairs of chains through a part, and write what its rows got."""
    place = work.numbered("walks", number, "npz")
    if place.exists():
        arrays, _ = read_archive(place, kind=KIND, version=VERSION)
        return Walked(arrays["marginals"], arrays["v_full"])
    learned, layout = load(work), Layout.load(work)
    assert layout is not None
    part = Part.load(work, number)
    sums = np.array(mapped(work.place("learned", "sums.npy")))
    everyone = sums_from(sums.sum(axis=0), learned)
    games = games_of(work, learned, layout, recipe, part, number, everyone)
    before = contexts(sums, layout, recipe, number)
    know_no_parts = [term for term in learned.terms if not term.is_vote]
    moments = Moments.zeros(len(games), part.tree.n_points)
    marginals, v_full = np.empty((recipe.n_pairs, len(games))), np.empty(len(games))
    stops = np.arange(part.tree.n_points + 1)
    for pair in range(recipe.n_pairs):
        there, back = (sums_from(before[turn, pair], learned) for turn in range(2))
        states = {term.name: (_state(term, there), _state(term, back)) for term in know_no_parts}
        points, nodes, v_full = observe_pair(games, part.tree, stops, recipe.seed, pair, contexts=states)
        moments.add(points)
        marginals[pair] = nodes[:, 0]
    nobody, at_once = np.empty(0, np.int64), np.zeros(1, np.int64)
    for k, term in enumerate(learned.terms):
        if not term.is_vote:
            v_full[k] = games[term.name].chain_from(_state(term, everyone), nobody, at_once)[0]
    _save_rows(work, number, part, moments)
    write_archive(place, {"marginals": marginals, "v_full": v_full}, {"kind": KIND, "version": VERSION})
    return Walked(marginals, v_full)


def sums_from(vector: NDArray[np.float64], learned: Learned) -> Sums:
    return Sums.from_vector(vector, learned.n_dims, learned.n_classes)


def contexts(
    sums: NDArray[np.float64], layout: Layout, recipe: Recipe, number: int
) -> NDArray[np.float64]:
    """Sums of the parts before a part in every chain, and before it in its reverse, float64 [2, pairs, k]."""
    inside = np.zeros((2, recipe.n_pairs, layout.n_parts))
    for pair in range(recipe.n_pairs):
        go_on()
        chain = draw_chain(layout.tree, recipe.seed, pair)[0]
        place = int(np.flatnonzero(chain == number)[0])
        inside[0, pair, chain[:place]] = 1.0
        inside[1, pair, chain[place + 1 :]] = 1.0
    return inside @ sums


def games_of(
    work: Work,
    learned: Learned, layout: Layout, recipe: Recipe, part: Part, number: int, everyone: Sums
) -> dict[str, VoteGame | EvidenceGame | DispersionGame]:
    """The games on the rows of a part, each as a share of the whole."""
    trusted = learned.validation
    chosen = np.flatnonzero(layout.validation == number)
    rows = training_rows(learned, part, chosen)
    n, n_val = learned.n_rows, 0 if trusted is None else len(trusted.labels)
    games: dict[str, VoteGame | EvidenceGame | DispersionGame] = {}
    for term in learned.terms:
        if term.kind == "kernel":
            votes = kernel_game(
                rows, validation_weight=term.validation_weight, width=term.width, q=neighbours_listed(n),
                threads=Threads(1),
            )  # fmt: skip
            games[term.name] = votes.as_part_of(n, n_val)
        elif term.kind == "forest":
            games[term.name] = forest_game(work, learned, part, number, rows, chosen, term).as_part_of(n, n_val)
        elif term.kind == "contrast":
            contrast = DispersionGame(rows.X, rows.labels, rows.n_classes, dispersion=recipe.dispersion)
            games[term.name] = contrast.as_part_of(everyone.dispersion)
        else:
            utility = Fit() if term.kind == Fit.name else Evidence()
            fit = utility.game(rows, seed=0, threads=Threads(1), device="cpu")
            assert isinstance(fit, EvidenceGame)
            games[term.name] = fit.as_part_of(n, everyone.squares)
    return games


def training_rows(learned: Learned, part: Part, chosen: NDArray[np.int64]) -> TrainingRows:
    """The rows of a part, and those of the validation rows ``chosen`` that belong to it."""
    trusted, tree = learned.validation, part.tree
    vote = np.ascontiguousarray(part.records["vote"])
    is_trusted = trusted is not None and len(chosen) > 0
    return TrainingRows(
        X=vote,
        labels=part.records["label"].astype(np.int64),
        n_classes=learned.n_classes,
        columns=vote,
        levels=tree_levels(tree.start, tree.stop, tree.first_child, tree.n_children),
        X_val=trusted.vote[chosen] if trusted is not None and is_trusted else None,
        labels_val=trusted.labels[chosen] if trusted is not None and is_trusted else None,
    )


def forest_game(
    work: Work,
    learned: Learned,
    part: Part,
    number: int,
    rows: TrainingRows,
    chosen: NDArray[np.int64],
    term: Term,
) -> VoteGame:
    """Coherence among rows of the part that share leaves of the forest; rows of other parts are heard, too."""
    assert learned.forest is not None
    leaves = part.records["leaves"].astype(np.int32)
    unseen = learned.forest.unseen_by(np.array(part.records["row"]))
    everyone = leaf_counts.of_all(work)
    elsewhere = votes_from_elsewhere(
        leaves, unseen, rows.labels, learned.n_leaves, everyone, leaf_counts.of_part(work, number)
    )
    leaves_val = None
    if rows.labels_val is not None and learned.validation is not None:
        leaves_val = learned.validation.leaves[chosen]
    affinity, heard = shared_leaf_affinity(
        leaves, unseen, learned.n_leaves, leaves_val, n_neighbors=learned.forest_neighbours,
        leaf_sizes=everyone.sizes, threads=Threads(1),
    )  # fmt: skip
    return shared_leaf_game(
        rows, affinity, heard, validation_weight=term.validation_weight, elsewhere=elsewhere
    )


def _state(term: Term, sums: Sums) -> Any:
    """What a game goes on from."""
    return sums.dispersion if term.kind == "contrast" else sums.evidence


def _save_rows(work: Work, number: int, part: Part, moments: Moments) -> None:
    """Write what the rows got, in the order of the data."""
    rows = np.array(part.records["row"])
    order = np.argsort(rows)
    walked = np.empty(len(rows), walked_type(len(moments.mean)))
    walked["row"], walked["label"] = rows[order], part.records["label"][order]
    walked["mean"] = moments.mean.T[order]
    walked["comoment"] = moments.comoment.T[order]
    save_array(work.numbered("walks", number), walked)
