/* The mock that users get, over the public API alone: what is expected and what is not, what is answered and when, and
 * that everything above it works as in earnest. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tern/mock.h"

#define URL "http://api.test/items"

struct world {
    struct tern_engine *engine;
    struct tern_client *client;
    struct tern_mock *mock;
    char told[2048]; /* by on_unexpected */
};

/* What one call's user sees, as a line. */
struct seen {
    struct world *world;
    tern_call_id id;
    char text[1024];
    uint32_t dones;
    struct tern_result result;
    uint64_t done_ns; /* from its start */
    void (*hook)(struct seen *seen, const char *event);
};

static void TERN_PRINTF(3, 4) note(struct seen *seen, const char *event, const char *format, ...)
{
    size_t len = strlen(seen->text);
    va_list args;

    assert_int_equal(seen->dones, 0);
    if (len > 0)
        len += (size_t)snprintf(seen->text + len, sizeof(seen->text) - len, " | ");
    va_start(args, format);
    vsnprintf(seen->text + len, sizeof(seen->text) - len, format, args);
    va_end(args);
    if (seen->hook != NULL)
        seen->hook(seen, event);
}

static void on_informational(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call;
    note(user, "informational", "%u", head->status);
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call;
    note(user, "head", "head %u", head->status);
}

static void on_body(void *user, tern_call_id call, const void *data, size_t len)
{
    (void)call;
    note(user, "body", "%.*s", (int)len, (const char *)data);
}

static void on_trailers(void *user, tern_call_id call, const struct tern_field *fields, size_t count)
{
    (void)call;
    assert_int_equal(count, 1);
    note(user, "trailers", "%.*s: %.*s", (int)fields->name.len, fields->name.ptr, (int)fields->value.len,
         fields->value.ptr);
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    static const char *const phases[] = {"START", "POOL", "DNS", "CONNECT", "TLS", "WRITE", "WAIT", "READ", "DONE"};
    static const char *const replays[] = {"UNSENT", "REFUSED", "STALE", "MAYBE", "ANSWERED"};
    struct seen *seen = user;

    (void)call;
    seen->result = *result;
    seen->done_ns = result->times.total_ns;
    if (result->fault.error == TERN_OK)
        note(seen, "done", "done");
    else
        note(seen, "done", "%s %s %s", tern_error_name(result->fault.error) + 5, phases[result->phase],
             replays[result->replay]);
    seen->dones++;
}

static const struct tern_handlers handlers = {.on_informational = on_informational,
                                              .on_head = on_head,
                                              .on_body = on_body,
                                              .on_trailers = on_trailers,
                                              .on_done = on_done};

static void on_unexpected(void *user, const char *text)
{
    struct world *w = user;

    snprintf(w->told + strlen(w->told), sizeof(w->told) - strlen(w->told), "%s", text);
}

static void open_world(struct world *w, const struct tern_policy *policy, const struct tern_timeouts *timeouts)
{
    struct tern_client_config config = {.policy = policy, .limits = {.body_window_bytes = 4}, .user_agent = ""};
    const struct tern_mock_config mock = {.on_unexpected = on_unexpected, .user = w};
    struct tern_fault why = {0};

    if (timeouts != NULL)
        config.timeouts = *timeouts;
    *w = (struct world){0};
    assert_int_equal(tern_mock_engine_new(NULL, &w->engine, NULL), TERN_OK);
    if (tern_client_new(w->engine, &config, &w->client, &why) != TERN_OK)
        fail_msg("%s", why.text);
    assert_int_equal(tern_mock_new(w->client, &mock, &w->mock, NULL), TERN_OK);
}

static void close_world(struct world *w)
{
    assert_int_equal(tern_engine_shutdown(w->engine), TERN_OK);
    assert_int_equal(tern_engine_free(w->engine), TERN_OK);
    tern_mock_free(w->mock);
}

static void start(struct world *w, struct seen *seen, const struct tern_request *request)
{
    struct tern_fault why = {0};

    *seen = (struct seen){.world = w, .hook = seen->hook};
    if (tern_call_start(w->client, request, &handlers, seen, &seen->id, &why) != TERN_OK)
        fail_msg("%s", why.text);
}

static void advance(struct world *w, uint64_t ns)
{
    assert_int_equal(tern_mock_advance(w->engine, ns), TERN_OK);
}

static void get(struct world *w, struct seen *seen, const char *url)
{
    start(w, seen, &(struct tern_request){.url = tern_str(url)});
    advance(w, 0);
}

static void expect(struct world *w, const struct tern_mock_match *match, const struct tern_mock_answer *answer,
                   uint32_t times)
{
    struct tern_fault why = {0};

    if (tern_mock_expect(w->mock, match, answer, times, &why) != TERN_OK)
        fail_msg("%s", why.text);
}

static void all_is_well(struct world *w)
{
    const char *complaint = tern_mock_verify(w->mock);

    if (complaint != NULL)
        fail_msg("%s", complaint);
}

/* ---- what comes ---- */

