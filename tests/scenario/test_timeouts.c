/* Every time limit, in virtual time: it ends the call at its very moment, in the right phase, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define HEAD_10 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

/* The limit passes ns from now and not a nanosecond earlier. */
static void ends_after(struct scenario *s, struct seen *call, uint64_t ns, const char *before, const char *expected)
{
    scenario_run(s, ns - 1);
    seen_is(call, before);
    scenario_run(s, 1);
    seen_is(call, expected);
}

static void test_pool(void **state)
{
    const struct tern_client_config one = {.limits = {.connections_max = 1}};
    struct scenario s;
    struct seen *first, *second;

    (void)state;
    scenario_open(&s, &one);
    first = scenario_get(&s, "http://a.test/");
    simio_say(scenario_accept(&s), HEAD_10);
    second = scenario_get(&s, "http://a.test/");
    ends_after(&s, second, 5 * TERN_S, "", "done EPOOL_TIMEOUT POOL");
    assert_int_equal(second->result.replay, TERN_REPLAY_UNSENT);
    assert_int_equal(second->result.times.pool_ns, 5 * TERN_S);
    assert_int_equal(scenario_stats(&s).timed_out_pool, 1);
    seen_is(first, "head 200");
    scenario_close(&s);
}

static void test_connect_in_dns(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    fakedns_takes(s.servers, "a.test", TERN_IP_ANY, TERN_OFF);
    call = scenario_get(&s, "http://a.test/");
    ends_after(&s, call, 10 * TERN_S, "", "done ECONNECT_TIMEOUT DNS");
    assert_int_equal(call->result.times.dns_ns, 10 * TERN_S);
    scenario_close(&s);
}

static void test_connect_in_tcp(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    fakedns_takes(s.servers, "a.test", TERN_IP_ANY, 2 * TERN_S);
    simio_black_hole(s.sim, SCENARIO_ADDRESS);
    call = scenario_get(&s, "http://a.test/");
    ends_after(&s, call, 10 * TERN_S, "", "done ECONNECT_TIMEOUT CONNECT");
    assert_int_equal(call->result.times.dns_ns, 2 * TERN_S);
    assert_int_equal(call->result.times.tcp_ns, 8 * TERN_S);
    assert_int_equal(call->result.try_count, 1);
    assert_string_equal(call->result.tries[0].address, SCENARIO_ADDRESS);
    assert_int_equal(scenario_stats(&s).connections_dialling, 0);
    scenario_close(&s);
}

static void test_connect_in_tls(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.tls = {.insecure = true}});
    simio_listen(s.sim, "192.0.2.1:443");
    call = scenario_get(&s, "https://a.test/");
    ends_after(&s, call, 10 * TERN_S, "", "done ECONNECT_TIMEOUT TLS");
    assert_int_equal(call->result.times.tls_ns, 10 * TERN_S);
    scenario_close(&s);
}

static void test_write(void **state)
{
    static char body[100000];
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    simio_window_all(s.sim, 1000);
    call = scenario_start(
        &s, &(struct tern_request){.url = TERN_STR("http://a.test/"),
                                   .method = TERN_STR("POST"),
                                   .body = {.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof(body)}});
    peer = scenario_accept(&s);
    scenario_run(&s, 9 * TERN_S);
    simio_window(peer, 1000); /* it took some: the gap begins anew */
    ends_after(&s, call, 10 * TERN_S, "", "done EWRITE_TIMEOUT WRITE");
    assert_int_equal(call->result.replay, TERN_REPLAY_MAYBE);
    scenario_close(&s);
}

/* The gap, not the whole: each byte starts it anew. */
static void test_read(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, HEAD_10);
    for (int i = 1; i <= 5; i++)
        simio_say_after(peer, (uint64_t)i * 50 * TERN_S, "x");
    scenario_run(&s, 250 * TERN_S);
    ends_after(&s, call, 60 * TERN_S, "head 200 | body xxxxx", "done EREAD_TIMEOUT READ");
    scenario_close(&s);
}

static void test_read_before_the_head(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    ends_after(&s, call, 60 * TERN_S, "", "done EREAD_TIMEOUT WAIT");
    scenario_close(&s);
}

