/* base/rand.h - a small seeded generator (xoshiro256**, Blackman and Vigna 2018) for jitter, shuffles and tests.
 *
 * One seed gives one history. Not for secrets: what must not be guessed comes from the OS seam. */
#ifndef TERN_BASE_RAND_H
#define TERN_BASE_RAND_H

#include "tern/types.h"

struct tern_rand {
    uint64_t s[4];
};

/* Any seed will do, 0 too. */
void tern_rand_seed(struct tern_rand *rand, uint64_t seed);

uint64_t tern_rand_next(struct tern_rand *rand);

/* 0 to below - 1, evenly; below is at least 1. */
uint64_t tern_rand_below(struct tern_rand *rand, uint64_t below);

#endif
