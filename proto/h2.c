#include "proto/h2.h"

#include "base/assert.h"
#include "base/mem.h"
#include "proto/h2_internal.h"
#include "proto/request.h"

#define BIT(n) (1u << (n))

/* Legal successors. */
static const uint8_t send_next[TERN_H2_SEND_COUNT] = {
    [TERN_H2_SEND_QUEUED] = BIT(TERN_H2_SEND_HOLD) | BIT(TERN_H2_SEND_BODY) | BIT(TERN_H2_SEND_LAST),
    [TERN_H2_SEND_HOLD] = BIT(TERN_H2_SEND_BODY),
    [TERN_H2_SEND_BODY] = BIT(TERN_H2_SEND_LAST),
    [TERN_H2_SEND_LAST] = BIT(TERN_H2_SEND_DONE),
    [TERN_H2_SEND_DONE] = 0,
};

static const uint8_t receive_next[TERN_H2_RECEIVE_COUNT] = {
    [TERN_H2_RECEIVE_HEAD] = BIT(TERN_H2_RECEIVE_BODY),
    [TERN_H2_RECEIVE_BODY] = BIT(TERN_H2_RECEIVE_ENDED),
    [TERN_H2_RECEIVE_ENDED] = 0,
};

void tern_h2_set_send(struct tern_h2_stream *s, enum tern_h2_send next)
{
    TERN_ASSERT(send_next[s->send] & BIT(next));
    s->send = next;
}

void tern_h2_set_receive(struct tern_h2_stream *s, enum tern_h2_receive next)
{
    TERN_ASSERT(receive_next[s->receive] & BIT(next));
    s->receive = next;
}

void tern_h2_set_state(struct tern_h2 *h2, enum tern_codec_state next)
{
    TERN_ASSERT(next >= h2->state);
    h2->state = next;
}

void tern_h2_check(const struct tern_h2 *h2)
{
#ifndef NDEBUG
    uint32_t open = 0, wire = 0;
    uint64_t kept = 0;

    TERN_LIST_FOREACH(node, &h2->open) {
        const struct tern_h2_stream *s = TERN_CONTAINER_OF(node, struct tern_h2_stream, node);
        bool waits = s->paused || s->stream->owed_bytes >= s->stream->window_bytes || tern_list_is_linked(&s->ready);
        TERN_ASSERT(s->stream != NULL && s->stream->codec_data == s);
        TERN_ASSERT(s->kept.len == 0 || waits);
        open++;
        wire += s->on_wire;
        kept += s->kept.len;
    }
    TERN_ASSERT(open == h2->open_count && wire == h2->wire_count);
    TERN_ASSERT(h2->last == NULL || (h2->last->stream != NULL && h2->last->on_wire));
    TERN_ASSERT(h2->state != TERN_CODEC_CLOSED || open == 0);
    TERN_ASSERT(kept == h2->kept_bytes && h2->debt_bytes <= kept);
    TERN_ASSERT(h2->out.filled - h2->out.written == h2->out.bytes.len);
    uint64_t at = h2->out.written;
    for (uint32_t i = h2->out.first; i < h2->out.first + h2->out.count; i++) {
        const struct tern_h2_mark *mark = &h2->out.marks[i];
        TERN_ASSERT(mark->start + mark->len > at || mark->len == 0);
        at = mark->start + mark->len;
    }
    TERN_ASSERT(at <= h2->out.filled);
#endif
    (void)h2;
}

/* ---- streams ---- */

struct tern_h2_stream *tern_h2_look_up(struct tern_h2 *h2, int32_t id)
{
    h2->last = nghttp2_session_get_stream_user_data(h2->session, id);
    return h2->last;
}

/* What is in the out buffer goes out, whatever becomes of its stream: later heads are compressed against it. So it
 * counts as sent. */
static void count_framed(const struct tern_h2 *h2, const struct tern_h2_stream *s)
{
    if (h2->out.bytes.len != 0) {
        s->stream->sent_head_bytes = s->framed_bytes;
    }
}

enum tern_replay tern_h2_replay_of(const struct tern_h2 *h2, const struct tern_h2_stream *s)
{
    const struct tern_stream *stream = s->stream;

