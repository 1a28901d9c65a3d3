/* Rate limits and breakers through the whole client, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define URL "http://a.test/"
#define B_ADDRESS "192.0.2.2:80"

/* A server that answers each request at once with this. */
static const char *served;
static uint32_t served_count;
static uint64_t served_ns[2048];
static char served_paths[2048]; /* the first letter of each */

static void on_heard(struct simio_peer *peer, void *user)
{
    struct scenario *s = user;

    assert_true(served_count < sizeof(served_ns) / sizeof(served_ns[0]));
    served_paths[served_count] = simio_heard(peer).ptr[strlen("GET /")];
    served_ns[served_count++] = simio_now(s->sim);
    simio_forget(peer);
    simio_say(peer, served);
}

static void open_with(struct scenario *s, const struct tern_rate *rate, const struct tern_breaker *breaker)
{
    const struct tern_policy policy = {.rate = rate, .breaker = breaker};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
    fakedns_answer(s->servers, "b.test", "192.0.2.2", 600);
    fakedns_answer(s->servers, "a.test", "192.0.2.1", 600);
    simio_serve(s->sim, SCENARIO_ADDRESS, on_heard, s);
    simio_serve(s->sim, B_ADDRESS, on_heard, s);
    served = "HTTP/1.1 204 X\r\n\r\n";
    served_count = 0;
}

/* ---- rate ---- */

static void test_calls_start_at_their_rate_and_in_order(void **state)
{
    const struct tern_rate rate = {.calls = 10, .burst = 3};
    struct scenario s;
    uint64_t begun_ns;

    (void)state;
    open_with(&s, &rate, NULL);
    begun_ns = simio_now(s.sim);
    for (int i = 0; i < 8; i++)
        scenario_get(&s, URL);
    scenario_run(&s, TERN_S);
    assert_int_equal(served_count, 8);
    for (uint64_t i = 0; i < 8; i++) {
        seen_is(s.seen[i], "head 204 | done");
        assert_int_equal(served_ns[i] - begun_ns, i < 3 ? 0 : (i - 2) * 100 * TERN_MS);
    }
    scenario_run(&s, TERN_S); /* the burst is there again */
    for (int i = 0; i < 3; i++)
        seen_is(scenario_get(&s, URL), "head 204 | done");
    scenario_close(&s);
}

/* 10 a second, asked for in bursts of 50: held within a hundredth over a hundred seconds. */
static void test_a_thousand_calls_hold_the_rate(void **state)
{
    const struct tern_rate rate = {.calls = 10};
    struct scenario *s = calloc(1, sizeof(*s));
    uint32_t started = 0;

    (void)state;
    open_with(s, &rate, NULL);
    while (served_count < 1000) {
        struct tern_request request = {.url = TERN_STR(URL)};

        for (int i = 0; i < 50 && started < 1000; i++, started++)
            assert_int_equal(tern_call_start(s->client, &request, NULL, NULL, NULL, NULL), TERN_OK);
        scenario_run(s, 5 * TERN_S);
    }
    assert_in_range(served_ns[999] - served_ns[0], 98 * TERN_S, 101 * TERN_S);
    for (int i = 20; i < 1000; i++) /* no window has more than the burst and what the rate brings */
        assert_true(served_ns[i] - served_ns[i - 20] >= 11 * 100 * TERN_MS);
    scenario_close(s);
    free(s);
}

static void test_one_host_does_not_hold_up_another(void **state)
{
    const struct tern_rate rate = {.calls = 1};
    const struct tern_rate grouped = {.calls = 1, .group = "both"};
    struct scenario s;

    (void)state;
    open_with(&s, &rate, NULL);
    seen_is(scenario_get(&s, URL), "head 204 | done");
    seen_is(scenario_get(&s, URL), "");
    seen_is(scenario_get(&s, "http://b.test/"), "head 204 | done");
    scenario_close(&s);
    open_with(&s, &grouped, NULL);
    seen_is(scenario_get(&s, URL), "head 204 | done");
    seen_is(scenario_get(&s, "http://b.test/"), "");
    scenario_run(&s, TERN_S);
    seen_is(s.seen[1], "head 204 | done");
    scenario_close(&s);
}

