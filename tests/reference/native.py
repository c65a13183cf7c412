"""Plain-Python twin of the native kernel: coalitions as ascending lists."""

from itertools import pairwise


def native_chain(f, order, stops):
    return [f(sorted(order[:stop])) for stop in stops]


def native_coalitions(f, members, bounds):
    return [f(list(members[a:b])) for a, b in pairwise(bounds)]


def native_masks(f, masks):
    return [f([j for j in range(64) if int(mask) >> j & 1]) for mask in masks]
