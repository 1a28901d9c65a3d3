/* tls/mbedtls_stream.c - the TLS byte stream. See tls/mbedtls_stream.h for its states. */
#include "tls/mbedtls_stream.h"

#include <mbedtls/net_sockets.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

static struct tern_tls_stream *of(const struct tern_bytestream *stream)
{
    return TERN_CONTAINER_OF(stream, struct tern_tls_stream, stream);
}

/* ---- an operation and its ends ---- */

static bool take_records(struct tern_tls_stream *tls)
{
    if (tern_tls_records_take(&tls->tls->records, &tls->ssl, &tls->heads))
        return true;
    tern_tls_fail(tls, MBEDTLS_ERR_SSL_ALLOC_FAILED);
    return false;
}

static bool begin(struct tern_tls_stream *tls)
{
    tern_tls_bio_begin(&tls->bio);
    return take_records(tls);
}

void tern_tls_records_rest(struct tern_tls_stream *tls)
{
    tern_tls_records_give(&tls->tls->records, &tls->ssl, &tls->heads);
}

/* An alert that says why we fail still goes out. What the sending brings changes nothing any more. */
static enum tern_flow end_failed(struct tern_tls_stream *tls)
{
    tern_tls_records_rest(tls);
    (void)!tern_tls_bio_end(&tls->bio);
    return TERN_FLOW_ERROR;
}

/* flow: how the operation ended, had it only to receive. *sent: what became of that which it had to send. */
static enum tern_flow end(struct tern_tls_stream *tls, enum tern_flow flow, enum tern_flow *sent)
{
    tern_tls_records_rest(tls);
    *sent = tern_tls_bio_end(&tls->bio);
    if (tls->bio.error != TERN_OK)
        return tern_tls_fail_lower(tls);
    /* No event will come for bytes that are there already. */
    if (flow == TERN_FLOW_WANT_READ && tls->bio.is_starved)
        tern_engine_defer(tls->engine, &tls->again);
    return flow;
}

/* The lower stream takes nothing any more; it remembers that. Invariant 5. */
static enum tern_flow fail_sending(struct tern_tls_stream *tls)
{
    if (tls->bio.error != TERN_OK)
        return tern_tls_fail_lower(tls);
    tern_bytestream_fault(tls->bio.lower, &tls->fault);
    return TERN_FLOW_ERROR;
}

/* ---- handshake ---- */

static enum tern_flow tls_handshake(struct tern_bytestream *stream)
{
    struct tern_tls_stream *tls = of(stream);

    if (tls->state == TERN_TLS_LOWER) {
        enum tern_flow flow = tern_bytestream_handshake(tls->bio.lower);

        if (flow == TERN_FLOW_ERROR)
            return tern_tls_fail_lower(tls);
        if (flow != TERN_FLOW_OK)
            return flow;
        tern_tls_set_state(tls, TERN_TLS_SETUP);
    }
    if (tls->state == TERN_TLS_FAILED)
        return TERN_FLOW_ERROR;
    if (tls->state != TERN_TLS_SETUP && tls->state != TERN_TLS_HANDSHAKE)
        return TERN_FLOW_OK;
    tern_tls_handshake_go_on(tls);
    return TERN_FLOW_WANT_READ;
}

/* ---- reading ---- */

/* False: more tickets than any server needs to send. */
static bool take_ticket(struct tern_tls_stream *tls)
{
    if (++tls->ticket_count > TERN_TLS_TICKETS_MAX)
        return false;
    tern_tls_session_save(tls);
    return true;
}

static enum tern_flow ticket_flood(struct tern_tls_stream *tls)
{
    return tern_tls_fail_flood(tls, TERN_TLS_TICKETS_MAX, "session tickets");
}

/* One read of mbedTLS and what its answer means: OK with *n (0: go on). */
static enum tern_flow read_some(struct tern_tls_stream *tls, void *buf, size_t cap, size_t *n)
{
    int code = mbedtls_ssl_read(&tls->ssl, buf, cap);

