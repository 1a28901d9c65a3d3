#include "policy/hedge.h"

#define LEAST_BIT 18

static unsigned bucket_of(uint64_t ns)
{
    unsigned bit, bucket;

    if (ns >> LEAST_BIT == 0)
        return 0;
    bit = 63 - (unsigned)__builtin_clzll(ns);
    bucket = 1 + (bit - LEAST_BIT) * 4 + (unsigned)(ns >> (bit - 2) & 3);
    return bucket < TERN_HEDGE_BUCKETS ? bucket : TERN_HEDGE_BUCKETS - 1;
}

/* All that a bucket counts took less than this. */
static uint64_t end_of(unsigned bucket)
{
    if (bucket == 0)
        return UINT64_C(1) << LEAST_BIT;
    if (bucket == TERN_HEDGE_BUCKETS - 1)
        return TERN_OFF;
    return (UINT64_C(4) + (bucket - 1) % 4 + 1) << (LEAST_BIT + (bucket - 1) / 4 - 2);
}

static void halve(struct tern_hedge_state *state)
{
    state->total = 0;
    for (unsigned i = 0; i < TERN_HEDGE_BUCKETS; i++) {
        state->counts[i] /= 2;
        state->total = (uint16_t)(state->total + state->counts[i]);
    }
}

void tern_hedge_note(struct tern_hedge_state *state, uint64_t latency_ns)
{
    if (state->total == TERN_HEDGE_ANSWERS_MAX)
        halve(state);
    state->counts[bucket_of(latency_ns)]++;
    state->total++;
}

/* So many percent of the answers took less than this. */
static uint64_t percentile(const struct tern_hedge_state *state, uint32_t percent)
{
    uint32_t sum = 0;
    unsigned bucket = 0;

    while ((sum += state->counts[bucket]) * 100 < state->total * percent)
        bucket++;
    return end_of(bucket);
}

uint64_t tern_hedge_delay(const struct tern_hedging *config, const struct tern_hedge_state *state, bool *is_slow)
{
    bool is_known = state->total >= TERN_HEDGE_ANSWERS_MIN;

    *is_slow = is_known && percentile(state, 50) > config->slow_ns;
    if (*is_slow)
        return TERN_OFF;
    if (config->delay_ns != 0)
        return config->delay_ns;
    return is_known ? percentile(state, config->percentile) : TERN_OFF;
}
