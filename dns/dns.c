#include "dns/dns.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "dns/cache.h"
#include "dns/cares.h"
#include "dns/config.h"
#include "dns/hosts_file.h"
#include "dns/source.h"

struct tern_dns {
    struct tern_engine *engine;
    struct tern_resolver *resolver;
    struct tern_dns_settings settings;
    struct tern_hosts_file hosts;
    struct tern_list waiting; /* lookups that wait for the hosts file: tern_lookup.waiting */
    struct tern_dns_cache cache;
    struct tern_dns_stats stats;
    uint32_t lookups; /* not IDLE */
};

/* ---- collecting addresses in a lookup ---- */

/* What went wrong so far; a failure says more than "not found", and so replaces it. */
static void lookup_blame(struct tern_lookup *lookup, enum tern_error error, const char *reason)
{
    if (lookup->fault.error == TERN_OK || lookup->fault.error == TERN_EDNS_NOT_FOUND)
        tern_fault_set(&lookup->fault, error, "cannot look up %s: %s", lookup->host.text, reason);
}

/* Room for count more addresses at the end. */
static struct tern_dns_address *lookup_grow(struct tern_lookup *lookup, size_t count)
{
    struct tern_dns_address *list =
        tern_mem_realloc(lookup->addresses, lookup->count + count, sizeof(*lookup->addresses));

    if (list == NULL) {
        lookup_blame(lookup, TERN_ENOMEM, "out of memory");
        return NULL;
    }
    lookup->addresses = list;
    lookup->count += count;
    memset(list + lookup->count - count, 0, count * sizeof(*list));
    return list + lookup->count - count;
}

/* Orders what was not taken yet. The first of a new turn is of the family that the last one taken was not. */
static void lookup_order(struct tern_lookup *lookup)
{
    struct tern_dns_address *rest = lookup->addresses + lookup->taken;
    size_t count = lookup->count - lookup->taken;

    if (count < 2)
        return;
    for (size_t i = 0; i < count; i++)
        tern_dns_find_source(lookup->dns->engine, &rest[i]);
    tern_dns_sort(rest, count);
    tern_dns_interleave(rest, count, lookup->taken != 0 ? !rest[-1].is_ipv6 : rest[0].is_ipv6);
}

static void lookup_add(struct tern_lookup *lookup, enum tern_ip_family family, const struct tern_dns_ip *ips,
                       size_t count)
{
    struct tern_dns_address *added = lookup_grow(lookup, count);

    if (added == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        added[i].ip = ips[i];
        added[i].is_ipv6 = family == TERN_IP_V6;
    }
    lookup->has_news = true;
    lookup_order(lookup);
}

/* What stands now is to be told, or to be waited for: the one place that decides (RFC 8305 section 3). */
static void lookup_settle(struct tern_lookup *lookup)
{
    struct tern_engine *engine = lookup->dns->engine;

    if (!lookup->v6.is_waiting && !lookup->v4.is_waiting) {
        lookup->state = TERN_LOOKUP_ENDED;
        if (lookup->count != 0)
            lookup->fault = (struct tern_fault){.error = TERN_OK};
        else if (lookup->fault.error == TERN_OK)
            lookup_blame(lookup, TERN_EDNS_NOT_FOUND, "it has no address of the family asked for");
    }
    if (lookup->v6.is_waiting && !lookup->delay_is_over) {
        if (lookup->has_news && !tern_timer_is_armed(&lookup->delay))
            tern_timer_arm(engine, &lookup->delay, tern_engine_now(engine) + TERN_DNS_RESOLUTION_DELAY_NS);
        return;
    }
    lookup->delay_is_over = true;
    tern_timer_cancel(engine, &lookup->delay);
    if (lookup->has_news || lookup->state == TERN_LOOKUP_ENDED)
        tern_engine_defer(engine, &lookup->task);
}

static void on_delay(struct tern_timer *timer)
{
    struct tern_lookup *lookup = TERN_CONTAINER_OF(timer, struct tern_lookup, delay);

    lookup->delay_is_over = true;
    lookup_settle(lookup);
}

static void on_task(struct tern_task *task)
{
    struct tern_lookup *lookup = TERN_CONTAINER_OF(task, struct tern_lookup, task);

    lookup->has_news = false;
    lookup->on_change(lookup);
}

