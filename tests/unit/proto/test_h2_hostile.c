/* Peers that break HTTP/2 or flood it: the connection ends with a GOAWAY, and everything stays bounded. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/h2_rig.h"

static struct h2_rig rig;
static struct h2_peer a, b;
static struct tern_buf in;

static int setup(void **unused)
{
    (void)unused;
    h2_rig_init(&rig, NULL, 0);
    h2_peer_init(&rig, &a);
    h2_peer_init(&rig, &b);
    tern_buf_init(&in, SIZE_MAX / 2);
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    /* b is UNSENT where the connection breaks. */
    assert_int_equal(h2_peer_submit(&b), TERN_OK);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    h2_rig_deinit(&rig);
    h2_peer_deinit(&a);
    h2_peer_deinit(&b);
    tern_buf_deinit(&in);
    return 0;
}

/* Feeds what is in, in pieces of k: the connection breaks with error and says code. */
static void breaks(size_t k, enum tern_error error, uint32_t code, const char *text)
{
    char want[64];
    size_t used;

    assert_int_equal(h2_rig_feed(&rig, &in, k), error);
    assert_int_equal(rig.h2.codec.ops->state(&rig.h2.codec), TERN_CODEC_CLOSED);
    assert_int_equal(rig.h2.codec.ops->capacity(&rig.h2.codec), 0);
    if (strstr(rig.h2.fault.text, text) == NULL) {
        assert_string_equal(rig.h2.fault.text, text);
    }
    assert_false(a.open || b.open);
    assert_int_equal(rig.h2.codec.ops->feed(&rig.h2.codec, (const uint8_t *)"x", 1, &used), error);
    h2_rig_write(&rig, 0);
    snprintf(want, sizeof want, "GOAWAY 0 %u\n", code);
    const char *frames = h2_rig_frames(&rig);
    if (strstr(frames, want) == NULL) {
        assert_string_equal(frames, want);
    }
}

static void again(void)
{
    teardown(NULL);
    setup(NULL);
    h2_put_setting(&in, 0, 0);
}

/* ---- rules broken ---- */

static void http_1_is_recognised(void **unused)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    (void)unused;
    for (size_t k = 0; k < 20; k++) {
        again();
        tern_buf_clear(&in);
        assert_int_equal(tern_buf_append(&in, answer, sizeof answer - 1), TERN_OK);
        breaks(k, TERN_EPROTO_VERSION, NGHTTP2_PROTOCOL_ERROR, "does not answer in HTTP/2");
        assert_non_null(strstr(h2_peer_log(&a), "error TERN_EPROTO_VERSION MAYBE"));
    }
}

