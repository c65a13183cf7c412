"""Nearest rows among blocks of rows, and what is made of the lists: transposes and kernel weights.

A list holds the ids of a voter's rows in ascending (squared distance, id) order, -1 behind the last.
Distances are those of csrc/hcdv_dot.h to the last bit, so equal rows tie exactly.
"""

from cython cimport floating
from libc.math cimport INFINITY, exp
from libc.stdint cimport int32_t, int64_t

cdef extern from "hcdv_dot.h" nogil:
    double hcdv_sqdist_d(const double *a, const double *b, Py_ssize_t n)
    double hcdv_sqdist_f(const float *a, const float *b, Py_ssize_t n)

cdef extern from "hcdv_panel.h" nogil:
    const int HCDV_PANEL
    void hcdv_panels_d(
        const double *panel, Py_ssize_t n_panels, const double *x, Py_ssize_t d,
        double cut, double *out, unsigned char *hits)
    void hcdv_panels_f(
        const float *panel, Py_ssize_t n_panels, const float *x, Py_ssize_t d,
        float cut, float *out, unsigned char *hits)

cdef extern from "hcdv_sift.h" nogil:
    const int HCDV_LANES
    const int HCDV_STRIDE
    void least_of_groups "hcdv_least"(
        const float *products, const float *sizes, Py_ssize_t n, float *least)
    void sift "hcdv_sift"(
        const float *products, const float *near, const float *heard, Py_ssize_t n,
        float cut, float limit, unsigned char *hits)

cdef extern from "hcdv_select.h" nogil:
    bint precedes "hcdv_precedes"(double a, int32_t i, double b, int32_t j)
    void keep_nearest "hcdv_keep_first"(double *d2, int32_t *ids, Py_ssize_t n, Py_ssize_t k)
    void sort_pairs "hcdv_sort_pairs"(double *d2, int32_t *ids, Py_ssize_t n)

cdef extern from "float.h" nogil:
    const float LARGEST_FLOAT "FLT_MAX"
    const double LARGEST_DOUBLE "DBL_MAX"

cdef enum:
    RUN = 32  # panels scored at a time: 256 scores stay in the first-level cache

# Squares of differences below 1e-18 underflow in float32.
cdef double TINY = 1e-36
PANEL = HCDV_PANEL


cdef inline double squared_distance(
    const floating *a, const floating *b, Py_ssize_t n
) noexcept nogil:
    if floating is double:
        return hcdv_sqdist_d(a, b, n)
    else:
        return hcdv_sqdist_f(a, b, n)


cdef inline void panel_scores(
    const floating *panel, Py_ssize_t n_panels, const floating *x, Py_ssize_t d,
    floating cut, floating *out, unsigned char *hits
) noexcept nogil:
    if floating is double:
        hcdv_panels_d(panel, n_panels, x, d, cut, out, hits)
    else:
        hcdv_panels_f(panel, n_panels, x, d, cut, out, hits)


cdef Py_ssize_t settle(
    double *near, int32_t *near_ids, Py_ssize_t count, Py_ssize_t q,
    const floating *query, const floating *rows, Py_ssize_t d,
) noexcept nogil:
    """Measures the candidates kept in double and keeps the q nearest; how many there are."""
    cdef Py_ssize_t k
    for k in range(count):
        near[k] = squared_distance(query, rows + <Py_ssize_t> near_ids[k] * d, d)
    if count > q:
        keep_nearest(near, near_ids, count, q)
    return min(count, q)


