#include "client/settings.h"

#include <stdio.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/jar.h"
#include "policy/breaker.h"
#include "policy/hedge.h"
#include "policy/outlier.h"
#include "policy/rate.h"
#include "policy/redirect.h"
#include "policy/retry.h"
#include "pool/transport.h"
#include "proto/decode.h"
#include "proto/request.h"

#define STATUSES_MAX 64

static const uint16_t breaker_statuses[] = {500, 502, 503, 504};

/* ---- checking, and the defaults ---- */

static void default_u32(uint32_t *value, uint32_t to)
{
    if (*value == 0)
        *value = to;
}

static void default_u64(uint64_t *value, uint64_t to)
{
    if (*value == 0)
        *value = to;
}

static enum tern_error check_statuses(const char *field, const uint16_t *statuses, size_t count, struct tern_fault *why)
{
    if (count > STATUSES_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "%s: %zu statuses, at most %d", field, count, STATUSES_MAX);
    for (size_t i = 0; i < count; i++)
        if (statuses[i] < 200 || statuses[i] > 599)
            return tern_fault_set(why, TERN_ECONFIG, "%s %u: must be a final status, 200 to 599", field, statuses[i]);
    return TERN_OK;
}

enum tern_error tern_settings_check_redirects(struct tern_redirects *config, struct tern_fault *why)
{
    (void)why; /* every number is one that can be meant */
    default_u32(&config->hops_max, TERN_REDIRECT_HOPS_MAX);
    return TERN_OK;
}

enum tern_error tern_settings_check_retries(struct tern_retries *config, struct tern_fault *why)
{
    if (config->budget_percent > 100)
        return tern_fault_set(why, TERN_ECONFIG, "policy.retries.budget_percent %u: more than 100",
                              config->budget_percent);
    if (config->status_count == 0) {
        config->statuses = tern_retry_statuses;
        config->status_count = sizeof(tern_retry_statuses) / sizeof(tern_retry_statuses[0]);
    }
    default_u32(&config->attempts_max, TERN_RETRY_ATTEMPTS_MAX);
    default_u64(&config->backoff_ns, TERN_RETRY_BACKOFF_NS);
    default_u64(&config->backoff_max_ns, TERN_RETRY_BACKOFF_MAX_NS);
    default_u64(&config->time_max_ns, TERN_OFF);
    default_u64(&config->retry_after_max_ns, TERN_RETRY_AFTER_MAX_NS);
    default_u32(&config->budget_percent, TERN_RETRY_BUDGET_PERCENT);
    default_u32(&config->budget_min, TERN_RETRY_BUDGET_MIN);
    return check_statuses("policy.retries.statuses", config->statuses, config->status_count, why);
}

enum tern_error tern_settings_check_hedging(struct tern_hedging *config, struct tern_fault *why)
{
    if (config->percentile > 99)
        return tern_fault_set(why, TERN_ECONFIG, "policy.hedging.percentile %u: more than 99", config->percentile);
    default_u64(&config->slow_ns, config->delay_ns != 0 ? config->delay_ns : TERN_HEDGE_SLOW_NS);
    default_u32(&config->percentile, TERN_HEDGE_PERCENTILE);
    return TERN_OK;
}

enum tern_error tern_settings_check_decoding(struct tern_decoding *config, struct tern_fault *why)
{
    default_u32(&config->layers_max, 2);
    default_u32(&config->ratio_max, 1000);
    if (config->layers_max > TERN_DECODE_LAYERS_CEILING)
        return tern_fault_set(why, TERN_ECONFIG, "policy.decoding.layers_max %u: more than %d", config->layers_max,
                              TERN_DECODE_LAYERS_CEILING);
    return TERN_OK;
}

/* ---- copying ---- */

static enum tern_error take_redirects(struct tern_settings *settings, struct tern_site *site,
                                      const struct tern_redirects *from, struct tern_fault *why)
{
    struct tern_redirects *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    site->policy.redirects = copy;
    return copy != NULL ? tern_settings_check_redirects(copy, why) : tern_fault_plain(why, TERN_ENOMEM);
}

