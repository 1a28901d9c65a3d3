#include "client/call.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "client/admission.h"
#include "client/build.h"
#include "client/hooks.h"
#include "client/jar.h"
#include "client/judge.h"
#include "client/trace.h"

static void begin_attempt(struct tern_call *call);

/* ---- states ---- */

static const uint8_t successors[] = {
    [TERN_CALL_NEW] = 1u << TERN_CALL_RUNNING | 1u << TERN_CALL_ENDING | 1u << TERN_CALL_DONE,
    [TERN_CALL_RUNNING] =
        1u << TERN_CALL_NEW | 1u << TERN_CALL_DECODING | 1u << TERN_CALL_ENDING | 1u << TERN_CALL_DONE,
    [TERN_CALL_DECODING] = 1u << TERN_CALL_ENDING | 1u << TERN_CALL_DONE,
    [TERN_CALL_ENDING] = 1u << TERN_CALL_DONE,
    [TERN_CALL_DONE] = 1u << TERN_CALL_NEW,
};

static void set_state(struct tern_call *call, enum tern_call_state state)
{
    TERN_ASSERT((successors[call->state] >> state & 1u) != 0);
    call->state = state;
}

static uint64_t now(const struct tern_call *call)
{
    return call->client->engine->now_ns;
}

/* ---- the end ---- */

static void forget_hops(struct tern_call *call)
{
    tern_keep_deinit(&call->hop_texts);
    tern_mem_free(call->hops);
    call->hops = NULL;
    call->hop_count = 0;
}

/* The attempt's end, which is told once. */
static void tell_error(struct tern_call *call)
{
    if (call->was_told)
        return; /* and cancelled by who was told */
    call->was_told = true;
    tern_call_hook_error(call, &call->result);
}

/* The end of every call: its one on_done. */
static void finish(struct tern_call *call, bool is_silent)
{
    struct tern_client *client = call->client;
    struct tern_result *result = &call->result;

    set_state(call, TERN_CALL_DONE);
    tern_task_cancel(&call->task);
    tern_timer_cancel(client->engine, &call->delay);
    tern_call_hedge_end(call, false);
    tern_call_decoding_end(call);
    client->retrying_count -= call->is_retrying;
    result->times.total_ns = now(call) - result->times.start_ns;
    client->stats.calls_done++;
    client->stats.calls_failed += result->fault.error != TERN_OK;
    client->stats.calls_live--;
    tern_slots_release(&client->engine->calls, call->id);
    if (call->has_body)
        tern_body_reader_deinit(&call->body);
    result->hedges = call->hedges;
    result->resumes = call->resumes;
    if (call->resume.fault.error != TERN_OK)
        result->status = 200; /* of the head that was shown */
    tern_call_hedge_over(call, is_silent);
    if (!is_silent && result->fault.error != TERN_OK)
        tell_error(call);
    if (!is_silent && call->handlers.on_done != NULL)
        call->handlers.on_done(call->user, call->id, result);
    if (is_silent && call->on_drop != NULL)
        call->on_drop(call->user);
    tern_call_admission_end(call, NULL);
    tern_identity_end(call);
    tern_settings_release(call->settings);
    call->settings = NULL;
    forget_hops(call);
    tern_list_remove(&call->node);
    tern_engine_bury(client->engine, &call->corpse);
}

static void on_end_task(struct tern_task *task)
{
    finish(TERN_CONTAINER_OF(task, struct tern_call, task), false);
}

/* Leaves the transport. The result keeps how far it had come. */
static void detach(struct tern_call *call)
{
    if (call->state != TERN_CALL_RUNNING)
        return;
    tern_call_hedge_cut(call);
    tern_call_transport(call)->ops->cancel(call->active);
}

void tern_call_end_with(struct tern_call *call, const struct tern_fault *fault)
{
    if (call->state == TERN_CALL_ENDING || call->state == TERN_CALL_DONE)
        return;
    detach(call);
    if (call->state == TERN_CALL_DECODING)
        call->result.phase = TERN_PHASE_READ;
    set_state(call, TERN_CALL_ENDING);
    call->result.fault = *fault;
    tern_timer_cancel(call->client->engine, &call->delay);
    tern_task_cancel(&call->task);
    tern_task_init(&call->task, on_end_task);
    tern_engine_defer(call->client->engine, &call->task);
}

void tern_call_end_later(struct tern_call *call, enum tern_error error)
{
    struct tern_fault fault;

    tern_fault_plain(&fault, error);
    tern_call_end_with(call, &fault);
}

