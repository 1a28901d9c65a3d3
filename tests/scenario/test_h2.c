/* HTTP/2 through the whole client: one connection for many calls, and what becomes of them when it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/h2_rig.h"
#include "tests/support/scenario.h"

#define REFUSED_STREAM 7
#define MAX_CONCURRENT_STREAMS 3

static const struct tern_client_config h2 = {.http_mode = TERN_HTTP_MODE_2_ONLY};
static const struct tern_client_config unasked = {.http_mode = TERN_HTTP_MODE_2_ONLY,
                                                  .limits = {.h2_quiet_ns = TERN_OFF}};

static void say(struct simio_peer *peer, struct tern_buf *frames)
{
    simio_say_bytes(peer, frames->data + frames->head, frames->len);
    tern_buf_deinit(frames);
}

static struct tern_buf frames(void)
{
    struct tern_buf buf;

    tern_buf_init(&buf, 1 << 20);
    return buf;
}

/* The server's SETTINGS. */
static void greet(struct simio_peer *peer, uint32_t streams_max)
{
    struct tern_buf out = frames();

    if (streams_max != 0)
        h2_put_setting(&out, MAX_CONCURRENT_STREAMS, streams_max);
    else
        h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    say(peer, &out);
}

static void answer(struct simio_peer *peer, int32_t id, const char *body)
{
    struct tern_buf out = frames();

    h2_put_head(&out, id, H2_END_HEADERS, ":status: 200\n");
    h2_put_data(&out, id, H2_END_STREAM, body);
    say(peer, &out);
}

static struct tern_request request_of(const char *method)
{
    return (struct tern_request){.url = TERN_STR("http://a.test/"), .method = tern_str(method)};
}

static void test_calls_share_a_connection(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *calls[5];

    (void)state;
    scenario_open(&s, &h2);
    for (int i = 0; i < 5; i++) {
        struct tern_request request = request_of("GET");

        calls[i] = scenario_start_only(&s, &request);
    }
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    greet(peer, 0);
    for (int i = 4; i >= 0; i--)
        answer(peer, 2 * i + 1, "hi");
    scenario_run(&s, 0);
    for (int i = 0; i < 5; i++) {
        seen_is(calls[i], "head 200 | body hi | done");
        assert_int_equal(calls[i]->result.version, TERN_HTTP_2);
        assert_int_equal(calls[i]->result.reused, i > 0);
    }
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1); /* a burst dials once */
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    scenario_close(&s);
}

/* A burst on an idle connection finds it, all of it: the first of the calls shares it at once. */
static void test_burst_on_an_idle_connection(void **state)
{
    struct tern_request request = request_of("GET");
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, &h2);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    answer(peer, 1, "hi");
    scenario_run(&s, 0);
    for (int i = 0; i < 5; i++)
        scenario_start_only(&s, &request);
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    scenario_close(&s);
}

/* Who wants a fresh connection is dialled for as soon as there is room, though another call takes the idle one in the
 * very turn in which that shows. */
static void test_a_fresh_call_beside_one_that_takes_the_idle_connection(void **state)
{
    static const struct tern_client_config config = {.http_mode = TERN_HTTP_MODE_2_ONLY,
                                                     .limits = {.connections_per_host_max = 3}};
    struct tern_request fresh = request_of("GET"), usual = request_of("GET");
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    fresh.fresh_connection = true;
    scenario_open(&s, &config);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    answer(peer, 1, "hi");
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_idle, 1);

    scenario_start_only(&s, &fresh);
    scenario_start_only(&s, &fresh); /* waits for what the first one's dial brings */
    for (int turns = 0; simio_connects(s.sim, SCENARIO_ADDRESS) < 2; turns++) {
        assert_true(turns < 100);
        assert_int_equal(tern_engine_step(s.engine), TERN_OK);
    }
    scenario_start_only(&s, &usual); /* begins in the turn that finds the second connection there */
    scenario_run(&s, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 3);
    scenario_close(&s);
}

