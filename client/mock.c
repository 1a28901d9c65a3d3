/* The mock transport: exchanges that go nowhere. One is
 *
 *     NEW --task--> SENDING --the request's end--> ANSWERING --END, limit--> over
 *        \________________early failure_______________^
 *
 * and over from anywhere when it is cancelled. Events come from the engine's tasks and timers alone. */
#include "client/mock.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "proto/request.h"

enum run_state { RUN_NEW, RUN_SENDING, RUN_ANSWERING };

/* What the mock keeps of an exchange under way: its stream's codec_data. After an event it may be gone; whether it is,
 * the exchange's state tells, which stays in place until the turn ends. */
struct run {
    struct tern_exchange *exchange;
    struct tern_mock_record *record;
    enum run_state state;
    const struct tern_mock_rule *rule; /* in ANSWERING */
    size_t at;                         /* the act that comes next */
    size_t offset;                     /* of a piece: bytes that were given already */
    uint64_t due_ns;                   /* when it comes */
    struct tern_timer delay;
};

static void set_state(struct run *run, enum run_state state)
{
    TERN_ASSERT(state > run->state);
    run->state = state;
}

static struct run *run_of(const struct tern_exchange *exchange)
{
    return exchange->stream.codec_data;
}

static struct tern_mock *mock_of(const struct tern_exchange *exchange)
{
    return TERN_CONTAINER_OF(exchange->transport, struct tern_mock, transport);
}

static struct tern_engine *engine_of(const struct tern_exchange *exchange)
{
    return exchange->profile->engine;
}

static uint64_t now(const struct tern_exchange *exchange)
{
    return engine_of(exchange)->now_ns;
}

static bool is_over(const struct tern_exchange *exchange)
{
    return exchange->state != TERN_EXCHANGE_RUNNING;
}

/* ---- the end ---- */

static enum tern_phase phase_of(const struct run *run)
{
    const struct tern_exchange *exchange = run->exchange;

    if (exchange->assigned_ns == 0)
        return run->state == RUN_ANSWERING ? run->rule->phase : TERN_PHASE_POOL;
    if (exchange->answered_ns != 0)
        return TERN_PHASE_READ;
    return exchange->sent_ns != 0 ? TERN_PHASE_WAIT : TERN_PHASE_WRITE;
}

static void run_free(struct run *run)
{
    tern_timer_cancel(engine_of(run->exchange), &run->delay);
    run->exchange->stream.codec_data = NULL;
    tern_mem_free(run);
}

static void end(struct run *run, enum tern_phase phase, const struct tern_fault *fault, enum tern_replay replay)
{
    struct tern_exchange *exchange = run->exchange;

    run_free(run);
    tern_exchange_end(exchange, phase, fault, replay);
}

static void fail(struct run *run, const struct tern_fault *fault)
{
    end(run, phase_of(run), fault, tern_exchange_replay(run->exchange));
}

/* As the answer says. */
static void end_answer(struct run *run)
{
    const struct tern_mock_rule *rule = run->rule;
    const struct tern_mock_request *request = &run->record->request;
    struct tern_fault fault;

    if (rule->error == TERN_OK) {
        end(run, TERN_PHASE_DONE, NULL, TERN_REPLAY_ANSWERED);
        return;
    }
    run->exchange->result->reused = rule->replay == TERN_REPLAY_STALE;
    tern_fault_set(&fault, rule->error, "%.*s %.*s: %s (says the mock)", TERN_ARG(request->method),
                   TERN_ARG(request->url), tern_error_text(rule->error));
    end(run, rule->phase, &fault, rule->replay);
}

static void on_limit(struct tern_timer *timer)
{
    struct tern_exchange *exchange = TERN_CONTAINER_OF(timer, struct tern_exchange, timer);
    struct run *run = run_of(exchange);
    uint64_t bytes = exchange->stream.sent_body_bytes + exchange->stream.received_body_bytes;
    struct tern_watchdog_verdict verdict = tern_watchdog_check(&exchange->watchdog, now(exchange), bytes);
    struct tern_fault fault;

    if (verdict.bark != TERN_BARK_END) {
        tern_exchange_watch(exchange);
        return;
    }
    tern_exchange_limit(exchange, phase_of(run), &verdict, &mock_of(exchange)->client->stats, &fault);
    fail(run, &fault);
}

/* ---- the answer ---- */

static uint64_t bytes_of(const struct tern_field *fields, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += fields[i].name.len + fields[i].value.len + sizeof(": \r\n") - 1;
    return bytes;
}

