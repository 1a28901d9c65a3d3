#include "proto/h1.h"

#include "base/assert.h"
#include "base/mem.h"
#include "proto/h1_internal.h"
#include "proto/request.h"

#define BIT(n) (1u << (n))

/* Legal successors. IDLE follows each: an exchange can be cancelled or fail anywhere. */
static const uint16_t send_next[TERN_H1_SEND_COUNT] = {
    [TERN_H1_SEND_IDLE] = BIT(TERN_H1_SEND_READY),
    [TERN_H1_SEND_READY] = BIT(TERN_H1_SEND_IDLE) | BIT(TERN_H1_SEND_HEAD),
    [TERN_H1_SEND_HEAD] = BIT(TERN_H1_SEND_IDLE) | BIT(TERN_H1_SEND_HOLD) | BIT(TERN_H1_SEND_BODY) |
                          BIT(TERN_H1_SEND_DONE) | BIT(TERN_H1_SEND_STOPPED),
    [TERN_H1_SEND_HOLD] = BIT(TERN_H1_SEND_IDLE) | BIT(TERN_H1_SEND_BODY) | BIT(TERN_H1_SEND_STOPPED),
    [TERN_H1_SEND_BODY] = BIT(TERN_H1_SEND_IDLE) | BIT(TERN_H1_SEND_DONE) | BIT(TERN_H1_SEND_STOPPED),
    [TERN_H1_SEND_DONE] = BIT(TERN_H1_SEND_IDLE),
    [TERN_H1_SEND_STOPPED] = BIT(TERN_H1_SEND_IDLE),
};

static const uint16_t receive_next[TERN_H1_RECEIVE_COUNT] = {
    [TERN_H1_RECEIVE_IDLE] = BIT(TERN_H1_RECEIVE_STATUS),
    [TERN_H1_RECEIVE_STATUS] = BIT(TERN_H1_RECEIVE_IDLE) | BIT(TERN_H1_RECEIVE_FIELDS),
    [TERN_H1_RECEIVE_FIELDS] = BIT(TERN_H1_RECEIVE_IDLE) | BIT(TERN_H1_RECEIVE_STATUS) | BIT(TERN_H1_RECEIVE_BODY) |
                               BIT(TERN_H1_RECEIVE_CHUNK_LINE) | BIT(TERN_H1_RECEIVE_DONE),
    [TERN_H1_RECEIVE_BODY] = BIT(TERN_H1_RECEIVE_IDLE) | BIT(TERN_H1_RECEIVE_DONE),
    [TERN_H1_RECEIVE_CHUNK_LINE] =
        BIT(TERN_H1_RECEIVE_IDLE) | BIT(TERN_H1_RECEIVE_CHUNK_DATA) | BIT(TERN_H1_RECEIVE_TRAILERS),
    [TERN_H1_RECEIVE_CHUNK_DATA] = BIT(TERN_H1_RECEIVE_IDLE) | BIT(TERN_H1_RECEIVE_CHUNK_LINE),
    [TERN_H1_RECEIVE_TRAILERS] = BIT(TERN_H1_RECEIVE_IDLE) | BIT(TERN_H1_RECEIVE_DONE),
    [TERN_H1_RECEIVE_DONE] = BIT(TERN_H1_RECEIVE_IDLE),
};

void tern_h1_set_send(struct tern_h1 *h1, enum tern_h1_send next)
{
    TERN_ASSERT(send_next[h1->send] & BIT(next));
    h1->send = next;
}

void tern_h1_set_receive(struct tern_h1 *h1, enum tern_h1_receive next)
{
    TERN_ASSERT(receive_next[h1->receive] & BIT(next));
    h1->receive = next;
}

void tern_h1_set_state(struct tern_h1 *h1, enum tern_codec_state next)
{
    TERN_ASSERT(next >= h1->state);
    h1->state = next;
}

void tern_h1_check(const struct tern_h1 *h1)
{
    TERN_ASSERT((h1->stream != NULL) == (h1->scratch != NULL) || h1->state == TERN_CODEC_CLOSED);
    TERN_ASSERT((h1->stream != NULL) == (h1->send != TERN_H1_SEND_IDLE));
    TERN_ASSERT((h1->stream != NULL) == (h1->receive != TERN_H1_RECEIVE_IDLE));
    TERN_ASSERT(h1->state != TERN_CODEC_CLOSED || h1->stream == NULL);
    TERN_ASSERT(h1->stream == NULL || h1->stream->sent_head_bytes > 0 || h1->stream->received_head_bytes == 0);
    TERN_ASSERT(h1->send != TERN_H1_SEND_STOPPED || h1->state == TERN_CODEC_DRAIN);
    TERN_ASSERT(h1->send != TERN_H1_SEND_HOLD || (h1->scratch->hold && h1->stream->sent_body_bytes == 0));
    (void)h1;
}

