/* The whole response in one piece, and the blocking call: both over the callbacks of tern/call.h. */
#include "base/buf.h"
#include "base/fault.h"
#include "base/fields.h"
#include "base/keep.h"
#include "base/mem.h"
#include "client/call.h"

#define BODY_BYTES_MAX_DEFAULT (16 * 1024 * 1024)

struct collector {
    struct tern_response response; /* first: tern_response_free casts back */
    struct tern_fields fields;
    struct tern_buf body;
    struct tern_keep hops;
    enum tern_error error; /* why it was cut off */
    struct tern_engine *engine;
    struct tern_ledger *ledger; /* the client's: body stands in it until the end of the call */
    void (*on_response)(void *user, tern_call_id call, const struct tern_response *response);
    void *user;
    bool is_done;
};

static void collector_free(struct collector *collector)
{
    tern_fields_deinit(&collector->fields);
    tern_buf_deinit(&collector->body);
    tern_keep_deinit(&collector->hops);
    tern_mem_free(collector);
}

static struct collector *collector_new(struct tern_client *client, uint64_t body_bytes_max)
{
    struct collector *collector = tern_mem_calloc(1, sizeof(*collector));

    if (collector == NULL)
        return NULL;
    collector->engine = client->engine;
    collector->ledger = &client->pool.ledger;
    tern_fields_init(&collector->fields, UINT16_MAX, UINT32_MAX); /* the client's limits on heads hold already */
    tern_buf_init(&collector->body, body_bytes_max < SIZE_MAX ? (size_t)body_bytes_max + 1 : SIZE_MAX);
    return collector;
}

static void cut_off(struct collector *collector, tern_call_id call, enum tern_error error)
{
    collector->error = error;
    (void)tern_call_cancel(collector->engine, call);
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    struct collector *collector = user;
    enum tern_error error = TERN_OK;

    for (size_t i = 0; error == TERN_OK && i < head->field_count; i++)
        error = tern_fields_add(&collector->fields, head->fields[i].name, head->fields[i].value, head->fields[i].flags);
    if (error != TERN_OK)
        cut_off(collector, call, error);
}

static void on_body(void *user, tern_call_id call, const void *data, size_t len)
{
    struct collector *collector = user;
    enum tern_error error = TERN_ELIMIT;

    if (tern_ledger_room(collector->ledger) >= len)
        error = tern_buf_append(&collector->body, data, len);
    if (error == TERN_OK)
        tern_ledger_hold(collector->ledger, len);
    else
        cut_off(collector, call, error);
}

/* The response outlives its call. */
static bool keep_hops(struct collector *collector, const struct tern_result *result)
{
    struct tern_result *copy = &collector->response.result;
    struct tern_hop *hops;

    copy->hops = NULL;
    copy->hop_count = 0;
    if (result->hop_count == 0)
        return true;
    hops = tern_keep_copy(&collector->hops, result->hops, result->hop_count * sizeof(*hops));
    for (size_t i = 0; hops != NULL && i < result->hop_count; i++)
        if (!tern_keep_str(&collector->hops, &hops[i].from) || !tern_keep_str(&collector->hops, &hops[i].to))
            return false;
    if (hops == NULL)
        return false;
    copy->hops = hops;
    copy->hop_count = result->hop_count;
    return true;
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct collector *collector = user;
    struct tern_response *response = &collector->response;

    tern_ledger_drop(collector->ledger, collector->body.len);
    response->result = *result;
    if (!keep_hops(collector, result) && collector->error == TERN_OK)
        collector->error = TERN_ENOMEM;
    if (collector->error == TERN_OK)
        collector->error = tern_buf_append_byte(&collector->body, '\0');
    if (collector->error != TERN_OK && (result->fault.error == TERN_OK || result->fault.error == TERN_ECANCELLED))
        tern_fault_plain(&response->result.fault, collector->error);
    response->field_count = collector->fields.count;
    response->fields = tern_fields_view(&collector->fields);
    response->body = "";
    if (collector->error == TERN_OK) {
        response->body = collector->body.data + collector->body.head;
        response->body_len = collector->body.len - 1;
    }
    collector->is_done = true;
    if (collector->on_response == NULL)
        return; /* tern_perform waits for it */
    collector->on_response(collector->user, call, response);
    collector_free(collector);
}

