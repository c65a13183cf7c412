"""The weights of a sum of games, learned: those under which the labels known to be right are likeliest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hcdv.engine import Threads
from hcdv.game import Game, Indices
from hcdv.games.catalog import UtilityPlan, WeightedUtility
from hcdv.games.evidence import EvidenceGame
from hcdv.games.likelihood import Ballots, likeliest_weights, voters_asked
from hcdv.games.named import Forest
from hcdv.games.rows import TrainingRows
from hcdv.games.vote import VoteGame


def with_likeliest_weights(
    plan: UtilityPlan, games: Mapping[str, Game], rows: TrainingRows, threads: Threads
) -> UtilityPlan:
    """The plan with weights learned from the labels of the validation rows.

    Kernel, forest, fit and evidence each predict labels, in whatever space.  Those of these terms that learn
    share the sum of their weights anew (:func:`hcdv.games.likelihood.likeliest_weights`), those that only share
    out below among themselves.  All other terms, and weights that are not above 0, stay.

    Where no validation rows are voted on, the training rows are predicted, each without its own label.  Terms
    in learned spaces stay then: these have seen the labels and would predict them too well.

    Parameters
    ----------
    plan : UtilityPlan
    games : mapping of str to Game
        Of the plan's terms, by name, as the compiled kernels play them.
    rows : TrainingRows
        What they are played on.
    threads : hcdv.engine.Threads

    Returns
    -------
    UtilityPlan
    """
    on_validation = rows.labels_val is not None and not any(
        isinstance(game, VoteGame) and game.validation is None for game in games.values()
    )
    labels = rows.labels_val if on_validation and rows.labels_val is not None else rows.labels
    asked = voters_asked(len(labels), rows.n_classes)
    weights = dict(zip(plan.names, plan.weights, strict=True))
    for below in (False, True):
        experts = [
            term.name
            for term in plan.terms
            if term.learns
            and term.shares_below == below
            and term.weight > 0
            and isinstance(games[term.name], (VoteGame, EvidenceGame))
            and (on_validation or not _in_learned_space(term, rows))
        ]
        if len(experts) > 1:

            def says(name: str) -> NDArray[np.float64]:
                return _log_shares(games[name], rows, asked, on_validation)

            log_shares = list(threads.map(says, experts))
            usual = np.array([weights[name] for name in experts])
            learned = likeliest_weights(np.array(log_shares), labels[asked], usual)
            weights |= dict(zip(experts, learned.tolist(), strict=True))
    return replace(plan, terms=tuple(replace(term, weight=weights[term.name]) for term in plan.terms))


def _in_learned_space(term: WeightedUtility, rows: TrainingRows) -> bool:
    """Whether rows predict each other by way of their labels; the forest predicts from the columns."""
    if term.name == Forest.name:
        return False
    return rows.is_learned or getattr(term.utility, "space", None) is not None


def _log_shares(
    game: Game, rows: TrainingRows, asked: Indices, on_validation: bool
) -> NDArray[np.float64]:
    """What a game says about the labels of the voters asked, float64 [m, C]."""
    if isinstance(game, EvidenceGame):
        return game.predict_validation(asked) if on_validation else game.predict_left_out(asked)
    assert isinstance(game, VoteGame)
    voters = game.validation if on_validation else game.rows
    assert voters is not None
    ballots = Ballots.of(voters.affinity, rows.labels, asked, rows.n_classes)
    return ballots.log_shares(voters.prior_share)
