"""Balanced assignment of rows to centroids within a window of sizes (paper, Eqs. 34-35).

The steps of a balanced k-means: `plusplus` seeds the centroids, `squared_distances` and `margins`
prepare the paper's greedy rule, `assign` is that rule, `exchange` mends it by transfers and swaps
of rows, `rotate` by moves around rings of parts, `centroids` moves the centroids.
`hcdv.partition.balanced` strings them together.
"""

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int64_t

cdef extern from "hcdv_centres.h" nogil:
    void hcdv_centres_d(
        const double *rows, const double *centres, Py_ssize_t m, Py_ssize_t d, Py_ssize_t K, double *out)
    void hcdv_centres_f(
        const float *rows, const double *centres, Py_ssize_t m, Py_ssize_t d, Py_ssize_t K, double *out)


def squared_distances(const floating[:, ::1] Z, const double[:, ::1] centres_t,
                      double[:, ::1] distances):
    """Squared Euclidean distance of every row to every centroid.

    Parameters
    ----------
    Z : float32 or float64 [m, d]
    centres_t : float64 [d, K]
        Centroids as columns, so that they are met side by side.
    distances : float64 [m, K], out
    """
    cdef Py_ssize_t m = Z.shape[0], d = Z.shape[1], K = centres_t.shape[1]
    if centres_t.shape[0] != d or distances.shape[0] != m or distances.shape[1] != K:
        raise ValueError("Z [m, d], centres_t [d, K] and distances [m, K] disagree in shape.")
    if m > 0 and d > 0 and K > 0:
        with nogil:
            if floating is float:
                hcdv_centres_f(&Z[0, 0], &centres_t[0, 0], m, d, K, &distances[0, 0])
            else:
                hcdv_centres_d(&Z[0, 0], &centres_t[0, 0], m, d, K, &distances[0, 0])
    elif m > 0 and K > 0:
        distances[:, :] = 0.0


def margins(const double[:, ::1] distances, double[::1] margin):
    """Confidence of every row: second-smallest minus smallest distance (0 for a single centroid).

    Parameters
    ----------
    distances : float64 [m, K]
    margin : float64 [m], out
    """
    cdef Py_ssize_t m = distances.shape[0], K = distances.shape[1]
    if margin.shape[0] != m:
        raise ValueError("distances [m, K] and margin [m] disagree in shape.")
    with nogil:
        _margins(distances, m, K, margin)


cdef void _margins(const double[:, ::1] distances,       # IN
                   Py_ssize_t m, Py_ssize_t K,
                   double[::1] margin,                   # OUT
                   ) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef double first, second, value
    for i in range(m):
        if K < 2:
            margin[i] = 0.0
            continue
        first = distances[i, 0]
        second = distances[i, 1]
        if second < first:
            first, second = second, first
        for k in range(2, K):
            value = distances[i, k]
            if value < first:
                second = first
                first = value
            elif value < second:
                second = value
        margin[i] = second - first


def assign(const double[:, ::1] distances, const int64_t[::1] order,
           int64_t s_min, int64_t s_max, int64_t[::1] labels, int64_t[::1] counts):
    """Greedy assignment: rows in the given order, each to its closest centroid that may take it.

    A centroid may take a row while it holds fewer than `s_max`; once the rows left are just
    enough to bring the others up to `s_min`, only those below `s_min` may. Ties go to the lower
    centroid.

    Parameters
    ----------
    distances : float64 [m, K]
    order : int64 [m]
        A permutation of the rows; the paper's: by falling margin.
    s_min, s_max : int
        Window of sizes, K * s_min <= m <= K * s_max.
    labels : int64 [m], out
    counts : int64 [K], out
    """
    cdef Py_ssize_t m = distances.shape[0], K = distances.shape[1]
    if order.shape[0] != m or labels.shape[0] != m or counts.shape[0] != K:
        raise ValueError("distances [m, K], order [m], labels [m], counts [K] disagree in shape.")
    if s_min < 0 or K * s_min > m or K * s_max < m:
        raise ValueError(
            f"the window [{s_min}, {s_max}] cannot hold {m} rows in {K} parts."
        )
    with nogil:
        _assign(distances, order, m, K, s_min, s_max, labels, counts)


