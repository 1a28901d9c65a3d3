#include "pool/profile.h"

#include <net/if.h>

#include "base/fault.h"
#include "base/fields.h"
#include "base/host.h"
#include "base/mem.h"
#include "base/str.h"
#include "dns/dns.h"
#include "proto/request.h"
#include "tls/provider.h"

/* Every field of the configuration is declared here once: what shapes a connection goes into the shape (see
 * shape_build), the rest does not. Whoever adds a field decides, and then moves the size. */
_Static_assert(
    sizeof(struct tern_client_config) == 488,
    "declare the new field in shape_build, or say here that it does not shape: "
    "name, timeouts, limits, dns (but overrides), policy (but its gate), hosts, h2_coalesce, user_agent, fields");
_Static_assert(sizeof(struct tern_dns_config) == 88, "a new field of tern_dns_config: does it shape?");

#define TEXT_MAX 4096     /* a name, path or field value in a configuration: longer is a mistake, not a wish */
#define ENTRIES_MAX 10000 /* overrides, connect_to rules: --resolve lists are long, but not endless */
#define FIELDS_MAX 256    /* default header fields */
#define SHAPE_BYTES_MAX (64 * 1024 * 1024)

/* ---- checking ---- */

static enum tern_error bad(struct tern_fault *why, const char *field, const char *value, const char *rule)
{
    char shown[TERN_ESCAPE_MAX];

    return tern_fault_set(why, TERN_ECONFIG, "%s \"%s\": %s", field, tern_escape(shown, sizeof(shown), tern_str(value)),
                          rule);
}

static enum tern_error check_text(const char *field, const char *value, struct tern_fault *why)
{
    if (value != NULL && strlen(value) > TEXT_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "%s: %zu bytes, more than %d", field, strlen(value), TEXT_MAX);
    return TERN_OK;
}

static enum tern_error check_host(const char *field, const char *value, struct tern_fault *why)
{
    struct tern_host host;
    struct tern_fault inner;
    enum tern_error error = tern_host_parse(&host, tern_str(value), &inner);

    if (error == TERN_ENOMEM)
        return tern_fault_plain(why, error);
    return error == TERN_OK ? TERN_OK : tern_fault_set(why, TERN_ECONFIG, "%s: %s", field, inner.text);
}

static enum tern_error check_connect_to(const struct tern_client_config *config, struct tern_fault *why)
{
    if (config->connect_to_count > ENTRIES_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "connect_to_count %zu: more than %d", config->connect_to_count,
                              ENTRIES_MAX);
    for (size_t i = 0; i < config->connect_to_count; i++) {
        const struct tern_connect_to *rule = &config->connect_to[i];
        enum tern_error error = TERN_OK;

        if (rule->host != NULL && rule->host[0] != '\0')
            error = check_host("connect_to host", rule->host, why);
        if (error == TERN_OK && rule->to_host != NULL && rule->to_host[0] != '\0')
            error = check_host("connect_to to_host", rule->to_host, why);
        if (error != TERN_OK)
            return error;
    }
    return TERN_OK;
}

/* The gate that a call's own fields go through, asked here: a default that cannot be sent would fail every call. */
static enum tern_error check_field(const struct tern_field *field, struct tern_fault *why)
{
    enum tern_request_field use;
    struct tern_fault inner;

    if (tern_request_field_check(field, &use, &inner) != TERN_OK)
        return tern_fault_set(why, TERN_ECONFIG, "fields: %s", inner.text);
    if (use != TERN_REQUEST_FIELD_SEND || field->value.ptr == NULL)
        return tern_fault_set(why, TERN_ECONFIG, "fields: field %.*s: %s", TERN_ARG(field->name),
                              field->value.ptr == NULL ? "has no value" : "belongs to a call and cannot be a default");
    if (field->value.len > TEXT_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "fields: field %.*s: %zu bytes, more than %d", TERN_ARG(field->name),
                              field->value.len, TEXT_MAX);
    return TERN_OK;
}

