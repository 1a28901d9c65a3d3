#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "proto/h2_internal.h"
#include "proto/request.h"

#include <stdio.h>

#define FRAME_HEADER_BYTES 9
#define FRAME_BYTES_MAX (FRAME_HEADER_BYTES + 16384)

/* ---- submitting ---- */

static nghttp2_nv nv_of(struct tern_str name, struct tern_str value, uint8_t flags)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                        .value = (uint8_t *)(uintptr_t)value.ptr,
                        .namelen = name.len,
                        .valuelen = value.len,
                        .flags = flags};
}

/* RFC 7541 7.1.3: a secret in the compression table can be guessed at. */
static nghttp2_nv nv_of_field(const struct tern_field *field, uint8_t flags)
{
    bool is_secret = (field->flags & TERN_FIELD_SECRET) != 0;

    return nv_of(field->name, tern_str_trim(field->value), is_secret ? flags | NGHTTP2_NV_FLAG_NO_INDEX : flags);
}

/* RFC 9113 8.2.2: what belongs to a connection is not sent. TE may say "trailers" and no more. */
static bool is_connection_field(const struct tern_field *field)
{
    static const struct tern_str names[] = {
        TERN_STR("connection"),
        TERN_STR("keep-alive"),
        TERN_STR("proxy-connection"),
        TERN_STR("transfer-encoding"),
        TERN_STR("upgrade"),
        TERN_STR("http2-settings"),
        TERN_STR("host"),
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (tern_str_ieq(field->name, names[i])) {
            return true;
        }
    }
    return tern_str_ieq(field->name, TERN_STR("te")) &&
           !tern_str_ieq(tern_str_trim(field->value), TERN_STR("trailers"));
}

/* RFC 9110 8.6: where a method has a meaning for a body, that there is none is said. */
static bool says_length(const struct tern_outgoing *message)
{
    struct tern_str method = message->method;

    if (message->body != NULL) {
        return message->body_length != TERN_LENGTH_UNKNOWN;
    }
    return tern_str_eq(method, TERN_STR("POST")) || tern_str_eq(method, TERN_STR("PUT")) ||
           tern_str_eq(method, TERN_STR("PATCH"));
}

#define FIELDS_OWN 7 /* four pseudo fields (RFC 9113 8.3.1), content-length, priority, expect */

/* nghttp2 copies neither name nor value: where a request is called off, its head is, while in nghttp2's queue. */
#define NV_LENT (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

/* digits is storage until nghttp2 has it. What may change (a priority) it copies, and what is to become lower case. */
static size_t fill_nv(nghttp2_nv *nv, const struct tern_outgoing *message, char digits[24])
{
    size_t n = 0;

    nv[n++] = nv_of(TERN_STR(":method"), message->method, NV_LENT);
    nv[n++] = nv_of(TERN_STR(":scheme"), message->scheme, NV_LENT);
    nv[n++] = nv_of(TERN_STR(":authority"), message->authority, NV_LENT);
    nv[n++] = nv_of(TERN_STR(":path"), message->target, NV_LENT);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct tern_field *field = &message->fields[i];
        if (!is_connection_field(field) && !tern_request_replaces(message, field)) {
            nv[n++] = nv_of_field(field, NGHTTP2_NV_FLAG_NO_COPY_VALUE);
        }
    }
    if (says_length(message)) {
        uint64_t length = message->body != NULL ? message->body_length : 0;
        int len = snprintf(digits, 24, "%llu", (unsigned long long)length);
        nv[n++] = nv_of(TERN_STR("content-length"), tern_str_n(digits, (size_t)len), NGHTTP2_NV_FLAG_NONE);
    }
    if (message->priority.len != 0) {
        nv[n++] = nv_of(TERN_STR("priority"), message->priority, NGHTTP2_NV_FLAG_NONE);
    }
    /* RFC 9110 10.1.1: no expectation without content. */
    if (message->expect_continue && tern_request_has_body(message)) {
        nv[n++] = nv_of(TERN_STR("expect"), TERN_STR("100-continue"), NV_LENT);
    }
    return n;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user);

