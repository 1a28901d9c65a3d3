#include "base/fields.h"
#include "base/mem.h"
#include "proto/h2_internal.h"

/* In front of each block of nghttp2's. 32 bytes, so that what follows stays aligned for anything. */
struct tern_h2_block {
    _Alignas(16) struct tern_list node; /* among its codec's */
    struct tern_h2_block *next;         /* while it is spare */
    size_t size;                        /* of what follows */
};

static size_t class_size(size_t class)
{
    return (size_t)64 << class;
}

static size_t class_of(size_t size)
{
    size_t class = 0;

    while (class < TERN_H2_BLOCK_CLASSES && class_size(class) < size) {
        class ++;
    }
    return class;
}

static struct tern_h2_block *block_take(struct tern_h2_spares *spares, size_t size)
{
    size_t class = class_of(size);
    struct tern_h2_block *block;

    if (class < TERN_H2_BLOCK_CLASSES) {
        block = spares->blocks[class];
        if (block != NULL) {
            spares->blocks[class] = block->next;
            spares->block_bytes -= block->size;
            return block;
        }
        size = class_size(class);
    } else if (size > SIZE_MAX - sizeof *block) {
        return NULL;
    }
    block = tern_mem_alloc(sizeof *block + size);
    if (block != NULL) {
        block->size = size;
    }
    return block;
}

static void *block_alloc(size_t size, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_block *block = block_take(h2->spares, size);

    if (block == NULL) {
        return NULL;
    }
    tern_list_push_back(&h2->blocks, &block->node);
    return block + 1;
}

static void block_free(void *bytes, void *user)
{
    struct tern_h2_spares *spares = ((struct tern_h2 *)user)->spares;

    if (bytes == NULL) {
        return;
    }
    struct tern_h2_block *block = (struct tern_h2_block *)bytes - 1;
    tern_list_remove(&block->node);
    tern_mem_wipe(bytes, block->size);
    size_t class = class_of(block->size);
    if (class == TERN_H2_BLOCK_CLASSES || spares->block_bytes + block->size > TERN_H2_SPARE_BLOCK_BYTES_MAX) {
        tern_mem_free(block);
        return;
    }
    block->next = spares->blocks[class];
    spares->blocks[class] = block;
    spares->block_bytes += block->size;
}

static void *block_calloc(size_t count, size_t size, void *user)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *block = block_alloc(bytes, user);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

static void *block_realloc(void *bytes, size_t size, void *user)
{
    size_t old = bytes != NULL ? ((struct tern_h2_block *)bytes - 1)->size : 0;

    if (bytes != NULL && size <= old) {
        return bytes;
    }
    void *block = block_alloc(size, user);
    if (block != NULL && bytes != NULL) {
        memcpy(block, bytes, old);
        block_free(bytes, user);
    }
    return block;
}

nghttp2_mem tern_h2_blocks_mem(struct tern_h2 *h2)
{
    return (nghttp2_mem){h2, block_alloc, block_free, block_calloc, block_realloc};
}

void tern_h2_blocks_free(struct tern_h2 *h2)
{
    while (!tern_list_is_empty(&h2->blocks)) {
        block_free(TERN_CONTAINER_OF(h2->blocks.next, struct tern_h2_block, node) + 1, h2);
    }
}

/* ---- fields ---- */

#define FIELDS_MIN 16

static bool grow(struct tern_h2_stream *s)
{
    uint32_t cap = s->field_cap != 0 ? 2 * s->field_cap : FIELDS_MIN; /* the codec's limits are far below an overflow */
    struct tern_field *fields = tern_mem_realloc(s->fields, cap, sizeof *fields);
    struct tern_h2_lent *lent;

    if (fields == NULL) {
        return false;
    }
    s->fields = fields;
    lent = tern_mem_realloc(s->lent, cap, sizeof *lent);
    if (lent == NULL) {
        return false;
    }
    s->lent = lent;
    s->field_cap = cap;
    return true;
}

bool tern_h2_field_add(struct tern_h2_stream *s, nghttp2_rcbuf *name, nghttp2_rcbuf *value)
{
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    struct tern_field field = {{(const char *)n.base, n.len}, {(const char *)v.base, v.len}, 0};

    if (s->field_count == s->field_cap && !grow(s)) {
        return false;
    }
    field.flags = tern_field_is_secret(field.name) ? TERN_FIELD_SECRET : 0;
    nghttp2_rcbuf_incref(name);
    nghttp2_rcbuf_incref(value);
    s->lent[s->field_count] = (struct tern_h2_lent){name, value};
    s->fields[s->field_count++] = field;
    return true;
}

void tern_h2_fields_clear(struct tern_h2_stream *s)
{
    while (s->field_count > 0) {
        s->field_count--;
        nghttp2_rcbuf_decref(s->lent[s->field_count].name);
        nghttp2_rcbuf_decref(s->lent[s->field_count].value);
    }
}

/* ---- streams ---- */

static void stream_free(struct tern_h2_stream *s)
{
    tern_mem_free(s->fields);
    tern_mem_free(s->lent);
    tern_buf_deinit(&s->kept);
    tern_mem_free(s);
}

struct tern_h2_stream *tern_h2_spares_take(struct tern_h2_spares *spares)
{
    struct tern_h2_stream *s = spares->streams;

    if (s != NULL) {
        spares->streams = s->next;
        spares->stream_count--;
        *s = (struct tern_h2_stream){.fields = s->fields, .lent = s->lent, .field_cap = s->field_cap};
    } else {
        s = tern_mem_calloc(1, sizeof *s);
        if (s == NULL) {
            return NULL;
        }
    }
    tern_buf_init(&s->kept, UINT32_MAX);
    tern_list_init(&s->node);
    tern_list_init(&s->ready);
    tern_list_init(&s->urged);
    return s;
}

void tern_h2_spares_give(struct tern_h2_spares *spares, struct tern_h2_stream *s)
{
    size_t bytes = s->field_cap * (sizeof *s->fields + sizeof *s->lent);

    tern_h2_fields_clear(s);
    tern_buf_deinit(&s->kept);
    if (spares->stream_count == TERN_H2_SPARE_STREAMS_MAX || bytes > TERN_H2_SPARE_STREAM_BYTES_MAX) {
        stream_free(s);
        return;
    }
    s->next = spares->streams;
    spares->streams = s;
    spares->stream_count++;
}

nghttp2_nv *tern_h2_spares_nv(struct tern_h2_spares *spares, size_t count)
{
    if (count > spares->nv_cap) {
        nghttp2_nv *nv = tern_mem_realloc(spares->nv, count, sizeof *nv);
        if (nv == NULL) {
            return NULL;
        }
        spares->nv = nv;
        spares->nv_cap = count;
    }
    return spares->nv;
}

void tern_h2_spares_deinit(struct tern_h2_spares *spares)
{
    while (spares->streams != NULL) {
        struct tern_h2_stream *s = spares->streams;
        spares->streams = s->next;
        stream_free(s);
    }
    for (size_t class = 0; class < TERN_H2_BLOCK_CLASSES; class ++) {
        while (spares->blocks[class] != NULL) {
            struct tern_h2_block *block = spares->blocks[class];
            spares->blocks[class] = block->next;
            tern_mem_free(block);
        }
    }
    tern_h2_out_deinit(&spares->out);
    tern_mem_free(spares->nv);
    *spares = (struct tern_h2_spares){0};
}
