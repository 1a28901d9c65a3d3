#include "client/admission.h"

#include <string.h>

#include "base/fault.h"
#include "base/num.h"
#include "base/str.h"
#include "client/trace.h"

static uint64_t now(const struct tern_call *call)
{
    return call->client->engine->now_ns;
}

/* Keys of the kinds do not meet: a group's starts with '=', a host's with '@', an origin's with its scheme's letter. */
static struct tern_host_state *pin(struct tern_call *call, struct tern_str kind, struct tern_str text)
{
    char key[TERN_HOST_TEXT_MAX + 16];

    memcpy(key, kind.ptr, kind.len);
    memcpy(key + kind.len, text.ptr, text.len);
    return tern_hosts_pin(&call->client->hosts, tern_str_n(key, kind.len + text.len));
}

struct tern_host_state *tern_call_pin_origin(struct tern_call *call)
{
    const struct tern_origin *origin = &call->origin;
    static const char digits[] = "0123456789abcdef";
    const unsigned port = origin->port;
    const char kind[] = {origin->is_secure ? 's' : 'h', digits[port >> 12], digits[port >> 8 & 15],
                         digits[port >> 4 & 15], digits[port & 15]};

    return pin(call, tern_str_n(kind, sizeof(kind)), tern_host_text(&origin->host));
}

/* ---- the breaker ---- */

/* One address may be bad while the origin is not. The last thing of all: who is told may cancel the call. */
static void note_address(struct tern_call *call, struct tern_host_state *state, enum tern_breaker_outcome outcome)
{
    const struct tern_outlier_note note = {.address = call->result.remote,
                                           .choices = call->active->choices,
                                           .now_ns = now(call),
                                           .is_failure = outcome == TERN_BREAKER_BADLY};
    uint64_t until_ns;
    enum tern_outlier_verdict verdict =
        tern_outliers_note(call->site->policy.breaker, &state->outliers, &note, &until_ns);

    if (verdict == TERN_OUTLIER_NONE)
        return;
    tern_call_transport(call)->ops->avoid(call->active, until_ns);
    if (verdict != TERN_OUTLIER_SET_ASIDE)
        return;
    call->client->stats.addresses_set_aside++;
    tern_call_trace(call, "%s keeps failing: it is set aside for %llu ms", call->result.remote,
                    (unsigned long long)((until_ns - now(call)) / TERN_MS));
}

static void note_breaker(struct tern_call *call, enum tern_breaker_outcome outcome)
{
    struct tern_host_state *state = call->breaker;

    if (state == NULL)
        return;
    call->breaker = NULL;
    tern_breaker_note(call->site->policy.breaker, &state->breaker, now(call), call->breaker_round, outcome);
    tern_hosts_unpin(state);
    if (outcome != TERN_BREAKER_UNKNOWN)
        note_address(call, state, outcome);
}

static bool admit_breaker(struct tern_call *call, const struct tern_breaker *config, struct tern_fault *why)
{
    if (call->breaker != NULL && !tern_list_is_linked(&call->in_line) &&
        call->breaker_round == call->breaker->breaker.round)
        return true;                          /* sent again, and nothing has happened since */
    note_breaker(call, TERN_BREAKER_UNKNOWN); /* much may have happened while it stood in line */
    call->breaker = tern_call_pin_origin(call);
    if (call->breaker == NULL) {
        tern_fault_plain(why, TERN_ENOMEM);
        return false;
    }
    if (tern_breaker_admits(config, &call->breaker->breaker, now(call), &call->breaker_round))
        return true;
    tern_hosts_unpin(call->breaker);
    call->breaker = NULL;
    call->client->stats.broken++;
    tern_fault_set(why, TERN_EBREAKER, "%s kept failing: it is asked again after policy.breaker.open_ns",
                   call->origin.host.text);
    return false;
}

/* ---- the rate ---- */

static bool refuse_rate(const struct tern_call *call, enum tern_error error, uint64_t at_ns, struct tern_fault *why)
{
    if (error == TERN_EQUEUE)
        tern_fault_set(why, TERN_EQUEUE, "%u calls to %s wait already (policy.rate.queue_max)", call->rate->line_count,
                       call->origin.host.text);
    else
        tern_fault_set(why, TERN_ERATE, "%s: the call would have to wait %llu ms more", call->origin.host.text,
                       (unsigned long long)((at_ns - now(call)) / TERN_MS));
    return false;
}

static bool is_first(const struct tern_call *call)
{
    return call->rate->line.next == &call->in_line;
}

/* When a call in line has something to do: its turn has come, or its patience is over. */
static uint64_t wakes_at(const struct tern_call *call, uint64_t turn_ns)
{
    return is_first(call) && turn_ns < call->patience_ns ? turn_ns : call->patience_ns;
}

