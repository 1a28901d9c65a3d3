#include "pool/pool.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "pool/conn.h"
#include "pool/dial.h"

/* ---- buckets ---- */

static uint64_t key_hash(const struct tern_pool *pool, const struct tern_exchange *exchange)
{
    const struct tern_origin *origin = exchange->origin;
    const struct tern_buf *shape = &exchange->profile->shape;
    uint64_t host = tern_hash_bytes(pool->engine->hash_seed, origin->host.text, origin->host.len);

    /* A client has few shapes, and they are long: the length tells most of them apart. */
    return host ^ ((uint64_t)origin->port << 1 | origin->is_secure) ^ shape->len << 17;
}

static bool shape_equal(const struct tern_profile *a, const struct tern_profile *b)
{
    return a == b || (a->shape.len == b->shape.len &&
                      memcmp(a->shape.data + a->shape.head, b->shape.data + b->shape.head, a->shape.len) == 0);
}

static bool key_equal(const struct tern_bucket *bucket, const struct tern_exchange *exchange)
{
    const struct tern_origin *origin = exchange->origin;

    return bucket->origin.is_secure == origin->is_secure && bucket->origin.port == origin->port &&
           tern_host_eq(&bucket->origin.host, &origin->host) && shape_equal(bucket->profile, exchange->profile);
}

static struct tern_bucket *bucket_find(struct tern_pool *pool, const struct tern_exchange *exchange, uint64_t hash)
{
    for (struct tern_hash_node *node = tern_hash_first(&pool->buckets, hash); node != NULL;
         node = tern_hash_next(node)) {
        struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, hash);

        if (key_equal(bucket, exchange))
            return bucket;
    }
    return NULL;
}

static struct tern_bucket *bucket_get(struct tern_pool *pool, const struct tern_exchange *exchange)
{
    uint64_t hash = key_hash(pool, exchange);
    struct tern_bucket *bucket = bucket_find(pool, exchange, hash);

    if (bucket != NULL)
        return bucket;
    bucket = tern_mem_calloc(1, sizeof(*bucket));
    if (bucket == NULL)
        return NULL;
    bucket->pool = pool;
    bucket->profile = tern_profile_acquire(exchange->profile);
    bucket->origin = *exchange->origin;
    tern_list_init(&bucket->idle);
    tern_list_init(&bucket->shared);
    tern_list_init(&bucket->waiters);
    tern_list_init(&bucket->dials);
    tern_hash_insert(&pool->buckets, &bucket->hash, hash);
    return bucket;
}

static void bucket_drop_if_empty(struct tern_bucket *bucket)
{
    if (bucket->connection_count > 0 || !tern_list_is_empty(&bucket->waiters))
        return;
    tern_hash_remove(&bucket->pool->buckets, &bucket->hash);
    tern_profile_release(bucket->profile);
    tern_mem_free(bucket);
}

enum tern_spoken tern_pool_spoken(const struct tern_bucket *bucket)
{
    return tern_spoken_get(&bucket->pool->spoken, bucket->hash.hash);
}

void tern_pool_note_spoken(struct tern_bucket *bucket, enum tern_spoken what)
{
    tern_spoken_set(&bucket->pool->spoken, bucket->hash.hash, what);
}

/* ---- idle connections ---- */

void tern_pool_unidle(struct tern_pool *pool, struct tern_conn *conn)
{
    if (!tern_list_is_linked(&conn->idle_node))
        return;
    tern_list_remove(&conn->idle_node);
    tern_list_remove(&conn->bucket_node);
    pool->idle_count--;
}

/* The longest idle one of the whole pool goes. False: there is none. */
static bool evict(struct tern_pool *pool)
{
    if (tern_list_is_empty(&pool->idle))
        return false;
    tern_conn_close(TERN_CONTAINER_OF(pool->idle.next, struct tern_conn, idle_node), true);
    return true;
}

static void keep(struct tern_pool *pool, struct tern_conn *conn)
{
    tern_list_push_front(&conn->bucket->idle, &conn->bucket_node);
    tern_list_push_back(&pool->idle, &conn->idle_node);
    pool->idle_count++;
    while (pool->idle_count > pool->limits.idle_max)
        evict(pool);
}

