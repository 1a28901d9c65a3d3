/* A call in its user's hands: every function from every callback, pausing, windows, limits, and handles that are
 * stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define URL TERN_STR("http://a.test/")
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

/* ---- everything from everywhere ---- */

#define WHOLE                                                                                                          \
    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: "        \
    "y\r\n\r\n"

static const char *const events[] = {"informational", "head", "body", "trailers", "done"};
static const char *const notes[] = {"informational 103", "head 200", "body abc", "trailer X=y", "done"};
static const char *const phases[] = {"WAIT", "READ", "READ", "READ", "DONE"};

enum action {
    CANCEL,
    CANCEL_TWICE,
    CANCEL_OTHER,
    PAUSE,
    PAUSE_AND_RESUME,
    CREDIT,
    START,
    DRAIN,
    DROP,
    CONFIGURE,
    BUSY,
    STOP,
    ASK,
    ACTION_COUNT
};

struct act {
    enum action action;
    size_t at;
    bool is_done;
    struct seen *other; /* a call of the same client that waits for its answer */
};

static void busy(struct seen *seen)
{
    struct tern_engine *engine = seen->scenario->engine;
    struct tern_response *response = NULL;
    struct tern_fault why = {0};

    assert_int_equal(tern_engine_step(engine), TERN_EBUSY);
    assert_int_equal(tern_engine_run(engine), TERN_EBUSY);
    assert_int_equal(tern_engine_shutdown(engine), TERN_EBUSY);
    assert_int_equal(tern_engine_free(engine), TERN_EBUSY);
    assert_int_equal(tern_perform(seen->scenario->client, &(struct tern_request){.url = URL}, 0, &response, &why),
                     TERN_EBUSY);
    assert_null(response);
    assert_int_equal(why.error, TERN_EBUSY);
}

static void act_now(struct seen *seen, struct act *act)
{
    struct scenario *s = seen->scenario;
    enum tern_error gone = act->at == 4 ? TERN_EGONE : TERN_OK;
    struct tern_engine_stats stats;
    struct tern_client_config other = {.name = "other", .user_agent = "other", .dns = {.hosts_path = ""}};

    switch (act->action) {
    case CANCEL:
        assert_int_equal(tern_call_cancel(s->engine, seen->id), gone);
        break;
    case CANCEL_TWICE:
        assert_int_equal(tern_call_cancel(s->engine, seen->id), gone);
        assert_int_equal(tern_call_cancel(s->engine, seen->id), TERN_EGONE);
        assert_int_equal(tern_call_pause(s->engine, seen->id), TERN_EGONE);
        break;
    case CANCEL_OTHER:
        assert_int_equal(tern_call_cancel(s->engine, act->other->id), TERN_OK);
        assert_int_equal(act->other->dones, 0); /* never from inside */
        break;
    case PAUSE:
        assert_int_equal(tern_call_pause(s->engine, seen->id), gone);
        break;
    case PAUSE_AND_RESUME:
        assert_int_equal(tern_call_pause(s->engine, seen->id), gone);
        assert_int_equal(tern_call_resume(s->engine, seen->id), gone);
        break;
    case CREDIT:
        assert_int_equal(tern_call_credit(s->engine, seen->id, 1), act->at == 4 ? TERN_EGONE : TERN_EINVAL);
        assert_int_equal(tern_call_credit(s->engine, seen->id, 0), gone);
        break;
    case START:
        scenario_start_only(s, &(struct tern_request){.url = TERN_STR("http://a.test/inner")});
        break;
    case DRAIN:
        tern_client_close(s->client, TERN_CLOSE_DRAIN);
        break;
    case DROP:
        tern_client_close(s->client, TERN_CLOSE_DROP);
        tern_client_close(s->client, TERN_CLOSE_DROP);
        assert_int_equal(tern_call_start(s->client, &(struct tern_request){.url = URL}, NULL, NULL, NULL, NULL),
                         TERN_ECLOSED);
        break;
    case CONFIGURE:
        assert_int_equal(tern_client_configure(s->client, &other, NULL), TERN_OK);
        break;
    case BUSY:
        busy(seen);
        break;
    case STOP:
        tern_engine_stop(s->engine);
        tern_post_cancel(s->engine, act->other->id);
        break;
    case ASK:
        tern_engine_stats(s->engine, &stats);
        assert_int_equal(stats.calls_live, act->at == 4 ? 1 : 2);
        assert_true(tern_client_engine(s->client) == s->engine);
        assert_true(scenario_stats(s).calls_live > 0 || act->at == 4);
        break;
    case ACTION_COUNT:
        break;
    }
}

