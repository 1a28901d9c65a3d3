/* What the HTTP/1.1 codec writes: the same bytes however they are taken, and no byte too many when the peer answers
 * early. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/str.h"
#include "tests/support/h1_rig.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define OK_EMPTY OK "Content-Length: 0\r\n\r\n"
#define STEPS(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static const struct tern_field fields[] = {{TERN_STR("User-Agent"), TERN_STR("tern"), 0},
                                           {TERN_STR("Accept"), TERN_STR("*/*"), 0},
                                           {TERN_STR("accept"), TERN_STR(""), 0}};

static void start(struct h1_rig *rig, const char *method)
{
    h1_rig_init(rig, NULL);
    rig->message.method = tern_str(method);
}

static void a_request_without_body_is_one_write(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig, "GET");
    rig.message.authority = TERN_STR("example.com:8080");
    rig.message.target = TERN_STR("/a?b=c");
    rig.message.fields = fields;
    rig.message.field_count = 3;
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    assert_int_equal(h1_rig_write(&rig, 0), 1);
    assert_string_equal(h1_rig_wire(&rig), "GET /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: tern\r\n"
                                           "Accept: */*\r\naccept: \r\n\r\n");
    assert_string_equal(h1_rig_log(&rig), "sent\n");
    assert_int_equal(rig.stream.sent_head_bytes, strlen(h1_rig_wire(&rig)));
    h1_rig_deinit(&rig);
}

static void a_body_in_memory_goes_with_the_head_in_one_write(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig, "POST");
    h1_rig_body(&rig, STEPS("hello"), 5);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    assert_int_equal(h1_rig_write(&rig, 0), 1);
    assert_string_equal(h1_rig_wire(&rig), "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello");
    assert_string_equal(h1_rig_log(&rig), "sent\n");
    assert_int_equal(rig.stream.sent_body_bytes, 5);
    h1_rig_deinit(&rig);
}

static void a_body_that_is_lent_is_not_copied(void **unused)
{
    static const char body[] = "hello";
    struct h1_rig rig;
    struct tern_codec *codec = &rig.h1.codec;
    struct iovec pieces[TERN_H1_PIECES_MAX];

    (void)unused;
    start(&rig, "PUT");
    h1_rig_body(&rig, STEPS(body), TERN_LENGTH_UNKNOWN);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    assert_int_equal(codec->ops->pull(codec, pieces, TERN_H1_PIECES_MAX), 4);
    assert_ptr_equal(pieces[2].iov_base, body);
    assert_int_equal(pieces[2].iov_len, 5);
    h1_rig_deinit(&rig);
}

static void a_method_with_a_meaning_for_a_body_says_that_there_is_none(void **unused)
{
    static const struct {
        const char *method;
        bool says;
    } rows[] = {{"POST", true}, {"PUT", true}, {"PATCH", true}, {"GET", false}, {"DELETE", false}, {"OPTIONS", false}};
    struct h1_rig rig;

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(&rig, rows[i].method);
        assert_int_equal(h1_rig_submit(&rig), TERN_OK);
        h1_rig_write(&rig, 0);
        assert_int_equal(strstr(h1_rig_wire(&rig), "\r\nContent-Length: 0\r\n") != NULL, rows[i].says);
        h1_rig_deinit(&rig);
    }
    /* An empty body is a body. */
    start(&rig, "GET");
    h1_rig_body(&rig, NULL, 0, 0);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_write(&rig, 0);
    assert_non_null(strstr(h1_rig_wire(&rig), "\r\nContent-Length: 0\r\n"));
    assert_string_equal(h1_rig_log(&rig), "sent\n");
    h1_rig_deinit(&rig);
}

/* Every way of taking the bytes gives the same wire. */
static void the_wire_does_not_depend_on_how_it_is_taken(void **unused)
{
    static const char *const steps[] = {"hello", ", ", "a somewhat longer piece of the body"};
    static const char fixed[] = "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 42\r\n\r\n"
                                "hello, a somewhat longer piece of the body";
    static const char chunked[] = "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5\r\nhello\r\n2\r\n, \r\n23\r\na somewhat longer piece of the body\r\n0\r\n\r\n";
    struct h1_rig rig;

    (void)unused;
    for (size_t k = 0; k < sizeof chunked; k++) {
        start(&rig, "POST");
        for (int i = 0; i < 2; i++) {
            h1_rig_body(&rig, steps, 3, i == 0 ? 42 : TERN_LENGTH_UNKNOWN);
            assert_int_equal(h1_rig_submit(&rig), TERN_OK);
            h1_rig_write(&rig, k);
            assert_string_equal(h1_rig_wire(&rig), i == 0 ? fixed : chunked);
            assert_int_equal(rig.stream.sent_body_bytes, 42);
            assert_int_equal(rig.stream.sent_head_bytes, strstr(h1_rig_wire(&rig), "\r\n\r\n") + 4 - h1_rig_wire(&rig));
            h1_rig_feed(&rig, OK_EMPTY);
            assert_string_equal(h1_rig_log(&rig), "sent\nhead 200 OK HTTP/1.1 | Content-Length: 0\nend\n");
            assert_int_equal(h1_rig_state(&rig), TERN_CODEC_OPEN);
        }
        h1_rig_deinit(&rig);
    }
}

