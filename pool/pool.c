#include "pool/pool.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "pool/addresses.h"
#include "pool/coalesce.h"
#include "pool/conn.h"
#include "pool/dial.h"
#include "pool/retire.h"
#include "pool/waiters.h"
#include "pool/warm.h"

enum tern_spoken tern_pool_spoken(const struct tern_bucket *bucket)
{
    return tern_spoken_get(&bucket->pool->spoken, bucket->hash.hash);
}

void tern_pool_note_spoken(struct tern_bucket *bucket, enum tern_spoken what)
{
    struct tern_hash_node *node = tern_hash_first(&bucket->pool->buckets, bucket->hash.hash);

    tern_spoken_set(&bucket->pool->spoken, bucket->hash.hash, what);
    for (; node != NULL; node = tern_hash_next(node)) /* it is noted for all of this hash */
        tern_waiters_review(TERN_CONTAINER_OF(node, struct tern_bucket, hash));
}

/* ---- idle connections ---- */

void tern_pool_unidle(struct tern_pool *pool, struct tern_conn *conn)
{
    if (!tern_list_is_linked(&conn->idle_node))
        return;
    tern_list_remove(&conn->idle_node);
    tern_list_remove(&conn->bucket_node);
    pool->idle_count--;
    tern_waiters_review(conn->bucket);
}

bool tern_pool_evict(struct tern_pool *pool)
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
    tern_addresses_idle(conn);
    tern_waiters_review(conn->bucket);
    if (pool->hungry_count > 0) /* other hosts may have its place */
        tern_engine_defer(pool->engine, &pool->serve);
    while (pool->idle_count > pool->limits.idle_max)
        tern_pool_evict(pool);
}

/* How well a connection serves an exchange that is to be apart from another: on a connection of its own, better still
 * to another address. */
static int distance(const struct tern_conn *conn, const struct tern_exchange *from)
{
    if (from == NULL || from->conn == NULL)
        return 0;
    return (conn != from->conn) + !tern_sockaddr_equal(conn->tcp.peer, from->conn->tcp.peer);
}

/* Of the idle ones, those to other addresses come first. */
static void turn_away(struct tern_bucket *bucket, const struct tern_exchange *from)
{
    TERN_LIST_FOREACH(node, &bucket->idle) {
        if (distance(TERN_CONTAINER_OF(node, struct tern_conn, bucket_node), from) == 2) {
            tern_list_remove(node);
            tern_list_push_front(&bucket->idle, node);
            return;
        }
    }
}

/* The idle connection that was used last, or NULL. Those that are not good any more close. */
static struct tern_conn *take_idle(struct tern_pool *pool, struct tern_bucket *bucket)
{
    bucket->connection_count++; /* so that closing the last one leaves the bucket */
    while (!tern_list_is_empty(&bucket->idle)) {
        struct tern_conn *conn = TERN_CONTAINER_OF(bucket->idle.next, struct tern_conn, bucket_node);

        if (tern_conn_is_usable(conn, pool->engine->now_ns)) {
            bucket->connection_count--; /* first: unidle looks whether the bucket may dial */
            tern_pool_unidle(pool, conn);
            return conn;
        }
        pool->stats->connections_expired++;
        tern_conn_close(conn, true);
    }
    bucket->connection_count--;
    return NULL;
}

/* ---- dials ---- */

struct tern_dial *tern_pool_dial(struct tern_bucket *bucket, struct tern_profile *profile, uint64_t connect_timeout_ns)
{
    struct tern_pool *pool = bucket->pool;
    struct tern_dial *dial = tern_dial_start(bucket, profile, connect_timeout_ns);

    if (dial == NULL)
        return NULL;
    tern_list_push_front(&bucket->dials, &dial->node); /* nobody's yet */
    pool->dial_count++;
    bucket->connection_count++;
    pool->connection_count++;
    return dial;
}

static void unlink_dial(struct tern_dial *dial)
{
    tern_list_remove(&dial->node);
    dial->pool->dial_count--;
}

/* Looks what the waiters can get now that there is room: idle connections were offered to them already. */
static void on_serve(struct tern_task *task)
{
    tern_waiters_serve(TERN_CONTAINER_OF(task, struct tern_pool, serve));
}

void tern_pool_unwait(struct tern_pool *pool, struct tern_exchange *exchange)
{
    struct tern_bucket *bucket = exchange->bucket;
    struct tern_dial *dial = tern_waiters_remove(exchange);

    exchange->bucket = NULL;
    if (dial == NULL) {
        tern_bucket_drop_if_empty(bucket);
        return;
    }
    unlink_dial(dial); /* nobody is left who wants it */
    tern_dial_cancel(dial);
    tern_pool_lost(pool, bucket);
}

