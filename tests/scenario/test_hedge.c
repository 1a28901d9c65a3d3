/* Hedges through the whole client, in virtual time: a second attempt beside one that is slow, and every way in which
 * the two can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/support/h2_script.h"

#define URL "http://a.test/"
#define OTHER_ADDRESS "192.0.2.2:80"
#define DELAY_NS (50 * TERN_MS)
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define OK_HO "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho"
#define UNAVAILABLE "HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nno"

static const struct tern_hedging after_50_ms = {.delay_ns = DELAY_NS};

static void open_with(struct scenario *s, const struct tern_hedging *hedging)
{
    const struct tern_policy policy = {.hedging = hedging};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
}

static void say(struct scenario *s, struct simio_peer *peer, const char *text)
{
    simio_say(peer, text);
    scenario_run(s, 0);
}

/* A call with two attempts under way. */
static struct seen *get_twice(struct scenario *s, struct simio_peer *peers[2])
{
    struct seen *call = scenario_get(s, URL);

    peers[0] = scenario_accept(s);
    scenario_run(s, DELAY_NS - 1);
    assert_null(simio_accept(s->sim, SCENARIO_ADDRESS));
    scenario_run(s, 1);
    peers[1] = scenario_accept(s);
    assert_true(scenario_heard(peers[1], "GET / HTTP/1.1"));
    assert_int_equal(s->client->retrying_count, 1);
    return call;
}

/* And everything is back. */
static void is_over(struct scenario *s)
{
    scenario_run(s, 0);
    assert_int_equal(s->client->retrying_count, 0);
    assert_int_equal(scenario_stats(s).connections_active, 0);
}

static void test_off_until_asked_for(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL);
    call = scenario_get(&s, URL);
    scenario_run(&s, 10 * TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    say(&s, scenario_accept(&s), OK_HI);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_not_beside_one_that_is_answered_in_time(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &after_50_ms);
    call = scenario_get(&s, URL);
    scenario_run(&s, DELAY_NS - 1);
    say(&s, scenario_accept(&s), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    scenario_run(&s, 10 * TERN_S); /* its body may take as long as it likes */
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_close(&s);
}

/* Whoever is first; the other's connection is closed, and nothing of it is seen. */
static void test_first_answer_wins(void **state)
{
    (void)state;
    for (int winner = 0; winner < 2; winner++) {
        struct simio_peer *peers[2];
        struct scenario s;
        struct seen *call;

        open_with(&s, &after_50_ms);
        call = get_twice(&s, peers);
        scenario_run(&s, 10 * TERN_MS);
        simio_say(peers[1 - winner], "HTTP/1.1 103 X\r\n\r\n");
        say(&s, peers[winner], "HTTP/1.1 103 X\r\n\r\n" OK_HI);
        seen_is(call, "head 200 | body hi | done");
        assert_int_equal(call->result.attempt, 1 + winner);
        assert_int_equal(call->result.hedges, 1);
        assert_int_equal(call->result.by_hedge, winner);
        assert_int_equal(call->result.times.total_ns, DELAY_NS + 10 * TERN_MS);
        assert_int_equal(call->result.times.wait_ns, (winner == 0 ? DELAY_NS : 0) + 10 * TERN_MS);
        assert_true(simio_is_closed(peers[1 - winner]));
        assert_false(simio_is_closed(peers[winner]));
        assert_int_equal(scenario_stats(&s).hedged, 1);
        assert_int_equal(scenario_stats(&s).hedges_won, winner);
        assert_int_equal(scenario_stats(&s).retried, 0);
        is_over(&s);
        scenario_close(&s);
    }
}

static void test_both_answer_in_the_same_turn(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct simio_peer *peers[2];
        struct scenario s;
        struct seen *call;

        open_with(&s, &after_50_ms);
        call = get_twice(&s, peers);
        simio_say(peers[i], i == 0 ? OK_HI : OK_HO);
        simio_say(peers[1 - i], i == 0 ? OK_HO : OK_HI);
        scenario_run(&s, 0);
        seen_is(call, call->result.by_hedge ? "head 200 | body ho | done" : "head 200 | body hi | done");
        is_over(&s);
        assert_int_equal(scenario_stats(&s).connections_idle, 1);
        scenario_close(&s);
    }
}