static void test_who_cannot_wait_is_refused_at_once(void **state)
{
    const struct tern_rate rate = {.calls = 1, .queue_max = 2, .wait_max_ns = 5 * TERN_S};
    const struct tern_rate patient = {.calls = 1, .period_ns = 20 * TERN_S};
    const struct tern_timeouts short_one = {.total_ns = TERN_S};
    const struct tern_request request = {.url = TERN_STR(URL), .timeouts = &short_one};
    struct scenario s;
    struct seen *waiting;

    (void)state;
    open_with(&s, &rate, NULL);
    seen_is(scenario_get(&s, URL), "head 204 | done");
    seen_is(scenario_start(&s, &request), "done ERATE START"); /* its deadline is over by then */
    waiting = scenario_get(&s, URL);
    seen_is(scenario_get(&s, URL), "");
    seen_is(scenario_get(&s, URL), "done EQUEUE START");
    assert_int_equal(tern_call_cancel(s.engine, waiting->id), TERN_OK); /* gives its moment back */
    scenario_run(&s, 0);
    seen_is(waiting, "done ECANCELLED START");
    seen_is(scenario_get(&s, URL), "");
    scenario_run(&s, 2 * TERN_S);
    assert_int_equal(served_count, 3);
    scenario_close(&s);
    open_with(&s, &patient, NULL);
    scenario_get(&s, URL);
    scenario_get(&s, URL);
    seen_is(scenario_get(&s, URL), "done ERATE START");
    scenario_close(&s);
}

/* Whoever leaves the line gives its turn to those behind, and none of them starts together with another. */
static void test_who_gives_up_leaves_no_gap_and_no_crowd(void **state)
{
    const struct tern_rate rate = {.calls = 10, .burst = 1};
    struct scenario s;
    uint64_t begun_ns;

    (void)state;
    open_with(&s, &rate, NULL);
    begun_ns = simio_now(s.sim);
    for (int i = 0; i < 40; i++)
        scenario_get(&s, URL);
    for (int i = 1; i < 40; i += 2)
        assert_int_equal(tern_call_cancel(s.engine, s.seen[i]->id), TERN_OK);
    scenario_run(&s, 0);
    for (int i = 0; i < 10; i++)
        scenario_get(&s, URL);
    scenario_run(&s, 10 * TERN_S);
    assert_int_equal(served_count, 30);
    for (uint64_t i = 0; i < 30; i++)
        assert_int_equal(served_ns[i] - begun_ns, i * 100 * TERN_MS);
    scenario_close(&s);
}

/* Held back in the middle: order and rate stay what they were. */
static void test_a_line_that_is_held_stays_a_line(void **state)
{
    const struct tern_rate rate = {.calls = 10, .burst = 2};
    struct scenario s;
    uint64_t begun_ns;

    (void)state;
    open_with(&s, &rate, NULL);
    for (int i = 0; i < 12; i++)
        scenario_get(&s, URL);
    scenario_run(&s, 350 * TERN_MS);
    assert_int_equal(served_count, 5);
    served = "HTTP/1.1 429 X\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n";
    scenario_run(&s, 50 * TERN_MS);
    seen_is(s.seen[5], "head 429 | done");
    begun_ns = simio_now(s.sim);
    served = "HTTP/1.1 204 X\r\n\r\n";
    for (int i = 0; i < 3; i++)
        scenario_get(&s, URL);
    scenario_run(&s, 10 * TERN_S);
    assert_int_equal(served_count, 15);
    for (uint64_t i = 6; i < 15; i++) { /* the burst is there again */
        seen_is(s.seen[i], "head 204 | done");
        assert_int_equal(served_ns[i] - begun_ns, 4 * TERN_S + (i < 8 ? 0 : (i - 7) * 100 * TERN_MS));
    }
    scenario_close(&s);
}

