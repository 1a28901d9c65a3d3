/* Policies: what their clients hold, and what the hooks are told, must be as planned. */
#include <stdio.h>

#include "base/num.h"
#include "base/str.h"
#include "client/call.h"
#include "policy/rate.h"
#include "policy/redirect.h"
#include "policy/retry.h"
#include "tests/sim/policy.h"
#include "tests/sim/user.h"

/* ---- what the client holds ---- */

struct sums {
    uint32_t pins, waiting, probing;
};

static struct sums sum_of(const struct tern_client *client, const struct tern_host_state *state)
{
    struct sums sums = {0};

    TERN_LIST_FOREACH(node, (struct tern_list *)&client->calls) {
        const struct tern_call *call = TERN_CONTAINER_OF(node, struct tern_call, node);

        sums.pins += (call->rate == state) + (call->breaker == state) + (call->pace == state);
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

    TERN_LIST_FOREACH(node, (struct tern_list *)&it->calls) {
        const struct tern_call *call = TERN_CONTAINER_OF(node, struct tern_call, node);

        retrying += call->is_retrying;
        retrying += call->hedge != NULL && call->hedge->phase == TERN_HEDGE_RACING;
    }
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

    snprintf(key, sizeof(key), "%c%04x%s", origin->is_secure ? 's' : 'h', origin->port, origin->host);
    state = state_of(config, key);
    return state != NULL ? &state->breaker : NULL;
}

/* ---- calls ---- */

/* Beside what retries may: those sent again, also of what answers a 401. */
#define ATTEMPTS_MORE (SIM_REFUSALS_MAX * (1 + TERN_REPLAYS_MAX))

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
        if (sim_policy_retries(call, origin) != NULL && sim_policy_retries(call, origin)->attempts_max > most)
            most = sim_policy_retries(call, origin)->attempts_max;
    return 2 * (most + ATTEMPTS_MORE); /* each with a hedge */
}

