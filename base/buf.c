#include "base/buf.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"

#define BUF_CAP_MIN 64 /* smaller blocks cost as much to have */
#define WIPED_CAP_MAX (64 * 1024)

void tern_buf_deinit(struct tern_buf *buf)
{
    tern_mem_free(buf->data);
    tern_buf_init(buf, buf->max);
}

void tern_buf_wipe(struct tern_buf *buf)
{
    if (buf->data != NULL)
        tern_mem_wipe(buf->data, buf->cap);
    tern_buf_deinit(buf);
}

/* Moved by hand and wiped where they stood, since heads and configurations hold secrets; what is larger is bodies,
 * which the system may move without copying them. */
static char *move(const struct tern_buf *buf, size_t cap)
{
    char *data;

    if (buf->cap > WIPED_CAP_MAX)
        return tern_mem_realloc(buf->data, cap, 1);
    data = tern_mem_alloc(cap);
    if (data == NULL || buf->data == NULL)
        return data;
    memcpy(data, buf->data + buf->head, buf->len);
    tern_mem_wipe(buf->data, buf->cap);
    tern_mem_free(buf->data);
    return data;
}

/* Room for more bytes at the tail; the caller has seen to the ceiling. */
static enum tern_error make_room(struct tern_buf *buf, size_t more)
{
    size_t need = buf->len + more, cap; /* no overflow: at most max and a NUL */
    char *data;

    if (more <= buf->cap - buf->head - buf->len)
        return TERN_OK;
    if (buf->head != 0) {
        memmove(buf->data, buf->data + buf->head, buf->len);
        buf->head = 0;
        if (need <= buf->cap)
            return TERN_OK;
    }
    cap = buf->cap <= buf->max / 2 ? buf->cap * 2 : buf->max;
    if (cap < BUF_CAP_MIN && BUF_CAP_MIN <= buf->max)
        cap = BUF_CAP_MIN;
    if (cap < need)
        cap = need;
    data = move(buf, cap);
    if (data == NULL)
        return TERN_ENOMEM;
    buf->data = data;
    buf->cap = cap;
    return TERN_OK;
}

enum tern_error tern_buf_grow(struct tern_buf *buf, size_t more)
{
    if (more > buf->max - buf->len)
        return TERN_ELIMIT;
    return make_room(buf, more);
}

void tern_buf_commit(struct tern_buf *buf, size_t n)
{
    TERN_ASSERT(n <= buf->cap - buf->head - buf->len && n <= buf->max - buf->len);
    buf->len += n;
}

void tern_buf_consume(struct tern_buf *buf, size_t n)
{
    TERN_ASSERT(n <= buf->len);
    buf->len -= n;
    buf->head = buf->len != 0 ? buf->head + n : 0;
}

void tern_buf_truncate(struct tern_buf *buf, size_t n)
{
    TERN_ASSERT(n <= buf->len);
    buf->len -= n;
}

enum tern_error tern_buf_vprintf(struct tern_buf *buf, const char *format, va_list args)
{
    enum tern_error error;
    va_list measure;
    int length;

    va_copy(measure, args);
    length = vsnprintf(NULL, 0, format, measure);
    va_end(measure);
    if (length < 0)
        return TERN_ENOMEM;
    if ((size_t)length > buf->max - buf->len)
        return TERN_ELIMIT;
    /* The NUL that vsnprintf writes needs a byte, which may lie beyond the ceiling and never counts. */
    error = make_room(buf, (size_t)length + 1);
    if (error != TERN_OK)
        return error;
    vsnprintf(tern_buf_tail(buf), (size_t)length + 1, format, args);
    buf->len += (size_t)length;
    return TERN_OK;
}

enum tern_error tern_buf_printf(struct tern_buf *buf, const char *format, ...)
{
    enum tern_error error;
    va_list args;

    va_start(args, format);
    error = tern_buf_vprintf(buf, format, args);
    va_end(args);
    return error;
}