cdef void search_row(
    const floating *panels, const int64_t *panel_start, const int64_t *bounds,
    const int32_t *probes, Py_ssize_t n_probes, const floating *rows, const floating *query,
    Py_ssize_t d, int64_t own, double guard, floating *scores,
    double *near, int32_t *near_ids, Py_ssize_t capacity,
    double *d2, int32_t *ids, Py_ssize_t q,
) noexcept nogil:
    cdef Py_ssize_t j, k, l, block, panel, kept, count = 0, done, width, first, n_panels
    # Infinite until q candidates are known. Padding scores infinity and must not pass either.
    cdef floating cut = LARGEST_FLOAT if floating is float else LARGEST_DOUBLE
    cdef double nearest
    cdef unsigned char hits[RUN]
    for j in range(n_probes):
        block = probes[j]
        if block < 0:
            break
        n_panels = panel_start[block + 1] - panel_start[block]
        done = 0
        while done < n_panels:
            width = min(<Py_ssize_t> RUN, n_panels - done)
            panel_scores(
                panels + (panel_start[block] + done) * HCDV_PANEL * d, width, query, d, cut,
                scores, hits,
            )
            first = bounds[block] + done * HCDV_PANEL
            for panel in range(width):
                l = panel * HCDV_PANEL
                # One branch for eight candidates: nearly all of them fail.
                if not hits[panel]:
                    continue
                for k in range(l, l + HCDV_PANEL):
                    if scores[k] <= cut and first + k != own:
                        near[count] = scores[k]
                        near_ids[count] = <int32_t> (first + k)
                        count += 1
                if count + HCDV_PANEL <= capacity:
                    continue
                keep_nearest(near, near_ids, count, q)
                nearest = near[q - 1]
                # What scores within the rounding error of the q-th may be nearer in truth.
                kept = q
                for k in range(q, count):
                    if near[k] <= nearest * (1.0 + guard) + TINY:
                        near[kept] = near[k]
                        near_ids[kept] = near_ids[k]
                        kept += 1
                count = kept
                if count + 2 * HCDV_PANEL > capacity:
                    count = settle(near, near_ids, count, q, query, rows, d)
                    nearest = near[q - 1]
                cut = <floating> (nearest * (1.0 + 2.0 * guard) + TINY)
            done += width
    count = settle(near, near_ids, count, q, query, rows, d)
    sort_pairs(near, near_ids, count)
    for k in range(count):
        d2[k] = near[k]
        ids[k] = near_ids[k]
    for k in range(count, q):
        d2[k] = INFINITY
        ids[k] = -1


def pack_panels(
    const floating[:, ::1] rows,     # IN
    const int64_t[::1] bounds,       # IN
    const int64_t[::1] panel_start,  # IN
    floating[::1] panels,            # OUT
):
    """Lays blocks of rows out as panels of eight rows, column by column.

    Parameters
    ----------
    rows : float32 or float64 [n, d]
    bounds : int64 [b + 1]
        Block g is rows[bounds[g]:bounds[g + 1]].
    panel_start : int64 [b + 1]
        Block g fills panels panel_start[g] .. panel_start[g + 1] - 1, ceil(size / 8) of them.
    panels : same dtype [panel_start[b] * d * 8]
        Filled; the last panel of a block is padded with infinity.
    """
    cdef Py_ssize_t d = rows.shape[1], g, p, i, k, l
    cdef floating *panel
    if bounds.shape[0] != panel_start.shape[0]:
        raise ValueError("bounds and panel_start must have the same length.")
    if bounds.shape[0] == 0 or panels.shape[0] != panel_start[bounds.shape[0] - 1] * d * HCDV_PANEL:
        raise ValueError("panels must hold panel_start[-1] * d * 8 numbers.")
    if panels.shape[0] == 0:
        return
    with nogil:
        for g in range(bounds.shape[0] - 1):
            for p in range(panel_start[g], panel_start[g + 1]):
                panel = &panels[p * HCDV_PANEL * d]
                i = bounds[g] + (p - panel_start[g]) * HCDV_PANEL
                for l in range(HCDV_PANEL):
                    for k in range(d):
                        panel[k * HCDV_PANEL + l] = (
                            rows[i + l, k] if i + l < bounds[g + 1] else <floating> INFINITY
                        )


