/* What a call's user may do with it while it is live. */
#include "client/call.h"

#include "client/build.h"

static struct tern_call *find(struct tern_engine *engine, tern_call_id id)
{
    struct tern_call *call = tern_slots_get(&engine->calls, id);

    (void)tern_engine_now(engine); /* between turns the latched time is old, and what follows measures from it */

    return call != NULL && call->state < TERN_CALL_ENDING ? call : NULL;
}

enum tern_error tern_call_cancel(struct tern_engine *engine, tern_call_id id)
{
    struct tern_call *call = find(engine, id);

    if (call == NULL)
        return TERN_EGONE;
    tern_call_end_later(call, TERN_ECANCELLED);
    return TERN_OK;
}

static enum tern_error set_paused(struct tern_engine *engine, tern_call_id id, bool is_paused)
{
    struct tern_call *call = find(engine, id);

    if (call == NULL)
        return TERN_EGONE;
    if (call->is_paused == is_paused)
        return TERN_OK;
    call->is_paused = is_paused;
    tern_call_update_pause(call);
    tern_call_decoding_wake(call);
    return TERN_OK;
}

enum tern_error tern_call_pause(struct tern_engine *engine, tern_call_id id)
{
    return set_paused(engine, id, true);
}

enum tern_error tern_call_resume(struct tern_engine *engine, tern_call_id id)
{
    return set_paused(engine, id, false);
}

enum tern_error tern_call_credit(struct tern_engine *engine, tern_call_id id, size_t bytes)
{
    struct tern_call *call = find(engine, id);

    if (call == NULL)
        return TERN_EGONE;
    if (bytes > call->owed_bytes)
        return TERN_EINVAL;
    call->owed_bytes -= bytes;
    if (call->decoding.decoder != NULL)
        tern_call_decoding_wake(call);
    else if (call->state == TERN_CALL_RUNNING && bytes > 0)
        tern_call_transport(call)->ops->credit(call->active, (uint32_t)bytes);
    return TERN_OK;
}

enum tern_error tern_call_body_ready(struct tern_engine *engine, tern_call_id id)
{
    struct tern_call *call = find(engine, id);

    if (call == NULL)
        return TERN_EGONE;
    if (call->has_body)
        call->body.on_ready(&call->body);
    return TERN_OK;
}

static void tell_priority(struct tern_call *call, struct tern_exchange *exchange)
{
    exchange->outgoing.priority = call->exchange.outgoing.priority;
    tern_call_transport(call)->ops->priority_changed(exchange);
}

enum tern_error tern_call_set_priority(struct tern_engine *engine, tern_call_id id, struct tern_priority priority)
{
    struct tern_call *call = find(engine, id);
    enum tern_error error;

    if (call == NULL)
        return TERN_EGONE;
    error = tern_call_build_priority(call, &priority, NULL);
    if (error != TERN_OK || call->state != TERN_CALL_RUNNING)
        return error;
    tell_priority(call, call->active);
    if (tern_call_hedge_beside(call) != NULL)
        tell_priority(call, tern_call_hedge_beside(call));
    return TERN_OK;
}

void tern_post_cancel(struct tern_engine *engine, tern_call_id call)
{
    tern_engine_post_cancel(engine, call);
}

void tern_call_on_post_cancel(struct tern_slots *slots, void *object)
{
    (void)slots;
    if (object != NULL)
        tern_call_end_later(object, TERN_ECANCELLED);
}
