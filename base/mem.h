/* base/mem.h - where all of tern's memory comes from.
 *
 * Every function may be called from any thread. Any of those that allocate may answer NULL, which the caller turns
 * into TERN_ENOMEM. tern_set_allocator (tern/engine.h) replaces malloc below them. */
#ifndef TERN_BASE_MEM_H
#define TERN_BASE_MEM_H

#include "tern/types.h"

/* Uninitialised. size 0 is the programmer's mistake. The caller owns the block; tern_mem_free ends it. */
TERN_MUST_USE void *tern_mem_alloc(size_t size);

/* count * size bytes of zero; NULL also where the product overflows. */
TERN_MUST_USE void *tern_mem_calloc(size_t count, size_t size);

/* Grows or shrinks to count * size bytes (not 0); on NULL the old block is untouched and still owned by the caller.
 * block may be NULL. */
TERN_MUST_USE void *tern_mem_realloc(void *block, size_t count, size_t size);

/* NULL is ignored. */
void tern_mem_free(void *block);

/* A copy with a NUL behind it (not counted), so that it also serves the OS. */
TERN_MUST_USE char *tern_mem_dup(struct tern_str bytes);

/* Overwrites before a block that held a secret is freed; never optimised away. */
void tern_mem_wipe(void *block, size_t size);

#endif
