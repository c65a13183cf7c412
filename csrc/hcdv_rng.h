/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011).  A draw is named by (seed, stage, name, chain), never by the order in which threads
 * reach it or by what else is drawn, so it is the same for any number of threads, engine and chunk size,
 * and whatever rows come or go beside it. */
#ifndef HCDV_RNG_H
#define HCDV_RNG_H

#include <stdint.h>

static inline void hcdv_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0; out[1] = c1; out[2] = c2; out[3] = c3;
}

/* 64 random bits. */
static inline uint64_t hcdv_draw(uint64_t seed, uint32_t stage, uint64_t name, uint32_t chain)
{
    /* The stage goes into the key, spread over its bits so that seed + 1 is no other stage. */
    const uint32_t key[2] = {(uint32_t)seed ^ (stage * 0x85EBCA6Bu),
                             (uint32_t)(seed >> 32) ^ (stage * 0xC2B2AE35u)};
    const uint32_t counter[4] = {0, chain, (uint32_t)name, (uint32_t)(name >> 32)};
    uint32_t block[4];
    hcdv_philox(counter, key, block);
    return ((uint64_t)block[1] << 32) | block[0];
}

#endif
