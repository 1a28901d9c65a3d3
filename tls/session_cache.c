/* tls/session_cache.c - see tls/session_cache.h. At most 256 entries: a walk over them costs less than a handshake's
 * first multiplication. */
#include "tls/session_cache.h"

#include "base/mem.h"

static struct tern_session *session_of(struct tern_list *node)
{
    return TERN_CONTAINER_OF(node, struct tern_session, node);
}

static bool has_key(const struct tern_session *session, const uint8_t key[TERN_SESSION_KEY_BYTES])
{
    return memcmp(session->key, key, TERN_SESSION_KEY_BYTES) == 0;
}

static void remove_session(struct tern_session_cache *cache, struct tern_session *session)
{
    tern_list_remove(&session->node);
    cache->count--;
}

void tern_session_free(struct tern_session *session)
{
    if (session == NULL)
        return;
    tern_mem_wipe(session, sizeof(*session) + session->len);
    tern_mem_free(session);
}

void tern_session_cache_init(struct tern_session_cache *cache)
{
    tern_list_init(&cache->sessions);
    cache->count = 0;
}

void tern_session_cache_deinit(struct tern_session_cache *cache)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(&cache->sessions)) != NULL)
        tern_session_free(session_of(node));
    cache->count = 0;
}

/* Makes room for one more of this key. */
static void evict(struct tern_session_cache *cache, const uint8_t key[TERN_SESSION_KEY_BYTES])
{
    struct tern_session *oldest_of_key = NULL;
    uint32_t of_key = 0;
    struct tern_session *out = NULL;

    TERN_LIST_FOREACH(node, &cache->sessions) {
        if (has_key(session_of(node), key)) {
            oldest_of_key = session_of(node);
            of_key++;
        }
    }
    if (of_key >= TERN_SESSION_CACHE_KEY_MAX)
        out = oldest_of_key;
    else if (cache->count >= TERN_SESSION_CACHE_MAX)
        out = session_of(cache->sessions.prev);
    if (out != NULL) {
        remove_session(cache, out);
        tern_session_free(out);
    }
}

void tern_session_cache_add(struct tern_session_cache *cache, const uint8_t key[TERN_SESSION_KEY_BYTES],
                            const void *bytes, size_t len, uint64_t expires_s, uint64_t valid_until_s,
                            bool is_single_use)
{
    struct tern_session *session;

    if (len > TERN_SESSION_BYTES_MAX)
        return;
    session = tern_mem_alloc(sizeof(*session) + len);
    if (session == NULL)
        return;
    memcpy(session->key, key, TERN_SESSION_KEY_BYTES);
    session->expires_s = expires_s < valid_until_s ? expires_s : valid_until_s;
    session->valid_until_s = valid_until_s;
    session->is_single_use = is_single_use;
    session->len = len;
    memcpy(session->bytes, bytes, len);
    evict(cache, key);
    tern_list_push_front(&cache->sessions, &session->node);
    cache->count++;
}

struct tern_session *tern_session_cache_take(struct tern_session_cache *cache,
                                             const uint8_t key[TERN_SESSION_KEY_BYTES], uint64_t now_s)
{
    TERN_LIST_FOREACH(node, &cache->sessions) {
        struct tern_session *session = session_of(node);

        if (!has_key(session, key))
            continue;
        remove_session(cache, session);
        if (session->expires_s <= now_s) {
            tern_session_free(session);
            continue;
        }
        if (!session->is_single_use) {
            tern_list_push_front(&cache->sessions, &session->node);
            cache->count++;
        }
        return session;
    }
    return NULL;
}

void tern_session_cache_drop(struct tern_session_cache *cache, const uint8_t key[TERN_SESSION_KEY_BYTES])
{
    TERN_LIST_FOREACH(node, &cache->sessions) {
        struct tern_session *session = session_of(node);

        if (has_key(session, key)) {
            remove_session(cache, session);
            tern_session_free(session);
        }
    }
}