def search_blocks(
    const floating[::1] panels,      # IN
    const int64_t[::1] panel_start,  # IN
    const int64_t[::1] bounds,       # IN
    const floating[:, ::1] rows,     # IN
    const floating[:, ::1] queries,  # IN
    const int64_t[::1] own,          # IN
    const int32_t[:, ::1] probes,    # IN
    floating[::1] scores,            # SCRATCH
    double[::1] scratch,             # SCRATCH
    int32_t[::1] scratch_ids,        # SCRATCH
    double[:, ::1] d2,               # OUT
    int32_t[:, ::1] ids,             # OUT
):
    """The q nearest rows of every query among the blocks that it probes.

    Parameters
    ----------
    panels, panel_start, bounds, rows
        As pack_panels lays the rows out; squared distances below 1e38 in float32.
    queries : float32 or float64 [m, d]
    own : int64 [m]
        The query's own id among the rows, which is left out; -1 where it is none of them.
    probes : int32 [m, p]
        Blocks to look into, all different, nearest first (the sooner a near row is met, the fewer
        are looked at twice); -1 ends a list.
    scores, scratch, scratch_ids : same dtype [256], float64 [c], int32 [c], c >= q + 32
        c about 4 q is fast.
    d2, ids : float64 [m, q], int32 [m, q]
        Filled in ascending (squared distance, id) order; infinity and -1 behind the last.
    """
    cdef Py_ssize_t m = queries.shape[0], d = queries.shape[1], q = ids.shape[1]
    cdef Py_ssize_t capacity = scratch_ids.shape[0], i
    # Four times the error bound of a score: those of two scores and of their quotient, and a spare.
    cdef double guard = 4.0 * (d + 8) * (2.0 ** -24 if floating is float else 2.0 ** -53)
    if own.shape[0] != m or probes.shape[0] != m or d2.shape[0] != m or ids.shape[0] != m:
        raise ValueError("own, probes, d2 and ids must have one entry per query.")
    if d2.shape[1] != q or q < 1 or probes.shape[1] < 1 or d < 1 or rows.shape[1] != d:
        raise ValueError(
            "d2 must have the shape of ids, rows the columns of queries, and none of them be empty.")
    if bounds.shape[0] != panel_start.shape[0] or bounds.shape[0] < 2:
        raise ValueError("bounds and panel_start must have the same length, at least 2.")
    if rows.shape[0] < bounds[bounds.shape[0] - 1]:
        raise ValueError("rows must reach to the last bound.")
    if panels.shape[0] != panel_start[bounds.shape[0] - 1] * d * HCDV_PANEL:
        raise ValueError("panels must hold panel_start[-1] * d * 8 numbers.")
    if scores.shape[0] < RUN * HCDV_PANEL or capacity < q + 32 or scratch.shape[0] < capacity:
        raise ValueError("scores must hold 256 numbers, scratch and scratch_ids q + 32.")
    if m == 0:
        return
    if panels.shape[0] == 0:
        d2[:, :] = INFINITY
        ids[:, :] = -1
        return
    with nogil:
        for i in range(m):
            search_row(
                &panels[0], &panel_start[0], &bounds[0], &probes[i, 0], probes.shape[1],
                &rows[0, 0], &queries[i, 0], d, own[i], guard, &scores[0],
                &scratch[0], &scratch_ids[0], capacity, &d2[i, 0], &ids[i, 0], q,
            )


cdef float upper_bound(
    const float *products, const float *upper_sizes, Py_ssize_t n, Py_ssize_t q,
    float *least, double *keys, int32_t *ids,
) noexcept nogil:
    """What products + sizes of the q nearest candidates cannot exceed: the q-th least of as many groups."""
    cdef Py_ssize_t n_groups = (n + HCDV_STRIDE - 1) // HCDV_STRIDE * HCDV_LANES, g
    if n_groups < q:
        return INFINITY
    least_of_groups(products, upper_sizes, n, least)
    for g in range(n_groups):
        keys[g] = least[g]
        ids[g] = <int32_t> g
    keep_nearest(keys, ids, n_groups, q)
    # Where float32 overflowed, nothing is known.
    return <float> keys[q - 1] if keys[q - 1] >= -LARGEST_FLOAT else INFINITY