static void put_broken(int which)
{
    switch (which) {
    case 0: /* DATA on an idle stream (RFC 9113 5.1) */
        h2_put_data(&in, 99, 0, "x");
        break;
    case 1: /* HEADERS on a stream of the server's, never promised */
        h2_put_head(&in, 2, 0, ":status: 200");
        break;
    case 2: /* the connection's window overflows (6.9.1) */
        h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 0, INT32_MAX);
        break;
    case 3: /* an increment of 0 */
        h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 0, 0);
        break;
    case 4:
        h2_put_setting(&in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000);
        break;
    case 5:
        h2_put_setting(&in, NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16383);
        break;
    case 6:
        h2_put_setting(&in, NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16777216);
        break;
    case 7:
        h2_put_setting(&in, NGHTTP2_SETTINGS_ENABLE_PUSH, 1);
        break;
    case 8: /* a PING of seven bytes */
        h2_put(&in, NGHTTP2_PING, 0, 0, "1234567", 7);
        break;
    case 9: /* a block that is not HPACK */
        h2_put(&in, NGHTTP2_HEADERS, H2_END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff", 6);
        break;
    case 10: /* CONTINUATION of nothing */
        h2_put(&in, NGHTTP2_CONTINUATION, H2_END_HEADERS, 1, "", 0);
        break;
    case 11: /* anything between HEADERS and its CONTINUATION */
        h2_put(&in, NGHTTP2_HEADERS, 0, 1, "\x88", 1);
        h2_put(&in, NGHTTP2_PING, 0, 0, "12345678", 8);
        break;
    case 12: /* padding longer than the frame */
        h2_put_head(&in, 1, 0, ":status: 200");
        h2_put(&in, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\5abc", 4);
        break;
    case 13: /* push, refused by SETTINGS */
        h2_put(&in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
        h2_put(&in, NGHTTP2_PUSH_PROMISE, H2_END_HEADERS, 1, "\0\0\0\2\x82\x84\x87", 7);
        break;
    default: /* RST_STREAM of an idle stream */
        h2_put_u32(&in, NGHTTP2_RST_STREAM, 99, NGHTTP2_CANCEL);
        break;
    }
}

static void what_breaks_the_connection_ends_all_at_every_split(void **unused)
{
    static const uint32_t codes[] = {1, 1, 3, 1, 3, 1, 1, 1, 6, 9, 1, 1, 1, 1, 1};

    (void)unused;
    for (int which = 0; which < 15; which++) {
        for (size_t k = 0; k < 12; k++) {
            again();
            put_broken(which);
            h2_put_head(&in, 1, 0, ":status: 200"); /* too late to be an answer */
            breaks(k, TERN_EPROTO, codes[which], "the peer broke HTTP/2: ");
            bool answered = which == 9 || which == 11 || which == 12;
            assert_non_null(strstr(h2_peer_log(&a), answered ? "TERN_EPROTO ANSWERED" : "TERN_EPROTO MAYBE"));
            assert_non_null(strstr(h2_peer_log(&b), "error TERN_EPROTO UNSENT"));
        }
    }
}

static void an_oversized_frame_breaks_the_connection(void **unused)
{
    static char large[16385];

    (void)unused;
    again();
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put(&in, NGHTTP2_DATA, 0, 1, large, 16384);
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    assert_int_equal(a.body_bytes, 16384);
    tern_buf_clear(&in);
    a.quiet = true;
    h2_put(&in, NGHTTP2_DATA, 0, 1, large, 16385);
    breaks(0, TERN_EPROTO, NGHTTP2_FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR");
}

static void a_stream_window_that_overflows_ends_the_stream_alone(void **unused)
{
    static const char *const steps[] = {NULL};

    (void)unused;
    teardown(NULL);
    h2_rig_init(&rig, NULL, 0);
    h2_peer_init(&rig, &a);
    h2_peer_init(&rig, &b);
    tern_buf_init(&in, SIZE_MAX / 2);
    h2_peer_body(&a, steps, 1, TERN_LENGTH_UNKNOWN);
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    assert_int_equal(h2_peer_submit(&b), TERN_OK);
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    h2_put_setting(&in, 0, 0);
    h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 1, INT32_MAX);
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_peer_log(&a), "error TERN_EPROTO MAYBE \"the response broke HTTP/2 (FLOW_CONTROL_ERROR): "
                                         "Flow control error\"\n");
    assert_true(b.open);
    assert_non_null(strstr(h2_rig_frames(&rig), "RST_STREAM 1 3\n"));
}

static void a_broken_connection_says_maybe_of_what_it_still_writes(void **unused)
{
    struct iovec piece[4];

    (void)unused;
    again();
    struct h2_peer c;
    h2_peer_init(&rig, &c);
    assert_int_equal(h2_peer_submit(&c), TERN_OK);
    assert_int_equal(rig.h2.codec.ops->pull(&rig.h2.codec, piece, 4), 1);
    assert_int_equal(tern_buf_append(&rig.ear.wire, piece[0].iov_base, 1), TERN_OK);
    rig.h2.codec.ops->wrote(&rig.h2.codec, 1);
    assert_int_equal(b.stream.sent_head_bytes, 1);
    assert_int_equal(c.stream.sent_head_bytes, 0);
    h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 0, 0);
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_EPROTO);
    assert_non_null(strstr(h2_peer_log(&c), "error TERN_EPROTO MAYBE"));
    h2_rig_write(&rig, 0);
    const char *frames = h2_rig_frames(&rig);
    assert_non_null(strstr(frames, "HEADERS 5"));
    assert_non_null(strstr(frames, "GOAWAY 0 1\n"));
    h2_peer_deinit(&c);
}

