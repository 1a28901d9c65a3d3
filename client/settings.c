#include "client/settings.h"

#include "base/fault.h"
#include "base/mem.h"
#include "policy/breaker.h"
#include "policy/rate.h"
#include "policy/redirect.h"
#include "policy/retry.h"
#include "pool/transport.h"

#define STATUSES_MAX 64

static const uint16_t retry_statuses[] = {429, 502, 503, 504};
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
        config->statuses = retry_statuses;
        config->status_count = sizeof(retry_statuses) / sizeof(retry_statuses[0]);
    }
    default_u32(&config->attempts_max, TERN_RETRY_ATTEMPTS_MAX);
    default_u64(&config->backoff_ns, TERN_RETRY_BACKOFF_NS);
    default_u64(&config->backoff_max_ns, TERN_RETRY_BACKOFF_MAX_NS);
    default_u64(&config->retry_after_max_ns, TERN_RETRY_AFTER_MAX_NS);
    default_u32(&config->budget_percent, TERN_RETRY_BUDGET_PERCENT);
    default_u32(&config->budget_min, TERN_RETRY_BUDGET_MIN);
    return check_statuses("policy.retries.statuses", config->statuses, config->status_count, why);
}

/* ---- copying ---- */

static enum tern_error take_redirects(struct tern_settings *settings, const struct tern_redirects *from,
                                      struct tern_fault *why)
{
    struct tern_redirects *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    settings->policy.redirects = copy;
    return copy != NULL ? tern_settings_check_redirects(copy, why) : tern_fault_plain(why, TERN_ENOMEM);
}

static enum tern_error take_retries(struct tern_settings *settings, const struct tern_retries *from,
                                    struct tern_fault *why)
{
    struct tern_retries *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));
    enum tern_error error;

    settings->policy.retries = copy;
    if (copy == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    if ((error = tern_settings_check_retries(copy, why)) != TERN_OK)
        return error;
    copy->statuses = tern_keep_copy(&settings->keep, copy->statuses, copy->status_count * sizeof(*copy->statuses));
    return copy->statuses != NULL ? TERN_OK : tern_fault_plain(why, TERN_ENOMEM);
}

static const char *refuses_address(void *user, const struct tern_origin *origin, const struct tern_sockaddr *address)
{
    char text[TERN_SOCKADDR_TEXT_MAX];
    const struct tern_gate_question question = {.scheme = origin->is_secure ? TERN_STR("https") : TERN_STR("http"),
                                                .host = tern_host_text(&origin->host),
                                                .port = origin->port,
                                                .address = text};

    tern_sockaddr_print(address, text, sizeof(text));
    switch (tern_sockaddr_family(address)) {
    case AF_INET:
        return tern_gate_refuses_address(user, &question, (const uint8_t *)&address->u.in.sin_addr, 4);
    case AF_INET6:
        return tern_gate_refuses_address(user, &question, address->u.in6.sin6_addr.s6_addr, 16);
    default:
        return NULL; /* a Unix socket is the configuration's own choice */
    }
}

static enum tern_error take_gate(struct tern_settings *settings, const struct tern_gate *from, struct tern_fault *why)
{
    struct tern_profile *profile = settings->profile;
    struct tern_gate_rules *rules = tern_keep_alloc(&profile->keep, sizeof(*rules));

    if (rules == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    settings->gate = rules;
    settings->policy.gate = &rules->config;
    profile->gate = (struct tern_address_gate){.refuses = refuses_address, .user = rules};
    return tern_gate_compile(rules, from, &profile->keep, why);
}

static enum tern_error take_rate(struct tern_settings *settings, const struct tern_rate *from, struct tern_fault *why)
{
    struct tern_rate *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    settings->policy.rate = copy;
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

static enum tern_error take_breaker(struct tern_settings *settings, const struct tern_breaker *from,
                                    struct tern_fault *why)
{
    struct tern_breaker *copy = tern_keep_copy(&settings->keep, from, sizeof(*from));

    settings->policy.breaker = copy;
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
    copy->statuses = tern_keep_copy(&settings->keep, copy->statuses, copy->status_count * sizeof(*copy->statuses));
    if (copy->statuses == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    return check_statuses("policy.breaker.statuses", copy->statuses, copy->status_count, why);
}

static enum tern_error take_policy(struct tern_settings *settings, const struct tern_policy *from,
                                   struct tern_fault *why)
{
    enum tern_error error = TERN_OK;

    if (from->gate != NULL)
        error = take_gate(settings, from->gate, why);
    if (error == TERN_OK && from->redirects != NULL)
        error = take_redirects(settings, from->redirects, why);
    if (error == TERN_OK && from->retries != NULL)
        error = take_retries(settings, from->retries, why);
    if (error == TERN_OK && from->rate != NULL)
        error = take_rate(settings, from->rate, why);
    if (error == TERN_OK && from->breaker != NULL)
        error = take_breaker(settings, from->breaker, why);
    return error;
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
    error = tern_profile_new(engine, config, seams, &settings->profile, why);
    if (error == TERN_OK && config != NULL && config->policy != NULL)
        error = take_policy(settings, config->policy, why);
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
    tern_profile_release(settings->profile);
    tern_keep_deinit(&settings->keep);
    tern_mem_free(settings);
}
