#include "dns/cache.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

#define ENTRY_OF(list_node) TERN_CONTAINER_OF(list_node, struct tern_dns_entry, node)

static uint64_t hash_of(const struct tern_dns_cache *cache, struct tern_str name, enum tern_ip_family family)
{
    return tern_hash_bytes(cache->seed, name.ptr, name.len) ^ (uint64_t)family;
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
        if (entry->state == TERN_DNS_ASKING)
            return entry;
        if (entry->expires_ns <= now_ns) {
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

void tern_dns_cache_settle(struct tern_dns_cache *cache, struct tern_dns_entry *entry,
                           const struct tern_dns_answer *answer, uint64_t expires_ns, size_t max)
{
    size_t count = answer->status == TERN_DNS_FOUND ? answer->count : 0;

    TERN_ASSERT(entry->state == TERN_DNS_ASKING && tern_list_is_empty(&entry->waiting));
    if (count != 0)
        entry->ips = tern_mem_calloc(count, sizeof(*entry->ips));
    if (count != 0 && entry->ips == NULL) {
        tern_dns_cache_drop(cache, entry);
        return;
    }
    if (count != 0)
        memcpy(entry->ips, answer->ips, count * sizeof(*entry->ips));
    entry->count = count;
    entry->reason = answer->reason;
    entry->expires_ns = expires_ns;
    entry->state = count != 0 ? TERN_DNS_FOUND_KEPT : TERN_DNS_ABSENT_KEPT;
    cache->asking_count--;
    cache->settled_count++;
    tern_list_remove(&entry->node);
    tern_list_push_back(&cache->settled, &entry->node);
    while (cache->settled_count > max)
        tern_dns_cache_drop(cache, ENTRY_OF(cache->settled.next));
}

void tern_dns_cache_drop(struct tern_dns_cache *cache, struct tern_dns_entry *entry)
{
    if (entry->state == TERN_DNS_ASKING)
        cache->asking_count--;
    else
        cache->settled_count--;
    tern_hash_remove(&cache->table, &entry->hash_node);
    tern_list_remove(&entry->node);
    tern_mem_free(entry->ips);
    tern_mem_free(entry);
}
