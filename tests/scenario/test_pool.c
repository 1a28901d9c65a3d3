/* Who gets a connection: limits, order, the race between a freed and a dialled one, what shapes one, cancelling,
 * closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define SLOW_CONNECT_NS (100 * TERN_MS)

static void answer(struct simio_peer *peer)
{
    simio_forget(peer);
    simio_say(peer, OK_EMPTY);
}

static void test_limits_hold_and_waiters_go_in_order(void **state)
{
    const struct tern_client_config two = {.limits = {.connections_max = 2}};
    struct scenario s;
    struct simio_peer *peers[2];
    struct seen *calls[6];

    (void)state;
    scenario_open(&s, &two);
    for (int i = 0; i < 6; i++)
        calls[i] = scenario_get(&s, "http://a.test/");
    peers[0] = scenario_accept(&s);
    peers[1] = scenario_accept(&s);
    assert_null(simio_accept(s.sim, SCENARIO_ADDRESS));
    assert_int_equal(scenario_stats(&s).calls_waiting, 4);
    for (int i = 0; i < 6; i++) {
        answer(peers[i % 2]);
        scenario_run(&s, 0);
        seen_is(calls[i], "head 200 | done");
        if (i < 5)
            seen_is(calls[i + 1], "");
    }
    assert_int_equal(scenario_stats(&s).connections_opened, 2);
    assert_int_equal(scenario_stats(&s).connections_idle, 2);
    scenario_close(&s);
}

static void test_per_host_limit_leaves_room_for_others(void **state)
{
    const struct tern_client_config config = {.limits = {.connections_max = 2, .connections_per_host_max = 1}};
    struct scenario s;
    struct seen *first, *second, *other;

    (void)state;
    scenario_open(&s, &config);
    fakedns_answer(s.servers, "b.test", "192.0.2.2", 60);
    simio_listen(s.sim, "192.0.2.2:80");
    first = scenario_get(&s, "http://a.test/");
    second = scenario_get(&s, "http://a.test/");
    other = scenario_get(&s, "http://b.test/");
    answer(scenario_accept_at(&s, "192.0.2.2:80"));
    scenario_run(&s, 0);
    seen_is(other, "head 200 | done");
    seen_is(first, "");
    seen_is(second, "");
    scenario_close(&s);
}

/* At the total limit an idle connection of another host gives way. */
static void test_idle_connection_gives_way_to_another_host(void **state)
{
    const struct tern_client_config one = {.limits = {.connections_max = 1}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *other;

    (void)state;
    scenario_open(&s, &one);
    fakedns_answer(s.servers, "b.test", "192.0.2.2", 60);
    simio_listen(s.sim, "192.0.2.2:80");
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    other = scenario_get(&s, "http://b.test/");
    assert_null(simio_accept(s.sim, "192.0.2.2:80"));
    answer(peer);
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer));
    answer(scenario_accept_at(&s, "192.0.2.2:80"));
    scenario_run(&s, 0);
    seen_is(other, "head 200 | done");
    scenario_close(&s);
}

static void test_queue_is_bounded(void **state)
{
    const struct tern_client_config config = {.limits = {.connections_max = 1, .waiters_max = 2}};
    struct scenario s;
    struct seen *last;

    (void)state;
    scenario_open(&s, &config);
    scenario_get(&s, "http://a.test/");
    scenario_get(&s, "http://a.test/");
    scenario_get(&s, "http://a.test/");
    last = scenario_get(&s, "http://a.test/");
    seen_is(last, "done EQUEUE POOL");
    assert_int_equal(last->result.replay, TERN_REPLAY_UNSENT);
    scenario_close(&s);
}