/* The idle connection that was used last, or NULL. Those that are not good any more close. */
static struct tern_conn *take_idle(struct tern_pool *pool, struct tern_bucket *bucket)
{
    bucket->connection_count++; /* so that closing the last one leaves the bucket */
    while (!tern_list_is_empty(&bucket->idle)) {
        struct tern_conn *conn = TERN_CONTAINER_OF(bucket->idle.next, struct tern_conn, bucket_node);

        if (tern_conn_is_usable(conn, pool->engine->now_ns)) {
            tern_pool_unidle(pool, conn);
            bucket->connection_count--;
            return conn;
        }
        pool->stats->connections_expired++;
        tern_conn_close(conn, true);
    }
    bucket->connection_count--;
    return NULL;
}

/* ---- waiters and their dials ---- */

static void wait_in(struct tern_pool *pool, struct tern_bucket *bucket, struct tern_exchange *exchange)
{
    exchange->state = TERN_EXCHANGE_WAITING;
    exchange->bucket = bucket;
    tern_list_push_back(&bucket->waiters, &exchange->node);
    tern_list_push_back(&pool->waiters, &exchange->pool_node);
    pool->waiter_count++;
    exchange->watchdog.waiting_ns = pool->engine->now_ns;
}

static void unlink_waiter(struct tern_pool *pool, struct tern_exchange *exchange)
{
    tern_list_remove(&exchange->node);
    tern_list_remove(&exchange->pool_node);
    pool->waiter_count--;
}

static void marry(struct tern_dial *dial, struct tern_exchange *exchange, uint64_t now_ns)
{
    dial->exchange = exchange;
    exchange->dial = dial;
    exchange->watchdog.waiting_ns = 0;
    exchange->watchdog.dialling_ns = now_ns;
}

static void divorce(struct tern_dial *dial)
{
    if (dial->exchange != NULL)
        dial->exchange->dial = NULL;
    dial->exchange = NULL;
}

/* A dial that is nobody's any more goes to the first waiter of its bucket that has none. */
static struct tern_exchange *first_undialled(struct tern_bucket *bucket)
{
    TERN_LIST_FOREACH(node, &bucket->waiters) {
        struct tern_exchange *exchange = TERN_CONTAINER_OF(node, struct tern_exchange, node);

        if (exchange->dial == NULL)
            return exchange;
    }
    return NULL;
}

static bool rehome(struct tern_dial *dial)
{
    struct tern_exchange *exchange = first_undialled(dial->bucket);

    if (exchange == NULL)
        return false;
    marry(dial, exchange, dial->pool->engine->now_ns);
    tern_exchange_watch(exchange);
    return true;
}

/* An idle connection makes room. (Of the waiter's own host there is one only where the waiter wants none that was
 * used.) */
/* Where HTTP/2 may be spoken one dial at a time goes on: what it brings may carry all who wait. */
static bool is_one_dial_enough(const struct tern_bucket *bucket)
{
    enum tern_http_mode mode = bucket->profile->config.http_mode;
    enum tern_spoken spoken = tern_pool_spoken(bucket);

    return (mode == TERN_HTTP_MODE_2_ONLY || (mode == TERN_HTTP_MODE_2 && bucket->origin.is_secure)) &&
           (spoken == TERN_SPOKEN_UNKNOWN || spoken == TERN_SPOKEN_2) && !tern_list_is_empty(&bucket->dials);
}

static bool may_dial(const struct tern_pool *pool, const struct tern_bucket *bucket)
{
    return (bucket->connection_count < pool->limits.connections_per_host_max || !tern_list_is_empty(&bucket->idle)) &&
           (pool->connection_count < pool->limits.connections_max || pool->idle_count > 0);
}

/* Begins a dial for a waiter. False: out of memory. */
static bool dial_for(struct tern_pool *pool, struct tern_exchange *exchange)
{
    struct tern_bucket *bucket = exchange->bucket;
    struct tern_dial *dial;

    if (bucket->connection_count >= pool->limits.connections_per_host_max)
        tern_conn_close(TERN_CONTAINER_OF(bucket->idle.prev, struct tern_conn, bucket_node), true);
    if (pool->connection_count >= pool->limits.connections_max)
        evict(pool);
    dial = tern_dial_start(bucket, exchange);
    if (dial == NULL)
        return false;
    tern_list_push_back(&bucket->dials, &dial->node);
    pool->dial_count++;
    bucket->connection_count++;
    pool->connection_count++;
    marry(dial, exchange, pool->engine->now_ns);
    tern_exchange_watch(exchange);
    return true;
}

