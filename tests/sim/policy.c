/* Policies: plans of them, and what every attempt and every request must be because of them. */
#include "tests/sim/policy.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"
#include "base/str.h"
#include "client/call.h"
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

static const struct sim_site *site_of(const struct sim_call *call, unsigned origin)
{
    const struct sim_config *config = call->policed.config;
    const struct sim_site *best = &config->sites[0];

    for (unsigned i = 1; i < config->site_count; i++)
        if ((patterns[config->sites[i].pattern].origins >> origin & 1) != 0 && config->sites[i].pattern > best->pattern)
            best = &config->sites[i];
    return best;
}

static const struct tern_redirects *redirects_of(const struct sim_call *call, unsigned origin)
{
    return call->policed.has_own ? call->policed.own.redirects : site_of(call, origin)->effective.redirects;
}

static const struct tern_retries *retries_of(const struct sim_call *call, unsigned origin)
{
    return call->policed.has_own ? call->policed.own.retries : site_of(call, origin)->effective.retries;
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

static void on_retry(void *user, uint64_t id, const struct tern_retry *retry);

/* The budget is the client's, so that it can be told whether it was kept. */
static void plan_retries(struct sim_retries *retries, struct sim_client *client, struct tern_rand *rand)
{
    static const uint16_t statuses[] = {500, 503, 429};

    *retries = (struct sim_retries){.client = client,
                                    .config = {.attempts_max = 1 + (uint32_t)tern_rand_below(rand, 5),
                                               .backoff_ns = 1 + tern_rand_below(rand, 200 * TERN_MS),
                                               .backoff_max_ns = 1 + tern_rand_below(rand, 2 * TERN_S),
                                               .retry_after_max_ns = 1 + tern_rand_below(rand, 20 * TERN_S),
                                               .unsafe_too = chance(rand, 150),
                                               .budget_percent = client->budget_percent,
                                               .budget_min = client->budget_min,
                                               .on_retry = on_retry}};
    if (chance(rand, 300)) {
        retries->config.statuses = statuses;
        retries->config.status_count = 1 + tern_rand_below(rand, 3);
    }
}

static void plan_breaker(struct tern_breaker *breaker, struct tern_rand *rand)
{
    *breaker = (struct tern_breaker){.failures = 1 + (uint32_t)tern_rand_below(rand, 5),
                                     .failure_percent = 1 + (uint32_t)tern_rand_below(rand, 100),
                                     .window_ns = 1 + tern_rand_below(rand, 5 * TERN_S),
                                     .window_calls_min = 1 + (uint32_t)tern_rand_below(rand, 10),
                                     .open_ns = 1 + tern_rand_below(rand, 2 * TERN_S),
                                     .probes = 1 + (uint32_t)tern_rand_below(rand, 3)};
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
    client->budget_min = 1 + (uint32_t)tern_rand_below(rand, 5);
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

static void on_request(void *user, const struct tern_attempt *attempt);
static void on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head);
static void on_error(void *user, const struct tern_attempt *attempt, const struct tern_fault *fault);

/* A site's policy: what it says itself, and what it has of base, the client's own (NULL: it is that). */
static void plan_site(struct sim_site *site, const struct sim_site *base, struct tern_rand *rand)
{
    struct tern_policy *policy = &site->policy, *effective = &site->effective;
    struct sim_client *client = site->config->client;

    if (base != NULL)
        *effective = base->effective;
    site->rate = base != NULL ? base->rate : -1;
    site->hooks = (struct tern_hooks){on_request, on_response, on_error, site};
    policy->hooks = effective->hooks = &site->hooks;
    plan_gate(&site->gate, rand);
    if (chance(rand, 150) || (sim_users.is_gated && base == NULL))
        policy->gate = effective->gate = &site->gate;
    plan_redirects(&site->redirects, rand);
    if (chance(rand, 600))
        policy->redirects = effective->redirects = &site->redirects;
    plan_retries(&site->retries, client, rand);
    site->retries.config.user = &site->retries;
    if (chance(rand, 500))
        policy->retries = effective->retries = &site->retries.config;
    if (chance(rand, 300)) {
        site->rate = (int)tern_rand_below(rand, SIM_RATES);
        policy->rate = effective->rate = &client->rates[site->rate];
    }
    plan_breaker(&site->breaker, rand);
    if (chance(rand, 300))
        policy->breaker = effective->breaker = &site->breaker;
}

struct sim_config *sim_policy_configure(struct sim_client *client, struct tern_client_config *config)
{
    struct sim_config *planned = sim_alloc(sizeof(*planned));
    struct tern_rand rand;

    sim_stream(&rand, 'y', client->number << 16 | client->configurations++);
    planned->next = configs;
    configs = planned;
    planned->client = client;
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
                (struct tern_host_config){patterns[pattern].host, &site->difference};
        }
        planned->site_count++;
    }
    config->policy = &planned->sites[0].policy;
    config->user_agent = planned->sites[0].user_agent;
    config->hosts = planned->hosts;
    config->host_count = planned->site_count - 1;
    return planned;
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
        sim_free(config);
    }
}

