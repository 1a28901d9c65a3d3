/* One connection and many calls: when it is used again, when it is not, and what happens when it dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define GET_ROOT "GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nAccept: */*\r\n\r\n"

static const struct tern_client_config plain = {.user_agent = "t"};

/* One call, answered; the peer of its connection. */
static struct simio_peer *warm_up(struct scenario *s)
{
    struct seen *call = scenario_get(s, "http://a.test/");
    struct simio_peer *peer = scenario_accept(s);

    simio_expect(peer, GET_ROOT);
    simio_say(peer, OK_HI);
    scenario_run(s, 0);
    seen_is(call, "head 200 | body hi | done");
    return peer;
}

static void test_second_call_reuses(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &plain);
    peer = warm_up(&s);
    call = scenario_get(&s, "http://A.test:80/");
    simio_expect(peer, GET_ROOT);
    simio_say(peer, OK_HI);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    assert_true(call->result.reused);
    assert_int_equal(scenario_stats(&s).connections_opened, 1);
    scenario_close(&s);
}

static void test_warm_call_costs_one_write_and_one_read(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct simio_counts before, after;

    (void)state;
    scenario_open(&s, &plain);
    peer = warm_up(&s);
    before = simio_counts(s.sim);
    for (int i = 0; i < 10; i++) {
        scenario_get(&s, "http://a.test/");
        simio_say(peer, OK_HI);
        scenario_run(&s, 0);
    }
    after = simio_counts(s.sim);
    assert_int_equal(after.sendmsgs - before.sendmsgs, 10);
    assert_int_equal(after.recvs - before.recvs, 10);
    assert_int_equal(after.watches - before.watches, 0);
    scenario_close(&s);
}

static void test_idle_connection_expires(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &plain);
    peer = warm_up(&s);
    scenario_run(&s, 30 * TERN_S - 1);
    assert_false(simio_is_closed(peer));
    scenario_run(&s, 1);
    assert_true(simio_is_closed(peer));
    assert_int_equal(scenario_stats(&s).connections_expired, 1);
    scenario_close(&s);
}

static void test_keep_alive_hint_is_honoured_with_a_margin(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &plain);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 4 * TERN_S - 1);
    assert_false(simio_is_closed(peer));
    scenario_run(&s, 1);
    assert_true(simio_is_closed(peer));
    scenario_close(&s);
}

/* A FIN, an RST or a stray byte closes an idle connection the moment it comes, so that the next call does not get it.
 * */
static void test_idle_connection_that_says_anything_is_closed(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;

        scenario_open(&s, &plain);
        peer = warm_up(&s);
        if (what == 0)
            simio_end(peer);
        else if (what == 1)
            simio_reset(peer);
        else
            simio_say(peer, OK_HI);
        scenario_run(&s, 0);
        assert_true(simio_is_closed(peer));
        call = scenario_get(&s, "http://a.test/");
        simio_say(scenario_accept(&s), OK_HI);
        scenario_run(&s, 0);
        seen_is(call, "head 200 | body hi | done");
        assert_false(call->result.reused);
        scenario_close(&s);
    }
}

/* The ledger: a kept connection dies under a request before a byte of the answer. */
static void dies_under(const char *method, bool is_reset, const char *expected, uint32_t attempts)
{
    struct scenario s;
    struct simio_peer *peer, *second;
    struct seen *call;

    scenario_open(&s, &plain);
    peer = warm_up(&s);
    call = scenario_start(
        &s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .method = {method, strlen(method)}});
    if (is_reset)
        simio_reset(peer);
    else
        simio_end(peer);
    scenario_run(&s, 0);
    second = simio_accept(s.sim, SCENARIO_ADDRESS);
    assert_int_equal(second != NULL, attempts == 2);
    if (second != NULL)
        simio_say(second, OK_HI);
    scenario_run(&s, 0);
    seen_is(call, expected);
    assert_int_equal(call->result.attempt, attempts);
    assert_int_equal(scenario_stats(&s).replayed, attempts - 1);
    scenario_close(&s);
}