cdef Py_ssize_t sift_row(
    const floating *rows, Py_ssize_t n, const floating *query, Py_ssize_t d, int64_t own,
    const float *products, const float *sizes, double own_size, float cut,
    const float *reach, const float *limit, float *heard_d2, int32_t *heard,
    double *near, int32_t *near_ids, Py_ssize_t capacity, double *d2, int32_t *ids, Py_ssize_t q,
) noexcept nogil:
    """Fills the query's list; how many rows hear it."""
    cdef Py_ssize_t first = 0, width, panel, j, k, count = 0, n_heard = 0
    cdef double distance
    cdef float within = <float> (TINY - own_size)
    cdef unsigned char hits[RUN]
    while first < n:
        width = min(<Py_ssize_t> (RUN * HCDV_PANEL), n - first)
        sift(products + first, sizes + first, reach + first, width, cut, within, hits)
        panel = 0
        while panel * HCDV_PANEL < width:
            if not hits[panel]:
                panel += 1
                continue
            k = first + panel * HCDV_PANEL
            panel += 1
            for j in range(k, min(k + HCDV_PANEL, n)):
                if products[j] + sizes[j] > cut and products[j] + reach[j] > within or j == own:
                    continue
                distance = squared_distance(query, rows + j * d, d)
                if <float> distance < limit[j]:
                    heard[n_heard] = <int32_t> j
                    heard_d2[n_heard] = <float> distance
                    n_heard += 1
                if q == 0:
                    continue
                near[count] = distance
                near_ids[count] = <int32_t> j
                count += 1
                if count == capacity:
                    keep_nearest(near, near_ids, count, q)
                    count = q
        first += width
    if count > q:
        keep_nearest(near, near_ids, count, q)
        count = q
    sort_pairs(near, near_ids, count)
    for k in range(count):
        d2[k] = near[k]
        ids[k] = near_ids[k]
    for k in range(count, q):
        d2[k] = INFINITY
        ids[k] = -1
    return n_heard