/* Chosen at its head, for better or worse: the other is gone. */
static void test_winner_fails_in_its_body(void **state)
{
    (void)state;
    for (int winner = 0; winner < 2; winner++) {
        struct simio_peer *peers[2];
        struct scenario s;
        struct seen *call;

        open_with(&s, &after_50_ms);
        call = get_twice(&s, peers);
        say(&s, peers[winner], "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi");
        assert_int_equal(s.client->retrying_count, 0);
        simio_reset(peers[winner]);
        scenario_run(&s, 0);
        seen_is(call, "head 200 | body hi | done EPEER_RESET READ");
        is_over(&s);
        scenario_close(&s);
    }
}

/* A bad answer, and a failure, wait for the other attempt, whose answer then is the call's, whatever it is. */
static void test_one_leaves(void **state)
{
    (void)state;
    for (int leaver = 0; leaver < 2; leaver++) {
        for (int fails = 0; fails < 2; fails++) {
            for (int is_well = 0; is_well < 2; is_well++) {
                struct simio_peer *peers[2];
                struct scenario s;
                struct seen *call;

                open_with(&s, &after_50_ms);
                call = get_twice(&s, peers);
                if (fails)
                    simio_reset(peers[leaver]);
                else
                    simio_say(peers[leaver], UNAVAILABLE);
                scenario_run(&s, TERN_S);
                seen_is(call, "");
                assert_true(simio_is_closed(peers[leaver]));
                assert_int_equal(s.client->retrying_count, 0);
                say(&s, peers[1 - leaver], is_well ? "HTTP/1.1 103 X\r\n\r\n" OK_HI : UNAVAILABLE);
                seen_is(call, is_well ? "informational 103 | head 200 | body hi | done" : "head 503 | body no | done");
                assert_int_equal(call->result.attempt, 2 - leaver);
                assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2); /* no third */
                is_over(&s);
                scenario_close(&s);
            }
        }
    }
}

static void test_both_fail(void **state)
{
    struct simio_peer *peers[2];
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &after_50_ms);
    call = get_twice(&s, peers);
    simio_reset(peers[0]);
    simio_reset(peers[1]);
    scenario_run(&s, TERN_S);
    seen_is(call, "done EPEER_RESET WAIT");
    assert_int_equal(call->result.hedges, 1);
    is_over(&s);
    scenario_close(&s);
}

/* The two count as two attempts; what follows them is a retry like any other, and may have a second one again. */
static void test_retried_together(void **state)
{
    const struct tern_retries retries = {.attempts_max = 3, .backoff_ns = 1};
    const struct tern_policy policy = {.hedging = &after_50_ms, .retries = &retries};
    struct simio_peer *peers[2];
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    call = get_twice(&s, peers);
    say(&s, peers[0], UNAVAILABLE);
    assert_int_equal(s.client->retrying_count, 0);
    say(&s, peers[1], UNAVAILABLE);
    assert_int_equal(s.client->retrying_count, 1);
    assert_int_equal(scenario_stats(&s).retried, 1);
    simio_forget(peers[1]); /* its connection is kept, and taken */
    scenario_run(&s, DELAY_NS);
    peers[0] = scenario_accept(&s);
    assert_int_equal(s.client->retrying_count, 2);
    say(&s, peers[0], UNAVAILABLE);
    seen_is(call, "");
    say(&s, peers[1], UNAVAILABLE);
    seen_is(call, "head 503 | body no | done"); /* the attempts are used up */
    assert_int_equal(call->result.hedges, 2);
    is_over(&s);
    scenario_close(&s);
}

/* ---- ends from above, with both under way ---- */

static void cancel_them(struct scenario *s, struct seen *call)
{
    assert_int_equal(tern_call_cancel(s->engine, call->id), TERN_OK);
}

static void post_cancel(struct scenario *s, struct seen *call)
{
    tern_post_cancel(s->engine, call->id);
}

static void close_client(struct scenario *s, struct seen *call)
{
    (void)call;
    tern_client_close(s->client, TERN_CLOSE_DROP);
    s->is_client_closed = true;
}

