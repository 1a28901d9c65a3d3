/* The gate through the whole client: each hop's URL before DNS, each address before it is dialled or used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

static const struct tern_redirects follow = {0};

static void open_with(struct scenario *s, const struct tern_gate *gate)
{
    const struct tern_policy policy = {.gate = gate, .redirects = &follow};

    scenario_open(s, &(struct tern_client_config){.policy = &policy});
}

static void refused(struct seen *call, const char *phase, const char *words)
{
    char expected[64];

    snprintf(expected, sizeof(expected), "done EGATE %s", phase);
    seen_is(call, expected);
    if (strstr(call->result.fault.text, words) == NULL)
        fail_msg("%s", call->result.fault.text);
    assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
}

static void test_urls(void **state)
{
    static const uint16_t ports[] = {80, 443};
    static const char *const deny[] = {"*.bad.test", "192.0.2.0/24"};
    static const char *const allow[] = {"a.test", "*.good.test", "x.bad.test"};
    const struct tern_gate gate = {.refuse_userinfo = true,
                                   .ports = ports,
                                   .port_count = 2,
                                   .deny = deny,
                                   .deny_count = 2,
                                   .allow = allow,
                                   .allow_count = 3};
    struct scenario s;

    (void)state;
    open_with(&s, &gate);
    refused(scenario_get(&s, "http://a.test:81/"), "START", "port");
    refused(scenario_get(&s, "http://u@a.test/"), "START", "user name");
    refused(scenario_get(&s, "http://x.bad.test/"), "START", "denied");
    refused(scenario_get(&s, "http://192.0.2.1/"), "START", "denied");
    refused(scenario_get(&s, "http://good.test/"), "START", "not among");
    assert_int_equal(scenario_stats(&s).dns_lookups, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 0);
    seen_is(scenario_get(&s, "http://A.test./"), ""); /* the normaliser comes first */
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    scenario_close(&s);
}

static void test_each_hop_passes_it(void **state)
{
    const struct tern_gate gate = {.https_only = false, .public_only = true};
    struct scenario s;
    struct seen *call;
    struct simio_peer *peer;

    (void)state;
    open_with(&s, &gate);
    fakedns_answer(s.servers, "pub.test", "8.8.8.8", 60);
    simio_listen(s.sim, "8.8.8.8:80");
    call = scenario_get(&s, "http://pub.test/");
    peer = scenario_accept_at(&s, "8.8.8.8:80");
    simio_say(peer, "HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    refused(call, "START", "169.254.169.254: the address is not a public one");
    assert_int_equal(call->result.hop, 2);
    scenario_close(&s);
}

/* Of a name's addresses those that the gate refuses are not dialled: the others may do. */
static void test_addresses(void **state)
{
    const struct tern_gate gate = {.public_only = true};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &gate);
    fakedns_answer(s.servers, "mixed.test", "10.0.0.1 8.8.8.8", 60);
    simio_listen(s.sim, "10.0.0.1:80");
    simio_listen(s.sim, "8.8.8.8:80");
    refused(scenario_get(&s, "http://a.test/"), "CONNECT", "a.test at 192.0.2.1:80: the address is not a public one");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 0);
    call = scenario_get(&s, "http://mixed.test/");
    assert_int_equal(simio_connects(s.sim, "10.0.0.1:80"), 0);
    simio_say(scenario_accept_at(&s, "8.8.8.8:80"), "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    scenario_close(&s);
}

/* Of both families; a Unix socket is the configuration's own choice, and no address. */
static void test_addresses_of_every_kind(void **state)
{
    const struct tern_gate gate = {.public_only = true};
    const struct tern_policy policy = {.gate = &gate};
    struct scenario s;

    (void)state;
    open_with(&s, &gate);
    fakedns_answer(s.servers, "six.test", "fd00::1", 60);
    refused(scenario_get(&s, "http://six.test/"), "CONNECT", "six.test at [fd00::1]:80: the address is not a public");
    scenario_close(&s);
    scenario_open(&s, &(struct tern_client_config){.policy = &policy, .unix_socket = "/run/a.sock"});
    simio_listen(s.sim, "unix:/run/a.sock");
    seen_is(scenario_get(&s, "http://a.test/"), "");
    assert_non_null(simio_accept(s.sim, "unix:/run/a.sock"));
    scenario_close(&s);
}

/* DNS rebinding: a name whose next answer is an inner address. What was made to the address before may be used, which
 * the gate has let through. */