enum tern_error tern_h2_submit(struct tern_codec *codec, struct tern_stream *stream)
{
    struct tern_h2 *h2 = tern_h2_of(codec);
    const struct tern_outgoing *message = stream->message;
    const nghttp2_data_provider provider = {.read_callback = read_body};
    char digits[24];

    TERN_ASSERT(codec->ops->capacity(codec) > 0 && stream->window_bytes > 0 && stream->window_bytes <= INT32_MAX);
    struct tern_h2_stream *s = tern_h2_spares_take(h2->spares);
    nghttp2_nv *nv = tern_h2_spares_nv(h2->spares, message->field_count + FIELDS_OWN);
    int32_t id = -1;
    if (s != NULL && nv != NULL) {
        size_t count = fill_nv(nv, message, digits);
        id = nghttp2_submit_request(h2->session, NULL, nv, count, tern_request_has_body(message) ? &provider : NULL, s);
    }
    if (id < 0) {
        if (s != NULL) {
            tern_h2_spares_give(h2->spares, s);
        }
        return TERN_ENOMEM; /* the stream identifiers are not used up: capacity sees to that */
    }
    stream->sent_head_bytes = stream->sent_body_bytes = 0;
    stream->received_head_bytes = stream->received_body_bytes = 0;
    stream->owed_bytes = 0;
    stream->id = id;
    stream->codec_data = s;
    s->stream = stream;
    s->id = id;
    s->on_wire = true;
    s->hold = message->expect_continue && tern_request_has_body(message);
    s->length_left = message->body != NULL ? message->body_length : 0;
    tern_list_push_back(&h2->open, &s->node);
    h2->open_count++;
    h2->wire_count++;
    if (id >= INT32_MAX - 1) {
        tern_h2_set_state(h2, TERN_CODEC_DRAIN); /* RFC 9113 5.1.1: the identifiers are used up */
    }
    return TERN_OK;
}

/* ---- the out buffer ---- */

void tern_h2_out_deinit(struct tern_h2_out *out)
{
    if (out->bytes.len != 0) {
        tern_mem_wipe(out->bytes.data, out->bytes.cap);
    }
    tern_buf_deinit(&out->bytes);
    tern_mem_free(out->marks);
    *out = (struct tern_h2_out){0};
}

/* Makes sure of room for one more frame and its mark. An empty buffer is borrowed from the spares: idle connections
 * have none. */
static bool make_room(struct tern_h2 *h2)
{
    struct tern_h2_out *out = &h2->out;

    if (out->bytes.cap == 0) {
        uint64_t written = out->written;
        *out = h2->spares->out;
        h2->spares->out = (struct tern_h2_out){0};
        tern_buf_clear(&out->bytes);
        out->filled = out->written = written;
        out->first = out->count = 0;
        out->bytes.max = SIZE_MAX / 2;
    }
    if (out->first + out->count == out->cap && out->first != 0) {
        memmove(out->marks, out->marks + out->first, out->count * sizeof *out->marks);
        out->first = 0;
    }
    if (out->count == out->cap) {
        uint32_t cap = out->cap != 0 ? out->cap * 2 : 64;
        struct tern_h2_mark *marks = tern_mem_realloc(out->marks, cap, sizeof *marks);
        if (marks == NULL) {
            return false;
        }
        out->marks = marks;
        out->cap = cap;
    }
    /* All that it will ever hold, at once. */
    size_t most = TERN_H2_OUT_BYTES + FRAME_BYTES_MAX;
    return tern_buf_reserve(&out->bytes, out->bytes.cap == 0 ? most : FRAME_BYTES_MAX) == TERN_OK;
}

static void add_mark(struct tern_h2 *h2, struct tern_h2_stream *s, size_t len, bool is_head, bool is_last)
{
    struct tern_h2_out *out = &h2->out;

    out->marks[out->first + out->count++] = (struct tern_h2_mark){
        .stream = s, .start = out->filled - len, .len = (uint32_t)len, .is_head = is_head, .is_last = is_last};
    s->marks++;
}

