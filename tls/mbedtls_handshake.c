/* tls/mbedtls_handshake.c - a handshake, step by step: on the loop, or on a worker.
 *
 * A step is one state of mbedTLS's: it reads or writes one message, and may compute for some milliseconds. Each waits
 * in the engine's queue of slow tasks, so that one is done in a turn and everybody else is served before the next.
 *
 * With handshake threads a step is to take back what a worker has done, to send what it wrote, and to hand it what has
 * come since: bytes in, bytes out. Either way the same code of mbedTLS is judged by judge(), with the same result. */
#include <mbedtls/net_sockets.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "tls/mbedtls_stream.h"

/* A stay on a worker, again and again until the handshake is over. */
struct tern_tls_shift {
    struct tern_job job;
    struct tern_tls_stream *tls;
    struct tern_buf in;  /* came from the peer, not yet read */
    int in_end;          /* what reading gives behind it: as tern_tls_bio_recv */
    struct tern_buf out; /* for the peer */
    enum tern_error error;
    int code; /* of the latest step; 0 before the first */
};

/* ---- what comes of a step ---- */

/* Invariant 1. */
static bool is_verified(struct tern_tls_stream *tls)
{
    tls->is_resumed = !tls->verify.is_done && tls->session_offered;
    return tls->is_resumed ||
           (tls->verify.is_done && (tls->verify.fault.error == TERN_OK || tls->profile->config.insecure));
}

static void finish(struct tern_tls_stream *tls)
{
    if (!is_verified(tls)) {
        tern_fault_set(&tls->fault, TERN_ETLS_HANDSHAKE, "TLS handshake with %s: the server showed no certificate",
                       tls->host.text);
        tern_tls_set_state(tls, TERN_TLS_FAILED);
        return;
    }
    tern_tls_set_state(tls, TERN_TLS_OPEN);
    /* In TLS 1.2 the session is complete now; in 1.3 tickets come later. One that was resumed keeps its old end: with a
     * session of TLS 1.2 mbedTLS offers nothing above, and a server that has learnt 1.3 must get to show it. */
    if (mbedtls_ssl_get_version_number(&tls->ssl) == MBEDTLS_SSL_VERSION_TLS1_2 && !tls->is_resumed)
        tern_tls_session_save(tls);
}

/* After the last step the stream works by itself again. */
static void end_shift(struct tern_tls_stream *tls)
{
    struct tern_tls_shift *shift = tls->shift;

    if (shift == NULL)
        return;
    tern_tls_bio_give(&tls->bio, &shift->in);
    mbedtls_ssl_set_bio(&tls->ssl, &tls->bio, tern_tls_bio_send, tern_tls_bio_recv, NULL);
    tern_tls_shift_free(tls);
}

/* The handshake is over, one way or the other. What was written last still goes out: an alert says why we fail. */
static void end_handshake(struct tern_tls_stream *tls)
{
    end_shift(tls);
    if (tls->state == TERN_TLS_OPEN)
        tern_tls_records_rest(tls);
    if (tern_tls_bio_end(&tls->bio) == TERN_FLOW_ERROR && tls->state == TERN_TLS_OPEN)
        tern_tls_fail_lower(tls);
    if (tls->stream.on_ready != NULL)
        tls->stream.on_ready(&tls->stream);
}

static bool is_over(struct tern_tls_stream *tls, int code)
{
    if (code == MBEDTLS_ERR_SSL_WANT_READ)
        return tern_tls_is_silent_flood(tls);
    return code != 0 || mbedtls_ssl_is_handshake_over(&tls->ssl);
}

static void judge(struct tern_tls_stream *tls, int code)
{
    TERN_ASSERT(is_over(tls, code));
    if (code == 0)
        finish(tls);
    else if (code == MBEDTLS_ERR_SSL_WANT_READ)
        tern_tls_fail_silent_flood(tls);
    else
        tern_tls_fail(tls, code);
    end_handshake(tls);
}

static void fail_here(struct tern_tls_stream *tls)
{
    tern_tls_fail_lower(tls);
    end_handshake(tls);
}

/* ---- a step on the loop ---- */

static void step_on_loop(struct tern_tls_stream *tls)
{
    int code;

    tern_tls_bio_begin(&tls->bio);
    code = mbedtls_ssl_handshake_step(&tls->ssl);
    tern_tls_keylog_write(tls);
    if (is_over(tls, code)) {
        judge(tls, code);
    } else if (code == 0 || tls->bio.is_starved || tern_tls_bio_may_go_on(&tls->bio)) {
        if (tern_tls_bio_park(&tls->bio))
            tern_tls_handshake_go_on(tls);
        else
            fail_here(tls);
    } else if (tern_tls_bio_end(&tls->bio) == TERN_FLOW_ERROR) {
        fail_here(tls);
    }
}

/* ---- steps on a worker ---- */

static int shift_recv(void *user, unsigned char *buf, size_t len)
{
    struct tern_tls_shift *shift = user;
    struct tern_str in = tern_buf_view(&shift->in);
    size_t n = len < in.len ? len : in.len;

    if (n == 0)
        return shift->in_end;
    memcpy(buf, in.ptr, n);
    tern_buf_consume(&shift->in, n);
    return (int)n;
}

static int shift_send(void *user, const unsigned char *buf, size_t len)
{
    struct tern_tls_shift *shift = user;

    shift->error = tern_buf_append(&shift->out, buf, len);
    return shift->error == TERN_OK ? (int)len : MBEDTLS_ERR_SSL_ALLOC_FAILED;
}

static bool one_more(const struct tern_tls_shift *shift)
{
    if (shift->code == MBEDTLS_ERR_SSL_WANT_READ)
        return shift->in.len != 0;
    return !is_over(shift->tls, shift->code);
}

