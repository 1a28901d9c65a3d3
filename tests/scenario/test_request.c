/* What goes out: the fields of the call, the client and tern's own, credentials, and what a trace shows of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define URL TERN_STR("http://a.test/")
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

/* The head that a call sends, over a client with config. */
static void sends(const struct tern_client_config *config, const struct tern_request *request, const char *expected)
{
    struct scenario s;
    struct simio_peer *peer;

    scenario_open(&s, config);
    scenario_start(&s, request);
    peer = scenario_accept(&s);
    simio_expect(peer, expected);
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    scenario_close(&s);
}

#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        {name, sizeof(name) - 1}, {value, sizeof(value) - 1}, 0                                                        \
    }
#define NONE(name)                                                                                                     \
    {                                                                                                                  \
        {name, sizeof(name) - 1}, {NULL, 0}, 0                                                                         \
    }

static void test_fields_and_defaults(void **state)
{
    static const struct tern_field base[] = {FIELD("X-A", "1"), FIELD("X-B", "2")},
                                   agents[] = {FIELD("accept", "text/html"), FIELD("USER-AGENT", "mine")},
                                   own[] = {FIELD("x-b", "3"), FIELD("X-C", ""), FIELD("Accept", "a"),
                                            FIELD("Accept", "b")},
                                   none[] = {NONE("x-a"), NONE("User-Agent"), NONE("Accept"), NONE("Expect")},
                                   host[] = {FIELD("Host", "other.test:81"), FIELD("Connection", "keep-alive")},
                                   closing[] = {FIELD("connection", "close")};
    const struct tern_client_config t = {.user_agent = "t"}, silent = {.user_agent = ""},
                                    with = {.user_agent = "t", .fields = base, .field_count = 2},
                                    with_agents = {.user_agent = "t", .fields = agents, .field_count = 2};

    (void)state;
    sends(&t, &(struct tern_request){.url = TERN_STR("http://A.test:80/x?y#z")},
          "GET /x?y HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nAccept: */*\r\n\r\n");
    sends(&silent, &(struct tern_request){.url = URL}, "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n");
    sends(&with, &(struct tern_request){.url = URL},
          "GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nAccept: */*\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    sends(&with, &(struct tern_request){.url = URL, .fields = own, .field_count = 4},
          "GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nX-A: 1\r\nx-b: 3\r\nX-C: \r\nAccept: a\r\nAccept: "
          "b\r\n\r\n");
    sends(&with, &(struct tern_request){.url = URL, .fields = none, .field_count = 4},
          "GET / HTTP/1.1\r\nHost: a.test\r\nX-B: 2\r\n\r\n");
    sends(&with_agents, &(struct tern_request){.url = URL},
          "GET / HTTP/1.1\r\nHost: a.test\r\naccept: text/html\r\nUSER-AGENT: mine\r\n\r\n");
    sends(&t, &(struct tern_request){.url = URL, .fields = host, .field_count = 2},
          "GET / HTTP/1.1\r\nHost: other.test:81\r\nUser-Agent: t\r\nAccept: */*\r\n\r\n");
    sends(&t, &(struct tern_request){.url = URL, .fields = closing, .field_count = 1},
          "GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    sends(&silent, &(struct tern_request){.url = URL, .method = TERN_STR("POST")},
          "POST / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n");
}

static void test_credentials(void **state)
{
    static const struct tern_field base[] = {FIELD("Authorization", "Bearer client")},
                                   own[] = {FIELD("authorization", "Bearer call")}, none[] = {NONE("Authorization")};
    const struct tern_client_config plain = {.user_agent = ""},
                                    with = {.user_agent = "", .fields = base, .field_count = 1};
    const struct tern_str url = TERN_STR("http://us%40er:pa%3Ass@a.test/");

    (void)state;
    /* "us@er:pa:ss" */
    sends(&plain, &(struct tern_request){.url = url},
          "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic dXNAZXI6cGE6c3M=\r\nAccept: */*\r\n\r\n");
    sends(&with, &(struct tern_request){.url = url},
          "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic dXNAZXI6cGE6c3M=\r\nAccept: */*\r\n\r\n");
    sends(&with, &(struct tern_request){.url = URL},
          "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nAuthorization: Bearer client\r\n\r\n");
    sends(&with, &(struct tern_request){.url = url, .fields = own, .field_count = 1},
          "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nauthorization: Bearer call\r\n\r\n");
    sends(&with, &(struct tern_request){.url = url, .fields = none, .field_count = 1},
          "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n");
}