void tern_call_end_now(struct tern_call *call, enum tern_error error, bool is_silent)
{
    if (call->state == TERN_CALL_DONE)
        return;
    if (call->state != TERN_CALL_ENDING) {
        detach(call);
        tern_fault_plain(&call->result.fault, error);
    }
    finish(call, is_silent);
}

/* ---- attempts ---- */

void tern_result_clear(struct tern_result *result)
{
    struct tern_fault *fault = &result->fault;

    fault->error = TERN_OK;
    fault->os_errno = fault->tls_code = 0;
    fault->text[0] = result->local[0] = result->remote[0] = '\0';
    memset(&result->phase, 0, offsetof(struct tern_result, local) - offsetof(struct tern_result, phase));
}

void tern_call_begin_result(const struct tern_call *call, struct tern_result *out)
{
    uint64_t start_ns = call->result.times.start_ns;
    uint32_t hop = call->result.hop;

    tern_result_clear(out);
    out->attempt = call->attempts;
    out->hop = hop;
    out->hops = call->hops;
    out->hop_count = call->hop_count;
    out->host_config = call->site->pattern;
    out->times.start_ns = start_ns;
}

/* Promise 4: only what is provably safe. */
static bool may_replay(struct tern_call *call)
{
    const struct tern_result *result = &call->result;

    if (call->replays >= TERN_REPLAYS_MAX || call->was_answered)
        return false;
    if (result->phase < TERN_PHASE_WRITE)
        return false; /* no connection that died, but none that could be made */
    if (tern_error_class(result->fault.error) != TERN_CLASS_PEER && result->replay != TERN_REPLAY_STALE)
        return false; /* it would fail again */
    if (result->replay == TERN_REPLAY_STALE && !tern_call_is_idempotent(call))
        return false;
    if (result->replay == TERN_REPLAY_MAYBE || result->replay == TERN_REPLAY_ANSWERED)
        return false;
    return !call->has_body || call->body.source.ops->rewind(&call->body.source);
}

static void on_begin_task(struct tern_task *task)
{
    begin_attempt(TERN_CONTAINER_OF(task, struct tern_call, task));
}

static void replay(struct tern_call *call)
{
    static const char *const reasons[] = {
        [TERN_REPLAY_UNSENT] = "The connection died before the request was written",
        [TERN_REPLAY_REFUSED] = "The server refused the request unprocessed",
        [TERN_REPLAY_STALE] = "The kept connection died before an answer",
    };
    const char *reason = reasons[call->result.replay]; /* may_replay lets no other class pass */

    call->attempts++;
    call->replays++;
    call->was_told = false;
    call->client->stats.replayed++;
    tern_call_begin_result(call, &call->result);
    set_state(call, TERN_CALL_NEW);
    tern_engine_defer(call->client->engine, &call->task);
    tern_call_trace(call, "%s: sending it again (attempt %u)", reason, call->attempts);
}

/* ---- what follows by policy ---- */

static void on_delay(struct tern_timer *timer)
{
    struct tern_call *call = TERN_CONTAINER_OF(timer, struct tern_call, delay);

    if (call->state == TERN_CALL_RUNNING)
        tern_call_hedge_due(call);
    else if (call->state == TERN_CALL_DECODING)
        tern_call_end_later(call, TERN_EDEADLINE);
    else
        begin_attempt(call);
}

/* The present response or failure is out of the way, and the transport has forgotten the exchange. */
static void go_on(struct tern_call *call)
{
    struct tern_client *client = call->client;
    uint64_t delay_ns = call->delay_ns;
    struct tern_fault why = {0};

    set_state(call, TERN_CALL_NEW);
    call->owed_bytes = 0;
    call->replays = 0;
    if (tern_call_prepare_next(call, &why) != TERN_OK) {
        tern_call_end_with(call, &why);
        return;
    }
    if (call->state != TERN_CALL_NEW)
        return; /* cancelled by who was told of it */
    if (delay_ns > 0)
        tern_timer_arm(client->engine, &call->delay, tern_u64_add_sat(client->engine->now_ns, delay_ns));
    else
        tern_engine_defer(client->engine, &call->task);
}

