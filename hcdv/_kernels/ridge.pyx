"""The chain of the ridge game: validation accuracy of a ridge classifier, row by row.

With m the mean of the rows so far and A = (alpha I + sum (x - m)(x - m)')^-1, a row changes the centred sums
by one outer product of u = x - m of weight n / (n + 1): one rank-one update of A and of the coefficients of
every class, and one of the scores of the validation rows, where the one before is known.
O(d^2 + n_val (d + C)) a row.
"""

from libc.math cimport sqrt
from libc.stdint cimport int64_t

ctypedef fused floating:
    float
    double


cdef extern from "hcdv_dot.h" nogil:
    double hcdv_dot_dd(const double *a, const double *b, Py_ssize_t n)


cdef void _add_multiple(double *total, double factor, const double *term, int64_t n) noexcept nogil:
    cdef int64_t k
    for k in range(n):
        total[k] += factor * term[k]


cdef void _add_row(
    int64_t d,
    int64_t n_classes,
    int64_t n_val,
    int64_t label,
    const double *columns_val,  # [d, n_val]
    bint keep_scores,           # go on from the scores, rather than leave them behind
    double *inverse,            # [d, d] A
    double *coefficients,       # [C, d]
    double *mean,               # [d]
    double *counts,             # [C]
    double *scores,             # [C, n_val] coefficients times validation rows
    double *u,                  # [d] in: the row; out: the row less the mean
    double *gain,               # [d]
    double *change,             # [n_val]
) noexcept nogil:
    cdef int64_t k, c
    cdef double n = 0.0, root, error
    for c in range(n_classes):
        n += counts[c]
    for k in range(d):
        u[k] -= mean[k]
        gain[k] = 0.0
    if n > 0:
        # A is symmetric: summing its rows instead of taking dot products lets the compiler vectorise.
        for k in range(d):
            _add_multiple(gain, u[k], inverse + k * d, d)
        root = sqrt(1.0 / (1.0 + 1.0 / n + hcdv_dot_dd(u, gain, d)))
        for k in range(d):
            gain[k] *= root
        # The product of a vector with itself keeps A symmetric to the bit; else roundings grow from row to row.
        for k in range(d):
            _add_multiple(inverse + k * d, -gain[k], gain, d)
        if keep_scores:
            for k in range(n_val):
                change[k] = 0.0
            for k in range(d):
                _add_multiple(change, gain[k], columns_val + k * n_val, n_val)
        for c in range(n_classes):
            error = (1.0 if c == label else 0.0) - counts[c] / n - hcdv_dot_dd(coefficients + c * d, u, d)
            _add_multiple(coefficients + c * d, root * error, gain, d)
            if keep_scores:
                _add_multiple(scores + c * n_val, root * error, change, n_val)
    for k in range(d):
        mean[k] += u[k] / (n + 1.0)
    counts[label] += 1.0


cdef double _accuracy(
    int64_t d,
    int64_t n_classes,
    int64_t n_val,
    const int64_t *labels_val,
    const double *coefficients,
    const double *mean,
    const double *counts,
    const double *scores,
    double *best,
    int64_t *picked,
) noexcept nogil:
    """Share of validation rows whose class has the highest score among the classes met; the first of equals."""
    cdef int64_t v, c, hits = 0
    cdef bint is_first = True
    cdef double n = 0.0, offset, score
    for c in range(n_classes):
        n += counts[c]
    for c in range(n_classes):
        if counts[c] == 0.0:
            continue
        offset = counts[c] / n - hcdv_dot_dd(coefficients + c * d, mean, d)
        for v in range(n_val):
            score = scores[c * n_val + v] + offset
            if is_first or score > best[v]:
                best[v] = score
                picked[v] = c
        is_first = False
    for v in range(n_val):
        hits += picked[v] == labels_val[v]
    return <double>hits / n_val


cdef void _chain(
    const floating *X,
    int64_t d,
    int64_t n_classes,
    int64_t n_val,
    const int64_t *labels,
    const int64_t *order,
    int64_t n_order,
    const int64_t *stops,
    int64_t n_stops,
    const double *columns_val,
    const int64_t *labels_val,
    double v_empty,
    double *inverse,
    double *coefficients,
    double *mean,
    double *counts,
    double *scores,
    double *scratch,
    int64_t *picked,
    double *values,
) noexcept nogil:
    cdef int64_t t, j = 0, k, c, i
    cdef bint is_known = False, is_empty = True
    cdef double value
    for c in range(n_classes):
        is_empty &= counts[c] == 0.0
    for t in range(n_order + 1):
        if j == n_stops:
            return
        if stops[j] == t:
            value = v_empty
            if not is_empty:
                if not is_known:
                    for k in range(n_classes * n_val):
                        scores[k] = 0.0
                    for c in range(n_classes):
                        for k in range(d):
                            _add_multiple(
                                scores + c * n_val, coefficients[c * d + k], columns_val + k * n_val, n_val
                            )
                    is_known = True
                value = _accuracy(
                    d, n_classes, n_val, labels_val, coefficients, mean, counts, scores,
                    scratch + 2 * d, picked,
                )
            while j < n_stops and stops[j] == t:
                values[j] = value
                j += 1
        if t == n_order or j == n_stops:
            return
        i = order[t]
        for k in range(d):
            scratch[k] = X[i * d + k]
        # Until the next stop: update the scores at every row, or make them anew there, whichever is less.
        is_known &= (stops[j] - t) * (d + n_classes) <= d * n_classes
        _add_row(
            d, n_classes, n_val, labels[i], columns_val, is_known, inverse, coefficients, mean,
            counts, scores, scratch, scratch + d, scratch + 2 * d,
        )
        is_empty = False


def ridge_chain(
    const floating[:, ::1] X,         # IN    [n, d] rows
    const int64_t[::1] labels,        # IN    [n]
    const int64_t[::1] order,         # IN    [s]
    const int64_t[::1] stops,         # IN    [t] ascending, within 0..s
    const double[:, ::1] columns_val, # IN    [d, n_val] validation rows, column by column
    const int64_t[::1] labels_val,    # IN    [n_val] at least one
    double v_empty,                   # value of the empty coalition
    double[:, ::1] inverse,           # INOUT [d, d] of alpha I + the centred sums of products
    double[:, ::1] coefficients,      # INOUT [C, d]
    double[::1] mean,                 # INOUT [d] of the rows so far; 0 where there are none
    double[::1] counts,               # INOUT [C] rows so far
    double[:, ::1] scores,            # [C, n_val]
    double[::1] scratch,              # [2 d + n_val]
    int64_t[::1] picked,              # [n_val]
    double[::1] values,               # OUT   [t]
):
    """Accuracy after order[:stops[j]]; the state ends as that of the chain up to the last stop."""
    cdef int64_t d = X.shape[1]
    if stops.shape[0] == 0:
        return
    with nogil:
        _chain(
            &X[0, 0] if X.shape[0] and d else <const floating *>NULL, d, counts.shape[0], labels_val.shape[0],
            &labels[0] if labels.shape[0] else NULL, &order[0] if order.shape[0] else NULL, order.shape[0],
            &stops[0], stops.shape[0], &columns_val[0, 0] if d else <const double *>NULL, &labels_val[0],
            v_empty, &inverse[0, 0] if d else <double *>NULL, &coefficients[0, 0] if d else <double *>NULL,
            &mean[0] if d else <double *>NULL, &counts[0], &scores[0, 0], &scratch[0], &picked[0], &values[0],
        )
