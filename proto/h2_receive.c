#include "base/assert.h"
#include "base/str.h"
#include "proto/h2_internal.h"

/* ---- the end of a response ---- */

static void fail_answer(struct tern_h2 *h2, struct tern_h2_stream *s, enum tern_error error, const char *format, ...)
    TERN_PRINTF(4, 5);

/* The answer is not one that can be taken. */
static void fail_answer(struct tern_h2 *h2, struct tern_h2_stream *s, enum tern_error error, const char *format, ...)
{
    struct tern_fault fault;
    va_list args;

    va_start(args, format);
    tern_fault_vset(&fault, error, format, args);
    va_end(args);
    tern_h2_fail_stream(h2, s, NGHTTP2_CANCEL, &fault, tern_h2_replay_of(h2, s));
}

static void finish(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    struct tern_stream *stream = s->stream;

    if (s->has_trailers) {
        stream->events->on_trailers(stream, s->fields, s->field_count);
        if (s->stream == NULL) {
            return;
        }
    }
    /* RFC 9113 8.1: what is left of an upload that nobody waits for is cut off. */
    tern_h2_forget(h2, s, s->send < TERN_H2_SEND_LAST ? NGHTTP2_CANCEL : TERN_H2_NO_RESET);
    stream->events->on_end(stream);
}

/* ---- bodies ---- */

static size_t window_room(const struct tern_stream *stream)
{
    return stream->owed_bytes < stream->window_bytes ? stream->window_bytes - stream->owed_bytes : 0;
}

/* Delivers as much of data as the stream may have; returns how much that was. */
static size_t deliver_some(struct tern_h2_stream *s, const uint8_t *data, size_t len)
{
    struct tern_stream *stream = s->stream;
    size_t room = s->paused ? 0 : window_room(stream);
    size_t n = len < room ? len : room;

    if (n != 0) {
        stream->owed_bytes += (uint32_t)n;
        s->is_delivering = true;
        stream->events->on_body(stream, data, n);
        s->is_delivering = false;
    }
    return n;
}

static void deliver_kept(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    while (s->kept.len != 0) {
        struct tern_str view = tern_buf_view(&s->kept);
        size_t n = deliver_some(s, (const uint8_t *)view.ptr, view.len);
        if (s->stream == NULL || n == 0) {
            return;
        }
        tern_buf_consume(&s->kept, n);
        tern_h2_unkeep(h2, n);
        tern_h2_give_stream(h2, s);
    }
    tern_buf_deinit(&s->kept);
    if (s->receive == TERN_H2_RECEIVE_ENDED && !s->paused) {
        finish(h2, s);
    }
}

void tern_h2_deliver(struct tern_h2 *h2)
{
    struct tern_list *node;

    while (!h2->is_broken && (node = tern_list_pop_front(&h2->ready)) != NULL) {
        deliver_kept(h2, TERN_CONTAINER_OF(node, struct tern_h2_stream, ready));
    }
}

/* Delivers as much as the stream may have, keeps the rest. */
static void take_body(struct tern_h2 *h2, struct tern_h2_stream *s, const uint8_t *data, size_t len)
{
    size_t n = 0, some = 1;

    s->stream->received_body_bytes += len;
    while (s->kept.len == 0 && n < len && some != 0) {
        some = deliver_some(s, data + n, len - n);
        if (s->stream == NULL) {
            return;
        }
        n += some;
    }
    if (n < len) {
        if (tern_buf_append(&s->kept, data + n, len - n) != TERN_OK) {
            fail_answer(h2, s, TERN_ENOMEM, "%s", tern_error_text(TERN_ENOMEM));
            return;
        }
        tern_h2_keep(h2, len - n);
    }
    tern_h2_give_stream(h2, s);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s = tern_h2_find(h2, id);

    (void)session;
    (void)flags;
    if (s != NULL) {
        take_body(h2, s, data, len);
    }
    return 0;
}

static void ended(struct tern_h2 *h2, struct tern_h2_stream *s, bool has_body)
{
    tern_h2_set_receive(s, TERN_H2_RECEIVE_ENDED);
    if (s->kept.len == 0 && !(s->paused && has_body)) {
        finish(h2, s);
    }
}

