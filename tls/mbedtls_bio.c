/* tls/mbedtls_bio.c - see tls/mbedtls_bio.h. */
#include "tls/mbedtls_bio.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

#include "base/assert.h"
#include "base/mem.h"

void tern_tls_bio_init(struct tern_tls_bio *bio, struct tern_bytestream *lower, struct tern_tls_buffers *buffers)
{
    *bio = (struct tern_tls_bio){.lower = lower, .buffers = buffers};
    /* What one operation can leave behind. */
    tern_buf_init(&bio->held, TERN_TLS_SEND_BYTES);
}

void tern_tls_bio_deinit(struct tern_tls_bio *bio)
{
    tern_mem_free(bio->kept);
    bio->kept = NULL;
    bio->in_len = 0;
    tern_buf_deinit(&bio->held);
}

void tern_tls_bio_begin(struct tern_tls_bio *bio)
{
    TERN_ASSERT(bio->out_len == 0);
    bio->refills = 0;
    bio->is_starved = false;
    bio->in_flow = TERN_FLOW_OK;
}

/* ---- receiving ---- */

static int refill(struct tern_tls_bio *bio)
{
    size_t n = 0;

    tern_mem_free(bio->kept);
    bio->kept = NULL;
    if (bio->refills == TERN_TLS_REFILLS_MAX) {
        bio->is_starved = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    bio->in_flow = tern_bytestream_read(bio->lower, bio->buffers->receive, TERN_TLS_RECEIVE_BYTES, &n);
    switch (bio->in_flow) {
    case TERN_FLOW_OK:
        bio->refills++;
        bio->silent_bytes += n;
        bio->in = bio->buffers->receive;
        bio->in_len = n;
        return 1;
    case TERN_FLOW_WANT_READ:
    case TERN_FLOW_WANT_WRITE:
        return MBEDTLS_ERR_SSL_WANT_READ;
    case TERN_FLOW_EOF:
        return 0;
    case TERN_FLOW_ERROR:
        break;
    }
    return MBEDTLS_ERR_NET_RECV_FAILED;
}

int tern_tls_bio_recv(void *user, unsigned char *buf, size_t len)
{
    struct tern_tls_bio *bio = user;
    size_t n;

    if (bio->in_len == 0) {
        int status = refill(bio);

        if (status <= 0)
            return status;
    }
    n = len < bio->in_len ? len : bio->in_len;
    memcpy(buf, bio->in, n);
    bio->in += n;
    bio->in_len -= n;
    return (int)n;
}

bool tern_tls_bio_is_dry(struct tern_tls_bio *bio)
{
    return bio->in_len == 0 && refill(bio) == MBEDTLS_ERR_SSL_WANT_READ && !bio->is_starved;
}

bool tern_tls_bio_may_go_on(const struct tern_tls_bio *bio)
{
    return !bio->is_starved && (bio->in_len != 0 || bio->in_flow == TERN_FLOW_OK);
}

int tern_tls_bio_take(struct tern_tls_bio *bio, struct tern_buf *out)
{
    size_t n;

    if (bio->in_len == 0) {
        int status = refill(bio);

        if (status <= 0)
            return status;
    }
    n = bio->in_len;
    bio->in_len = 0;
    bio->error = tern_buf_append(out, bio->in, n);
    return bio->error == TERN_OK ? (int)n : MBEDTLS_ERR_SSL_ALLOC_FAILED;
}

void tern_tls_bio_give(struct tern_tls_bio *bio, struct tern_buf *in)
{
    TERN_ASSERT(bio->in_len == 0);
    if (in->len == 0)
        return;
    tern_mem_free(bio->kept);
    bio->kept = in->data;
    bio->in = (unsigned char *)in->data + in->head;
    bio->in_len = in->len;
    tern_buf_init(in, in->max);
}

/* The shared buffer is the next stream's: what is left in it becomes the stream's own. */
static bool keep_received(struct tern_tls_bio *bio)
{
    if (bio->in_len == 0 || bio->kept != NULL)
        return true;
    bio->kept = tern_mem_alloc(bio->in_len);
    if (bio->kept == NULL) {
        bio->in_len = 0;
        return false;
    }
    memcpy(bio->kept, bio->in, bio->in_len);
    bio->in = bio->kept;
    return true;
}

/* ---- sending ---- */

/* Sends from buf; *sent tells how much of it went. */
static enum tern_flow send_some(struct tern_tls_bio *bio, const void *buf, size_t len, size_t *sent)
{
    *sent = 0;
    while (*sent < len) {
        struct iovec iov = {(char *)buf + *sent, len - *sent};
        size_t n = 0;
        enum tern_flow flow = tern_bytestream_writev(bio->lower, &iov, 1, &n);

        if (flow != TERN_FLOW_OK)
            return flow == TERN_FLOW_ERROR ? TERN_FLOW_ERROR : TERN_FLOW_WANT_WRITE;
        *sent += n;
    }
    return TERN_FLOW_OK;
}

static enum tern_flow send_held(struct tern_tls_bio *bio)
{
    struct tern_str view = tern_buf_view(&bio->held);
    enum tern_flow flow;
    size_t sent;

    if (view.len == 0)
        return TERN_FLOW_OK;
    flow = send_some(bio, view.ptr, view.len, &sent);
    tern_buf_consume(&bio->held, sent);
    if (bio->held.len == 0)
        tern_buf_deinit(&bio->held);
    return flow;
}

/* Keeps what is in the shared buffer behind its first sent bytes. */
static bool hold(struct tern_tls_bio *bio, size_t sent)
{
    if (sent < bio->out_len)
        bio->error = tern_buf_append(&bio->held, bio->buffers->send + sent, bio->out_len - sent);
    bio->out_len = 0;
    return bio->error == TERN_OK;
}

enum tern_flow tern_tls_bio_flush(struct tern_tls_bio *bio)
{
    enum tern_flow flow = send_held(bio);
    size_t sent = 0;

    if (flow == TERN_FLOW_OK && bio->out_len != 0)
        flow = send_some(bio, bio->buffers->send, bio->out_len, &sent);
    if (flow == TERN_FLOW_ERROR)
        bio->out_len = 0;
    return hold(bio, sent) ? flow : TERN_FLOW_ERROR;
}

bool tern_tls_bio_has_room(const struct tern_tls_bio *bio)
{
    return bio->held.len == 0 && TERN_TLS_SEND_BYTES - bio->out_len >= TERN_TLS_RECORD_BYTES_MAX;
}

int tern_tls_bio_send(void *user, const unsigned char *buf, size_t len)
{
    struct tern_tls_bio *bio = user;

    if (TERN_TLS_SEND_BYTES - bio->out_len < len && tern_tls_bio_flush(bio) == TERN_FLOW_ERROR)
        return bio->error != TERN_OK ? MBEDTLS_ERR_SSL_ALLOC_FAILED : MBEDTLS_ERR_NET_SEND_FAILED;
    if (len > TERN_TLS_SEND_BYTES)
        len = TERN_TLS_SEND_BYTES;
    memcpy(bio->buffers->send + bio->out_len, buf, len);
    bio->out_len += len;
    return (int)len;
}

bool tern_tls_bio_park(struct tern_tls_bio *bio)
{
    bool held = hold(bio, 0);

    if (held && !keep_received(bio)) {
        bio->error = TERN_ENOMEM;
        return false;
    }
    return held;
}

enum tern_flow tern_tls_bio_end(struct tern_tls_bio *bio)
{
    enum tern_flow flow = tern_tls_bio_flush(bio);

    if (!keep_received(bio)) {
        bio->error = TERN_ENOMEM;
        return TERN_FLOW_ERROR;
    }
    return flow;
}