static void test_a_whole_answer_comes_in_its_order_and_time(void **state)
{
    const struct tern_field field = {.name = TERN_STR("X-Sum"), .value = TERN_STR("7")};
    const struct tern_mock_informational early = {.status = 103, .delay_ns = 10 * TERN_MS};
    const struct tern_mock_piece pieces[] = {{TERN_STR("abc"), TERN_MS}, {TERN_STR("de"), 2 * TERN_MS}};
    const struct tern_mock_answer answer = {.informational = &early,
                                            .informational_count = 1,
                                            .delay_ns = 20 * TERN_MS,
                                            .status = 201,
                                            .version = TERN_HTTP_2,
                                            .pieces = pieces,
                                            .piece_count = 2,
                                            .trailers = &field,
                                            .trailer_count = 1};
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &answer, 0);
    get(&w, &seen, URL);
    advance(&w, 10 * TERN_MS - 1);
    assert_string_equal(seen.text, "");
    advance(&w, 1);
    assert_string_equal(seen.text, "103");
    advance(&w, 20 * TERN_MS);
    assert_string_equal(seen.text, "103 | head 201");
    advance(&w, TERN_MS);
    assert_string_equal(seen.text, "103 | head 201 | abc");
    advance(&w, TERN_S);
    assert_string_equal(seen.text, "103 | head 201 | abc | de | X-Sum: 7 | done");
    assert_int_equal(seen.done_ns, 33 * TERN_MS);
    assert_int_equal(seen.result.version, TERN_HTTP_2);
    assert_int_equal(seen.result.times.wait_ns, 30 * TERN_MS);
    assert_int_equal(seen.result.received_body_bytes, 5);
    assert_true(seen.result.sent_head_bytes > 20);
    all_is_well(&w);
    close_world(&w);
}

static void test_no_body_where_there_can_be_none(void **state)
{
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){.body = TERN_STR("x")}, 1);
    expect(&w, NULL, &(struct tern_mock_answer){.status = 304, .body = TERN_STR("x")}, 1);
    start(&w, &seen, &(struct tern_request){.method = TERN_STR("HEAD"), .url = TERN_STR(URL)});
    advance(&w, 0);
    assert_string_equal(seen.text, "head 200 | done");
    get(&w, &seen, URL);
    assert_string_equal(seen.text, "head 304 | done");
    close_world(&w);
}

static void test_a_window_is_kept_and_credited(void **state)
{
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){.body = TERN_STR("0123456789")}, 1);
    start(&w, &seen, &(struct tern_request){.url = TERN_STR(URL), .credit = true});
    advance(&w, TERN_S);
    assert_string_equal(seen.text, "head 200 | 0123");
    assert_int_equal(tern_call_credit(w.engine, seen.id, 3), TERN_OK);
    assert_string_equal(seen.text, "head 200 | 0123"); /* nothing comes from inside */
    advance(&w, 0);
    assert_string_equal(seen.text, "head 200 | 0123 | 456");
    assert_int_equal(tern_call_credit(w.engine, seen.id, 5), TERN_EINVAL);
    advance(&w, 1000 * TERN_S); /* what is not taken is not the peer's silence */
    assert_int_equal(tern_call_credit(w.engine, seen.id, 4), TERN_OK);
    advance(&w, 0);
    assert_string_equal(seen.text, "head 200 | 0123 | 456 | 789 | done");
    close_world(&w);
}

static void pause_at_first_piece(struct seen *seen, const char *event)
{
    if (strcmp(event, "body") == 0 && strchr(seen->text, '4') == NULL)
        assert_int_equal(tern_call_pause(seen->world->engine, seen->id), TERN_OK);
}

static void test_a_paused_call_gets_nothing(void **state)
{
    struct world w;
    struct seen seen = {.hook = pause_at_first_piece};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){.body = TERN_STR("01234567")}, 1);
    get(&w, &seen, URL);
    advance(&w, 1000 * TERN_S); /* more than any timeout */
    assert_string_equal(seen.text, "head 200 | 0123");
    assert_int_equal(tern_call_resume(w.engine, seen.id), TERN_OK);
    advance(&w, 0);
    assert_string_equal(seen.text, "head 200 | 0123 | 4567 | done");
    close_world(&w);
}

/* ---- what fits ---- */

static bool has_long_body(void *user, const struct tern_mock_request *request)
{
    assert_true(request->is_whole);
    return request->body.len > *(size_t *)user;
}

static void test_requests_are_told_apart(void **state)
{
    const struct tern_field key = {.name = TERN_STR("X-Key"), .value = TERN_STR("k")};
    const struct tern_field any_key = {.name = TERN_STR("x-key")};
    size_t three = 3;
    const struct tern_mock_match matches[] = {{.method = "PUT"},
                                              {.host = "API2.test."},
                                              {.path = "/a"},
                                              {.path = "/b?x=1"},
                                              {.path = "/all/*"},
                                              {.fields = &key, .field_count = 1},
                                              {.fields = &any_key, .field_count = 1},
                                              {.check = has_long_body, .user = &three}};
    const struct tern_field keys[] = {{.name = TERN_STR("X-Key"), .value = TERN_STR("k")},
                                      {.name = TERN_STR("X-Key"), .value = TERN_STR("other")}};
    const struct tern_request requests[] = {
        {.url = TERN_STR("http://api.test/c"), .method = TERN_STR("PUT")},
        {.url = TERN_STR("https://api2.test:8443/c")},
        {.url = TERN_STR("http://api.test/a?x=2")},
        {.url = TERN_STR("http://api.test/b?x=1")},
        {.url = TERN_STR("http://[::1]/all/of/it")},
        {.url = TERN_STR("http://api.test/"), .fields = &keys[0], .field_count = 1},
        {.url = TERN_STR("http://api.test/"), .fields = &keys[1], .field_count = 1},
        {.url = TERN_STR("http://api.test/"),
         .method = TERN_STR("POST"),
         .body = {.kind = TERN_BODY_MEMORY, .data = "long", .length = 4}},
    };
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    for (uint16_t i = 0; i < 8; i++)
        expect(&w, &matches[i], &(struct tern_mock_answer){.status = (uint16_t)(200 + i)}, TERN_MOCK_ALWAYS);
    for (int i = 0; i < 8; i++) {
        char expected[32];

        start(&w, &seen, &requests[i]);
        advance(&w, 0);
        snprintf(expected, sizeof(expected), "head %d | done", 200 + i);
        assert_string_equal(seen.text, expected);
    }
    get(&w, &seen, "http://api.test/b?x=2");
    assert_string_equal(seen.text, "EMOCK WAIT MAYBE");
    get(&w, &seen, "http://api.test/all");
    assert_string_equal(seen.text, "EMOCK WAIT MAYBE");
    assert_string_equal(tern_mock_sent(w.mock, 4)->url.ptr, "http://[::1]/all/of/it");
    assert_string_equal(tern_mock_sent(w.mock, 1)->url.ptr, "https://api2.test:8443/c");
    close_world(&w);
}