/* ---- what the client holds ---- */

struct sums {
    uint32_t pins, waiting, probing;
};

static struct sums sum_of(const struct tern_client *client, const struct tern_host_state *state)
{
    struct sums sums = {0};

    TERN_LIST_FOREACH(node, (struct tern_list *)&client->calls) {
        const struct tern_call *call = TERN_CONTAINER_OF(node, struct tern_call, node);

        sums.pins += (call->rate == state) + (call->breaker == state);
        sums.waiting += call->rate == state && tern_list_is_linked(&call->in_line);
        sums.probing += call->breaker == state && state->breaker.phase == TERN_BREAKER_HALF_OPEN &&
                        call->breaker_round == state->breaker.round;
    }
    return sums;
}

void sim_policy_check(const struct sim_client *client)
{
    const struct tern_client *it = client->client;
    uint32_t retrying = 0;

    TERN_LIST_FOREACH(node, (struct tern_list *)&it->calls)
        retrying += TERN_CONTAINER_OF(node, struct tern_call, node)->is_retrying;
    SIM_CHECK(retrying == it->retrying_count, "client %u counts %u calls in a retry, and has %u", client->number,
              it->retrying_count, retrying);
    for (const struct tern_hash_node *node = tern_hash_walk(&it->hosts.table, NULL); node != NULL;
         node = tern_hash_walk(&it->hosts.table, node)) {
        const struct tern_host_state *state = TERN_CONTAINER_OF(node, struct tern_host_state, hash);
        struct sums sums = sum_of(it, state);

        SIM_CHECK(state->pins == sums.pins, "%.*s has %u pins of %u calls", (int)state->key_len, state->key,
                  state->pins, sums.pins);
        SIM_CHECK(state->line_count == sums.waiting, "%.*s counts %u waiting calls of %u", (int)state->key_len,
                  state->key, state->line_count, sums.waiting);
        SIM_CHECK(state->breaker.probing == sums.probing, "%.*s counts %u probes of %u", (int)state->key_len,
                  state->key, state->breaker.probing, sums.probing);
    }
}

/* What the client remembers under a key, or NULL. */
static const struct tern_host_state *state_of(const struct sim_config *config, const char *key)
{
    const struct tern_hosts *hosts = &config->it->hosts;

    for (const struct tern_hash_node *node = tern_hash_walk(&hosts->table, NULL); node != NULL;
         node = tern_hash_walk(&hosts->table, node)) {
        const struct tern_host_state *state = TERN_CONTAINER_OF(node, struct tern_host_state, hash);

        if (state->key_len == strlen(key) && memcmp(state->key, key, state->key_len) == 0)
            return state;
    }
    return NULL;
}

static const struct tern_breaker_state *breaker_of(const struct sim_config *config, unsigned number)
{
    const struct sim_origin *origin = &sim_origins[number];
    const struct tern_host_state *state;
    char key[80];

    snprintf(key, sizeof(key), "%d%u %s", origin->is_secure, origin->port, origin->host);
    state = state_of(config, key);
    return state != NULL ? &state->breaker : NULL;
}

