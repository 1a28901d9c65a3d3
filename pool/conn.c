/* The one place that joins bytes to protocol. Whoever wants to know what a connection does next reads pump(). */
#include "pool/conn.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "pool/dial.h"

#define PIECES_MAX 16

static void pump(struct tern_conn *conn);

/* ---- states ---- */

static const uint8_t successors[] = {
    [TERN_CONN_DIALLING] = 1u << TERN_CONN_IDLE | 1u << TERN_CONN_CLOSED,
    [TERN_CONN_IDLE] = 1u << TERN_CONN_ACTIVE | 1u << TERN_CONN_CLOSED,
    [TERN_CONN_ACTIVE] = 1u << TERN_CONN_IDLE | 1u << TERN_CONN_CLOSED,
    [TERN_CONN_CLOSED] = 0,
};

static void set_state(struct tern_conn *conn, enum tern_conn_state state)
{
    TERN_ASSERT((successors[conn->state] >> state & 1u) != 0);
    conn->state = state;
}

static void bury(struct tern_corpse *corpse)
{
    struct tern_conn *conn = TERN_CONTAINER_OF(corpse, struct tern_conn, corpse);

    tern_buf_deinit(&conn->stash);
    tern_mem_free(conn);
}

static void on_pump_task(struct tern_task *task)
{
    pump(TERN_CONTAINER_OF(task, struct tern_conn, pump));
}