static void test_expectations_are_used_up_in_turn(void **state)
{
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){.status = 201}, 1);
    expect(&w, NULL, &(struct tern_mock_answer){.status = 202}, 2);
    expect(&w, NULL, &(struct tern_mock_answer){.status = 203}, TERN_MOCK_ALWAYS);
    for (int i = 0; i < 5; i++) {
        get(&w, &seen, URL);
        assert_int_equal(seen.result.status, i == 0 ? 201 : i < 3 ? 202 : 203);
    }
    all_is_well(&w);
    close_world(&w);
}

static void test_the_unexpected_is_told(void **state)
{
    static const char complaint[] = "GET http://api.test/other (attempt 1, hop 1) was not expected. Expected were:\n"
                                    "    GET api.test/items with X-Key, 0 of 2 came\n"
                                    "    any method any host any path that passes a check, always\n";
    const struct tern_field key = {.name = TERN_STR("X-Key"), .value = TERN_STR("secret")};
    const struct tern_mock_match items = {
        .method = "GET", .host = "api.test", .path = "/items", .fields = &key, .field_count = 1};
    const struct tern_retries retries = {.attempts_max = 3};
    size_t never = SIZE_MAX;
    struct world w;
    struct seen seen = {0};
    char whole[1024];

    (void)state;
    open_world(&w, &(struct tern_policy){.retries = &retries}, NULL);
    all_is_well(&w);
    get(&w, &seen, "http://api.test/");
    assert_string_equal(w.told, "GET http://api.test/ (attempt 1, hop 1) was not expected. Nothing was expected.\n");
    assert_string_equal(seen.text, "EMOCK WAIT MAYBE");
    assert_string_equal(seen.result.fault.text, "GET http://api.test/ was not expected");
    assert_string_equal(tern_mock_verify(w.mock), w.told);
    close_world(&w);

    open_world(&w, &(struct tern_policy){.retries = &retries}, NULL);
    expect(&w, &items, &(struct tern_mock_answer){0}, 2);
    expect(&w, &(struct tern_mock_match){.check = has_long_body, .user = &never}, &(struct tern_mock_answer){0},
           TERN_MOCK_ALWAYS);
    get(&w, &seen, "http://user:password@api.test/other");
    assert_string_equal(w.told, complaint);
    snprintf(whole, sizeof(whole), "%sGET api.test/items with X-Key was expected 2 more times.\n", complaint);
    assert_string_equal(tern_mock_verify(w.mock), whole);
    assert_int_equal(tern_mock_sent_count(w.mock), 1);
    assert_false(tern_mock_sent(w.mock, 0)->is_expected);
    close_world(&w);
}

/* ---- what is sent ---- */

struct upload {
    const char *script; /* d: data, w: wait, e: end, f: fail */
};

static enum tern_read read_script(void *user, void *buffer, size_t capacity, size_t *n)
{
    struct upload *upload = user;
    char step = *upload->script;

    (void)capacity;
    upload->script += step != '\0';
    memcpy(buffer, "data", 4);
    *n = 4;
    return step == 'd' ? TERN_READ_DATA : step == 'w' ? TERN_READ_WAIT : step == 'f' ? TERN_READ_FAIL : TERN_READ_END;
}

static struct tern_request upload_of(struct upload *upload, uint64_t length)
{
    return (struct tern_request){
        .method = TERN_STR("PUT"),
        .url = TERN_STR(URL),
        .body = {.kind = TERN_BODY_CALLBACK, .length = length, .read = read_script, .user = upload}};
}

static void test_what_was_sent_is_kept(void **state)
{
    const struct tern_field fields[] = {{.name = TERN_STR("Host"), .value = TERN_STR("other.test")},
                                        {.name = TERN_STR("X"), .value = TERN_STR("y")}};
    const struct tern_field trailer = {.name = TERN_STR("Sum"), .value = TERN_STR("1")};
    const struct tern_priority priority = {.urgency = 1};
    struct upload upload = {"dwd"};
    struct tern_request request = upload_of(&upload, TERN_LENGTH_UNKNOWN);
    const struct tern_mock_request *sent;
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){0}, 1);
    request.url = TERN_STR("http://u:p@API.test:81/a?b#c");
    request.fields = fields;
    request.field_count = 2;
    request.trailers = &trailer;
    request.trailer_count = 1;
    request.priority = &priority;
    advance(&w, 5 * TERN_S);
    start(&w, &seen, &request);
    advance(&w, TERN_S);
    sent = tern_mock_sent(w.mock, 0);
    assert_int_equal(sent->body.len, 4);
    assert_false(sent->is_whole);
    assert_int_equal(tern_call_body_ready(w.engine, seen.id), TERN_OK);
    advance(&w, 0);
    assert_string_equal(seen.text, "head 200 | done");
    assert_int_equal(tern_mock_sent_count(w.mock), 1);
    assert_null(tern_mock_sent(w.mock, 1));
    assert_true(sent->is_whole && sent->is_expected);
    assert_string_equal(sent->url.ptr, "http://api.test:81/a?b");
    assert_memory_equal(sent->method.ptr, "PUT", 4);
    assert_int_equal(sent->body.len, 8);
    assert_memory_equal(sent->body.ptr, "datadata", 8);
    assert_string_equal(tern_fields_get(sent->fields, sent->field_count, "Host").ptr, "other.test");
    assert_string_equal(tern_fields_get(sent->fields, sent->field_count, "X").ptr, "y");
    assert_string_equal(tern_fields_get(sent->fields, sent->field_count, "Authorization").ptr, "Basic dTpw");
    assert_string_equal(tern_fields_get(sent->fields, sent->field_count, "Priority").ptr, "u=1");
    assert_string_equal(sent->trailers[0].value.ptr, "1");
    assert_int_equal(sent->attempt, 1);
    assert_int_equal(sent->hop, 1);
    assert_int_equal(sent->at_ns, seen.result.times.start_ns);
    assert_int_equal(seen.result.sent_body_bytes, 8);
    assert_int_equal(seen.result.times.write_ns, TERN_S);
    close_world(&w);
}

