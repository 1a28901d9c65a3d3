/* Which address a call ends up on: Happy Eyeballs (RFC 8305) in virtual time, names that fail, and what is dialled
 * instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define V6 "[2001:db8::1]:80"
#define V4 "192.0.2.1:80"
#define V6_OTHER "[2001:db8::2]:80"
#define V4_OTHER "192.0.2.2:80"
#define BOTH "2001:db8::1 192.0.2.1"
#define STAGGER_NS (250 * TERN_MS)

/* a.test has addresses; none of them answers yet. */
static void open_with(struct scenario *s, const struct tern_client_config *config, const char *addresses)
{
    scenario_open(s, config);
    fakedns_answer(s->servers, "a.test", addresses, 60);
    simio_black_hole(s->sim, V6);
    simio_black_hole(s->sim, V4);
    simio_black_hole(s->sim, V6_OTHER);
    simio_black_hole(s->sim, V4_OTHER);
}

static struct seen *get(struct scenario *s)
{
    return scenario_get(s, "http://a.test/");
}

/* The call is on the connection to address, is answered there, and no other socket is left. */
static void served_at(struct scenario *s, struct seen *call, const char *address)
{
    simio_say(scenario_accept_at(s, address), "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(s, 0);
    seen_is(call, "head 204 | done");
    assert_string_equal(call->result.remote, address);
    assert_int_equal(simio_counts(s->sim).open, 1);
    assert_int_equal(scenario_stats(s).connections_opened, 1);
}

static void tried(const struct seen *call, size_t i, const char *address, enum tern_error error, uint64_t ns, bool used)
{
    const struct tern_address_try *try = &call->result.tries[i];

    assert_true(i < call->result.try_count);
    assert_string_equal(try->address, address);
    assert_int_equal(try->error, error);
    assert_int_equal(try->ns, ns);
    assert_int_equal(try->used, used);
}

/* ---- the race ---- */

static void test_black_hole_on_ipv6_costs_one_stagger(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    simio_listen(s.sim, V4);
    call = get(&s);
    scenario_run(&s, STAGGER_NS - 1);
    assert_int_equal(simio_connects(s.sim, V6), 1);
    assert_int_equal(simio_connects(s.sim, V4), 0);
    scenario_run(&s, 1);
    served_at(&s, call, V4);
    assert_int_equal(call->result.try_count, 2);
    tried(call, 0, V6, TERN_OK, STAGGER_NS, false); /* given up, not failed */
    tried(call, 1, V4, TERN_OK, 0, true);
    assert_int_equal(call->result.times.tcp_ns, STAGGER_NS);
    scenario_close(&s);
}

static void test_refusal_goes_on_at_once(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    simio_refuse(s.sim, V6);
    simio_connect_takes(s.sim, V6, 10 * TERN_MS);
    simio_listen(s.sim, V4);
    call = get(&s);
    scenario_run(&s, 10 * TERN_MS);
    served_at(&s, call, V4);
    tried(call, 0, V6, TERN_ECONNECT_REFUSED, 10 * TERN_MS, false);
    tried(call, 1, V4, TERN_OK, 0, true);
    scenario_close(&s);
}

/* No route: the attempt fails inside connect. */
static void test_unreachable_goes_on_at_once(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    simio_connect_fails(s.sim, V6, ENETUNREACH);
    simio_listen(s.sim, V4);
    call = get(&s);
    served_at(&s, call, V4);
    tried(call, 0, V6, TERN_ECONNECT_UNREACHABLE, 0, false);
    assert_int_equal(call->result.tries[0].os_errno, ENETUNREACH);
    scenario_close(&s);
}

static void test_attempts_are_staggered_and_interleaved(void **state)
{
    static const char *const order[] = {V6, V4, V6_OTHER, V4_OTHER};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, "2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2");
    simio_listen(s.sim, V4_OTHER);
    call = get(&s);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++)
            assert_int_equal(simio_connects(s.sim, order[k]), k <= i);
        if (i < 3)
            scenario_run(&s, STAGGER_NS);
    }
    served_at(&s, call, V4_OTHER);
    assert_int_equal(call->result.try_count, 4);
    scenario_close(&s);
}

