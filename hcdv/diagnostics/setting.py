"""The games behind a fitted model, and the same allocation with other permutations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from hcdv._validation import check_labels
from hcdv.allocation import Cut, Literal, Resolution, allocate, walk_chains
from hcdv.diagnostics.bounds import tiling
from hcdv.engine import Threads
from hcdv.game import Game, Values
from hcdv.games import DispersionGame, MultiFidelity, TrainingRows, Utility, UtilityPlan, plan_utility
from hcdv.games.catalog import FIXED
from hcdv.games.retrained.cache import CoalitionCache
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult

# Two fits of the same games on the same rows agree on v(all) - v(none) to this share of it; a retrained score
# may move by a validation row, other rows move it far more.
SAME_TOTAL = 0.02


@dataclass(frozen=True, eq=False)
class Play:
    """Values of the points, float64 [n], and of the nodes, float64 [m], in tree order.

    ``is_exact`` where nothing was sampled: fresh permutations give the same.
    """

    points: Values
    nodes: Values
    is_exact: bool


@dataclass(frozen=True, eq=False)
class Setting:
    """What a model was fitted on, ready to be played again.

    Attributes
    ----------
    games : mapping of name to Game
        On points in tree order; v is their weighted sum.
    weights : float64 [p]
        In one unit, where some games share out what others give.
    tree : Hierarchy
        Points 0, 1, 2, ...
    literal : Literal or None
        None for chains.
    resolution : Resolution or None
        Of chains.
    n_permutations : int
    threads : Threads
    """

    games: Mapping[str, Game]
    weights: NDArray[np.float64]
    tree: Hierarchy
    literal: Literal | None
    resolution: Resolution | None
    n_permutations: int
    threads: Threads

    def play(self, seed: int) -> Play:
        """The values by fresh permutations; under the model's own seed they are the model's.

        By chains alone, where the model has asked for all coalitions of the root's children besides.
        """
        if self.literal is not None:
            given = allocate(
                self.games, self.weights, self.tree, self.literal,
                n_permutations=self.n_permutations, seed=seed, threads=self.threads,
            )  # fmt: skip
            return Play(given.values, given.node_values, given.std_error is not None)
        moments, _ = walk_chains(
            self.games, self.tree, n_permutations=self.n_permutations, seed=seed, threads=self.threads,
            weights=self.weights, resolution=self.resolution,
        )  # fmt: skip
        nodes = moments.nodes
        if self.resolution is not None:
            nodes = Cut.of(self.resolution, self.tree).settled(nodes, list(self.games))
        return Play(moments.points.value(self.weights), nodes.value(self.weights), False)

    @property
    def level(self) -> int:
        """Deepest level whose nodes are players of every game that gives them value."""
        return self.tree.depth if self.resolution is None else min(self.resolution.level, self.tree.depth)

    def is_upper(self, name: str) -> bool:
        """Whether a game gives the nodes down to ``level`` their values, and does not only share out below."""
        return self.resolution is None or name not in self.resolution.below

    def value(
        self, order: NDArray[np.int64], bounds: NDArray[np.int64], masks: NDArray[np.bool_]
    ) -> Values:
        """v of unions of groups (``Game.coalitions``) as nodes down to ``level`` play it; float64 [B]."""
        total = np.zeros(len(masks))
        for (name, game), weight in zip(self.games.items(), self.weights, strict=True):
            if weight and self.is_upper(name):
                total += weight * game.coalitions(order, bounds, masks)
        return total


def setting_of(model: Any, X: Any, y: ArrayLike, X_val: Any, y_val: ArrayLike | None) -> Setting:
    """The games of a fitted model, from a refit of two chains on its own tree.

    Raises
    ------
    ValueError, TypeError
        If ``model`` is no fitted HCDV, or the rows are not those that it was fitted on.
    """
    check_model(model)
    result: ValuationResult = model.result_
    labels = check_labels(y, len(result), "y")
    if result.labels is None or not np.array_equal(labels, result.labels):
        raise ValueError("y must hold the labels that the model was fitted on; some differ.")
    plan = plan_utility(
        model.utility,
        is_mixed=model.encoder_.is_mixed,
        validation_weight=model.validation_weight,
        weights=model.weights,
        spaces=model.encoder_.others,
    )
    games: dict[str, Game] = {}
    rows: list[TrainingRows] = []
    again = refit(
        model, X, y, X_val, y_val,
        tree=model.hierarchy_, utility=_recorded(plan, result.weights, games, rows), n_permutations=2,
        weights=FIXED,
    )  # fmt: skip
    total, total_again = (r.v_full - r.v_empty for r in (result, again))
    if abs(total_again - total) > SAME_TOTAL * abs(total):
        raise ValueError(
            "X, X_val and y_val must be what the model was fitted on, and its random_state an integer: "
            f"v(all) - v(none) is {total_again:.6g} here and {total:.6g} in the model."
        )
    if model.contrast:
        games["contrast"] = DispersionGame(
            rows[0].X, rows[0].labels, rows[0].n_classes, dispersion=model.dispersion
        )
    literal = model.allocation if isinstance(model.allocation, Literal) else None
    if literal is None and model.allocation != "winter":
        literal = Literal(model.allocation)
    tree = model.hierarchy_.sorted()
    sizes = [len(tiling(tree, level)) for level in range(tree.depth + 1)]
    plan = plan.settled(rows[0], sizes, points=literal is not None)
    resolution = None
    if isinstance(plan.resolution, int):
        below = frozenset(term.name for term in plan.terms if term.shares_below)
        resolution = Resolution(plan.resolution, frozenset(plan.above(rows[0])), below)
    return Setting(
        games={name: games[name] for name in result.weights},
        weights=np.array(list(result.weights.values())),
        tree=tree,
        literal=literal,
        resolution=resolution,
        n_permutations=result.n_permutations,
        threads=Threads(model.n_jobs),
    )


def refit(
    model: Any,
    X: Any,
    y: Any,
    X_val: Any,
    y_val: Any,
    *,
    tree: Hierarchy,
    utility: Any,
    n_permutations: int,
    **settings: Any,
) -> ValuationResult:
    """Result of a clone on ``tree``; what the model's own fit has warned of is not said again."""
    again = clone(model).set_params(
        utility=utility, n_permutations=n_permutations, tol=None, checkpoint=None, verbose=0, **settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        again.fit(X, y, X_val, y_val, hierarchy=tree)
    result: ValuationResult = again.result_
    return result


def check_model(model: Any) -> None:
    """Refuse what is no fitted HCDV."""
    if not all(hasattr(model, name) for name in ("allocation", "get_params", "fit")):
        raise TypeError(f"model must be a fitted HCDV, got {type(model).__name__}.")
    if not hasattr(model, "result_"):
        raise NotFittedError("model must be fitted before it can be diagnosed; call fit first.")


def _recorded(
    plan: UtilityPlan, weights: Mapping[str, float], games: dict[str, Game], rows: list[TrainingRows]
) -> Any:
    """The plan under the weights that it came to, as a ``utility`` argument whose games end up in ``games``."""

    def terms(shares_below: bool) -> list[tuple[Utility, float]]:
        return [
            (_Recorded(term.utility, games, rows), weights.get(term.name, term.weight))
            for term in plan.terms
            if term.shares_below is shares_below
        ]

    lower = terms(True)
    return MultiFidelity(terms(False), lower, plan.resolution) if lower else terms(False)


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A utility that shows the game it made, and the rows it made it of."""

    utility: Utility
    games: dict[str, Game]
    rows: list[TrainingRows]

    @property
    def name(self) -> str:
        return self.utility.name

    @property
    def needs_torch(self) -> bool:
        return bool(getattr(self.utility, "needs_torch", False))

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        game = self.utility.game(rows, seed=seed, threads=threads, device=device, cache=cache)
        self.games[self.name] = game
        self.rows.append(rows)
        return game

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        return self.utility.chain_seconds(rows, n_stops)
