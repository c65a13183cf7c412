"""Stage III: the Winter (nested Owen) value by chains.

A chain is one permutation of all points consistent with the tree.  The value of every prefix gives every
marginal contribution at once: a node's is v(end of its block) - v(start), a point's is the step at the
point.  Averages over chains are therefore additive to rounding error: children sum to their parent, points
to v(D) - v(empty).  Chains come in antithetic pairs (each with its reverse); a pair is one observation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._digest import fingerprint
from hcdv._dropped import go_on
from hcdv._errors import UtilityError, said
from hcdv._kernels.moments import add_marginals
from hcdv._kernels.permute import sample_chain
from hcdv._moments import Moments
from hcdv.allocation.checkpoint import Checkpoint
from hcdv.allocation.resolution import Cut, Resolution, spread
from hcdv.engine import Threads
from hcdv.game import AdditiveGame, Game, Indices, Values
from hcdv.hierarchy import Hierarchy
from hcdv.stopping import Look, StoppingRule, needs_halves

# Marginals of the points [p, n] and of the nodes [p, m], and v(D) [p].
Observation = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class WalkError(UtilityError):
    """A game, the rule or the checkpoint failed on the way; ``moments`` holds the chains walked before."""

    def __init__(self, sentence: str, moments: ChainMoments) -> None:
        super().__init__(sentence)
        self.moments = moments


@dataclass
class ChainMoments:
    """Marginal contributions of several games along common chains, accumulated.

    Attributes
    ----------
    points : Moments over [p games, n points]
    nodes : Moments over [p games, m nodes]
        Of games below a resolution as if they had played alone, on every level.
    v_empty, v_full : float64 [p]
    even : float64 [p, n] or None
        Sum of the marginals of pairs 0, 2, 4, ..., where a stopping rule compares halves.
    """

    points: Moments
    nodes: Moments
    v_empty: NDArray[np.float64]
    v_full: NDArray[np.float64]
    even: NDArray[np.float64] | None = None

    @classmethod
    def zeros(cls, games: Mapping[str, Game], hierarchy: Hierarchy, *, halves: bool) -> ChainMoments:
        return cls(
            points=Moments.zeros(len(games), hierarchy.n_points),
            nodes=Moments.zeros(len(games), hierarchy.n_nodes),
            v_empty=np.array([game.v_empty for game in games.values()]),
            v_full=np.zeros(len(games)),
            even=np.zeros((len(games), hierarchy.n_points)) if halves else None,
        )

    @property
    def n_permutations(self) -> int:
        return 2 * self.points.count

    def add(self, observation: Observation) -> None:
        points, nodes, v_full = observation
        if self.even is not None and self.points.count % 2 == 0:
            self.even += points
        self.points.add(points)
        self.nodes.add(nodes)
        self.v_full[:] = v_full

    def halves(self, weights: NDArray[np.float64]) -> tuple[Values, Values]:
        """Values by the even and by the odd pairs alone, float64 [n] each."""
        count = self.points.count
        if self.even is None or count < 2:
            raise ValueError("the chains were not kept by halves, or are too few.")
        even = weights @ self.even
        odd = count * self.points.value(weights) - even
        return even / ((count + 1) // 2), odd / (count // 2)


def walk_chains(
    games: Mapping[str, Game],
    hierarchy: Hierarchy,
    *,
    n_permutations: int,
    seed: int,
    threads: Threads,
    weights: NDArray[np.float64],
    resolution: Resolution | None = None,
    stopping: StoppingRule | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int], None] | None = None,
    kept: list[NDArray[np.float64]] | None = None,
) -> tuple[ChainMoments, str]:
    """Walk antithetic pairs of chains and accumulate the marginals of every game.

    Parameters
    ----------
    games : mapping of name to Game
        All on the points of ``hierarchy``; they share the chains, so sums of games are exact.
    hierarchy : Hierarchy
    n_permutations : int
        Chains at most; an odd number is rounded up to whole pairs.
    seed : int
        Chain t is the same for the same seed and tree, whatever the number of threads.
    threads : Threads
        Pairs run side by side and are merged in their own order.
    weights : float64 [p]
        Of the games in the sum whose values the stopping rule watches.
    resolution : Resolution, optional
        Which games are asked at the ends of upper nodes only, and which share out below.
    stopping : StoppingRule, optional
    checkpoint : Checkpoint, optional
        Goes on from its file and writes there; the values are the same as in one go.
    progress : callable, optional
        Called with the number of chains walked so far.
    kept : list, optional
        Takes the points' marginals of every pair walked here, float64 [p, n].

    Returns
    -------
    moments : ChainMoments
    stopped_by : str
        ``"n_permutations"`` or the stopping rule's reason.

    Raises
    ------
    WalkError
        If a game fails; it holds the moments of the chains before, and these are on disk if a checkpoint
        was asked for.  If the rule fails, or the checkpoint cannot be written, it holds the chains so far.
    """
    moments = ChainMoments.zeros(games, hierarchy, halves=needs_halves(stopping))
    n_pairs = (n_permutations + 1) // 2
    if checkpoint is not None:
        checkpoint = replace(checkpoint, fingerprint=_of_walk(checkpoint, list(games), resolution))
        _go_on(moments, checkpoint, n_pairs)
    cut = None if resolution is None else Cut.of(resolution, hierarchy)
    stops = np.arange(hierarchy.n_points + 1)
    begin = time.monotonic()

    def observe(pair: int) -> Observation | UtilityError:
        try:
            return observe_pair(games, hierarchy, stops, seed, pair, cut)
        except UtilityError as error:
            return error

    def reason_to_stop() -> str | None:
        if stopping is None or moments.points.count == 0:
            return None
        shares = weights
        if cut is not None:
            shares = cut.in_one_unit(moments.nodes, list(games), weights)
        look = Look(
            n_permutations=moments.n_permutations,
            seconds=time.monotonic() - begin,
            values=lambda: moments.points.value(shares),
            std_error=lambda: moments.points.std_error(shares),
            halves=lambda: moments.halves(shares),
        )
        # A rule may be the user's own: its mistakes must not cost the chains.
        try:
            reason = stopping(look)
        except Exception as error:
            raise _failed_rule(f"raised {type(error).__name__}{said(error)}", moments) from error
        if reason is not None and not isinstance(reason, str):
            raise _failed_rule(f"must return a text or None, got {type(reason).__name__}", moments)
        return reason

    def keep(*, now: bool) -> None:
        if checkpoint is None:
            return
        try:
            checkpoint.save(moments.points, moments.nodes, moments.even, moments.v_full, now=now)
        except OSError as error:
            # A full disk must not cost the chains in memory.
            raise WalkError(
                f"the checkpoint {checkpoint.path} cannot be written: {error.strerror or error} "
                f"(after {moments.n_permutations} chains).",
                moments,
            ) from error

    reason = reason_to_stop()
    # No pair more than there are threads: an observation is as large as the values of all games.
    ahead = max(1, threads.n_jobs - 1)
    remaining = range(moments.points.count, n_pairs if reason is None else 0)
    for observation in threads.map(observe, remaining, look_ahead=ahead):
        if isinstance(observation, UtilityError):
            keep(now=True)
            raise WalkError(_sentence(observation, moments), moments) from observation
        moments.add(observation)
        if kept is not None:
            kept.append(observation[0])
        if progress is not None:
            progress(moments.n_permutations)
        try:
            reason = reason_to_stop()
        except WalkError:
            keep(now=True)
            raise
        keep(now=reason is not None or moments.points.count == n_pairs)
        if reason is not None:
            break
    return moments, "n_permutations" if reason is None else reason


def _of_walk(checkpoint: Checkpoint, names: list[str], resolution: Resolution | None) -> str:
    """The fingerprint with what the walk itself knows: who plays, and who shares out below whom."""
    roles = None
    if resolution is not None:
        roles = [resolution.level, sorted(resolution.above), sorted(resolution.below)]
    return fingerprint([checkpoint.fingerprint, names, roles], [])


def _go_on(moments: ChainMoments, checkpoint: Checkpoint, n_pairs: int) -> None:
    """Take up what the checkpoint holds."""
    v_full = checkpoint.load(moments.points, moments.nodes, moments.even)
    if v_full is None:
        return
    if moments.points.count > n_pairs:
        raise ValueError(
            f"the checkpoint {checkpoint.path} holds {moments.n_permutations} chains, more than "
            f"n_permutations={2 * n_pairs}; ask for as many, or delete it."
        )
    moments.v_full[:] = v_full


def _sentence(error: UtilityError, moments: ChainMoments) -> str:
    walked = moments.n_permutations
    kept = f"the {walked} chains before are kept" if walked else "no chain was finished before"
    return f"{str(error).rstrip('.')} (in chain {walked + 1} or its reverse, {walked + 2}; {kept})."


def _failed_rule(said: str, moments: ChainMoments) -> WalkError:
    walked = moments.n_permutations
    return WalkError(f"the stopping rule tol {said} (after {walked} chains, which are kept).", moments)


def draw_chain(hierarchy: Hierarchy, seed: int, pair: int) -> tuple[Indices, Indices]:
    """The first chain of a pair, int64 [n], and where in it the block of every node begins, int64 [m]."""
    h = hierarchy
    chain, block_start = np.empty(h.n_points, np.int64), np.empty(h.n_nodes, np.int64)
    sample_chain(
        h.order, h.start, h.stop, h.first_child, h.n_children, h.point_key, h.node_key, seed, pair,
        chain, block_start, np.empty((h.largest_block, 2), np.uint64),
    )  # fmt: skip
    return chain, block_start


def observe_pair(
    games: Mapping[str, Game],
    hierarchy: Hierarchy,
    stops: Indices,
    seed: int,
    pair: int,
    cut: Cut | None = None,
    contexts: Mapping[str, tuple[Any, Any]] | None = None,
) -> Observation:
    """Mean marginals of a chain and its reverse: points [p, n], nodes [p, m], v(D) [p].

    ``stops`` are 0, 1, ..., n.  Games named in ``contexts`` (additive ones) go on from a state, one before the
    chain and one before its reverse; v(D) is then that of the context and all points.
    """
    h = hierarchy
    n, sizes = h.n_points, h.sizes
    chain, block_start = draw_chain(h, seed, pair)
    points, nodes = np.zeros((len(games), n)), np.zeros((len(games), h.n_nodes))
    v_full = np.empty(len(games))
    for turn in range(2):
        ends = None if cut is None else cut.ends(block_start, n)
        for part, (name, game) in enumerate(games.items()):
            go_on()
            if cut is not None and ends is not None and name in cut.above:
                prefix = spread(ends, game.chains(chain[None], ends)[0])
            elif contexts is not None and name in contexts and isinstance(game, AdditiveGame):
                prefix = game.chain_from(contexts[name][turn], chain, stops)
            else:
                prefix = game.chains(chain[None], stops)[0]
            v_full[part] = prefix[-1]
            marginals = prefix[block_start + sizes] - prefix[block_start]
            if cut is not None and ends is not None and name in cut.below:
                prefix = prefix - spread(ends, prefix[ends])
                below = slice(cut.n_upper, None)
                marginals[below] = (prefix[block_start + sizes] - prefix[block_start])[below]
            nodes[part] += 0.5 * marginals
            add_marginals(prefix, chain, 0.5, points[part])
        if turn == 0:
            # The reverse keeps the nodes together too; each block ends where it began.
            chain = np.ascontiguousarray(chain[::-1])
            block_start = n - block_start - sizes
    return points, nodes, v_full
