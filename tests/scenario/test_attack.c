/* What a peer, a user or a fork can do at the worst moment: each case broke something once, or would if a check were gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* One call, answered; the peer of its connection. */
static struct simio_peer *warm_up(struct scenario *s)
{
    struct seen *call = scenario_get(s, "http://a.test/");
    struct simio_peer *peer = scenario_accept(s);

    simio_say(peer, OK_HI);
    scenario_run(s, 0);
    seen_is(call, "head 200 | body hi | done");
    simio_forget(peer);
    return peer;
}

/* ---- what comes together with an answer, or right behind it ---- */

/* No second event tells of an end that came with the answer: the connection must not be kept as if it lived. */
static void test_end_in_the_same_packet_as_the_answer(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say_and_end(peer, OK_HI);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    assert_true(simio_is_closed(peer));
    assert_int_equal(scenario_stats(&s).connections_idle, 0);
    scenario_close(&s);
}

/* The answer fills one read to the last byte, and a second one that nobody asked for stands behind it. */
static void test_answer_nobody_asked_for_behind_a_full_read(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    size_t len = TERN_ENGINE_SCRATCH_BYTES, head;
    char *said = malloc(len + sizeof(OK_HI));

    (void)state;
    assert_non_null(said);
    memset(said, 'x', len);
    head = (size_t)snprintf(said, len, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len - 42);
    said[head] = 'x';
    assert_int_equal(head, 42);
    memcpy(said + len, OK_HI, sizeof(OK_HI));

    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say_bytes(peer, said, len + strlen(OK_HI));
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body 65494 bytes | done");
    assert_true(simio_is_closed(peer));
    scenario_close(&s);
    free(said);
}

static void pause_on_head(struct seen *seen, const char *event)
{
    if (strcmp(event, "head") == 0)
        assert_int_equal(tern_call_pause(seen->scenario->engine, seen->id), TERN_OK);
}

/* The peer refuses the upload and goes away; its answer is here, but its reader has paused. */
static void test_early_answer_outlives_the_peer_while_paused(void **state)
{
    static char body[1 << 20];
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    simio_window_all(s.sim, 1000);
    call = scenario_start_only(
        &s, &(struct tern_request){.method = TERN_STR("POST"),
                                   .url = TERN_STR("http://a.test/"),
                                   .body = {.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof(body)},
                                   .expect = TERN_EXPECT_NEVER});
    call->hook = pause_on_head;
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    simio_say(peer, OK_HI);
    simio_reset(peer);
    scenario_run(&s, 0);
    seen_is(call, "");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "head 200");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "body hi | done");
    scenario_close(&s);
}

/* ---- limits and times at their ends ---- */

static void test_times_next_to_the_largest_number(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct tern_client_config config = {.timeouts = {.pool_ns = TERN_OFF - 1,
                                                     .connect_ns = TERN_OFF - 1,
                                                     .write_ns = TERN_OFF - 1,
                                                     .read_ns = TERN_OFF - 1,
                                                     .head_ns = TERN_OFF - 1,
                                                     .total_ns = TERN_OFF - 1,
                                                     .continue_ns = TERN_OFF - 1,
                                                     .low_speed_ns = TERN_OFF - 1,
                                                     .low_speed_bytes_per_s = 1},
                                        .limits = {.idle_ns = TERN_OFF - 1, .connection_age_ns = TERN_OFF - 1}};

    (void)state;
    scenario_open(&s, &config);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, 3600 * TERN_S);
    scenario_get(&s, "http://a.test/");
    scenario_run(&s, 3600 * TERN_S);
    peer = scenario_accept(&s);
    simio_say(peer, OK_EMPTY);
    scenario_run(&s, 3600 * TERN_S);
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    scenario_close(&s);
}

/* A connection that was dialled for a call which something else has served is idle like any other. */
static void test_connection_that_nobody_waited_for_expires(void **state)
{
    struct scenario s;
    struct simio_peer *first, *second;
    struct seen *a, *b;

    (void)state;
    scenario_open(&s, NULL);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, TERN_MS);
    a = scenario_get(&s, "http://a.test/");
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, TERN_S);
    b = scenario_get(&s, "http://a.test/");
    scenario_run(&s, TERN_MS);
    first = scenario_accept(&s);
    simio_say(first, OK_EMPTY);
    scenario_run(&s, 0);
    simio_say(first, OK_EMPTY);
    scenario_run(&s, TERN_S);
    seen_is(a, "head 200 | done");
    seen_is(b, "head 200 | done");
    second = scenario_accept(&s);
    assert_int_equal(scenario_stats(&s).connections_idle, 2);
    scenario_run(&s, 30 * TERN_S);
    assert_true(simio_is_closed(first));
    assert_true(simio_is_closed(second));
    scenario_close(&s);
}

/* The one place of the host is taken by a connection that the call may not use: it makes room. */
static void test_fresh_connection_takes_the_place_of_an_idle_one(void **state)
{
    struct scenario s;
    struct simio_peer *old;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.limits = {.connections_per_host_max = 1}});
    old = warm_up(&s);
    call = scenario_start(&s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .fresh_connection = true});
    assert_true(simio_is_closed(old));
    simio_say(scenario_accept(&s), OK_HI);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* The limits on heads do not shape a connection, so a call on a kept one is under its own. */
