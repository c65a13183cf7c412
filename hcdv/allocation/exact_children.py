"""Exact values of the root's children in costly games, where their coalitions are no more than chains ask for.

Of a handful of children (sellers, say) chains leave a large error: most of v comes with whoever is first, and
in 64 chains each of five is first 13 times, give or take 3.  Their 2^k coalitions are few, and most of them
were asked for along the chains already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hcdv._errors import UtilityError
from hcdv._moments import Moments
from hcdv.allocation.chains import ChainMoments, WalkError
from hcdv.allocation.resolution import Cut
from hcdv.engine import Threads
from hcdv.game import Game, Indices
from hcdv.hierarchy import Hierarchy
from hcdv.shapley import exact_values

# Coalitions asked for at once: enough to be trained together, few enough to keep threads busy.
BLOCK = 32


def are_children_few(hierarchy: Hierarchy, n_permutations: int) -> bool:
    """Whether the root's k children have no more coalitions than the chains had ends of children."""
    k = int(hierarchy.n_children[0])
    return k > 1 and 1 << k <= n_permutations * k


def with_exact_children(
    moments: ChainMoments,
    games: Mapping[str, Game],
    hierarchy: Hierarchy,
    cut: Cut,
    *,
    threads: Threads,
    progress: Callable[[int], None] | None = None,
) -> ChainMoments:
    """The moments with the root's children at their Shapley values, which are their Winter values.

    So they are in every game but those below ``cut``, which give these nodes nothing.  What a child gains on
    its mean over the chains is spread evenly over its points, so all sums hold.

    Standard errors of the children are 0 then, and so are those of a game above inside a child that is a block
    of the cut, where a point has its share of the child's value.  Elsewhere they stay those of the chains,
    which still hold the child's own error: averaged over the points of a child their squares are too large,
    never too small.

    Parameters
    ----------
    moments : ChainMoments
        Of chains of ``games`` on ``hierarchy``; left as they are.
    games : mapping of name to Game
    hierarchy : Hierarchy
        Of :func:`are_children_few`.
    cut : Cut
    threads : Threads
        Blocks of coalitions are asked for side by side.
    progress : callable, optional
        Called with the number of coalitions known so far.

    Returns
    -------
    ChainMoments
        Without halves: which chains these values are from is no longer to be told.

    Raises
    ------
    WalkError
        If a game fails on a coalition; it holds ``moments``.
    """
    k = int(hierarchy.n_children[0])
    children = 1 + np.arange(k)
    sizes = hierarchy.sizes[children]
    ends = np.append(hierarchy.start[children], hierarchy.n_points)
    rows = [row for row, name in enumerate(games) if name not in cut.below]
    played = [game for name, game in games.items() if name not in cut.below]
    tables = np.empty((len(rows), 1 << k))
    tables[:, 0], tables[:, -1] = moments.v_empty[rows], moments.v_full[rows]
    try:
        _ask(tables, played, hierarchy.order, ends, threads, progress)
    except UtilityError as error:
        sentence = f"{str(error).rstrip('.')} (among all coalitions of the root's {k} children; "
        raise WalkError(f"{sentence}the {moments.n_permutations} chains are kept).", moments) from error
    points, nodes = _copy(moments.points), _copy(moments.nodes)
    for row, table in zip(rows, tables, strict=True):
        gain = np.repeat((exact_values(table) - nodes.mean[row, children]) / sizes, sizes)
        points.mean[row, hierarchy.order] += gain
        gained = np.append(0.0, np.cumsum(gain))
        nodes.mean[row, 1:] += (gained[hierarchy.stop] - gained[hierarchy.start])[1:]
    _settle(points, nodes, list(games), hierarchy, cut)
    return replace(moments, points=points, nodes=nodes, even=None)


def _ask(
    tables: NDArray[np.float64],
    games: list[Game],
    order: Indices,
    ends: Indices,
    threads: Threads,
    progress: Callable[[int], None] | None,
) -> None:
    """Fill in v of all coalitions but nobody and everybody, float64 [p, 2^k]; bit j of a number is child j."""
    k, last = len(ends) - 1, tables.shape[1] - 1

    def ask(begin: int) -> NDArray[np.float64]:
        codes = np.arange(begin, min(begin + BLOCK, last))
        inside = (codes[:, None] >> np.arange(k) & 1).astype(np.bool_)
        return np.array([game.coalitions(order, ends, inside) for game in games])

    starts = range(1, last, BLOCK)
    for begin, values in zip(starts, threads.map(ask, starts), strict=True):
        stop = begin + values.shape[1]
        tables[:, begin:stop] = values
        if progress is not None:
            progress(stop + 1)  # everybody was known before


def _settle(points: Moments, nodes: Moments, names: list[str], hierarchy: Hierarchy, cut: Cut) -> None:
    """Take out of the co-moments what no longer varies: it varies with nothing else either."""
    k = int(hierarchy.n_children[0])
    children = 1 + np.arange(k)
    is_even = np.repeat(np.isin(children, cut.blocks), hierarchy.sizes[children])
    row = 0
    for a, first in enumerate(names):
        for second in names[a:]:
            pair = {first, second}
            if pair - cut.below:
                nodes.comoment[row, : k + 1] = 0.0
            if pair & cut.above:
                nodes.comoment[row, is_even[hierarchy.start]] = 0.0
                points.comoment[row, hierarchy.order[is_even]] = 0.0
            row += 1


def _copy(moments: Moments) -> Moments:
    return Moments(moments.count, moments.mean.copy(), moments.comoment.copy())
