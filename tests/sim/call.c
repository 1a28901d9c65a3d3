/* Calls: what is planned for each, what its user does, and what may be seen of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/seams.h"
#include "tests/sim/server.h"
#include "tests/sim/user.h"

/* ---- secrets ---- */

/* Every secret has "secret-" in it, or that in base64; or it is an answer to Digest. */
void sim_check_output(const char *what, const char *text, size_t len)
{
    static const char *const marks[] = {"secret-", "c2VjcmV0", "response=\""};

    for (size_t i = 0; i < 3; i++)
        SIM_CHECK(memmem(text, len, marks[i], strlen(marks[i])) == NULL, "a secret is in %s: \"%.*s\"", what, (int)len,
                  text);
}

/* ---- the plan ---- */

static bool chance(struct sim_call *call, uint32_t per_mille)
{
    return tern_rand_below(&call->rand, 1000) < per_mille;
}

static bool planned_fault(struct sim_call *call, enum sim_fault fault)
{
    bool happens = chance(call, sim.rate[fault]);

    sim.faults[fault] += happens;
    return happens;
}

static uint64_t limit(struct sim_call *call, uint64_t typical_ns)
{
    return chance(call, 300) ? 1 + tern_rand_below(&call->rand, 2 * typical_ns) : 0;
}

static void plan_timeouts(struct sim_call *call)
{
    struct tern_timeouts *t = &call->timeouts;

    if (!chance(call, 400))
        return;
    t->pool_ns = limit(call, 500 * TERN_MS);
    t->connect_ns = limit(call, 200 * TERN_MS);
    t->write_ns = limit(call, 500 * TERN_MS);
    t->read_ns = limit(call, 2 * TERN_S);
    t->head_ns = limit(call, 2 * TERN_S);
    t->continue_ns = limit(call, 100 * TERN_MS);
    t->total_ns = limit(call, 5 * TERN_S);
    if (chance(call, 200)) {
        t->low_speed_ns = 1 + tern_rand_below(&call->rand, TERN_S);
        t->low_speed_bytes_per_s = 1 + tern_rand_below(&call->rand, 10000);
    }
}

static void plan_body(struct sim_call *call)
{
    static const uint64_t most[] = {0, 100, 3000, 30000, 30000, 200000};

    call->body = (enum tern_body_kind)(1 + tern_rand_below(&call->rand, 3));
    call->body_seed = tern_rand_below(&call->rand, 1u << 30);
    call->body_len = tern_rand_below(&call->rand, most[tern_rand_below(&call->rand, 6)] + 1);
    call->body_is_known = call->body == TERN_BODY_MEMORY || chance(call, 500);
    call->body_is_rewindable = chance(call, 700);
    call->has_trailers = chance(call, 200);
    call->body_is_pipe = chance(call, 500);
    call->body_lies = call->body != TERN_BODY_MEMORY && planned_fault(call, SIM_FAULT_BODY_FAIL);
    call->expect = (enum tern_expect)tern_rand_below(&call->rand, 3);
}

static void plan_credentials(struct sim_call *call)
{
    const struct sim_origin *origin = &sim_origins[call->origin];
    char port[8] = "", user[64] = "";

    snprintf(call->secret, sizeof(call->secret), "secret-o%u-c%u", call->origin, call->number);
    call->has_userinfo = chance(call, sim_users.is_guarded ? 100 : 250);
    call->has_field = !call->has_userinfo && chance(call, sim_users.is_guarded ? 100 : 400);
    if (call->has_userinfo)
        snprintf(user, sizeof(user), "xx:%s@", call->secret);
    if (call->has_field)
        snprintf(call->authorization, sizeof(call->authorization), "Bearer %s", call->secret);
    snprintf(call->key, sizeof(call->key), "key-%s", call->secret);
    if (!origin->is_standard)
        snprintf(port, sizeof(port), ":%u", origin->port);
    snprintf(call->path, sizeof(call->path), "/c%u?q=1", call->number);
    snprintf(call->url, sizeof(call->url), "%s://%s%s%s%s#nobody", origin->scheme, user, origin->host, port,
             call->path);
}