static uint64_t now(const struct tern_conn *conn)
{
    return conn->pool->engine->now_ns;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When an idle connection is to go: by the client's limit, the server's hint, its age; the first of them. */
static uint64_t idle_deadline(const struct tern_conn *conn)
{
    const struct tern_limits *limits = &conn->pool->limits;
    uint64_t hint_ns = conn->codec->ops->idle_hint_ns(conn->codec);
    uint64_t deadline = earlier(tern_u64_add_sat(conn->idle_ns, limits->idle_ns),
                                tern_u64_add_sat(conn->opened_ns, limits->connection_age_ns));

    if (hint_ns == 0)
        return deadline;
    hint_ns = hint_ns > TERN_IDLE_HINT_MARGIN_NS ? hint_ns - TERN_IDLE_HINT_MARGIN_NS : 0;
    return earlier(deadline, tern_u64_add_sat(conn->idle_ns, hint_ns));
}

/* The timer is left armed while the connection is used and only asked again when it fires: reuse costs no timer operation. */
static void on_expiry(struct tern_timer *timer)
{
    struct tern_conn *conn = TERN_CONTAINER_OF(timer, struct tern_conn, expiry);

    if (conn->state != TERN_CONN_IDLE)
        return;
    if (now(conn) < idle_deadline(conn)) {
        tern_timer_arm(conn->pool->engine, &conn->expiry, idle_deadline(conn));
        return;
    }
    conn->pool->stats->connections_expired++;
    tern_conn_close(conn, true);
}

static void on_ready(struct tern_bytestream *stream)
{
    struct tern_conn *conn = stream->owner;

    if (conn->state == TERN_CONN_DIALLING)
        tern_dial_on_ready(conn);
    else
        pump(conn);
}

struct tern_conn *tern_conn_new(struct tern_dial *dial, struct tern_bucket *bucket)
{
    struct tern_conn *conn = tern_mem_calloc(1, sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->corpse.bury = bury;
    conn->state = TERN_CONN_DIALLING;
    conn->dial = dial;
    conn->bucket = bucket;
    conn->pool = bucket->pool;
    tern_list_init(&conn->pool_node);
    tern_list_init(&conn->idle_node);
    tern_list_init(&conn->bucket_node);
    tern_task_init(&conn->pump, on_pump_task);
    tern_timer_init(&conn->expiry, on_expiry);
    return conn;
}

void tern_conn_listen(struct tern_conn *conn, struct tern_bytestream *stream)
{
    conn->stream = stream;
    stream->owner = conn;
    stream->on_ready = on_ready;
}

void tern_conn_ready(struct tern_conn *conn, const struct tern_codec_limits *limits)
{
    struct tern_sockaddr local = {0}, remote = {0};

    tern_bytestream_names(conn->stream, &local, &remote);
    tern_sockaddr_print(&local, conn->local, sizeof(conn->local));
    tern_sockaddr_print(&remote, conn->remote, sizeof(conn->remote));
    tern_h1_init(&conn->h1, limits, &conn->pool->spares);
    conn->codec = &conn->h1.codec;
    tern_buf_init(&conn->stash, TERN_ENGINE_SCRATCH_BYTES);
    conn->dial = NULL;
    conn->opened_ns = conn->idle_ns = now(conn);
    set_state(conn, TERN_CONN_IDLE);
    tern_list_push_back(&conn->pool->connections, &conn->pool_node);
    conn->pool->stats->connections_opened++;
    tern_timer_arm(conn->pool->engine, &conn->expiry, idle_deadline(conn)); /* nobody may wait for it any more */
}

void tern_conn_close(struct tern_conn *conn, bool is_orderly)
{
    struct tern_pool *pool = conn->pool;
    bool was_dialling = conn->state == TERN_CONN_DIALLING;

    if (conn->state == TERN_CONN_CLOSED)
        return;
    TERN_ASSERT(conn->exchange == NULL);
    if (conn->state == TERN_CONN_IDLE)
        tern_pool_unidle(pool, conn);
    set_state(conn, TERN_CONN_CLOSED);
    tern_list_remove(&conn->pool_node);
    tern_timer_cancel(pool->engine, &conn->expiry);
    tern_task_cancel(&conn->pump);
    if (conn->codec != NULL)
        conn->codec->ops->deinit(conn->codec);
    if (conn->stream != NULL) {
        /* One try is enough: a peer that takes no more would not read a goodbye either. A child says none: the system is
         * asked, since the engine looks for a fork at its next turn only. */
        if (is_orderly && !pool->engine->io->ops->forked(pool->engine->io))
            (void)tern_bytestream_shutdown(conn->stream);
        tern_bytestream_close(conn->stream);
        conn->stream = NULL;
    }
    tern_engine_bury(pool->engine, &conn->corpse);
    if (!was_dialling) {
        pool->stats->connections_closed++;
        tern_pool_lost(pool, conn->bucket);
    }
}

/* ---- carrying an exchange ---- */

bool tern_conn_is_usable(const struct tern_conn *conn, uint64_t now_ns)
{
    return conn->uses < conn->pool->limits.connection_uses_max && now_ns < idle_deadline(conn);
}

static void fill_result(const struct tern_conn *conn, struct tern_result *result)
{
    result->reused = conn->uses > 1;
    memcpy(result->local, conn->local, sizeof(result->local));
    memcpy(result->remote, conn->remote, sizeof(result->remote));
    result->tls_version = conn->tls.version;
    result->tls_suite = conn->tls.suite;
    result->tls_resumed = conn->tls.resumed;
    result->tls_verify = conn->tls_verify;
}

void tern_conn_assign(struct tern_conn *conn, struct tern_exchange *exchange)
{
    struct tern_watchdog *dog = &exchange->watchdog;
    enum tern_error error;

    set_state(conn, TERN_CONN_ACTIVE);
    conn->uses++;
    conn->exchange = exchange;
    exchange->conn = conn;
    exchange->state = TERN_EXCHANGE_RUNNING;
    exchange->assigned_ns = now(conn);
    if (conn->uses > 1)
        conn->pool->stats->reused++;
    fill_result(conn, exchange->result);
    dog->waiting_ns = dog->dialling_ns = 0;
    if (exchange->outgoing.expect_continue)
        dog->expect_ns = now(conn);
    if (dog->timeouts->low_speed_bytes_per_s != 0 && !exchange->is_paused)
        dog->speed_ns = now(conn);
    exchange->stream.events = &tern_exchange_stream_events;
    exchange->stream.message = &exchange->outgoing;
    exchange->stream.window_bytes = exchange->window_bytes;
    conn->h1.limits = exchange->profile->codec_limits; /* a kept connection may come from another configuration */
    tern_exchange_trace(exchange, "%s connection to %s (%s)", conn->uses > 1 ? "Reusing" : "Using new", conn->remote,
                        conn->tls.version != NULL ? conn->tls.version : "plaintext");
    if (conn->exchange != NULL && exchange->events->on_assigned != NULL)
        exchange->events->on_assigned(exchange);
    if (conn->exchange == NULL) /* cancelled by who was told */
        return;
    error = conn->codec->ops->submit(conn->codec, &exchange->stream);
    if (error != TERN_OK) {
        struct tern_fault fault;

        tern_fault_plain(&fault, error);
        conn->exchange = NULL;
        exchange->conn = NULL;
        tern_exchange_fail_later(exchange, TERN_PHASE_WRITE, &fault);
        tern_conn_close(conn, true);
        return;
    }
    tern_exchange_watch(exchange);
    pump(conn);
}

void tern_conn_cancel(struct tern_conn *conn, struct tern_exchange *exchange)
{
    TERN_ASSERT(conn->exchange == exchange);
    conn->exchange = NULL;
    exchange->conn = NULL;
    conn->codec->ops->cancel(conn->codec, &exchange->stream);
    tern_conn_wake(conn); /* from a task: user code is on the stack here */
}

void tern_conn_wake(struct tern_conn *conn)
{
    tern_engine_defer(conn->pool->engine, &conn->pump);
}

/* With no exchange left: back to the pool, or closed. */
static void settle(struct tern_conn *conn)
{
    if (conn->state != TERN_CONN_ACTIVE || conn->exchange != NULL)
        return;
    if (conn->codec->ops->state(conn->codec) != TERN_CODEC_OPEN || conn->stash.len > 0) {
        tern_conn_close(conn, true);
        return;
    }
    tern_buf_deinit(&conn->stash);
    set_state(conn, TERN_CONN_IDLE);
    conn->idle_ns = now(conn);
    if (!tern_timer_is_armed(&conn->expiry) || idle_deadline(conn) < conn->expiry.deadline_ns)
        tern_timer_arm(conn->pool->engine, &conn->expiry, idle_deadline(conn));
    tern_pool_offer(conn->pool, conn);
}

/* ---- the pump ---- */

/* Ends whatever runs on the connection, and the connection. */
static void broken(struct tern_conn *conn, const struct tern_fault *reason)
{
    conn->codec->ops->feed_end(conn->codec, reason);
    TERN_ASSERT(conn->exchange == NULL);
    tern_conn_close(conn, false);
}

enum step {
    STEP_ON,
    STEP_WAIT, /* nothing more can be done now */
    STEP_DEAF, /* the peer takes nothing any more; it may have answered before that (413 and a close, say) */
    STEP_GONE  /* the connection is closed */
};

/* Writes until the codec has nothing more, the stream takes nothing more or others have their turn. */
static enum step write_out(struct tern_conn *conn)
{
    struct iovec pieces[PIECES_MAX];
    struct tern_exchange *exchange = conn->exchange;
    int writes = 0, count;

    while (exchange != NULL && (count = conn->codec->ops->pull(conn->codec, pieces, PIECES_MAX)) > 0) {
        size_t written = 0;
        enum tern_flow flow;

        if (writes == TERN_CONN_WRITES_MAX) {
            exchange->watchdog.blocked_ns = 0;
            tern_conn_wake(conn);
            return STEP_WAIT;
        }
        flow = tern_bytestream_writev(conn->stream, pieces, count, &written);
        if (flow == TERN_FLOW_OK) {
            conn->codec->ops->wrote(conn->codec, written);
            writes++;
        } else if (flow == TERN_FLOW_ERROR || flow == TERN_FLOW_EOF) {
            return STEP_DEAF;
        } else {
            if (writes > 0 || exchange->watchdog.blocked_ns == 0)
                exchange->watchdog.blocked_ns = now(conn);
            return STEP_WAIT;
        }
        exchange = conn->exchange; /* its body may have failed */
    }
    if (exchange != NULL)
        exchange->watchdog.blocked_ns = 0;
    return STEP_ON;
}

/* Gives the codec bytes; what it does not take yet is kept. Borrowed data may be the stash itself. */
static enum step feed(struct tern_conn *conn, const uint8_t *data, size_t len, bool is_stash)
{
    size_t used = 0;
    enum tern_error error = conn->codec->ops->feed(conn->codec, data, len, &used);

    if (error == TERN_OK && is_stash)
        tern_buf_consume(&conn->stash, used);
    else if (error == TERN_OK && used < len)
        error = tern_buf_append(&conn->stash, data + used, len - used);
    if (error == TERN_ENOMEM && conn->exchange != NULL) {
        struct tern_fault fault;

        tern_fault_plain(&fault, error);
        broken(conn, &fault);
        return STEP_GONE;
    }
    if (error != TERN_OK) {
        TERN_ASSERT(conn->exchange == NULL);
        tern_conn_close(conn, true);
        return STEP_GONE;
    }
    return conn->stash.len > 0 ? STEP_WAIT : STEP_ON;
}

/* One read and its parse. STEP_WAIT: nothing more now. */
static enum step read_in(struct tern_conn *conn)
{
    uint8_t *scratch = conn->pool->engine->scratch;
    size_t n = 0;
    enum tern_flow flow;

    if (conn->stash.len > 0)
        return feed(conn, (const uint8_t *)conn->stash.data + conn->stash.head, conn->stash.len, true);
    flow = tern_bytestream_read(conn->stream, scratch, TERN_ENGINE_SCRATCH_BYTES, &n);
    switch (flow) {
    case TERN_FLOW_OK:
        if (conn->exchange != NULL && conn->exchange->watchdog.silent_ns != 0)
            conn->exchange->watchdog.silent_ns = now(conn);
        return feed(conn, scratch, n, false);
    case TERN_FLOW_WANT_READ:
    case TERN_FLOW_WANT_WRITE:
        return STEP_WAIT;
    case TERN_FLOW_EOF:
        broken(conn, &(struct tern_fault){.error = TERN_OK});
        return STEP_GONE;
    case TERN_FLOW_ERROR:
        break;
    }
    broken(conn, &conn->stream->fault);
    return STEP_GONE;
}

/* True while the exchange takes no bytes of its own accord: then the peer's silence is not its fault. */
static bool is_held_back(const struct tern_exchange *exchange)
{
    return exchange->is_paused || exchange->stream.owed_bytes >= exchange->window_bytes;
}

/* Whether the peer's silence counts: once the request is out, or an answer has begun, and somebody listens. */
static void watch_silence(struct tern_exchange *exchange, uint64_t now_ns)
{
    struct tern_watchdog *dog = &exchange->watchdog;
    bool counts = (exchange->sent_ns != 0 || exchange->stream.received_head_bytes > 0) && !is_held_back(exchange);

    if (!counts)
        dog->silent_ns = 0;
    else if (dog->silent_ns == 0)
        dog->silent_ns = now_ns;
    tern_exchange_watch(exchange);
}

/* True while there is something to read for: an exchange that listens, or the end or stray bytes of a connection that may be
 * kept. (What came together with an answer has no event of its own; a stream that gave less than it was asked for
 * answers the next read without the system.) */
static bool wants_to_read(const struct tern_conn *conn)
{
    return conn->exchange != NULL ? !is_held_back(conn->exchange)
                                  : conn->codec->ops->state(conn->codec) == TERN_CODEC_OPEN;
}

/* STEP_ON: there is more to do, in the next turn. */
static enum step turn(struct tern_conn *conn)
{
    enum step written = write_out(conn), step;

    for (int reads = 0; wants_to_read(conn); reads++) {
        if (reads == TERN_CONN_READS_MAX) {
            tern_conn_wake(conn);
            return STEP_ON;
        }
        step = read_in(conn);
        if (step == STEP_WAIT && written == STEP_DEAF && wants_to_read(conn)) {
            broken(conn, &conn->stream->fault);
            return STEP_GONE;
        }
        if (step != STEP_ON)
            return step;
        if (written != STEP_DEAF)
            written = write_out(conn); /* an answer may have lifted what held the request */
    }
    return STEP_WAIT;
}

static void pump(struct tern_conn *conn)
{
    enum step step;

    if (conn->is_pumping || conn->state == TERN_CONN_CLOSED || conn->state == TERN_CONN_DIALLING)
        return;
    conn->is_pumping = true;
    step = turn(conn);
    conn->is_pumping = false;
    if (step == STEP_GONE)
        return;
    if (conn->exchange != NULL)
        watch_silence(conn->exchange, now(conn));
    else if (step == STEP_WAIT)
        settle(conn);
}
