/* Names whose addresses change: connections follow, calls do not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/h2_script.h"
#include "tests/support/scenario.h"

#define ONE "192.0.2.1:80"
#define TWO "192.0.2.2:80"
#define ANSWER "HTTP/1.1 204 No Content\r\n\r\n"

static void open_with(struct scenario *s, const struct tern_client_config *config, const char *addresses)
{
    scenario_open(s, config);
    fakedns_answer(s->servers, "a.test", addresses, 10);
    simio_listen(s->sim, TWO);
}

static struct seen *get(struct scenario *s)
{
    return scenario_get(s, "http://a.test/");
}

static void answered(struct scenario *s, struct seen *call, struct simio_peer *peer, const char *address)
{
    simio_say(peer, ANSWER);
    scenario_run(s, 0);
    seen_is(call, "head 204 | done");
    assert_string_equal(call->result.remote, address);
}

/* A call on a new connection, answered there. */
static struct simio_peer *call_new(struct scenario *s, const char *address)
{
    struct seen *call = get(s);
    struct simio_peer *peer = scenario_accept_at(s, address);

    answered(s, call, peer, address);
    return peer;
}

static void call_on(struct scenario *s, struct simio_peer *peer, const char *address)
{
    answered(s, get(s), peer, address);
}

/* One connection is busy, one idle, when the name moves: the idle one goes at once, the other with its answer, and a
 * call that comes meanwhile is on the new address. */
static void test_retire_under_load(void **state)
{
    struct scenario s;
    struct simio_peer *busy, *idle;
    struct seen *long_call, *call;

    (void)state;
    open_with(&s, NULL, "192.0.2.1");
    long_call = get(&s);
    busy = scenario_accept_at(&s, ONE);
    idle = call_new(&s, ONE);
    fakedns_answer(s.servers, "a.test", "192.0.2.2", 10);
    fakedns_takes(s.servers, "a.test", TERN_IP_ANY, 5 * TERN_MS);
    scenario_run(&s, 7 * TERN_S);
    call_on(&s, idle, ONE); /* the TTL holds */
    assert_int_equal(fakedns_asked(s.servers, "a.test", TERN_IP_V4), 1);
    scenario_run(&s, 3 * TERN_S);
    call_on(&s, idle, ONE); /* not held up, though it makes the name be looked up */
    assert_false(simio_is_closed(idle));
    scenario_run(&s, 5 * TERN_MS);
    assert_true(simio_is_closed(idle));
    assert_false(simio_is_closed(busy));
    assert_int_equal(scenario_stats(&s).connections_retired, 2);

    call = get(&s);
    answered(&s, call, scenario_accept_at(&s, TWO), TWO);
    answered(&s, long_call, busy, ONE);
    assert_true(simio_is_closed(busy));
    assert_int_equal(scenario_stats(&s).calls_failed, 0);
    scenario_close(&s);
}

/* A shared connection retires under its streams: they finish, those that come are on the new address, and it closes
 * with the last of them. */
static void test_retire_a_shared_connection(void **state)
{
    struct scenario s;
    struct h2_script old, new;
    struct seen *calls[6];

    (void)state;
    open_with(&s, &h2_only, "192.0.2.1");
    calls[0] = get(&s);
    h2_script_open(&old, &s);
    calls[1] = get(&s);
    h2_script_answer(&old, 3, "");
    seen_is(calls[1], "head 200 | done");
    fakedns_answer(s.servers, "a.test", "192.0.2.2", 10);
    scenario_run(&s, 2 * TERN_S);
    h2_put_head(&old.out, 1, 0, ":status: 200"); /* it is alive */
    h2_script_say(&old);
    for (int i = 0; i < 8; i++) { /* the TTL ends */
        h2_put_data(&old.out, 1, 0, "x");
        h2_script_say(&old);
        scenario_run(&s, TERN_S);
    }
    calls[2] = get(&s); /* makes the name be looked up, and is not held up */
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_retired, 1);
    for (int i = 3; i < 6; i++)
        calls[i] = get(&s);
    h2_script_open_at(&new, &s, TWO);
    scenario_run(&s, 0);
    h2_script_hears(&old, "HEADERS 5");
    h2_script_hears_no(&old, "HEADERS 7");
    for (int i = 3; i < 6; i++) {
        h2_script_answer(&new, 2 * i - 5, "");
        seen_is(calls[i], "head 200 | done");
        assert_string_equal(calls[i]->result.remote, TWO);
    }
    h2_script_answer(&old, 5, "");
    seen_is(calls[2], "head 200 | done");
    assert_false(simio_is_closed(old.peer));
    h2_put_data(&old.out, 1, H2_END_STREAM, "");
    h2_script_say(&old);
    seen_is(calls[0], "head 200 | body xxxxxxxx | done");
    scenario_run(&s, 0);
    assert_true(simio_is_closed(old.peer));
    assert_int_equal(scenario_stats(&s).calls_failed, 0);
    h2_script_close(&old);
    h2_script_close(&new);
    scenario_close(&s);
}