/* ---- answers ---- */

static void leg_absorb(struct tern_lookup_leg *leg, enum tern_dns_status status, const char *reason,
                       const struct tern_dns_ip *ips, size_t count)
{
    leg->is_waiting = false;
    if (status == TERN_DNS_FOUND)
        lookup_add(leg->lookup, leg->family, ips, count);
    else
        lookup_blame(leg->lookup, status == TERN_DNS_NOT_FOUND ? TERN_EDNS_NOT_FOUND : TERN_EDNS_FAILED, reason);
}

static void on_answer(struct tern_dns_query *query, const struct tern_dns_answer *answer)
{
    struct tern_dns_entry *entry = TERN_CONTAINER_OF(query, struct tern_dns_entry, query);
    struct tern_dns *dns = entry->owner;
    const struct tern_dns_settings *settings = &dns->settings;
    uint64_t now_ns = tern_engine_now(dns->engine), keep_ns = 0;
    struct tern_list *node;

    while ((node = tern_list_pop_front(&entry->waiting)) != NULL) {
        struct tern_lookup_leg *leg = TERN_CONTAINER_OF(node, struct tern_lookup_leg, node);

        leg_absorb(leg, answer->status, answer->reason, answer->ips, answer->count);
        lookup_settle(leg->lookup);
    }
    if (answer->status == TERN_DNS_FOUND)
        keep_ns = answer->ttl_s * TERN_S < settings->ttl_ns_max ? answer->ttl_s * TERN_S : settings->ttl_ns_max;
    else if (answer->status == TERN_DNS_NOT_FOUND)
        keep_ns = settings->negative_ns;
    if (keep_ns != 0)
        tern_dns_cache_settle(&dns->cache, entry, answer, tern_u64_add_sat(now_ns, keep_ns), settings->entries_max);
    else
        tern_dns_cache_drop(&dns->cache, entry);
}

/* Asks a server. NULL: the lookup has been told why not. */
static struct tern_dns_entry *ask(struct tern_dns *dns, struct tern_lookup_leg *leg)
{
    struct tern_dns_entry *entry;
    enum tern_error error;

    if (dns->cache.asking_count >= TERN_DNS_QUERIES_MAX) {
        lookup_blame(leg->lookup, TERN_ELIMIT, "too many names are being looked up");
        return NULL;
    }
    entry = tern_dns_cache_add(&dns->cache, tern_host_text(&leg->lookup->host), leg->family);
    if (entry == NULL) {
        lookup_blame(leg->lookup, TERN_ENOMEM, "out of memory");
        return NULL;
    }
    entry->owner = dns;
    entry->query.on_answer = on_answer;
    error = dns->resolver->ops->query(dns->resolver, entry->name, leg->family, &entry->query);
    if (error != TERN_OK) {
        tern_dns_cache_drop(&dns->cache, entry);
        lookup_blame(leg->lookup, error, tern_error_text(error));
        return NULL;
    }
    dns->stats.queries++;
    return entry;
}

static void leg_start(struct tern_dns *dns, struct tern_lookup_leg *leg)
{
    struct tern_str name = tern_host_text(&leg->lookup->host);
    struct tern_dns_entry *entry;

    if (!leg->is_waiting)
        return;
    entry = tern_dns_cache_find(&dns->cache, name, leg->family, tern_engine_now(dns->engine));
    if (entry != NULL && entry->state != TERN_DNS_ASKING) {
        dns->stats.cache_hits++;
        leg_absorb(leg, entry->count != 0 ? TERN_DNS_FOUND : TERN_DNS_NOT_FOUND, entry->reason, entry->ips,
                   entry->count);
        return;
    }
    if (entry == NULL)
        entry = ask(dns, leg);
    if (entry != NULL)
        tern_list_push_back(&entry->waiting, &leg->node);
    else
        leg->is_waiting = false;
}

/* ---- what needs no server ---- */

static bool wants(const struct tern_lookup *lookup, bool is_ipv6)
{
    return lookup->family == TERN_IP_ANY || (lookup->family == TERN_IP_V6) == is_ipv6;
}

/* Nothing more is waited for; the addresses are all there. */
static void lookup_answered(struct tern_lookup *lookup)
{
    lookup->v6.is_waiting = lookup->v4.is_waiting = false;
    lookup_settle(lookup);
}