static enum tern_error take_retries(struct tern_settings *settings, struct tern_site *site,
                                    const struct tern_retries *from, struct tern_fault *why)
{
    struct tern_retries *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));
    enum tern_error error;

    site->policy.retries = copy;
    if (copy == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    if ((error = tern_settings_check_retries(copy, why)) != TERN_OK)
        return error;
    copy->statuses = tern_keep_copy(&settings->keep, copy->statuses, copy->status_count * sizeof(*copy->statuses));
    if (copy->error_count != 0)
        copy->errors = tern_keep_copy(&settings->keep, copy->errors, copy->error_count * sizeof(*copy->errors));
    return copy->statuses != NULL && (copy->error_count == 0 || copy->errors != NULL)
               ? TERN_OK
               : tern_fault_plain(why, TERN_ENOMEM);
}

static enum tern_error take_hedging(struct tern_settings *settings, struct tern_site *site,
                                    const struct tern_hedging *from, struct tern_fault *why)
{
    struct tern_hedging *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    site->policy.hedging = copy;
    return copy != NULL ? tern_settings_check_hedging(copy, why) : tern_fault_plain(why, TERN_ENOMEM);
}

static enum tern_error take_decoding(struct tern_settings *settings, struct tern_site *site,
                                     const struct tern_decoding *from, struct tern_fault *why)
{
    struct tern_decoding *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    site->policy.decoding = copy;
    return copy != NULL ? tern_settings_check_decoding(copy, why) : tern_fault_plain(why, TERN_ENOMEM);
}

static const char *refuses_address(void *user, const struct tern_origin *origin, const struct tern_sockaddr *address)
{
    const struct tern_gate_rules *rules = user;
    char text[TERN_SOCKADDR_TEXT_MAX] = "";
    const struct tern_gate_question question = {.scheme = origin->is_secure ? TERN_STR("https") : TERN_STR("http"),
                                                .host = tern_host_text(&origin->host),
                                                .port = origin->port,
                                                .address = text};

    if (rules->config.check != NULL)
        tern_sockaddr_print(address, text, sizeof(text));
    switch (tern_sockaddr_family(address)) {
    case AF_INET:
        return tern_gate_refuses_address(rules, &question, (const uint8_t *)&address->u.in.sin_addr, 4);
    case AF_INET6:
        return tern_gate_refuses_address(rules, &question, address->u.in6.sin6_addr.s6_addr, 16);
    default:
        return NULL; /* a Unix socket is the configuration's own choice */
    }
}

static enum tern_error take_gate(struct tern_site *site, const struct tern_gate *from, struct tern_fault *why)
{
    struct tern_profile *profile = site->profile;
    struct tern_gate_rules *rules = tern_keep_alloc(&profile->keep, sizeof(*rules));

    if (rules == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    site->gate = rules;
    site->policy.gate = &rules->config;
    profile->gate = (struct tern_address_gate){.refuses = refuses_address, .user = rules};
    return tern_gate_compile(rules, from, &profile->keep, why);
}

static enum tern_error take_auth(struct tern_settings *settings, struct tern_site *site, const struct tern_auth *from,
                                 struct tern_fault *why)
{
    struct tern_auth_rules *rules = tern_keep_alloc(&settings->keep, sizeof(*rules));

