#include <stdio.h>

#include "base/assert.h"
#include "base/str.h"
#include "proto/h1_internal.h"
#include "proto/request.h"

static struct iovec piece(const void *data, size_t len)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
}

/* The source failed, or its length is not what was announced. Nothing that was written can be taken back, so the
 * connection goes with the exchange. */
static int fail_source(struct tern_h1 *h1, const struct tern_fault *why)
{
    struct tern_fault fault;

    tern_fault_plain(&fault, TERN_EBODY_SOURCE);
    (void)tern_h1_fail(h1, why->error != TERN_OK ? why : &fault);
    return -1;
}

static int fail_size(struct tern_h1 *h1, const char *how)
{
    const struct tern_stream *stream = h1->stream;
    struct tern_fault fault;

    tern_fault_set(&fault, TERN_EBODY_SIZE, "request body: %s than the %llu bytes announced, after %llu", how,
                   (unsigned long long)stream->message->body_length, (unsigned long long)stream->sent_body_bytes);
    (void)tern_h1_fail(h1, &fault);
    return -1;
}

/* What the source lends now. *got is TERN_READ_DATA only with a view that is not empty. -1: the exchange is over, since
 * the source failed or cancelled it. */
static int peek(struct tern_h1 *h1, struct tern_str *view, enum tern_read *got)
{
    struct tern_body_source *source = h1->stream->message->body;
    struct tern_fault why = {0};

    *view = (struct tern_str){0};
    *got = source->ops->peek(source, view, &why);
    if (h1->stream == NULL)
        return -1;
    if (*got == TERN_READ_FAIL)
        return fail_source(h1, &why);
    if (*got == TERN_READ_DATA && view->len == 0)
        *got = TERN_READ_WAIT;
    return 0;
}

/* Pieces of a body whose length was announced. */
static int pull_length(struct tern_h1 *h1, struct iovec *pieces)
{
    struct tern_str view;
    enum tern_read got;

    if (peek(h1, &view, &got) < 0)
        return -1;
    switch (got) {
    case TERN_READ_DATA:
        if (view.len > h1->scratch->length_left)
            return fail_size(h1, "longer");
        pieces[0] = piece(view.ptr, view.len);
        return 1;
    case TERN_READ_END:
        return fail_size(h1, "shorter");
    default:
        return 0;
    }
}

/* RFC 9112 7.1. A chunk is what the source lends when it is begun; behind the last one, which is empty, the trailers
 * stand where the head stood before. */
static void begin_chunk(struct tern_h1 *h1, size_t len)
{
    bool has_trailers = h1->stream->message->trailer_count != 0;
    int n = len != 0 || has_trailers ? snprintf(h1->scratch->frame, sizeof(h1->scratch->frame), "%zx\r\n", len)
                                     : snprintf(h1->scratch->frame, sizeof(h1->scratch->frame), "0\r\n\r\n");

    h1->scratch->frame_len = (uint8_t)n;
    h1->scratch->frame_sent = 0;
    h1->scratch->chunk_left = len;
    h1->scratch->chunk_end = len != 0 ? 2 : 0;
    h1->scratch->chunk_last = len == 0;
}

/* The body is complete. -1: not so, or its trailers cannot be sent. */
static int end_chunks(struct tern_h1 *h1)
{
    const struct tern_outgoing *message = h1->stream->message;
    struct tern_fault why = {0};
    enum tern_error error;

    if (message->body_length != TERN_LENGTH_UNKNOWN && h1->scratch->length_left != 0)
        return fail_size(h1, "shorter");
    if (message->trailer_count != 0) {
        error = tern_request_trailers_check(message, &why);
        if (error != TERN_OK)
            return fail_source(h1, &why);
        error = tern_request_trailers_write(&h1->scratch->request, message);
        if (error != TERN_OK) {
            tern_fault_plain(&why, error);
            return fail_source(h1, &why);
        }
    }
    begin_chunk(h1, 0);
    return 0;
}

static int pull_chunked(struct tern_h1 *h1, struct iovec *pieces)
{
    static const char crlf[] = "\r\n";
    struct tern_str view = {0};
    enum tern_read got = TERN_READ_WAIT;
    int n = 0;

    if ((h1->scratch->frame_len == 0 || h1->scratch->chunk_left != 0) && peek(h1, &view, &got) < 0)
        return -1;
    if (h1->scratch->frame_len == 0) {
        bool is_early = h1->send == TERN_H1_SEND_HEAD && h1->stream->message->trailer_count != 0;
        if (got == TERN_READ_WAIT || (got == TERN_READ_END && is_early))
            return 0; /* for trailers the head must have left */
        if (got == TERN_READ_DATA && h1->stream->message->body_length != TERN_LENGTH_UNKNOWN &&
            view.len > h1->scratch->length_left)
            return fail_size(h1, "longer");
        if (got == TERN_READ_DATA)
            begin_chunk(h1, view.len);
        else if (end_chunks(h1) < 0)
            return -1;
    }
    if (h1->scratch->frame_sent < h1->scratch->frame_len)
        pieces[n++] = piece(h1->scratch->frame + h1->scratch->frame_sent,
                            (size_t)(h1->scratch->frame_len - h1->scratch->frame_sent));
    if (h1->scratch->chunk_left != 0 && got == TERN_READ_DATA)
        pieces[n++] = piece(view.ptr, view.len < h1->scratch->chunk_left ? view.len : (size_t)h1->scratch->chunk_left);
    if (h1->scratch->chunk_end != 0 && view.len >= h1->scratch->chunk_left)
        pieces[n++] = piece(crlf + 2 - h1->scratch->chunk_end, h1->scratch->chunk_end);
    if (h1->scratch->chunk_last && h1->send == TERN_H1_SEND_BODY && h1->scratch->request.len != 0)
        pieces[n++] = piece(h1->scratch->request.data + h1->scratch->request.head, h1->scratch->request.len);
    return n;
}

