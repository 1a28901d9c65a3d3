#include "client/decoding.h"

#include "base/str.h"
#include "client/call.h"

static bool is_live(const struct tern_call *call)
{
    return call->state == TERN_CALL_RUNNING || call->state == TERN_CALL_DECODING;
}

/* How much the user may be given now. */
static size_t room(const struct tern_call *call)
{
    uint64_t window = call->profile->config.limits.body_window_bytes;

    if (call->is_paused)
        return 0;
    if (!call->credits_itself)
        return SIZE_MAX;
    return call->owed_bytes < window ? (size_t)(window - call->owed_bytes) : 0;
}

/* RFC 9110 9.3.2, 15.3.5 and 15.4.5: no body. 206 is a part of one. */
static bool has_whole_body(const struct tern_call *call, uint16_t status)
{
    return status != 204 && status != 206 && status != 304 &&
           !tern_str_eq(call->exchange.outgoing.method, TERN_STR("HEAD"));
}

enum tern_error tern_call_decoding_begin(struct tern_call *call, const struct tern_head *head, struct tern_fault *why)
{
    struct tern_decoding_state *d = &call->decoding;
    enum tern_error error;

    if (d->policy == NULL || !has_whole_body(call, head->status))
        return TERN_OK;
    error = tern_decoder_new(&d->decoder, head->fields, head->field_count, d->policy, &call->client->pool.ledger, why);
    call->result.decoded = d->decoder != NULL;
    return error;
}

/* Decodes and delivers, until there is no more or the rest has to wait. Returns how much of in was taken. */
static size_t work(struct tern_call *call, struct tern_str in)
{
    struct tern_decoding_state *d = &call->decoding;
    uint64_t enough = tern_decoder_made_bytes(d->decoder) + TERN_DECODE_TURN_BYTES;
    size_t given = in.len;

    d->is_held = true;
    while (is_live(call) && d->is_held && room(call) > 0 && tern_decoder_made_bytes(d->decoder) < enough) {
        struct tern_fault why;
        struct tern_str out;

        if (tern_decoder_step(d->decoder, &in, room(call), &out, &why) != TERN_OK) {
            tern_call_end_with(call, &why);
            break;
        }
        d->is_held = !tern_decoder_is_drained(d->decoder, in.len);
        d->delivered_bytes += out.len;
        if (out.len > 0)
            tern_call_deliver(call, out.ptr, out.len, d->delivered_bytes);
    }
    return given - in.len;
}

/* What was decoded of it makes room in the transport's window. */
static void credit(struct tern_call *call, size_t bytes)
{
    if (call->state == TERN_CALL_RUNNING && bytes > 0)
        tern_call_transport(call)->ops->credit(call->active, (uint32_t)bytes);
}

void tern_call_decoding_wake(struct tern_call *call)
{
    if (call->decoding.is_held && is_live(call) && room(call) > 0)
        tern_engine_defer_slow(call->client->engine, &call->decoding.task);
}

static void keep(struct tern_call *call, struct tern_str rest)
{
    struct tern_decoding_state *d = &call->decoding;

    if (tern_buf_append_str(&d->waiting, rest) != TERN_OK) {
        tern_call_end_later(call, TERN_ENOMEM);
        return;
    }
    tern_ledger_hold(&call->client->pool.ledger, rest.len);
    tern_call_update_pause(call);
    tern_call_decoding_wake(call);
}

void tern_call_decoding_take(struct tern_call *call, const void *data, size_t len)
{
    size_t taken = call->decoding.is_held ? 0 : work(call, tern_str_n(data, len));

    if (!is_live(call))
        return;
    credit(call, taken);
    if (call->decoding.is_held)
        keep(call, tern_str_n((const char *)data + taken, len - taken));
}

static void on_task(struct tern_task *task)
{
    struct tern_call *call = TERN_CONTAINER_OF(task, struct tern_call, decoding.task);
    struct tern_decoding_state *d = &call->decoding;
    size_t taken;

    if (!d->is_held)
        return; /* woken from inside its own delivery */
    taken = work(call, tern_buf_view(&d->waiting));
    if (!is_live(call))
        return;
    tern_buf_consume(&d->waiting, taken);
    tern_ledger_drop(&call->client->pool.ledger, taken);
    credit(call, taken);
    if (d->is_held) {
        tern_call_decoding_wake(call);
        return;
    }
    tern_buf_deinit(&d->waiting);
    if (call->state == TERN_CALL_DECODING)
        tern_call_end_decoding(call);
    else
        tern_call_update_pause(call);
}

void tern_call_decoding_init(struct tern_call *call)
{
    struct tern_decoding_state *d = &call->decoding;

    tern_buf_init(&d->waiting, SIZE_MAX);
    tern_task_init(&d->task, on_task);
}

void tern_call_decoding_end(struct tern_call *call)
{
    struct tern_decoding_state *d = &call->decoding;

    if (d->decoder == NULL)
        return;
    d->is_held = false;
    d->delivered_bytes = 0;
    tern_task_cancel(&d->task);
    tern_ledger_drop(&call->client->pool.ledger, d->waiting.len);
    tern_buf_deinit(&d->waiting);
    tern_decoder_free(d->decoder);
    d->decoder = NULL;
}