/* By default a load of any width that the pool carries leaves its connections to the next. */
static void test_what_the_pool_may_open_it_may_keep(void **state)
{
    struct scenario s;
    struct simio_peer *peers[100];

    (void)state;
    scenario_open(&s, NULL);
    for (int i = 0; i < 100; i++) {
        scenario_get(&s, "http://a.test/");
        peers[i] = scenario_accept(&s);
    }
    for (int i = 0; i < 100; i++)
        answer(peers[i]);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_idle, 100);
    scenario_close(&s);
}

static void test_idle_connections_are_bounded(void **state)
{
    const struct tern_client_config config = {.limits = {.idle_max = 1}};
    struct scenario s;
    struct simio_peer *peers[3];

    (void)state;
    scenario_open(&s, &config);
    for (int i = 0; i < 3; i++) {
        scenario_get(&s, "http://a.test/");
        peers[i] = scenario_accept(&s);
    }
    for (int i = 0; i < 3; i++)
        answer(peers[i]);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    assert_true(simio_is_closed(peers[0]) && simio_is_closed(peers[1]) && !simio_is_closed(peers[2]));
    scenario_close(&s);
}

/* What was allowed to idle before is let go, the oldest first, as soon as less is allowed. */
static void test_fewer_may_idle_from_now_on(void **state)
{
    const struct tern_client_config config = {.limits = {.idle_max = 1}};
    struct scenario s;
    struct simio_peer *peers[3];

    (void)state;
    scenario_open(&s, NULL);
    for (int i = 0; i < 3; i++) {
        scenario_get(&s, "http://a.test/");
        peers[i] = scenario_accept(&s);
    }
    for (int i = 0; i < 3; i++)
        answer(peers[i]);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_idle, 3);
    assert_int_equal(tern_client_configure(s.client, &config, NULL), TERN_OK);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    assert_true(simio_is_closed(peers[0]) && simio_is_closed(peers[1]) && !simio_is_closed(peers[2]));
    scenario_close(&s);
}

/* The latest used goes first, so that a burst's surplus can expire. */
static void test_idle_connections_are_taken_last_in_first_out(void **state)
{
    struct scenario s;
    struct simio_peer *peers[2];

    (void)state;
    scenario_open(&s, NULL);
    for (int i = 0; i < 2; i++) {
        scenario_get(&s, "http://a.test/");
        peers[i] = scenario_accept(&s);
    }
    answer(peers[1]);
    scenario_run(&s, 0);
    answer(peers[0]);
    scenario_run(&s, 0);
    scenario_get(&s, "http://a.test/");
    assert_true(simio_heard(peers[0]).len > 0);
    assert_int_equal(simio_heard(peers[1]).len, 0);
    scenario_close(&s);
}

/* Whichever is first serves the waiter; the other is pooled, not thrown away. */
static void test_freed_connection_wins_against_a_dial(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *second;

    (void)state;
    scenario_open(&s, NULL);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, SLOW_CONNECT_NS);
    second = scenario_get(&s, "http://a.test/");
    answer(peer);
    scenario_run(&s, SLOW_CONNECT_NS / 2);
    assert_true(simio_heard(peer).len > 0);
    answer(peer);
    scenario_run(&s, 0);
    seen_is(second, "head 200 | done");
    assert_true(second->result.reused);
    scenario_run(&s, SLOW_CONNECT_NS);
    assert_int_equal(scenario_stats(&s).connections_idle, 2);
    scenario_close(&s);
}

/* The dial whose waiter was served otherwise is the next caller's: there are never more connections than calls at
 * once. */
static void test_dial_without_a_waiter_is_taken_over(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, NULL);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, SLOW_CONNECT_NS);
    scenario_get(&s, "http://a.test/"); /* dials, and gets the freed one */
    answer(peer);
    scenario_run(&s, SLOW_CONNECT_NS / 2);
    scenario_get(&s, "http://a.test/");
    scenario_run(&s, SLOW_CONNECT_NS);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    assert_int_equal(scenario_stats(&s).connections_active, 2);
    scenario_close(&s);
}

