/* Policies: the plans of them. */
#include "tests/sim/policy.h"

#include <stdio.h>

#include "tests/sim/user.h"

/* From the least specific to the most. */
static const struct {
    const char *host;
    uint32_t origins; /* bits: those that it matches */
} patterns[] = {
    {NULL, 0xfff},
    {"*", 0xfff},
    {"10.0.0.0/24", 1u << SIM_ORIGIN_LITERAL},
    {"*.sim", 0x3f | 1u << SIM_ORIGIN_HOSTS | 1u << SIM_ORIGIN_NONE},
    {"O0.sim.", 1u << 0},
    {"o1.sim", 1u << 1},
    {"o4.sim", 1u << 4},
};

#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static struct sim_config *configs;

static bool chance(struct tern_rand *rand, uint32_t per_mille)
{
    return tern_rand_below(rand, 1000) < per_mille;
}

const struct sim_site *sim_policy_site(const struct sim_call *call, unsigned origin)
{
    const struct sim_config *config = call->policed.config;
    const struct sim_site *best = &config->sites[0];

    for (unsigned i = 1; i < config->site_count; i++)
        if ((patterns[config->sites[i].pattern].origins >> origin & 1) != 0 && config->sites[i].pattern > best->pattern)
            best = &config->sites[i];
    return best;
}

const struct tern_redirects *sim_policy_redirects(const struct sim_call *call, unsigned origin)
{
    return call->policed.has_own ? call->policed.own.redirects : sim_policy_site(call, origin)->effective.redirects;
}

const struct tern_retries *sim_policy_retries(const struct sim_call *call, unsigned origin)
{
    return call->policed.has_own ? call->policed.own.retries : sim_policy_site(call, origin)->effective.retries;
}

const struct tern_decoding *sim_policy_decoding(const struct sim_call *call, unsigned origin)
{
    return call->policed.has_own ? call->policed.own.decoding : sim_policy_site(call, origin)->effective.decoding;
}

const struct tern_hedging *sim_policy_hedging(const struct sim_call *call, unsigned origin)
{
    return call->policed.has_own ? call->policed.own.hedging : sim_policy_site(call, origin)->effective.hedging;
}

const struct sim_identity *sim_policy_identity(const struct sim_call *call, unsigned origin)
{
    if (call->policed.has_own)
        return call->policed.own.auth != NULL ? &call->policed.identity : NULL;
    return sim_policy_site(call, origin)->effective_identity;
}

/* ---- plans ---- */

static void plan_redirects(struct tern_redirects *redirects, struct tern_rand *rand)
{
    *redirects = (struct tern_redirects){.hops_max = 1 + (uint32_t)tern_rand_below(rand, 8),
                                         .same_origin_only = chance(rand, 100),
                                         .allow_downgrade = chance(rand, 600),
                                         .keep_secrets = chance(rand, 100),
                                         .keep_post_301 = chance(rand, 300),
                                         .keep_post_302 = chance(rand, 300),
                                         .keep_post_303 = chance(rand, 300)};
}

/* The budget is the client's, so that it can be told whether it was kept. */
static void plan_retries(struct sim_retries *retries, struct sim_client *client, struct tern_rand *rand)
{
    static const uint16_t statuses[] = {500, 503, 429};

    *retries = (struct sim_retries){.client = client,
                                    .config = {.attempts_max = 1 + (uint32_t)tern_rand_below(rand, 8),
                                               .backoff_ns = 1 + tern_rand_below(rand, 200 * TERN_MS),
                                               .backoff_max_ns = 1 + tern_rand_below(rand, 2 * TERN_S),
                                               .retry_after_max_ns = 1 + tern_rand_below(rand, 20 * TERN_S),
                                               .unsafe_too = chance(rand, 150),
                                               .budget_percent = client->budget_percent,
                                               .budget_min = client->budget_min,
                                               .resume = chance(rand, sim_users.is_broken ? 950 : 500),
                                               .on_retry = sim_policy_on_retry}};
    if (chance(rand, 300)) {
        retries->config.statuses = statuses;
        retries->config.status_count = 1 + tern_rand_below(rand, 3);
    }
}

static void plan_hedging(struct tern_hedging *hedging, struct tern_rand *rand)
{
    *hedging = (struct tern_hedging){.delay_ns = chance(rand, 700) ? 1 + tern_rand_below(rand, 200 * TERN_MS) : 0,
                                     .percentile = 1 + (uint32_t)tern_rand_below(rand, 99),
                                     .slow_ns = chance(rand, 500) ? TERN_OFF : 0};
}

