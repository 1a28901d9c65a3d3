#include "dns/config.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

/* A field's value that cannot be right: "dns.servers "x:y": the port must be 1 to 65535". */
static enum tern_error refuse(struct tern_fault *why, const char *field, struct tern_str value, const char *rule)
{
    char text[TERN_ESCAPE_MAX];

    return tern_fault_set(why, TERN_ECONFIG, "%s \"%s\": %s", field, tern_escape(text, sizeof(text), value), rule);
}

/* An IP literal, without a zone. */
static enum tern_error parse_literal(struct tern_str text, const char *field, struct tern_host *out,
                                     struct tern_fault *why)
{
    enum tern_error error = tern_host_parse(out, text, NULL);

    if (error == TERN_ENOMEM)
        return tern_fault_plain(why, error);
    if (error != TERN_OK || out->kind == TERN_HOST_NAME || out->zone_at != 0)
        return refuse(why, field, text, "must be an IPv4 or IPv6 address without a zone");
    return TERN_OK;
}

/* Where in text the ':' before a port is; text.len if there is none. The colons of an IPv6 address need brackets for
 * that. */
static size_t find_port(struct tern_str text)
{
    size_t from = text.len != 0 && text.ptr[0] == '[' ? tern_str_find(text, ']') : 0;
    size_t colon = from + tern_str_find(tern_str_from(text, from), ':');

    if (from == 0 && colon < text.len && memchr(text.ptr + colon + 1, ':', text.len - colon - 1) != NULL)
        return text.len;
    return colon;
}

/* One server: "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]", "[2001:db8::53]:5353". */
static enum tern_error add_server(struct tern_buf *list, struct tern_str text, struct tern_fault *why)
{
    size_t colon = find_port(text);
    uint64_t port = 53;
    struct tern_host host;
    enum tern_error error;

    if (colon < text.len && (!tern_u64_parse(tern_str_from(text, colon + 1), 65535, &port) || port == 0))
        return refuse(why, "dns.servers", text, "the port must be 1 to 65535");
    if ((error = parse_literal(tern_str_n(text.ptr, colon), "dns.servers", &host, why)) != TERN_OK)
        return error;
    bool is_ipv6 = host.kind == TERN_HOST_IPV6;
    return tern_buf_printf(list, "%s%s%s%s:%u", list->len != 0 ? "," : "", is_ipv6 ? "[" : "", host.text,
                           is_ipv6 ? "]" : "", (unsigned)port);
}

static enum tern_error copy_servers(const char *servers, char **out, struct tern_fault *why)
{
    struct tern_str rest = tern_str(servers);
    struct tern_buf list;
    enum tern_error error = TERN_OK;
    bool more = true;

    if (servers == NULL)
        return TERN_OK;
    tern_buf_init(&list, (size_t)TERN_DNS_SERVERS_MAX * 64); /* the longest is "[" + 39 + "]:65535," */
    for (size_t count = 1; more && error == TERN_OK; count++) {
        size_t comma = tern_str_find(rest, ',');

        more = comma < rest.len;
        if (count > TERN_DNS_SERVERS_MAX)
            error = refuse(why, "dns.servers", tern_str(servers), "at most 16 servers");
        else
            error = add_server(&list, tern_str_trim(tern_str_n(rest.ptr, comma)), why);
        if (more)
            rest = tern_str_from(rest, comma + 1);
    }
    if (error == TERN_OK && (*out = tern_mem_dup(tern_buf_view(&list))) == NULL)
        error = TERN_ENOMEM;
    tern_buf_deinit(&list);
    return error == TERN_ENOMEM ? tern_fault_plain(why, error) : error;
}

static enum tern_error copy_override(const struct tern_resolve_override *from, struct tern_dns_override *to,
                                     struct tern_fault *why)
{
    struct tern_str name = tern_str(from->host);
    struct tern_fault host_why;
    enum tern_error error = TERN_OK;