/* ---- long heads ---- */

static void put_long_head(int continuations)
{
    struct tern_buf block;

    tern_buf_init(&block, SIZE_MAX / 2);
    h2_put_block(&block, ":status: 200\na: some\nb: more\nc: and more");
    size_t step = block.len / (size_t)(continuations + 1);
    for (int i = 0; i <= continuations; i++) {
        bool is_last = i == continuations;
        h2_put(&in, i == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, is_last ? H2_END_HEADERS : 0, 1,
               block.data + block.head + step * (size_t)i, is_last ? block.len - step * (size_t)i : step);
    }
    tern_buf_deinit(&block);
}

static void a_head_over_several_frames(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < 20; k++) {
        again();
        put_long_head(TERN_H2_CONTINUATIONS_MAX);
        assert_int_equal(h2_rig_feed(&rig, &in, k), TERN_OK);
        assert_non_null(strstr(h2_peer_log(&a), "head 200 | a: some | b: more | c: and more\n"));
        assert_int_equal(a.stream.received_head_bytes, in.len - 9);
    }
}

static void continuations_without_end(void **unused)
{
    (void)unused;
    again();
    h2_put(&in, NGHTTP2_HEADERS, 0, 1, "", 0);
    for (int i = 0; i < 200; i++) {
        h2_put(&in, NGHTTP2_CONTINUATION, 0, 1, "", 0);
    }
    breaks(0, TERN_EPROTO, NGHTTP2_ENHANCE_YOUR_CALM, "the peer sent too many CONTINUATION frames");
}

static void a_head_too_large_costs_the_stream_and_no_memory(void **unused)
{
    char block[9000];

    (void)unused;
    again();
    size_t n = 0;
    block[n++] = (char)0x88;
    /* A field of 4000 bytes for the table, then a byte for each time that it comes again. */
    memcpy(block + n, "\x40\1x\x7f\xa1\x1e", 6);
    n += 6;
    memset(block + n, 'v', 4000);
    n += 4000;
    memset(block + n, (char)0xbe, 4000);
    n += 4000;
    h2_put(&in, NGHTTP2_HEADERS, H2_END_HEADERS, 1, block, n);
    uint64_t live = faultmem_live();
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    assert_non_null(strstr(h2_peer_log(&a), "error TERN_EHEAD_MAX ANSWERED"));
    assert_true(b.open);
    assert_true(faultmem_live() < live + 40);
    h2_rig_write(&rig, 0);
    assert_non_null(strstr(h2_rig_frames(&rig), "RST_STREAM 1 8\n"));
}

/* ---- floods ---- */