    count_framed(h2, s);
    if (stream->received_head_bytes > 0) {
        return TERN_REPLAY_ANSWERED;
    }
    return stream->sent_head_bytes > 0 ? TERN_REPLAY_MAYBE : TERN_REPLAY_UNSENT;
}

void tern_h2_forget(struct tern_h2 *h2, struct tern_h2_stream *s, uint32_t code)
{
    TERN_ASSERT(s->stream != NULL);
    s->stream->codec_data = NULL;
    s->stream = NULL;
    tern_h2_unkeep(h2, s->kept.len);
    tern_h2_unmark(h2, s);
    tern_list_remove(&s->ready);
    tern_list_remove(&s->urged);
    tern_list_remove(&s->node);
    tern_list_push_back(&h2->graves, &s->node);
    h2->open_count--;
    if (h2->last == s) {
        h2->last = NULL;
    }
    if (s->on_wire) {
        h2->wire_count--;
        nghttp2_session_set_stream_user_data(h2->session, s->id, NULL);
        /* What is queued is called off in any case: nghttp2 may come to it yet, and the request is gone. */
        if (code != TERN_H2_NO_RESET && (!h2->is_broken || s->send == TERN_H2_SEND_QUEUED) &&
            nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, s->id, code) != 0) {
            tern_h2_break_memory(h2);
        }
    }
    if (h2->open_count == 0 && h2->state == TERN_CODEC_DRAIN) {
        tern_h2_set_state(h2, TERN_CODEC_CLOSED);
    }
}

void tern_h2_fail_stream(struct tern_h2 *h2, struct tern_h2_stream *s, uint32_t code, const struct tern_fault *fault,
                         enum tern_replay replay)
{
    struct tern_stream *stream = s->stream;

    tern_h2_forget(h2, s, code);
    stream->events->on_error(stream, fault, replay);
}

/* ---- what is kept ---- */

/* Opens a window again, of which the peer could have free_bytes, by those of them that it does not know of (negative:
 * it knows of more). A quarter is worth a frame: so three quarters are always the peer's. (nghttp2's own half would
 * make that one half.) */
static void give_back(struct tern_h2 *h2, int32_t id, int64_t back, int64_t free_bytes)
{
    if (back > 0 && back >= free_bytes / 4 &&
        nghttp2_submit_window_update(h2->session, NGHTTP2_FLAG_NONE, id, (int32_t)back) != 0) {
        tern_h2_break_memory(h2);
    }
}

void tern_h2_give_stream(struct tern_h2 *h2, const struct tern_h2_stream *s)
{
    if (s->on_wire && s->receive != TERN_H2_RECEIVE_ENDED && !s->is_delivering && !h2->is_broken) {
        int64_t received = nghttp2_session_get_stream_effective_recv_data_length(h2->session, s->id);
        int64_t used = s->stream->owed_bytes + (int64_t)s->kept.len;
        give_back(h2, s->id, received - used, s->stream->window_bytes - used);
    }
}

/* Outside of events alone: what is received and neither kept nor delivered is in nobody's books. */
static void give_connection(struct tern_h2 *h2)
{
    uint64_t room = tern_ledger_room(h2->ledger);
    uint64_t repaid = h2->debt_bytes < room ? h2->debt_bytes : room;

    h2->debt_bytes -= repaid;
    tern_ledger_promise(h2->ledger, repaid);
    give_back(h2, 0, nghttp2_session_get_effective_recv_data_length(h2->session) - (int64_t)h2->debt_bytes,
              h2->connection_window_bytes - (int64_t)h2->debt_bytes);
}

void tern_h2_keep(struct tern_h2 *h2, size_t bytes)
{
    tern_ledger_revoke(h2->ledger, bytes);
    tern_ledger_hold(h2->ledger, bytes);
    h2->kept_bytes += bytes;
    h2->debt_bytes += bytes;
}

void tern_h2_unkeep(struct tern_h2 *h2, size_t bytes)
{
    tern_ledger_drop(h2->ledger, bytes);
    h2->kept_bytes -= bytes;
    if (h2->debt_bytes > h2->kept_bytes) { /* it went, so it makes its own room */
        tern_ledger_promise(h2->ledger, h2->debt_bytes - h2->kept_bytes);
        h2->debt_bytes = h2->kept_bytes;
    }
}

