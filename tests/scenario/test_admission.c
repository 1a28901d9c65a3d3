/* Who is let in, when, and who is not: turns between hosts, order within one, caps, and refusals that do not wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/h2_rig.h"
#include "tests/support/scenario.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define MAX_CONCURRENT_STREAMS 3

/* ---- a world of some hosts; who is done is written down ---- */

static char order[256];

static void on_done_write(struct seen *seen, const char *event)
{
    if (strcmp(event, "done") == 0)
        strncat(order, seen->hook_user, sizeof(order) - strlen(order) - 1);
}

static void answer(struct simio_peer *peer, void *user)
{
    (void)user;
    simio_forget(peer);
    simio_say(peer, OK_EMPTY);
}

/* a.test, b.test and c.test at 192.0.2.1 to .3, all of which answer at once if asked to. */
static void open_hosts(struct scenario *s, const struct tern_client_config *config, bool answers)
{
    static const char *const addresses[] = {"192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"};

    scenario_open(s, config);
    fakedns_answer(s->servers, "b.test", "192.0.2.2", 60);
    fakedns_answer(s->servers, "c.test", "192.0.2.3", 60);
    for (size_t i = 0; i < 3; i++)
        if (answers)
            simio_serve(s->sim, addresses[i], answer, NULL);
        else
            simio_listen(s->sim, addresses[i]);
    order[0] = '\0';
}

static struct seen *start(struct scenario *s, const char *host, bool is_fresh)
{
    char url[64];
    struct seen *call;

    snprintf(url, sizeof(url), "http://%c.test/", host[0]);
    call = scenario_start_only(s, &(struct tern_request){.url = tern_str(url), .fresh_connection = is_fresh});
    call->hook = on_done_write;
    call->hook_user = (void *)host;
    return call;
}

/* ---- turns ---- */

static void test_backlog_of_one_host_delays_others_by_a_turn(void **state)
{
    const struct tern_client_config one = {.limits = {.connections_max = 1}};
    struct scenario s;

    (void)state;
    open_hosts(&s, &one, true);
    for (int i = 0; i < 6; i++)
        start(&s, "a", false);
    start(&s, "b", false);
    start(&s, "b", false);
    start(&s, "c", false);
    scenario_run(&s, TERN_S);
    assert_string_equal(order, "abcabaaaa");
    scenario_close(&s);
}

/* A call that comes later does not overtake those who wait already, though a place is free before they are seen to. */
static void test_newcomer_waits_behind_who_is_there(void **state)
{
    const struct tern_client_config one = {.limits = {.connections_max = 1}};
    struct scenario s;
    struct seen *first;

    (void)state;
    open_hosts(&s, &one, false);
    first = start(&s, "a", false);
    scenario_run(&s, 0);
    start(&s, "b", false);
    scenario_run(&s, 0);
    assert_int_equal(tern_call_cancel(s.engine, first->id), TERN_OK);
    start(&s, "c", false);
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, "192.0.2.2:80"), 1);
    assert_int_equal(simio_connects(s.sim, "192.0.2.3:80"), 0);
    scenario_close(&s);
}

/* One host has all, with work for more: it gives up connections until the other has as many. */
static void test_busy_host_gives_up_its_surplus(void **state)
{
    const struct tern_client_config four = {.limits = {.connections_max = 4}};
    struct scenario s;
    struct simio_peer *peers[4];

    (void)state;
    open_hosts(&s, &four, false);
    for (int i = 0; i < 20; i++)
        start(&s, "a", false);
    scenario_run(&s, 0);
    for (int i = 0; i < 4; i++)
        peers[i] = scenario_accept(&s);
    for (int i = 0; i < 10; i++)
        start(&s, "b", false);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            if (!simio_is_closed(peers[i]))
                answer(peers[i], NULL);
        scenario_run(&s, 0);
    }
    assert_int_equal(simio_connects(s.sim, "192.0.2.2:80"), 2);
    assert_int_equal(simio_is_closed(peers[0]) + simio_is_closed(peers[1]) + simio_is_closed(peers[2]) +
                         simio_is_closed(peers[3]),
                     2);
    scenario_close(&s);
}

/* First in, first out, but for a used connection, which a call for a fresh one lets pass. */
static void test_order_within_a_host(void **state)
{
    const struct tern_client_config one = {.limits = {.connections_max = 1}};
    struct scenario s;

    (void)state;
    open_hosts(&s, &one, true);
    start(&s, "a1 ", false);
    start(&s, "a2fresh ", true);
    start(&s, "a3 ", false);
    start(&s, "a4fresh ", true);
    start(&s, "a5 ", false);
    scenario_run(&s, TERN_S);
    assert_string_equal(order, "a1 a3 a5 a2fresh a4fresh ");
    scenario_close(&s);
}