    to->any_host = tern_str_eq(name, TERN_STR("*"));
    to->port = from->port;
    if (!to->any_host)
        error = tern_host_parse(&to->host, name, &host_why);
    if (error == TERN_ENOMEM)
        return tern_fault_plain(why, error);
    if (error != TERN_OK)
        return tern_fault_set(why, TERN_ECONFIG, "dns.overrides: %s", host_why.text);
    if (from->address_count == 0 || from->address_count > 2 * TERN_DNS_IPS_MAX)
        return refuse(why, "dns.overrides", name, "must have 1 to 128 addresses");
    to->addresses = tern_mem_calloc(from->address_count, sizeof(*to->addresses));
    if (to->addresses == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    for (; to->address_count < from->address_count; to->address_count++) {
        error = parse_literal(tern_str(from->addresses[to->address_count]), "dns.overrides",
                              &to->addresses[to->address_count], why);
        if (error != TERN_OK)
            return error;
    }
    return TERN_OK;
}

static enum tern_error copy_overrides(struct tern_dns_settings *out, const struct tern_dns_config *config,
                                      struct tern_fault *why)
{
    if (config->override_count == 0)
        return TERN_OK;
    out->overrides = tern_mem_calloc(config->override_count, sizeof(*out->overrides));
    if (out->overrides == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    while (out->override_count < config->override_count) {
        size_t at = out->override_count++;
        enum tern_error error = copy_override(&config->overrides[at], &out->overrides[at], why);

        if (error != TERN_OK)
            return error;
    }
    return TERN_OK;
}

/* A span where 0 means the default and TERN_OFF means none. */
static uint64_t span(uint64_t value, uint64_t otherwise)
{
    if (value == TERN_OFF)
        return 0;
    return value != 0 ? value : otherwise;
}

static enum tern_error copy_numbers(struct tern_dns_settings *out, const struct tern_dns_config *config,
                                    struct tern_fault *why)
{
    out->timeout_ns = config->timeout_ns != 0 ? config->timeout_ns : 2 * TERN_S;
    out->tries = config->tries != 0 ? config->tries : 3;
    out->entries_max = 2 * (size_t)(config->cache_max != 0 ? config->cache_max : 1024);
    out->ttl_ns_max = config->ttl_ns_max != 0 ? config->ttl_ns_max : 3600 * TERN_S;
    out->negative_ns = span(config->negative_ns, 5 * TERN_S);
    out->stale_ns = span(config->stale_ns, 3600 * TERN_S);
    out->failed_ns = span(config->failed_ns, 30 * TERN_S);
    if (out->timeout_ns < TERN_DNS_TIMEOUT_NS_MIN || out->timeout_ns > TERN_DNS_TIMEOUT_NS_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "dns.timeout_ns %llu: must be 1 ms to 60 s",
                              (unsigned long long)out->timeout_ns);
    if (out->tries > TERN_DNS_TRIES_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "dns.tries %u: must be 1 to %d", out->tries, TERN_DNS_TRIES_MAX);
    return TERN_OK;
}

static enum tern_error copy_hosts_path(struct tern_dns_settings *out, const struct tern_dns_config *config,
                                       struct tern_fault *why)
{
    const char *path = config->hosts_path != NULL ? config->hosts_path : TERN_DNS_HOSTS_PATH;

    if (path[0] != '\0' && (out->hosts_path = tern_mem_dup(tern_str(path))) == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    return TERN_OK;
}

enum tern_error tern_dns_settings_init(struct tern_dns_settings *out, const struct tern_dns_config *config,
                                       struct tern_fault *why)
{
    static const struct tern_dns_config defaults;
    enum tern_error error;

    *out = (struct tern_dns_settings){0};
    config = config != NULL ? config : &defaults;
    if ((error = copy_numbers(out, config, why)) != TERN_OK ||
        (error = copy_servers(config->servers, &out->servers, why)) != TERN_OK ||
        (error = copy_hosts_path(out, config, why)) != TERN_OK || (error = copy_overrides(out, config, why)) != TERN_OK)
        tern_dns_settings_deinit(out);
    return error;
}

void tern_dns_settings_deinit(struct tern_dns_settings *settings)
{
    for (size_t i = 0; i < settings->override_count; i++)
        tern_mem_free(settings->overrides[i].addresses);
    tern_mem_free(settings->overrides);
    tern_mem_free(settings->servers);
    tern_mem_free(settings->hosts_path);
    *settings = (struct tern_dns_settings){0};
}

const struct tern_dns_override *tern_dns_settings_override(const struct tern_dns_settings *settings,
                                                           const struct tern_host *host, uint16_t port)
{
    const struct tern_dns_override *best = NULL;
    int best_rank = -1;

    for (size_t i = 0; i < settings->override_count; i++) {
        const struct tern_dns_override *override = &settings->overrides[i];
        int rank = 2 * !override->any_host + (override->port != 0);

        if ((override->port == 0 || override->port == port) &&
            (override->any_host || tern_host_eq(&override->host, host)) && rank >= best_rank) {
            best = override;
            best_rank = rank;
        }
    }
    return best;
}