/* ---- the connection ---- */

void tern_h2_break(struct tern_h2 *h2)
{
    TERN_ASSERT(h2->fault.error != TERN_OK || h2->is_broken);
    h2->is_broken = true;
}

void tern_h2_break_memory(struct tern_h2 *h2)
{
    if (!h2->is_broken) {
        tern_fault_plain(&h2->fault, TERN_ENOMEM);
        tern_h2_break(h2);
    }
}

void tern_h2_enter(struct tern_h2 *h2)
{
    h2->depth++;
}

static void fail_all(struct tern_h2 *h2)
{
    while (!tern_list_is_empty(&h2->open)) {
        struct tern_h2_stream *s = TERN_CONTAINER_OF(h2->open.next, struct tern_h2_stream, node);
        tern_h2_fail_stream(h2, s, TERN_H2_NO_RESET, &h2->fault, tern_h2_replay_of(h2, s));
    }
    tern_h2_set_state(h2, TERN_CODEC_CLOSED);
}

static void bury(struct tern_h2 *h2)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(&h2->graves)) != NULL) {
        tern_h2_spares_give(h2->spares, TERN_CONTAINER_OF(node, struct tern_h2_stream, node));
    }
}

void tern_h2_leave(struct tern_h2 *h2)
{
    if (h2->depth == 1 && h2->is_broken && h2->state != TERN_CODEC_CLOSED) {
        tern_h2_set_state(h2, TERN_CODEC_DRAIN); /* below the events nothing more is taken */
        fail_all(h2);
    }
    if (h2->depth == 1 && !h2->is_broken) {
        give_connection(h2);
    }
    if (--h2->depth == 0) {
        bury(h2);
        tern_h2_check(h2);
    }
}

static void cancel(struct tern_codec *codec, struct tern_stream *stream)
{
    struct tern_h2 *h2 = tern_h2_of(codec);
    struct tern_h2_stream *s = stream->codec_data;

    if (s == NULL) {
        return;
    }
    count_framed(h2, s);
    tern_h2_forget(h2, s, NGHTTP2_CANCEL);
    if (h2->depth == 0) {
        bury(h2);
        if (!h2->is_broken) {
            give_connection(h2);
        }
    }
}

/* Whoever has bytes or an end waiting, and may have them now, gets them in the next pull or feed. */
static void make_ready(struct tern_h2 *h2, struct tern_h2_stream *s)
{
    if (!s->paused && (s->kept.len != 0 || s->receive == TERN_H2_RECEIVE_ENDED) && !tern_list_is_linked(&s->ready)) {
        tern_list_push_back(&h2->ready, &s->ready);
    }
}

static void credit(struct tern_codec *codec, struct tern_stream *stream, uint32_t bytes)
{
    struct tern_h2 *h2 = tern_h2_of(codec);
    struct tern_h2_stream *s = stream->codec_data;

    TERN_ASSERT(bytes <= stream->owed_bytes);
    stream->owed_bytes -= bytes;
    if (s == NULL || h2->is_broken) {
        return;
    }
    tern_h2_give_stream(h2, s);
    make_ready(h2, s);
}

static void pause_body(struct tern_codec *codec, struct tern_stream *stream, bool paused)
{
    struct tern_h2_stream *s = stream->codec_data;

    if (s != NULL) {
        s->paused = paused;
        make_ready(tern_h2_of(codec), s);
    }
}

static void body_ready(struct tern_codec *codec, struct tern_stream *stream)
{
    struct tern_h2 *h2 = tern_h2_of(codec);
    const struct tern_h2_stream *s = stream->codec_data;

    /* Where nothing was deferred, nghttp2 refuses and nothing is lost. */
    if (s != NULL && s->on_wire && s->send == TERN_H2_SEND_BODY && !h2->is_broken &&
        nghttp2_session_resume_data(h2->session, s->id) == NGHTTP2_ERR_NOMEM) {
        tern_h2_break_memory(h2);
    }
}