/* ---- calls ---- */

void sim_policy_plan_call(struct sim_call *call)
{
    struct sim_policed *policed = &call->policed;
    struct tern_rand rand;

    sim_stream(&rand, 'z', call->number);
    policed->has_own = chance(&rand, 200);
    plan_redirects(&policed->redirects, &rand);
    plan_retries(&policed->retries, call->client, &rand);
    policed->retries.config.user = &policed->retries;
    if (chance(&rand, 600))
        policed->own.redirects = &policed->redirects;
    if (chance(&rand, 600))
        policed->own.retries = &policed->retries.config;
    policed->links[0] = (struct sim_link){.origin = call->origin,
                                          .hop = 1,
                                          .method = call->method,
                                          .has_body = call->body != TERN_BODY_NONE,
                                          .keeps_secrets = true};
    policed->link_count = 1;
}

static bool is_of(const struct sim_call *call, const struct tern_client *client)
{
    return call->state == SIM_CALL_LIVE && call->policed.config->it == client;
}

/* Who has decided to try again may do so later: until then the client may have had more calls. */
static void note_peak(const struct tern_client *client)
{
    for (unsigned i = 0; i < sim.call_count; i++) {
        struct sim_call *call = &sim_users.calls[i];

        if (is_of(call, client) && call->policed.live_peak < client->call_count)
            call->policed.live_peak = client->call_count;
    }
}

void sim_policy_started(struct sim_call *call)
{
    note_peak(call->policed.config->it);
}

uint32_t sim_policy_attempts_max(const struct sim_call *call)
{
    uint32_t most = 1;

    for (unsigned origin = 0; origin < SIM_ORIGINS_ALL; origin++)
        if (retries_of(call, origin) != NULL && retries_of(call, origin)->attempts_max > most)
            most = retries_of(call, origin)->attempts_max;
    return most + TERN_REPLAYS_MAX;
}

void sim_policy_ended(struct sim_call *call, const struct tern_result *result)
{
    struct sim_policed *policed = &call->policed;
    bool is_well = result->fault.error == TERN_OK;
    bool is_untaken = call->is_posted && policed->asked == 0; /* refused when the post was taken up: no attempt */

    SIM_CHECK(!is_well || (policed->is_open && policed->has_response && !policed->has_error),
              "call %u ends well, which no hook was told", call->number);
    SIM_CHECK(is_well || policed->has_error || is_untaken, "call %u ends with %s, which no hook was told", call->number,
              tern_error_name(result->fault.error));
    for (size_t i = 0; i < result->hop_count; i++) {
        sim_check_output("the audit", result->hops[i].from.ptr, result->hops[i].from.len);
        sim_check_output("the audit", result->hops[i].to.ptr, result->hops[i].to.len);
        SIM_CHECK(result->hops[i].followed == (result->hops[i].reason[0] == '\0'),
                  "hop %zu of call %u was followed, or not: %s", i, call->number, result->hops[i].reason);
    }
}

/* ---- hooks ---- */

static struct sim_call *find(const struct sim_client *client, uint64_t id)
{
    for (unsigned i = 0; i < sim.call_count; i++) {
        struct sim_call *call = &sim_users.calls[i];

        if (call->client == client && call->state == SIM_CALL_LIVE && call->id == id)
            return call;
    }
    sim_fail("a hook of client %u is told of a call that is none", client->number);
}

static unsigned origin_of(const struct tern_attempt *attempt)
{
    char host[64];

    for (unsigned i = 0; i < SIM_ORIGINS_ALL; i++) {
        const struct sim_origin *origin = &sim_origins[i];

        snprintf(host, sizeof(host), origin->is_standard ? "%s" : "%s:%u", origin->host, origin->port);
        if (attempt->scheme.len == strlen(origin->scheme) && attempt->authority.len == strlen(host) &&
            memcmp(attempt->authority.ptr, host, strlen(host)) == 0)
            return i;
    }
    sim_fail("a hook is told of host %.*s", (int)attempt->authority.len, attempt->authority.ptr);
}