static void test_cancel_gives_everything_back(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    /* Before the first turn; while the name is looked up; while it connects; while it waits for the answer; in the
     * body. */
    for (int at = 0; at < 5; at++) {
        struct tern_request request = {.url = TERN_STR("http://a.test/")};
        uint64_t step_ns = 10 * TERN_MS;

        fakedns_answer(s.servers, "a.test", "192.0.2.1", 1);
        fakedns_takes(s.servers, "a.test", TERN_IP_ANY, step_ns);
        simio_connect_takes(s.sim, SCENARIO_ADDRESS, step_ns);
        scenario_run(&s, 3600 * TERN_S); /* what was cached is forgotten */
        call = scenario_start_only(&s, &request);
        peer = NULL;
        if (at > 0)
            scenario_run(&s, (uint64_t)at * step_ns - step_ns / 2 + (at > 2 ? step_ns : 0));
        if (at > 3) {
            peer = scenario_accept(&s);
            simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
            scenario_run(&s, 0);
        }
        assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
        assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_EGONE);
        assert_int_equal(call->dones, 0); /* never from inside */
        scenario_run(&s, 0);
        assert_int_equal(call->dones, 1);
        assert_int_equal(call->result.fault.error, TERN_ECANCELLED);
        assert_int_equal(simio_counts(s.sim).open, 0);
        assert_int_equal(scenario_stats(&s).connections_dialling + scenario_stats(&s).connections_active, 0);
        if (peer == NULL)
            (void)simio_accept(s.sim, SCENARIO_ADDRESS);
    }
    scenario_close(&s);
}

/* ---- what shapes a connection ---- */

/* Two calls with a change of configuration between them: on one connection, or on two. */
static void changing(const struct tern_client_config *from, const struct tern_client_config *to, uint64_t connections)
{
    struct scenario s;
    struct tern_client_config after = *to;
    struct tern_fault why = {0};

    scenario_open(&s, from);
    scenario_get(&s, "http://192.0.2.1/");
    answer(scenario_accept(&s));
    scenario_run(&s, 0);
    if (after.dns.hosts_path == NULL)
        after.dns.hosts_path = "";
    if (tern_client_configure(s.client, &after, &why) != TERN_OK)
        fail_msg("%s", why.text);
    scenario_get(&s, "http://192.0.2.1/");
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_opened, connections);
    scenario_close(&s);
}

static void test_fields_that_shape_a_connection(void **state)
{
    static const char *const addresses[] = {"192.0.2.1"};
    const struct tern_resolve_override override = {.host = "x.test", .addresses = addresses, .address_count = 1};
    const struct tern_connect_to connect_to = {.host = "x.test", .to_host = "192.0.2.1"};
    const struct tern_client_config base = {0}, shaped[] = {
                                                    {.ip_family = TERN_IP_V4},
                                                    {.interface = "192.0.2.200"},
                                                    {.connect_to = &connect_to, .connect_to_count = 1},
                                                    {.dns = {.overrides = &override, .override_count = 1}},
                                                    {.tls = {.ca_file = "/ca.pem"}},
                                                    {.tls = {.ca_dir = "/ca"}},
                                                    {.tls = {.insecure = true}},
                                                    {.tls = {.cert_file = "/c.pem"}},
                                                    {.tls = {.cert_file = "/c.pem", .key_file = "/k.pem"}},
                                                    {.tls = {.version_min = TERN_TLS_1_3}},
                                                    {.tls = {.version_max = TERN_TLS_1_2}},
                                                    {.tls = {.keylog_path = "/log"}},
                                                    {.tls = {.no_resumption = true}},
                                                };

    (void)state;
    for (size_t i = 0; i < sizeof(shaped) / sizeof(shaped[0]); i++)
        changing(&base, &shaped[i], 2);
}

