"""Stage III as the paper prints it: pots handed down the tree (Algorithm 1, Eqs. 12-15).

The default allocation (:mod:`hcdv.allocation.chains`) values a node in every context that the levels above can
put it in.  Here a node plays without any context and its value only says how a pot is split.  Three readings
of the paper, by ``Literal.mode``:

``"sibling"``
    The children of one node play v on their own points; the node's pot is split by their Shapley values
    (lines 5-9 parent by parent: "the children still play their own Shapley game").
``"weights"``
    The pot is split by max(v({H}), 0), no game is played above the leaves (Eqs. 14-15).
``"level"``
    All nodes of a level play one game, scaled to the level's total (lines 5-9 as printed).

v_l of line 7 is the one v of the rows of the coalitions in S, at every level (Eq. 12).  Algorithm 1 by line:

=====  ========================================  ============================================
Line   Of Algorithm 1                            Here
=====  ========================================  ============================================
1, 2   train the encoder, embed                  the facade (``encoder=``)
3      hierarchy C_0 .. C_L                      ``hcdv.hierarchy.Hierarchy``
4      B_0 <- v(D) - v(empty)                    ``_Descent.begin``
5      for l = 0 to L                            ``allocate``: nodes come breadth-first
6, 7   local Shapley values, T permutations      ``LocalPlay.among_groups``
9      psi_G <- B_l psi_G / sum of psi           ``share_out``, ``normalise="proportional"``
10-12  leaves of at most M points                ``_Descent.split``: all leaves, by ``leaf=``
13     exact values of the points, set phi       ``LocalPlay.among_points``, ``share_out``
15     phi_i <- psi_G / (points of G)            ``_Descent.split``, ``leaf="uniform"``
21-23  omega_H <- max(v({H}), 0) / sum of these  ``LocalPlay.alone``, ``clipped_fractions``
24     B_{l+1}(H) <- omega_H psi_P               ``_Descent.split``, ``mode="weights"``
27     B_{l+1} <- all of these                   ``_Descent.pots``
=====  ========================================  ============================================

What the printed lines leave open:

- Line 13 sets phi to the leaf's own Shapley values, which do not add up to its pot; they are scaled to it as
  in line 9, or sum phi = v(D) - v(empty) could not hold.
- C_l is a partition of D.  A leaf that stands above level l is therefore a player of level l too, and what a
  leaf has to share out is its value at level L, like that of all other leaves.
- Line 9 divides B_l, which line 27 makes a *set* of budgets, by one sum over the level: B_l is their total.
  The weights of line 23 add up to 1 within a parent, so that total is v(D) - v(empty) at every level whatever
  they are, and ``"level"`` need not compute them.  Nor do the nodes of a level have to do with the pots of
  their parents: only the values of each level add up, children need not add up to their parent.
- Eqs. 14-15 are made for a v that is not negative.  Where the root's pot is a loss, as it can be with games
  that are log likelihoods, ``"weights"`` charges the most to the best child.
- Line 9 divides by a sum that is often near 0 in pure leaves; ``hcdv.allocation.budgets`` says what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hcdv._validation import check_choice
from hcdv.allocation.budgets import NORMALISE, clipped_fractions, share_out
from hcdv.allocation.local_games import LocalPlay, Outcome
from hcdv.engine import Threads
from hcdv.game import Game, Indices, Values
from hcdv.hierarchy import Hierarchy

MODES = ("sibling", "weights", "level")
LEAVES = ("exact", "uniform")


@dataclass(frozen=True)
class Literal:
    """An allocation by pots instead of chains.

    Parameters
    ----------
    mode : {"sibling", "weights", "level"}
        Who plays whom; see :mod:`hcdv.allocation.literal`.
    normalise : {"safe", "additive", "proportional"}
        How Shapley values are made to add up to a pot; see :func:`hcdv.allocation.budgets.share_out`.
    leaf : {"exact", "uniform"}
        Whether the points of a leaf play their own game for its pot, or share it evenly.
    """

    mode: str
    normalise: str = "safe"
    leaf: str = "exact"

    def __post_init__(self) -> None:
        check_choice(self.mode, "mode", MODES)
        check_choice(self.normalise, "normalise", NORMALISE)
        check_choice(self.leaf, "leaf", LEAVES)

    @property
    def is_linear(self) -> bool:
        """Whether values of a sum of games are the sum of their values."""
        return self.normalise == "additive" and self.mode != "weights"


@dataclass(frozen=True, eq=False)
class LiteralAllocation:
    """What the points and nodes got.

    Attributes
    ----------
    values : float64 [n]
        They add up to ``v_full - v_empty`` to rounding.
    node_values : float64 [n_nodes]
        Pots.  Those of a leaf's points add up to its own; those of children to their parent's, except under
        ``"level"``, where those of a level do to the root's (a leaf counting in all levels below it too).
    parts : float64 [p, n] or None
        Values in each game; ``values`` is their weighted sum.  None where the allocation is not linear.
    node_parts : float64 [p, n_nodes] or None
        The same of ``node_values``.
    part_bounds : float64 [2, p] or None
        v(empty) and v(D) of each game, where there are parts.
    std_error : float64 [n] or None
        Zeros where every local game was exact.  None where one was sampled: its error moves all pots below.
    v_empty, v_full : float
        Of the weighted sum.
    n_evaluations : int
        Coalitions whose value was asked for.
    n_near_zero : int
        Nodes whose pot went by shares of points because a denominator was near zero (levels, under
        ``"level"``; leaves in either case).
    estimated_leaves : int64 [e]
        Leaves (node ids) whose points were sampled instead of enumerated.
    """

    values: Values
    node_values: Values
    parts: NDArray[np.float64] | None
    node_parts: NDArray[np.float64] | None
    part_bounds: NDArray[np.float64] | None
    std_error: Values | None
    v_empty: float
    v_full: float
    n_evaluations: int
    n_near_zero: int
    estimated_leaves: Indices


def allocate(
    games: Mapping[str, Game],
    weights: NDArray[np.float64],
    hierarchy: Hierarchy,
    literal: Literal,
    *,
    n_permutations: int,
    seed: int,
    threads: Threads,
    progress: Callable[[int], None] | None = None,
) -> LiteralAllocation:
    """Hand the pot v(D) - v(empty) down the tree.

    Parameters
    ----------
    games : mapping of name to Game
        All on the points of ``hierarchy``; v is their weighted sum.
    weights : float64 [p]
    hierarchy : Hierarchy
    literal : Literal
    n_permutations : int
        T of every local game that is too large to be enumerated.
    seed : int
        The values are the same bits for any number of threads.
    threads : Threads
        Local games run side by side.
    progress : callable, optional
        Called with the number of nodes done, which ends at ``hierarchy.n_nodes``.

    Returns
    -------
    LiteralAllocation

    Raises
    ------
    UtilityError
        If a game fails.

    Notes
    -----
    Values of games are kept apart where the allocation is linear in v, and summed up before the first pot is
    split where it is not: rows of ``pots`` below are games, or the one sum of them.
    """
    play = LocalPlay(tuple(games.values()), n_permutations, seed)
    mix = np.eye(len(games)) if literal.is_linear else weights[None]
    descent = _Descent.begin(play, mix, hierarchy, literal, progress)
    if literal.mode == "level":
        descent.level_pots(threads)
    # Local games know nothing of pots, so they can all run at once; pots are split in the order of the nodes,
    # which is breadth-first: a pot is there before its node's turn comes.
    for node, outcome in enumerate(threads.map(descent.play_node, range(hierarchy.n_nodes))):
        descent.split(node, outcome)
    empty = np.array([game.v_empty for game in play.games])
    v_empty = float(weights @ empty)
    parts = node_parts = bounds = None
    if literal.is_linear:
        parts, node_parts = descent.points, descent.pots
        bounds = np.array([empty, empty + descent.pots[:, 0]])
    outer = weights if literal.is_linear else np.ones(1)
    return LiteralAllocation(
        values=outer @ descent.points,
        node_values=outer @ descent.pots,
        parts=parts,
        node_parts=node_parts,
        part_bounds=bounds,
        std_error=np.zeros(hierarchy.n_points) if descent.is_exact else None,
        v_empty=v_empty,
        v_full=v_empty + float(outer @ descent.pots[:, 0]),
        n_evaluations=descent.n_evaluations,
        n_near_zero=descent.n_near_zero,
        estimated_leaves=np.array(descent.estimated_leaves, dtype=np.int64),
    )


@dataclass(eq=False)
class _Descent:
    """Pots on their way down, and what is counted on the way.

    Attributes
    ----------
    play : LocalPlay
    mix : float64 [q, p]
        From values in the games to the values that pots are split by.
    hierarchy, literal, progress
        Of :func:`allocate`.
    pots : float64 [q, n_nodes]
    points : float64 [q, n]
    n_evaluations, n_near_zero, n_done : int
    is_exact : bool
    estimated_leaves : list of int
    """

    play: LocalPlay
    mix: NDArray[np.float64]
    hierarchy: Hierarchy
    literal: Literal
    progress: Callable[[int], None] | None
    pots: NDArray[np.float64]
    points: NDArray[np.float64]
    n_evaluations: int = 0
    n_near_zero: int = 0
    n_done: int = 0
    is_exact: bool = True
    estimated_leaves: list[int] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        play: LocalPlay,
        mix: NDArray[np.float64],
        hierarchy: Hierarchy,
        literal: Literal,
        progress: Callable[[int], None] | None,
    ) -> _Descent:
        """Line 4: the pot of the root is v(D) - v(empty)."""
        pots = np.zeros((len(mix), hierarchy.n_nodes))
        points = np.zeros((len(mix), hierarchy.n_points))
        descent = cls(play, mix, hierarchy, literal, progress, pots, points)
        v_full = play.alone(hierarchy.order, np.array([0, hierarchy.n_points]))
        descent._count(v_full)
        v_empty = np.array([game.v_empty for game in play.games])
        pots[:, 0] = mix @ (v_full.values[:, 0] - v_empty)
        return descent

    def level_pots(self, threads: Threads) -> None:
        """Lines 5-9 and 20-27 with all nodes of a level in one game: each level shares out the root's pot."""
        h = self.hierarchy
        for level in range(h.depth + 1):
            begin, end = h.level_start[level : level + 2]
            nodes = np.arange(end)
            players = nodes[(nodes >= begin) | h.is_leaf[:end]]
            players = players[np.argsort(h.start[players])]
            outcome = self.play.among_groups(
                h.order, np.append(h.start[players], h.n_points), "level", level,
                pairs=partial(threads.map, look_ahead=threads.n_jobs),
            )  # fmt: skip
            self._count(outcome)
            # A leaf's pot is overwritten by that of the next level, down to the last.
            self.pots[:, players] = self._share_out(
                self.pots[:, 0], self.mix @ outcome.values, h.sizes[players]
            )
            self._advance(int((~h.is_leaf[begin:end]).sum()))

    def play_node(self, node: int) -> Outcome | None:
        """The local game below one node; None where its pot is split without one."""
        h, literal = self.hierarchy, self.literal
        points = h.order[h.start[node] : h.stop[node]]
        if h.is_leaf[node]:
            return self.play.among_points(points, node) if literal.leaf == "exact" else None
        if literal.mode == "level":
            return None
        bounds = np.append(h.start[self._children(node)], h.stop[node]) - h.start[node]
        if literal.mode == "weights":
            return self.play.alone(points, bounds)
        return self.play.among_groups(points, bounds, node)

    def split(self, node: int, outcome: Outcome | None) -> None:
        """Split the pot of ``node`` over its children, or over its points."""
        h = self.hierarchy
        pot = self.pots[:, node]
        if outcome is not None:
            self._count(outcome)
        if h.is_leaf[node]:
            members = h.order[h.start[node] : h.stop[node]]
            if outcome is None:
                self.points[:, members] = pot[:, None] / len(members)
            else:
                ones = np.ones(len(members), np.int64)
                self.points[:, members] = self._share_out(pot, self.mix @ outcome.values, ones)
                if not outcome.is_exact:
                    self.estimated_leaves.append(node)
            self._advance(1)
        elif outcome is not None:
            children = self._children(node)
            values, sizes = self.mix @ outcome.values, h.sizes[children]
            if self.literal.mode == "weights":
                fractions, fell_back = clipped_fractions(values[0], sizes)
                self.n_near_zero += fell_back
                self.pots[:, children] = pot[:, None] * fractions
            else:
                self.pots[:, children] = self._share_out(pot, values, sizes)
            self._advance(1)

    def _children(self, node: int) -> slice:
        first = self.hierarchy.first_child[node]
        return slice(first, first + self.hierarchy.n_children[node])

    def _share_out(self, pot: Values, psi: NDArray[np.float64], sizes: Indices) -> NDArray[np.float64]:
        shares, fell_back = share_out(pot, psi, sizes, self.literal.normalise)
        self.n_near_zero += fell_back
        return shares

    def _count(self, outcome: Outcome) -> None:
        self.n_evaluations += outcome.n_evaluations
        self.is_exact &= outcome.is_exact

    def _advance(self, n_nodes: int) -> None:
        self.n_done += n_nodes
        if self.progress is not None:
            self.progress(self.n_done)