/* How often the redirects led away from where one did. */
static unsigned visits(const struct tern_result *result, size_t hop)
{
    unsigned count = 0;

    for (size_t i = 0; i < result->hop_count; i++)
        count += tern_str_eq(result->hops[i].from, result->hops[hop].from);
    return count;
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
        SIM_CHECK(visits(result, i) <= TERN_REDIRECT_VISITS_MAX, "call %u is led to %.*s %u times", call->number,
                  (int)result->hops[i].from.len, result->hops[i].from.ptr, visits(result, i));
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
    SIM_CHECK(call->policed.config == site->config && site == sim_policy_site(call, *origin),
              "%s for call %u to origin %u is that of pattern %u, not %u", what, call->number, *origin, site->pattern,
              sim_policy_site(call, *origin)->pattern);
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

/* Beside one that is not answered yet, where it is safe, and within the budget. */
static void check_hedge(const struct sim_site *site, const struct sim_call *call, unsigned origin)
{
    const struct tern_retries *retries = sim_policy_retries(call, origin);
    const struct tern_client *it = site->config->it;
    uint32_t percent = retries != NULL ? retries->budget_percent : TERN_RETRY_BUDGET_PERCENT;
    uint32_t least = retries != NULL ? retries->budget_min : TERN_RETRY_BUDGET_MIN;
    uint64_t share = (uint64_t)it->call_count * percent / 100;

    SIM_CHECK(sim_policy_hedging(call, origin) != NULL, "call %u is hedged, which it did not ask for", call->number);
    SIM_CHECK(call->policed.is_open && !call->policed.has_response && !call->policed.has_error,
              "call %u is hedged, and no attempt of it waits", call->number);
    SIM_CHECK(it->retrying_count <= (share > least ? share : least), "call %u is hedged beyond the budget: %u of %u",
              call->number, it->retrying_count, it->call_count);
}

void sim_policy_on_request(void *user, const struct tern_attempt *attempt)
{
    const struct sim_site *site = user;
    unsigned origin;
    struct sim_call *call = enter(user, attempt, &origin, "on_request");
    struct sim_policed *policed = &call->policed;
    const struct tern_redirects *redirects = sim_policy_redirects(call, call->origin);
    const struct tern_retries *retries = sim_policy_retries(call, origin);

    SIM_CHECK(!call->is_cancelled, "on_request for call %u after its cancel", call->number);
    SIM_CHECK(!policed->is_racing, "on_request for call %u, with two attempts under way", call->number);
    SIM_CHECK(!policed->is_open || policed->has_response || policed->has_error || attempt->hedge,
              "on_request for call %u, and nothing was told of the attempt before", call->number);
    if (attempt->hop != policed->hop)
        policed->retries_of_hop = policed->refusals = 0;
    policed->hop = attempt->hop;
    SIM_CHECK(attempt->hop == 1 || (redirects != NULL && attempt->hop <= SIM_HOPS_MAX - 1), "call %u is at hop %u",
              call->number, attempt->hop);
    SIM_CHECK(attempt->attempt <= 2 * ((retries != NULL ? retries->attempts_max : 1) + ATTEMPTS_MORE),
              "call %u is at attempt %u", call->number, attempt->attempt);
    if (attempt->hedge)
        check_hedge(site, call, origin);
    policed->is_racing = attempt->hedge;
    policed->is_open = true;
    policed->has_response = policed->has_error = false;
    policed->had[policed->asked++ % SIM_ATTEMPTS_KEPT] = call->received;
    policed->asked_of = origin;
    policed->retry_wait_ns = 0;
    check_rate(site, call, origin);
    check_breaker(site, call, origin);
    if (!attempt->hedge)
        sim_identity_check_attempt(call, attempt);
    sim_call_act(call);
}

/* A field that says a number, or 0. */
static uint64_t number_in(const struct tern_head *head, const char *name)
{
    struct tern_str value = tern_fields_get(head->fields, head->field_count, name);
    uint64_t number = 0;

    SIM_CHECK(value.ptr == NULL || tern_u64_parse(value, UINT32_MAX, &number), "%s is \"%.*s\"", name, (int)value.len,
              value.ptr);
    return number;
}

/* How long Retry-After says to wait: what it says as a date the server has put in X-Until as well. */
static uint64_t retry_wait_of(const struct tern_head *head)
{
    uint64_t until_s = number_in(head, "X-Until"), wall_s = sim_wall_s();

    if (head->status != 429 && head->status != 503)
        return 0;
    if (until_s != 0)
        return until_s > wall_s ? (until_s - wall_s) * TERN_S : 0;
    return number_in(head, "Retry-After") * TERN_S;
}

/* How long the answer holds the host's calls back. */
static void note_hold(const struct sim_site *site, const struct sim_call *call, unsigned origin,
                      const struct tern_head *head)
{
    uint64_t until_ns = number_in(head, "X-Hold") * TERN_S, wait_ns = call->policed.retry_wait_ns;
    const struct tern_rate *rate = site->effective.rate;
    struct sim_meter *meter;

    if (rate == NULL || rate->ignore_answers)
        return;
    meter = &site->config->meters->of[site->rate][rate->group != NULL ? 0 : origin];
    if (wait_ns > TERN_RATE_HOLD_MAX_NS)
        wait_ns = TERN_RATE_HOLD_MAX_NS;
    until_ns = sim.now_ns + (until_ns > wait_ns ? until_ns : wait_ns);
    if (until_ns > meter->hold_ns)
        meter->hold_ns = until_ns;
}

void sim_policy_on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head)
{
    unsigned origin;
    struct sim_call *call = enter(user, attempt, &origin, "on_response");
    struct sim_policed *policed = &call->policed;

    SIM_CHECK(!call->is_cancelled, "on_response for call %u after its cancel", call->number);
    SIM_CHECK(policed->is_open && !policed->has_response && !policed->has_error, "on_response for call %u out of order",
              call->number);
    policed->has_response = !policed->is_racing;
    policed->is_racing = false;
    policed->live_peak = policed->config->it->call_count;
    policed->retry_wait_ns = policed->has_response ? retry_wait_of(head) : 0;
    policed->refusals += head->status == 401;
    SIM_CHECK(policed->refusals <= SIM_REFUSALS_MAX, "call %u is refused %u times", call->number, policed->refusals);
    note_hold(user, call, origin, head);
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

void sim_policy_on_error(void *user, const struct tern_attempt *attempt, const struct tern_fault *fault)
{
    unsigned origin;
    struct sim_call *call = enter(user, attempt, &origin, "on_error");
    struct sim_policed *policed = &call->policed;

    SIM_CHECK(fault->error != TERN_OK, "on_error for call %u without an error", call->number);
    SIM_CHECK(!policed->is_open || !policed->has_error || policed->error_attempt != attempt->attempt ||
                  policed->hop != attempt->hop,
              "a second on_error for attempt %u of call %u", attempt->attempt, call->number);
    policed->has_error = !policed->is_racing;
    policed->is_racing = false;
    policed->error_attempt = attempt->attempt;
    if (!policed->has_response) /* else it may be that its head was what decided */
        policed->live_peak = policed->config->it->call_count;
    if (fault->error == TERN_EBREAKER)
        check_broken(user, call, origin);
    sim_check_output("a fault", fault->text, strlen(fault->text));
    sim_call_act(call);
}

void sim_policy_on_retry(void *user, uint64_t id, const struct tern_retry *retry)
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
    SIM_CHECK(retry->status == 0 || (retry->delay_ns >= policed->retry_wait_ns &&
                                     policed->retry_wait_ns <= retries->config.retry_after_max_ns),
              "call %u is to wait %llu ns, and tries again after %llu", call->number,
              (unsigned long long)policed->retry_wait_ns, (unsigned long long)retry->delay_ns);
    SIM_CHECK(++policed->retries_of_hop < retries->config.attempts_max, "call %u is tried again %u times", call->number,
              policed->retries_of_hop);
    sim_call_act(call);
}