void tern_h2_unmark(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    struct tern_h2_out *out = &h2->out;

    for (uint32_t i = out->first; i < out->first + out->count && s->marks > 0; i++) {
        if (out->marks[i].stream == s) {
            out->marks[i].stream = NULL;
            s->marks--;
        }
    }
    if (h2->framing == s) {
        h2->framing = NULL;
    }
}

/* ---- bodies ---- */

static void fail_body(struct tern_h2 *h2, struct tern_h2_stream *s, const struct tern_fault *why)
{
    tern_h2_fail_stream(h2, s, NGHTTP2_CANCEL, why, tern_h2_replay_of(h2, s));
}

static void fail_size(struct tern_h2 *h2, struct tern_h2_stream *s, const char *how)
{
    const struct tern_outgoing *message = s->stream->message;
    struct tern_fault fault;

    tern_fault_set(&fault, TERN_EBODY_SIZE, "request body: %s than the %llu bytes announced, after %llu", how,
                   (unsigned long long)message->body_length,
                   (unsigned long long)(message->body_length - s->length_left));
    fail_body(h2, s, &fault);
}

/* What the source lends now; *view is not empty where *got is TERN_READ_DATA. False: the stream is over, since the
 * source failed, or called off its own call, or has more or less than was announced. */
static bool peek(struct tern_h2 *h2, struct tern_h2_stream *s, struct tern_str *view, enum tern_read *got)
{
    const struct tern_outgoing *message = s->stream->message;
    struct tern_fault why = {0};

    *view = (struct tern_str){0};
    *got = message->body->ops->peek(message->body, view, &why);
    if (s->stream == NULL) {
        return false;
    }
    if (*got == TERN_READ_FAIL) {
        if (why.error == TERN_OK) {
            tern_fault_plain(&why, TERN_EBODY_SOURCE);
        }
        fail_body(h2, s, &why);
        return false;
    }
    if (*got == TERN_READ_DATA && view->len == 0) {
        *got = TERN_READ_WAIT;
    }
    if (message->body_length == TERN_LENGTH_UNKNOWN) {
        return true;
    }
    if (*got == TERN_READ_DATA && view->len > s->length_left) {
        fail_size(h2, s, "longer");
        return false;
    }
    if (*got == TERN_READ_END && s->length_left != 0) {
        fail_size(h2, s, "shorter");
        return false;
    }
    return true;
}

/* Puts at most room bytes where out's next payload goes. *is_last: the body is complete with them. */
static size_t copy_body(struct tern_h2 *h2, struct tern_h2_stream *s, size_t room, bool *is_last)
{
    struct tern_body_source *source = s->stream->message->body;
    bool is_counted = s->stream->message->body_length != TERN_LENGTH_UNKNOWN;
    char *to = tern_buf_tail(&h2->out.bytes) + FRAME_HEADER_BYTES;
    size_t n = 0;

    *is_last = false;
    for (;;) {
        struct tern_str view;
        enum tern_read got;
        if (!peek(h2, s, &view, &got) || (got == TERN_READ_WAIT && (!is_counted || s->length_left != 0))) {
            return n;
        }
        if (got != TERN_READ_DATA) {
            *is_last = true;
            return n;
        }
        size_t piece = view.len < room - n ? view.len : room - n;
        if (piece == 0) {
            return n;
        }
        memcpy(to + n, view.ptr, piece);
        n += piece;
        if (is_counted) {
            s->length_left -= piece;
        }
        source->ops->consume(source, piece);
        if (s->stream == NULL) {
            return n;
        }
    }
}