/* A failure starts the next attempt, and its stagger begins anew. */
static void test_stagger_counts_from_the_latest_attempt(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, "2001:db8::1 2001:db8::2 192.0.2.1");
    simio_refuse(s.sim, V6);
    simio_connect_takes(s.sim, V6, 100 * TERN_MS);
    simio_listen(s.sim, V6_OTHER);
    call = get(&s);
    scenario_run(&s, 100 * TERN_MS);
    assert_int_equal(simio_connects(s.sim, V4), 1);
    scenario_run(&s, STAGGER_NS - 1);
    assert_int_equal(simio_connects(s.sim, V6_OTHER), 0);
    scenario_run(&s, 1);
    served_at(&s, call, V6_OTHER);
    scenario_close(&s);
}

/* Whoever connects first is kept, not whoever began first. */
static void winner(uint64_t v6_takes_ns, const char *expected)
{
    struct scenario s;
    struct seen *call;

    open_with(&s, NULL, BOTH);
    simio_listen(s.sim, V6);
    simio_listen(s.sim, V4);
    simio_connect_takes(s.sim, V6, v6_takes_ns);
    simio_connect_takes(s.sim, V4, 100 * TERN_MS);
    call = get(&s);
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, V6) + simio_connects(s.sim, V4), 2);
    served_at(&s, call, expected);
    scenario_close(&s);
}

static void test_first_to_connect_wins(void **state)
{
    (void)state;
    winner(340 * TERN_MS, V6);
    winner(360 * TERN_MS, V4);
}

/* ---- answers about names that come apart ---- */

/* RFC 8305 section 3: the answer about IPv4 waits 50 ms for the one about IPv6. */
static void test_ipv6_answer_within_the_resolution_delay_goes_first(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    fakedns_takes(s.servers, "a.test", TERN_IP_V6, 49 * TERN_MS);
    simio_listen(s.sim, V6);
    call = get(&s);
    scenario_run(&s, 49 * TERN_MS);
    assert_int_equal(simio_connects(s.sim, V4), 0);
    served_at(&s, call, V6);
    assert_int_equal(call->result.times.dns_ns, 49 * TERN_MS);
    scenario_close(&s);
}

static void test_late_ipv6_answer_joins_the_race(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    fakedns_takes(s.servers, "a.test", TERN_IP_V6, 100 * TERN_MS);
    simio_listen(s.sim, V6);
    call = get(&s);
    scenario_run(&s, 50 * TERN_MS - 1);
    assert_int_equal(simio_connects(s.sim, V4), 0);
    scenario_run(&s, 1);
    assert_int_equal(simio_connects(s.sim, V4), 1);
    scenario_run(&s, STAGGER_NS - 1);
    assert_int_equal(simio_connects(s.sim, V6), 0);
    scenario_run(&s, 1);
    served_at(&s, call, V6);
    scenario_close(&s);
}

/* Later than a stagger there is nothing left to wait for. */
static void test_very_late_ipv6_answer_is_dialled_at_once(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    fakedns_takes(s.servers, "a.test", TERN_IP_V6, 2 * TERN_S);
    simio_listen(s.sim, V6);
    call = get(&s);
    scenario_run(&s, 2 * TERN_S);
    served_at(&s, call, V6);
    scenario_close(&s);
}

/* While an answer may still come a race that has lost all its racers waits. */
static void test_race_waits_for_the_other_family(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    fakedns_takes(s.servers, "a.test", TERN_IP_V6, 2 * TERN_S);
    simio_refuse(s.sim, V4);
    simio_listen(s.sim, V6);
    call = get(&s);
    scenario_run(&s, 2 * TERN_S - 1);
    seen_is(call, "");
    scenario_run(&s, 1);
    served_at(&s, call, V6);
    scenario_close(&s);
}

/* The winner does not wait for answers that are of no use any more. */
static void test_ipv4_wins_while_ipv6_is_never_answered(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    fakedns_takes(s.servers, "a.test", TERN_IP_V6, TERN_OFF);
    simio_listen(s.sim, V4);
    call = get(&s);
    scenario_run(&s, 50 * TERN_MS);
    served_at(&s, call, V4);
    scenario_close(&s);
}

/* ---- all fail ---- */

