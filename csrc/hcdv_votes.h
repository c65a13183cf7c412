/* One row's votes: they change the shares of the voters that listen to it, and the logarithms of these. */
#ifndef HCDV_VOTES_H
#define HCDV_VOTES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Ratios multiplied up before a logarithm is taken.  A ratio of 1e+-8 would need a voter whose vote turns
 * from unanimous to hopeless by one row; sixteen of them still fit a double. */
#define HCDV_RATIOS_A_LOG 16
/* Ratios held before any is multiplied. */
#define HCDV_RATIOS_HELD 64

/* Matching and all votes of a voter go through the same steps side by side; -DHCDV_PLAIN_C as in hcdv_panel.h. */
#if defined(__GNUC__) && !defined(HCDV_PLAIN_C)
typedef double hcdv_pair __attribute__((vector_size(16), aligned(8)));
#define HCDV_PAIR_OF(A, B) ((hcdv_pair){A, B})
#define HCDV_FIRST(P) ((P)[0])
#define HCDV_SECOND(P) ((P)[1])
#define HCDV_PLUS(P, Q) ((P) + (Q))
#define HCDV_TIMES(P, Q) ((P) * (Q))
#else
typedef struct { double a, b; } hcdv_pair;
static inline hcdv_pair HCDV_PAIR_OF(double a, double b) { hcdv_pair p = {a, b}; return p; }
#define HCDV_FIRST(P) ((P).a)
#define HCDV_SECOND(P) ((P).b)
#define HCDV_PLUS(P, Q) HCDV_PAIR_OF((P).a + (Q).a, (P).b + (Q).b)
#define HCDV_TIMES(P, Q) HCDV_PAIR_OF((P).a * (Q).a, (P).b * (Q).b)
#endif

static inline double hcdv_log_of(const hcdv_pair *ratios, int64_t n)
{
    hcdv_pair product = HCDV_PAIR_OF(1.0, 1.0);
    for (int64_t j = 0; j < n; ++j) product = HCDV_TIMES(product, ratios[j]);
    return log(HCDV_FIRST(product) / HCDV_SECOND(product));
}

/* What a row adds to the log scores of the voters that count, which are updated.
 *
 * state: [4] a voter: matching votes, all votes, a number not looked at, not 0 if the voter counts.
 * A difference of logarithms is the logarithm of a product of ratios: one call of log for many voters, and no
 * division for any.  Whether a voter counts, and whether its label is the row's, is a toss: every ratio is
 * written, and kept if the voter counts. */
static inline double hcdv_push_log(const int32_t *voters, const float *weights, int64_t n, int64_t label,
                                   const int64_t *labels, double *state)
{
    static const double says[2][2] = {{0.0, 1.0}, {1.0, 1.0}};
    hcdv_pair held[HCDV_RATIOS_HELD];
    double gain = 0.0;
    int64_t n_held = 0;
    for (int64_t k = 0; k < n; ++k) {
        double *voter = state + 4 * (int64_t)voters[k];
        const double *said = says[labels[voters[k]] == label];
        const double weight = weights[k];
        const hcdv_pair before = HCDV_PAIR_OF(voter[0], voter[1]);
        const hcdv_pair vote = HCDV_TIMES(HCDV_PAIR_OF(said[0], said[1]), HCDV_PAIR_OF(weight, weight));
        const hcdv_pair after = HCDV_PLUS(before, vote);
        int64_t counts;
        memcpy(&counts, voter + 3, sizeof counts);
        voter[0] = HCDV_FIRST(after);
        voter[1] = HCDV_SECOND(after);
        held[n_held] = HCDV_TIMES(after, HCDV_PAIR_OF(HCDV_SECOND(before), HCDV_FIRST(before)));
        n_held += counts != 0;
        if (n_held == HCDV_RATIOS_HELD) {
            for (int64_t j = 0; j < HCDV_RATIOS_HELD; j += HCDV_RATIOS_A_LOG)
                gain += hcdv_log_of(held + j, HCDV_RATIOS_A_LOG);
            n_held = 0;
        }
    }
    for (int64_t j = 0; j < n_held; j += HCDV_RATIOS_A_LOG) {
        const int64_t left = n_held - j;
        gain += hcdv_log_of(held + j, left < HCDV_RATIOS_A_LOG ? left : HCDV_RATIOS_A_LOG);
    }
    return gain;
}

#endif