static void test_no_more_streams_than_the_peer_allows(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *calls[3];

    (void)state;
    scenario_open(&s,
                  &(struct tern_client_config){.http_mode = TERN_HTTP_MODE_2_ONLY, .limits = {.connections_max = 1}});
    calls[0] = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 1);
    scenario_run(&s, 0);
    calls[1] = scenario_get(&s, "http://a.test/");
    calls[2] = scenario_get(&s, "http://a.test/");
    assert_int_equal(scenario_stats(&s).calls_waiting, 2);
    for (int i = 0; i < 3; i++) {
        answer(peer, 2 * i + 1, "hi");
        scenario_run(&s, 0);
        seen_is(calls[i], "head 200 | body hi | done");
    }
    scenario_close(&s);
}

static void test_further_connection_when_streams_run_out(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2);
    scenario_get(&s, "http://a.test/");
    greet(scenario_accept(&s), 1);
    scenario_run(&s, 0);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    answer(peer, 1, "hi");
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* RFC 9113 6.8: what is above the last stream was not processed: any method goes again, elsewhere; the rest finish. */
static void test_goaway_drains(void **state)
{
    struct tern_request post = request_of("POST");
    struct scenario s;
    struct simio_peer *peer, *second;
    struct seen *first, *above;
    struct tern_buf out = frames();

    (void)state;
    scenario_open(&s, &h2);
    first = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    above = scenario_start(&s, &post);
    h2_put_goaway(&out, 1, 0, "bye");
    say(peer, &out);
    scenario_run(&s, 0);
    second = scenario_accept(&s);
    greet(second, 0);
    answer(second, 1, "again");
    answer(peer, 1, "hi");
    scenario_run(&s, 0);
    seen_is(first, "head 200 | body hi | done");
    seen_is(above, "head 200 | body again | done");
    assert_int_equal(above->result.attempt, 2);
    assert_true(simio_is_closed(peer));
    scenario_close(&s);
}

static void test_refused_stream_goes_again(void **state)
{
    struct tern_request post = request_of("POST");
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    struct tern_buf out = frames();

    (void)state;
    scenario_open(&s, &h2);
    call = scenario_start(&s, &post);
    peer = scenario_accept(&s);
    greet(peer, 0);
    h2_put_u32(&out, NGHTTP2_RST_STREAM, 1, REFUSED_STREAM);
    say(peer, &out);
    scenario_run(&s, 0);
    answer(peer, 3, "hi");
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 2);
    scenario_close(&s);
}

/* Promise 6. */
static void test_paused_call_stalls_nobody(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *paused, *other;

    (void)state;
    scenario_open(&s, &unasked);
    paused = scenario_get(&s, "http://a.test/");
    other = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    scenario_run(&s, 0);
    assert_int_equal(tern_call_pause(s.engine, paused->id), TERN_OK);
    answer(peer, 1, "held");
    answer(peer, 3, "hi");
    scenario_run(&s, 1000 * TERN_S);
    seen_is(other, "head 200 | body hi | done");
    assert_int_equal(paused->dones, 0);
    assert_int_equal(tern_call_resume(s.engine, paused->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(paused, "head 200 | body held | done");
    scenario_close(&s);
}

/* Silence of one stream is not hidden by another's chatter. */
static void test_limits_are_each_streams_own(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *silent, *other;

    (void)state;
    scenario_open(&s, &unasked);
    silent = scenario_get(&s, "http://a.test/");
    other = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    scenario_run(&s, 0);
    for (int i = 0; i < 2; i++) {
        struct tern_buf out = frames();

        scenario_run(&s, 30 * TERN_S - 1);
        if (i == 0)
            h2_put_head(&out, 3, H2_END_HEADERS, ":status: 200\n");
        else
            h2_put_data(&out, 3, 0, "x");
        say(peer, &out);
        scenario_run(&s, 1);
    }
    seen_is(silent, "done EREAD_TIMEOUT WAIT");
    seen_is(other, "head 200 | body x");
    answer(peer, 1, "late"); /* of the stream that was reset: ignored */
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_active, 1);
    scenario_close(&s);
}

/* A peer that opens no window takes nothing, though the socket would. */
static void test_upload_without_window_meets_the_write_limit(void **state)
{
    static char body[100000];
    struct tern_request post = request_of("POST");
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    struct tern_buf out = frames();

    (void)state;
    post.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof(body)};
    scenario_open(&s, &unasked);
    call = scenario_start(&s, &post);
    peer = scenario_accept(&s);
    greet(peer, 0);
    scenario_run(&s, 9 * TERN_S);
    h2_put_u32(&out, NGHTTP2_WINDOW_UPDATE, 0, 1000);
    h2_put_u32(&out, NGHTTP2_WINDOW_UPDATE, 1, 1000); /* it took some: the gap begins anew */
    say(peer, &out);
    scenario_run(&s, 10 * TERN_S - 1);
    seen_is(call, "");
    scenario_run(&s, 1);
    seen_is(call, "done EWRITE_TIMEOUT WRITE");
    assert_int_equal(call->result.sent_body_bytes, 65535 + 1000);
    scenario_close(&s);
}