static void test_a_body_that_breaks_its_word_ends_the_call(void **state)
{
    static const struct {
        const char *script;
        uint64_t length;
        const char *text;
    } rows[] = {{"ddd", 8, "EBODY_SIZE WRITE MAYBE"},
                {"d", 8, "EBODY_SIZE WRITE MAYBE"},
                {"df", 8, "EBODY_SOURCE WRITE MAYBE"},
                {"dd", 8, "head 200 | done"}};
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){0}, TERN_MOCK_ALWAYS);
    for (size_t i = 0; i < 4; i++) {
        struct upload upload = {rows[i].script};
        const struct tern_request request = upload_of(&upload, rows[i].length);

        start(&w, &seen, &request);
        advance(&w, 0);
        assert_string_equal(seen.text, rows[i].text);
    }
    close_world(&w);
}

/* ---- failures, and what policies make of them ---- */

static void test_failures_have_their_phase_and_replay_class(void **state)
{
    static const struct {
        struct tern_mock_answer answer;
        const char *text;
    } rows[] = {
        {{.error = TERN_EDNS_NOT_FOUND}, "EDNS_NOT_FOUND DNS UNSENT"},
        {{.error = TERN_ECONNECT_REFUSED}, "ECONNECT_REFUSED CONNECT UNSENT"},
        {{.error = TERN_ETLS_CERT_HOST}, "ETLS_CERT_HOST TLS UNSENT"},
        {{.error = TERN_EPOOL_TIMEOUT}, "EPOOL_TIMEOUT POOL UNSENT"},
        {{.error = TERN_EQUEUE}, "EQUEUE POOL UNSENT"},
        {{.error = TERN_EDESCRIPTORS}, "EDESCRIPTORS CONNECT UNSENT"},
        {{.error = TERN_ECONNECT_TIMEOUT}, "ECONNECT_TIMEOUT CONNECT UNSENT"},
        {{.error = TERN_EWRITE_TIMEOUT}, "EWRITE_TIMEOUT WRITE MAYBE"},
        {{.error = TERN_ETLS_RECORD}, "ETLS_RECORD WAIT MAYBE"},
        {{.error = TERN_EPEER_RESET}, "EPEER_RESET WAIT MAYBE"},
        {{.error = TERN_EPEER_TRUNCATED, .status = 200, .body = TERN_STR("ab")},
         "head 200 | ab | EPEER_TRUNCATED READ ANSWERED"},
        {{.error = TERN_EPROTO}, "EPROTO WAIT MAYBE"},
        {{.error = TERN_EPEER_RESET, .phase = TERN_PHASE_WRITE, .replay = TERN_REPLAY_MAYBE},
         "EPEER_RESET WRITE MAYBE"},
    };
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(&w, NULL, &rows[i].answer, 1);
        get(&w, &seen, URL);
        assert_string_equal(seen.text, rows[i].text);
    }
    all_is_well(&w);
    close_world(&w);
}

static void test_what_is_safe_is_replayed(void **state)
{
    const struct tern_mock_answer refused = {.error = TERN_EPEER_REFUSED};
    const struct tern_mock_answer stale = {
        .error = TERN_EPEER_EMPTY, .phase = TERN_PHASE_WAIT, .replay = TERN_REPLAY_STALE};
    struct world w;
    struct seen seen = {0};
    struct tern_client_stats stats;

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &refused, 1);
    expect(&w, NULL, &stale, 1);
    expect(&w, NULL, &(struct tern_mock_answer){0}, 1);
    get(&w, &seen, URL);
    assert_string_equal(seen.text, "head 200 | done");
    assert_int_equal(tern_mock_sent_count(w.mock), 3);
    tern_client_stats(w.client, &stats);
    assert_int_equal(stats.replayed, 2);
    expect(&w, NULL, &stale, 1); /* a POST is not */
    start(&w, &seen, &(struct tern_request){.url = TERN_STR(URL), .method = TERN_STR("POST")});
    advance(&w, 0);
    assert_string_equal(seen.text, "EPEER_EMPTY WAIT STALE");
    assert_true(seen.result.reused);
    all_is_well(&w);
    close_world(&w);
}

static void test_a_body_is_not_read_for_a_connection_that_fails(void **state)
{
    const struct tern_retries retries = {.attempts_max = 2};
    struct upload upload = {"d"};
    const struct tern_request request = upload_of(&upload, 4);
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, &(struct tern_policy){.retries = &retries}, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){.error = TERN_ECONNECT_REFUSED}, 1);
    expect(&w, NULL, &(struct tern_mock_answer){0}, 1);
    start(&w, &seen, &request);
    advance(&w, TERN_S);
    assert_string_equal(seen.text, "head 200 | done"); /* though it cannot be read twice */
    assert_false(tern_mock_sent(w.mock, 0)->is_whole);
    assert_int_equal(tern_mock_sent(w.mock, 1)->body.len, 4);
    close_world(&w);
}

