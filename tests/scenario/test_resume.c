/* Bodies that break off, and what goes on with them, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define URL "http://a.test/"
#define HEAD_OF_10 "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n"
#define REST "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\n456789"
#define DATES "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:50:"

static void open_with(struct scenario *s, const struct tern_retries *retries)
{
    const struct tern_policy policy = {.retries = retries};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
}

static const struct tern_retries resuming = {.resume = true, .backoff_ns = 1};

/* A call of whose ten bytes four have come, and the connection is gone. */
static struct seen *break_off(struct scenario *s, const struct tern_request *request, const char *head)
{
    struct seen *call = scenario_start(s, request);
    struct simio_peer *peer = scenario_accept(s);

    simio_say(peer, head);
    simio_say(peer, "0123");
    scenario_run(s, 0);
    simio_reset(peer);
    scenario_run(s, TERN_MS);
    return call;
}

static const struct tern_request get = {.url = TERN_STR(URL)};

static void test_one_body(void **state)
{
    struct simio_peer *peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &resuming);
    call = break_off(&s, &get, HEAD_OF_10);
    seen_is(call, "head 200 | body 0123");
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, "\r\nRange: bytes=4-\r\nIf-Range: \"a\"\r\n"));
    simio_say(peer, REST);
    scenario_run(&s, 0);
    seen_is(call, "body 456789 | done");
    assert_int_equal(call->result.status, 200);
    assert_int_equal(call->result.attempt, 2);
    assert_int_equal(call->result.resumes, 1);
    assert_int_equal(scenario_stats(&s).resumed, 1);
    assert_int_equal(scenario_stats(&s).retried, 1);
    assert_int_equal(s.client->retrying_count, 0);
    call = scenario_get(&s, URL); /* the next one is whole again */
    assert_true(scenario_heard(peer, "GET"));
    simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    scenario_close(&s);
}

/* What comes before the head begins nothing. */
static void test_behind_an_informational_head(void **state)
{
    struct simio_peer *peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &resuming);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    scenario_run(&s, 0);
    seen_is(call, "informational 103 | head 200 | body hi | done");
    scenario_close(&s);
}

/* Behind the head that was shown there is no other of any kind. */
static void test_with_an_informational_head(void **state)
{
    struct simio_peer *peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &resuming);
    call = break_off(&s, &get, HEAD_OF_10);
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 103 X\r\n\r\n" REST);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body 0123456789 | done");
    scenario_close(&s);
}

static void test_off_until_asked_for(void **state)
{
    const struct tern_retries retries = {.backoff_ns = 1};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &retries);
    call = break_off(&s, &get, HEAD_OF_10);
    seen_is(call, "head 200 | body 0123 | done EPEER_RESET READ");
    scenario_close(&s);
}

/* Twice, and with an answer between that is tried again. */
static void test_again_and_again(void **state)
{
    struct simio_peer *peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &resuming);
    call = break_off(&s, &get, HEAD_OF_10);
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nno");
    scenario_run(&s, TERN_MS);
    simio_say(peer, "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\n45");
    scenario_run(&s, 0);
    simio_reset(peer);
    scenario_run(&s, TERN_MS);
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, "\r\nRange: bytes=6-\r\n"));
    simio_say(peer, "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 6-9/10\r\nContent-Length: 4\r\n\r\n6789");
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body 0123456789 | done");
    assert_int_equal(call->result.attempt, 4);
    assert_int_equal(call->result.resumes, 2);
    scenario_close(&s);
}

/* Whatever else comes is not shown, and the call ends as it would have. */
static void test_answers(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 3-9/10\r\nContent-Length: 7\r\n\r\n3456789",
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 4-9/11\r\nContent-Length: 6\r\n\r\n456789",
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 4-8/10\r\nContent-Length: 5\r\n\r\n45678",
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 4-9/*\r\nContent-Length: 6\r\n\r\n456789",
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: octets 4-9/10\r\nContent-Length: 6\r\n\r\n456789",
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Length: 6\r\n\r\n456789",
        "HTTP/1.1 206 X\r\nETag: \"b\"\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\n456789",
        "HTTP/1.1 206 X\r\nETag: W/\"a\"\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\n456789",
        "HTTP/1.1 206 X\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\n456789",
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Type: multipart/byteranges\r\nContent-Length: 3\r\n\r\n--x",
        "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n0123456789",
        "HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 10\r\n\r\nabcdefghij",
        "HTTP/1.1 302 X\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 412 X\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 416 X\r\nContent-Range: bytes */10\r\nContent-Length: 2\r\n\r\nno",
    };
    const struct tern_redirects redirects = {0};
    const struct tern_policy policy = {.retries = &resuming, .redirects = &redirects};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &(struct tern_client_config){.policy = &policy});
        call = break_off(&s, &get, HEAD_OF_10);
        simio_say(scenario_accept(&s), answers[i]);
        scenario_run(&s, TERN_S);
        seen_is(call, "head 200 | body 0123 | done EPEER_RESET READ");
        assert_int_equal(call->result.status, 200);
        assert_int_equal(call->result.resumes, 0);
        assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
        assert_int_equal(scenario_stats(&s).connections_active, 0);
        scenario_close(&s);
    }
}