/* RFC 9110 6.4.1. */
static bool has_content(const struct tern_exchange *exchange)
{
    uint16_t status = exchange->result->status;

    return !tern_str_eq(exchange->outgoing.method, TERN_STR("HEAD")) && status != 204 && status != 304;
}

static void begin_answer(struct run *run, const struct tern_mock_rule *rule)
{
    set_state(run, RUN_ANSWERING);
    run->rule = rule;
    run->record->request.is_expected = true;
    run->due_ns = tern_u64_add_sat(now(run->exchange), rule->acts[0].delay_ns);
}

/* The next act, and when it comes. Before the event of this one: that may end it all. */
static void go_on(struct run *run)
{
    run->at++;
    run->offset = 0;
    run->due_ns = tern_u64_add_sat(now(run->exchange), run->rule->acts[run->at].delay_ns);
}

static void say_head(struct run *run, const struct tern_mock_act *act)
{
    struct tern_exchange *exchange = run->exchange;
    bool is_final = act->kind == TERN_MOCK_HEAD;

    exchange->stream.received_head_bytes +=
        sizeof("HTTP/1.1 200 \r\n\r\n") - 1 + bytes_of(act->head.fields, act->head.field_count);
    if (is_final) {
        exchange->answered_ns = now(exchange);
        exchange->watchdog.head_ns = 0;
    }
    tern_exchange_heard(exchange);
    go_on(run);
    if (is_final)
        exchange->events->on_head(exchange, &act->head);
    else
        exchange->events->on_informational(exchange, &act->head);
}

/* False: the window is full. */
static bool say_piece(struct run *run, const struct tern_mock_act *act)
{
    struct tern_exchange *exchange = run->exchange;
    struct tern_stream *stream = &exchange->stream;
    size_t room = stream->window_bytes - stream->owed_bytes;
    size_t len = act->bytes.len - run->offset;
    const char *bytes = act->bytes.ptr + run->offset;

    if (len == 0 || !has_content(exchange)) {
        go_on(run);
        return true;
    }
    if (room == 0)
        return false;
    if (len <= room)
        go_on(run);
    else
        run->offset += len = room;
    stream->owed_bytes += (uint32_t)len;
    stream->received_body_bytes += len;
    exchange->events->on_body(exchange, (const uint8_t *)bytes, len);
    if (!is_over(exchange))
        tern_exchange_heard(exchange); /* once it is known whether its window has room */
    return true;
}

static void say_trailers(struct run *run, const struct tern_mock_act *act)
{
    struct tern_exchange *exchange = run->exchange;

    go_on(run);
    if (!has_content(exchange))
        return;
    exchange->stream.received_head_bytes += bytes_of(act->head.fields, act->head.field_count);
    exchange->events->on_trailers(exchange, act->head.fields, act->head.field_count);
}

/* The next act. False: nothing more for now. */
static bool answer(struct run *run)
{
    const struct tern_mock_act *act = &run->rule->acts[run->at];

    if (now(run->exchange) < run->due_ns) {
        tern_timer_arm(engine_of(run->exchange), &run->delay, run->due_ns);
        return false;
    }
    switch (act->kind) {
    case TERN_MOCK_INFORMATIONAL:
    case TERN_MOCK_HEAD:
        say_head(run, act);
        return true;
    case TERN_MOCK_PIECE:
        return say_piece(run, act);
    case TERN_MOCK_TRAILERS:
        say_trailers(run, act);
        return true;
    case TERN_MOCK_END:
        break;
    }
    end_answer(run);
    return false;
}

/* ---- the request ---- */

/* Which limit runs while a connection is awaited that will not come. */
static void wait_in_vain(struct tern_exchange *exchange, enum tern_phase phase)
{
    if (phase == TERN_PHASE_POOL)
        exchange->watchdog.waiting_ns = now(exchange);
    else
        exchange->watchdog.dialling_ns = now(exchange);
    tern_exchange_watch(exchange);
}

/* The head goes out. False: the exchange is over, or it is out of memory and fails. */
static bool begin(struct run *run)
{
    struct tern_exchange *exchange = run->exchange;
    const struct tern_mock_rule *early =
        tern_mock_find_early(mock_of(exchange), &run->record->request, &exchange->origin->host);
    struct tern_buf head;
    struct tern_fault why;
    enum tern_error error;

    if (early != NULL) {
        begin_answer(run, early);
        wait_in_vain(exchange, early->phase);
        return true;
    }
    set_state(run, RUN_SENDING);
    exchange->assigned_ns = now(exchange);
    tern_exchange_set_paused(exchange, exchange->is_paused); /* its speed counts from here */
    if (exchange->events->on_assigned != NULL)
        exchange->events->on_assigned(exchange);
    if (is_over(exchange))
        return false;
    tern_buf_init(&head, TERN_REQUEST_HEAD_BYTES_MAX + 1024);
    error = tern_request_head_write(&head, &exchange->outgoing, TERN_REQUEST_WIRE);
    exchange->stream.sent_head_bytes = head.len;
    tern_buf_deinit(&head);
    if (error == TERN_OK)
        return true;
    tern_fault_plain(&why, error);
    fail(run, &why);
    return false;
}