static void on_due(void *context, uint64_t number)
{
    struct sim_call *call = context;

    (void)number;
    if (call->state == SIM_CALL_PLANNED && !sim.is_calm)
        sim_call_start(call);
}

void sim_call_plan(struct sim_call *call, unsigned number)
{
    static const char *const methods[] = {"GET",    "GET",     "GET",  "HEAD", "PUT",
                                          "DELETE", "OPTIONS", "POST", "POST", "PATCH"};

    *call = (struct sim_call){.number = number, .fd = -1};
    sim_stream(&call->rand, 'c', number);
    call->client = &sim_users.clients[tern_rand_below(&call->rand, sim_users.client_count)];
    call->origin = (unsigned)tern_rand_below(&call->rand, sim_users.origin_count);
    if (chance(call, 100))
        call->origin = (unsigned)tern_rand_below(&call->rand, SIM_ORIGINS_ALL);
    call->method = methods[tern_rand_below(&call->rand, sim_users.is_broken ? 3 : 10)];
    call->is_safe_to_repeat = strcmp(call->method, "POST") != 0 && strcmp(call->method, "PATCH") != 0;
    if (!call->is_safe_to_repeat && chance(call, 200))
        call->is_safe_to_repeat = call->has_key = true;
    if (!call->is_safe_to_repeat || chance(call, 250))
        plan_body(call);
    plan_credentials(call);
    plan_timeouts(call);
    sim_policy_plan_call(call);
    call->credits = chance(call, sim_users.is_broken ? 50 : 300);
    call->is_fresh = chance(call, 80);
    call->has_priority = chance(call, 200);
    call->priority.urgency = (uint8_t)tern_rand_below(&call->rand, 8);
    call->is_traced = chance(call, 400);
    call->is_posted = chance(call, 150);
    call->is_collected = !call->is_posted && chance(call, 150);
    if (call->is_collected)
        call->credits = call->is_traced = false;
    call->says_close = chance(call, 80);
    if (chance(call, 60))
        call->body_bytes_max = 1 + tern_rand_below(&call->rand, 5000);
    /* Some begin together. */
    call->begins_ns = tern_rand_below(&call->rand, sim_users.horizon_ns);
    if (chance(call, 600))
        call->begins_ns -= call->begins_ns % (sim_users.horizon_ns / 4 + 1);
    if (!sim.options.is_left_out[number])
        sim_after(call->begins_ns, on_due, call, 0);
}

/* ---- what the user does under way ---- */

static struct tern_engine *engine_of(const struct sim_call *call)
{
    return call->client->engine->engine;
}

static void cancel(struct sim_call *call)
{
    enum tern_error error;

    if (call->is_cancelled)
        return;
    if (sim_chance(200)) {
        tern_post_cancel(engine_of(call), call->id);
        return;
    }
    error = tern_call_cancel(engine_of(call), call->id);
    sim_note("call %u is cancelled: %s", call->number, tern_error_name(error));
    if (call->is_posted && error == TERN_EGONE) /* not taken up yet */
        return;
    SIM_CHECK(error == TERN_OK || error == TERN_EGONE, "cancel of call %u answers %s", call->number,
              tern_error_name(error));
    call->is_cancelled = error == TERN_OK;
}

static void resume(struct sim_call *call)
{
    if (call->is_paused && tern_call_resume(engine_of(call), call->id) == TERN_OK)
        call->is_paused = false;
}

static void on_resume(void *context, uint64_t number)
{
    struct sim_call *call = context;

    (void)number;
    if (call->state == SIM_CALL_LIVE)
        resume(call);
}

static void pause_it(struct sim_call *call)
{
    enum tern_error error = tern_call_pause(engine_of(call), call->id);

    if (error != TERN_OK)
        return;
    call->is_paused = true;
    sim_note("call %u is paused", call->number);
    sim_after(sim_some_time(300 * TERN_MS), on_resume, call, 0);
}

