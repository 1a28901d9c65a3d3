/* Addresses of one origin that fail while the others do well: they are left alone for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/h2_script.h"
#include "tests/support/scenario.h"

#define SERVERS 4
#define ONE "192.0.2.1:80"
#define TWO "192.0.2.2:80"

static const char *const addresses[SERVERS] = {ONE, TWO, "192.0.2.3:80", "192.0.2.4:80"};

/* a.test is at these, each with its own way to answer. */
struct server {
    const char *answer; /* NULL: it resets the connection */
    uint32_t heard;
    struct simio_peer *latest;
};

struct origin {
    struct scenario s;
    struct server servers[SERVERS];
};

#define WELL "HTTP/1.1 204 No Content\r\n\r\n"
#define BADLY "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

static void on_heard(struct simio_peer *peer, void *user)
{
    struct server *server = user;

    server->heard++;
    server->latest = peer;
    simio_forget(peer);
    if (server->answer != NULL)
        simio_say(peer, server->answer);
    else
        simio_reset(peer);
}

/* The first count of the addresses, of which the first bad ones fail. */
static void open_with(struct origin *o, const struct tern_client_config *config, size_t count, size_t bad)
{
    static const char *const names[] = {"192.0.2.1", "192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.2 192.0.2.3",
                                        "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"};

    scenario_open(&o->s, config);
    fakedns_answer(o->s.servers, "a.test", names[count - 1], 3600);
    for (size_t i = 0; i < count; i++) {
        o->servers[i] = (struct server){.answer = i < bad ? BADLY : WELL};
        simio_serve(o->s.sim, addresses[i], on_heard, &o->servers[i]);
    }
}

static void open_breaker(struct origin *o, const struct tern_breaker *breaker, size_t count, size_t bad)
{
    const struct tern_policy policy = {.breaker = breaker};
    const struct tern_client_config config = {.policy = &policy, .limits = {.idle_ns = 3600 * TERN_S}};

    open_with(o, &config, count, bad);
}

/* One call on a connection of its own: addresses take turns. */
static struct seen *call_fresh(struct origin *o)
{
    const struct tern_request request = {.url = TERN_STR("http://a.test/"), .fresh_connection = true};
    struct seen *call = scenario_start(&o->s, &request);

    scenario_run(&o->s, 0);
    assert_int_equal(call->dones, 1);
    return call;
}

static uint64_t set_aside(struct origin *o)
{
    return scenario_stats(&o->s).addresses_set_aside;
}