    *n = 0;
    if (code > 0) {
        *n = (size_t)code;
        tls->bio.silent_bytes = 0;
        return TERN_FLOW_OK;
    }
    switch (code) {
    case 0: /* an end without close_notify, or a record that was empty */
        return tls->bio.in_flow == TERN_FLOW_EOF ? tern_tls_fail(tls, MBEDTLS_ERR_SSL_CONN_EOF) : TERN_FLOW_OK;
    case MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET:
        return take_ticket(tls) ? TERN_FLOW_OK : ticket_flood(tls);
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        tern_tls_set_state(tls, TERN_TLS_ENDED);
        return TERN_FLOW_EOF;
    case MBEDTLS_ERR_SSL_WANT_READ:
        if (tern_tls_is_silent_flood(tls))
            return tern_tls_fail_silent_flood(tls);
        return tern_tls_bio_may_go_on(&tls->bio) ? TERN_FLOW_OK : TERN_FLOW_WANT_READ;
    default:
        return tern_tls_fail(tls, code);
    }
}

static enum tern_flow tls_read(struct tern_bytestream *stream, void *buf, size_t cap, size_t *n)
{
    struct tern_tls_stream *tls = of(stream);
    enum tern_flow flow = TERN_FLOW_OK, sent;
    size_t total = 0;

    if (tls->state == TERN_TLS_ENDED)
        return TERN_FLOW_EOF;
    if (tls->state != TERN_TLS_OPEN)
        return TERN_FLOW_ERROR;

    tern_tls_bio_begin(&tls->bio);
    if (tern_tls_records_are_given(&tls->ssl) && tern_tls_bio_is_dry(&tls->bio))
        return TERN_FLOW_WANT_READ; /* mbedTLS would find that out by itself, at ten times the price */
    if (!take_records(tls))
        return TERN_FLOW_ERROR;
    while (flow == TERN_FLOW_OK && total < cap) {
        size_t got;

        flow = read_some(tls, (char *)buf + total, cap - total, &got);
        total += got;
        /* Only behind data: what comes without a byte for the user is counted by read_some. */
        if (got != 0 && mbedtls_ssl_check_pending(&tls->ssl) == 0 && tern_tls_bio_is_dry(&tls->bio))
            flow = TERN_FLOW_WANT_READ;
    }
    flow = flow == TERN_FLOW_ERROR ? end_failed(tls) : end(tls, flow, &sent);
    /* What has been read is given first; the state has the rest for the next read. */
    if (total == 0)
        return flow;
    *n = total;
    return TERN_FLOW_OK;
}

/* ---- writing ---- */

struct pieces {
    const struct iovec *iov;
    int count;
    size_t at; /* in the first one */
};

/* The next run of at most max bytes: in the user's memory where one piece fills it or is the last, else gathered in
 * plain. */
static struct tern_str next_run(struct pieces *pieces, unsigned char *plain, size_t max)
{
    size_t len = 0;

    while (pieces->count > 0 && len < max) {
        const char *from = (const char *)pieces->iov->iov_base + pieces->at;
        size_t left = pieces->iov->iov_len - pieces->at;
        size_t n = left < max - len ? left : max - len;
        bool is_whole = len == 0 && (n == max || pieces->count == 1);

        if (n == left) {
            pieces->iov++;
            pieces->count--;
            pieces->at = 0;
        } else {
            pieces->at += n;
        }
        if (is_whole)
            return tern_str_n(from, n);
        if (n != 0)
            memcpy(plain + len, from, n);
        len += n;
    }
    return tern_str_n((const char *)plain, len);
}

/* One record. OK also where nothing was written because a ticket came in between. */
static enum tern_flow write_record(struct tern_tls_stream *tls, struct tern_str run)
{
    for (;;) {
        int code = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)run.ptr, run.len);

        if (code > 0) {
            TERN_ASSERT((size_t)code == run.len);
            return TERN_FLOW_OK;
        }
        /* A ticket that came in two halves is finished before anything is written. */
        if (code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            if (!take_ticket(tls))
                return ticket_flood(tls);
        } else if (code == MBEDTLS_ERR_SSL_WANT_READ) {
            if (!tern_tls_bio_may_go_on(&tls->bio))
                return TERN_FLOW_WANT_READ;
        } else {
            return code == MBEDTLS_ERR_NET_SEND_FAILED ? fail_sending(tls) : tern_tls_fail(tls, code);
        }
    }
}