static void credit(struct sim_call *call, uint64_t bytes)
{
    enum tern_error error = tern_call_credit(engine_of(call), call->id, (size_t)bytes);

    SIM_CHECK(error == TERN_OK || error == TERN_EGONE, "a credit of %llu of %llu bytes for call %u answers %s",
              (unsigned long long)bytes, (unsigned long long)call->owed, call->number, tern_error_name(error));
    if (error == TERN_OK)
        call->owed -= bytes;
}

static void on_credit(void *context, uint64_t bytes)
{
    struct sim_call *call = context;

    if (call->state == SIM_CALL_LIVE && bytes <= call->owed && !call->is_cancelled)
        credit(call, bytes);
}

static void on_body_ready(void *context, uint64_t number)
{
    struct sim_call *call = context;

    (void)number;
    if (call->state != SIM_CALL_LIVE || !call->body_waits)
        return;
    call->body_waits = false;
    (void)tern_call_body_ready(engine_of(call), call->id);
}

static void on_whim(void *context, uint64_t number)
{
    struct sim_call *call = context;

    if (call->state != SIM_CALL_LIVE)
        return;
    if (number == 0)
        cancel(call);
    else if (!call->is_cancelled)
        pause_it(call);
}

/* From inside a callback. */
void sim_call_act(struct sim_call *call)
{
    unsigned next = call->number + 1;

    if (sim_chance(sim.rate[SIM_FAULT_CANCEL] / 4) && sim_fault(SIM_FAULT_CANCEL))
        cancel(call);
    else if (sim_chance(300) && sim_fault(SIM_FAULT_PAUSE))
        pause_it(call);
    if (call->has_priority && sim_chance(100))
        (void)tern_call_set_priority(engine_of(call), call->id, (struct tern_priority){(uint8_t)sim_below(8), false});
    if (sim_chance(30) && next < sim.call_count && sim_users.calls[next].state == SIM_CALL_PLANNED &&
        !sim.options.is_left_out[next] && !sim.is_calm)
        sim_call_start(&sim_users.calls[next]);
}

/* ---- its body ---- */

static enum tern_read on_read(void *user, void *buffer, size_t capacity, size_t *n)
{
    struct sim_call *call = user;
    uint64_t left = call->body_len - call->body_at;

    SIM_CHECK(call->state == SIM_CALL_LIVE && call->client->engine->is_in_step, "the body of call %u is read",
              call->number);
    if (sim_fault(SIM_FAULT_BODY_WAIT)) {
        call->body_waits = true;
        sim_after(sim_some_time(30 * TERN_MS), on_body_ready, call, 0);
        return TERN_READ_WAIT;
    }
    if (call->body_lies && sim_chance(200)) {
        if (sim_chance(500))
            return TERN_READ_FAIL;
        left = 0;
    }
    if (left == 0)
        return TERN_READ_END;
    *n = 1 + (size_t)sim_below(left < capacity ? left : capacity);
    sim_pattern_fill(buffer, call->body_seed, call->body_at, *n);
    call->body_at += *n;
    return TERN_READ_DATA;
}

static bool on_rewind(void *user)
{
    struct sim_call *call = user;

    call->body_at = 0;
    return !sim_chance(100);
}

static void put_body(struct sim_call *call, struct tern_body *body)
{
    *body = (struct tern_body){.kind = call->body, .length = call->body_len, .user = call};
    if (!call->body_is_known)
        body->length = TERN_LENGTH_UNKNOWN;
    switch (call->body) {
    case TERN_BODY_NONE:
        break;
    case TERN_BODY_MEMORY:
        call->memory = sim_alloc((size_t)call->body_len + 1);
        sim_pattern_fill(call->memory, call->body_seed, 0, (size_t)call->body_len);
        body->data = call->memory;
        break;
    case TERN_BODY_CALLBACK:
        body->read = on_read;
        body->rewind = call->body_is_rewindable ? on_rewind : NULL;
        break;
    case TERN_BODY_FD:
        call->fd =
            sim_file_new(call->body_seed, call->body_lies ? call->body_len / 2 : call->body_len, call->body_is_pipe);
        body->fd = call->fd;
        break;
    }
}