static void act_in_hook(struct seen *seen, const char *event)
{
    struct act *act = seen->hook_user;

    assert_int_equal(seen->dones, strcmp(event, "done") == 0);
    if (act->is_done || strcmp(event, events[act->at]) != 0)
        return;
    act->is_done = true;
    act_now(seen, act);
}

static void answer_inner(struct simio_peer *peer, void *user)
{
    (void)user;
    if (scenario_heard(peer, "GET /inner ")) {
        simio_forget(peer);
        simio_say(peer, NO_CONTENT);
    }
}

static void expected_of(const struct act *act, bool is_dribbled, char *out, size_t cap)
{
    bool ends_it = act->action == CANCEL || act->action == CANCEL_TWICE || act->action == DROP;
    bool is_cut = ends_it && is_dribbled && act->at == 2; /* behind the body's first byte */
    size_t len = 0;

    for (size_t i = 0; i <= (ends_it ? act->at : 4); i++)
        len +=
            (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? " | " : "", i == 2 && is_cut ? "body a" : notes[i]);
    if (ends_it && act->at < 4)
        snprintf(out + len, cap - len, " | done %s %s", act->action == DROP ? "ESHUTDOWN" : "ECANCELLED",
                 phases[act->at]);
}

static void act_at(enum action action, size_t at, size_t recv_max)
{
    bool closes = action == DRAIN || action == DROP;
    struct act act = {.action = action, .at = at};
    struct scenario s;
    struct simio_peer *peer, *other;
    struct seen *call;
    char expected[256];

    scenario_open(&s, NULL);
    simio_serve(s.sim, SCENARIO_ADDRESS, answer_inner, NULL);
    act.other = scenario_get(&s, "http://a.test/");
    other = scenario_accept(&s);
    call = scenario_get(&s, "http://a.test/");
    call->hook = act_in_hook;
    call->hook_user = &act;
    peer = scenario_accept(&s);
    if (recv_max != 0)
        simio_recv_max(peer, recv_max);
    s.is_client_closed = closes;
    simio_say(peer, WHOLE);
    scenario_run(&s, TERN_S);
    assert_true(act.is_done);
    if (action == PAUSE && at < 4)
        (void)tern_call_resume(s.engine, call->id);
    scenario_run(&s, 0);
    expected_of(&act, recv_max != 0, expected, sizeof(expected));
    seen_is(call, expected);
    assert_int_equal(call->dones, 1);
    if (action == CANCEL_OTHER || action == STOP)
        assert_int_equal(act.other->result.fault.error, TERN_ECANCELLED);
    else if (action == DROP)
        assert_int_equal(act.other->result.fault.error, TERN_ESHUTDOWN);
    else
        simio_say(other, NO_CONTENT);
    scenario_run(&s, 0);
    if (action == DRAIN)
        seen_is(act.other, "head 204 | done");
    if (action == START)
        seen_is(s.seen[2], "head 204 | done");
    scenario_close(&s);
}

static void test_any_function_from_any_callback(void **state)
{
    (void)state;
    for (int action = 0; action < ACTION_COUNT; action++)
        for (size_t at = 0; at < 5; at++) {
            act_at((enum action)action, at, 0); /* the whole answer at once */
            act_at((enum action)action, at, 1);
        }
}

static void test_stale_handles_are_harmless(void **state)
{
    struct scenario s;
    struct seen *call, *next;
    tern_call_id stale[4];

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    simio_say(scenario_accept(&s), NO_CONTENT);
    scenario_run(&s, 0);
    next = scenario_get(&s, "http://a.test/"); /* in the same slot */
    stale[0] = call->id;
    stale[1] = 0;
    stale[2] = UINT64_MAX;
    stale[3] = next->id + (UINT64_C(1) << 25);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tern_call_cancel(s.engine, stale[i]), TERN_EGONE);
        assert_int_equal(tern_call_pause(s.engine, stale[i]), TERN_EGONE);
        assert_int_equal(tern_call_resume(s.engine, stale[i]), TERN_EGONE);
        assert_int_equal(tern_call_credit(s.engine, stale[i], 0), TERN_EGONE);
        assert_int_equal(tern_call_body_ready(s.engine, stale[i]), TERN_EGONE);
        tern_post_cancel(s.engine, stale[i]);
    }
    scenario_run(&s, 0);
    seen_is(next, "");
    scenario_close(&s);
}

