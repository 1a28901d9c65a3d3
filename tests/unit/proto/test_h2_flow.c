/* Many streams on one connection: windows, pauses, uploads, how many at a time. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/h2_rig.h"

#define END_BOTH (H2_END_STREAM | H2_END_HEADERS)
#define WINDOW 1000

static struct h2_rig rig;
static struct tern_buf in;

static void begin(uint32_t window)
{
    h2_rig_init(&rig, NULL, window);
    tern_buf_init(&in, SIZE_MAX / 2);
    h2_put_setting(&in, 0, 0);
}

static void finish(void)
{
    h2_rig_deinit(&rig);
    tern_buf_deinit(&in);
}

static void submit(struct h2_peer *peer)
{
    h2_peer_init(&rig, peer);
    assert_int_equal(h2_peer_submit(peer), TERN_OK);
}

static void feed(void)
{
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    tern_buf_clear(&in);
}

static void pause_stream(struct h2_peer *peer, bool paused)
{
    rig.h2.codec.ops->pause(&rig.h2.codec, &peer->stream, paused);
}

static void credit(struct h2_peer *peer, uint32_t bytes)
{
    rig.h2.codec.ops->credit(&rig.h2.codec, &peer->stream, bytes);
}

static uint32_t capacity(void)
{
    return rig.h2.codec.ops->capacity(&rig.h2.codec);
}

/* ---- receiving ---- */

static void a_paused_stream_keeps_its_window_and_no_one_elses(void **unused)
{
    struct h2_peer a, b;

    (void)unused;
    begin(0);
    submit(&a);
    submit(&b);
    h2_rig_write(&rig, 0);
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, 0, "one");
    feed();
    pause_stream(&a, true);
    h2_put_data(&in, 1, 0, "two");
    h2_put_data(&in, 1, 0, "three");
    h2_put_head(&in, 3, 0, ":status: 200");
    h2_put_data(&in, 3, H2_END_STREAM, "other");
    h2_put_head(&in, 1, H2_END_STREAM, "t: u");
    feed();
    assert_string_equal(h2_peer_log(&a), "sent\nhead 200\nbody \"one\"\n");
    assert_string_equal(h2_peer_log(&b), "sent\nhead 200\nbody \"other\"\nend\n");
    assert_int_equal(a.stream.owed_bytes, 0);
    h2_rig_write(&rig, 0);
    assert_true(a.open);
    pause_stream(&a, false);
    assert_string_equal(h2_peer_log(&a), "sent\nhead 200\nbody \"one\"\n"); /* not below the user's feet */
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_peer_log(&a), "sent\nhead 200\nbody \"one\"\nbody \"twothree\"\ntrailers | t: u\nend\n");
    h2_peer_deinit(&a);
    h2_peer_deinit(&b);
    finish();
}

static void a_paused_stream_does_not_end(void **unused)
{
    struct h2_peer a;

    (void)unused;
    begin(0);
    submit(&a);
    h2_rig_write(&rig, 0);
    pause_stream(&a, true);
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, H2_END_STREAM, "");
    feed();
    assert_string_equal(h2_peer_log(&a), "sent\nhead 200\n");
    pause_stream(&a, false);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_peer_log(&a), "sent\nhead 200\nend\n");
    h2_peer_deinit(&a);
    finish();
}

static void only_credit_opens_the_window_again(void **unused)
{
    struct h2_peer a;

    (void)unused;
    begin(WINDOW);
    rig.credit_by_hand = true;
    submit(&a);
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    h2_put(&in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    h2_put_head(&in, 1, 0, ":status: 200");
    char text[WINDOW + 1];
    memset(text, 'x', WINDOW);
    text[WINDOW] = '\0';
    h2_put_data(&in, 1, 0, text);
    feed();
    assert_int_equal(a.stream.owed_bytes, WINDOW);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\n");
    credit(&a, WINDOW - 1);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "WINDOW_UPDATE 1 999\n");
    assert_int_equal(a.stream.owed_bytes, 1);
    h2_peer_deinit(&a);
    finish();
}