/* ---- scratches ---- */

static void scratch_free(struct tern_h1_scratch *scratch)
{
    tern_buf_deinit(&scratch->request);
    tern_buf_deinit(&scratch->line);
    tern_fields_deinit(&scratch->fields);
    tern_mem_free(scratch);
}

void tern_h1_spares_deinit(struct tern_h1_spares *spares)
{
    while (spares->first != NULL) {
        struct tern_h1_scratch *scratch = spares->first;
        spares->first = scratch->next;
        scratch_free(scratch);
    }
    spares->count = 0;
}

static struct tern_h1_scratch *scratch_take(struct tern_h1_spares *spares)
{
    struct tern_h1_scratch *scratch = spares->first;

    if (scratch != NULL) {
        spares->first = scratch->next;
        spares->count--;
        return scratch;
    }
    scratch = tern_mem_calloc(1, sizeof(*scratch));
    if (scratch != NULL) {
        /* What comes from the peer is capped by the codec's limits, line by line, before it gets here. */
        tern_buf_init(&scratch->request, 2 * (size_t)TERN_REQUEST_HEAD_BYTES_MAX);
        tern_buf_init(&scratch->line, UINT32_MAX);
        tern_fields_init(&scratch->fields, UINT32_MAX, UINT32_MAX);
    }
    return scratch;
}

static void scratch_give(struct tern_h1_spares *spares, struct tern_h1_scratch *scratch)
{
    size_t bytes = scratch->request.cap + scratch->line.cap + scratch->fields.bytes.cap +
                   scratch->fields.cap * sizeof(struct tern_field);

    if (spares->count == TERN_H1_SPARES_MAX || bytes > TERN_H1_SPARE_BYTES_MAX) {
        scratch_free(scratch);
        return;
    }
    scratch->next = spares->first;
    spares->first = scratch;
    spares->count++;
}

/* ---- the exchange ---- */

static void release(struct tern_h1 *h1)
{
    struct tern_h1_scratch *scratch = h1->scratch;

    if (scratch == NULL)
        return;
    /* A request's secrets stay in memory no longer than the request. */
    if (scratch->request.cap != 0)
        tern_mem_wipe(scratch->request.data, scratch->request.cap);
    scratch_give(h1->spares, scratch);
    h1->scratch = NULL;
}

static void forget(struct tern_h1 *h1)
{
    if (h1->stream == NULL)
        return;
    h1->stream = NULL;
    tern_h1_set_send(h1, TERN_H1_SEND_IDLE);
    tern_h1_set_receive(h1, TERN_H1_RECEIVE_IDLE);
}

static enum tern_replay replay_of(const struct tern_stream *stream)
{
    if (stream->received_head_bytes > 0)
        return TERN_REPLAY_ANSWERED;
    return stream->sent_head_bytes > 0 ? TERN_REPLAY_MAYBE : TERN_REPLAY_UNSENT;
}

enum tern_error tern_h1_fail(struct tern_h1 *h1, const struct tern_fault *fault)
{
    struct tern_stream *stream = h1->stream;

    TERN_ASSERT(fault->error != TERN_OK);
    h1->error = fault->error;
    forget(h1);
    release(h1);
    tern_h1_set_state(h1, TERN_CODEC_CLOSED);
    if (stream != NULL)
        stream->events->on_error(stream, fault, replay_of(stream));
    return fault->error;
}

void tern_h1_finish(struct tern_h1 *h1, bool more)
{
    struct tern_stream *stream = h1->stream;

    if (more)
        h1->error = TERN_EPROTO;
    if (more || h1->send != TERN_H1_SEND_DONE || h1->state == TERN_CODEC_DRAIN)
        tern_h1_set_state(h1, TERN_CODEC_CLOSED);
    forget(h1);
    release(h1);
    stream->events->on_end(stream);
}

void tern_h1_lift_hold(struct tern_h1 *h1)
{
    h1->scratch->hold = false;
    if (h1->send == TERN_H1_SEND_HOLD)
        tern_h1_set_send(h1, TERN_H1_SEND_BODY);
}

