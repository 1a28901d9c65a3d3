#include "hist.h"

#include <stddef.h>

#define STEPS (UINT64_C(1) << BENCH_HIST_STEP_BITS)

/* Below 2 * STEPS each value has a bucket of its own. Above, shift bits are given up, and the top step bits of what is
 * left (STEPS to 2 * STEPS - 1) say which step of which power of two it is. */
static unsigned shift_of(uint64_t value)
{
    return value < 2 * STEPS ? 0 : 63 - BENCH_HIST_STEP_BITS - (unsigned)__builtin_clzll(value);
}

static size_t bucket_of(uint64_t value)
{
    unsigned shift = shift_of(value);

    return (size_t)(shift * STEPS + (value >> shift));
}

/* The largest value that falls into it. */
static uint64_t bucket_top(size_t bucket)
{
    uint64_t shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;
    uint64_t step = bucket - shift * STEPS;

    return (step << shift) + ((UINT64_C(1) << shift) - 1);
}

void bench_hist_add(struct bench_hist *hist, uint64_t value)
{
    hist->count++;
    if (value > hist->max)
        hist->max = value;
    hist->buckets[bucket_of(value)]++;
}

void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from)
{
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
    for (size_t i = 0; i < BENCH_HIST_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t bench_hist_at(const struct bench_hist *hist, double share)
{
    double wanted = share * (double)hist->count;
    uint64_t seen = 0;

    for (size_t i = 0; i < BENCH_HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (hist->buckets[i] != 0 && (double)seen >= wanted)
            return bucket_top(i) < hist->max ? bucket_top(i) : hist->max;
    }
    return hist->max;
}
