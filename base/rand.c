#include "base/rand.h"

#include "base/assert.h"

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

void tern_rand_seed(struct tern_rand *rand, uint64_t seed)
{
    /* splitmix64, as the generator's authors advise: never the all-zero state, and near seeds give far states. */
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        rand->s[i] = z ^ z >> 31;
    }
}

uint64_t tern_rand_next(struct tern_rand *rand)
{
    uint64_t *s = rand->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t tern_rand_below(struct tern_rand *rand, uint64_t below)
{
    uint64_t skew, value;

    TERN_ASSERT(below != 0);
    /* The 2^64 mod below lowest values would come up once too often: draw again. */
    skew = (0 - below) % below;
    do
        value = tern_rand_next(rand);
    while (value < skew);
    return value % below;
}