static void shut_down(struct scenario *s, struct seen *call)
{
    (void)call;
    tern_engine_shutdown(s->engine);
    s->is_client_closed = true;
}

static void wait_for_the_deadline(struct scenario *s, struct seen *call)
{
    (void)call;
    scenario_run(s, 60 * TERN_S);
}

static void test_ends_with_both_under_way(void **state)
{
    static const struct {
        void (*end)(struct scenario *s, struct seen *call);
        const char *seen;
    } cases[] = {{cancel_them, "done ECANCELLED WAIT"},
                 {post_cancel, "done ECANCELLED WAIT"},
                 {close_client, "done ESHUTDOWN WAIT"},
                 {shut_down, "done ESHUTDOWN WAIT"},
                 {wait_for_the_deadline, "done EDEADLINE WAIT"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_policy policy = {.hedging = &after_50_ms};
        struct simio_peer *peers[2];
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &(struct tern_client_config){.policy = &policy, .timeouts = {.total_ns = 20 * TERN_S}});
        call = get_twice(&s, peers);
        cases[i].end(&s, call);
        simio_run(s.sim, 0);
        seen_is(call, cases[i].seen);
        assert_true(simio_is_closed(peers[0]) && simio_is_closed(peers[1]));
        if (!s.is_client_closed)
            is_over(&s);
        scenario_close(&s);
    }
}

static void test_no_hedge_of_a_client_that_closes(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &after_50_ms);
    call = scenario_get(&s, URL);
    tern_client_close(s.client, TERN_CLOSE_DRAIN);
    s.is_client_closed = true;
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    simio_say(scenario_accept(&s), OK_HI);
    simio_run(s.sim, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* A pause holds both back: whichever has its answer then is first. */
static void test_paused(void **state)
{
    struct simio_peer *peers[2];
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &after_50_ms);
    call = get_twice(&s, peers);
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    simio_say(peers[0], OK_HI);
    simio_say(peers[1], OK_HO);
    scenario_run(&s, TERN_S);
    assert_int_equal(call->dones, 0);
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, call->result.by_hedge ? "head 200 | body ho | done" : "head 200 | body hi | done");
    is_over(&s);
    call = scenario_get(&s, URL); /* who does not want to hear does not wait */
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).hedged, 1);
    scenario_close(&s);
}

/* ---- what may go twice, and when ---- */

static enum tern_read read_end(void *user, void *buffer, size_t capacity, size_t *n)
{
    (void)user, (void)buffer, (void)capacity, (void)n;
    return TERN_READ_END;
}

static bool rewind_it(void *user)
{
    (void)user;
    return true;
}

