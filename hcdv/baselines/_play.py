"""The games that the baselines play: the same utilities, on the rows in the order of X."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._device import resolve_device
from hcdv._progress import Progress
from hcdv._random import RandomState, check_seed, derive_seed
from hcdv._validation import check_int
from hcdv.affinity import tree_levels
from hcdv.affinity.neighbours import EXACT_ROWS
from hcdv.baselines._rows import Rows, check_rows
from hcdv.encoder import make_encoder
from hcdv.engine import Threads, single_threaded_blas
from hcdv.game import AdditiveGame, Game, Indices, Values
from hcdv.games import (
    CoalitionCache,
    GivenRows,
    RetrainedGame,
    TrainingRows,
    as_features,
    plan_utility,
    with_likeliest_weights,
)
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult

# Coalitions asked for at once; fixed, so that neither values nor where a run stops depend on threads.
BLOCK = 64


@dataclass(frozen=True, eq=False)
class Play:
    """A data set and the games on it; point j of a game is row j of X.

    Attributes
    ----------
    rows : Rows
    games : mapping of name to Game
    weights : mapping of name to float
        v is the weighted sum of the games.
    space : float32 [n, d]
        Where rows lie near each other.
    seed : int
    threads : Threads
    progress : Progress
    """

    rows: Rows
    games: Mapping[str, Game]
    weights: Mapping[str, float]
    space: NDArray[Any]
    seed: int
    threads: Threads
    progress: Progress

    @property
    def n(self) -> int:
        return self.rows.n

    @property
    def factors(self) -> NDArray[np.float64]:
        """Weights of the games, float64 [p]."""
        return np.array(list(self.weights.values()))

    def values_of(self, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """v of coalitions of rows (bool [B, n]) in each game, float64 [p, B]."""
        return np.array([_values(game, inside) for game in self.games.values()])

    def bounds(self) -> NDArray[np.float64]:
        """v(nobody) and v(everybody) in each game, float64 [2, p]."""
        everybody = np.ones((1, self.n), np.bool_)
        (v_full,) = self.threads.map(self.values_of, [everybody])
        return np.array([[game.v_empty for game in self.games.values()], v_full[:, 0]])

    def n_evaluations(self, n_asked: int) -> int:
        """Models trained, where games train some; else ``n_asked``, the coalitions asked for."""
        trained = [game.n_evaluations for game in self.games.values() if isinstance(game, RetrainedGame)]
        return sum(trained) if trained else n_asked

    def result(
        self,
        parts: NDArray[np.float64],
        bounds: NDArray[np.float64],
        *,
        n_asked: int,
        stopped_by: str,
        n_permutations: int = 0,
        std_error: NDArray[np.float64] | None = None,
        tree: Hierarchy | None = None,
        node_parts: NDArray[np.float64] | None = None,
        node_std_error: NDArray[np.float64] | None = None,
    ) -> ValuationResult:
        """Result of values in each game: parts [p, n], bounds [2, p], node_parts [p, n_nodes]."""
        factors = self.factors
        v_empty, v_full = (bounds @ factors).tolist()
        return ValuationResult(
            values=factors @ parts,
            ids=self.rows.ids,
            parts=dict(zip(self.weights, parts, strict=True)),
            weights=dict(self.weights),
            v_empty=v_empty,
            v_full=v_full,
            n_evaluations=self.n_evaluations(n_asked),
            n_permutations=n_permutations,
            stopped_by=stopped_by,
            std_error=std_error,
            labels=self.rows.classes[self.rows.labels],
            hierarchy=tree,
            node_values=None if node_parts is None else factors @ node_parts,
            node_std_error=node_std_error,
            node_parts=node_parts,
            part_bounds=bounds,
        )


def set_up(
    X: Any,
    y: ArrayLike,
    X_val: Any,
    y_val: ArrayLike | None,
    *,
    utility: Any,
    random_state: RandomState,
    n_jobs: int | None,
    verbose: int,
) -> Play:
    """Look at the arguments that all baselines share, and make the games.

    A model that HCDV would ask at upper nodes only is asked for every row here: that is what the other
    methods do, and what they cost.
    """
    check_int(verbose, "verbose", 0)
    plan_utility(utility, is_mixed=False)
    seed, threads = check_seed(random_state), Threads(n_jobs)
    progress = Progress(verbose > 0)
    rows = check_rows(X, y, X_val, y_val)
    with single_threaded_blas(), progress.stage("preparing the games"):
        encoder = make_encoder(rows.X, "identity")
        plan = plan_utility(utility, is_mixed=encoder.is_mixed)
        wants_columns = "forest" in plan.names or (encoder.is_mixed and plan.needs_torch)
        spaces = encoder.fit_spaces(
            rows.X, rows.labels, seed=seed, columns=wants_columns, X_val=rows.X_val, y_val=rows.labels_val
        )
        for note in encoder.notes:
            warnings.warn(note, stacklevel=3)
        spaces_val = None
        if rows.labels_val is not None:
            spaces_val = encoder.spaces(rows.X_val, columns=wants_columns, name="X_val")
        features = features_val = None
        if plan.needs_torch:
            features = spaces.columns if encoder.is_mixed else as_features(rows.X)
            if spaces_val is not None:
                features_val = spaces_val.columns if encoder.is_mixed else as_features(rows.X_val)
        order, levels = _near_together(spaces.vote, seed, threads)
        training = TrainingRows(
            X=spaces.vote[order],
            labels=rows.labels[order],
            n_classes=len(rows.classes),
            columns=spaces.columns[order],
            levels=levels,
            X_val=None if spaces_val is None else spaces_val.vote,
            labels_val=rows.labels_val,
            columns_val=None if spaces_val is None else spaces_val.columns,
            # Models are trained on rows as given, so their games need no other order.
            given=GivenRows(
                rows.X, features, rows.labels, rows.classes, np.arange(rows.n),
                rows.X_val, features_val, rows.labels_val,
            ),
        )  # fmt: skip
        plan = plan.settled(training, (), points=True)
        device = resolve_device("auto") if plan.needs_torch else "cpu"
        cache = CoalitionCache()
        games: dict[str, Game] = {
            term.name: term.utility.game(
                training, seed=derive_seed(seed, "game", term.name), threads=threads, device=device, cache=cache
            )
            for term in plan.terms
        }
        plan = with_likeliest_weights(plan, games, training, threads)
        place = np.argsort(order)
        for name, game in games.items():
            if rows.n > EXACT_ROWS and isinstance(game, AdditiveGame):
                games[name] = Renumbered(game, place)
    weights = dict(zip(plan.names, plan.weights, strict=True))
    return Play(rows, games, weights, spaces.vote, seed, threads, progress)


class Renumbered:
    """An additive game whose points have other numbers: point j is point ``place[j]`` of ``game``."""

    def __init__(self, game: AdditiveGame, place: Indices) -> None:
        self.game, self.place = game, place
        self.n_points, self.v_empty = game.n_points, game.v_empty

    def chains(self, orders: Indices, stops: Indices) -> Values:
        return self.game.chains(self.place[orders], stops)

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        return self.game.coalitions(self.place[order], bounds, masks)

    def state(self, members: Indices) -> Any:
        return self.game.state(self.place[members])

    def chain_from(self, state: Any, order: Indices, stops: Indices) -> Values:
        return self.game.chain_from(state, self.place[order], stops)


def _values(game: Game, inside: NDArray[np.bool_]) -> Values:
    n = inside.shape[1]
    if not isinstance(game, AdditiveGame):
        return game.coalitions(np.arange(n), np.arange(n + 1), inside)
    # One state of all members: to add up the states of n rows would cost n times as much.
    nothing, at_once = np.empty(0, np.int64), np.zeros(1, np.int64)
    values = np.empty(len(inside))
    for b, members in enumerate(inside):
        values[b] = game.chain_from(game.state(np.flatnonzero(members)), nothing, at_once)[0]
    return values


def _near_together(
    space: NDArray[Any], seed: int, threads: Threads
) -> tuple[Indices, tuple[Indices, ...]]:
    """An order in which near rows lie together, and its blocks; rows are only sorted where that is needed."""
    n = len(space)
    if n <= EXACT_ROWS:
        return np.arange(n), (np.array([0, n]),)
    tree = Hierarchy.build(space, random_state=seed, n_jobs=threads.n_jobs)
    return tree.order, tree_levels(tree.start, tree.stop, tree.first_child, tree.n_children)