/* A dial that goes on though its waiter was served otherwise, or NULL. */
static struct tern_dial *find_orphan(struct tern_bucket *bucket)
{
    TERN_LIST_FOREACH(node, &bucket->dials) {
        struct tern_dial *dial = TERN_CONTAINER_OF(node, struct tern_dial, node);

        if (dial->exchange == NULL)
            return dial;
    }
    return NULL;
}

/* Sees to it that a dial goes on for a waiter, if the limits allow. One that lost its waiter is as good as a new one:
 * so there are never more connections than there were calls at once. False: out of memory. */
static bool provide(struct tern_pool *pool, struct tern_exchange *exchange)
{
    struct tern_dial *orphan = find_orphan(exchange->bucket);

    if (orphan == NULL)
        return is_one_dial_enough(exchange->bucket) || !may_dial(pool, exchange->bucket) || dial_for(pool, exchange);
    marry(orphan, exchange, pool->engine->now_ns);
    tern_exchange_watch(exchange);
    return true;
}

/* There is room for a dial, but no memory: nothing would come to serve this waiter. */
static void starve(struct tern_pool *pool, struct tern_exchange *exchange)
{
    struct tern_fault fault;

    tern_fault_plain(&fault, TERN_ENOMEM);
    tern_exchange_waited(exchange, NULL);
    tern_pool_unwait(pool, exchange);
    tern_exchange_fail_later(exchange, TERN_PHASE_POOL, &fault);
}

/* Looks what the waiters can get now that there is room: idle connections were offered to them already. */
static void on_serve(struct tern_task *task)
{
    struct tern_pool *pool = TERN_CONTAINER_OF(task, struct tern_pool, serve);

    TERN_LIST_FOREACH(node, &pool->waiters) {
        struct tern_exchange *exchange = TERN_CONTAINER_OF(node, struct tern_exchange, pool_node);

        if (pool->connection_count >= pool->limits.connections_max && pool->idle_count == 0)
            return;
        if (exchange->dial == NULL && !provide(pool, exchange))
            starve(pool, exchange);
    }
}

static void unlink_dial(struct tern_dial *dial)
{
    tern_list_remove(&dial->node);
    dial->pool->dial_count--;
}

void tern_pool_unwait(struct tern_pool *pool, struct tern_exchange *exchange)
{
    struct tern_bucket *bucket = exchange->bucket;
    struct tern_dial *dial = exchange->dial;

    unlink_waiter(pool, exchange);
    exchange->bucket = NULL;
    if (dial == NULL) {
        bucket_drop_if_empty(bucket);
        return;
    }
    divorce(dial);
    if (rehome(dial))
        return;
    unlink_dial(dial); /* nobody is left who wants it */
    tern_dial_cancel(dial);
    tern_pool_lost(pool, bucket);
}

/* ---- what connections and dials report ---- */

void tern_pool_lost(struct tern_pool *pool, struct tern_bucket *bucket)
{
    bucket->connection_count--;
    pool->connection_count--;
    if (pool->waiter_count > 0)
        tern_engine_defer(pool->engine, &pool->serve);
    bucket_drop_if_empty(bucket);
}

/* The first waiter that this connection can serve: one that wants a fresh connection takes no used one. */
static struct tern_exchange *first_for(struct tern_bucket *bucket, const struct tern_conn *conn)
{
    TERN_LIST_FOREACH(node, &bucket->waiters) {
        struct tern_exchange *exchange = TERN_CONTAINER_OF(node, struct tern_exchange, node);

        if (!exchange->is_fresh || conn->uses == 0)
            return exchange;
    }
    return NULL;
}

/* Gives the waiter the connection. Its own dial goes on for another waiter, or for the pool. */
static void serve(struct tern_pool *pool, struct tern_exchange *exchange, struct tern_conn *conn)
{
    struct tern_dial *dial = exchange->dial;

    unlink_waiter(pool, exchange);
    if (dial != NULL) {
        divorce(dial);
        (void)rehome(dial);
    }
    tern_exchange_waited(exchange, conn->uses == 0 ? &conn->report : NULL);
    tern_conn_assign(conn, exchange);
}