static void test_only_what_is_safe(void **state)
{
    static const struct tern_body memory = {.kind = TERN_BODY_MEMORY, .data = "data", .length = 4};
    static const struct tern_body callback = {
        .kind = TERN_BODY_CALLBACK, .length = TERN_LENGTH_UNKNOWN, .read = read_end, .rewind = rewind_it};
    static const struct {
        const char *method;
        const struct tern_body *body;
        bool has_key, twice;
    } cases[] = {{"GET", NULL, false, true},    {"HEAD", NULL, false, true},     {"POST", NULL, false, false},
                 {"POST", &memory, true, true}, {"POST", &memory, false, false}, {"PATCH", &memory, false, false},
                 {"PUT", &memory, false, true}, {"PUT", &callback, false, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_field key = {TERN_STR("Idempotency-Key"), TERN_STR("1"), 0};
        struct tern_request request = {
            .url = TERN_STR(URL), .method = tern_str(cases[i].method), .fields = &key, .field_count = cases[i].has_key};
        struct simio_peer *first, *second;
        struct scenario s;
        struct seen *call;

        if (cases[i].body != NULL)
            request.body = *cases[i].body;
        open_with(&s, &after_50_ms);
        call = scenario_start(&s, &request);
        first = scenario_accept(&s);
        scenario_run(&s, DELAY_NS);
        second = simio_accept(s.sim, SCENARIO_ADDRESS);
        assert_int_equal(second != NULL, cases[i].twice);
        if (second != NULL && cases[i].body != NULL) {
            assert_true(scenario_heard(second, "\r\n\r\ndata"));
            assert_true(tern_str_eq(simio_heard(first), simio_heard(second)));
        }
        say(&s, second != NULL ? second : first, "HTTP/1.1 204 X\r\n\r\n");
        seen_is(call, "head 204 | done");
        scenario_close(&s);
    }
}

/* By its own policy a call may be hedged where its client's are not, and the other way round. */
static void test_policy_of_a_call(void **state)
{
    const struct tern_policy own = {.hedging = &after_50_ms}, none = {0};
    struct scenario s;

    (void)state;
    open_with(&s, NULL);
    scenario_start(&s, &(struct tern_request){.url = TERN_STR(URL), .policy = &own});
    scenario_run(&s, DELAY_NS);
    assert_int_equal(scenario_stats(&s).hedged, 1);
    scenario_close(&s);
    open_with(&s, &after_50_ms);
    scenario_start(&s, &(struct tern_request){.url = TERN_STR(URL), .policy = &none});
    scenario_run(&s, DELAY_NS);
    assert_int_equal(scenario_stats(&s).hedged, 0);
    scenario_close(&s);
}

static void test_budget(void **state)
{
    const struct tern_retries retries = {.budget_percent = 10};
    const struct tern_policy policy = {.hedging = &after_50_ms, .retries = &retries};
    struct scenario s;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    for (int i = 0; i < 50; i++)
        scenario_get(&s, URL);
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).hedged, 5); /* a tenth of them */
    assert_int_equal(s.client->retrying_count, 5);
    scenario_close(&s);
}

/* A place in the queue is not what a second attempt is for. */
static void test_does_not_wait_for_a_connection(void **state)
{
    const struct tern_policy policy = {.hedging = &after_50_ms};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy, .limits = {.connections_per_host_max = 1}});
    call = scenario_get(&s, URL);
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).hedged, 0);
    assert_int_equal(scenario_stats(&s).calls_waiting, 0);
    assert_int_equal(scenario_stats(&s).timed_out_pool, 0);
    say(&s, scenario_accept(&s), OK_HI);
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.hedges, 0);
    is_over(&s);
    scenario_close(&s);
}

/* The wait is for an answer: one for a connection is no reason to ask for another. */
static void test_waits_from_its_connection_on(void **state)
{
    struct scenario s;

    (void)state;
    open_with(&s, &after_50_ms);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, 200 * TERN_MS);
    scenario_get(&s, URL);
    scenario_run(&s, 200 * TERN_MS + DELAY_NS - 1);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    scenario_run(&s, 1);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    scenario_close(&s);
}

/* The first may fail while the second is still being connected: that one then is alone, and stays so. */
static void test_no_hedge_of_a_hedge(void **state)
{
    struct simio_peer *first;
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &after_50_ms);
    call = scenario_get(&s, URL);
    first = scenario_accept(&s);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, 200 * TERN_MS);
    scenario_run(&s, DELAY_NS);
    simio_reset(first);
    scenario_run(&s, TERN_S);
    seen_is(call, "");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    say(&s, scenario_accept(&s), OK_HI);
    seen_is(call, "head 200 | body hi | done");
    is_over(&s);
    scenario_close(&s);
}

static void test_rate_and_breaker_are_asked(void **state)
{
    const struct tern_rate rate = {.calls = 1};
    const struct tern_breaker breaker = {.failures = 1, .open_ns = TERN_S};
    const struct tern_policy rated = {.hedging = &after_50_ms, .rate = &rate};
    const struct tern_policy broken = {.hedging = &after_50_ms, .breaker = &breaker};
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &rated});
    scenario_get(&s, URL);
    scenario_run(&s, 10 * TERN_S);
    assert_int_equal(scenario_stats(&s).hedged, 0); /* there was one turn to be had, and the first has it */
    scenario_close(&s);
    scenario_open(&s, &(struct tern_client_config){.policy = &broken});
    call = scenario_get(&s, URL);
    say(&s, scenario_accept(&s), UNAVAILABLE);
    seen_is(call, "head 503 | body no | done");
    scenario_run(&s, TERN_S);
    scenario_get(&s, URL); /* the one probe */
    scenario_run(&s, 10 * TERN_S);
    assert_int_equal(scenario_stats(&s).hedged, 0);
    scenario_close(&s);
}

