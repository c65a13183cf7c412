"""Games given by the address of compiled code, ``double f(const int64_t *members, int64_t n_members)``.

Members come in ascending order, so that a coalition has one value whatever chain it was reached by.  No call
needs the GIL; an error is signalled by NaN, which is passed on.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove

ctypedef double (*characteristic)(const int64_t *members, int64_t n_members) noexcept nogil


cdef int64_t _place(const int64_t *members, int64_t n, int64_t row) noexcept nogil:
    """How many of the ascending members come before ``row``."""
    cdef int64_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) // 2
        if members[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


cdef void _chain(
    characteristic f,
    const int64_t *order,
    const int64_t *stops,
    int64_t n_stops,
    int64_t *members,
    double *values,
) noexcept nogil:
    cdef int64_t j, place, n = 0
    for j in range(n_stops):
        while n < stops[j]:
            place = _place(members, n, order[n])
            memmove(members + place + 1, members + place, <size_t>(n - place) * sizeof(int64_t))
            members[place] = order[n]
            n += 1
        values[j] = f(members, n)


cdef void _masks(
    characteristic f, const uint64_t *masks, int64_t n_masks, int64_t *members, double *values
) noexcept nogil:
    cdef int64_t b, n, player
    cdef uint64_t left
    for b in range(n_masks):
        left = masks[b]
        n = 0
        player = 0
        while left:
            if left & 1:
                members[n] = player
                n += 1
            left >>= 1
            player += 1
        values[b] = f(members, n)


def native_chain(
    size_t address,
    const int64_t[::1] order,  # IN  [s]
    const int64_t[::1] stops,  # IN  [t] ascending, within 0..s
    int64_t[::1] scratch,      # [s] at least, and at least 1
    double[::1] values,        # OUT [t]
):
    """values[j] = f(order[:stops[j]])."""
    if stops.shape[0] == 0:
        return
    with nogil:
        _chain(
            <characteristic>address, &order[0] if order.shape[0] else NULL, &stops[0], stops.shape[0],
            &scratch[0], &values[0],
        )


def native_coalitions(
    size_t address,
    const int64_t[::1] members,  # IN  the coalitions one after the other, each ascending
    const int64_t[::1] bounds,   # IN  [B + 1] coalition b is members[bounds[b]:bounds[b + 1]]
    double[::1] values,          # OUT [B]
):
    """values[b] = f(coalition b)."""
    cdef int64_t b, n = values.shape[0]
    cdef characteristic f = <characteristic>address
    cdef const int64_t *first = &members[0] if members.shape[0] else NULL
    with nogil:
        for b in range(n):
            values[b] = f(first + bounds[b], bounds[b + 1] - bounds[b])


def native_masks(
    size_t address,
    const uint64_t[::1] masks,  # IN  [B] bit j = player j
    int64_t[::1] scratch,       # [64]
    double[::1] values,         # OUT [B]
):
    """values[b] = f(players whose bit is set in masks[b])."""
    if masks.shape[0] == 0:
        return
    with nogil:
        _masks(<characteristic>address, &masks[0], masks.shape[0], &scratch[0], &values[0])