/* By quarters of what the peer could have: it never waits with most of its window gone. */
static void windows_are_given_back_by_quarters(void **unused)
{
    static char text[10001];
    struct h2_peer a;

    (void)unused;
    begin(100000);
    rig.credit_by_hand = true;
    memset(text, 'x', 10000);
    submit(&a);
    a.quiet = true;
    h2_rig_write(&rig, 0);
    h2_put(&in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    h2_put_head(&in, 1, 0, ":status: 200");
    for (int i = 0; i < 6; i++) {
        h2_put_data(&in, 1, 0, text);
    }
    feed();
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    credit(&a, 12499); /* 47,501 are owed yet, so 52,499 could be the peer's: a quarter is 13,124 */
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "");
    credit(&a, 1000);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "WINDOW_UPDATE 1 13499\n");
    h2_peer_deinit(&a);
    finish();
}

static void a_peer_that_ignores_the_window_fails_and_memory_is_bounded(void **unused)
{
    struct h2_peer a;
    char text[WINDOW + 2];

    (void)unused;
    begin(WINDOW);
    submit(&a);
    h2_rig_write(&rig, 0);
    pause_stream(&a, true);
    /* What the peer may not know of yet does not count against it: only the acknowledged window does. */
    h2_put(&in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    h2_put_head(&in, 1, 0, ":status: 200");
    memset(text, 'x', WINDOW + 1);
    text[WINDOW + 1] = '\0';
    h2_put_data(&in, 1, 0, text);
    (void)h2_rig_feed(&rig, &in, 0);
    h2_rig_write(&rig, 0);
    assert_false(a.open);
    assert_non_null(strstr(h2_peer_log(&a), "error TERN_EPROTO ANSWERED"));
    h2_peer_deinit(&a);
    finish();
}

static void a_stream_with_a_window_of_its_own(void **unused)
{
    struct h2_peer small, large;

    (void)unused;
    begin(WINDOW);
    rig.credit_by_hand = true;
    h2_peer_init(&rig, &small);
    small.stream.window_bytes = 4; /* less than announced: the rest is kept here */
    assert_int_equal(h2_peer_submit(&small), TERN_OK);
    h2_peer_init(&rig, &large);
    large.stream.window_bytes = 100000;
    assert_int_equal(h2_peer_submit(&large), TERN_OK);
    h2_rig_write(&rig, 0);
    assert_null(strstr(h2_rig_frames(&rig), "WINDOW_UPDATE 3")); /* the peer's window is not known to be ours yet */
    h2_put(&in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    feed();
    h2_rig_write(&rig, 0);
    assert_non_null(strstr(h2_rig_frames(&rig), "WINDOW_UPDATE 3 99000\n"));
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, H2_END_STREAM, "0123456789");
    feed();
    assert_string_equal(h2_peer_log(&small), "sent\nhead 200\nbody \"0123\"\n");
    credit(&small, 4);
    h2_rig_write(&rig, 0);
    assert_int_equal(small.body_bytes, 8);
    credit(&small, 3);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_peer_log(&small), "sent\nhead 200\nbody \"0123\"\nbody \"456789\"\nend\n");
    tern_h2_widen(&rig.h2, &large.stream, 101000);
    tern_h2_widen(&rig.h2, NULL, 2 * TERN_H2_CONNECTION_WINDOW_BYTES);
    h2_rig_write(&rig, 0);
    const char *frames = h2_rig_frames(&rig);
    assert_non_null(strstr(frames, "WINDOW_UPDATE 3 1000\n"));
    assert_non_null(strstr(frames, "WINDOW_UPDATE 0 2097152\n"));
    h2_peer_deinit(&small);
    h2_peer_deinit(&large);
    finish();
}

