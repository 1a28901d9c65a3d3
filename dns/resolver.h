/* dns/resolver.h - the seam to the name servers: one name and one family in, one answer out.
 *
 * dns/cares.c is the real one. c-ares keeps its own clock and random source, so tests and the simulator replace the
 * resolver whole (tests/support/fakedns.c). A resolver knows no cache, hosts file, override or order: dns/dns.c does.
 *
 * There is no cancel. A query ends by itself within the resolver's timeouts, and its answer is worth keeping even when
 * nobody waits for it any more. All of it belongs to the engine's thread. */
#ifndef TERN_DNS_RESOLVER_H
#define TERN_DNS_RESOLVER_H

#include "tern/client.h"

/* Addresses kept of one answer, and of one name in the hosts file; those beyond are dropped. Some 64 of a family are
 * more than anyone dials, and an answer over TCP could hold thousands. */
#define TERN_DNS_IPS_MAX 64

/* The 4 or 16 bytes of an address, in network order; those behind the 4 are 0. */
struct tern_dns_ip {
    uint8_t bytes[16];
};

enum tern_dns_status {
    TERN_DNS_FOUND,
    TERN_DNS_NOT_FOUND, /* no such name (NXDOMAIN), or none of its addresses is of this family (NODATA) */
    TERN_DNS_FAILED,    /* SERVFAIL, REFUSED, nonsense, no server, no memory */
    TERN_DNS_TIMEOUT    /* no server answered */
};

struct tern_dns_answer {
    enum tern_dns_status status;
    uint32_t ttl_s;     /* FOUND: the least of the addresses and the aliases that led to them */
    const char *reason; /* not FOUND: a few words in ASCII; static */
    size_t count;       /* FOUND: 1 to TERN_DNS_IPS_MAX */
    struct tern_dns_ip ips[TERN_DNS_IPS_MAX];
};

/* Embedded in its owner, who sets on_answer. */
struct tern_dns_query {
    /* Comes once for each query that was started, never from inside query itself, unless the resolver is freed before.
     * answer is borrowed until it returns; query is the owner's again, who may start others from inside. */
    void (*on_answer)(struct tern_dns_query *query, const struct tern_dns_answer *answer);
};

struct tern_resolver;

struct tern_resolver_ops {
    /* Starts to ask for name (canonical A-labels, no trailing dot; borrowed for the call) in family, TERN_IP_V4 or
     * TERN_IP_V6. On error no answer comes. Errors: TERN_ENOMEM, TERN_EOS, TERN_EFORK. */
    enum tern_error (*query)(struct tern_resolver *resolver, const char *name, enum tern_ip_family family,
                             struct tern_dns_query *query);

    /* No on_answer comes any more. Not from inside on_answer. */
    void (*free)(struct tern_resolver *resolver);
};

struct tern_resolver {
    const struct tern_resolver_ops *ops;
};

#endif
