#include "pool/addresses.h"

#include "base/mem.h"
#include "pool/conn.h"
#include "pool/waiters.h"

static uint64_t hash_of(const struct tern_pool *pool, const struct tern_sockaddr *address)
{
    return tern_hash_bytes(pool->engine->hash_seed, &address->u, address->len);
}

/* A bucket remembers hashes, not addresses: where two are equal it looks once too often. */
static bool wants(const struct tern_bucket *bucket, uint64_t hash)
{
    for (uint32_t i = 0; i < bucket->crowd.count; i++)
        if (bucket->crowd.hashes[i] == hash)
            return true;
    return false;
}

static void wake(struct tern_pool *pool, uint64_t hash)
{
    TERN_LIST_FOREACH(node, &pool->crowded) {
        struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, crowded_node);

        if (wants(bucket, hash)) {
            bucket->crowd.has_leave = true;
            tern_waiters_review(bucket);
        }
    }
}

static struct tern_peer *find_peer(struct tern_pool *pool, const struct tern_sockaddr *address)
{
    for (struct tern_hash_node *node = tern_hash_first(&pool->addresses, hash_of(pool, address)); node != NULL;
         node = tern_hash_next(node)) {
        struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, address_node);

        if (tern_sockaddr_equal(conn->tcp.peer, address))
            return tern_peer_of(conn);
    }
    return NULL;
}

struct tern_peer *tern_peer_acquire(struct tern_pool *pool, const struct tern_sockaddr *address)
{
    struct tern_peer *peer = find_peer(pool, address);
    char text[TERN_ADDRESS_TEXT_MAX];

    if (peer == NULL) {
        size_t size = tern_sockaddr_print(address, text, sizeof(text)) + 1;

        peer = tern_mem_alloc(sizeof(*peer) + size);
        if (peer == NULL)
            return NULL;
        *peer = (struct tern_peer){.address = *address};
        memcpy(peer->text, text, size);
    }
    peer->conn_count++;
    return peer;
}

void tern_peer_release(struct tern_peer *peer)
{
    if (--peer->conn_count == 0)
        tern_mem_free(peer);
}

struct tern_peer *tern_peer_of(const struct tern_conn *conn)
{
    return TERN_CONTAINER_OF(conn->tcp.peer, struct tern_peer, address);
}

bool tern_addresses_have_room(struct tern_pool *pool, const struct tern_sockaddr *address, struct tern_crowd *crowd)
{
    uint64_t hash = hash_of(pool, address);
    struct tern_conn *idle = NULL;
    uint32_t count = 0;

    if (pool->limits.connections_per_address_max == UINT32_MAX)
        return true;
    for (struct tern_hash_node *node = tern_hash_first(&pool->addresses, hash); node != NULL;
         node = tern_hash_next(node)) {
        struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, address_node);

        if (!tern_sockaddr_equal(conn->tcp.peer, address))
            continue;
        count++;
        if (tern_list_is_linked(&conn->idle_node))
            idle = conn;
    }
    if (count < pool->limits.connections_per_address_max)
        return true;
    if (idle != NULL) {
        tern_conn_close(idle, true);
        return true;
    }
    if (crowd->count < TERN_CROWD_MAX)
        crowd->hashes[crowd->count++] = hash;
    return false;
}

struct tern_conn *tern_addresses_find(const struct tern_bucket *bucket, const struct tern_sockaddr *address,
                                      bool (*suits)(const struct tern_conn *conn, const struct tern_bucket *bucket))
{
    struct tern_pool *pool = bucket->pool;

    for (struct tern_hash_node *node = tern_hash_first(&pool->addresses, hash_of(pool, address)); node != NULL;
         node = tern_hash_next(node)) {
        struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, address_node);

        if (tern_sockaddr_equal(conn->tcp.peer, address) && suits(conn, bucket))
            return conn;
    }
    return NULL;
}

void tern_addresses_add(struct tern_conn *conn)
{
    conn->is_counted = true;
    tern_hash_insert(&conn->pool->addresses, &conn->address_node, hash_of(conn->pool, conn->tcp.peer));
}

void tern_addresses_remove(struct tern_conn *conn)
{
    if (!conn->is_counted)
        return;
    conn->is_counted = false;
    tern_hash_remove(&conn->pool->addresses, &conn->address_node);
    wake(conn->pool, conn->address_node.hash);
}

void tern_addresses_idle(struct tern_conn *conn)
{
    wake(conn->pool, conn->address_node.hash);
}

void tern_addresses_reopen(struct tern_bucket *bucket)
{
    bucket->crowd.has_leave = true;
    tern_waiters_review(bucket);
}

void tern_addresses_had_turn(struct tern_bucket *bucket)
{
    if (bucket->crowd.count == 0)
        return;
    tern_list_remove(&bucket->crowded_node);
    tern_list_push_back(&bucket->pool->crowded, &bucket->crowded_node);
}

/* Some may have got room while the dial tried others. */
static bool is_old_news(const struct tern_pool *pool, const struct tern_crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->count; i++) {
        uint32_t count = 0;

        for (struct tern_hash_node *node = tern_hash_first(&pool->addresses, crowd->hashes[i]); node != NULL;
             node = tern_hash_next(node))
            count++;
        if (count < pool->limits.connections_per_address_max)
            return true;
    }
    return false;
}

void tern_addresses_crowded(struct tern_bucket *bucket, const struct tern_crowd *crowd)
{
    bool is_new = bucket->crowd.count == 0;

    bucket->crowd = *crowd;
    bucket->crowd.has_leave = is_old_news(bucket->pool, crowd);
    if (!is_new)
        return;
    bucket->pool->crowded_count++;
    tern_list_push_back(&bucket->pool->crowded, &bucket->crowded_node);
}

bool tern_addresses_may_dial(const struct tern_bucket *bucket)
{
    return bucket->crowd.count == 0 || bucket->crowd.has_leave;
}

void tern_addresses_dialling(struct tern_bucket *bucket)
{
    bucket->crowd.has_leave = false;
}

void tern_addresses_dialled(struct tern_bucket *bucket)
{
    if (bucket->crowd.count == 0)
        return;
    bucket->crowd.has_leave = true;
    tern_addresses_had_turn(bucket);
}

void tern_addresses_forget(struct tern_bucket *bucket)
{
    if (bucket->crowd.count == 0)
        return;
    bucket->pool->crowded_count--;
    tern_list_remove(&bucket->crowded_node);
    bucket->crowd = (struct tern_crowd){0};
}

const struct tern_bucket *tern_addresses_wanted(const struct tern_conn *conn)
{
    TERN_LIST_FOREACH(node, &conn->pool->crowded) {
        const struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, crowded_node);

        if (wants(bucket, conn->address_node.hash))
            return bucket;
    }
    return NULL;
}