/* The worker's thread. */
static void on_run(struct tern_job *job, struct tern_files *files)
{
    struct tern_tls_shift *shift = TERN_CONTAINER_OF(job, struct tern_tls_shift, job);

    (void)files;
    do {
        tern_tls_fork_lock();
        shift->code = mbedtls_ssl_handshake_step(&shift->tls->ssl);
        tern_tls_fork_unlock();
    } while (one_more(shift) && !tern_job_is_cancelled(job));
}

static void on_done(struct tern_job *job, bool cancelled)
{
    struct tern_tls_stream *tls = TERN_CONTAINER_OF(job, struct tern_tls_shift, job)->tls;

    (void)cancelled; /* only ever by the stream's close */
    TERN_ASSERT(tls->home == TERN_TLS_ON_WORKER);
    tls->home = TERN_TLS_ON_LOOP;
    if (tls->state == TERN_TLS_CLOSED)
        tern_tls_stream_release(tls);
    else
        tern_tls_handshake_go_on(tls);
}

static bool begin_shift(struct tern_tls_stream *tls)
{
    struct tern_tls_shift *shift = tern_mem_calloc(1, sizeof(*shift));

    if (shift == NULL)
        return false;
    shift->job.run = on_run;
    shift->job.done = on_done;
    shift->job.kind = TERN_JOB_HANDSHAKE;
    shift->tls = tls;
    shift->in_end = MBEDTLS_ERR_SSL_WANT_READ;
    tern_buf_init(&shift->in, TERN_TLS_RECEIVE_BYTES);
    tern_buf_init(&shift->out, TERN_TLS_SEND_BYTES);
    mbedtls_ssl_set_bio(&tls->ssl, shift, shift_send, shift_recv, NULL);
    tls->shift = shift;
    return true;
}

/* The worker's result as if the steps had been done here. */
static int take_back(struct tern_tls_stream *tls)
{
    struct tern_tls_shift *shift = tls->shift;
    struct tern_str out = tern_buf_view(&shift->out);
    int code = shift->code;

    tern_tls_keylog_write(tls);
    tls->bio.error = shift->error;
    for (int n; out.len != 0; out = tern_str_from(out, (size_t)n)) {
        n = tern_tls_bio_send(&tls->bio, (const unsigned char *)out.ptr, out.len);
        if (n < 0)
            return n;
    }
    tern_buf_clear(&shift->out);
    return code;
}

/* What has come since, in one read. False: nothing, or it cannot be kept. */
static bool gather(struct tern_tls_stream *tls)
{
    struct tern_tls_shift *shift = tls->shift;
    int status = tern_tls_bio_take(&tls->bio, &shift->in);

    shift->in_end = status > 0 ? MBEDTLS_ERR_SSL_WANT_READ : status;
    return status != MBEDTLS_ERR_SSL_WANT_READ && tls->bio.error == TERN_OK;
}

static void hand_over(struct tern_tls_stream *tls)
{
    tls->home = TERN_TLS_ON_WORKER;
    tls->bio.error = tern_job_start(tls->engine, &tls->shift->job);
    if (tls->bio.error == TERN_OK)
        return;
    tls->home = TERN_TLS_ON_LOOP;
    fail_here(tls);
}

static void step_on_worker(struct tern_tls_stream *tls)
{
    bool has_work;
    int code;

    tern_tls_bio_begin(&tls->bio);
    if (tls->shift == NULL && !begin_shift(tls)) {
        tls->bio.error = TERN_ENOMEM;
        fail_here(tls);
        return;
    }
    code = take_back(tls);
    if (is_over(tls, code)) {
        judge(tls, code);
        return;
    }
    has_work = code == 0 || gather(tls);
    if (tls->bio.error != TERN_OK || tern_tls_bio_end(&tls->bio) == TERN_FLOW_ERROR)
        fail_here(tls);
    else if (has_work)
        hand_over(tls);
}

/* ---- both ---- */

void tern_tls_shift_free(struct tern_tls_stream *tls)
{
    struct tern_tls_shift *shift = tls->shift;

    if (shift == NULL)
        return;
    tern_buf_deinit(&shift->in);
    tern_buf_deinit(&shift->out);
    tern_mem_free(shift);
    tls->shift = NULL;
}

void tern_tls_shift_cancel(struct tern_tls_stream *tls)
{
    TERN_ASSERT(tls->home == TERN_TLS_ON_WORKER);
    tern_job_cancel(&tls->shift->job);
}

static void on_step(struct tern_task *task)
{
    struct tern_tls_stream *tls = TERN_CONTAINER_OF(task, struct tern_tls_stream, step);

    TERN_ASSERT(tls->home == TERN_TLS_ON_LOOP);
    if (tls->state == TERN_TLS_SETUP) {
        if (tern_tls_setup(tls, &tls->fault) != TERN_OK) {
            tern_tls_set_state(tls, TERN_TLS_FAILED);
            end_handshake(tls);
            return;
        }
        tern_tls_set_state(tls, TERN_TLS_HANDSHAKE);
    }
    TERN_ASSERT(tls->state == TERN_TLS_HANDSHAKE);
    if (tls->engine->config.handshake_threads != 0)
        step_on_worker(tls);
    else
        step_on_loop(tls);
}

void tern_tls_handshake_init(struct tern_tls_stream *tls)
{
    tern_task_init(&tls->step, on_step);
}

void tern_tls_handshake_go_on(struct tern_tls_stream *tls)
{
    if (tls->home == TERN_TLS_ON_LOOP)
        tern_engine_defer_slow(tls->engine, &tls->step);
}