static enum tern_error submit(struct tern_codec *codec, struct tern_stream *stream)
{
    struct tern_h1 *h1 = tern_h1_of(codec);
    const struct tern_outgoing *message = stream->message;

    TERN_ASSERT(h1->state == TERN_CODEC_OPEN && h1->stream == NULL && stream->window_bytes > 0);
    struct tern_h1_scratch *scratch = scratch_take(h1->spares);
    if (scratch == NULL)
        return TERN_ENOMEM;
    tern_buf_clear(&scratch->request);
    enum tern_error error = tern_request_head_write(&scratch->request, message, TERN_REQUEST_WIRE);
    if (error != TERN_OK) {
        scratch_give(h1->spares, scratch);
        return error;
    }
    stream->sent_head_bytes = stream->sent_body_bytes = 0;
    stream->received_head_bytes = stream->received_body_bytes = 0;
    stream->owed_bytes = 0;
    h1->stream = stream;
    h1->scratch = scratch;
    h1->scratch->hold = message->expect_continue && tern_request_has_body(message);
    h1->scratch->length_left = message->body != NULL ? message->body_length : 0;
    h1->scratch->frame_len = 0;
    h1->scratch->chunk_last = false;
    h1->paused = false;
    h1->scratch->informational = 0;
    tern_h1_set_send(h1, TERN_H1_SEND_READY);
    tern_h1_receive_begin(h1);
    tern_h1_check(h1);
    return TERN_OK;
}

static void cancel(struct tern_codec *codec, struct tern_stream *stream)
{
    struct tern_h1 *h1 = tern_h1_of(codec);

    if (h1->stream != stream)
        return;
    if (h1->send == TERN_H1_SEND_READY) {
        release(h1);
    } else {
        /* Below an event the scratch may be lent out: it goes at deinit. */
        tern_h1_set_state(h1, TERN_CODEC_CLOSED);
    }
    forget(h1);
    tern_h1_check(h1);
}

static void credit(struct tern_codec *codec, struct tern_stream *stream, uint32_t bytes)
{
    (void)codec;
    TERN_ASSERT(bytes <= stream->owed_bytes);
    stream->owed_bytes -= bytes;
}

static void pause_body(struct tern_codec *codec, struct tern_stream *stream, bool paused)
{
    struct tern_h1 *h1 = tern_h1_of(codec);

    if (h1->stream == stream)
        h1->paused = paused;
}

static void body_ready(struct tern_codec *codec, struct tern_stream *stream)
{
    /* The next pull asks the source anyway. */
    (void)codec;
    (void)stream;
}

static void continue_body(struct tern_codec *codec, struct tern_stream *stream)
{
    struct tern_h1 *h1 = tern_h1_of(codec);

    if (h1->stream == stream)
        tern_h1_lift_hold(h1);
}

/* RFC 9218 7: HTTP/1.1 has no frame for it. */
static void priority_changed(struct tern_codec *codec, struct tern_stream *stream)
{
    (void)codec;
    (void)stream;
}

static bool wants_input(const struct tern_codec *codec)
{
    const struct tern_h1 *h1 = (const struct tern_h1 *)codec;

    if (h1->stream == NULL)
        return h1->state == TERN_CODEC_OPEN;
    return !h1->paused && h1->stream->owed_bytes < h1->stream->window_bytes;
}

static uint32_t capacity(const struct tern_codec *codec)
{
    const struct tern_h1 *h1 = (const struct tern_h1 *)codec;

    return h1->state == TERN_CODEC_OPEN && h1->stream == NULL ? 1 : 0;
}

static enum tern_codec_state state(const struct tern_codec *codec)
{
    return ((const struct tern_h1 *)codec)->state;
}

static uint64_t idle_hint_ns(const struct tern_codec *codec)
{
    return ((const struct tern_h1 *)codec)->idle_hint_ns;
}

static void deinit(struct tern_codec *codec)
{
    struct tern_h1 *h1 = tern_h1_of(codec);

    forget(h1);
    release(h1);
    h1->state = TERN_CODEC_CLOSED;
}

void tern_h1_init(struct tern_h1 *h1, const struct tern_codec_limits *limits, struct tern_h1_spares *spares)
{
    static const struct tern_codec_ops ops = {
        .feed = tern_h1_feed,
        .feed_end = tern_h1_feed_end,
        .pull = tern_h1_pull,
        .wrote = tern_h1_wrote,
        .submit = submit,
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

    *h1 = (struct tern_h1){.codec.ops = &ops, .limits = *limits, .spares = spares};
}
