/* How a call comes to be: checked and copied, it becomes one of its client's, from the engine's thread or any. */
#include "client/call.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "client/build.h"
#include "client/judge.h"

/* ---- memory ---- */

void tern_call_free(struct tern_call *call)
{
    tern_call_build_deinit(call);
    tern_mem_free(call);
}

static void bury(struct tern_corpse *corpse)
{
    struct tern_call *call = TERN_CONTAINER_OF(corpse, struct tern_call, corpse);
    struct tern_client *client = call->client;

    if (client->spare_count < TERN_CALL_SPARES_MAX && client->state == TERN_CLIENT_OPEN) {
        tern_call_build_forget(call);
        tern_list_push_front(&client->spares, &call->node);
        client->spare_count++;
    } else {
        tern_call_free(call);
    }
    tern_client_call_ended(client);
}

static struct tern_call *call_alloc(void)
{
    struct tern_call *call = tern_mem_calloc(1, sizeof(*call));

    if (call == NULL)
        return NULL;
    call->state = TERN_CALL_DONE;
    tern_list_init(&call->node);
    tern_list_init(&call->in_line);
    tern_call_build_init(call);
    tern_call_decoding_init(call);
    return call;
}

static struct tern_call *call_take(struct tern_client *client)
{
    struct tern_list *node = tern_list_pop_front(&client->spares);

    if (node == NULL)
        return call_alloc();
    client->spare_count--;
    return TERN_CONTAINER_OF(node, struct tern_call, node);
}

/* ---- starting ---- */

static void on_body_ready(struct tern_body_reader *reader)
{
    struct tern_call *call = TERN_CONTAINER_OF(reader, struct tern_call, body);

    if (call->state == TERN_CALL_RUNNING)
        tern_call_transport(call)->ops->body_ready(call->active);
}

/* All that a request needs but the client: on whatever thread. */
static enum tern_error prepare(struct tern_call *call, struct tern_client *client, const struct tern_request *request,
                               const struct tern_handlers *handlers, void *user, struct tern_fault *why)
{
    enum tern_error error = tern_call_build(call, request, why);

    if (error != TERN_OK)
        return error;
    call->client = client;
    call->corpse = (struct tern_corpse){.bury = bury};
    call->handlers = handlers != NULL ? *handlers : (struct tern_handlers){0};
    call->user = user;
    call->on_drop = NULL;
    call->replays = call->hedges = call->resumes = 0;
    call->resume.is_possible = call->resume.is_part = false;
    call->resume.delivered_bytes = 0;
    call->resume.fault.error = TERN_OK;
    call->attempts = 1;
    call->owed_bytes = 0;
    call->is_paused = call->was_told = call->was_answered = false;
    call->next = TERN_CALL_NEXT_NONE;
    call->drops_secrets = call->drops_host = call->is_cross_site = call->is_retrying = false;
    tern_result_clear(&call->result);
    call->result.attempt = call->result.hop = 1;
    if (call->has_body)
        tern_body_reader_init(&call->body, client->engine, &request->body, on_body_ready);
    return TERN_OK;
}

/* On the engine's thread: the call becomes one of the client's. */
static enum tern_error admit(struct tern_call *call, struct tern_fault *why)
{
    struct tern_client *client = call->client;
    struct tern_engine *engine = client->engine;
    enum tern_error error = tern_client_check_open(client);

    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    call->settings = tern_settings_acquire(client->settings);
    error = tern_call_settle(call);
    if (error == TERN_OK)
        error = tern_call_build_outgoing(call, why);
    else
        tern_fault_plain(why, error);
    if (error != TERN_OK) {
        tern_settings_release(call->settings);
        call->settings = NULL;
        return error;
    }
    call->result.times.start_ns = tern_engine_now(engine);
    call->deadline_ns = tern_u64_add_sat(call->result.times.start_ns, call->exchange.timeouts->total_ns);
    tern_list_push_back(&client->calls, &call->node);
    client->call_count++;
    client->stats.calls_live++;
    tern_slots_set(&engine->calls, call->id, call);
    tern_call_begin(call);
    return TERN_OK;
}

enum tern_error tern_call_start(struct tern_client *client, const struct tern_request *request,
                                const struct tern_handlers *handlers, void *user, tern_call_id *out,
                                struct tern_fault *why)
{
    enum tern_error error = tern_client_check_open(client);
    struct tern_call *call;

    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    call = call_take(client);
    if (call == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    error = prepare(call, client, request, handlers, user, why);
    if (error == TERN_OK && (error = tern_slots_reserve(&client->engine->calls, &call->id)) != TERN_OK)
        tern_fault_plain(why, error);
    if (error == TERN_OK && (error = admit(call, why)) != TERN_OK)
        tern_slots_release(&client->engine->calls, call->id);
    if (error != TERN_OK) {
        tern_call_free(call);
        return error;
    }
    if (out != NULL)
        *out = call->id;
    return TERN_OK;
}

/* ---- from other threads ---- */

/* A posted start that is refused on arrival still ends through on_done. */
static void refuse(struct tern_call *call, const struct tern_fault *fault)
{
    call->result.fault = *fault;
    tern_slots_release(&call->client->engine->calls, call->id);
    if (call->has_body)
        tern_body_reader_deinit(&call->body);
    if (call->handlers.on_done != NULL)
        call->handlers.on_done(call->user, call->id, &call->result);
    tern_call_free(call);
}

static void on_post(struct tern_message *message, bool dropped)
{
    struct tern_call *call = TERN_CONTAINER_OF(message, struct tern_call, post);
    struct tern_fault why = {0};

    if (dropped) {
        tern_call_free(call);
        return;
    }
    if (admit(call, &why) != TERN_OK) {
        if (why.error == TERN_ECLOSED)
            tern_fault_plain(&why, TERN_ESHUTDOWN);
        refuse(call, &why);
    }
}

enum tern_error tern_post_start(struct tern_client *client, const struct tern_request *request,
                                const struct tern_handlers *handlers, void *user, tern_call_id *out,
                                struct tern_fault *why)
{
    struct tern_engine *engine = client->engine;
    struct tern_call *call = call_alloc();
    tern_call_id id;
    enum tern_error error;

    if (call == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    error = prepare(call, client, request, handlers, user, why);
    if (error == TERN_OK && (error = tern_slots_reserve(&engine->calls, &call->id)) != TERN_OK)
        tern_fault_plain(why, error);
    if (error != TERN_OK) {
        tern_call_free(call);
        return error;
    }
    id = call->id; /* once posted the call is the loop's */
    call->post = (struct tern_message){.run = on_post};
    error = tern_engine_post(engine, &call->post);
    if (error != TERN_OK) {
        tern_slots_release(&engine->calls, id);
        tern_call_free(call);
        return tern_fault_plain(why, error);
    }
    if (out != NULL)
        *out = id;
    return TERN_OK;
}