static void an_empty_chunked_body_is_its_last_chunk(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig, "POST");
    h1_rig_body(&rig, NULL, 0, TERN_LENGTH_UNKNOWN);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    assert_int_equal(h1_rig_write(&rig, 0), 1);
    assert_non_null(strstr(h1_rig_wire(&rig), "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    h1_rig_deinit(&rig);
}

static void a_source_that_waits_goes_on_when_it_can(void **unused)
{
    static const uint64_t lengths[] = {4, TERN_LENGTH_UNKNOWN};
    static const char *const tails[] = {"\r\n\r\nabcd", "\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"};
    struct h1_rig rig;

    (void)unused;
    for (int i = 0; i < 2; i++) {
        start(&rig, "POST");
        h1_rig_body(&rig, STEPS(NULL, "ab", NULL, "cd"), lengths[i]);
        assert_int_equal(h1_rig_submit(&rig), TERN_OK);
        h1_rig_write(&rig, 0);
        assert_int_equal(rig.stream.sent_body_bytes, 0);
        rig.step++;
        rig.h1.codec.ops->body_ready(&rig.h1.codec, &rig.stream);
        h1_rig_write(&rig, 0);
        assert_int_equal(rig.stream.sent_body_bytes, 2);
        rig.step++;
        h1_rig_write(&rig, 1);
        assert_string_equal(strstr(h1_rig_wire(&rig), "\r\n\r\n"), tails[i]);
        assert_string_equal(h1_rig_log(&rig), "sent\n");
        h1_rig_deinit(&rig);
    }
}

static void a_source_of_another_length_or_that_fails_ends_the_exchange(void **unused)
{
    static const struct {
        const char *body;
        uint64_t length;
        bool fails;
        const char *log;
    } rows[] = {
        {"abc", 5, false,
         "error TERN_EBODY_SIZE MAYBE \"request body: shorter than the 5 bytes announced, after 3\"\n"},
        {"abc", 2, false,
         "error TERN_EBODY_SIZE UNSENT \"request body: longer than the 2 bytes announced, after 0\"\n"},
        {"abc", 0, false, "error TERN_EBODY_SIZE MAYBE \"request body: longer than the 0 bytes announced, after 0\"\n"},
        {"abc", 5, true, "error TERN_EBODY_SOURCE MAYBE \"the test's source failed\"\n"},
        {"abc", TERN_LENGTH_UNKNOWN, true, "error TERN_EBODY_SOURCE MAYBE \"the test's source failed\"\n"},
    };
    struct h1_rig rig;

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(&rig, "POST");
        h1_rig_body(&rig, STEPS(rows[i].body), rows[i].length);
        rig.source_fails = rows[i].fails;
        assert_int_equal(h1_rig_submit(&rig), TERN_OK);
        h1_rig_write(&rig, 0);
        assert_string_equal(h1_rig_log(&rig), rows[i].log);
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
        h1_rig_deinit(&rig);
    }
    /* Exactly what was announced, then more. */
    start(&rig, "POST");
    h1_rig_body(&rig, STEPS("ab", "c"), 2);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_write(&rig, 0);
    assert_string_equal(h1_rig_log(&rig),
                        "error TERN_EBODY_SIZE MAYBE \"request body: longer than the 2 bytes announced, "
                        "after 2\"\n");
    h1_rig_deinit(&rig);
}

/* ---- Expect: 100-continue (RFC 9110 10.1.1) ---- */

static void expecting(struct h1_rig *rig)
{
    static const char *const steps[] = {"hello"};

    start(rig, "PUT");
    h1_rig_body(rig, steps, 1, 5);
    rig->message.expect_continue = true;
    assert_int_equal(h1_rig_submit(rig), TERN_OK);
    h1_rig_write(rig, 0);
    assert_string_equal(h1_rig_wire(rig),
                        "PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(h1_rig_log(rig), "");
}

static void the_body_waits_for_100(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    expecting(&rig);
    h1_rig_feed(&rig, "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_int_equal(h1_rig_write(&rig, 0), 0);
    h1_rig_feed(&rig, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(h1_rig_write(&rig, 0), 1);
    assert_non_null(strstr(h1_rig_wire(&rig), "\r\n\r\nhello"));
    h1_rig_feed(&rig, OK_EMPTY);
    assert_string_equal(h1_rig_log(&rig), "info 103 Early Hints HTTP/1.1\ninfo 100 Continue HTTP/1.1\nsent\n"
                                          "head 200 OK HTTP/1.1 | Content-Length: 0\nend\n");
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_OPEN);
    h1_rig_deinit(&rig);
}

static void the_wait_for_100_can_be_ended(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    expecting(&rig);
    rig.h1.codec.ops->continue_body(&rig.h1.codec, &rig.stream);
    assert_int_equal(h1_rig_write(&rig, 0), 1);
    assert_string_equal(h1_rig_log(&rig), "sent\n");
    /* A 100 that comes late is only told. */
    h1_rig_feed(&rig, "HTTP/1.1 100 Continue\r\n\r\n" OK_EMPTY);
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_OPEN);
    h1_rig_deinit(&rig);
}

static void a_final_answer_keeps_the_body_back(void **unused)
{
    static const char *const heads[] = {"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 1\r\n\r\n",
                                        OK "Content-Length: 1\r\n\r\n"};
    struct h1_rig rig;

    (void)unused;
    for (int i = 0; i < 2; i++) {
        expecting(&rig);
        h1_rig_feed(&rig, heads[i]);
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_DRAIN);
        /* Nor does it go when the wait for 100 ends after that. */
        rig.h1.codec.ops->continue_body(&rig.h1.codec, &rig.stream);
        assert_int_equal(h1_rig_write(&rig, 0), 0);
        h1_rig_feed(&rig, "x");
        assert_null(strstr(h1_rig_log(&rig), "sent"));
        assert_non_null(strstr(h1_rig_log(&rig), "end\n"));
        /* A body was announced and did not come: what follows would be taken for it. */
        assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
        h1_rig_deinit(&rig);
    }
}

