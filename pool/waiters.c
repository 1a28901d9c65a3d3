#include "pool/waiters.h"

#include "base/assert.h"
#include "base/fault.h"
#include "pool/addresses.h"
#include "pool/conn.h"
#include "pool/dial.h"

static struct tern_exchange *of_node(const struct tern_list *node)
{
    return TERN_CONTAINER_OF(node, struct tern_exchange, node);
}

static bool has_undialled(const struct tern_bucket *bucket)
{
    return bucket->undialled != &bucket->waiters;
}

/* ---- waiters and their dials ---- */

/* The first without a dial has one now. Dials that are nobody's stay in front of the others. */
static void marry(struct tern_dial *dial)
{
    struct tern_bucket *bucket = dial->bucket;
    struct tern_exchange *exchange = of_node(bucket->undialled);

    bucket->undialled = bucket->undialled->next;
    bucket->pool->undialled_count--;
    dial->exchange = exchange;
    exchange->dial = dial;
    tern_list_remove(&dial->node);
    tern_list_push_back(&bucket->dials, &dial->node);
    exchange->watchdog.waiting_ns = 0;
    exchange->watchdog.dialling_ns = bucket->pool->engine->now_ns;
    tern_exchange_watch(exchange);
}

/* The same with one that is nobody's, if there is one. */
static void adopt(struct tern_bucket *bucket)
{
    struct tern_dial *dial = TERN_CONTAINER_OF(bucket->dials.next, struct tern_dial, node);

    if (!tern_list_is_empty(&bucket->dials) && dial->exchange == NULL)
        marry(dial);
}

static void orphan(struct tern_dial *dial)
{
    dial->exchange = NULL;
    tern_list_remove(&dial->node);
    tern_list_push_front(&dial->bucket->dials, &dial->node);
}

void tern_waiters_add(struct tern_bucket *bucket, struct tern_exchange *exchange)
{
    struct tern_pool *pool = bucket->pool;

    exchange->state = TERN_EXCHANGE_WAITING;
    exchange->bucket = bucket;
    tern_list_push_back(&bucket->waiters, &exchange->node);
    if (!exchange->is_fresh)
        tern_list_push_back(&bucket->reusers, &exchange->reuse_node);
    if (!has_undialled(bucket))
        bucket->undialled = &exchange->node;
    pool->waiter_count++;
    pool->undialled_count++;
    exchange->watchdog.waiting_ns = pool->engine->now_ns;
    adopt(bucket);
    tern_waiters_review(bucket);
}

/* The dial has lost its waiter. True: it goes on, and is nobody's. */
static bool go_on(struct tern_dial *dial)
{
    dial->exchange = NULL;
    if (dial->state == TERN_DIAL_ENDED)
        return false;
    if (!has_undialled(dial->bucket)) {
        orphan(dial);
        return true;
    }
    marry(dial);
    return false;
}

struct tern_dial *tern_waiters_remove(struct tern_exchange *exchange)
{
    struct tern_bucket *bucket = exchange->bucket;
    struct tern_dial *dial = exchange->dial;

    if (bucket->undialled == &exchange->node)
        bucket->undialled = exchange->node.next;
    tern_list_remove(&exchange->node);
    tern_list_remove(&exchange->reuse_node);
    bucket->pool->waiter_count--;
    bucket->pool->undialled_count -= dial == NULL;
    exchange->dial = NULL;
    if (dial != NULL && !go_on(dial))
        dial = NULL;
    tern_waiters_review(bucket);
    return dial;
}

struct tern_exchange *tern_waiters_first(const struct tern_bucket *bucket, const struct tern_conn *conn)
{
    if (conn->uses == 0)
        return tern_list_is_empty(&bucket->waiters) ? NULL : of_node(bucket->waiters.next);
    if (tern_list_is_empty(&bucket->reusers))
        return NULL;
    return TERN_CONTAINER_OF(bucket->reusers.next, struct tern_exchange, reuse_node);
}

struct tern_exchange *tern_waiters_hand_over(struct tern_dial *dial)
{
    struct tern_bucket *bucket = dial->bucket;
    struct tern_exchange *first = of_node(bucket->waiters.next), *exchange = dial->exchange;
    struct tern_dial *other;

    if (tern_list_is_empty(&bucket->waiters))
        return NULL;
    if (first == exchange)
        return first;
    other = first->dial; /* one that is nobody's is there only where no waiter is without */
    TERN_ASSERT(other != NULL);
    dial->exchange = first;
    first->dial = dial;
    if (exchange == NULL) {
        orphan(other);
        return first;
    }
    other->exchange = exchange;
    exchange->dial = other;
    exchange->watchdog.dialling_ns = bucket->pool->engine->now_ns;
    tern_exchange_watch(exchange);
    return first;
}

void tern_waiters_return(struct tern_dial *dial)
{
    struct tern_bucket *bucket = dial->bucket;
    struct tern_exchange *exchange = dial->exchange, *last;

    if (exchange == NULL)
        return;
    last = of_node(bucket->undialled->prev); /* of those with a dial: so they keep their place before the others */
    if (last != exchange) {
        exchange->dial = last->dial;
        exchange->dial->exchange = exchange;
    }
    dial->exchange = NULL;
    last->dial = NULL;
    bucket->undialled = &last->node;
    bucket->pool->undialled_count++;
    last->watchdog.dialling_ns = 0;
    last->watchdog.waiting_ns = last->begun_ns; /* from the start, or it could go round for ever */
    tern_exchange_watch(last);
    adopt(bucket);
}