/* The engine is freed under the call. */
static void on_drop(void *user)
{
    struct collector *collector = user;

    tern_ledger_drop(collector->ledger, collector->body.len);
    collector_free(collector);
}

static enum tern_error start(struct tern_client *client, const struct tern_request *request, uint64_t body_bytes_max,
                             struct collector **out, tern_call_id *id, struct tern_fault *why)
{
    static const struct tern_handlers handlers = {.on_head = on_head, .on_body = on_body, .on_done = on_done};
    struct tern_request limited = *request;
    uint64_t max = body_bytes_max != 0 ? body_bytes_max : BODY_BYTES_MAX_DEFAULT;
    struct collector *collector;
    enum tern_error error;

    if (limited.body_bytes_max == 0 || limited.body_bytes_max > max)
        limited.body_bytes_max = max;
    limited.credit = false;
    collector = collector_new(client, limited.body_bytes_max);
    if (collector == NULL) {
        tern_fault_plain(why, TERN_ENOMEM);
        return TERN_ENOMEM; /* spelled out for the static checker: *out is not set */
    }
    error = tern_call_start(client, &limited, &handlers, collector, id, why);
    if (error != TERN_OK) {
        collector_free(collector);
        return error;
    }
    ((struct tern_call *)tern_slots_get(&client->engine->calls, *id))->on_drop = on_drop;
    *out = collector;
    return TERN_OK;
}

enum tern_error
tern_collect_start(struct tern_client *client, const struct tern_request *request, uint64_t body_bytes_max,
                   void (*on_response)(void *user, tern_call_id call, const struct tern_response *response), void *user,
                   tern_call_id *out, struct tern_fault *why)
{
    struct collector *collector;
    tern_call_id id;
    enum tern_error error;

    if (on_response == NULL)
        return tern_fault_set(why, TERN_EINVAL, "on_response: must be given");
    error = start(client, request, body_bytes_max, &collector, &id, why);
    if (error != TERN_OK)
        return error;
    collector->on_response = on_response;
    collector->user = user;
    if (out != NULL)
        *out = id;
    return TERN_OK;
}

static void ignore(void *user, tern_call_id call, const struct tern_response *response)
{
    (void)user, (void)call, (void)response;
}

enum tern_error tern_perform(struct tern_client *client, const struct tern_request *request, uint64_t body_bytes_max,
                             struct tern_response **out, struct tern_fault *why)
{
    struct tern_engine *engine = tern_client_engine(client);
    struct collector *collector;
    tern_call_id id;
    enum tern_error error;

    *out = NULL;
    if (engine->in_turn)
        return tern_fault_plain(why, TERN_EBUSY);
    error = start(client, request, body_bytes_max, &collector, &id, why);
    if (error != TERN_OK)
        return error;
    while (!collector->is_done && error == TERN_OK)
        error = tern_engine_turn(engine, true);
    if (!collector->is_done) {
        (void)tern_call_cancel(engine, id);
        while (!collector->is_done && tern_engine_turn(engine, false) == TERN_OK)
            continue;
    }
    if (!collector->is_done) { /* the engine cannot turn any more: should the call end after all, nobody waits for it */
        collector->on_response = ignore;
        return tern_fault_plain(why, error);
    }
    *out = &collector->response;
    error = collector->response.result.fault.error;
    if (why != NULL)
        *why = collector->response.result.fault;
    return error;
}

void tern_response_free(struct tern_response *response)
{
    if (response != NULL)
        collector_free((struct collector *)response);
}
