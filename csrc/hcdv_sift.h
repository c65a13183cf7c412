/* Who of many candidates may count for a query, by products with them in float32.
 *
 * A product and a candidate's size make a bound of the squared distance, less a constant of the query. */
#ifndef HCDV_SIFT_H
#define HCDV_SIFT_H

#include <math.h>

#include "hcdv_panel.h"

#define HCDV_LANES 16
#define HCDV_STRIDE 256

/* The least products[j] + sizes[j] of every group of sixteen candidates: those of a stretch of 256 that lie
 * sixteen apart, so that no register has to be reduced.  Infinite where a group is empty. */
HCDV_CLONES static void hcdv_least(const float *products, const float *sizes, ptrdiff_t n, float *least)
{
    for (ptrdiff_t first = 0; first < n; first += HCDV_STRIDE, least += HCDV_LANES) {
        const ptrdiff_t last = first + HCDV_STRIDE < n ? first + HCDV_STRIDE : n;
        float lanes[HCDV_LANES];
        ptrdiff_t j = first;
        for (int l = 0; l < HCDV_LANES; ++l) lanes[l] = INFINITY;
        for (; j + HCDV_LANES <= last; j += HCDV_LANES)
            for (int l = 0; l < HCDV_LANES; ++l) {
                const float s = products[j + l] + sizes[j + l];
                lanes[l] = s < lanes[l] ? s : lanes[l];
            }
        for (int l = 0; j < last; ++j, ++l) {
            const float s = products[j] + sizes[j];
            lanes[l] = s < lanes[l] ? s : lanes[l];
        }
        memcpy(least, lanes, sizeof(lanes));
    }
}

/* hits[p]: whether products[j] + near[j] of any j of panel p is at most `cut`, or products[j] + heard[j] at most
 * `limit`.  What is not a number passes: it has to be measured. */
HCDV_CLONES static void hcdv_sift(const float *products, const float *near, const float *heard,
                                  ptrdiff_t n, float cut, float limit, unsigned char *hits)
{
    ptrdiff_t p = 0, j = 0;
    for (; j + HCDV_PANEL <= n; j += HCDV_PANEL, ++p) {
        int any = 0;
        for (int l = 0; l < HCDV_PANEL; ++l)
            any |= !(products[j + l] + near[j + l] > cut) | !(products[j + l] + heard[j + l] > limit);
        hits[p] = any != 0;
    }
    if (j < n) {
        hits[p] = 0;
        for (; j < n; ++j)
            hits[p] |= !(products[j] + near[j] > cut) | !(products[j] + heard[j] > limit);
    }
}

#endif
