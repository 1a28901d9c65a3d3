/* dns/cache.h - answers by name and family, and the questions that are still open. Memory only: time is passed in.
 *
 *     add --> ASKING --settle--> FOUND or ABSENT --expired, or least recently used over max--> freed
 *                |
 *                +--drop--> freed
 *
 * Only settled entries count against max: an open question has somebody who waits for it. Belongs to one thread. */
#ifndef TERN_DNS_CACHE_H
#define TERN_DNS_CACHE_H

#include "base/hash.h"
#include "base/list.h"
#include "dns/resolver.h"

enum tern_dns_entry_state { TERN_DNS_ASKING, TERN_DNS_FOUND_KEPT, TERN_DNS_ABSENT_KEPT };

struct tern_dns_entry {
    struct tern_hash_node hash_node;
    struct tern_list node; /* ASKING: among cache->asking; else cache->settled */
    enum tern_dns_entry_state state;
    enum tern_ip_family family;
    struct tern_list waiting;    /* ASKING: tern_lookup_leg.node */
    struct tern_dns_query query; /* ASKING */
    void *owner;                 /* the caller's */
    uint64_t expires_ns;
    const char *reason; /* ABSENT_KEPT: static */
    struct tern_dns_ip *ips;
    size_t count;
    size_t name_len;
    char name[]; /* and a NUL */
};

struct tern_dns_cache {
    struct tern_hash table;
    struct tern_hash_seed seed;
    struct tern_list asking;
    struct tern_list settled; /* the most recently used last */
    size_t asking_count, settled_count;
};

void tern_dns_cache_init(struct tern_dns_cache *cache, struct tern_hash_seed seed);

/* Frees all entries, those that are ASKING too. */
void tern_dns_cache_deinit(struct tern_dns_cache *cache);

/* The entry, borrowed until the cache is next changed, or NULL where there is none that holds at now_ns. Finding it
 * counts as use. */
struct tern_dns_entry *tern_dns_cache_find(struct tern_dns_cache *cache, struct tern_str name,
                                           enum tern_ip_family family, uint64_t now_ns);

/* A new entry that is ASKING, of a name and family that find does not find. Owned by the cache. NULL: no memory. */
struct tern_dns_entry *tern_dns_cache_add(struct tern_dns_cache *cache, struct tern_str name,
                                          enum tern_ip_family family);

/* Keeps answer (FOUND or NOT_FOUND) in an entry that is ASKING until expires_ns, and makes room so that at most max
 * settled entries are left. Where it cannot be kept the entry is dropped. */
void tern_dns_cache_settle(struct tern_dns_cache *cache, struct tern_dns_entry *entry,
                           const struct tern_dns_answer *answer, uint64_t expires_ns, size_t max);

/* Frees an entry, in any state. Nobody waits for it. */
void tern_dns_cache_drop(struct tern_dns_cache *cache, struct tern_dns_entry *entry);

#endif