static void start_another(struct seen *seen, const char *event)
{
    if (strcmp(event, "done") == 0)
        scenario_start_only(seen->scenario, &(struct tern_request){.url = TERN_STR("http://a.test/late")});
}

/* Nobody comes in between at the very moment when the line may go on. */
static void test_nobody_jumps_the_line(void **state)
{
    const struct tern_rate rate = {.calls = 10, .burst = 2};
    struct scenario s;
    struct simio_peer *peers[2];

    (void)state;
    open_with(&s, &rate, NULL);
    served = "";
    for (int i = 0; i < 2; i++) {
        scenario_get(&s, URL);
        peers[i] = scenario_accept(&s);
    }
    for (int i = 0; i < 4; i++)
        scenario_get(&s, "http://a.test/early");
    s.seen[1]->hook = start_another;
    simio_say(peers[0], "HTTP/1.1 429 X\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n");
    simio_say_after(peers[1], 2 * TERN_S, "HTTP/1.1 204 X\r\n\r\n");
    served = "HTTP/1.1 204 X\r\n\r\n";
    scenario_run(&s, 5 * TERN_S);
    assert_int_equal(served_count, 7);
    served_paths[7] = '\0';
    assert_string_equal(served_paths + 2, "eeeel");
    scenario_close(&s);
}

/* A line that is held for longer than its calls can wait: each ends at its own time. */
static void test_patience_ends_in_line_too(void **state)
{
    const struct tern_rate rate = {.calls = 10, .burst = 1, .wait_max_ns = 5 * TERN_S};
    const struct tern_timeouts short_one = {.total_ns = 3 * TERN_S};
    const struct tern_request request = {.url = TERN_STR(URL), .timeouts = &short_one};
    struct scenario s;

    (void)state;
    open_with(&s, &rate, NULL);
    served = "";
    for (int i = 0; i < 4; i++)
        i == 2 ? scenario_start(&s, &request) : scenario_get(&s, URL);
    served = "HTTP/1.1 204 X\r\n\r\n";
    simio_say(scenario_accept(&s), "HTTP/1.1 429 X\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, TERN_S);
    seen_is(s.seen[0], "head 429 | done");
    seen_is(s.seen[1], "done ERATE START"); /* its turn is too far away */
    scenario_run(&s, 2 * TERN_S - 1);
    seen_is(s.seen[2], "");
    scenario_run(&s, 1);
    seen_is(s.seen[2], "done ERATE START");
    scenario_run(&s, 3 * TERN_S);
    seen_is(s.seen[3], "done ERATE START");
    assert_int_equal(served_count, 1);
    scenario_close(&s);
}

static void holds(const char *answer, uint64_t seconds)
{
    const struct tern_rate rate = {.calls = 1000};
    struct scenario s;

    open_with(&s, &rate, NULL);
    simio_set_wall(s.sim, 1700000000);
    served = answer;
    scenario_get(&s, URL);
    served = "HTTP/1.1 204 X\r\n\r\n";
    scenario_get(&s, URL);
    scenario_get(&s, URL);
    scenario_run(&s, seconds * TERN_S - 1);
    assert_int_equal(served_count, seconds == 0 ? 3 : 1);
    scenario_run(&s, 10 * TERN_MS);
    assert_int_equal(served_count, 3);
    scenario_close(&s);
}

static void test_answers_hold_the_rest_back(void **state)
{
    (void)state;
    holds("HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 7);
    holds("HTTP/1.1 503 X\r\nRetry-After: Tue, 14 Nov 2023 22:13:25 GMT\r\nContent-Length: 0\r\n\r\n", 5);
    holds("HTTP/1.1 204 X\r\nRateLimit: \"default\";r=0;t=9\r\n\r\n", 9);
    holds("HTTP/1.1 204 X\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 3\r\n\r\n", 3);
    holds("HTTP/1.1 204 X\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1700000004\r\n\r\n", 4);
    holds("HTTP/1.1 204 X\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 4\r\n\r\n", 4);
}

static void test_answers_that_hold_nothing(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 204 X\r\nRateLimit: \"default\";r=1;t=9\r\n\r\n", "HTTP/1.1 204 X\r\nRetry-After: 9\r\n\r\n",
        "HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 X\r\nRateLimit: \"default\";r=;t=9\r\n\r\n",
        "HTTP/1.1 204 X\r\nX-RateLimit-Remaining: 0\r\n\r\n"};
    const struct tern_rate rate = {.calls = 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct scenario s;

        open_with(&s, &rate, NULL);
        served = answers[i];
        scenario_get(&s, URL);
        scenario_get(&s, URL);
        assert_int_equal(served_count, 2);
        scenario_close(&s);
    }
}

/* ---- breaker ---- */

#define FAILS "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
#define WELL "HTTP/1.1 204 X\r\n\r\n"

static void test_opens_after_failures_in_a_row(void **state)
{
    const struct tern_breaker breaker = {.failures = 3};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, &breaker);
    served = FAILS;
    scenario_get(&s, URL);
    scenario_get(&s, URL);
    served = WELL;
    scenario_get(&s, URL); /* not in a row */
    served = FAILS;
    for (int i = 0; i < 3; i++)
        seen_is(scenario_get(&s, URL), "head 503 | done");
    call = scenario_get(&s, URL);
    seen_is(call, "done EBREAKER START");
    assert_int_equal(served_count, 6);
    assert_int_equal(scenario_stats(&s).broken, 1);
    seen_is(scenario_get(&s, "http://b.test/"), "head 503 | done"); /* another origin */
    scenario_run(&s, 30 * TERN_S - 1);
    seen_is(scenario_get(&s, URL), "done EBREAKER START");
    scenario_run(&s, 1);
    seen_is(scenario_get(&s, URL), "head 503 | done"); /* the probe did badly */
    seen_is(scenario_get(&s, URL), "done EBREAKER START");
    scenario_run(&s, 30 * TERN_S);
    served = WELL;
    seen_is(scenario_get(&s, URL), "head 204 | done");
    seen_is(scenario_get(&s, URL), "head 204 | done"); /* closed */
    scenario_close(&s);
}

