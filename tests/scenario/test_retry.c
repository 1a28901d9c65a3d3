/* Retries through the whole client, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define URL "http://a.test/"

static const struct tern_retries defaults = {0};

static void open_with(struct scenario *s, const struct tern_retries *retries)
{
    const struct tern_policy policy = {.retries = retries};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
}

/* What the peer answers now; fields end in CRLF each. */
static void answer(struct scenario *s, struct simio_peer *peer, int status, const char *fields)
{
    char text[512];

    snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nhi", status, fields);
    simio_say(peer, text);
    scenario_run(s, 0);
}

static void test_off_until_asked_for(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL);
    call = scenario_get(&s, URL);
    answer(&s, scenario_accept(&s), 503, "");
    seen_is(call, "head 503 | body hi | done");
    scenario_close(&s);
}

static uint32_t told_count;
static struct tern_retry told;

static void on_retry(void *user, uint64_t call, const struct tern_retry *retry)
{
    assert_null(user);
    assert_true(call != 0);
    told_count++;
    told = *retry;
}

/* The n-th delay is a part of 200 ms * 2^(n-1); the last answer is delivered. */
static void test_backoff_until_the_attempts_are_used_up(void **state)
{
    const struct tern_retries retries = {.on_retry = on_retry};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    told_count = 0;
    open_with(&s, &retries);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    for (uint32_t n = 1; n <= 3; n++) {
        simio_forget(peer);
        answer(&s, peer, 503, "");
        assert_int_equal(told_count, n);
        assert_int_equal(told.attempt, n + 1);
        assert_int_equal(told.status, 503);
        assert_true(told.delay_ns < (200 * TERN_MS << (n - 1)));
        if (told.delay_ns > 0) {
            scenario_run(&s, told.delay_ns - 1);
            simio_expect(peer, "");
        }
        scenario_run(&s, 1);
        assert_true(scenario_heard(peer, "GET / HTTP/1.1"));
        seen_is(call, "");
    }
    answer(&s, peer, 503, "");
    seen_is(call, "head 503 | body hi | done");
    assert_int_equal(call->result.attempt, 4);
    assert_int_equal(told_count, 3);
    assert_int_equal(scenario_stats(&s).retried, 3);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    scenario_close(&s);
}

static void waits(const char *field, uint64_t seconds)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    open_with(&s, &defaults);
    simio_set_wall(s.sim, 784111777); /* Sun, 06 Nov 1994 08:49:37 GMT */
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    answer(&s, peer, 429, field);
    simio_forget(peer);
    scenario_run(&s, seconds * TERN_S - 1);
    assert_false(scenario_heard(peer, "GET"));
    scenario_run(&s, 1);
    answer(&s, simio_is_closed(peer) ? scenario_accept(&s) : peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_retry_after_is_waited_for(void **state)
{
    (void)state;
    waits("Retry-After: 5\r\n", 5);
    waits("Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n", 10);
    waits("Retry-After: 900\r\n", 900);
}

static void delivered(const char *field, uint64_t total_ns)
{
    const struct tern_timeouts timeouts = {.total_ns = total_ns};
    const struct tern_request request = {.url = TERN_STR(URL), .timeouts = &timeouts};
    struct scenario s;
    struct seen *call;

    open_with(&s, &defaults);
    call = scenario_start(&s, &request);
    answer(&s, scenario_accept(&s), 503, field);
    seen_is(call, "head 503 | body hi | done");
    assert_int_equal(scenario_stats(&s).retried, 0);
    scenario_close(&s);
}

static void test_a_wait_too_long_is_not_begun(void **state)
{
    (void)state;
    delivered("Retry-After: 901\r\n", 0);
    delivered("Retry-After: 99999999999999999999999\r\n",
              1); /* no number and no date: the backoff, and no time for it */
    delivered("Retry-After: 18446744073709551615\r\n", 0);
    delivered("Retry-After: 10\r\n", 10 * TERN_S);
}

static struct seen *start(struct scenario *s, const char *method, bool has_key)
{
    const struct tern_field key = {TERN_STR("Idempotency-Key"), TERN_STR("1"), 0};
    const struct tern_request request = {.url = TERN_STR(URL),
                                         .method = tern_str(method),
                                         .fields = &key,
                                         .field_count = has_key,
                                         .body = {.kind = TERN_BODY_MEMORY, .data = "data", .length = 4}};

    return scenario_start(s, &request);
}

static void test_only_what_is_safe(void **state)
{
    static const struct {
        const char *method;
        bool has_key, unsafe_too, again;
    } cases[] = {{"POST", false, false, false},  {"POST", true, false, true}, {"POST", false, true, true},
                 {"PATCH", false, false, false}, {"PUT", false, false, true}, {"DELETE", false, false, true}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_retries retries = {.unsafe_too = cases[i].unsafe_too};
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;

        open_with(&s, &retries);
        call = start(&s, cases[i].method, cases[i].has_key);
        peer = scenario_accept(&s);
        simio_forget(peer);
        answer(&s, peer, 503, "");
        scenario_run(&s, TERN_S);
        assert_int_equal(scenario_heard(peer, "\r\n\r\ndata"), cases[i].again);
        seen_is(call, cases[i].again ? "" : "head 503 | body hi | done");
        scenario_close(&s);
    }
}

static void test_failures(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &defaults);
    simio_refuse(s.sim, SCENARIO_ADDRESS);
    call = start(&s, "POST", false); /* not a byte was sent */
    scenario_run(&s, 10 * TERN_S);
    seen_is(call, "done ECONNECT_REFUSED CONNECT");
    assert_int_equal(call->result.attempt, 4);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 4);
    call = scenario_get(&s, "http://nowhere.test/");
    scenario_run(&s, 10 * TERN_S);
    seen_is(call, "done EDNS_NOT_FOUND DNS"); /* and will not exist in a moment */
    assert_int_equal(call->result.attempt, 1);
    simio_listen(s.sim, SCENARIO_ADDRESS);
    call = scenario_get(&s, URL);
    simio_reset(scenario_accept(&s));
    scenario_run(&s, TERN_S);
    peer = scenario_accept(&s);
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 2);
    call = start(&s, "POST", false);
    simio_reset(peer);
    scenario_run(&s, TERN_S);
    seen_is(call, "done EPEER_RESET WAIT");
    scenario_close(&s);
}

