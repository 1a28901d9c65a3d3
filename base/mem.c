#include "base/mem.h"

#include <stdlib.h>

#include "base/assert.h"
#include "tern/engine.h"

static void *malloc_alloc(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void *malloc_realloc(void *block, size_t size, void *user)
{
    (void)user;
    return realloc(block, size);
}

static void malloc_free(void *block, void *user)
{
    (void)user;
    free(block);
}

/* Written once, before any other tern function runs: needs no lock. */
static struct tern_allocator allocator = {malloc_alloc, malloc_realloc, malloc_free, NULL};

enum tern_error tern_set_allocator(const struct tern_allocator *wanted)
{
    if (wanted == NULL || wanted->alloc == NULL || wanted->realloc == NULL || wanted->free == NULL)
        return TERN_EINVAL;
    allocator = *wanted;
    return TERN_OK;
}

void *tern_mem_alloc(size_t size)
{
    TERN_ASSERT(size != 0);
    return allocator.alloc(size, allocator.user);
}

void *tern_mem_calloc(size_t count, size_t size)
{
    size_t total;
    void *block;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    block = tern_mem_alloc(total);
    if (block != NULL)
        memset(block, 0, total);
    return block;
}

void *tern_mem_realloc(void *block, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    TERN_ASSERT(total != 0);
    if (block == NULL)
        return allocator.alloc(total, allocator.user);
    return allocator.realloc(block, total, allocator.user);
}

void tern_mem_free(void *block)
{
    if (block != NULL)
        allocator.free(block, allocator.user);
}

char *tern_mem_dup(struct tern_str bytes)
{
    size_t size;
    char *copy;

    if (__builtin_add_overflow(bytes.len, 1, &size))
        return NULL;
    copy = tern_mem_alloc(size);
    if (copy == NULL)
        return NULL;
    if (bytes.len != 0)
        memcpy(copy, bytes.ptr, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

void tern_mem_wipe(void *block, size_t size)
{
    explicit_bzero(block, size);
}