static void test_every_timeout_holds(void **state)
{
    static const struct {
        struct tern_mock_answer answer;
        const char *text;
        uint64_t after_s;
    } rows[] = {
        {{.delay_ns = TERN_OFF}, "EREAD_TIMEOUT WAIT MAYBE", 3},
        {{.body = TERN_STR("x"), .error = TERN_OK, .delay_ns = 2 * TERN_S}, "head 200 | x | done", 2},
        {{.delay_ns = TERN_OFF, .error = TERN_ECONNECT_REFUSED}, "ECONNECT_TIMEOUT CONNECT UNSENT", 2},
        {{.delay_ns = TERN_OFF, .error = TERN_EPOOL_TIMEOUT}, "EPOOL_TIMEOUT POOL UNSENT", 1},
    };
    const struct tern_mock_piece slow[] = {{TERN_STR("a"), 2 * TERN_S},
                                           {TERN_STR("b"), 2 * TERN_S},
                                           {TERN_STR("c"), 2 * TERN_S},
                                           {TERN_STR("d"), 2 * TERN_S}};
    const struct tern_timeouts timeouts = {
        .pool_ns = TERN_S, .connect_ns = 2 * TERN_S, .read_ns = 3 * TERN_S, .total_ns = 7 * TERN_S};
    struct tern_client_stats stats;
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, &timeouts);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(&w, NULL, &rows[i].answer, 1);
        get(&w, &seen, URL);
        advance(&w, 100 * TERN_S);
        assert_string_equal(seen.text, rows[i].text);
        assert_int_equal(seen.done_ns, rows[i].after_s * TERN_S);
    }
    assert_int_equal(tern_mock_sent(w.mock, 1)->at_ns - tern_mock_sent(w.mock, 0)->at_ns, 100 * TERN_S);
    expect(&w, NULL, &(struct tern_mock_answer){.pieces = slow, .piece_count = 4}, 1);
    get(&w, &seen, URL);
    advance(&w, 100 * TERN_S);
    assert_string_equal(seen.text, "head 200 | a | b | c | EDEADLINE READ ANSWERED");
    tern_client_stats(w.client, &stats);
    assert_int_equal(stats.timed_out_read, 1);
    assert_int_equal(stats.timed_out_connect, 1);
    assert_int_equal(stats.timed_out_pool, 1);
    close_world(&w);
}

static void test_policies_work_as_in_earnest(void **state)
{
    const struct tern_field location = {.name = TERN_STR("Location"), .value = TERN_STR("https://b.test/new")};
    const struct tern_field after = {.name = TERN_STR("Retry-After"), .value = TERN_STR("30")};
    const struct tern_field key = {.name = TERN_STR("Authorization"), .value = TERN_STR("Bearer x")};
    const char *denied = "no.test";
    const struct tern_gate gate = {.deny = &denied, .deny_count = 1};
    const struct tern_redirects redirects = {0};
    const struct tern_retries retries = {0};
    const struct tern_breaker breaker = {.failures = 2, .open_ns = 60 * TERN_S};
    const struct tern_rate rate = {.calls = 1, .period_ns = 10 * TERN_S};
    struct tern_policy policy = {
        .gate = &gate, .redirects = &redirects, .retries = &retries, .breaker = &breaker, .rate = NULL};
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, &policy, NULL);
    expect(
        &w, &(struct tern_mock_match){.host = "api.test"},
        &(struct tern_mock_answer){.status = 302, .fields = &location, .field_count = 1, .body = TERN_STR("moved on")},
        1);
    expect(&w, &(struct tern_mock_match){.host = "b.test"},
           &(struct tern_mock_answer){.status = 503, .fields = &after, .field_count = 1}, 1);
    expect(&w, &(struct tern_mock_match){.host = "b.test"}, &(struct tern_mock_answer){.body = TERN_STR("ok")}, 1);
    start(&w, &seen, &(struct tern_request){.url = TERN_STR(URL), .fields = &key, .field_count = 1});
    advance(&w, 100 * TERN_S);
    assert_string_equal(seen.text, "head 200 | ok | done");
    assert_int_equal(seen.result.hop, 2);
    assert_int_equal(seen.result.attempt, 2);
    assert_int_equal(tern_mock_sent(w.mock, 2)->attempt, 2);
    assert_true(tern_mock_sent(w.mock, 2)->at_ns - tern_mock_sent(w.mock, 1)->at_ns >= 30 * TERN_S);
    assert_non_null(tern_fields_get(tern_mock_sent(w.mock, 0)->fields, 9, "Authorization").ptr);
    assert_null(
        tern_fields_get(tern_mock_sent(w.mock, 1)->fields, tern_mock_sent(w.mock, 1)->field_count, "Authorization")
            .ptr);
    get(&w, &seen, "http://no.test/");
    assert_string_equal(seen.text, "EGATE START UNSENT");
    expect(&w, NULL, &(struct tern_mock_answer){.status = 500}, 2);
    get(&w, &seen, URL);
    get(&w, &seen, URL);
    get(&w, &seen, URL);
    assert_string_equal(seen.text, "EBREAKER START UNSENT");
    all_is_well(&w);
    close_world(&w);

    policy = (struct tern_policy){.rate = &rate};
    open_world(&w, &policy, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){0}, 2);
    get(&w, &seen, URL);
    get(&w, &seen, URL);
    assert_string_equal(seen.text, "");
    advance(&w, 100 * TERN_S);
    assert_int_equal(tern_mock_sent(w.mock, 1)->at_ns - tern_mock_sent(w.mock, 0)->at_ns, 10 * TERN_S);
    close_world(&w);
}

