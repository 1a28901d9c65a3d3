/* RFC 9218: how much a call matters beside others, at its start and while it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/h2_script.h"

#define NO_RFC7540_PRIORITIES 9

static const struct tern_priority first = {.urgency = 0}, background = {.urgency = 7, .incremental = true};

static struct tern_request with(const struct tern_priority *priority)
{
    return (struct tern_request){.url = TERN_STR("http://a.test/"), .priority = priority};
}

static enum tern_error set(struct seen *call, struct tern_priority priority)
{
    return tern_call_set_priority(call->scenario->engine, call->id, priority);
}

static void test_field(void **state)
{
    static const struct tern_field own = {TERN_STR("priority"), TERN_STR("u=4"), 0};
    struct tern_request request = with(NULL);
    struct h2_script peer;
    struct scenario s;

    (void)state;
    scenario_open(&s, &h2_only);
    request.fields = &own;
    request.field_count = 1;
    scenario_start(&s, &request);
    h2_script_open(&peer, &s);
    h2_script_hears(&peer, " | priority: u=4\n");
    request.priority = &background;
    scenario_start(&s, &request);
    h2_script_hears(&peer, "accept: */* | priority: u=7, i\n");
    h2_script_close(&peer);
    scenario_close(&s);
}

static void test_field_in_http_1(void **state)
{
    struct tern_request request = with(&first);
    struct simio_peer *peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.user_agent = "t"});
    call = scenario_start(&s, &request);
    peer = scenario_accept(&s);
    simio_expect(peer, "GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t\r\nAccept: */*\r\nPriority: u=0\r\n\r\n");
    assert_int_equal(set(call, background), TERN_OK); /* nothing can be said any more */
    scenario_run(&s, 0);
    simio_expect(peer, "");
    scenario_close(&s);
}

static void test_out_of_range(void **state)
{
    struct tern_request request = with(&(struct tern_priority){.urgency = 8});
    struct tern_fault why;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    assert_null(scenario_try(&s, &request, &why));
    assert_int_equal(why.error, TERN_EINVAL);
    assert_string_equal(why.text, "priority: urgency 8: must be 0 to 7 (RFC 9218 4.1)");
    call = scenario_get(&s, "http://a.test/");
    assert_int_equal(set(call, (struct tern_priority){.urgency = 200}), TERN_EINVAL);
    tern_call_cancel(s.engine, call->id);
    assert_int_equal(set(call, first), TERN_EGONE);
    scenario_close(&s);
}

/* A call that waits for its connection has the last word in its field. */
static void test_change_before_it_is_sent(void **state)
{
    struct tern_request request = with(&first);
    struct h2_script peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, TERN_S);
    call = scenario_start_only(&s, &request);
    assert_int_equal(set(call, (struct tern_priority){.urgency = 1}), TERN_OK);
    scenario_run(&s, 0);
    assert_int_equal(set(call, background), TERN_OK);
    scenario_run(&s, TERN_S);
    h2_script_open(&peer, &s);
    const char *heard = h2_script_heard(&peer);
    assert_non_null(strstr(heard, "priority: u=7, i\n"));
    assert_null(strstr(heard, "PRIORITY_UPDATE"));
    h2_script_close(&peer);
    scenario_close(&s);
}

static void test_change_while_it_runs(void **state)
{
    (void)state;
    for (uint32_t goes = 0; goes < 2; goes++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *calls[2];

        scenario_open(&s, &h2_only);
        calls[0] = scenario_get(&s, "http://a.test/");
        calls[1] = scenario_get(&s, "http://a.test/");
        h2_script_open_with(&peer, &s, NO_RFC7540_PRIORITIES, goes);
        h2_script_heard(&peer);
        assert_int_equal(set(calls[0], background), TERN_OK);
        assert_int_equal(set(calls[1], background), TERN_OK);
        assert_int_equal(set(calls[1], first), TERN_OK);
        scenario_run(&s, 0);
        assert_string_equal(h2_script_heard(&peer), goes ? "PRIORITY_UPDATE 1 u=7, i\nPRIORITY_UPDATE 3 u=0\n" : "");
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

static void change_here(struct seen *seen, const char *event)
{
    const char *at = seen->hook_user;

    if (strcmp(event, at) == 0)
        assert_int_equal(set(seen, first), strcmp(at, "done") == 0 ? TERN_EGONE : TERN_OK);
}

/* Promise 3. */
static void test_change_in_every_callback(void **state)
{
    static char events[][16] = {"informational", "head", "body", "trailers", "done"};

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &h2_only);
        call = scenario_get(&s, "http://a.test/");
        call->hook = change_here;
        call->hook_user = events[i];
        h2_script_open_with(&peer, &s, NO_RFC7540_PRIORITIES, 1);
        h2_script_heard(&peer);
        h2_put_head(&peer.out, 1, 0, ":status: 103");
        h2_put_head(&peer.out, 1, 0, ":status: 200");
        h2_put_data(&peer.out, 1, 0, "hi");
        h2_script_say(&peer);
        assert_string_equal(h2_script_heard(&peer), i < 3 ? "PRIORITY_UPDATE 1 u=0\n" : "");
        h2_put_head(&peer.out, 1, H2_END_STREAM, "t: u");
        h2_script_say(&peer);
        assert_string_equal(h2_script_heard(&peer), "");
        seen_is(call, "informational 103 | head 200 | body hi | trailer t=u | done");
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* What was set last holds for the next attempt. */
static void test_change_outlives_a_replay(void **state)
{
    struct tern_request request = with(&first);
    struct h2_script peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    call = scenario_start(&s, &request);
    h2_script_open(&peer, &s);
    assert_int_equal(set(call, background), TERN_OK);
    scenario_run(&s, 0);
    h2_script_heard(&peer);
    h2_put_u32(&peer.out, NGHTTP2_RST_STREAM, 1, NGHTTP2_REFUSED_STREAM);
    h2_script_say(&peer);
    h2_script_hears(&peer, "HEADERS 3 END | :method: GET | :scheme: http | :authority: a.test | :path: / | "
                           "user-agent: t | accept: */* | priority: u=7, i\n");
    h2_script_close(&peer);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_field_in_http_1),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_change_before_it_is_sent),
        cmocka_unit_test(test_change_while_it_runs),
        cmocka_unit_test(test_change_in_every_callback),
        cmocka_unit_test(test_change_outlives_a_replay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