/* A response that is not the user's is read to its end, if that is not far. */
static void discard(struct tern_call *call, struct tern_exchange *exchange, size_t len)
{
    call->discarded_bytes += len;
    if (call->discarded_bytes <= TERN_DISCARD_BYTES_MAX) {
        tern_call_transport(call)->ops->credit(exchange, (uint32_t)len);
        return;
    }
    tern_call_transport(call)->ops->cancel(exchange);
    tern_call_admission_end(call, NULL);
    go_on(call);
}

/* ---- what the transport says ---- */

static void on_assigned(struct tern_exchange *exchange)
{
    struct tern_call *call = exchange->owner;

    if (exchange == &call->exchange) /* a hedge, which may be the only one by now, has none itself */
        tern_call_hedge_assigned(call);
    if (call->handlers.on_trace != NULL)
        tern_call_trace_request(call);
}

static void on_informational(struct tern_exchange *exchange, const struct tern_head *head)
{
    struct tern_call *call = exchange->owner;

    if (call->handlers.on_trace != NULL)
        tern_call_trace_head(call, head);
    if (call->state != TERN_CALL_RUNNING || call->resume.fault.error != TERN_OK)
        return; /* cancelled, or the user has been shown a head already */
    call->was_answered = true;
    if (call->handlers.on_informational != NULL)
        call->handlers.on_informational(call->user, call->id, head);
}

static void end_too_large(struct tern_call *call, uint64_t bytes)
{
    struct tern_fault fault;

    tern_fault_set(&fault, TERN_EBODY_MAX, "response body: %llu bytes or more, body_bytes_max is %llu",
                   (unsigned long long)bytes, (unsigned long long)call->body_bytes_max);
    tern_call_end_with(call, &fault);
}

/* A length that is known to be too large ends the call before its first byte. */
static void check_length(struct tern_call *call, const struct tern_head *head)
{
    struct tern_str text = tern_fields_get(head->fields, head->field_count, "Content-Length");
    uint64_t length = 0;

    /* RFC 9110 8.6: here it is the length of a body that does not come. */
    if (tern_str_eq(call->exchange.outgoing.method, TERN_STR("HEAD")) || head->status == 304)
        return;
    if (text.ptr != NULL && tern_u64_parse(text, UINT64_MAX, &length) && length > call->body_bytes_max)
        end_too_large(call, length);
}

/* The user has a part of a body already, and this attempt is to bring the rest. */
static void go_on_with_body(struct tern_call *call, const struct tern_head *head)
{
    if (call->state != TERN_CALL_RUNNING || tern_call_resume_heard(call, head))
        return;
    if (!tern_call_judge_again(call, head)) {
        tern_call_end_with(call, &call->resume.fault);
        return;
    }
    call->discarded_bytes = 0;
    tern_call_update_pause(call);
}

static void on_head(struct tern_exchange *exchange, const struct tern_head *head)
{
    struct tern_call *call = exchange->owner;
    struct tern_head shown = *head;
    struct tern_fault why;

    call->result.status = head->status;
    call->result.version = head->version;
    tern_call_hedge_end(call, true);
    tern_call_admission_heard(call, head);
    if (call->jar != NULL && call->state == TERN_CALL_RUNNING) /* not cancelled from a trace */
        tern_call_hear_cookies(call, head);
    if (call->state == TERN_CALL_RUNNING) /* not cancelled by who was told of the cookies */
        tern_call_hook_response(call, &call->result, head);
    if (call->handlers.on_trace != NULL)
        tern_call_trace_head(call, head);
    if (call->resume.fault.error != TERN_OK) {
        go_on_with_body(call, head);
        return;
    }
    if (call->state == TERN_CALL_RUNNING && tern_call_judge_head(call, head)) {
        call->discarded_bytes = 0;
        tern_call_update_pause(call);
        return;
    }
    call->was_answered = true;
    if (call->state == TERN_CALL_RUNNING && tern_call_decoding_begin(call, head, &why) != TERN_OK)
        tern_call_end_with(call, &why);
    shown.decoded = call->result.decoded;
    tern_call_resume_begin(call, head);
    if (call->state == TERN_CALL_RUNNING && call->handlers.on_head != NULL)
        call->handlers.on_head(call->user, call->id, &shown);
    if (call->state == TERN_CALL_RUNNING && call->body_bytes_max != 0)
        check_length(call, head);
}

static bool is_small_enough(struct tern_call *call, uint64_t bytes)
{
    if (call->body_bytes_max == 0 || bytes <= call->body_bytes_max)
        return true;
    end_too_large(call, bytes);
    return false;
}

