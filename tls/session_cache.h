/* tls/session_cache.h - what can be resumed: serialised sessions by key, the latest used kept.
 *
 * A key is the SHA-256 of everything a session may depend on: the whole profile, the loaded trust and identity, host
 * and port. So a session never serves another configuration. Memory only; time is passed in; belongs to one thread. */
#ifndef TERN_TLS_SESSION_CACHE_H
#define TERN_TLS_SESSION_CACHE_H

#include "base/list.h"
#include "tern/error.h"

/* A session takes 1 to 3 KiB with its certificate. */
#define TERN_SESSION_CACHE_MAX 256

/* Of one key: TLS 1.3 tickets serve once, and as many connections may be opened together. */
#define TERN_SESSION_CACHE_KEY_MAX 8

#define TERN_SESSION_BYTES_MAX (16 * 1024)

#define TERN_SESSION_KEY_BYTES 32

struct tern_session_cache {
    struct tern_list sessions; /* the latest added or used first */
    uint32_t count;
};

struct tern_session {
    struct tern_list node;
    uint8_t key[TERN_SESSION_KEY_BYTES];
    uint64_t expires_s;     /* wall time, as the next */
    uint64_t valid_until_s; /* the end of the certificates that it goes back to, by however many resumptions */
    bool is_single_use;     /* TLS 1.3 (RFC 8446 appendix C.4): reuse would let an observer link connections */
    size_t len;
    unsigned char bytes[];
};

void tern_session_cache_init(struct tern_session_cache *cache);
void tern_session_cache_deinit(struct tern_session_cache *cache);

/* Copies a session in; it pushes out the oldest of its key, or of all, where there are too many. What does not fit
 * or finds no memory is not kept: the next handshake is a full one. */
void tern_session_cache_add(struct tern_session_cache *cache, const uint8_t key[TERN_SESSION_KEY_BYTES],
                            const void *bytes, size_t len, uint64_t expires_s, uint64_t valid_until_s,
                            bool is_single_use);

/* The newest session of the key that has not expired, or NULL. Borrowed until the next call on the cache; one for
 * single use is no longer in it and is the caller's to end with tern_session_free. */
struct tern_session *tern_session_cache_take(struct tern_session_cache *cache,
                                             const uint8_t key[TERN_SESSION_KEY_BYTES], uint64_t now_s);

/* Wiped and freed. NULL is ignored. */
void tern_session_free(struct tern_session *session);

/* Forgets all sessions of a key: a handshake that offered one of them failed. */
void tern_session_cache_drop(struct tern_session_cache *cache, const uint8_t key[TERN_SESSION_KEY_BYTES]);

#endif
