#include "client/hedge.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "client/admission.h"
#include "client/call.h"
#include "client/hooks.h"
#include "client/judge.h"
#include "client/trace.h"
#include "policy/retry.h"

static uint64_t now(const struct tern_call *call)
{
    return call->client->engine->now_ns;
}

/* ---- the wait for an answer ---- */

static bool may_go_twice(const struct tern_call *call)
{
    return tern_call_is_idempotent(call) && !tern_identity_is_for_once(call) &&
           (!call->has_body || call->body.body.kind == TERN_BODY_MEMORY);
}

void tern_call_hedge_begin(struct tern_call *call)
{
    if (call->hedging_policy != NULL && may_go_twice(call))
        call->pace = tern_call_pin_origin(call); /* without memory it goes once */
}

void tern_call_hedge_assigned(struct tern_call *call)
{
    bool is_slow;
    uint64_t delay_ns;

    if (call->pace == NULL)
        return;
    delay_ns = tern_hedge_delay(call->hedging_policy, &call->pace->hedge, &is_slow);
    call->assigned_ns = now(call);
    if (is_slow)
        tern_call_trace(call, "No hedge: the origin as a whole is slow");
    if (delay_ns != TERN_OFF && call->state == TERN_CALL_RUNNING)
        tern_timer_arm(call->client->engine, &call->delay, tern_u64_add_sat(now(call), delay_ns));
}

void tern_call_hedge_end(struct tern_call *call, bool was_long_enough)
{
    if (call->pace == NULL)
        return;
    if (was_long_enough && call->assigned_ns != 0)
        tern_hedge_note(&call->pace->hedge, now(call) - call->assigned_ns);
    tern_hosts_unpin(call->pace);
    call->pace = NULL;
    call->assigned_ns = 0;
    tern_timer_cancel(call->client->engine, &call->delay);
}

/* ---- two under way ---- */

struct tern_exchange *tern_call_hedge_beside(struct tern_call *call)
{
    if (call->hedge == NULL || call->hedge->phase != TERN_HEDGE_RACING ||
        call->hedge->exchange.state == TERN_EXCHANGE_IDLE)
        return NULL; /* or not begun yet, and its hook is told */
    return &call->hedge->exchange;
}

static void cancel(struct tern_call *call, struct tern_exchange *exchange)
{
    if (exchange->state != TERN_EXCHANGE_IDLE)
        tern_call_transport(call)->ops->cancel(exchange);
}

void tern_call_hedge_cut(struct tern_call *call)
{
    if (call->hedge == NULL || call->hedge->phase != TERN_HEDGE_RACING)
        return;
    cancel(call, &call->hedge->exchange);
    call->hedge->phase = TERN_HEDGE_CUT;
    call->client->retrying_count--;
}

void tern_call_hedge_over(struct tern_call *call, bool is_silent)
{
    if (call->hedge == NULL || call->hedge->phase != TERN_HEDGE_CUT)
        return;
    call->hedge->phase = TERN_HEDGE_IDLE;
    call->hedge->result.fault = call->result.fault;
    if (!is_silent)
        tern_call_hook_error(call, &call->hedge->result);
}

/* The other exchange has left, or is about to: this one is the call's only one. */
static void take(struct tern_call *call, struct tern_exchange *exchange)
{
    if (exchange == &call->hedge->exchange) {
        call->result = call->hedge->result;
        exchange->result = &call->result;
        call->was_told = false;
    }
    exchange->events = tern_call_exchange_events(call);
    call->active = exchange;
    call->hedge->phase = TERN_HEDGE_IDLE;
    call->client->retrying_count--;
}

/* The one that is not exchange. */
static struct tern_exchange *other(struct tern_call *call, const struct tern_exchange *exchange)
{
    return exchange == &call->exchange ? &call->hedge->exchange : &call->exchange;
}

/* It has failed, while the other may yet do well. */
static void fail(struct tern_call *call, struct tern_exchange *exchange)
{
    struct tern_result lost = *exchange->result;

    take(call, other(call, exchange));
    tern_call_hook_error(call, &lost);
    tern_call_trace(call, "Attempt %u: %s; waiting for attempt %u", lost.attempt, lost.fault.text,
                    call->result.attempt);
}

/* Its answer is none that the user should get before the other was awaited. */
static void leave(struct tern_call *call, struct tern_exchange *exchange, const struct tern_head *head)
{
    struct tern_result lost = *exchange->result;

    cancel(call, exchange);
    take(call, other(call, exchange));
    tern_call_rate_heard(call, head);
    tern_call_hook_response(call, &lost, head);
    tern_call_trace(call, "Attempt %u was answered %u; waiting for attempt %u", lost.attempt, head->status,
                    call->result.attempt);
}

static void win(struct tern_call *call, struct tern_exchange *exchange, const struct tern_head *head)
{
    struct tern_exchange *loser = other(call, exchange);
    struct tern_result lost;

    cancel(call, loser);
    lost = *loser->result;
    take(call, exchange);
    call->client->stats.hedges_won += call->result.by_hedge;
    tern_fault_set(&lost.fault, TERN_ECANCELLED, "attempt %u was answered first", call->result.attempt);
    tern_call_hook_error(call, &lost);
    tern_call_trace(call, "Attempt %u was answered first: attempt %u is cancelled", call->result.attempt, lost.attempt);
    if (call->state == TERN_CALL_RUNNING)
        exchange->events->on_head(exchange, head);
}