/* ---- what connections and dials report ---- */

void tern_pool_lost(struct tern_pool *pool, struct tern_bucket *bucket)
{
    bucket->connection_count--;
    pool->connection_count--;
    tern_waiters_review(bucket);
    tern_warm_review(bucket);
    if (pool->hungry_count > 0)
        tern_engine_defer(pool->engine, &pool->serve);
    tern_bucket_drop_if_empty(bucket);
}

/* A connection that is there already passes the gate as one that is dialled does. */
static enum tern_error check_reuse(const struct tern_exchange *exchange, const struct tern_conn *conn,
                                   struct tern_fault *why)
{
    const char *refusal = tern_address_refused(exchange->profile, exchange->origin, conn->tcp.peer);

    if (refusal == NULL)
        return TERN_OK;
    return tern_fault_set(why, TERN_EGATE, "%s at %s: %s", exchange->origin->host.text, tern_conn_remote(conn),
                          refusal);
}

/* The first waiter that may have this connection. Whom the gate refuses it ends, from a task of its own. */
static struct tern_exchange *first_waiter(const struct tern_conn *conn)
{
    struct tern_exchange *exchange;
    struct tern_fault why;

    while ((exchange = tern_waiters_first(conn->bucket, conn)) != NULL && conn->uses > 0 &&
           check_reuse(exchange, conn, &why) != TERN_OK) {
        (void)tern_waiters_remove(exchange);
        exchange->bucket = NULL;
        tern_exchange_waited(exchange, NULL);
        tern_exchange_fail_later(exchange, TERN_PHASE_POOL, &why);
    }
    return exchange;
}

/* Gives the waiter the connection, which dial, if not NULL, has brought it. Its own dial goes on for another waiter, or
 * for the pool. */
static void serve(struct tern_exchange *exchange, struct tern_conn *conn, const struct tern_dial_report *dial)
{
    (void)tern_waiters_remove(exchange);
    tern_exchange_waited(exchange, dial);
    tern_conn_assign(conn, exchange);
}

/* Of the active connections the one with most room, so that streams are spread. NULL: none has any. */
static struct tern_conn *find_shared(struct tern_bucket *bucket, const struct tern_exchange *apart_from)
{
    struct tern_conn *best = NULL;
    uint32_t best_room = 0;

    TERN_LIST_FOREACH(node, &bucket->shared) {
        struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, bucket_node);
        uint32_t room = tern_conn_room(conn);
        int further = best != NULL ? distance(conn, apart_from) - distance(best, apart_from) : 0;

