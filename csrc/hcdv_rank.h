/* Products with a matrix that stays near the processor, and its correction by a few rows: what a chain of
 * rank-one updates asks for, eight rows at a time.
 *
 * Rows and matrix have a common stride, a multiple of eight, and zeros behind their last column. They may begin
 * anywhere, but at a cache line is fastest. Every sum runs in one order, whatever the registers. BLAS, made for
 * larger matrices, takes up to three times as long. */
#ifndef HCDV_RANK_H
#define HCDV_RANK_H

#include <math.h>
#include <stddef.h>

/* Rows of the matrix looked at in one go: their pages stay near. */
#define HCDV_STRIP 32

/* Asks for memory that is read soon. */
static inline void hcdv_fetch(const void *memory, ptrdiff_t n_bytes)
{
#if defined(__GNUC__)
    for (ptrdiff_t byte = 0; byte < n_bytes; byte += 64) __builtin_prefetch((const char *)memory + byte);
#else
    (void)memory, (void)n_bytes;
#endif
}

/* The Cholesky factor of I + g, of which only g[s][t], s <= t, is read: its column s below the diagonal in g[s],
 * the squares of its diagonal, and one over it. */
static inline void hcdv_cholesky(double g[8][8], double spreads[8], double scales[8])
{
    for (int s = 0; s < 8; ++s) {
        spreads[s] = 1.0 + g[s][s];
        scales[s] = 1.0 / sqrt(spreads[s]);
        for (int t = s + 1; t < 8; ++t) g[s][t] *= scales[s];
        for (int u = s + 1; u < 8; ++u)
            for (int t = u; t < 8; ++t) g[u][t] -= g[s][u] * g[s][t];
    }
}

#if defined(__GNUC__) && !defined(HCDV_PLAIN_C)
#define HCDV_AT(V, P) (*(V *)(P))
#define HCDV_AT_CONST(V, P) (*(const V *)(P))

/* For registers V of so many bytes:
 * apply   out [8, stride]: rows [8, d of stride] times the matrix [d, stride];
 * take    the matrix [d, stride] less the sum over rows [8, stride] of (its first d columns)' times the row;
 * settle  products [8, stride] of eight rows [8, stride], as apply gives them, once each row has met the rows
 *         before it: divided from the left by the Cholesky factor of I + G, G being the products with the rows;
 *         spreads [8] are the squares of its diagonal.  A product of two rows adds up every eighth number, and
 *         these sums by twos. */
