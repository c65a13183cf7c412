"""The chain of the evidence game: log marginal likelihood of Bayesian ridge regression, row by row.

With A = (r I + X'X)^-1 and B the coefficients before a row x, q = x'A x and e = target - prediction, the row adds
its fit -|e|^2 / (2 s2 (1 + q)), and its leverage -C/2 log(1 + q).  Both totals depend on the coalition only, not
on the order, so each is a game of its own.

A rank-one update a row, O(d^2 + d C); those of m rows are put off and done at once, by BLAS, several times as
fast.  With w = A x / sqrt(1 + q) and f = e / sqrt(1 + q) of each row, A <- A - sum w w' and B <- B + sum f w'.
"""

from libc.math cimport log, sqrt
from libc.stdint cimport int64_t
from scipy.linalg.cython_blas cimport dgemm

ctypedef fused floating:
    float
    double


cdef extern from "hcdv_dot.h" nogil:
    double hcdv_dot_dd(const double *a, const double *b, Py_ssize_t n)


cdef void _gather(
    const floating *X,
    int64_t n_columns,
    const int64_t *order,
    int64_t m,
    double *rows,         # [m, d]
) noexcept nogil:
    """The next m rows in double, each with its intercept."""
    cdef int64_t t, k
    cdef const floating *x
    for t in range(m):
        x = X + order[t] * n_columns
        for k in range(n_columns):
            rows[k] = x[k]
        rows[n_columns] = 1.0
        rows += n_columns + 1


cdef void _predict(
    int m,
    int d,
    int width,            # d + C
    double *posterior,    # [d + C, d] A above B
    double *rows,         # [m, d]
    double *products,     # [m, d + C]
) noexcept nogil:
    """A x and B x of each row.  BLAS counts columns first: to it every array here is its transpose."""
    cdef double one = 1.0, zero = 0.0
    dgemm("T", "N", &width, &m, &d, &one, posterior, &d, rows, &d, &zero, products, &width)


cdef void _subtract_targets(
    int64_t m,
    int64_t d,
    int64_t n_classes,
    const int64_t *labels,
    const int64_t *order,
    double *products,     # [m, d + C] A x and B x, which becomes -e
) noexcept nogil:
    cdef int64_t t, c
    cdef double chance = 1.0 / n_classes
    for t in range(m):
        products += d
        for c in range(n_classes):
            products[c] += chance
        products[labels[order[t]]] -= 1.0
        products += n_classes


cdef void _update(
    int m,
    int d,
    int width,
    double *products,     # [m, d + C] w and -f
    double *posterior,
) noexcept nogil:
    """The update of m rows: the sign of f makes one subtraction of both."""
    cdef double one = 1.0, minus = -1.0
    dgemm("N", "T", &d, &width, &m, &minus, products, &width, products, &width, &one, posterior, &d)


cdef double _follow(
    int64_t t,
    int64_t d,
    int64_t width,
    const double *x,      # [d] row t of the m
    double *products,     # [m, d + C] w and -f of the rows before t, A x and -e of row t
) noexcept nogil:
    """Make up for the updates put off before row t: its w and -f; returns 1 + q."""
    cdef int64_t s, l
    cdef double spread, scale
    cdef double *before = products
    cdef double *own = products + t * width
    for s in range(t):
        scale = hcdv_dot_dd(before, x, d)
        for l in range(width):
            own[l] -= scale * before[l]
        before += width
    spread = 1.0 + hcdv_dot_dd(own, x, d)
    scale = 1.0 / sqrt(spread)
    for l in range(width):
        own[l] *= scale
    return spread


cdef double _term(
    int64_t n_classes,
    double noise,
    bint leverage,
    double spread,        # 1 + q
    const double *errors, # [C] -f
) noexcept nogil:
    """What a row adds to v."""
    cdef int64_t c
    cdef double squares = 0.0
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
    int64_t at_once,
    double *rows,
    double *products,
    double *values,
) noexcept nogil:
    cdef int64_t first = 0, m, t, j = 0, d = n_columns + 1, width = d + n_classes
    cdef double value = base, spread
    while first < n_order:
        m = min(at_once, n_order - first)
        _gather(X, n_columns, order + first, m, rows)
        _predict(<int>m, <int>d, <int>width, posterior, rows, products)
        _subtract_targets(m, d, n_classes, labels, order + first, products)
        for t in range(m):
            while j < n_stops and stops[j] == first + t:
                values[j] = value
                j += 1
            spread = _follow(t, d, width, rows + t * d, products)
            value += _term(n_classes, noise, leverage, spread, products + t * width + d)
        _update(<int>m, <int>d, <int>width, products, posterior)
        first += m
    while j < n_stops:
        values[j] = value
        j += 1


def evidence_chain(
    const floating[:, ::1] X,       # IN    [n, d - 1] rows, without the intercept
    const int64_t[::1] labels,      # IN    [n]
    const int64_t[::1] order,       # IN    [s]
    const int64_t[::1] stops,       # IN    [t] ascending, within 0..s
    double noise,                   # s2, variance of the noise
    bint leverage,                  # count -C/2 log(1 + q) too: log marginal likelihood, not fit alone
    double base,                    # v of the state at the start
    double[:, ::1] posterior,       # INOUT [d + C, d] covariance above coefficients
    double[:, ::1] rows,            # [m, d]     the m >= 1 rows taken at a time
    double[:, ::1] products,        # [m, d + C] with the posterior
    double[::1] values,             # OUT   [t]
):
    """v after order[:stops[j]]; ``posterior`` ends as that of the whole chain."""
    if order.shape[0] == 0:
        values[:] = base
        return
    with nogil:
        _chain(
            &X[0, 0] if X.shape[1] else <const floating *>NULL,
            X.shape[1], posterior.shape[0] - posterior.shape[1], &labels[0],
            &order[0], order.shape[0],
            &stops[0] if stops.shape[0] else NULL, stops.shape[0],
            noise, leverage, base, &posterior[0, 0], rows.shape[0], &rows[0, 0], &products[0, 0],
            &values[0] if values.shape[0] else NULL,
        )