static enum tern_flow tls_writev(struct tern_bytestream *stream, const struct iovec *iov, int iov_count, size_t *n)
{
    struct tern_tls_stream *tls = of(stream);
    struct pieces pieces = {iov, iov_count, 0};
    enum tern_flow flow, sent = TERN_FLOW_OK;
    size_t total = 0;
    int max;

    if (tls->state != TERN_TLS_OPEN && tls->state != TERN_TLS_ENDED)
        return TERN_FLOW_ERROR;
    if (!begin(tls))
        return TERN_FLOW_ERROR;
    max = mbedtls_ssl_get_max_out_record_payload(&tls->ssl);
    if (max <= 0)
        flow = tern_tls_fail(tls, max);
    else
        flow = tern_tls_bio_flush(&tls->bio);
    if (flow == TERN_FLOW_ERROR && tls->state != TERN_TLS_FAILED) {
        tern_tls_records_rest(tls);
        return fail_sending(tls);
    }
    if ((size_t)max > sizeof(tls->bio.buffers->plain))
        max = sizeof(tls->bio.buffers->plain);

    while (flow == TERN_FLOW_OK && pieces.count > 0 && tern_tls_bio_has_room(&tls->bio)) {
        struct tern_str run = next_run(&pieces, tls->bio.buffers->plain, (size_t)max);

        if (run.len == 0)
            break;
        flow = write_record(tls, run);
        if (flow == TERN_FLOW_OK)
            total += run.len;
    }
    flow = flow == TERN_FLOW_ERROR ? end_failed(tls) : end(tls, flow, &sent);
    if (flow != TERN_FLOW_ERROR && sent == TERN_FLOW_ERROR)
        flow = fail_sending(tls);
    if (flow == TERN_FLOW_ERROR || total == 0)
        return flow == TERN_FLOW_OK ? TERN_FLOW_WANT_WRITE : flow;
    *n = total;
    return TERN_FLOW_OK;
}

/* ---- the rest ---- */

static enum tern_flow tls_shutdown(struct tern_bytestream *stream)
{
    struct tern_tls_stream *tls = of(stream);
    enum tern_flow flow;

    if (tls->state == TERN_TLS_FAILED)
        return TERN_FLOW_ERROR;
    if (tls->state == TERN_TLS_OPEN || tls->state == TERN_TLS_ENDED) {
        if (!begin(tls))
            return TERN_FLOW_ERROR;
        if (!tls->notify_sent) {
            int code = mbedtls_ssl_close_notify(&tls->ssl);

            if (code != 0) {
                tern_tls_fail(tls, code);
                return end_failed(tls);
            }
            tls->notify_sent = true;
        }
        tern_tls_records_rest(tls);
        flow = tern_tls_bio_end(&tls->bio);
        if (flow == TERN_FLOW_ERROR)
            return tern_tls_fail_lower(tls);
        if (flow != TERN_FLOW_OK)
            return TERN_FLOW_WANT_WRITE;
    }
    return tern_bytestream_shutdown(tls->bio.lower);
}

static void on_bury(struct tern_corpse *corpse)
{
    tern_mem_free(TERN_CONTAINER_OF(corpse, struct tern_tls_stream, corpse));
}

/* What the loop holds: all but what may be on a worker. */
static void release_loop(struct tern_tls_stream *tls)
{
    tern_task_cancel(&tls->again);
    tern_task_cancel(&tls->step);
    tern_tls_bio_deinit(&tls->bio);
    tls->tls->stream_count--;
}

static void release_handshake(struct tern_tls_stream *tls)
{
    tern_tls_keylog_drop(tls);
    tern_tls_shift_free(tls);
    mbedtls_ssl_free(&tls->ssl);
    mbedtls_ssl_config_free(&tls->conf);
    tern_tls_profile_release(tls->profile);
}