/* The body is complete: its trailers are next. False: the stream is over. */
static bool submit_trailers(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    const struct tern_outgoing *message = s->stream->message;
    struct tern_fault why = {0};

    if (tern_request_trailers_check(message, &why) != TERN_OK) {
        fail_body(h2, s, &why);
        return false;
    }
    nghttp2_nv *nv = tern_h2_spares_nv(h2->spares, message->trailer_count);
    if (nv != NULL) {
        for (size_t i = 0; i < message->trailer_count; i++) {
            nv[i] = nv_of_field(&message->trailers[i], NGHTTP2_NV_FLAG_NONE);
        }
        if (nghttp2_submit_trailer(h2->session, s->id, nv, message->trailer_count) == 0) {
            return true;
        }
    }
    tern_fault_plain(&why, TERN_ENOMEM);
    fail_body(h2, s, &why);
    return false;
}

/* nghttp2 asks for the payload of a DATA frame of at most length bytes. It is copied once, from the source to where
 * send_body then puts the frame header in front of it. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s = tern_h2_find(h2, id);
    bool is_last;

    (void)session;
    (void)buf;
    (void)source;
    if (s == NULL || s->send != TERN_H2_SEND_BODY) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (h2->out.bytes.len >= TERN_H2_OUT_BYTES) {
        return NGHTTP2_ERR_PAUSE;
    }
    if (!make_room(h2)) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    size_t n = copy_body(h2, s, length < 16384 ? length : 16384, &is_last);
    if (s->stream == NULL || (n == 0 && !is_last)) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (is_last && s->stream->message->trailer_count != 0) {
        if (!submit_trailers(h2, s)) {
            return NGHTTP2_ERR_DEFERRED;
        }
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY | (is_last ? NGHTTP2_DATA_FLAG_EOF : 0u);
    return (ssize_t)n;
}

static int send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t length,
                     nghttp2_data_source *source, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s = tern_h2_find(h2, frame->hd.stream_id);
    bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    (void)session;
    (void)source;
    memcpy(tern_buf_tail(&h2->out.bytes), header, FRAME_HEADER_BYTES);
    tern_buf_commit(&h2->out.bytes, FRAME_HEADER_BYTES + length);
    h2->out.filled += FRAME_HEADER_BYTES + length;
    add_mark(h2, s, length, false, is_last);
    if (is_last) {
        tern_h2_set_send(s, TERN_H2_SEND_LAST);
    }
    h2->nuisances -= h2->nuisances < 2 ? h2->nuisances : 2;
    return 0;
}

void tern_h2_lift_hold(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    s->hold = false;
    if (s->send == TERN_H2_SEND_HOLD) {
        tern_h2_set_send(s, TERN_H2_SEND_BODY);
        if (s->on_wire && nghttp2_session_resume_data(h2->session, s->id) == NGHTTP2_ERR_NOMEM) {
            tern_h2_break_memory(h2);
        }
    }
}

/* ---- heads ---- */

static int on_before_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct tern_h2 *h2 = user;

    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        h2->framing = tern_h2_find(h2, frame->hd.stream_id);
    }
    return 0;
}

/* nghttp2 calls this as it hands out the last piece of the frame. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct tern_h2 *h2 = user;

    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        h2->is_framed = true;
    } else if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !h2->is_broken) {
        if (frame->goaway.error_code == NGHTTP2_INTERNAL_ERROR) { /* ours: a head could not be compressed */
            tern_fault_plain(&h2->fault, TERN_ENOMEM);
        } else if (h2->is_alien) {
            tern_fault_set(&h2->fault, TERN_EPROTO_VERSION, "the peer does not answer in HTTP/2");
        } else {
            tern_fault_set(&h2->fault, TERN_EPROTO, "the peer broke HTTP/2: %s%s%s",
                           nghttp2_http2_strerror(frame->goaway.error_code), h2->invalid_error != 0 ? ", " : "",
                           h2->invalid_error != 0 ? nghttp2_strerror(h2->invalid_error) : "");
        }
        tern_h2_break(h2);
    }
    return 0;
}