/* Of the active connections the one with most room, so that streams are spread. NULL: none has any. */
static struct tern_conn *find_shared(struct tern_bucket *bucket)
{
    struct tern_conn *best = NULL;
    uint32_t best_room = 0;

    TERN_LIST_FOREACH(node, &bucket->shared) {
        struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, bucket_node);
        uint32_t room = tern_conn_room(conn);

        if (room > best_room) {
            best_room = room;
            best = conn;
        }
    }
    return best;
}

void tern_pool_unshare(struct tern_conn *conn)
{
    tern_list_remove(&conn->bucket_node);
}

void tern_pool_share(struct tern_conn *conn)
{
    struct tern_exchange *exchange;

    if (conn->state != TERN_CONN_ACTIVE || conn->is_sharing)
        return;
    conn->is_sharing = true;
    while (conn->state == TERN_CONN_ACTIVE && tern_conn_room(conn) > 0 &&
           (exchange = first_for(conn->bucket, conn)) != NULL)
        serve(conn->pool, exchange, conn);
    conn->is_sharing = false;
    if (conn->state != TERN_CONN_ACTIVE)
        return;
    if (tern_conn_room(conn) == 0)
        tern_pool_unshare(conn);
    else if (!tern_list_is_linked(&conn->bucket_node))
        tern_list_push_back(&conn->bucket->shared, &conn->bucket_node);
}

void tern_pool_offer(struct tern_pool *pool, struct tern_conn *conn)
{
    struct tern_exchange *exchange;

    if (!tern_conn_is_usable(conn, pool->engine->now_ns)) {
        pool->stats->connections_expired++;
        tern_conn_close(conn, true);
        return;
    }
    exchange = first_for(conn->bucket, conn);
    if (exchange != NULL) {
        serve(pool, exchange, conn);
        return;
    }
    if (pool->is_draining) {
        tern_conn_close(conn, true);
        return;
    }
    if (conn->uses == 0)
        tern_conn_wake(conn); /* it was not read from yet: what has come already closes it */
    keep(pool, conn);
    if (pool->waiter_count > 0) /* of other hosts: they may have its place */
        tern_engine_defer(pool->engine, &pool->serve);
}

void tern_pool_dialled(struct tern_dial *dial, struct tern_conn *conn)
{
    struct tern_exchange *exchange = dial->exchange;
    struct tern_exchange *first = first_for(dial->bucket, conn);

    unlink_dial(dial);
    conn->report = dial->report;
    /* The connection goes to who has waited longest; whose dial it was takes over the other's. */
    if (exchange != NULL && first != exchange && first->dial != NULL) {
        struct tern_dial *other = first->dial;

        divorce(other);
        divorce(dial);
        marry(other, exchange, dial->pool->engine->now_ns);
    } else {
        divorce(dial);
        if (exchange != NULL && first != exchange) {
            exchange->watchdog.dialling_ns = 0;
            exchange->watchdog.waiting_ns = dial->pool->engine->now_ns;
            tern_exchange_watch(exchange);
        }
    }
    tern_pool_offer(dial->pool, conn);
    tern_pool_share(conn);
    if (dial->pool->waiter_count > 0) /* what it spoke, and how much room it has, may change who is dialled for */
        tern_engine_defer(dial->pool->engine, &dial->pool->serve);
}

void tern_pool_dial_failed(struct tern_dial *dial, const struct tern_fault *fault, enum tern_phase phase)
{
    struct tern_pool *pool = dial->pool;
    struct tern_bucket *bucket = dial->bucket;
    struct tern_exchange *exchange = dial->exchange;

    pool->stats->connections_failed++;
    unlink_dial(dial);
    divorce(dial);
    if (exchange != NULL) {
        unlink_waiter(pool, exchange);
        exchange->bucket = NULL;
        tern_exchange_waited(exchange, &dial->report);
    }
    tern_pool_lost(pool, bucket);
    if (exchange != NULL)
        tern_exchange_end(exchange, phase, fault, TERN_REPLAY_UNSENT);
}

/* ---- the transport ---- */