/* ---- heads ---- */

static int on_begin_head(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct tern_h2_stream *s = tern_h2_find(user, frame->hd.stream_id);

    (void)session;
    if (s != NULL) {
        tern_h2_fields_clear(s);
        s->head_bytes = 0;
        s->status = 0;
    }
    return 0;
}

/* Against the caps, with what the line would have in HTTP/1.1. */
static bool line_fits(struct tern_h2 *h2, struct tern_h2_stream *s, size_t name_len, size_t value_len)
{
    const struct tern_codec_limits *limits = &h2->limits;
    size_t line = name_len + value_len + 4;

    if (line > limits->head_line_bytes_max) {
        fail_answer(h2, s, TERN_EHEAD_MAX, "response field %u: longer than head_line_bytes_max %u", s->field_count + 1,
                    limits->head_line_bytes_max);
    } else if (line > limits->head_bytes_max - s->head_bytes) {
        fail_answer(h2, s, TERN_EHEAD_MAX, "response field %u: with it, more than head_bytes_max %u bytes",
                    s->field_count + 1, limits->head_bytes_max);
    } else if (s->field_count == limits->head_fields_max) {
        fail_answer(h2, s, TERN_EHEAD_MAX, "response field %u: more than head_fields_max %u", s->field_count + 1,
                    limits->head_fields_max);
    } else {
        s->head_bytes += (uint32_t)line;
        return true;
    }
    return false;
}

