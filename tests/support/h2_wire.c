#include "tests/support/h2_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/torture.h"

static void must(enum tern_error error)
{
    assert_int_equal(error, TERN_OK);
}

/* ---- listening ---- */

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_block(struct h2_ear *ear, const uint8_t *data, size_t len, bool is_end)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(ear->inflater, &nv, &flags, data, len, is_end);
        assert_true(n >= 0);
        data += n;
        len -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            must(tern_buf_printf(&ear->text, " | %.*s%s: %.*s", (int)nv.namelen, (char *)nv.name,
                                 (nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0 ? " (never indexed)" : "", (int)nv.valuelen,
                                 (char *)nv.value));
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            nghttp2_hd_inflate_end_headers(ear->inflater);
        }
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0) {
            return;
        }
    }
}

static void put_frame(struct h2_ear *ear, const uint8_t *header, const uint8_t *payload, size_t len)
{
    static const char *const names[] = {"DATA",         "HEADERS", "PRIORITY", "RST_STREAM",    "SETTINGS",
                                        "PUSH_PROMISE", "PING",    "GOAWAY",   "WINDOW_UPDATE", "CONTINUATION"};
    uint8_t type = header[3], flags = header[4];
    uint32_t id = u32_at(header + 5);
    struct tern_buf *out = &ear->text;

    if (type == NGHTTP2_PRIORITY_UPDATE) {
        must(tern_buf_printf(out, "PRIORITY_UPDATE %u %.*s\n", u32_at(payload), (int)len - 4, payload + 4));
        return;
    }
    assert_true(type < sizeof names / sizeof names[0]);
    must(tern_buf_printf(out, "%s", names[type]));
    switch (type) {
    case NGHTTP2_DATA:
        must(tern_buf_printf(out, " %u %zu%s", id, len, (flags & NGHTTP2_FLAG_END_STREAM) != 0 ? " END" : ""));
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        assert_int_equal(flags & (NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY), 0);
        must(tern_buf_printf(out, " %u%s", id,
                             type == NGHTTP2_HEADERS && (flags & NGHTTP2_FLAG_END_STREAM) != 0 ? " END" : ""));
        put_block(ear, payload, len, (flags & NGHTTP2_FLAG_END_HEADERS) != 0);
        break;
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_WINDOW_UPDATE:
        must(tern_buf_printf(out, " %u %u", id, u32_at(payload)));
        break;
    case NGHTTP2_GOAWAY:
        must(tern_buf_printf(out, " %u %u", u32_at(payload), u32_at(payload + 4)));
        break;
    case NGHTTP2_SETTINGS:
        for (size_t i = 0; i < len; i += 6) {
            must(tern_buf_printf(out, " %u=%u", payload[i] << 8 | payload[i + 1], u32_at(payload + i + 2)));
        }
        /* fall through */
    default:
        must(tern_buf_printf(out, "%s", (flags & NGHTTP2_FLAG_ACK) != 0 ? " ACK" : ""));
        break;
    }
    must(tern_buf_append_byte(out, '\n'));
}

void h2_ear_init(struct h2_ear *ear)
{
    *ear = (struct h2_ear){0};
    torture_fixture_keeps_memory();
    tern_buf_init(&ear->wire, SIZE_MAX / 2);
    tern_buf_init(&ear->text, SIZE_MAX / 2);
    must(tern_buf_reserve(&ear->wire, 256 << 10));
    must(tern_buf_reserve(&ear->text, 64 << 10));
    assert_int_equal(nghttp2_hd_inflate_new(&ear->inflater), 0);
}

void h2_ear_deinit(struct h2_ear *ear)
{
    nghttp2_hd_inflate_del(ear->inflater);
    tern_buf_deinit(&ear->wire);
    tern_buf_deinit(&ear->text);
}