static enum tern_error pool_start(struct tern_transport *transport, struct tern_exchange *exchange,
                                  struct tern_fault *why)
{
    struct tern_pool *pool = TERN_CONTAINER_OF(transport, struct tern_pool, transport);
    struct tern_bucket *bucket;
    struct tern_conn *conn;

    tern_exchange_begin(exchange, transport);
    bucket = bucket_get(pool, exchange);
    if (bucket == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    /* Where one has room nobody waits but for a fresh one. */
    conn = exchange->is_fresh ? NULL : find_shared(bucket);
    if (conn == NULL && !exchange->is_fresh)
        conn = take_idle(pool, bucket);
    if (conn != NULL) {
        exchange->bucket = bucket;
        tern_exchange_waited(exchange, NULL);
        tern_conn_assign(conn, exchange);
        return TERN_OK;
    }
    if (!may_dial(pool, bucket) && pool->waiter_count >= pool->limits.waiters_max) {
        bucket_drop_if_empty(bucket);
        return tern_fault_set(why, TERN_EQUEUE, "%u calls wait for a connection already (limits.waiters_max)",
                              pool->waiter_count);
    }
    wait_in(pool, bucket, exchange);
    if (!provide(pool, exchange)) {
        tern_pool_unwait(pool, exchange);
        return tern_fault_plain(why, TERN_ENOMEM);
    }
    tern_exchange_watch(exchange);
    return TERN_OK;
}

static void pool_cancel(struct tern_exchange *exchange)
{
    struct tern_pool *pool = TERN_CONTAINER_OF(exchange->transport, struct tern_pool, transport);

    enum tern_phase phase = tern_exchange_phase(exchange);

    if (exchange->state == TERN_EXCHANGE_IDLE)
        return;
    if (exchange->state == TERN_EXCHANGE_RUNNING)
        tern_conn_cancel(exchange->conn, exchange);
    else if (exchange->state == TERN_EXCHANGE_WAITING)
        tern_pool_unwait(pool, exchange);
    tern_exchange_close(exchange, phase, NULL, tern_exchange_replay(exchange));
}

static void pool_credit(struct tern_exchange *exchange, uint32_t bytes)
{
    struct tern_conn *conn = exchange->conn;

    if (conn == NULL)
        return;
    conn->codec->ops->credit(conn->codec, &exchange->stream, bytes);
    if (conn->is_pumping)
        return;
    tern_exchange_listen(exchange);
    tern_conn_wake(conn);
}

/* Time that the user takes is not the peer's: what waits for its bytes stands still, and begins anew. */
static void hold_watchdog(struct tern_exchange *exchange)
{
    struct tern_watchdog *dog = &exchange->watchdog;

    dog->silent_ns = dog->head_ns = dog->speed_ns = 0;
}

static void release_watchdog(struct tern_exchange *exchange, uint64_t now_ns)
{
    struct tern_watchdog *dog = &exchange->watchdog;

    if (exchange->sent_ns != 0 && exchange->answered_ns == 0)
        dog->head_ns = now_ns;
    if (exchange->timeouts->low_speed_bytes_per_s != 0) {
        dog->speed_ns = now_ns;
        dog->speed_bytes = exchange->stream.sent_body_bytes + exchange->stream.received_body_bytes;
    }
}

static void pool_pause(struct tern_exchange *exchange, bool is_paused)
{
    struct tern_conn *conn = exchange->conn;

    exchange->is_paused = is_paused;
    if (is_paused)
        hold_watchdog(exchange);
    if (conn == NULL)
        return;
    if (!is_paused)
        release_watchdog(exchange, conn->pool->engine->now_ns);
    conn->codec->ops->pause(conn->codec, &exchange->stream, is_paused);
    tern_exchange_listen(exchange);
    tern_conn_wake(conn);
}

static void pool_body_ready(struct tern_exchange *exchange)
{
    struct tern_conn *conn = exchange->conn;

    if (conn == NULL)
        return;
    conn->codec->ops->body_ready(conn->codec, &exchange->stream);
    tern_conn_wake(conn);
}

static void pool_priority_changed(struct tern_exchange *exchange)
{
    struct tern_conn *conn = exchange->conn;

    if (conn == NULL)
        return;
    conn->codec->ops->priority_changed(conn->codec, &exchange->stream);
    tern_conn_wake(conn);
}

static const struct tern_transport_ops pool_ops = {
    .start = pool_start,
    .cancel = pool_cancel,
    .credit = pool_credit,
    .pause = pool_pause,
    .body_ready = pool_body_ready,
    .priority_changed = pool_priority_changed,
};

/* ---- life ---- */

void tern_pool_init(struct tern_pool *pool, struct tern_engine *engine, struct tern_tls_provider *tls,
                    const struct tern_limits *limits, struct tern_client_stats *stats)
{
    *pool =
        (struct tern_pool){.transport = {&pool_ops}, .engine = engine, .tls = tls, .limits = *limits, .stats = stats};
    tern_hash_init(&pool->buckets);
    tern_list_init(&pool->connections);
    tern_list_init(&pool->idle);
    tern_list_init(&pool->waiters);
    tern_task_init(&pool->serve, on_serve);
}

void tern_pool_set_limits(struct tern_pool *pool, const struct tern_limits *limits)
{
    pool->limits = *limits;
    while (pool->idle_count > limits->idle_max)
        evict(pool);
    tern_engine_defer(pool->engine, &pool->serve);
}

void tern_pool_drain(struct tern_pool *pool)
{
    pool->is_draining = true;
    while (evict(pool))
        continue;
}

void tern_pool_drop(struct tern_pool *pool)
{
    struct tern_hash_node *node;

    while (!tern_list_is_empty(&pool->connections))
        tern_conn_close(TERN_CONTAINER_OF(pool->connections.next, struct tern_conn, pool_node), true);
    while ((node = tern_hash_walk(&pool->buckets, NULL)) != NULL) {
        struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, hash);
        struct tern_dial *dial = TERN_CONTAINER_OF(bucket->dials.next, struct tern_dial, node);

        unlink_dial(dial);
        tern_dial_cancel(dial);
        tern_pool_lost(pool, bucket);
    }
}