/* ---- refusals ---- */

static struct seen *refuse(struct scenario *s, const char *url, const struct tern_timeouts *timeouts,
                           const char *expected, const char *words)
{
    struct seen *call = scenario_start(s, &(struct tern_request){.url = tern_str(url), .timeouts = timeouts});

    seen_is(call, expected);
    assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
    if (strstr(call->result.fault.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", call->result.fault.text, words);
    return call;
}

/* Those that are dialled for are no queue. */
static void test_queue_counts_who_is_not_dialled_for(void **state)
{
    const struct tern_client_config config = {.limits = {.connections_max = 3, .waiters_max = 1}};
    struct scenario s;

    (void)state;
    open_hosts(&s, &config, false);
    simio_black_hole(s.sim, SCENARIO_ADDRESS);
    for (int i = 0; i < 4; i++)
        start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).calls_waiting, 4);
    refuse(&s, "http://a.test/", NULL, "done EQUEUE POOL", "waiters_max");
    refuse(&s, "http://b.test/", NULL, "done EQUEUE POOL", "1 calls wait");
    scenario_close(&s);
}

/* Over HTTP/2 a burst waits for one dial: that queue is bounded as well. */
static void test_queue_behind_one_dial_is_bounded(void **state)
{
    const struct tern_client_config config = {.http_mode = TERN_HTTP_MODE_2_ONLY, .limits = {.waiters_max = 10}};
    struct scenario s;

    (void)state;
    open_hosts(&s, &config, false);
    simio_black_hole(s.sim, SCENARIO_ADDRESS);
    for (int i = 0; i < 11; i++)
        start(&s, "a", false);
    scenario_run(&s, 0);
    refuse(&s, "http://a.test/", NULL, "done EQUEUE POOL", "waiters_max");
    scenario_close(&s);
}

static void test_no_time_to_wait(void **state)
{
    const struct tern_client_config one = {.limits = {.connections_max = 1}};
    const struct tern_timeouts at_once = {.pool_ns = 1};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_hosts(&s, &one, false);
    call = scenario_start(&s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .timeouts = &at_once});
    refuse(&s, "http://a.test/", &at_once, "done EPOOL_TIMEOUT POOL", "pool_ns");
    assert_int_equal(scenario_stats(&s).timed_out_pool, 1);
    answer(scenario_accept(&s), NULL);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | done"); /* it had no need to wait */
    scenario_close(&s);
}

static void test_deadline_that_has_passed(void **state)
{
    static const struct tern_exchange_events events;
    struct tern_origin origin = {.port = 80};
    struct tern_timeouts timeouts;
    struct tern_result result = {0};
    struct tern_fault why = {0};
    struct scenario s;
    struct tern_exchange exchange;

    (void)state;
    open_hosts(&s, NULL, false);
    assert_int_equal(tern_host_parse(&origin.host, TERN_STR("a.test"), NULL), TERN_OK);
    tern_timeouts_resolve(&timeouts, NULL, &s.client->settings->own.profile->config.timeouts);
    exchange = (struct tern_exchange){.events = &events,
                                      .profile = s.client->settings->own.profile,
                                      .origin = &origin,
                                      .timeouts = &timeouts,
                                      .total_deadline_ns = tern_engine_now(s.engine),
                                      .result = &result};
    assert_int_equal(s.client->pool.transport.ops->start(&s.client->pool.transport, &exchange, &why), TERN_EDEADLINE);
    assert_non_null(strstr(why.text, "total time"));
    assert_int_equal(scenario_stats(&s).connections_dialling, 0);
    scenario_close(&s);
}

/* ---- one address ---- */

static const struct tern_client_config one_each = {.limits = {.connections_per_address_max = 1, .connections_max = 3}};

static void test_full_address_is_passed_over(void **state)
{
    struct scenario s;
    struct seen *third;

    (void)state;
    open_hosts(&s, &one_each, false);
    fakedns_answer(s.servers, "a.test", "192.0.2.1 192.0.2.2", 60);
    start(&s, "a", false);
    start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, "192.0.2.1:80"), 1);
    assert_int_equal(simio_connects(s.sim, "192.0.2.2:80"), 1);
    third = start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).calls_waiting, 1);
    answer(scenario_accept_at(&s, "192.0.2.2:80"), NULL);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).calls_waiting, 0);
    assert_int_equal(simio_connects(s.sim, "192.0.2.1:80") + simio_connects(s.sim, "192.0.2.2:80"), 2);
    assert_int_equal(third->dones, 0);
    scenario_close(&s);
}

