/* The pool key: what makes two calls share connections. */
#include "base/mem.h"
#include "pool/retire.h"
#include "pool/warm.h"

static uint64_t key_hash(const struct tern_pool *pool, const struct tern_profile *profile,
                         const struct tern_origin *origin)
{
    const struct tern_buf *shape = &profile->shape;
    uint64_t host = tern_hash_bytes(pool->engine->hash_seed, origin->host.text, origin->host.len);

    /* A client has few shapes, and they are long: the length tells most of them apart. */
    return host ^ ((uint64_t)origin->port << 1 | origin->is_secure) ^ shape->len << 17;
}

bool tern_bucket_same_shape(const struct tern_profile *a, const struct tern_profile *b)
{
    return a == b || (a->shape.len == b->shape.len &&
                      memcmp(a->shape.data + a->shape.head, b->shape.data + b->shape.head, a->shape.len) == 0);
}

static bool key_equal(const struct tern_bucket *bucket, const struct tern_profile *profile,
                      const struct tern_origin *origin)
{
    return bucket->origin.is_secure == origin->is_secure && bucket->origin.port == origin->port &&
           tern_host_eq(&bucket->origin.host, &origin->host) && tern_bucket_same_shape(bucket->profile, profile);
}

struct tern_bucket *tern_bucket_get(struct tern_pool *pool, struct tern_profile *profile,
                                    const struct tern_origin *origin)
{
    uint64_t hash = key_hash(pool, profile, origin);
    struct tern_bucket *bucket;

    for (struct tern_hash_node *node = tern_hash_first(&pool->buckets, hash); node != NULL;
         node = tern_hash_next(node)) {
        bucket = TERN_CONTAINER_OF(node, struct tern_bucket, hash);
        if (key_equal(bucket, profile, origin))
            return bucket;
    }
    bucket = tern_mem_calloc(1, sizeof(*bucket));
    if (bucket == NULL)
        return NULL;
    bucket->pool = pool;
    bucket->profile = tern_profile_acquire(profile);
    bucket->origin = *origin;
    bucket->check_ns = TERN_OFF;
    tern_list_init(&bucket->idle);
    tern_list_init(&bucket->shared);
    tern_list_init(&bucket->waiters);
    tern_list_init(&bucket->reusers);
    tern_list_init(&bucket->dials);
    tern_list_init(&bucket->hungry_node);
    tern_list_init(&bucket->crowded_node);
    bucket->undialled = &bucket->waiters;
    tern_warm_init(bucket);
    tern_hash_insert(&pool->buckets, &bucket->hash, hash);
    return bucket;
}

void tern_bucket_drop_if_empty(struct tern_bucket *bucket)
{
    if (bucket->connection_count > 0 || !tern_list_is_empty(&bucket->waiters) || tern_warm_is_due(bucket))
        return;
    tern_hash_remove(&bucket->pool->buckets, &bucket->hash);
    tern_retire_cancel(bucket);
    tern_profile_release(bucket->profile);
    tern_mem_free(bucket);
}