/* What the user has seen of is not begun again. */
static void test_not_behind_a_head(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &defaults);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi");
    scenario_run(&s, 0);
    simio_reset(peer);
    scenario_run(&s, 10 * TERN_S);
    seen_is(call, "head 200 | body hi | done EPEER_RESET READ");
    scenario_close(&s);
}

/* What an attempt may take ends it and not the call; the limit of the next one begins with it. */
static void test_attempts_have_a_limit_of_their_own(void **state)
{
    const struct tern_timeouts timeouts = {.attempt_ns = 2 * TERN_S};
    const struct tern_request request = {.url = TERN_STR(URL), .timeouts = &timeouts};
    const struct tern_retries retries = {.backoff_ns = TERN_S, .no_jitter = true, .attempts_max = 2};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &retries);
    call = scenario_start(&s, &request);
    scenario_accept(&s);
    scenario_run(&s, 3 * TERN_S - 1);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    scenario_run(&s, 1);
    simio_say(scenario_accept(&s), "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nh");
    scenario_run(&s, 2 * TERN_S - 1);
    seen_is(call, "head 200 | body h");
    scenario_run(&s, 1);
    seen_is(call, "done EATTEMPT_TIMEOUT READ");
    assert_int_equal(call->result.attempt, 2);
    scenario_close(&s);
}

static void test_the_time_for_retries(void **state)
{
    const struct tern_retries retries = {.backoff_ns = TERN_S, .no_jitter = true, .time_max_ns = 2 * TERN_S};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &retries);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    answer(&s, peer, 503, "");
    scenario_run(&s, TERN_S);
    seen_is(call, "");
    answer(&s, peer, 503, ""); /* the next one would begin after 3 s */
    seen_is(call, "head 503 | body hi | done");
    scenario_close(&s);
}

static void test_errors_that_were_chosen(void **state)
{
    static const enum tern_error errors[] = {TERN_EDNS_NOT_FOUND};
    const struct tern_retries retries = {.errors = errors, .error_count = 1};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &retries);
    call = scenario_get(&s, "http://nowhere.test/");
    scenario_run(&s, 10 * TERN_S);
    seen_is(call, "done EDNS_NOT_FOUND DNS");
    assert_int_equal(call->result.attempt, 4);
    simio_refuse(s.sim, SCENARIO_ADDRESS);
    call = scenario_get(&s, URL);
    scenario_run(&s, 10 * TERN_S);
    seen_is(call, "done ECONNECT_REFUSED CONNECT");
    assert_int_equal(call->result.attempt, 1);
    scenario_close(&s);
}