/* The interface that a literal's zone names, or says the number of. False: there is none. */
static bool find_scope(struct tern_dns *dns, const struct tern_host *literal, uint32_t *scope)
{
    struct tern_str zone = tern_host_zone(literal); /* ends where text does, in a NUL */
    struct tern_io *io = dns->engine->io;
    uint64_t number = 0;

    if (zone.len != 0 && !tern_u64_parse(zone, UINT32_MAX, &number))
        number = io->ops->interface_number(io, zone.ptr);
    *scope = (uint32_t)number;
    return zone.len == 0 || number != 0;
}

/* Adds IP literals that the lookup wants, in their order. */
static void lookup_add_literals(struct tern_lookup *lookup, const struct tern_host *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_ipv6 = list[i].kind == TERN_HOST_IPV6;
        struct tern_dns_address *added;
        uint32_t scope;

        if (!wants(lookup, is_ipv6))
            continue;
        if (!find_scope(lookup->dns, &list[i], &scope)) {
            lookup_blame(lookup, TERN_EDNS_NOT_FOUND, "this machine has no such network interface");
            continue;
        }
        if ((added = lookup_grow(lookup, 1)) == NULL)
            continue;
        memcpy(added->ip.bytes, list[i].address, is_ipv6 ? 16 : 4);
        added->is_ipv6 = is_ipv6;
        added->scope = scope;
    }
    lookup->has_news = lookup->count != 0;
    lookup_answered(lookup);
}

/* localhost and everything below it (RFC 6761 section 6.3). */
static bool is_localhost(struct tern_str name)
{
    static const char suffix[] = ".localhost";
    size_t len = sizeof(suffix) - 1;

    return tern_str_eq(name, TERN_STR("localhost")) ||
           (name.len > len && memcmp(name.ptr + name.len - len, suffix, len) == 0);
}

static void lookup_localhost(struct tern_lookup *lookup)
{
    static const struct tern_dns_ip v6 = {{[15] = 1}}, v4 = {{127, [3] = 1}};

    if (lookup->v6.is_waiting)
        lookup_add(lookup, TERN_IP_V6, &v6, 1);
    if (lookup->v4.is_waiting)
        lookup_add(lookup, TERN_IP_V4, &v4, 1);
    lookup_answered(lookup);
}

/* The hosts file is as good as it gets: it, or else the cache and the servers. */
static void lookup_with_hosts(struct tern_lookup *lookup)
{
    struct tern_dns *dns = lookup->dns;
    struct tern_str name = tern_host_text(&lookup->host);
    struct tern_dns_ip ips[TERN_DNS_IPS_MAX];
    struct tern_lookup_leg *legs[] = {&lookup->v6, &lookup->v4};
    size_t count, found = 0;

    for (size_t i = 0; i < 2; i++) {
        count = legs[i]->is_waiting ? tern_hosts_find(dns->hosts.table, name, legs[i]->family, ips) : 0;
        if (count != 0)
            lookup_add(lookup, legs[i]->family, ips, count);
        found += count;
    }
    if (found != 0) {
        lookup_answered(lookup);
        return;
    }
    leg_start(dns, &lookup->v6); /* first, as RFC 8305 section 3 has it */
    leg_start(dns, &lookup->v4);
    lookup_settle(lookup);
}

static void on_hosts_checked(struct tern_hosts_file *file)
{
    struct tern_dns *dns = TERN_CONTAINER_OF(file, struct tern_dns, hosts);
    struct tern_list *node;

    while ((node = tern_list_pop_front(&dns->waiting)) != NULL)
        lookup_with_hosts(TERN_CONTAINER_OF(node, struct tern_lookup, waiting));
}

/* ---- the lookup ---- */

static void leg_init(struct tern_lookup *lookup, struct tern_lookup_leg *leg, enum tern_ip_family family)
{
    *leg =
        (struct tern_lookup_leg){.lookup = lookup, .family = family, .is_waiting = wants(lookup, family == TERN_IP_V6)};
    tern_list_init(&leg->node);
}

void tern_lookup_start(struct tern_dns *dns, struct tern_lookup *lookup, const struct tern_host *host, uint16_t port,
                       enum tern_ip_family family, void (*on_change)(struct tern_lookup *lookup), void *owner)
{
    const struct tern_dns_override *override;