static void test_one_probe_at_a_time_and_a_cancelled_one_says_nothing(void **state)
{
    const struct tern_breaker breaker = {.failures = 1};
    struct scenario s;
    struct seen *probe;

    (void)state;
    open_with(&s, NULL, &breaker);
    served = FAILS;
    scenario_get(&s, URL);
    scenario_run(&s, 30 * TERN_S);
    served = "";
    probe = scenario_get(&s, URL);
    seen_is(scenario_get(&s, URL), "done EBREAKER START");
    assert_int_equal(tern_call_cancel(s.engine, probe->id), TERN_OK);
    scenario_run(&s, 0);
    served = WELL;
    seen_is(scenario_get(&s, URL), "head 204 | done");
    seen_is(scenario_get(&s, URL), "head 204 | done");
    scenario_close(&s);
}

static void test_opens_by_the_share_of_failures(void **state)
{
    const struct tern_breaker breaker = {.failures = 1000, .failure_percent = 50, .window_calls_min = 10};
    struct scenario s;

    (void)state;
    open_with(&s, NULL, &breaker);
    for (int i = 0; i < 4; i++) {
        served = FAILS;
        scenario_get(&s, URL);
        served = WELL;
        scenario_get(&s, URL);
    }
    served = FAILS;
    seen_is(scenario_get(&s, URL), "head 503 | done"); /* 5 of 9 are too few to tell */
    seen_is(scenario_get(&s, URL), "head 503 | done");
    seen_is(scenario_get(&s, URL), "done EBREAKER START");
    scenario_close(&s);
    open_with(&s, NULL, &breaker);
    served = FAILS;
    for (int i = 0; i < 9; i++)
        scenario_get(&s, URL);
    scenario_run(&s, 20 * TERN_S); /* a window ago */
    seen_is(scenario_get(&s, URL), "head 503 | done");
    seen_is(scenario_get(&s, URL), "head 503 | done");
    scenario_close(&s);
}