static void test_cancel_leaves_the_others(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *first, *second;

    (void)state;
    scenario_open(&s, &h2);
    first = scenario_get(&s, "http://a.test/");
    second = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    scenario_run(&s, 0);
    simio_forget(peer);
    assert_int_equal(tern_call_cancel(s.engine, first->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(first, "done ECANCELLED WAIT");
    assert_true(simio_heard(peer).len > 0); /* RST_STREAM */
    answer(peer, 3, "hi");
    scenario_run(&s, 0);
    seen_is(second, "head 200 | body hi | done");
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    scenario_close(&s);
}

/* A kept connection that dies under calls before a byte of theirs: the ledger holds for each. */
static void test_connection_that_dies(void **state)
{
    struct tern_request post = request_of("POST");
    struct scenario s;
    struct simio_peer *peer;
    struct seen *warm, *get, *other;

    (void)state;
    scenario_open(&s, &h2);
    warm = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    answer(peer, 1, "hi");
    scenario_run(&s, 0);
    seen_is(warm, "head 200 | body hi | done");
    get = scenario_get(&s, "http://a.test/");
    other = scenario_start(&s, &post);
    simio_reset(peer);
    scenario_run(&s, 0);
    seen_is(other, "done EPEER_RESET WAIT");
    peer = scenario_accept(&s);
    greet(peer, 0);
    answer(peer, 1, "again");
    scenario_run(&s, 0);
    seen_is(get, "head 200 | body again | done");
    scenario_close(&s);
}

static void test_idle_connection_answers_pings_and_expires(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    struct tern_buf out = frames();

    (void)state;
    scenario_open(&s, &h2);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    answer(peer, 1, "hi");
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200 | body hi | done");
    simio_forget(peer);
    h2_put(&out, NGHTTP2_PING, 0, 0, "12345678", 8);
    say(peer, &out);
    scenario_run(&s, TERN_S);
    assert_int_equal(simio_heard(peer).len, 9 + 8); /* its acknowledgement */
    scenario_run(&s, 30 * TERN_S);
    assert_true(simio_is_closed(peer));
    scenario_close(&s);
}

/* A goodbye while nothing runs: the next call must not meet that connection. */
static void test_goaway_while_idle(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    struct tern_buf out = frames();

    (void)state;
    scenario_open(&s, &h2);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    greet(peer, 0);
    answer(peer, 1, "hi");
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    h2_put_goaway(&out, 1, 0, "bye");
    say(peer, &out);
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer));
    assert_int_equal(scenario_stats(&s).connections_idle, 0);
    scenario_close(&s);
}

/* Not HTTP/2 at all. */
static void test_alien_peer(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2);
    call = scenario_get(&s, "http://a.test/");
    simio_say(scenario_accept(&s), "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "done EPROTO_VERSION WAIT");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_share_a_connection),
        cmocka_unit_test(test_burst_on_an_idle_connection),
        cmocka_unit_test(test_a_fresh_call_beside_one_that_takes_the_idle_connection),
        cmocka_unit_test(test_no_more_streams_than_the_peer_allows),
        cmocka_unit_test(test_further_connection_when_streams_run_out),
        cmocka_unit_test(test_goaway_drains),
        cmocka_unit_test(test_refused_stream_goes_again),
        cmocka_unit_test(test_paused_call_stalls_nobody),
        cmocka_unit_test(test_limits_are_each_streams_own),
        cmocka_unit_test(test_upload_without_window_meets_the_write_limit),
        cmocka_unit_test(test_cancel_leaves_the_others),
        cmocka_unit_test(test_connection_that_dies),
        cmocka_unit_test(test_idle_connection_answers_pings_and_expires),
        cmocka_unit_test(test_goaway_while_idle),
        cmocka_unit_test(test_alien_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
