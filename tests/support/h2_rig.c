#include "tests/support/h2_rig.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/list.h"
#include "base/str.h"

static void must(enum tern_error error)
{
    assert_int_equal(error, TERN_OK);
}

static struct h2_peer *peer_of(struct tern_stream *stream)
{
    return TERN_CONTAINER_OF(stream, struct h2_peer, stream);
}

/* ---- events ---- */

static void flush_body(struct h2_peer *peer)
{
    if (peer->body.len != 0) {
        struct tern_str body = tern_buf_view(&peer->body);
        must(tern_buf_printf(&peer->log, "body \"%.*s\"\n", TERN_ARG(body)));
        tern_buf_clear(&peer->body);
    }
}

static void put_fields(struct tern_buf *log, const struct tern_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        must(tern_buf_printf(log, " | %.*s: %.*s", TERN_ARG(fields[i].name), TERN_ARG(fields[i].value)));
    }
    must(tern_buf_printf(log, "\n"));
}

static void begin(struct tern_stream *stream, const char *event)
{
    struct h2_peer *peer = peer_of(stream);

    assert_true(peer->open);
    flush_body(peer);
    if (peer->rig->hook != NULL) {
        peer->rig->hook(peer->rig, peer, event);
    }
}

static void put_head(struct tern_stream *stream, const char *event, const struct tern_head *head)
{
    struct h2_peer *peer = peer_of(stream);

    begin(stream, event); /* first: what is shown must outlive a cancel */
    assert_int_equal(head->version, TERN_HTTP_2);
    assert_int_equal(head->reason.len, 0);
    must(tern_buf_printf(&peer->log, "%s %u", event, head->status));
    put_fields(&peer->log, head->fields, head->field_count);
}

static void on_informational(struct tern_stream *stream, const struct tern_head *head)
{
    put_head(stream, "info", head);
}

static void on_head(struct tern_stream *stream, const struct tern_head *head)
{
    put_head(stream, "head", head);
}

static void on_body(struct tern_stream *stream, const uint8_t *data, size_t len)
{
    struct h2_peer *peer = peer_of(stream);
    struct tern_codec *codec = &peer->rig->h2.codec;

    assert_true(peer->open);
    assert_true(len > 0);
    assert_true(stream->owed_bytes <= stream->window_bytes);
    peer->body_bytes += len;
    if (!peer->quiet) {
        must(tern_buf_append(&peer->body, data, len));
    }
    if (!peer->rig->credit_by_hand) {
        codec->ops->credit(codec, stream, (uint32_t)len);
    }
    if (peer->rig->hook != NULL) {
        peer->rig->hook(peer->rig, peer, "body");
    }
}

static void on_trailers(struct tern_stream *stream, const struct tern_field *fields, size_t count)
{
    begin(stream, "trailers");
    must(tern_buf_printf(&peer_of(stream)->log, "trailers"));
    put_fields(&peer_of(stream)->log, fields, count);
}

static void on_sent(struct tern_stream *stream)
{
    begin(stream, "sent");
    must(tern_buf_printf(&peer_of(stream)->log, "sent\n"));
}

static void on_end(struct tern_stream *stream)
{
    begin(stream, "end");
    peer_of(stream)->open = false;
    must(tern_buf_printf(&peer_of(stream)->log, "end\n"));
}

static void on_error(struct tern_stream *stream, const struct tern_fault *fault, enum tern_replay replay)
{
    static const char *const names[] = {"UNSENT", "REFUSED", "STALE", "MAYBE", "ANSWERED"};
    struct h2_peer *peer = peer_of(stream);

    begin(stream, "error");
    peer->open = false;
    must(
        tern_buf_printf(&peer->log, "error %s %s \"%s\"\n", tern_error_name(fault->error), names[replay], fault->text));
}

/* ---- the source ---- */

static struct h2_peer *peer_of_source(struct tern_body_source *source)
{
    return TERN_CONTAINER_OF(source, struct h2_peer, source);
}

static enum tern_read source_peek(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why)
{
    static char much[40000];
    struct h2_peer *peer = peer_of_source(source);