/* It is the right site's hook. */
static struct sim_call *enter(void *user, const struct tern_attempt *attempt, unsigned *origin, const char *what)
{
    const struct sim_site *site = user;
    struct sim_call *call = find(site->config->client, attempt->call);

    *origin = origin_of(attempt);
    SIM_CHECK(call->client->engine->is_in_step, "%s for call %u from outside a step", what, call->number);
    SIM_CHECK(call->policed.config == site->config && site == site_of(call, *origin),
              "%s for call %u to origin %u is that of pattern %u, not %u", what, call->number, *origin, site->pattern,
              site_of(call, *origin)->pattern);
    sim_note("call %u: %s, hop %u, attempt %u", call->number, what, attempt->hop, attempt->attempt);
    return call;
}

/* No window has more starts than the rate, and what the host said is honoured. */
static void check_rate(const struct sim_site *site, const struct sim_call *call, unsigned origin)
{
    const struct tern_rate *rate = site->effective.rate;
    uint64_t each, burst_ns;
    const struct tern_host_state *state;
    struct sim_meter *meter;
    char key[80];

    if (rate == NULL)
        return;
    meter = &site->config->meters->of[site->rate][rate->group != NULL ? 0 : origin];
    each = rate->period_ns / rate->calls > 0 ? rate->period_ns / rate->calls : 1;
    burst_ns = (rate->burst - 1) * each;
    SIM_CHECK(sim.now_ns >= meter->hold_ns, "call %u starts %llu ns before its host allowed it", call->number,
              (unsigned long long)(meter->hold_ns - sim.now_ns));
    SIM_CHECK(meter->full_ns <= sim.now_ns + burst_ns, "call %u starts %llu ns before the rate allows it", call->number,
              (unsigned long long)(meter->full_ns - sim.now_ns - burst_ns));
    meter->full_ns = (meter->full_ns > sim.now_ns ? meter->full_ns : sim.now_ns) + each;
    snprintf(key, sizeof(key), rate->group != NULL ? "=%s" : "@%s",
             rate->group != NULL ? rate->group : sim_origins[origin].host);
    state = state_of(site->config, key);
    SIM_CHECK(state != NULL && state->rate.full_ns == meter->full_ns,
              "call %u starts, and its rate counts calls that did not", call->number);
}

static void check_breaker(const struct sim_site *site, const struct sim_call *call, unsigned origin)
{
    const struct tern_breaker *breaker = site->effective.breaker;
    const struct tern_breaker_state *state;

    if (breaker == NULL)
        return;
    state = breaker_of(site->config, origin);
    SIM_CHECK(state != NULL && state->phase != TERN_BREAKER_OPEN, "call %u starts though its breaker is open",
              call->number);
    SIM_CHECK(state->phase != TERN_BREAKER_HALF_OPEN || state->probing > 0, "call %u starts and is no probe",
              call->number);
}

static void on_request(void *user, const struct tern_attempt *attempt)
{
    const struct sim_site *site = user;
    unsigned origin;
    struct sim_call *call = enter(user, attempt, &origin, "on_request");
    struct sim_policed *policed = &call->policed;
    const struct tern_redirects *redirects = redirects_of(call, call->origin);
    const struct tern_retries *retries = retries_of(call, origin);

    SIM_CHECK(!call->is_cancelled, "on_request for call %u after its cancel", call->number);
    SIM_CHECK(!policed->is_open || policed->has_response || policed->has_error,
              "on_request for call %u, and nothing was told of the attempt before", call->number);
    if (attempt->hop != policed->hop)
        policed->retries_of_hop = 0;
    policed->hop = attempt->hop;
    SIM_CHECK(attempt->hop == 1 || (redirects != NULL && attempt->hop <= SIM_HOPS_MAX - 1), "call %u is at hop %u",
              call->number, attempt->hop);
    SIM_CHECK(attempt->attempt <= (retries != NULL ? retries->attempts_max : 1) + TERN_REPLAYS_MAX,
              "call %u is at attempt %u", call->number, attempt->attempt);
    policed->is_open = true;
    policed->has_response = policed->has_error = false;
    policed->asked++;
    check_rate(site, call, origin);
    check_breaker(site, call, origin);
    sim_call_act(call);
}

