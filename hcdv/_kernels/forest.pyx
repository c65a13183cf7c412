"""Forest affinity: how often two rows share a leaf of trees that have not seen them."""

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "hcdv_bits.h" nogil:
    int popcount "hcdv_popcount"(uint64_t x)

cdef extern from "hcdv_select.h" nogil:
    void keep_first "hcdv_keep_first"(double *keys, int32_t *ids, Py_ssize_t n, Py_ssize_t k)

# Of 16 bytes: four to a cache line.  A leaf is its own child, so that a step at it stays there.
ctypedef packed struct Node:
    int32_t feature
    float threshold
    int32_t left
    int32_t right

cdef enum:
    ABREAST = 8        # rows that go down side by side: the memory answers all of them at once
    ROWS_A_TREE = 256  # rows that a tree sees before the next one does: they stay in the cache


cdef void _descend(
    const Node *nodes, int32_t root, const float *X, Py_ssize_t n_columns, Py_ssize_t n,
    const int32_t *leaf, int32_t *out, Py_ssize_t stride,
) noexcept nogil:
    """The leaf of each of n rows in one tree."""
    cdef Py_ssize_t first = 0, k, width
    cdef int32_t at[ABREAST]
    cdef int32_t there
    cdef bint is_moving
    cdef const Node *node
    while first < n:
        width = min(<Py_ssize_t> ABREAST, n - first)
        for k in range(width):
            at[k] = root
        is_moving = True
        while is_moving:
            is_moving = False
            for k in range(width):
                node = nodes + at[k]
                there = node.left if X[(first + k) * n_columns + node.feature] <= node.threshold else node.right
                is_moving |= there != at[k]
                at[k] = there
        for k in range(width):
            out[(first + k) * stride] = leaf[at[k]]
        first += width


def descend(
    const Node[::1] nodes,        # IN  all trees' nodes
    const int32_t[::1] roots,     # IN  [trees]
    const int32_t[::1] leaf,      # IN  [nodes] number of a leaf; nothing for an inner node
    const float[:, ::1] X,        # IN  [n, p]
    int32_t[:, ::1] leaves,       # OUT [n, trees]
):
    """The leaf of every row in every tree.

    A row goes to the left where its feature is at or below the threshold.  Left and right are numbers of nodes;
    those of a leaf are its own, beside any feature and threshold.
    """
    cdef Py_ssize_t n = X.shape[0], n_trees = roots.shape[0], first = 0, width, t
    if leaves.shape[0] != n or leaves.shape[1] != n_trees or leaf.shape[0] != nodes.shape[0]:
        raise ValueError("leaves must have shape [n, trees], and leaf one entry per node.")
    if n == 0 or n_trees == 0:
        return
    with nogil:
        while first < n:
            width = min(<Py_ssize_t> ROWS_A_TREE, n - first)
            for t in range(n_trees):
                _descend(
                    &nodes[0], roots[t], &X[first, 0], X.shape[1], width, &leaf[0], &leaves[first, t], n_trees
                )
            first += width


def shared_leaves(
    const int64_t[::1] leaf_start,      # IN
    const double[::1] leaf_weight,      # IN
    const int32_t[::1] members,         # IN
    const uint64_t[:, ::1] unseen,      # IN
    const int32_t[:, ::1] leaves,       # IN
    const uint64_t[:, ::1] voter_trees, # IN
    const int64_t[::1] own,             # IN
    double[::1] votes,                  # SCRATCH
    int32_t[::1] touched,               # SCRATCH
    double[::1] keys,                   # SCRATCH
    int32_t[:, ::1] lists,              # OUT
    float[:, ::1] weights,              # OUT
):
    """The rows of largest affinity of every voter,
    w(i, v) = sum of the leaf's weight over trees that have seen neither, same leaf
              / #{trees that have seen neither}.

    Parameters
    ----------
    leaf_start, members : int64 [l + 1], int32
        Rows in every leaf of every tree (leaves numbered through), only rows that the tree has not
        seen.
    leaf_weight : float64 [l]
        What a shared leaf counts; a leaf of weight 0 is passed over.
    unseen : uint64 [n, words]
        Bit t of row i: tree t has not seen the row.
    leaves : int32 [m, trees]
        The leaf of every voter in every tree.
    voter_trees : uint64 [m, words]
        Bit t of voter v: tree t counts (all trees for a validation row, else those of `unseen`).
    own : int64 [m]
        The voter's own row, which is left out; -1 where it is none.
    votes : float64 [n]
        Scratch space, all 0; left all 0.
    touched, keys : int32 [n + 1], float64 [n]
        Scratch space.
    lists, weights : int32 [m, q], float32 [m, q]
        Filled in any order, of equal weights with the lower ids; -1 and 0 behind the last.
    """
    cdef Py_ssize_t n = unseen.shape[0], words = unseen.shape[1], m = leaves.shape[0]
    cdef Py_ssize_t n_trees = leaves.shape[1], q = lists.shape[1], v, t, j, k, n_touched
    cdef int32_t i
    cdef int64_t leaf
    cdef int both
    cdef double weight
    if voter_trees.shape[0] != m or voter_trees.shape[1] != words or own.shape[0] != m:
        raise ValueError("voter_trees and own must have one entry per voter and the words of unseen.")
    if leaf_weight.shape[0] + 1 != leaf_start.shape[0]:
        raise ValueError("leaf_weight must have one entry per leaf.")
    if 64 * words < n_trees:
        raise ValueError(f"{words} words hold fewer bits than there are trees ({n_trees}).")
    if lists.shape[0] != m or weights.shape[0] != m or weights.shape[1] != q:
        raise ValueError("lists and weights must have shape [m, q].")
    if votes.shape[0] < n or touched.shape[0] <= n or keys.shape[0] < n:
        raise ValueError("votes and keys must have one entry per row, and touched one more.")
    if m == 0 or q == 0:
        return
    with nogil:
        for v in range(m):
            n_touched = 0
            for t in range(n_trees):
                if not (voter_trees[v, t >> 6] >> (t & 63)) & 1:
                    continue
                leaf = leaves[v, t]
                weight = leaf_weight[leaf]
                if weight == 0.0:
                    continue
                for j in range(leaf_start[leaf], leaf_start[leaf + 1]):
                    i = members[j]
                    # Written in any case, and kept if it is new: whether it is, is a toss.
                    touched[n_touched] = i
                    n_touched += votes[i] == 0.0
                    votes[i] += weight
            k = 0
            for j in range(n_touched):
                i = touched[j]
                both = 0
                for t in range(words):
                    both += popcount(unseen[i, t] & voter_trees[v, t])
                if i != own[v]:
                    keys[k] = -votes[i] / both
                    touched[k] = i
                    k += 1
                votes[i] = 0.0
            if k > q:
                keep_first(&keys[0], &touched[0], k, q)
                k = q
            for j in range(k):
                lists[v, j] = touched[j]
                weights[v, j] = <float> -keys[j]
            for j in range(k, q):
                lists[v, j] = -1
                weights[v, j] = 0.0