#define HCDV_DEFINE_RANK(V, BYTES, TARGET)                                                                     \
    typedef double V __attribute__((vector_size(BYTES), aligned(8), may_alias));                               \
    TARGET static void V##_apply(const double *matrix, ptrdiff_t d, ptrdiff_t stride, const double *rows,      \
                                 double *out)                                                                  \
    {                                                                                                          \
        for (ptrdiff_t first = 0; first < d; first += HCDV_STRIP) {                                            \
            const ptrdiff_t last = first + HCDV_STRIP < d ? first + HCDV_STRIP : d;                            \
            for (ptrdiff_t p = 0; p < stride; p += (BYTES) / 8) {                                              \
                double *o = out + p;                                                                           \
                V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, s4 = {0}, s5 = {0}, s6 = {0}, s7 = {0};              \
                if (first) {                                                                                   \
                    s0 = HCDV_AT(V, o), s1 = HCDV_AT(V, o + stride);                                           \
                    s2 = HCDV_AT(V, o + 2 * stride), s3 = HCDV_AT(V, o + 3 * stride);                          \
                    s4 = HCDV_AT(V, o + 4 * stride), s5 = HCDV_AT(V, o + 5 * stride);                          \
                    s6 = HCDV_AT(V, o + 6 * stride), s7 = HCDV_AT(V, o + 7 * stride);                          \
                }                                                                                              \
                for (ptrdiff_t k = first; k < last; ++k) {                                                     \
                    const V a = HCDV_AT_CONST(V, matrix + k * stride + p);                                     \
                    const double *x = rows + k;                                                                \
                    s0 += x[0] * a, s1 += x[stride] * a;                                                       \
                    s2 += x[2 * stride] * a, s3 += x[3 * stride] * a;                                          \
                    s4 += x[4 * stride] * a, s5 += x[5 * stride] * a;                                          \
                    s6 += x[6 * stride] * a, s7 += x[7 * stride] * a;                                          \
                }                                                                                              \
                HCDV_AT(V, o) = s0, HCDV_AT(V, o + stride) = s1;                                               \
                HCDV_AT(V, o + 2 * stride) = s2, HCDV_AT(V, o + 3 * stride) = s3;                              \
                HCDV_AT(V, o + 4 * stride) = s4, HCDV_AT(V, o + 5 * stride) = s5;                              \
                HCDV_AT(V, o + 6 * stride) = s6, HCDV_AT(V, o + 7 * stride) = s7;                              \
            }                                                                                                  \
        }                                                                                                      \
    }                                                                                                          \
    TARGET static void V##_take(double *matrix, ptrdiff_t d, ptrdiff_t stride, const double *rows)             \
    {                                                                                                          \
        for (ptrdiff_t first = 0; first < d; first += HCDV_STRIP) {                                            \
            const ptrdiff_t last = first + HCDV_STRIP < d ? first + HCDV_STRIP : d;                            \
            for (ptrdiff_t p = 0; p < stride; p += (BYTES) / 8) {                                              \
                const double *y = rows + p;                                                                    \
                const V y0 = HCDV_AT_CONST(V, y), y1 = HCDV_AT_CONST(V, y + stride);                           \
                const V y2 = HCDV_AT_CONST(V, y + 2 * stride), y3 = HCDV_AT_CONST(V, y + 3 * stride);          \
                const V y4 = HCDV_AT_CONST(V, y + 4 * stride), y5 = HCDV_AT_CONST(V, y + 5 * stride);          \
                const V y6 = HCDV_AT_CONST(V, y + 6 * stride), y7 = HCDV_AT_CONST(V, y + 7 * stride);          \
                for (ptrdiff_t k = first; k < last; ++k) {                                                     \
                    const double *x = rows + k;                                                                \
                    V even = x[0] * y0, odd = x[stride] * y1;                                                  \
                    even += x[2 * stride] * y2, odd += x[3 * stride] * y3;                                     \
                    even += x[4 * stride] * y4, odd += x[5 * stride] * y5;                                     \
                    even += x[6 * stride] * y6, odd += x[7 * stride] * y7;                                     \
                    HCDV_AT(V, matrix + k * stride + p) -= even + odd;                                         \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
    }                                                                                                          \
    TARGET static double V##_along(const double *a, const double *b, ptrdiff_t stride)                         \
    {                                                                                                          \
        enum { LANES = (BYTES) / 8, PARTS = 8 / LANES };                                                       \
        V s[PARTS] = {{0}};                                                                                    \
        double e[8];                                                                                           \
        for (ptrdiff_t p = 0; p < stride; p += 8)                                                              \
            for (int l = 0; l < PARTS; ++l)                                                                    \
                s[l] += HCDV_AT_CONST(V, a + p + l * LANES) * HCDV_AT_CONST(V, b + p + l * LANES);             \
        for (int l = 0; l < PARTS; ++l) HCDV_AT(V, e + l * LANES) = s[l];                                      \
        return ((e[0] + e[1]) + (e[2] + e[3])) + ((e[4] + e[5]) + (e[6] + e[7]));                              \
    }                                                                                                          \
    TARGET static void V##_settle(double *products, ptrdiff_t stride, const double *rows, double *spreads)     \
    {                                                                                                          \
        double g[8][8], scales[8];                                                                             \
        for (int t = 0; t < 8; ++t)                                                                            \
            for (int s = 0; s <= t; ++s)                                                                       \
                g[s][t] = V##_along(products + s * stride, rows + t * stride, stride);                         \
        hcdv_cholesky(g, spreads, scales);                                                                     \
        for (ptrdiff_t p = 0; p < stride; p += (BYTES) / 8)                                                    \
            for (int t = 0; t < 8; ++t) {                                                                      \
                V own = HCDV_AT_CONST(V, products + t * stride + p);                                           \
                for (int s = 0; s < t; ++s) own -= g[s][t] * HCDV_AT_CONST(V, products + s * stride + p);      \
                HCDV_AT(V, products + t * stride + p) = scales[t] * own;                                       \
            }                                                                                                  \
    }

HCDV_DEFINE_RANK(hcdv_rank2, 16, )
#if defined(__x86_64__)
/* gcc spills vectors wider than the registers: so not one code in clones, but each width by itself. */
HCDV_DEFINE_RANK(hcdv_rank4, 32, __attribute__((target("avx2,fma"))))
HCDV_DEFINE_RANK(hcdv_rank8, 64, __attribute__((target("avx512f"))))
/* -DHCDV_REGISTER=16 and the like: narrower ones than there are, as the tests do. */
#ifndef HCDV_REGISTER
#define HCDV_REGISTER 64
#endif
#define HCDV_RANK(NAME, ...)                                                                                   \
    (HCDV_REGISTER >= 64 && __builtin_cpu_supports("avx512f") ? hcdv_rank8_##NAME(__VA_ARGS__)                 \
     : HCDV_REGISTER >= 32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")                  \
         ? hcdv_rank4_##NAME(__VA_ARGS__)                                                                      \
         : hcdv_rank2_##NAME(__VA_ARGS__))
#else
#define HCDV_RANK(NAME, ...) hcdv_rank2_##NAME(__VA_ARGS__)
#endif
#else
static void hcdv_plain_apply(const double *matrix, ptrdiff_t d, ptrdiff_t stride, const double *rows,
                             double *out)
{
    for (int t = 0; t < 8; ++t, rows += stride, out += stride) {
        for (ptrdiff_t l = 0; l < stride; ++l) out[l] = 0.0;
        for (ptrdiff_t k = 0; k < d; ++k)
            for (ptrdiff_t l = 0; l < stride; ++l) out[l] += rows[k] * matrix[k * stride + l];
    }
}

static void hcdv_plain_take(double *matrix, ptrdiff_t d, ptrdiff_t stride, const double *rows)
{
    for (ptrdiff_t k = 0; k < d; ++k)
        for (ptrdiff_t l = 0; l < stride; ++l) {
            double sums[2] = {rows[k] * rows[l], rows[stride + k] * rows[stride + l]};
            for (int s = 2; s < 8; ++s) sums[s % 2] += rows[s * stride + k] * rows[s * stride + l];
            matrix[k * stride + l] -= sums[0] + sums[1];
        }
}

static double hcdv_plain_along(const double *a, const double *b, ptrdiff_t stride)
{
    double e[8] = {0};
    for (ptrdiff_t p = 0; p < stride; p += 8)
        for (int l = 0; l < 8; ++l) e[l] += a[p + l] * b[p + l];
    return ((e[0] + e[1]) + (e[2] + e[3])) + ((e[4] + e[5]) + (e[6] + e[7]));
}

static void hcdv_plain_settle(double *products, ptrdiff_t stride, const double *rows, double *spreads)
{
    double g[8][8], scales[8];
    for (int t = 0; t < 8; ++t)
        for (int s = 0; s <= t; ++s) g[s][t] = hcdv_plain_along(products + s * stride, rows + t * stride, stride);
    hcdv_cholesky(g, spreads, scales);
    for (int t = 0; t < 8; ++t)
        for (ptrdiff_t l = 0; l < stride; ++l) {
            double own = products[t * stride + l];
            for (int s = 0; s < t; ++s) own -= g[s][t] * products[s * stride + l];
            products[t * stride + l] = scales[t] * own;
        }
}
#define HCDV_RANK(NAME, ...) hcdv_plain_##NAME(__VA_ARGS__)
#endif

static inline void hcdv_apply(const double *matrix, ptrdiff_t d, ptrdiff_t stride, const double *rows,
                              double *out)
{
    HCDV_RANK(apply, matrix, d, stride, rows, out);
}

static inline void hcdv_take(double *matrix, ptrdiff_t d, ptrdiff_t stride, const double *rows)
{
    HCDV_RANK(take, matrix, d, stride, rows);
}

static inline void hcdv_settle(double *products, ptrdiff_t stride, const double *rows, double *spreads)
{
    HCDV_RANK(settle, products, stride, rows, spreads);
}

#endif
