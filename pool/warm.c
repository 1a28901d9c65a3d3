#include "pool/warm.h"

#include "base/num.h"
#include "pool/dial.h"

static bool has_place(const struct tern_bucket *bucket)
{
    const struct tern_pool *pool = bucket->pool;
    const struct tern_limits *limits = &pool->limits;

    return bucket->connection_count < limits->connections_per_host_max &&
           pool->connection_count < limits->connections_max && pool->idle_count + pool->dial_count < limits->idle_max;
}

/* False: out of memory. */
static bool fill(struct tern_bucket *bucket, struct tern_profile *profile, uint32_t count)
{
    while (bucket->connection_count < count && has_place(bucket))
        if (tern_pool_dial(bucket, profile, profile->config.timeouts.connect_ns) == NULL)
            return false;
    return true;
}

enum tern_error tern_warm_open(struct tern_pool *pool, struct tern_profile *profile, const struct tern_origin *origin,
                               uint32_t count)
{
    struct tern_bucket *bucket = tern_bucket_get(pool, profile, origin);
    bool is_done;

    if (bucket == NULL)
        return TERN_ENOMEM;
    is_done = !tern_list_is_empty(&bucket->waiters) || fill(bucket, profile, count); /* who waits is dialled for */
    tern_bucket_drop_if_empty(bucket);
    return is_done ? TERN_OK : TERN_ENOMEM;
}

/* ---- the floor ---- */

static bool is_below_floor(const struct tern_bucket *bucket)
{
    const struct tern_pool *pool = bucket->pool;

    return !pool->is_draining && bucket->connection_count < pool->limits.warm_per_host && bucket->used_ns != 0 &&
           pool->engine->now_ns < tern_u64_add_sat(bucket->used_ns, pool->limits.warm_ns);
}

void tern_warm_review(struct tern_bucket *bucket)
{
    struct tern_engine *engine = bucket->pool->engine;

    if (!is_below_floor(bucket) || tern_timer_is_armed(&bucket->warm))
        return;
    if (engine->now_ns - bucket->warmed_ns > TERN_WARM_DELAY_NS_MAX)
        bucket->warm_delay_ns = TERN_WARM_DELAY_NS_MIN;
    tern_timer_arm(engine, &bucket->warm, engine->now_ns + bucket->warm_delay_ns);
    bucket->warm_delay_ns =
        bucket->warm_delay_ns < TERN_WARM_DELAY_NS_MAX / 2 ? 2 * bucket->warm_delay_ns : TERN_WARM_DELAY_NS_MAX;
}

static void on_warm(struct tern_timer *timer)
{
    struct tern_bucket *bucket = TERN_CONTAINER_OF(timer, struct tern_bucket, warm);

    bucket->warmed_ns = bucket->pool->engine->now_ns;
    if (is_below_floor(bucket) && tern_list_is_empty(&bucket->waiters))
        (void)fill(bucket, bucket->profile, bucket->pool->limits.warm_per_host); /* without memory: the next time */
    tern_warm_review(bucket);
    tern_bucket_drop_if_empty(bucket);
}

void tern_warm_init(struct tern_bucket *bucket)
{
    tern_timer_init(&bucket->warm, on_warm);
}

void tern_warm_used(struct tern_bucket *bucket)
{
    bucket->used_ns = bucket->pool->engine->now_ns;
    bucket->warm_delay_ns = TERN_WARM_DELAY_NS_MIN;
    tern_warm_review(bucket);
}

void tern_warm_end(struct tern_bucket *bucket)
{
    tern_timer_cancel(bucket->pool->engine, &bucket->warm);
    tern_bucket_drop_if_empty(bucket);
}

bool tern_warm_is_due(const struct tern_bucket *bucket)
{
    return tern_timer_is_armed(&bucket->warm);
}