    if (peer->source_bytes != 0) {
        memset(much, 'x', sizeof much);
        *view = tern_str_n(much, peer->source_bytes < sizeof much ? (size_t)peer->source_bytes : sizeof much);
        return TERN_READ_DATA;
    }
    if (peer->step == peer->step_count) {
        if (peer->source_fails) {
            tern_fault_set(why, TERN_EBODY_SOURCE, "the test's source failed");
            return TERN_READ_FAIL;
        }
        return TERN_READ_END;
    }
    if (peer->steps[peer->step] == NULL) {
        return TERN_READ_WAIT;
    }
    *view = tern_str(peer->steps[peer->step] + peer->step_used);
    return TERN_READ_DATA;
}

static void source_consume(struct tern_body_source *source, size_t bytes)
{
    struct h2_peer *peer = peer_of_source(source);

    if (peer->source_bytes != 0) {
        peer->source_bytes -= bytes;
        return;
    }
    peer->step_used += bytes;
    assert_true(peer->step_used <= strlen(peer->steps[peer->step]));
    if (peer->steps[peer->step][peer->step_used] == '\0') {
        peer->step++;
        peer->step_used = 0;
    }
}

static bool source_rewind(struct tern_body_source *source)
{
    (void)source;
    return false;
}

void h2_peer_body(struct h2_peer *peer, const char *const *steps, size_t count, uint64_t length)
{
    static const struct tern_body_source_ops ops = {source_peek, source_consume, source_rewind};

    peer->source.ops = &ops;
    peer->steps = steps;
    peer->step_count = count;
    peer->message.body = &peer->source;
    peer->message.body_length = length;
}

/* ---- streams ---- */

void h2_peer_init(struct h2_rig *rig, struct h2_peer *peer)
{
    static const struct tern_stream_events events = {on_informational, on_head, on_body, on_trailers,
                                                     on_sent,          on_end,  on_error};

    *peer = (struct h2_peer){.rig = rig};
    tern_buf_init(&peer->log, SIZE_MAX / 2);
    tern_buf_init(&peer->body, SIZE_MAX / 2);
    /* So that a test that fails allocations fails those of the codec. */
    must(tern_buf_reserve(&peer->log, 4 << 10));
    must(tern_buf_reserve(&peer->body, 4 << 10));
    peer->stream.events = &events;
    peer->stream.message = &peer->message;
    peer->stream.window_bytes = rig->h2.window_bytes;
    peer->message = (struct tern_outgoing){.method = TERN_STR("GET"),
                                           .scheme = TERN_STR("http"),
                                           .authority = TERN_STR("example.com"),
                                           .target = TERN_STR("/")};
}

void h2_peer_deinit(struct h2_peer *peer)
{
    if (peer->open) /* the codec must not find it again */
        peer->rig->h2.codec.ops->cancel(&peer->rig->h2.codec, &peer->stream);
    tern_buf_deinit(&peer->log);
    tern_buf_deinit(&peer->body);
}

enum tern_error h2_peer_submit(struct h2_peer *peer)
{
    struct tern_codec *codec = &peer->rig->h2.codec;

    assert_true(codec->ops->capacity(codec) > 0);
    tern_buf_clear(&peer->log);
    tern_buf_clear(&peer->body);
    peer->body_bytes = 0;
    enum tern_error error = codec->ops->submit(codec, &peer->stream);
    peer->open = error == TERN_OK;
    return error;
}

static const char *text_of(struct tern_buf *buf)
{
    must(tern_buf_append_byte(buf, '\0'));
    tern_buf_truncate(buf, 1);
    return buf->data + buf->head;
}

const char *h2_peer_log(struct h2_peer *peer)
{
    flush_body(peer);
    return text_of(&peer->log);
}

/* ---- the connection ---- */

void h2_rig_init(struct h2_rig *rig, const struct tern_codec_limits *limits, uint32_t window_bytes)
{
    static const struct tern_codec_limits defaults = {16 << 10, 64 << 10, 256, 16};

    *rig = (struct h2_rig){0};
    h2_ear_init(&rig->ear);
    tern_ledger_init(&rig->ledger, NULL, UINT64_MAX);
    must(tern_h2_init(&rig->h2, limits != NULL ? limits : &defaults, window_bytes != 0 ? window_bytes : 256 << 10,
                      &rig->spares, &rig->ledger));
}

void h2_rig_deinit(struct h2_rig *rig)
{
    rig->h2.codec.ops->deinit(&rig->h2.codec);
    assert_int_equal(rig->ledger.promised_bytes, 0);
    assert_int_equal(rig->ledger.held_bytes, 0);
    tern_h2_spares_deinit(&rig->spares);
    nghttp2_session_del(rig->server);
    h2_ear_deinit(&rig->ear);
}