/* ---- ends ---- */

static const char *cancel_at;

static void cancel_there(struct seen *seen, const char *event)
{
    if (strcmp(event, cancel_at) == 0)
        (void)tern_call_cancel(seen->world->engine, seen->id);
}

static const struct tern_field sum = {.name = TERN_STR("Sum"), .value = TERN_STR("1")};
static const struct tern_mock_informational hints = {.status = 103, .delay_ns = TERN_MS};
static const struct tern_mock_piece crumbs[] = {{TERN_STR("ab"), TERN_MS}, {TERN_STR("cd"), TERN_MS}};
static const struct tern_mock_answer slow_answer = {.informational = &hints,
                                                    .informational_count = 1,
                                                    .delay_ns = TERN_MS,
                                                    .pieces = crumbs,
                                                    .piece_count = 2,
                                                    .trailers = &sum,
                                                    .trailer_count = 1};

static void test_a_call_may_be_cancelled_anywhere(void **state)
{
    static const char *const events[] = {"informational", "head", "body", "trailers"};
    struct world w;
    struct seen seen = {.hook = cancel_there};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &slow_answer, TERN_MOCK_ALWAYS);
    for (int i = 0; i < 4; i++) {
        cancel_at = events[i];
        get(&w, &seen, URL);
        advance(&w, TERN_S);
        assert_int_equal(seen.dones, 1);
        assert_int_equal(seen.result.fault.error, TERN_ECANCELLED);
    }
    seen.hook = NULL;
    for (uint64_t ms = 0; ms < 6; ms++) { /* and between them; not even begun, too */
        start(&w, &seen, &(struct tern_request){.url = TERN_STR(URL)});
        for (uint64_t step = 0; step < ms; step++)
            advance(&w, step == 0 ? 0 : TERN_MS);
        assert_int_equal(tern_call_cancel(w.engine, seen.id), ms == 5 ? TERN_EGONE : TERN_OK);
        advance(&w, TERN_S);
        assert_int_equal(seen.dones, 1);
        assert_int_equal(seen.result.fault.error, ms == 5 ? TERN_OK : TERN_ECANCELLED);
    }
    close_world(&w);
}

static bool cancel_and_say_yes(void *user, const struct tern_mock_request *request)
{
    struct seen *seen = user;

    (void)request;
    (void)tern_call_cancel(seen->world->engine, seen->id);
    return true;
}

static void cancel_what_is_unexpected(void *user, const char *text)
{
    struct seen **seen = user;

    (void)text;
    (void)tern_call_cancel((*seen)->world->engine, (*seen)->id);
}

static void cancel_in_trace(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text)
{
    struct seen *seen = user;

    (void)kind, (void)text;
    (void)tern_call_cancel(seen->world->engine, call);
}

/* Those who judge what is sent may end its call, too: it ends once, and what they say then counts for nothing. */
static void test_a_call_may_be_cancelled_by_who_judges(void **state)
{
    struct tern_handlers traced = handlers;
    struct world w;
    struct seen seen = {0}, *current = &seen;
    const struct tern_mock_config config = {.on_unexpected = cancel_what_is_unexpected, .user = &current};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, &(struct tern_mock_match){.check = cancel_and_say_yes, .user = &seen}, &slow_answer, 1);
    get(&w, &seen, URL);
    advance(&w, TERN_S);
    assert_string_equal(seen.text, "ECANCELLED WAIT MAYBE");
    expect(&w, NULL, &slow_answer, 1);
    traced.on_trace = cancel_in_trace;
    seen = (struct seen){.world = &w};
    assert_int_equal(
        tern_call_start(w.client, &(struct tern_request){.url = TERN_STR(URL)}, &traced, &seen, &seen.id, NULL),
        TERN_OK);
    advance(&w, TERN_S);
    assert_int_equal(seen.dones, 1);
    assert_int_equal(seen.result.fault.error, TERN_ECANCELLED);
    close_world(&w);

    assert_int_equal(tern_mock_engine_new(NULL, &w.engine, NULL), TERN_OK);
    assert_int_equal(tern_client_new(w.engine, NULL, &w.client, NULL), TERN_OK);
    assert_int_equal(tern_mock_new(w.client, &config, &w.mock, NULL), TERN_OK);
    get(&w, &seen, URL);
    assert_string_equal(seen.text, "ECANCELLED WAIT MAYBE"); /* and not EMOCK */
    close_world(&w);
}

/* What a user may do with a call between two attempts and while it runs: nothing of it is lost or harmful. */
static void test_a_call_is_steered_between_attempts(void **state)
{
    const struct tern_retries retries = {.attempts_max = 2};
    const struct tern_priority urgent = {.urgency = 0};
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, &(struct tern_policy){.retries = &retries}, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){.status = 503}, 1);
    expect(&w, NULL, &(struct tern_mock_answer){.delay_ns = TERN_S}, 1);
    get(&w, &seen, URL);
    assert_string_equal(seen.text, "");
    assert_int_equal(tern_call_pause(w.engine, seen.id), TERN_OK);
    advance(&w, 100 * TERN_S);
    assert_string_equal(seen.text, "");
    assert_int_equal(tern_mock_sent_count(w.mock), 2);
    assert_int_equal(tern_call_set_priority(w.engine, seen.id, urgent), TERN_OK);
    assert_int_equal(tern_call_resume(w.engine, seen.id), TERN_OK);
    advance(&w, TERN_S);
    assert_string_equal(seen.text, "head 200 | done");
    all_is_well(&w);
    close_world(&w);
}