static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s;
    struct tern_fault fault;

    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS || (s = tern_h2_find(h2, frame->hd.stream_id)) == NULL || h2->is_broken) {
        return 0;
    }
    bool is_late = error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED || error == NGHTTP2_ERR_SESSION_CLOSING;
    tern_fault_set(&fault, is_late ? TERN_EPEER_REFUSED : TERN_ELIMIT, "the request cannot be sent over HTTP/2: %s",
                   nghttp2_strerror(error));
    if (s->send == TERN_H2_SEND_QUEUED) {
        tern_h2_fail_stream(h2, s, TERN_H2_NO_RESET, &fault, TERN_REPLAY_UNSENT);
    } else { /* trailers */
        tern_h2_fail_stream(h2, s, NGHTTP2_CANCEL, &fault, tern_h2_replay_of(h2, s));
    }
    return 0;
}

/* The head, or the trailers. */
static void head_framed(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    const struct tern_stream *stream = s->stream;

    if (s->send == TERN_H2_SEND_BODY) {
        tern_h2_set_send(s, TERN_H2_SEND_LAST);
        return;
    }
    if (!tern_request_has_body(stream->message)) {
        tern_h2_set_send(s, TERN_H2_SEND_LAST);
    } else {
        tern_h2_set_send(s, s->hold ? TERN_H2_SEND_HOLD : TERN_H2_SEND_BODY);
    }
    if (stream->window_bytes > h2->window_bytes) {
        tern_h2_grant(h2, s);
    }
    if (s->is_urged) {
        tern_list_push_back(&h2->urged, &s->urged);
    }
}

static bool take_piece(struct tern_h2 *h2, const uint8_t *data, size_t len)
{
    struct tern_h2_stream *s = h2->framing;
    bool is_framed = h2->is_framed;

    if (is_framed) {
        h2->framing = NULL;
        h2->is_framed = false;
    }
    if (!make_room(h2) || tern_buf_append(&h2->out.bytes, data, len) != TERN_OK) {
        return false;
    }
    h2->out.filled += len;
    if (s != NULL) {
        bool is_last = is_framed && (s->send == TERN_H2_SEND_BODY || !tern_request_has_body(s->stream->message));
        add_mark(h2, s, len, true, is_last);
        s->framed_bytes += (uint32_t)len;
        if (is_framed) {
            head_framed(h2, s);
        }
    }
    return true;
}

/* RFC 9218 7.1. Its payload is made when its turn comes; a stream that is gone by then needs none. */
static ssize_t pack_priority(nghttp2_session *session, uint8_t *out, size_t room, const nghttp2_frame *frame,
                             void *user)
{
    int32_t id = (int32_t)(intptr_t)frame->ext.payload;
    const struct tern_h2_stream *s = tern_h2_find(user, id);
    struct tern_str value = s != NULL ? s->stream->message->priority : TERN_STR("");

    (void)session;
    if (s == NULL || room < 4 + value.len) {
        return NGHTTP2_ERR_CANCEL;
    }
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(id >> (24 - 8 * i));
    }
    memcpy(out + 4, value.ptr, value.len);
    return (ssize_t)(4 + value.len);
}

/* Not for a peer that has said it goes by the old scheme (RFC 9218 2.1.1). As an extension:
 * nghttp2_submit_priority_update (seen in 1.52) gives memory of its allocator to free() when memory is short. */
static void tell_priorities(struct tern_h2 *h2)
{
    bool is_heard = nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES) != 0;
    struct tern_list *node;

    while ((node = tern_list_pop_front(&h2->urged)) != NULL) {
        const struct tern_h2_stream *s = TERN_CONTAINER_OF(node, struct tern_h2_stream, urged);
        if (is_heard && s->on_wire &&
            nghttp2_submit_extension(h2->session, NGHTTP2_PRIORITY_UPDATE, NGHTTP2_FLAG_NONE, 0,
                                     (void *)(intptr_t)s->id) != 0) {
            tern_h2_break_memory(h2);
        }
    }
}

void tern_h2_fill(struct tern_h2 *h2)
{
    tell_priorities(h2);
    while (h2->out.bytes.len < TERN_H2_OUT_BYTES) {
        const uint8_t *data;
        ssize_t n = nghttp2_session_mem_send(h2->session, &data);
        if (n < 0 || (n > 0 && !take_piece(h2, data, (size_t)n))) {
            tern_h2_break_memory(h2); /* nghttp2 says no other error here */
            return;
        }
        if (n == 0) {
            return;
        }
    }
}