def sift_products(
    const floating[:, ::1] rows,     # IN
    const floating[:, ::1] queries,  # IN
    const int64_t[::1] own,          # IN
    const float[:, ::1] products,    # IN
    const float[::1] sizes,          # IN
    const float[::1] query_sizes,    # IN
    double error,
    const float[::1] limit,          # IN
    float[:, ::1] bounds,            # SCRATCH
    float[::1] least,                # SCRATCH
    double[::1] scratch,             # SCRATCH
    int32_t[::1] scratch_ids,        # SCRATCH
    double[:, ::1] d2,               # OUT
    int32_t[:, ::1] ids,             # OUT
    float[::1] heard_d2,             # OUT
    int32_t[::1] heard,              # OUT
    int64_t[::1] n_heard,            # OUT
):
    """The q nearest rows of every query, and the rows that it is nearer to than their limit.

    Products in float32 say who may be meant; those are measured.

    Parameters
    ----------
    rows, queries : float32 or float64 [n, d], [m, d]
    own : int64 [m]
        The query's own id among the rows, which is left out; -1 where it is none of them.
    products : float32 [m, n]
        -2 x.y of rows x and queries y, both less one and the same vector.
    sizes, query_sizes : float32 [n], [m]
        |x|^2 and |y|^2 of these.
    error : float
        What |x|^2 + |y|^2 - 2 x.y in float32 may be wrong by, in units of |x|^2 + |y|^2; below 1.
    limit : float32 [n]
        Squared distances.
    bounds, least : float32 [3, n], [g], g >= n / 16 + 16
    scratch, scratch_ids : float64 [c], int32 [c], c > q and c >= g
    d2, ids : float64 [m, q], int32 [m, q]
        Filled as by search_blocks; q may be 0.
    heard_d2, heard : float32 [m n], int32 [m n]
        Squared distance and id of the rows within whose limit each query is, query by query, ascending ids.
    n_heard : int64 [m]
        How many there are of each.
    """
    cdef Py_ssize_t n = rows.shape[0], m = queries.shape[0], d = rows.shape[1], q = ids.shape[1], i, j
    cdef Py_ssize_t capacity = min(scratch.shape[0], scratch_ids.shape[0]), total = 0
    cdef float cut
    if queries.shape[1] != d or d < 1:
        raise ValueError("rows and queries must have the same columns, at least one.")
    if own.shape[0] != m or query_sizes.shape[0] != m or n_heard.shape[0] != m:
        raise ValueError("own, query_sizes and n_heard must have one entry per query.")
    if sizes.shape[0] != n or limit.shape[0] != n or bounds.shape[0] != 3 or bounds.shape[1] != n:
        raise ValueError("sizes, limit and each of three bounds must have one entry per row.")
    if products.shape[0] != m or products.shape[1] != n:
        raise ValueError("products must have one entry per query and row.")
    if heard.shape[0] != m * n or heard_d2.shape[0] != m * n:
        raise ValueError("heard and heard_d2 must have room for every query and row.")
    if ids.shape[0] != m or d2.shape[0] != m or d2.shape[1] != q:
        raise ValueError("d2 and ids must have the same shape, one list per query.")
    if least.shape[0] < n // 16 + 16 or capacity < max(q + 1, least.shape[0]):
        raise ValueError("least must hold n / 16 + 16 numbers, the scratch space as many and q + 1.")
    if not 0.0 <= error < 1.0:
        raise ValueError("error must be below 1.")
    if m == 0 or n == 0:
        d2[:, :] = INFINITY
        ids[:, :] = -1
        n_heard[:] = 0
        return
    with nogil:
        for j in range(n):
            bounds[0, j] = <float> ((1.0 - error) * sizes[j])
            bounds[1, j] = <float> ((1.0 + error) * sizes[j])
            bounds[2, j] = bounds[0, j] - limit[j]
        for i in range(m):
            cut = -INFINITY
            if q:
                # The query itself is nearest of all, and no candidate.
                cut = upper_bound(
                    &products[i, 0], &bounds[1, 0], n, q + (own[i] >= 0),
                    &least[0], &scratch[0], &scratch_ids[0],
                )
                cut = <float> (cut + 2.0 * error * query_sizes[i] + TINY)
            n_heard[i] = sift_row(
                &rows[0, 0], n, &queries[i, 0], d, own[i], &products[i, 0], &bounds[0, 0],
                (1.0 - error) * query_sizes[i], cut, &bounds[2, 0], &limit[0],
                &heard_d2[total], &heard[total], &scratch[0], &scratch_ids[0], capacity,
                &d2[i, 0] if q else NULL, &ids[i, 0] if q else NULL, q,
            )
            total += n_heard[i]


def insert_newcomers(
    const int32_t[::1] lists,      # IN
    const int32_t[::1] newcomers,  # IN
    const float[::1] distances,    # IN
    int64_t first,
    int64_t last,
    float[:, ::1] d2,              # IN / OUT
    int32_t[:, ::1] ids,           # IN / OUT
):
    """Puts newcomers into lists first..last-1, each behind those that are as near.

    Parameters
    ----------
    lists, newcomers, distances : int32 [k], int32 [k], float32 [k]
        List, id and squared distance of each.
    d2, ids : float32 [m, q], int32 [m, q]
        Nearest first; infinity and -1 behind the last.
    """
    cdef Py_ssize_t q = ids.shape[1], k, place, v
    if newcomers.shape[0] != lists.shape[0] or distances.shape[0] != lists.shape[0]:
        raise ValueError("lists, newcomers and distances must have the same length.")
    if d2.shape[0] != ids.shape[0] or d2.shape[1] != q or not 0 <= first <= last <= ids.shape[0]:
        raise ValueError("d2 must have the shape of ids; first and last lie within them.")
    with nogil:
        for k in range(lists.shape[0]):
            v = lists[k]
            if v < first or v >= last:
                continue
            place = q
            while place > 0 and distances[k] < d2[v, place - 1]:
                place -= 1
                if place < q - 1:
                    d2[v, place + 1] = d2[v, place]
                    ids[v, place + 1] = ids[v, place]
            if place < q:
                d2[v, place] = distances[k]
                ids[v, place] = newcomers[k]