/* ---- pausing ---- */

static void pause_in_hook(struct seen *seen, const char *event)
{
    if (strcmp(event, seen->hook_user) == 0)
        assert_int_equal(tern_call_pause(seen->scenario->engine, seen->id), TERN_OK);
}

static struct seen *get_pausing(struct scenario *s, const char *event)
{
    struct seen *call = scenario_get(s, "http://a.test/");

    call->hook = pause_in_hook;
    call->hook_user = (void *)(uintptr_t)event;
    return call;
}

static void test_pause_in_head_and_in_body(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = get_pausing(&s, "head");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200");
    call->hook_user = (void *)(uintptr_t) "body";
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    seen_is(call, ""); /* from a step only */
    scenario_run(&s, 0);
    seen_is(call, "body abc");
    simio_say(peer, "def");
    scenario_run(&s, TERN_S);
    seen_is(call, "");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "body def | done");
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    scenario_close(&s);
}

/* Promise 6: while it is paused nothing is read, nothing wakes, and others go on. */
static void test_paused_call_costs_nothing(void **state)
{
    static char bulk[100000];
    struct simio_counts before, after;
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call, *other;

    (void)state;
    scenario_open(&s, NULL);
    call = get_pausing(&s, "body");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 200001\r\n\r\nx");
    scenario_run(&s, 0);
    simio_say_bytes(peer, bulk, sizeof(bulk));
    simio_say_bytes(peer, bulk, sizeof(bulk));
    scenario_run(&s, TERN_S);
    before = simio_counts(s.sim);
    scenario_run(&s, 10000 * TERN_S);
    after = simio_counts(s.sim);
    assert_int_equal(after.recvs, before.recvs);
    assert_true(after.waits - before.waits < 10);
    other = scenario_get(&s, "http://a.test/");
    simio_say(scenario_accept(&s), NO_CONTENT);
    scenario_run(&s, 0);
    seen_is(other, "head 204 | done");
    seen_is(call, "head 200 | body x");
    call->hook = NULL;
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "body 200000 bytes | done");
    scenario_close(&s);
}

static void test_pause_before_there_is_a_connection(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_start_only(&s, &(struct tern_request){.url = URL});
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    simio_say(scenario_accept(&s), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    scenario_run(&s, 1000 * TERN_S);
    seen_is(call, "");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_cancel_of_a_paused_call(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = get_pausing(&s, "body");
    peer = scenario_accept(&s);
    simio_recv_max(peer, 41);
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
    scenario_run(&s, 0);
    assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer));
    assert_int_equal(call->result.fault.error, TERN_ECANCELLED);
    scenario_close(&s);
}

/* ---- windows ---- */

static const struct tern_client_config window_of_8 = {.limits = {.body_window_bytes = 8}};

static void windowed(const char *wire, size_t recv_max)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    uint64_t recvs;

    scenario_open(&s, &window_of_8);
    call = scenario_start(&s, &(struct tern_request){.url = URL, .credit = true});
    peer = scenario_accept(&s);
    simio_recv_max(peer, recv_max);
    simio_say(peer, wire);
    scenario_run(&s, 1000 * TERN_S); /* the peer is not slow: it is not listened to */
    seen_is(call, "head 200 | body 01234567");
    recvs = simio_counts(s.sim).recvs;
    simio_say(peer, "");
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_counts(s.sim).recvs, recvs);
    assert_int_equal(tern_call_credit(s.engine, call->id, 9), TERN_EINVAL);
    assert_int_equal(tern_call_credit(s.engine, call->id, 3), TERN_OK);
    seen_is(call, "");
    scenario_run(&s, TERN_S);
    seen_is(call, "body 89a");
    assert_int_equal(tern_call_credit(s.engine, call->id, 1), TERN_OK);
    assert_int_equal(tern_call_credit(s.engine, call->id, 1), TERN_OK);
    scenario_run(&s, TERN_S);
    seen_is(call, "body bc");
    assert_int_equal(tern_call_credit(s.engine, call->id, 8), TERN_OK);
    scenario_run(&s, TERN_S);
    seen_is(call, "body def | done");
    assert_int_equal(tern_call_credit(s.engine, call->id, 3), TERN_EGONE);
    assert_int_equal(call->result.received_body_bytes, 16);
    scenario_close(&s);
}

