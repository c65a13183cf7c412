"""Hierarchy-consistent permutations: the chains that Stage III walks along.

A chain orders all points so that every node of the tree occupies one contiguous block.  Every node and every
point draws a number of its own for the chain, and siblings, and the points of a leaf, stand in the order of
these.  All orders are equally likely, and a point that comes or goes leaves the order of all others as it was:
chains of a tree before and after an update are comparable.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort


cdef extern from "hcdv_rng.h" nogil:
    uint64_t hcdv_draw(uint64_t seed, uint32_t stage, uint64_t name, uint32_t chain)


cdef enum:
    POINT_STAGE = 3  # draws of Stage III; no other stage may use these numbers
    NODE_STAGE = 4

cdef enum:
    FEW = 32  # items up to which insertion is the fastest sort

cdef struct Ticket:
    uint64_t draw
    uint64_t item


cdef inline bint _before(Ticket a, Ticket b) noexcept nogil:
    # Two draws of 64 bits hardly ever tie; if they do, the order must still not depend on the sort.
    return a.draw < b.draw or (a.draw == b.draw and a.item < b.item)


cdef int _compare(const void *a, const void *b) noexcept nogil:
    if _before((<const Ticket *>a)[0], (<const Ticket *>b)[0]):
        return -1
    return 1


cdef void _sort(Ticket *tickets, int64_t n) noexcept nogil:
    cdef int64_t k, j
    cdef Ticket held
    if n > FEW:
        qsort(tickets, n, sizeof(Ticket), &_compare)
        return
    for k in range(1, n):
        held = tickets[k]
        j = k
        while j > 0 and _before(held, tickets[j - 1]):
            tickets[j] = tickets[j - 1]
            j -= 1
        tickets[j] = held


cdef void _sample(
    const int64_t *order,
    const int64_t *start,
    const int64_t *stop,
    const int64_t *first_child,
    const int64_t *n_children,
    const int64_t *point_key,
    const int64_t *node_key,
    int64_t n_nodes,
    uint64_t seed,
    uint32_t chain,
    int64_t *chain_order,
    int64_t *block_start,
    Ticket *tickets,
) noexcept nogil:
    cdef int64_t g, k, child, place, size
    block_start[0] = 0
    # Breadth-first numbering: a node's place is known before its children are reached.
    for g in range(n_nodes):
        place = block_start[g]
        size = n_children[g]
        if size > 0:
            for k in range(size):
                child = first_child[g] + k
                tickets[k].draw = hcdv_draw(seed, NODE_STAGE, <uint64_t>node_key[child], chain)
                tickets[k].item = <uint64_t>child
            _sort(tickets, size)
            for k in range(size):
                child = <int64_t>tickets[k].item
                block_start[child] = place
                place += stop[child] - start[child]
        else:
            size = stop[g] - start[g]
            for k in range(size):
                child = order[start[g] + k]
                tickets[k].draw = hcdv_draw(seed, POINT_STAGE, <uint64_t>point_key[child], chain)
                tickets[k].item = <uint64_t>child
            _sort(tickets, size)
            for k in range(size):
                chain_order[place + k] = <int64_t>tickets[k].item


def sample_chain(
    const int64_t[::1] order,        # IN  [n] points, leaf by leaf
    const int64_t[::1] start,        # IN  [m] node g owns order[start[g]:stop[g]]
    const int64_t[::1] stop,         # IN  [m]
    const int64_t[::1] first_child,  # IN  [m] -1 for a leaf
    const int64_t[::1] n_children,   # IN  [m] 0 for a leaf
    const int64_t[::1] point_key,    # IN  [n] what each point draws by
    const int64_t[::1] node_key,     # IN  [m] what each node draws by
    uint64_t seed,
    uint32_t chain,
    int64_t[::1] chain_order,        # OUT [n] the permutation
    int64_t[::1] block_start,        # OUT [m] where node g's block begins in chain_order
    uint64_t[:, ::1] scratch,        # [k, 2], k the most children of a node or points of a leaf
):
    """Draw chain number ``chain``: the same for the same (seed, chain, tree), whoever asks."""
    if start.shape[0] == 0 or order.shape[0] == 0:
        return
    with nogil:
        _sample(
            &order[0], &start[0], &stop[0], &first_child[0], &n_children[0], &point_key[0],
            &node_key[0], start.shape[0], seed, chain, &chain_order[0], &block_start[0],
            <Ticket *>&scratch[0, 0],
        )


def draws(
    const int64_t[::1] names,  # IN  [k]
    uint64_t seed,
    uint32_t stage,
    uint32_t chain,
    uint64_t[::1] out,         # OUT [k]
):
    """The number that each name draws; shows the generator to the tests."""
    cdef int64_t k
    for k in range(names.shape[0]):
        out[k] = hcdv_draw(seed, stage, <uint64_t>names[k], chain)