    TERN_ASSERT(lookup->state == TERN_LOOKUP_IDLE);
    *lookup = (struct tern_lookup){.state = TERN_LOOKUP_RUNNING,
                                   .dns = dns,
                                   .on_change = on_change,
                                   .owner = owner,
                                   .port = port,
                                   .family = family,
                                   .host = *host};
    leg_init(lookup, &lookup->v6, TERN_IP_V6);
    leg_init(lookup, &lookup->v4, TERN_IP_V4);
    tern_task_init(&lookup->task, on_task);
    tern_timer_init(&lookup->delay, on_delay);
    tern_list_init(&lookup->waiting);
    dns->lookups++;

    override = tern_dns_settings_override(&dns->settings, host, port);
    if (override != NULL)
        lookup_add_literals(lookup, override->addresses, override->address_count);
    else if (host->kind != TERN_HOST_NAME)
        lookup_add_literals(lookup, host, 1);
    else if (is_localhost(tern_host_text(host)))
        lookup_localhost(lookup);
    else if (tern_hosts_file_check(&dns->hosts))
        lookup_with_hosts(lookup);
    else
        tern_list_push_back(&dns->waiting, &lookup->waiting);
}

bool tern_lookup_next(struct tern_lookup *lookup, struct tern_sockaddr *out)
{
    const struct tern_dns_address *address;

    if (!lookup->delay_is_over || lookup->taken == lookup->count)
        return false;
    address = &lookup->addresses[lookup->taken++];
    *out = address->is_ipv6 ? tern_sockaddr_ipv6(address->ip.bytes, address->scope, lookup->port)
                            : tern_sockaddr_ipv4(address->ip.bytes, lookup->port);
    return true;
}

void tern_lookup_cancel(struct tern_lookup *lookup)
{
    if (lookup->state == TERN_LOOKUP_IDLE)
        return;
    lookup->state = TERN_LOOKUP_IDLE;
    lookup->dns->lookups--;
    tern_list_remove(&lookup->waiting);
    tern_list_remove(&lookup->v6.node);
    tern_list_remove(&lookup->v4.node);
    tern_timer_cancel(lookup->dns->engine, &lookup->delay);
    tern_task_cancel(&lookup->task);
    tern_mem_free(lookup->addresses);
    lookup->addresses = NULL;
    lookup->count = lookup->taken = 0;
}

/* ---- the whole ---- */

enum tern_error tern_dns_new(struct tern_engine *engine, const struct tern_dns_config *config,
                             struct tern_resolver *resolver, struct tern_dns **out, struct tern_fault *why)
{
    struct tern_dns *dns = tern_mem_calloc(1, sizeof(*dns));
    enum tern_error error;

    if (dns == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    dns->engine = engine;
    tern_list_init(&dns->waiting);
    tern_dns_cache_init(&dns->cache, engine->hash_seed);
    if ((error = tern_dns_settings_init(&dns->settings, config, why)) != TERN_OK)
        goto no_settings;
    error = tern_hosts_file_init(&dns->hosts, engine, dns->settings.hosts_path, on_hosts_checked);
    if (error == TERN_OK && resolver == NULL)
        error = tern_cares_new(engine, &dns->settings, TERN_DNS_RESOLV_CONF_PATH, &resolver);
    if (error != TERN_OK) {
        tern_fault_plain(why, error);
        goto no_resolver;
    }
    dns->resolver = resolver;
    *out = dns;
    return TERN_OK;

no_resolver:
    tern_hosts_file_deinit(&dns->hosts);
    tern_dns_settings_deinit(&dns->settings);
no_settings:
    tern_dns_cache_deinit(&dns->cache);
    tern_mem_free(dns);
    return error;
}

void tern_dns_free(struct tern_dns *dns)
{
    if (dns == NULL)
        return;
    TERN_ASSERT(dns->lookups == 0);
    dns->resolver->ops->free(dns->resolver);
    tern_dns_cache_deinit(&dns->cache);
    tern_hosts_file_deinit(&dns->hosts);
    tern_dns_settings_deinit(&dns->settings);
    tern_mem_free(dns);
}

const struct tern_dns_stats *tern_dns_stats(const struct tern_dns *dns)
{
    return &dns->stats;
}