static bool fail_size(struct run *run, const char *how)
{
    struct tern_fault why;

    tern_fault_set(&why, TERN_EBODY_SIZE, "request body: %s than the %llu bytes announced, after %llu", how,
                   (unsigned long long)run->exchange->outgoing.body_length,
                   (unsigned long long)run->exchange->stream.sent_body_bytes);
    fail(run, &why);
    return false;
}

static bool take_bytes(struct run *run, struct tern_str bytes)
{
    struct tern_exchange *exchange = run->exchange;
    struct tern_fault why;

    if (bytes.len > exchange->outgoing.body_length - exchange->stream.sent_body_bytes)
        return fail_size(run, "longer"); /* TERN_LENGTH_UNKNOWN is longer than any */
    if (tern_mock_record_body(run->record, bytes, &why) != TERN_OK) {
        fail(run, &why);
        return false;
    }
    exchange->outgoing.body->ops->consume(exchange->outgoing.body, bytes.len);
    exchange->stream.sent_body_bytes += bytes.len;
    return true;
}

/* False: it is not complete, or the exchange is over. */
static bool take_body(struct run *run)
{
    struct tern_exchange *exchange = run->exchange;
    const struct tern_outgoing *message = &exchange->outgoing;

    while (message->body != NULL) {
        struct tern_str view = {0};
        struct tern_fault why = {0};
        enum tern_read got = message->body->ops->peek(message->body, &view, &why);

        if (is_over(exchange))
            return false;
        if (got == TERN_READ_FAIL)
            fail(run, &why);
        if (got == TERN_READ_FAIL || got == TERN_READ_WAIT)
            return false;
        if (got == TERN_READ_END)
            break;
        if (!take_bytes(run, view))
            return false;
    }
    if (message->body != NULL && message->body_length != TERN_LENGTH_UNKNOWN &&
        exchange->stream.sent_body_bytes < message->body_length)
        return fail_size(run, "shorter");
    return true;
}

/* The request is whole. */
static void sent(struct tern_exchange *exchange)
{
    exchange->sent_ns = now(exchange);
    if (!exchange->is_paused)
        exchange->watchdog.head_ns = exchange->sent_ns;
    tern_exchange_listen(exchange);
    tern_exchange_watch(exchange);
}

static void refuse(struct run *run)
{
    struct tern_exchange *exchange = run->exchange;
    const struct tern_mock_request *request = &run->record->request;
    struct tern_fault fault;

    tern_mock_complain(mock_of(exchange), request);
    if (is_over(exchange))
        return;
    tern_fault_set(&fault, TERN_EMOCK, "%.*s %.*s was not expected", TERN_ARG(request->method), TERN_ARG(request->url));
    end(run, TERN_PHASE_WAIT, &fault, TERN_REPLAY_MAYBE);
}

/* False: nothing more for now. */
static bool take_request(struct run *run)
{
    struct tern_exchange *exchange = run->exchange;
    const struct tern_mock_rule *rule;
    struct tern_fault why;

    if (!take_body(run))
        return false;
    if (tern_mock_record_end(run->record, &exchange->outgoing, &why) != TERN_OK) {
        fail(run, &why);
        return false;
    }
    sent(exchange);
    rule = tern_mock_find(mock_of(exchange), &run->record->request, &exchange->origin->host);
    if (is_over(exchange)) /* cancelled by a check */
        return false;
    if (rule != NULL)
        begin_answer(run, rule);
    else
        refuse(run);
    return rule != NULL;
}

/* ---- the transport ---- */

static void proceed(struct tern_exchange *exchange)
{
    bool has_more = true;

    while (has_more && !is_over(exchange)) {
        struct run *run = run_of(exchange);

        if (run->state == RUN_NEW)
            has_more = begin(run);
        else if (run->state == RUN_SENDING)
            has_more = take_request(run);
        else
            has_more = (!exchange->is_paused || exchange->assigned_ns == 0) && answer(run);
    }
}

