#include "pool/retire.h"

#include "base/mem.h"
#include "dns/dns.h"
#include "pool/dial.h"

struct tern_retire_check {
    struct tern_bucket *bucket;
    struct tern_profile *profile; /* owned count: the lookup is its */
    struct tern_lookup lookup;
};

static void check_free(struct tern_retire_check *check)
{
    tern_lookup_cancel(&check->lookup);
    tern_profile_release(check->profile);
    tern_mem_free(check);
}

static void retire(struct tern_conn *conn)
{
    if (conn->is_spent)
        return;
    conn->is_spent = true;
    conn->pool->stats->connections_retired++;
    if (conn->state == TERN_CONN_IDLE)
        tern_conn_close(conn, true);
    else
        tern_pool_unshare(conn);
}

static uint64_t not_too_soon(const struct tern_bucket *bucket, uint64_t again_ns)
{
    uint64_t least_ns = bucket->pool->engine->now_ns + TERN_RETIRE_CHECK_NS_MIN;

    return again_ns > least_ns ? again_ns : least_ns;
}

static void on_change(struct tern_lookup *lookup)
{
    struct tern_retire_check *check = lookup->owner;
    struct tern_bucket *bucket = check->bucket;
    struct tern_pool *pool = bucket->pool;

    if (lookup->state != TERN_LOOKUP_ENDED)
        return;
    bucket->check = NULL;
    bucket->check_ns = not_too_soon(bucket, lookup->again_ns);
    if (lookup->fault.error == TERN_OK)
        bucket->choices = tern_lookup_choices(lookup);
    /* The last connection that closes takes the bucket with it: from here on it is only compared. */
    TERN_LIST_FOREACH(node, &pool->connections) {
        struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, pool_node);

        if (conn->bucket == bucket && !check->profile->config.dns.keep_moved &&
            tern_lookup_denies(lookup, conn->tcp.peer))
            retire(conn);
    }
    check_free(check);
}

void tern_retire_note(struct tern_bucket *bucket, struct tern_profile *profile, const struct tern_lookup *lookup)
{
    struct tern_profile *former = bucket->profile;
    uint64_t again_ns = lookup->again_ns;

    /* The latest of the same shape: what is learnt of addresses is of use where the next dial looks. */
    bucket->profile = tern_profile_acquire(profile);
    tern_profile_release(former);
    bucket->choices = tern_lookup_choices(lookup);
    if (again_ns != TERN_OFF && not_too_soon(bucket, again_ns) < bucket->check_ns)
        bucket->check_ns = not_too_soon(bucket, again_ns);
}

void tern_retire_look(struct tern_bucket *bucket, struct tern_profile *profile)
{
    struct tern_retire_check *check;
    struct tern_host host;
    uint16_t port;

    if (bucket->pool->engine->now_ns < bucket->check_ns || bucket->check != NULL)
        return;
    bucket->check_ns = not_too_soon(bucket, 0);
    if (tern_dial_target(bucket, &host, &port) != TERN_OK)
        return;
    check = tern_mem_calloc(1, sizeof(*check));
    if (check == NULL)
        return; /* the next call tries again */
    check->bucket = bucket;
    check->profile = tern_profile_acquire(profile);
    bucket->check = check;
    tern_lookup_start(profile->dns, &check->lookup, &host, port, profile->config.ip_family, on_change, check);
}

void tern_retire_cancel(struct tern_bucket *bucket)
{
    if (bucket->check != NULL)
        check_free(bucket->check);
    bucket->check = NULL;
}

void tern_retire_blame(const struct tern_conn *conn)
{
    tern_dns_failed(conn->bucket->profile->dns, conn->tcp.peer);
}

static bool is_of(const struct tern_conn *conn, const struct tern_origin *origin)
{
    const struct tern_origin *its = &conn->bucket->origin;

    return its->is_secure == origin->is_secure && its->port == origin->port && tern_host_eq(&its->host, &origin->host);
}

void tern_retire_avoid(struct tern_pool *pool, struct tern_profile *profile, const struct tern_origin *origin,
                       const struct tern_sockaddr *address, uint64_t until_ns)
{
    tern_dns_set_aside(profile->dns, address, until_ns);
    TERN_LIST_FOREACH(node, &pool->connections) {
        struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, pool_node);

        if (is_of(conn, origin) && tern_sockaddr_equal(conn->tcp.peer, address))
            retire(conn);
    }
}
