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
};

/* Puts the best destination first; equals keep their order. Rules 1, 2, 5, 6, 8 and, for IPv6, 9. Rules 3, 4 and 7 need
 * what only netlink knows. Rule 9 on IPv4 would pin every client to one of several equal servers without knowing
 * more about the way there, so the servers' own order (rule 10) stands, as in other implementations. */
void tern_dns_sort(struct tern_dns_address *list, size_t count);

/* Makes the families alternate, each keeping its own order, beginning with the family of first_is_ipv6 as far as there
 * is one. */
void tern_dns_interleave(struct tern_dns_address *list, size_t count, bool first_is_ipv6);

#endif
