/* fetch/setup.c - the client's configuration. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

static char *own(struct strings *texts, const char *text)
{
    struct text copy = {0};
    text_adds(&copy, text);
    strings_add(texts, copy.ptr);
    return copy.ptr;
}

static void free_texts(struct strings *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free((char *)texts->items[i]);
    strings_free(texts);
}

/* Cuts the next piece off *rest at ':', brackets of an IPv6 address left out. Returns NULL where nothing is left or a
 * bracket stays open; *rest is NULL after the last piece. */
static char *cut(char **rest)
{
    char *piece = *rest;
    if (piece == NULL)
        return NULL;
    char *end = piece;
    if (*piece == '[') {
        end = strchr(piece, ']');
        if (end == NULL)
            return NULL;
        piece++;
        *end++ = '\0';
        if (*end != ':' && *end != '\0')
            return NULL;
    } else {
        end += strcspn(end, ":");
    }
    *rest = *end == ':' ? end + 1 : NULL;
    *end = '\0';
    return piece;
}

static bool parse_port(const char *text, bool may_be_empty, uint16_t *out)
{
    uint64_t port = 0;
    if (text == NULL || (text[0] == '\0' && !may_be_empty))
        return false;
    if (text[0] != '\0' && (!parse_number(text, UINT16_MAX, &port) || port == 0))
        return false;
    *out = (uint16_t)port;
    return true;
}

/* host:port:address[,address]…, which may start with '+' (in curl: time out as other answers do; here nothing does). */
static bool add_override(struct setup *setup, struct tern_resolve_override *override, const char *value)
{
    char *rest = own(&setup->texts, value[0] == '+' ? value + 1 : value);
    override->host = cut(&rest);
    if (override->host == NULL || override->host[0] == '\0' || !parse_port(cut(&rest), false, &override->port) ||
        rest == NULL)
        return false;
    char *save = NULL;
    for (char *one = strtok_r(rest, ",", &save); one != NULL; one = strtok_r(NULL, ",", &save)) {
        size_t len = strlen(one);
        if (one[0] == '[' && one[len - 1] == ']') {
            one[len - 1] = '\0';
            one++;
        }
        strings_add(&setup->addresses, one);
        override->address_count++;
    }
    return override->address_count != 0;
}

static bool add_overrides(struct setup *setup, const struct options *o, struct failure *failure)
{
    size_t count = o->resolve.count;
    setup->overrides = fetch_alloc(count, sizeof *setup->overrides);
    for (size_t i = 0; i < count; i++) {
        if (!add_override(setup, &setup->overrides[i], o->resolve.items[i]))
            return fail(failure, CODE_SYNTAX, "option --resolve: '%s' is not host:port:address[,address...]",
                        o->resolve.items[i]);
    }
    /* Only now: the list of addresses moves while it grows. */
    const char *const *addresses = setup->addresses.items;
    for (size_t i = 0; i < count; i++) {
        setup->overrides[i].addresses = addresses;
        addresses += setup->overrides[i].address_count;
    }
    setup->config.dns.overrides = setup->overrides;
    setup->config.dns.override_count = count;
    return true;
}

/* host:port:to_host:to_port, each of which may be empty. */
static bool add_connect_to(struct setup *setup, const struct options *o, struct failure *failure)
{
    size_t count = o->connect_to.count;
    setup->connect_to = fetch_alloc(count, sizeof *setup->connect_to);
    for (size_t i = 0; i < count; i++) {
        struct tern_connect_to *rule = &setup->connect_to[i];
        char *rest = own(&setup->texts, o->connect_to.items[i]);
        bool ok = (rule->host = cut(&rest)) != NULL && parse_port(cut(&rest), true, &rule->port) &&
                  (rule->to_host = cut(&rest)) != NULL && parse_port(cut(&rest), true, &rule->to_port);
        if (!ok || rest != NULL)
            return fail(failure, CODE_SYNTAX, "option --connect-to: '%s' is not host1:port1:host2:port2",
                        o->connect_to.items[i]);
    }
    setup->config.connect_to = setup->connect_to;
    setup->config.connect_to_count = count;
    return true;
}

/* "file" or "file:password"; a backslash before ':' or '\' takes it literally. */
static void set_certificate(struct setup *setup, const struct options *o)
{
    struct tern_tls_config *tls = &setup->config.tls;
    tls->key_file = o->key;
    if (o->cert == NULL)
        return;
    char *file = own(&setup->texts, o->cert);
    char *to = file;
    char *from = file;
    for (; *from != '\0' && *from != ':'; from++) {
        if (*from == '\\' && (from[1] == ':' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    if (*from == ':')
        tls->key_password = from + 1;
    *to = '\0';
    tls->cert_file = file;
}

bool setup_init(struct setup *setup, const struct options *o, struct failure *failure)
{
    struct tern_client_config *config = &setup->config;
    config->name = "fetch";
    config->timeouts.total_ns = o->total_ns;
    config->timeouts.connect_ns = o->connect_ns;
    config->timeouts.low_speed_ns = o->speed_ns;
    config->timeouts.low_speed_bytes_per_s = o->speed_bytes_per_s;
    /* A call waits for a connection only because another URL of the same list has it. */
    config->timeouts.pool_ns = TERN_OFF;
    uint32_t connections = (uint32_t)o->parallel_max;
    if (o->hedge_ns != 0)
        connections *= 2; /* a second attempt does not wait for one */
    config->limits.connections_max = connections;
    config->limits.connections_per_host_max = connections;
    config->limits.idle_max = connections;
    config->ip_family = (enum tern_ip_family)o->ip_family;
    config->http_mode = (enum tern_http_mode)o->http_mode;
    config->interface = o->interface;
    config->unix_socket = o->unix_socket;
    config->dns.servers = o->dns_servers;
    config->tls.ca_file = o->ca_file;
    config->tls.ca_dir = o->ca_dir;
    config->tls.insecure = o->insecure;
    config->tls.version_min = (enum tern_tls_version)o->tls_min;
    config->tls.version_max = (enum tern_tls_version)o->tls_max;
    config->tls.pins = o->pins;
    const char *keylog = getenv("SSLKEYLOGFILE");
    config->tls.keylog_path = keylog != NULL && keylog[0] != '\0' ? keylog : NULL;
    set_certificate(setup, o);
    policy_init(setup, o);
    return identity_init(setup, o, failure) && add_overrides(setup, o, failure) && add_connect_to(setup, o, failure);
}

void setup_deinit(struct setup *setup)
{
    free(setup->overrides);
    free(setup->connect_to);
    strings_free(&setup->addresses);
    free_texts(&setup->texts);
}
