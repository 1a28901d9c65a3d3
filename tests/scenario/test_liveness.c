/* HTTP/2 peers that fall silent: asked by one PING, and left when they do not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/h2_rig.h"
#include "tests/support/scenario.h"

static const struct tern_client_config h2 = {.http_mode = TERN_HTTP_MODE_2_ONLY};

#define PREFACE_BYTES 24
#define HEADER_BYTES 9

/* How many frames of type the client has written on this connection. */
static int sent(struct simio_peer *peer, uint8_t type)
{
    struct tern_str heard = simio_heard(peer);
    const uint8_t *bytes = (const uint8_t *)heard.ptr;
    int count = 0;

    for (size_t at = PREFACE_BYTES; at + HEADER_BYTES <= heard.len;) {
        count += bytes[at + 3] == type;
        at += HEADER_BYTES + ((size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2]);
    }
    return count;
}

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

static void greet(struct simio_peer *peer)
{
    struct tern_buf out = frames();

    h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    say(peer, &out);
}

static void head(struct simio_peer *peer, int32_t id)
{
    struct tern_buf out = frames();

    h2_put_head(&out, id, H2_END_HEADERS, ":status: 200\n");
    say(peer, &out);
}

static void data(struct simio_peer *peer, int32_t id, uint8_t flags)
{
    struct tern_buf out = frames();

    h2_put_data(&out, id, flags, "hi");
    say(peer, &out);
}

static void answer(struct simio_peer *peer, int32_t id)
{
    head(peer, id);
    data(peer, id, H2_END_STREAM);
}

static void ack(struct simio_peer *peer)
{
    struct tern_buf out = frames();

    h2_put(&out, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "\0\0\0\0\0\0\0\0", 8);
    say(peer, &out);
}

static struct tern_request request_of(const char *method)
{
    return (struct tern_request){.url = TERN_STR("http://a.test/"), .method = tern_str(method)};
}

/* A connection that has carried a call, and is idle. */
static struct simio_peer *warm(struct scenario *s)
{
    struct seen *call = scenario_get(s, "http://a.test/");
    struct simio_peer *peer = scenario_accept(s);

    greet(peer);
    answer(peer, 1);
    scenario_run(s, 0);
    seen_is(call, "head 200 | body hi | done");
    return peer;
}

static void test_silence_is_asked_and_then_death(void **state)
{
    struct tern_request post = request_of("POST");
    struct scenario s;
    struct simio_peer *peer, *other;
    struct seen *get, *posted;

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    get = scenario_get(&s, "http://a.test/");
    posted = scenario_start(&s, &post);
    scenario_run(&s, 3 * TERN_S - 1);
    assert_int_equal(sent(peer, NGHTTP2_PING), 0);
    scenario_run(&s, 1);
    assert_int_equal(sent(peer, NGHTTP2_PING), 1);
    scenario_run(&s, 2 * TERN_S - 1);
    seen_is(get, "");
    scenario_run(&s, 1);
    seen_is(posted, "done EPEER_DEAD WAIT"); /* it may have been processed */
    assert_int_equal(posted->result.replay, TERN_REPLAY_STALE);
    assert_true(simio_is_closed(peer));
    other = scenario_accept(&s); /* the GET goes elsewhere */
    greet(other);
    answer(other, 1);
    scenario_run(&s, 0);
    seen_is(get, "head 200 | body hi | done");
    assert_int_equal(get->result.attempt, 2);
    assert_int_equal(scenario_stats(&s).connections_dead, 1);
    scenario_close(&s);
}