static bool take_status(struct tern_h2_stream *s, const uint8_t *value, size_t len)
{
    if (len != 3 || value[0] < '1' || value[0] > '9' || !tern_ascii_is_digit((char)value[1]) ||
        !tern_ascii_is_digit((char)value[2])) {
        return false;
    }
    s->status = (uint16_t)((value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0'));
    return true;
}

/* Where it answers an error the stream is over, and nghttp2 goes on with the compression state alone. */
static int on_field(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                    nghttp2_rcbuf *value_buf, uint8_t flags, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s = tern_h2_find(h2, frame->hd.stream_id);
    nghttp2_vec name = nghttp2_rcbuf_get_buf(name_buf), value = nghttp2_rcbuf_get_buf(value_buf);

    (void)session;
    (void)flags;
    if (s == NULL || frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    if (name.len > 0 && name.base[0] == ':') { /* nghttp2 lets pass only :status, once and first (RFC 9113 8.3.2) */
        if (take_status(s, value.base, value.len)) {
            return 0;
        }
        fail_answer(h2, s, TERN_EPROTO, "the response has no status code of 100 to 999");
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (!line_fits(h2, s, name.len, value.len)) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (!tern_h2_field_add(s, name_buf, value_buf)) {
        fail_answer(h2, s, TERN_ENOMEM, "%s", tern_error_text(TERN_ENOMEM));
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

/* RFC 9113 8.2.1: a field with characters that it may not have makes the answer malformed. nghttp2 would leave it
 * out. */
static int on_invalid_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                            const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s = tern_h2_find(h2, frame->hd.stream_id);
    char text[TERN_ESCAPE_MAX];

    (void)session;
    (void)value;
    (void)value_len;
    (void)flags;
    if (s != NULL) {
        fail_answer(h2, s, TERN_EPROTO,
                    "response field \"%s\": the name or the value has characters that it may not have",
                    tern_escape(text, sizeof text, tern_str_n((const char *)name, name_len)));
    }
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static struct tern_head head_of(struct tern_h2_stream *s)
{
    return (struct tern_head){.status = s->status,
                              .version = TERN_HTTP_2,
                              .reason = TERN_STR(""),
                              .fields = s->fields,
                              .field_count = s->field_count};
}

static void take_informational(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    struct tern_head head = head_of(s);

    if (s->informational == h2->limits.informational_max) {
        fail_answer(h2, s, TERN_EHEAD_MAX, "more than informational_max %u informational responses",
                    h2->limits.informational_max);
        return;
    }
    s->informational++;
    if (s->status == 100) {
        tern_h2_lift_hold(h2, s);
    }
    s->stream->events->on_informational(s->stream, &head);
}

static void take_final(struct tern_h2 *h2, struct tern_h2_stream *s, bool is_end)
{
    struct tern_head head = head_of(s);

    h2->nuisances -= h2->nuisances != 0;
    tern_h2_set_receive(s, TERN_H2_RECEIVE_BODY);
    /* Not an error, and not 100 either: the peer may well read the body yet, and a stream that it does not want it can
     * reset. From 300 on nobody wants it. */
    if (s->status < 300) {
        tern_h2_lift_hold(h2, s);
    }
    s->stream->events->on_head(s->stream, &head);
    if (is_end && s->stream != NULL) {
        ended(h2, s, false);
    }
}

static void take_head(struct tern_h2 *h2, struct tern_h2_stream *s, bool is_end)
{
    if (s->receive != TERN_H2_RECEIVE_HEAD) { /* nghttp2 has seen to END_STREAM */
        s->has_trailers = true;
        ended(h2, s, true);
    } else if (s->status < 200) {
        take_informational(h2, s);
    } else {
        take_final(h2, s, is_end);
    }
}

/* ---- how streams end otherwise ---- */

static void refuse(struct tern_h2 *h2, struct tern_h2_stream *s, enum tern_replay replay)
{
    struct tern_fault fault;

    tern_fault_set(&fault, TERN_EPEER_REFUSED, "the peer took no more streams (GOAWAY %s%s%s): not processed",
                   nghttp2_http2_strerror(h2->goaway_code), h2->goaway_text[0] != '\0' ? ", " : "", h2->goaway_text);
    tern_h2_fail_stream(h2, s, replay == TERN_REPLAY_UNSENT ? NGHTTP2_CANCEL : TERN_H2_NO_RESET, &fault, replay);
}

/* RFC 9113 6.8. The streams behind the last identifier were not and will not be processed; those that are not framed
 * yet never will be. The rest may finish. */
static void take_goaway(struct tern_h2 *h2, const nghttp2_goaway *goaway)
{
    struct tern_list refused;

    h2->got_goaway = true;
    h2->goaway_code = goaway->error_code;
    tern_escape(h2->goaway_text, sizeof h2->goaway_text,
                tern_str_n((const char *)goaway->opaque_data, goaway->opaque_data_len));
    if (h2->state == TERN_CODEC_OPEN) {
        tern_h2_set_state(h2, h2->open_count != 0 ? TERN_CODEC_DRAIN : TERN_CODEC_CLOSED);
    }
    tern_list_init(&refused);
    TERN_LIST_FOREACH(at, &h2->open) {
        const struct tern_h2_stream *s = TERN_CONTAINER_OF(at, struct tern_h2_stream, node);
        if (s->on_wire && s->receive == TERN_H2_RECEIVE_HEAD && s->stream->received_head_bytes == 0 &&
            (s->id > goaway->last_stream_id || s->framed_bytes == 0)) {
            tern_list_remove(at);
            tern_list_push_back(&refused, at);
        }
    }
    while (!tern_list_is_empty(&refused)) {
        struct tern_h2_stream *s = TERN_CONTAINER_OF(refused.next, struct tern_h2_stream, node);
        refuse(h2, s, s->framed_bytes == 0 ? TERN_REPLAY_UNSENT : TERN_REPLAY_REFUSED);
    }
}

static void take_reset(struct tern_h2 *h2, struct tern_h2_stream *s, uint32_t code)
{
    enum tern_replay replay = tern_h2_replay_of(h2, s);
    struct tern_fault fault;

    if (code == NGHTTP2_REFUSED_STREAM && replay != TERN_REPLAY_ANSWERED) { /* RFC 9113 8.7 */
        tern_fault_plain(&fault, TERN_EPEER_REFUSED);
        replay = TERN_REPLAY_REFUSED;
    } else if (code == NGHTTP2_HTTP_1_1_REQUIRED) {
        tern_fault_set(&fault, TERN_EPROTO_VERSION, "the peer wants HTTP/1.1 for this request (HTTP_1_1_REQUIRED)");
    } else {
        tern_fault_set(&fault, TERN_EPEER_RESET, "the peer reset the stream: %s (%u)", nghttp2_http2_strerror(code),
                       code);
    }
    tern_h2_fail_stream(h2, s, TERN_H2_NO_RESET, &fault, replay);
}

/* nghttp2 itself has reset the stream: the answer broke a rule. */
static void take_refusal(struct tern_h2 *h2, struct tern_h2_stream *s, uint32_t code)
{
    if (h2->invalid_error != 0 && h2->invalid_id == s->id) {
        fail_answer(h2, s, TERN_EPROTO, "the response broke HTTP/2 (%s): %s", nghttp2_http2_strerror(code),
                    nghttp2_strerror(h2->invalid_error));
    } else {
        fail_answer(h2, s, TERN_EPROTO, "the response broke HTTP/2 (%s) after %llu bytes of its body: %s",
                    nghttp2_http2_strerror(code), (unsigned long long)s->stream->received_body_bytes,
                    "no body is allowed there, or it is not as long as announced");
    }
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s = tern_h2_find(h2, id);

    (void)session;
    if (s == NULL) {
        return 0;
    }
    s->on_wire = false;
    h2->wire_count--;
    h2->last = NULL;
    if (s->receive == TERN_H2_RECEIVE_ENDED || h2->is_broken) {
        return 0; /* what is complete is delivered yet */
    }
    if (s->peer_reset) {
        take_reset(h2, s, code);
    } else if (h2->got_goaway && code == NGHTTP2_REFUSED_STREAM) {
        fail_answer(h2, s, TERN_EPROTO, "the peer answers a stream that its GOAWAY had refused");
    } else {
        take_refusal(h2, s, code);
    }
    return 0;
}

/* ---- frames ---- */

static int flooded(struct tern_h2 *h2, const char *what)
{
    h2->flood = what;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int count_nuisance(struct tern_h2 *h2, const char *what)
{
    return ++h2->nuisances > TERN_H2_NUISANCE_MAX ? flooded(h2, what) : 0;
}

/* Counts heads and bodies; those of streams that are over apart. */
static int count_message(struct tern_h2 *h2, const nghttp2_frame_hd *hd, const struct tern_h2_stream *s)
{
    if (hd->type != NGHTTP2_CONTINUATION) {
        h2->heard++;
        h2->continuations = 0;
    } else if (++h2->continuations > TERN_H2_CONTINUATIONS_MAX) {
        return flooded(h2, "CONTINUATION frames");
    }
    if (s == NULL) {
        h2->late_frames++;
        return ++h2->late > TERN_H2_LATE_MAX ? flooded(h2, "frames for streams that are over") : 0;
    }
    return 0;
}

/* nghttp2 reads this frame: none comes behind what broke the connection. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    const struct tern_h2_stream *s = tern_h2_find(user, hd->stream_id);

    (void)session;
    if (s != NULL && (hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION)) {
        s->stream->received_head_bytes += 9 + hd->length;
    }
    return 0;
}

/* Every frame passes here, those too that nghttp2 leaves out in silence. 0: go on. */
static int count_frame(struct tern_h2 *h2, const nghttp2_frame_hd *hd)
{
    const struct tern_h2_stream *s = tern_h2_find(h2, hd->stream_id);

    switch (hd->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        return count_message(h2, hd, s);
    case NGHTTP2_RST_STREAM:
        return s == NULL ? count_nuisance(h2, "RST_STREAM frames") : 0;
    case NGHTTP2_SETTINGS:
        return (hd->flags & NGHTTP2_FLAG_ACK) == 0 ? count_nuisance(h2, "SETTINGS frames") : 0;
    case NGHTTP2_PING:
        return (hd->flags & NGHTTP2_FLAG_ACK) == 0 || !tern_h2_ping_unanswered(h2) ? count_nuisance(h2, "PING frames")
                                                                                   : 0;
    case NGHTTP2_WINDOW_UPDATE:
        return count_nuisance(h2, "WINDOW_UPDATE frames");
    default:
        return count_nuisance(h2, "frames of other types");
    }
}

static int take_data(struct tern_h2 *h2, const nghttp2_frame *frame)
{
    struct tern_h2_stream *s = tern_h2_find(h2, frame->hd.stream_id);

    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        if (s != NULL) {
            ended(h2, s, true);
        }
        return 0;
    }
    return frame->hd.length <= frame->data.padlen ? count_nuisance(h2, "empty DATA frames") : 0;
}

static void take_settings_ack(struct tern_h2 *h2)
{
    h2->settings_acked = true;
    TERN_LIST_FOREACH(node, &h2->open) {
        const struct tern_h2_stream *s = TERN_CONTAINER_OF(node, struct tern_h2_stream, node);
        if (s->stream->window_bytes > h2->window_bytes) {
            tern_h2_grant(h2, s);
        }
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct tern_h2 *h2 = user;
    struct tern_h2_stream *s;

    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        return take_data(h2, frame);
    case NGHTTP2_HEADERS:
        s = tern_h2_find(h2, frame->hd.stream_id);
        if (s != NULL) {
            take_head(h2, s, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
        }
        return 0;
    case NGHTTP2_RST_STREAM:
        s = tern_h2_find(h2, frame->hd.stream_id);
        if (s != NULL) {
            s->peer_reset = true; /* on_close follows */
        }
        return 0;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            take_settings_ack(h2);
        }
        return 0;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            h2->pings_acked = h2->pings_sent;
        }
        return 0;
    case NGHTTP2_GOAWAY:
        take_goaway(h2, &frame->goaway);
        return 0;
    default:
        return 0;
    }
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    struct tern_h2 *h2 = user;

    (void)session;
    h2->invalid_id = frame->hd.stream_id;
    h2->invalid_error = error;
    return 0;
}

static int on_complaint(nghttp2_session *session, int error, const char *text, size_t len, void *user)
{
    struct tern_h2 *h2 = user;

    (void)session;
    (void)text;
    (void)len;
    h2->is_alien |= error == NGHTTP2_ERR_SETTINGS_EXPECTED;
    return 0;
}

void tern_h2_callbacks_receive(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_head);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_field);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_complaint);
}

/* ---- the codec's functions ---- */

/* RFC 9113 4.1. 0: go on. */
static int begin_frame(struct tern_h2 *h2)
{
    const uint8_t *p = h2->frame_header;
    nghttp2_frame_hd hd = {.length = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2],
                           .type = p[3],
                           .flags = p[4],
                           .stream_id = (p[5] & 127) << 24 | p[6] << 16 | p[7] << 8 | p[8]};

    h2->frame_header_len = 0;
    h2->frame_left = (uint32_t)hd.length;
    return count_frame(h2, &hd);
}

/* Gives nghttp2 what there is of one frame, at most len bytes; returns how many that were, or an error of its kind.
 * Frame headers go in whole: nghttp2's limit on CONTINUATION counts each piece of one. */
static ssize_t feed_frame(struct tern_h2 *h2, const uint8_t *data, size_t len)
{
    size_t n = 0;

    if (h2->frame_left == 0) {
        bool is_split = h2->frame_header_len != 0;
        n = sizeof h2->frame_header - h2->frame_header_len;
        n = n < len ? n : len;
        memcpy(h2->frame_header + h2->frame_header_len, data, n);
        h2->frame_header_len += (uint8_t)n;
        if (h2->frame_header_len < sizeof h2->frame_header) {
            return (ssize_t)n;
        }
        if (begin_frame(h2) != 0) {
            return NGHTTP2_ERR_FLOODED;
        }
        if (is_split) {
            ssize_t error = nghttp2_session_mem_recv(h2->session, h2->frame_header, sizeof h2->frame_header);
            return error < 0 ? error : (ssize_t)n;
        }
    }
    size_t payload = len - n < h2->frame_left ? len - n : h2->frame_left;
    h2->frame_left -= (uint32_t)payload;
    n += payload;
    return nghttp2_session_mem_recv(h2->session, data, n);
}

/* What mem_recv answers where nghttp2 has not seen to a GOAWAY itself. */
static void refuse_input(struct tern_h2 *h2, ssize_t error)
{
    if (error == NGHTTP2_ERR_NOMEM || (error == NGHTTP2_ERR_CALLBACK_FAILURE && h2->flood == NULL)) {
        tern_h2_break_memory(h2);
        return;
    }
    if (h2->is_broken) {
        return;
    }
    tern_fault_set(&h2->fault, TERN_EPROTO, "the peer sent too many %s",
                   h2->flood != NULL ? h2->flood : "frames that ask for an answer");
    tern_h2_break(h2);
    (void)nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

enum tern_error tern_h2_feed(struct tern_codec *codec, const uint8_t *data, size_t len, size_t *used)
{
    struct tern_h2 *h2 = tern_h2_of(codec);

    *used = len;
    if (h2->state == TERN_CODEC_CLOSED || h2->is_broken || len == 0) {
        return h2->fault.error;
    }
    tern_h2_enter(h2);
    ssize_t n = 0;
    for (size_t at = 0; at < len && n >= 0; at += (size_t)n) {
        n = feed_frame(h2, data + at, len - at);
    }
    if (n >= 0 && nghttp2_session_get_outbound_queue_size(h2->session) > TERN_H2_QUEUE_MAX) {
        n = NGHTTP2_ERR_FLOODED;
    }
    if (n < 0) {
        refuse_input(h2, n);
    }
    if (!h2->is_broken) {
        tern_h2_deliver(h2);
    }
    /* A peer that broke the protocol is known by the GOAWAY that nghttp2 has for it. Where none can be, requests are
     * left for the pull, so that what is not written can be sent again. */
    if (h2->state != TERN_CODEC_OPEN || nghttp2_session_check_request_allowed(h2->session) == 0) {
        tern_h2_fill(h2);
    }
    tern_h2_leave(h2);
    return h2->fault.error;
}

static void cut_off(struct tern_h2 *h2, const struct tern_stream *stream, struct tern_fault *fault)
{
    if (stream->received_head_bytes != 0) {
        tern_fault_set(fault, TERN_EPEER_TRUNCATED,
                       "the peer closed the connection after %llu bytes of the body, before the stream's end",
                       (unsigned long long)stream->received_body_bytes);
    } else if (h2->got_goaway) {
        tern_fault_set(fault, TERN_EPEER_EMPTY, "the peer closed the connection without an answer (GOAWAY %s%s%s)",
                       nghttp2_http2_strerror(h2->goaway_code), h2->goaway_text[0] != '\0' ? ", " : "",
                       h2->goaway_text);
    } else {
        tern_fault_plain(fault, TERN_EPEER_EMPTY);
    }
}

void tern_h2_feed_end(struct tern_codec *codec, const struct tern_fault *reason)
{
    struct tern_h2 *h2 = tern_h2_of(codec);

    if (h2->state == TERN_CODEC_CLOSED) {
        return;
    }
    tern_h2_enter(h2);
    if (!h2->is_broken) {
        h2->fault = *reason;
    }
    h2->is_broken = true;
    tern_h2_out_drop(h2); /* nothing more can be written */
    tern_h2_set_state(h2, TERN_CODEC_DRAIN);
    while (!tern_list_is_empty(&h2->open)) {
        struct tern_h2_stream *s = TERN_CONTAINER_OF(h2->open.next, struct tern_h2_stream, node);
        struct tern_fault fault = h2->fault;
        /* Cut off below (TLS without its close_notify) before the answer began is still no answer. */
        if (fault.error == TERN_OK || (fault.error == TERN_EPEER_TRUNCATED && s->stream->received_head_bytes == 0)) {
            cut_off(h2, s->stream, &fault);
        }
        tern_h2_fail_stream(h2, s, TERN_H2_NO_RESET, &fault, tern_h2_replay_of(h2, s));
    }
    tern_h2_leave(h2);
}