/* How long the answer holds the host's calls back. */
static void note_hold(const struct sim_site *site, unsigned origin, const struct tern_head *head)
{
    struct tern_str hold = tern_fields_get(head->fields, head->field_count, "X-Hold");
    const struct tern_rate *rate = site->effective.rate;
    struct sim_meter *meter;
    uint64_t until_ns;

    if (hold.ptr == NULL || rate == NULL || rate->ignore_answers)
        return;
    meter = &site->config->meters->of[site->rate][rate->group != NULL ? 0 : origin];
    SIM_CHECK(tern_u64_parse(hold, 1000, &until_ns), "X-Hold is \"%.*s\"", (int)hold.len, hold.ptr);
    until_ns = sim.now_ns + until_ns * TERN_S;
    if (until_ns > meter->hold_ns)
        meter->hold_ns = until_ns;
}

static void on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head)
{
    unsigned origin;
    struct sim_call *call = enter(user, attempt, &origin, "on_response");
    struct sim_policed *policed = &call->policed;

    SIM_CHECK(!call->is_cancelled, "on_response for call %u after its cancel", call->number);
    SIM_CHECK(policed->is_open && !policed->has_response && !policed->has_error, "on_response for call %u out of order",
              call->number);
    policed->has_response = true;
    policed->live_peak = policed->config->it->call_count;
    note_hold(user, origin, head);
    sim_call_act(call);
}

/* A breaker that is not asked again would never close. */
static void check_broken(const struct sim_site *site, const struct sim_call *call, unsigned origin)
{
    const struct tern_breaker_state *state = breaker_of(site->config, origin);

    SIM_CHECK(site->effective.breaker != NULL && state != NULL, "call %u is refused by no breaker", call->number);
    SIM_CHECK((state->phase == TERN_BREAKER_OPEN && sim.now_ns - state->opened_ns < site->effective.breaker->open_ns) ||
                  (state->phase == TERN_BREAKER_HALF_OPEN && state->probing > 0),
              "call %u is refused by a breaker that nobody probes", call->number);
}

static void on_error(void *user, const struct tern_attempt *attempt, const struct tern_fault *fault)
{
    unsigned origin;
    struct sim_call *call = enter(user, attempt, &origin, "on_error");
    struct sim_policed *policed = &call->policed;

    SIM_CHECK(fault->error != TERN_OK, "on_error for call %u without an error", call->number);
    SIM_CHECK(!policed->is_open || !policed->has_error || policed->error_attempt != attempt->attempt ||
                  policed->hop != attempt->hop,
              "a second on_error for attempt %u of call %u", attempt->attempt, call->number);
    policed->has_error = true;
    policed->error_attempt = attempt->attempt;
    policed->live_peak = policed->config->it->call_count;
    if (fault->error == TERN_EBREAKER)
        check_broken(user, call, origin);
    sim_check_output("a fault", fault->text, strlen(fault->text));
    sim_call_act(call);
}

static void on_retry(void *user, uint64_t id, const struct tern_retry *retry)
{
    const struct sim_retries *retries = user;
    const struct sim_client *client = retries->client;
    struct sim_call *call = find(client, id);
    struct sim_policed *policed = &call->policed;
    uint64_t share = (uint64_t)policed->live_peak * retries->config.budget_percent / 100, retrying = 0;

    sim_note("call %u: retry %u", call->number, retry->attempt);
    policed->is_retrying = true;
    for (unsigned i = 0; i < sim.call_count; i++)
        retrying += is_of(&sim_users.calls[i], policed->config->it) && sim_users.calls[i].policed.is_retrying;
    SIM_CHECK(retrying <= (share > retries->config.budget_min ? share : retries->config.budget_min),
              "%llu calls of client %u are in a retry, of %u", (unsigned long long)retrying, client->number,
              policed->live_peak);
    SIM_CHECK(++policed->retries_of_hop < retries->config.attempts_max, "call %u is tried again %u times", call->number,
              policed->retries_of_hop);
    sim_call_act(call);
}

