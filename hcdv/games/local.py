"""The two local votes: who listens to whom, and how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv.affinity import (
    Affinity,
    forest_affinity,
    kernel_affinity,
    returned_votes,
    trusted_kernel_votes,
)
from hcdv.engine import Threads
from hcdv.game import Indices
from hcdv.games.likelihood import Ballots, likeliest_width, voters_asked
from hcdv.games.rows import TrainingRows
from hcdv.games.vote import Electorate, VoteGame

# What the uniform prior weighs, as a share of all the votes a voter could hear.  Small, so that the confidence
# of rows in pure surroundings hardly depends on how dense these are (docs/quality.md).
KERNEL_PRIOR = 0.025
# Rows that a voter listens to, and how many above LARGE rows: there 32 rows are as near as 64 are elsewhere,
# and the affinity is by far the largest thing in memory.
NEIGHBOURS = 64
LARGE, NEIGHBOURS_IF_LARGE = 200_000, 32
FOREST_PRIOR = 0.125
# The neighbour whose distance is the width of a voter's kernel.
BANDWIDTH_NEIGHBOUR = 10


def kernel_game(
    rows: TrainingRows,
    *,
    validation_weight: float,
    width: float | None = 1.0,
    q: int | None = None,
    threads: Threads,
) -> VoteGame:
    """Coherence under a Gaussian kernel over the ``q`` nearest rows, w = exp(-2 d^2 / h^2).

    h is ``width`` times a voter's distance to its tenth neighbour.  None chooses the width under which the
    rows' own labels are likeliest when none votes on itself; in a space learned from them, the usual one.
    """
    q = neighbours_listed(rows.n_points) if q is None else q
    trusted = heard = None
    # The validation rows first: while they are searched for, the large affinity is not there yet.
    if rows.X_val is not None and validation_weight:
        heard = heard_by_validation(rows, threads, q)
    affinity = kernel_affinity(
        rows.X, n_neighbors=q, bandwidth_neighbor=BANDWIDTH_NEIGHBOUR, blocks=rows.levels, threads=threads
    )
    if width is None:
        width = 1.0 if rows.is_learned else _likeliest_width(rows, affinity)
    affinity = affinity.widened(width)
    heard = None if heard is None else heard.widened(width)
    if rows.X_val is not None and rows.labels_val is not None and affinity.bandwidth is not None:
        trusted = trusted_votes(rows, affinity.bandwidth, threads)
    return vote_game(rows, affinity, heard, trusted, KERNEL_PRIOR, validation_weight)


def neighbours_listed(n: int) -> int:
    """How many rows a voter listens to, among n."""
    return NEIGHBOURS if n <= LARGE else NEIGHBOURS_IF_LARGE


def heard_by_validation(rows: TrainingRows, threads: Threads, q: int | None = None) -> Affinity:
    """Who votes on the validation rows, under a kernel of the usual width."""
    q = neighbours_listed(rows.n_points) if q is None else q
    return kernel_affinity(
        rows.X, rows.X_val, n_neighbors=q, bandwidth_neighbor=BANDWIDTH_NEIGHBOUR,
        blocks=rows.levels or None, threads=threads,
    )  # fmt: skip


def trusted_votes(
    rows: TrainingRows, bandwidth: NDArray[np.float64], threads: Threads, asked: Indices | None = None
) -> NDArray[np.float64]:
    """Votes of the validation rows on the rows, or on those asked for: matching and all, float64 [k, 2]."""
    assert rows.X_val is not None and rows.labels_val is not None
    some = slice(None) if asked is None else asked
    return trusted_kernel_votes(
        rows.X[some], rows.labels[some], bandwidth[some], rows.X_val, rows.labels_val, rows.n_classes,
        threads,
    )  # fmt: skip


def _likeliest_width(rows: TrainingRows, affinity: Affinity) -> float:
    asked = voters_asked(rows.n_points, rows.n_classes)
    ballots = Ballots.of(affinity, rows.labels, asked, rows.n_classes)
    return likeliest_width(ballots.own_log_shares(rows.labels[asked], KERNEL_PRIOR))


def forest_game(
    rows: TrainingRows, *, validation_weight: float, seed: int, threads: Threads
) -> VoteGame:
    """Coherence among rows that share leaves of a random forest, out of bag."""
    order = slice(None) if rows.order is None else rows.order
    affinity, heard = forest_affinity(
        rows.columns[order],
        rows.labels[order],
        rows.n_classes,
        rows.columns_val,
        seed=seed,
        threads=threads,
    )
    if rows.order is not None:
        affinity = affinity.placed(rows.order, rows_vote=True)
        heard = None if heard is None else heard.placed(rows.order, rows_vote=False)
    return shared_leaf_game(rows, affinity, heard, validation_weight=validation_weight)


def shared_leaf_game(
    rows: TrainingRows,
    affinity: Affinity,
    heard: Affinity | None,
    *,
    validation_weight: float,
    elsewhere: NDArray[np.float64] | None = None,
) -> VoteGame:
    """Coherence under a forest's affinity, on the rows and on the validation rows.

    ``elsewhere`` float64 [n, 2] are matching and all votes of further rows, which are heard but do not play
    (:func:`hcdv.affinity.votes_from_elsewhere`).
    """
    trusted = None
    if heard is not None and rows.labels_val is not None:
        trusted = returned_votes(heard, rows.labels, rows.labels_val)
    if elsewhere is not None:
        # The prior weighs a share of what all rows say, be they here or elsewhere.
        prior = FOREST_PRIOR * elsewhere[:, 1:] * [1.0 / rows.n_classes, 1.0]
        trusted = elsewhere + prior if trusted is None else trusted + elsewhere + prior
    return vote_game(rows, affinity, heard, trusted, FOREST_PRIOR, validation_weight)


def vote_game(
    rows: TrainingRows,
    affinity: Affinity,
    heard: Affinity | None,
    trusted: NDArray[np.float64] | None,
    prior_share: float,
    validation_weight: float,
) -> VoteGame:
    """The game of these weights: on the rows, and on the validation rows where these are voted for."""
    validation = None
    if heard is not None and rows.labels_val is not None and validation_weight:
        validation = Electorate.of(heard, rows.labels_val, rows.n_classes, prior_share=prior_share)
    return VoteGame(
        Electorate.of(
            affinity, rows.labels, rows.n_classes, prior_share=prior_share, trusted=trusted
        ),
        rows.n_classes,
        validation=validation,
        validation_weight=validation_weight,
    )