size_t h2_rig_write(struct h2_rig *rig, size_t k)
{
    struct tern_codec *codec = &rig->h2.codec;
    struct iovec pieces[4];
    size_t writes = 0;
    int count;

    while ((count = codec->ops->pull(codec, pieces, 4)) > 0) {
        size_t n = 0;
        for (int i = 0; i < count; i++) {
            assert_true(pieces[i].iov_len > 0);
            size_t room = k == 0 || pieces[i].iov_len < k - n ? pieces[i].iov_len : k - n;
            must(tern_buf_append(&rig->ear.wire, pieces[i].iov_base, room));
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

const char *h2_rig_frames(struct h2_rig *rig)
{
    return h2_ear_frames(&rig->ear);
}

enum tern_error h2_rig_feed(struct h2_rig *rig, const struct tern_buf *bytes, size_t k)
{
    struct tern_codec *codec = &rig->h2.codec;
    enum tern_error error = TERN_OK;

    for (size_t at = 0; at < bytes->len && error == TERN_OK;) {
        size_t n = k == 0 || bytes->len - at < k ? bytes->len - at : k;
        size_t used;
        /* A copy of its own size, so that the sanitizer sees a read beyond it and nothing can be kept. */
        uint8_t *copy = test_malloc(n);
        memcpy(copy, bytes->data + bytes->head + at, n);
        error = codec->ops->feed(codec, copy, n, &used);
        test_free(copy);
        assert_int_equal(used, n);
        tern_h2_check(&rig->h2);
        at += n;
    }
    return error;
}

void h2_rig_eof(struct h2_rig *rig)
{
    struct tern_fault none = {0};

    rig->h2.codec.ops->feed_end(&rig->h2.codec, &none);
    tern_h2_check(&rig->h2);
}

/* ---- nghttp2's server ---- */

static ssize_t server_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                           nghttp2_data_source *source, void *user)
{
    size_t left = (size_t)(uintptr_t)nghttp2_session_get_stream_user_data(session, id) - 1;
    size_t n = left < length ? left : length;

    (void)source;
    (void)user;
    memset(buf, 'y', n);
    nghttp2_session_set_stream_user_data(session, id, (void *)(uintptr_t)(left - n + 1));
    if (n == left) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

static int server_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_rig *rig = user;
    nghttp2_nv nv = {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "200", 7, 3, NGHTTP2_NV_FLAG_NONE};
    nghttp2_data_provider provider = {.read_callback = server_read};

    if (frame->hd.type <= NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, (void *)(rig->server_body_bytes + 1));
        assert_int_equal(nghttp2_submit_response(session, frame->hd.stream_id, &nv, 1, &provider), 0);
    }
    return 0;
}

static int server_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                          void *user)
{
    struct h2_rig *rig = user;

    (void)session;
    (void)flags;
    (void)id;
    (void)data;
    rig->server_received += len;
    return 0;
}

void h2_rig_serve(struct h2_rig *rig, uint32_t max_streams, uint32_t window)
{
    nghttp2_settings_entry entries[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams},
                                        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    nghttp2_session_callbacks *callbacks;

    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, server_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, server_on_data);
    assert_int_equal(nghttp2_session_server_new(&rig->server, callbacks, rig), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(rig->server, 0, entries, 2), 0);
}

void h2_rig_talk(struct h2_rig *rig)
{
    bool moved = true;

    while (moved) {
        const uint8_t *data;
        size_t used;
        ssize_t n;

        moved = h2_rig_write(rig, 0) != 0;
        if (rig->ear.wire.len != 0) {
            n = nghttp2_session_mem_recv(rig->server, (const uint8_t *)rig->ear.wire.data + rig->ear.wire.head,
                                         rig->ear.wire.len);
            assert_int_equal(n, rig->ear.wire.len);
            tern_buf_clear(&rig->ear.wire);
        }
        while ((n = nghttp2_session_mem_send(rig->server, &data)) > 0) {
            must(rig->h2.codec.ops->feed(&rig->h2.codec, data, (size_t)n, &used));
            tern_h2_check(&rig->h2);
            moved = true;
        }
        assert_int_equal(n, 0);
    }
}