static void test_stale_connection_and_idempotent_call_is_replayed(void **state)
{
    (void)state;
    dies_under("GET", false, "head 200 | body hi | done", 2);
    dies_under("GET", true, "head 200 | body hi | done", 2);
    dies_under("PUT", false, "head 200 | body hi | done", 2);
}

static void test_stale_connection_and_other_call_is_not(void **state)
{
    (void)state;
    dies_under("POST", false, "done EPEER_EMPTY WAIT", 1);
    dies_under("POST", true, "done EPEER_RESET WAIT", 1);
    dies_under("PATCH", false, "done EPEER_EMPTY WAIT", 1);
}

static void test_fresh_connection_that_dies_is_news(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &plain);
    call = scenario_get(&s, "http://a.test/");
    simio_end(scenario_accept(&s));
    scenario_run(&s, 0);
    seen_is(call, "done EPEER_EMPTY WAIT");
    assert_int_equal(call->result.replay, TERN_REPLAY_MAYBE);
    scenario_close(&s);
}

static void test_no_replay_once_an_answer_began(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &plain);
    peer = warm_up(&s);
    call = scenario_get(&s, "http://a.test/");
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Le");
    simio_end(peer);
    scenario_run(&s, 0);
    seen_is(call, "done EPEER_TRUNCATED WAIT");
    assert_int_equal(call->result.replay, TERN_REPLAY_ANSWERED);
    scenario_close(&s);
}

/* Four kept connections die, each only when it is written to: the last try has a connection of its own. */
static void last_replay(const char *answer, const char *expected)
{
    struct scenario s;
    struct seen *calls[4], *call;
    struct simio_peer *peers[4], *fresh;

    scenario_open(&s, &plain);
    for (int i = 0; i < 4; i++) {
        calls[i] = scenario_get(&s, "http://a.test/");
        peers[i] = scenario_accept(&s);
    }
    for (int i = 0; i < 4; i++)
        simio_say(peers[i], OK_HI);
    scenario_run(&s, 0);
    for (int i = 0; i < 4; i++)
        seen_is(calls[i], "head 200 | body hi | done");
    call = scenario_get(&s, "http://a.test/");
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++)
            if (!simio_is_closed(peers[k]) && simio_heard(peers[k]).len > strlen(GET_ROOT))
                simio_end(peers[k]);
        scenario_run(&s, 0);
    }
    seen_is(call, "");
    fresh = scenario_accept(&s);
    if (answer != NULL)
        simio_say(fresh, answer);
    else
        simio_end(fresh);
    scenario_run(&s, 0);
    seen_is(call, expected);
    assert_int_equal(call->result.attempt, 3);
    assert_false(call->result.reused);
    assert_int_equal(simio_is_closed(fresh), answer == NULL); /* the user did not ask for close: it is kept */
    scenario_close(&s);
}

static void test_replays_are_bounded_and_the_last_dials(void **state)
{
    (void)state;
    last_replay(OK_HI, "head 200 | body hi | done");
    last_replay(NULL, "done EPEER_EMPTY WAIT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_call_reuses),
        cmocka_unit_test(test_warm_call_costs_one_write_and_one_read),
        cmocka_unit_test(test_idle_connection_expires),
        cmocka_unit_test(test_keep_alive_hint_is_honoured_with_a_margin),
        cmocka_unit_test(test_idle_connection_that_says_anything_is_closed),
        cmocka_unit_test(test_stale_connection_and_idempotent_call_is_replayed),
        cmocka_unit_test(test_stale_connection_and_other_call_is_not),
        cmocka_unit_test(test_fresh_connection_that_dies_is_news),
        cmocka_unit_test(test_no_replay_once_an_answer_began),
        cmocka_unit_test(test_replays_are_bounded_and_the_last_dials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
