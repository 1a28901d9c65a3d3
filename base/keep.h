/* base/keep.h - memory that is freed together: the copies that make up a configuration. Zero is empty. Since passwords
 * may be among them, all of it is wiped before it is freed. */
#ifndef TERN_BASE_KEEP_H
#define TERN_BASE_KEEP_H

#include "tern/types.h"

struct tern_keep {
    struct tern_keep_block *blocks;
};

/* size bytes, aligned for anything, or NULL: out of memory. Any size. */
void *tern_keep_alloc(struct tern_keep *keep, size_t size);

/* A copy of size bytes, or NULL: out of memory. */
void *tern_keep_copy(struct tern_keep *keep, const void *bytes, size_t size);

/* Makes *s a view of a copy with a NUL behind it. A NULL view stays. False: out of memory; *s is untouched. */
TERN_MUST_USE bool tern_keep_str(struct tern_keep *keep, struct tern_str *s);
TERN_MUST_USE bool tern_keep_text(struct tern_keep *keep, const char **text);

void tern_keep_deinit(struct tern_keep *keep);

#endif