static void test_a_name_that_moves_inwards(void **state)
{
    const struct tern_gate gate = {.public_only = true};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &gate);
    fakedns_answer(s.servers, "moves.test", "8.8.8.8", 1);
    simio_listen(s.sim, "8.8.8.8:80");
    simio_listen(s.sim, "127.0.0.1:80");
    scenario_get(&s, "http://moves.test/");
    peer = scenario_accept_at(&s, "8.8.8.8:80");
    simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    fakedns_answer(s.servers, "moves.test", "127.0.0.1", 1);
    scenario_run(&s, 2 * TERN_S);
    call = scenario_get(&s, "http://moves.test/");
    simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, TERN_S);
    seen_is(call, "head 204 | done");
    assert_true(call->result.reused);
    refused(scenario_get(&s, "http://moves.test/"), "CONNECT", "moves.test at 127.0.0.1:80");
    assert_int_equal(simio_connects(s.sim, "127.0.0.1:80"), 0);
    scenario_close(&s);
}

struct opinion {
    const char *of_urls, *of_addresses;
    int asked_urls, asked_addresses;
};

static const char *check(void *user, const struct tern_gate_question *question)
{
    struct opinion *opinion = user;

    assert_memory_equal(question->host.ptr, "a.test", 6);
    assert_int_equal(question->port, 80);
    if (question->address == NULL) {
        opinion->asked_urls++;
        return opinion->of_urls;
    }
    assert_string_equal(question->address, SCENARIO_ADDRESS);
    opinion->asked_addresses++;
    return opinion->of_addresses;
}

static void test_own_function_is_asked_at_dial_and_at_reuse(void **state)
{
    struct opinion opinion = {0};
    const struct tern_gate gate = {.check = check, .user = &opinion};
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    open_with(&s, &gate);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    assert_int_equal(opinion.asked_urls, 1);
    assert_int_equal(opinion.asked_addresses, 1);
    opinion.of_addresses = "not today";
    refused(scenario_get(&s, "http://a.test/"), "POOL", "a.test at 192.0.2.1:80: not today");
    assert_true(simio_is_closed(peer));
    opinion.of_urls = "never";
    refused(scenario_get(&s, "http://a.test/"), "START", "http://a.test: never");
    assert_int_equal(opinion.asked_urls, 3);
    assert_int_equal(opinion.asked_addresses, 2);
    scenario_close(&s);
}

/* Who waited while the gate changed its mind does not get the connection that becomes free. */
static void test_own_function_is_asked_for_who_waited(void **state)
{
    struct opinion opinion = {0};
    const struct tern_gate gate = {.check = check, .user = &opinion};
    const struct tern_policy policy = {.gate = &gate};
    struct scenario s;
    struct seen *waiting[2];
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy, .limits = {.connections_per_host_max = 1}});
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    for (int i = 0; i < 2; i++)
        waiting[i] = scenario_get(&s, "http://a.test/");
    opinion.of_addresses = "not today";
    simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    for (int i = 0; i < 2; i++)
        refused(waiting[i], "POOL", "a.test at 192.0.2.1:80: not today");
    assert_int_equal(opinion.asked_addresses, 3);
    opinion.of_addresses = NULL;
    scenario_get(&s, "http://a.test/");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1); /* nothing is wrong with it for others */
    scenario_close(&s);
}

/* A connection made without a gate is none of those that a gate let through. */
static void test_a_new_gate_means_new_connections(void **state)
{
    struct opinion opinion = {0};
    const struct tern_gate gate = {.check = check, .user = &opinion};
    const struct tern_policy policy = {.gate = &gate};
    struct scenario s;
    struct tern_fault why;

    (void)state;
    open_with(&s, NULL);
    scenario_get(&s, "http://a.test/");
    simio_say(scenario_accept(&s), "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    s.servers = NULL;
    assert_int_equal(tern_client_configure(s.client, &(struct tern_client_config){.policy = &policy}, &why), TERN_OK);
    scenario_get(&s, "http://a.test/");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    assert_int_equal(opinion.asked_addresses, 1);
    scenario_close(&s);
}

static void test_patterns_that_cannot_be_right(void **state)
{
    static const char *const bad[] = {"",         "*.",   "*.*.test",   "a b", "192.0.2.1/24", "192.0.2.0/33",
                                      "a.test/8", "[::1", "*.192.0.2.1"};
    struct tern_engine *engine;
    struct tern_client *client;

    (void)state;
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct tern_gate gate = {.deny = &bad[i], .deny_count = 1};
        const struct tern_policy policy = {.gate = &gate};
        struct tern_fault why = {0};

        assert_int_equal(tern_client_new(engine, &(struct tern_client_config){.policy = &policy}, &client, &why),
                         TERN_ECONFIG);
        assert_non_null(strstr(why.text, bad[i]));
    }
    assert_int_equal(tern_engine_free(engine), TERN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_each_hop_passes_it),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_addresses_of_every_kind),
        cmocka_unit_test(test_a_name_that_moves_inwards),
        cmocka_unit_test(test_own_function_is_asked_at_dial_and_at_reuse),
        cmocka_unit_test(test_own_function_is_asked_for_who_waited),
        cmocka_unit_test(test_a_new_gate_means_new_connections),
        cmocka_unit_test(test_patterns_that_cannot_be_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
