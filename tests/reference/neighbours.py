"""Neighbour search by full sorts; argument for argument as the kernels, results returned."""

from itertools import pairwise

import numpy as np


def squared_distances(rows, point):
    return ((rows.astype(np.float64) - point.astype(np.float64)) ** 2).sum(axis=1)


def nearest(rows, point, candidates, q):
    """(d2, ids) of the q first candidates by (distance, id)."""
    candidates = np.array(sorted(candidates), np.int64)
    d2 = squared_distances(rows[candidates], point)
    first = np.lexsort((candidates, d2))[:q]
    return d2[first], candidates[first]


def _pad(d2, ids, q):
    short = q - len(ids)
    return np.append(d2, [np.inf] * short), np.append(ids, [-1] * short).astype(np.int32)


def pack_panels(rows, bounds):
    panels = []
    for begin, end in pairwise(bounds):
        for first in range(begin, end, 8):
            panel = np.full((8, rows.shape[1]), np.inf, rows.dtype)
            part = rows[first : min(first + 8, end)]
            panel[: len(part)] = part
            panels.append(panel.T)
    return np.concatenate([p.ravel() for p in panels]) if panels else np.empty(0, rows.dtype)


def search_blocks(bounds, rows, queries, own, probes, q):
    lists = []
    for query, itself, blocks in zip(queries, own, probes, strict=True):
        candidates = [
            i for g in blocks if g >= 0 for i in range(bounds[g], bounds[g + 1]) if i != itself
        ]
        lists.append(_pad(*nearest(rows, query, candidates, q), q))
    return np.array([d for d, _ in lists]), np.array([i for _, i in lists])


def sift_products(rows, queries, own, limit, q):
    """Lists of the queries, and (query, row, d2) of rows nearer to a query than their limit, by rows."""
    lists, heard = [], []
    for k, (query, itself) in enumerate(zip(queries, own, strict=True)):
        d2 = squared_distances(rows, query)
        others = [i for i in range(len(rows)) if i != itself]
        lists.append(_pad(*nearest(rows, query, others, q), q))
        with np.errstate(over="ignore"):
            rounded = d2.astype(np.float32)
        heard += [(k, i, d2[i]) for i in others if rounded[i] < limit[i]]
    return np.array([d for d, _ in lists]), np.array([i for _, i in lists]), heard


def insert_newcomers(lists, newcomers, distances, d2, ids):
    """All newcomers into all lists: a stable sort of what was there, then what came."""
    q = ids.shape[1]
    d2, ids = d2.copy(), ids.copy()
    for v in range(len(ids)):
        mine = lists == v
        near = np.append(d2[v], distances[mine])
        first = np.argsort(near, kind="stable")[:q]
        d2[v], ids[v] = near[first], np.append(ids[v], newcomers[mine])[first]
    return d2, ids


def widen_lists(lists, first, last, near, far, rows):
    q = lists.shape[1]
    out = []
    for i in range(first, last):
        candidates = set(lists[i].tolist())
        for j in lists[i, :near]:
            if j >= 0:
                candidates |= set(lists[j, :far].tolist())
        out.append(_pad(*nearest(rows, rows[i], candidates - {i, -1}, q), q))
    return np.array([d for d, _ in out]), np.array([i for _, i in out])


def count_sources(lists, n):
    return np.array([(lists == i).sum() for i in range(n)])


def scatter_sources(lists, n):
    return np.array([v for i in range(n) for v in range(len(lists)) if i in lists[v]], np.int32)


def scatter_weighted(lists, list_weights, n):
    pairs = [
        (v, list_weights[v, j])
        for i in range(n)
        for v in range(len(lists))
        for j in np.flatnonzero(lists[v] == i)
    ]
    return np.array([v for v, _ in pairs], np.int32), np.array([w for _, w in pairs], np.float32)


def kernel_weights(indptr, indices, rows, voters, bandwidth):
    weights = []
    for i in range(len(rows)):
        for v in indices[indptr[i] : indptr[i + 1]]:
            d2 = squared_distances(rows[i : i + 1], voters[v])[0]
            weights.append(np.exp(-2 * d2 / bandwidth[v] ** 2))
    return np.array(weights, np.float32)