cdef void _assign(const double[:, ::1] distances,        # IN
                  const int64_t[::1] order,              # IN
                  Py_ssize_t m, Py_ssize_t K, int64_t s_min, int64_t s_max,
                  int64_t[::1] labels,                   # OUT
                  int64_t[::1] counts,                   # OUT
                  ) noexcept nogil:
    cdef Py_ssize_t r, i, k, best
    cdef int64_t ceiling
    cdef int64_t owed = K * s_min       # rows that parts below s_min still need
    for k in range(K):
        counts[k] = 0
    for r in range(m):
        i = order[r]
        ceiling = s_min if m - r <= owed else s_max
        best = -1
        for k in range(K):
            if counts[k] < ceiling and (best < 0 or distances[i, k] < distances[i, best]):
                best = k
        labels[i] = best
        if counts[best] < s_min:
            owed -= 1
        counts[best] += 1


def exchange(const double[:, ::1] distances, int64_t s_min, int64_t s_max, Py_ssize_t max_passes,
             int64_t[::1] labels, int64_t[::1] counts,
             int64_t[::1] members, int64_t[::1] starts, double[::1] gains, int64_t[::1] rows):
    """Lower the inertia of a balanced assignment by transfers and swaps of rows within the window.

    A pass visits every pair (a, b) of parts. The rows of a by what moving to b would gain, and
    those of b by what moving to a would gain, stand in two heaps; as long as it pays, the best row
    of one side moves over (sizes permitting), or the two best change places. Passes repeat until
    one moves nothing. Ties go to the lower row.

    Parameters
    ----------
    distances : float64 [m, K]
    s_min, s_max : int
        Window of sizes; the assignment given must lie within it.
    max_passes : int
    labels : int64 [m], in and out
    counts : int64 [K], in and out
    members : int64 [m], scratch
    starts : int64 [K + 1], scratch
    gains : float64 [m], scratch
    rows : int64 [m], scratch

    Returns
    -------
    int
        Rows that changed their part, counted each time.
    """
    cdef Py_ssize_t m = distances.shape[0], K = distances.shape[1]
    cdef int64_t moved, total = 0
    cdef Py_ssize_t done = 0
    if (labels.shape[0] != m or counts.shape[0] != K or members.shape[0] < m
            or starts.shape[0] < K + 1 or gains.shape[0] < m or rows.shape[0] < m):
        raise ValueError("distances [m, K] and the buffers of exchange disagree in shape.")
    if m == 0:
        return 0
    with nogil:
        while done < max_passes:
            moved = _exchange_pass(distances, m, K, s_min, s_max, labels, counts,
                                   members, starts, gains, rows)
            total += moved
            done += 1
            if moved == 0:
                break
    return total


cdef int64_t _exchange_pass(const double[:, ::1] distances,    # IN
                            Py_ssize_t m, Py_ssize_t K, int64_t s_min, int64_t s_max,
                            int64_t[::1] labels,               # IN, OUT
                            int64_t[::1] counts,               # IN, OUT
                            int64_t[::1] members,              # scratch
                            int64_t[::1] starts,               # scratch
                            double[::1] gains,                 # scratch
                            int64_t[::1] rows,                 # scratch
                            ) noexcept nogil:
    cdef Py_ssize_t i, k, a, b, n_a, n_b
    cdef int64_t moved = 0
    # Members of every part, rows ascending (counting sort).
    starts[0] = 0
    for k in range(K):
        starts[k + 1] = starts[k] + counts[k]
    for i in range(m):
        members[starts[labels[i]]] = i
        starts[labels[i]] += 1
    for k in range(K, 0, -1):
        starts[k] = starts[k - 1]
    starts[0] = 0
    for a in range(K):
        for b in range(a + 1, K):
            n_a = _gather(distances, labels, members, starts, a, b, gains, rows, 0)
            n_b = _gather(distances, labels, members, starts, b, a, gains, rows, n_a)
            moved += _trade(a, b, s_min, s_max, &gains[0], &rows[0], n_a,
                            &gains[0] + n_a, &rows[0] + n_a, n_b, labels, counts)
    return moved