const char *h2_ear_frames(struct h2_ear *ear)
{
    tern_buf_clear(&ear->text);
    if (!ear->preface_seen && ear->wire.len != 0) {
        assert_true(ear->wire.len >= NGHTTP2_CLIENT_MAGIC_LEN);
        assert_memory_equal(ear->wire.data + ear->wire.head, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
        tern_buf_consume(&ear->wire, NGHTTP2_CLIENT_MAGIC_LEN);
        ear->preface_seen = true;
    }
    while (ear->wire.len >= 9) {
        const uint8_t *p = (const uint8_t *)ear->wire.data + ear->wire.head;
        size_t len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        assert_true(len <= 16384);
        if (ear->wire.len < 9 + len) {
            break;
        }
        put_frame(ear, p, p + 9, len);
        tern_buf_consume(&ear->wire, 9 + len);
    }
    must(tern_buf_append_byte(&ear->text, '\0'));
    tern_buf_truncate(&ear->text, 1);
    return ear->text.data + ear->text.head;
}

/* ---- frames by hand ---- */

void h2_put(struct tern_buf *out, uint8_t type, uint8_t flags, int32_t id, const void *payload, size_t len)
{
    uint8_t header[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
                         (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

    torture_fixture_keeps_memory(); /* out */
    must(tern_buf_append(out, header, sizeof header));
    must(tern_buf_append(out, payload, len));
}

static void put_string(struct tern_buf *out, const char *s, size_t len)
{
    /* RFC 7541 5.1: an integer with a prefix of seven bits. */
    if (len < 127) {
        must(tern_buf_append_byte(out, (char)len));
    } else {
        size_t rest = len - 127;
        must(tern_buf_append_byte(out, 127));
        for (; rest >= 128; rest >>= 7) {
            must(tern_buf_append_byte(out, (char)(rest & 127) | (char)-128));
        }
        must(tern_buf_append_byte(out, (char)rest));
    }
    must(tern_buf_append(out, s, len));
}

void h2_put_block(struct tern_buf *out, const char *fields)
{
    while (*fields != '\0') {
        const char *colon = strstr(fields, ": ");
        const char *end = strchr(fields, '\n');
        if (end == NULL) {
            end = fields + strlen(fields);
        }
        must(tern_buf_append_byte(out, 0)); /* RFC 7541 6.2.2: literal, not indexed, new name */
        put_string(out, fields, (size_t)(colon - fields));
        put_string(out, colon + 2, (size_t)(end - colon - 2));
        fields = *end == '\n' ? end + 1 : end;
    }
}

void h2_put_head(struct tern_buf *out, int32_t id, uint8_t flags, const char *fields)
{
    struct tern_buf block;

    tern_buf_init(&block, SIZE_MAX / 2);
    h2_put_block(&block, fields);
    h2_put(out, NGHTTP2_HEADERS, flags | H2_END_HEADERS, id, block.data + block.head, block.len);
    tern_buf_deinit(&block);
}

void h2_put_data(struct tern_buf *out, int32_t id, uint8_t flags, const char *text)
{
    h2_put(out, NGHTTP2_DATA, flags, id, text, strlen(text));
}

static void store(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

void h2_put_u32(struct tern_buf *out, uint8_t type, int32_t id, uint32_t value)
{
    uint8_t payload[4];

    store(payload, value);
    h2_put(out, type, 0, id, payload, sizeof payload);
}

void h2_put_setting(struct tern_buf *out, uint16_t id, uint32_t value)
{
    uint8_t payload[6] = {(uint8_t)(id >> 8), (uint8_t)id};

    store(payload + 2, value);
    h2_put(out, NGHTTP2_SETTINGS, 0, 0, payload, id != 0 ? sizeof payload : 0);
}

void h2_put_goaway(struct tern_buf *out, int32_t last_id, uint32_t code, const char *text)
{
    uint8_t payload[8 + 64];

    store(payload, (uint32_t)last_id);
    store(payload + 4, code);
    memcpy(payload + 8, text, strlen(text));
    h2_put(out, NGHTTP2_GOAWAY, 0, 0, payload, 8 + strlen(text));
}
