"""What is said about voters where every row speaks: sums over the votes on each of them."""

from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t

# Powers that power_sums keeps at hand.
cdef enum:
    MOST_POWERS = 32


def voter_totals(
    const int32_t[::1] indices,  # IN
    const float[::1] weights,    # IN
    double[::1] totals,          # OUT
):
    """Adds the weight of every vote to its voter's total.

    Parameters
    ----------
    indices, weights : int32 [nnz], float32 [nnz]
        Voter and weight of every vote.
    totals : float64 [m]
    """
    cdef Py_ssize_t k
    if indices.shape[0] != weights.shape[0]:
        raise ValueError("indices and weights must have the same length.")
    with nogil:
        for k in range(indices.shape[0]):
            totals[indices[k]] += weights[k]


def power_sums(
    const int64_t[::1] start,   # IN
    const int64_t[::1] label,   # IN
    const double[::1] weight,   # IN
    const int64_t[::1] own,     # IN
    int64_t roots,
    int64_t squares,
    double[:, ::1] sums,        # OUT
    double[:, ::1] own_sums,    # OUT
):
    """Sums of weight^(2^k), k = -roots .. squares, over the votes on each voter: all, and those for its own label.

    Parameters
    ----------
    start : int64 [m + 1]
        Votes on voter v are start[v] .. start[v + 1] - 1.
    label, weight : int64 [nnz], float64 [nnz]
        Class that is voted for, and weight, not below 0.
    own : int64 [m]
        The voters' labels.
    roots, squares : int
        Not below 0, at most 31 together.
    sums, own_sums : float64 [roots + squares + 1, m]
    """
    cdef Py_ssize_t m = own.shape[0], n_powers = roots + squares + 1, v, j, k
    cdef double x, agrees
    cdef double all_votes[MOST_POWERS]
    cdef double own_votes[MOST_POWERS]
    if roots < 0 or squares < 0 or n_powers > MOST_POWERS:
        raise ValueError("roots and squares must not be below 0, nor above 31 together.")
    if start.shape[0] != m + 1 or label.shape[0] != weight.shape[0]:
        raise ValueError("start must have one entry per voter and one more, label and weight one per vote.")
    if sums.shape[0] != n_powers or own_sums.shape[0] != n_powers:
        raise ValueError("sums must have one row per power.")
    if sums.shape[1] != m or own_sums.shape[1] != m:
        raise ValueError("sums must have one entry per voter.")
    with nogil:
        for v in range(m):
            for k in range(n_powers):
                all_votes[k] = 0.0
                own_votes[k] = 0.0
            for j in range(start[v], start[v + 1]):
                agrees = 1.0 if label[j] == own[v] else 0.0
                x = weight[j]
                for k in range(roots, n_powers):
                    all_votes[k] += x
                    own_votes[k] += agrees * x
                    x *= x
                x = weight[j]
                for k in range(roots - 1, -1, -1):
                    x = sqrt(x)
                    all_votes[k] += x
                    own_votes[k] += agrees * x
            for k in range(n_powers):
                sums[k, v] = all_votes[k]
                own_sums[k, v] = own_votes[k]