static void continue_body(struct tern_codec *codec, struct tern_stream *stream)
{
    if (stream->codec_data != NULL) {
        tern_h2_lift_hold(tern_h2_of(codec), stream->codec_data);
    }
}

/* Told when something is written, so a user who changes his mind often costs the peer one frame. */
static void priority_changed(struct tern_codec *codec, struct tern_stream *stream)
{
    struct tern_h2 *h2 = tern_h2_of(codec);
    struct tern_h2_stream *s = stream->codec_data;

    if (s == NULL || h2->is_broken) {
        return;
    }
    if (s->send == TERN_H2_SEND_QUEUED) {
        s->is_urged = true; /* behind its head: of a stream that is idle yet, the peer would have to keep it */
    } else if (!tern_list_is_linked(&s->urged)) {
        tern_list_push_back(&h2->urged, &s->urged);
    }
}

static bool wants_input(const struct tern_codec *codec)
{
    return ((const struct tern_h2 *)codec)->state != TERN_CODEC_CLOSED;
}

static uint32_t capacity(const struct tern_codec *codec)
{
    const struct tern_h2 *h2 = (const struct tern_h2 *)codec;

    if (h2->state != TERN_CODEC_OPEN || h2->is_broken) {
        return 0;
    }
    /* 100 until the peer's SETTINGS are here. */
    uint32_t max = nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    uint32_t of_peer = max > h2->wire_count ? max - h2->wire_count : 0;
    uint32_t own = TERN_H2_STREAMS_MAX > h2->open_count ? TERN_H2_STREAMS_MAX - h2->open_count : 0;
    return of_peer < own ? of_peer : own;
}

static enum tern_codec_state state(const struct tern_codec *codec)
{
    return ((const struct tern_h2 *)codec)->state;
}

static uint64_t idle_hint_ns(const struct tern_codec *codec)
{
    (void)codec;
    return 0;
}

static void deinit(struct tern_codec *codec)
{
    struct tern_h2 *h2 = tern_h2_of(codec);

    while (!tern_list_is_empty(&h2->open)) {
        tern_h2_forget(h2, TERN_CONTAINER_OF(h2->open.next, struct tern_h2_stream, node), TERN_H2_NO_RESET);
    }
    bury(h2);
    tern_ledger_revoke(h2->ledger, h2->connection_window_bytes - h2->debt_bytes);
    tern_h2_blocks_free(h2);
    h2->session = NULL;
    h2->is_broken = true;
    h2->state = TERN_CODEC_CLOSED;
    tern_h2_out_deinit(&h2->out);
}

/* ---- what only HTTP/2 has ---- */

void tern_h2_ping(struct tern_h2 *h2)
{
    if (h2->state == TERN_CODEC_CLOSED || h2->is_broken || !tern_h2_may_ping(h2)) {
        return;
    }
    if (nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL) != 0) {
        tern_h2_break_memory(h2);
        return;
    }
    h2->pings_sent++;
    h2->heard_at_ping = h2->heard;
}

void tern_h2_calm(struct tern_h2 *h2)
{
    h2->nuisances = 0;
    h2->late = 0;
}

void tern_h2_grant(struct tern_h2 *h2, const struct tern_h2_stream *s)
{
    /* nghttp2 counts in the announced window only once it is acknowledged; the end of a body needs none any more. */
    if (!h2->settings_acked || !s->on_wire || s->send == TERN_H2_SEND_QUEUED || s->receive == TERN_H2_RECEIVE_ENDED) {
        return;
    }
    int32_t bytes = (int32_t)s->stream->window_bytes;
    if (nghttp2_session_get_stream_effective_local_window_size(h2->session, s->id) < bytes &&
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, s->id, bytes) != 0) {
        tern_h2_break_memory(h2);
    }
}

/* Answers nghttp2's error, or 0. */
static int widen_connection(struct tern_h2 *h2, uint32_t bytes)
{
    uint64_t room = tern_ledger_room(h2->ledger);

    if (bytes <= h2->connection_window_bytes || room == 0) {
        return 0;
    }
    uint32_t more = bytes - h2->connection_window_bytes;
    more = room < more ? (uint32_t)room : more;
    h2->connection_window_bytes += more;
    tern_ledger_promise(h2->ledger, more);
    return nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)h2->connection_window_bytes);
}