/* A name that is taken away is not a key. */
static void test_idempotency_key_without_value_is_none(void **state)
{
    static const struct tern_field none[] = {NONE("Idempotency-Key")}, key[] = {FIELD("Idempotency-Key", "1")};

    (void)state;
    for (int has_key = 0; has_key < 2; has_key++) {
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;

        scenario_open(&s, NULL);
        scenario_get(&s, "http://a.test/");
        peer = scenario_accept(&s);
        simio_say(peer, NO_CONTENT);
        scenario_run(&s, 0);
        call = scenario_start(
            &s, &(struct tern_request){
                    .url = URL, .method = TERN_STR("POST"), .fields = has_key ? key : none, .field_count = 1});
        simio_end(peer);
        scenario_run(&s, 0);
        assert_int_equal(call->dones, !has_key);
        if (has_key)
            simio_say(scenario_accept(&s), NO_CONTENT);
        scenario_run(&s, 0);
        seen_is(call, has_key ? "head 204 | done" : "done EPEER_EMPTY WAIT");
        scenario_close(&s);
    }
}

static void test_fresh_connection(void **state)
{
    const struct tern_request fresh = {.url = URL, .fresh_connection = true};
    struct scenario s;
    struct simio_peer *kept, *own;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    scenario_get(&s, "http://a.test/");
    kept = scenario_accept(&s);
    simio_say(kept, NO_CONTENT);
    scenario_run(&s, 0);
    simio_forget(kept);
    call = scenario_start(&s, &fresh);
    own = scenario_accept(&s);
    assert_true(scenario_heard(own, "Connection: close\r\n"));
    simio_say(own, NO_CONTENT); /* though the peer would go on */
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    assert_false(call->result.reused);
    assert_true(simio_is_closed(own));
    assert_false(simio_is_closed(kept));
    assert_int_equal(simio_heard(kept).len, 0);
    scenario_close(&s);
}

/* ---- traces ---- */

struct trace {
    char text[4096];
    size_t len;
};

static void on_trace(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text)
{
    static const char marks[] = "*><";
    struct trace *trace = user;

    (void)call;
    for (size_t i = 0; i < text.len; i++)
        assert_in_range((unsigned char)text.ptr[i], 0x20, 0x7e);
    if (kind != TERN_TRACE_INFO)
        trace->len += (size_t)snprintf(trace->text + trace->len, sizeof(trace->text) - trace->len, "%c %.*s\n",
                                       marks[kind], (int)text.len, text.ptr);
}

/* Secrets are replaced, whatever way they came in; what the peer says is escaped. */
static void test_trace_shows_no_secret(void **state)
{
    static const struct tern_handlers handlers = {.on_trace = on_trace};
    const struct tern_field base[] = {{TERN_STR("X-Token"), TERN_STR("s3cr3t-1"), TERN_FIELD_SECRET}},
                            own[] = {FIELD("Cookie", "a=s3cr3t-2"), FIELD("proxy-authorization", "s3cr3t-3"),
                                     FIELD("X-Open", "shown")};
    const struct tern_client_config config = {.user_agent = "", .fields = base, .field_count = 1};
    const struct tern_request request = {
        .url = TERN_STR("http://user:s3cr3t-4@a.test/x"), .fields = own, .field_count = 3};
    struct trace trace = {.len = 0};
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &config);
    assert_int_equal(tern_call_start(s.client, &request, &handlers, &trace, NULL, NULL), TERN_OK);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, "s3cr3t-1") && scenario_heard(peer, "s3cr3t-2") &&
                scenario_heard(peer, "s3cr3t-3"));
    simio_say(peer, "HTTP/1.1 200 \xe9\r\nset-cookie: b=s3cr3t-5\r\nX: \xff\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    assert_string_equal(trace.text, "> GET /x HTTP/1.1\n> Host: a.test\n> Authorization: [secret]\n> Accept: */*\n"
                                    "> X-Token: [secret]\n> Cookie: [secret]\n> proxy-authorization: [secret]\n"
                                    "> X-Open: shown\n> \n< HTTP/1.1 200 \\xe9\n< set-cookie: [secret]\n"
                                    "< X: \\xff\n< Content-Length: 0\n< \n");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_and_defaults),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_idempotency_key_without_value_is_none),
        cmocka_unit_test(test_fresh_connection),
        cmocka_unit_test(test_trace_shows_no_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