/* Those who stood in line while it opened are not let through. */
static void test_opens_for_those_in_line_too(void **state)
{
    const struct tern_rate rate = {.calls = 10, .burst = 1};
    const struct tern_breaker breaker = {.failures = 2};
    struct scenario s;

    (void)state;
    open_with(&s, &rate, &breaker);
    served = FAILS;
    for (int i = 0; i < 20; i++)
        scenario_get(&s, URL);
    scenario_run(&s, 200 * TERN_MS);
    assert_int_equal(served_count, 2);
    for (int i = 0; i < 20; i++)
        seen_is(s.seen[i], i < 2 ? "head 503 | done" : "done EBREAKER START");
    scenario_close(&s);
}

static void test_connections_that_fail_count_too(void **state)
{
    const struct tern_breaker breaker = {.failures = 2};
    struct scenario s;

    (void)state;
    open_with(&s, NULL, &breaker);
    simio_refuse(s.sim, SCENARIO_ADDRESS);
    seen_is(scenario_get(&s, URL), "done ECONNECT_REFUSED CONNECT");
    seen_is(scenario_get(&s, URL), "done ECONNECT_REFUSED CONNECT");
    seen_is(scenario_get(&s, URL), "done EBREAKER START");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    scenario_close(&s);
}

/* What is sent again since its kept connection died is another request all the same. */
static void test_opens_for_what_is_sent_again(void **state)
{
    const struct tern_breaker breaker = {.failures = 1};
    struct scenario s;
    struct simio_peer *kept;
    struct seen *call;

    (void)state;
    open_with(&s, NULL, &breaker);
    scenario_get(&s, URL);
    kept = scenario_accept(&s);
    served = "";
    call = scenario_get(&s, URL);
    scenario_get(&s, URL);
    simio_say(scenario_accept(&s), FAILS);
    scenario_run(&s, 0);
    simio_reset(kept);
    scenario_run(&s, 0);
    seen_is(call, "done EBREAKER START");
    assert_int_equal(served_count, 3);
    scenario_close(&s);
}

/* One of two probes did well, and then one is enough. */
static void test_fewer_probes_are_asked_for(void **state)
{
    const struct tern_breaker two = {.failures = 1, .probes = 2}, one = {.failures = 1};
    const struct tern_policy policy = {.breaker = &one};
    struct scenario s;

    (void)state;
    open_with(&s, NULL, &two);
    served = FAILS;
    scenario_get(&s, URL);
    scenario_run(&s, 30 * TERN_S);
    served = WELL;
    seen_is(scenario_get(&s, URL), "head 204 | done");
    assert_int_equal(
        tern_client_configure(s.client, &(struct tern_client_config){.policy = &policy, .user_agent = ""}, NULL),
        TERN_OK);
    seen_is(scenario_get(&s, URL), "head 204 | done");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_start_at_their_rate_and_in_order),
        cmocka_unit_test(test_a_thousand_calls_hold_the_rate),
        cmocka_unit_test(test_one_host_does_not_hold_up_another),
        cmocka_unit_test(test_who_cannot_wait_is_refused_at_once),
        cmocka_unit_test(test_who_gives_up_leaves_no_gap_and_no_crowd),
        cmocka_unit_test(test_a_line_that_is_held_stays_a_line),
        cmocka_unit_test(test_nobody_jumps_the_line),
        cmocka_unit_test(test_patience_ends_in_line_too),
        cmocka_unit_test(test_answers_hold_the_rest_back),
        cmocka_unit_test(test_answers_that_hold_nothing),
        cmocka_unit_test(test_opens_after_failures_in_a_row),
        cmocka_unit_test(test_one_probe_at_a_time_and_a_cancelled_one_says_nothing),
        cmocka_unit_test(test_opens_by_the_share_of_failures),
        cmocka_unit_test(test_connections_that_fail_count_too),
        cmocka_unit_test(test_opens_for_what_is_sent_again),
        cmocka_unit_test(test_fewer_probes_are_asked_for),
        cmocka_unit_test(test_opens_for_those_in_line_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