static void test_an_acknowledgement_is_enough_once(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    call = scenario_get(&s, "http://a.test/");
    scenario_run(&s, 3 * TERN_S);
    assert_int_equal(sent(peer, NGHTTP2_PING), 1);
    ack(peer);
    scenario_run(&s, 20 * TERN_S);
    assert_int_equal(sent(peer, NGHTTP2_PING), 1); /* no other: nothing has come that a server would count */
    seen_is(call, "");
    head(peer, 3);
    scenario_run(&s, 3 * TERN_S);
    assert_int_equal(sent(peer, NGHTTP2_PING), 2);
    data(peer, 3, H2_END_STREAM); /* a sign of life as good as the acknowledgement */
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_bytes_put_death_off(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    call = scenario_get(&s, "http://a.test/");
    head(peer, 3);
    scenario_run(&s, 3 * TERN_S);
    for (int i = 0; i < 5; i++) { /* the acknowledgement is stuck behind them */
        scenario_run(&s, 2 * TERN_S - 1);
        data(peer, 3, 0);
        scenario_run(&s, 0);
    }
    assert_int_equal(sent(peer, NGHTTP2_PING), 1);
    assert_false(simio_is_closed(peer));
    scenario_run(&s, 2 * TERN_S);
    assert_true(simio_is_closed(peer));
    seen_is(call, "head 200 | body hihihihihi | done EPEER_DEAD READ");
    scenario_close(&s);
}

static void test_new_calls_go_elsewhere_while_a_peer_is_asked(void **state)
{
    struct scenario s;
    struct simio_peer *peer, *other;
    struct seen *first, *second, *third;

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    first = scenario_get(&s, "http://a.test/");
    scenario_run(&s, 3 * TERN_S);
    second = scenario_get(&s, "http://a.test/");
    other = scenario_accept(&s);
    greet(other);
    answer(other, 1);
    ack(peer);
    scenario_run(&s, 0);
    seen_is(second, "head 200 | body hi | done");
    third = scenario_get(&s, "http://a.test/"); /* the first is trusted again, and has most room or not: both will do */
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    answer(peer, 3);
    answer(sent(peer, NGHTTP2_HEADERS) == 3 ? peer : other, sent(peer, NGHTTP2_HEADERS) == 3 ? 5 : 3);
    scenario_run(&s, 0);
    seen_is(first, "head 200 | body hi | done");
    seen_is(third, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_a_long_idle_connection_is_asked_with_its_next_call(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    scenario_run(&s, 3 * TERN_S - 1);
    call = scenario_get(&s, "http://a.test/");
    assert_int_equal(sent(peer, NGHTTP2_PING), 0);
    answer(peer, 3);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_run(&s, 3 * TERN_S);
    assert_int_equal(sent(peer, NGHTTP2_PING), 0); /* not while it is idle */
    call = scenario_get(&s, "http://a.test/");
    assert_int_equal(sent(peer, NGHTTP2_PING), 1);
    scenario_run(&s, 2 * TERN_S); /* dead sooner than by silence */
    assert_true(simio_is_closed(peer));
    peer = scenario_accept(&s);
    greet(peer);
    answer(peer, 1);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_a_timed_out_stream_asks(void **state)
{
    struct scenario s;
    struct simio_peer *peer, *other;
    struct tern_request request = request_of("GET");
    struct tern_timeouts second = {.total_ns = TERN_S};
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    request.timeouts = &second;
    call = scenario_start(&s, &request);
    scenario_run(&s, TERN_S);
    seen_is(call, "done EDEADLINE WAIT");
    assert_int_equal(sent(peer, NGHTTP2_PING), 1);
    call = scenario_get(&s, "http://a.test/"); /* not to a peer in doubt */
    other = scenario_accept(&s);
    greet(other);
    answer(other, 1);
    scenario_run(&s, 2 * TERN_S);
    seen_is(call, "head 200 | body hi | done");
    assert_true(simio_is_closed(peer));
    assert_false(simio_is_closed(other));
    scenario_close(&s);
}

static void test_a_peer_that_answers_after_a_timeout_is_kept(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct tern_request request = request_of("GET");
    struct tern_timeouts second = {.total_ns = TERN_S};

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    request.timeouts = &second;
    scenario_start(&s, &request);
    scenario_run(&s, TERN_S);
    ack(peer);
    scenario_run(&s, 0);
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    request.timeouts = NULL;
    scenario_start(&s, &request);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    assert_int_equal(sent(peer, NGHTTP2_HEADERS), 3);
    scenario_close(&s);
}

static void test_off_is_off(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(
        &s, &(struct tern_client_config){.http_mode = TERN_HTTP_MODE_2_ONLY, .limits = {.h2_quiet_ns = TERN_OFF}});
    peer = warm(&s);
    call = scenario_get(&s, "http://a.test/");
    scenario_run(&s, 60 * TERN_S);
    seen_is(call, "done EREAD_TIMEOUT WAIT");
    assert_int_equal(sent(peer, NGHTTP2_PING), 0);
    scenario_close(&s);
}

/* A peer that takes nothing does not see the question: what it takes of an upload shows that it lives. */
static void test_an_upload_that_moves_is_a_sign_of_life(void **state)
{
    static uint8_t bytes[64 << 10];
    struct scenario s;
    struct simio_peer *peer;
    struct tern_request request = request_of("POST");
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2);
    peer = warm(&s);
    simio_window(peer, 4096);
    request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = bytes, .length = sizeof(bytes)};
    call = scenario_start(&s, &request);
    scenario_run(&s, 3 * TERN_S); /* the question waits behind the upload */
    for (int i = 0; i < 6; i++) {
        scenario_run(&s, 2 * TERN_S - 1);
        simio_window(peer, 4096);
        scenario_run(&s, 0);
    }
    seen_is(call, "");
    scenario_run(&s, 2 * TERN_S);
    seen_is(call, "done EPEER_DEAD WRITE");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence_is_asked_and_then_death),
        cmocka_unit_test(test_an_acknowledgement_is_enough_once),
        cmocka_unit_test(test_bytes_put_death_off),
        cmocka_unit_test(test_new_calls_go_elsewhere_while_a_peer_is_asked),
        cmocka_unit_test(test_a_long_idle_connection_is_asked_with_its_next_call),
        cmocka_unit_test(test_a_timed_out_stream_asks),
        cmocka_unit_test(test_a_peer_that_answers_after_a_timeout_is_kept),
        cmocka_unit_test(test_off_is_off),
        cmocka_unit_test(test_an_upload_that_moves_is_a_sign_of_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