/* It waits in the queue, by the queue's time, and takes no place of the pool from others. */
static void test_wait_for_an_address(void **state)
{
    struct scenario s;
    struct seen *calls[5], *other;

    (void)state;
    open_hosts(&s, &one_each, false);
    for (int i = 0; i < 5; i++)
        calls[i] = start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    assert_int_equal(scenario_stats(&s).connections_dialling, 0);
    assert_int_equal(scenario_stats(&s).connections_failed, 0);
    other = start(&s, "b", false);
    scenario_run(&s, 0);
    answer(scenario_accept_at(&s, "192.0.2.2:80"), NULL);
    scenario_run(&s, 0);
    seen_is(other, "head 200 | done");
    scenario_run(&s, 5 * TERN_S);
    seen_is(calls[0], "");
    for (int i = 1; i < 5; i++)
        seen_is(calls[i], "done EPOOL_TIMEOUT POOL");
    scenario_close(&s);
}

/* Hosts at one address take turns at it too, and an idle connection of one makes room for another. */
static void test_hosts_at_one_address_take_turns(void **state)
{
    struct scenario s;
    struct simio_peer *peer = NULL, *next;

    (void)state;
    open_hosts(&s, &one_each, false);
    fakedns_answer(s.servers, "b.test", "192.0.2.1", 60);
    fakedns_answer(s.servers, "c.test", "192.0.2.1", 60);
    for (int i = 0; i < 4; i++)
        start(&s, "a", false);
    for (int i = 0; i < 2; i++)
        start(&s, "b", false);
    start(&s, "c", false);
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    for (int i = 0; i < 7; i++) {
        if ((next = simio_accept(s.sim, SCENARIO_ADDRESS)) != NULL)
            peer = next;
        answer(peer, NULL);
        scenario_run(&s, 0);
    }
    assert_string_equal(order, "abcabaa");
    start(&s, "c", false); /* a's is idle */
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer));
    answer(scenario_accept(&s), NULL);
    scenario_run(&s, 0);
    assert_string_equal(order, "abcabaac");
    scenario_close(&s);
}

/* What was full is let in when the limits change. */
static void test_limit_of_an_address_is_raised(void **state)
{
    struct tern_client_config two = one_each;
    struct scenario s;

    (void)state;
    open_hosts(&s, &one_each, false);
    start(&s, "a", false);
    start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    two.limits.connections_per_address_max = 2;
    two.dns.hosts_path = "";
    assert_int_equal(tern_client_configure(s.client, &two, NULL), TERN_OK);
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    scenario_close(&s);
}

/* ---- HTTP/2: streams that the peer grants and takes back ---- */

static const struct tern_client_config h2 = {.http_mode = TERN_HTTP_MODE_2_ONLY};

static void say_streams_max(struct simio_peer *peer, uint32_t streams_max)
{
    struct tern_buf out;

    tern_buf_init(&out, 1024);
    h2_put_setting(&out, MAX_CONCURRENT_STREAMS, streams_max);
    simio_say_bytes(peer, out.data + out.head, out.len);
    tern_buf_deinit(&out);
}

static void answer_stream(struct simio_peer *peer, int32_t id)
{
    struct tern_buf out;

    tern_buf_init(&out, 1024);
    h2_put_head(&out, id, H2_END_HEADERS | H2_END_STREAM, ":status: 200\n");
    simio_say_bytes(peer, out.data + out.head, out.len);
    tern_buf_deinit(&out);
}

/* Down to nothing: what runs goes on, what comes waits; and up again: who waits is let in at once. */
static void test_streams_shrink_to_none_and_grow(void **state)
{
    struct tern_client_config one = h2;
    struct scenario s;
    struct simio_peer *peer;
    struct seen *running, *waiting;

    (void)state;
    one.limits.connections_max = 1;
    open_hosts(&s, &one, false);
    running = start(&s, "a", false);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    say_streams_max(peer, 0);
    scenario_run(&s, 0);
    waiting = start(&s, "a", false);
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).calls_waiting, 1);
    say_streams_max(peer, 2);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).calls_waiting, 0);
    answer_stream(peer, 3);
    answer_stream(peer, 1);
    scenario_run(&s, 0);
    seen_is(running, "head 200 | done");
    seen_is(waiting, "head 200 | done");
    scenario_close(&s);
}

