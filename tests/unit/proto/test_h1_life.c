/* A connection's life under the HTTP/1.1 codec: reuse, ends of every kind, cancel, memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/fault.h"
#include "tests/support/faultmem.h"
#include "tests/support/h1_rig.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define OK_EMPTY OK "Content-Length: 0\r\n\r\n"
#define OK_LOG "head 200 OK HTTP/1.1 | Content-Length: 0\nend\n"

static void start(struct h1_rig *rig)
{
    h1_rig_init(rig, NULL);
    assert_int_equal(h1_rig_submit(rig), TERN_OK);
    h1_rig_write(rig, 0);
}

static void exchanges_follow_each_other_without_allocating(void **unused)
{
    struct h1_rig rig;
    uint64_t count = 0;

    (void)unused;
    start(&rig);
    for (int i = 0; i < 100; i++) {
        h1_rig_feed(&rig, OK
                    "A: b\r\nDate: now\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: u\r\n\r\n");
        assert_non_null(strstr(h1_rig_log(&rig), "trailers | T: u\nend\n"));
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_OPEN);
        if (i == 0) {
            count = faultmem_count();
        }
        assert_int_equal(h1_rig_submit(&rig), TERN_OK);
        h1_rig_write(&rig, 0);
    }
    assert_int_equal(faultmem_count(), count);
    h1_rig_deinit(&rig);
}

static void an_idle_codec_holds_no_memory(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig);
    h1_rig_feed(&rig, OK_EMPTY);
    uint64_t live = faultmem_live();
    tern_h1_spares_deinit(&rig.spares);
    assert_true(faultmem_live() < live); /* it was with the spares */
    assert_null(rig.h1.scratch);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_deinit(&rig);
}

/* ---- desync ---- */

static void a_second_response_closes_at_every_split(void **unused)
{
    static const char answers[] = OK_EMPTY OK_EMPTY;
    size_t len = sizeof answers - 1;

    (void)unused;
    for (size_t split = 0; split <= len; split++) {
        struct h1_rig rig;
        start(&rig);
        h1_rig_feed_n(&rig, answers, split, 0);
        h1_rig_feed_n(&rig, answers + split, len - split, 0);
        /* The first is the answer; the second is nobody's, and nobody gets the connection. */
        assert_string_equal(h1_rig_log(&rig), "sent\n" OK_LOG);
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
        assert_int_equal(rig.h1.codec.ops->capacity(&rig.h1.codec), 0);
        assert_int_equal(rig.h1.error, TERN_EPROTO);
        h1_rig_deinit(&rig);
    }
}

static void one_stray_byte_closes(void **unused)
{
    static const char *const answers[] = {
        OK "Content-Length: 2\r\n\r\nhiX",
        OK "Content-Length: 2\r\n\r\nhi\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
        OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\nX",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\n\r\nX",
        OK "Connection: close\r\nContent-Length: 0\r\n\r\nX",
    };
    struct h1_rig rig;

    (void)unused;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        start(&rig);
        h1_rig_feed(&rig, answers[i]);
        assert_non_null(strstr(h1_rig_log(&rig), "end\n"));
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
        assert_int_equal(rig.h1.error, TERN_EPROTO);
        h1_rig_deinit(&rig);
    }
}

/* on_end may ask for the state at once: it must not see a connection that could be used again. */
static void the_connection_is_closed_before_the_end_is_told(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig);
    h1_rig_feed(&rig, OK "Connection: close\r\nContent-Length: 1\r\n\r\n");
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_DRAIN);
    h1_rig_feed(&rig, "x");
    assert_int_equal(rig.state_at_end, TERN_CODEC_CLOSED);
    h1_rig_deinit(&rig);

    start(&rig);
    h1_rig_feed(&rig, OK_EMPTY "X");
    assert_int_equal(rig.state_at_end, TERN_CODEC_CLOSED);
    h1_rig_deinit(&rig);
}

