#include "tests/support/h1_rig.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/list.h"
#include "base/str.h"

static struct h1_rig *rig_of(struct tern_stream *stream)
{
    return TERN_CONTAINER_OF(stream, struct h1_rig, stream);
}

static void must(enum tern_error error)
{
    assert_int_equal(error, TERN_OK);
}

static void put_escaped(struct tern_buf *log, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char text[8];
        must(tern_buf_printf(log, "%s", tern_escape(text, sizeof text, tern_str_n(data + i, 1))));
    }
}

static void flush_body(struct h1_rig *rig)
{
    if (rig->body.len != 0) {
        struct tern_str body = tern_buf_view(&rig->body);
        must(tern_buf_printf(&rig->log, "body \""));
        put_escaped(&rig->log, body.ptr, body.len);
        must(tern_buf_printf(&rig->log, "\"\n"));
        tern_buf_clear(&rig->body);
    }
}

static void put_fields(struct tern_buf *log, const struct tern_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        must(tern_buf_printf(log, " | %.*s: ", TERN_ARG(fields[i].name)));
        put_escaped(log, fields[i].value.ptr, fields[i].value.len);
    }
    must(tern_buf_printf(log, "\n"));
}

static void put_head(struct h1_rig *rig, const char *event, const struct tern_head *head)
{
    assert_true(rig->open);
    flush_body(rig);
    must(tern_buf_printf(&rig->log, "%s %u %.*s HTTP/1.%d", event, head->status, TERN_ARG(head->reason),
                         head->version == TERN_HTTP_1_1));
    put_fields(&rig->log, head->fields, head->field_count);
}

static void maybe_cancel(struct h1_rig *rig, const char *event)
{
    if (rig->cancel_in != NULL && strcmp(rig->cancel_in, event) == 0) {
        rig->open = false;
        rig->h1.codec.ops->cancel(&rig->h1.codec, &rig->stream);
    }
}

static void on_informational(struct tern_stream *stream, const struct tern_head *head)
{
    put_head(rig_of(stream), "info", head);
    maybe_cancel(rig_of(stream), "info");
}

static void on_head(struct tern_stream *stream, const struct tern_head *head)
{
    maybe_cancel(rig_of(stream), "head"); /* first: what is shown must outlive the cancel */
    rig_of(stream)->open |= rig_of(stream)->cancel_in != NULL;
    put_head(rig_of(stream), "head", head);
    rig_of(stream)->open &= rig_of(stream)->cancel_in == NULL || strcmp(rig_of(stream)->cancel_in, "head") != 0;
}

static void on_body(struct tern_stream *stream, const uint8_t *data, size_t len)
{
    struct h1_rig *rig = rig_of(stream);
    struct tern_codec *codec = &rig->h1.codec;

    assert_true(rig->open);
    assert_true(len > 0);
    assert_true(stream->owed_bytes <= stream->window_bytes);
    must(tern_buf_append(&rig->body, data, len));
    if (!rig->credit_by_hand) {
        codec->ops->credit(codec, stream, (uint32_t)len);
    }
    if (rig->pause_in_body) {
        codec->ops->pause(codec, stream, true);
    }
    maybe_cancel(rig, "body");
}

static void on_trailers(struct tern_stream *stream, const struct tern_field *fields, size_t count)
{
    struct h1_rig *rig = rig_of(stream);

    assert_true(rig->open);
    flush_body(rig);
    must(tern_buf_printf(&rig->log, "trailers"));
    put_fields(&rig->log, fields, count);
    maybe_cancel(rig, "trailers");
}

static void on_sent(struct tern_stream *stream)
{
    struct h1_rig *rig = rig_of(stream);

    assert_true(rig->open);
    flush_body(rig);
    must(tern_buf_printf(&rig->log, "sent\n"));
    maybe_cancel(rig, "sent");
}

static void on_end(struct tern_stream *stream)
{
    struct h1_rig *rig = rig_of(stream);

    assert_true(rig->open);
    rig->open = false;
    rig->state_at_end = h1_rig_state(rig);
    flush_body(rig);
    must(tern_buf_printf(&rig->log, "end\n"));
}

static void on_error(struct tern_stream *stream, const struct tern_fault *fault, enum tern_replay replay)
{
    static const char *const names[] = {"UNSENT", "REFUSED", "STALE", "MAYBE", "ANSWERED"};
    struct h1_rig *rig = rig_of(stream);

    assert_true(rig->open);
    rig->open = false;
    flush_body(rig);
    must(tern_buf_printf(&rig->log, "error %s %s \"%s\"\n", tern_error_name(fault->error), names[replay], fault->text));
}

/* ---- the source: each peek lends what is left of the step ---- */

static enum tern_read source_peek(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why)
{
    struct h1_rig *rig = TERN_CONTAINER_OF(source, struct h1_rig, source);

    if (rig->step == rig->step_count) {
        if (rig->source_fails) {
            tern_fault_set(why, TERN_EBODY_SOURCE, "the test's source failed");
            return TERN_READ_FAIL;
        }
        return TERN_READ_END;
    }
    if (rig->steps[rig->step] == NULL) {
        return TERN_READ_WAIT;
    }
    *view = tern_str(rig->steps[rig->step] + rig->step_used);
    return TERN_READ_DATA;
}

static void source_consume(struct tern_body_source *source, size_t bytes)
{
    struct h1_rig *rig = TERN_CONTAINER_OF(source, struct h1_rig, source);

    rig->step_used += bytes;
    assert_true(rig->step_used <= strlen(rig->steps[rig->step]));
    if (rig->steps[rig->step][rig->step_used] == '\0') {
        rig->step++;
        rig->step_used = 0;
    }
}