static void cancelled_bytes_still_open_the_connection(void **unused)
{
    (void)unused;
    begin(0);
    h2_rig_serve(&rig, 100, 65535);
    rig.server_body_bytes = 200000;
    /* More than the connection's window in all, each cut off in the middle of a DATA frame. */
    for (int i = 0; i < 200; i++) {
        struct h2_peer a;
        submit(&a);
        a.quiet = true;
        pause_stream(&a, i % 2 == 0);
        h2_rig_write(&rig, 0);
        h2_rig_talk(&rig);
        if (a.open) {
            rig.h2.codec.ops->cancel(&rig.h2.codec, &a.stream);
        }
        h2_rig_talk(&rig);
        h2_peer_deinit(&a);
    }
    struct h2_peer last;
    submit(&last);
    last.quiet = true;
    h2_rig_talk(&rig);
    assert_int_equal(last.body_bytes, 200000);
    assert_false(last.open);
    h2_peer_deinit(&last);
    finish();
}

/* The ledger has no room beside the connection's window: that is not given back for what is kept, but the rest of it
 * goes on serving the other streams. */
static void a_full_ledger_closes_the_window_by_what_is_kept(void **unused)
{
    static char text[10001];
    struct h2_peer paused, other;

    (void)unused;
    begin(0);
    memset(text, 'x', 10000);
    rig.ledger.bytes_max = TERN_H2_CONNECTION_WINDOW_BYTES;
    submit(&paused);
    submit(&other);
    other.quiet = true;
    pause_stream(&paused, true);
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    h2_put(&in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_head(&in, 3, 0, ":status: 200");
    for (int i = 0; i < 20; i++) {
        h2_put_data(&in, 1, 0, text);
    }
    for (int i = 0; i < 170; i++) {
        h2_put_data(&in, 3, 0, text);
    }
    feed();
    h2_rig_write(&rig, 0);
    assert_int_equal(rig.ledger.held_bytes, 200000);
    assert_int_equal(rig.ledger.promised_bytes, TERN_H2_CONNECTION_WINDOW_BYTES - 200000);
    assert_int_equal(other.body_bytes, 1700000);
    const char *frames = h2_rig_frames(&rig);
    uint64_t given = 0;
    for (const char *at = frames; (at = strstr(at, "WINDOW_UPDATE 0 ")) != NULL; at++) {
        given += strtoull(at + strlen("WINDOW_UPDATE 0 "), NULL, 10);
    }
    assert_true(given >= 1000000 && given <= 1700000); /* nghttp2 gives back by halves */
    rig.ledger.bytes_max += 50000;                     /* others have given some back: seen with the next bytes */
    h2_put_data(&in, 3, 0, "x");
    feed();
    assert_int_equal(rig.ledger.promised_bytes, TERN_H2_CONNECTION_WINDOW_BYTES - 150000);
    rig.h2.codec.ops->cancel(&rig.h2.codec, &paused.stream);
    assert_int_equal(rig.ledger.held_bytes, 0);
    assert_int_equal(rig.ledger.promised_bytes, TERN_H2_CONNECTION_WINDOW_BYTES);
    paused.open = false;
    h2_peer_deinit(&paused);
    h2_peer_deinit(&other);
    finish();
}

static void the_window_grows_as_far_as_the_ledger_has_room(void **unused)
{
    (void)unused;
    begin(0);
    rig.ledger.bytes_max = TERN_H2_CONNECTION_WINDOW_BYTES + 1000;
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    tern_h2_widen(&rig.h2, NULL, 2 * TERN_H2_CONNECTION_WINDOW_BYTES);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "WINDOW_UPDATE 0 1000\n");
    assert_int_equal(rig.ledger.promised_bytes, TERN_H2_CONNECTION_WINDOW_BYTES + 1000);
    tern_h2_widen(&rig.h2, NULL, 3 * TERN_H2_CONNECTION_WINDOW_BYTES);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "");
    finish();
}

