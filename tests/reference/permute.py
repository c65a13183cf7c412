"""Philox4x32-10 and hierarchy-consistent permutations, in plain Python."""

import numpy as np

MASK = 0xFFFFFFFF


def philox(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def draw(seed, stage, name, chain):
    """64 random bits, named."""
    key = (
        (seed & MASK) ^ (stage * 0x85EBCA6B & MASK),
        (seed >> 32) ^ (stage * 0xC2B2AE35 & MASK),
    )
    low, high, _, _ = philox((0, chain, name & MASK, name >> 32), key)
    return high << 32 | low


def sample_chain(order, start, stop, first_child, n_children, point_key, node_key, seed, chain):
    block_start = [0] * len(start)
    chain_order = np.empty(len(order), np.int64)
    for g in range(len(start)):
        place = block_start[g]
        if n_children[g]:
            children = [int(first_child[g]) + k for k in range(n_children[g])]
            children.sort(key=lambda child: (draw(seed, 4, int(node_key[child]), chain), child))
            for child in children:
                block_start[child] = place
                place += int(stop[child] - start[child])
        else:
            points = [int(i) for i in order[start[g] : stop[g]]]
            points.sort(key=lambda i: (draw(seed, 3, int(point_key[i]), chain), i))
            chain_order[place : place + len(points)] = points
    return chain_order, np.array(block_start, np.int64)