/* With nothing on it a connection that takes nothing makes room for one that may. */
static void test_connection_without_streams_is_left(void **state)
{
    struct tern_client_config one = h2;
    struct scenario s;
    struct simio_peer *peer;
    struct seen *running, *waiting;

    (void)state;
    one.limits.connections_max = 1;
    open_hosts(&s, &one, false);
    running = start(&s, "a", false);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    say_streams_max(peer, 0);
    scenario_run(&s, 0);
    waiting = start(&s, "a", false);
    answer_stream(peer, 1);
    scenario_run(&s, 0);
    seen_is(running, "head 200 | done");
    assert_true(simio_is_closed(peer));
    peer = scenario_accept(&s);
    say_streams_max(peer, 1);
    answer_stream(peer, 1);
    scenario_run(&s, 0);
    seen_is(waiting, "head 200 | done");
    say_streams_max(peer, 0);
    scenario_run(&s, 0);
    start(&s, "a", false);
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer));
    assert_non_null(scenario_accept(&s));
    scenario_close(&s);
}

static uint32_t streams_heard(struct simio_peer *peer)
{
    struct tern_str heard = simio_heard(peer);
    uint32_t count = 0;

    for (size_t at = strlen("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); at + 9 <= heard.len;) {
        const uint8_t *frame = (const uint8_t *)heard.ptr + at;

        count += frame[3] == NGHTTP2_HEADERS;
        at += 9 + ((size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2]);
    }
    return count;
}

/* Past the limit a further connection is opened; calls go where most room is, and when a limit shrinks, elsewhere. */
static void test_streams_are_spread_by_room(void **state)
{
    struct scenario s;
    struct simio_peer *small, *large;

    (void)state;
    open_hosts(&s, &h2, false);
    start(&s, "a", false);
    scenario_run(&s, 0);
    small = scenario_accept(&s);
    say_streams_max(small, 1);
    scenario_run(&s, 0);
    start(&s, "a", false);
    scenario_run(&s, 0);
    large = scenario_accept(&s);
    say_streams_max(large, 10);
    say_streams_max(small, 5);
    scenario_run(&s, 0);
    for (int i = 0; i < 5; i++)
        start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(streams_heard(large), 6); /* 9 of room against 4: all five */
    assert_int_equal(streams_heard(small), 1);
    say_streams_max(large, 6); /* full */
    scenario_run(&s, 0);
    for (int i = 0; i < 4; i++)
        start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(streams_heard(large), 6);
    assert_int_equal(streams_heard(small), 5);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    start(&s, "a", false); /* both are full */
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 3);
    scenario_close(&s);
}

/* A connection that never falls idle takes no more calls when another host has none and its turn has come. */
static void test_shared_connection_yields(void **state)
{
    struct tern_client_config one = h2;
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    one.limits.connections_max = 1;
    open_hosts(&s, &one, false);
    start(&s, "a", false);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    say_streams_max(peer, 100);
    scenario_run(&s, 0);
    start(&s, "b", false);
    scenario_run(&s, 0);
    start(&s, "a", false);
    scenario_run(&s, 0);
    assert_int_equal(streams_heard(peer), 1);
    answer_stream(peer, 1);
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer));
    peer = scenario_accept_at(&s, "192.0.2.2:80");
    scenario_run(&s, 0);
    answer_stream(peer, 1);
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer)); /* and back */
    assert_non_null(scenario_accept(&s));
    assert_string_equal(order, "ab");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backlog_of_one_host_delays_others_by_a_turn),
        cmocka_unit_test(test_newcomer_waits_behind_who_is_there),
        cmocka_unit_test(test_busy_host_gives_up_its_surplus),
        cmocka_unit_test(test_order_within_a_host),
        cmocka_unit_test(test_queue_counts_who_is_not_dialled_for),
        cmocka_unit_test(test_queue_behind_one_dial_is_bounded),
        cmocka_unit_test(test_no_time_to_wait),
        cmocka_unit_test(test_deadline_that_has_passed),
        cmocka_unit_test(test_full_address_is_passed_over),
        cmocka_unit_test(test_wait_for_an_address),
        cmocka_unit_test(test_hosts_at_one_address_take_turns),
        cmocka_unit_test(test_limit_of_an_address_is_raised),
        cmocka_unit_test(test_streams_shrink_to_none_and_grow),
        cmocka_unit_test(test_connection_without_streams_is_left),
        cmocka_unit_test(test_streams_are_spread_by_room),
        cmocka_unit_test(test_shared_connection_yields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
