/* Connections that are there before a call is: opened on request, and kept above a floor while an origin is in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/h2_rig.h"
#include "tests/support/scenario.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define URL TERN_STR("http://a.test/any?path#at-all")

static void preconnect(struct scenario *s, uint32_t n)
{
    struct tern_fault why = {0};

    if (tern_client_preconnect(s->client, URL, n, &why) != TERN_OK)
        fail_msg("%s", why.text);
}

static void answer(struct simio_peer *peer)
{
    simio_forget(peer);
    simio_say(peer, OK_EMPTY);
}

/* ---- on request ---- */

static void test_calls_find_connections(void **state)
{
    struct scenario s;
    struct seen *calls[3];

    (void)state;
    scenario_open(&s, NULL);
    preconnect(&s, 3);
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 3);
    assert_int_equal(scenario_stats(&s).connections_idle, 3);
    preconnect(&s, 3); /* there already */
    scenario_run(&s, 0);
    for (int i = 0; i < 3; i++)
        calls[i] = scenario_get(&s, "http://a.test/");
    preconnect(&s, 3); /* those in use count */
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 3);
    for (int i = 0; i < 3; i++)
        answer(scenario_accept(&s));
    scenario_run(&s, 0);
    for (int i = 0; i < 3; i++) {
        seen_is(calls[i], "head 200 | done");
        assert_false(calls[i]->result.reused);
    }
    scenario_run(&s, 31 * TERN_S);
    assert_int_equal(scenario_stats(&s).connections_idle, 0); /* what nobody uses expires */
    scenario_close(&s);
}

/* A call that comes while one is under way gets it. */
static void test_call_takes_over_the_dial(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, TERN_S);
    preconnect(&s, 1);
    scenario_run(&s, TERN_S / 2);
    call = scenario_get(&s, "http://a.test/");
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    answer(scenario_accept(&s));
    scenario_run(&s, 0);
    seen_is(call, "head 200 | done");
    scenario_close(&s);
}

/* Of two for one address the second finds it full. Its call does not stand without one then: it takes the first. */
static void test_a_call_changes_over(void **state)
{
    const struct tern_client_config config = {.limits = {.connections_per_address_max = 1}};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &config);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, TERN_S);
    preconnect(&s, 2);
    call = scenario_start_only(&s, &(struct tern_request){.url = TERN_STR("http://a.test/")}); /* has the latest */
    scenario_run(&s, TERN_S / 2);
    assert_int_equal(scenario_stats(&s).connections_dialling, 1);
    assert_int_equal(scenario_stats(&s).calls_waiting, 1);
    scenario_run(&s, TERN_S);
    answer(scenario_accept(&s));
    scenario_run(&s, 0);
    seen_is(call, "head 200 | done");
    assert_int_equal(call->result.times.tcp_ns, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    scenario_close(&s);
}

static void test_limits_hold(void **state)
{
    static const struct {
        struct tern_limits limits;
        uint32_t opened;
    } cases[] = {
        {{.connections_max = 2}, 2},
        {{.connections_per_host_max = 3}, 3},
        {{.idle_max = 4}, 4},
        {{.connections_per_address_max = 1}, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;

        scenario_open(&s, &(struct tern_client_config){.limits = cases[i].limits});
        preconnect(&s, 10);
        scenario_run(&s, 0);
        assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), cases[i].opened);
        assert_int_equal(scenario_stats(&s).connections_idle, cases[i].opened);
        scenario_close(&s);
    }
}

/* What others keep is not closed for it. */
static void test_no_idle_connection_gives_way(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.limits = {.connections_max = 1}});
    fakedns_answer(s.servers, "b.test", "192.0.2.1", 60);
    scenario_get(&s, "http://b.test/");
    peer = scenario_accept(&s);
    answer(peer);
    scenario_run(&s, 0);
    preconnect(&s, 1);
    scenario_run(&s, 0);
    assert_false(simio_is_closed(peer));
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    scenario_close(&s);
}

static void test_failures_are_counted(void **state)
{
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    simio_refuse(s.sim, SCENARIO_ADDRESS);
    preconnect(&s, 2);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_failed, 2);
    assert_int_equal(scenario_stats(&s).connections_dialling, 0);
    simio_black_hole(s.sim, SCENARIO_ADDRESS);
    preconnect(&s, 1);
    scenario_run(&s, 10 * TERN_S);
    assert_int_equal(scenario_stats(&s).connections_failed, 3);
    assert_int_equal(simio_counts(s.sim).open, 0);
    scenario_close(&s);
}