void sim_call_free(struct sim_call *call)
{
    sim_free(call->memory); /* borrowed until on_done, and no longer */
    call->memory = NULL;
    if (call->fd >= 0)
        sim_file_close(call->fd);
    call->fd = -1;
}

/* ---- what the user sees ---- */

/* Every callback: it comes to a call that lives, from inside a step. */
static struct sim_call *enter(void *user, tern_call_id id, const char *what)
{
    struct sim_call *call = user;

    SIM_CHECK(call->state == SIM_CALL_LIVE, "%s for call %u, which %s", what, call->number,
              call->state == SIM_CALL_ENDED ? "has ended" : "was not started");
    SIM_CHECK(call->client->engine->is_in_step, "%s for call %u from outside a step", what, call->number);
    SIM_CHECK(id == call->id, "%s for call %u comes with another's handle", what, call->number);
    SIM_CHECK(!call->is_cancelled || strcmp(what, "on_done") == 0, "%s for call %u after its cancel", what,
              call->number);
    return call;
}

static void on_informational(void *user, tern_call_id id, const struct tern_head *head)
{
    struct sim_call *call = enter(user, id, "on_informational");

    SIM_CHECK(call->heads == 0, "on_informational for call %u behind its head", call->number);
    call->informational++;
    sim_note("call %u: informational %u", call->number, head->status);
    sim_call_act(call);
}

/* Whose answer it is, and what its body must be. */
static void read_answer(struct sim_call *call, const struct tern_head *head)
{
    struct tern_str id = tern_fields_get(head->fields, head->field_count, "x-id");
    struct tern_str body = tern_fields_get(head->fields, head->field_count, "x-body");
    unsigned long long seed, len;
    char text[64] = "";
    bool has_body;

    if (id.ptr == NULL || body.ptr == NULL || body.len >= sizeof(text))
        return; /* from who is rude */
    SIM_CHECK(strtoul(id.ptr, NULL, 10) == call->number && id.len == strlen(call->id_text),
              "call %u gets the answer to call %.*s", call->number, (int)id.len, id.ptr);
    memcpy(text, body.ptr, body.len);
    call->answer_len = TERN_OFF;
    switch (sscanf(text, "%llu %llu", &seed, &len)) {
    case 2:
        call->answer_len = len;
        break;
    case 1:
        break;
    default:
        return;
    }
    call->answer_seed = seed;
    call->answer_is_known = true;
    has_body = strcmp(call->method, "HEAD") != 0 && head->status != 204 && head->status != 304;
    if (!has_body)
        call->answer_len = 0;
    call->answer_is_coded = tern_fields_get(head->fields, head->field_count, "content-encoding").ptr != NULL;
    call->answer_is_spoilt = has_body && tern_fields_get(head->fields, head->field_count, "x-spoilt").ptr != NULL;
    SIM_CHECK(head->decoded ==
                  (call->answer_is_coded && has_body && sim_policy_decoding(call, call->policed.asked_of) != NULL),
              "the answer to call %u is decoded, or ought to be", call->number);
}

static void on_head(void *user, tern_call_id id, const struct tern_head *head)
{
    struct sim_call *call = enter(user, id, "on_head");

    SIM_CHECK(call->heads == 0, "a second on_head for call %u", call->number);
    call->heads++;
    call->status = head->status;
    sim_note("call %u: head %u", call->number, head->status);
    sim_identity_check_refusal(call, head);
    read_answer(call, head);
    sim_call_act(call);
}

/* Whether these bytes are what the answer has there. */
static bool is_answer(const struct sim_call *call, const void *data, uint64_t at, size_t len)
{
    const unsigned char *bytes = data;

    if (!call->answer_is_known)
        return true;
    if (at + len > call->answer_len)
        return false;
    if (!call->answer_is_coded)
        return sim_pattern_is(data, call->answer_seed, at, len);
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != sim_coded_content(call->answer_seed, at + i))
            return false;
    return true;
}

