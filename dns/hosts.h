/* dns/hosts.h - the hosts file as a table. Memory only; any thread, as long as nobody frees it. */
#ifndef TERN_DNS_HOSTS_H
#define TERN_DNS_HOSTS_H

#include "dns/resolver.h"
#include "tern/error.h"

/* Bytes read of a hosts file; those behind are not looked at. The largest block lists in use have 10 MB. */
#define TERN_HOSTS_BYTES_MAX (16 * 1024 * 1024)

struct tern_hosts;

/* Reads hosts(5): a line is an address, then names, then perhaps '#' and a remark. Lines and names that cannot be right
 * are skipped. On success *out is owned by the caller; text is not borrowed. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_hosts_parse(struct tern_str text, struct tern_hosts **out);

/* NULL is ignored. */
void tern_hosts_free(struct tern_hosts *hosts);

/* The addresses of name (canonical) in family, in the file's order; gives their number. hosts may be NULL: none. */
size_t tern_hosts_find(const struct tern_hosts *hosts, struct tern_str name, enum tern_ip_family family,
                       struct tern_dns_ip out[TERN_DNS_IPS_MAX]);

#endif