static void on_task(struct tern_task *task)
{
    proceed(TERN_CONTAINER_OF(task, struct tern_exchange, task));
}

static void on_delay(struct tern_timer *timer)
{
    proceed(TERN_CONTAINER_OF(timer, struct run, delay)->exchange);
}

static enum tern_error mock_start(struct tern_transport *transport, struct tern_exchange *exchange,
                                  struct tern_fault *why)
{
    struct tern_mock *mock = TERN_CONTAINER_OF(transport, struct tern_mock, transport);
    struct run *run;
    enum tern_error error;

    tern_exchange_begin(exchange, transport);
    tern_timer_init(&exchange->timer, on_limit);
    tern_task_init(&exchange->task, on_task);
    if (now(exchange) >= exchange->total_deadline_ns)
        return tern_fault_set(why, TERN_EDEADLINE, "the call's total time was over before it could be sent");
    run = tern_mem_calloc(1, sizeof(*run));
    if (run == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    error = tern_mock_record_add(mock, exchange, &run->record, why);
    if (error != TERN_OK) {
        tern_mem_free(run);
        return error;
    }
    run->exchange = exchange;
    tern_timer_init(&run->delay, on_delay);
    exchange->stream.codec_data = run;
    exchange->stream.window_bytes = exchange->window_bytes;
    exchange->state = TERN_EXCHANGE_RUNNING;
    tern_exchange_watch(exchange);
    tern_engine_defer(engine_of(exchange), &exchange->task);
    return TERN_OK;
}

static void mock_cancel(struct tern_exchange *exchange)
{
    enum tern_phase phase;

    if (is_over(exchange))
        return;
    phase = phase_of(run_of(exchange));
    run_free(run_of(exchange));
    tern_exchange_close(exchange, phase, NULL, tern_exchange_replay(exchange));
}

static void mock_wake(struct tern_exchange *exchange)
{
    if (!is_over(exchange))
        tern_engine_defer(engine_of(exchange), &exchange->task);
}

static void mock_credit(struct tern_exchange *exchange, uint32_t bytes)
{
    struct tern_stream *stream = &exchange->stream;
    bool was_full = stream->owed_bytes >= stream->window_bytes;

    TERN_ASSERT(bytes <= stream->owed_bytes);
    stream->owed_bytes -= bytes;
    tern_exchange_listen(exchange);
    if (was_full)
        mock_wake(exchange);
}

static void mock_pause(struct tern_exchange *exchange, bool is_paused)
{
    tern_exchange_set_paused(exchange, is_paused);
    if (is_over(exchange))
        return;
    tern_exchange_listen(exchange);
    tern_exchange_watch(exchange);
    if (!is_paused)
        mock_wake(exchange);
}

static void mock_priority_changed(struct tern_exchange *exchange)
{
    (void)exchange;
}

static const struct tern_transport_ops mock_ops = {
    .start = mock_start,
    .cancel = mock_cancel,
    .credit = mock_credit,
    .pause = mock_pause,
    .body_ready = mock_wake,
    .priority_changed = mock_priority_changed,
};

/* ---- life ---- */

enum tern_error tern_mock_new(struct tern_client *client, const struct tern_mock_config *config, struct tern_mock **out,
                              struct tern_fault *why)
{
    enum tern_error error = tern_client_check_open(client);
    struct tern_mock *mock;

    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    if (client->call_count != 0 || client->mock != NULL)
        return tern_fault_set(why, TERN_EINVAL, "the client has %s already", client->mock != NULL ? "a mock" : "calls");
    mock = tern_mem_calloc(1, sizeof(*mock));
    if (mock == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    mock->transport.ops = &mock_ops;
    mock->client = client;
    mock->refs = 2; /* the caller's and the client's */
    if (config != NULL)
        mock->config = *config;
    tern_list_init(&mock->rules);
    tern_buf_init(&mock->complaints, TERN_MOCK_TEXT_MAX);
    tern_buf_init(&mock->report, 2 * TERN_MOCK_TEXT_MAX);
    client->mock = mock;
    client->transport = &mock->transport;
    *out = mock;
    return TERN_OK;
}

void tern_mock_release(struct tern_mock *mock)
{
    if (mock == NULL || --mock->refs > 0)
        return;
    tern_mock_rules_free(mock);
    tern_mock_records_free(mock);
    tern_buf_deinit(&mock->complaints);
    tern_buf_deinit(&mock->report);
    tern_mem_free(mock);
}

void tern_mock_free(struct tern_mock *mock)
{
    if (mock != NULL)
        mock->config = (struct tern_mock_config){0};
    tern_mock_release(mock);
}
