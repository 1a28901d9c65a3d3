#include "client/admission.h"

#include <stdio.h>

#include "base/fault.h"
#include "base/str.h"
#include "client/trace.h"

static uint64_t now(const struct tern_call *call)
{
    return call->client->engine->now_ns;
}

/* Keys of the two kinds do not meet: a group's starts with '=', a host's with '@', an origin's with a digit. */
static struct tern_host_state *pin(struct tern_call *call, char kind, struct tern_str text)
{
    char key[TERN_HOST_TEXT_MAX + 16];
    int len = snprintf(key, sizeof(key), "%c%.*s", kind, (int)text.len, text.ptr);

    return tern_hosts_pin(&call->client->hosts, tern_str_n(key, (size_t)len));
}

static struct tern_host_state *pin_origin(struct tern_call *call)
{
    char key[TERN_HOST_TEXT_MAX + 16];
    int len = snprintf(key, sizeof(key), "%d%u %s", call->origin.is_secure, call->origin.port, call->origin.host.text);

    return tern_hosts_pin(&call->client->hosts, tern_str_n(key, (size_t)len));
}

/* ---- the breaker ---- */

static bool admit_breaker(struct tern_call *call, const struct tern_breaker *config, struct tern_fault *why)
{
    if (call->breaker != NULL)
        return true; /* it asks again after its rate's delay */
    call->breaker = pin_origin(call);
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

static void note_breaker(struct tern_call *call, enum tern_breaker_outcome outcome)
{
    struct tern_host_state *state = call->breaker;

    if (state == NULL)
        return;
    call->breaker = NULL;
    tern_breaker_note(call->site->policy.breaker, &state->breaker, now(call), call->breaker_round, outcome);
    tern_hosts_unpin(state);
}

/* ---- the rate ---- */

static void refuse_rate(struct tern_call *call, const struct tern_rate_answer *answer, struct tern_fault *why)
{
    if (answer->error == TERN_EQUEUE)
        tern_fault_set(why, TERN_EQUEUE, "%u calls to %s wait already (policy.rate.queue_max)",
                       call->rate->rate.waiting, call->origin.host.text);
    else
        tern_fault_set(why, TERN_ERATE, "%s: the call would have to wait %llu ms", call->origin.host.text,
                       (unsigned long long)((answer->at_ns - now(call)) / TERN_MS));
}

static bool admit_rate(struct tern_call *call, const struct tern_rate *config, uint64_t *at_ns, struct tern_fault *why)
{
    struct tern_rate_answer answer;

    if (call->rate == NULL)
        call->rate = config->group != NULL ? pin(call, '=', tern_str(config->group))
                                           : pin(call, '@', tern_host_text(&call->origin.host));
    if (call->rate == NULL) {
        tern_fault_plain(why, TERN_ENOMEM);
        return false;
    }
    if (call->waits_for_rate) {
        call->waits_for_rate = false;
        tern_rate_leave(config, &call->rate->rate, now(call) < call->rate->rate.hold_ns);
        if (now(call) >= call->rate->rate.hold_ns)
            return true;
    }
    answer = tern_rate_take(config, &call->rate->rate, now(call), call->deadline_ns);
    if (answer.error != TERN_OK) {
        refuse_rate(call, &answer, why);
        return false;
    }
    *at_ns = answer.at_ns;
    call->waits_for_rate = answer.at_ns > now(call);
    if (call->waits_for_rate)
        tern_call_trace(call, "Rate limit of %s: waiting %llu ms", call->origin.host.text,
                        (unsigned long long)((answer.at_ns - now(call)) / TERN_MS));
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

void tern_call_admission_heard(struct tern_call *call, const struct tern_head *head)
{
    const struct tern_policy *policy = &call->site->policy;

    if (policy->breaker != NULL)
        note_breaker(call, tern_breaker_judge(policy->breaker, head->status, TERN_OK));
    if (call->rate != NULL)
        tern_rate_heard(policy->rate, &call->rate->rate, now(call),
                        (int64_t)(tern_engine_wall(call->client->engine) / TERN_S), head->status, head->fields,
                        head->field_count);
}

void tern_call_admission_end(struct tern_call *call, const struct tern_fault *fault)
{
    const struct tern_policy *policy = &call->site->policy;

    if (call->breaker != NULL)
        note_breaker(call, fault != NULL ? tern_breaker_judge(policy->breaker, 0, fault->error) : TERN_BREAKER_UNKNOWN);
    if (call->rate == NULL)
        return;
    if (call->waits_for_rate)
        tern_rate_leave(policy->rate, &call->rate->rate, true);
    call->waits_for_rate = false;
    tern_hosts_unpin(call->rate);
    call->rate = NULL;
}