static enum tern_error check_fields(const struct tern_client_config *config, struct tern_fault *why)
{
    if (config->field_count > FIELDS_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "field_count %zu: more than %d", config->field_count, FIELDS_MAX);
    for (size_t i = 0; i < config->field_count; i++) {
        enum tern_error error = check_field(&config->fields[i], why);

        if (error != TERN_OK)
            return error;
    }
    if (config->user_agent != NULL && !tern_field_value_valid(tern_str(config->user_agent)))
        return bad(why, "user_agent", config->user_agent, "must be a header value: printable, without line breaks");
    return check_text("user_agent", config->user_agent, why);
}

static enum tern_error check_memory(const struct tern_limits *limits, struct tern_fault *why)
{
    if (limits->body_window_bytes_max > INT32_MAX) /* RFC 9113 6.9.1 */
        return tern_fault_set(why, TERN_ECONFIG, "limits.body_window_bytes_max %u: more than 2147483647",
                              limits->body_window_bytes_max);
    if (limits->body_window_bytes > limits->body_window_bytes_max)
        return tern_fault_set(why, TERN_ECONFIG, "limits.body_window_bytes %u: more than body_window_bytes_max %u",
                              limits->body_window_bytes, limits->body_window_bytes_max);
    if (limits->connection_memory_bytes_max < TERN_CONNECTION_MEMORY_BYTES_MIN)
        return tern_fault_set(why, TERN_ECONFIG, "limits.connection_memory_bytes_max %llu: less than %d",
                              (unsigned long long)limits->connection_memory_bytes_max,
                              TERN_CONNECTION_MEMORY_BYTES_MIN);
    if (limits->connection_memory_bytes_max > limits->memory_bytes_max)
        return tern_fault_set(
            why, TERN_ECONFIG, "limits.connection_memory_bytes_max %llu: more than memory_bytes_max %llu",
            (unsigned long long)limits->connection_memory_bytes_max, (unsigned long long)limits->memory_bytes_max);
    return TERN_OK;
}

static enum tern_error check_limits(const struct tern_limits *limits, struct tern_fault *why)
{
    if (limits->connections_per_host_max > limits->connections_max)
        return tern_fault_set(why, TERN_ECONFIG, "limits.connections_per_host_max %u: more than connections_max %u",
                              limits->connections_per_host_max, limits->connections_max);
    if (limits->warm_per_host > limits->connections_per_host_max || limits->warm_per_host > limits->idle_max)
        return tern_fault_set(why, TERN_ECONFIG,
                              "limits.warm_per_host %u: more than connections_per_host_max %u or idle_max %u",
                              limits->warm_per_host, limits->connections_per_host_max, limits->idle_max);
    if (limits->head_line_bytes_max > limits->head_bytes_max)
        return tern_fault_set(why, TERN_ECONFIG, "limits.head_line_bytes_max %u: more than head_bytes_max %u",
                              limits->head_line_bytes_max, limits->head_bytes_max);
    return check_memory(limits, why);
}

static enum tern_error check(const struct tern_client_config *config, struct tern_fault *why)
{
    enum tern_error error;

    if (config->ip_family != TERN_IP_ANY && config->ip_family != TERN_IP_V4 && config->ip_family != TERN_IP_V6)
        return tern_fault_set(why, TERN_ECONFIG, "ip_family %d: must be TERN_IP_ANY, TERN_IP_V4 or TERN_IP_V6",
                              (int)config->ip_family);
    if ((unsigned)config->http_mode > TERN_HTTP_MODE_2_ONLY)
        return tern_fault_set(why, TERN_ECONFIG, "http_mode %d: must be one of enum tern_http_mode",
                              (int)config->http_mode);
    if ((error = check_text("name", config->name, why)) != TERN_OK ||
        (error = check_text("interface", config->interface, why)) != TERN_OK ||
        (error = check_connect_to(config, why)) != TERN_OK)
        return error;
    return check_fields(config, why);
}

/* ---- defaults ---- */