static void test_refusals(void **state)
{
    struct scenario s;
    struct tern_fault why = {0};

    (void)state;
    scenario_open(&s, NULL);
    assert_int_equal(tern_client_preconnect(s.client, TERN_STR("a.test"), 1, &why), TERN_EURL);
    assert_int_equal(tern_client_preconnect(s.client, TERN_STR("ftp://a.test/"), 1, &why), TERN_ESCHEME);
    assert_non_null(strstr(why.text, "ftp"));
    assert_int_equal(tern_client_preconnect(s.client, TERN_STR("http://a b/"), 1, NULL), TERN_EURL);
    assert_int_equal(tern_client_preconnect(s.client, URL, 0, NULL), TERN_OK);
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_counts(s.sim).sockets, 0);
    scenario_get(&s, "http://a.test/");
    tern_client_close(s.client, TERN_CLOSE_DRAIN);
    assert_int_equal(tern_client_preconnect(s.client, URL, 1, &why), TERN_ECLOSED);
    s.is_client_closed = true;
    answer(scenario_accept(&s));
    scenario_run(&s, 0);
    scenario_close(&s);
}

/* What it opens is what a call to its URL takes: with its host's settings, and over TLS where that is known to be
 * wanted. */
static void test_it_goes_where_calls_go(void **state)
{
    static const struct tern_connect_to elsewhere = {.to_port = 8080};
    static const struct tern_client_config through = {.connect_to = &elsewhere, .connect_to_count = 1};
    static const struct tern_host_config hosts[] = {{.host = "a.test", .config = &through}};
    static const struct tern_policy strict = {.hsts = true};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.hosts = hosts, .host_count = 1});
    simio_listen(s.sim, "192.0.2.1:8080");
    preconnect(&s, 1);
    scenario_run(&s, 0);
    call = scenario_get(&s, "http://a.test/");
    answer(scenario_accept_at(&s, "192.0.2.1:8080"));
    scenario_run(&s, 0);
    seen_is(call, "head 200 | done");
    assert_int_equal(simio_counts(s.sim).sockets, 1);
    scenario_close(&s);

    scenario_open(&s, &(struct tern_client_config){.policy = &strict, .tls = {.insecure = true}});
    simio_listen(s.sim, "192.0.2.1:443");
    assert_int_equal(tern_client_hsts_load(s.client, TERN_STR("a.test \"unlimited\"\n"), NULL), TERN_OK);
    preconnect(&s, 1);
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 0);
    assert_int_equal(simio_connects(s.sim, "192.0.2.1:443"), 1);
    scenario_close(&s);
}

struct question_count {
    uint32_t urls, addresses;
    bool refuses;
};

static const char *count_questions(void *user, const struct tern_gate_question *question)
{
    struct question_count *count = user;

    count->urls += question->address == NULL;
    count->addresses += question->address != NULL;
    return count->refuses ? "not this one" : NULL;
}

/* The user's own function is asked from inside a step, as everywhere, and so of the address alone. */
static void test_the_gate_holds(void **state)
{
    struct question_count count = {0};
    const struct tern_gate secure = {.https_only = true}, asks = {.check = count_questions, .user = &count};
    struct tern_policy policy = {.gate = &secure};
    struct scenario s;
    struct tern_fault why = {0};

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    assert_int_equal(tern_client_preconnect(s.client, URL, 1, &why), TERN_EGATE);
    assert_string_equal(why.text, "a.test: only https is allowed");
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_counts(s.sim).sockets, 0);
    scenario_close(&s);

    policy.gate = &asks;
    for (int refuses = 0; refuses < 2; refuses++) {
        count = (struct question_count){.refuses = refuses != 0};
        scenario_open(&s, &(struct tern_client_config){.policy = &policy});
        preconnect(&s, 1);
        assert_int_equal(count.addresses, 0);
        scenario_run(&s, TERN_S);
        assert_int_equal(count.urls, 0);
        assert_int_equal(count.addresses, 1);
        assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), !refuses);
        scenario_close(&s);
    }
}