static void plan_breaker(struct tern_breaker *breaker, struct tern_rand *rand)
{
    *breaker = (struct tern_breaker){.failures = 1 + (uint32_t)tern_rand_below(rand, 5),
                                     .failure_percent = 1 + (uint32_t)tern_rand_below(rand, 100),
                                     .window_ns = 1 + tern_rand_below(rand, 5 * TERN_S),
                                     .window_calls_min = 1 + (uint32_t)tern_rand_below(rand, 10),
                                     .open_ns = 1 + tern_rand_below(rand, 2 * TERN_S),
                                     .probes = 1 + (uint32_t)tern_rand_below(rand, 3),
                                     .address_failures = (uint32_t)tern_rand_below(rand, 4),
                                     .address_ns = 1 + tern_rand_below(rand, 2 * TERN_S)};
    if (sim_users.ailing > 0 && chance(rand, 700)) { /* it is to bear what its address does */
        breaker->failures = 50;
        breaker->window_calls_min = 50;
    }
}

static bool is_forbidden(const char *address)
{
    return strstr(address, ".2:") != NULL || strstr(address, "::2]:") != NULL;
}

bool sim_policy_forbids(const struct tern_sockaddr *address)
{
    char text[TERN_SOCKADDR_TEXT_MAX];

    tern_sockaddr_print(address, text, sizeof(text));
    return is_forbidden(text);
}

/* Every address is asked about where there is a gate; some hosts and ports are refused too. */
static const char *check_gate(void *user, const struct tern_gate_question *question)
{
    (void)user;
    return question->address != NULL && sim_users.is_gated && is_forbidden(question->address) ? "forbidden" : NULL;
}

static void plan_gate(struct tern_gate *gate, struct tern_rand *rand)
{
    static const char *const denied[] = {"o2.sim", "10.0.0.0/24", "*.sim"};
    static const char *const allowed[] = {"*.sim"};
    static const uint16_t ports[] = {80, 443};

    *gate = (struct tern_gate){.check = check_gate,
                               .https_only = chance(rand, 30),
                               .refuse_userinfo = chance(rand, 100),
                               .public_only = chance(rand, 10)};
    if (chance(rand, 200)) {
        gate->ports = ports;
        gate->port_count = 2;
    }
    if (chance(rand, 200)) {
        gate->allow = allowed;
        gate->allow_count = 1;
    }
    if (chance(rand, 300)) {
        gate->deny = denied;
        gate->deny_count = 1 + tern_rand_below(rand, chance(rand, 50) ? 3 : 2);
    }
}

void sim_policy_plan_client(struct sim_client *client, struct tern_rand *rand)
{
    static const char *const groups[SIM_RATES] = {"a", "b", NULL};

    client->budget_percent = 1 + (uint32_t)tern_rand_below(rand, 60);
    client->budget_min = 1 + (uint32_t)tern_rand_below(rand, sim_users.is_broken ? 20 : 5);
    for (unsigned i = 0; i < SIM_RATES; i++)
        client->rates[i] =
            (struct tern_rate){.calls = 1 + (uint32_t)tern_rand_below(rand, 20),
                               .period_ns = 1 + tern_rand_below(rand, 2 * TERN_S),
                               .burst = 1 + (uint32_t)tern_rand_below(rand, 5),
                               .group = groups[i],
                               .queue_max = chance(rand, 300) ? 1 + (uint32_t)tern_rand_below(rand, 4) : 0,
                               .wait_max_ns = chance(rand, 300) ? tern_rand_below(rand, 5 * TERN_S) : 0,
                               .ignore_answers = chance(rand, 200)};
}

/* A site's policy: what it says itself, and what it has of base, the client's own (NULL: it is that). */
static void plan_site(struct sim_site *site, const struct sim_site *base, struct tern_rand *rand)
{
    struct tern_policy *policy = &site->policy, *effective = &site->effective;
    struct sim_client *client = site->config->client;
    char name[24];

    if (base != NULL) {
        *effective = base->effective;
        site->effective_identity = base->effective_identity;
    }
    site->rate = base != NULL ? base->rate : -1;
    site->hooks = (struct tern_hooks){sim_policy_on_request, sim_policy_on_response, sim_policy_on_error, site};
    policy->hooks = effective->hooks = &site->hooks;
    plan_gate(&site->gate, rand);
    if (chance(rand, 150) || (sim_users.is_gated && base == NULL))
        policy->gate = effective->gate = &site->gate;
    plan_redirects(&site->redirects, rand);
    if (chance(rand, 600))
        policy->redirects = effective->redirects = &site->redirects;
    plan_retries(&site->retries, client, rand);
    site->retries.config.user = &site->retries;
    if (chance(rand, sim_users.is_broken ? 950 : 500))
        policy->retries = effective->retries = &site->retries.config;
    plan_hedging(&site->hedging, rand);
    if (chance(rand, sim_users.is_guarded ? 700 : 400))
        policy->hedging = effective->hedging = &site->hedging;
    if (chance(rand, 300)) {
        site->rate = (int)tern_rand_below(rand, SIM_RATES);
        policy->rate = effective->rate = &client->rates[site->rate];
    }
    if (chance(rand, sim_users.is_broken ? 100 : 400))
        policy->decoding = effective->decoding = &site->decoding;
    plan_breaker(&site->breaker, rand);
    if (client->open_ns_min == 0 || site->breaker.open_ns < client->open_ns_min)
        client->open_ns_min = site->breaker.open_ns;
    if (chance(rand, sim_users.ailing > 0 ? 800 : 300))
        policy->breaker = effective->breaker = &site->breaker;
    snprintf(name, sizeof(name), "%u-%u-%u", client->number, client->configurations, site->pattern);
    sim_identity_plan(&site->identity, site->config->tokens, name, rand);
    if (chance(rand, sim_users.is_guarded ? 900 : 400)) {
        policy->auth = effective->auth = &site->identity.auth;
        site->effective_identity = &site->identity;
    }
}