/* A mock keeps what it is sent, so there is an end to it: the call hears of it, and nothing is cut off in silence. */
static void test_a_mock_has_room_for_so_much(void **state)
{
    const size_t size = (size_t)TERN_MOCK_BODY_BYTES_MAX + 1;
    char *body = calloc(size, 1);
    struct world w;
    struct seen seen = {0};

    (void)state;
    assert_non_null(body);
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){0}, TERN_MOCK_ALWAYS);
    for (size_t i = 0; i < 2; i++) {
        const struct tern_body whole = {.kind = TERN_BODY_MEMORY, .data = body, .length = size - 1 + i};

        start(&w, &seen, &(struct tern_request){.url = TERN_STR(URL), .method = TERN_STR("PUT"), .body = whole});
        advance(&w, TERN_S);
        assert_string_equal(seen.text, i == 0 ? "head 200 | done" : "ELIMIT WRITE MAYBE");
    }
    assert_non_null(strstr(seen.result.fault.text, "TERN_MOCK_BODY_BYTES_MAX"));
    close_world(&w);
    free(body);
}

static void test_engine_client_and_mock_end_in_any_order(void **state)
{
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL); /* the mock first: its client goes on */
    expect(&w, NULL, &slow_answer, 1);
    tern_mock_free(w.mock);
    w.mock = NULL;
    get(&w, &seen, URL);
    advance(&w, TERN_S);
    assert_string_equal(seen.text, "103 | head 200 | ab | cd | Sum: 1 | done");
    get(&w, &seen, URL);
    assert_string_equal(seen.text, "EMOCK WAIT MAYBE");
    assert_string_equal(w.told, "");
    close_world(&w);

    open_world(&w, NULL, NULL); /* the client, with a call under way */
    expect(&w, NULL, &slow_answer, 1);
    get(&w, &seen, URL);
    tern_client_close(w.client, TERN_CLOSE_DROP);
    advance(&w, 0);
    assert_string_equal(seen.text, "ESHUTDOWN WAIT MAYBE");
    all_is_well(&w);
    assert_int_equal(tern_mock_sent_count(w.mock), 1);
    close_world(&w);

    open_world(&w, NULL, NULL); /* the engine, without a word */
    expect(&w, NULL, &slow_answer, 1);
    get(&w, &seen, URL);
    assert_int_equal(tern_engine_free(w.engine), TERN_OK);
    assert_int_equal(seen.dones, 0);
    tern_mock_free(w.mock);
    tern_mock_free(NULL);
}

/* ---- time ---- */

static void busy_in_callbacks(struct seen *seen, const char *event)
{
    (void)event;
    assert_int_equal(tern_mock_advance(seen->world->engine, 1), TERN_EBUSY);
}

static bool goes_on;

static void start_again(struct seen *seen, const char *event)
{
    static struct seen next[2]; /* the one that ends is looked at once more */
    struct seen *other = seen == &next[0] ? &next[1] : &next[0];

    if (strcmp(event, "done") != 0 || !goes_on)
        return;
    other->hook = start_again;
    start(seen->world, other, &(struct tern_request){.url = TERN_STR(URL)});
}

static void test_time_moves_only_when_it_is_moved(void **state)
{
    struct tern_engine *real;
    struct pollfd fd = {.events = POLLIN};
    struct world w;
    struct seen seen = {.hook = busy_in_callbacks};

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &(struct tern_mock_answer){.delay_ns = TERN_S}, 1);
    fd.fd = tern_engine_fd(w.engine);
    get(&w, &seen, URL);
    for (int i = 0; i < 100; i++)
        assert_int_equal(tern_engine_step(w.engine), TERN_OK);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_string_equal(seen.text, "");
    advance(&w, TERN_S);
    assert_string_equal(seen.text, "head 200 | done");
    expect(&w, NULL, &(struct tern_mock_answer){0}, TERN_MOCK_ALWAYS);
    goes_on = true;
    seen.hook = start_again;
    start(&w, &seen, &(struct tern_request){.url = TERN_STR(URL)});
    assert_int_equal(poll(&fd, 1, 0), 1);
    assert_int_equal(tern_mock_advance(w.engine, 0), TERN_ELIMIT);
    goes_on = false;
    assert_int_equal(tern_mock_advance(w.engine, TERN_OFF), TERN_EINVAL);
    close_world(&w);
    assert_int_equal(tern_engine_new(NULL, &real, NULL), TERN_OK);
    assert_int_equal(tern_mock_advance(real, 0), TERN_EINVAL);
    assert_int_equal(tern_engine_free(real), TERN_OK);
}

static void perform(struct tern_client *client, const char *body, uint64_t total_ns)
{
    struct tern_response *response;
    struct tern_fault why = {0};

    if (tern_perform(client, &(struct tern_request){.url = TERN_STR(URL)}, 0, &response, &why) != TERN_OK)
        fail_msg("%s", why.text);
    assert_string_equal(response->body, body);
    if (total_ns != 0)
        assert_int_equal(response->result.times.total_ns, total_ns);
    tern_response_free(response);
}

static void test_blocking_calls_take_no_time(void **state)
{
    const struct tern_mock_answer late = {.delay_ns = 50 * TERN_S, .body = TERN_STR("late")};
    struct world w;

    (void)state;
    open_world(&w, NULL, NULL);
    expect(&w, NULL, &late, 2);
    perform(w.client, "late", 50 * TERN_S);
    perform(w.client, "late", 50 * TERN_S);
    close_world(&w);
}