int tern_h2_pull(struct tern_codec *codec, struct iovec *pieces, int max)
{
    struct tern_h2 *h2 = tern_h2_of(codec);
    struct tern_buf *bytes = &h2->out.bytes;

    TERN_ASSERT(max >= 1);
    (void)max;
    tern_h2_enter(h2);
    if (!h2->is_broken) {
        tern_h2_deliver(h2);
    }
    /* Refilled when empty: so what goes out does not depend on how much a write takes. */
    if (!h2->is_broken && bytes->len == 0) {
        tern_h2_fill(h2);
    }
    tern_h2_leave(h2);
    if (bytes->len == 0) {
        return 0;
    }
    pieces[0] = (struct iovec){.iov_base = bytes->data + bytes->head, .iov_len = bytes->len};
    return 1;
}

/* ---- what was written ---- */

/* Counts what was written of the mark; true: it is all written. */
static bool count_mark(struct tern_h2 *h2, struct tern_h2_mark *mark)
{
    uint64_t done = h2->out.written > mark->start ? h2->out.written - mark->start : 0;
    uint32_t upto = done < mark->len ? (uint32_t)done : mark->len;
    uint32_t fresh = upto - mark->counted;

    if (mark->is_head && fresh != 0) {
        /* A request's secrets stay in memory no longer than the request. */
        uint64_t from_end = h2->out.filled - mark->start - mark->counted;
        tern_mem_wipe(h2->out.bytes.data + h2->out.bytes.head + h2->out.bytes.len - from_end, fresh);
    }
    mark->counted = upto;
    if (mark->stream != NULL) {
        struct tern_stream *stream = mark->stream->stream;
        *(mark->is_head ? &stream->sent_head_bytes : &stream->sent_body_bytes) += fresh;
    }
    return upto == mark->len && h2->out.written >= mark->start;
}

/* An idle connection has no out buffer. */
static void give_out(struct tern_h2 *h2)
{
    struct tern_h2_spares *spares = h2->spares;
    uint64_t filled = h2->out.filled;

    if (h2->out.bytes.len != 0) {
        return;
    }
    if (spares->out.bytes.cap == 0) {
        spares->out = h2->out;
    } else {
        tern_h2_out_deinit(&h2->out);
    }
    h2->out = (struct tern_h2_out){.filled = filled, .written = filled};
}

void tern_h2_out_drop(struct tern_h2 *h2)
{
    struct tern_h2_out *out = &h2->out;

    while (out->count > 0) {
        struct tern_h2_mark *mark = &out->marks[out->first++];
        if (mark->stream != NULL) {
            mark->stream->marks--;
        }
        out->count--;
    }
    uint64_t written = out->written;
    tern_h2_out_deinit(out);
    out->filled = out->written = written;
}

void tern_h2_wrote(struct tern_codec *codec, size_t bytes)
{
    struct tern_h2 *h2 = tern_h2_of(codec);
    struct tern_h2_out *out = &h2->out;

    tern_h2_enter(h2);
    out->written += bytes;
    while (out->count > 0) {
        struct tern_h2_mark *mark = &out->marks[out->first];
        struct tern_h2_stream *s = mark->stream;
        if (!count_mark(h2, mark)) {
            break;
        }
        bool is_last = mark->is_last;
        out->first++;
        out->count--;
        if (s == NULL) {
            continue;
        }
        s->marks--;
        if (is_last) {
            tern_h2_set_send(s, TERN_H2_SEND_DONE);
            s->stream->events->on_sent(s->stream);
        }
    }
    tern_buf_consume(&out->bytes, bytes);
    give_out(h2);
    tern_h2_leave(h2);
}

void tern_h2_callbacks_send(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_body);
    nghttp2_session_callbacks_set_pack_extension_callback(callbacks, pack_priority);
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, on_before_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
}