/* For the breaker the two are one attempt, with one outcome. */
static void test_one_outcome_for_the_breaker(void **state)
{
    const struct tern_breaker breaker = {.failures = 2};
    const struct tern_policy policy = {.hedging = &after_50_ms, .breaker = &breaker};
    struct simio_peer *peers[2];
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    call = get_twice(&s, peers);
    say(&s, peers[0], UNAVAILABLE);
    say(&s, peers[1], UNAVAILABLE);
    seen_is(call, "head 503 | body no | done");
    call = scenario_get(&s, URL); /* let through: that was one failure */
    say(&s, peers[1], UNAVAILABLE);
    seen_is(call, "head 503 | body no | done");
    call = scenario_get(&s, URL);
    seen_is(call, "done EBREAKER START");
    scenario_close(&s);
}

/* ---- where it goes ---- */

/* To the other address, be there a connection or not. */
static void test_prefers_another_address(void **state)
{
    struct simio_peer *at[2];
    struct scenario s;

    (void)state;
    open_with(&s, &after_50_ms);
    fakedns_answer(s.servers, "a.test", "192.0.2.1 192.0.2.2", 600);
    simio_listen(s.sim, OTHER_ADDRESS);
    for (int i = 0; i < 4; i++) /* two to each */
        scenario_get(&s, URL);
    for (int i = 0; i < 4; i++)
        simio_say(scenario_accept_at(&s, i % 2 == 0 ? SCENARIO_ADDRESS : OTHER_ADDRESS), OK_HI);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_idle, 4);
    for (int i = 0; i < 2; i++) {
        struct seen *call = scenario_get(&s, URL);

        scenario_run(&s, DELAY_NS);
        assert_int_equal(scenario_stats(&s).connections_active, 2);
        at[0] = at[1] = NULL;
        assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
        scenario_run(&s, 0);
        assert_int_equal(scenario_stats(&s).connections_idle, 2 - 2 * i);
    }
    (void)at;
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    assert_int_equal(simio_connects(s.sim, OTHER_ADDRESS), 2);
    scenario_close(&s);
}

/* ---- HTTP/2 ---- */

static const struct tern_policy hedged = {.hedging = &after_50_ms};

static struct tern_client_config h2_hedged(void)
{
    struct tern_client_config config = h2_only;

    config.policy = &hedged;
    return config;
}