/* An outage is not answered by everyone at once. */
static void test_budget(void **state)
{
    const struct tern_retries retries = {.budget_percent = 10, .backoff_ns = 1};
    struct scenario s;
    struct seen *calls[50];
    uint32_t delivered_count = 0;

    (void)state;
    open_with(&s, &retries);
    for (int i = 0; i < 50; i++)
        calls[i] = scenario_get(&s, URL);
    for (int i = 0; i < 50; i++)
        simio_say(scenario_accept(&s), "HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nhi");
    scenario_run(&s, 0);
    for (int i = 0; i < 50; i++)
        delivered_count += calls[i]->dones;
    assert_int_equal(delivered_count, 45); /* a tenth of them tries again */
    assert_int_equal(scenario_stats(&s).retried, 5);
    scenario_close(&s);
}

static void test_cancel_in_the_delay(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &defaults);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    answer(&s, peer, 503, "Retry-After: 5\r\n");
    assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_run(&s, 10 * TERN_S);
    seen_is(call, "done ECANCELLED START");
    scenario_get(&s, URL);
    answer(&s, peer, 503, "Retry-After: 5\r\n");
    scenario_close(&s); /* and at the client's end */
}

static void pause_before_head(struct seen *seen, const char *event)
{
    if (strcmp(event, "informational") == 0)
        assert_int_equal(tern_call_pause(seen->scenario->engine, seen->id), TERN_OK);
}

/* A pause is for what the user gets: what is thrown away does not wait, whether the pause came before or behind its
 * head. */
static void test_paused(void **state)
{
    (void)state;
    for (int is_early = 0; is_early < 2; is_early++) {
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;

        open_with(&s, &defaults);
        call = scenario_get(&s, URL);
        if (is_early)
            call->hook = pause_before_head;
        peer = scenario_accept(&s);
        simio_say(peer, "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nh");
        scenario_run(&s, 0);
        if (!is_early)
            assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
        simio_forget(peer);
        simio_say(peer, "i");
        scenario_run(&s, 10 * TERN_S);
        assert_true(scenario_heard(peer, "GET / HTTP/1.1"));
        answer(&s, peer, 200, "");
        seen_is(call, "informational 103"); /* it is paused, still */
        assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
        scenario_run(&s, 0);
        seen_is(call, "head 200 | body hi | done");
        scenario_close(&s);
    }
}

static void test_priority_changes_in_the_delay(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &defaults);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    answer(&s, peer, 503, "Retry-After: 5\r\n");
    assert_int_equal(tern_call_set_priority(s.engine, call->id, (struct tern_priority){.urgency = 1}), TERN_OK);
    scenario_run(&s, 5 * TERN_S);
    assert_true(scenario_heard(peer, "u=1"));
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* A response that is retried takes its time to go by; who has decided counts from the decision on. */
static void test_budget_counts_from_the_decision(void **state)
{
    const struct tern_retries retries = {.budget_min = 1};
    struct scenario s;
    struct simio_peer *peers[2];
    struct seen *calls[2];

    (void)state;
    open_with(&s, &retries);
    for (int i = 0; i < 2; i++) {
        calls[i] = scenario_get(&s, URL);
        peers[i] = scenario_accept(&s);
    }
    for (int i = 0; i < 2; i++) {
        simio_say(peers[i], "HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n");
        scenario_run(&s, 0);
    }
    seen_is(calls[0], "");
    seen_is(calls[1], "head 503");
    scenario_close(&s);
}

static struct scenario *cancelling;

static void on_retry_cancel(void *user, uint64_t call, const struct tern_retry *retry)
{
    (void)user, (void)retry;
    assert_int_equal(tern_call_cancel(cancelling->engine, call), TERN_OK);
}

static void test_cancel_by_who_is_told(void **state)
{
    const struct tern_retries retries = {.on_retry = on_retry_cancel};
    struct scenario s;
    struct seen *call;

    (void)state;
    cancelling = &s;
    open_with(&s, &retries);
    call = scenario_get(&s, URL);
    answer(&s, scenario_accept(&s), 503, "");
    assert_int_equal(call->result.fault.error, TERN_ECANCELLED);
    assert_int_equal(call->dones, 1);
    scenario_run(&s, 10 * TERN_S);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_until_asked_for),
        cmocka_unit_test(test_backoff_until_the_attempts_are_used_up),
        cmocka_unit_test(test_retry_after_is_waited_for),
        cmocka_unit_test(test_a_wait_too_long_is_not_begun),
        cmocka_unit_test(test_only_what_is_safe),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_not_behind_a_head),
        cmocka_unit_test(test_attempts_have_a_limit_of_their_own),
        cmocka_unit_test(test_the_time_for_retries),
        cmocka_unit_test(test_errors_that_were_chosen),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_cancel_in_the_delay),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_priority_changes_in_the_delay),
        cmocka_unit_test(test_budget_counts_from_the_decision),
        cmocka_unit_test(test_cancel_by_who_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
