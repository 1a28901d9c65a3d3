/* Hooks: every attempt of every hop is told, once in and once out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tern/jar.h"
#include "tests/support/scenario.h"
#include "tests/support/torture.h"

struct log {
    char text[2048];
    size_t len;
    struct scenario *s;
    const char *cancel_at; /* cancels the call in the hook that notes this */
};

static void note(struct log *log, const struct tern_attempt *attempt, const char *what)
{
    char entry[64];

    assert_true(tern_fields_get(attempt->fields, attempt->field_count, "Accept").ptr != NULL);
    snprintf(entry, sizeof(entry), "%u.%u %s", attempt->hop, attempt->attempt, what);
    log->len += (size_t)snprintf(log->text + log->len, sizeof(log->text) - log->len, "%s %.*s %.*s://%.*s%.*s\n", entry,
                                 (int)attempt->method.len, attempt->method.ptr, (int)attempt->scheme.len,
                                 attempt->scheme.ptr, (int)attempt->authority.len, attempt->authority.ptr,
                                 (int)attempt->target.len, attempt->target.ptr);
    if (log->cancel_at != NULL && strcmp(entry, log->cancel_at) == 0)
        (void)tern_call_cancel(log->s->engine, attempt->call);
}

static void on_request(void *user, const struct tern_attempt *attempt)
{
    note(user, attempt, "request");
}

static void on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head)
{
    char what[16];

    snprintf(what, sizeof(what), "%u", head->status);
    note(user, attempt, what);
}

static void on_error(void *user, const struct tern_attempt *attempt, const struct tern_fault *fault)
{
    note(user, attempt, tern_error_name(fault->error));
}

static void open_with(struct scenario *s, struct log *log)
{
    static const struct tern_redirects redirects;
    static const struct tern_retries retries;
    const struct tern_hooks hooks = {on_request, on_response, on_error, log};
    const struct tern_policy policy = {.redirects = &redirects, .retries = &retries, .hooks = &hooks};

    *log = (struct log){.s = s};
    scenario_open(s, &(struct tern_client_config){.policy = &policy});
}

static void test_every_attempt_of_every_hop(void **state)
{
    struct scenario s;
    struct log log;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &log);
    call = scenario_get(&s, "http://u:p@a.test/one");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, TERN_S);
    simio_say(peer, "HTTP/1.1 302 X\r\nLocation: /two\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    simio_reset(peer); /* a kept connection: sent again at once */
    scenario_run(&s, 0);
    simio_say(scenario_accept(&s), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    assert_string_equal(log.text, "1.1 request GET http://a.test/one\n"
                                  "1.1 503 GET http://a.test/one\n"
                                  "1.2 request GET http://a.test/one\n"
                                  "1.2 302 GET http://a.test/one\n"
                                  "2.1 request GET http://a.test/two\n"
                                  "2.1 TERN_EPEER_RESET GET http://a.test/two\n"
                                  "2.2 request GET http://a.test/two\n"
                                  "2.2 200 GET http://a.test/two\n");
    scenario_close(&s);
}

static void test_ends_are_told_once(void **state)
{
    struct scenario s;
    struct log log;
    struct seen *call;

    (void)state;
    open_with(&s, &log);
    call = scenario_get(&s, "http://a.test/");
    assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    assert_string_equal(log.text, "1.1 request GET http://a.test/\n1.1 TERN_ECANCELLED GET http://a.test/\n");
    scenario_close(&s);
}

static void test_a_hook_may_cancel(void **state)
{
    static const char *const moments[] = {"1.1 request", "1.1 503", "1.2 TERN_EPEER_RESET"};

    (void)state;
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        struct scenario s;
        struct log log;
        struct seen *call;

        open_with(&s, &log);
        log.cancel_at = moments[i];
        call = scenario_get(&s, "http://a.test/");
        if (i > 0) {
            struct simio_peer *peer = scenario_accept(&s);

            simio_say(peer, "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
            scenario_run(&s, TERN_S);
            if (i > 1)
                simio_reset(peer);
            scenario_run(&s, TERN_S);
        }
        if (strncmp(call->text, "done ECANCELLED", 15) != 0)
            fail_msg("%s: %s", moments[i], call->text);
        assert_int_equal(call->dones, 1);
        if (i == 2) /* it was told already */
            assert_null(strstr(log.text, "TERN_ECANCELLED"));
        scenario_close(&s);
    }
}

static void cancel_at_cookie(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text)
{
    struct log *log = user;

    (void)kind;
    if (text.len > 8 && memcmp(text.ptr, "A cookie", 8) == 0)
        assert_int_equal(tern_call_cancel(log->s->engine, call), TERN_OK);
}

/* Who cancels is told of the end and of nothing else, hooks included. */
static void test_cancelled_by_who_watches(void **state)
{
    static const struct tern_handlers handlers = {.on_trace = cancel_at_cookie};
    const struct tern_request request = {.url = TERN_STR("http://a.test/")};
    struct tern_policy policy = {0};
    struct tern_hooks hooks;
    struct tern_jar *jar;
    struct scenario s;
    struct log log;

    (void)state;
    open_with(&s, &log);
    hooks = (struct tern_hooks){on_request, on_response, on_error, &log};
    policy.hooks = &hooks;
    torture_hold();
    assert_int_equal(tern_jar_new(s.engine, &jar), TERN_OK);
    policy.cookies = jar;
    assert_int_equal(tern_client_configure(s.client, &(struct tern_client_config){.policy = &policy}, NULL), TERN_OK);
    tern_jar_free(jar);
    torture_release();
    s.servers = NULL; /* the client has another resolver now */
    assert_int_equal(tern_call_start(s.client, &request, &handlers, &log, NULL, NULL), TERN_OK);
    scenario_run(&s, 0);
    simio_say(scenario_accept(&s), "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=b.test\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    assert_string_equal(log.text, "1.1 request GET http://a.test/\n1.1 TERN_ECANCELLED GET http://a.test/\n");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_attempt_of_every_hop),
        cmocka_unit_test(test_ends_are_told_once),
        cmocka_unit_test(test_a_hook_may_cancel),
        cmocka_unit_test(test_cancelled_by_who_watches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