static void bytes_on_an_idle_connection_close_it(void **unused)
{
    struct h1_rig rig;
    size_t used;

    (void)unused;
    h1_rig_init(&rig, NULL);
    h1_rig_feed(&rig, "H");
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
    /* What answered an error answers it ever after. */
    assert_int_equal(rig.h1.codec.ops->feed(&rig.h1.codec, (const uint8_t *)"x", 1, &used), TERN_EPROTO);
    h1_rig_deinit(&rig);
}

/* A server's 408 that crosses a new request on the wire does not answer it. */
static void bytes_before_the_request_was_written_answer_nothing(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_feed(&rig, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(h1_rig_log(&rig), "error TERN_EPROTO UNSENT \"the peer sent bytes that answer no request\"\n");
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
    h1_rig_deinit(&rig);
}

/* ---- ends ---- */

static void the_end_says_how_much_is_missing(void **unused)
{
    static const struct {
        const char *answer;
        const char *log;
    } rows[] = {
        {"", "error TERN_EPEER_EMPTY MAYBE \"the peer closed the connection without an answer\"\n"},
        {"H", "error TERN_EPEER_TRUNCATED ANSWERED \"the peer closed the connection in the response head, line 1\"\n"},
        {OK "A: b\r\n",
         "error TERN_EPEER_TRUNCATED ANSWERED \"the peer closed the connection in the response head, line 2\"\n"},
        {"HTTP/1.1 100 Continue\r\n\r\n",
         "info 100 Continue HTTP/1.1\n"
         "error TERN_EPEER_TRUNCATED ANSWERED \"the peer closed the connection in the response head, line 1\"\n"},
        {OK "Content-Length: 5\r\n\r\nhel",
         "head 200 OK HTTP/1.1 | Content-Length: 5\nbody \"hel\"\n"
         "error TERN_EPEER_TRUNCATED ANSWERED \"the peer closed the connection after 3 of 5 bytes of the body\"\n"},
        {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
         "head 200 OK HTTP/1.1 | Transfer-Encoding: chunked\nbody \"hello\"\n"
         "error TERN_EPEER_TRUNCATED ANSWERED \"the peer closed the connection after 5 bytes of the chunked body, "
         "before "
         "its end\"\n"},
        {OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "head 200 OK HTTP/1.1 | Transfer-Encoding: chunked\n"
                                                       "error TERN_EPEER_TRUNCATED ANSWERED \"the peer closed the "
                                                       "connection after 0 bytes of the chunked body, before "
                                                       "its end\"\n"},
    };
    struct h1_rig rig;

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(&rig);
        h1_rig_feed(&rig, rows[i].answer);
        h1_rig_eof(&rig);
        assert_string_equal(h1_rig_log(&rig) + strlen("sent\n"), rows[i].log);
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
        h1_rig_deinit(&rig);
    }
}

static void a_reason_is_passed_on_even_where_eof_would_do(void **unused)
{
    struct tern_fault reset;
    struct h1_rig rig;

    (void)unused;
    tern_fault_set(&reset, TERN_EPEER_RESET, "gone");
    start(&rig);
    h1_rig_feed(&rig, OK "\r\nuntil the close");
    rig.h1.codec.ops->feed_end(&rig.h1.codec, &reset);
    assert_string_equal(h1_rig_log(&rig), "sent\nhead 200 OK HTTP/1.1\nbody \"until the close\"\n"
                                          "error TERN_EPEER_RESET ANSWERED \"gone\"\n");
    h1_rig_deinit(&rig);

    h1_rig_init(&rig, NULL);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    rig.h1.codec.ops->feed_end(&rig.h1.codec, &reset);
    assert_string_equal(h1_rig_log(&rig), "error TERN_EPEER_RESET UNSENT \"gone\"\n");
    h1_rig_deinit(&rig);

    /* One byte on the wire is enough to be seen. */
    h1_rig_init(&rig, NULL);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    struct iovec pieces[TERN_H1_PIECES_MAX];
    assert_int_equal(rig.h1.codec.ops->pull(&rig.h1.codec, pieces, TERN_H1_PIECES_MAX), 1);
    rig.h1.codec.ops->wrote(&rig.h1.codec, 1);
    rig.h1.codec.ops->feed_end(&rig.h1.codec, &reset);
    assert_string_equal(h1_rig_log(&rig), "error TERN_EPEER_RESET MAYBE \"gone\"\n");
    h1_rig_deinit(&rig);
}