static void a_request_without_content_expects_nothing(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig, "POST");
    rig.message.expect_continue = true;
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_write(&rig, 0);
    assert_null(strstr(h1_rig_wire(&rig), "Expect"));
    assert_string_equal(h1_rig_log(&rig), "sent\n");
    h1_rig_deinit(&rig);
}

/* ---- answers that come before the request is out ---- */

static void uploading(struct h1_rig *rig)
{
    static const char *const steps[] = {"hello", NULL, "world"};

    start(rig, "POST");
    h1_rig_body(rig, steps, 3, TERN_LENGTH_UNKNOWN);
    assert_int_equal(h1_rig_submit(rig), TERN_OK);
    h1_rig_write(rig, 0);
}

static void an_early_refusal_stops_the_upload(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    uploading(&rig);
    h1_rig_feed(&rig, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n");
    rig.step++;
    assert_int_equal(h1_rig_write(&rig, 0), 0);
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_DRAIN);
    h1_rig_feed(&rig, "no");
    assert_string_equal(h1_rig_log(&rig), "head 413 Too Large HTTP/1.1 | Content-Length: 2\nbody \"no\"\nend\n");
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
    h1_rig_deinit(&rig);
}

/* An echo answers while it reads. */
static void an_early_acceptance_lets_the_upload_go_on(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    uploading(&rig);
    h1_rig_feed(&rig, OK "Content-Length: 10\r\n\r\nhello");
    rig.step++;
    h1_rig_write(&rig, 0);
    h1_rig_feed(&rig, "world");
    assert_string_equal(h1_rig_log(&rig), "head 200 OK HTTP/1.1 | Content-Length: 10\nbody \"hello\"\nsent\n"
                                          "body \"world\"\nend\n");
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_OPEN);
    h1_rig_deinit(&rig);
}

static void an_answer_that_is_complete_first_ends_the_exchange_and_the_connection(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    uploading(&rig);
    h1_rig_feed(&rig, OK_EMPTY);
    assert_string_equal(h1_rig_log(&rig), "head 200 OK HTTP/1.1 | Content-Length: 0\nend\n");
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
    assert_int_equal(h1_rig_write(&rig, 0), 0);
    h1_rig_deinit(&rig);
}

static void close_is_said_and_done(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    start(&rig, "GET");
    rig.message.close = true;
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_write(&rig, 0);
    assert_non_null(strstr(h1_rig_wire(&rig), "\r\nConnection: close\r\n\r\n"));
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_DRAIN);
    h1_rig_feed(&rig, OK_EMPTY);
    assert_int_equal(h1_rig_state(&rig), TERN_CODEC_CLOSED);
    h1_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_without_body_is_one_write),
        cmocka_unit_test(a_body_in_memory_goes_with_the_head_in_one_write),
        cmocka_unit_test(a_body_that_is_lent_is_not_copied),
        cmocka_unit_test(a_method_with_a_meaning_for_a_body_says_that_there_is_none),
        cmocka_unit_test(the_wire_does_not_depend_on_how_it_is_taken),
        cmocka_unit_test(an_empty_chunked_body_is_its_last_chunk),
        cmocka_unit_test(a_source_that_waits_goes_on_when_it_can),
        cmocka_unit_test(a_source_of_another_length_or_that_fails_ends_the_exchange),
        cmocka_unit_test(the_body_waits_for_100),
        cmocka_unit_test(the_wait_for_100_can_be_ended),
        cmocka_unit_test(a_final_answer_keeps_the_body_back),
        cmocka_unit_test(a_request_without_content_expects_nothing),
        cmocka_unit_test(an_early_refusal_stops_the_upload),
        cmocka_unit_test(an_early_acceptance_lets_the_upload_go_on),
        cmocka_unit_test(an_answer_that_is_complete_first_ends_the_exchange_and_the_connection),
        cmocka_unit_test(close_is_said_and_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
