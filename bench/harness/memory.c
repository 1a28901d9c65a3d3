#include "memory.h"

#include <stdlib.h>

#include "tern/tern.h"

/* Each thread counts its own, so that counting costs no shared cache line. */
static _Thread_local uint64_t allocations;

static void *counted_alloc(size_t size, void *user)
{
    (void)user;
    allocations++;
    return malloc(size);
}

static void *counted_realloc(void *block, size_t size, void *user)
{
    (void)user;
    allocations++;
    return realloc(block, size);
}

static void counted_free(void *block, void *user)
{
    (void)user;
    free(block);
}

bool bench_memory_count(void)
{
    static const struct tern_allocator counted = {counted_alloc, counted_realloc, counted_free, NULL};

    return tern_set_allocator(&counted) == TERN_OK;
}

uint64_t bench_memory_allocations(void)
{
    return allocations;
}
