/* What an HTTP/2 peer may change while calls run, and frames that it may not send: limits, windows, sizes, and what
 * stands on streams that are over or never were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/h2_script.h"

#define WINDOW_BYTES 65535 /* at the start (RFC 9113 6.9.2) */

static const struct tern_client_config one_connection = {
    .http_mode = TERN_HTTP_MODE_2_ONLY, .user_agent = "t", .limits = {.connections_max = 1}};

static void set(struct h2_script *peer, uint16_t setting, uint32_t value)
{
    h2_put_setting(&peer->out, setting, value);
    h2_script_say(peer);
}

/* Of what was written since the last time: the bytes of bodies. No frame of the client's is over 16,384 (the ear
 * asserts that). */
static size_t data_bytes(struct h2_script *peer)
{
    size_t sum = 0;

    for (const char *at = h2_script_heard(peer); (at = strstr(at, "DATA ")) != NULL; at++) {
        unsigned id, len;

        assert_int_equal(sscanf(at, "DATA %u %u", &id, &len), 2);
        sum += len;
    }
    return sum;
}

static struct seen *start_upload(struct scenario *s, size_t bytes)
{
    static char body[300000];
    struct tern_request request = {.url = TERN_STR("http://a.test/"), .method = TERN_STR("PUT")};

    assert_true(bytes <= sizeof(body));
    request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = body, .length = bytes};
    return scenario_start(s, &request);
}

/* ---- how many streams ---- */

static void test_streams_shrink_under_calls_and_come_back(void **state)
{
    struct h2_script peer;
    struct scenario s;
    struct seen *calls[5];

    (void)state;
    scenario_open(&s, &one_connection);
    for (int i = 0; i < 3; i++)
        calls[i] = scenario_get(&s, "http://a.test/");
    h2_script_open_with(&peer, &s, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3);
    set(&peer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    calls[3] = scenario_get(&s, "http://a.test/");
    calls[4] = scenario_get(&s, "http://a.test/");
    for (int i = 0; i < 2; i++) {
        h2_script_answer(&peer, 2 * i + 1, "hi");
        seen_is(calls[i], "head 200 | body hi | done"); /* those that run finish */
        assert_int_equal(scenario_stats(&s).calls_waiting, 2);
    }
    h2_script_heard(&peer);
    set(&peer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
    h2_script_hears_no(&peer, "HEADERS");
    set(&peer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2);
    h2_script_hears(&peer, "HEADERS 7");
    h2_script_answer(&peer, 5, "hi");
    seen_is(calls[2], "head 200 | body hi | done");
    h2_script_answer(&peer, 7, "hi");
    h2_script_answer(&peer, 9, "hi");
    seen_is(calls[3], "head 200 | body hi | done");
    seen_is(calls[4], "head 200 | body hi | done");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    h2_script_close(&peer);
    scenario_close(&s);
}

/* A kept connection that takes no stream is none for a new call. */
static void test_idle_connection_that_takes_no_stream(void **state)
{
    (void)state;
    for (int is_only = 0; is_only < 2; is_only++) {
        struct h2_script peer, second;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, is_only ? &one_connection : &h2_only);
        call = scenario_get(&s, "http://a.test/");
        h2_script_open(&peer, &s);
        h2_script_answer(&peer, 1, "hi");
        seen_is(call, "head 200 | body hi | done");
        set(&peer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
        h2_script_heard(&peer);
        call = scenario_get(&s, "http://a.test/");
        h2_script_hears_no(&peer, "HEADERS");
        h2_script_open(&second, &s); /* the other is of no use, so it is closed where there may be only one */
        h2_script_answer(&second, 1, "hi");
        seen_is(call, "head 200 | body hi | done");
        h2_script_close(&peer);
        h2_script_close(&second);
        scenario_close(&s);
    }
}

/* ---- windows ---- */

static void test_windows_shrink_below_what_is_sent(void **state)
{
    struct h2_script peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    call = start_upload(&s, 150000);
    h2_script_open(&peer, &s);
    assert_int_equal(data_bytes(&peer), WINDOW_BYTES);
    h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, 0, 1000000);
    set(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0); /* RFC 9113 6.9.2: the stream's window is -65535 */
    h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, 1, WINDOW_BYTES);
    h2_script_say(&peer);
    assert_int_equal(data_bytes(&peer), 0);
    h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, 1, 10);
    h2_script_say(&peer);
    assert_int_equal(data_bytes(&peer), 10);
    set(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000);
    assert_int_equal(data_bytes(&peer), 1000);
    set(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX);
    assert_int_equal(data_bytes(&peer), 150000 - WINDOW_BYTES - 1010);
    h2_script_answer(&peer, 1, "hi");
    seen_is(call, "head 200 | body hi | done");
    h2_script_close(&peer);
    scenario_close(&s);
}

