#include "base/keep.h"

#include "base/mem.h"

struct tern_keep_block {
    struct tern_keep_block *next;
    size_t size;
    max_align_t bytes[];
};

void *tern_keep_alloc(struct tern_keep *keep, size_t size)
{
    struct tern_keep_block *block = tern_mem_alloc(sizeof(*block) + size);

    if (block == NULL)
        return NULL;
    block->next = keep->blocks;
    block->size = size;
    keep->blocks = block;
    return block->bytes;
}

void *tern_keep_copy(struct tern_keep *keep, const void *bytes, size_t size)
{
    void *copy = tern_keep_alloc(keep, size);

    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

bool tern_keep_str(struct tern_keep *keep, struct tern_str *s)
{
    char *copy;

    if (s->ptr == NULL)
        return true;
    copy = tern_keep_alloc(keep, s->len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, s->ptr, s->len);
    copy[s->len] = '\0';
    s->ptr = copy;
    return true;
}

bool tern_keep_text(struct tern_keep *keep, const char **text)
{
    struct tern_str s = tern_str(*text);

    if (!tern_keep_str(keep, &s))
        return false;
    *text = s.ptr;
    return true;
}

void tern_keep_deinit(struct tern_keep *keep)
{
    while (keep->blocks != NULL) {
        struct tern_keep_block *block = keep->blocks;

        keep->blocks = block->next;
        tern_mem_wipe(block->bytes, block->size);
        tern_mem_free(block);
    }
}