/* The check cannot be made for want of memory: nothing retires, no call suffers, and the next one tries again. */
static void test_without_memory_it_is_looked_at_later(void **state)
{
    bool failed = true;

    (void)state;
    for (uint64_t n = 1; failed; n++) {
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;

        assert_true(n < 1000);
        open_with(&s, NULL, "192.0.2.1");
        peer = call_new(&s, ONE);
        fakedns_answer(s.servers, "a.test", "192.0.2.2", 10);
        scenario_run(&s, 11 * TERN_S);
        call = scenario_start_only(&s, &(struct tern_request){.url = TERN_STR("http://a.test/")});
        faultmem_fail_nth(n);
        scenario_run(&s, 0);
        failed = faultmem_failed();
        faultmem_never_fail();
        simio_say(peer, ANSWER);
        scenario_run(&s, 0);
        if (strncmp(call->text, "done", 4) != 0) { /* it was not the call's own memory */
            seen_is(call, "head 204 | done");
            for (int i = 0; i < 4 && !simio_is_closed(peer); i++) {
                scenario_run(&s, 10 * TERN_S); /* TERN_DNS_RECHECK_NS goes by, where the lookup failed */
                call_on(&s, peer, ONE);
                scenario_run(&s, 0);
            }
            assert_true(simio_is_closed(peer));
            call_new(&s, TWO);
        }
        scenario_close(&s);
    }
}

/* In the last fifth of the TTL a call has the answer refreshed, and nothing retires before the TTL has ended. */
static void test_calls_keep_the_answer_fresh(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    open_with(&s, NULL, "192.0.2.1");
    peer = call_new(&s, ONE);
    fakedns_answer(s.servers, "a.test", "192.0.2.2", 10);
    scenario_run(&s, 8 * TERN_S);
    call_on(&s, peer, ONE);
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).dns_refreshes, 1);
    call_on(&s, peer, ONE);
    assert_false(simio_is_closed(peer));
    scenario_run(&s, TERN_S);
    call_on(&s, peer, ONE);
    assert_true(simio_is_closed(peer));
    call_new(&s, TWO);
    scenario_close(&s);
}

/* An address that stays in the answer keeps its connections; nobody asks where nobody calls. */
static void test_what_stays_stays(void **state)
{
    struct tern_client_config config = {.limits = {.idle_ns = 3600 * TERN_S}};
    struct scenario s;
    struct simio_peer *peer;
    struct simio_counts before;

    (void)state;
    open_with(&s, &config, "192.0.2.1");
    peer = call_new(&s, ONE);
    fakedns_answer(s.servers, "a.test", "192.0.2.2 192.0.2.1", 10);
    for (int i = 0; i < 5; i++) {
        scenario_run(&s, 11 * TERN_S);
        call_on(&s, peer, ONE);
    }
    assert_false(simio_is_closed(peer));
    assert_int_equal(scenario_stats(&s).connections_retired, 0);
    scenario_run(&s, 0);
    before = simio_counts(s.sim);
    uint32_t asked = fakedns_asked(s.servers, "a.test", TERN_IP_ANY);
    scenario_run(&s, 600 * TERN_S);
    assert_int_equal(fakedns_asked(s.servers, "a.test", TERN_IP_ANY), asked);
    assert_int_equal(simio_counts(s.sim).recvs, before.recvs);
    scenario_close(&s);
}