static void test_all_fail(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    simio_connect_fails(s.sim, V6, EHOSTUNREACH);
    simio_refuse(s.sim, V4);
    simio_connect_takes(s.sim, V4, 7 * TERN_MS);
    call = get(&s);
    scenario_run(&s, 7 * TERN_MS);
    seen_is(call, "done ECONNECT_REFUSED CONNECT");
    assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
    assert_int_equal(call->result.fault.os_errno, ECONNREFUSED);
    assert_non_null(strstr(call->result.fault.text, "all 2 addresses of a.test failed"));
    assert_non_null(strstr(call->result.fault.text, V4));
    assert_int_equal(call->result.try_count, 2);
    tried(call, 0, V6, TERN_ECONNECT_UNREACHABLE, 0, false);
    tried(call, 1, V4, TERN_ECONNECT_REFUSED, 7 * TERN_MS, false);
    assert_int_equal(scenario_stats(&s).connections_failed, 1);
    assert_int_equal(simio_counts(s.sim).open, 0);
    scenario_close(&s);
}

static void test_one_address_fails(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, "192.0.2.1");
    simio_refuse(s.sim, V4);
    call = get(&s);
    seen_is(call, "done ECONNECT_REFUSED CONNECT");
    assert_non_null(strstr(call->result.fault.text, V4));
    scenario_close(&s);
}

/* The result has room for the first few; the text counts them all. */
static void test_more_addresses_than_a_result_holds(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    fakedns_answer(s.servers, "a.test",
                   "198.51.100.1 198.51.100.2 198.51.100.3 198.51.100.4 198.51.100.5 198.51.100.6 198.51.100.7 "
                   "198.51.100.8 198.51.100.9 198.51.100.10",
                   60);
    call = get(&s);
    scenario_run(&s, 0);
    seen_is(call, "done ECONNECT_REFUSED CONNECT");
    assert_int_equal(call->result.try_count, TERN_ADDRESS_TRIES_MAX);
    assert_non_null(strstr(call->result.fault.text, "all 10 addresses"));
    scenario_close(&s);
}

/* However many addresses are dead, the one that lives is reached; but not more than a few sockets are open at once. */
static void test_many_black_holes_do_not_hide_the_one_that_lives(void **state)
{
    static const char *const dead[] = {"198.51.100.1:80", "198.51.100.2:80", "198.51.100.3:80", "198.51.100.4:80",
                                       "198.51.100.5:80", "198.51.100.6:80", "198.51.100.7:80"};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    for (size_t i = 0; i < 7; i++)
        simio_black_hole(s.sim, dead[i]);
    simio_listen(s.sim, V4_OTHER);
    fakedns_answer(s.servers, "a.test",
                   "198.51.100.1 198.51.100.2 198.51.100.3 198.51.100.4 198.51.100.5 198.51.100.6 198.51.100.7 "
                   "192.0.2.2",
                   60);
    call = get(&s);
    for (int i = 0; i < 7; i++) {
        assert_true(simio_counts(s.sim).open <= 6);
        scenario_run(&s, STAGGER_NS);
    }
    served_at(&s, call, V4_OTHER);
    tried(call, 0, dead[0], TERN_ECONNECT_TIMEOUT, 6 * STAGGER_NS, false);
    scenario_close(&s);
}

/* ---- limits ---- */

static void test_race_counts_as_one_connection(void **state)
{
    const struct tern_client_config one = {.limits = {.connections_max = 1, .connections_per_host_max = 1}};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &one, BOTH);
    simio_listen(s.sim, V4);
    simio_connect_takes(s.sim, V4, TERN_MS);
    call = get(&s);
    scenario_run(&s, STAGGER_NS);
    assert_int_equal(simio_counts(s.sim).open, 2);
    assert_int_equal(scenario_stats(&s).connections_dialling, 1);
    scenario_run(&s, TERN_MS);
    served_at(&s, call, V4);
    assert_int_equal(scenario_stats(&s).connections_dialling, 0);
    scenario_close(&s);
}

/* ---- families ---- */

static void one_family(enum tern_ip_family family, const char *expected, enum tern_ip_family other)
{
    const struct tern_client_config config = {.ip_family = family};
    struct scenario s;
    struct seen *call;

    open_with(&s, &config, BOTH);
    simio_listen(s.sim, V4);
    simio_listen(s.sim, V6);
    call = get(&s);
    served_at(&s, call, expected);
    assert_int_equal(fakedns_asked(s.servers, "a.test", other), 0);
    /* A literal of the other family is not dialled either. */
    call = scenario_get(&s, family == TERN_IP_V4 ? "http://[2001:db8::1]/" : "http://192.0.2.1/");
    seen_is(call, "done EDNS_NOT_FOUND DNS");
    scenario_close(&s);
}

