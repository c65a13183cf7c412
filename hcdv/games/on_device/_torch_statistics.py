"""Sums over the rows of a chain at its stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Segments of fewer rows than this, on average, are summed by outer products; longer ones one by one.
SHORT_SEGMENT = 8
# Rows taken at a time at least, where they are not multiplied out.
ROWS_AT_ONCE = 1024
# Linear systems solved at a time at most: grids of CUDA end there, and batched solvers have failed above.
MOST_SYSTEMS = 65_535


class Statistics(NamedTuple):
    """Of the first rows of a chain, at b stops.

    Attributes
    ----------
    stops : slice
        Which of the stops.
    gram : float64 [b, d, d] or None
        Sums of products of columns.
    sums : float64 [b, C, d]
        Sums of rows by class.
    counts : float64 [b, C]
        Rows by class.
    """

    stops: slice
    gram: Tensor | None
    sums: Tensor
    counts: Tensor


def statistics_at_stops(
    rows_of: Callable[[Tensor], Tensor],
    labels: Tensor,
    n_classes: int,
    order: Tensor,
    stops: Tensor,
    *,
    with_gram: bool,
    stops_at_once: int,
) -> Iterator[Statistics]:
    """Statistics of ``order[:stop]`` for all stops, some stops at a time.

    Parameters
    ----------
    rows_of : callable
        From points [k] to their rows, float64 [k, d].
    labels : int64 [n]
    order : int64 [n], stops : int64 [s] ascending
    with_gram : bool
    stops_at_once : int
        At most.
    """
    if with_gram:
        stops_at_once = min(stops_at_once, MOST_SYSTEMS)
    bounds = torch.cat([stops.new_zeros(1), stops]).cpu()
    before: tuple[Tensor | None, Tensor, Tensor] | None = None
    for first in range(0, len(stops), stops_at_once):
        last = min(first + stops_at_once, len(stops))
        gram, sums, counts = _of_segments(
            rows_of, labels, n_classes, order, bounds[first : last + 1], with_gram=with_gram,
            products_at_once=stops_at_once,
        )  # fmt: skip
        # What came before goes to the first segment, and from there to all.
        if before is not None:
            sums[0] += before[1]
            counts[0] += before[2]
            if gram is not None and before[0] is not None:
                gram[0] += before[0]
        gram = None if gram is None else gram.cumsum(0)
        sums, counts = sums.cumsum(0), counts.cumsum(0)
        yield Statistics(slice(first, last), gram, sums, counts)
        before = None if gram is None else gram[-1].clone(), sums[-1].clone(), counts[-1].clone()


def _of_segments(
    rows_of: Callable[[Tensor], Tensor],
    labels: Tensor,
    n_classes: int,
    order: Tensor,
    bounds: Tensor,
    *,
    with_gram: bool,
    products_at_once: int,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Statistics of ``order[bounds[j]:bounds[j + 1]]`` for every j."""
    n_segments = len(bounds) - 1
    begin, end = int(bounds[0]), int(bounds[-1])
    d = rows_of(order[:1]).shape[1]
    device = order.device
    gram = torch.zeros((n_segments, d, d), dtype=torch.float64, device=device) if with_gram else None
    sums = torch.zeros((n_segments * n_classes, d), dtype=torch.float64, device=device)
    counts = torch.zeros(n_segments * n_classes, dtype=torch.float64, device=device)
    is_short = end - begin < SHORT_SEGMENT * n_segments
    # Outer products are as large as the sums that they go into; rows by themselves are small.
    rows_at_once = products_at_once if is_short else max(products_at_once, ROWS_AT_ONCE)
    edges = bounds[1:].to(device)
    for a in range(begin, end, rows_at_once):
        b = min(a + rows_at_once, end)
        points = order[a:b]
        rows = rows_of(points)
        segment = torch.searchsorted(edges, torch.arange(a, b, device=device), right=True)
        cell = segment * n_classes + labels[points]
        sums.index_add_(0, cell, rows)
        counts.index_add_(0, cell, torch.ones_like(cell, dtype=torch.float64))
        if gram is None:
            continue
        if is_short:
            gram.index_add_(0, segment, rows[:, :, None] * rows[:, None, :])
        else:
            inside = torch.unique_consecutive(segment, return_counts=True)
            for j, part in zip(inside[0].tolist(), rows.split(inside[1].tolist()), strict=True):
                gram[j] += part.T @ part
    return gram, sums.view(n_segments, n_classes, d), counts.view(n_segments, n_classes)
