#include "pool/coalesce.h"

#include "pool/addresses.h"
#include "pool/conn.h"
#include "pool/dial.h"

uint64_t tern_coalesce_pair(const struct tern_bucket *bucket, const struct tern_conn *conn)
{
    const uint64_t both[] = {bucket->hash.hash, conn->bucket->hash.hash};

    return tern_hash_bytes(bucket->pool->engine->hash_seed, both, sizeof(both)) | 1; /* 0 is none */
}

void tern_coalesce_undo(struct tern_pool *pool, uint64_t pair)
{
    pool->misdirected[pool->misdirected_next++ % TERN_MISDIRECTED_MAX] = pair;
}

static bool was_misdirected(const struct tern_pool *pool, uint64_t pair)
{
    for (size_t i = 0; i < TERN_MISDIRECTED_MAX; i++)
        if (pool->misdirected[i] == pair)
            return true;
    return false;
}

static bool may_carry(const struct tern_conn *conn, const struct tern_bucket *bucket)
{
    const struct tern_bucket *other = conn->bucket;
    struct tern_tls_provider *tls = conn->pool->tls;

    return conn->h2 != NULL && other != bucket && other->origin.is_secure &&
           other->origin.port == bucket->origin.port && tern_bucket_same_shape(other->profile, bucket->profile) &&
           conn->tls_verify == TERN_OK &&
           (conn->state == TERN_CONN_ACTIVE ||
            (conn->state == TERN_CONN_IDLE && tern_conn_is_usable(conn, conn->pool->engine->now_ns))) &&
           tern_conn_room(conn) > 0 && !was_misdirected(conn->pool, tern_coalesce_pair(bucket, conn)) &&
           tls->ops->covers != NULL && tls->ops->covers(tls, conn->stream, &bucket->origin.host);
}

struct tern_conn *tern_coalesce_find(const struct tern_dial *dial, const struct tern_sockaddr *address)
{
    const struct tern_bucket *bucket = dial->bucket;
    const struct tern_client_config *config = &dial->profile->config;
    const struct tern_exchange *exchange = dial->exchange;

    if (exchange == NULL || exchange->is_fresh || !exchange->profile->config.h2_coalesce || !bucket->origin.is_secure ||
        config->http_mode == TERN_HTTP_MODE_1_1 || tern_pool_spoken(bucket) == TERN_SPOKEN_1_1_ASKED ||
        config->connect_to_count > 0 || dial->profile->unix_address.len > 0 ||
        tern_address_refused(dial->profile, &bucket->origin, address) != NULL)
        return NULL;
    return tern_addresses_find(bucket, address, may_carry);
}
