/* The engine's memory: counted, and failing now and then. */
#include <stdlib.h>

#include "tern/engine.h"
#include "tests/sim/world.h"

/* Before each block stands its size; 16 bytes keep the alignment. */
#define HEADER_BYTES 16

static uint64_t blocks, bytes, peak;

static void count(uint64_t size)
{
    bytes += size;
    if (bytes > peak)
        peak = bytes;
}

static void *memory_realloc(void *block, size_t size, void *user)
{
    unsigned char *old = block != NULL ? (unsigned char *)block - HEADER_BYTES : NULL;
    unsigned char *fresh;
    uint64_t old_size = 0;

    (void)user;
    if (sim_fault(SIM_FAULT_ENOMEM)) {
        sim_note("no memory for %zu bytes", size);
        return NULL;
    }
    if (old != NULL)
        memcpy(&old_size, old, sizeof(old_size));
    /* Always another block: a pointer into the old one shows under the address sanitizer. */
    fresh = malloc(HEADER_BYTES + size);
    if (fresh == NULL)
        abort();
    memcpy(fresh, &(uint64_t){size}, sizeof(uint64_t));
    memset(fresh + HEADER_BYTES, 0xa5, size); /* whoever reads it too early gets the same each time */
    if (old != NULL) {
        memcpy(fresh + HEADER_BYTES, block, old_size < size ? old_size : size);
        free(old);
        bytes -= old_size;
    } else {
        blocks++;
    }
    count(size);
    return fresh + HEADER_BYTES;
}

static void *memory_alloc(size_t size, void *user)
{
    return memory_realloc(NULL, size, user);
}

static void memory_free(void *block, void *user)
{
    uint64_t size;

    (void)user;
    block = (unsigned char *)block - HEADER_BYTES;
    memcpy(&size, block, sizeof(size));
    blocks--;
    bytes -= size;
    free(block);
}

void sim_memory_install(void)
{
    static const struct tern_allocator allocator = {memory_alloc, memory_realloc, memory_free, NULL};

    if (tern_set_allocator(&allocator) != TERN_OK)
        abort();
}

uint64_t sim_memory_blocks(void)
{
    return blocks;
}

uint64_t sim_memory_bytes(void)
{
    return bytes;
}

uint64_t sim_memory_peak(void)
{
    return peak;
}
