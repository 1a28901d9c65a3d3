/* A histogram of times with a bounded relative error: 128 equal steps in each power of two, so a value is told within
 * 0.8 %, whatever its size. Fixed memory, no allocation; what is not touched costs nothing. */
#ifndef BENCH_HARNESS_HIST_H
#define BENCH_HARNESS_HIST_H

#include <stdint.h>

#define BENCH_HIST_STEP_BITS 7
#define BENCH_HIST_BUCKETS ((64 - BENCH_HIST_STEP_BITS + 1) << BENCH_HIST_STEP_BITS)

/* Zeroed is empty. */
struct bench_hist {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[BENCH_HIST_BUCKETS];
};

void bench_hist_add(struct bench_hist *hist, uint64_t value);
void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from);

/* The least value that at least share (0 to 1) of all values do not exceed, told as the upper end of its step and never
 * over the largest that was added. 0 if there is none. */
uint64_t bench_hist_at(const struct bench_hist *hist, double share);

#endif