static void wake_first(struct tern_call *call, const struct tern_rate *config)
{
    struct tern_host_state *state = call->rate;
    struct tern_call *first = TERN_CONTAINER_OF(state->line.next, struct tern_call, in_line);

    if (tern_list_is_empty(&state->line) || first->state != TERN_CALL_NEW)
        return; /* one that is about to end wakes the next itself */
    tern_timer_arm(call->client->engine, &first->delay,
                   wakes_at(first, tern_rate_at(config, &state->rate, now(call), 0)));
}

static void leave_line(struct tern_call *call, const struct tern_rate *config)
{
    if (!tern_list_is_linked(&call->in_line))
        return;
    tern_list_remove(&call->in_line);
    call->rate->line_count--;
    wake_first(call, config);
}

static bool join_line(struct tern_call *call, const struct tern_rate *config, uint64_t *at_ns, struct tern_fault *why)
{
    struct tern_host_state *state = call->rate;
    uint64_t turn_ns = tern_rate_at(config, &state->rate, now(call), state->line_count);

    call->patience_ns = tern_u64_add_sat(now(call), tern_u64_add_sat(config->wait_max_ns, 1));
    if (call->patience_ns > call->deadline_ns)
        call->patience_ns = call->deadline_ns;
    if (state->line_count >= config->queue_max)
        return refuse_rate(call, TERN_EQUEUE, turn_ns, why);
    if (turn_ns >= call->patience_ns)
        return refuse_rate(call, TERN_ERATE, turn_ns, why);
    tern_list_push_back(&state->line, &call->in_line);
    state->line_count++;
    tern_call_trace(call, "Rate limit of %s: waiting %llu ms", call->origin.host.text,
                    (unsigned long long)((turn_ns - now(call)) / TERN_MS));
    *at_ns = wakes_at(call, turn_ns);
    return true;
}

static bool admit_rate(struct tern_call *call, const struct tern_rate *config, uint64_t *at_ns, struct tern_fault *why)
{
    bool is_in_line = tern_list_is_linked(&call->in_line);
    uint64_t turn_ns;

    if (call->rate == NULL)
        call->rate = config->group != NULL ? pin(call, TERN_STR("="), tern_str(config->group))
                                           : pin(call, TERN_STR("@"), tern_host_text(&call->origin.host));
    if (call->rate == NULL) {
        tern_fault_plain(why, TERN_ENOMEM);
        return false;
    }
    turn_ns = tern_rate_at(config, &call->rate->rate, now(call), 0);
    if (turn_ns > now(call) || (is_in_line ? !is_first(call) : call->rate->line_count > 0)) {
        if (!is_in_line)
            return join_line(call, config, at_ns, why);
        if (now(call) >= call->patience_ns || (is_first(call) && turn_ns >= call->patience_ns))
            return refuse_rate(call, TERN_ERATE, turn_ns, why);
        *at_ns = wakes_at(call, turn_ns);
        return true;
    }
    return true;
}

/* ---- both ---- */

bool tern_call_admit(struct tern_call *call, uint64_t *at_ns, struct tern_fault *why)
{
    const struct tern_policy *policy = &call->site->policy;

    *at_ns = now(call);
    if (policy->breaker != NULL && !admit_breaker(call, policy->breaker, why))
        return false;
    if (policy->rate == NULL || admit_rate(call, policy->rate, at_ns, why))
        return true;
    tern_call_admission_end(call, NULL);
    return false;
}

void tern_call_admission_start(struct tern_call *call)
{
    const struct tern_rate *config = call->site->policy.rate;

    if (config == NULL)
        return;
    tern_rate_start(config, &call->rate->rate, now(call));
    leave_line(call, config);
}

bool tern_call_admits_beside(const struct tern_call *call)
{
    const struct tern_rate *config = call->site->policy.rate;

    if (call->breaker != NULL &&
        (call->breaker->breaker.phase != TERN_BREAKER_CLOSED || call->breaker_round != call->breaker->breaker.round))
        return false;
    return config == NULL ||
           (call->rate->line_count == 0 && tern_rate_at(config, &call->rate->rate, now(call), 0) <= now(call));
}

void tern_call_rate_heard(struct tern_call *call, const struct tern_head *head)
{
    if (call->rate != NULL)
        tern_rate_heard(call->site->policy.rate, &call->rate->rate, now(call), tern_engine_wall_s(call->client->engine),
                        head->status, head->fields, head->field_count);
}

void tern_call_admission_heard(struct tern_call *call, const struct tern_head *head)
{
    const struct tern_policy *policy = &call->site->policy;

    if (policy->breaker != NULL)
        note_breaker(call, tern_breaker_judge(policy->breaker, head->status, TERN_OK));
    tern_call_rate_heard(call, head);
}

void tern_call_admission_end(struct tern_call *call, const struct tern_fault *fault)
{
    const struct tern_policy *policy = &call->site->policy;

    if (call->breaker != NULL)
        note_breaker(call, fault != NULL ? tern_breaker_judge(policy->breaker, 0, fault->error) : TERN_BREAKER_UNKNOWN);
    if (call->rate == NULL)
        return;
    leave_line(call, policy->rate);
    tern_hosts_unpin(call->rate);
    call->rate = NULL;
}
