/* Squared distances of one point to many, eight at a time.
 *
 * A panel holds eight rows column by column, [d][8]: eight sums run side by side in vector registers,
 * each in the working precision of its type. All terms are positive, so a sum is off by at most
 * (d / 4 + 5) roundings: good enough to sort out what cannot be near; the rest is measured again.
 * hits[p] tells whether any of the eight of panel p is at most `cut`. */
#ifndef HCDV_PANEL_H
#define HCDV_PANEL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hcdv_clones.h"

#define HCDV_PANEL 8

/* Vector types of gcc and clang; -DHCDV_PLAIN_C, as the tests do, compiles what other compilers get. */
#if defined(__GNUC__) && !defined(HCDV_PLAIN_C)
typedef float hcdv_panel_f __attribute__((vector_size(4 * HCDV_PANEL), aligned(4)));
typedef double hcdv_panel_d __attribute__((vector_size(8 * HCDV_PANEL), aligned(8)));
#define HCDV_ZERO(V, S) V S = {0}
#define HCDV_ADD(V, S, K)                                                    \
    { const V t = x[K] - *(const V *)(panel + (K) * HCDV_PANEL); S += t * t; }
#define HCDV_STORE(V)                                                        \
    {                                                                        \
        const V s = (s0 + s1) + (s2 + s3);                                   \
        const __typeof__(s <= s) passes = s <= cut;                          \
        uint64_t words[sizeof(V) / 8], any = 0;                              \
        *(V *)out = s;                                                       \
        memcpy(words, &passes, sizeof(V));                                   \
        for (size_t w = 0; w < sizeof(V) / 8; ++w) any |= words[w];          \
        hits[p] = any != 0;                                                  \
    }
#else
typedef float hcdv_panel_f;
typedef double hcdv_panel_d;
#define HCDV_ZERO(V, S) V S[HCDV_PANEL] = {0}
#define HCDV_ADD(V, S, K)                                                    \
    for (int l = 0; l < HCDV_PANEL; ++l) {                                   \
        const V t = x[K] - panel[(K) * HCDV_PANEL + l];                      \
        S[l] += t * t;                                                       \
    }
#define HCDV_STORE(V)                                                        \
    hits[p] = 0;                                                             \
    for (int l = 0; l < HCDV_PANEL; ++l) {                                   \
        out[l] = (s0[l] + s1[l]) + (s2[l] + s3[l]);                          \
        hits[p] |= out[l] <= cut;                                            \
    }
#endif

#define HCDV_DEFINE_PANELS(name, T, V)                                       \
    HCDV_CLONES static void name(const T *panel, ptrdiff_t n_panels,         \
                                 const T *x, ptrdiff_t d, T cut, T *out,     \
                                 unsigned char *hits)                        \
    {                                                                        \
        for (ptrdiff_t p = 0; p < n_panels; ++p) {                           \
            HCDV_ZERO(V, s0);                                                \
            HCDV_ZERO(V, s1);                                                \
            HCDV_ZERO(V, s2);                                                \
            HCDV_ZERO(V, s3);                                                \
            ptrdiff_t k = 0;                                                 \
            for (; k + 4 <= d; k += 4) {                                     \
                HCDV_ADD(V, s0, k)                                           \
                HCDV_ADD(V, s1, k + 1)                                       \
                HCDV_ADD(V, s2, k + 2)                                       \
                HCDV_ADD(V, s3, k + 3)                                       \
            }                                                                \
            for (; k < d; ++k) HCDV_ADD(V, s0, k)                            \
            HCDV_STORE(V)                                                    \
            panel += d * HCDV_PANEL;                                         \
            out += HCDV_PANEL;                                               \
        }                                                                    \
    }

HCDV_DEFINE_PANELS(hcdv_panels_d, double, hcdv_panel_d)
HCDV_DEFINE_PANELS(hcdv_panels_f, float, hcdv_panel_f)

#endif
