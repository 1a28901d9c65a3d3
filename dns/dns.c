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
#include "dns/peers.h"
#include "dns/source.h"

/* What is known of addresses, by one user after the other (tern_dns_follow). */
struct known {
    struct tern_dns_peers peers;
    uint32_t users;
};

struct tern_dns {
    struct tern_engine *engine;
    struct tern_resolver *resolver;
    struct tern_dns_settings settings;
    struct tern_hosts_file hosts;
    struct tern_list waiting; /* lookups that wait for the hosts file: tern_lookup.waiting */
    struct tern_dns_cache cache;
    struct known *known;
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

static struct tern_sockaddr lookup_sockaddr(const struct tern_lookup *lookup, const struct tern_dns_address *address)
{
    return address->is_ipv6 ? tern_sockaddr_ipv6(address->ip.bytes, address->scope, lookup->port)
                            : tern_sockaddr_ipv4(address->ip.bytes, lookup->port);
}

/* What the sort goes by. */
static void lookup_judge(struct tern_lookup *lookup, struct tern_dns_address *address)
{
    struct tern_sockaddr where = lookup_sockaddr(lookup, address);
    const struct tern_dns_peer *peer = tern_dns_peers_find(&lookup->dns->known->peers, &where);
    uint64_t now_ns = tern_engine_now(lookup->dns->engine);

    tern_dns_find_source(lookup->dns->engine, address);
    address->turn = peer != NULL ? peer->turn : 0;
    address->has_failed = peer != NULL && (peer->failed_until_ns > now_ns || peer->aside_until_ns > now_ns);
}

/* Orders what was not taken yet. The first of a new turn is of the family that the last one taken was not. */
static void lookup_order(struct tern_lookup *lookup)
{
    struct tern_dns_address *rest = lookup->addresses + lookup->taken;
    size_t count = lookup->count - lookup->taken, good = 0;

    if (lookup->is_ordered || lookup->is_fixed || count < 2)
        return;
    for (size_t i = 0; i < count; i++)
        lookup_judge(lookup, &rest[i]);
    tern_dns_sort(rest, count);
    while (good < count && !rest[good].has_failed)
        good++;
    tern_dns_interleave(rest, good, lookup->taken != 0 ? !rest[-1].is_ipv6 : rest[0].is_ipv6);
    tern_dns_interleave(rest + good, count - good,
                        lookup->taken + good != 0 ? !rest[(ptrdiff_t)good - 1].is_ipv6 : rest[0].is_ipv6);
    lookup->is_ordered = true;
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
    lookup->is_ordered = false;
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
    if (lookup->state == TERN_LOOKUP_ENDED)
        tern_timer_cancel(engine, &lookup->patience);
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

/* What a leg is told. */
struct news {
    enum tern_dns_status status;
    const char *reason;
    const struct tern_dns_ip *ips;
    size_t count;
    uint64_t again_ns;
    bool is_stale;
};

static void leg_absorb(struct tern_lookup_leg *leg, const struct news *news)
{
    struct tern_lookup *lookup = leg->lookup;

    leg->is_waiting = false;
    leg->entry = NULL;
    leg->is_certain = news->status == TERN_DNS_NOT_FOUND ||
                      (news->status == TERN_DNS_FOUND && !news->is_stale && news->count < TERN_DNS_IPS_MAX);
    /* That a family has no address is kept briefly; asking as often would tell nothing about the other. */
    if (news->status != TERN_DNS_NOT_FOUND && news->again_ns < lookup->again_ns)
        lookup->again_ns = news->again_ns;
    if (news->status == TERN_DNS_FOUND)
        lookup_add(lookup, leg->family, news->ips, news->count);
    else
        lookup_blame(lookup, news->status == TERN_DNS_NOT_FOUND ? TERN_EDNS_NOT_FOUND : TERN_EDNS_FAILED, news->reason);
}

/* Whether what the entry keeps may be used; once its TTL has ended, that is a last resort. */
static bool has_answer(const struct tern_dns_entry *entry, uint64_t now_ns)
{
    return entry->state != TERN_DNS_ASKING && now_ns < entry->keep_until_ns;
}

static void leg_absorb_kept(struct tern_lookup_leg *leg, const struct tern_dns_entry *entry, uint64_t now_ns)
{
    struct tern_dns_stats *stats = &leg->lookup->dns->stats;
    struct news news = {.status = entry->count != 0 ? TERN_DNS_FOUND : TERN_DNS_NOT_FOUND,
                        .reason = entry->reason,
                        .ips = entry->ips,
                        .count = entry->count,
                        .again_ns = now_ns < entry->refresh_ns ? entry->refresh_ns : entry->expires_ns,
                        .is_stale = entry->expires_ns <= now_ns};

    if (news.is_stale)
        news.again_ns = now_ns + (entry->state == TERN_DNS_REFRESHING ? TERN_DNS_PATIENCE_NS : TERN_DNS_RECHECK_NS);
    stats->stale_hits += news.is_stale;
    stats->cache_hits += !news.is_stale;
    leg_absorb(leg, &news);
}

static struct tern_lookup_leg *pop_waiting(struct tern_dns_entry *entry)
{
    struct tern_list *node = tern_list_pop_front(&entry->waiting);

    return node != NULL ? TERN_CONTAINER_OF(node, struct tern_lookup_leg, node) : NULL;
}

/* The question has brought nothing. */
static void on_failure(struct tern_dns *dns, struct tern_dns_entry *entry, const struct news *news)
{
    uint64_t now_ns = tern_engine_now(dns->engine);
    bool is_kept = has_answer(entry, now_ns);
    struct tern_lookup_leg *leg;

    while ((leg = pop_waiting(entry)) != NULL) {
        if (is_kept)
            leg_absorb_kept(leg, entry, now_ns);
        else
            leg_absorb(leg, news);
        lookup_settle(leg->lookup);
    }
    entry->failed_ns = now_ns;
    if (is_kept)
        tern_dns_cache_keep(&dns->cache, entry);
    else
        tern_dns_cache_drop(&dns->cache, entry);
}

static uint64_t time_to_live(const struct tern_dns_settings *settings, const struct tern_dns_answer *answer)
{
    if (answer->status == TERN_DNS_NOT_FOUND)
        return settings->negative_ns;
    return answer->ttl_s * TERN_S < settings->ttl_ns_max ? answer->ttl_s * TERN_S : settings->ttl_ns_max;
}

static void on_answer(struct tern_dns_query *query, const struct tern_dns_answer *answer)
{
    struct tern_dns_entry *entry = TERN_CONTAINER_OF(query, struct tern_dns_entry, query);
    struct tern_dns *dns = entry->owner;
    const struct tern_dns_settings *settings = &dns->settings;
    uint64_t now_ns = tern_engine_now(dns->engine), ttl_ns = time_to_live(settings, answer);
    struct news news = {answer->status, answer->reason, answer->ips, answer->count, now_ns, false};
    struct tern_lookup_leg *leg;

    if (answer->status != TERN_DNS_FOUND && answer->status != TERN_DNS_NOT_FOUND) {
        news.again_ns = now_ns + TERN_DNS_RECHECK_NS;
        on_failure(dns, entry, &news);
        return;
    }
    news.again_ns = tern_u64_add_sat(now_ns, ttl_ns - ttl_ns / TERN_DNS_REFRESH_PART);
    while ((leg = pop_waiting(entry)) != NULL) {
        leg_absorb(leg, &news);
        lookup_settle(leg->lookup);
    }
    if (ttl_ns != 0 || (answer->status == TERN_DNS_FOUND && settings->stale_ns != 0))
        tern_dns_cache_settle(&dns->cache, entry, answer, now_ns, ttl_ns, settings->stale_ns, settings->entries_max);
    else
        tern_dns_cache_drop(&dns->cache, entry);
}

/* ---- questions ---- */

static enum tern_error put_question(struct tern_dns *dns, struct tern_dns_entry *entry)
{
    enum tern_error error = dns->resolver->ops->query(dns->resolver, entry->name, entry->family, &entry->query);

    dns->stats.queries += error == TERN_OK;
    return error;
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
    error = put_question(dns, entry);
    if (error != TERN_OK) {
        tern_dns_cache_drop(&dns->cache, entry);
        lookup_blame(leg->lookup, error, tern_error_text(error));
        return NULL;
    }
    return entry;
}

/* Asks again for what is kept. Where even that fails the entry is as after an answer that failed. */
static void refresh(struct tern_dns *dns, struct tern_dns_entry *entry, uint64_t now_ns)
{
    bool is_asked = false;

    if (dns->cache.asking_count < TERN_DNS_QUERIES_MAX) {
        tern_dns_cache_reopen(&dns->cache, entry);
        is_asked = put_question(dns, entry) == TERN_OK;
        if (!is_asked)
            tern_dns_cache_keep(&dns->cache, entry);
    }
    dns->stats.refreshes += is_asked;
    if (!is_asked)
        entry->failed_ns = now_ns;
}

/* A lookup has met an answer that is kept. True: it is to be taken; false: a better one is asked for. */
static bool is_good_enough(struct tern_dns *dns, struct tern_dns_entry *entry, uint64_t now_ns)
{
    uint64_t failed_ns = entry->failed_ns;

    if (entry->state == TERN_DNS_FOUND_KEPT && now_ns >= entry->refresh_ns &&
        (failed_ns == 0 || now_ns - failed_ns >= TERN_DNS_RECHECK_NS))
        refresh(dns, entry, now_ns);
    return now_ns < entry->expires_ns || entry->state != TERN_DNS_REFRESHING ||
           (failed_ns != 0 && now_ns - failed_ns < 2 * TERN_DNS_RECHECK_NS);
}

static void leg_start(struct tern_dns *dns, struct tern_lookup_leg *leg)
{
    struct tern_lookup *lookup = leg->lookup;
    uint64_t now_ns = tern_engine_now(dns->engine);
    struct tern_dns_entry *entry;

    if (!leg->is_waiting)
        return;
    entry = tern_dns_cache_find(&dns->cache, tern_host_text(&lookup->host), leg->family, now_ns);
    if (entry != NULL && has_answer(entry, now_ns)) {
        if (is_good_enough(dns, entry, now_ns)) {
            leg_absorb_kept(leg, entry, now_ns);
            return;
        }
        tern_timer_arm(dns->engine, &lookup->patience, now_ns + TERN_DNS_PATIENCE_NS);
    }
    if (entry == NULL)
        entry = ask(dns, leg);
    leg->is_waiting = entry != NULL;
    leg->entry = entry;
    if (entry != NULL)
        tern_list_push_back(&entry->waiting, &leg->node);
}

/* The servers take too long: the question stays open, but what is kept is taken. */
static void on_patience(struct tern_timer *timer)
{
    struct tern_lookup *lookup = TERN_CONTAINER_OF(timer, struct tern_lookup, patience);
    struct tern_lookup_leg *legs[] = {&lookup->v6, &lookup->v4};
    uint64_t now_ns = tern_engine_now(lookup->dns->engine);

    for (size_t i = 0; i < 2; i++) {
        struct tern_dns_entry *entry = legs[i]->entry;

        if (entry == NULL || !has_answer(entry, now_ns))
            continue;
        entry->failed_ns = now_ns;
        tern_list_remove(&legs[i]->node);
        leg_absorb_kept(legs[i], entry, now_ns);
    }
    lookup_settle(lookup);
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
    lookup->is_fixed = true;
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
        for (size_t i = 0; i < 2; i++)
            legs[i]->is_certain = legs[i]->is_waiting;
        lookup->again_ns = tern_engine_now(dns->engine) + TERN_DNS_HOSTS_AGAIN_NS;
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
                                   .host = *host,
                                   .again_ns = TERN_OFF};
    leg_init(lookup, &lookup->v6, TERN_IP_V6);
    leg_init(lookup, &lookup->v4, TERN_IP_V4);
    tern_task_init(&lookup->task, on_task);
    tern_timer_init(&lookup->delay, on_delay);
    tern_timer_init(&lookup->patience, on_patience);
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
    if (!lookup->delay_is_over || lookup->taken == lookup->count)
        return false;
    lookup_order(lookup);
    *out = lookup_sockaddr(lookup, &lookup->addresses[lookup->taken++]);
    tern_dns_peers_dialled(&lookup->dns->known->peers, out);
    return true;
}

size_t tern_lookup_choices(const struct tern_lookup *lookup)
{
    return lookup->is_fixed ? 0 : lookup->count;
}

bool tern_lookup_denies(const struct tern_lookup *lookup, const struct tern_sockaddr *address)
{
    bool is_ipv6 = tern_sockaddr_family(address) == AF_INET6;
    const void *bytes = is_ipv6 ? (const void *)&address->u.in6.sin6_addr : (const void *)&address->u.in.sin_addr;

    if (lookup->state != TERN_LOOKUP_ENDED || !(is_ipv6 ? lookup->v6.is_certain : lookup->v4.is_certain))
        return false;
    for (size_t i = 0; i < lookup->count; i++)
        if (lookup->addresses[i].is_ipv6 == is_ipv6 &&
            memcmp(lookup->addresses[i].ip.bytes, bytes, is_ipv6 ? 16 : 4) == 0)
            return false;
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
    tern_timer_cancel(lookup->dns->engine, &lookup->patience);
    tern_task_cancel(&lookup->task);
    tern_mem_free(lookup->addresses);
    lookup->addresses = NULL;
    lookup->count = lookup->taken = 0;
}

/* ---- the whole ---- */

static struct known *known_new(struct tern_hash_seed seed)
{
    struct known *known = tern_mem_calloc(1, sizeof(*known));