static void an_end_cut_off_below_is_empty_until_an_answer_begins(void **unused)
{
    struct tern_fault cut;
    struct h1_rig rig;

    (void)unused;
    tern_fault_set(&cut, TERN_EPEER_TRUNCATED, "no close_notify");
    start(&rig);
    rig.h1.codec.ops->feed_end(&rig.h1.codec, &cut);
    assert_string_equal(h1_rig_log(&rig),
                        "sent\nerror TERN_EPEER_EMPTY MAYBE \"the peer closed the connection without an answer\"\n");
    h1_rig_deinit(&rig);

    start(&rig);
    h1_rig_feed(&rig, "H");
    rig.h1.codec.ops->feed_end(&rig.h1.codec, &cut);
    assert_string_equal(h1_rig_log(&rig), "sent\nerror TERN_EPEER_TRUNCATED ANSWERED \"no close_notify\"\n");
    h1_rig_deinit(&rig);
}

static void an_idle_connection_ends_quietly(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig);
    h1_rig_feed(&rig, OK_EMPTY);
    h1_rig_eof(&rig);
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
    assert_string_equal(h1_rig_log(&rig), "sent\n" OK_LOG);
    h1_rig_deinit(&rig);
}

/* ---- cancel ---- */

static void a_cancel_before_the_first_byte_keeps_the_connection(void **unused)
{
    struct h1_rig rig;
    struct tern_codec *codec = &rig.h1.codec;
    struct iovec pieces[TERN_H1_PIECES_MAX];

    (void)unused;
    h1_rig_init(&rig, NULL);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    codec->ops->cancel(codec, &rig.stream);
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_OPEN);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    /* Given out is begun: a TLS stream may have taken the bytes without saying so. */
    assert_int_equal(codec->ops->pull(codec, pieces, TERN_H1_PIECES_MAX), 1);
    codec->ops->cancel(codec, &rig.stream);
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
    assert_int_equal(codec->ops->pull(codec, pieces, TERN_H1_PIECES_MAX), 0);
    codec->ops->wrote(codec, 10);
    h1_rig_eof(&rig);
    assert_string_equal(h1_rig_log(&rig), "");
    h1_rig_deinit(&rig);
}

/* Under the sanitizers: nothing that an event shows goes away below it, and nothing comes after the cancel. */
static void a_cancel_from_inside_any_event_is_the_end(void **unused)
{
    static const struct {
        const char *event;
        const char *log;
    } rows[] = {
        {"sent", "sent\n"},
        {"info", "sent\ninfo 103 Hints HTTP/1.1 | L: m\n"},
        {"head", "sent\ninfo 103 Hints HTTP/1.1 | L: m\nhead 200 OK HTTP/1.1 | Transfer-Encoding: chunked\n"},
        {"body",
         "sent\ninfo 103 Hints HTTP/1.1 | L: m\nhead 200 OK HTTP/1.1 | Transfer-Encoding: chunked\nbody \"ab\"\n"},
        {"trailers", "sent\ninfo 103 Hints HTTP/1.1 | L: m\nhead 200 OK HTTP/1.1 | Transfer-Encoding: chunked\n"
                     "body \"abcd\"\ntrailers | T: u\n"},
    };
    struct h1_rig rig;

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        h1_rig_init(&rig, NULL);
        rig.cancel_in = rows[i].event;
        assert_int_equal(h1_rig_submit(&rig), TERN_OK);
        h1_rig_write(&rig, 0);
        size_t used = h1_rig_feed(&rig, "HTTP/1.1 103 Hints\r\nL: m\r\n\r\n" OK
                                        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\nT: u\r\n\r\n");
        assert_true(used > 0);
        h1_rig_eof(&rig);
        assert_string_equal(h1_rig_log(&rig), rows[i].log);
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
        h1_rig_deinit(&rig);
    }
}

/* ---- hints ---- */

