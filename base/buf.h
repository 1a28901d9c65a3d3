/* base/buf.h - a growable byte buffer with a ceiling.
 *
 * Bytes go in at the end and out at the front. What is inside are the len bytes at data + head; nothing stands behind
 * them (no NUL). The ceiling max holds for len. Consuming moves nothing; making room may move the bytes, so a view or
 * pointer into the buffer is good until the next call that adds. */
#ifndef TERN_BASE_BUF_H
#define TERN_BASE_BUF_H

#include <stdarg.h>

#include "tern/error.h"

/* Caller's storage. All zero but max is an empty buffer. May be moved by assignment. */
struct tern_buf {
    char *data;
    size_t head;
    size_t len;
    size_t cap;
    size_t max;
};

/* An empty buffer that never holds more than max bytes. Allocates nothing. */
static inline void tern_buf_init(struct tern_buf *buf, size_t max)
{
    *buf = (struct tern_buf){.max = max};
}

/* Frees the memory; the buffer is empty again and may be used on. */
void tern_buf_deinit(struct tern_buf *buf);

/* The same of one that holds a secret: nothing of it stays in memory. What was added to a buffer over 64 KiB without a
 * reserve before it may have left a copy behind; smaller ones wipe what they move away from. */
void tern_buf_wipe(struct tern_buf *buf);

/* Borrows what is inside. */
static inline struct tern_str tern_buf_view(const struct tern_buf *buf)
{
    return (struct tern_str){buf->len != 0 ? buf->data + buf->head : "", buf->len};
}

/* Empties the buffer and keeps its memory. */
static inline void tern_buf_clear(struct tern_buf *buf)
{
    buf->head = 0;
    buf->len = 0;
}

/* Reserving where there is no room yet. */
TERN_MUST_USE enum tern_error tern_buf_grow(struct tern_buf *buf, size_t more);

/* Makes room for more bytes behind what is inside; tern_buf_tail tells where, tern_buf_commit takes them in.
 * Errors: TERN_ELIMIT (more than max), TERN_ENOMEM; the buffer is as before. */
TERN_MUST_USE static inline enum tern_error tern_buf_reserve(struct tern_buf *buf, size_t more)
{
    return more <= buf->cap - buf->head - buf->len && more <= buf->max - buf->len ? TERN_OK : tern_buf_grow(buf, more);
}

/* Where the next byte goes. Valid only after a reserve of more than 0. */
static inline char *tern_buf_tail(struct tern_buf *buf)
{
    return buf->data + buf->head + buf->len;
}

/* Takes in n bytes that were written at the tail; n is at most what was reserved. */
void tern_buf_commit(struct tern_buf *buf, size_t n);

/* Drops n bytes from the front, or from the end; n <= len. */
void tern_buf_consume(struct tern_buf *buf, size_t n);
void tern_buf_truncate(struct tern_buf *buf, size_t n);

/* Appending: all or nothing. bytes may not lie in buf itself. Errors: TERN_ELIMIT, TERN_ENOMEM. */
TERN_MUST_USE static inline enum tern_error tern_buf_append(struct tern_buf *buf, const void *bytes, size_t len)
{
    enum tern_error error = len != 0 ? tern_buf_reserve(buf, len) : TERN_OK;

    if (error != TERN_OK || len == 0)
        return error;
    memcpy(tern_buf_tail(buf), bytes, len);
    buf->len += len;
    return TERN_OK;
}

TERN_MUST_USE static inline enum tern_error tern_buf_append_byte(struct tern_buf *buf, char byte)
{
    return tern_buf_append(buf, &byte, 1);
}

TERN_MUST_USE enum tern_error tern_buf_printf(struct tern_buf *buf, const char *format, ...) TERN_PRINTF(2, 3);
TERN_MUST_USE enum tern_error tern_buf_vprintf(struct tern_buf *buf, const char *format, va_list args)
    TERN_PRINTF(2, 0);

static inline enum tern_error tern_buf_append_str(struct tern_buf *buf, struct tern_str s)
{
    return tern_buf_append(buf, s.ptr, s.len);
}

#endif