cdef Py_ssize_t _gather(const double[:, ::1] distances,  # IN
                        const int64_t[::1] labels,       # IN
                        const int64_t[::1] members,      # IN
                        const int64_t[::1] starts,       # IN
                        Py_ssize_t source, Py_ssize_t target,
                        double[::1] gains,               # OUT
                        int64_t[::1] rows,               # OUT
                        Py_ssize_t offset) noexcept nogil:
    """Rows of `source` and what each would gain in `target`; those moved in this pass stay out."""
    cdef Py_ssize_t p, i, n = 0
    for p in range(starts[source], starts[source + 1]):
        i = members[p]
        if labels[i] == source:
            gains[offset + n] = distances[i, source] - distances[i, target]
            rows[offset + n] = i
            n += 1
    return n


cdef int64_t _trade(Py_ssize_t a, Py_ssize_t b, int64_t s_min, int64_t s_max,
                    double *gain_a, int64_t *row_a, Py_ssize_t n_a,
                    double *gain_b, int64_t *row_b, Py_ssize_t n_b,
                    int64_t[::1] labels, int64_t[::1] counts) noexcept nogil:
    """Move and swap rows between the parts a and b while it pays; the number of rows moved."""
    cdef int64_t moved = 0
    cdef bint from_a, from_b
    _bring_best(gain_a, row_a, n_a)
    _bring_best(gain_b, row_b, n_b)
    # Most pairs have nothing to trade: see it before building heaps.
    if not ((n_a > 0 and gain_a[0] > 0) or (n_b > 0 and gain_b[0] > 0)):
        return 0
    _heapify(gain_a, row_a, n_a)
    _heapify(gain_b, row_b, n_b)
    while True:
        from_a = n_a > 0 and gain_a[0] > 0 and counts[a] > s_min and counts[b] < s_max
        from_b = n_b > 0 and gain_b[0] > 0 and counts[b] > s_min and counts[a] < s_max
        if from_a and from_b:
            # Both may move: the larger gain first (the other stays possible).
            from_a = gain_a[0] >= gain_b[0]
            from_b = not from_a
        if not (from_a or from_b):
            if n_a == 0 or n_b == 0 or gain_a[0] + gain_b[0] <= 0:
                return moved
            from_a = from_b = True
        if from_a:
            labels[row_a[0]] = b
            counts[a] -= 1
            counts[b] += 1
            n_a -= 1
            gain_a[0] = gain_a[n_a]
            row_a[0] = row_a[n_a]
            _sift(gain_a, row_a, 0, n_a)
            moved += 1
        if from_b:
            labels[row_b[0]] = a
            counts[b] -= 1
            counts[a] += 1
            n_b -= 1
            gain_b[0] = gain_b[n_b]
            row_b[0] = row_b[n_b]
            _sift(gain_b, row_b, 0, n_b)
            moved += 1


cdef inline bint _before(double gain, int64_t row, double other_gain,
                         int64_t other_row) noexcept nogil:
    return gain > other_gain or (gain == other_gain and row < other_row)


cdef void _bring_best(double *gain, int64_t *row, Py_ssize_t n) noexcept nogil:
    """Swap the best entry to the front (a heap's root needs no more for a first look)."""
    cdef Py_ssize_t p, best = 0
    for p in range(1, n):
        if gain[p] > gain[best]:
            best = p
    if best > 0:
        gain[0], gain[best] = gain[best], gain[0]
        row[0], row[best] = row[best], row[0]