/* RFC 9113 6.9.1: a window over 2^31-1 costs the stream, or the connection. */
static void test_windows_that_overflow(void **state)
{
    (void)state;
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *call, *other;

        scenario_open(&s, &h2_only);
        call = start_upload(&s, 150000);
        other = scenario_get(&s, "http://a.test/");
        h2_script_open(&peer, &s);
        h2_script_heard(&peer);
        h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, is_stream, INT32_MAX);
        h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, is_stream, 1);
        h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, is_stream, INT32_MAX);
        h2_script_say(&peer);
        h2_script_hears(&peer, is_stream ? "RST_STREAM 1 3\n" : "GOAWAY 0 3\n");
        seen_is(call, "done EPROTO WRITE");
        if (is_stream)
            h2_script_answer(&peer, 3, "hi");
        seen_is(other, is_stream ? "head 200 | body hi | done" : "done EPROTO WAIT");
        assert_int_equal(simio_is_closed(peer.peer), !is_stream);
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* ---- sizes ---- */

static void test_frame_sizes(void **state)
{
    static const struct {
        uint32_t max;
        bool is_valid; /* RFC 9113 6.5.2 */
    } cases[] = {{16383, false}, {16384, true}, {65536, true}, {16777215, true}, {16777216, false}, {0, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &h2_only);
        call = start_upload(&s, 150000);
        h2_script_open_with(&peer, &s, NGHTTP2_SETTINGS_MAX_FRAME_SIZE, cases[i].max);
        h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, 0, 1000000);
        h2_put_u32(&peer.out, NGHTTP2_WINDOW_UPDATE, 1, 1000000);
        h2_script_say(&peer);
        if (cases[i].is_valid) {
            assert_int_equal(data_bytes(&peer), 150000);
            h2_script_answer(&peer, 1, "hi");
        } else {
            h2_script_hears(&peer, "GOAWAY 0 1\n");
        }
        seen_is(call, cases[i].is_valid ? "head 200 | body hi | done" : "done EPROTO WRITE");
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* RFC 7541 4.2: heads are understood whatever the table's size, and however it changes. */
static void test_table_sizes(void **state)
{
    static const uint32_t sizes[] = {4096, 0, 0, 100, 65536, 0, 4096, 1};
    static const struct tern_field field = {TERN_STR("x-field"), TERN_STR("that is worth an index"), 0};
    struct tern_request request = {.url = TERN_STR("http://a.test/"), .fields = &field, .field_count = 1};
    struct h2_script peer;
    struct scenario s;
    struct seen *call;
    int32_t id = 1;

    (void)state;
    scenario_open(&s, &h2_only);
    call = scenario_start(&s, &request);
    h2_script_open_with(&peer, &s, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        h2_script_hears(&peer, "/ | user-agent: t | accept: */* | x-field: that is worth an index\n");
        h2_script_answer(&peer, id, "hi");
        seen_is(call, "head 200 | body hi | done");
        h2_put_setting(&peer.out, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0); /* twice in a turn, at times */
        set(&peer, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, sizes[i]);
        assert_int_equal(nghttp2_hd_inflate_change_table_size(peer.ear.inflater, sizes[i]), 0);
        call = scenario_start(&s, &request);
        id += 2;
    }
    h2_script_close(&peer);
    scenario_close(&s);
}

/* Extended CONNECT (RFC 8441) may be offered, and what nobody knows is nobody's business (RFC 9113 6.5.2). */
static void test_settings_that_change_nothing(void **state)
{
    struct h2_script peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    call = scenario_get(&s, "http://a.test/");
    h2_script_open_with(&peer, &s, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
    set(&peer, 0xfa11, 0xffffffff);
    set(&peer, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 1); /* advisory */
    h2_script_hears(&peer, "SETTINGS ACK\nSETTINGS ACK\n");
    h2_script_answer(&peer, 1, "hi");
    seen_is(call, "head 200 | body hi | done");
    h2_script_close(&peer);
    scenario_close(&s);
}

/* ---- frames where none belong ---- */

static void put_stray(struct h2_script *peer, int which, int32_t id)
{
    if (which == 0)
        h2_put_data(&peer->out, id, 0, "stray");
    else if (which == 1)
        h2_put_head(&peer->out, id, 0, ":status: 200");
    else if (which == 2)
        h2_put_u32(&peer->out, NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
    else
        h2_put_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, id, 1);
}

/* Behind the end of a stream that the client has reset, anything may be on its way (RFC 9113 5.1). */
static void test_frames_on_a_cancelled_stream(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *call, *other;

        scenario_open(&s, &h2_only);
        call = scenario_get(&s, "http://a.test/");
        other = scenario_get(&s, "http://a.test/");
        h2_script_open(&peer, &s);
        tern_call_cancel(s.engine, call->id);
        scenario_run(&s, 0);
        for (int i = 0; i < 3; i++)
            put_stray(&peer, which, 1);
        h2_script_answer(&peer, 3, "hi");
        seen_is(call, "done ECANCELLED WAIT");
        seen_is(other, "head 200 | body hi | done");
        assert_int_equal(scenario_stats(&s).connections_idle, 1);
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* Behind its own END_STREAM the peer may say RST_STREAM and WINDOW_UPDATE; a further message costs the connection (RFC
 * 9113 5.1), or is nobody's. In neither case is it anyone's answer. */
static void test_frames_behind_the_end(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *call, *other;

        scenario_open(&s, &h2_only);
        call = scenario_get(&s, "http://a.test/");
        other = scenario_get(&s, "http://a.test/");
        h2_script_open(&peer, &s);
        h2_script_answer(&peer, 1, "whole");
        put_stray(&peer, which, 1);
        h2_script_say(&peer);
        seen_is(call, "head 200 | body whole | done");
        if (which >= 2) {
            h2_script_answer(&peer, 3, "hi");
            seen_is(other, "head 200 | body hi | done");
        } else if (simio_is_closed(peer.peer)) {
            seen_is(other, "done EPROTO WAIT");
        } else {
            seen_is(other, "");
        }
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

static void test_frames_on_a_stream_that_never_was(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        for (int32_t id = 98; id < 100; id++) { /* the server's and the client's */
            struct h2_script peer;
            struct scenario s;
            struct seen *call;

            scenario_open(&s, &h2_only);
            call = scenario_get(&s, "http://a.test/");
            h2_script_open(&peer, &s);
            put_stray(&peer, which, id);
            h2_script_say(&peer);
            h2_script_hears(&peer, "GOAWAY 0 1\n");
            seen_is(call, "done EPROTO WAIT");
            assert_int_equal(call->result.replay, TERN_REPLAY_MAYBE);
            h2_script_close(&peer);
            scenario_close(&s);
        }
    }
}

/* RFC 9113 8.4: SETTINGS refuse it, from when they are acknowledged on; a stream that was promised before is reset. */
static void test_push_promise(void **state)
{
    (void)state;
    for (int acked = 0; acked < 2; acked++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &h2_only);
        call = scenario_get(&s, "http://a.test/");
        h2_script_open(&peer, &s);
        if (acked)
            h2_put(&peer.out, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
        h2_put(&peer.out, NGHTTP2_PUSH_PROMISE, H2_END_HEADERS, 1, "\0\0\0\2\x82\x84\x87", 7);
        h2_put_head(&peer.out, 2, 0, ":status: 200");
        h2_put_data(&peer.out, 2, H2_END_STREAM, "pushed");
        h2_script_say(&peer);
        h2_script_hears(&peer, acked ? "GOAWAY 0 1\n" : "RST_STREAM 2 8\n");
        if (!acked)
            h2_script_answer(&peer, 1, "hi");
        seen_is(call, acked ? "done EPROTO WAIT" : "head 200 | body hi | done");
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* ---- heads over many frames ---- */

static void put_long_head(struct h2_script *peer, int continuations)
{
    struct tern_buf block;

    tern_buf_init(&block, SIZE_MAX / 2);
    h2_put_block(&block, ":status: 200\na: 0123456789012345678901234567890123456789\nb: c");
    for (int i = 0; i <= continuations; i++)
        h2_put(&peer->out, i == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, i == continuations ? H2_END_HEADERS : 0, 1,
               block.data + block.head + (i < 20 ? i : 20),
               i < 20              ? 1
               : i < continuations ? 0
                                   : block.len - 20);
    tern_buf_deinit(&block);
}

static void test_head_over_many_frames(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &h2_only);
        simio_recv_max_all(s.sim, 7); /* however it is split */
        call = scenario_get(&s, "http://a.test/");
        h2_script_open(&peer, &s);
        put_long_head(&peer, TERN_H2_CONTINUATIONS_MAX + over);
        h2_put_data(&peer.out, 1, H2_END_STREAM, "hi");
        h2_script_say(&peer);
        if (over)
            h2_script_hears(&peer, "GOAWAY 0 11\n");
        seen_is(call, over ? "done EPROTO WAIT" : "head 200 | body hi | done");
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_shrink_under_calls_and_come_back),
        cmocka_unit_test(test_idle_connection_that_takes_no_stream),
        cmocka_unit_test(test_windows_shrink_below_what_is_sent),
        cmocka_unit_test(test_windows_that_overflow),
        cmocka_unit_test(test_frame_sizes),
        cmocka_unit_test(test_table_sizes),
        cmocka_unit_test(test_settings_that_change_nothing),
        cmocka_unit_test(test_frames_on_a_cancelled_stream),
        cmocka_unit_test(test_frames_behind_the_end),
        cmocka_unit_test(test_frames_on_a_stream_that_never_was),
        cmocka_unit_test(test_push_promise),
        cmocka_unit_test(test_head_over_many_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