static void test_a_mock_works_in_real_time_too(void **state)
{
    struct world w = {0};

    (void)state;
    assert_int_equal(tern_engine_new(NULL, &w.engine, NULL), TERN_OK);
    assert_int_equal(tern_client_new(w.engine, NULL, &w.client, NULL), TERN_OK);
    assert_int_equal(tern_mock_new(w.client, NULL, &w.mock, NULL), TERN_OK);
    expect(&w, NULL, &(struct tern_mock_answer){.delay_ns = TERN_MS, .body = TERN_STR("real")}, 1);
    perform(w.client, "real", 0);
    close_world(&w);
}

/* What is not mocked does not leave the machine; nor does what would connect ahead. */
static void test_nothing_reaches_a_network(void **state)
{
    struct tern_client *other;
    struct tern_client_stats stats;
    struct world w;
    struct tern_response *response;

    (void)state;
    open_world(&w, NULL, NULL);
    assert_int_equal(tern_client_preconnect(w.client, TERN_STR("http://127.0.0.1/"), 2, NULL), TERN_OK);
    advance(&w, TERN_S);
    tern_client_stats(w.client, &stats);
    assert_int_equal(stats.connections_dialling + stats.connections_failed + stats.connections_opened, 0);
    assert_int_equal(tern_client_new(w.engine, NULL, &other, NULL), TERN_OK);
    assert_int_equal(
        tern_perform(other, &(struct tern_request){.url = TERN_STR("http://127.0.0.1/")}, 0, &response, NULL),
        TERN_ECONNECT_FAILED);
    tern_response_free(response);
    close_world(&w);
}

/* ---- what cannot be right ---- */

static void test_what_cannot_be_right_is_refused(void **state)
{
    const struct tern_mock_informational switching = {.status = 101};
    const struct tern_field bad = {.name = TERN_STR("X"), .value = TERN_STR("a\nb")};
    const struct tern_mock_piece piece = {TERN_STR("x"), 0};
    const struct tern_mock_answer answers[] = {
        {.status = 199},
        {.status = 1000},
        {.informational = &switching, .informational_count = 1},
        {.body = TERN_STR("x"), .pieces = &piece, .piece_count = 1},
        {.body = TERN_STR("x"), .error = TERN_EPEER_RESET},
        {.error = TERN_ERROR_COUNT},
        {.error = TERN_EPEER_RESET, .phase = TERN_PHASE_DONE},
        {.error = TERN_EPEER_RESET, .status = 200, .phase = TERN_PHASE_WAIT},
        {.version = (enum tern_http_version)3},
    };
    struct tern_mock *second;
    struct tern_client *client;
    struct tern_fault why;
    struct world w;
    struct seen seen = {0};

    (void)state;
    open_world(&w, NULL, NULL);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        assert_int_equal(tern_mock_expect(w.mock, NULL, &answers[i], 1, &why), TERN_EINVAL);
    assert_int_equal(
        tern_mock_expect(w.mock, NULL, &(struct tern_mock_answer){.fields = &bad, .field_count = 1}, 1, &why),
        TERN_EFIELD);
    assert_int_equal(
        tern_mock_expect(w.mock, &(struct tern_mock_match){.host = "a b"}, &(struct tern_mock_answer){0}, 1, &why),
        TERN_EURL);
    all_is_well(&w);
    assert_int_equal(tern_mock_new(w.client, NULL, &second, &why), TERN_EINVAL);
    assert_string_equal(why.text, "the client has a mock already");
    assert_int_equal(tern_client_new(w.engine, NULL, &client, NULL), TERN_OK);
    seen.world = &w;
    assert_int_equal(
        tern_call_start(client, &(struct tern_request){.url = TERN_STR(URL)}, &handlers, &seen, NULL, NULL), TERN_OK);
    assert_int_equal(tern_mock_new(client, NULL, &second, &why), TERN_EINVAL);
    tern_client_close(client, TERN_CLOSE_DROP);
    assert_int_equal(tern_mock_new(client, NULL, &second, &why), TERN_ECLOSED);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_answer_comes_in_its_order_and_time),
        cmocka_unit_test(test_no_body_where_there_can_be_none),
        cmocka_unit_test(test_a_window_is_kept_and_credited),
        cmocka_unit_test(test_a_paused_call_gets_nothing),
        cmocka_unit_test(test_requests_are_told_apart),
        cmocka_unit_test(test_expectations_are_used_up_in_turn),
        cmocka_unit_test(test_the_unexpected_is_told),
        cmocka_unit_test(test_what_was_sent_is_kept),
        cmocka_unit_test(test_a_body_that_breaks_its_word_ends_the_call),
        cmocka_unit_test(test_failures_have_their_phase_and_replay_class),
        cmocka_unit_test(test_what_is_safe_is_replayed),
        cmocka_unit_test(test_a_body_is_not_read_for_a_connection_that_fails),
        cmocka_unit_test(test_every_timeout_holds),
        cmocka_unit_test(test_policies_work_as_in_earnest),
        cmocka_unit_test(test_a_call_may_be_cancelled_anywhere),
        cmocka_unit_test(test_a_call_may_be_cancelled_by_who_judges),
        cmocka_unit_test(test_a_call_is_steered_between_attempts),
        cmocka_unit_test(test_a_mock_has_room_for_so_much),
        cmocka_unit_test(test_engine_client_and_mock_end_in_any_order),
        cmocka_unit_test(test_time_moves_only_when_it_is_moved),
        cmocka_unit_test(test_blocking_calls_take_no_time),
        cmocka_unit_test(test_a_mock_works_in_real_time_too),
        cmocka_unit_test(test_nothing_reaches_a_network),
        cmocka_unit_test(test_what_cannot_be_right_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