static void a_thousand_streams_every_tenth_paused(void **unused)
{
    static struct h2_peer peers[1000];

    (void)unused;
    begin(0);
    h2_rig_serve(&rig, 1000, 65535);
    rig.server_body_bytes = 65536;
    h2_rig_talk(&rig);
    assert_int_equal(capacity(), 1000);
    uint64_t live = faultmem_live();
    for (int i = 0; i < 1000; i++) {
        submit(&peers[i]);
        peers[i].quiet = true;
        pause_stream(&peers[i], i % 10 == 0);
    }
    assert_int_equal(capacity(), 0);
    h2_rig_talk(&rig);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(peers[i].open, i % 10 == 0);
        assert_int_equal(peers[i].body_bytes, i % 10 == 0 ? 0 : 65536);
    }
    assert_int_equal(capacity(), 1000); /* those that wait here are over for the peer */
    for (int i = 0; i < 1000; i += 10) {
        if (i % 20 == 0) {
            rig.h2.codec.ops->cancel(&rig.h2.codec, &peers[i].stream);
        } else {
            pause_stream(&peers[i], false);
        }
    }
    h2_rig_talk(&rig);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(peers[i].body_bytes, i % 20 == 0 ? 0 : 65536);
        h2_peer_deinit(&peers[i]);
    }
    /* All but what is kept for the next streams is back. */
    tern_h2_spares_deinit(&rig.spares);
    assert_true(faultmem_live() <= live + 8);
    finish();
}

/* ---- sending ---- */

static void many_requests_leave_in_one_write(void **unused)
{
    struct h2_peer peers[64];
    static const char *const steps[] = {"small"};

    (void)unused;
    begin(0);
    for (int i = 0; i < 64; i++) {
        h2_peer_init(&rig, &peers[i]);
        h2_peer_body(&peers[i], steps, 1, 5);
        assert_int_equal(h2_peer_submit(&peers[i]), TERN_OK);
    }
    assert_int_equal(h2_rig_write(&rig, 0), 1);
    for (int i = 0; i < 64; i++) {
        assert_string_equal(h2_peer_log(&peers[i]), "sent\n");
        h2_peer_deinit(&peers[i]);
    }
    finish();
}

static void uploads_obey_windows_and_the_out_buffer(void **unused)
{
    struct h2_peer a, b;

    (void)unused;
    begin(0);
    h2_rig_serve(&rig, 100, 30000);
    h2_peer_init(&rig, &a);
    h2_peer_body(&a, NULL, 0, 3000000);
    a.source_bytes = 3000000;
    h2_peer_init(&rig, &b);
    h2_peer_body(&b, NULL, 0, TERN_LENGTH_UNKNOWN);
    b.source_bytes = 1000000;
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    assert_int_equal(h2_peer_submit(&b), TERN_OK);
    struct iovec piece[4];
    assert_int_equal(rig.h2.codec.ops->pull(&rig.h2.codec, piece, 4), 1);
    assert_true(piece[0].iov_len <= TERN_H2_OUT_BYTES + 9 + 16384);
    assert_true(a.source_bytes >= 3000000 - TERN_H2_OUT_BYTES); /* backpressure: it was not asked for more */
    h2_rig_talk(&rig);
    assert_int_equal(rig.server_received, 4000000);
    assert_string_equal(h2_peer_log(&a), "sent\nhead 200\nend\n");
    assert_string_equal(h2_peer_log(&b), "sent\nhead 200\nend\n");
    h2_peer_deinit(&a);
    h2_peer_deinit(&b);
    finish();
}

static void a_wide_window_does_not_widen_the_out_buffer(void **unused)
{
    struct h2_peer a;
    struct iovec piece[4];

    (void)unused;
    begin(0);
    h2_put_setting(&in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX);
    h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 0, INT32_MAX - 65535);
    feed();
    h2_peer_init(&rig, &a);
    h2_peer_body(&a, NULL, 0, 3000000);
    a.source_bytes = 3000000;
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    assert_int_equal(rig.h2.codec.ops->pull(&rig.h2.codec, piece, 4), 1);
    assert_true(piece[0].iov_len >= TERN_H2_OUT_BYTES);
    assert_true(piece[0].iov_len <= TERN_H2_OUT_BYTES + 9 + 16384);
    h2_rig_write(&rig, 0);
    assert_int_equal(a.stream.sent_body_bytes, 3000000);
    h2_peer_deinit(&a);
    finish();
}

