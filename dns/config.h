/* dns/config.h - struct tern_dns_config, checked, with its defaults filled in, and owned. Any thread. */
#ifndef TERN_DNS_CONFIG_H
#define TERN_DNS_CONFIG_H

#include "base/host.h"
#include "dns/resolver.h"

#define TERN_DNS_HOSTS_PATH "/etc/hosts"
#define TERN_DNS_RESOLV_CONF_PATH "/etc/resolv.conf"

/* More servers than this only make a lookup that fails take longer. */
#define TERN_DNS_SERVERS_MAX 16

/* c-ares counts milliseconds in an int and doubles them with each round of tries. */
#define TERN_DNS_TIMEOUT_NS_MIN TERN_MS
#define TERN_DNS_TIMEOUT_NS_MAX (60 * TERN_S)
#define TERN_DNS_TRIES_MAX 10

struct tern_dns_override {
    bool any_host;
    struct tern_host host;       /* unless any_host */
    uint16_t port;               /* 0: every port */
    struct tern_host *addresses; /* IP literals */
    size_t address_count;
};

struct tern_dns_settings {
    char *servers;    /* "192.0.2.53:53,[2001:db8::53]:5353", or NULL: resolv.conf */
    char *hosts_path; /* NULL: none */
    uint64_t timeout_ns;
    uint32_t tries;
    size_t entries_max;   /* of the cache: a name has one for each family */
    uint64_t ttl_ns_max;  /* TERN_OFF: no bound but the TTL */
    uint64_t negative_ns; /* 0: not kept */
    uint64_t stale_ns;    /* 0: an answer ends with its TTL */
    uint64_t failed_ns;   /* 0: not remembered */
    struct tern_dns_override *overrides;
    size_t override_count;
};

/* Checks config (NULL: all defaults) and copies it to *out, which is owned by the caller; deinit frees it. On error
 * *out needs none. why may be NULL. Errors: TERN_ECONFIG, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_dns_settings_init(struct tern_dns_settings *out,
                                                     const struct tern_dns_config *config, struct tern_fault *why);
void tern_dns_settings_deinit(struct tern_dns_settings *settings);

/* The override for host:port, or NULL. As with curl a host that is named comes before "*"; so does a port before "every
 * port", and of equals the last. Borrows from settings. */
const struct tern_dns_override *tern_dns_settings_override(const struct tern_dns_settings *settings,
                                                           const struct tern_host *host, uint16_t port);

#endif
