#include "tests/support/faultmem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tern/engine.h"
#include "tests/support/torture.h"

static atomic_uint_fast64_t count, live;
static atomic_uint_fast64_t fail_first = UINT64_MAX, fail_last = UINT64_MAX; /* the counts that fail, both included */
static atomic_bool failed;

static bool may_pass(void)
{
    uint64_t n = atomic_fetch_add(&count, 1) + 1;

    if (torture_fails(TORTURE_MEMORY))
        return false;
    if (n < atomic_load(&fail_first) || n > atomic_load(&fail_last))
        return true;
    atomic_store(&failed, true);
    return false;
}

static void *fault_alloc(size_t size, void *user)
{
    void *block = may_pass() ? malloc(size) : NULL;

    (void)user;
    if (block != NULL)
        atomic_fetch_add(&live, 1);
    return block;
}

static void *fault_realloc(void *block, size_t size, void *user)
{
    (void)user;
    return may_pass() ? realloc(block, size) : NULL;
}

static void fault_free(void *block, void *user)
{
    (void)user;
    atomic_fetch_sub(&live, 1);
    free(block);
}

void faultmem_install(void)
{
    static const struct tern_allocator allocator = {fault_alloc, fault_realloc, fault_free, NULL};

    if (tern_set_allocator(&allocator) == TERN_OK)
        return;
    fputs("faultmem: the allocator was refused\n", stderr);
    exit(1);
}

static void fail(uint64_t first, uint64_t last)
{
    atomic_store(&failed, false);
    atomic_store(&fail_last, last);
    atomic_store(&fail_first, first);
}

void faultmem_fail_nth(uint64_t n)
{
    uint64_t at = atomic_load(&count) + n;

    fail(at, at);
}

void faultmem_fail_from(uint64_t n)
{
    fail(atomic_load(&count) + n, UINT64_MAX);
}

void faultmem_never_fail(void)
{
    fail(UINT64_MAX, UINT64_MAX);
}

bool faultmem_failed(void)
{
    return atomic_load(&failed);
}

uint64_t faultmem_count(void)
{
    return atomic_load(&count);
}

uint64_t faultmem_live(void)
{
    return atomic_load(&live);
}