static void test_limits_of_a_call_hold_on_a_kept_connection(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    struct tern_fault why;

    (void)state;
    scenario_open(&s, NULL);
    peer = warm_up(&s);
    assert_int_equal(
        tern_client_configure(
            s.client, &(struct tern_client_config){.limits = {.head_fields_max = 1}, .dns = {.hosts_path = ""}}, &why),
        TERN_OK);
    call = scenario_get(&s, "http://a.test/");
    simio_say(peer, "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "done EHEAD_MAX WAIT");
    scenario_close(&s);
}

/* ---- cancelled from where it is told of itself ---- */

enum deed { CANCEL, CLOSE };

struct watcher {
    struct scenario *scenario;
    tern_call_id id;
    enum deed deed;
    int at;         /* does it in the callback of this number, from 1 */
    int told, done; /* callbacks so far; of those on_done */
    enum tern_error error;
};

static void tell(struct watcher *watcher)
{
    if (watcher->at > 0 && watcher->told >= watcher->at)
        fail_msg("callback %d came after the call was cancelled in callback %d", watcher->told + 1, watcher->at);
    if (++watcher->told != watcher->at)
        return;
    if (watcher->deed == CANCEL)
        assert_int_equal(tern_call_cancel(watcher->scenario->engine, watcher->id), TERN_OK);
    else
        tern_client_close(watcher->scenario->client, TERN_CLOSE_DROP);
}

static void on_trace(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text)
{
    (void)call, (void)kind, (void)text;
    tell(user);
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call, (void)head;
    tell(user);
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct watcher *watcher = user;

    (void)call;
    watcher->done++;
    watcher->error = result->fault.error;
}

/* The kept connection dies under the second request; the third one is answered. */
static void die_then_answer(struct simio_peer *peer, void *user)
{
    int *heard = user;

    if (++*heard == 2)
        simio_reset(peer);
    else
        simio_say(peer, OK_HI);
}

/* A call in which all that is traced happens, cancelled in the callback of number at. False: it has no such callback. */
static bool run_cancelled(enum deed deed, int at)
{
    static const struct tern_handlers handlers = {.on_head = on_head, .on_done = on_done, .on_trace = on_trace};
    struct scenario s;
    struct watcher watcher = {.scenario = &s, .deed = deed, .at = at};
    struct tern_fault why;
    int heard = 0;

    scenario_open(&s, NULL);
    simio_refuse(s.sim, "192.0.2.2:80");
    simio_connect_fails(s.sim, "192.0.2.3:80", 101);
    simio_serve(s.sim, SCENARIO_ADDRESS, die_then_answer, &heard);
    scenario_get(&s, "http://a.test/");
    fakedns_answer(s.servers, "b.test", "192.0.2.2 192.0.2.3 192.0.2.1", 60);
    for (int round = 0; round < 2; round++) {
        const char *url = round == 0 ? "http://a.test/" : "http://b.test/";

        if (watcher.done > 0 && (at <= watcher.told))
            break;
        watcher.done = 0;
        assert_int_equal(tern_call_start(s.client, &(struct tern_request){.url = tern_str(url)}, &handlers, &watcher,
                                         &watcher.id, &why),
                         TERN_OK);
        simio_run(s.sim, TERN_S);
        assert_int_equal(watcher.done, 1);
    }
    if (at <= watcher.told)
        assert_int_equal(watcher.error, deed == CANCEL ? TERN_ECANCELLED : TERN_ESHUTDOWN);
    else
        assert_int_equal(watcher.error, TERN_OK);
    s.is_client_closed = deed == CLOSE && at <= watcher.told;
    if (!s.is_client_closed)
        tern_pool_check(&s.client->pool);
    scenario_close(&s);
    return at <= watcher.told;
}

static void test_cancelled_in_every_trace(void **state)
{
    int at = 1;

    (void)state;
    while (run_cancelled(CANCEL, at))
        at++;
    assert_true(at > 20);
}

static void test_client_closed_in_every_trace(void **state)
{
    int at = 1;

    (void)state;
    while (run_cancelled(CLOSE, at))
        at++;
    assert_true(at > 20);
}

static bool cancel_in_rewind(void *user)
{
    struct seen **call = user;

    assert_int_equal(tern_call_cancel((*call)->scenario->engine, (*call)->id), TERN_OK);
    return true;
}

static enum tern_read read_nothing(void *user, void *buffer, size_t capacity, size_t *n)
{
    (void)user, (void)buffer, (void)capacity, (void)n;
    return TERN_READ_END;
}

/* Asked whether its body can be had again, the user has had enough. */
static void test_cancelled_in_rewind(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    peer = warm_up(&s);
    call = scenario_start_only(&s, &(struct tern_request){.method = TERN_STR("PUT"),
                                                          .url = TERN_STR("http://a.test/"),
                                                          .body = {.kind = TERN_BODY_CALLBACK,
                                                                   .read = read_nothing,
                                                                   .rewind = cancel_in_rewind,
                                                                   .user = &call,
                                                                   .length = TERN_LENGTH_UNKNOWN},
                                                          .expect = TERN_EXPECT_NEVER});
    scenario_run(&s, 0);
    simio_end(peer);
    scenario_run(&s, 0);
    seen_is(call, "done ECANCELLED WAIT");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_in_the_same_packet_as_the_answer),
        cmocka_unit_test(test_answer_nobody_asked_for_behind_a_full_read),
        cmocka_unit_test(test_early_answer_outlives_the_peer_while_paused),
        cmocka_unit_test(test_times_next_to_the_largest_number),
        cmocka_unit_test(test_connection_that_nobody_waited_for_expires),
        cmocka_unit_test(test_fresh_connection_takes_the_place_of_an_idle_one),
        cmocka_unit_test(test_limits_of_a_call_hold_on_a_kept_connection),
        cmocka_unit_test(test_cancelled_in_every_trace),
        cmocka_unit_test(test_client_closed_in_every_trace),
        cmocka_unit_test(test_cancelled_in_rewind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