/* The preface is out before the first request, and one connection carries the burst. */
static void test_http2(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct tern_buf out;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.http_mode = TERN_HTTP_MODE_2_ONLY});
    preconnect(&s, 1);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, "PRI * HTTP/2.0"));
    tern_buf_init(&out, 1024);
    h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    simio_say_bytes(peer, out.data + out.head, out.len);
    tern_buf_deinit(&out);
    scenario_run(&s, 0);
    for (int i = 0; i < 5; i++)
        scenario_start_only(&s, &(struct tern_request){.url = TERN_STR("http://a.test/")});
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    assert_int_equal(scenario_stats(&s).connections_active, 1);
    scenario_close(&s);
}

/* ---- the floor ---- */

static void serve(struct simio_peer *peer, void *user)
{
    (void)user;
    answer(peer);
}

static const struct tern_client_config warm = {.limits = {.warm_per_host = 2, .warm_ns = 100 * TERN_S}};

/* Two are there from the first use on, those that expire are dialled again, until the origin is forgotten; then the
 * engine has nothing to wake for. */
static void test_floor_while_in_use(void **state)
{
    struct scenario s;
    uint32_t connects;
    uint64_t waits;

    (void)state;
    scenario_open(&s, &warm);
    simio_serve(s.sim, SCENARIO_ADDRESS, serve, NULL);
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 0); /* not before it is used */
    scenario_get(&s, "http://a.test/");
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).connections_idle, 2);
    for (int i = 0; i < 6; i++) {
        scenario_run(&s, 15 * TERN_S);
        assert_int_equal(scenario_stats(&s).connections_idle, 2);
    }
    scenario_run(&s, 60 * TERN_S);
    assert_int_equal(scenario_stats(&s).connections_idle, 0);
    connects = simio_connects(s.sim, SCENARIO_ADDRESS);
    assert_in_range(connects, 4, 10);
    waits = simio_counts(s.sim).waits;
    scenario_run(&s, 3600 * TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), connects);
    assert_true(simio_counts(s.sim).waits - waits < 10);
    scenario_close(&s);
}

/* A server that is gone is asked more and more seldom. */
static void test_floor_backs_off(void **state)
{
    struct scenario s;
    uint32_t connects;

    (void)state;
    scenario_open(&s, &warm);
    simio_serve(s.sim, SCENARIO_ADDRESS, serve, NULL);
    scenario_get(&s, "http://a.test/");
    simio_refuse(s.sim, SCENARIO_ADDRESS);
    connects = simio_connects(s.sim, SCENARIO_ADDRESS);
    scenario_run(&s, 10 * TERN_S);
    assert_in_range(simio_connects(s.sim, SCENARIO_ADDRESS) - connects, 5, 8); /* after .1, .3, .7, 1.5, 3.1, 6.3 s */
    scenario_run(&s, 200 * TERN_S);
    assert_in_range(simio_connects(s.sim, SCENARIO_ADDRESS) - connects, 13, 40);
    assert_int_equal(scenario_stats(&s).connections_idle, 0);
    scenario_close(&s);
}

/* A client that closes while a floor is due leaves nothing. */
static void test_close_ends_the_floor(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &warm);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say_and_end(peer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_dialling, 0); /* its timer runs */
    scenario_close(&s);
}

static void test_drain_ends_the_floor(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &warm);
    fakedns_answer(s.servers, "b.test", "192.0.2.1", 60);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    scenario_get(&s, "http://b.test/");
    simio_say_and_end(peer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    tern_client_close(s.client, TERN_CLOSE_DRAIN);
    s.is_client_closed = true;
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    answer(scenario_accept(&s));
    scenario_run(&s, 0);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_find_connections),
        cmocka_unit_test(test_call_takes_over_the_dial),
        cmocka_unit_test(test_a_call_changes_over),
        cmocka_unit_test(test_limits_hold),
        cmocka_unit_test(test_no_idle_connection_gives_way),
        cmocka_unit_test(test_failures_are_counted),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_it_goes_where_calls_go),
        cmocka_unit_test(test_the_gate_holds),
        cmocka_unit_test(test_http2),
        cmocka_unit_test(test_floor_while_in_use),
        cmocka_unit_test(test_floor_backs_off),
        cmocka_unit_test(test_close_ends_the_floor),
        cmocka_unit_test(test_drain_ends_the_floor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