def widen_lists(
    const int32_t[:, ::1] lists,     # IN
    int64_t first,
    int64_t last,
    int64_t near,
    int64_t far,
    const floating[:, ::1] rows,     # IN
    int32_t[::1] seen,               # SCRATCH
    double[::1] scratch,             # SCRATCH
    int32_t[::1] scratch_ids,        # SCRATCH
    double[:, ::1] d2,               # OUT
    int32_t[:, ::1] ids,             # OUT
):
    """One pass over neighbours of neighbours: voters first..last-1 look at the `far` nearest rows of
    their `near` nearest rows.

    Parameters
    ----------
    lists : int32 [n, q]
        The lists so far; only read, so the order in which voters are served does not matter.
    first, last : int
    near, far : int
        How many neighbours, and how many neighbours of each, are looked at; at most q.
    rows : float32 or float64 [n, d]
    seen : int32 [n]
        Scratch space; starts at -1, then goes on from voters served before.
    scratch, scratch_ids : float64 [c], int32 [c], c > q
        c about 4 q is fast.
    d2, ids : float64 [last - first, q], int32 [last - first, q]
        The new lists and their squared distances.
    """
    cdef Py_ssize_t n = lists.shape[0], q = lists.shape[1], d = rows.shape[1]
    cdef Py_ssize_t capacity = scratch_ids.shape[0], i, j, l, count, depth
    cdef int32_t through, candidate, bound
    cdef double distance, threshold
    if not 0 <= first <= last <= n or not 0 <= near <= q or not 0 <= far <= q:
        raise ValueError("first, last, near and far must lie within the lists.")
    if rows.shape[0] != n or seen.shape[0] != n:
        raise ValueError("rows and seen must have one entry per list.")
    if d2.shape[0] != last - first or ids.shape[0] != last - first:
        raise ValueError("d2 and ids must have last - first rows.")
    if d2.shape[1] != q or ids.shape[1] != q or capacity <= q or scratch.shape[0] < capacity:
        raise ValueError("d2 and ids must have the width of lists, the scratch space one more at least.")
    if first == last or q == 0 or d == 0:
        return
    with nogil:
        for i in range(first, last):
            count = 0
            threshold = INFINITY
            bound = -1
            seen[i] = <int32_t> i
            # j = -1 stands for the voter itself, whose whole list is taken over.
            for j in range(-1, near):
                through = <int32_t> i if j < 0 else lists[i, j]
                if through < 0:
                    break
                depth = q if j < 0 else far
                for l in range(depth):
                    candidate = lists[through, l]
                    if candidate < 0:
                        break
                    if seen[candidate] == <int32_t> i:
                        continue
                    seen[candidate] = <int32_t> i
                    distance = squared_distance(&rows[i, 0], &rows[candidate, 0], d)
                    if precedes(distance, candidate, threshold, bound):
                        scratch[count] = distance
                        scratch_ids[count] = candidate
                        count += 1
                        if count == capacity:
                            keep_nearest(&scratch[0], &scratch_ids[0], count, q)
                            count = q
                            threshold = scratch[q - 1]
                            bound = scratch_ids[q - 1]
            if count > q:
                keep_nearest(&scratch[0], &scratch_ids[0], count, q)
                count = q
            sort_pairs(&scratch[0], &scratch_ids[0], count)
            for l in range(count):
                d2[i - first, l] = scratch[l]
                ids[i - first, l] = scratch_ids[l]
            for l in range(count, q):
                d2[i - first, l] = INFINITY
                ids[i - first, l] = -1