void tern_h2_widen(struct tern_h2 *h2, struct tern_stream *stream, uint32_t bytes)
{
    TERN_ASSERT(bytes <= INT32_MAX);
    if (h2->is_broken) {
        return;
    }
    if (stream != NULL) {
        if (stream->codec_data != NULL && bytes > stream->window_bytes) {
            stream->window_bytes = bytes;
            tern_h2_grant(h2, stream->codec_data);
        }
    } else if (widen_connection(h2, bytes) != 0) {
        tern_h2_break_memory(h2);
    }
}

void tern_h2_shutdown(struct tern_h2 *h2)
{
    if (h2->state != TERN_CODEC_OPEN || h2->is_broken) {
        return;
    }
    tern_h2_set_state(h2, h2->open_count != 0 ? TERN_CODEC_DRAIN : TERN_CODEC_CLOSED);
    if (nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0) != 0) {
        tern_h2_break_memory(h2);
    }
}

/* ---- the beginning ---- */

static int make_session(struct tern_h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem mem = tern_h2_blocks_mem(h2);
    int rv = nghttp2_session_callbacks_new(&callbacks);

    if (rv == 0) {
        rv = nghttp2_option_new(&option);
    }
    if (rv == 0) {
        tern_h2_callbacks_send(callbacks);
        tern_h2_callbacks_receive(callbacks);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_reserved_remote_streams(option, 0); /* no push */
        nghttp2_option_set_max_outbound_ack(option, TERN_H2_ACKS_MAX);
        nghttp2_option_set_max_continuations(option, (size_t)4 * TERN_H2_CONTINUATIONS_MAX); /* ours is the exact one */
        nghttp2_option_set_max_send_header_block_length(option, 2 * (size_t)TERN_REQUEST_HEAD_BYTES_MAX);
        rv = nghttp2_session_client_new3(&h2->session, callbacks, h2, option, &mem);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rv;
}

static int submit_settings(struct tern_h2 *h2)
{
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h2->window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h2->limits.head_bytes_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* RFC 9218 2.1: nothing of the old scheme is sent */
    };
    int rv = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, sizeof entries / sizeof entries[0]);

    return rv != 0 ? rv : widen_connection(h2, TERN_H2_CONNECTION_WINDOW_BYTES);
}

enum tern_error tern_h2_init(struct tern_h2 *h2, const struct tern_codec_limits *limits, uint32_t window_bytes,
                             struct tern_h2_spares *spares, struct tern_ledger *ledger)
{
    static const struct tern_codec_ops ops = {
        .feed = tern_h2_feed,
        .feed_end = tern_h2_feed_end,
        .pull = tern_h2_pull,
        .wrote = tern_h2_wrote,
        .submit = tern_h2_submit,
        .cancel = cancel,
        .credit = credit,
        .pause = pause_body,
        .body_ready = body_ready,
        .continue_body = continue_body,
        .priority_changed = priority_changed,
        .wants_input = wants_input,
        .capacity = capacity,
        .state = state,
        .idle_hint_ns = idle_hint_ns,
        .deinit = deinit,
    };

    TERN_ASSERT(window_bytes > 0 && window_bytes <= INT32_MAX);
    *h2 = (struct tern_h2){.codec.ops = &ops,
                           .limits = *limits,
                           .window_bytes = window_bytes,
                           .spares = spares,
                           .ledger = ledger,
                           .connection_window_bytes = TERN_H2_CONNECTION_WINDOW_BYTES_MIN};
    tern_list_init(&h2->blocks);
    tern_list_init(&h2->open);
    tern_list_init(&h2->ready);
    tern_list_init(&h2->urged);
    tern_list_init(&h2->graves);
    if (make_session(h2) != 0) {
        return TERN_ENOMEM;
    }
    tern_ledger_promise(ledger, TERN_H2_CONNECTION_WINDOW_BYTES_MIN);
    if (submit_settings(h2) != 0) {
        deinit(&h2->codec);
        return TERN_ENOMEM;
    }
    return TERN_OK;
}
