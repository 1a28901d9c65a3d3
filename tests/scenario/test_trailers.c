/* Trailers of requests, in both protocols: their values may be known only when the body is complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/h2_script.h"

static const struct tern_client_config plain = {.user_agent = "t"};

struct source {
    int reads;
    char sum[16];
    struct tern_field trailers[2];
};

static enum tern_read read_body(void *user, void *buffer, size_t capacity, size_t *n)
{
    struct source *source = user;

    (void)capacity;
    if (source->reads++ == 2) {
        snprintf(source->sum, sizeof(source->sum), "six");
        source->trailers[0].value = tern_str(source->sum);
        return TERN_READ_END;
    }
    memcpy(buffer, "abc", 3);
    *n = 3;
    return TERN_READ_DATA;
}

static struct tern_request request_of(struct source *source, uint64_t length)
{
    *source =
        (struct source){.trailers = {{TERN_STR("X-Sum"), TERN_STR(""), 0}, {TERN_STR("X-More"), TERN_STR("1"), 0}}};
    return (struct tern_request){
        .url = TERN_STR("http://a.test/"),
        .method = TERN_STR("PUT"),
        .expect = TERN_EXPECT_NEVER,
        .body = {.kind = TERN_BODY_CALLBACK, .read = read_body, .user = source, .length = length},
        .trailers = source->trailers,
        .trailer_count = 2,
    };
}

/* Chunked, whatever is known of the length; however little the peer takes at a time. */
static void test_http_1(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct source source;
        struct tern_request request = request_of(&source, i % 2 ? 6 : TERN_LENGTH_UNKNOWN);
        struct simio_peer *peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &plain);
        if (i / 2 == 1)
            simio_window_all(s.sim, 1);
        call = scenario_start(&s, &request);
        peer = scenario_accept(&s);
        for (int n = 0; i / 2 == 1 && n < 300; n++) {
            simio_window(peer, 1);
            scenario_run(&s, 0);
        }
        simio_expect(peer, "PUT / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nAccept: */*\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n3\r\nabc\r\n0\r\nX-Sum: six\r\nX-More: 1\r\n\r\n");
        simio_window(peer, SIZE_MAX);
        simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        scenario_run(&s, 0);
        seen_is(call, "head 200 | done");
        assert_int_equal(call->result.sent_body_bytes, 6);
        assert_int_equal(scenario_stats(&s).connections_idle, 1);
        scenario_close(&s);
    }
}

static void test_http_2(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct source source;
        struct tern_request request = request_of(&source, i ? 6 : TERN_LENGTH_UNKNOWN);
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &h2_only);
        call = scenario_start(&s, &request);
        h2_script_open(&peer, &s);
        h2_script_hears(&peer, "DATA 1 6\nHEADERS 1 END | x-sum: six | x-more: 1\n");
        h2_script_answer(&peer, 1, "hi");
        seen_is(call, "head 200 | body hi | done");
        assert_int_equal(call->result.sent_body_bytes, 6);
        call = scenario_get(&s, "http://a.test/");
        h2_script_answer(&peer, 3, "hi"); /* the heads' compression is as the peer thinks */
        h2_script_hears(&peer, "HEADERS 3 END | :method: GET");
        seen_is(call, "head 200 | body hi | done");
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* A body of no bytes has trailers all the same. */
static void test_empty_body(void **state)
{
    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct source source;
        struct tern_request request = request_of(&source, 0);
        struct scenario s;
        struct seen *call;

        request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = "", .length = 0};
        scenario_open(&s, is_h2 ? &h2_only : &plain);
        call = scenario_start(&s, &request);
        if (is_h2) {
            struct h2_script peer;

            h2_script_open(&peer, &s);
            h2_script_hears(&peer, "\nHEADERS 1 END | x-sum:  | x-more: 1\n");
            h2_script_answer(&peer, 1, "hi");
            h2_script_close(&peer);
        } else {
            struct simio_peer *peer = scenario_accept(&s);

            assert_true(scenario_heard(peer, "chunked\r\n\r\n0\r\nX-Sum: \r\nX-More: 1\r\n\r\n"));
            simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
            scenario_run(&s, 0);
        }
        seen_is(call, "head 200 | body hi | done");
        scenario_close(&s);
    }
}

/* RFC 9110 6.5.1, and the writer's own rules: found when they are read. */
static void test_refused(void **state)
{
    static const struct tern_field bad[] = {{TERN_STR("Content-Length"), TERN_STR("6"), 0},
                                            {TERN_STR("Transfer-Encoding"), TERN_STR("chunked"), 0},
                                            {TERN_STR("Host"), TERN_STR("b.test"), 0},
                                            {TERN_STR("Authorization"), TERN_STR("x"), 0},
                                            {TERN_STR("a b"), TERN_STR("x"), 0},
                                            {TERN_STR("x"), TERN_STR("a\r\nb"), 0}};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
        struct source source;
        struct tern_request request = request_of(&source, TERN_LENGTH_UNKNOWN);
        struct scenario s;
        struct seen *call;

        source.trailers[1] = bad[i / 2];
        scenario_open(&s, i % 2 ? &h2_only : &plain);
        call = scenario_start(&s, &request);
        assert_int_equal(call->result.fault.error, TERN_EFIELD);
        assert_int_equal(call->result.attempt, 1);
        assert_false(scenario_heard(scenario_accept(&s), "X-More"));
        scenario_close(&s);
    }
}

static void test_without_body(void **state)
{
    struct source source;
    struct tern_request request = request_of(&source, 0);
    struct tern_fault why;
    struct scenario s;

    (void)state;
    request.body = (struct tern_body){0};
    scenario_open(&s, &plain);
    assert_null(scenario_try(&s, &request, &why));
    assert_string_equal(why.text, "trailers: must follow a body (RFC 9110 6.5)");
    scenario_close(&s);
}

/* A length that was announced holds for chunks too. */
static void test_lengths(void **state)
{
    (void)state;
    for (uint64_t length = 4; length <= 8; length += 4) {
        struct source source;
        struct tern_request request = request_of(&source, length);
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &plain);
        call = scenario_start(&s, &request);
        assert_int_equal(call->result.fault.error, TERN_EBODY_SIZE);
        assert_non_null(strstr(call->result.fault.text, length == 4 ? "longer" : "shorter"));
        scenario_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_1),  cmocka_unit_test(test_http_2),       cmocka_unit_test(test_empty_body),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_without_body), cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
