"""The chain of the evidence game: log marginal likelihood of Bayesian ridge regression, row by row.

With A = (r I + X'X)^-1 and B the coefficients before a row x, q = x'A x and e = target - prediction, the row adds
its fit -|e|^2 / (2 s2 (1 + q)), and its leverage -C/2 log(1 + q).  Both totals depend on the coalition only, not
on the order, so each is a game of its own.

A rank-one update a row, O(d^2 + d C); those of eight rows are put off and done at once, while the matrix is near.
With w = A x / sqrt(1 + q) and f = e / sqrt(1 + q) of each row, A <- A - sum w w' and B <- B + sum f w'.  Of eight
rows X, with A and B from before them and L L' = I + X A X', these are L^-1 X A and L^-1 (T - X B'), and 1 + q the
squares of the diagonal of L.
"""

from libc.math cimport log
from libc.stdint cimport int64_t
from libc.string cimport memset

ctypedef fused floating:
    float
    double

cdef extern from "hcdv_rank.h" nogil:
    void hcdv_apply(
        const double *matrix, Py_ssize_t d, Py_ssize_t stride, const double *rows, double *out)
    void hcdv_fetch(const void *memory, Py_ssize_t n_bytes)
    void hcdv_settle(double *products, Py_ssize_t stride, const double *rows, double *spreads)
    void hcdv_take(double *matrix, Py_ssize_t d, Py_ssize_t stride, const double *rows)

# What hcdv_rank.h takes at a time: numbers of a row, and rows.
cdef enum:
    AT_ONCE = 8
LANES, ROWS = 8, AT_ONCE


cdef void _gather(
    const floating *X,
    int64_t n_columns,
    const int64_t *order,
    int64_t n_rows,
    int64_t stride,
    double *rows,         # [8, stride], zeros behind the columns
) noexcept nogil:
    """The next rows in double, each with its intercept; zeros in place of those that are missing."""
    cdef int64_t t, k
    cdef const floating *x
    for t in range(n_rows):
        x = X + order[t] * n_columns
        for k in range(n_columns):
            rows[k] = x[k]
        rows[n_columns] = 1.0
        rows += stride
    memset(rows, 0, (AT_ONCE - n_rows) * stride * sizeof(double))


cdef inline double _squares(const double *errors, int64_t n_classes) noexcept nogil:
    cdef int64_t c
    cdef double squares = 0.0
    for c in range(n_classes):
        squares += errors[c] * errors[c]
    return squares


cdef void _chain(
    const floating *X,
    int64_t n_columns,
    int64_t n_classes,
    const int64_t *labels,
    const int64_t *order,
    int64_t n_order,
    const int64_t *stops,
    int64_t n_stops,
    double noise,
    bint leverage,
    double base,
    double *posterior,
    int64_t stride,
    double *rows,
    double *products,
    double *values,
) noexcept nogil:
    cdef int64_t first = 0, n_rows, t, c, j = 0, d = n_columns + 1
    cdef double value = base, chance = 1.0 / n_classes
    cdef double spreads[AT_ONCE]
    cdef double *errors
    memset(rows, 0, AT_ONCE * stride * sizeof(double))
    while first < n_order:
        n_rows = min(<int64_t> AT_ONCE, n_order - first)
        _gather(X, n_columns, order + first, n_rows, stride, rows)
        # The rows after these lie anywhere: on their way while these are worked on.
        for t in range(first + AT_ONCE, min(first + 2 * AT_ONCE, n_order)):
            hcdv_fetch(X + order[t] * n_columns, n_columns * sizeof(floating))
        # The products are A x beside B x; with the targets taken from these they become w beside -f.
        hcdv_apply(posterior, d, stride, rows, products)
        for t in range(n_rows):
            errors = products + t * stride + d
            for c in range(n_classes):
                errors[c] += chance
            errors[labels[order[first + t]]] -= 1.0
        # The errors meet the zeros behind the rows.
        hcdv_settle(products, stride, rows, spreads)
        for t in range(n_rows):
            while j < n_stops and stops[j] == first + t:
                values[j] = value
                j += 1
            value -= 0.5 * _squares(products + t * stride + d, n_classes) / noise
            if leverage:
                value -= 0.5 * n_classes * log(spreads[t])
        hcdv_take(posterior, d, stride, products)
        first += n_rows
    while j < n_stops:
        values[j] = value
        j += 1


def evidence_chain(
    const floating[:, ::1] X,       # IN    [n, d - 1] rows, without the intercept
    const int64_t[::1] labels,      # IN    [n] of C classes
    int64_t n_classes,
    const int64_t[::1] order,       # IN    [s]
    const int64_t[::1] stops,       # IN    [t] ascending, within 0..s
    double noise,                   # s2, variance of the noise
    bint leverage,                  # count -C/2 log(1 + q) too: log marginal likelihood, not fit alone
    double base,                    # v of the state at the start
    double[:, ::1] posterior,       # INOUT [d, stride] covariance beside coefficients, then zeros
    double[:, ::1] rows,            # [8, stride] the rows taken at a time
    double[:, ::1] products,        # [8, stride] with the posterior
    double[::1] values,             # OUT   [t]
):
    """v after order[:stops[j]]; ``posterior`` ends as that of the whole chain.

    ``stride`` is a multiple of ``LANES``, not below d + C.
    """
    cdef Py_ssize_t stride = posterior.shape[1]
    if stride % AT_ONCE or stride < X.shape[1] + 1 + n_classes or posterior.shape[0] != X.shape[1] + 1:
        raise ValueError("posterior must have a row a column of X, one more, and room for d + C in whole lanes.")
    if rows.shape[0] != AT_ONCE or products.shape[0] != AT_ONCE:
        raise ValueError("rows and products must have eight rows.")
    if rows.shape[1] != stride or products.shape[1] != stride:
        raise ValueError("rows and products must be as wide as the posterior.")
    if order.shape[0] == 0:
        values[:] = base
        return
    with nogil:
        _chain(
            &X[0, 0] if X.shape[1] else <const floating *>NULL,
            X.shape[1], n_classes, &labels[0],
            &order[0], order.shape[0],
            &stops[0] if stops.shape[0] else NULL, stops.shape[0],
            noise, leverage, base, &posterior[0, 0], stride, &rows[0, 0], &products[0, 0],
            &values[0] if values.shape[0] else NULL,
        )
