/* dns/sort.h - in which order to dial addresses: RFC 6724 section 6, then RFC 8305 section 4. Memory only. */
#ifndef TERN_DNS_SORT_H
#define TERN_DNS_SORT_H

#include "dns/resolver.h"

/* An address, and the address from which this machine would dial it. */
struct tern_dns_address {
    struct tern_dns_ip ip;
    struct tern_dns_ip source; /* same family; valid if has_source */
    uint32_t scope;            /* interface of a link-local IPv6 address, or 0 */
    bool is_ipv6;
    bool is_probed;  /* the source was looked for */
    bool has_source; /* there is a route */
    bool has_failed; /* of late, or is set aside */
    uint64_t turn;   /* when it was last dialled, among others; 0: never, as far as is known */
};

/* Puts the best destination first. What has failed of late comes behind all that has not. Then rules 1, 2, 5, 6, 8 and,
 * for IPv6, 9. Rules 3, 4 and 7 need what only netlink knows. Rule 9 on IPv4 would pin every client to one of several
 * equal servers without knowing more about the way there. Of equals (rule 10) the one dialled longest ago comes first,
 * so that connections spread over them; those never dialled keep the servers' own order. */
void tern_dns_sort(struct tern_dns_address *list, size_t count);

/* Makes the families alternate, each keeping its own order, beginning with the family of first_is_ipv6 as far as there
 * is one. */
void tern_dns_interleave(struct tern_dns_address *list, size_t count, bool first_is_ipv6);

#endif