static void on_body(void *user, tern_call_id id, const void *data, size_t len)
{
    struct sim_call *call = enter(user, id, "on_body");

    SIM_CHECK(call->heads == 1 && !call->got_trailers && len > 0, "on_body of %zu bytes for call %u out of order", len,
              call->number);
    SIM_CHECK(!call->is_paused, "on_body for call %u, which is paused", call->number);
    SIM_CHECK(is_answer(call, data, call->received, len), "the answer to call %u is spoilt between %llu and %llu",
              call->number, (unsigned long long)call->received, (unsigned long long)(call->received + len));
    call->received += len;
    sim_note("call %u: %zu bytes", call->number, len);
    if (call->credits) {
        call->owed += len;
        SIM_CHECK(call->owed <= call->client->window_max, "call %u is owed %llu bytes: more than any window",
                  call->number, (unsigned long long)call->owed);
        if (sim.is_calm)
            credit(call, call->owed);
        else if (sim_chance(500))
            credit(call, sim_below(call->owed + 1));
        if (call->owed > 0)
            sim_after(sim_some_time(20 * TERN_MS), on_credit, call, call->owed);
    }
    sim_call_act(call);
}

static void on_trailers(void *user, tern_call_id id, const struct tern_field *fields, size_t count)
{
    struct sim_call *call = enter(user, id, "on_trailers");

    (void)fields;
    SIM_CHECK(call->heads == 1 && !call->got_trailers, "on_trailers for call %u out of order", call->number);
    call->got_trailers = true;
    sim_note("call %u: %zu trailers", call->number, count);
    sim_call_act(call);
}

static void on_trace(void *user, tern_call_id id, enum tern_trace_kind kind, struct tern_str text)
{
    struct sim_call *call = enter(user, id, "on_trace");

    sim_check_output("the trace", text.ptr, text.len);
    sim_note("call %u: trace %d %.*s", call->number, (int)kind, (int)text.len, text.ptr);
    if (sim_chance(sim.rate[SIM_FAULT_CANCEL] / 8))
        sim_call_act(call);
}

void sim_call_check(const struct sim_call *call)
{
    const struct tern_result *result = &call->result;
    bool is_unprocessed = result->replay == TERN_REPLAY_UNSENT || result->replay == TERN_REPLAY_REFUSED;

    if (call->state != SIM_CALL_ENDED || call->policed.loops)
        return;
    SIM_CHECK(call->policed.processed[result->hop] + (is_unprocessed && result->fault.error != TERN_OK) <=
                  result->attempt + result->hedges,
              "call %u was processed %u times in %u attempts of hop %u, the last of replay class %d", call->number,
              call->policed.processed[result->hop], result->attempt, result->hop, (int)result->replay);
}

/* What a response is collected in was not to be had: the call itself may have ended otherwise. */
static bool is_out_of_memory(const struct sim_call *call, const struct tern_result *result)
{
    return call->is_collected && result->fault.error == TERN_ENOMEM;
}

