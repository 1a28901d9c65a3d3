/* The one place that joins bytes to protocol. Whoever wants to know what a connection does next reads pump(). */
#include "pool/conn.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "pool/addresses.h"
#include "pool/dial.h"
#include "pool/retire.h"
#include "pool/warm.h"

#define PIECES_MAX 16

static void pump(struct tern_conn *conn);
static void broken(struct tern_conn *conn, const struct tern_fault *reason);

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

/* ---- what the codec did not take yet ---- */

static size_t stashed(const struct tern_conn *conn)
{
    return conn->stash != NULL ? conn->stash->len : 0;
}

static enum tern_error stash(struct tern_conn *conn, const uint8_t *data, size_t len)
{
    enum tern_error error;

    if (conn->stash == NULL) {
        conn->stash = tern_mem_alloc(sizeof(*conn->stash));
        if (conn->stash == NULL)
            return TERN_ENOMEM;
        tern_buf_init(conn->stash, TERN_CONN_READ_H1_BYTES);
    }
    error = tern_buf_append(conn->stash, data, len);
    if (error == TERN_OK)
        tern_ledger_hold(&conn->ledger, len);
    return error;
}

static void drop_stash(struct tern_conn *conn)
{
    if (conn->stash == NULL)
        return;
    tern_buf_deinit(conn->stash);
    tern_mem_free(conn->stash);
    conn->stash = NULL;
}