static void on_assigned(struct tern_exchange *exchange)
{
    struct tern_call *call = exchange->owner;

    if (call->handlers.on_trace != NULL)
        tern_call_trace_request(call);
}

static void on_informational(struct tern_exchange *exchange, const struct tern_head *head)
{
    (void)exchange, (void)head; /* whose it is will only be known later */
}

static void on_head(struct tern_exchange *exchange, const struct tern_head *head)
{
    struct tern_call *call = exchange->owner;

    exchange->result->status = head->status;
    exchange->result->version = head->version;
    if (tern_retry_is_for(call->retries_policy, head->status))
        leave(call, exchange, head);
    else
        win(call, exchange, head);
}

static void on_end(struct tern_exchange *exchange)
{
    fail(exchange->owner, exchange); /* before its head: behind that there is no race */
}

static void on_trace(struct tern_exchange *exchange, enum tern_trace_kind kind, struct tern_str text)
{
    tern_call_tell(exchange->owner, kind, text);
}

static const struct tern_exchange_events race_events = {.on_assigned = on_assigned,
                                                        .on_informational = on_informational,
                                                        .on_head = on_head,
                                                        .on_end = on_end,
                                                        .on_trace = on_trace};

static const struct tern_exchange_events quiet_race_events = {
    .on_informational = on_informational, .on_head = on_head, .on_end = on_end};

/* ---- the second attempt ---- */

/* Why there is none; NULL: nothing speaks against it. */
static const char *speaks_against(const struct tern_call *call)
{
    const struct tern_client *client = call->client;
    const struct tern_gate_rules *gate = call->site->gate;

    if (client->state != TERN_CLIENT_OPEN)
        return "the client is closing";
    if (call->is_paused)
        return "the call is paused";
    if (!tern_retry_has_budget(call->retries_policy, client->call_count, client->retrying_count))
        return "the retry budget is used up";
    if (gate != NULL && tern_gate_refuses_url(gate, &call->url, call->result.hop) != NULL)
        return "the gate refuses it";
    return tern_call_admits_beside(call) ? NULL : "the origin's breaker or rate limit refuses it";
}

/* NULL: out of memory. */
static struct tern_hedge *prepare(struct tern_call *call)
{
    const struct tern_exchange *first = &call->exchange;
    struct tern_hedge *hedge = call->hedge;
    struct tern_exchange *second;

    if (hedge == NULL && (hedge = call->hedge = tern_mem_calloc(1, sizeof(*hedge))) == NULL)
        return NULL;
    second = &hedge->exchange;
    *second = (struct tern_exchange){.owner = call,
                                     .profile = first->profile,
                                     .origin = first->origin,
                                     .outgoing = first->outgoing,
                                     .timeouts = first->timeouts,
                                     .total_deadline_ns = first->total_deadline_ns,
                                     .result = &hedge->result,
                                     .window_bytes = first->window_bytes,
                                     .window_bytes_max = first->window_bytes_max,
                                     .is_fresh = first->is_fresh,
                                     .apart_from = first};
    if (call->has_body) {
        tern_body_reader_init(&hedge->body, call->client->engine, &call->body.body, call->body.on_ready);
        second->outgoing.body = &hedge->body.source;
    }
    return hedge;
}

void tern_call_hedge_due(struct tern_call *call)
{
    struct tern_client *client = call->client;
    const char *reason = speaks_against(call);
    struct tern_hedge *hedge = reason == NULL ? prepare(call) : NULL;
    enum tern_error error;

    TERN_ASSERT(call->active == &call->exchange && (hedge == NULL || hedge->phase == TERN_HEDGE_IDLE));
    if (hedge == NULL) {
        tern_call_trace(call, "No hedge: %s", reason != NULL ? reason : "out of memory");
        return;
    }
    hedge->phase = TERN_HEDGE_RACING;
    client->retrying_count++;
    call->attempts++;
    call->hedges++;
    tern_call_begin_result(call, &hedge->result);
    hedge->result.by_hedge = true;
    call->exchange.events = hedge->exchange.events =
        call->handlers.on_trace != NULL ? &race_events : &quiet_race_events;
    tern_call_admission_start(call);
    tern_call_hook_request(call, &hedge->result);
    tern_call_trace(call, "No answer in %llu ms: sending it a second time (attempt %u)",
                    (unsigned long long)((now(call) - call->assigned_ns) / TERN_MS), call->attempts);
    if (call->state != TERN_CALL_RUNNING)
        return; /* cancelled in there, which the hooks will hear */
    client->stats.hedged++;
    error = tern_call_transport(call)->ops->start(tern_call_transport(call), &hedge->exchange, &hedge->result.fault);
    if (error != TERN_OK) {
        client->stats.hedged--;
        call->hedges--;
        hedge->result.phase = TERN_PHASE_POOL;
        fail(call, &hedge->exchange);
    } else if (call->pauses_transport && tern_call_hedge_beside(call) != NULL) { /* the hook has paused it */
        tern_call_transport(call)->ops->pause(&hedge->exchange, true);
    }
}