void tern_tls_stream_release(struct tern_tls_stream *tls)
{
    TERN_ASSERT(tls->state == TERN_TLS_CLOSED && tls->home == TERN_TLS_ON_LOOP);
    release_handshake(tls);
    tern_corpse_release(tls->engine, &tls->corpse);
}

static void tls_close(struct tern_bytestream *stream)
{
    struct tern_tls_stream *tls = of(stream);

    if (tls->state == TERN_TLS_CLOSED)
        return;
    tern_tls_set_state(tls, TERN_TLS_CLOSED);
    stream->on_ready = NULL;
    tern_bytestream_close(tls->bio.lower);
    release_loop(tls);
    tern_corpse_hold(&tls->corpse);
    tern_engine_bury(tls->engine, &tls->corpse);
    if (tls->home == TERN_TLS_ON_WORKER)
        tern_tls_shift_cancel(tls);
    else
        tern_tls_stream_release(tls);
}

static void tls_names(struct tern_bytestream *stream, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    tern_bytestream_names(of(stream)->bio.lower, local, peer);
}

static void tls_fault(const struct tern_bytestream *stream, struct tern_fault *out)
{
    *out = of(stream)->fault;
}

static const struct tern_bytestream_ops stream_ops = {
    .handshake = tls_handshake,
    .read = tls_read,
    .writev = tls_writev,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .names = tls_names,
    .fault = tls_fault,
};

static void upcall(struct tern_tls_stream *tls)
{
    if (tls->stream.on_ready != NULL)
        tls->stream.on_ready(&tls->stream);
}

static void on_lower_ready(struct tern_bytestream *lower)
{
    struct tern_tls_stream *tls = lower->owner;

    /* The owner was told that these bytes are written, and may only wait to read now. */
    if (tls->bio.held.len != 0 && tls->state == TERN_TLS_OPEN && tern_tls_bio_flush(&tls->bio) == TERN_FLOW_ERROR)
        tern_tls_fail_lower(tls);
    if (tls->state == TERN_TLS_SETUP || tls->state == TERN_TLS_HANDSHAKE)
        tern_tls_handshake_go_on(tls);
    else
        upcall(tls);
}

static void on_again(struct tern_task *task)
{
    upcall(TERN_CONTAINER_OF(task, struct tern_tls_stream, again));
}

enum tern_error tern_tls_stream_open(struct tern_tls_mbedtls *mbedtls, const struct tern_tls_open *how,
                                     struct tern_bytestream **out, struct tern_fault *fault)
{
    struct tern_tls_stream *tls;

    TERN_ASSERT(how->profile->material != NULL && how->alpn_count <= TERN_TLS_ALPN_MAX);
    tls = tern_mem_calloc(1, sizeof(*tls));
    if (tls == NULL)
        return tern_fault_plain(fault, TERN_ENOMEM);
    tls->stream.ops = &stream_ops;
    tls->state = TERN_TLS_LOWER;
    tls->tls = mbedtls;
    tls->engine = mbedtls->engine;
    tls->profile = tern_tls_profile_acquire(how->profile);
    tls->host = *how->host;
    tls->port = how->port;
    tls->corpse.bury = on_bury;
    tern_task_init(&tls->again, on_again);
    tern_tls_handshake_init(tls);
    tern_tls_bio_init(&tls->bio, how->lower, &mbedtls->buffers);
    tern_verify_init(&tls->verify, &tls->host, tls->profile, tern_engine_wall(mbedtls->engine) / TERN_S);
    mbedtls_ssl_config_init(&tls->conf);
    mbedtls_ssl_init(&tls->ssl);
    for (size_t i = 0; i < how->alpn_count; i++)
        tls->alpn[i] = how->alpn[i];
    mbedtls->stream_count++;

    how->lower->on_ready = on_lower_ready;
    how->lower->owner = tls;
    *out = &tls->stream;
    return TERN_OK;
}