void tern_call_deliver(struct tern_call *call, const void *data, size_t len, uint64_t total)
{
    if (!is_small_enough(call, total))
        return;
    if (call->credits_itself)
        call->owed_bytes += len;
    if (call->handlers.on_body != NULL)
        call->handlers.on_body(call->user, call->id, data, len);
}

void tern_call_update_pause(struct tern_call *call)
{
    bool is_users = call->next == TERN_CALL_NEXT_NONE; /* else the rest of it is nobody's */
    bool pauses = is_users && (call->is_paused || call->decoding.is_held);
    struct tern_exchange *second = tern_call_hedge_beside(call);

    if (call->state != TERN_CALL_RUNNING || pauses == call->pauses_transport)
        return;
    call->pauses_transport = pauses;
    tern_call_transport(call)->ops->pause(call->active, pauses);
    if (second != NULL)
        tern_call_transport(call)->ops->pause(second, pauses);
}

static void on_body(struct tern_exchange *exchange, const uint8_t *data, size_t len)
{
    struct tern_call *call = exchange->owner;
    struct tern_fault why;

    if (call->next != TERN_CALL_NEXT_NONE) {
        discard(call, exchange, len);
        return;
    }
    if (call->decoding.decoder != NULL) {
        if (is_small_enough(call, exchange->stream.received_body_bytes))
            tern_call_decoding_take(call, data, len);
        return;
    }
    if (!tern_call_resume_fits(call, len, &why)) {
        tern_call_end_with(call, &why);
        return;
    }
    call->resume.delivered_bytes += len;
    tern_call_deliver(call, data, len, call->resume.delivered_bytes);
    if (call->state == TERN_CALL_RUNNING && !call->credits_itself)
        tern_call_transport(call)->ops->credit(exchange, (uint32_t)len);
}

static void on_trailers(struct tern_exchange *exchange, const struct tern_field *fields, size_t count)
{
    struct tern_call *call = exchange->owner;

    if (call->next == TERN_CALL_NEXT_NONE && call->handlers.on_trailers != NULL)
        call->handlers.on_trailers(call->user, call->id, fields, count);
}

/* The body has come whole. */
void tern_call_end_decoding(struct tern_call *call)
{
    if (tern_decoder_finish(call->decoding.decoder, &call->result.fault) != TERN_OK)
        call->result.phase = TERN_PHASE_READ;
    finish(call, false);
}

static void await_decoding(struct tern_call *call)
{
    set_state(call, TERN_CALL_DECODING);
    if (call->deadline_ns != TERN_OFF)
        tern_timer_arm(call->client->engine, &call->delay, call->deadline_ns);
}

static void on_exchange_end(struct tern_exchange *exchange)
{
    struct tern_call *call = exchange->owner;
    bool is_cut = call->next == TERN_CALL_NEXT_NONE && call->result.fault.error == TERN_OK &&
                  !tern_call_resume_fits(call, 0, &call->result.fault);
    bool has_failed = call->result.fault.error != TERN_OK;
    bool again = call->next == TERN_CALL_NEXT_NONE && has_failed && may_replay(call);

    if (is_cut)
        call->result.phase = TERN_PHASE_READ;
    tern_call_hedge_end(call, tern_error_class(call->result.fault.error) == TERN_CLASS_TIMEOUT);
    if (!again && call->state == TERN_CALL_RUNNING) {
        tern_call_admission_end(call, has_failed ? &call->result.fault : NULL);
        if (call->next == TERN_CALL_NEXT_NONE && has_failed)
            (void)tern_call_judge_failure(call);
    }
    if (has_failed && call->state == TERN_CALL_RUNNING && (again || call->next != TERN_CALL_NEXT_NONE))
        tell_error(call); /* else it is the call's end, which tells it */
    if (call->state != TERN_CALL_RUNNING)
        return; /* cancelled in the body's rewind, or by a hook: it ends from its task */
    if (again)
        replay(call);
    else if (call->next != TERN_CALL_NEXT_NONE)
        go_on(call);
    else if (has_failed || call->decoding.decoder == NULL)
        finish(call, false);
    else if (call->decoding.is_held)
        await_decoding(call);
    else
        tern_call_end_decoding(call);
}

static void on_trace(struct tern_exchange *exchange, enum tern_trace_kind kind, struct tern_str text)
{
    tern_call_tell(exchange->owner, kind, text);
}

