/* How streams and connections end under the HTTP/2 codec, and what may be sent again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/fault.h"
#include "proto/h2_internal.h"
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
    assert_int_equal(tern_buf_reserve(&in, 64 << 10), TERN_OK);
    h2_put_setting(&in, 0, 0);
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

static void again(void)
{
    teardown(NULL);
    setup(NULL);
}

static void start(void)
{
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    assert_int_equal(h2_peer_submit(&b), TERN_OK);
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
}

static void feed(void)
{
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    tern_buf_clear(&in);
}

static enum tern_codec_state state(void)
{
    return rig.h2.codec.ops->state(&rig.h2.codec);
}

static void cancel(struct h2_peer *peer)
{
    rig.h2.codec.ops->cancel(&rig.h2.codec, &peer->stream);
    peer->open = false;
}

static void ends_with(struct h2_peer *peer, const char *want)
{
    const char *log = h2_peer_log(peer);

    if (strstr(log, want) == NULL) {
        assert_string_equal(log, want);
    }
    assert_false(peer->open);
}

/* ---- RST_STREAM ---- */

static void each_reset_code_has_its_meaning(void **unused)
{
    static const struct {
        uint32_t code;
        const char *before, *after; /* an answer began */
    } cases[] = {
        {0, "error TERN_EPEER_RESET MAYBE \"the peer reset the stream: NO_ERROR (0)\"", "TERN_EPEER_RESET ANSWERED"},
        {1, "error TERN_EPEER_RESET MAYBE \"the peer reset the stream: PROTOCOL_ERROR (1)\"",
         "TERN_EPEER_RESET ANSWERED"},
        {2, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {3, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {4, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {5, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {6, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {7, "error TERN_EPEER_REFUSED REFUSED", "TERN_EPEER_RESET ANSWERED"},
        {8, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {9, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {10, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {11, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {12, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
        {13, "error TERN_EPROTO_VERSION MAYBE", "TERN_EPROTO_VERSION ANSWERED"},
        {0xffffffff, "error TERN_EPEER_RESET MAYBE", "TERN_EPEER_RESET ANSWERED"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int answered = 0; answered < 2; answered++) {
            again();
            start();
            if (answered) {
                h2_put_head(&in, 1, 0, ":status: 200");
                h2_put_data(&in, 1, 0, "part");
            }
            h2_put_u32(&in, NGHTTP2_RST_STREAM, 1, cases[i].code);
            feed();
            ends_with(&a, answered ? cases[i].after : cases[i].before);
            assert_true(b.open);
            assert_int_equal(rig.h2.wire_count, 1);
        }
    }
}

static void a_reset_behind_the_end_is_no_error(void **unused)
{
    static const char *const steps[] = {NULL};

    (void)unused;
    h2_peer_body(&a, steps, 1, TERN_LENGTH_UNKNOWN);
    start();
    rig.h2.codec.ops->pause(&rig.h2.codec, &a.stream, true);
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, H2_END_STREAM, "whole");
    h2_put_u32(&in, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR); /* RFC 9113 8.1: the rest of the upload is not wanted */
    feed();
    assert_true(a.open);
    rig.h2.codec.ops->pause(&rig.h2.codec, &a.stream, false);
    h2_rig_write(&rig, 0);
    ends_with(&a, "head 200\nbody \"whole\"\nend\n");
}

/* ---- GOAWAY ---- */

static void goaway_refuses_what_is_behind_it_and_drains_the_rest(void **unused)
{
    (void)unused;
    start();
    h2_put_goaway(&in, 1, NGHTTP2_ENHANCE_YOUR_CALM, "calm \x01");
    feed();
    ends_with(
        &b, "error TERN_EPEER_REFUSED REFUSED \"the peer took no more streams (GOAWAY ENHANCE_YOUR_CALM, calm \\x01): "
            "not processed\"");
    assert_true(a.open);
    assert_int_equal(state(), TERN_CODEC_DRAIN);
    assert_int_equal(rig.h2.codec.ops->capacity(&rig.h2.codec), 0);
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, H2_END_STREAM, "done");
    feed();
    ends_with(&a, "head 200\nbody \"done\"\nend\n");
    assert_int_equal(state(), TERN_CODEC_CLOSED);
}

static void a_graceful_goaway_comes_in_two(void **unused)
{
    (void)unused;
    start();
    h2_put_goaway(&in, INT32_MAX, NGHTTP2_NO_ERROR, "");
    feed();
    assert_true(a.open && b.open);
    assert_int_equal(state(), TERN_CODEC_DRAIN);
    h2_put_goaway(&in, 1, NGHTTP2_NO_ERROR, "");
    feed();
    assert_true(a.open);
    ends_with(&b, "TERN_EPEER_REFUSED REFUSED");
}

static void what_is_not_framed_at_a_goaway_was_not_sent(void **unused)
{
    (void)unused;
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    assert_int_equal(h2_peer_submit(&b), TERN_OK);
    h2_put_goaway(&in, INT32_MAX, NGHTTP2_NO_ERROR, "");
    feed();
    ends_with(&b, "error TERN_EPEER_REFUSED UNSENT");
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\n");
    assert_true(a.open);
}

static void an_idle_connection_closes_at_a_goaway(void **unused)
{
    (void)unused;
    h2_put_goaway(&in, 0, NGHTTP2_NO_ERROR, "");
    feed();
    assert_int_equal(state(), TERN_CODEC_CLOSED);
}

static void goaway_then_the_end_at_every_point(void **unused)
{
    size_t len;

    (void)unused;
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, 0, "some");
    h2_put_goaway(&in, 1, NGHTTP2_NO_ERROR, "");
    h2_put_data(&in, 1, H2_END_STREAM, "more");
    len = in.len;
    for (size_t cut = 0; cut <= len; cut++) {
        again();
        h2_put_head(&in, 1, 0, ":status: 200");
        size_t head_at = 9 + 9; /* SETTINGS, then the frame's header */
        h2_put_data(&in, 1, 0, "some");
        h2_put_goaway(&in, 1, NGHTTP2_NO_ERROR, "");
        size_t goaway_at = in.len;
        h2_put_data(&in, 1, H2_END_STREAM, "more");
        in.len = cut;
        start();
        assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
        h2_rig_eof(&rig);
        if (cut == len) {
            ends_with(&a, "body \"somemore\"\nend\n");
        } else if (cut < head_at) {
            ends_with(&a, "error TERN_EPEER_EMPTY MAYBE");
        } else {
            ends_with(&a, "error TERN_EPEER_TRUNCATED ANSWERED");
        }
        ends_with(&b, cut >= goaway_at ? "TERN_EPEER_REFUSED REFUSED" : "TERN_EPEER_EMPTY MAYBE");
        assert_int_equal(state(), TERN_CODEC_CLOSED);
        assert_int_equal(h2_rig_write(&rig, 0), 0);
    }
}

/* ---- the connection's end ---- */

static void the_reason_of_the_end_reaches_every_stream(void **unused)
{
    struct tern_fault reset;

    (void)unused;
    tern_fault_set(&reset, TERN_EPEER_RESET, "no route");
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    h2_rig_write(&rig, 0);
    assert_int_equal(h2_peer_submit(&b), TERN_OK);
    rig.h2.codec.ops->feed_end(&rig.h2.codec, &reset);
    ends_with(&a, "sent\nerror TERN_EPEER_RESET MAYBE \"no route\"\n");
    ends_with(&b, "error TERN_EPEER_RESET UNSENT \"no route\"\n");
    assert_int_equal(state(), TERN_CODEC_CLOSED);
}

static void the_first_byte_written_makes_it_maybe(void **unused)
{
    struct iovec piece[4];

    (void)unused;
    for (int n = 0; n < 2; n++) {
        again();
        h2_rig_write(&rig, 0);
        assert_int_equal(h2_peer_submit(&a), TERN_OK);
        assert_int_equal(rig.h2.codec.ops->pull(&rig.h2.codec, piece, 4), 1);
        rig.h2.codec.ops->wrote(&rig.h2.codec, (size_t)n);
        assert_int_equal(a.stream.sent_head_bytes, n);
        h2_rig_eof(&rig);
        ends_with(&a, n == 0 ? "error TERN_EPEER_EMPTY UNSENT" : "error TERN_EPEER_EMPTY MAYBE");
    }
}

static void a_shutdown_says_goodbye_and_finishes(void **unused)
{
    (void)unused;
    start();
    tern_h2_shutdown(&rig.h2);
    assert_int_equal(state(), TERN_CODEC_DRAIN);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "GOAWAY 0 0\n");
    cancel(&a);
    h2_put_head(&in, 3, H2_END_STREAM, ":status: 200");
    feed();
    ends_with(&b, "head 200\nend\n");
    assert_int_equal(state(), TERN_CODEC_CLOSED);
    again();
    tern_h2_shutdown(&rig.h2);
    assert_int_equal(state(), TERN_CODEC_CLOSED);
    h2_rig_write(&rig, 0);
    assert_non_null(strstr(h2_rig_frames(&rig), "GOAWAY 0 0\n"));
}

/* ---- cancel ---- */

static void a_cancel_before_the_first_byte_leaves_no_trace(void **unused)
{
    (void)unused;
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    cancel(&a);
    assert_int_equal(h2_rig_write(&rig, 0), 0);
    assert_int_equal(a.stream.sent_head_bytes, 0);
    assert_int_equal(h2_peer_submit(&b), TERN_OK);
    h2_rig_write(&rig, 0);
    assert_non_null(strstr(h2_rig_frames(&rig), "HEADERS 3 END"));
}

/* nghttp2 is only lent what a queued head is made of. Cancels a, and looks at what goes out when that is gone. */
static const char *cancel_and_free(bool is_broken)
{
    char *target = malloc(100);

    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig);
    memset(target, '/', 100);
    a.message.target = (struct tern_str){target, 100};
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    tern_h2_enter(&rig.h2);
    if (is_broken) {
        tern_h2_break_memory(&rig.h2);
    }
    cancel(&a);
    free(target);
    tern_h2_fill(&rig.h2);
    tern_h2_leave(&rig.h2);
    h2_rig_write(&rig, 0);
    return h2_rig_frames(&rig);
}

static void a_queued_request_that_is_called_off_is_not_looked_at_again(void **unused)
{
    (void)unused;
    assert_string_equal(cancel_and_free(false), "");
    assert_string_equal(cancel_and_free(true), "");
}

static void what_is_in_the_out_buffer_counts_as_sent(void **unused)
{
    struct iovec piece[4];

    (void)unused;
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    assert_int_equal(rig.h2.codec.ops->pull(&rig.h2.codec, piece, 4), 1);
    cancel(&a);
    assert_true(a.stream.sent_head_bytes > 0);
    h2_rig_write(&rig, 0);
    assert_non_null(strstr(h2_rig_frames(&rig), "RST_STREAM 1 8\n"));
    assert_string_equal(h2_peer_log(&a), "");
}

static void a_cancel_in_the_middle_of_a_head_leaves_the_wire_whole(void **unused)
{
    static char value[60000];
    const struct tern_field field = {TERN_STR("long"), {value, sizeof value}, TERN_FIELD_SECRET};
    const struct tern_field fields[] = {field, field, field};
    struct iovec piece[4];

    (void)unused;
    memset(value, '~', sizeof value); /* more than the out buffer has room for */
    a.message.fields = fields;
    a.message.field_count = 3;
    assert_int_equal(h2_peer_submit(&a), TERN_OK);
    assert_int_equal(rig.h2.codec.ops->pull(&rig.h2.codec, piece, 4), 1);
    assert_true(piece[0].iov_len < 3 * sizeof value);
    cancel(&a);
    assert_int_equal(h2_peer_submit(&b), TERN_OK); /* perhaps with the same memory */
    h2_rig_write(&rig, 0);
    assert_true(b.stream.sent_head_bytes < 1000);
    assert_non_null(strstr(h2_rig_frames(&rig), "RST_STREAM 1 8\nHEADERS 3 END"));
    assert_string_equal(h2_peer_log(&b), "sent\n");
}

static void late_frames_are_ignored_and_counted(void **unused)
{
    (void)unused;
    start();
    cancel(&a);
    cancel(&a); /* harmless */
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, 0, "late");
    feed();
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\nRST_STREAM 1 8\n");
    h2_put_data(&in, 1, H2_END_STREAM, "later");
    h2_put_u32(&in, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    h2_put_u32(&in, NGHTTP2_WINDOW_UPDATE, 1, 10);
    h2_put_head(&in, 3, H2_END_STREAM, ":status: 200");
    feed();
    assert_string_equal(h2_peer_log(&a), "sent\n");
    ends_with(&b, "head 200\nend\n");
    assert_int_equal(rig.h2.late_frames, 3);
    assert_int_equal(state(), TERN_CODEC_OPEN);
}

/* ---- from inside every event ---- */

enum deed { CANCEL_OWN, CANCEL_AND_SUBMIT, CANCEL_OTHER, CANCEL_BOTH, PAUSE_OWN, SUBMIT_MORE, DEEDS };

static struct h2_peer more;

static void hook(struct h2_rig *from, struct h2_peer *peer, const char *event)
{
    static const char *const events[] = {"sent", "info", "head", "body", "trailers", "end", "error"};
    int what = *(int *)from->hook_data;
    struct tern_codec *codec = &from->h2.codec;

    if (strcmp(event, events[what / DEEDS]) != 0) {
        return;
    }
    if (what % DEEDS == CANCEL_OWN || what % DEEDS == CANCEL_AND_SUBMIT || what % DEEDS == CANCEL_BOTH) {
        codec->ops->cancel(codec, &peer->stream);
    }
    if (what % DEEDS == CANCEL_OTHER || what % DEEDS == CANCEL_BOTH) {
        struct h2_peer *other = peer == &a ? &b : &a;
        codec->ops->cancel(codec, &other->stream);
        other->open = false;
    }
    if (what % DEEDS == PAUSE_OWN) {
        codec->ops->pause(codec, &peer->stream, true);
        codec->ops->body_ready(codec, &peer->stream);
        codec->ops->continue_body(codec, &peer->stream);
        codec->ops->credit(codec, &peer->stream, peer->stream.owed_bytes);
    }
    if ((what % DEEDS == SUBMIT_MORE || what % DEEDS == CANCEL_AND_SUBMIT) && !more.open &&
        codec->ops->capacity(codec) > 0) {
        assert_int_equal(h2_peer_submit(&more), TERN_OK);
    }
}

static void anything_may_be_done_in_any_event(void **unused)
{
    (void)unused;
    for (int what = 0; what < 7 * DEEDS; what++) {
        for (size_t k = 0; k < 8; k++) {
            static const char *const steps[] = {"up"};
            again();
            h2_peer_init(&rig, &more);
            rig.hook = hook;
            rig.hook_data = &what;
            rig.credit_by_hand = true;
            h2_peer_body(&b, steps, 1, TERN_LENGTH_UNKNOWN);
            assert_int_equal(h2_peer_submit(&a), TERN_OK);
            assert_int_equal(h2_peer_submit(&b), TERN_OK);
            h2_rig_write(&rig, k);
            for (int id = 1; id <= 3; id += 2) {
                h2_put_head(&in, id, 0, ":status: 103");
                if (id == 1 && k % 2 != 0) {
                    h2_put_head(&in, id, H2_END_STREAM, ":status: 200\na: b");
                    continue;
                }
                h2_put_head(&in, id, 0, ":status: 200\na: b");
                h2_put_data(&in, id, 0, "one");
                h2_put_data(&in, id, 0, "two");
                h2_put_head(&in, id, H2_END_STREAM, "t: u");
            }
            h2_put_goaway(&in, 1, NGHTTP2_NO_ERROR, "");
            (void)h2_rig_feed(&rig, &in, k);
            h2_rig_write(&rig, k);
            if (a.open) {
                rig.h2.codec.ops->pause(&rig.h2.codec, &a.stream, false);
            }
            h2_rig_write(&rig, k);
            h2_rig_eof(&rig);
            assert_int_equal(rig.h2.open_count, 0);
            assert_int_equal(more.body_bytes, 0); /* nothing of what was another's */
            assert_int_equal(more.stream.received_head_bytes, 0);
            h2_peer_deinit(&more);
        }
    }
}

/* ---- memory ---- */

/* Streams of every kind; answers no error but that memory was short. */
static void whole_life(void)
{
    static const char *const steps[] = {"upload"};
    static const struct tern_field trailer = {TERN_STR("x-sum"), TERN_STR("6"), 0};
    struct tern_codec *codec = &rig.h2.codec;
    enum tern_error error;

    h2_peer_body(&b, steps, 1, TERN_LENGTH_UNKNOWN);
    b.message.trailers = &trailer;
    b.message.trailer_count = 1;
    error = h2_peer_submit(&a);
    if (error == TERN_OK) {
        error = h2_peer_submit(&b);
    }
    if (error != TERN_OK) {
        assert_int_equal(error, TERN_ENOMEM);
        return;
    }
    h2_rig_write(&rig, 0);
    if (a.open) {
        codec->ops->pause(codec, &a.stream, true);
    }
    (void)h2_rig_feed(&rig, &in, 0);
    if (a.open) {
        codec->ops->pause(codec, &a.stream, false);
    }
    h2_rig_write(&rig, 0);
    tern_h2_ping(&rig.h2);
    if (b.open) {
        cancel(&b);
    }
    h2_rig_write(&rig, 0);
    assert_true(rig.h2.fault.error == TERN_OK || rig.h2.fault.error == TERN_ENOMEM);
}

static void every_allocation_may_fail(void **unused)
{
    uint64_t n;

    (void)unused;
    for (n = 1;; n++) {
        again();
        h2_put_head(&in, 1, 0, ":status: 200\na: b");
        h2_put_data(&in, 1, 0, "some");
        h2_put_head(&in, 1, H2_END_STREAM, "t: u");
        h2_put_head(&in, 3, 0, ":status: 200\na: b");
        faultmem_fail_nth(n);
        whole_life();
        bool failed = faultmem_failed();
        faultmem_never_fail();
        h2_rig_eof(&rig);
        assert_false(a.open || b.open);
        if (!failed) {
            break;
        }
    }
    assert_true(n > 10);
    assert_non_null(strstr(h2_peer_log(&a), "sent\nhead 200 | a: b\nbody \"some\"\ntrailers | t: u\nend\n"));
}

static void a_codec_that_cannot_begin_holds_nothing(void **unused)
{
    static const struct tern_codec_limits limits = {16 << 10, 64 << 10, 256, 16};

    (void)unused;
    for (uint64_t n = 1;; n++) {
        struct tern_h2_spares spares = {0};
        struct tern_ledger ledger;
        struct tern_h2 h2;
        tern_ledger_init(&ledger, NULL, UINT64_MAX);
        uint64_t live = faultmem_live();
        faultmem_fail_nth(n);
        enum tern_error error = tern_h2_init(&h2, &limits, 65536, &spares, &ledger);
        bool failed = faultmem_failed();
        faultmem_never_fail();
        if (error == TERN_OK) {
            h2.codec.ops->deinit(&h2.codec);
        }
        tern_h2_spares_deinit(&spares);
        assert_int_equal(faultmem_live(), live);
        assert_int_equal(ledger.promised_bytes, 0);
        assert_int_equal(error, failed ? TERN_ENOMEM : TERN_OK);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
    }
}

/* ---- PING ---- */

static void ack_ping(void)
{
    h2_put(&in, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "\0\0\0\0\0\0\0\0", 8);
    feed();
}

/* Some servers close on PINGs that come without HEADERS or DATA of theirs in between. */
static void a_ping_is_sent_alone_and_not_without_an_answer_since(void **unused)
{
    (void)unused;
    start();
    assert_false(tern_h2_ping_unanswered(&rig.h2));
    tern_h2_ping(&rig.h2);
    tern_h2_ping(&rig.h2);
    assert_true(tern_h2_ping_unanswered(&rig.h2));
    assert_false(tern_h2_may_ping(&rig.h2));
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "PING\n");
    ack_ping();
    h2_rig_write(&rig, 0);
    h2_rig_frames(&rig); /* SETTINGS ACK */
    assert_false(tern_h2_ping_unanswered(&rig.h2));
    assert_false(tern_h2_may_ping(&rig.h2));
    tern_h2_ping(&rig.h2);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "");
    h2_put_head(&in, 1, H2_END_STREAM, ":status: 200");
    feed();
    assert_true(tern_h2_may_ping(&rig.h2));
    tern_h2_ping(&rig.h2);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "PING\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_reset_code_has_its_meaning),
        T(a_reset_behind_the_end_is_no_error),
        T(goaway_refuses_what_is_behind_it_and_drains_the_rest),
        T(a_graceful_goaway_comes_in_two),
        T(what_is_not_framed_at_a_goaway_was_not_sent),
        T(an_idle_connection_closes_at_a_goaway),
        T(goaway_then_the_end_at_every_point),
        T(the_reason_of_the_end_reaches_every_stream),
        T(the_first_byte_written_makes_it_maybe),
        T(a_shutdown_says_goodbye_and_finishes),
        T(a_cancel_before_the_first_byte_leaves_no_trace),
        T(a_queued_request_that_is_called_off_is_not_looked_at_again),
        T(what_is_in_the_out_buffer_counts_as_sent),
        T(a_cancel_in_the_middle_of_a_head_leaves_the_wire_whole),
        T(late_frames_are_ignored_and_counted),
        T(anything_may_be_done_in_any_event),
        T(every_allocation_may_fail),
        T(a_codec_that_cannot_begin_holds_nothing),
        T(a_ping_is_sent_alone_and_not_without_an_answer_since),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
