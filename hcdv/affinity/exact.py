"""Nearest rows, exactly: products in float32 tell which pairs may count, and only those are measured.

A squared distance by a product is wrong by a bounded number of roundings, so nobody who counts is missed, and
neither lists nor distances depend on how the products were summed up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels import neighbours as kernels
from hcdv.affinity.sparse import Workers

# Voters (int32), numbers of the rows they hear of (int32), and squared distances (float32): [k] each.
Heard = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]

# Queries per task at most: a few milliseconds of work.
CHUNK = 256
# Pairs of a product at a time: 8 MB for each thread.
PRODUCTS = 1 << 21
# Rows that one bound is made of (csrc/hcdv_sift.h).
ROWS_A_GROUP = 16
# Roundings of 2^-24 in a squared distance by a product, beside one for each column.
ROUNDINGS = 16


def nearest_rows(
    rows: NDArray[Any], queries: NDArray[Any], own: NDArray[np.int64], q: int, threads: Workers
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The q nearest rows of every query, ties to the lower id: ids int32 [m, q] and squared distances [m, q].

    Parameters
    ----------
    rows, queries : float32 or float64 [n, d], [m, d]
    own : int64 [m]
        Which row each query is itself, and never lists; -1 for none.
    q : int
    threads : hcdv.engine.Threads
    """
    nobody = np.full(len(rows), -np.inf, np.float32)
    return nearest_and_heard(rows, queries, own, q, nobody, threads)[1:]


def nearest_and_heard(
    rows: NDArray[Any],
    queries: NDArray[Any],
    own: NDArray[np.int64],
    q: int,
    limit: NDArray[np.float32],
    threads: Workers,
) -> tuple[Heard, NDArray[np.int32], NDArray[np.float64]]:
    """As `nearest_rows`, and which rows each query is nearer to than their ``limit`` (float32 [n], squared).

    Who is heard goes by the number of the query.
    """
    n, error = len(rows), (rows.shape[1] + ROUNDINGS) * 2.0**-24
    centre = rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
    at, sizes = _centred(rows, centre)
    ids, d2 = np.empty((len(queries), q), np.int32), np.empty((len(queries), q))
    step = min(CHUNK, max(1, PRODUCTS // n))

    def look(first: int) -> Heard:
        part = slice(first, min(first + step, len(queries)))
        mine, own_sizes = _centred(queries[part], centre)
        with np.errstate(over="ignore", invalid="ignore"):
            mine *= -2.0
            products = mine @ at.T
        m, groups = len(mine), n // ROWS_A_GROUP + ROWS_A_GROUP
        heard, heard_d2, n_heard = np.empty(m * n, np.int32), np.empty(m * n, np.float32), np.empty(m, np.int64)
        size = max(4 * q, groups)
        kernels.sift_products(
            rows, queries[part], own[part], products, sizes, own_sizes, error, limit,
            np.empty((3, n), np.float32), np.empty(groups, np.float32), np.empty(size),
            np.empty(size, np.int32), d2[part], ids[part], heard_d2, heard, n_heard,
        )  # fmt: skip
        total = n_heard.sum()
        query = np.repeat(np.arange(first, part.stop, dtype=np.int32), n_heard)
        return heard[:total].copy(), query, heard_d2[:total].copy()

    found = zip(*threads.map(look, range(0, len(queries), step)), strict=True)
    voter, query, distance = (np.concatenate(column) for column in found)
    return (voter, query, distance), ids, d2


def _centred(
    rows: NDArray[Any], centre: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows about a centre, float32 [n, d], and their squared lengths [n]."""
    with np.errstate(over="ignore"):
        about = (rows - centre).astype(np.float32, copy=False)
        return about, np.einsum("ij,ij->i", about, about, dtype=np.float64).astype(np.float32)