static void test_one_family_only(void **state)
{
    (void)state;
    one_family(TERN_IP_V4, V4, TERN_IP_V6);
    one_family(TERN_IP_V6, V6, TERN_IP_V4);
}

/* ---- other places than the URL's ---- */

static void test_resolve_override(void **state)
{
    static const char *const addresses[] = {"192.0.2.2", "2001:db8::2"};
    const struct tern_resolve_override override = {
        .host = "A.test.", .port = 80, .addresses = addresses, .address_count = 2};
    const struct tern_client_config config = {.dns = {.overrides = &override, .override_count = 1}};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &config, BOTH);
    simio_refuse(s.sim, V4_OTHER);
    simio_listen(s.sim, V6_OTHER);
    call = get(&s);
    served_at(&s, call, V6_OTHER);
    tried(call, 0, V4_OTHER, TERN_ECONNECT_REFUSED, 0, false);
    assert_int_equal(fakedns_asked(s.servers, "a.test", TERN_IP_ANY), 0);
    scenario_close(&s);
}

static void test_connect_to(void **state)
{
    const struct tern_connect_to rules[] = {{.host = "other.test", .to_port = 1},
                                            {.port = 81, .to_port = 2},
                                            {.host = "a.test", .port = 80, .to_host = "b.test", .to_port = 8080},
                                            {.to_port = 3}};
    const struct tern_client_config config = {.user_agent = "", .connect_to = rules, .connect_to_count = 4};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &config);
    fakedns_answer(s.servers, "b.test", "192.0.2.2", 60);
    simio_listen(s.sim, "192.0.2.2:8080");
    call = get(&s);
    peer = scenario_accept_at(&s, "192.0.2.2:8080");
    simio_expect(peer, "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n");
    simio_say(peer, "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    assert_int_equal(fakedns_asked(s.servers, "a.test", TERN_IP_ANY), 0);
    scenario_close(&s);
}

/* A rule may name a port alone: the host is the URL's, and is looked up. */
static void test_connect_to_another_port(void **state)
{
    const struct tern_connect_to rules[] = {{.host = "a.test", .to_host = "", .to_port = 8080}};
    const struct tern_client_config config = {.user_agent = "", .connect_to = rules, .connect_to_count = 1};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &config);
    simio_listen(s.sim, "192.0.2.1:8080");
    call = get(&s);
    simio_say(scenario_accept_at(&s, "192.0.2.1:8080"), "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 0);
    scenario_close(&s);
}

static void test_unix_socket(void **state)
{
    const struct tern_client_config config = {.unix_socket = "/run/a.sock"};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &config);
    simio_listen(s.sim, "unix:/run/a.sock");
    call = scenario_get(&s, "http://nowhere.test/");
    peer = scenario_accept_at(&s, "unix:/run/a.sock");
    assert_true(scenario_heard(peer, "Host: nowhere.test\r\n"));
    simio_say(peer, "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    assert_string_equal(call->result.remote, "unix:/run/a.sock");
    assert_int_equal(fakedns_asked(s.servers, "nowhere.test", TERN_IP_ANY), 0);
    scenario_close(&s);
}

static void test_unix_socket_that_is_not_there(void **state)
{
    const struct tern_client_config config = {.unix_socket = "/run/a.sock"};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &config);
    simio_connect_fails(s.sim, "unix:/run/a.sock", ENOENT);
    call = get(&s);
    seen_is(call, "done ECONNECT_FAILED CONNECT");
    assert_non_null(strstr(call->result.fault.text, "/run/a.sock"));
    assert_int_equal(call->result.fault.os_errno, ENOENT);
    scenario_close(&s);
}

/* ---- names ---- */

static void test_names_that_fail(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://gone.test/");
    seen_is(call, "done EDNS_NOT_FOUND DNS");
    assert_non_null(strstr(call->result.fault.text, "gone.test"));
    assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
    assert_int_equal(call->result.try_count, 0);
    fakedns_fails(s.servers, "broken.test", TERN_IP_ANY, TERN_DNS_FAILED);
    call = scenario_get(&s, "http://broken.test/");
    seen_is(call, "done EDNS_FAILED DNS");
    assert_non_null(strstr(call->result.fault.text, "broken.test"));
    fakedns_fails(s.servers, "slow.test", TERN_IP_ANY, TERN_DNS_TIMEOUT);
    call = scenario_get(&s, "http://slow.test/");
    seen_is(call, "done EDNS_FAILED DNS");
    assert_int_equal(scenario_stats(&s).connections_failed, 3);
    assert_int_equal(simio_counts(s.sim).sockets, 0);
    scenario_close(&s);
}