static void test_fields_that_do_not(void **state)
{
    const struct tern_field field = {TERN_STR("X"), TERN_STR("1"), 0};
    const struct tern_client_config base = {0}, free_of_shape[] = {
                                                    {0},
                                                    {.name = "other"},
                                                    {.user_agent = "other"},
                                                    {.fields = &field, .field_count = 1},
                                                    {.timeouts = {.read_ns = TERN_S}},
                                                    {.limits = {.connections_max = 7}},
                                                    {.dns = {.servers = "192.0.2.53"}},
                                                };

    (void)state;
    for (size_t i = 0; i < sizeof(free_of_shape) / sizeof(free_of_shape[0]); i++)
        changing(&base, &free_of_shape[i], 1);
}

/* ---- closing ---- */

static void test_drain_lets_calls_finish(void **state)
{
    struct scenario s;
    struct simio_peer *busy, *idle;
    struct seen *call, *warm;

    (void)state;
    scenario_open(&s, NULL);
    warm = scenario_get(&s, "http://a.test/");
    idle = scenario_accept(&s);
    call = scenario_get(&s, "http://a.test/");
    busy = scenario_accept(&s);
    answer(idle);
    scenario_run(&s, 0);
    seen_is(warm, "head 200 | done");
    tern_client_close(s.client, TERN_CLOSE_DRAIN);
    assert_int_equal(
        tern_call_start(s.client, &(struct tern_request){.url = TERN_STR("http://a.test/")}, NULL, NULL, NULL, NULL),
        TERN_ECLOSED);
    assert_true(simio_is_closed(idle));
    s.is_client_closed = true; /* it goes with its last call */
    answer(busy);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | done");
    assert_true(simio_is_closed(busy));
    scenario_close(&s);
}

static void close_in_hook(struct seen *seen, const char *event)
{
    if (strcmp(event, "body") == 0)
        tern_client_close(seen->scenario->client, TERN_CLOSE_DROP);
}

static void test_drop_from_inside_a_callback(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call, *waiting;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.limits = {.connections_max = 1}});
    call = scenario_get(&s, "http://a.test/");
    waiting = scenario_get(&s, "http://a.test/");
    call->hook = close_in_hook;
    peer = scenario_accept(&s);
    s.is_client_closed = true;
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body half | done ESHUTDOWN READ");
    seen_is(waiting, "done ESHUTDOWN POOL");
    scenario_close(&s);
}

/* An answer that comes before the request was taken in full is the answer, though the connection breaks under the
 * rest. */
static void test_early_answer_to_an_upload_is_kept(void **state)
{
    static char body[100000];
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    simio_window_all(s.sim, 5000);
    call = scenario_start(
        &s, &(struct tern_request){.url = TERN_STR("http://a.test/"),
                                   .method = TERN_STR("POST"),
                                   .body = {.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof(body)}});
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    simio_reset(peer);
    simio_window(peer, 1000000); /* the next write meets the reset */
    scenario_run(&s, 0);
    seen_is(call, "head 413 | body big | done");
    assert_int_equal(scenario_stats(&s).connections_idle, 0);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_hold_and_waiters_go_in_order),
        cmocka_unit_test(test_per_host_limit_leaves_room_for_others),
        cmocka_unit_test(test_idle_connection_gives_way_to_another_host),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_what_the_pool_may_open_it_may_keep),
        cmocka_unit_test(test_idle_connections_are_bounded),
        cmocka_unit_test(test_fewer_may_idle_from_now_on),
        cmocka_unit_test(test_idle_connections_are_taken_last_in_first_out),
        cmocka_unit_test(test_freed_connection_wins_against_a_dial),
        cmocka_unit_test(test_dial_without_a_waiter_is_taken_over),
        cmocka_unit_test(test_cancel_gives_everything_back),
        cmocka_unit_test(test_fields_that_shape_a_connection),
        cmocka_unit_test(test_fields_that_do_not),
        cmocka_unit_test(test_drain_lets_calls_finish),
        cmocka_unit_test(test_drop_from_inside_a_callback),
        cmocka_unit_test(test_early_answer_to_an_upload_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