    if (rules == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    site->auth = rules;
    site->policy.auth = &rules->config;
    return tern_auth_compile(rules, from, &settings->keep, why);
}

static enum tern_error take_rate(struct tern_settings *settings, struct tern_site *site, const struct tern_rate *from,
                                 struct tern_fault *why)
{
    struct tern_rate *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    site->policy.rate = copy;
    if (copy == NULL || !tern_keep_text(&settings->keep, &copy->group))
        return tern_fault_plain(why, TERN_ENOMEM);
    if (copy->calls == 0)
        return tern_fault_set(why, TERN_ECONFIG, "policy.rate.calls 0: say how many calls a period has");
    if (copy->group != NULL && strlen(copy->group) > TERN_HOST_TEXT_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "policy.rate.group: longer than %d bytes", TERN_HOST_TEXT_MAX);
    default_u64(&copy->period_ns, TERN_RATE_PERIOD_NS);
    default_u32(&copy->burst, copy->calls);
    default_u32(&copy->queue_max, TERN_RATE_QUEUE_MAX);
    default_u64(&copy->wait_max_ns, TERN_RATE_WAIT_MAX_NS);
    return TERN_OK;
}

static enum tern_error take_breaker(struct tern_settings *settings, struct tern_site *site,
                                    const struct tern_breaker *from, struct tern_fault *why)
{
    struct tern_breaker *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    site->policy.breaker = copy;
    if (copy == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    if (copy->failure_percent > 100)
        return tern_fault_set(why, TERN_ECONFIG, "policy.breaker.failure_percent %u: more than 100",
                              copy->failure_percent);
    if (copy->status_count == 0) {
        copy->statuses = breaker_statuses;
        copy->status_count = sizeof(breaker_statuses) / sizeof(breaker_statuses[0]);
    }
    default_u32(&copy->failures, TERN_BREAKER_FAILURES);
    default_u32(&copy->failure_percent, TERN_BREAKER_FAILURE_PERCENT);
    default_u64(&copy->window_ns, TERN_BREAKER_WINDOW_NS);
    default_u32(&copy->window_calls_min, TERN_BREAKER_WINDOW_CALLS_MIN);
    default_u64(&copy->open_ns, TERN_BREAKER_OPEN_NS);
    default_u32(&copy->probes, TERN_BREAKER_PROBES);
    default_u64(&copy->address_ns, TERN_OUTLIER_NS);
    copy->statuses = tern_keep_copy(&settings->keep, copy->statuses, copy->status_count * sizeof(*copy->statuses));
    if (copy->statuses == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    return check_statuses("policy.breaker.statuses", copy->statuses, copy->status_count, why);
}

static enum tern_error take_jar(struct tern_site *site, struct tern_jar *jar, struct tern_fault *why)
{
    if (jar->engine != site->profile->engine)
        return tern_fault_set(why, TERN_ECONFIG, "policy.cookies: a jar of another engine");
    site->policy.cookies = tern_jar_acquire(jar);
    return TERN_OK;
}

static enum tern_error take_policy(struct tern_settings *settings, struct tern_site *site,
                                   const struct tern_policy *from, struct tern_fault *why)
{
    enum tern_error error = TERN_OK;

    site->policy.hsts = from->hsts;
    if (from->gate != NULL)
        error = take_gate(site, from->gate, why);
    if (error == TERN_OK && from->redirects != NULL)
        error = take_redirects(settings, site, from->redirects, why);
    if (error == TERN_OK && from->retries != NULL)
        error = take_retries(settings, site, from->retries, why);
    if (error == TERN_OK && from->cookies != NULL)
        error = take_jar(site, from->cookies, why);
    if (error == TERN_OK && from->hedging != NULL)
        error = take_hedging(settings, site, from->hedging, why);
    if (error == TERN_OK && from->rate != NULL)
        error = take_rate(settings, site, from->rate, why);
    if (error == TERN_OK && from->breaker != NULL)
        error = take_breaker(settings, site, from->breaker, why);
    if (error == TERN_OK && from->hooks != NULL) {
        site->policy.hooks = tern_keep_copy(&settings->keep, from->hooks, sizeof(*from->hooks));
        if (site->policy.hooks == NULL)
            return tern_fault_plain(why, TERN_ENOMEM);
    }
    if (error == TERN_OK && from->decoding != NULL)
        error = take_decoding(settings, site, from->decoding, why);
    if (error == TERN_OK && from->auth != NULL)
        error = take_auth(settings, site, from->auth, why);
    return error;
}

static bool has_field(const struct tern_client_config *config, struct tern_str name)
{
    for (size_t i = 0; i < config->field_count; i++)
        if (tern_str_ieq(config->fields[i].name, name))
            return true;
    return false;
}

/* Made once, so that a call that adds nothing sends the list as it is. */
static enum tern_error settle_fields(struct tern_settings *settings, struct tern_site *site, struct tern_fault *why)
{
    const struct tern_profile *profile = site->profile;
    size_t count = profile->config.field_count;
    const struct tern_field coding = {TERN_STR("Accept-Encoding"), tern_decode_accepts(), 0};
    struct tern_field *fields;

    site->fields = profile->config.fields;
    site->field_count = count;
    site->fields_bytes = profile->fields_bytes;
    if (site->policy.decoding == NULL || coding.value.len == 0 || has_field(&profile->config, coding.name))
        return TERN_OK;
    fields = tern_keep_alloc(&settings->keep, (count + 1) * sizeof(*fields));
    if (fields == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    for (size_t i = 0; i < count; i++)
        fields[i] = profile->config.fields[i];
    fields[count] = coding;
    site->fields = fields;
    site->field_count = count + 1;
    return tern_request_fields_check(fields, count + 1, &site->fields_bytes, why);
}

/* ---- hosts ---- */

/* Of a host's configuration what is set holds. */
#define OVERRIDE(field)                                                                                                \
    do {                                                                                                               \
        if (own->field != 0)                                                                                           \
            out->field = own->field;                                                                                   \
    } while (0)

static void merge_limits(struct tern_limits *out, const struct tern_limits *own)
{
    OVERRIDE(h2_quiet_ns);
    OVERRIDE(h2_ack_ns);
    OVERRIDE(tcp_unacked_ns);
    OVERRIDE(head_line_bytes_max);
    OVERRIDE(head_bytes_max);
    OVERRIDE(head_fields_max);
    OVERRIDE(informational_max);
    OVERRIDE(body_window_bytes);
    OVERRIDE(body_window_bytes_max);
}

static void merge_policy(struct tern_policy *out, const struct tern_policy *own)
{
    if (own == NULL)
        return;
    OVERRIDE(hsts);
    OVERRIDE(gate);
    OVERRIDE(redirects);
    OVERRIDE(retries);
    OVERRIDE(hedging);
    OVERRIDE(decoding);
    OVERRIDE(cookies);
    OVERRIDE(rate);
    OVERRIDE(breaker);
    OVERRIDE(hooks);
    OVERRIDE(auth);
}

/* Its own fields, then those of the client that have other names. */
static bool merge_fields(struct tern_settings *settings, struct tern_client_config *out,
                         const struct tern_client_config *own)
{
    size_t count = 0;
    struct tern_field *fields;

    if (own->field_count == 0)
        return true;
    fields = tern_keep_alloc(&settings->keep, (own->field_count + out->field_count) * sizeof(*fields));
    if (fields == NULL)
        return false;
    for (size_t i = 0; i < own->field_count; i++)
        if (own->fields[i].value.ptr != NULL)
            fields[count++] = own->fields[i];
    for (size_t i = 0; i < out->field_count; i++)
        if (!has_field(own, out->fields[i].name))
            fields[count++] = out->fields[i];
    out->fields = fields;
    out->field_count = count;
    return true;
}

/* *out is the client's configuration, and becomes the host's; policy is room for the merged one. */
static bool merge(struct tern_settings *settings, struct tern_client_config *out, const struct tern_host_config *host,
                  struct tern_policy *policy)
{
    const struct tern_client_config *own = host->config;
    static const struct tern_tls_config no_tls;
    const struct tern_timeouts base = out->timeouts;

    tern_timeouts_resolve(&out->timeouts, &own->timeouts, &base);
    merge_limits(&out->limits, &own->limits);
    /* A stray padding byte only makes the same configuration its own.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
    if (memcmp(&own->tls, &no_tls, sizeof(no_tls)) != 0)
        out->tls = own->tls;
    OVERRIDE(ip_family);
    OVERRIDE(http_mode);
    OVERRIDE(h2_coalesce);
    OVERRIDE(interface);
    OVERRIDE(unix_socket);
    OVERRIDE(user_agent);
    if (own->connect_to_count != 0) {
        out->connect_to = own->connect_to;
        out->connect_to_count = own->connect_to_count;
    }
    *policy = out->policy != NULL && !host->policy_alone ? *out->policy : (struct tern_policy){0};
    merge_policy(policy, own->policy);
    out->policy = policy;
    return merge_fields(settings, out, own);
}

static enum tern_error take_host(struct tern_settings *settings, struct tern_site *site,
                                 const struct tern_client_config *config, const struct tern_host_config *host,
                                 struct tern_fault *why)
{
    struct tern_client_config merged = *config;
    struct tern_profile *base = settings->own.profile;
    struct tern_policy policy;
    enum tern_error error;

    if (host->config == NULL)
        return tern_fault_set(why, TERN_ECONFIG, "hosts: one without config");
    error = tern_match_parse(&site->match, tern_str(host->host), why);
    if (error != TERN_OK)
        return error;
    site->pattern = host->host;
    if (!tern_keep_text(&settings->keep, &site->pattern) || !merge(settings, &merged, host, &policy))
        return tern_fault_plain(why, TERN_ENOMEM);
    error = tern_profile_new(base->engine, &merged, base, NULL, &site->profile, why);
    if (error == TERN_OK)
        error = take_policy(settings, site, &policy, why);
    return error == TERN_OK ? settle_fields(settings, site, why) : error;
}

static enum tern_error take_hosts(struct tern_settings *settings, const struct tern_client_config *config,
                                  struct tern_fault *why)
{
    enum tern_error error = TERN_OK;

    if (config->host_count == 0)
        return TERN_OK;
    if (config->host_count > TERN_HOST_CONFIGS_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "host_count %zu: at most %d", config->host_count,
                              TERN_HOST_CONFIGS_MAX);
    settings->hosts = tern_keep_alloc(&settings->keep, config->host_count * sizeof(*settings->hosts));
    if (settings->hosts == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    memset(settings->hosts, 0, config->host_count * sizeof(*settings->hosts));
    while (error == TERN_OK && settings->host_count < config->host_count) {
        size_t i = settings->host_count++;

        error = take_host(settings, &settings->hosts[i], config, &config->hosts[i], why);
    }
    return error;
}

const struct tern_site *tern_settings_site(const struct tern_settings *settings, const struct tern_host *host)
{
    const struct tern_site *best = &settings->own;

    for (size_t i = 0; i < settings->host_count; i++) {
        const struct tern_site *site = &settings->hosts[i];

        if (tern_match_host(&site->match, host) &&
            (best == &settings->own || tern_match_rank(&site->match) > tern_match_rank(&best->match)))
            best = site;
    }
    return best;
}

void tern_settings_explain(const struct tern_settings *settings, const struct tern_host *host, char *out, size_t size)
{
    const struct tern_site *holds = tern_settings_site(settings, host);
    const char *before = " holds, more specific than ";
    char shown[TERN_ESCAPE_MAX];
    size_t len;

    if (holds == &settings->own) {
        snprintf(out, size, "%s: no pattern matches", host->text);
        return;
    }
    len = (size_t)snprintf(out, size, "%s: \"%s\"", host->text,
                           tern_escape(shown, sizeof(shown), tern_str(holds->pattern)));
    for (size_t i = 0; i < settings->host_count && len < size; i++) {
        const struct tern_site *site = &settings->hosts[i];

        if (site == holds || !tern_match_host(&site->match, host))
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s\"%s\"", before,
                                tern_escape(shown, sizeof(shown), tern_str(site->pattern)));
        before = ", ";
    }
    if (before[0] == ' ' && len < size)
        snprintf(out + len, size - len, " holds, and no other matches");
}

/* ---- life ---- */

enum tern_error tern_settings_new(struct tern_engine *engine, const struct tern_client_config *config,
                                  const struct tern_pool_seams *seams, struct tern_settings **out,
                                  struct tern_fault *why)
{
    struct tern_settings *settings = tern_mem_calloc(1, sizeof(*settings));
    enum tern_error error;

    if (settings == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    settings->refs = 1;
    error = tern_profile_new(engine, config, NULL, seams, &settings->own.profile, why);
    if (error == TERN_OK && config != NULL && config->policy != NULL)
        error = take_policy(settings, &settings->own, config->policy, why);
    if (error == TERN_OK)
        error = settle_fields(settings, &settings->own, why);
    if (error == TERN_OK && config != NULL)
        error = take_hosts(settings, config, why);
    if (error != TERN_OK) {
        tern_settings_release(settings);
        return error;
    }
    *out = settings;
    return TERN_OK;
}

struct tern_settings *tern_settings_acquire(struct tern_settings *settings)
{
    settings->refs++;
    return settings;
}

void tern_settings_release(struct tern_settings *settings)
{
    if (settings == NULL || --settings->refs > 0)
        return;
    for (size_t i = 0; i < settings->host_count; i++) {
        tern_profile_release(settings->hosts[i].profile);
        tern_jar_release(settings->hosts[i].policy.cookies);
    }
    tern_profile_release(settings->own.profile);
    tern_jar_release(settings->own.policy.cookies);
    tern_keep_deinit(&settings->keep);
    tern_mem_free(settings);
}
