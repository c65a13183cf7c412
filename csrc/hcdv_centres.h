/* Squared distances of rows to a few centres, all side by side: centres lie column by column, [d][K].
 *
 * Four rows and up to eight centres stay in registers; every sum runs over the columns in their order, whatever
 * the registers. */
#ifndef HCDV_CENTRES_H
#define HCDV_CENTRES_H

#include "hcdv_clones.h"

#if defined(__GNUC__) && !defined(HCDV_PLAIN_C)
typedef double hcdv_centres_8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef double hcdv_centres_4 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double hcdv_centres_2 __attribute__((vector_size(16), aligned(8), may_alias));

/* Distances of four rows to as many centres as V holds, from centre k on. */
#define HCDV_TO_CENTRES(V)                                                                                     \
    {                                                                                                          \
        V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                              \
        const double *c = centres + k;                                                                         \
        for (ptrdiff_t j = 0; j < d; ++j, c += K) {                                                            \
            const V a = *(const V *)c;                                                                         \
            const V g0 = (double)x0[j] - a, g1 = (double)x1[j] - a;                                            \
            const V g2 = (double)x2[j] - a, g3 = (double)x3[j] - a;                                            \
            s0 += g0 * g0, s1 += g1 * g1, s2 += g2 * g2, s3 += g3 * g3;                                        \
        }                                                                                                      \
        *(V *)(out + k) = s0;                                                                                  \
        if (n > 1) *(V *)(out + K + k) = s1;                                                                   \
        if (n > 2) *(V *)(out + 2 * K + k) = s2;                                                               \
        if (n > 3) *(V *)(out + 3 * K + k) = s3;                                                               \
    }
#define HCDV_TO_MANY                                                                                           \
    for (; k + 8 <= K; k += 8) HCDV_TO_CENTRES(hcdv_centres_8)                                                 \
    for (; k + 4 <= K; k += 4) HCDV_TO_CENTRES(hcdv_centres_4)                                                 \
    for (; k + 2 <= K; k += 2) HCDV_TO_CENTRES(hcdv_centres_2)
#else
#define HCDV_TO_MANY
#endif

#define HCDV_DEFINE_CENTRES(NAME, T)                                                                           \
    HCDV_CLONES static void NAME(const T *rows, const double *centres, ptrdiff_t m, ptrdiff_t d, ptrdiff_t K,  \
                                 double *out)                                                                  \
    {                                                                                                          \
        for (ptrdiff_t i = 0; i < m; i += 4, rows += 4 * d, out += 4 * K) {                                    \
            /* Where fewer than four are left, the first of them stands in. */                                 \
            const ptrdiff_t n = m - i;                                                                         \
            const T *x0 = rows, *x1 = n > 1 ? rows + d : rows;                                                 \
            const T *x2 = n > 2 ? rows + 2 * d : rows, *x3 = n > 3 ? rows + 3 * d : rows;                      \
            ptrdiff_t k = 0;                                                                                   \
            HCDV_TO_MANY                                                                                       \
            for (; k < K; ++k) {                                                                               \
                double s0 = 0, s1 = 0, s2 = 0, s3 = 0;                                                         \
                for (ptrdiff_t j = 0; j < d; ++j) {                                                            \
                    const double a = centres[j * K + k];                                                       \
                    const double g0 = x0[j] - a, g1 = x1[j] - a, g2 = x2[j] - a, g3 = x3[j] - a;               \
                    s0 += g0 * g0, s1 += g1 * g1, s2 += g2 * g2, s3 += g3 * g3;                                \
                }                                                                                              \
                out[k] = s0;                                                                                   \
                if (n > 1) out[K + k] = s1;                                                                    \
                if (n > 2) out[2 * K + k] = s2;                                                                \
                if (n > 3) out[3 * K + k] = s3;                                                                \
            }                                                                                                  \
        }                                                                                                      \
    }

HCDV_DEFINE_CENTRES(hcdv_centres_d, double)
HCDV_DEFINE_CENTRES(hcdv_centres_f, float)

#endif
