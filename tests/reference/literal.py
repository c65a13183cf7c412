"""Algorithm 1, line by line, on sets and dictionaries; Shapley values by their definition."""

from itertools import combinations
from math import factorial


def shapley(players, v):
    """psi of disjoint coalitions (frozensets of points) under v(union), by Shapley's formula."""
    m, psi = len(players), []
    for one in players:
        others = [other for other in players if other is not one]
        total = 0.0
        for size in range(m):
            weight = factorial(size) * factorial(m - size - 1) / factorial(m)
            for chosen in combinations(others, size):
                before = frozenset().union(*chosen)
                total += weight * (v(before | one) - v(before))
        psi.append(total)
    return psi


def normalised(pot, psi, sizes, how):
    """Line 9 and its two replacements, player by player."""
    total, size = sum(psi), sum(abs(p) for p in psi)
    shares = []
    for p, points in zip(psi, sizes, strict=True):
        w = points / sum(sizes)
        if how == "proportional":
            shares.append(pot * w if abs(total) <= 1e-9 * size else pot * p / total)
        elif how == "additive":
            shares.append(p + w * (pot - total))
        else:
            shares.append(pot * w + (abs(pot) / size * (p - w * total) if size else 0.0))
    return shares


def omega(children, v):
    """Line 23."""
    clipped = [max(v(child), 0.0) for child in children]
    if sum(clipped) == 0.0:
        return [len(child) / sum(map(len, children)) for child in children]
    return [c / sum(clipped) for c in clipped]


def allocate(v, tree, mode, normalise, leaf):
    """Values of points and nodes, two dictionaries.

    ``v`` takes frozensets; ``tree`` is a Hierarchy, read into sets of points first.
    """
    nodes = range(tree.n_nodes)
    points = {g: frozenset(tree.order[tree.start[g] : tree.stop[g]].tolist()) for g in nodes}
    children = {g: [h for h in nodes if tree.parent[h] == g] for g in nodes}
    everyone = points[0]
    root_pot = v(everyone) - v(frozenset())  # line 4
    if mode == "level":
        pot = _by_level(v, tree, points, children, root_pot, normalise)
    else:
        pot = {0: root_pot}
        for g in nodes:
            below = children[g]
            if not below:
                continue
            sets = [points[h] for h in below]
            if mode == "weights":
                shares = [w * pot[g] for w in omega(sets, v)]  # lines 23, 24
            else:
                shares = normalised(pot[g], shapley(sets, v), [len(s) for s in sets], normalise)
            pot.update(zip(below, shares, strict=True))
    phi = {}
    for g in nodes:
        if children[g]:
            continue
        members = sorted(points[g])
        if leaf == "uniform":
            shares = [pot[g] / len(members)] * len(members)  # line 15
        else:
            psi = shapley([frozenset([i]) for i in members], v)  # line 13
            shares = normalised(pot[g], psi, [1] * len(members), normalise)
        phi.update(zip(members, shares, strict=True))
    return phi, pot


def _by_level(v, tree, points, children, root_pot, normalise):
    pot, budgets = {}, {0: root_pot}
    for level in range(tree.depth + 1):  # line 5
        here = list(range(tree.level_start[level], tree.level_start[level + 1]))
        partition = here + [g for g in range(tree.level_start[level]) if not children[g]]
        total = sum(budgets[g] for g in partition)
        psi = shapley([points[g] for g in partition], v)  # line 7
        shares = normalised(total, psi, [len(points[g]) for g in partition], normalise)  # line 9
        pot.update(zip(partition, shares, strict=True))
        budgets = {}  # line 20
        for g in partition:  # lines 21-24; a leaf hands its budget to itself
            below = children[g] or [g]
            weights = omega([points[h] for h in below], v)
            budgets.update({h: w * pot[g] for h, w in zip(below, weights, strict=True)})
    return pot