/* One connection is there: it serves both, and whoever loses is reset. */
static void test_h2_loser_is_reset(void **state)
{
    (void)state;
    for (int winner = 0; winner < 2; winner++) {
        const struct tern_client_config config = h2_hedged();
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &config);
        call = scenario_get(&s, URL);
        h2_script_open(&peer, &s);
        h2_script_hears(&peer, "HEADERS 1 END");
        scenario_run(&s, DELAY_NS);
        h2_script_hears(&peer, "HEADERS 3 END");
        h2_script_answer(&peer, winner == 0 ? 1 : 3, "hi");
        seen_is(call, "head 200 | body hi | done");
        h2_script_hears(&peer, winner == 0 ? "RST_STREAM 3 8" : "RST_STREAM 1 8");
        h2_script_answer(&peer, winner == 0 ? 3 : 1, "late"); /* crossed our reset */
        is_over(&s);
        assert_int_equal(scenario_stats(&s).connections_idle, 1);
        call = scenario_get(&s, URL);
        h2_script_answer(&peer, 5, "ho");
        seen_is(call, "head 200 | body ho | done");
        assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* The second was not processed, or both were: nothing is sent a third time while one of them lives. */
static void test_h2_goaway(void **state)
{
    (void)state;
    for (int32_t last = 1; last <= 3; last += 2) {
        const struct tern_client_config config = h2_hedged();
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &config);
        call = scenario_get(&s, URL);
        h2_script_open(&peer, &s);
        scenario_run(&s, DELAY_NS);
        h2_put_goaway(&peer.out, last, NGHTTP2_NO_ERROR, "");
        h2_script_say(&peer);
        seen_is(call, "");
        assert_int_equal(s.client->retrying_count, last == 3);
        h2_script_answer(&peer, last, "hi");
        seen_is(call, "head 200 | body hi | done");
        assert_int_equal(call->result.by_hedge, last == 3);
        assert_int_equal(scenario_stats(&s).replayed, 0);
        is_over(&s);
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

static void test_h2_priority_of_both(void **state)
{
    const struct tern_client_config config = h2_hedged();
    struct h2_script peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &config);
    call = scenario_get(&s, URL);
    h2_script_open_with(&peer, &s, 9, 1); /* SETTINGS_NO_RFC7540_PRIORITIES (RFC 9218 2.1) */
    scenario_run(&s, DELAY_NS);
    h2_script_heard(&peer);
    assert_int_equal(tern_call_set_priority(s.engine, call->id, (struct tern_priority){.urgency = 1}), TERN_OK);
    scenario_run(&s, 0);
    {
        const char *heard = h2_script_heard(&peer);

        assert_non_null(strstr(heard, "PRIORITY_UPDATE 1 u=1"));
        assert_non_null(strstr(heard, "PRIORITY_UPDATE 3 u=1"));
    }
    h2_script_answer(&peer, 3, "hi");
    h2_script_close(&peer);
    scenario_close(&s);
}

/* ---- who is told ---- */

struct log {
    char text[512];
    struct scenario *s;
    const char *cancel_at;
};

static void note(struct log *log, const struct tern_attempt *attempt, const char *what)
{
    size_t len = strlen(log->text);

    snprintf(log->text + len, sizeof(log->text) - len, "%s%u%s %s", len > 0 ? " | " : "", attempt->attempt,
             attempt->hedge ? "h" : "", what);
    if (log->cancel_at != NULL && strcmp(log->cancel_at, what) == 0 && attempt->hedge)
        (void)tern_call_cancel(log->s->engine, attempt->call);
}

static void on_request(void *user, const struct tern_attempt *attempt)
{
    note(user, attempt, "request");
}

static void on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head)
{
    note(user, attempt, head->status == 200 ? "200" : "503");
}

static void on_error(void *user, const struct tern_attempt *attempt, const struct tern_fault *fault)
{
    note(user, attempt, tern_error_name(fault->error) + strlen("TERN_"));
}

static void hooked(const char *first_says, const char *second_says, const char *cancel_at, const char *told,
                   const char *seen)
{
    struct log log = {.cancel_at = cancel_at};
    const struct tern_hooks hooks = {on_request, on_response, on_error, &log};
    const struct tern_policy policy = {.hedging = &after_50_ms, .hooks = &hooks};
    struct simio_peer *first, *second;
    struct scenario s;
    struct seen *call;

    log.s = &s;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    call = scenario_get(&s, URL);
    first = scenario_accept(&s);
    scenario_run(&s, DELAY_NS);
    second = simio_accept(s.sim, SCENARIO_ADDRESS);
    if (first_says != NULL)
        say(&s, first, first_says);
    if (second_says != NULL)
        say(&s, second, second_says);
    if (call->dones == 0)
        assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, seen);
    assert_string_equal(log.text, told);
    is_over(&s);
    scenario_close(&s);
}

static void test_hooks_hear_of_both(void **state)
{
    (void)state;
    hooked(NULL, OK_HI, NULL, "1 request | 2h request | 1 ECANCELLED | 2h 200", "head 200 | body hi | done");
    hooked(OK_HI, NULL, NULL, "1 request | 2h request | 2h ECANCELLED | 1 200", "head 200 | body hi | done");
    hooked(UNAVAILABLE, OK_HI, NULL, "1 request | 2h request | 1 503 | 2h 200", "head 200 | body hi | done");
    hooked(NULL, NULL, NULL, "1 request | 2h request | 2h ECANCELLED | 1 ECANCELLED", "done ECANCELLED WAIT");
    hooked(UNAVAILABLE, NULL, NULL, "1 request | 2h request | 1 503 | 2h ECANCELLED", "done ECANCELLED WAIT");
    /* cancelled by who is told */
    hooked(NULL, NULL, "request", "1 request | 2h request | 2h ECANCELLED | 1 ECANCELLED", "done ECANCELLED WAIT");
    hooked(OK_HI, NULL, "ECANCELLED", "1 request | 2h request | 2h ECANCELLED | 1 ECANCELLED", "done ECANCELLED READ");
}