    if (known == NULL)
        return NULL;
    known->users = 1;
    tern_dns_peers_init(&known->peers, seed);
    return known;
}

static void known_release(struct known *known)
{
    if (--known->users > 0)
        return;
    tern_dns_peers_deinit(&known->peers);
    tern_mem_free(known);
}

void tern_dns_follow(struct tern_dns *dns, const struct tern_dns *former)
{
    former->known->users++;
    known_release(dns->known);
    dns->known = former->known;
}

enum tern_error tern_dns_new(struct tern_engine *engine, const struct tern_dns_config *config,
                             struct tern_resolver *resolver, struct tern_dns **out, struct tern_fault *why)
{
    struct tern_dns *dns = tern_mem_calloc(1, sizeof(*dns));
    enum tern_error error;

    if (dns == NULL || (dns->known = known_new(engine->hash_seed)) == NULL) {
        tern_mem_free(dns);
        return tern_fault_plain(why, TERN_ENOMEM);
    }
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
    known_release(dns->known);
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
    known_release(dns->known);
    tern_hosts_file_deinit(&dns->hosts);
    tern_dns_settings_deinit(&dns->settings);
    tern_mem_free(dns);
}

void tern_dns_failed(struct tern_dns *dns, const struct tern_sockaddr *address)
{
    if (dns->settings.failed_ns != 0)
        tern_dns_peers_set_failed(&dns->known->peers, address,
                                  tern_u64_add_sat(tern_engine_now(dns->engine), dns->settings.failed_ns));
}

void tern_dns_worked(struct tern_dns *dns, const struct tern_sockaddr *address)
{
    tern_dns_peers_set_failed(&dns->known->peers, address, 0);
}

void tern_dns_set_aside(struct tern_dns *dns, const struct tern_sockaddr *address, uint64_t until_ns)
{
    tern_dns_peers_set_aside(&dns->known->peers, address, until_ns);
}

const struct tern_dns_stats *tern_dns_stats(const struct tern_dns *dns)
{
    return &dns->stats;
}