        if (room > 0 && (further > 0 || (further == 0 && room > best_room))) {
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

/* Its place goes to another bucket, once the calls on it are over. */
static void yield(struct tern_conn *conn)
{
    conn->is_spent = conn->is_yielding = true;
    conn->pool->yield_count++;
}

void tern_pool_share(struct tern_conn *conn)
{
    struct tern_exchange *exchange;

    if (conn->state != TERN_CONN_ACTIVE || conn->is_sharing)
        return;
    conn->is_sharing = true;
    tern_waiters_had_turn(conn->bucket);
    while (conn->state == TERN_CONN_ACTIVE && tern_conn_room(conn) > 0 && (exchange = first_waiter(conn)) != NULL) {
        if (tern_waiters_must_yield(conn))
            yield(conn);
        else
            serve(exchange, conn, NULL);
    }
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
    struct tern_exchange *exchange = first_waiter(conn);

    tern_waiters_had_turn(conn->bucket);
    if (!tern_conn_is_usable(conn, pool->engine->now_ns)) {
        pool->stats->connections_expired++;
        tern_conn_close(conn, true);
    } else if (exchange != NULL && !tern_waiters_must_yield(conn)) {
        serve(exchange, conn, NULL);
    } else if (exchange != NULL || pool->is_draining) {
        tern_conn_close(conn, true);
    } else {
        if (conn->uses == 0)
            tern_conn_wake(conn); /* it was not read from yet: what has come already closes it */
        keep(pool, conn);
    }
}

void tern_pool_dialled(struct tern_dial *dial, struct tern_conn *conn)
{
    struct tern_exchange *exchange = tern_waiters_hand_over(dial);
    struct tern_bucket *bucket = dial->bucket;

    unlink_dial(dial);
    tern_addresses_dialled(bucket);
    if (exchange != NULL)
        serve(exchange, conn, &dial->report);
    else
        tern_pool_offer(dial->pool, conn);
    tern_pool_share(conn);
    if (conn->state != TERN_CONN_CLOSED) /* else the bucket may be gone */
        tern_waiters_review(bucket);     /* what it spoke, and how much room it has, may change who is dialled for */
}

void tern_pool_dial_failed(struct tern_dial *dial, const struct tern_fault *fault, enum tern_phase phase)
{
    struct tern_pool *pool = dial->pool;
    struct tern_bucket *bucket = dial->bucket;
    struct tern_exchange *exchange = dial->exchange;

    pool->stats->connections_failed++;
    if (exchange != NULL) {
        (void)tern_waiters_remove(exchange);
        exchange->bucket = NULL;
        tern_exchange_waited(exchange, &dial->report);
    }
    unlink_dial(dial);
    tern_pool_lost(pool, bucket);
    if (exchange != NULL)
        tern_exchange_end(exchange, phase, fault, TERN_REPLAY_UNSENT);
}

void tern_pool_coalesced(struct tern_dial *dial, struct tern_conn *conn)
{
    struct tern_pool *pool = dial->pool;
    struct tern_bucket *bucket = dial->bucket;
    struct tern_exchange *exchange;

    unlink_dial(dial);
    tern_waiters_return(dial);
    tern_pool_unidle(pool, conn);
    while (conn->state != TERN_CONN_CLOSED && tern_conn_room(conn) > 0 &&
           (exchange = tern_waiters_first(bucket, conn)) != NULL && exchange->profile->config.h2_coalesce) {
        exchange->coalesced_pair = tern_coalesce_pair(bucket, conn);
        pool->stats->coalesced++;
        serve(exchange, conn, NULL);
    }
    if (conn->state == TERN_CONN_IDLE) /* those before in the queue want another */
        tern_pool_offer(pool, conn);
    tern_pool_lost(pool, bucket);
}

void tern_pool_dial_crowded(struct tern_dial *dial, const struct tern_crowd *crowd)
{
    struct tern_bucket *bucket = dial->bucket;

    dial->pool->stats->connections_failed += dial->exchange == NULL; /* nobody waits on */
    unlink_dial(dial);
    tern_waiters_return(dial);
    tern_addresses_crowded(bucket, crowd);
    tern_pool_lost(dial->pool, bucket);
}

/* ---- the transport ---- */

/* One that has room for a further call now, or NULL. */
static struct tern_conn *find_ready(struct tern_pool *pool, struct tern_bucket *bucket,
                                    const struct tern_exchange *apart_from)
{
    struct tern_conn *conn;

    tern_waiters_had_turn(bucket);
    if (apart_from != NULL) {
        turn_away(bucket, apart_from);
        if ((conn = take_idle(pool, bucket)) != NULL)
            return conn;
    }
    while ((conn = find_shared(bucket, apart_from)) != NULL) {
        if (!tern_waiters_must_yield(conn))
            return conn;
        yield(conn);
        tern_pool_unshare(conn);
    }
    return take_idle(pool, bucket);
}

/* It waits: is that worth while? Whom nobody dials for depends on others, who may take for ever. */
static enum tern_error check_wait(struct tern_pool *pool, const struct tern_exchange *exchange, struct tern_fault *why)
{
    if (exchange->dial != NULL)
        return TERN_OK;
    if (exchange->apart_from != NULL)
        return tern_fault_set(why, TERN_EPOOL_TIMEOUT, "no connection is free, and none can be dialled now");
    if (pool->undialled_count > pool->limits.waiters_max)
        return tern_fault_set(why, TERN_EQUEUE, "%u calls wait for a connection already (limits.waiters_max)",
                              pool->undialled_count - 1);
    if (exchange->timeouts->pool_ns >= TERN_MS || tern_waiters_one_dial_is_enough(exchange->bucket))
        return TERN_OK;
    pool->stats->timed_out_pool++;
    return tern_fault_set(why, TERN_EPOOL_TIMEOUT,
                          "no connection is free, and timeouts.pool_ns leaves no time to wait");
}

static enum tern_error pool_start(struct tern_transport *transport, struct tern_exchange *exchange,
                                  struct tern_fault *why)
{
    struct tern_pool *pool = TERN_CONTAINER_OF(transport, struct tern_pool, transport);
    struct tern_bucket *bucket;
    struct tern_conn *conn;
    enum tern_error error;

    tern_exchange_begin(exchange, transport);
    if (pool->engine->now_ns >= exchange->total_deadline_ns)
        return tern_fault_set(why, TERN_EDEADLINE, "the call's total time was over before it could be sent");
    bucket = tern_bucket_get(pool, exchange->profile, exchange->origin);
    if (bucket == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    /* Where one has room nobody waits but for a fresh one. */
    conn = exchange->is_fresh ? NULL : find_ready(pool, bucket, exchange->apart_from);
    if (conn != NULL && (error = check_reuse(exchange, conn, why)) != TERN_OK) {
        if (conn->state == TERN_CONN_IDLE) /* it was taken off the lists */
            tern_conn_close(conn, true);
        return error;
    }
    if (conn != NULL) {
        exchange->bucket = bucket;
        tern_exchange_waited(exchange, NULL);
        tern_conn_assign(conn, exchange);
        return TERN_OK;
    }
    tern_waiters_add(bucket, exchange);
    tern_waiters_serve(pool);
    if (exchange->state != TERN_EXCHANGE_WAITING)
        return TERN_OK; /* for want of memory it ends from its task */
    error = check_wait(pool, exchange, why);
    if (error != TERN_OK)
        tern_pool_unwait(pool, exchange);
    else
        tern_exchange_watch(exchange);
    return error;
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

static void pool_pause(struct tern_exchange *exchange, bool is_paused)
{
    struct tern_conn *conn = exchange->conn;

    tern_exchange_set_paused(exchange, is_paused);
    if (conn == NULL)
        return;
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

static void pool_avoid(struct tern_exchange *exchange, uint64_t until_ns)
{
    struct tern_pool *pool = TERN_CONTAINER_OF(exchange->transport, struct tern_pool, transport);
    struct tern_sockaddr address;

    if (tern_sockaddr_parse(&address, tern_str(exchange->result->remote)))
        tern_retire_avoid(pool, exchange->profile, exchange->origin, &address, until_ns);
}

static const struct tern_transport_ops pool_ops = {
    .start = pool_start,
    .cancel = pool_cancel,
    .credit = pool_credit,
    .pause = pool_pause,
    .body_ready = pool_body_ready,
    .priority_changed = pool_priority_changed,
    .avoid = pool_avoid,
};

/* ---- life ---- */

void tern_pool_init(struct tern_pool *pool, struct tern_engine *engine, struct tern_tls_provider *tls,
                    const struct tern_limits *limits, struct tern_client_stats *stats)
{
    *pool =
        (struct tern_pool){.transport = {&pool_ops}, .engine = engine, .tls = tls, .limits = *limits, .stats = stats};
    tern_ledger_init(&pool->ledger, &engine->ledger, limits->memory_bytes_max);
    tern_hash_init(&pool->buckets);
    tern_hash_init(&pool->addresses);
    tern_list_init(&pool->connections);
    tern_list_init(&pool->idle);
    tern_list_init(&pool->hungry);
    tern_list_init(&pool->crowded);
    tern_task_init(&pool->serve, on_serve);
}

/* each may drop the bucket that it is called for. */
static void for_buckets(struct tern_pool *pool, void (*each)(struct tern_bucket *bucket))
{
    struct tern_hash_node *node = tern_hash_walk(&pool->buckets, NULL);

    while (node != NULL) {
        struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, hash);

        node = tern_hash_walk(&pool->buckets, node);
        each(bucket);
    }
}

static void on_limits(struct tern_bucket *bucket)
{
    tern_addresses_reopen(bucket);
    tern_warm_review(bucket);
}

void tern_pool_set_limits(struct tern_pool *pool, const struct tern_limits *limits)
{
    pool->limits = *limits;
    pool->ledger.bytes_max = limits->memory_bytes_max;
    while (pool->idle_count > limits->idle_max)
        tern_pool_evict(pool);
    for_buckets(pool, on_limits);
}

void tern_pool_drain(struct tern_pool *pool)
{
    pool->is_draining = true;
    while (tern_pool_evict(pool))
        continue;
    for_buckets(pool, tern_warm_end);
}

static void cancel_dials(struct tern_bucket *bucket)
{
    for (uint32_t left = bucket->connection_count; left > 0; left--) {
        struct tern_dial *dial = TERN_CONTAINER_OF(bucket->dials.next, struct tern_dial, node);

        unlink_dial(dial);
        tern_dial_cancel(dial);
        tern_pool_lost(bucket->pool, bucket);
    }
}

void tern_pool_drop(struct tern_pool *pool)
{
    tern_pool_drain(pool);
    while (!tern_list_is_empty(&pool->connections))
        tern_conn_close(TERN_CONTAINER_OF(pool->connections.next, struct tern_conn, pool_node), true);
    for_buckets(pool, cancel_dials);
}

void tern_pool_deinit(struct tern_pool *pool)
{
    TERN_ASSERT(pool->waiter_count == 0);
    tern_pool_drop(pool);
    tern_task_cancel(&pool->serve);
    tern_hash_deinit(&pool->buckets);
    tern_hash_deinit(&pool->addresses);
    tern_h1_spares_deinit(&pool->h1_spares);
    tern_h2_spares_deinit(&pool->h2_spares);
}

static uint32_t check_waiters(const struct tern_bucket *bucket, uint32_t *undialled)
{
    bool is_dialled = true;
    uint32_t count = 0, reusers = 0;

    TERN_LIST_FOREACH(node, (struct tern_list *)&bucket->waiters) {
        const struct tern_exchange *exchange = TERN_CONTAINER_OF(node, struct tern_exchange, node);

        is_dialled = is_dialled && node != bucket->undialled;
        TERN_ASSERT(exchange->state == TERN_EXCHANGE_WAITING && exchange->bucket == bucket);
        TERN_ASSERT((exchange->dial != NULL) == is_dialled);
        TERN_ASSERT(exchange->dial == NULL || exchange->dial->exchange == exchange);
        TERN_ASSERT(tern_list_is_linked(&exchange->reuse_node) == !exchange->is_fresh);
        *undialled += exchange->dial == NULL;
        reusers += !exchange->is_fresh;
        count++;
    }
    TERN_LIST_FOREACH(node, (struct tern_list *)&bucket->reusers)
        reusers--;
    TERN_ASSERT(reusers == 0);
    TERN_LIST_FOREACH(node, (struct tern_list *)&bucket->dials) {
        const struct tern_dial *dial = TERN_CONTAINER_OF(node, struct tern_dial, node);

        TERN_ASSERT(dial->bucket == bucket && (dial->exchange == NULL || dial->exchange->dial == dial));
        TERN_ASSERT(dial->exchange != NULL || bucket->undialled == &bucket->waiters);
        (void)dial;
    }
    (void)reusers;
    return count;
}

static uint32_t check_connections(const struct tern_bucket *bucket)
{
    uint32_t idle = 0;

    TERN_LIST_FOREACH(node, (struct tern_list *)&bucket->idle) {
        const struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, bucket_node);

        TERN_ASSERT(conn->state == TERN_CONN_IDLE && conn->exchange_count == 0 && conn->bucket == bucket);
        (void)conn;
        idle++;
    }
    TERN_LIST_FOREACH(node, (struct tern_list *)&bucket->shared) {
        const struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, bucket_node);

        TERN_ASSERT(conn->state == TERN_CONN_ACTIVE && conn->h2 != NULL && conn->bucket == bucket);
        (void)conn;
    }
    return idle;
}

void tern_pool_check(const struct tern_pool *pool)
{
    uint32_t connections = 0, waiters = 0, undialled = 0, idle = 0, hungry = 0, yields = 0, open = 0;

    for (const struct tern_hash_node *node = tern_hash_walk(&pool->buckets, NULL); node != NULL;
         node = tern_hash_walk(&pool->buckets, node)) {
        const struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, hash);

        TERN_ASSERT(bucket->connection_count > 0 || !tern_list_is_empty(&bucket->waiters) || tern_warm_is_due(bucket));
        /* Not the other way round: what the bucket spoke may be forgotten for another's sake, and one dial is enough
         * again for who has its turn already. */
        TERN_ASSERT(tern_list_is_linked(&bucket->hungry_node) || !tern_waiters_are_hungry(bucket));
        TERN_ASSERT(tern_list_is_linked(&bucket->crowded_node) == (bucket->crowd.count > 0));
        connections += bucket->connection_count;
        hungry += tern_list_is_linked(&bucket->hungry_node);
        waiters += check_waiters(bucket, &undialled);
        idle += check_connections(bucket);
    }
    TERN_LIST_FOREACH(node, (struct tern_list *)&pool->connections) {
        const struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, pool_node);

        TERN_ASSERT(conn->is_counted);
        yields += conn->is_yielding;
        open++;
    }
    TERN_ASSERT(connections == pool->connection_count && connections == open + pool->dial_count);
    TERN_ASSERT(waiters == pool->waiter_count && undialled == pool->undialled_count);
    TERN_ASSERT(hungry == pool->hungry_count && yields == pool->yield_count);
    TERN_ASSERT(idle == pool->idle_count && idle <= pool->limits.idle_max);
    (void)connections, (void)waiters, (void)undialled, (void)idle, (void)hungry, (void)yields, (void)open;
}