/* ---- servers ---- */

unsigned sim_policy_link(const struct sim_call *call, const char *path)
{
    unsigned number = 0, link = 0;
    char expected[64];

    (void)sscanf(path, "/c%u?q=1&l=%u", &number, &link);
    snprintf(expected, sizeof(expected), link == 0 ? "%s" : "%s&l=%u", call->path, link);
    SIM_CHECK(strcmp(path, expected) == 0 && link < call->policed.link_count, "call %u asks for %s", call->number,
              path);
    return link;
}

static bool is_gate_open(const struct tern_gate *gate, const struct sim_call *call, const struct sim_link *link,
                         const char *address)
{
    const struct sim_origin *origin = &sim_origins[link->origin];
    bool is_port = gate->port_count == 0, is_name = link->origin != SIM_ORIGIN_LITERAL;

    for (size_t i = 0; i < gate->port_count; i++)
        is_port |= gate->ports[i] == origin->port;
    if (!is_port || (gate->https_only && !origin->is_secure) || (gate->allow_count > 0 && !is_name) ||
        (gate->refuse_userinfo && call->has_userinfo && link->hop == 1))
        return false;
    if ((gate->deny_count > 0 && link->origin == 2) || (gate->deny_count > 1 && !is_name) ||
        (gate->deny_count > 2 && is_name))
        return false;
    if (strncmp(address, "unix:", 5) == 0)
        return true;
    return !gate->public_only && gate->check(NULL, &(struct tern_gate_question){.address = address}) == NULL;
}

void sim_policy_check_request(const struct sim_request *request, const struct sim_link *link)
{
    struct sim_call *call = request->call;
    const struct sim_site *site = site_of(call, link->origin);
    char address[TERN_SOCKADDR_TEXT_MAX];

    tern_sockaddr_print(&request->peer->socket->address, address, sizeof(address));
    SIM_CHECK(!link->is_refused, "call %u follows a redirect that its policy refuses", call->number);
    SIM_CHECK(strcmp(request->user_agent, site->user_agent) == 0, "call %u to origin %u goes by \"%s\", not \"%s\"",
              call->number, link->origin, request->user_agent, site->user_agent);
    SIM_CHECK(site->effective.gate == NULL || is_gate_open(site->effective.gate, call, link, address),
              "call %u comes to origin %u at %s, which its gate refuses", call->number, link->origin, address);
    SIM_CHECK(++call->policed.seen <= call->policed.asked, "call %u makes %u requests in %u attempts", call->number,
              call->policed.seen, call->policed.asked);
}

bool sim_policy_may_repeat(const struct sim_call *call, const struct sim_link *link)
{
    const struct tern_retries *retries = retries_of(call, link->origin);

    return (strcmp(link->method, "POST") != 0 && strcmp(link->method, "PATCH") != 0) || call->has_key ||
           (retries != NULL && retries->unsafe_too);
}

static void add_field(struct sim_answer *answer, const char *name, const char *format, ...) TERN_PRINTF(3, 4);

static void add_field(struct sim_answer *answer, const char *name, const char *format, ...)
{
    struct sim_field *field = &answer->fields[answer->field_count++];
    va_list args;

    field->name = name;
    va_start(args, format);
    vsnprintf(field->value, sizeof(field->value), format, args);
    va_end(args);
}

