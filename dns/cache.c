#include "dns/cache.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

#define ENTRY_OF(list_node) TERN_CONTAINER_OF(list_node, struct tern_dns_entry, node)

static uint64_t hash_of(const struct tern_dns_cache *cache, struct tern_str name, enum tern_ip_family family)
{
    return tern_hash_bytes(cache->seed, name.ptr, name.len) ^ (uint64_t)family;
}

static bool is_open(const struct tern_dns_entry *entry)
{
    return entry->state == TERN_DNS_ASKING || entry->state == TERN_DNS_REFRESHING;
}

void tern_dns_cache_init(struct tern_dns_cache *cache, struct tern_hash_seed seed)
{
    *cache = (struct tern_dns_cache){.seed = seed};
    tern_hash_init(&cache->table);
    tern_list_init(&cache->asking);
    tern_list_init(&cache->settled);
}

void tern_dns_cache_deinit(struct tern_dns_cache *cache)
{
    TERN_LIST_FOREACH(node, &cache->asking)
        tern_dns_cache_drop(cache, ENTRY_OF(node));
    TERN_LIST_FOREACH(node, &cache->settled)
        tern_dns_cache_drop(cache, ENTRY_OF(node));
    tern_hash_deinit(&cache->table);
}

struct tern_dns_entry *tern_dns_cache_find(struct tern_dns_cache *cache, struct tern_str name,
                                           enum tern_ip_family family, uint64_t now_ns)
{
    struct tern_hash_node *node = tern_hash_first(&cache->table, hash_of(cache, name, family));

    for (; node != NULL; node = tern_hash_next(node)) {
        struct tern_dns_entry *entry = TERN_CONTAINER_OF(node, struct tern_dns_entry, hash_node);

        if (entry->family != family || !tern_str_eq(name, tern_str_n(entry->name, entry->name_len)))
            continue;
        if (is_open(entry))
            return entry;
        if (entry->keep_until_ns <= now_ns) {
            tern_dns_cache_drop(cache, entry);
            return NULL;
        }
        tern_list_remove(&entry->node);
        tern_list_push_back(&cache->settled, &entry->node);
        return entry;
    }
    return NULL;
}

struct tern_dns_entry *tern_dns_cache_add(struct tern_dns_cache *cache, struct tern_str name,
                                          enum tern_ip_family family)
{
    struct tern_dns_entry *entry = tern_mem_calloc(1, sizeof(*entry) + name.len + 1);

    if (entry == NULL)
        return NULL;
    entry->state = TERN_DNS_ASKING;
    entry->family = family;
    entry->name_len = name.len;
    memcpy(entry->name, name.ptr, name.len);
    tern_list_init(&entry->waiting);
    tern_list_push_back(&cache->asking, &entry->node);
    cache->asking_count++;
    tern_hash_insert(&cache->table, &entry->hash_node, hash_of(cache, name, family));
    return entry;
}

/* From the open questions to the answers, as the latest used; or back. */
static void move(struct tern_dns_cache *cache, struct tern_dns_entry *entry, bool is_open)
{
    cache->asking_count += is_open ? 1 : (size_t)-1;
    cache->settled_count += is_open ? (size_t)-1 : 1;
    tern_list_remove(&entry->node);
    tern_list_push_back(is_open ? &cache->asking : &cache->settled, &entry->node);
}

void tern_dns_cache_reopen(struct tern_dns_cache *cache, struct tern_dns_entry *entry)
{
    TERN_ASSERT(entry->state == TERN_DNS_FOUND_KEPT);
    entry->state = TERN_DNS_REFRESHING;
    move(cache, entry, true);
}

void tern_dns_cache_keep(struct tern_dns_cache *cache, struct tern_dns_entry *entry)
{
    TERN_ASSERT(entry->state == TERN_DNS_REFRESHING && tern_list_is_empty(&entry->waiting));
    entry->state = TERN_DNS_FOUND_KEPT;
    move(cache, entry, false);
}

struct tern_dns_entry *tern_dns_cache_settle(struct tern_dns_cache *cache, struct tern_dns_entry *entry,
                                             const struct tern_dns_answer *answer, uint64_t now_ns, uint64_t ttl_ns,
                                             uint64_t stale_ns, size_t max)
{
    size_t count = answer->status == TERN_DNS_FOUND ? answer->count : 0;
    struct tern_dns_ip *ips = count != 0 ? tern_mem_calloc(count, sizeof(*ips)) : NULL;

    TERN_ASSERT(is_open(entry) && tern_list_is_empty(&entry->waiting));
    if (count != 0 && ips == NULL) {
        tern_dns_cache_drop(cache, entry);
        return NULL;
    }
    if (count != 0)
        memcpy(ips, answer->ips, count * sizeof(*ips));
    tern_mem_free(entry->ips);
    entry->ips = ips;
    entry->count = count;
    entry->reason = answer->reason;
    entry->failed_ns = 0;
    entry->expires_ns = entry->refresh_ns = entry->keep_until_ns = tern_u64_add_sat(now_ns, ttl_ns);
    if (count != 0) {
        entry->refresh_ns -= ttl_ns / TERN_DNS_REFRESH_PART;
        entry->keep_until_ns = tern_u64_add_sat(entry->expires_ns, stale_ns);
    }
    entry->state = count != 0 ? TERN_DNS_FOUND_KEPT : TERN_DNS_ABSENT_KEPT;
    move(cache, entry, false);
    while (cache->settled_count > max)
        tern_dns_cache_drop(cache, ENTRY_OF(cache->settled.next));
    return entry;
}

void tern_dns_cache_drop(struct tern_dns_cache *cache, struct tern_dns_entry *entry)
{
    if (is_open(entry))
        cache->asking_count--;
    else
        cache->settled_count--;
    tern_hash_remove(&cache->table, &entry->hash_node);
    tern_list_remove(&entry->node);
    tern_mem_free(entry->ips);
    tern_mem_free(entry);
}