static void settings_shrink_the_window_below_what_is_sent(void **unused)
{
    struct h2_peer a;

    (void)unused;
    begin(0);
    h2_peer_init(&rig, &a);
    h2_peer_body(&a, NULL, 0, 65540);
    a.source_bytes = 65540;
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    h2_rig_write(&rig, 0);
    assert_int_equal(a.stream.sent_body_bytes, 65535);
    h2_put_setting(&in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0); /* the stream's is now -65535 */
    h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 0, 100);
    h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 1, 65535);
    feed();
    h2_rig_write(&rig, 0);
    assert_int_equal(a.stream.sent_body_bytes, 65535);
    h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 1, 3);
    feed();
    h2_rig_write(&rig, 0);
    assert_int_equal(a.stream.sent_body_bytes, 65538);
    h2_put_setting(&in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2);
    feed();
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_peer_log(&a), "sent\n");
    h2_peer_deinit(&a);
    finish();
}

static void frames_are_as_large_as_settings_allow(void **unused)
{
    struct h2_peer a;

    (void)unused;
    begin(0);
    h2_put_setting(&in, NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16777215);
    feed();
    h2_peer_init(&rig, &a);
    h2_peer_body(&a, NULL, 0, 40000);
    a.source_bytes = 40000;
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    h2_rig_write(&rig, 0);
    assert_non_null(strstr(h2_rig_frames(&rig), "DATA 1 16384\nDATA 1 16384\nDATA 1 7232 END\n"));
    h2_peer_deinit(&a);
    finish();
}

static void settings_change_how_many_streams(void **unused)
{
    struct h2_peer a, b;

    (void)unused;
    begin(0);
    assert_int_equal(capacity(), 100);
    h2_put_setting(&in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2);
    feed();
    assert_int_equal(capacity(), 2);
    submit(&a);
    submit(&b);
    assert_int_equal(capacity(), 0);
    h2_rig_write(&rig, 0);
    h2_put_setting(&in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    feed();
    assert_int_equal(capacity(), 0);
    h2_put_head(&in, 1, H2_END_STREAM, ":status: 200");
    feed();
    assert_int_equal(capacity(), 0);
    h2_put_head(&in, 3, H2_END_STREAM, ":status: 200");
    feed();
    assert_int_equal(capacity(), 1);
    h2_put_setting(&in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
    feed();
    assert_int_equal(capacity(), 0);
    assert_int_equal(rig.h2.codec.ops->state(&rig.h2.codec), TERN_CODEC_OPEN);
    h2_peer_deinit(&a);
    h2_peer_deinit(&b);
    finish();
}

static void an_idle_connection_holds_no_out_buffer(void **unused)
{
    struct h2_peer a;

    (void)unused;
    begin(0);
    submit(&a);
    h2_rig_write(&rig, 0);
    assert_int_equal(rig.h2.out.bytes.cap, 0);
    assert_true(rig.spares.out.bytes.cap >= TERN_H2_OUT_BYTES);
    h2_peer_deinit(&a);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_stream_keeps_its_window_and_no_one_elses),
        cmocka_unit_test(a_paused_stream_does_not_end),
        cmocka_unit_test(only_credit_opens_the_window_again),
        cmocka_unit_test(windows_are_given_back_by_quarters),
        cmocka_unit_test(a_peer_that_ignores_the_window_fails_and_memory_is_bounded),
        cmocka_unit_test(a_stream_with_a_window_of_its_own),
        cmocka_unit_test(cancelled_bytes_still_open_the_connection),
        cmocka_unit_test(a_full_ledger_closes_the_window_by_what_is_kept),
        cmocka_unit_test(the_window_grows_as_far_as_the_ledger_has_room),
        cmocka_unit_test(a_thousand_streams_every_tenth_paused),
        cmocka_unit_test(many_requests_leave_in_one_write),
        cmocka_unit_test(uploads_obey_windows_and_the_out_buffer),
        cmocka_unit_test(a_wide_window_does_not_widen_the_out_buffer),
        cmocka_unit_test(settings_shrink_the_window_below_what_is_sent),
        cmocka_unit_test(frames_are_as_large_as_settings_allow),
        cmocka_unit_test(settings_change_how_many_streams),
        cmocka_unit_test(an_idle_connection_holds_no_out_buffer),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