int tern_h1_pull(struct tern_codec *codec, struct iovec *pieces, int max)
{
    struct tern_h1 *h1 = tern_h1_of(codec);
    int n = 0;

    TERN_ASSERT(max >= TERN_H1_PIECES_MAX);
    (void)max;
    if (h1->send == TERN_H1_SEND_READY) {
        if (h1->stream->message->close)
            tern_h1_set_state(h1, TERN_CODEC_DRAIN);
        tern_h1_set_send(h1, TERN_H1_SEND_HEAD);
    }
    if (h1->send != TERN_H1_SEND_HEAD && h1->send != TERN_H1_SEND_BODY)
        return 0;
    if (h1->send == TERN_H1_SEND_HEAD) {
        struct tern_str head = tern_buf_view(&h1->scratch->request);
        pieces[n++] = piece(head.ptr, head.len);
        if (h1->scratch->hold)
            return n;
    }
    if (tern_request_has_body(h1->stream->message)) {
        int more =
            tern_request_is_chunked(h1->stream->message) ? pull_chunked(h1, pieces + n) : pull_length(h1, pieces + n);
        n = more < 0 ? 0 : n + more;
    }
    tern_h1_check(h1);
    return n;
}

/* The last byte of the request is written. */
static void sent(struct tern_h1 *h1)
{
    struct tern_stream *stream = h1->stream;
    const struct tern_outgoing *message = stream->message;

    if (message->body != NULL && !tern_request_is_chunked(message)) {
        struct tern_str view;
        enum tern_read got;
        /* A source that has more would see its upload cut off in silence. */
        if (peek(h1, &view, &got) < 0 || (got == TERN_READ_DATA && fail_size(h1, "longer") < 0))
            return;
    }
    tern_h1_set_send(h1, TERN_H1_SEND_DONE);
    stream->events->on_sent(stream);
}

/* How much of bytes falls to a part of which left bytes are still to go. */
static size_t share(size_t *bytes, uint64_t left)
{
    size_t n = *bytes < left ? *bytes : (size_t)left;

    *bytes -= n;
    return n;
}

static void wrote_data(struct tern_h1 *h1, size_t n)
{
    struct tern_body_source *source = h1->stream->message->body;

    if (n != 0) {
        source->ops->consume(source, n);
        h1->stream->sent_body_bytes += n;
    }
}

static void wrote_length(struct tern_h1 *h1, size_t bytes)
{
    size_t n = share(&bytes, h1->scratch->length_left);

    TERN_ASSERT(bytes == 0);
    h1->scratch->length_left -= n;
    wrote_data(h1, n);
    if (h1->scratch->length_left == 0)
        sent(h1);
}

static void wrote_chunked(struct tern_h1 *h1, size_t bytes)
{
    h1->scratch->frame_sent = (uint8_t)(h1->scratch->frame_sent +
                                        share(&bytes, (uint64_t)(h1->scratch->frame_len - h1->scratch->frame_sent)));
    size_t n = share(&bytes, h1->scratch->chunk_left);
    h1->scratch->chunk_left -= n;
    h1->scratch->length_left -= n; /* of an unknown length it means nothing */
    wrote_data(h1, n);
    h1->scratch->chunk_end = (uint8_t)(h1->scratch->chunk_end - share(&bytes, h1->scratch->chunk_end));
    struct tern_buf *trailers = &h1->scratch->request;
    n = share(&bytes, h1->scratch->chunk_last ? trailers->len : 0);
    tern_buf_consume(trailers, n);
    h1->stream->sent_head_bytes += n;
    TERN_ASSERT(bytes == 0);
    if (h1->scratch->frame_len == 0 || h1->scratch->frame_sent < h1->scratch->frame_len ||
        h1->scratch->chunk_left != 0 || h1->scratch->chunk_end != 0 || trailers->len != 0)
        return;
    h1->scratch->frame_len = 0;
    h1->scratch->frame_sent = 0;
    if (h1->scratch->chunk_last)
        sent(h1);
}

void tern_h1_wrote(struct tern_codec *codec, size_t bytes)
{
    struct tern_h1 *h1 = tern_h1_of(codec);

    if (h1->stream == NULL || bytes == 0)
        return; /* cancelled while the bytes were on their way */
    if (h1->send == TERN_H1_SEND_HEAD) {
        struct tern_buf *head = &h1->scratch->request;
        size_t n = share(&bytes, head->len);
        tern_buf_consume(head, n);
        h1->stream->sent_head_bytes += n;
        if (head->len != 0)
            return;
        bool body = tern_request_has_body(h1->stream->message);
        if (!body) {
            sent(h1);
            return;
        }
        tern_h1_set_send(h1, h1->scratch->hold ? TERN_H1_SEND_HOLD : TERN_H1_SEND_BODY);
    }
    if (h1->send == TERN_H1_SEND_BODY && bytes != 0) {
        if (tern_request_is_chunked(h1->stream->message))
            wrote_chunked(h1, bytes);
        else
            wrote_length(h1, bytes);
    }
    tern_h1_check(h1);
}