def count_sources(
    const int32_t[:, ::1] lists,     # IN
    int64_t[::1] counts,             # IN / OUT
):
    """counts[i] += the number of lists that hold row i (an entry below 0 ends a list)."""
    cdef Py_ssize_t v, j
    cdef int32_t i
    with nogil:
        for v in range(lists.shape[0]):
            for j in range(lists.shape[1]):
                i = lists[v, j]
                if i < 0:
                    break
                counts[i] += 1


def scatter_sources(
    const int32_t[:, ::1] lists,     # IN
    int64_t[::1] cursor,             # IN / OUT
    int32_t[::1] indices,            # OUT
):
    """Transposes lists: the ids of the voters of every row, ascending.

    Parameters
    ----------
    lists : int32 [m, q]
        Rows of every voter; an entry below 0 ends a list.
    cursor : int64 [n]
        Where the entries of each row begin; moved to where they end.
    indices : int32 [nnz]
    """
    cdef Py_ssize_t v, j
    cdef int32_t i
    with nogil:
        for v in range(lists.shape[0]):
            for j in range(lists.shape[1]):
                i = lists[v, j]
                if i < 0:
                    break
                indices[cursor[i]] = <int32_t> v
                cursor[i] += 1


def scatter_weighted(
    const int32_t[:, ::1] lists,       # IN
    const float[:, ::1] list_weights,  # IN
    int64_t[::1] cursor,               # IN / OUT
    int32_t[::1] indices,              # OUT
    float[::1] weights,                # OUT
):
    """As scatter_sources, and carries the weight (float32 [m, q]) of every entry along."""
    cdef Py_ssize_t v, j
    cdef int32_t i
    if list_weights.shape[0] != lists.shape[0] or list_weights.shape[1] != lists.shape[1]:
        raise ValueError("list_weights must have the shape of lists.")
    if indices.shape[0] != weights.shape[0]:
        raise ValueError("indices and weights must have the same length.")
    with nogil:
        for v in range(lists.shape[0]):
            for j in range(lists.shape[1]):
                i = lists[v, j]
                if i < 0:
                    break
                indices[cursor[i]] = <int32_t> v
                weights[cursor[i]] = list_weights[v, j]
                cursor[i] += 1


def kernel_weights(
    const int64_t[::1] indptr,       # IN
    const int32_t[::1] indices,      # IN
    int64_t first,
    int64_t last,
    const floating[:, ::1] rows,     # IN
    const floating[:, ::1] voters,   # IN
    const double[::1] bandwidth,     # IN
    float[::1] weights,              # OUT
):
    """w(i, v) = exp(-2 d(i, v)^2 / h_v^2) for all pairs of the rows first..last-1.

    Parameters
    ----------
    indptr, indices : int64 [n + 1], int32 [nnz]
        Voters of every row.
    first, last : int
    rows, voters : float32 or float64 [n, d], [m, d]
    bandwidth : float64 [m]
        h_v > 0, a distance.
    weights : float32 [nnz]
        Filled from indptr[first] to indptr[last].
    """
    cdef Py_ssize_t d = rows.shape[1], i, j
    cdef int32_t v
    cdef double scaled
    if indptr.shape[0] != rows.shape[0] + 1 or not 0 <= first <= last <= rows.shape[0]:
        raise ValueError("indptr must have one entry more than rows; first and last lie within them.")
    if voters.shape[1] != d or bandwidth.shape[0] != voters.shape[0]:
        raise ValueError("voters must have the columns of rows and one bandwidth each.")
    if indices.shape[0] != weights.shape[0] or d == 0:
        raise ValueError("indices and weights must have the same length, rows at least one column.")
    if first == last:
        return
    with nogil:
        for i in range(first, last):
            for j in range(indptr[i], indptr[i + 1]):
                v = indices[j]
                # Divided twice: the square of the floor 1e-12 is still a normal number, but
                # the square of a smaller unit need not be.
                scaled = squared_distance(&rows[i, 0], &voters[v, 0], d) / bandwidth[v]
                weights[j] = <float> exp(-2.0 * scaled / bandwidth[v])
