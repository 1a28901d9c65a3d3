/* dns/dns.h - from a host to the addresses to dial, in the order to dial them.
 *
 * Where an address comes from, the first that knows wins: overrides; IP literals; localhost (RFC 6761 section 6.3);
 * the hosts file; the cache; the resolver. A and AAAA are looked up apart and become available as they come (RFC 8305
 * section 3). Addresses from servers and the hosts file are ordered by RFC 6724, equals by when they were last dialled,
 * and then interleaved by family (RFC 8305 section 4); what failed of late comes behind all others. Those of an
 * override keep their own order.
 *
 * Lookups that are equal share one query. Answers are kept for their TTL, "not found" for negative_ns; a failure
 * is not kept. A lookup in the last part of a TTL takes the answer and has it refreshed in the background. Once the TTL
 * has ended a lookup waits for a new answer; where the servers fail, or take longer than TERN_DNS_PATIENCE_NS, it takes
 * the old one, for up to stale_ns (RFC 8767). All of it belongs to the engine's thread. */
#ifndef TERN_DNS_DNS_H
#define TERN_DNS_DNS_H

#include "base/host.h"
#include "dns/sort.h"
#include "engine/engine.h"

/* How long addresses of IPv4 wait for those of IPv6 that were asked for first: the "resolution delay" of RFC 8305
 * section 8. */
#define TERN_DNS_RESOLUTION_DELAY_NS (50 * TERN_MS)

/* How long a lookup waits for the servers where it has a stale answer, and how long they are then left alone: the
 * client response timer and the failure recheck timer of RFC 8767 section 5. For as long again, the question is asked
 * with the stale answer already given, so that an outage holds up no name in use more than once. */
#define TERN_DNS_PATIENCE_NS (1800 * TERN_MS)
#define TERN_DNS_RECHECK_NS (30 * TERN_S)

/* When a lookup that the hosts file answered is worth repeating. */
#define TERN_DNS_HOSTS_AGAIN_NS (10 * TERN_S)

/* Queries under way at once: a quarter of the 65,536 numbers by which DNS tells answers apart. */
#define TERN_DNS_QUERIES_MAX 16384

struct tern_dns;

struct tern_dns_stats {
    uint64_t queries;    /* asked of a server */
    uint64_t cache_hits; /* questions (one per family) that the cache answered, "not found" included */
    uint64_t stale_hits; /* questions answered by what is older than its TTL */
    uint64_t refreshes;  /* of the queries: for an answer that was still kept */
};

/* config may be NULL, and is copied. resolver may be NULL for c-ares; it is taken, and freed with *out; on failure it
 * stays the caller's. Nothing is read or opened before the first lookup. On success *out is owned by the caller. why
 * may be NULL.
 * Errors: TERN_ECONFIG (why names the field, the value and the rule), TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_dns_new(struct tern_engine *engine, const struct tern_dns_config *config,
                                           struct tern_resolver *resolver, struct tern_dns **out,
                                           struct tern_fault *why);

/* Every lookup has been cancelled. May be called from a lookup's on_change. NULL is ignored. */
void tern_dns_free(struct tern_dns *dns);

/* dns takes the place of former, on the same engine: what one learns of addresses below, the other knows. */
void tern_dns_follow(struct tern_dns *dns, const struct tern_dns *former);

/* The address, which a lookup gave, could not be connected to or went silent: for failed_ns it comes last. Or it works:
 * that is forgotten. */
void tern_dns_failed(struct tern_dns *dns, const struct tern_sockaddr *address);
void tern_dns_worked(struct tern_dns *dns, const struct tern_sockaddr *address);

/* Until then the address comes last though it can be connected to. */
void tern_dns_set_aside(struct tern_dns *dns, const struct tern_sockaddr *address, uint64_t until_ns);

/* Borrowed. */
const struct tern_dns_stats *tern_dns_stats(const struct tern_dns *dns);

/* IDLE --start--> RUNNING --both families answered--> ENDED; cancel, from any: IDLE */
enum tern_lookup_state { TERN_LOOKUP_IDLE, TERN_LOOKUP_RUNNING, TERN_LOOKUP_ENDED };

/* One family's part of a lookup. */
struct tern_lookup_leg {
    struct tern_list node; /* among those who wait for the same answer */
    struct tern_lookup *lookup;
    struct tern_dns_entry *entry; /* whose answer it waits for */
    enum tern_ip_family family;
    bool is_waiting;
    bool is_certain; /* the addresses of this family are these and no others, as of now */
};

/* One lookup, in the caller's storage; not to be moved while it is not IDLE. Zero-initialised it is IDLE. */
struct tern_lookup {
    enum tern_lookup_state state; /* to read */
    struct tern_fault fault;      /* to read, once ENDED: TERN_OK if there was any address, else class DNS or LOCAL */
    uint64_t again_ns; /* to read: when to ask again what has become of its addresses; TERN_OFF: they are for ever */

    /* dns/'s own */
    struct tern_dns *dns;
    void (*on_change)(struct tern_lookup *lookup);
    void *owner; /* the caller's, as given */
    uint16_t port;
    enum tern_ip_family family;
    struct tern_host host;
    struct tern_lookup_leg v6, v4;
    struct tern_dns_address *addresses; /* those from taken on may still be dialled, the best first */
    size_t count, taken;
    bool delay_is_over; /* the resolution delay: until then IPv4 waits for the answer about IPv6 */
    bool has_news;      /* addresses that on_change has not announced */
    bool is_ordered;
    bool is_fixed; /* the order is the user's */
    struct tern_task task;
    struct tern_timer delay;
    struct tern_timer patience; /* until a stale answer is taken */
    struct tern_list waiting;   /* for the hosts file */
};

/* Starts to look host up (copied) for one family or both. on_change comes from later work of the loop, never from
 * inside: each time there are addresses to take that were not there before, and when the lookup has ENDED; both at once
 * give one call. The last one finds it ENDED. From inside on_change everything is allowed, cancel and start included.
 * It cannot fail: whatever goes wrong ends the lookup, with EDNS_NOT_FOUND, EDNS_FAILED, ELIMIT (TERN_DNS_QUERIES_MAX)
 * or ENOMEM in its fault. */
void tern_lookup_start(struct tern_dns *dns, struct tern_lookup *lookup, const struct tern_host *host, uint16_t port,
                       enum tern_ip_family family, void (*on_change)(struct tern_lookup *lookup), void *owner);

/* Takes the best address that was not taken yet, with the port; it counts as dialled. Families alternate, over all
 * takes of the lookup. False: there is none now; more may come while RUNNING. */
TERN_MUST_USE bool tern_lookup_next(struct tern_lookup *lookup, struct tern_sockaddr *out);

/* The addresses that it has found so far, where it is dns/ that says which of them is dialled first; else 0. */
size_t tern_lookup_choices(const struct tern_lookup *lookup);

/* True: it has ended, and address (whatever its port) is none of what the host resolves to. A family for which the
 * servers failed, gave more than TERN_DNS_IPS_MAX or were not asked denies nothing. */
bool tern_lookup_denies(const struct tern_lookup *lookup, const struct tern_sockaddr *address);

/* Ends it in any state and frees what it holds; no on_change comes any more. Call it for every lookup that was started;
 * again is harmless. */
void tern_lookup_cancel(struct tern_lookup *lookup);

#endif