static void bury(struct tern_corpse *corpse)
{
    struct tern_conn *conn = TERN_CONTAINER_OF(corpse, struct tern_conn, corpse);

    drop_stash(conn);
    tern_mem_free(conn->h2);
    tern_mem_free(conn->local);
    tern_peer_release(tern_peer_of(conn));
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

const char *tern_conn_remote(const struct tern_conn *conn)
{
    return tern_peer_of(conn)->text;
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

/* The timer is left armed while the connection is used and only asked again when it fires: reuse costs no timer
 * operation. */
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

/* ---- whether the peer of an HTTP/2 connection lives ---- */

static bool is_suspect(const struct tern_conn *conn)
{
    return conn->h2 != NULL && conn->h2->life.is_suspect;
}

/* A sign of life. */
static void hear(struct tern_conn *conn)
{
    if (conn->h2 != NULL)
        conn->h2->life.alive_ns = now(conn);
}

static bool may_ask(const struct tern_conn *conn)
{
    return conn->exchange_count > 0 &&
           (tern_h2_may_ping(&conn->h2->codec) || tern_h2_ping_unanswered(&conn->h2->codec));
}

/* The timer is left armed and asks again when it fires, so that a sign of life costs an assignment. */
static void watch_life(struct tern_conn *conn)
{
    uint64_t next;

    if (conn->h2->life.asked_ns != 0 && !tern_h2_ping_unanswered(&conn->h2->codec))
        tern_liveness_answered(&conn->h2->life);
    next = tern_liveness_next(&conn->h2->life, may_ask(conn));
    if (next != TERN_OFF && (!tern_timer_is_armed(&conn->h2->look) || next < conn->h2->look.deadline_ns))
        tern_timer_arm(conn->pool->engine, &conn->h2->look, next);
}

/* Asks by a PING, unless PINGs are off or rationed. */
static void ask(struct tern_conn *conn, bool is_suspect)
{
    if (conn->h2->life.quiet_ns == TERN_OFF)
        return;
    tern_h2_ping(&conn->h2->codec);
    if (!tern_h2_ping_unanswered(&conn->h2->codec))
        return;
    tern_liveness_asked(&conn->h2->life, is_suspect, now(conn));
    watch_life(conn);
    tern_conn_wake(conn);
}

static void declare_dead(struct tern_conn *conn)
{
    struct tern_fault fault;

    tern_fault_set(&fault, TERN_EPEER_DEAD, "%s: nothing came for %llu ms, and a PING was not acknowledged in %llu ms",
                   tern_conn_remote(conn), (unsigned long long)((now(conn) - conn->h2->life.alive_ns) / TERN_MS),
                   (unsigned long long)((now(conn) - conn->h2->life.asked_ns) / TERN_MS));
    conn->pool->stats->connections_dead++;
    tern_retire_blame(conn);
    broken(conn, &fault);
}

static void on_look(struct tern_timer *timer)
{
    struct tern_conn *conn = TERN_CONTAINER_OF(timer, struct tern_conn_h2, look)->conn;
    enum tern_liveness_verdict verdict;

    if (conn->state != TERN_CONN_ACTIVE)
        return;
    verdict = tern_liveness_check(&conn->h2->life, may_ask(conn), now(conn));
    if (verdict == TERN_LIVENESS_DEAD) {
        declare_dead(conn);
        return;
    }
    if (verdict == TERN_LIVENESS_ASK)
        ask(conn, true);
    watch_life(conn);
}

void tern_conn_doubt(struct tern_conn *conn, uint64_t since_ns)
{
    if (conn->h2 != NULL)
        ask(conn, conn->h2->life.alive_ns <= since_ns);
}

static void on_ready(struct tern_bytestream *stream)
{
    struct tern_conn *conn = stream->owner;

    if (conn->state == TERN_CONN_DIALLING)
        tern_dial_on_ready(conn);
    else
        pump(conn);
}

struct tern_conn *tern_conn_new(struct tern_dial *dial, struct tern_bucket *bucket, const struct tern_sockaddr *address)
{
    struct tern_conn *conn = tern_mem_calloc(1, sizeof(*conn));
    struct tern_peer *peer = conn != NULL ? tern_peer_acquire(bucket->pool, address) : NULL;

    if (peer == NULL) {
        tern_mem_free(conn);
        return NULL;
    }
    conn->tcp.peer = &peer->address;
    conn->corpse.bury = bury;
    conn->state = TERN_CONN_DIALLING;
    conn->dial = dial;
    conn->bucket = bucket;
    conn->pool = bucket->pool;
    tern_list_init(&conn->pool_node);
    tern_list_init(&conn->idle_node);
    tern_list_init(&conn->bucket_node);
    tern_list_init(&conn->exchanges);
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

/* Of the whole connection: as much again is left for what its calls hold. */
static uint32_t window_max(const struct tern_limits *limits)
{
    uint64_t half = limits->connection_memory_bytes_max / 2;

    return half < INT32_MAX ? (uint32_t)half : INT32_MAX;
}

static enum tern_error set_h2(struct tern_conn *conn, const struct tern_profile *profile)
{
    struct tern_conn_h2 *h2 = tern_mem_calloc(1, sizeof(*h2));

    if (h2 == NULL)
        return TERN_ENOMEM;
    if (tern_h2_init(&h2->codec, &profile->codec_limits, profile->config.limits.body_window_bytes,
                     &conn->pool->h2_spares, &conn->ledger) != TERN_OK) {
        tern_mem_free(h2);
        return TERN_ENOMEM;
    }
    h2->conn = conn;
    tern_timer_init(&h2->look, on_look);
    tern_bdp_init(&h2->bdp, TERN_BDP_WINDOW_BYTES, window_max(&profile->config.limits));
    h2->calm_ns = now(conn);
    h2->life = (struct tern_liveness){.quiet_ns = profile->config.limits.h2_quiet_ns,
                                      .ack_ns = profile->config.limits.h2_ack_ns};
    conn->h2 = h2;
    conn->codec = &h2->codec.codec;
    return TERN_OK;
}

static enum tern_error set_local(struct tern_conn *conn)
{
    char text[TERN_ADDRESS_TEXT_MAX];
    struct tern_sockaddr local = {0};
    size_t size;

    tern_bytestream_names(conn->stream, &local, NULL);
    size = tern_sockaddr_print(&local, text, sizeof(text)) + 1;
    conn->local = tern_mem_alloc(size);
    if (conn->local == NULL)
        return TERN_ENOMEM;
    memcpy(conn->local, text, size);
    return TERN_OK;
}

enum tern_error tern_conn_ready(struct tern_conn *conn, const struct tern_profile *profile, bool is_h2)
{
    if (set_local(conn) != TERN_OK)
        return TERN_ENOMEM;
    tern_ledger_init(&conn->ledger, &conn->pool->ledger, profile->config.limits.connection_memory_bytes_max);
    if (is_h2) {
        if (set_h2(conn, profile) != TERN_OK)
            return TERN_ENOMEM;
    } else {
        tern_h1_init(&conn->h1, &profile->codec_limits, &conn->pool->h1_spares);
        conn->codec = &conn->h1.codec;
    }
    conn->dial = NULL;
    conn->opened_ns = conn->idle_ns = now(conn);
    if (is_h2 || tern_pool_spoken(conn->bucket) != TERN_SPOKEN_1_1_ASKED)
        tern_pool_note_spoken(conn->bucket, is_h2 ? TERN_SPOKEN_2 : TERN_SPOKEN_1_1);
    set_state(conn, TERN_CONN_IDLE);
    tern_list_push_back(&conn->pool->connections, &conn->pool_node);
    conn->pool->stats->connections_opened++;
    tern_timer_arm(conn->pool->engine, &conn->expiry, idle_deadline(conn)); /* nobody may wait for it any more */
    return TERN_OK;
}

/* One try is enough: a peer that takes no more would not read a goodbye either. */
static void say_goodbye(struct tern_conn *conn)
{
    struct iovec pieces[PIECES_MAX];
    size_t written;
    int count;

    if (conn->h2 != NULL) {
        tern_h2_shutdown(&conn->h2->codec);
        count = conn->codec->ops->pull(conn->codec, pieces, PIECES_MAX);
        if (count > 0)
            (void)tern_bytestream_writev(conn->stream, pieces, count, &written);
    }
    (void)tern_bytestream_shutdown(conn->stream);
}

void tern_conn_close(struct tern_conn *conn, bool is_orderly)
{
    struct tern_pool *pool = conn->pool;
    bool was_dialling = conn->state == TERN_CONN_DIALLING;

    if (conn->state == TERN_CONN_CLOSED)
        return;
    TERN_ASSERT(conn->exchange_count == 0);
    if (conn->state == TERN_CONN_IDLE)
        tern_pool_unidle(pool, conn);
    else
        tern_pool_unshare(conn);
    set_state(conn, TERN_CONN_CLOSED);
    tern_addresses_remove(conn);
    pool->yield_count -= conn->is_yielding;
    tern_list_remove(&conn->pool_node);
    tern_timer_cancel(pool->engine, &conn->expiry);
    if (conn->h2 != NULL)
        tern_timer_cancel(pool->engine, &conn->h2->look);
    tern_task_cancel(&conn->pump);
    if (conn->stream != NULL) {
        /* A child says nothing: the system is asked, since the engine looks for a fork at its next turn only. */
        if (is_orderly && conn->codec != NULL && !pool->engine->io->ops->forked(pool->engine->io))
            say_goodbye(conn);
        tern_bytestream_close(conn->stream);
        conn->stream = NULL;
    }
    if (conn->codec != NULL)
        conn->codec->ops->deinit(conn->codec);
    tern_ledger_drop(&conn->ledger, stashed(conn));
    tern_engine_bury(pool->engine, &conn->corpse);
    if (!was_dialling) {
        pool->stats->connections_closed++;
        tern_pool_lost(pool, conn->bucket);
    }
}

/* ---- carrying an exchange ---- */

bool tern_conn_is_usable(const struct tern_conn *conn, uint64_t now_ns)
{
    return tern_conn_room(conn) > 0 && now_ns < idle_deadline(conn);
}

static void fill_result(const struct tern_conn *conn, struct tern_result *result)
{
    const char *remote = tern_conn_remote(conn);

    result->reused = conn->uses > 1;
    memcpy(result->local, conn->local, strlen(conn->local) + 1);
    memcpy(result->remote, remote, strlen(remote) + 1);
    result->tls_version = conn->tls_version;
    result->tls_suite = conn->tls_suite;
    result->tls_resumed = conn->tls_resumed;
    result->tls_verify = conn->tls_verify;
}

static void attach(struct tern_conn *conn, struct tern_exchange *exchange)
{
    tern_list_push_back(&conn->exchanges, &exchange->node);
    conn->exchange_count++;
    conn->upload_count += exchange->outgoing.body != NULL;
    exchange->conn = conn;
}

void tern_conn_detach(struct tern_conn *conn, struct tern_exchange *exchange)
{
    TERN_ASSERT(exchange->conn == conn);
    tern_list_remove(&exchange->node);
    conn->exchange_count--;
    conn->upload_count -= exchange->outgoing.body != NULL;
    exchange->conn = NULL;
}

static void begin(struct tern_conn *conn, struct tern_exchange *exchange)
{
    struct tern_watchdog *dog = &exchange->watchdog;

    exchange->state = TERN_EXCHANGE_RUNNING;
    exchange->assigned_ns = now(conn);
    exchange->choices = exchange->coalesced_pair == 0 ? conn->bucket->choices : 0;
    fill_result(conn, exchange->result);
    dog->waiting_ns = dog->dialling_ns = 0;
    if (exchange->outgoing.expect_continue)
        dog->expect_ns = now(conn);
    if (dog->timeouts->low_speed_bytes_per_s != 0 && !exchange->is_paused)
        dog->speed_ns = now(conn);
    exchange->stream.events = &tern_exchange_stream_events;
    exchange->stream.message = &exchange->outgoing;
    exchange->stream.window_bytes = exchange->window_bytes;
    if (conn->h2 == NULL) /* a kept connection may come from another configuration */
        conn->h1.limits = exchange->profile->codec_limits;
}

/* Its peer's silence counts from now on. True: it has been idle for so long that the peer should be asked. */
static bool activate(struct tern_conn *conn)
{
    uint64_t silent_ns;

    set_state(conn, TERN_CONN_ACTIVE);
    if (conn->h2 == NULL)
        return false;
    silent_ns = now(conn) - conn->h2->life.alive_ns;
    conn->h2->life.alive_ns = now(conn);
    return conn->uses > 0 && silent_ns >= conn->h2->life.quiet_ns;
}

void tern_conn_assign(struct tern_conn *conn, struct tern_exchange *exchange)
{
    bool was_quiet = conn->state == TERN_CONN_IDLE && activate(conn);
    enum tern_error error;

    tern_retire_look(conn->bucket, exchange->profile);
    conn->uses++;
    conn->is_spent |= exchange->outgoing.close;
    conn->pool->stats->reused += conn->uses > 1;
    tern_warm_used(conn->bucket);
    attach(conn, exchange);
    begin(conn, exchange);
    tern_exchange_trace(exchange, "%s connection to %s (%s)", conn->uses > 1 ? "Reusing" : "Using new",
                        tern_conn_remote(conn), conn->tls_version != NULL ? conn->tls_version : "plaintext");
    if (exchange->conn == conn && exchange->events->on_assigned != NULL)
        exchange->events->on_assigned(exchange);
    if (exchange->conn != conn) /* cancelled by who was told */
        return;
    error = conn->codec->ops->submit(conn->codec, &exchange->stream);
    if (error != TERN_OK) {
        struct tern_fault fault;

        tern_fault_plain(&fault, error);
        tern_conn_detach(conn, exchange);
        tern_exchange_fail_later(exchange, TERN_PHASE_WRITE, &fault);
        tern_conn_wake(conn);
        return;
    }
    if (exchange->is_paused)
        conn->codec->ops->pause(conn->codec, &exchange->stream, true);
    tern_exchange_watch(exchange);
    if (conn->h2 == NULL) {
        pump(conn);
        return;
    }
    if (was_quiet)
        ask(conn, false);
    watch_life(conn);
    tern_pool_share(conn);                                   /* at once: the next call of this turn looks for it */
    tern_engine_defer_last(conn->pool->engine, &conn->pump); /* and goes out in the same write */
}

void tern_conn_cancel(struct tern_conn *conn, struct tern_exchange *exchange)
{
    tern_conn_detach(conn, exchange);
    conn->codec->ops->cancel(conn->codec, &exchange->stream);
    tern_conn_wake(conn); /* from a task: user code is on the stack here */
}

bool tern_conn_is_dead(const struct tern_conn *conn)
{
    return conn->h2 == NULL || conn->h2->codec.is_broken;
}

uint32_t tern_conn_room(const struct tern_conn *conn)
{
    const struct tern_limits *limits = &conn->pool->limits;
    uint32_t room = conn->codec->ops->capacity(conn->codec);

    if (conn->is_spent || is_suspect(conn) || conn->uses >= limits->connection_uses_max ||
        conn->codec->ops->state(conn->codec) != TERN_CODEC_OPEN ||
        now(conn) >= tern_u64_add_sat(conn->opened_ns, limits->connection_age_ns))
        return 0;
    return limits->connection_uses_max - conn->uses < room ? (uint32_t)(limits->connection_uses_max - conn->uses)
                                                           : room;
}

void tern_conn_wake(struct tern_conn *conn)
{
    tern_engine_defer(conn->pool->engine, &conn->pump);
}

/* With no exchange left: back to the pool, or closed. With some, and room for more: offered to who waits. */
static void settle(struct tern_conn *conn)
{
    enum tern_codec_state state = conn->codec->ops->state(conn->codec);

    if (conn->state == TERN_CONN_IDLE && state != TERN_CODEC_OPEN)
        tern_conn_close(conn, true); /* the peer has said goodbye */
    if (conn->state != TERN_CONN_ACTIVE || conn->is_sharing)
        return;
    if (conn->exchange_count > 0) {
        tern_pool_share(conn);
        return;
    }
    if (state != TERN_CODEC_OPEN || conn->is_spent || stashed(conn) > 0) {
        tern_conn_close(conn, true);
        return;
    }
    tern_pool_unshare(conn);
    if (is_suspect(conn))
        return; /* nobody is to have it before its peer has answered */
    drop_stash(conn);
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
    TERN_ASSERT(conn->exchange_count == 0);
    tern_conn_close(conn, false);
}

/* The same, for what its stream says. */
static void broken_below(struct tern_conn *conn)
{
    struct tern_fault fault;

    tern_bytestream_fault(conn->stream, &fault);
    broken(conn, &fault);
}

enum step {
    STEP_ON,
    STEP_WAIT, /* nothing more can be done now */
    STEP_DEAF, /* the peer takes nothing any more; it may have answered before that (413 and a close, say) */
    STEP_GONE  /* the connection is closed */
};

/* The write limit runs for every exchange that has something left to send, from the last byte that the peer took. */
static void set_blocked(struct tern_conn *conn, uint64_t since_ns)
{
    conn->is_blocked = since_ns != 0;
    TERN_LIST_FOREACH(node, &conn->exchanges) {
        struct tern_exchange *exchange = TERN_CONTAINER_OF(node, struct tern_exchange, node);

        exchange->watchdog.blocked_ns = exchange->sent_ns == 0 ? since_ns : 0;
        if (since_ns != 0)
            tern_exchange_watch(exchange);
    }
}

/* Writes until the codec has nothing more, the stream takes nothing more or others have their turn. */
static enum step write_out(struct tern_conn *conn)
{
    struct iovec pieces[PIECES_MAX];
    int writes = 0, count;

    while ((count = conn->codec->ops->pull(conn->codec, pieces, PIECES_MAX)) > 0) {
        size_t written = 0;
        enum tern_flow flow;

        if (writes == TERN_CONN_WRITES_MAX) {
            set_blocked(conn, 0);
            tern_conn_wake(conn);
            return STEP_WAIT;
        }
        flow = tern_bytestream_writev(conn->stream, pieces, count, &written);
        if (flow == TERN_FLOW_OK) {
            conn->codec->ops->wrote(conn->codec, written);
            if (conn->is_blocked) /* who takes what was refused before is there */
                hear(conn);
            writes++;
        } else if (flow == TERN_FLOW_ERROR || flow == TERN_FLOW_EOF) {
            return STEP_DEAF;
        } else {
            if (writes > 0 || !conn->is_blocked)
                set_blocked(conn, now(conn));
            return STEP_WAIT;
        }
    }
    if (conn->is_blocked)
        set_blocked(conn, 0);
    return STEP_ON;
}

/* Gives the codec bytes; what it does not take yet is kept. Borrowed data may be the stash itself. */
static enum step feed(struct tern_conn *conn, const uint8_t *data, size_t len, bool is_stash)
{
    size_t used = 0;
    enum tern_error error = conn->codec->ops->feed(conn->codec, data, len, &used);

    if (error == TERN_OK && is_stash) {
        tern_buf_consume(conn->stash, used);
        tern_ledger_drop(&conn->ledger, used);
    } else if (error == TERN_OK && used < len) {
        error = stash(conn, data + used, len - used);
    }
    if (error == TERN_ENOMEM && conn->exchange_count > 0) {
        struct tern_fault fault;

        tern_fault_plain(&fault, error);
        broken(conn, &fault);
        return STEP_GONE;
    }
    if (error != TERN_OK) {
        TERN_ASSERT(conn->exchange_count == 0);
        (void)write_out(conn); /* the codec's last word (GOAWAY), if the peer takes it */
        tern_conn_close(conn, true);
        return STEP_GONE;
    }
    return stashed(conn) > 0 ? STEP_WAIT : STEP_ON;
}

/* The one exchange of the connection, or NULL if there is none or several. */
static struct tern_exchange *only_exchange(const struct tern_conn *conn)
{
    return conn->exchange_count == 1 ? TERN_CONTAINER_OF(conn->exchanges.next, struct tern_exchange, node) : NULL;
}

/* A second's allowances against floods are whole again. */
static void calm(struct tern_conn *conn)
{
    if (conn->h2 == NULL || now(conn) - conn->h2->calm_ns < TERN_S)
        return;
    conn->h2->calm_ns = now(conn);
    tern_h2_calm(&conn->h2->codec);
}

/* h2: how much the path brings in a round trip, and so how wide the window has to be. Its PINGs are of the same ration
 * as those that ask whether the peer lives: the codec sends none while one is unanswered or before a message has
 * come. */
static void measure(struct tern_conn *conn, size_t bytes)
{
    tern_bdp_arrived(&conn->h2->bdp, bytes);
    if (tern_h2_ping_unanswered(&conn->h2->codec))
        return;
    if (conn->h2->bdp.is_sampling && tern_bdp_end(&conn->h2->bdp, now(conn)))
        tern_h2_widen(&conn->h2->codec, NULL, conn->h2->bdp.window_bytes);
    if (tern_bdp_is_due(&conn->h2->bdp, now(conn))) {
        tern_h2_ping(&conn->h2->codec);
        if (tern_h2_ping_unanswered(&conn->h2->codec))
            tern_bdp_begin(&conn->h2->bdp, now(conn));
    }
}

void tern_conn_widen(struct tern_conn *conn, struct tern_exchange *exchange)
{
    struct tern_stream *stream = &exchange->stream;
    uint32_t wanted;

    if (conn->h2 == NULL)
        return;
    wanted = conn->h2->bdp.window_bytes;
    if (wanted > exchange->window_bytes_max)
        wanted = exchange->window_bytes_max;
    if (wanted <= stream->window_bytes || exchange->is_paused ||
        stream->received_body_bytes < stream->window_bytes / 2 || tern_ledger_room(&conn->ledger) < wanted)
        return;
    tern_h2_widen(&conn->h2->codec, stream, wanted);
}

static size_t read_bytes(const struct tern_conn *conn)
{
    return conn->h2 == NULL ? TERN_CONN_READ_H1_BYTES : TERN_CONN_READ_H2_BYTES;
}

/* One read and its parse. STEP_WAIT: nothing more now. */
static enum step read_in(struct tern_conn *conn)
{
    uint8_t *scratch = conn->pool->engine->scratch;
    struct tern_exchange *only = only_exchange(conn);
    size_t n = 0;
    enum tern_flow flow;
    enum step step;

    if (stashed(conn) > 0)
        return feed(conn, (const uint8_t *)conn->stash->data + conn->stash->head, conn->stash->len, true);
    flow = tern_bytestream_read(conn->stream, scratch, read_bytes(conn), &n);
    switch (flow) {
    case TERN_FLOW_OK:
        hear(conn);
        calm(conn);
        if (only != NULL && only->watchdog.silent_ns != 0) /* part of a head is a sign of life too */
            only->watchdog.silent_ns = now(conn);
        step = feed(conn, scratch, n, false);
        if (step != STEP_GONE && conn->h2 != NULL)
            measure(conn, n);
        return step;
    case TERN_FLOW_WANT_READ:
    case TERN_FLOW_WANT_WRITE:
        return STEP_WAIT;
    case TERN_FLOW_EOF:
        broken(conn, &(struct tern_fault){.error = TERN_OK});
        return STEP_GONE;
    case TERN_FLOW_ERROR:
        break;
    }
    broken_below(conn);
    return STEP_GONE;
}

/* STEP_ON: there is more to do, in the next turn. */
static enum step turn(struct tern_conn *conn)
{
    enum step written = write_out(conn), step = STEP_WAIT;
    bool is_due = false; /* what was read may have made something to write */

    /* What came together with an answer has no event of its own: an idle connection is read too. (A stream that gave
     * less than it was asked for answers the next read without the system.) */
    for (size_t taken = 0; conn->codec->ops->wants_input(conn->codec); taken += read_bytes(conn)) {
        if (taken >= TERN_CONN_TURN_BYTES) {
            tern_conn_wake(conn);
            break;
        }
        step = read_in(conn);
        if (step == STEP_GONE)
            return step;
        is_due |= step == STEP_ON;
        if (step == STEP_ON && written != STEP_DEAF && conn->h2 == NULL)
            written = write_out(conn); /* an answer may have lifted what held the request, or want one itself */
        if (step == STEP_WAIT)
            break;
    }
    if (is_due && written != STEP_DEAF && conn->h2 != NULL)
        written = write_out(conn); /* once: HTTP/2's answers are many and small */
    if (step == STEP_WAIT && written == STEP_DEAF && conn->codec->ops->wants_input(conn->codec)) {
        broken_below(conn);
        return STEP_GONE;
    }
    return conn->codec->ops->wants_input(conn->codec) ? step : STEP_WAIT;
}

/* An upload may also stand still because the peer opens no window for it: the write limit runs then too, but not while
 * the user has nothing to send or leave is awaited. */
static void watch_uploads(struct tern_conn *conn)
{
    if (conn->upload_count == 0)
        return;
    TERN_LIST_FOREACH(node, &conn->exchanges) {
        struct tern_exchange *exchange = TERN_CONTAINER_OF(node, struct tern_exchange, node);
        struct tern_watchdog *dog = &exchange->watchdog;

        if (exchange->outgoing.body == NULL || exchange->sent_ns != 0)
            continue;
        if (exchange->outgoing.body->is_waiting || dog->expect_ns != 0) {
            dog->blocked_ns = 0;
        } else if (dog->blocked_ns == 0 || exchange->stream.sent_body_bytes != exchange->sent_mark) {
            dog->blocked_ns = now(conn);
            exchange->sent_mark = exchange->stream.sent_body_bytes;
            tern_exchange_watch(exchange);
        }
    }
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
    if (conn->h2 != NULL) {
        watch_uploads(conn);
        watch_life(conn);
    }
    if (step == STEP_WAIT)
        settle(conn);
    else if (conn->h2 != NULL)
        tern_pool_share(conn); /* what ended in this turn has made room already */
}