static bool source_rewind(struct tern_body_source *source)
{
    struct h1_rig *rig = TERN_CONTAINER_OF(source, struct h1_rig, source);

    rig->step = 0;
    rig->step_used = 0;
    return true;
}

void h1_rig_body(struct h1_rig *rig, const char *const *steps, size_t count, uint64_t length)
{
    static const struct tern_body_source_ops ops = {source_peek, source_consume, source_rewind};

    rig->source.ops = &ops;
    rig->steps = steps;
    rig->step_count = count;
    rig->step = 0;
    rig->step_used = 0;
    rig->message.body = &rig->source;
    rig->message.body_length = length;
}

/* ---- */

static const struct tern_codec_limits defaults = {16 << 10, 64 << 10, 256, 16};

void h1_rig_init(struct h1_rig *rig, const struct tern_codec_limits *limits)
{
    static const struct tern_stream_events events = {on_informational, on_head, on_body, on_trailers,
                                                     on_sent,          on_end,  on_error};

    *rig = (struct h1_rig){0};
    tern_buf_init(&rig->wire, SIZE_MAX / 2);
    tern_buf_init(&rig->log, SIZE_MAX / 2);
    tern_buf_init(&rig->body, SIZE_MAX / 2);
    /* So that a test that fails allocations fails those of the codec. */
    must(tern_buf_reserve(&rig->wire, 64 << 10));
    must(tern_buf_reserve(&rig->log, 64 << 10));
    must(tern_buf_reserve(&rig->body, 64 << 10));
    rig->stream.events = &events;
    rig->stream.message = &rig->message;
    rig->stream.window_bytes = 1 << 20;
    rig->message = (struct tern_outgoing){.method = TERN_STR("GET"),
                                          .scheme = TERN_STR("http"),
                                          .authority = TERN_STR("example.com"),
                                          .target = TERN_STR("/")};
    tern_h1_init(&rig->h1, limits != NULL ? limits : &defaults, &rig->spares);
}

void h1_rig_reconnect(struct h1_rig *rig)
{
    struct tern_codec_limits limits = rig->h1.limits;

    rig->h1.codec.ops->deinit(&rig->h1.codec);
    tern_h1_init(&rig->h1, &limits, &rig->spares);
}

void h1_rig_deinit(struct h1_rig *rig)
{
    rig->h1.codec.ops->deinit(&rig->h1.codec);
    tern_h1_spares_deinit(&rig->spares);
    tern_buf_deinit(&rig->wire);
    tern_buf_deinit(&rig->log);
    tern_buf_deinit(&rig->body);
}

enum tern_error h1_rig_submit(struct h1_rig *rig)
{
    tern_buf_clear(&rig->wire);
    tern_buf_clear(&rig->log);
    tern_buf_clear(&rig->body);
    assert_int_equal(rig->h1.codec.ops->capacity(&rig->h1.codec), 1);
    enum tern_error error = rig->h1.codec.ops->submit(&rig->h1.codec, &rig->stream);
    rig->open = error == TERN_OK;
    return error;
}

size_t h1_rig_write(struct h1_rig *rig, size_t k)
{
    struct tern_codec *codec = &rig->h1.codec;
    struct iovec pieces[TERN_H1_PIECES_MAX];
    size_t writes = 0;
    int count;

    while ((count = codec->ops->pull(codec, pieces, TERN_H1_PIECES_MAX)) > 0) {
        size_t n = 0;
        for (int i = 0; i < count; i++) {
            assert_true(pieces[i].iov_len > 0);
            size_t room = k == 0 || pieces[i].iov_len < k - n ? pieces[i].iov_len : k - n;
            must(tern_buf_append(&rig->wire, pieces[i].iov_base, room));
            n += room;
            if (n == k) {
                break;
            }
        }
        codec->ops->wrote(codec, n);
        writes++;
    }
    return writes;
}

size_t h1_rig_feed_n(struct h1_rig *rig, const char *bytes, size_t len, size_t k)
{
    struct tern_codec *codec = &rig->h1.codec;
    size_t at = 0;

    while (at < len) {
        size_t n = k == 0 || len - at < k ? len - at : k;
        size_t used;
        /* A copy of its own size, so that the sanitizer sees a read beyond it and nothing can be kept. */
        uint8_t *copy = test_malloc(n);
        memcpy(copy, bytes + at, n);
        enum tern_error error = codec->ops->feed(codec, copy, n, &used);
        test_free(copy);
        assert_true(used <= n);
        tern_h1_check(&rig->h1);
        at += used;
        if (error != TERN_OK || used < n) {
            break;
        }
    }
    return at;
}

size_t h1_rig_feed(struct h1_rig *rig, const char *text)
{
    return h1_rig_feed_n(rig, text, strlen(text), 0);
}

void h1_rig_eof(struct h1_rig *rig)
{
    struct tern_fault none = {0};

    rig->h1.codec.ops->feed_end(&rig->h1.codec, &none);
    tern_h1_check(&rig->h1);
}

static const char *text_of(struct tern_buf *buf)
{
    must(tern_buf_append_byte(buf, '\0'));
    tern_buf_truncate(buf, 1);
    return buf->data + buf->head;
}

const char *h1_rig_log(struct h1_rig *rig)
{
    flush_body(rig);
    return text_of(&rig->log);
}

const char *h1_rig_wire(struct h1_rig *rig)
{
    return text_of(&rig->wire);
}

enum tern_codec_state h1_rig_state(const struct h1_rig *rig)
{
    return rig->h1.codec.ops->state(&rig->h1.codec);
}