/* What a client of this policy makes of its request behind a redirect (RFC 9110 15.4). */
static struct sim_link next_link(const struct sim_call *call, const struct sim_link *link, unsigned status,
                                 unsigned origin)
{
    const struct tern_redirects *redirects = redirects_of(call, link->origin);
    const struct sim_origin *from = &sim_origins[link->origin], *to = &sim_origins[origin];
    bool is_post = strcmp(link->method, "POST") == 0, keeps_post = false, to_get = false;
    struct sim_link next = *link;

    next.origin = origin;
    next.hop++;
    next.is_refused = redirects == NULL || link->hop > redirects->hops_max;
    if (redirects == NULL)
        return next;
    if (status <= 303)
        keeps_post = status == 301   ? redirects->keep_post_301
                     : status == 302 ? redirects->keep_post_302
                                     : redirects->keep_post_303;
    if (status <= 303 && is_post)
        to_get = !keeps_post;
    else if (status == 303)
        to_get = strcmp(link->method, "GET") != 0 && strcmp(link->method, "HEAD") != 0;
    if (to_get)
        next.method = "GET";
    next.has_body = link->has_body && !to_get;
    next.keeps_secrets = link->keeps_secrets && (origin == link->origin || redirects->keep_secrets);
    next.is_refused |= (from->is_secure && !to->is_secure && !redirects->allow_downgrade) ||
                       (origin != link->origin && redirects->same_origin_only);
    return next;
}

static void redirect(struct sim_request *request)
{
    static const unsigned statuses[] = {301, 302, 303, 307, 308};
    struct sim_call *call = request->call;
    struct sim_policed *policed = &call->policed;
    const struct sim_link *link = &policed->links[request->link];
    unsigned number = policed->link_count, origin = link->origin;
    const struct sim_origin *to;
    char port[8] = "";

    if (number == SIM_LINKS_MAX || link->hop + 1 >= SIM_HOPS_MAX)
        return;
    if (sim_chance(200))
        origin = call->origin; /* back where its secrets are at home */
    else if (sim_chance(600))
        origin = (unsigned)sim_below(SIM_ORIGINS_ALL);
    to = &sim_origins[origin];
    request->answer.status = statuses[sim_below(5)];
    policed->links[number] = next_link(call, link, request->answer.status, origin);
    policed->link_count++;
    if (!to->is_standard)
        snprintf(port, sizeof(port), ":%u", to->port);
    if (sim_chance(50))
        add_field(&request->answer, "location", "%s", sim_chance(500) ? "ftp://o0.sim/" : "http://[");
    else if (origin == link->origin && sim_chance(500))
        add_field(&request->answer, "location", "?q=1&l=%u#there", number);
    else if (to->is_secure == sim_origins[link->origin].is_secure && sim_chance(300))
        add_field(&request->answer, "location", "//%s%s/x/../c%u?q=1&l=%u", to->host, port, call->number, number);
    else
        add_field(&request->answer, "location", "%s://%s%s%s/c%u?q=1&l=%u", to->scheme, sim_chance(100) ? "xx:yy@" : "",
                  to->host, port, call->number, number);
}

static void complain(struct sim_answer *answer)
{
    unsigned wait_s = (unsigned)sim_below(sim_chance(100) ? 100 : 4), left_s = (unsigned)sim_below(4);
    bool has_wait = sim_chance(600), has_left = sim_chance(300);

    answer->status = sim_chance(500) ? 429 : 503;
    if (has_wait)
        add_field(answer, "retry-after", "%u", wait_s);
    if (has_left && sim_chance(500)) {
        add_field(answer, "ratelimit", "\"default\";r=0;t=%u", left_s);
    } else if (has_left) {
        add_field(answer, "x-ratelimit-remaining", "0");
        add_field(answer, "x-ratelimit-reset", "%u", left_s);
    }
    wait_s = has_wait ? wait_s : 0;
    left_s = has_left ? left_s : 0;
    add_field(answer, "x-hold", "%u", wait_s > left_s ? wait_s : left_s);
}

void sim_policy_plan_answer(struct sim_request *request)
{
    if (sim_fault(SIM_FAULT_REDIRECT))
        redirect(request);
    else if (sim_fault(SIM_FAULT_OVERLOAD))
        complain(&request->answer);
}
