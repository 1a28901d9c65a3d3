/* pool/spoken.h - which HTTP the origins spoke, for longer than their connections live.
 *
 * A hint, never a promise: it decides how many dials a burst makes and what ALPN offers, and what is agreed on a
 * connection holds. So a small table without eviction lists will do: a slot is its latest key's. */
#ifndef TERN_POOL_SPOKEN_H
#define TERN_POOL_SPOKEN_H

#include "tern/call.h"

#define TERN_SPOKEN_SLOTS 128

enum tern_spoken {
    TERN_SPOKEN_UNKNOWN,
    TERN_SPOKEN_1_1,
    TERN_SPOKEN_2,
    TERN_SPOKEN_1_1_ASKED /* it speaks HTTP/2, and has asked for HTTP/1.1 (HTTP_1_1_REQUIRED, RFC 9113 7) */
};

struct tern_spoken_table {
    struct {
        uint64_t key; /* a bucket's hash, which is seeded */
        enum tern_spoken what;
    } slots[TERN_SPOKEN_SLOTS];
};

static inline enum tern_spoken tern_spoken_get(const struct tern_spoken_table *table, uint64_t key)
{
    return table->slots[key % TERN_SPOKEN_SLOTS].key == key ? table->slots[key % TERN_SPOKEN_SLOTS].what
                                                            : TERN_SPOKEN_UNKNOWN;
}

static inline void tern_spoken_set(struct tern_spoken_table *table, uint64_t key, enum tern_spoken what)
{
    table->slots[key % TERN_SPOKEN_SLOTS].key = key;
    table->slots[key % TERN_SPOKEN_SLOTS].what = what;
}

#endif