/* ---- turns ---- */

bool tern_waiters_one_dial_is_enough(const struct tern_bucket *bucket)
{
    enum tern_http_mode mode = bucket->profile->config.http_mode;
    enum tern_spoken spoken = tern_pool_spoken(bucket);

    return (mode == TERN_HTTP_MODE_2_ONLY || (mode == TERN_HTTP_MODE_2 && bucket->origin.is_secure)) &&
           (spoken == TERN_SPOKEN_UNKNOWN || spoken == TERN_SPOKEN_2) && !tern_list_is_empty(&bucket->dials);
}

/* At its own limit an idle connection makes room. (There is one only where the waiter wants none that was used.) */
bool tern_waiters_are_hungry(const struct tern_bucket *bucket)
{
    return has_undialled(bucket) && !tern_waiters_one_dial_is_enough(bucket) &&
           (bucket->connection_count < bucket->pool->limits.connections_per_host_max ||
            !tern_list_is_empty(&bucket->idle)) &&
           tern_addresses_may_dial(bucket);
}

static void leave_turns(struct tern_bucket *bucket)
{
    tern_list_remove(&bucket->hungry_node);
    bucket->pool->hungry_count--;
}

void tern_waiters_review(struct tern_bucket *bucket)
{
    struct tern_pool *pool = bucket->pool;
    bool was_hungry = tern_list_is_linked(&bucket->hungry_node);

    if (tern_list_is_empty(&bucket->waiters))
        tern_addresses_forget(bucket);
    if (tern_waiters_are_hungry(bucket)) {
        if (!was_hungry) {
            tern_list_push_back(&pool->hungry, &bucket->hungry_node);
            pool->hungry_count++;
        }
        tern_engine_defer(pool->engine, &pool->serve);
    } else if (was_hungry) {
        leave_turns(bucket);
    }
}

/* Begins a dial for the first waiter without one. False: out of memory. */
static bool dial_for_first(struct tern_bucket *bucket)
{
    struct tern_pool *pool = bucket->pool;
    struct tern_exchange *exchange = of_node(bucket->undialled);
    struct tern_dial *dial;

    if (bucket->connection_count >= pool->limits.connections_per_host_max)
        tern_conn_close(TERN_CONTAINER_OF(bucket->idle.prev, struct tern_conn, bucket_node), true);
    if (pool->connection_count >= pool->limits.connections_max)
        tern_pool_evict(pool);
    dial = tern_pool_dial(bucket, exchange->profile, exchange->timeouts->connect_ns);
    if (dial == NULL)
        return false;
    tern_addresses_dialling(bucket);
    marry(dial);
    return true;
}

/* There is room for a dial, but no memory: nothing would come to serve this waiter. */
static void starve(struct tern_exchange *exchange)
{
    struct tern_fault fault;

    tern_fault_plain(&fault, TERN_ENOMEM);
    tern_exchange_waited(exchange, NULL);
    tern_pool_unwait(exchange->bucket->pool, exchange);
    tern_exchange_fail_later(exchange, TERN_PHASE_POOL, &fault);
}

void tern_waiters_serve(struct tern_pool *pool)
{
    while (!tern_list_is_empty(&pool->hungry) &&
           (pool->connection_count < pool->limits.connections_max || pool->idle_count > 0)) {
        struct tern_bucket *bucket = TERN_CONTAINER_OF(pool->hungry.next, struct tern_bucket, hungry_node);

        leave_turns(bucket); /* for the end of the line */
        if (dial_for_first(bucket))
            tern_waiters_review(bucket);
        else
            starve(of_node(bucket->undialled));
    }
}

void tern_waiters_had_turn(struct tern_bucket *bucket)
{
    if (tern_list_is_linked(&bucket->hungry_node)) {
        tern_list_remove(&bucket->hungry_node);
        tern_list_push_back(&bucket->pool->hungry, &bucket->hungry_node);
    }
    tern_addresses_had_turn(bucket);
}

/* Whose turn it is to have the place of conn, or NULL: there are places enough. */
static const struct tern_bucket *next_in_turn(const struct tern_conn *conn)
{
    const struct tern_pool *pool = conn->pool;

    if (pool->connection_count >= pool->limits.connections_max && pool->idle_count == 0 &&
        !tern_list_is_empty(&pool->hungry))
        return TERN_CONTAINER_OF(pool->hungry.next, struct tern_bucket, hungry_node);
    return tern_addresses_wanted(conn);
}

bool tern_waiters_must_yield(const struct tern_conn *conn)
{
    const struct tern_bucket *next = next_in_turn(conn);

    return next != NULL && next != conn->bucket &&
           conn->pool->yield_count < conn->pool->hungry_count + conn->pool->crowded_count &&
           (next->connection_count == 0 || next->connection_count + 1 < conn->bucket->connection_count);
}
