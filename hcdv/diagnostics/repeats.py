"""The same values again by fresh permutations: what Monte-Carlo error there is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hcdv._moments import Moments
from hcdv._random import derive_seed
from hcdv.allocation.local_games import LocalPlay
from hcdv.diagnostics.bounds import tiling
from hcdv.diagnostics.setting import Play, Setting
from hcdv.engine import Threads
from hcdv.game import Indices, Values
from hcdv.shapley import exact
from hcdv.shapley.exact import MAX_PLAYERS


@dataclass(frozen=True, eq=False)
class Players:
    """Monte-Carlo Shapley values of players that one union bound covers.

    Attributes
    ----------
    name : str
        In words, for the table.
    level : int
        Of the tree; depth + 1 for rows.
    values : float64 [R, K]
        Estimates by repeat.
    reference : float64 [K] or None
        Exact values, where they were enumerated.
    width : float or None
        Largest spread, over the players, of the observations that were averaged (pairs of chains); None where
        they were not seen one by one.
    """

    name: str
    level: int
    values: NDArray[np.float64]
    reference: Values | None = None
    width: float | None = None

    @property
    def errors(self) -> NDArray[np.float64]:
        """Error of every estimate, float64 [R, K].

        Against the mean of the repeats where the exact values are not known; their own share in that mean is
        put right by sqrt(R / (R - 1)), which makes the variance that of an error against the truth.
        """
        if self.reference is not None:
            return self.values - self.reference
        n_repeats = len(self.values)
        return (self.values - self.values.mean(axis=0)) * np.sqrt(n_repeats / (n_repeats - 1))


@dataclass(frozen=True, eq=False)
class LocalValues:
    """Shapley values of the local games of a literal allocation, before they are scaled to any pot.

    Attributes
    ----------
    levels : list of (int, float64 [K])
        Level and values of its players; depth + 1 for points.
    owners, sums : int64 [q], float64 [q]
        Nodes whose pots were split by local Shapley values, and what these add up to.
    """

    levels: list[tuple[int, Values]]
    owners: Indices
    sums: Values


@dataclass(frozen=True, eq=False)
class Repeats:
    """R repeats with fresh permutations on the same games and tree.

    Attributes
    ----------
    points, nodes : float64 [R, n], [R, m]
        What points and nodes got, in tree order.
    point_error : float64 [R, n] or None
        Standard errors as the model reports them; None for literal allocations.
    players : tuple of Players
        Players of the games that were played, level by level from 1, the points last.
    top : float64 [K_1] or None
        Exact Shapley values of the nodes below the root, where they were enumerated.
    local : LocalValues or None
        Of a literal allocation's first repeat.
    """

    points: NDArray[np.float64]
    nodes: NDArray[np.float64]
    point_error: NDArray[np.float64] | None
    players: tuple[Players, ...]
    top: Values | None
    local: LocalValues | None = None


def repeat(setting: Setting, n_repeats: int, seed: int) -> Repeats:
    """Play ``n_repeats`` times; repeat r is the same for the same seed."""
    seeds = [derive_seed(seed, "repeat", r) for r in range(n_repeats)]
    top = _exact_top(setting, n_repeats)
    if setting.literal is None:
        return _repeat_chains(setting, seeds, top)
    plays = [setting.play(seeds[0])]
    # Nothing sampled, nothing to repeat.
    plays += plays * (n_repeats - 1) if plays[0].is_exact else map(setting.play, seeds[1:])
    local = [local_values(setting, seeds[0])]
    local += local * (n_repeats - 1) if plays[0].is_exact else [local_values(setting, s) for s in seeds[1:]]
    players = [
        Players(_name(setting, level, len(first)), level, np.array([one.levels[k][1] for one in local]))
        for k, (level, first) in enumerate(local[0].levels)
    ]
    if top is not None and players and players[0].level == 1:
        players[0] = replace(players[0], reference=top)
    return Repeats(
        np.array([play.points for play in plays]),
        np.array([play.nodes for play in plays]),
        None,
        tuple(players),
        top,
        local[0],
    )


def _repeat_chains(setting: Setting, seeds: list[int], top: Values | None) -> Repeats:
    """Pair by pair: an antithetic pair of chains is one observation."""
    tree = setting.tree
    n_pairs = (setting.n_permutations + 1) // 2
    one_pair = replace(setting, n_permutations=2, threads=Threads(1))

    def observe(task: tuple[int, int]) -> Play:
        return one_pair.play(derive_seed(task[0], "pair", task[1]))

    points = [Moments.zeros(1, tree.n_points) for _ in seeds]
    nodes = [Moments.zeros(1, tree.n_nodes) for _ in seeds]
    low = Play(np.full(tree.n_points, np.inf), np.full(tree.n_nodes, np.inf), False)
    high = Play(np.full(tree.n_points, -np.inf), np.full(tree.n_nodes, -np.inf), False)
    tasks = [(seed, pair) for seed in seeds for pair in range(n_pairs)]
    for k, seen in enumerate(setting.threads.map(observe, tasks)):
        for moments, least, most, values in (
            (points, low.points, high.points, seen.points),
            (nodes, low.nodes, high.nodes, seen.nodes),
        ):
            moments[k // n_pairs].add(values[None])
            np.minimum(least, values, out=least)
            np.maximum(most, values, out=most)

    one = np.ones(1)
    all_points, all_nodes = (np.array([m.value(one) for m in each]) for each in (points, nodes))
    players = []
    for level in range(1, tree.depth + 1):
        tiles = tiling(tree, level)
        width = float((high.nodes - low.nodes)[tiles].max())
        reference = top if level == 1 else None
        name = _name(setting, level, len(tiles))
        players.append(Players(name, level, all_nodes[:, tiles], reference, width))
    rows, width = tree.depth + 1, float((high.points - low.points).max())
    players.append(Players(_name(setting, rows, tree.n_points), rows, all_points, None, width))
    errors = np.array([m.std_error(one) for m in points])
    return Repeats(all_points, all_nodes, errors, tuple(players), top)


def local_values(setting: Setting, seed: int) -> LocalValues:
    """What :func:`hcdv.allocation.allocate` splits pots by, under the same seed."""
    tree, literal = setting.tree, setting.literal
    assert literal is not None
    play = LocalPlay(tuple(setting.games.values()), setting.n_permutations, seed)
    psi = np.full(tree.n_nodes, np.nan)
    points = np.full(tree.n_points, np.nan)
    owners: list[int] = []
    sums: list[float] = []
    levels: list[tuple[int, Values]] = []

    def play_node(node: int) -> Values | None:
        members = tree.order[tree.start[node] : tree.stop[node]]
        if tree.is_leaf[node]:
            if literal.leaf == "uniform":
                return None
            return setting.weights @ play.among_points(members, node).values
        if literal.mode != "sibling":
            return None
        bounds = np.append(tree.start[_children(setting, node)], tree.stop[node]) - tree.start[node]
        return setting.weights @ play.among_groups(members, bounds, node).values

    for node, values in enumerate(setting.threads.map(play_node, range(tree.n_nodes))):
        if values is None:
            continue
        if tree.is_leaf[node]:
            points[tree.order[tree.start[node] : tree.stop[node]]] = values
        else:
            psi[_children(setting, node)] = values
        owners.append(node)
        sums.append(float(values.sum()))
    for level in range(1, tree.depth + 1):
        if literal.mode == "level":
            tiles = tiling(tree, level)
            bounds = np.append(tree.start[tiles], tree.n_points)
            values = setting.weights @ play.among_groups(tree.order, bounds, "level", level).values
            levels.append((level, values))
            owners.append(0)
            sums.append(float(values.sum()))
        elif literal.mode == "sibling":
            levels.append((level, psi[slice(*tree.level_start[level : level + 2])]))
    if literal.leaf == "exact":
        levels.append((tree.depth + 1, points))
    return LocalValues(levels, np.array(owners, np.int64), np.array(sums))


def _children(setting: Setting, node: int) -> slice:
    first = int(setting.tree.first_child[node])
    return slice(first, first + int(setting.tree.n_children[node]))


def _exact_top(setting: Setting, n_repeats: int) -> Values | None:
    """Exact Shapley values of the nodes below the root, where enumeration costs no more than the repeats."""
    tree = setting.tree
    if tree.depth == 0:
        return None
    tiles = tiling(tree, 1)
    m = len(tiles)
    if m > MAX_PLAYERS or 1 << m > n_repeats * setting.n_permutations * m:
        return None
    bounds = np.append(tree.start[tiles], tree.n_points)
    return exact(lambda masks: setting.value(tree.order, bounds, masks), m)


def _name(setting: Setting, level: int, n_players: int) -> str:
    return f"{n_players:,} rows" if level > setting.tree.depth else f"level {level}, {n_players:,} nodes"
