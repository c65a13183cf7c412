"""The chain of the evidence game: log marginal likelihood of Bayesian ridge regression, row by row.

With A = (r I + X'X)^-1 and B the coefficients before a row x, q = x'A x and e = target - prediction, the row adds
its fit -|e|^2 / (2 s2 (1 + q)), and its leverage -C/2 log(1 + q).  Both totals depend on the coalition only, not
on the order, so each is a game of its own.

A rank-one update a row, O(d^2 + d C); those of m rows are put off and done at once, while the matrix is near.
With w = A x / sqrt(1 + q) and f = e / sqrt(1 + q) of each row, A <- A - sum w w' and B <- B + sum f w'.
"""

from libc.math cimport log, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memset

ctypedef fused floating:
    float
    double

cdef extern from "hcdv_rank.h" nogil:
    void hcdv_apply(
        const double *matrix, Py_ssize_t d, Py_ssize_t stride, const double *rows, Py_ssize_t m, double *out)
    void hcdv_take(double *matrix, Py_ssize_t d, Py_ssize_t stride, const double *rows, Py_ssize_t m)
    double hcdv_along(const double *a, const double *b, Py_ssize_t stride)
    void hcdv_follow(
        const double *before, Py_ssize_t t, Py_ssize_t stride, const double *x, double *own)

# What hcdv_rank.h takes at a time: numbers of a row, and rows.
LANES, ROWS = 8, 8


cdef void _gather(
    const floating *X,
    int64_t n_columns,
    const int64_t *order,
    int64_t n_rows,
    int64_t m,
    int64_t stride,
    double *rows,         # [m, stride]
) noexcept nogil:
    """The next rows in double, each with its intercept; nothing behind them up to m."""
    cdef int64_t t, k
    cdef const floating *x
    memset(rows, 0, m * stride * sizeof(double))
    for t in range(n_rows):
        x = X + order[t] * n_columns
        for k in range(n_columns):
            rows[k] = x[k]
        rows[n_columns] = 1.0
        rows += stride


cdef double _added(
    int64_t t,
    int64_t d,
    int64_t stride,
    int64_t n_classes,
    int64_t label,
    double noise,
    bint leverage,
    const double *x,      # [stride] row t of the m
    double *products,     # [m, stride] w and -f of the rows before t, A x and B x of row t, which become its w and -f
) noexcept nogil:
    """What row t adds to v, once it has made up for the updates put off before it."""
    cdef int64_t c, l
    cdef double spread, scale, squares = 0.0, chance = 1.0 / n_classes
    cdef double *own = products + t * stride
    cdef double *errors = own + d
    for c in range(n_classes):
        errors[c] += chance
    errors[label] -= 1.0
    hcdv_follow(products, t, stride, x, own)
    # The errors meet the zeros behind x.
    spread = 1.0 + hcdv_along(own, x, stride)
    scale = 1.0 / sqrt(spread)
    for l in range(d + n_classes):
        own[l] *= scale
    for c in range(n_classes):
        squares += errors[c] * errors[c]
    if leverage:
        return -0.5 * squares / noise - 0.5 * n_classes * log(spread)
    return -0.5 * squares / noise


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
    int64_t m,
    double *rows,
    double *products,
    double *values,
) noexcept nogil:
    cdef int64_t first = 0, n_rows, t, j = 0, d = n_columns + 1
    cdef double value = base
    while first < n_order:
        n_rows = min(m, n_order - first)
        _gather(X, n_columns, order + first, n_rows, m, stride, rows)
        hcdv_apply(posterior, d, stride, rows, m, products)
        for t in range(n_rows):
            while j < n_stops and stops[j] == first + t:
                values[j] = value
                j += 1
            value += _added(
                t, d, stride, n_classes, labels[order[first + t]], noise, leverage, rows + t * stride, products)
        hcdv_take(posterior, d, stride, products, m)
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
    double[:, ::1] rows,            # [m, stride] the rows taken at a time
    double[:, ::1] products,        # [m, stride] with the posterior
    double[::1] values,             # OUT   [t]
):
    """v after order[:stops[j]]; ``posterior`` ends as that of the whole chain.

    ``stride`` is a multiple of ``LANES``, not below d + C; m > 0 is a multiple of ``ROWS``.
    """
    cdef Py_ssize_t stride = posterior.shape[1]
    if stride % LANES or rows.shape[0] % ROWS or rows.shape[0] == 0:
        raise ValueError("evidence_chain works on whole lanes and rows.")
    if order.shape[0] == 0:
        values[:] = base
        return
    with nogil:
        _chain(
            &X[0, 0] if X.shape[1] else <const floating *>NULL,
            X.shape[1], n_classes, &labels[0],
            &order[0], order.shape[0],
            &stops[0] if stops.shape[0] else NULL, stops.shape[0],
            noise, leverage, base, &posterior[0, 0], stride, rows.shape[0], &rows[0, 0], &products[0, 0],
            &values[0] if values.shape[0] else NULL,
        )