/* So many calls at once, on kept connections as far as there are any. */
static void call_at_once(struct origin *o, size_t count)
{
    struct seen *calls[SERVERS];

    for (size_t i = 0; i < count; i++)
        calls[i] = scenario_start_only(&o->s, &(struct tern_request){.url = TERN_STR("http://a.test/")});
    scenario_run(&o->s, 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(calls[i]->dones, 1);
}

static void test_one_bad_of_three(void **state)
{
    const struct tern_breaker breaker = {.address_failures = 3};
    struct origin o;
    uint32_t heard;

    (void)state;
    open_breaker(&o, &breaker, 3, 1);
    for (int i = 0; i < 2; i++)
        call_at_once(&o, 3); /* a connection to each */
    assert_int_equal(set_aside(&o), 0);
    assert_int_equal(scenario_stats(&o.s).connections_opened, 3);
    call_at_once(&o, 3);
    assert_int_equal(set_aside(&o), 1);
    assert_int_equal(scenario_stats(&o.s).connections_retired, 1);
    assert_true(simio_is_closed(o.servers[0].latest));
    for (int i = 0; i < 10; i++) {
        call_at_once(&o, 3);
        call_fresh(&o);
    }
    assert_int_equal(o.servers[0].heard, 3);
    assert_int_equal(scenario_stats(&o.s).broken, 0);

    scenario_run(&o.s, 30 * TERN_S); /* it is back, its turn has come, and it fails no less */
    heard = o.servers[0].heard;
    for (int i = 0; i < 12; i++)
        call_fresh(&o);
    assert_int_equal(o.servers[0].heard, heard + 3);
    assert_int_equal(set_aside(&o), 2);
    scenario_run(&o.s, 59 * TERN_S);
    for (int i = 0; i < 12; i++)
        assert_string_not_equal(call_fresh(&o)->result.remote, ONE);
    o.servers[0].answer = WELL;
    scenario_run(&o.s, TERN_S);
    for (int i = 0; i < 12; i++)
        call_fresh(&o);
    assert_int_equal(o.servers[0].heard, heard + 7); /* a third of them */
    assert_int_equal(set_aside(&o), 2);
    scenario_close(&o.s);
}

/* The others' idle connections stay, and its own go at once. */
static void test_idle_connections_go(void **state)
{
    const struct tern_breaker breaker = {.failures = 100, .address_failures = 1};
    struct origin o;
    struct simio_peer *idle[2];

    (void)state;
    open_breaker(&o, &breaker, 2, 0);
    call_at_once(&o, 4); /* two connections to each */
    idle[0] = o.servers[0].latest;
    idle[1] = o.servers[1].latest;
    assert_int_equal(scenario_stats(&o.s).connections_idle, 4);
    o.servers[0].answer = BADLY;
    assert_string_equal(call_fresh(&o)->result.remote, ONE);
    scenario_run(&o.s, 0);
    assert_true(simio_is_closed(idle[0]));
    assert_false(simio_is_closed(idle[1]));
    assert_int_equal(scenario_stats(&o.s).connections_idle, 2);
    assert_int_equal(scenario_stats(&o.s).connections_retired, 2); /* the fresh one goes anyway */
    scenario_close(&o.s);
}

/* With the first failure of each: two of four are set aside; of the others the breaker has its five in a row. */
static void test_all_bad(void **state)
{
    const struct tern_breaker breaker = {.failures = 5, .address_failures = 1};
    struct origin o;

    (void)state;
    open_breaker(&o, &breaker, 4, 4);
    for (int i = 0; i < 5; i++)
        seen_is(call_fresh(&o), "head 503 | done");
    assert_int_equal(set_aside(&o), 2);
    assert_int_equal(o.servers[0].heard, 1);
    assert_int_equal(o.servers[1].heard, 1);
    assert_int_equal(o.servers[2].heard + o.servers[3].heard, 3);
    seen_is(call_fresh(&o), "done EBREAKER START");
    scenario_close(&o.s);
}

static void test_one_address_alone(void **state)
{
    const struct tern_breaker breaker = {.failures = 5, .address_failures = 1};
    struct origin o;

    (void)state;
    open_breaker(&o, &breaker, 1, 1);
    for (int i = 0; i < 5; i++)
        call_at_once(&o, 1);
    assert_int_equal(set_aside(&o), 0);
    assert_int_equal(scenario_stats(&o.s).connections_opened, 1);
    assert_int_equal(scenario_stats(&o.s).connections_retired, 0);
    seen_is(call_fresh(&o), "done EBREAKER START");
    scenario_close(&o.s);
}

static void test_off_until_asked_for(void **state)
{
    const struct tern_breaker breaker = {.failures = 100, .window_calls_min = 1000};
    struct origin o;

    (void)state;
    open_breaker(&o, &breaker, 2, 1);
    for (int i = 0; i < 40; i++)
        call_fresh(&o);
    assert_int_equal(set_aside(&o), 0);
    assert_int_equal(o.servers[0].heard, 20);
    scenario_close(&o.s);
}

/* A connection that breaks is a failure as well, and is remembered though no connection is left. */
static void test_broken_connections_count(void **state)
{
    const struct tern_breaker breaker = {.failures = 100, .window_calls_min = 1000, .address_failures = 2};
    struct origin o;

    (void)state;
    open_breaker(&o, &breaker, 2, 0);
    o.servers[0].answer = o.servers[1].answer = NULL;
    for (int i = 0; i < 3; i++)
        call_fresh(&o);
    assert_int_equal(scenario_stats(&o.s).connections_idle, 0);
    assert_int_equal(set_aside(&o), 1);
    for (int i = 0; i < 3; i++)
        assert_string_equal(call_fresh(&o)->result.remote, TWO);
    scenario_close(&o.s);
}

/* Where the others cannot be connected to it is better than nothing; and what fails on it then is kept no longer. */
static void test_better_than_nothing(void **state)
{
    const struct tern_breaker breaker = {.failures = 100, .window_calls_min = 1000, .address_failures = 1};
    struct origin o;

    (void)state;
    open_breaker(&o, &breaker, 2, 1);
    call_fresh(&o);
    assert_int_equal(set_aside(&o), 1);
    simio_refuse(o.s.sim, TWO);
    for (int i = 0; i < 3; i++) {
        call_at_once(&o, 1);
        assert_int_equal(o.servers[0].heard, 2 + i);
        scenario_run(&o.s, 0);
        assert_true(simio_is_closed(o.servers[0].latest));
    }
    o.servers[0].answer = WELL;
    call_at_once(&o, 1);
    call_at_once(&o, 1);
    assert_false(simio_is_closed(o.servers[0].latest));
    assert_int_equal(set_aside(&o), 1);
    scenario_close(&o.s);
}

/* The user's own order is kept to. */
static void test_overrides_leave_no_choice(void **state)
{
    const char *list[] = {"192.0.2.1", "192.0.2.2"};
    const struct tern_resolve_override override = {.host = "a.test", .addresses = list, .address_count = 2};
    const struct tern_breaker breaker = {.failures = 100, .address_failures = 1};
    const struct tern_policy policy = {.breaker = &breaker};
    const struct tern_client_config config = {.policy = &policy, .dns = {.overrides = &override, .override_count = 1}};
    struct origin o;

    (void)state;
    open_with(&o, &config, 2, 1);
    for (int i = 0; i < 5; i++)
        call_at_once(&o, 1);
    assert_int_equal(set_aside(&o), 0);
    assert_int_equal(o.servers[0].heard, 5);
    assert_int_equal(scenario_stats(&o.s).connections_opened, 1);
    scenario_close(&o.s);
}

static void configure(struct origin *o, const struct tern_breaker *breaker)
{
    const struct tern_policy policy = {.breaker = breaker};
    const struct tern_client_config config = {.policy = &policy, .limits = {.idle_ns = 3600 * TERN_S}};

    o->s.servers = NULL; /* the new ones' */
    assert_int_equal(tern_client_configure(o->s.client, &config, NULL), TERN_OK);
    fakedns_answer(o->s.servers, "a.test", "192.0.2.1 192.0.2.2", 3600);
}

/* What is known of addresses outlasts a configuration: those that were set aside before, and those whose connections
 * were made before. */
static void test_configured_anew(void **state)
{
    const struct tern_breaker breaker = {.failures = 100, .address_failures = 1};
    struct origin o;

    (void)state;
    open_breaker(&o, &breaker, 2, 1);
    assert_string_equal(call_fresh(&o)->result.remote, ONE);
    assert_int_equal(set_aside(&o), 1);
    configure(&o, &breaker);
    for (int i = 0; i < 3; i++)
        assert_string_equal(call_fresh(&o)->result.remote, TWO);
    scenario_close(&o.s);

    open_breaker(&o, &breaker, 2, 0);
    call_at_once(&o, 2); /* a connection to each */
    configure(&o, &breaker);
    o.servers[0].answer = BADLY;
    call_at_once(&o, 2);
    assert_int_equal(set_aside(&o), 1);
    for (int i = 0; i < 3; i++)
        assert_string_equal(call_fresh(&o)->result.remote, TWO);
    scenario_close(&o.s);
}

/* A shared connection drains: what it carries finishes, what comes goes elsewhere. */
static void test_a_shared_connection_drains(void **state)
{
    const struct tern_breaker breaker = {.failures = 100, .address_failures = 1};
    const struct tern_policy policy = {.breaker = &breaker};
    struct tern_client_config config = h2_only;
    struct h2_script one, two;
    struct seen *calls[3];
    struct scenario s;

    (void)state;
    config.policy = &policy;
    scenario_open(&s, &config);
    fakedns_answer(s.servers, "a.test", "192.0.2.1 192.0.2.2", 600);
    simio_listen(s.sim, TWO);
    calls[0] = scenario_get(&s, "http://a.test/");
    h2_script_open(&one, &s);
    calls[1] = scenario_get(&s, "http://a.test/");
    h2_put_head(&one.out, 1, H2_END_STREAM, ":status: 503");
    h2_script_say(&one);
    seen_is(calls[0], "head 503 | done");
    calls[2] = scenario_get(&s, "http://a.test/");
    h2_script_open_at(&two, &s, TWO);
    h2_script_answer(&two, 1, "");
    seen_is(calls[2], "head 200 | done");
    assert_false(simio_is_closed(one.peer));
    h2_script_answer(&one, 3, "");
    seen_is(calls[1], "head 200 | done");
    scenario_run(&s, 0);
    assert_true(simio_is_closed(one.peer));
    assert_false(simio_is_closed(two.peer));
    assert_int_equal(scenario_stats(&s).addresses_set_aside, 1);
    h2_script_close(&one);
    h2_script_close(&two);
    scenario_close(&s);
}

struct watcher {
    struct tern_engine *engine;
    enum tern_error error;
    uint32_t heads, dones;
};

static void cancel_at_trace(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text)
{
    struct watcher *watcher = user;
    static const char wanted[] = ONE " keeps failing: it is set aside for 30000 ms";

    (void)kind;
    if (text.len == sizeof(wanted) - 1 && memcmp(text.ptr, wanted, text.len) == 0)
        (void)tern_call_cancel(watcher->engine, call);
}

static void count_head(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call, (void)head;
    ((struct watcher *)user)->heads++;
}

static void keep_error(void *user, tern_call_id call, const struct tern_result *result)
{
    struct watcher *watcher = user;

    (void)call;
    watcher->dones++;
    watcher->error = result->fault.error;
}

/* Who is told may cancel the call: at an answer, and at a failure that would be tried again. */
static void test_cancel_from_the_trace(void **state)
{
    static const struct tern_handlers handlers = {
        .on_trace = cancel_at_trace, .on_head = count_head, .on_done = keep_error};
    const struct tern_breaker breaker = {.failures = 100, .address_failures = 1};
    const struct tern_retries retries = {0};
    const struct tern_policy policy = {.breaker = &breaker, .retries = &retries};
    const struct tern_client_config config = {.policy = &policy};

    (void)state;
    for (int breaks = 0; breaks < 2; breaks++) {
        struct tern_request request = {.url = TERN_STR("http://a.test/")};
        struct origin o;
        struct watcher watcher = {0};

        open_with(&o, &config, 2, 1);
        if (breaks)
            o.servers[0].answer = NULL;
        watcher.engine = o.s.engine;
        assert_int_equal(tern_call_start(o.s.client, &request, &handlers, &watcher, NULL, NULL), TERN_OK);
        scenario_run(&o.s, 10 * TERN_S);
        assert_int_equal(watcher.dones, 1);
        assert_int_equal(watcher.heads, 0);
        assert_int_equal(watcher.error, TERN_ECANCELLED);
        assert_int_equal(o.servers[0].heard + o.servers[1].heard, 1);
        scenario_close(&o.s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_bad_of_three),
        cmocka_unit_test(test_idle_connections_go),
        cmocka_unit_test(test_all_bad),
        cmocka_unit_test(test_one_address_alone),
        cmocka_unit_test(test_off_until_asked_for),
        cmocka_unit_test(test_broken_connections_count),
        cmocka_unit_test(test_better_than_nothing),
        cmocka_unit_test(test_overrides_leave_no_choice),
        cmocka_unit_test(test_configured_anew),
        cmocka_unit_test(test_a_shared_connection_drains),
        cmocka_unit_test(test_cancel_from_the_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
