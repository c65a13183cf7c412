"""The incremental chain of a local vote: rows vote on the labels of voters'.

Each *voter* v (a training row, or a validation row) listens to a few rows with weight w(i, v).  Under a
coalition S the share of the votes for its own label is

    p_v(S) = matching_v / total_v,
    total_v = what v heard beforehand (at least a uniform prior) + sum of w(i, v) over i in S,
    matching_v = the same over the votes for its own label,

and its confidence is log(C p_v) (the logarithmic score) or p_v - 1/C (the share itself).  A row that enters
a chain pushes its weight to the voters that listen to it, O(q) a row.
"""

from libc.math cimport log
from libc.stdint cimport int32_t, int64_t

cdef extern from "hcdv_votes.h" nogil:
    double push_log "hcdv_push_log"(
        const int32_t *voters, const float *weights, int64_t n, int64_t label, const int64_t *labels,
        double *state)

# A voter's state fills half a cache line: matching votes, all votes, confidence now counted, and 1.0 if the
# voter counts (validation rows always do; a training row once it is in S).
cdef enum:
    MATCHING = 0
    TOTAL = 1
    COUNTED = 2
    INSIDE = 3


cdef inline double _confidence(
    double matching, double total, double chance, bint log_score
) noexcept nogil:
    if log_score:
        return log(matching / (total * chance))
    return matching / total - chance


cdef double _push_share(
    int64_t i,
    const int64_t *indptr,
    const int32_t *indices,
    const float *weights,
    const int64_t *row_labels,
    const int64_t *voter_labels,
    double chance,
    double *state,
) noexcept nogil:
    """Row i enters S: returns what it adds to the counted shares of the other voters."""
    cdef int64_t k, label = row_labels[i]
    cdef double gain = 0.0, now
    cdef double *voter
    for k in range(indptr[i], indptr[i + 1]):
        voter = state + 4 * <int64_t>indices[k]
        voter[TOTAL] += weights[k]
        if voter_labels[indices[k]] == label:
            voter[MATCHING] += weights[k]
        if voter[INSIDE] != 0.0:
            now = _confidence(voter[MATCHING], voter[TOTAL], chance, False)
            gain += now - voter[COUNTED]
            voter[COUNTED] = now
    return gain


cdef void _chain(
    const int64_t *indptr,
    const int32_t *indices,
    const float *weights,
    const int64_t *row_labels,
    const int64_t *voter_labels,
    const int64_t *order,
    int64_t n_order,
    const int64_t *stops,
    int64_t n_stops,
    double chance,
    bint log_score,
    bint rows_vote,
    double base,
    double *state,
    double *values,
) noexcept nogil:
    cdef int64_t t, i, j = 0
    cdef double value = base
    cdef double *own
    for t in range(n_order):
        while j < n_stops and stops[j] == t:
            values[j] = value
            j += 1
        i = order[t]
        if log_score:
            value += push_log(
                indices + indptr[i], weights + indptr[i], indptr[i + 1] - indptr[i], row_labels[i],
                voter_labels, state,
            )
        else:
            value += _push_share(
                i, indptr, indices, weights, row_labels, voter_labels, chance, state
            )
        if rows_vote:
            own = state + 4 * i
            own[COUNTED] = _confidence(own[MATCHING], own[TOTAL], chance, log_score)
            own[INSIDE] = 1.0
            value += own[COUNTED]
    while j < n_stops:
        values[j] = value
        j += 1


def vote_chain(
    const int64_t[::1] indptr,        # IN    [n + 1] voters that listen to row i, by row
    const int32_t[::1] indices,       # IN    [nnz]
    const float[::1] weights,         # IN    [nnz]
    const int64_t[::1] row_labels,    # IN    [n] class of each row
    const int64_t[::1] voter_labels,  # IN    [n_voters] class of each voter
    const int64_t[::1] order,         # IN    [s] rows in the order they enter
    const int64_t[::1] stops,         # IN    [t] ascending, within 0..s
    double chance,                    # 1 / number of classes
    bint log_score,                   # confidence is log(C p), not p - 1/C
    bint rows_vote,                   # voter i is row i and counts once it is in S
    double base,                      # counted confidence of the state at the start
    double[:, ::1] state,             # INOUT [n_voters, 4], with what was heard beforehand
    double[::1] values,               # OUT   [t] counted confidence after order[:stops[j]]
):
    """Sum over counted voters of the confidence in their label, along a chain."""
    if order.shape[0] == 0 or indptr.shape[0] == 0:
        values[:] = base
        return
    if indices.shape[0] == 0 and not rows_vote:
        values[:] = base
        return
    with nogil:
        _chain(
            &indptr[0],
            &indices[0] if indices.shape[0] else NULL,
            &weights[0] if weights.shape[0] else NULL,
            &row_labels[0],
            &voter_labels[0] if voter_labels.shape[0] else NULL,
            &order[0], order.shape[0],
            &stops[0] if stops.shape[0] else NULL, stops.shape[0],
            chance, log_score, rows_vote, base,
            &state[0, 0], &values[0] if values.shape[0] else NULL,
        )


def vote_recount(
    double chance,
    bint log_score,
    double[:, ::1] state,  # INOUT [n_voters, 4] COUNTED is set from the sums
):
    """Counted confidence of a state whose sums were added up from parts."""
    cdef int64_t v
    cdef double value = 0.0
    with nogil:
        for v in range(state.shape[0]):
            if state[v, INSIDE] != 0.0:
                state[v, COUNTED] = _confidence(
                    state[v, MATCHING], state[v, TOTAL], chance, log_score
                )
                value += state[v, COUNTED]
    return value