static void put_flood(int which)
{
    switch (which) {
    case 0:
        h2_put(&in, NGHTTP2_PING, 0, 0, "12345678", 8);
        break;
    case 1:
        h2_put_setting(&in, 0, 0);
        break;
    case 2:
        h2_put_data(&in, 1, 0, "");
        break;
    case 3:
        h2_put(&in, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\1", 2);
        break;
    case 4:
        h2_put(&in, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\1", 5);
        break;
    case 5:
        h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 0, 1);
        break;
    case 6: /* a type that nobody knows */
        h2_put(&in, 0x42, 0, 0, "x", 1);
        break;
    default: /* of a stream that is over */
        h2_put_u32(&in, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
        break;
    }
}

static void floods_end_the_connection(void **unused)
{
    static const char *const what[] = {"PING",        "SETTINGS",      "empty DATA",  "empty DATA",
                                       "other types", "WINDOW_UPDATE", "other types", "RST_STREAM"};

    (void)unused;
    for (int which = 0; which < 8; which++) {
        again();
        h2_put_head(&in, 1, 0, ":status: 200");
        assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
        /* With a pause for breath now and then it may go on for ever. */
        for (int i = 0; i < 20 * TERN_H2_NUISANCE_MAX; i++) {
            tern_buf_clear(&in);
            put_flood(which);
            assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
            if (i % (TERN_H2_NUISANCE_MAX / 2) == 0) {
                tern_h2_calm(&rig.h2);
            }
            h2_rig_write(&rig, 0);
            tern_buf_clear(&rig.ear.wire);
        }
        tern_buf_clear(&in);
        for (int i = 0; i <= TERN_H2_NUISANCE_MAX; i++) {
            put_flood(which);
        }
        assert_int_equal(h2_rig_feed(&rig, &in, which != 0 ? 0 : 50), TERN_EPROTO);
        if (strstr(rig.h2.fault.text, what[which]) == NULL && which > 1) {
            assert_string_equal(rig.h2.fault.text, what[which]);
        }
        assert_false(a.open || b.open);
        h2_rig_write(&rig, 0);
        assert_non_null(strstr(h2_rig_frames(&rig), "GOAWAY 0 11\n"));
    }
}

static void a_peer_that_does_not_read_is_not_waited_for(void **unused)
{
    uint64_t live;

    (void)unused;
    again();
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    live = faultmem_live();
    tern_buf_clear(&in);
    h2_put(&in, NGHTTP2_PING, 0, 0, "12345678", 8);
    enum tern_error error = TERN_OK;
    int i;
    for (i = 0; i < 100000 && error == TERN_OK; i++) {
        error = h2_rig_feed(&rig, &in, 0); /* and nothing is ever written */
        tern_h2_calm(&rig.h2);
    }
    assert_int_equal(error, TERN_EPROTO);
    assert_true(rig.h2.out.bytes.cap <= TERN_H2_OUT_BYTES + 9 + 16384);
    assert_true(faultmem_live() <= live + 2 * TERN_H2_ACKS_MAX);
}

static void late_frames_without_end(void **unused)
{
    enum tern_error error = TERN_OK;
    int i;

    (void)unused;
    again();
    rig.h2.codec.ops->cancel(&rig.h2.codec, &a.stream);
    a.open = false;
    h2_rig_write(&rig, 0);
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    tern_buf_clear(&in);
    for (i = 0; i < 1000; i++) {
        h2_put_data(&in, 1, 0, "late");
    }
    for (i = 0; i < 1000 && error == TERN_OK; i++) {
        error = h2_rig_feed(&rig, &in, 0);
    }
    assert_int_equal(error, TERN_EPROTO);
    assert_int_equal(rig.h2.late_frames, TERN_H2_LATE_MAX + 1);
    assert_non_null(strstr(h2_peer_log(&b), "too many frames for streams that are over"));
}

static void noise_does_no_harm(void **unused)
{
    uint64_t seed = 1;

    (void)unused;
    for (int round = 0; round < 3000; round++) {
        again();
        h2_put_head(&in, 1, 0, ":status: 200\na: b");
        h2_put_data(&in, 1, 0, "some");
        h2_put_setting(&in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100);
        h2_put_head(&in, 1, H2_END_STREAM, "t: u");
        h2_put_goaway(&in, 1, 0, "bye");
        for (int i = 0; i < 3; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            in.data[in.head + (seed >> 33) % in.len] ^= (char)(1 << (seed >> 60 & 7));
        }
        (void)h2_rig_feed(&rig, &in, round % 7);
        h2_rig_write(&rig, 0);
        h2_rig_eof(&rig);
        assert_false(a.open || b.open);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(http_1_is_recognised),
        T(what_breaks_the_connection_ends_all_at_every_split),
        T(an_oversized_frame_breaks_the_connection),
        T(a_stream_window_that_overflows_ends_the_stream_alone),
        T(a_broken_connection_says_maybe_of_what_it_still_writes),
        T(a_head_over_several_frames),
        T(continuations_without_end),
        T(a_head_too_large_costs_the_stream_and_no_memory),
        T(floods_end_the_connection),
        T(a_peer_that_does_not_read_is_not_waited_for),
        T(late_frames_without_end),
        T(noise_does_no_harm),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
