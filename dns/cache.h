/* dns/cache.h - answers by name and family, and the questions that are still open. Memory only: time is passed in.
 *
 *     add --> ASKING --settle--> FOUND or ABSENT --too old, or least recently used over max--> freed
 *                |                 |  ^      ^
 *                +--drop--> freed  |  |      |
 *                           reopen |  | keep |
 *                                  v  |      |
 *                              REFRESHING --settle
 *
 * What was FOUND outlives its TTL by a while, for when no server answers (RFC 8767). Entries with an open question do
 * not count against max, their number has a bound of its own. Belongs to one thread. */
#ifndef TERN_DNS_CACHE_H
#define TERN_DNS_CACHE_H

#include "base/hash.h"
#include "base/list.h"
#include "dns/resolver.h"

enum tern_dns_entry_state {
    TERN_DNS_ASKING,
    TERN_DNS_FOUND_KEPT,
    TERN_DNS_REFRESHING, /* an answer is kept, and asked for again */
    TERN_DNS_ABSENT_KEPT
};

/* The last part of a TTL, as a fraction, in which a name in use is looked up again ahead of need. */
#define TERN_DNS_REFRESH_PART 5

struct tern_dns_entry {
    struct tern_hash_node hash_node;
    struct tern_list node; /* with an open question: among cache->asking; else cache->settled */
    enum tern_dns_entry_state state;
    enum tern_ip_family family;
    struct tern_list waiting;    /* with an open question: tern_lookup_leg.node */
    struct tern_dns_query query; /* the open question */
    void *owner;                 /* the caller's */
    uint64_t refresh_ns;         /* from here on the TTL is in its last part */
    uint64_t expires_ns;         /* the end of the TTL */
    uint64_t keep_until_ns;      /* expires_ns, or later for what was FOUND */
    uint64_t failed_ns;          /* the caller's: when no server answered; 0 once one did */
    const char *reason;          /* ABSENT_KEPT: static */
    struct tern_dns_ip *ips;
    size_t count;
    size_t name_len;
    char name[]; /* and a NUL */
};

struct tern_dns_cache {
    struct tern_hash table;
    struct tern_hash_seed seed;
    struct tern_list asking;  /* ASKING and REFRESHING */
    struct tern_list settled; /* the most recently used last */
    size_t asking_count, settled_count;
};

void tern_dns_cache_init(struct tern_dns_cache *cache, struct tern_hash_seed seed);

/* Frees all entries, those with an open question too. */
void tern_dns_cache_deinit(struct tern_dns_cache *cache);

/* The entry, borrowed until the cache is next changed, or NULL where there is none that is kept at now_ns. (Its TTL may
 * have ended.) Finding it counts as use. */
struct tern_dns_entry *tern_dns_cache_find(struct tern_dns_cache *cache, struct tern_str name,
                                           enum tern_ip_family family, uint64_t now_ns);

/* A new entry that is ASKING, of a name and family that find does not find. Owned by the cache. NULL: no memory. */
struct tern_dns_entry *tern_dns_cache_add(struct tern_dns_cache *cache, struct tern_str name,
                                          enum tern_ip_family family);

/* A kept answer is asked for again. */
void tern_dns_cache_reopen(struct tern_dns_cache *cache, struct tern_dns_entry *entry);

/* Keeps what a REFRESHING entry has: the question gave no answer. */
void tern_dns_cache_keep(struct tern_dns_cache *cache, struct tern_dns_entry *entry);

/* Keeps answer (FOUND or NOT_FOUND) in an entry with an open question, for ttl_ns from now_ns and, if it was FOUND,
 * stale_ns more. Then makes room so that at most max settled entries are left, max being at least 1. Gives the entry,
 * or NULL where it could not be kept and was dropped. */
struct tern_dns_entry *tern_dns_cache_settle(struct tern_dns_cache *cache, struct tern_dns_entry *entry,
                                             const struct tern_dns_answer *answer, uint64_t now_ns, uint64_t ttl_ns,
                                             uint64_t stale_ns, size_t max);

/* Frees an entry, in any state. Nobody waits for it. */
void tern_dns_cache_drop(struct tern_dns_cache *cache, struct tern_dns_entry *entry);

#endif