static void test_window_bounds_what_is_owed(void **state)
{
    static const char fixed[] = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0123456789abcdef";
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5\r\n01234\r\n3\r\n567\r\n8\r\n89abcdef\r\n0\r\n\r\n";

    (void)state;
    for (size_t recv_max = 1; recv_max < 100; recv_max++) {
        windowed(fixed, recv_max);
        windowed(chunked, recv_max);
    }
}

static void credit_in_hook(struct seen *seen, const char *event)
{
    if (strcmp(event, "body") == 0)
        assert_int_equal(tern_call_credit(seen->scenario->engine, seen->id, 1), TERN_OK);
}

static void test_credit_from_inside_the_body(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &window_of_8);
    call = scenario_start_only(&s, &(struct tern_request){.url = URL, .credit = true});
    call->hook = credit_in_hook;
    scenario_run(&s, 0);
    simio_say(scenario_accept(&s), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200 | body 0123456789 | done");
    scenario_close(&s);
}

/* ---- limits on what a peer may send ---- */

static void limited(const struct tern_request *request, const char *wire, const char *expected, const char *words)
{
    const struct tern_client_config tight = {
        .limits = {.informational_max = 2, .head_fields_max = 3, .head_line_bytes_max = 40, .head_bytes_max = 100}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    scenario_open(&s, &tight);
    call = scenario_start(&s, request);
    peer = scenario_accept(&s);
    simio_say(peer, wire);
    scenario_run(&s, 0);
    seen_is(call, expected);
    if (strstr(call->result.fault.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", call->result.fault.text, words);
    assert_int_equal(simio_is_closed(peer), call->result.fault.error != TERN_OK);
    scenario_close(&s);
}

static void test_caps_on_heads_name_the_limit(void **state)
{
    static const struct tern_request get = {.url = {"http://a.test/", 14}};

    (void)state;
    limited(&get, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
            "informational 100 | informational 102 | head 204 | done", "");
    limited(&get, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\n\r\n",
            "informational 100 | informational 102 | done EHEAD_MAX WAIT", "informational_max 2");
    limited(&get, "HTTP/1.1 204 N\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", "head 204 | done", "");
    limited(&get, "HTTP/1.1 204 N\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", "done EHEAD_MAX WAIT", "head_fields_max 3");
    limited(&get, "HTTP/1.1 204 N\r\nA: 0123456789012345678901234567890123456789\r\n\r\n", "done EHEAD_MAX WAIT",
            "head_line_bytes_max 40");
    limited(&get,
            "HTTP/1.1 204 N\r\nA: 012345678901234567890123456789\r\nB: 012345678901234567890123456789\r\nC: "
            "0123456789\r\n\r\n",
            "done EHEAD_MAX WAIT", "head_bytes_max 100");
}

static void test_body_bytes_max(void **state)
{
    const struct tern_request five = {.url = URL, .body_bytes_max = 5},
                              head = {.url = URL, .method = TERN_STR("HEAD"), .body_bytes_max = 5};

    (void)state;
    limited(&five, "HTTP/1.1 200 O\r\nContent-Length: 5\r\n\r\n12345", "head 200 | body 12345 | done", "");
    limited(&five, "HTTP/1.1 200 O\r\nContent-Length: 6\r\n\r\n", "head 200 | done EBODY_MAX READ",
            "response body: 6 bytes or more, body_bytes_max is 5");
    limited(&five, "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456\r\n0\r\n\r\n",
            "head 200 | body 123 | done EBODY_MAX READ", "body_bytes_max is 5");
    limited(&five, "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
            "head 200 | body 12345 | done", "");
    /* Lengths of bodies that do not come (RFC 9110 8.6). */
    limited(&head, "HTTP/1.1 200 O\r\nContent-Length: 999999999\r\n\r\n", "head 200 | done", "");
    limited(&five, "HTTP/1.1 304 N\r\nContent-Length: 999999999\r\n\r\n", "head 304 | done", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_function_from_any_callback),     cmocka_unit_test(test_stale_handles_are_harmless),
        cmocka_unit_test(test_pause_in_head_and_in_body),          cmocka_unit_test(test_paused_call_costs_nothing),
        cmocka_unit_test(test_pause_before_there_is_a_connection), cmocka_unit_test(test_cancel_of_a_paused_call),
        cmocka_unit_test(test_window_bounds_what_is_owed),         cmocka_unit_test(test_credit_from_inside_the_body),
        cmocka_unit_test(test_caps_on_heads_name_the_limit),       cmocka_unit_test(test_body_bytes_max),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