/* What the head must say so that the rest may be asked for. */
static void test_heads(void **state)
{
    static const struct {
        const char *head, *validator; /* NULL: it is not */
    } cases[] = {
        {HEAD_OF_10, "\"a\""},
        {"HTTP/1.1 200 OK\r\nETag: W/\"a\"\r\nContent-Length: 10\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\nETag: a\r\nContent-Length: 10\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nAccept-Ranges: none\r\nContent-Length: 10\r\n\r\n", NULL},
        {"HTTP/1.1 203 OK\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\n" DATES "37 GMT\r\nContent-Length: 10\r\n\r\n", "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"HTTP/1.1 200 OK\r\n" DATES "36 GMT\r\nContent-Length: 10\r\n\r\n", NULL}, /* 59 s */
        {"HTTP/1.1 200 OK\r\nETag: W/\"a\"\r\n" DATES "37 GMT\r\nContent-Length: 10\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 10\r\n\r\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct simio_peer *peer;
        struct scenario s;
        char field[64];

        open_with(&s, &resuming);
        break_off(&s, &get, cases[i].head);
        peer = simio_accept(s.sim, SCENARIO_ADDRESS);
        assert_int_equal(peer != NULL, cases[i].validator != NULL);
        if (peer != NULL) {
            snprintf(field, sizeof(field), "\r\nIf-Range: %s\r\n", cases[i].validator);
            assert_true(scenario_heard(peer, field));
        }
        scenario_close(&s);
    }
}

static void test_requests(void **state)
{
    static const struct tern_field range = {TERN_STR("Range"), TERN_STR("bytes=0-"), 0};
    static const struct tern_request cases[] = {
        {.url = TERN_STR(URL), .fields = &range, .field_count = 1},
        {.url = TERN_STR(URL), .credit = true},
        {.url = TERN_STR(URL),
         .method = TERN_STR("PUT"),
         .body = {.kind = TERN_BODY_MEMORY, .data = "data", .length = 4}},
        {.url = TERN_STR(URL), .method = TERN_STR("POST")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;
        struct seen *call;

        open_with(&s, &resuming);
        call = break_off(&s, &cases[i], HEAD_OF_10);
        seen_is(call, "head 200 | body 0123 | done EPEER_RESET READ");
        scenario_close(&s);
    }
}

/* A part that is not as long as it said. */
static void test_part_of_another_length(void **state)
{
    static const char *const parts[] = {
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 3\r\n\r\n456",
        "HTTP/1.1 206 X\r\nETag: \"a\"\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 7\r\n\r\n456789x",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct scenario s;
        struct seen *call;

        open_with(&s, &resuming);
        call = break_off(&s, &get, HEAD_OF_10);
        simio_say(scenario_accept(&s), parts[i]);
        scenario_run(&s, TERN_S);
        seen_is(call, i == 0 ? "head 200 | body 0123456 | done EPROTO_FRAMING READ"
                             : "head 200 | body 0123 | done EPROTO_FRAMING READ");
        scenario_close(&s);
    }
}

/* Attempts and deadline hold; the last failure is what the call ends with. */
static void test_limits(void **state)
{
    const struct tern_retries twice = {.resume = true, .backoff_ns = 1, .attempts_max = 2};
    const struct tern_timeouts timeouts = {.total_ns = TERN_S};
    const struct tern_request hurried = {.url = TERN_STR(URL), .timeouts = &timeouts};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &twice);
    call = break_off(&s, &get, HEAD_OF_10);
    simio_say(scenario_accept(&s), "HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nno");
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200 | body 0123 | done EPEER_RESET READ");
    scenario_close(&s);
    open_with(&s, &resuming);
    call = break_off(&s, &hurried, HEAD_OF_10);
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200 | body 0123 | done EDEADLINE WAIT");
    scenario_close(&s);
}

static void test_cancelled_between(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &resuming);
    call = break_off(&s, &get, HEAD_OF_10);
    assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200 | body 0123 | done ECANCELLED WAIT");
    scenario_close(&s);
}

/* A pause holds back the rest as it would have held back the body. */
static void test_paused(void **state)
{
    struct simio_peer *peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &resuming);
    call = break_off(&s, &get, HEAD_OF_10);
    peer = scenario_accept(&s);
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    simio_say(peer, REST);
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200 | body 0123");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "body 456789 | done");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_body),
        cmocka_unit_test(test_behind_an_informational_head),
        cmocka_unit_test(test_with_an_informational_head),
        cmocka_unit_test(test_off_until_asked_for),
        cmocka_unit_test(test_again_and_again),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_part_of_another_length),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cancelled_between),
        cmocka_unit_test(test_paused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