/* While the servers fail connections stay, and new ones are made from the stale answer; a name that is gone takes its
 * connections along. */
static void test_resolver_down(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *first;

    (void)state;
    open_with(&s, NULL, "192.0.2.1");
    peer = call_new(&s, ONE);
    fakedns_fails(s.servers, "a.test", TERN_IP_ANY, TERN_DNS_TIMEOUT);
    scenario_run(&s, 11 * TERN_S);
    call_on(&s, peer, ONE);
    scenario_run(&s, TERN_S);
    assert_false(simio_is_closed(peer));
    first = get(&s);
    call_new(&s, ONE); /* dialled from the stale answer */
    assert_true(scenario_stats(&s).dns_stale_hits >= 2);
    answered(&s, first, peer, ONE);

    fakedns_fails(s.servers, "a.test", TERN_IP_ANY, TERN_DNS_NOT_FOUND);
    scenario_run(&s, 29 * TERN_S);
    call_on(&s, peer, ONE);
    scenario_run(&s, 5 * TERN_S);
    call_on(&s, peer, ONE);
    scenario_run(&s, TERN_S);
    assert_true(simio_is_closed(peer));
    seen_is(get(&s), "done EDNS_NOT_FOUND DNS");
    scenario_close(&s);
}

/* What a stale answer does not have may be there again. */
static void test_stale_answers_deny_nothing(void **state)
{
    struct tern_client_config config = {.limits = {.idle_ns = 3600 * TERN_S}};
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    open_with(&s, &config, "192.0.2.1");
    peer = call_new(&s, ONE);
    fakedns_answer(s.servers, "a.test", "192.0.2.2", 10);
    scenario_run(&s, 8 * TERN_S);
    call_on(&s, peer, ONE); /* has the new answer kept, before the connection's own TTL has ended */
    fakedns_fails(s.servers, "a.test", TERN_IP_ANY, TERN_DNS_TIMEOUT);
    scenario_run(&s, 20 * TERN_S);
    call_on(&s, peer, ONE);
    scenario_run(&s, 5 * TERN_S);
    assert_true(scenario_stats(&s).dns_stale_hits > 0);
    assert_false(simio_is_closed(peer));
    fakedns_fails(s.servers, "a.test", TERN_IP_ANY, TERN_DNS_FOUND);
    for (int i = 0; i < 2; i++) {
        scenario_run(&s, 31 * TERN_S);
        if (!simio_is_closed(peer))
            call_on(&s, peer, ONE);
        scenario_run(&s, 0);
    }
    assert_true(simio_is_closed(peer));
    scenario_close(&s);
}

static void test_keep_moved(void **state)
{
    struct tern_client_config config = {.dns = {.keep_moved = true}};
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    open_with(&s, &config, "192.0.2.1");
    peer = call_new(&s, ONE);
    fakedns_answer(s.servers, "a.test", "192.0.2.2", 10);
    for (int i = 0; i < 3; i++) {
        scenario_run(&s, 11 * TERN_S);
        call_on(&s, peer, ONE);
    }
    assert_int_equal(scenario_stats(&s).connections_retired, 0);
    scenario_close(&s);
}

/* The lookup of a check outlives neither its bucket nor its client. */
static void test_end_during_the_check(void **state)
{
    (void)state;
    for (int drops = 0; drops < 2; drops++) {
        struct scenario s;
        struct simio_peer *peer;

        open_with(&s, NULL, "192.0.2.1");
        peer = call_new(&s, ONE);
        fakedns_takes(s.servers, "a.test", TERN_IP_ANY, 5 * TERN_S);
        scenario_run(&s, 11 * TERN_S);
        call_on(&s, peer, ONE);
        if (drops == 0) {
            simio_end(peer);
            scenario_run(&s, 10 * TERN_S);
        }
        scenario_close(&s);
    }
}

/* ---- where new connections go ---- */