static void check_result(const struct sim_call *call, const struct tern_result *result)
{
    const struct tern_times *t = &result->times;
    bool is_well = result->fault.error == TERN_OK;

    SIM_CHECK(is_well || result->fault.text[0] != '\0', "call %u ends with %s and no text", call->number,
              tern_error_name(result->fault.error));
    sim_check_output("a fault", result->fault.text, strlen(result->fault.text));
    SIM_CHECK(!call->is_cancelled || result->fault.error == TERN_ECANCELLED || is_out_of_memory(call, result),
              "call %u was cancelled, but ends with %s", call->number, tern_error_name(result->fault.error));
    SIM_CHECK(result->attempt >= 1 && result->attempt <= sim_policy_attempts_max(call), "call %u ends at attempt %u",
              call->number, result->attempt);
    SIM_CHECK(t->pool_ns + t->dns_ns + t->tcp_ns + t->tls_ns + t->write_ns + t->wait_ns + t->read_ns <= t->total_ns,
              "the phases of call %u are longer than the whole", call->number);
    SIM_CHECK(result->fault.error != TERN_EDECODE || !call->answer_is_known || call->answer_is_spoilt ||
                  call->answer_len == TERN_OFF,
              "the answer to call %u could not be decoded: %s", call->number, result->fault.text);
    if (!is_well)
        return;
    SIM_CHECK(result->phase == TERN_PHASE_DONE && call->heads == 1, "call %u ends well in phase %d with %u heads",
              call->number, (int)result->phase, call->heads);
    SIM_CHECK(result->status == call->status, "call %u ends well with status %u, and was shown %u", call->number,
              result->status, call->status);
    SIM_CHECK(result->resumes > 0 ||
                  result->received_body_bytes == (result->decoded ? sim_coded_len(call->received) : call->received),
              "call %u received %llu bytes and was shown %llu", call->number,
              (unsigned long long)result->received_body_bytes, (unsigned long long)call->received);
    SIM_CHECK(!call->answer_is_spoilt, "call %u ends well with a body that is not what its sum says", call->number);
    SIM_CHECK(!call->answer_is_known || call->answer_len == TERN_OFF || call->answer_len == call->received,
              "call %u ends well with %llu of %llu bytes", call->number, (unsigned long long)call->received,
              (unsigned long long)call->answer_len);
    SIM_CHECK(call->processed >= 1 || !call->answer_is_known, "call %u ends well, but nobody has processed it",
              call->number);
}

static void done(struct sim_call *call, tern_call_id id, const struct tern_result *result)
{
    sim_note("call %u: done %s in phase %d, attempt %u, replay %d", call->number, tern_error_name(result->fault.error),
             (int)result->phase, result->attempt, (int)result->replay);
    if (call->is_refusable && result->attempt == 0) { /* a post that was refused when it was taken up */
        SIM_CHECK(result->fault.error != TERN_OK, "call %u ends well without an attempt", call->number);
    } else {
        check_result(call, result);
        if (!is_out_of_memory(call, result))
            sim_policy_ended(call, result);
    }
    call->result = *result;
    call->result.hops = NULL;
    call->result.host_config = NULL;
    call->state = SIM_CALL_ENDED;
    sim_call_check(call);
    sim_call_free(call);
    sim_users.live--;
    sim_users.ended++;
    call->client->live--;
    sim_users.attempts += result->attempt;
    sim_users.errors[result->fault.error]++;
    SIM_CHECK(tern_call_cancel(engine_of(call), id) == TERN_EGONE, "call %u has ended, but can be cancelled",
              call->number);
    sim_call_act(call);
}

static void on_done(void *user, tern_call_id id, const struct tern_result *result)
{
    done(enter(user, id, "on_done"), id, result);
}

/* The one callback of a collected call: the whole answer, or what came of it. */
static void on_response(void *user, tern_call_id id, const struct tern_response *response)
{
    struct sim_call *call = enter(user, id, "on_done");
    const struct tern_head head = {.status = response->result.status,
                                   .fields = response->fields,
                                   .field_count = response->field_count,
                                   .decoded = response->result.decoded};

    if (head.status != 0) {
        call->heads++;
        call->status = head.status;
        sim_identity_check_refusal(call, &head);
        read_answer(call, &head);
    }
    SIM_CHECK(response->body[response->body_len] == '\0', "no NUL is behind the answer to call %u", call->number);
    SIM_CHECK(is_answer(call, response->body, 0, response->body_len), "the answer to call %u is spoilt", call->number);
    call->received = response->body_len;
    sim_note("call %u: collected, status %u, %zu bytes", call->number, head.status, response->body_len);
    done(call, id, &response->result);
}

/* ---- the start ---- */