static void default_u64(uint64_t *value, uint64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void default_u32(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void fill_timeouts(struct tern_timeouts *t)
{
    default_u64(&t->pool_ns, TERN_POOL_TIMEOUT_NS);
    default_u64(&t->connect_ns, TERN_CONNECT_TIMEOUT_NS);
    default_u64(&t->write_ns, TERN_WRITE_TIMEOUT_NS);
    default_u64(&t->read_ns, TERN_READ_TIMEOUT_NS);
    default_u64(&t->head_ns, TERN_HEAD_TIMEOUT_NS);
    default_u64(&t->total_ns, TERN_OFF);
    default_u64(&t->attempt_ns, TERN_OFF);
    default_u64(&t->continue_ns, TERN_CONTINUE_TIMEOUT_NS);
    default_u64(&t->low_speed_ns, TERN_OFF);
}

static void fill_limits(struct tern_limits *l)
{
    default_u32(&l->connections_max, TERN_CONNECTIONS_MAX);
    default_u32(&l->connections_per_host_max,
                l->connections_max < TERN_CONNECTIONS_MAX ? l->connections_max : TERN_CONNECTIONS_MAX);
    default_u32(&l->connections_per_address_max, UINT32_MAX);
    default_u32(&l->idle_max, l->connections_max); /* fewer, and a steady load of many calls would redial */
    default_u64(&l->warm_ns, TERN_WARM_NS);
    default_u32(&l->waiters_max, TERN_WAITERS_MAX);
    default_u64(&l->idle_ns, TERN_IDLE_NS);
    default_u64(&l->connection_age_ns, TERN_OFF);
    default_u64(&l->connection_uses_max, TERN_OFF);
    default_u64(&l->h2_quiet_ns, TERN_H2_QUIET_NS);
    default_u64(&l->h2_ack_ns, TERN_H2_ACK_NS);
    default_u64(&l->tcp_unacked_ns, TERN_TCP_UNACKED_NS);
    default_u32(&l->head_bytes_max, TERN_HEAD_BYTES_MAX);
    default_u32(&l->head_line_bytes_max,
                l->head_bytes_max < TERN_HEAD_LINE_BYTES_MAX ? l->head_bytes_max : TERN_HEAD_LINE_BYTES_MAX);
    default_u32(&l->head_fields_max, TERN_HEAD_FIELDS_MAX);
    default_u32(&l->informational_max, TERN_INFORMATIONAL_MAX);
    default_u32(&l->body_window_bytes, TERN_BODY_WINDOW_BYTES);
    default_u32(&l->body_window_bytes_max,
                l->body_window_bytes > TERN_BODY_WINDOW_BYTES_MAX ? l->body_window_bytes : TERN_BODY_WINDOW_BYTES_MAX);
    default_u64(&l->memory_bytes_max, TERN_MEMORY_BYTES_MAX);
    default_u64(&l->connection_memory_bytes_max, l->memory_bytes_max < TERN_CONNECTION_MEMORY_BYTES_MAX
                                                     ? l->memory_bytes_max
                                                     : TERN_CONNECTION_MEMORY_BYTES_MAX);
}

void tern_timeouts_resolve(struct tern_timeouts *out, const struct tern_timeouts *own, const struct tern_timeouts *base)
{
    *out = *base;
    if (own == NULL)
        return;
    out->pool_ns = own->pool_ns != 0 ? own->pool_ns : base->pool_ns;
    out->connect_ns = own->connect_ns != 0 ? own->connect_ns : base->connect_ns;
    out->write_ns = own->write_ns != 0 ? own->write_ns : base->write_ns;
    out->read_ns = own->read_ns != 0 ? own->read_ns : base->read_ns;
    out->head_ns = own->head_ns != 0 ? own->head_ns : base->head_ns;
    out->total_ns = own->total_ns != 0 ? own->total_ns : base->total_ns;
    out->attempt_ns = own->attempt_ns != 0 ? own->attempt_ns : base->attempt_ns;
    out->continue_ns = own->continue_ns != 0 ? own->continue_ns : base->continue_ns;
    out->low_speed_ns = own->low_speed_ns != 0 ? own->low_speed_ns : base->low_speed_ns;
    out->low_speed_bytes_per_s =
        own->low_speed_bytes_per_s != 0 ? own->low_speed_bytes_per_s : base->low_speed_bytes_per_s;
}

/* ---- copying ---- */

/* What a call sends that has no field of that name itself: what tern sends of its own accord, then the user's defaults.
 * Made once, so that a call without fields sends the list as it is. */
static bool copy_fields(struct tern_profile *profile)
{
    struct tern_client_config *config = &profile->config;
    const struct tern_field ours[] = {{TERN_STR("User-Agent"), tern_str(config->user_agent), 0},
                                      {TERN_STR("Accept"), TERN_STR("*/*"), 0}};
    size_t ours_max = sizeof(ours) / sizeof(ours[0]), count = 0;
    struct tern_field *copy = tern_keep_alloc(&profile->keep, (ours_max + config->field_count) * sizeof(*copy));

    if (copy == NULL)
        return false;
    for (size_t i = 0; i < ours_max; i++)
        if (ours[i].value.len != 0 &&
            tern_fields_get(config->fields, config->field_count, ours[i].name.ptr).ptr == NULL)
            copy[count++] = ours[i];
    for (size_t i = 0; i < config->field_count; i++)
        copy[count++] = config->fields[i];
    config->fields = copy;
    config->field_count = count;
    for (size_t i = 0; i < count; i++) {
        copy[i].value = tern_str_trim(copy[i].value);
        if (tern_field_is_secret(copy[i].name))
            copy[i].flags |= TERN_FIELD_SECRET;
        if (!tern_keep_str(&profile->keep, &copy[i].name) || !tern_keep_str(&profile->keep, &copy[i].value))
            return false;
    }
    return true;
}

static bool copy_connect_to(struct tern_profile *profile)
{
    struct tern_client_config *config = &profile->config;
    struct tern_connect_to *copy;

    if (config->connect_to_count == 0)
        return true;
    copy = tern_keep_alloc(&profile->keep, config->connect_to_count * sizeof(*copy));
    if (copy == NULL)
        return false;
    memcpy(copy, config->connect_to, config->connect_to_count * sizeof(*copy));
    config->connect_to = copy;
    for (size_t i = 0; i < config->connect_to_count; i++)
        if (!tern_keep_text(&profile->keep, &copy[i].host) || !tern_keep_text(&profile->keep, &copy[i].to_host))
            return false;
    return true;
}

/* The dns and tls parts are copied by their rooms, but for what this one asks. */
static bool copy(struct tern_profile *profile, const struct tern_client_config *config)
{
    profile->config = *config;
    if (profile->config.name == NULL)
        profile->config.name = "default";
    if (profile->config.user_agent == NULL)
        profile->config.user_agent = "tern/" TERN_VERSION;
    memset(&profile->config.dns, 0, sizeof(profile->config.dns));
    profile->config.dns.keep_moved = config->dns.keep_moved;
    memset(&profile->config.tls, 0, sizeof(profile->config.tls));
    if (profile->config.http_mode == TERN_HTTP_MODE_DEFAULT)
        profile->config.http_mode = TERN_HTTP_MODE_2;
    fill_timeouts(&profile->config.timeouts);
    fill_limits(&profile->config.limits);
    return tern_keep_text(&profile->keep, &profile->config.name) &&
           tern_keep_text(&profile->keep, &profile->config.user_agent) &&
           tern_keep_text(&profile->keep, &profile->config.interface) &&
           tern_keep_text(&profile->keep, &profile->config.unix_socket) && copy_fields(profile) &&
           copy_connect_to(profile);
}

/* ---- the socket's side ---- */

static enum tern_error resolve_bind(struct tern_profile *profile, struct tern_fault *why)
{
    const char *interface = profile->config.interface;
    struct tern_host host;

    if (interface == NULL || interface[0] == '\0')
        return TERN_OK;
    if (tern_host_parse(&host, tern_str(interface), NULL) == TERN_OK && host.kind != TERN_HOST_NAME) {
        profile->bind =
            host.kind == TERN_HOST_IPV4 ? tern_sockaddr_ipv4(host.address, 0) : tern_sockaddr_ipv6(host.address, 0, 0);
        profile->tcp.bind = &profile->bind;
        return TERN_OK;
    }
    if (strlen(interface) >= IF_NAMESIZE)
        return bad(why, "interface", interface, "must be an IP address or the name of a network interface");
    profile->tcp.device = interface;
    return TERN_OK;
}

static enum tern_error resolve_unix(struct tern_profile *profile, struct tern_fault *why)
{
    const char *path = profile->config.unix_socket;

    if (path == NULL || path[0] == '\0')
        return TERN_OK;
    if (!tern_sockaddr_unix(&profile->unix_address, tern_str(path)))
        return bad(why, "unix_socket", path, "must be a path of at most 107 bytes");
    return TERN_OK;
}

/* ---- the shape ---- */

static enum tern_error shape_bytes(struct tern_buf *shape, const void *bytes, size_t len)
{
    uint64_t length = len;
    enum tern_error error = tern_buf_append(shape, &length, sizeof(length));

    return error != TERN_OK ? error : tern_buf_append(shape, bytes, len);
}

static enum tern_error shape_text(struct tern_buf *shape, const char *text)
{
    return shape_bytes(shape, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static enum tern_error shape_number(struct tern_buf *shape, uint64_t number)
{
    return tern_buf_append(shape, &number, sizeof(number));
}

static enum tern_error shape_overrides(struct tern_buf *shape, const struct tern_dns_config *dns)
{
    enum tern_error error = shape_number(shape, dns->override_count);

    for (size_t i = 0; error == TERN_OK && i < dns->override_count; i++) {
        const struct tern_resolve_override *one = &dns->overrides[i];

        if ((error = shape_text(shape, one->host)) == TERN_OK && (error = shape_number(shape, one->port)) == TERN_OK)
            error = shape_number(shape, one->address_count);
        for (size_t k = 0; error == TERN_OK && k < one->address_count; k++)
            error = shape_text(shape, one->addresses[k]);
    }
    return error;
}

static enum tern_error shape_connect_to(struct tern_buf *shape, const struct tern_client_config *config)
{
    enum tern_error error = shape_number(shape, config->connect_to_count);

    for (size_t i = 0; error == TERN_OK && i < config->connect_to_count; i++) {
        const struct tern_connect_to *rule = &config->connect_to[i];

        if ((error = shape_text(shape, rule->host)) == TERN_OK &&
            (error = shape_number(shape, rule->port)) == TERN_OK &&
            (error = shape_text(shape, rule->to_host)) == TERN_OK)
            error = shape_number(shape, rule->to_port);
    }
    return error;
}

/* A connection is only used under the gate that let it be dialled. */
static enum tern_error shape_gate(struct tern_buf *shape, const struct tern_gate *gate)
{
    enum tern_error error = shape_number(shape, gate != NULL);

    if (gate == NULL || error != TERN_OK)
        return error;
    if ((error = shape_number(shape, (uint64_t)gate->https_only | (uint64_t)gate->refuse_userinfo << 1 |
                                         (uint64_t)gate->public_only << 2)) != TERN_OK ||
        (error = shape_bytes(shape, gate->ports, gate->port_count * sizeof(*gate->ports))) != TERN_OK ||
        (error = shape_number(shape, gate->allow_count)) != TERN_OK)
        return error;
    for (size_t i = 0; error == TERN_OK && i < gate->allow_count; i++)
        error = shape_text(shape, gate->allow[i]);
    for (size_t i = 0; error == TERN_OK && i < gate->deny_count; i++)
        error = shape_text(shape, gate->deny[i]);
    if (error == TERN_OK)
        error = shape_number(shape, (uintptr_t)gate->check);
    return error == TERN_OK ? shape_number(shape, (uintptr_t)gate->user) : error;
}

static enum tern_error shape_build(struct tern_profile *profile, const struct tern_client_config *config)
{
    struct tern_buf *shape = &profile->shape;
    struct tern_str tls = tern_tls_profile_shape(profile->tls);
    enum tern_error error;

    if ((error = shape_number(shape, (uint64_t)config->ip_family)) != TERN_OK ||
        (error = shape_number(shape, (uint64_t)profile->config.http_mode)) != TERN_OK ||
        (error = shape_text(shape, config->interface)) != TERN_OK ||
        (error = shape_text(shape, config->unix_socket)) != TERN_OK ||
        (error = shape_connect_to(shape, config)) != TERN_OK ||
        (error = shape_overrides(shape, &config->dns)) != TERN_OK ||
        (error = shape_gate(shape, config->policy != NULL ? config->policy->gate : NULL)) != TERN_OK)
        return error;
    return shape_bytes(shape, tls.ptr, tls.len);
}

/* ---- life ---- */

static enum tern_error make_dns(struct tern_profile *profile, const struct tern_dns_config *config,
                                const struct tern_pool_seams *seams, struct tern_fault *why)
{
    struct tern_resolver *resolver = NULL;
    enum tern_error error = TERN_OK;

    if (profile->base != NULL) {
        profile->dns = profile->base->dns;
        return TERN_OK;
    }
    if (seams->new_resolver != NULL)
        error = seams->new_resolver(profile->engine, &resolver, seams->user);
    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    error = tern_dns_new(profile->engine, config, resolver, &profile->dns, why);
    if (error != TERN_OK && resolver != NULL)
        resolver->ops->free(resolver);
    return error;
}

static enum tern_error build(struct tern_profile *profile, const struct tern_client_config *config,
                             const struct tern_pool_seams *seams, struct tern_fault *why)
{
    enum tern_error error = check(config, why);

    if (error != TERN_OK)
        return error;
    if (!copy(profile, config))
        return tern_fault_plain(why, TERN_ENOMEM);
    profile->tcp.unacked_ns = profile->config.limits.tcp_unacked_ns;
    if ((error = tern_request_fields_check(profile->config.fields, profile->config.field_count, &profile->fields_bytes,
                                           why)) != TERN_OK ||
        (error = check_limits(&profile->config.limits, why)) != TERN_OK ||
        (error = resolve_bind(profile, why)) != TERN_OK || (error = resolve_unix(profile, why)) != TERN_OK ||
        (error = tern_tls_profile_new(&config->tls, &profile->tls, why)) != TERN_OK ||
        (error = make_dns(profile, &config->dns, seams, why)) != TERN_OK)
        return error;
    if ((error = shape_build(profile, config)) != TERN_OK)
        return tern_fault_plain(why, error);
    profile->codec_limits = (struct tern_codec_limits){
        .head_line_bytes_max = profile->config.limits.head_line_bytes_max,
        .head_bytes_max = profile->config.limits.head_bytes_max,
        .head_fields_max = profile->config.limits.head_fields_max,
        .informational_max = profile->config.limits.informational_max,
    };
    return TERN_OK;
}

enum tern_error tern_profile_new(struct tern_engine *engine, const struct tern_client_config *config,
                                 struct tern_profile *base, const struct tern_pool_seams *seams,
                                 struct tern_profile **out, struct tern_fault *why)
{
    static const struct tern_client_config defaults;
    struct tern_profile *profile = tern_mem_calloc(1, sizeof(*profile));
    enum tern_error error;

    if (profile == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    profile->refs = 1;
    profile->engine = engine;
    profile->base = base != NULL ? tern_profile_acquire(base) : NULL;
    tern_buf_init(&profile->shape, SHAPE_BYTES_MAX);
    error = build(profile, config != NULL ? config : &defaults, seams, why);
    if (error != TERN_OK) {
        tern_profile_release(profile);
        return error;
    }
    *out = profile;
    return TERN_OK;
}

struct tern_profile *tern_profile_acquire(struct tern_profile *profile)
{
    profile->refs++;
    return profile;
}

void tern_profile_release(struct tern_profile *profile)
{
    if (profile == NULL || --profile->refs > 0)
        return;
    if (profile->base != NULL)
        tern_profile_release(profile->base);
    else if (profile->dns != NULL)
        tern_dns_free(profile->dns);
    if (profile->tls != NULL)
        tern_tls_profile_release(profile->tls);
    tern_keep_deinit(&profile->keep);
    tern_buf_deinit(&profile->shape);
    tern_mem_free(profile);
}