cdef void _heapify(double *gain, int64_t *row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t p
    for p in range(n // 2 - 1, -1, -1):
        _sift(gain, row, p, n)


cdef void _sift(double *gain, int64_t *row, Py_ssize_t p, Py_ssize_t n) noexcept nogil:
    """Let entry p sink to its place in a max-heap on (gain, then lower row)."""
    cdef Py_ssize_t child
    cdef double g
    cdef int64_t i
    if n == 0:
        return
    g = gain[p]
    i = row[p]
    while True:
        child = 2 * p + 1
        if child >= n:
            break
        if child + 1 < n and _before(gain[child + 1], row[child + 1], gain[child], row[child]):
            child += 1
        if not _before(gain[child], row[child], g, i):
            break
        gain[p] = gain[child]
        row[p] = row[child]
        p = child
    gain[p] = g
    row[p] = i


def rotate(const double[:, ::1] distances, int64_t s_min, int64_t s_max, Py_ssize_t max_cycles,
           int64_t[::1] labels, int64_t[::1] counts,
           double[:, ::1] best, int64_t[:, ::1] walk, double[::1] gains, int64_t[::1] rows):
    """Lower the inertia further by moves around rings of parts.

    Where no pair gains, a ring may: a row from a to b, one from b to c, one from c to a; or a chain
    whose first part only gives and whose last only takes. A part outside, which takes from every
    part above `s_min` and gives to every part below `s_max` at no cost, closes chains to rings. A
    ring that gains is a positive cycle in the graph of the best single moves (Bellman-Ford); rows
    move around it, best first, while it pays. Where no such cycle is left, the assignment is the
    exact optimum for these distances.

    Parameters
    ----------
    distances : float64 [m, K]
    s_min, s_max : int
        Window of sizes; the assignment given must lie within it.
    max_cycles : int
    labels : int64 [m], in and out
    counts : int64 [K], in and out
    best : float64 [K + 2, K + 1], scratch
    walk : int64 [4, K + 1], scratch
    gains : float64 [m], scratch
    rows : int64 [m], scratch

    Returns
    -------
    int
        Rows that changed their part, counted each time.
    """
    cdef Py_ssize_t m = distances.shape[0], K = distances.shape[1]
    cdef int64_t moved
    if (labels.shape[0] != m or counts.shape[0] != K or best.shape[0] != K + 2
            or best.shape[1] != K + 1 or walk.shape[0] != 4 or walk.shape[1] != K + 1
            or gains.shape[0] < m or rows.shape[0] < m):
        raise ValueError("distances [m, K] and the buffers of rotate disagree in shape.")
    if m == 0 or K < 2:
        return 0
    with nogil:
        moved = _rotate(distances, m, K, s_min, s_max, max_cycles, labels, counts, best,
                        &best[K + 1, 0], &walk[0, 0], &walk[1, 0], &walk[2, 0], &walk[3, 0],
                        &gains[0], &rows[0])
    return moved


cdef int64_t _rotate(const double[:, ::1] distances,     # IN
                     Py_ssize_t m, Py_ssize_t K, int64_t s_min, int64_t s_max,
                     Py_ssize_t max_cycles,
                     int64_t[::1] labels,                # IN, OUT
                     int64_t[::1] counts,                # IN, OUT
                     double[:, ::1] best,                # scratch: best gain of a move a -> b
                     double *reach,                      # scratch: gain of the best walk to a part
                     int64_t *came_from,                 # scratch: the last step of that walk
                     int64_t *ring,                      # scratch: parts of the cycle, in order
                     int64_t *place,                     # scratch: a part's place in it, or -1
                     int64_t *base,                      # scratch: where a step's heap begins
                     double *gains,                      # scratch
                     int64_t *rows,                      # scratch
                     ) noexcept nogil:
    cdef Py_ssize_t a, t, cycle, length
    cdef int64_t step, moved = 0
    for a in range(K + 1):
        place[a] = 0
    best[K, K] = -INFINITY
    for cycle in range(max_cycles):
        _best_moves(distances, m, K, labels, place, best)
        for a in range(K):
            best[a, K] = 0.0 if counts[a] < s_max else -INFINITY
            best[K, a] = 0.0 if counts[a] > s_min else -INFINITY
        length = _positive_cycle(best, K + 1, reach, came_from, ring)
        for a in range(K + 1):
            place[a] = -1
        for t in range(length):
            place[ring[t]] = t
        # The walk has been read: its buffer now holds the sizes of the heaps.
        step = _turn(distances, m, K, s_min, s_max, ring, length, place, base, came_from,
                     labels, counts, gains, rows)
        if step == 0:
            break
        moved += step
    return moved


cdef void _best_moves(const double[:, ::1] distances,    # IN
                      Py_ssize_t m, Py_ssize_t K,
                      const int64_t[::1] labels,         # IN
                      const int64_t *place,              # IN: -1 for a part left as it was
                      double[:, ::1] best,               # IN, OUT
                      ) noexcept nogil:
    cdef Py_ssize_t i, a, b
    cdef double own, gain
    for a in range(K):
        if place[a] >= 0:
            for b in range(K):
                best[a, b] = -INFINITY
    for i in range(m):
        a = labels[i]
        if place[a] < 0:
            continue
        own = distances[i, a]
        for b in range(K):
            gain = own - distances[i, b]
            if gain > best[a, b]:
                best[a, b] = gain
    for a in range(K):
        best[a, a] = -INFINITY


cdef Py_ssize_t _positive_cycle(const double[:, ::1] best, Py_ssize_t n, double *reach,
                                int64_t *came_from, int64_t *ring) noexcept nogil:
    """A cycle of positive gain, in order, into `ring`; its length, 0 where there is none."""
    cdef Py_ssize_t a, b, trip, last, length = 0
    cdef double total = 0.0
    for a in range(n):
        reach[a] = 0.0
        came_from[a] = -1
    last = -1
    for trip in range(n):
        last = -1
        for a in range(n):
            for b in range(n):
                if reach[a] + best[a, b] > reach[b]:
                    reach[b] = reach[a] + best[a, b]
                    came_from[b] = a
                    last = b
        if last < 0:
            return 0
    # Walks still gain after n steps: n steps back from their end lies on a cycle.
    for trip in range(n):
        last = came_from[last]
        if last < 0:
            return 0
    a = last
    while True:
        ring[n - 1 - length] = a        # walked backwards
        length += 1
        total += best[came_from[a], a]
        a = came_from[a]
        if a == last:
            break
    for a in range(length):
        ring[a] = ring[n - length + a]
    return length if total > 0.0 else 0     # else nothing but rounding


cdef int64_t _turn(const double[:, ::1] distances,       # IN
                   Py_ssize_t m, Py_ssize_t K, int64_t s_min, int64_t s_max,
                   const int64_t *ring,                  # IN
                   Py_ssize_t length,
                   const int64_t *place,                 # IN
                   int64_t *base,                        # scratch
                   int64_t *left,                        # scratch: rows in a step's heap
                   int64_t[::1] labels,                  # IN, OUT
                   int64_t[::1] counts,                  # IN, OUT
                   double *gains,                        # scratch
                   int64_t *rows,                        # scratch
                   ) noexcept nogil:
    """Move rows around the ring while it pays; how many moved. Steps to and from K move none."""
    cdef Py_ssize_t t, i, source, target, p
    cdef int64_t moved = 0
    cdef double total
    p = 0
    for t in range(length):
        base[t] = p
        left[t] = 0
        if ring[t] != K:
            p += counts[ring[t]]
    for i in range(m):
        t = place[labels[i]]
        if t >= 0:
            target = ring[(t + 1) % length]
            if target != K:
                p = base[t] + left[t]
                gains[p] = distances[i, ring[t]] - distances[i, target]
                rows[p] = i
                left[t] += 1
    for t in range(length):
        _heapify(gains + base[t], rows + base[t], left[t])
    while length > 0:
        total = 0.0
        for t in range(length):
            source = ring[t]
            target = ring[(t + 1) % length]
            if source == K:
                if counts[target] <= s_min:
                    return moved
            elif target == K:
                if counts[source] >= s_max:
                    return moved
            elif left[t] == 0:
                return moved
            else:
                total += gains[base[t]]
        if total <= 0.0:
            return moved
        for t in range(length):
            source = ring[t]
            target = ring[(t + 1) % length]
            if source == K or target == K:
                continue
            labels[rows[base[t]]] = target
            counts[source] -= 1
            counts[target] += 1
            left[t] -= 1
            gains[base[t]] = gains[base[t] + left[t]]
            rows[base[t]] = rows[base[t] + left[t]]
            _sift(gains + base[t], rows + base[t], 0, left[t])
            moved += 1
    return moved


def centroids(const floating[:, ::1] Z, const int64_t[::1] labels, const int64_t[::1] counts,
              double[:, ::1] centres_t):
    """Mean row of every part, as columns; a part without rows gets zeros.

    Parameters
    ----------
    Z : float32 or float64 [m, d]
    labels : int64 [m]
        Each in 0 .. K-1.
    counts : int64 [K]
        Rows of each part.
    centres_t : float64 [d, K], out
    """
    cdef Py_ssize_t m = Z.shape[0], d = Z.shape[1], K = counts.shape[0]
    if labels.shape[0] != m or centres_t.shape[0] != d or centres_t.shape[1] != K:
        raise ValueError("Z [m, d], labels [m], counts [K], centres_t [d, K] disagree in shape.")
    with nogil:
        _centroids(Z, labels, counts, m, d, K, centres_t)


cdef void _centroids(const floating[:, ::1] Z,           # IN
                     const int64_t[::1] labels,          # IN
                     const int64_t[::1] counts,          # IN
                     Py_ssize_t m, Py_ssize_t d, Py_ssize_t K,
                     double[:, ::1] centres_t,           # OUT
                     ) noexcept nogil:
    cdef Py_ssize_t i, j, k
    for j in range(d):
        for k in range(K):
            centres_t[j, k] = 0.0
    for i in range(m):
        k = labels[i]
        for j in range(d):
            centres_t[j, k] += Z[i, j]
    for k in range(K):
        if counts[k] > 0:
            for j in range(d):
                centres_t[j, k] /= counts[k]


def plusplus(const floating[:, ::1] Z, const double[:, ::1] uniforms, double[::1] nearest,
             double[:, ::1] trial, int64_t[::1] chosen):
    """Greedy k-means++ seeding (Arthur and Vassilvitskii, 2007), drawn from given uniforms.

    The first seed is uniform. Each further one is the best of L trial rows, drawn with probability
    proportional to the squared distance to the seeds so far; best = least inertia left. Where that
    is 0 already (no more distinct rows) the lowest row is taken again.

    Parameters
    ----------
    Z : float32 or float64 [m, d]
    uniforms : float64 [K, L]
        Draws from [0, 1); of the first line only the first entry counts.
    nearest : float64 [m], scratch
    trial : float64 [2, m], scratch
    chosen : int64 [K], out
        Rows taken as seeds.
    """
    cdef Py_ssize_t m = Z.shape[0], d = Z.shape[1]
    cdef Py_ssize_t K = uniforms.shape[0], L = uniforms.shape[1]
    if (m < 1 or L < 1 or nearest.shape[0] < m or trial.shape[0] < 2 or trial.shape[1] < m
            or chosen.shape[0] != K):
        raise ValueError("Z [m >= 1, d], uniforms [K, L] and the buffers disagree in shape.")
    with nogil:
        _plusplus(Z, uniforms, m, d, K, L, nearest, trial, chosen)


cdef void _plusplus(const floating[:, ::1] Z,            # IN
                    const double[:, ::1] uniforms,       # IN
                    Py_ssize_t m, Py_ssize_t d, Py_ssize_t K, Py_ssize_t L,
                    double[::1] nearest,                 # scratch
                    double[:, ::1] trial,                # scratch
                    int64_t[::1] chosen,                 # OUT
                    ) noexcept nogil:
    cdef Py_ssize_t i, j, k, l, row, best_row, kept, tried
    cdef double gap, distance, inertia, best, target, running
    for k in range(K):
        best = -1
        best_row = 0
        kept = 0
        for l in range(L if k > 0 else 1):
            # The row where the running sum of squared distances passes the draw.
            row = 0
            if k == 0:
                row = <Py_ssize_t>(uniforms[0, 0] * m)
                if row >= m:
                    row = m - 1
            else:
                target = uniforms[k, l] * inertia
                running = 0.0
                for i in range(m):
                    if nearest[i] > 0.0:
                        running += nearest[i]
                        row = i
                        if running > target:
                            break
            tried = 1 - kept
            running = 0.0
            for i in range(m):
                distance = 0.0
                for j in range(d):
                    gap = <double>Z[i, j] - <double>Z[row, j]
                    distance += gap * gap
                if k > 0 and nearest[i] < distance:
                    distance = nearest[i]
                trial[tried, i] = distance
                running += distance
            if best < 0 or running < best:
                best = running
                best_row = row
                kept = tried
        chosen[k] = best_row
        inertia = best
        for i in range(m):
            nearest[i] = trial[kept, i]