static size_t put_fields(struct sim_call *call, struct tern_field fields[8])
{
    size_t count = 0;

    fields[count++] = (struct tern_field){TERN_STR("X-Id"), tern_str(call->id_text), 0};
    if (call->has_field)
        fields[count++] = (struct tern_field){TERN_STR("Authorization"), tern_str(call->authorization), 0};
    fields[count++] = (struct tern_field){TERN_STR("X-Key"), tern_str(call->key), TERN_FIELD_SECRET};
    if (call->has_key)
        fields[count++] = (struct tern_field){TERN_STR("Idempotency-Key"), tern_str(call->id_text), 0};
    if (call->says_close)
        fields[count++] = (struct tern_field){TERN_STR("Connection"), TERN_STR("close"), 0};
    return count;
}

void sim_call_set_shape(struct sim_call *call, unsigned shape)
{
    call->shape = shape;
    call->policed.config = call->client->config;
    snprintf(call->shape_text, sizeof(call->shape_text), "%u %u", call->client->number, shape);
}

static void plan_whims(struct sim_call *call)
{
    if (sim_fault(SIM_FAULT_CANCEL))
        sim_after(sim_some_time(20 * TERN_MS), on_whim, call, 0);
    if (sim_fault(SIM_FAULT_PAUSE))
        sim_after(sim_some_time(10 * TERN_MS), on_whim, call, 1);
}

void sim_call_start(struct sim_call *call)
{
    struct tern_handlers handlers = {on_informational, on_head, on_body, on_trailers, on_done, on_trace};
    struct tern_client *client = call->client->client;
    struct tern_field fields[8];
    struct tern_request request = {.method = tern_str(call->method),
                                   .url = tern_str(call->url),
                                   .fields = fields,
                                   .timeouts = &call->timeouts,
                                   .expect = call->expect,
                                   .priority = call->has_priority ? &call->priority : NULL,
                                   .body_bytes_max = call->body_bytes_max,
                                   .policy = call->policed.has_own ? &call->policed.own : NULL,
                                   .credit = call->credits,
                                   .fresh_connection = call->is_fresh};
    static const struct tern_field trailer = {TERN_STR("X-Check"), TERN_STR("yes"), 0};
    struct tern_fault why = {0};
    enum tern_error error;

    call->state = SIM_CALL_REFUSED;
    if (client == NULL)
        return;
    snprintf(call->id_text, sizeof(call->id_text), "%u", call->number);
    sim_call_set_shape(call, call->client->shape);
    request.field_count = put_fields(call, fields);
    put_body(call, &request.body);
    if (call->has_trailers && !call->body_is_known) {
        request.trailers = &trailer;
        request.trailer_count = 1;
    }
    if (!call->is_traced)
        handlers.on_trace = NULL;
    call->posted_at = call->client->engine->engine->stats.steps;
    if (call->is_collected)
        error = tern_collect_start(client, &request, 0, on_response, call, &call->id, &why);
    else
        error =
            (call->is_posted ? tern_post_start : tern_call_start)(client, &request, &handlers, call, &call->id, &why);
    sim_note("call %u %s %s starts: %s", call->number, call->method, call->path, tern_error_name(error));
    if (error != TERN_OK) {
        SIM_CHECK(error == TERN_ENOMEM || error == TERN_ELIMIT || error == TERN_EQUEUE || error == TERN_ECLOSED,
                  "call %u is refused: %s %s", call->number, tern_error_name(error), why.text);
        sim_check_output("a refusal", why.text, strlen(why.text));
        sim_call_free(call);
        sim_users.refused++;
        return;
    }
    call->state = SIM_CALL_LIVE;
    call->is_refusable = call->is_posted;
    call->client->live++;
    sim_users.live++;
    sim_users.started++;
    sim_policy_started(call);
    plan_whims(call);
}

void sim_call_calm(struct sim_call *call)
{
    if (call->state != SIM_CALL_LIVE || call->is_cancelled)
        return;
    resume(call);
    if (call->owed > 0)
        credit(call, call->owed);
    on_body_ready(call, 0);
}