static void plan_tokens(struct sim_config *config)
{
    struct sim_client *client = config->client;

    config->owns_tokens = client->config == NULL;
    config->tokens = config->owns_tokens ? sim_alloc(SIM_TOKENS * sizeof(*config->tokens)) : client->config->tokens;
    for (unsigned i = 0; i < SIM_TOKENS && config->owns_tokens; i++)
        sim_token_init(&config->tokens[i], client);
}

struct sim_config *sim_policy_configure(struct sim_client *client, struct tern_client_config *config)
{
    struct sim_config *planned = sim_alloc(sizeof(*planned));
    struct tern_rand rand;

    sim_stream(&rand, 'y', client->number << 16 | client->configurations++);
    planned->next = configs;
    configs = planned;
    planned->client = client;
    if (chance(&rand, 500) && tern_jar_new(client->engine->engine, &planned->jar) != TERN_OK)
        planned->jar = NULL; /* no memory */
    plan_tokens(planned);
    for (unsigned pattern = 0; pattern < PATTERNS && planned->site_count < SIM_SITES_MAX; pattern++) {
        struct sim_site *site = &planned->sites[planned->site_count];

        if (pattern > 0 && !chance(&rand, 250))
            continue;
        site->config = planned;
        site->pattern = pattern;
        plan_site(site, pattern > 0 ? &planned->sites[0] : NULL, &rand);
        snprintf(site->user_agent, sizeof(site->user_agent), "sim %u.%u.%u", client->number, client->configurations,
                 pattern);
        if (pattern > 0) {
            site->difference = (struct tern_client_config){.policy = &site->policy, .user_agent = site->user_agent};
            planned->hosts[planned->site_count - 1] =
                (struct tern_host_config){.host = patterns[pattern].host, .config = &site->difference};
        }
        planned->site_count++;
    }
    planned->sites[0].policy.cookies = planned->jar;
    config->policy = &planned->sites[0].policy;
    config->user_agent = planned->sites[0].user_agent;
    config->hosts = planned->hosts;
    config->host_count = planned->site_count - 1;
    return planned;
}

void sim_policy_given(struct sim_config *config)
{
    tern_jar_free(config->jar);
}

void sim_policy_configured(struct sim_config *config)
{
    struct sim_client *client = config->client;
    bool is_new = client->config == NULL || client->config->it != client->client;

    config->it = client->client;
    config->meters = is_new ? sim_alloc(sizeof(*config->meters)) : client->config->meters;
    config->owns_meters = is_new;
    client->config = config;
}

void sim_policy_end(void)
{
    while (configs != NULL) {
        struct sim_config *config = configs;

        configs = config->next;
        if (config->owns_meters)
            sim_free(config->meters);
        if (config->owns_tokens)
            sim_free(config->tokens);
        sim_free(config);
    }
}

/* ---- calls ---- */

void sim_policy_plan_call(struct sim_call *call)
{
    struct sim_policed *policed = &call->policed;
    struct tern_rand rand;
    char name[24];

    sim_stream(&rand, 'z', call->number);
    policed->has_own = chance(&rand, 200);
    plan_redirects(&policed->redirects, &rand);
    plan_retries(&policed->retries, call->client, &rand);
    policed->retries.config.user = &policed->retries;
    if (chance(&rand, 600))
        policed->own.redirects = &policed->redirects;
    if (chance(&rand, sim_users.is_broken ? 900 : 600))
        policed->own.retries = &policed->retries.config;
    if (chance(&rand, 400))
        policed->own.decoding = &policed->decoding;
    plan_hedging(&policed->hedging, &rand);
    if (chance(&rand, 400))
        policed->own.hedging = &policed->hedging;
    snprintf(name, sizeof(name), "own-%u", call->number);
    sim_identity_plan(&policed->identity, NULL, name, &rand);
    if (chance(&rand, 600))
        policed->own.auth = &policed->identity.auth;
    policed->links[0] = (struct sim_link){.origin = call->origin,
                                          .hop = 1,
                                          .method = call->method,
                                          .has_body = call->body != TERN_BODY_NONE,
                                          .keeps_secrets = true};
    policed->link_count = 1;
}