/* ---- a live percentile, and an origin that is slow as a whole ---- */

static void answer_after(struct scenario *s, struct simio_peer *peer, uint64_t ns)
{
    simio_say_after(peer, ns, OK_HI);
    scenario_run(s, ns);
}

static void test_percentile(void **state)
{
    const struct tern_hedging p95 = {0};
    struct simio_peer *peer;
    struct scenario s;

    (void)state;
    open_with(&s, &p95);
    scenario_get(&s, URL);
    peer = scenario_accept(&s);
    answer_after(&s, peer, 10 * TERN_S); /* nothing is known yet */
    for (int i = 1; i < 20; i++) {
        scenario_get(&s, URL);
        answer_after(&s, peer, 100 * TERN_MS);
    }
    assert_int_equal(scenario_stats(&s).hedged, 0);
    scenario_get(&s, URL); /* 19 of 20 took 100 ms: to within a quarter more */
    scenario_run(&s, 100 * TERN_MS);
    assert_int_equal(scenario_stats(&s).hedged, 0);
    scenario_run(&s, 25 * TERN_MS);
    assert_int_equal(scenario_stats(&s).hedged, 1);
    scenario_close(&s);
}

static void test_slow_as_a_whole(void **state)
{
    const struct tern_hedging config = {.delay_ns = DELAY_NS};
    struct simio_peer *peer;
    struct scenario s;

    (void)state;
    open_with(&s, &config);
    scenario_get(&s, URL);
    peer = scenario_accept(&s);
    answer_after(&s, peer, 10 * TERN_MS);
    for (int i = 0; i < 30; i++) {
        scenario_get(&s, URL);
        answer_after(&s, peer, 10 * TERN_MS);
    }
    for (int i = 0; i < 100; i++) { /* from here on it is slow */
        scenario_get(&s, URL);
        answer_after(&s, peer, 200 * TERN_MS);
    }
    assert_int_equal(scenario_stats(&s).hedged, 32); /* until more than half of what is known was slow */
    assert_int_equal(scenario_stats(&s).hedges_won, 0);
    for (int i = 0; i < 200; i++) { /* and fast again */
        scenario_get(&s, URL);
        answer_after(&s, peer, 10 * TERN_MS);
    }
    scenario_get(&s, URL);
    scenario_run(&s, DELAY_NS);
    assert_int_equal(scenario_stats(&s).hedged, 33);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_until_asked_for),
        cmocka_unit_test(test_not_beside_one_that_is_answered_in_time),
        cmocka_unit_test(test_first_answer_wins),
        cmocka_unit_test(test_both_answer_in_the_same_turn),
        cmocka_unit_test(test_winner_fails_in_its_body),
        cmocka_unit_test(test_one_leaves),
        cmocka_unit_test(test_both_fail),
        cmocka_unit_test(test_retried_together),
        cmocka_unit_test(test_ends_with_both_under_way),
        cmocka_unit_test(test_no_hedge_of_a_client_that_closes),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_only_what_is_safe),
        cmocka_unit_test(test_policy_of_a_call),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_does_not_wait_for_a_connection),
        cmocka_unit_test(test_waits_from_its_connection_on),
        cmocka_unit_test(test_no_hedge_of_a_hedge),
        cmocka_unit_test(test_rate_and_breaker_are_asked),
        cmocka_unit_test(test_one_outcome_for_the_breaker),
        cmocka_unit_test(test_prefers_another_address),
        cmocka_unit_test(test_h2_loser_is_reset),
        cmocka_unit_test(test_h2_goaway),
        cmocka_unit_test(test_h2_priority_of_both),
        cmocka_unit_test(test_hooks_hear_of_both),
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_slow_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
