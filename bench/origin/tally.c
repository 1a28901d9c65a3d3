#include "bench/origin/tally.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

enum tern_error origin_tally_init(struct origin_tally *tally, size_t max)
{
    *tally = (struct origin_tally){.items = tern_mem_calloc(max, sizeof(*tally->items)), .max = max};
    return tally->items != NULL ? TERN_OK : TERN_ENOMEM;
}

void origin_tally_deinit(struct origin_tally *tally)
{
    tern_mem_free(tally->items);
}

uint64_t origin_tally_add(struct origin_tally *tally, struct tern_str name)
{
    struct origin_tally_item *item;

    TERN_ASSERT(tally->items != NULL);
    for (size_t i = 0; i < tally->len; i++) {
        if (tern_str_eq(tern_str(tally->items[i].name), name))
            return ++tally->items[i].count;
    }
    if (tally->len == tally->max || name.len >= ORIGIN_TALLY_NAME_MAX)
        return 0;
    item = &tally->items[tally->len++];
    if (name.len != 0)
        memcpy(item->name, name.ptr, name.len);
    return item->count = 1;
}

enum tern_error origin_tally_print(const struct origin_tally *tally, struct tern_buf *out)
{
    enum tern_error error = tern_buf_append_byte(out, '{');

    for (size_t i = 0; i < tally->len && error == TERN_OK; i++) {
        /* Names come from targets and methods, which have no control characters; these two JSON escapes. */
        error = tern_buf_append_str(out, i == 0 ? TERN_STR("\"") : TERN_STR(", \""));
        for (const char *c = tally->items[i].name; *c != '\0' && error == TERN_OK; c++) {
            if (*c == '"' || *c == '\\')
                error = tern_buf_append_byte(out, '\\');
            if (error == TERN_OK)
                error = tern_buf_append_byte(out, *c);
        }
        if (error == TERN_OK)
            error = tern_buf_printf(out, "\": %llu", (unsigned long long)tally->items[i].count);
    }
    return error != TERN_OK ? error : tern_buf_append_byte(out, '}');
}