/* One family's failure is no news while the other has an address; that its address fails is. */
static void test_one_family_fails(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, BOTH);
    fakedns_fails(s.servers, "a.test", TERN_IP_V6, TERN_DNS_FAILED);
    simio_refuse(s.sim, V4);
    call = get(&s);
    seen_is(call, "done ECONNECT_REFUSED CONNECT");
    simio_listen(s.sim, V4);
    call = get(&s);
    served_at(&s, call, V4);
    scenario_close(&s);
}

static void test_waiters_of_one_name_share_one_question(void **state)
{
    struct scenario s;
    struct seen *calls[3];

    (void)state;
    scenario_open(&s, NULL);
    fakedns_takes(s.servers, "a.test", TERN_IP_ANY, TERN_S);
    for (int i = 0; i < 3; i++) {
        calls[i] = get(&s);
        scenario_run(&s, 100 * TERN_MS);
    }
    assert_int_equal(scenario_stats(&s).connections_dialling, 3);
    scenario_run(&s, 700 * TERN_MS);
    assert_int_equal(fakedns_asked(s.servers, "a.test", TERN_IP_ANY), 2);
    for (int i = 0; i < 3; i++)
        simio_say(scenario_accept(&s), "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(&s, 0);
    for (int i = 0; i < 3; i++) {
        seen_is(calls[i], "head 204 | done");
        assert_int_equal(calls[i]->result.times.dns_ns, TERN_S - (uint64_t)i * 100 * TERN_MS);
    }
    scenario_close(&s);
}

/* Each dial's failure is its own waiter's; the others had theirs. */
static void test_waiters_of_one_name_fail_together(void **state)
{
    struct scenario s;
    struct seen *calls[3];

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.limits = {.connections_max = 2}});
    fakedns_fails(s.servers, "a.test", TERN_IP_ANY, TERN_DNS_FAILED);
    fakedns_takes(s.servers, "a.test", TERN_IP_ANY, TERN_S);
    for (int i = 0; i < 3; i++)
        calls[i] = get(&s);
    scenario_run(&s, TERN_S);
    seen_is(calls[0], "done EDNS_FAILED DNS");
    seen_is(calls[1], "done EDNS_FAILED DNS");
    seen_is(calls[2], ""); /* its dial begins where the first one ended, and asks anew */
    scenario_run(&s, TERN_S);
    seen_is(calls[2], "done EDNS_FAILED DNS");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_black_hole_on_ipv6_costs_one_stagger),
        cmocka_unit_test(test_refusal_goes_on_at_once),
        cmocka_unit_test(test_unreachable_goes_on_at_once),
        cmocka_unit_test(test_attempts_are_staggered_and_interleaved),
        cmocka_unit_test(test_stagger_counts_from_the_latest_attempt),
        cmocka_unit_test(test_first_to_connect_wins),
        cmocka_unit_test(test_ipv6_answer_within_the_resolution_delay_goes_first),
        cmocka_unit_test(test_late_ipv6_answer_joins_the_race),
        cmocka_unit_test(test_very_late_ipv6_answer_is_dialled_at_once),
        cmocka_unit_test(test_race_waits_for_the_other_family),
        cmocka_unit_test(test_ipv4_wins_while_ipv6_is_never_answered),
        cmocka_unit_test(test_all_fail),
        cmocka_unit_test(test_one_address_fails),
        cmocka_unit_test(test_more_addresses_than_a_result_holds),
        cmocka_unit_test(test_many_black_holes_do_not_hide_the_one_that_lives),
        cmocka_unit_test(test_race_counts_as_one_connection),
        cmocka_unit_test(test_one_family_only),
        cmocka_unit_test(test_resolve_override),
        cmocka_unit_test(test_connect_to),
        cmocka_unit_test(test_connect_to_another_port),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_unix_socket_that_is_not_there),
        cmocka_unit_test(test_names_that_fail),
        cmocka_unit_test(test_one_family_fails),
        cmocka_unit_test(test_waiters_of_one_name_share_one_question),
        cmocka_unit_test(test_waiters_of_one_name_fail_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