/* Time in which the user had the call paused is not the peer's. */
static void test_paused_time_is_not_counted(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, HEAD_10);
    scenario_run(&s, 0);
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    simio_say(peer, "hi");
    scenario_run(&s, 1000 * TERN_S);
    seen_is(call, "head 200");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    ends_after(&s, call, 60 * TERN_S, "body hi", "done EREAD_TIMEOUT READ");
    scenario_close(&s);
}

/* A resume between two turns of the loop: the limits run from then, not from the turn before the pause. */
static void test_resumed_time_begins_anew(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    scenario_run(&s, 1000 * TERN_S);
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    ends_after(&s, call, 60 * TERN_S, "", "done EREAD_TIMEOUT WAIT");
    scenario_close(&s);
}

/* A head that comes byte by byte for ever keeps the read gap short and meets the bound on the whole. */
static void test_head(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\nA: ");
    for (int i = 1; i < 12; i++)
        simio_say_after(peer, (uint64_t)i * 10 * TERN_S, "a");
    ends_after(&s, call, 120 * TERN_S, "", "done EHEAD_TIMEOUT WAIT");
    scenario_close(&s);
}

static void test_total(void **state)
{
    const struct tern_timeouts timeouts = {.total_ns = 3 * TERN_S};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_start(&s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .timeouts = &timeouts});
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 1; i < 3; i++)
        simio_say_after(peer, (uint64_t)i * TERN_S, "x");
    ends_after(&s, call, 3 * TERN_S, "head 200 | body xx", "done EDEADLINE READ");
    assert_int_equal(call->result.times.total_ns, 3 * TERN_S);
    scenario_close(&s);
}

static void test_low_speed(void **state)
{
    const struct tern_client_config config = {.timeouts = {.low_speed_ns = 10 * TERN_S, .low_speed_bytes_per_s = 10}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &config);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 9; i++)
        simio_say_after(peer, (uint64_t)i * TERN_S, "0123456789A");
    simio_say_after(peer, 9 * TERN_S, "1");
    simio_say_after(peer, 15 * TERN_S, "1");
    ends_after(&s, call, 20 * TERN_S, "head 200 | body 101 bytes", "done ELOW_SPEED READ");
    scenario_close(&s);
}

static void test_off_is_off(void **state)
{
    const struct tern_client_config off = {
        .timeouts = {.read_ns = TERN_OFF, .head_ns = TERN_OFF, .total_ns = TERN_OFF, .pool_ns = TERN_OFF}};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &off);
    call = scenario_get(&s, "http://a.test/");
    scenario_run(&s, 100000 * TERN_S);
    seen_is(call, "");
    simio_say(scenario_accept(&s), "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    scenario_close(&s);
}

/* RFC 9110 10.1.1: a client does not wait for ever for 100 (Continue). */
static void test_expect(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    struct tern_request request = {.url = TERN_STR("http://a.test/"),
                                   .method = TERN_STR("PUT"),
                                   .expect = TERN_EXPECT_ALWAYS,
                                   .body = {.kind = TERN_BODY_MEMORY, .data = "body", .length = 4}};

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.user_agent = "t"});
    call = scenario_start(&s, &request);
    peer = scenario_accept(&s);
    scenario_run(&s, TERN_S - 1);
    simio_expect(peer, "PUT / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nAccept: */*\r\nContent-Length: 4\r\n"
                       "Expect: 100-continue\r\n\r\n");
    scenario_run(&s, 1);
    simio_expect(peer, "body");
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 200 | done");
    call = scenario_start(&s, &request);
    simio_forget(peer);
    simio_say(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    scenario_run(&s, 0);
    simio_expect(peer, "body");
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "informational 100 | head 200 | done");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_connect_in_dns),
        cmocka_unit_test(test_connect_in_tcp),
        cmocka_unit_test(test_connect_in_tls),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_before_the_head),
        cmocka_unit_test(test_paused_time_is_not_counted),
        cmocka_unit_test(test_resumed_time_begins_anew),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_total),
        cmocka_unit_test(test_low_speed),
        cmocka_unit_test(test_off_is_off),
        cmocka_unit_test(test_expect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