static void test_spread(void **state)
{
    struct scenario s;
    struct seen *calls[6];

    (void)state;
    open_with(&s, NULL, "192.0.2.1 192.0.2.2");
    for (int i = 0; i < 6; i++)
        calls[i] = get(&s);
    assert_int_equal(simio_connects(s.sim, ONE), 3);
    assert_int_equal(simio_connects(s.sim, TWO), 3);
    for (int i = 0; i < 6; i++)
        answered(&s, calls[i], scenario_accept_at(&s, i % 2 == 0 ? ONE : TWO), i % 2 == 0 ? ONE : TWO);
    scenario_close(&s);
}

/* As the user gave it, each time. */
static void test_override_keeps_its_order(void **state)
{
    const char *addresses[] = {"192.0.2.2", "192.0.2.1"};
    struct tern_resolve_override override = {.host = "a.test", .addresses = addresses, .address_count = 2};
    struct tern_client_config config = {.dns = {.overrides = &override, .override_count = 1}};
    struct scenario s;

    (void)state;
    open_with(&s, &config, "192.0.2.9");
    for (int i = 0; i < 3; i++)
        simio_end(call_new(&s, TWO));
    assert_int_equal(simio_connects(s.sim, ONE), 0);
    scenario_close(&s);
}

/* Refused once, then dialled behind the other for failed_ns; so with one that only swallows what is sent. */
static void test_failed_address_is_dialled_last(void **state)
{
    (void)state;
    for (int hole = 0; hole < 2; hole++) {
        struct scenario s;

        open_with(&s, NULL, "192.0.2.1 192.0.2.2");
        if (hole)
            simio_black_hole(s.sim, ONE);
        else
            simio_refuse(s.sim, ONE);
        struct seen *call = get(&s);
        scenario_run(&s, 250 * TERN_MS);
        struct simio_peer *peer = scenario_accept_at(&s, TWO);
        answered(&s, call, peer, TWO);
        for (int i = 0; i < 4; i++) {
            simio_end(peer);
            scenario_run(&s, 0);
            peer = call_new(&s, TWO); /* at once */
        }
        assert_int_equal(simio_connects(s.sim, ONE), 1);
        simio_listen(s.sim, ONE);
        scenario_run(&s, 30 * TERN_S);
        simio_end(peer);
        scenario_run(&s, 0);
        call_new(&s, ONE);
        scenario_close(&s);
    }
}

/* A peer that went silent: of two addresses the other is dialled, though this one's turn has come. */
static void test_silent_address_is_dialled_last(void **state)
{
    struct scenario s;
    struct h2_script one, two;
    struct tern_request own = {.url = TERN_STR("http://a.test/"), .fresh_connection = true};
    struct seen *call;

    (void)state;
    open_with(&s, &h2_only, "192.0.2.1 192.0.2.2");
    call = get(&s);
    h2_script_open(&one, &s);
    h2_script_answer(&one, 1, "");
    seen_is(call, "head 200 | done");
    call = scenario_start(&s, &own); /* so that the first one is next again */
    h2_script_open_at(&two, &s, TWO);
    h2_script_answer(&two, 1, "");
    seen_is(call, "head 200 | done");
    scenario_run(&s, 0);
    assert_true(simio_is_closed(two.peer));
    h2_script_close(&two);

    call = get(&s);
    scenario_run(&s, 5 * TERN_S); /* h2_quiet_ns and h2_ack_ns */
    assert_int_equal(scenario_stats(&s).connections_dead, 1);
    assert_int_equal(simio_connects(s.sim, ONE), 1);
    h2_script_open_at(&two, &s, TWO);
    h2_script_answer(&two, 1, "");
    seen_is(call, "head 200 | done");
    assert_int_equal(call->result.attempt, 2);
    h2_script_close(&one);
    h2_script_close(&two);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retire_under_load),
        cmocka_unit_test(test_retire_a_shared_connection),
        cmocka_unit_test(test_without_memory_it_is_looked_at_later),
        cmocka_unit_test(test_calls_keep_the_answer_fresh),
        cmocka_unit_test(test_what_stays_stays),
        cmocka_unit_test(test_resolver_down),
        cmocka_unit_test(test_stale_answers_deny_nothing),
        cmocka_unit_test(test_keep_moved),
        cmocka_unit_test(test_end_during_the_check),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_override_keeps_its_order),
        cmocka_unit_test(test_failed_address_is_dialled_last),
        cmocka_unit_test(test_silent_address_is_dialled_last),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
