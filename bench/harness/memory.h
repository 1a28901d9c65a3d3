/* Counts what tern takes from the heap. */
#ifndef BENCH_HARNESS_MEMORY_H
#define BENCH_HARNESS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Before any other tern function. */
bool bench_memory_count(void);

/* Allocations and reallocations of this thread so far. */
uint64_t bench_memory_allocations(void);

#endif