static const struct tern_exchange_events exchange_events = {
    .on_assigned = on_assigned,
    .on_informational = on_informational,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_end = on_exchange_end,
    .on_trace = on_trace,
};

/* The same for those who do not watch: then no text is made. */
static const struct tern_exchange_events quiet_events = {
    .on_assigned = on_assigned,
    .on_informational = on_informational,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_end = on_exchange_end,
};

/* Before an attempt: the call ends as its result's fault says. */
static bool stop(struct tern_call *call)
{
    set_state(call, TERN_CALL_ENDING);
    finish(call, false);
    return false;
}

const struct tern_exchange_events *tern_call_exchange_events(const struct tern_call *call)
{
    return call->handlers.on_trace != NULL ? &exchange_events : &quiet_events;
}

/* Every attempt of every hop passes it, before DNS. */
static bool passes_gate(struct tern_call *call)
{
    const struct tern_gate_rules *gate = call->site->gate;
    const char *refusal = gate != NULL ? tern_gate_refuses_url(gate, &call->url, call->result.hop) : NULL;
    char shown[TERN_ESCAPE_MAX];

    if (refusal == NULL)
        return true;
    tern_fault_set(&call->result.fault, TERN_EGATE, "%s://%s: %s", call->origin.is_secure ? "https" : "http",
                   tern_escape(shown, sizeof(shown), call->url.authority), refusal);
    return stop(call);
}

/* False: it has ended, or asks again when its delay is over. */
static bool has_leave(struct tern_call *call, bool (*ask)(struct tern_call *, uint64_t *, struct tern_fault *))
{
    struct tern_client *client = call->client;
    uint64_t at_ns;

    if (!ask(call, &at_ns, &call->result.fault))
        return stop(call);
    if (at_ns <= client->engine->now_ns || call->state != TERN_CALL_NEW)
        return call->state == TERN_CALL_NEW;
    if (at_ns != TERN_OFF)
        tern_timer_arm(client->engine, &call->delay, at_ns);
    return false;
}

/* What the jar says may have changed since the last attempt, or while this one waited. */
static bool has_its_cookies(struct tern_call *call)
{
    return call->jar == NULL || tern_call_build_outgoing(call, &call->result.fault) == TERN_OK;
}

static void begin_attempt(struct tern_call *call)
{
    struct tern_exchange *exchange = &call->exchange;
    const struct tern_limits *limits = &call->profile->config.limits;
    struct tern_fault why;
    enum tern_error error;

    if (!passes_gate(call) || !has_leave(call, tern_identity_await) || !has_leave(call, tern_call_admit))
        return;
    if (tern_identity_sign(call, &call->result.fault) != TERN_OK || !has_its_cookies(call)) {
        stop(call);
        return;
    }
    tern_call_admission_start(call);
    tern_call_hook_request(call, &call->result);
    if (call->is_upgraded && call->result.attempt == 1)
        tern_call_trace(call, "%s wants TLS alone (HSTS): http became https", call->origin.host.text);
    if (call->state != TERN_CALL_NEW)
        return; /* cancelled in there: it ends from its task */
    tern_call_hedge_begin(call);
    call->active = exchange;
    exchange->events = tern_call_exchange_events(call);
    exchange->owner = call;
    exchange->profile = call->profile;
    exchange->origin = &call->origin;
    exchange->total_deadline_ns = call->deadline_ns;
    exchange->result = &call->result;
    exchange->window_bytes = limits->body_window_bytes;
    exchange->window_bytes_max = call->credits_itself ? limits->body_window_bytes : limits->body_window_bytes_max;
    /* The last try is on a connection of its own: a peer that restarts may have closed all that are kept. */
    exchange->is_fresh = call->is_fresh || call->replays == TERN_REPLAYS_MAX;
    call->pauses_transport = false;
    set_state(call, TERN_CALL_RUNNING);
    error = tern_call_transport(call)->ops->start(tern_call_transport(call), exchange, &why);
    if (error == TERN_OK) { /* it may have ended in there */
        tern_call_update_pause(call);
        return;
    }
    set_state(call, TERN_CALL_ENDING);
    call->result.fault = why;
    call->result.phase = TERN_PHASE_POOL;
    finish(call, false);
}

void tern_call_begin(struct tern_call *call)
{
    tern_task_init(&call->task, on_begin_task);
    tern_timer_init(&call->delay, on_delay);
    set_state(call, TERN_CALL_NEW);
    tern_engine_defer(call->client->engine, &call->task);
}