static void keep_alive_hints(void **unused)
{
    static const struct {
        const char *value;
        uint64_t ns;
    } rows[] = {
        {"timeout=5", 5 * TERN_S},
        {"timeout=5, max=100", 5 * TERN_S},
        {"max=100, Timeout=7", 7 * TERN_S},
        {"timeout=0", 0},
        {"timeout=", 0},
        {"timeout=-1", 0},
        {"timeout=\"5\"", 0},
        {"timeout", 0},
        {"300", 0},
        {"timeout=18446744074", 0}, /* of seconds: too many nanoseconds */
        {"timeout=18446744073", 18446744073 * TERN_S},
        {"timeout=18446744073709551616", 0},
    };
    struct h1_rig rig;

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char answer[128];
        snprintf(answer, sizeof answer, OK "Keep-Alive: %s\r\nContent-Length: 0\r\n\r\n", rows[i].value);
        start(&rig);
        assert_int_equal(rig.h1.codec.ops->idle_hint_ns(&rig.h1.codec), 0);
        h1_rig_feed(&rig, answer);
        assert_int_equal(rig.h1.codec.ops->idle_hint_ns(&rig.h1.codec), rows[i].ns);
        h1_rig_deinit(&rig);
    }
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **unused)
{
    struct h1_rig rig;
    uint64_t live = faultmem_live();

    (void)unused;
    for (uint64_t n = 1;; n++) {
        h1_rig_init(&rig, NULL);
        faultmem_fail_nth(n);
        enum tern_error error = h1_rig_submit(&rig);
        if (error == TERN_OK) {
            h1_rig_write(&rig, 0);
            h1_rig_feed(&rig, OK "A: b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: u\r\n\r\n");
        }
        bool failed = faultmem_failed();
        faultmem_never_fail();
        if (failed && error == TERN_OK) {
            assert_non_null(strstr(h1_rig_log(&rig), "error TERN_ENOMEM ANSWERED \"out of memory\"\n"));
            assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
        } else if (failed) {
            assert_int_equal(error, TERN_ENOMEM);
            assert_int_equal(h1_rig_state(&rig), TERN_CODEC_OPEN);
        } else {
            assert_non_null(strstr(h1_rig_log(&rig), "end\n"));
        }
        h1_rig_deinit(&rig);
        assert_int_equal(faultmem_live(), live);
        if (!failed) {
            assert_true(n > 4);
            break;
        }
    }
}

static void spares_are_bounded(void **unused)
{
    enum { COUNT = TERN_H1_SPARES_MAX + 10 };
    static struct h1_rig rigs[COUNT];
    struct tern_h1_spares spares = {0};
    uint64_t live = faultmem_live();

    (void)unused;
    for (int i = 0; i < COUNT; i++) {
        h1_rig_init(&rigs[i], NULL);
        rigs[i].h1.spares = &spares;
        assert_int_equal(h1_rig_submit(&rigs[i]), TERN_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        h1_rig_deinit(&rigs[i]);
    }
    assert_int_equal(spares.count, TERN_H1_SPARES_MAX);
    tern_h1_spares_deinit(&spares);
    assert_int_equal(faultmem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_follow_each_other_without_allocating),
        cmocka_unit_test(an_idle_codec_holds_no_memory),
        cmocka_unit_test(a_second_response_closes_at_every_split),
        cmocka_unit_test(one_stray_byte_closes),
        cmocka_unit_test(the_connection_is_closed_before_the_end_is_told),
        cmocka_unit_test(bytes_on_an_idle_connection_close_it),
        cmocka_unit_test(bytes_before_the_request_was_written_answer_nothing),
        cmocka_unit_test(the_end_says_how_much_is_missing),
        cmocka_unit_test(a_reason_is_passed_on_even_where_eof_would_do),
        cmocka_unit_test(an_end_cut_off_below_is_empty_until_an_answer_begins),
        cmocka_unit_test(an_idle_connection_ends_quietly),
        cmocka_unit_test(a_cancel_before_the_first_byte_keeps_the_connection),
        cmocka_unit_test(a_cancel_from_inside_any_event_is_the_end),
        cmocka_unit_test(keep_alive_hints),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(spares_are_bounded),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