void tern_pool_deinit(struct tern_pool *pool)
{
    TERN_ASSERT(pool->waiter_count == 0);
    tern_pool_drop(pool);
    tern_task_cancel(&pool->serve);
    tern_hash_deinit(&pool->buckets);
    tern_h1_spares_deinit(&pool->h1_spares);
    tern_h2_spares_deinit(&pool->h2_spares);
}

void tern_pool_check(const struct tern_pool *pool)
{
    uint32_t connections = 0, waiters = 0, idle = 0;

    for (const struct tern_hash_node *node = tern_hash_walk(&pool->buckets, NULL); node != NULL;
         node = tern_hash_walk(&pool->buckets, node)) {
        const struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, hash);

        TERN_ASSERT(bucket->connection_count > 0 || !tern_list_is_empty(&bucket->waiters));
        connections += bucket->connection_count;
        TERN_LIST_FOREACH(waiter, (struct tern_list *)&bucket->waiters) {
            const struct tern_exchange *exchange = TERN_CONTAINER_OF(waiter, struct tern_exchange, node);

            TERN_ASSERT(exchange->state == TERN_EXCHANGE_WAITING && exchange->bucket == bucket);
            TERN_ASSERT(exchange->dial == NULL || exchange->dial->exchange == exchange);
            waiters++;
        }
        TERN_LIST_FOREACH(kept, (struct tern_list *)&bucket->idle) {
            const struct tern_conn *conn = TERN_CONTAINER_OF(kept, struct tern_conn, bucket_node);

            TERN_ASSERT(conn->state == TERN_CONN_IDLE && conn->exchange_count == 0 && conn->bucket == bucket);
            idle++;
        }
        TERN_LIST_FOREACH(shared, (struct tern_list *)&bucket->shared) {
            const struct tern_conn *conn = TERN_CONTAINER_OF(shared, struct tern_conn, bucket_node);

            TERN_ASSERT(conn->state == TERN_CONN_ACTIVE && conn->is_h2 && conn->bucket == bucket);
        }
    }
    TERN_ASSERT(connections == pool->connection_count && waiters == pool->waiter_count && idle == pool->idle_count);
    TERN_ASSERT(idle <= pool->limits.idle_max);
    (void)connections, (void)waiters, (void)idle;
}
